//! A table of names that are all new, made by several threads at once: the start of a server that knows much.
//!
//! An editor keeps every changed node by its name, because any may change twice. Here each node is written once, behind
//! the others of its thread, and all are spread over shards in the end. What asks for more than that, such as names
//! between an apex and an owner name, is put through an editor afterwards.

use super::build::{self, Content, ShardBuilder};
use super::draft::NodeDraft;
use super::encode;
use super::node::{Layer, Node};
use super::shard;
use super::snapshot::{GROUP, Snapshot, empty_group};
use crate::threads::at_once;
use crate::wire::NameKey;

/// Words of a block after which another is begun: none is ever moved because it grows.
const BLOCK: usize = 1 << 17;
/// Words of a node that is larger than most.
const ROOM: usize = 1 << 10;

/// One thread's nodes.
pub struct Fill {
    /// An empty table, which knows the secrets of the hash.
    base: Snapshot,
    blocks: Vec<Vec<u64>>,
    places: Vec<Place>,
    /// Names that the nodes stand for.
    names: usize,
    key: NameKey,
}

/// Where a node is.
#[derive(Clone, Copy, Default)]
struct Place {
    hash: u64,
    block: u32,
    offset: u32,
}

impl Fill {
    /// No nodes, for a table that begins as `base`, which has none.
    pub fn new(base: &Snapshot) -> Self {
        debug_assert_eq!(base.names(), 0);
        Self { base: base.clone(), blocks: Vec::new(), places: Vec::new(), names: 0, key: NameKey::new() }
    }

    /// Puts an empty non-terminal, or the place of an apex, with so many names one label below. Names are in wire form
    /// and lower case.
    pub fn put_place(&mut self, name: &[u8], apex_offset: u8, children: u32) {
        let words = self.begin(name);
        encode::put_layer(words, name, apex_offset, Layer::Services, None, None);
        self.end(children);
    }

    /// Puts a service's node.
    pub(super) fn put(&mut self, name: &[u8], apex_offset: u8, children: u32, draft: &NodeDraft) {
        let words = self.begin(name);
        encode::put_layer(words, name, apex_offset, Layer::Services, Some(draft), None);
        self.end(children);
    }

    /// Notes that the node called `name` begins here, and gives the words that it is appended to.
    fn begin(&mut self, name: &[u8]) -> &mut Vec<u64> {
        self.key.fill(name, name.len());
        if self.blocks.last().is_none_or(|block| block.len() + ROOM > BLOCK) {
            self.blocks.push(Vec::with_capacity(BLOCK));
        }
        let block = self.blocks.len() - 1;
        let words = &mut self.blocks[block];
        let hash = self.base.hash(&self.key);
        self.places.push(Place { hash, block: block as u32, offset: words.len() as u32 });
        words
    }

    /// The last node has so many names one label below.
    fn end(&mut self, children: u32) {
        if let (Some(place), Some(words)) = (self.places.last(), self.blocks.last_mut()) {
            let words = &mut words[place.offset as usize..];
            words[0] |= u64::from(children) << 32;
            self.names += Node::at_front(words).names();
        }
    }

    fn words(&self, place: Place) -> &[u64] {
        &self.blocks[place.block as usize][place.offset as usize..]
    }
}

