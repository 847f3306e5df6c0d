//! Makes the next snapshot from the one before and the nodes that change.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;

use super::draft::NodeDraft;
use super::node::{Flags, Node};
use super::shard::{self, Shard};
use super::snapshot::{GROUP, Snapshot};
use crate::wire::{Name, NameKey};

/// Names a shard should hold when the table is laid out anew: few enough that copying a shard costs about a
/// microsecond, enough that the pointers to shards stay a small part of the table.
const NAMES_PER_SHARD: usize = 16;
/// The table is laid out anew when shards hold this many names on average.
const NAMES_PER_SHARD_MOST: usize = 32;

/// Collects changes to nodes; [`Self::finish`] makes the snapshot.
///
/// Keeps what the table promises besides: a node for every name between an apex and an owner name, numbers of
/// children, and which nodes have a wildcard below.
pub struct Editor<'s> {
    base: &'s Snapshot,
    /// The words of changed nodes; `None` for removed ones.
    changed: HashMap<Name, Option<Box<[u64]>>>,
}

impl<'s> Editor<'s> {
    /// An editor that starts from `base`.
    pub fn new(base: &'s Snapshot) -> Self {
        Self { base, changed: HashMap::new() }
    }

    /// Puts `draft` at `name`, in place of what was there. The zone begins `apex_offset` octets into the name.
    pub fn put(&mut self, name: &Name, apex_offset: u8, draft: &NodeDraft) {
        let (kept, children, is_new) = match self.node(name) {
            Some(node) => (node.flags(), node.children(), false),
            None => (Flags::default(), 0, true),
        };
        let kept = Flags(kept.0 & Flags::WILDCARD_BELOW.0);
        self.changed.insert(name.clone(), Some(draft.encode(name, apex_offset, kept, children)));
        if is_new {
            self.link(name, apex_offset);
        }
    }

    /// Takes the data away from `name`. A node with others below it stays as an empty non-terminal.
    pub fn remove(&mut self, name: &Name) {
        let Some(node) = self.node(name) else { return };
        let (apex_offset, children) = (node.apex_offset() as u8, node.children());
        if children == 0 {
            self.changed.insert(name.clone(), None);
            self.unlink(name, apex_offset);
        } else {
            let kept = Flags(node.flags().0 & Flags::WILDCARD_BELOW.0).with(Flags::EMPTY_NON_TERMINAL);
            let words = NodeDraft::default().encode(name, apex_offset, kept, children);
            self.changed.insert(name.clone(), Some(words));
        }
    }

    /// The node of `name` as changed so far.
    pub fn node(&self, name: &Name) -> Option<Node<'_>> {
        match self.changed.get(name) {
            Some(words) => words.as_deref().map(Node::at_front),
            None => self.base.find_name(name),
        }
    }

    /// Whether nothing has been changed.
    pub fn is_empty(&self) -> bool {
        self.changed.is_empty()
    }

    //--- Ancestors

    /// Counts the new node `name` at its parent, which is made where it is missing.
    fn link(&mut self, name: &Name, apex_offset: u8) {
        let Some((parent, apex_offset)) = parent(name, apex_offset) else {
            return;
        };
        let wildcard = if name.is_wildcard() { Flags::WILDCARD_BELOW } else { Flags::default() };
        if let Some(words) = self.words_mut(&parent) {
            words[0] += 1 << 32;
            words[0] |= u64::from(wildcard.0) << 16;
        } else {
            let kept = wildcard.with(Flags::EMPTY_NON_TERMINAL);
            let words = NodeDraft::default().encode(&parent, apex_offset, kept, 1);
            self.changed.insert(parent.clone(), Some(words));
            self.link(&parent, apex_offset);
        }
    }

    /// Counts the removed node `name` at its parent, which goes too if nothing else needs it.
    fn unlink(&mut self, name: &Name, apex_offset: u8) {
        let Some((parent, apex_offset)) = parent(name, apex_offset) else {
            return;
        };
        let Some(words) = self.words_mut(&parent) else { return };
        words[0] -= 1 << 32;
        if name.is_wildcard() {
            words[0] &= !(u64::from(Flags::WILDCARD_BELOW.0) << 16);
        }
        let node = Node::at_front(words);
        if node.children() == 0 && node.flags().has(Flags::EMPTY_NON_TERMINAL) {
            self.changed.insert(parent.clone(), None);
            self.unlink(&parent, apex_offset);
        }
    }

    /// The words of `name`'s node, to be changed.
    fn words_mut(&mut self, name: &Name) -> Option<&mut [u64]> {
        let base = self.base;
        match self.changed.entry(name.clone()) {
            Entry::Occupied(changed) => changed.into_mut().as_deref_mut(),
            Entry::Vacant(vacant) => {
                let node = base.find_name(name)?;
                vacant.insert(Some(node.words().into())).as_deref_mut()
            }
        }
    }

    //--- The next snapshot

    /// The snapshot with all changes, as `revision`, in which `instances` are registered.
    pub fn finish(self, revision: u64, instances: usize) -> Snapshot {
        let mut changes: Vec<Change<'_>> = Vec::with_capacity(self.changed.len());
        let mut names = self.base.names;
        for (name, words) in &self.changed {
            let key = NameKey::of(name);
            let existed = self.base.find(&key).is_some();
            names = names + usize::from(words.is_some()) - usize::from(existed);
            changes.push(Change { hash: self.base.hash(&key), name: name.as_wire(), words: words.as_deref() });
        }
        let mut next = self.base.clone();
        (next.revision, next.instances, next.names) = (revision, instances, names);
        if names > next.groups.len() * GROUP * NAMES_PER_SHARD_MOST {
            lay_out(&mut next, self.base, changes);
        } else {
            copy_shards(&mut next, changes);
        }
        next
    }
}

