//! Maps of attributes, whose order counts.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde::{Serialize, Serializer};

use super::member::{Member, Path, Text, count};
use crate::channel::cloudmap::ApiError;
use crate::model::validate::attributes::{self, AttributeFault};

/// Entries up to which a key is looked for among all: faster than hashing, and more than an instance can have.
const FEW: usize = 48;

/// The pairs of a map in the order in which they came. Of a repeated key the last value counts, as with most readers
/// of JSON; a null is an absent pair.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pairs<'a>(Vec<(Text<'a>, Text<'a>)>);

impl<'a> Pairs<'a> {
    /// All pairs.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, &str)> + Clone {
        self.0.iter().map(|(key, value)| (&**key, &**value))
    }

    /// All pairs, owned where they had to be decoded.
    pub fn into_pairs(self) -> impl ExactSizeIterator<Item = (Cow<'a, str>, Cow<'a, str>)> {
        self.0.into_iter().map(|(key, value)| (key.0, value.0))
    }

    /// The value of a key.
    pub fn get(&self, key: &str) -> Option<&str> {
        self.iter().find_map(|(found, value)| (found == key).then_some(value))
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Refuses the map for the first of `faults`.
    fn refuse(&self, faults: Vec<AttributeFault>, at: &Path<'_>) -> Result<(), ApiError> {
        let Some(fault) = faults.into_iter().next() else { return Ok(()) };
        Err(match fault.index.and_then(|index| self.0.get(index)) {
            // A foreign key may be long and anything; only one that is plain is a step of the path.
            Some((key, _)) if key.len() <= 64 && key.bytes().all(|octet| octet.is_ascii_graphic()) => {
                at.member(key).refuse(fault.violation)
            }
            _ => at.refuse(fault.violation),
        })
    }
}

impl<'de> Deserialize<'de> for Pairs<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Map;

        impl<'de> Visitor<'de> for Map {
            type Value = Pairs<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a map of strings")
            }

            fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Pairs<'de>, M::Error> {
                let mut pairs: Vec<(Text<'de>, Text<'de>)> = Vec::with_capacity(map.size_hint().unwrap_or(8).min(FEW));
                let mut places: HashMap<String, usize> = HashMap::new();
                while let Some(key) = map.next_key::<Text<'de>>()? {
                    let Some(value) = map.next_value()? else { continue };
                    if pairs.len() == FEW {
                        places = pairs.iter().enumerate().map(|(place, (key, _))| (key.to_string(), place)).collect();
                    }
                    let place = if pairs.len() < FEW {
                        pairs.iter().position(|(known, _)| *known == key)
                    } else {
                        places.get(&*key).copied()
                    };
                    match place.and_then(|place| pairs.get_mut(place)) {
                        Some(pair) => pair.1 = value,
                        None => {
                            if pairs.len() >= FEW {
                                places.insert(key.to_string(), pairs.len());
                            }
                            pairs.push((key, value));
                        }
                    }
                }
                Ok(Pairs(pairs))
            }
        }

        deserializer.deserialize_map(Map)
    }
}

/// Declares maps that follow a rule: `fn(&[(&str, &str)]) -> Vec<AttributeFault>`, and a number of entries.
macro_rules! maps {
    ($($(#[$meta:meta])* $name:ident $min:literal, $rule:expr;)*) => { $(
        $(#[$meta])*
        #[derive(Clone, Debug, Default, PartialEq, Eq)]
        pub struct $name<'a>(pub Pairs<'a>);

        impl<'a> Member<'a> for $name<'a> {
            type Raw = Pairs<'a>;

            fn check(raw: Pairs<'a>, at: &Path<'_>) -> Result<Self, ApiError> {
                count(raw.0.len(), $min, usize::MAX).map_err(|violation| at.refuse(violation))?;
                let pairs: Vec<_> = raw.iter().collect();
                let rule: fn(&[(&str, &str)]) -> Vec<AttributeFault> = $rule;
                raw.refuse(rule(&pairs), at)?;
                Ok(Self(raw))
            }
        }
    )* };
}

maps! {
    /// The attributes of an instance, but for what the records of its service need.
    InstanceAttributes 0, |pairs| attributes::instance(pairs, &[]);
    /// Attributes that discovered instances have.
    QueryParameters 0, attributes::query;
    /// The attributes of a service.
    ServiceAttributes 1, attributes::service;
}

//--- In outputs

/// A map of an output, from an iterator of its pairs.
#[derive(Clone, Debug)]
pub struct Map<I>(pub I);

impl<K: Serialize, V: Serialize, I: Iterator<Item = (K, V)> + Clone> Serialize for Map<I> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.clone())
    }
}
