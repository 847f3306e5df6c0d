//! How a node lies in a shard, and how it is read.
//!
//! ```text
//! word 0   name length 8 | apex offset 8 | flags 16 | children 32        low bits first
//! word 1   words of the node 32 | entries 16 | offset of the entries in words 16
//! name     wire form in lower case, padded with zeros to a whole word
//! entries  type 16 | kind 8 | layer 8 | offset of the set in words 32    one word each
//! sets     word 0: TTL 32 | items 32
//!          word 1: items shown at most 32 | extra 32
//!          then, by kind:
//!          addresses   4 or 16 octets each
//!          services    offsets 32 each, padded; items: flags 8 | label octets 8 | port 16 | IPv4 | IPv6 | labels
//!                      extra: items in all; those that are no answer, but have names, come last
//!          aliases     offsets 32 each, padded; items: octets 8 | name
//!          records     whole records whose owner is a pointer to the question
//! ```
//!
//! Octets that go into messages are kept in network order. Offsets of items count octets from the set's start.

use bytemuck::cast_slice;

use crate::wire::ShortKey;
use crate::wire::types::rtype;

/// What a node is, beside the records it has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Flags(pub u16);

impl Flags {
    /// The name of a registered service that has no instance.
    pub const NO_INSTANCES: Self = Self(1);
    /// A zone cut: NS records below the apex (RFC 1034 §4.2.1).
    pub const CUT: Self = Self(2);
    /// A DNAME redirects what lies below (RFC 6672).
    pub const REDIRECTED: Self = Self(4);
    /// Below a cut or a DNAME: not part of the zone, at best glue.
    pub const OCCLUDED: Self = Self(8);
    /// There is a wildcard one label below (RFC 4592). Kept by the editor.
    pub const WILDCARD_BELOW: Self = Self(16);
    /// A service or an instance lies here, with or without records.
    pub const SERVICE_DATA: Self = Self(32);
    /// Static records lie here. A node with neither kind of data is an empty non-terminal.
    pub const STATIC_DATA: Self = Self(64);
    /// Neither the name nor what lies below is answered for now: it may be wrong. See [`super::Snapshot::withheld`].
    pub const WITHHELD: Self = Self(128);
    /// The items of the SRV set are names one label below, and their addresses the records there: see
    /// [`super::InstanceRoom`]. Such a node has no children but those.
    pub const INSTANCES_BELOW: Self = Self(256);

    /// The flags that come and go with the data of services.
    pub(super) const OF_SERVICES: Self =
        Self(Self::NO_INSTANCES.0 | Self::SERVICE_DATA.0 | Self::WITHHELD.0 | Self::INSTANCES_BELOW.0);
    /// The flags that come and go with static data.
    pub(super) const OF_STATIC: Self = Self(Self::CUT.0 | Self::REDIRECTED.0 | Self::OCCLUDED.0 | Self::STATIC_DATA.0);

    /// Whether any flag of `other` is set.
    #[inline]
    pub fn has(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    /// Both sets of flags.
    pub fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// The flags in both.
    pub fn within(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }
}

/// Kinds of sets, by the numbers in entries.
pub(super) mod kind {
    pub(crate) const ADDRESSES_V4: u8 = 1;
    pub(crate) const ADDRESSES_V6: u8 = 2;
    pub(crate) const SERVICES: u8 = 3;
    pub(crate) const ALIASES: u8 = 4;
    pub(crate) const RECORDS: u8 = 5;
}

/// Whose data a set is. One name can have both, at different types; each is put and removed without the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layer {
    /// Made from services and instances.
    Services = 0,
    /// Declared record by record.
    Static = 1,
}

/// In an item of services: an IPv4 address follows.
pub(super) const HAS_V4: u8 = 1;
/// In an item of services: an IPv6 address follows.
pub(super) const HAS_V6: u8 = 2;

/// Words before a node's name.
pub(super) const NODE_HEADER: usize = 2;
/// Words before a set's items.
pub(super) const SET_HEADER: usize = 2;

//----------- Node -------------------------------------------------------------------------------------------

/// One owner name of a snapshot.
#[derive(Clone, Copy)]
pub struct Node<'t> {
    /// Exactly the node's words.
    words: &'t [u64],
}

