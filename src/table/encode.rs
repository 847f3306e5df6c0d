//! Encodes nodes into words. The layout is drawn in `node.rs`.

use bytemuck::cast_slice;

use super::draft::{NodeDraft, RrSetDraft, ServiceEntry};
use super::node::{Flags, HAS_V4, HAS_V6, Layer, NODE_HEADER, Node, SET_HEADER, kind};
use crate::wire::NameKey;
use crate::wire::types::{class, rtype};
use crate::zone::{Owner, Record};

//----------- NodeEncoder ------------------------------------------------------------------------------------

/// Appends one node to a list of words.
struct NodeEncoder<'w> {
    words: &'w mut Vec<u64>,
    /// Where the node begins.
    start: usize,
    /// Where the next entry goes.
    entry: usize,
}

/// The numbers at the head of a set.
struct SetHead {
    ttl: u32,
    count: usize,
    shown: usize,
    extra: usize,
}

impl<'w> NodeEncoder<'w> {
    /// Begins a node of `sets` sets called `name` (wire form, lower case).
    fn new(words: &'w mut Vec<u64>, name: &[u8], sets: usize) -> Self {
        let mut key = NameKey::new();
        key.fill(name, name.len());
        Self::of_key(words, &key, sets)
    }

    /// The same for the name of `key`.
    fn of_key(words: &'w mut Vec<u64>, key: &NameKey, sets: usize) -> Self {
        let start = words.len();
        words.resize(start + NODE_HEADER, 0);
        words.extend_from_slice(key.words());
        let entry = words.len();
        words.resize(entry + sets, 0);
        words[start] = key.length() as u64;
        words[start + 1] = (sets as u64) << 32 | ((entry - start) as u64) << 48;
        Self { words, start, entry }
    }

    /// Notes that the next set begins here.
    fn begin_set(&mut self, rtype: u16, kind: u8, layer: Layer) {
        let offset = (self.words.len() - self.start) as u64;
        self.words[self.entry] = u64::from(rtype) | u64::from(kind) << 16 | (layer as u64) << 24 | offset << 32;
        self.entry += 1;
    }

    /// Appends a set given by its parts.
    fn set(&mut self, rtype: u16, kind: u8, layer: Layer, head: SetHead, octets: &[u8]) {
        self.begin_set(rtype, kind, layer);
        self.words.push(u64::from(head.ttl) | (head.count as u64) << 32);
        self.words.push(head.shown.min(head.count) as u64 | (head.extra as u64) << 32);
        push_octets(self.words, octets);
    }

    /// Ends the node.
    fn finish(self, apex_offset: u8, flags: Flags, children: u32) {
        let length = (self.words.len() - self.start) as u64;
        self.words[self.start] |= u64::from(apex_offset) << 8 | u64::from(flags.0) << 16 | u64::from(children) << 32;
        self.words[self.start + 1] |= length;
    }
}

//----------- What is encoded --------------------------------------------------------------------------------

/// Appends the node called `name`: `draft` as its sets of `layer`, and those of the other layer from `before`.
pub(super) fn put_layer(
    words: &mut Vec<u64>,
    name: &[u8],
    apex_offset: u8,
    layer: Layer,
    draft: Option<&NodeDraft>,
    before: Option<Node<'_>>,
) {
    let (other, other_flags, data) = match layer {
        Layer::Services => (Layer::Static, Flags::OF_STATIC, Flags::SERVICE_DATA),
        Layer::Static => (Layer::Services, Flags::OF_SERVICES, Flags::STATIC_DATA),
    };
    let kept_sets = || before.into_iter().flat_map(|node| node.encoded_sets(other));
    let new_sets = draft.map_or(&[][..], |draft| &draft.sets);
    let mut node = NodeEncoder::new(words, name, new_sets.len() + kept_sets().count());
    for set in new_sets {
        set.encode(layer, &mut node);
    }
    for (rtype, kind, set) in kept_sets() {
        node.begin_set(rtype, kind, other);
        node.words.extend_from_slice(set);
    }
    let kept_flags = before.map(|node| node.flags().within(other_flags.with(Flags::WILDCARD_BELOW)));
    let own_flags = draft.map_or_else(Flags::default, |draft| draft.flags.with(data));
    node.finish(apex_offset, own_flags.with(kept_flags.unwrap_or_default()), before.map_or(0, Node::children));
}

/// Appends the node of an instance's name, which has nothing else.
pub(super) fn put_instance(
    words: &mut Vec<u64>,
    key: &NameKey,
    apex_offset: u8,
    ttl: u32,
    v4: Option<&[u8; 4]>,
    v6: Option<&[u8; 16]>,
) {
    let sets = usize::from(v4.is_some()) + usize::from(v6.is_some());
    let mut node = NodeEncoder::of_key(words, key, sets);
    let head = || SetHead { ttl, count: 1, shown: 1, extra: 0 };
    if let Some(address) = v4 {
        node.set(rtype::A, kind::ADDRESSES_V4, Layer::Services, head(), address);
    }
    if let Some(address) = v6 {
        node.set(rtype::AAAA, kind::ADDRESSES_V6, Layer::Services, head(), address);
    }
    node.finish(apex_offset, Flags::SERVICE_DATA, 0);
}

