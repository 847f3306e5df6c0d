//! Which services are asked for more often than others.

use std::fmt::{Display, Formatter};
use std::str::FromStr;

/// An odd number without pattern: services that are equally popular do not lie side by side.
const SPREAD: u64 = 0x9e37_79b1;

/// How the questions are spread over the services.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Popularity {
    /// All alike.
    #[default]
    Uniform,
    /// The service of rank k as often as 1/k^s says (Zipf), which is how names are asked for in practice.
    Zipf {
        /// The exponent s, above 0 and up to 4.
        exponent: f64,
    },
}

/// A popularity that makes no sense.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?}: allowed are uniform, zipf, and zipf:S with an exponent S above 0 and up to 4")]
pub struct BadPopularity(String);

impl FromStr for Popularity {
    type Err = BadPopularity;

    fn from_str(text: &str) -> Result<Self, BadPopularity> {
        let exponent = match text {
            "uniform" => return Ok(Self::Uniform),
            "zipf" => Some(1.0),
            _ => text.strip_prefix("zipf:").and_then(|exponent| exponent.parse().ok()),
        };
        let exponent = exponent.filter(|exponent| 0.0 < *exponent && *exponent <= 4.0);
        exponent.map(|exponent| Self::Zipf { exponent }).ok_or_else(|| BadPopularity(text.to_owned()))
    }
}

impl Display for Popularity {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Uniform => f.write_str("uniform"),
            Self::Zipf { exponent } => write!(f, "zipf:{exponent}"),
        }
    }
}

impl Popularity {
    /// Draws one of `services` services.
    #[inline]
    pub(super) fn draw(self, random: &mut fastrand::Rng, services: u32) -> u32 {
        match self {
            Self::Uniform => random.u32(..services.max(1)),
            Self::Zipf { exponent } => {
                // The continuous distribution with density x^-s from 1 to n + 1, inverted: its integer part has rank k
                // with the integral over [k, k + 1), which is near 1/k^s and needs no table.
                let (uniform, n) = (random.f64(), f64::from(services) + 1.0);
                let rest = 1.0 - exponent;
                let x = if rest.abs() < 1e-9 {
                    (uniform * n.ln()).exp()
                } else {
                    (uniform * (n.powf(rest) - 1.0) + 1.0).powf(rest.recip())
                };
                let rank = (x as u64).saturating_sub(1);
                (rank.wrapping_mul(SPREAD) % u64::from(services.max(1))) as u32
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_of_a_thousand_gets_its_share() {
        for (text, least, most) in [("uniform", 0.0005, 0.002), ("zipf", 0.08, 0.12), ("zipf:2", 0.45, 0.55)] {
            let popularity: Popularity = text.parse().unwrap();
            let mut random = fastrand::Rng::with_seed(7);
            let drawn: Vec<u32> = (0..100_000).map(|_| popularity.draw(&mut random, 1000)).collect();
            assert!(drawn.iter().all(|service| *service < 1000));
            let share = drawn.iter().filter(|service| **service == 0).count() as f64 / 1e5;
            assert!((least..most).contains(&share), "{text}: {share}");
        }
    }

    #[test]
    fn nonsense_is_refused() {
        for bad in ["", "zipf:", "zipf:0", "zipf:5", "zipf:nan", "pareto"] {
            assert!(bad.parse::<Popularity>().is_err(), "{bad}");
        }
        assert_eq!("zipf:1.2".parse::<Popularity>().unwrap().to_string(), "zipf:1.2");
    }
}