impl<'t> Node<'t> {
    /// The node at the front of `words`.
    #[inline]
    pub(super) fn at_front(words: &'t [u64]) -> Self {
        Self { words: &words[..words[1] as u32 as usize] }
    }

    /// The node's words, to be copied.
    pub(super) fn words(self) -> &'t [u64] {
        self.words
    }

    /// Whether this is the node of the name of `length` octets in `name`.
    #[inline(always)]
    pub(super) fn is(self, name: &[u64], length: usize) -> bool {
        let Some(words) = self.words.get(NODE_HEADER..NODE_HEADER + name.len()) else {
            return false;
        };
        // Names are a few words long: a call to compare memory would cost more than the comparison.
        self.words[0] as u8 as usize == length && words.iter().zip(name).all(|(a, b)| a == b)
    }

    /// Whether this is the node of `key`.
    #[inline(always)]
    pub(super) fn is_of(self, key: &ShortKey) -> bool {
        let [head, _, rest @ ..] = self.words else { return false };
        *head as u8 as usize == key.length() && key.begins(rest)
    }

    /// Octets of the name.
    #[inline]
    fn name_length(self) -> usize {
        usize::from(self.words[0] as u8)
    }

    /// The owner name in wire form and lower case.
    #[inline]
    pub fn name(self) -> &'t [u8] {
        &cast_slice(&self.words[NODE_HEADER..])[..self.name_length()]
    }

    /// Where in the name the zone's apex begins; 0 for the apex itself.
    #[inline]
    pub fn apex_offset(self) -> usize {
        usize::from((self.words[0] >> 8) as u8)
    }

    /// Whether a zone begins here.
    #[inline]
    pub fn is_apex(self) -> bool {
        self.apex_offset() == 0
    }

    /// What the node is.
    #[inline]
    pub fn flags(self) -> Flags {
        Flags((self.words[0] >> 16) as u16)
    }

    /// Nodes one label below; names of instances that have none are not among them.
    pub fn children(self) -> u32 {
        (self.words[0] >> 32) as u32
    }

    /// The entry words.
    #[inline(always)]
    fn entries(self) -> &'t [u64] {
        let start = (self.words[1] >> 48) as usize;
        &self.words[start..start + usize::from((self.words[1] >> 32) as u16)]
    }

    /// The RRset of type `rtype`. A set may be empty: a service of that type with nothing to give.
    #[inline]
    pub fn set(self, rtype: u16) -> Option<RrSet<'t>> {
        let entry = self.entries().iter().find(|entry| **entry as u16 == rtype)?;
        Some(self.set_at(*entry))
    }

    /// The A records, if they are to be drawn from: what [`Self::set`] finds, sooner.
    #[inline(always)]
    pub fn v4(self) -> Option<Addresses<'t, 4>> {
        self.addresses(rtype::A, kind::ADDRESSES_V4)
    }

    /// The A records, if they are to be drawn from, come first, and the node has none of `flags`.
    #[inline(always)]
    pub fn first_v4(self, flags: Flags) -> Option<Addresses<'t, 4>> {
        const WANTED: u32 = rtype::A as u32 | (kind::ADDRESSES_V4 as u32) << 16;
        let [head, second, ..] = self.words else { return None };
        if *head & u64::from(flags.0) << 16 != 0 {
            return None;
        }
        // Where there is no entry, the node ends.
        let entry = *self.words.get((*second >> 48) as usize)?;
        if entry as u32 & 0x00ff_ffff != WANTED {
            return None;
        }
        let words = self.words.get((entry >> 32) as usize..).filter(|words| words.len() > SET_HEADER)?;
        Some(Addresses { set: Set { words } })
    }

    /// The AAAA records, if they are to be drawn from.
    #[inline(always)]
    pub fn v6(self) -> Option<Addresses<'t, 16>> {
        self.addresses(rtype::AAAA, kind::ADDRESSES_V6)
    }

    /// The records of type `rtype`, if they are given whole.
    #[inline(always)]
    pub fn records(self, rtype: u16) -> Option<Records<'t>> {
        Some(Records { set: self.set_of(rtype, kind::RECORDS)? })
    }

    /// The addresses of type `rtype` and of `kind`, which says how long they are.
    #[inline(always)]
    fn addresses<const N: usize>(self, rtype: u16, kind: u8) -> Option<Addresses<'t, N>> {
        Some(Addresses { set: self.set_of(rtype, kind)? })
    }

    /// The set of type `rtype` and of `kind`.
    #[inline(always)]
    fn set_of(self, rtype: u16, kind: u8) -> Option<Set<'t>> {
        let wanted = u32::from(rtype) | u32::from(kind) << 16;
        let entry = self.entries().iter().find(|entry| **entry as u32 & 0x00ff_ffff == wanted)?;
        Some(Set { words: &self.words[(*entry >> 32) as usize..] })
    }

    /// All RRsets with their types.
    pub fn sets(self) -> impl Iterator<Item = (u16, RrSet<'t>)> {
        self.entries().iter().map(move |entry| (*entry as u16, self.set_at(*entry)))
    }

    /// The sets of `layer` as they lie here: type, kind, words. For the encoder.
    pub(super) fn encoded_sets(self, layer: Layer) -> impl Iterator<Item = (u16, u8, &'t [u64])> {
        let ends = self.entries().iter().skip(1).map(|next| (next >> 32) as usize).chain([self.words.len()]);
        let sets = self.entries().iter().zip(ends).filter(move |(entry, _)| (*entry >> 24) as u8 == layer as u8);
        sets.map(move |(entry, end)| (*entry as u16, (entry >> 16) as u8, &self.words[(entry >> 32) as usize..end]))
    }

    /// The set an entry points to.
    #[inline]
    fn set_at(self, entry: u64) -> RrSet<'t> {
        let set = Set { words: &self.words[(entry >> 32) as usize..] };
        match (entry >> 16) as u8 {
            kind::ADDRESSES_V4 => RrSet::V4(Addresses { set }),
            kind::ADDRESSES_V6 => RrSet::V6(Addresses { set }),
            kind::SERVICES => RrSet::Services(Services { set }),
            kind::ALIASES => RrSet::Aliases(Aliases { set }),
            _ => RrSet::Records(Records { set }),
        }
    }
}

