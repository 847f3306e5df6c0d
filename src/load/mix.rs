//! Which kinds of questions a run asks, and how often each.

use std::fmt::{Display, Formatter};
use std::str::FromStr;

use crate::wire::types::rtype;

/// What a question asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Kind {
    /// IPv4 addresses of a service.
    A,
    /// IPv6 addresses of a service.
    Aaaa,
    /// Ports and targets of a service.
    Srv,
    /// A type that a service does not have: NODATA.
    NoData,
    /// A name that is not there.
    NxDomain,
    /// The IPv4 address of one instance.
    Instance,
    /// IPv4 addresses of a service that is being changed.
    Churn,
    /// A line of a file of queries.
    File,
}

impl Kind {
    /// Those that a mix can name, by their words.
    const WORDS: [(&str, Self); 7] = [
        ("a", Self::A),
        ("aaaa", Self::Aaaa),
        ("srv", Self::Srv),
        ("nodata", Self::NoData),
        ("nxdomain", Self::NxDomain),
        ("instance", Self::Instance),
        ("churn", Self::Churn),
    ];

    /// Its type of record in a query. That of a file's line is the line's.
    pub fn rtype(self) -> u16 {
        match self {
            Self::Aaaa => rtype::AAAA,
            Self::Srv => rtype::SRV,
            Self::NoData => rtype::TXT,
            Self::A | Self::NxDomain | Self::Instance | Self::Churn | Self::File => rtype::A,
        }
    }
}

/// How often each kind is asked, such as `a=80,aaaa=10,srv=5,nxdomain=5`: weights, of whatever sum.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mix(Vec<(Kind, u32)>);

/// A mix that makes no sense.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?}: allowed are KIND=WEIGHT, joined by commas; kinds are a, aaaa, srv, nodata, nxdomain, instance and churn"
)]
pub struct BadMix(String);

impl Default for Mix {
    fn default() -> Self {
        Self(vec![(Kind::A, 1)])
    }
}

impl FromStr for Mix {
    type Err = BadMix;

    fn from_str(text: &str) -> Result<Self, BadMix> {
        let parts = text.split(',').map(|part| {
            let (word, weight) = part.trim().split_once('=').unwrap_or((part.trim(), "1"));
            let kind = Kind::WORDS.iter().find(|(known, _)| known.eq_ignore_ascii_case(word));
            let weight = weight.parse().ok().filter(|weight| (0..=1_000_000).contains(weight));
            kind.zip(weight).map(|((_, kind), weight)| (*kind, weight)).ok_or_else(|| BadMix(part.to_owned()))
        });
        let parts = parts.collect::<Result<Vec<_>, _>>()?;
        let is_twice =
            parts.iter().enumerate().any(|(index, (kind, _))| parts.iter().take(index).any(|(k, _)| k == kind));
        match is_twice || parts.iter().all(|(_, weight)| *weight == 0) {
            true => Err(BadMix(text.to_owned())),
            false => Ok(Self(parts)),
        }
    }
}

impl Display for Mix {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        for (index, (kind, weight)) in self.0.iter().enumerate() {
            let word = Kind::WORDS.iter().find(|(_, known)| known == kind).map_or("", |(word, _)| word);
            let comma = if index > 0 { "," } else { "" };
            write!(f, "{comma}{word}={weight}")?;
        }
        Ok(())
    }
}

impl Mix {
    /// Whether a kind is in it.
    pub fn has(&self, kind: Kind) -> bool {
        self.0.iter().any(|(known, weight)| *known == kind && *weight > 0)
    }

    /// The same with `percent` of the whole for another kind, unless that is there.
    pub fn with(mut self, kind: Kind, percent: u32) -> Self {
        if !self.0.iter().any(|(known, _)| *known == kind) {
            let rest: u32 = self.0.iter().map(|(_, weight)| weight).sum();
            self.0.iter_mut().for_each(|(_, weight)| *weight = weight.saturating_mul(100 - percent));
            self.0.push((kind, rest.saturating_mul(percent)));
        }
        self
    }

    /// A kind for each of 256 draws, as near to the weights as that allows; one that has a weight has a draw.
    pub(super) fn draws(&self) -> [Kind; 256] {
        let sum: u64 = self.0.iter().map(|(_, weight)| u64::from(*weight)).sum::<u64>().max(1);
        let mut draws = [self.0.first().map_or(Kind::A, |(kind, _)| *kind); 256];
        let (mut begin, mut before) = (0, 0);
        for (kind, weight) in self.0.iter().filter(|(_, weight)| *weight > 0) {
            before += u64::from(*weight);
            let end = ((before * 256 + sum / 2) / sum) as usize;
            let end = end.clamp((begin + 1).min(256), 256);
            draws.iter_mut().take(end).skip(begin).for_each(|draw| *draw = *kind);
            begin = end;
        }
        draws
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mix_is_read_drawn_from_and_written() {
        let mix: Mix = "a=80,AAAA=10,srv=5,nxdomain=5".parse().unwrap();
        assert_eq!(mix.to_string(), "a=80,aaaa=10,srv=5,nxdomain=5");
        let draws = mix.draws();
        let count = |kind| draws.iter().filter(|draw| **draw == kind).count();
        assert_eq!([count(Kind::A), count(Kind::Aaaa), count(Kind::Srv), count(Kind::NxDomain)], [205, 25, 13, 13]);
        assert_eq!("a".parse::<Mix>().unwrap(), Mix::default());
        let churned = Mix::default().with(Kind::Churn, 10);
        assert_eq!(churned.to_string(), "a=90,churn=10");
        assert_eq!(churned.clone().with(Kind::Churn, 50), churned);
        assert!(churned.has(Kind::Churn) && !mix.has(Kind::Churn));
    }

    #[test]
    fn nonsense_is_refused() {
        for bad in ["", "b=1", "a=-1", "a=0", "a=1,a=2", "a=1,", "a=x"] {
            assert!(bad.parse::<Mix>().is_err(), "{bad}");
        }
    }
}
