//! `PutInstance` of the protocol, of which a hundred thousand come a second: read with a few allocations instead of one
//! for each key and value. On the wire it is what the protocol's file says.

use std::cell::Cell;
use std::fmt;

use bytes::{Buf, BufMut};
use prost::encoding::{self, DecodeContext, WireType, message, string};
use prost::{DecodeError, Message};

use super::proto::ServiceName;

/// Registers an instance, in place of the one of the same id.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct PutInstance {
    /// Of which service.
    pub service: Option<ServiceName>,
    /// Unique in the service.
    pub id: String,
    /// As in Cloud Map's `RegisterInstance`.
    pub attributes: AttributeMap,
}

impl Message for PutInstance {
    fn encode_raw(&self, buffer: &mut impl BufMut) {
        if let Some(service) = &self.service {
            message::encode(1, service, buffer);
        }
        if !self.id.is_empty() {
            string::encode(2, &self.id, buffer);
        }
        self.attributes.entries().for_each(|entry| message::encode(3, &entry, buffer));
    }

    fn merge_field(
        &mut self,
        tag: u32,
        wire_type: WireType,
        buffer: &mut impl Buf,
        context: DecodeContext,
    ) -> Result<(), DecodeError> {
        let at = |field| {
            move |mut error: DecodeError| {
                error.push("PutInstance", field);
                error
            }
        };
        match tag {
            1 => {
                message::merge(wire_type, self.service.get_or_insert_default(), buffer, context).map_err(at("service"))
            }
            2 => string::merge(wire_type, &mut self.id, buffer, context).map_err(at("id")),
            3 => self.attributes.merge(wire_type, buffer, context).map_err(at("attributes")),
            _ => encoding::skip_field(wire_type, tag, buffer, context),
        }
    }

    fn encoded_len(&self) -> usize {
        let service = self.service.as_ref().map_or(0, |service| message::encoded_len(1, service));
        let id = if self.id.is_empty() { 0 } else { string::encoded_len(2, &self.id) };
        let entries = self.attributes.entries().map(|entry| message::encoded_len(3, &entry));
        service + id + entries.sum::<usize>()
    }

    fn clear(&mut self) {
        *self = Self::default();
    }
}

//----------- AttributeMap -----------------------------------------------------

/// Pairs of a map, and octets of them, as most have them at most.
const USUAL: (usize, usize) = (8, 240);

/// Octets that are kept for the next pair at most.
const LARGE: usize = 8 << 10;

thread_local! {
    /// Serves one pair after the other while they are read.
    static PAIR: Cell<Entry> = Cell::default();
}

/// A map from string to string, in the order in which it came. A key that came twice counts as it came last.
#[derive(Clone, Default, PartialEq, Eq, Hash)]
pub struct AttributeMap {
    /// Keys and values, back to back.
    text: String,
    /// Octets of each key and each value.
    lengths: Vec<(u32, u32)>,
}

impl AttributeMap {
    /// The pairs in the order of their keys, each key once.
    pub fn pairs(&self) -> Vec<(&str, &str)> {
        let mut pairs: Vec<_> = self.iter().collect();
        if !pairs.is_sorted_by(|one, other| one.0 < other.0) {
            // The sort keeps the order of equal keys, and of those the first is kept.
            pairs.reverse();
            pairs.sort_by_key(|(key, _)| *key);
            pairs.dedup_by_key(|(key, _)| *key);
        }
        pairs
    }

