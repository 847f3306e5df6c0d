//! Pairs of key and value that many instances have, each kept once for the whole process.
//!
//! Of what ECS sets on an instance, nearly all is the same on thousands of others; written out, it would be most of the
//! memory of a large registry. A pair that has come eight times gets a number, by which instances then refer to it. Numbers
//! and texts stay for good, so that they are found without a lock, and so their number and length have bounds: what comes
//! later is written out, as is what few have.

use std::sync::atomic::{AtomicBool, AtomicU16, AtomicU64, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};

use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};

/// Pairs that get a number at most.
const PAIRS: usize = 1 << 14;
/// Octets of texts that are kept at most.
const OCTETS: usize = 1 << 20;
/// Octets of a pair that gets a number, at most.
const PAIR: usize = 256;
/// Places of the index: at most half of them are ever taken.
const INDEX: usize = 2 * PAIRS;
/// Places that are looked at for a pair at most.
const PROBES: usize = 8;
/// Pairs of which it is counted how often they came; each gives way to the next that falls on its place.
const COUNTED: usize = 1 << 13;
/// How often a pair comes before it gets a number.
const OFTEN: u64 = 8;

/// Keys that have numbers of their own. The first ones' values are different on each instance, and never counted.
const KEYS: [&str; 14] = [
    "AWS_INSTANCE_IPV4",
    "AWS_INSTANCE_IPV6",
    "AWS_EC2_INSTANCE_ID",
    "AWS_INSTANCE_PORT",
    "AWS_INSTANCE_CNAME",
    "AWS_INIT_HEALTH_STATUS",
    "AVAILABILITY_ZONE",
    "REGION",
    "ECS_CLUSTER_NAME",
    "ECS_SERVICE_NAME",
    "ECS_TASK_DEFINITION_FAMILY",
    "EC2_INSTANCE_ID",
    "ECS_TASK_ARN",
    "FINGERPOST_LEASE",
];
/// How many of [`KEYS`] differ in their values on each instance.
const OWN: usize = 3;

struct Entry {
    hash: u64,
    key: Box<str>,
    value: Box<str>,
}

/// Pairs and their numbers.
struct Dictionary {
    /// Pairs by their number.
    entries: [OnceLock<Entry>; PAIRS],
    /// Numbers of pairs, plus one, at places that follow from their hashes; 0 where there is none.
    numbers: [AtomicU16; INDEX],
    /// For a hash without its last octet, how often a pair of it came. Threads may overwrite each other's counts: then a
    /// pair gets its number later.
    counts: [AtomicU64; COUNTED],
    /// How many numbers are given, and the octets of their texts.
    given: Mutex<(usize, usize)>,
    /// Whether there is no room any more. Then nobody has to wait for the lock to be told so.
    is_full: AtomicBool,
}

/// That of the process. What is not used of it takes no memory.
static SHARED: Dictionary = Dictionary::new();

/// How a pair is best written.
pub(super) enum Code {
    /// By its number.
    Pair(u16),
    /// By the number of its key, with the value written out.
    Key(u8),
    /// With both written out.
    Written,
}

/// How the pair of `key` and `value` is best written.
pub(super) fn code(key: &str, value: &str) -> Code {
    SHARED.code(key, value)
}

/// The pair of a number.
pub(super) fn pair(number: u16) -> Option<(&'static str, &'static str)> {
    SHARED.pair(number)
}

/// The key of a number.
pub(super) fn key(number: u8) -> Option<&'static str> {
    KEYS.get(usize::from(number)).copied()
}

impl Dictionary {
    const fn new() -> Self {
        Self {
            entries: [const { OnceLock::new() }; PAIRS],
            numbers: [const { AtomicU16::new(0) }; INDEX],
            counts: [const { AtomicU64::new(0) }; COUNTED],
            given: Mutex::new((0, 0)),
            is_full: AtomicBool::new(false),
        }
    }

    fn code(&self, key: &str, value: &str) -> Code {
        let key_number = KEYS.iter().position(|known| *known == key);
        let written = key_number.map_or(Code::Written, |number| Code::Key(number as u8));
        if key_number.is_some_and(|number| number < OWN) || key.len() + value.len() > PAIR {
            return written;
        }
        let hash = xxh3_64_with_seed(value.as_bytes(), xxh3_64(key.as_bytes()));
        let known = self.find(hash, key, value);
        let number = known.or_else(|| self.count(hash).then(|| self.give(hash, key, value)).flatten());
        number.map_or(written, Code::Pair)
    }

