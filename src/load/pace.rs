//! When queries are sent: at a rate that was decided before, or as answers come.

use std::fmt::{Display, Formatter};
use std::str::FromStr;
use std::time::Duration;

/// Rates at most: no machine sends more.
const MOST: f64 = 1e9;
/// Steps at most.
const STEPS: usize = 1000;

//----------- Rates ------------------------------------------------------------

/// Queries a second: `100000`, `100k`, several such as `10k,50k`, or steps such as `10k..100k/10k`.
#[derive(Clone, Debug, PartialEq)]
pub struct Rates(pub Vec<f64>);

/// A rate that makes no sense.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?}: allowed are rates such as 50000, 50k or 1.5M, several as 10k,50k, and steps as 10k..100k/10k")]
pub struct BadRate(String);

impl FromStr for Rates {
    type Err = BadRate;

    fn from_str(text: &str) -> Result<Self, BadRate> {
        let bad = || BadRate(text.to_owned());
        let mut rates = Vec::new();
        for part in text.split(',') {
            let Some((first, rest)) = part.split_once("..") else {
                rates.push(rate(part).ok_or_else(bad)?);
                continue;
            };
            let (last, step) = rest.split_once('/').ok_or_else(bad)?;
            let (first, last, step) = rate(first)
                .zip(rate(last))
                .zip(rate(step))
                .map(|((first, last), step)| (first, last, step))
                .ok_or_else(bad)?;
            let count = ((last - first) / step + 1e-9).floor() + 1.0;
            if !(1.0..=STEPS as f64).contains(&count) {
                return Err(bad());
            }
            rates.extend((0..count as u32).map(|number| first + step * f64::from(number)));
        }
        if rates.len() > STEPS { Err(bad()) } else { Ok(Self(rates)) }
    }
}

/// One rate.
fn rate(text: &str) -> Option<f64> {
    let text = text.trim();
    let unit = match text.chars().last()? {
        'k' | 'K' => 1e3,
        'm' | 'M' => 1e6,
        _ => 1.0,
    };
    let number = if unit > 1.0 { text.get(..text.len() - 1)? } else { text };
    let is_plain = number.bytes().all(|octet| octet.is_ascii_digit() || octet == b'.');
    let rate = number.parse::<f64>().ok().filter(|_| is_plain)? * unit;
    (0.0 < rate && rate <= MOST).then_some(rate)
}

//----------- Pace -------------------------------------------------------------

/// When the queries of one step are sent.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Pace {
    /// So many a second, whatever the server does.
    Open {
        /// Queries a second.
        rate: f64,
    },
    /// So many under way at most: one more when one was answered, or lost.
    Closed {
        /// Queries under way.
        outstanding: usize,
    },
}

impl Display for Pace {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Open { rate } => write!(f, "{rate:.0}/s"),
            Self::Closed { outstanding } => write!(f, "{outstanding} outstanding"),
        }
    }
}

/// The times at which the queries of one of several threads are due, in nanoseconds since the step began.
#[derive(Clone, Copy, Debug)]
pub(super) struct Schedule {
    interval: f64,
    /// Threads take turns.
    phase: f64,
    /// When there are no more.
    end: u64,
}

impl Schedule {
    /// The schedule of thread `index` of `threads` that share `rate`.
    pub(super) fn new(rate: f64, duration: Duration, index: usize, threads: usize) -> Self {
        let interval = 1e9 / rate * threads as f64;
        let phase = interval * index as f64 / threads as f64;
        Self { interval, phase, end: duration.as_nanos() as u64 }
    }

    /// When query `number`, from 0, is due.
    #[inline]
    pub(super) fn due(&self, number: u64) -> u64 {
        // Within a day, a double tells nanoseconds.
        (self.phase + self.interval * number as f64) as u64
    }

    /// How many are due by `now`.
    #[inline]
    pub(super) fn count(&self, now: u64) -> u64 {
        let now = now.min(self.end) as f64;
        // At the end itself none is due any more.
        let count = ((now - self.phase) / self.interval).ceil();
        if count > 0.0 { count as u64 } else { 0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_read() {
        let rates = |text: &str| text.parse::<Rates>().map(|rates| rates.0);
        assert_eq!(rates("100000"), Ok(vec![1e5]));
        assert_eq!(rates("10k..30k/10k"), Ok(vec![1e4, 2e4, 3e4]));
        assert_eq!(rates("1.5M, 20"), Ok(vec![1.5e6, 20.0]));
        assert_eq!(rates("1k..2k/5k"), Ok(vec![1e3]));
        for bad in ["", "0", "-5", "k", "1e5", "10k..", "10k..20k", "20k..10k/1k", "1..1M/1", "nan", "2000M"] {
            assert!(rates(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn threads_share_a_rate_and_every_query_is_due_once() {
        let second = Duration::from_secs(1);
        let schedules: Vec<_> = (0..3).map(|index| Schedule::new(100_000.0, second, index, 3)).collect();
        let total: u64 = schedules.iter().map(|schedule| schedule.count(u64::MAX)).sum();
        assert_eq!(total, 100_000);
        let mut due: Vec<u64> =
            schedules.iter().flat_map(|schedule| (0..schedule.count(u64::MAX)).map(|n| schedule.due(n))).collect();
        due.sort_unstable();
        assert!(due.windows(2).all(|pair| (9_999..=10_001).contains(&(pair[1] - pair[0]))));
        for schedule in schedules {
            for now in [0, 1, 9_999, 10_000, 10_001, 123_456_789, 999_999_999] {
                let count = schedule.count(now);
                assert!(count == 0 || schedule.due(count - 1) <= now, "{now}");
                assert!(schedule.due(count) >= now, "{now}");
            }
        }
    }
}