/// Appends the node of a name that has static data alone. `octets` is working space.
pub(super) fn put_static(words: &mut Vec<u64>, owner: Owner<'_>, apex_length: usize, octets: &mut Vec<u8>) {
    let name = owner.name();
    let mut last = None;
    let sets = owner.records().filter(|record| last.replace(record.rtype) != Some(record.rtype)).count();
    let mut node = NodeEncoder::new(words, name, sets);
    let mut records = owner.records().peekable();
    while let Some(first) = records.next() {
        octets.clear();
        push_record(octets, first);
        let mut count = 1;
        while let Some(record) = records.next_if(|record| record.rtype == first.rtype) {
            // All records of a set have one TTL (RFC 2181 §5.2): the first one's.
            push_record(octets, Record { ttl: first.ttl, ..record });
            count += 1;
        }
        let head = SetHead { ttl: first.ttl, count, shown: count, extra: octets.len() };
        node.set(first.rtype, kind::RECORDS, Layer::Static, head, octets);
    }
    let wildcard = if owner.marks().wildcard_below { Flags::WILDCARD_BELOW } else { Flags::default() };
    let data = if sets > 0 { Flags::STATIC_DATA } else { Flags::default() };
    let flags = static_flags(owner).with(wildcard).with(data);
    node.finish((name.len() - apex_length) as u8, flags, owner.children());
}

/// The flags of a name with static data, as a draft has them.
pub(super) fn static_flags(owner: Owner<'_>) -> Flags {
    let marks = owner.marks();
    let redirected = owner.records().any(|record| record.rtype == rtype::DNAME);
    let flags = [(marks.cut, Flags::CUT), (redirected, Flags::REDIRECTED), (marks.occluded, Flags::OCCLUDED)];
    flags.into_iter().filter(|(set, _)| *set).fold(Flags::default(), |flags, (_, flag)| flags.with(flag))
}

impl RrSetDraft {
    /// Appends the set to a node.
    fn encode(&self, layer: Layer, node: &mut NodeEncoder<'_>) {
        let rtype = self.rtype();
        let head = |ttl: &u32, count, shown: u32| SetHead { ttl: *ttl, count, shown: shown as usize, extra: 0 };
        match self {
            Self::V4 { ttl, shown, addresses } => {
                let head = head(ttl, addresses.len(), *shown);
                node.set(rtype, kind::ADDRESSES_V4, layer, head, cast_slice(addresses));
            }
            Self::V6 { ttl, shown, addresses } => {
                let head = head(ttl, addresses.len(), *shown);
                node.set(rtype, kind::ADDRESSES_V6, layer, head, cast_slice(addresses));
            }
            Self::Services { ttl, shown, entries, silent } => {
                let items = with_offsets(entries.iter().chain(silent), ServiceEntry::encode);
                let extra = entries.len() + silent.len();
                let head = SetHead { extra, ..head(ttl, entries.len(), *shown) };
                node.set(rtype, kind::SERVICES, layer, head, &items);
            }
            Self::Aliases { ttl, targets } => {
                let items = with_offsets(targets.iter(), |name, items| {
                    items.push(name.len() as u8);
                    items.extend_from_slice(name);
                });
                node.set(rtype, kind::ALIASES, layer, head(ttl, targets.len(), 1), &items);
            }
            Self::Records { rtype, ttl, rdata } => {
                let mut octets = Vec::new();
                for rdata in rdata {
                    push_record(&mut octets, Record { rtype: *rtype, ttl: *ttl, rdata, ..Record::default() });
                }
                let head = SetHead { extra: octets.len(), ..head(ttl, rdata.len(), u32::MAX) };
                node.set(*rtype, kind::RECORDS, layer, head, &octets);
            }
        }
    }
}

impl ServiceEntry {
    /// Appends the item as it lies in the set.
    fn encode(&self, items: &mut Vec<u8>) {
        let flags = self.v4.map_or(0, |_| HAS_V4) | self.v6.map_or(0, |_| HAS_V6);
        items.extend_from_slice(&[flags, self.labels.len() as u8]);
        items.extend_from_slice(&self.port.to_be_bytes());
        items.extend(self.v4.iter().flatten());
        items.extend(self.v6.iter().flatten());
        items.extend_from_slice(&self.labels);
    }
}

/// Items, each appended by `put`, behind the list of their offsets, which count from the set's start.
fn with_offsets<'i, T: 'i>(items: impl Iterator<Item = &'i T> + Clone, put: impl Fn(&T, &mut Vec<u8>)) -> Vec<u8> {
    let list = (items.clone().count() * 4).next_multiple_of(8);
    let mut octets = vec![0; list];
    for (index, item) in items.enumerate() {
        let offset = (SET_HEADER * 8 + octets.len()) as u32;
        octets[index * 4..][..4].copy_from_slice(&offset.to_ne_bytes());
        put(item, &mut octets);
    }
    octets
}

/// Appends a whole record whose owner is a pointer to the question (RFC 1035 §4.1.4).
fn push_record(octets: &mut Vec<u8>, record: Record<'_>) {
    octets.extend_from_slice(&[0xc0, 0x0c]);
    octets.extend_from_slice(&record.rtype.to_be_bytes());
    octets.extend_from_slice(&class::IN.to_be_bytes());
    octets.extend_from_slice(&record.ttl.to_be_bytes());
    octets.extend_from_slice(&(record.rdata.len() as u16).to_be_bytes());
    octets.extend_from_slice(record.rdata);
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