//----------- RrSet ------------------------------------------------------------------------------------------

/// An RRset as prepared for answers.
#[derive(Clone, Copy)]
pub enum RrSet<'t> {
    /// A records, to be drawn from.
    V4(Addresses<'t, 4>),
    /// AAAA records, to be drawn from.
    V6(Addresses<'t, 16>),
    /// SRV records, to be drawn from.
    Services(Services<'t>),
    /// CNAME records of which one is drawn.
    Aliases(Aliases<'t>),
    /// Records given whole and in order.
    Records(Records<'t>),
}

impl RrSet<'_> {
    /// Items in the set.
    pub fn count(self) -> usize {
        match self {
            Self::V4(set) => set.count(),
            Self::V6(set) => set.count(),
            Self::Services(set) => set.count(),
            Self::Aliases(set) => set.count(),
            Self::Records(set) => set.count(),
        }
    }
}

/// The words from a set's header to the node's end.
#[derive(Clone, Copy)]
struct Set<'t> {
    words: &'t [u64],
}

impl<'t> Set<'t> {
    #[inline]
    fn ttl(self) -> u32 {
        self.words[0] as u32
    }

    #[inline]
    fn count(self) -> usize {
        (self.words[0] >> 32) as usize
    }

    #[inline]
    fn shown(self) -> usize {
        self.words[1] as u32 as usize
    }

    #[inline]
    fn extra(self) -> u32 {
        (self.words[1] >> 32) as u32
    }

    /// Octets from the set's start.
    #[inline]
    fn octets(self) -> &'t [u8] {
        cast_slice(self.words)
    }

    /// The octets from item `index` on, for kinds with a list of offsets.
    #[inline]
    fn item(self, index: usize) -> &'t [u8] {
        let offsets: &[u32] = cast_slice(&self.words[SET_HEADER..]);
        &self.octets()[offsets[index] as usize..]
    }
}

