//! A specification as text, and back.

use std::fmt;
use std::str::FromStr;

use super::{ADDRESSES, Data, Records};

/// What a specification may have in it.
const MEMBERS: [&str; 7] = ["namespaces", "services", "instances", "ttl", "seed", "records", "limit"];
/// Words that look less alike are not taken for misspelt.
const ALIKE: f64 = 0.8;
/// The largest TTL (RFC 2181 §8).
const TTL_MAX: u64 = i32::MAX as u64;
/// Namespaces at most: each is a zone, and its number has four digits.
const NAMESPACES_MAX: u64 = 10_000;

/// A specification that makes no sense; the text says what, and what is allowed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct BadData(pub String);

impl FromStr for Data {
    type Err = BadData;

    fn from_str(text: &str) -> Result<Self, BadData> {
        let mut data = Self::default();
        let mut seen = Vec::new();
        for part in text.split(',').map(str::trim).filter(|part| !part.is_empty()) {
            let Some((key, value)) = part.split_once('=') else {
                return Err(BadData(format!("{part:?} is not KEY=VALUE{}", nearest(part))));
            };
            let (key, value) = (key.trim(), value.trim());
            match key {
                "namespaces" => data.namespaces = number(key, value, 1..=NAMESPACES_MAX)? as u32,
                "services" => data.services = number(key, value, 1..=u64::from(ADDRESSES))? as u32,
                "instances" => data.instances = number(key, value, 1..=u64::from(ADDRESSES))? as u32,
                "ttl" => data.ttl = number(key, value, 0..=TTL_MAX)? as u32,
                "seed" => data.seed = number(key, value, 0..=u64::MAX)?,
                "records" => data.records = value.parse()?,
                "limit" if value == "all" => data.limit = None,
                "limit" => data.limit = Some(number(key, value, 1..=u64::from(u32::MAX))? as u32),
                _ => return Err(BadData(format!("there is no {key:?}{}", nearest(key)))),
            }
            if seen.contains(&key) {
                return Err(BadData(format!("{key} is given twice")));
            }
            seen.push(key);
        }
        let total = data.total();
        if total > u64::from(ADDRESSES) {
            return Err(BadData(format!(
                "{} services of {} instances are {total} instances; allowed are {ADDRESSES} in all, for each has an \
                 address of its own in 10.0.0.0/8",
                data.services, data.instances
            )));
        }
        Ok(data)
    }
}

impl fmt::Display for Data {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { namespaces, services, instances, ttl, seed, records, limit } = self;
        write!(f, "namespaces={namespaces},services={services},instances={instances},ttl={ttl},seed={seed}")?;
        write!(f, ",records={records},limit=")?;
        match limit {
            Some(limit) => write!(f, "{limit}"),
            None => f.write_str("all"),
        }
    }
}

impl FromStr for Records {
    type Err = BadData;

    fn from_str(text: &str) -> Result<Self, BadData> {
        let mut records = Self { a: false, aaaa: false, srv: false };
        for word in text.split('+') {
            match &*word.trim().to_ascii_lowercase() {
                "a" => records.a = true,
                "aaaa" => records.aaaa = true,
                "srv" => records.srv = true,
                _ => {
                    let allowed = "allowed are a, aaaa and srv, with + between: a+aaaa+srv";
                    return Err(BadData(format!(
                        "records={text}: {word:?} is no type of record of a service; {allowed}"
                    )));
                }
            }
        }
        Ok(records)
    }
}

impl fmt::Display for Records {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (_, name)) in self.types().enumerate() {
            write!(f, "{}{}", if index == 0 { "" } else { "+" }, name.to_ascii_lowercase())?;
        }
        Ok(())
    }
}

/// Reads a number, in which `k` at the end is a thousand and `M` a million.
fn number(key: &str, value: &str, allowed: std::ops::RangeInclusive<u64>) -> Result<u64, BadData> {
    let (digits, unit) = match value.as_bytes() {
        [digits @ .., b'k'] => (digits.len(), 1_000),
        [digits @ .., b'M'] => (digits.len(), 1_000_000),
        digits => (digits.len(), 1),
    };
    let digits = value.get(..digits).filter(|digits| digits.bytes().all(|octet| octet.is_ascii_digit()));
    let number = digits.and_then(|digits| digits.parse::<u64>().ok()?.checked_mul(unit));
    number.filter(|number| allowed.contains(number)).ok_or_else(|| {
        let (least, most) = allowed.clone().into_inner();
        let all = if key == "limit" { ", and all" } else { "" };
        BadData(format!("{key}={value}: allowed are {least} to {most}{all}, also as 10k or 1M"))
    })
}

/// What is allowed, and what may have been meant by `word`.
fn nearest(word: &str) -> String {
    let alike = |key: &str| strsim::jaro_winkler(key, word);
    let near = MEMBERS.iter().max_by(|a, b| alike(a).total_cmp(&alike(b))).filter(|key| alike(key) > ALIKE);
    let members = MEMBERS.join(", ");
    match near {
        Some(key) => format!("; did you mean {key}? Allowed are {members}"),
        None => format!("; allowed are {members}, as in services=10000,instances=8"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_may_be_left_out_and_the_text_has_them_all() {
        let text = "namespaces=1,services=10000,instances=8,ttl=10,seed=1,records=a+srv,limit=8";
        assert_eq!(Data::default().to_string(), text);
        assert_eq!("".parse(), Ok(Data::default()));
        let all =
            "namespaces=3,services=125000,instances=8,ttl=0,seed=18446744073709551615,records=a+aaaa+srv,limit=all";
        assert_eq!(all.parse::<Data>().unwrap().to_string(), all);
        let short: Data = " services = 125k , records=SRV+A,instances=1, limit=2".parse().unwrap();
        let expected = Data { services: 125_000, instances: 1, limit: Some(2), ..Data::default() };
        assert_eq!(short, expected);
        assert_eq!("services=1M".parse::<Data>().unwrap().services, 1_000_000);
    }

    #[test]
    fn faults_say_what_is_allowed() {
        for (text, says) in [
            ("service=5", "there is no \"service\"; did you mean services? Allowed are namespaces, services"),
            ("zzz=5", "there is no \"zzz\"; allowed are namespaces"),
            ("services", "\"services\" is not KEY=VALUE; did you mean services?"),
            ("services=0", "services=0: allowed are 1 to 16777216, also as 10k or 1M"),
            ("services=-1", "services=-1: allowed are 1 to"),
            ("services=1.5k", "services=1.5k: allowed"),
            ("services=k", "services=k: allowed"),
            ("services=99999999999999999999k", "allowed are 1 to"),
            ("namespaces=20k", "allowed are 1 to 10000"),
            ("limit=0", "limit=0: allowed are 1 to 4294967295, and all"),
            ("ttl=4294967295", "ttl=4294967295: allowed are 0 to 2147483647"),
            ("records=a+mx", "records=a+mx: \"mx\" is no type of record of a service; allowed are a, aaaa and srv"),
            ("records=", "\"\" is no type"),
            ("ttl=1,ttl=1", "ttl is given twice"),
            ("services=3M", "3000000 services of 8 instances are 24000000 instances; allowed are 16777216 in all"),
        ] {
            let BadData(message) = text.parse::<Data>().unwrap_err();
            assert!(message.contains(says), "{text}: {message}");
        }
    }
}
