//! Makes the next snapshot from the one before and the nodes that change.

use std::collections::HashSet;
use std::sync::Arc;
use std::thread;

use super::encode;
use super::node::Node;
use super::shard::{self, Shard};
use super::snapshot::{GROUP, Snapshot, empty_group};
use crate::threads::at_once;
use crate::wire::NameKey;
use crate::zone::Owner;

/// Words of nodes that a shard should hold at most when the table is laid out anew: few enough that copying a shard
/// costs about a microsecond, enough that the list of groups, which every edit copies and every retired snapshot lets go
/// of, costs no more than the shards do.
const WORDS_PER_SHARD: usize = 512;
/// Nodes that a shard should hold at least, however large they are.
const NODES_PER_SHARD: usize = 4;
/// The table is laid out anew when shards hold so many times what they should.
const FULL: usize = 2;
/// Words of a node that is not encoded yet, more or less.
const NODE_WORDS: usize = 16;
/// Names from which on it pays to lay out with all cores.
pub(super) const PARALLEL_FROM: usize = 50_000;

/// One changed node.
pub(super) struct Change<'c> {
    pub(super) hash: u64,
    /// Names that the table before has for it, 0 where it has no node.
    pub(super) existed: usize,
    pub(super) name: &'c [u8],
    pub(super) content: Content<'c>,
}

/// What becomes of a node.
#[derive(Clone, Copy)]
pub(super) enum Content<'c> {
    /// It goes.
    Gone,
    /// Encoded already.
    Words(&'c [u64]),
    /// Static data, encoded when its shard is built, so that a large zone is not held twice.
    Static { owner: Owner<'c>, apex_length: usize },
}

/// The snapshot of `base` with `changes`, as `revision`, in which `instances` are registered.
pub(super) fn build(base: &Snapshot, changes: Vec<Change<'_>>, revision: u64, instances: usize) -> Snapshot {
    let gone: usize = changes.iter().map(|change| change.existed).sum();
    let new: usize = changes.iter().map(|change| change.content.names()).sum();
    let words: usize = changes.iter().filter(|change| change.existed == 0).map(|change| change.content.length()).sum();
    let nodes = changes.iter().filter(|change| change.existed == 0 && change.content.names() > 0).count();
    let gone_nodes = changes.iter().filter(|change| change.existed > 0 && change.content.names() == 0).count();
    let mut next = base.clone();
    next.revision = revision;
    next.instances = instances;
    next.names = base.names + new - gone;
    next.nodes = base.nodes + nodes - gone_nodes;
    if wanted_shards(next.nodes, base.words + words) > next.groups.len() * GROUP * FULL {
        lay_out(&mut next, base, &changes);
    } else {
        copy_shards(&mut next, changes);
    }
    next
}

/// How many shards suit so many nodes of so many words.
fn wanted_shards(nodes: usize, words: usize) -> usize {
    (words / WORDS_PER_SHARD).min(nodes / NODES_PER_SHARD)
}

impl Content<'_> {
    /// Names that it stands for.
    fn names(self) -> usize {
        match self {
            Self::Gone => 0,
            Self::Words(words) => Node::at_front(words).names(),
            Self::Static { .. } => 1,
        }
    }

    /// Words of it, more or less.
    fn length(self) -> usize {
        match self {
            Self::Gone => 0,
            Self::Words(words) => words.len(),
            Self::Static { .. } => NODE_WORDS,
        }
    }
}

/// Rebuilds the shards in which something changes; the others stay shared with the snapshot before.
fn copy_shards(next: &mut Snapshot, mut changes: Vec<Change<'_>>) {
    changes.sort_unstable_by_key(|change| next.shard_index(change.hash));
    let mut builder = ShardBuilder::default();
    let by_group = changes.chunk_by(|a, b| next.shard_index(a.hash) / GROUP == next.shard_index(b.hash) / GROUP);
    let mut groups: Vec<(usize, Arc<[Shard]>)> = Vec::new();
    let (mut added, mut removed) = (0, 0);
    for changes in by_group {
        let group = next.shard_index(changes[0].hash) / GROUP;
        let mut shards = next.groups[group].to_vec();
        for changes in changes.chunk_by(|a, b| next.shard_index(a.hash) == next.shard_index(b.hash)) {
            let index = next.shard_index(changes[0].hash);
            let replaced = changes.iter().map(|change| match change.content {
                Content::Words(words) => Some((shard::tag(change.hash), words)),
                Content::Gone | Content::Static { .. } => None,
            });
            if let Some(shard) = shard::replace(next.shard(index), replaced) {
                shards[index % GROUP] = shard;
                continue;
            }
            removed += next.shard(index).len();
            let is_changed = |tag, node: Node<'_>| {
                changes.iter().any(|change| shard::tag(change.hash) == tag && change.name == node.name())
            };
            let kept = shard::nodes(next.shard(index)).filter(|(tag, node)| !is_changed(*tag, *node));
            let kept = kept.map(|(tag, node)| (tag, Content::Words(node.words())));
            let changed = changes.iter().map(|change| (shard::tag(change.hash), change.content));
            let shard = builder.build(kept.chain(changed));
            added += shard.len();
            shards[index % GROUP] = shard;
        }
        groups.push((group, shards.into()));
    }
    for (group, shards) in groups {
        next.groups[group] = shards;
    }
    next.words = next.words + added - removed;
}