/// The table of all nodes in `fills`, which began as `base`, as `revision`, in which `instances` are registered; `None`
/// if a name is there twice.
pub fn finish(base: &Snapshot, fills: &[Fill], revision: u64, instances: usize) -> Option<Snapshot> {
    let mut next = base.clone();
    next.revision = revision;
    next.instances = instances;
    next.names = fills.iter().map(|fill| fill.names).sum();
    next.nodes = fills.iter().map(|fill| fill.places.len()).sum();
    let groups = build::groups(next.nodes, fills.iter().flat_map(|fill| &fill.blocks).map(Vec::len).sum());
    next.groups = vec![empty_group(); groups];
    let threads = if next.nodes < build::PARALLEL_FROM { 1 } else { build::cores() };
    let share = groups.div_ceil(threads);
    let parts = next.groups.chunks_mut(share).enumerate().map(|(part, groups_of_part)| {
        let first = part * share * GROUP;
        move || {
            let (starts, places) = sorted(fills, groups * GROUP, first, groups_of_part.len() * GROUP);
            let mut builder = ShardBuilder::default();
            let mut is_sound = true;
            for (index, group) in groups_of_part.iter_mut().enumerate() {
                let shards = (0..GROUP).map(|at| {
                    let shard = index * GROUP + at;
                    let own = &places[starts[shard]..starts[shard + 1]];
                    is_sound &= !has_twice(fills, own);
                    let node = |(fill, place): &(u32, Place)| Node::at_front(fills[*fill as usize].words(*place));
                    let content = |one: &(u32, Place)| (shard::tag(one.1.hash), Content::Words(node(one).words()));
                    builder.build(own.iter().map(content))
                });
                *group = shards.collect();
            }
            is_sound
        }
    });
    let is_sound = at_once(parts).into_iter().all(|is_sound| is_sound);
    next.words = next.shards().map(|shard| shard.len()).sum();
    is_sound.then_some(next)
}

/// The nodes in `count` shards from number `first` on of `all`, in the order of shards, each with the number of its
/// fill; and where those of each shard begin.
fn sorted(fills: &[Fill], all: usize, first: usize, count: usize) -> (Vec<usize>, Vec<(u32, Place)>) {
    let shard_of = |place: &Place| (place.hash as usize & (all - 1)).checked_sub(first).filter(|shard| *shard < count);
    let mut starts = vec![0; count + 1];
    for shard in fills.iter().flat_map(|fill| &fill.places).filter_map(shard_of) {
        starts[shard + 1] += 1;
    }
    for shard in 0..count {
        starts[shard + 1] += starts[shard];
    }
    let mut places = vec![(0, Place::default()); starts[count]];
    let mut next = starts.clone();
    for (number, fill) in fills.iter().enumerate() {
        for place in &fill.places {
            if let Some(shard) = shard_of(place) {
                places[next[shard]] = (number as u32, *place);
                next[shard] += 1;
            }
        }
    }
    (starts, places)
}

/// Whether two nodes of a shard have the same name.
fn has_twice(fills: &[Fill], nodes: &[(u32, Place)]) -> bool {
    let name = |(fill, place): &(u32, Place)| Node::at_front(fills[*fill as usize].words(*place)).name();
    nodes
        .iter()
        .enumerate()
        .any(|(at, one)| nodes[..at].iter().any(|other| other.1.hash == one.1.hash && name(one) == name(other)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::{Flags, RrSetDraft};
    use crate::wire::Name;

    #[test]
    fn threads_make_one_table() {
        let base = Snapshot::new();
        let names: Vec<Name> = (0..60_000).map(|number| Name::parse(&format!("n{number}.z")).unwrap()).collect();
        let set = RrSetDraft::V4 { ttl: 7, shown: 1, addresses: vec![[10, 0, 0, 1]] };
        let draft = NodeDraft { flags: Flags::default(), sets: vec![set] };
        let fills: Vec<Fill> = names
            .chunks(names.len() / 3)
            .map(|names| {
                let mut fill = Fill::new(&base);
                for name in names {
                    fill.put(name.as_wire(), name.as_wire().len() as u8 - 3, 0, &draft);
                }
                fill
            })
            .collect();
        let table = finish(&base, &fills, 5, 9).unwrap();
        assert_eq!((table.names(), table.revision(), table.instances()), (60_000, 5, 9));
        for name in &names {
            let node = table.find_name(name).unwrap();
            assert_eq!(node.name(), name.as_wire());
            assert!(matches!(node.set(1), Some(crate::table::RrSet::V4(set)) if set.all() == [[10, 0, 0, 1]]));
        }
        assert_eq!(table.nodes().count(), 60_000);
        let mut twice = Fill::new(&base);
        twice.put_place(names[100].as_wire(), 0, 1);
        let fills: Vec<Fill> = fills.into_iter().chain([twice]).collect();
        assert!(finish(&base, &fills, 5, 9).is_none());
    }
}
