//! Medians, how sure they are, and what follows from two of them.
//!
//! The spread is the median distance from the median, which one bad run in five does not move, made comparable with a
//! standard deviation: times 1.4826, and times a factor for so few runs (Croux and Rousseeuw, "Time-efficient algorithms
//! for two highly robust estimators of scale", 1992).

use serde::Serialize;

/// From a median distance to a standard deviation.
const NORMAL: f64 = 1.4826;
/// The same for two to nine runs, where the distance comes out too small.
const FEW: [f64; 8] = [1.196, 1.495, 1.363, 1.206, 1.200, 1.140, 1.129, 1.107];
/// The standard error of a median, by that of a mean.
const OF_MEDIAN: f64 = 1.253;
/// Standard errors that are taken for chance: 95 % of all chance is within two.
const CHANCE: f64 = 2.0;

/// What became of a figure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// It is better.
    Better,
    /// It is what it was.
    Same,
    /// It is worse.
    Worse,
    /// It moves too much from run to run.
    CannotTell,
}

impl Verdict {
    /// For people.
    pub fn name(self) -> &'static str {
        match self {
            Self::Better => "better",
            Self::Same => "same",
            Self::Worse => "worse",
            Self::CannotTell => "cannot tell",
        }
    }
}

/// A figure in several runs: one at least.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Sample {
    /// Runs.
    pub runs: usize,
    /// The median.
    pub median: f64,
    /// The smallest.
    pub min: f64,
    /// The largest.
    pub max: f64,
    /// How far runs lie from the median, as a standard deviation; `None` of a single run.
    pub spread: Option<f64>,
}

impl Sample {
    /// Of these values; `None` if there are none.
    pub fn of(mut values: Vec<f64>) -> Option<Self> {
        values.sort_by(f64::total_cmp);
        let (min, max, middle) = (*values.first()?, *values.last()?, median(&values)?);
        let mut distances: Vec<f64> = values.iter().map(|value| (value - middle).abs()).collect();
        distances.sort_by(f64::total_cmp);
        let runs = values.len();
        let factor =
            runs.checked_sub(2).map(|index| FEW.get(index).copied().unwrap_or(runs as f64 / (runs as f64 - 0.8)));
        let spread = factor.zip(median(&distances)).map(|(factor, distance)| NORMAL * factor * distance);
        Some(Self { runs, median: middle, min, max, spread })
    }

    /// The standard error of the median, where the spread is `spread`.
    fn error(&self, spread: f64) -> f64 {
        let more = if self.runs > 2 { OF_MEDIAN } else { 1.0 };
        more * spread / (self.runs as f64).sqrt()
    }
}

/// The median of sorted values.
fn median(sorted: &[f64]) -> Option<f64> {
    let middle = sorted.len() / 2;
    let upper = *sorted.get(middle)?;
    Some(if sorted.len().is_multiple_of(2) { (sorted.get(middle - 1)? + upper) / 2.0 } else { upper })
}

/// The change from `old` to `new`, its noise, and what is to be thought of it. The change is a share of the old median,
/// or plain where `is_absolute`, and so are noise and tolerance.
pub(super) fn judge(
    old: &Sample,
    new: &Sample,
    tolerance: f64,
    is_absolute: bool,
    higher_is_better: bool,
) -> (f64, Option<f64>, Verdict) {
    let unit = if is_absolute { 1.0 } else { old.median };
    if unit == 0.0 {
        // From nothing, everything is infinitely more.
        let verdict = match (new.median > 0.0, higher_is_better) {
            (false, _) => Verdict::Same,
            (true, true) => Verdict::Better,
            (true, false) => Verdict::Worse,
        };
        return (if new.median > 0.0 { 1.0 } else { 0.0 }, None, verdict);
    }
    let change = (new.median - old.median) / unit;
    // A side of one run is as noisy as the other, for all we know.
    let noise = old
        .spread
        .or(new.spread)
        .zip(new.spread.or(old.spread))
        .map(|(old_spread, new_spread)| CHANCE * old.error(old_spread).hypot(new.error(new_spread)) / unit.abs());
    let chance = noise.unwrap_or_default();
    let verdict = if change.abs() > tolerance && change.abs() > chance {
        if (change > 0.0) == higher_is_better { Verdict::Better } else { Verdict::Worse }
    } else if change.abs() + chance <= tolerance {
        Verdict::Same
    } else {
        Verdict::CannotTell
    };
    (change, noise, verdict)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(old: &[f64], new: &[f64]) -> Verdict {
        let (old, new) = (Sample::of(old.to_vec()).unwrap(), Sample::of(new.to_vec()).unwrap());
        let (change, _, verdict) = judge(&old, &new, 0.05, false, true);
        // The other way round it is the opposite.
        let opposite = judge(&old, &new, 0.05, false, false).2;
        let expected = match verdict {
            Verdict::Better => Verdict::Worse,
            Verdict::Worse => Verdict::Better,
            other => other,
        };
        assert_eq!(opposite, expected);
        assert!(change.is_finite());
        verdict
    }

    #[test]
    fn single_runs_are_judged_by_the_tolerance() {
        assert_eq!(verdict(&[100.0], &[104.0]), Verdict::Same);
        assert_eq!(verdict(&[100.0], &[106.0]), Verdict::Better);
        assert_eq!(verdict(&[100.0], &[94.0]), Verdict::Worse);
        assert_eq!(verdict(&[0.0], &[0.0]), Verdict::Same);
        assert_eq!(verdict(&[0.0], &[1.0]), Verdict::Better);
    }

    #[test]
    fn noise_hides_changes_and_runs_reveal_them() {
        assert_eq!(verdict(&[100.0, 101.0, 99.0], &[110.0, 111.0, 109.0]), Verdict::Better);
        assert_eq!(verdict(&[100.0, 100.5, 99.5], &[101.0, 100.5, 101.5]), Verdict::Same);
        assert_eq!(verdict(&[100.0, 120.0, 80.0], &[90.0, 110.0, 70.0]), Verdict::CannotTell);
        // Within the tolerance, but it could as well be outside.
        assert_eq!(verdict(&[100.0, 120.0, 80.0], &[100.0, 120.0, 80.0]), Verdict::CannotTell);
        // A side of one run borrows the other's noise.
        assert_eq!(verdict(&[100.0, 120.0, 80.0], &[90.0]), Verdict::CannotTell);
        assert_eq!(verdict(&[90.0], &[100.0, 120.0, 80.0]), Verdict::CannotTell);
    }

    #[test]
    fn one_bad_run_of_five_changes_nothing() {
        let old = [100.0, 100.5, 99.5, 100.2, 99.8];
        assert_eq!(verdict(&old, &[100.0, 100.4, 50.0, 100.3, 99.9]), Verdict::Same);
    }

    #[test]
    fn spread_is_that_of_a_normal_distribution() {
        // Medians over many samples of a standard normal distribution, made of uniform numbers.
        let mut random = fastrand::Rng::with_seed(1);
        for runs in [2, 3, 5, 9, 20] {
            let mut normal = || (0..12).map(|_| random.f64()).sum::<f64>() - 6.0;
            let spreads = (0..4000).map(|_| Sample::of((0..runs).map(|_| normal()).collect()).unwrap().spread.unwrap());
            let mean = spreads.sum::<f64>() / 4000.0;
            assert!((0.9..1.1).contains(&mean), "{runs}: {mean}");
        }
    }
}
