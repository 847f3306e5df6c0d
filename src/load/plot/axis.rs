//! Axes: where a value lies, and at which values there are lines and texts.

use crate::load::words::{amount, time};

/// Nines from which on an axis of shares is crowded.
const CROWDED: f64 = 5.5;

/// How values become places.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scale {
    /// From zero.
    Linear,
    /// Each decade is as long as any other.
    Logarithmic,
    /// Shares of all, each nine as long as any other: 0 %, 90 %, 99 %.
    Nines,
}

impl Scale {
    /// The value on the even scale that an axis is drawn by.
    fn measure(self, value: f64) -> f64 {
        match self {
            Self::Linear => value,
            // Nothing is shorter than a nanosecond.
            Self::Logarithmic => value.max(1.0).log10(),
            Self::Nines => -(1.0 - value).max(1e-12).log10(),
        }
    }
}

/// What the values are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unit {
    /// Nanoseconds.
    Time,
    /// Anything that is counted.
    Amount,
    /// A share of 1.
    Share,
}

/// One axis of a chart.
pub(super) struct Axis {
    /// What it says beside it.
    pub(super) name: &'static str,
    scale: Scale,
    unit: Unit,
    /// Ends, as [`Scale::measure`] has them.
    ends: (f64, f64),
}

/// A line across a chart.
#[derive(Debug, PartialEq)]
pub(super) struct Tick {
    /// Where, as a share of the axis.
    pub(super) at: f64,
    /// Its text; a fine line has none.
    pub(super) text: Option<String>,
}

impl Axis {
    /// An axis that all of `values` are on.
    pub(super) fn new(name: &'static str, scale: Scale, unit: Unit, values: impl Iterator<Item = f64>) -> Self {
        let mut axis = Self { name, scale, unit, ends: (f64::INFINITY, f64::NEG_INFINITY) };
        for measure in values.map(|value| scale.measure(value)).filter(|measure| measure.is_finite()) {
            axis.ends = (axis.ends.0.min(measure), axis.ends.1.max(measure));
        }
        if axis.ends.0 > axis.ends.1 {
            axis.ends = (0.0, 1.0);
        }
        let (low, high) = axis.ends;
        axis.ends = match scale {
            Scale::Linear => (low.min(0.0), if high <= 0.0 { 1.0 } else { high * 1.05 }),
            // To the nearest of 1, 2, 5 outside, and a decade in all at the least half.
            Scale::Logarithmic => outside(low, high),
            Scale::Nines => (0.0, high.max(1.0)),
        };
        axis
    }

    /// Where a value lies, as a share of the axis.
    pub(super) fn place(&self, value: f64) -> f64 {
        let (low, high) = self.ends;
        ((self.scale.measure(value) - low) / (high - low)).clamp(0.0, 1.0)
    }

    /// The lines across.
    pub(super) fn ticks(&self) -> Vec<Tick> {
        let (low, high) = self.ends;
        let tick = |measure: f64, text: Option<String>| Tick { at: (measure - low) / (high - low), text };
        match self.scale {
            Scale::Linear => {
                let step = step(high - low);
                let count = (high / step).floor() as u32;
                (0..=count)
                    .map(|number| f64::from(number) * step)
                    .map(|value| tick(value, Some(self.text(value))))
                    .collect()
            }
            Scale::Logarithmic => {
                let decades = low.floor() as i32..=high.ceil() as i32;
                let few = high - low <= 2.0;
                let values = decades
                    .flat_map(|decade| (1..10).map(move |digit| (digit, f64::from(digit) * 10_f64.powi(decade))));
                let inside = values.map(|(digit, value)| (digit, value, value.log10()));
                let inside = inside.filter(|(_, _, measure)| (low - 1e-9..=high + 1e-9).contains(measure));
                let shown = |digit| digit == 1 || (few && [2, 5].contains(&digit));
                inside.map(|(digit, value, measure)| tick(measure, shown(digit).then(|| self.text(value)))).collect()
            }
            Scale::Nines => (0..=high.floor() as i32)
                .map(|nines| {
                    // Beside 50 %, there is no room for 0 % on a long axis.
                    let shown = nines > 0 || high < CROWDED;
                    tick(f64::from(nines), shown.then(|| self.text(1.0 - 10_f64.powi(-nines))))
                })
                .chain((high >= 0.5).then(|| tick(2_f64.log10(), Some("50 %".into()))))
                .collect(),
        }
    }