/// The parent of a name inside its zone, and where in the parent the zone begins.
fn parent(name: &Name, apex_offset: u8) -> Option<(Name, u8)> {
    let label = name.as_wire().first()? + 1;
    Some((name.parent()?, apex_offset.checked_sub(label)?))
}

/// One changed node.
struct Change<'c> {
    hash: u64,
    name: &'c [u8],
    /// `None` where the node goes.
    words: Option<&'c [u64]>,
}

/// Rebuilds the shards in which something changes; the others stay shared with the snapshot before.
fn copy_shards(next: &mut Snapshot, mut changes: Vec<Change<'_>>) {
    changes.sort_unstable_by_key(|change| next.shard_index(change.hash));
    let mut scratch = Vec::new();
    let mut nodes: Vec<(u32, &[u64])> = Vec::new();
    let by_group = changes.chunk_by(|a, b| next.shard_index(a.hash) / GROUP == next.shard_index(b.hash) / GROUP);
    let mut groups: Vec<(usize, Arc<[Shard]>)> = Vec::new();
    for changes in by_group {
        let group = next.shard_index(changes[0].hash) / GROUP;
        let mut shards = next.groups[group].to_vec();
        for changes in changes.chunk_by(|a, b| next.shard_index(a.hash) == next.shard_index(b.hash)) {
            let index = next.shard_index(changes[0].hash);
            nodes.clear();
            let is_changed = |tag, node: Node<'_>| {
                changes.iter().any(|change| shard::tag(change.hash) == tag && change.name == node.name())
            };
            nodes.extend(
                shard::nodes(next.shard(index))
                    .filter(|(tag, node)| !is_changed(*tag, *node))
                    .map(|(tag, node)| (tag, node.words())),
            );
            nodes.extend(changes.iter().filter_map(|change| Some((shard::tag(change.hash), change.words?))));
            shards[index % GROUP] = shard::build(nodes.drain(..), &mut scratch);
        }
        groups.push((group, shards.into()));
    }
    for (group, shards) in groups {
        next.groups[group] = shards;
    }
}

