//! One immutable table.

use std::hint::black_box;
use std::sync::Arc;

use super::node::Node;
use super::shard::{self, Shard};
use crate::wire::{MAX_LENGTH, Name, NameKey, ShortKey};

/// Shards of one group: an edit copies the pointers of one group for each shard it changes.
pub(super) const GROUP: usize = 64;

/// The secrets of the hash, so that nobody can choose names that meet in one shard.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Seeds([u64; 3]);

/// Where in a table a name's node would be.
#[derive(Clone, Copy, Default)]
pub struct Place<'s> {
    shard: &'s [u64],
    hash: u64,
}

impl<'s> Place<'s> {
    /// Has the processor fetch what [`Self::find`] reads first.
    #[inline(always)]
    pub fn touch(&self) {
        black_box(shard::first_slot(self.shard, self.hash));
    }

    /// The node of `key`, whose place this is.
    #[inline(always)]
    pub fn find(&self, key: &ShortKey) -> Option<Node<'s>> {
        shard::find(self.shard, self.hash, |node| node.is_of(key))
    }
}

/// Every owner name with its prepared answers, as of one revision.
#[derive(Clone)]
pub struct Snapshot {
    pub(super) revision: u64,
    /// A power of two of shards, in groups.
    pub(super) groups: Vec<Arc<[Shard]>>,
    pub(super) names: usize,
    pub(super) nodes: usize,
    /// Words of all shards.
    pub(super) words: usize,
    pub(super) instances: usize,
    seeds: Seeds,
}

impl Snapshot {
    /// A table of no names, at revision 0, with hash seeds drawn by the operating system.
    pub fn new() -> Self {
        let mut seeds = fastrand::Rng::new();
        Self {
            revision: 0,
            groups: vec![empty_group()],
            names: 0,
            nodes: 0,
            words: 0,
            instances: 0,
            // Odd, so that no seed is zero.
            seeds: Seeds([seeds.u64(..) | 1, seeds.u64(..) | 1, seeds.u64(..) | 1]),
        }
    }

    /// The registry revision this table shows.
    pub fn revision(&self) -> u64 {
        self.revision
    }

    /// Whether both share all of their names' memory, and so are the same.
    pub fn is_same_as(&self, other: &Self) -> bool {
        let pairs = || self.groups.iter().zip(&other.groups);
        self.groups.len() == other.groups.len() && pairs().all(|(one, two)| Arc::ptr_eq(one, two))
    }

    /// Owner names, empty non-terminals and the names of instances included.
    pub fn names(&self) -> usize {
        self.names
    }

    /// Registered instances, whether they answer or not.
    pub fn instances(&self) -> usize {
        self.instances
    }