/// Spreads all names over a number of shards that suits them. Costs a copy of the table, and happens each time the
/// number of names has doubled.
fn lay_out(next: &mut Snapshot, base: &Snapshot, changes: &[Change<'_>]) {
    let changed: HashSet<&[u8]> =
        if base.names == 0 { HashSet::new() } else { changes.iter().map(|change| change.name).collect() };
    let mut key = NameKey::new();
    let kept = base.nodes().filter(|node| !changed.contains(node.name())).map(|node| {
        key.fill(node.name(), node.name().len());
        (base.hash(&key), Content::Words(node.words()))
    });
    let mut nodes: Vec<(u64, Content<'_>)> = kept.collect();
    nodes.extend(changes.iter().map(|change| (change.hash, change.content)));
    let groups = groups(nodes.len(), nodes.iter().map(|(_, content)| content.length()).sum());
    next.groups = vec![empty_group(); groups];
    let shard_of = |hash: u64| hash as usize & (groups * GROUP - 1);
    nodes.sort_unstable_by_key(|(hash, _)| shard_of(*hash));

    let share = groups.div_ceil(if nodes.len() < PARALLEL_FROM { 1 } else { cores() });
    let mut rest = &nodes[..];
    at_once(next.groups.chunks_mut(share).enumerate().map(|(part, groups)| {
        let first = part * share * GROUP;
        let end = first + groups.len() * GROUP;
        let (own, others) = rest.split_at(rest.partition_point(|(hash, _)| shard_of(*hash) < end));
        rest = others;
        move || fill_groups(groups, first, own, shard_of)
    }));
    next.words = next.shards().map(|shard| shard.len()).sum();
}

/// How many groups suit so many nodes of so many words.
pub(super) fn groups(nodes: usize, words: usize) -> usize {
    (wanted_shards(nodes, words) / GROUP).next_power_of_two()
}

/// How many threads can work at once.
pub(super) fn cores() -> usize {
    thread::available_parallelism().map_or(1, usize::from)
}

/// Fills `groups`, whose first shard is number `first`, with `nodes`, which are in the order of shards.
fn fill_groups(
    groups: &mut [Arc<[Shard]>],
    first: usize,
    nodes: &[(u64, Content<'_>)],
    shard_of: impl Fn(u64) -> usize,
) {
    let mut builder = ShardBuilder::default();
    let mut rest = nodes;
    let mut index = first;
    for group in groups {
        let shards = (0..GROUP).map(|_| {
            let length = rest.iter().take_while(|(hash, _)| shard_of(*hash) == index).count();
            let (own, others) = rest.split_at(length);
            (rest, index) = (others, index + 1);
            builder.build(own.iter().map(|(hash, content)| (shard::tag(*hash), *content)))
        });
        *group = shards.collect();
    }
}

/// Builds shards; keeps its working space from one to the next.
#[derive(Default)]
pub(super) struct ShardBuilder {
    /// Nodes back to back.
    nodes: Vec<u64>,
    /// Tag and offset of each node.
    offsets: Vec<(u32, u32)>,
    octets: Vec<u8>,
    shard: Vec<u64>,
}

impl ShardBuilder {
    /// A shard of `nodes`, given by tag.
    pub(super) fn build<'c>(&mut self, nodes: impl Iterator<Item = (u32, Content<'c>)>) -> Shard {
        self.nodes.clear();
        self.offsets.clear();
        for (tag, content) in nodes {
            let offset = self.nodes.len() as u32;
            match content {
                Content::Gone => continue,
                Content::Words(words) => self.nodes.extend_from_slice(words),
                Content::Static { owner, apex_length } => {
                    encode::put_static(&mut self.nodes, owner, apex_length, &mut self.octets);
                }
            }
            self.offsets.push((tag, offset));
        }
        shard::build(&self.offsets, &self.nodes, &mut self.shard)
    }
}
