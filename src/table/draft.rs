//! Nodes under construction, and their encoding into words. The layout is drawn in `node.rs`.

use bytemuck::cast_slice;

use super::node::{Flags, HAS_V4, HAS_V6, NODE_HEADER, SET_HEADER, kind};
use crate::wire::types::{class, rtype};
use crate::wire::{Name, NameKey};

/// What a node will hold, as compiled from the model.
#[derive(Clone, Debug, Default)]
pub struct NodeDraft {
    /// What the node is; the flags the editor keeps are not set here.
    pub flags: Flags,
    /// RRsets, one per type.
    pub sets: Vec<RrSetDraft>,
}

/// An RRset as compiled from the model.
#[derive(Clone, Debug)]
pub enum RrSetDraft {
    /// A records of which responses show a random choice.
    V4 {
        /// Seconds.
        ttl: u32,
        /// Most a response shows.
        shown: u32,
        /// In network order.
        addresses: Vec<[u8; 4]>,
    },
    /// AAAA records of which responses show a random choice.
    V6 {
        /// Seconds.
        ttl: u32,
        /// Most a response shows.
        shown: u32,
        /// In network order.
        addresses: Vec<[u8; 16]>,
    },
    /// SRV records whose targets are instances below the owner name.
    Services {
        /// Seconds.
        ttl: u32,
        /// Most a response shows.
        shown: u32,
        /// The instances.
        entries: Vec<ServiceEntry>,
    },
    /// CNAME records of which each response shows one.
    Aliases {
        /// Seconds.
        ttl: u32,
        /// Wire forms, case kept.
        targets: Vec<Vec<u8>>,
    },
    /// Records shown whole and in order.
    Records {
        /// Their type.
        rtype: u16,
        /// Seconds.
        ttl: u32,
        /// RDATA in wire form, names uncompressed.
        rdata: Vec<Vec<u8>>,
    },
}

/// One instance of [`RrSetDraft::Services`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServiceEntry {
    /// Port of the service.
    pub port: u16,
    /// Labels in wire form without the root label, 1 to 253 octets.
    pub labels: Vec<u8>,
    /// Address in network order.
    pub v4: Option<[u8; 4]>,
    /// Address in network order.
    pub v6: Option<[u8; 16]>,
}

impl RrSetDraft {
    /// The type of the records.
    pub fn rtype(&self) -> u16 {
        match self {
            Self::V4 { .. } => rtype::A,
            Self::V6 { .. } => rtype::AAAA,
            Self::Services { .. } => rtype::SRV,
            Self::Aliases { .. } => rtype::CNAME,
            Self::Records { rtype, .. } => *rtype,
        }
    }

    /// Appends the set to `words` and returns its kind.
    fn encode(&self, words: &mut Vec<u64>) -> u8 {
        let (kind, ttl, count, shown, octets) = match self {
            Self::V4 { ttl, shown, addresses } => {
                (kind::ADDRESSES_V4, ttl, addresses.len(), *shown as usize, cast_slice(addresses).to_vec())
            }
            Self::V6 { ttl, shown, addresses } => {
                (kind::ADDRESSES_V6, ttl, addresses.len(), *shown as usize, cast_slice(addresses).to_vec())
            }
            Self::Services { ttl, shown, entries } => {
                let items = entries.iter().map(ServiceEntry::encode);
                (kind::SERVICES, ttl, entries.len(), *shown as usize, with_offsets(items))
            }
            Self::Aliases { ttl, targets } => {
                let items = targets.iter().map(|name| [&[name.len() as u8], &name[..]].concat());
                (kind::ALIASES, ttl, targets.len(), 1, with_offsets(items))
            }
            Self::Records { rtype, ttl, rdata } => {
                (kind::RECORDS, ttl, rdata.len(), usize::MAX, whole_records(*rtype, *ttl, rdata))
            }
        };
        words.push(u64::from(*ttl) | (count as u64) << 32);
        words.push(shown.min(count) as u64 | (octets.len() as u64) << 32);
        push_octets(words, &octets);
        kind
    }
}

impl ServiceEntry {
    /// The item as it lies in the set.
    fn encode(&self) -> Vec<u8> {
        let flags = self.v4.map_or(0, |_| HAS_V4) | self.v6.map_or(0, |_| HAS_V6);
        let mut item = vec![flags, self.labels.len() as u8];
        item.extend_from_slice(&self.port.to_be_bytes());
        item.extend(self.v4.iter().flatten());
        item.extend(self.v6.iter().flatten());
        item.extend_from_slice(&self.labels);
        item
    }
}

impl NodeDraft {
    /// The words of the node of `name`, which lies `apex_offset` octets into its zone, with `children` nodes below.
    pub(super) fn encode(&self, name: &Name, apex_offset: u8, kept: Flags, children: u32) -> Box<[u64]> {
        let key = NameKey::of(name);
        let mut words = vec![0; NODE_HEADER];
        words.extend_from_slice(key.words());
        let entries = words.len();
        words.resize(entries + self.sets.len(), 0);
        for (index, set) in self.sets.iter().enumerate() {
            let offset = words.len() as u64;
            let kind = set.encode(&mut words);
            words[entries + index] = u64::from(set.rtype()) | u64::from(kind) << 16 | offset << 32;
        }
        words[0] = key.length() as u64
            | u64::from(apex_offset) << 8
            | u64::from(self.flags.with(kept).0) << 16
            | u64::from(children) << 32;
        words[1] = words.len() as u64 | (self.sets.len() as u64) << 32;
        words.into()
    }
}

/// Items behind the list of their offsets, which count from the set's start.
fn with_offsets(items: impl ExactSizeIterator<Item = Vec<u8>>) -> Vec<u8> {
    let list = (items.len() * 4).next_multiple_of(8);
    let mut octets = vec![0; list];
    for (index, item) in items.enumerate() {
        let offset = (SET_HEADER * 8 + octets.len()) as u32;
        octets[index * 4..][..4].copy_from_slice(&offset.to_ne_bytes());
        octets.extend_from_slice(&item);
    }
    octets
}

/// The records of a set, owners pointing to the question (RFC 1035 §4.1.4).
fn whole_records(rtype: u16, ttl: u32, rdata: &[Vec<u8>]) -> Vec<u8> {
    let mut octets = Vec::new();
    for rdata in rdata {
        octets.extend_from_slice(&[0xc0, 0x0c]);
        octets.extend_from_slice(&rtype.to_be_bytes());
        octets.extend_from_slice(&class::IN.to_be_bytes());
        octets.extend_from_slice(&ttl.to_be_bytes());
        octets.extend_from_slice(&(rdata.len() as u16).to_be_bytes());
        octets.extend_from_slice(rdata);
    }
    octets
}

/// Appends octets in memory order, padded with zeros to a whole word.
fn push_octets(words: &mut Vec<u64>, octets: &[u8]) {
    let (whole, rest) = octets.as_chunks();
    words.extend(whole.iter().map(|chunk| u64::from_ne_bytes(*chunk)));
    if !rest.is_empty() {
        let mut last = [0; 8];
        last[..rest.len()].copy_from_slice(rest);
        words.push(u64::from_ne_bytes(last));
    }
}