    /// A value on the axis as text.
    fn text(&self, value: f64) -> String {
        let text = match self.unit {
            Unit::Time => time(value),
            Unit::Amount => amount(value),
            // As many nines as it takes, and no more.
            Unit::Share => {
                let digits = (-(1.0 - value).max(1e-12).log10()).round() as usize;
                return format!("{:.*} %", digits.saturating_sub(2), value * 100.0);
            }
        };
        // 1.00 µs is 1 µs on an axis.
        match text.split_once('.') {
            Some((whole, rest)) => {
                let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
                let (digits, unit) = rest.split_at(end);
                match digits.trim_end_matches('0') {
                    "" => format!("{whole}{unit}"),
                    digits => format!("{whole}.{digits}{unit}"),
                }
            }
            None => text,
        }
    }
}

/// A round step, of which up to eight fit into `length`.
fn step(length: f64) -> f64 {
    let rough = (length / 8.0).max(f64::MIN_POSITIVE);
    let decade = 10_f64.powf(rough.log10().floor());
    let digit = [1.0, 2.0, 5.0].into_iter().find(|digit| digit * decade >= rough).unwrap_or(10.0);
    digit * decade
}

/// Ends of a logarithmic axis: at 1, 2 or 5 outside of both.
fn outside(low: f64, high: f64) -> (f64, f64) {
    let marks = |decade: f64| [1_f64, 2.0, 5.0, 10.0].map(|digit| decade + digit.log10());
    let below = marks(low.floor()).into_iter().rfind(|mark| *mark <= low + 1e-9).unwrap_or(low);
    let above = marks(high.floor()).into_iter().find(|mark| *mark >= high - 1e-9).unwrap_or(high);
    if above - below < 0.5 { (below, below + 1.0) } else { (below, above) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(axis: &Axis) -> Vec<String> {
        let mut ticks = axis.ticks();
        ticks.sort_by(|a, b| a.at.total_cmp(&b.at));
        assert!(ticks.iter().all(|tick| (-1e-6..=1.0 + 1e-6).contains(&tick.at)), "{ticks:?}");
        ticks.into_iter().filter_map(|tick| tick.text).collect()
    }

    #[test]
    fn lines_are_at_round_values() {
        let axis = Axis::new("", Scale::Linear, Unit::Amount, [0.0, 230_000.0].into_iter());
        assert_eq!(texts(&axis), ["0", "50k", "100k", "150k", "200k"]);
        let axis = Axis::new("", Scale::Logarithmic, Unit::Time, [23_000.0, 1_900_000.0].into_iter());
        assert_eq!(texts(&axis), ["20 µs", "50 µs", "100 µs", "200 µs", "500 µs", "1 ms", "2 ms"]);
        let axis = Axis::new("", Scale::Logarithmic, Unit::Time, [900.0, 3e9].into_iter());
        assert_eq!(texts(&axis), ["1 µs", "10 µs", "100 µs", "1 ms", "10 ms", "100 ms", "1 s"]);
        let axis = Axis::new("", Scale::Nines, Unit::Share, [0.0, 0.99995].into_iter());
        assert_eq!(texts(&axis), ["0 %", "50 %", "90 %", "99 %", "99.9 %", "99.99 %"]);
    }

    #[test]
    fn values_lie_between_the_ends() {
        let axis = Axis::new("", Scale::Nines, Unit::Share, [0.999].into_iter());
        let places = [0.0, 0.9, 0.99, 0.999, 1.0].map(|share| (axis.place(share) * 3.0).round());
        assert_eq!(places, [0.0, 1.0, 2.0, 3.0, 3.0]);
        for scale in [Scale::Linear, Scale::Logarithmic, Scale::Nines] {
            for values in [vec![], vec![0.0], vec![5.0], vec![1e-3, 1e12], vec![f64::NAN]] {
                let axis = Axis::new("", scale, Unit::Amount, values.iter().copied());
                let _ = texts(&axis);
                for value in values.iter().filter(|value| value.is_finite()) {
                    assert!((0.0..=1.0).contains(&axis.place(*value)), "{scale:?} {values:?}");
                }
            }
        }
    }
}
