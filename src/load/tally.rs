//! What one thread counted, and how threads' counts become a step of the report.

use std::sync::mpsc::Sender;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;

use super::check::Found;
use super::report::{Checks, Generator, Latency, Second, Step};

/// The longest time that is told from longer ones, in nanoseconds: a minute.
const LONGEST: u64 = 60_000_000_000;
/// Digits of times.
const DIGITS: u8 = 3;
/// Examples of wrong answers that are kept.
const EXAMPLES: usize = 8;
/// Names of response codes (RFC 1035 §4.1.1, RFC 2136 §2.2).
const RCODES: [&str; 16] = [
    "NOERROR", "FORMERR", "SERVFAIL", "NXDOMAIN", "NOTIMP", "REFUSED", "YXDOMAIN", "YXRRSET", "NXRRSET", "NOTAUTH",
    "NOTZONE", "RCODE11", "RCODE12", "RCODE13", "RCODE14", "RCODE15",
];

//----------- Times ------------------------------------------------------------

/// A distribution of nanoseconds, none yet.
pub(crate) fn histogram() -> Histogram<u64> {
    // The bounds are constants that the library takes; a test makes one.
    Histogram::new_with_max(LONGEST, DIGITS).unwrap_or_else(|_| unreachable!("three digits, up to a minute"))
}

/// A distribution for the report.
pub(crate) fn latency(times: &Histogram<u64>) -> Latency {
    if times.is_empty() {
        return Latency::default();
    }
    let mut two_digits: Vec<(u64, u64)> = Vec::new();
    for step in times.iter_recorded() {
        let value = step.value_iterated_to();
        let unit = 10_u64.pow(value.checked_ilog10().unwrap_or_default().saturating_sub(1));
        let (value, count) = (value / unit * unit, step.count_since_last_iteration());
        match two_digits.last_mut() {
            Some((last, sum)) if *last == value => *sum += count,
            _ => two_digits.push((value, count)),
        }
    }
    Latency {
        count: times.len(),
        min: times.min(),
        mean: times.mean(),
        p50: times.value_at_quantile(0.5),
        p90: times.value_at_quantile(0.9),
        p99: times.value_at_quantile(0.99),
        p99_9: times.value_at_quantile(0.999),
        p99_99: times.value_at_quantile(0.9999),
        max: times.max(),
        histogram: two_digits,
    }
}

/// Nanoseconds since a moment that all threads of a run share.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock(Instant);

impl Clock {
    /// Begins now.
    pub(crate) fn start() -> Self {
        Self(Instant::now())
    }

    /// What it shows.
    #[inline]
    pub(crate) fn now(self) -> u64 {
        self.0.elapsed().as_nanos() as u64
    }
}

//----------- Tally ------------------------------------------------------------

/// One second of one thread, on its way to whoever shows progress and keeps the timeline.
pub(super) struct Tick {
    /// Seconds since the step began.
    pub(super) at: u32,
    pub(super) sent: u64,
    pub(super) answered: u64,
    pub(super) lost: u64,
    pub(super) wrong: u64,
    pub(super) latency: Histogram<u64>,
}

/// What one thread counted in one step.
pub(super) struct Tally {
    pub(super) sent: u64,
    pub(super) answered: u64,
    pub(super) lost: u64,
    pub(super) unexpected: u64,
    pub(super) unsent: u64,
    pub(super) truncated: u64,
    pub(super) dropped_here: u64,
    pub(super) errors: u64,
    pub(super) rcodes: [u64; 16],
    pub(super) checks: Checks,
    pub(super) lag: Histogram<u64>,
    pub(super) user: Duration,
    pub(super) system: Duration,
    /// When sending ended, on the run's clock.
    pub(super) ended: u64,
    latency: Histogram<u64>,
    /// Answers that were wrong in any way.
    wrong: u64,
    /// This second's times.
    current: Histogram<u64>,
    second: u32,
    /// When the second ends.
    until: u64,
    /// What the counters were when the second began: sent, answered, lost, wrong.
    before: [u64; 4],
    /// `None` once finished: whoever follows waits until nobody can tell it more.
    ticks: Option<Sender<Tick>>,
}

impl Tally {
    /// Nothing yet, in a step that begins at `begin` and tells its seconds to `ticks`.
    pub(super) fn new(begin: u64, ticks: Sender<Tick>) -> Self {
        Self {
            sent: 0,
            answered: 0,
            lost: 0,
            unexpected: 0,
            unsent: 0,
            truncated: 0,
            dropped_here: 0,
            errors: 0,
            rcodes: [0; 16],
            checks: Checks::default(),
            lag: histogram(),
            user: Duration::ZERO,
            system: Duration::ZERO,
            ended: begin,
            latency: histogram(),
            wrong: 0,
            current: histogram(),
            second: 0,
            until: begin + 1_000_000_000,
            before: [0; 4],
            ticks: Some(ticks),
        }
    }

    /// An answer took so long.
    #[inline]
    pub(super) fn answer(&mut self, nanoseconds: u64) {
        self.answered += 1;
        self.current.saturating_record(nanoseconds);
    }

    /// An answer was looked at; `example` says of which query a wrong one is.
    #[inline]
    pub(super) fn look(&mut self, found: Found, example: impl FnOnce() -> String) {
        self.checks.checked += 1;
        if found.any() {
            self.wrong(found, example());
        }
    }