    fn pair(&self, number: u16) -> Option<(&str, &str)> {
        let entry = self.entries.get(usize::from(number))?.get()?;
        Some((&entry.key, &entry.value))
    }

    /// The number of a pair, if it has one.
    fn find(&self, hash: u64, key: &str, value: &str) -> Option<u16> {
        let is_it = |number: &u16| {
            let entry = self.entries.get(usize::from(*number)).and_then(OnceLock::get);
            entry.is_some_and(|entry| entry.hash == hash && *entry.value == *value && *entry.key == *key)
        };
        let numbers = self.places(hash).map(|place| place.load(Ordering::Acquire)).take_while(|number| *number != 0);
        numbers.map(|number| number - 1).find(is_it)
    }

    /// Where the number of a pair may be.
    fn places(&self, hash: u64) -> impl Iterator<Item = &AtomicU16> {
        (0..PROBES).filter_map(move |probe| self.numbers.get((hash as usize).wrapping_add(probe) % INDEX))
    }

    /// Counts a pair; true if it has come often enough.
    fn count(&self, hash: u64) -> bool {
        let Some(place) = self.counts.get((hash >> 40) as usize % COUNTED) else { return false };
        let (known, own) = (place.load(Ordering::Relaxed), hash & !0xff);
        let count = if known & !0xff == own { (known & 0xff) + 1 } else { 1 };
        place.store(own | count.min(OFTEN), Ordering::Relaxed);
        count >= OFTEN
    }

    /// Gives a pair a number; `None` if there is no room for it.
    #[cold]
    fn give(&self, hash: u64, key: &str, value: &str) -> Option<u16> {
        if self.is_full.load(Ordering::Relaxed) {
            return None;
        }
        let mut given = self.given.lock().unwrap_or_else(PoisonError::into_inner);
        let known = self.find(hash, key, value);
        if known.is_some() {
            return known;
        }
        let (number, octets) = *given;
        let octets = octets + key.len() + value.len();
        let Some(entry) = self.entries.get(number).filter(|_| octets <= OCTETS) else {
            self.is_full.store(true, Ordering::Relaxed);
            return None;
        };
        let place = self.places(hash).find(|place| place.load(Ordering::Acquire) == 0)?;
        entry.set(Entry { hash, key: key.into(), value: value.into() }).ok()?;
        *given = (number + 1, octets);
        place.store(number as u16 + 1, Ordering::Release);
        Some(number as u16)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_often_gets_a_number() {
        let numbers = (0..20).map(|_| match code("dictionary-test", "often") {
            Code::Pair(number) => Some(number),
            _ => None,
        });
        let numbers: Vec<_> = numbers.collect();
        assert_eq!(numbers[0], None);
        let number = numbers[19].unwrap();
        assert_eq!(pair(number), Some(("dictionary-test", "often")));
        assert!(matches!(code("dictionary-test", "other"), Code::Written));
    }

    #[test]
    fn what_each_instance_has_for_itself_gets_none() {
        for number in 0..100_000 {
            assert!(matches!(code("TASK", &number.to_string()), Code::Written));
        }
        for _ in 0..100 {
            assert!(matches!(code("AWS_INSTANCE_IPV4", "10.0.0.1"), Code::Key(0)));
        }
    }

    #[test]
    fn there_is_an_end_to_numbers() {
        static OTHER: Dictionary = Dictionary::new();
        for number in 0..2 * PAIRS {
            for _ in 0..OFTEN {
                OTHER.code("many", &number.to_string());
            }
        }
        assert_eq!(OTHER.given.lock().unwrap().0, PAIRS);
        assert!(OTHER.is_full.load(Ordering::Relaxed));
        assert_eq!(OTHER.pair(u16::MAX), None);
        // What has a number keeps it.
        let known = OTHER.pair(0).unwrap();
        assert!(matches!(OTHER.code(known.0, known.1), Code::Pair(0)));
    }
}