    /// The pairs as they came.
    fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        let mut rest = &*self.text;
        self.lengths.iter().filter_map(move |(key, value)| {
            let (key, tail) = rest.split_at_checked(*key as usize)?;
            let (value, tail) = tail.split_at_checked(*value as usize)?;
            rest = tail;
            Some((key, value))
        })
    }

    /// Puts a pair behind the others.
    fn push(&mut self, key: &str, value: &str) {
        self.text.push_str(key);
        self.text.push_str(value);
        self.lengths.push((key.len() as u32, value.len() as u32));
    }

    /// The pairs as messages.
    fn entries(&self) -> impl Iterator<Item = Entry> {
        self.iter().map(|(key, value)| Entry { key: key.into(), value: value.into() })
    }

    /// Reads a pair.
    fn merge(&mut self, wire_type: WireType, buffer: &mut impl Buf, context: DecodeContext) -> Result<(), DecodeError> {
        if self.lengths.capacity() == 0 {
            self.lengths.reserve(USUAL.0);
            self.text.reserve(USUAL.1);
        }
        let mut pair = PAIR.take();
        pair.key.clear();
        pair.value.clear();
        let merged = message::merge(wire_type, &mut pair, buffer, context);
        if merged.is_ok() {
            self.push(&pair.key, &pair.value);
        }
        if pair.key.capacity() + pair.value.capacity() <= LARGE {
            PAIR.set(pair);
        }
        merged
    }
}

impl FromIterator<(String, String)> for AttributeMap {
    fn from_iter<I: IntoIterator<Item = (String, String)>>(pairs: I) -> Self {
        let mut map = Self::default();
        pairs.into_iter().for_each(|(key, value)| map.push(&key, &value));
        map
    }
}

impl fmt::Debug for AttributeMap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

/// A pair on the wire: that of every map.
#[derive(Clone, PartialEq, Message)]
struct Entry {
    #[prost(string, tag = "1")]
    key: String,
    #[prost(string, tag = "2")]
    value: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As `prost` makes it of the protocol's file.
    #[derive(Clone, PartialEq, Message)]
    struct Derived {
        #[prost(message, optional, tag = "1")]
        service: Option<ServiceName>,
        #[prost(string, tag = "2")]
        id: String,
        #[prost(btree_map = "string, string", tag = "3")]
        attributes: std::collections::BTreeMap<String, String>,
    }

    fn read(octets: &[u8]) -> PutInstance {
        PutInstance::decode(octets).unwrap()
    }

    #[test]
    fn it_is_on_the_wire_what_the_protocol_says() {
        let pairs = [("b", "2"), ("a", "1"), ("", "x"), ("c", "")];
        let attributes = pairs.into_iter().map(|(key, value)| (key.to_owned(), value.to_owned()));
        let service = Some(ServiceName { service: "s".into(), namespace: "n".into() });
        let derived = Derived { service: service.clone(), id: "i".into(), attributes: attributes.clone().collect() };
        let put = PutInstance { service, id: "i".into(), attributes: attributes.collect() };
        for octets in [derived.encode_to_vec(), put.encode_to_vec()] {
            assert_eq!(Derived::decode(&*octets).unwrap(), derived);
            assert_eq!(read(&octets).attributes.pairs(), [("", "x"), ("a", "1"), ("b", "2"), ("c", "")]);
            assert_eq!((&read(&octets).service, &*read(&octets).id), (&put.service, "i"));
            assert_eq!(octets.len(), put.encoded_len());
        }
        assert_eq!(PutInstance::default().encode_to_vec(), Derived::default().encode_to_vec());
    }

    #[test]
    fn a_key_counts_as_it_came_last_and_unknown_fields_are_passed_over() {
        let one = |key: &str, value: &str| Derived {
            attributes: [(key.to_owned(), value.to_owned())].into(),
            ..Derived::default()
        };
        let mut octets = Vec::new();
        for (key, value) in [("b", "1"), ("a", "1"), ("b", "2"), ("c", "1"), ("b", "3")] {
            octets.extend(one(key, value).encode_to_vec());
        }
        // Field 9, a number.
        octets.extend([9 << 3, 7]);
        assert_eq!(read(&octets).attributes.pairs(), [("a", "1"), ("b", "3"), ("c", "1")]);
    }

    #[test]
    fn what_cannot_be_read_is_refused_as_everywhere() {
        // Field 3: no UTF-8; cut short; of another wire type.
        for octets in [&[26, 3, 10, 1, 0xff][..], &[26, 5, 10, 1], &[24, 1]] {
            let (ours, derived) = (PutInstance::decode(octets), Derived::decode(octets));
            assert!(ours.is_err() && derived.is_err(), "{octets:?}");
        }
    }
}