    #[cold]
    fn wrong(&mut self, found: Found, example: String) {
        let checks = &mut self.checks;
        for (is, count) in [
            (found.rcode, &mut checks.wrong_rcode),
            (found.record, &mut checks.wrong_record),
            (found.count, &mut checks.wrong_count),
            (found.ttl, &mut checks.wrong_ttl),
            (found.duplicate, &mut checks.duplicate),
            (found.stale, &mut checks.stale),
            (found.malformed, &mut checks.malformed),
        ] {
            *count += u64::from(is);
        }
        self.wrong += 1;
        if checks.examples.len() < EXAMPLES {
            checks.examples.push(format!("{}: {example}", found.words()));
        }
    }

    /// Ends the second where it is over.
    #[inline]
    pub(super) fn tick(&mut self, now: u64) {
        if now >= self.until {
            self.end_second();
        }
    }

    #[cold]
    fn end_second(&mut self) {
        let counters = [self.sent, self.answered, self.lost, self.wrong];
        let [sent, answered, lost, wrong] = [0, 1, 2, 3].map(|which: usize| {
            let (now, before) = (counters.get(which), self.before.get(which));
            now.zip(before).map_or(0, |(now, before)| now - before)
        });
        // A saturated record fits any histogram of the same bounds.
        let _ = self.latency.add(&self.current);
        let latency = self.current.clone();
        self.current.reset();
        // Nobody may listen any more, which is theirs.
        if let Some(ticks) = &self.ticks {
            let _ = ticks.send(Tick { at: self.second, sent, answered, lost, wrong, latency });
        }
        self.before = counters;
        self.second += 1;
        self.until += 1_000_000_000;
    }

    /// Ends the last second.
    pub(super) fn finish(&mut self) {
        if self.before != [self.sent, self.answered, self.lost, self.wrong] {
            self.end_second();
        }
        self.ticks = None;
    }
}

//----------- Timeline ---------------------------------------------------------

/// The seconds of a step, of all threads.
#[derive(Default)]
pub(super) struct Timeline {
    seconds: Vec<(Second, Histogram<u64>)>,
}

impl Timeline {
    /// Adds a thread's second.
    pub(super) fn add(&mut self, tick: Tick) {
        while self.seconds.len() <= tick.at as usize {
            let at = self.seconds.len() as u32;
            self.seconds.push((Second { at, ..Second::default() }, histogram()));
        }
        let Some((second, times)) = self.seconds.get_mut(tick.at as usize) else { return };
        second.sent += tick.sent;
        second.answered += tick.answered;
        let _ = times.add(&tick.latency);
    }

    /// The seconds for the report.
    fn finish(self) -> Vec<Second> {
        let finish = |(mut second, times): (Second, Histogram<u64>)| {
            (second.p50, second.p99) = (times.value_at_quantile(0.5), times.value_at_quantile(0.99));
            second.max = times.max();
            second
        };
        self.seconds.into_iter().map(finish).collect()
    }
}

/// Sums up the threads of a step that began at `begin`.
pub(super) fn sum(tallies: Vec<Tally>, timeline: Timeline, begin: u64) -> Step {
    let ended = tallies.iter().map(|tally| tally.ended).max().unwrap_or(begin);
    let seconds = ended.saturating_sub(begin) as f64 / 1e9;
    let mut step = Step { seconds, timeline: timeline.finish(), ..Step::default() };
    let (mut times, mut lag, mut rcodes) = (histogram(), histogram(), [0; 16]);
    let mut generator = Generator::default();
    for tally in tallies {
        for (sum, count) in [
            (&mut step.sent, tally.sent),
            (&mut step.answered, tally.answered),
            (&mut step.lost, tally.lost),
            (&mut step.unexpected, tally.unexpected),
            (&mut step.unsent, tally.unsent),
            (&mut step.truncated, tally.truncated),
            (&mut step.dropped_here, tally.dropped_here),
            (&mut generator.errors, tally.errors),
            (&mut step.checks.checked, tally.checks.checked),
            (&mut step.checks.wrong_rcode, tally.checks.wrong_rcode),
            (&mut step.checks.wrong_record, tally.checks.wrong_record),
            (&mut step.checks.wrong_count, tally.checks.wrong_count),
            (&mut step.checks.wrong_ttl, tally.checks.wrong_ttl),
            (&mut step.checks.duplicate, tally.checks.duplicate),
            (&mut step.checks.stale, tally.checks.stale),
            (&mut step.checks.malformed, tally.checks.malformed),
        ] {
            *sum += count;
        }
        step.checks.examples.extend(tally.checks.examples);
        for (sum, count) in rcodes.iter_mut().zip(tally.rcodes) {
            *sum += count;
        }
        let _ = times.add(&tally.latency);
        let _ = lag.add(&tally.lag);
        generator.user_seconds += tally.user.as_secs_f64();
        generator.system_seconds += tally.system.as_secs_f64();
    }
    step.checks.examples.truncate(EXAMPLES);
    let named = RCODES.iter().zip(rcodes).filter(|(_, count)| *count > 0);
    step.rcodes = named.map(|(name, count)| ((*name).to_owned(), count)).collect();
    step.send_rate = step.sent as f64 / seconds.max(1e-9);
    step.answer_rate = step.answered as f64 / seconds.max(1e-9);
    step.latency = latency(&times);
    generator.lag = latency(&lag);
    step.generator = generator;
    step
}