    /// The node of `key`.
    #[inline(always)]
    pub fn find(&self, key: &NameKey) -> Option<Node<'_>> {
        let hash = self.hash(key);
        shard::find(self.shard(self.shard_index(hash)), hash, |node| node.is(key.words(), key.length()))
    }

    /// The node of `key`.
    #[inline(always)]
    pub fn find_short(&self, key: &ShortKey) -> Option<Node<'_>> {
        self.place(key).find(key)
    }

    /// Where the node of `key` would be.
    #[inline(always)]
    pub fn place(&self, key: &ShortKey) -> Place<'_> {
        match key.half() {
            Some(half) => self.place_of_half(*half, key.length()),
            None => self.place_at(self.hash_pairs(key.pairs(), key.length())),
        }
    }

    /// Where the node of a name of `length` octets would be, of which these are the words and what is
    /// [hashed](ShortKey::half).
    #[inline(always)]
    pub fn place_of_half(&self, [a, b, c, d]: [u64; 4], length: usize) -> Place<'_> {
        // Without a loop.
        self.place_at(self.hash_pairs(&[[a, b], [c, d]], length))
    }

    #[inline(always)]
    fn place_at(&self, hash: u64) -> Place<'_> {
        Place { shard: self.shard(self.shard_index(hash)), hash }
    }

    /// The node of `key`, whose [`Self::hash`] is at hand.
    pub(super) fn find_hashed(&self, hash: u64, key: &NameKey) -> Option<Node<'_>> {
        shard::find(self.shard(self.shard_index(hash)), hash, |node| node.is(key.words(), key.length()))
    }

    /// Looks at the nodes of labels below apexes, which are about to be asked for: in short loops, in which a processor
    /// waits for many places in memory at once.
    pub(crate) fn look_ahead<'n>(&self, names: impl Iterator<Item = (&'n str, &'n Name)>) {
        let (mut key, mut wire) = (NameKey::new(), [0; MAX_LENGTH]);
        let mut hashes = Vec::new();
        for (label, apex) in names {
            let (label, apex) = (label.as_bytes(), apex.as_wire());
            let length = 1 + label.len() + apex.len();
            if let Some((first, rest)) = wire.get_mut(..length).and_then(|wire| wire.split_first_mut()) {
                *first = label.len() as u8;
                let (own, others) = rest.split_at_mut(label.len());
                own.copy_from_slice(label);
                others.copy_from_slice(apex);
                key.fill(&wire, length);
                hashes.push(self.hash(&key));
            }
        }
        let shards = hashes.iter().map(|hash| (self.shard(self.shard_index(*hash)), *hash));
        let shards: Vec<(&Shard, u64)> = shards.collect();
        let slots = shards.into_iter().map(|(shard, hash)| (shard, shard::first_slot(shard, hash)));
        let slots: Vec<(&Shard, u64)> = slots.collect();
        // Where a node of another name comes first, that is looked at, and it does not matter.
        let looked = slots.into_iter().filter_map(|(shard, slot)| shard.get(slot as u32 as usize));
        black_box(looked.copied().fold(0, u64::wrapping_add));
    }

    /// The node of `name`.
    pub fn find_name(&self, name: &Name) -> Option<Node<'_>> {
        self.find(&NameKey::of(name))
    }

    /// Every node, in no particular order. The names of instances, which have none, are told by their services':
    /// [`Node::instances_below`].
    pub fn nodes(&self) -> impl Iterator<Item = Node<'_>> {
        self.shards().flat_map(|shard| shard::nodes(shard)).map(|(_, node)| node)
    }

    /// All shards.
    pub(super) fn shards(&self) -> impl Iterator<Item = &Shard> {
        self.groups.iter().flat_map(|group| group.iter())
    }

    /// Whether names are in the same shards here as in `other`.
    pub(super) fn is_laid_out_as(&self, other: &Self) -> bool {
        self.groups.len() == other.groups.len() && self.seeds == other.seeds
    }

    /// Shard number `index`.
    #[inline]
    pub(super) fn shard(&self, index: usize) -> &Shard {
        &self.groups[index / GROUP][index % GROUP]
    }

    /// A keyed hash: each pair of words is folded in by one full multiplication.
    #[inline]
    pub fn hash(&self, key: &NameKey) -> u64 {
        self.hash_pairs(key.pairs(), key.length())
    }

    #[inline(always)]
    fn hash_pairs(&self, pairs: &[[u64; 2]], length: usize) -> u64 {
        let Seeds([first, second, last]) = self.seeds;
        let mut hash = first ^ length as u64;
        for [low, high] in pairs {
            hash = fold(low ^ second, high ^ hash);
        }
        fold(hash, last)
    }

    /// The number of the shard for `hash`.
    #[inline]
    pub(super) fn shard_index(&self, hash: u64) -> usize {
        hash as usize & (self.groups.len() * GROUP - 1)
    }
}

impl Default for Snapshot {
    fn default() -> Self {
        Self::new()
    }
}

/// Both halves of the product.
#[inline]
fn fold(a: u64, b: u64) -> u64 {
    let product = u128::from(a) * u128::from(b);
    product as u64 ^ (product >> 64) as u64
}

/// A group of shards without names.
pub(super) fn empty_group() -> Arc<[Shard]> {
    let shard = shard::empty();
    (0..GROUP).map(|_| Arc::clone(&shard)).collect()
}