/// Spreads all names over a number of shards that suits them. Costs a copy of the table, and happens each time the
/// number of names has doubled.
fn lay_out(next: &mut Snapshot, base: &Snapshot, changes: Vec<Change<'_>>) {
    let groups = (next.names / (NAMES_PER_SHARD * GROUP)).next_power_of_two();
    next.groups = vec![super::snapshot::empty_group(); groups];
    let changed: HashMap<&[u8], ()> = changes.iter().map(|change| (change.name, ())).collect();
    let mut key = NameKey::new();
    let kept = base.nodes().filter(|node| !changed.contains_key(node.name())).map(|node| {
        key.fill(node.name(), node.name().len());
        (base.hash(&key), node.words())
    });
    let mut nodes: Vec<(u64, &[u64])> = kept.collect();
    nodes.extend(changes.iter().filter_map(|change| Some((change.hash, change.words?))));
    nodes.sort_unstable_by_key(|(hash, _)| next.shard_index(*hash));
    let mut scratch = Vec::new();
    let mut rest = &nodes[..];
    let mut index = 0;
    for group in &mut next.groups {
        let shards = (0..GROUP).map(|_| {
            let mask = groups * GROUP - 1;
            let length = rest.iter().take_while(|(hash, _)| *hash as usize & mask == index).count();
            let (own, others) = rest.split_at(length);
            (rest, index) = (others, index + 1);
            shard::build(own.iter().map(|(hash, words)| (shard::tag(*hash), *words)), &mut scratch)
        });
        *group = shards.collect();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::RrSetDraft;

    fn name(text: &str) -> Name {
        Name::parse(text).unwrap()
    }

    fn address(last: u8) -> NodeDraft {
        let set = RrSetDraft::V4 { ttl: 10, shown: 1, addresses: vec![[10, 0, 0, last]] };
        NodeDraft { flags: Flags::SERVICE, sets: vec![set] }
    }

    /// Applies (name, apex offset, draft or removal) to `base`.
    fn edit(base: &Snapshot, changes: &[(&str, u8, Option<NodeDraft>)]) -> Snapshot {
        let mut editor = Editor::new(base);
        for (owner, apex_offset, draft) in changes {
            match draft {
                Some(draft) => editor.put(&name(owner), *apex_offset, draft),
                None => editor.remove(&name(owner)),
            }
        }
        editor.finish(base.revision() + 1, 0)
    }

    #[test]
    fn empty_non_terminals_come_and_go() {
        let apex = NodeDraft { flags: Flags::APEX, sets: Vec::new() };
        let first = edit(&Snapshot::new(), &[("z.test", 0, Some(apex)), ("_http._tcp.z.test", 11, Some(address(1)))]);
        let middle = first.find_name(&name("_tcp.z.test")).unwrap();
        assert!(middle.flags().has(Flags::EMPTY_NON_TERMINAL));
        assert_eq!((middle.children(), middle.apex_offset(), first.names()), (1, 5, 3));
        assert!(first.find_name(&name("test")).is_none(), "nothing above the apex");

        let second = edit(&first, &[("_tcp.z.test", 5, Some(address(2))), ("_http._tcp.z.test", 11, None)]);
        let middle = second.find_name(&name("_tcp.z.test")).unwrap();
        assert!(!middle.flags().has(Flags::EMPTY_NON_TERMINAL));
        assert_eq!((middle.children(), second.names()), (0, 2));

        let third = edit(&second, &[("_tcp.z.test", 5, None)]);
        assert_eq!((third.names(), third.find_name(&name("z.test")).unwrap().children()), (1, 0));
        assert_eq!(first.names(), 3, "older snapshots stay as they were");
        assert!(first.find_name(&name("_http._tcp.z.test")).is_some());
    }

    #[test]
    fn wildcards_mark_their_parent() {
        let first = edit(&Snapshot::new(), &[("*.a.z", 4, Some(address(1)))]);
        assert!(first.find_name(&name("a.z")).unwrap().flags().has(Flags::WILDCARD_BELOW));
        let second = edit(&first, &[("b.a.z", 4, Some(address(1))), ("*.a.z", 4, None)]);
        assert!(!second.find_name(&name("a.z")).unwrap().flags().has(Flags::WILDCARD_BELOW));
    }

    #[test]
    fn growth_keeps_every_name() {
        let mut snapshot = Snapshot::new();
        for round in 0..40u32 {
            let owners: Vec<String> = (0..500).map(|number| format!("n{}.z", round * 500 + number)).collect();
            let changes: Vec<_> =
                owners.iter().map(|owner| (&**owner, owner.len() as u8 - 1, Some(address(7)))).collect();
            snapshot = edit(&snapshot, &changes);
        }
        assert_eq!(snapshot.names(), 20_001);
        assert!(snapshot.groups.len() > 1);
        assert_eq!(snapshot.nodes().count(), 20_001);
        for number in 0..20_000 {
            let node = snapshot.find_name(&name(&format!("n{number}.z"))).unwrap();
            assert!(matches!(node.set(1), Some(crate::table::RrSet::V4(set)) if set.all() == [[10, 0, 0, 7]]));
        }
        assert!(snapshot.find_name(&name("n20000.z")).is_none());
    }
}