macro_rules! set_header {
    ($(($($generics:tt)*) $type:ty),+ $(,)?) => {$(
        impl<$($generics)*> $type {
            /// Time to live in seconds.
            #[inline]
            pub fn ttl(self) -> u32 {
                self.set.ttl()
            }

            /// Items there are to choose from.
            #[inline]
            pub fn count(self) -> usize {
                self.set.count()
            }

            /// Items a response shows at most; never more than [`Self::count`].
            #[inline]
            pub fn shown(self) -> usize {
                self.set.shown()
            }
        }
    )+};
}

set_header!(('t, const N: usize) Addresses<'t, N>, ('t) Services<'t>, ('t) Aliases<'t>, ('t) Records<'t>);

/// Addresses of `N` octets.
#[derive(Clone, Copy)]
pub struct Addresses<'t, const N: usize> {
    set: Set<'t>,
}

impl<'t, const N: usize> Addresses<'t, N> {
    /// All addresses.
    #[inline(always)]
    pub fn all(self) -> &'t [[u8; N]] {
        &self.set.octets()[SET_HEADER * 8..].as_chunks().0[..self.count()]
    }

    /// All addresses, if there are just `MOST` and a response shows them all: what [`Self::all`] yields, sooner.
    #[inline(always)]
    pub fn all_shown<const MOST: usize>(self) -> Option<&'t [[u8; N]; MOST]> {
        let [first, second, items @ ..] = self.set.words else { return None };
        if (*first >> 32) as u32 != MOST as u32 || *second as u32 != MOST as u32 {
            return None;
        }
        cast_slice::<u64, u8>(items).as_chunks().0.first_chunk()
    }
}

/// SRV records made from instances: priority 1, weight 1 (Cloud Map's fixed values). Behind the items that answer there
/// may be others, which only have names.
#[derive(Clone, Copy)]
pub struct Services<'t> {
    set: Set<'t>,
}

/// One target of [`Services`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ServiceTarget<'t> {
    /// Port in network order.
    pub port: [u8; 2],
    /// Labels of the instance in wire form, case kept; the service's name follows them in the target.
    pub labels: &'t [u8],
    /// The instance's IPv4 address.
    pub v4: Option<&'t [u8; 4]>,
    /// The instance's IPv6 address.
    pub v6: Option<&'t [u8; 16]>,
}

impl<'t> Services<'t> {
    /// Items in all.
    pub(super) fn all(self) -> usize {
        self.set.extra() as usize
    }

    /// Target number `index`, less than [`Self::count`].
    #[inline(always)]
    pub fn target(self, index: usize) -> ServiceTarget<'t> {
        let item = self.set.item(index);
        let (flags, length, port, mut rest) = (item[0], usize::from(item[1]), [item[2], item[3]], &item[4..]);
        let (mut v4, mut v6) = (None, None);
        if flags & HAS_V4 != 0 {
            (v4, rest) = (rest.first_chunk(), &rest[4..]);
        }
        if flags & HAS_V6 != 0 {
            (v6, rest) = (rest.first_chunk(), &rest[16..]);
        }
        ServiceTarget { port, labels: &rest[..length], v4, v6 }
    }
}

/// CNAME targets.
#[derive(Clone, Copy)]
pub struct Aliases<'t> {
    set: Set<'t>,
}

impl<'t> Aliases<'t> {
    /// Target number `index`, less than [`Self::count`], in wire form.
    #[inline]
    pub fn target(self, index: usize) -> &'t [u8] {
        let item = self.set.item(index);
        &item[1..][..usize::from(item[0])]
    }
}

/// Records in their wire form, each with a pointer to the question's name as owner.
#[derive(Clone, Copy)]
pub struct Records<'t> {
    set: Set<'t>,
}

impl<'t> Records<'t> {
    /// All records back to back.
    #[inline]
    pub fn octets(self) -> &'t [u8] {
        &self.set.octets()[SET_HEADER * 8..][..self.set.extra() as usize]
    }

    /// The records one by one.
    pub fn iter(self) -> impl Iterator<Item = &'t [u8]> {
        let mut rest = self.octets();
        std::iter::from_fn(move || {
            let [high, low] = *rest.get(10..)?.first_chunk()?;
            let (record, others) = rest.split_at_checked(12 + usize::from(u16::from_be_bytes([high, low])))?;
            rest = others;
            Some(record)
        })
    }
}
