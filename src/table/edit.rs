//! Collects the changes of a table's nodes; `build.rs` makes the next snapshot of them.

use std::sync::Arc;

use hashbrown::HashTable;
use hashbrown::hash_table::Entry;

use super::build::{self, Change, Content};
use super::draft::NodeDraft;
use super::encode;
use super::instances::Gone;
use super::node::{Flags, Layer, Node};
use super::snapshot::Snapshot;
use crate::wire::{Name, NameKey};
use crate::zone::Zone;

/// Words of a node of some addresses.
const NODE_WORDS: usize = 16;

/// Collects changes to nodes; [`Self::finish`] makes the snapshot.
///
/// Keeps what the table promises besides: a node for every name between an apex and an owner name, numbers of
/// children, and which nodes have a wildcard below.
pub struct Editor<'s> {
    base: &'s Snapshot,
    /// Changed nodes, by the table's own hash.
    changed: HashTable<Changed>,
    /// Zones put whole; nothing else lies in them.
    zones: Vec<Arc<Zone>>,
    /// Instances without nodes that go, by their service: see `instances.rs`.
    pub(super) gone: Gone,
}

/// A node that changes.
struct Changed {
    hash: u64,
    /// Names that the base has for it, 0 where it has none.
    existed: usize,
    name: Name,
    /// Its words; `None`: it goes.
    words: Option<Vec<u64>>,
}

impl<'s> Editor<'s> {
    /// An editor that starts from `base`.
    pub fn new(base: &'s Snapshot) -> Self {
        Self { base, changed: HashTable::new(), zones: Vec::new(), gone: Gone::default() }
    }

    /// Puts `draft` at `name`, in place of what `layer` had there. The zone begins `apex_offset` octets into the name.
    pub fn put(&mut self, name: &Name, apex_offset: u8, layer: Layer, draft: &NodeDraft) {
        if self.encode(name, apex_offset, layer, Some(draft)) {
            self.link(name, apex_offset);
        }
    }

    /// Takes what `layer` has at `name` away. A node with others below it stays as an empty non-terminal.
    pub fn remove(&mut self, name: &Name, layer: Layer) {
        let Some(node) = self.node(name) else { return };
        let (apex_offset, children) = (node.apex_offset() as u8, node.children());
        let other = match layer {
            Layer::Services => Flags::STATIC_DATA,
            Layer::Static => Flags::SERVICE_DATA,
        };
        if children == 0 && !node.flags().has(other) {
            self.change(name, NameKey::of(name), None);
            self.unlink(name, apex_offset);
        } else {
            self.encode(name, apex_offset, layer, None);
        }
    }

    /// Puts all of `zone`, in whose place the base has nothing, or only what [`Self::remove_zone`] took away.
    pub fn put_zone(&mut self, zone: Arc<Zone>) {
        self.zones.push(zone);
    }

    /// Takes away every node of the zone at `apex`, whoever put it.
    pub fn remove_zone(&mut self, apex: &Name) {
        if self.base.find_name(apex).is_none() {
            return;
        }
        for node in self.base.nodes().filter(|node| node.name().get(node.apex_offset()..) == Some(apex.as_wire())) {
            let name = Name::from_lower(node.name());
            self.change(&name, NameKey::of(&name), None);
        }
    }

    /// Takes away what static records the zone at `apex` has.
    pub fn remove_static(&mut self, apex: &Name) {
        if self.base.find_name(apex).is_none() {
            return;
        }
        for node in self.base.nodes().filter(|node| node.flags().has(Flags::STATIC_DATA)) {
            if node.name().get(node.apex_offset()..) == Some(apex.as_wire()) {
                self.remove(&Name::from_lower(node.name()), Layer::Static);
            }
        }
    }

    /// The node of `name` as changed so far.
    pub fn node(&self, name: &Name) -> Option<Node<'_>> {
        self.find(name, &NameKey::of(name))
    }

    /// [`Self::node`] by the key of `name`.
    fn find(&self, name: &Name, key: &NameKey) -> Option<Node<'_>> {
        let hash = self.base.hash(key);
        match self.changed.find(hash, |changed| changed.name == *name) {
            Some(changed) => changed.words.as_deref().map(Node::at_front),
            None => self.base.find_hashed(hash, key),
        }
    }

    /// Encodes the node of `name` with `draft` in place of what `layer` had. Whether it is a new one.
    fn encode(&mut self, name: &Name, apex_offset: u8, layer: Layer, draft: Option<&NodeDraft>) -> bool {
        let key = NameKey::of(name);
        let before = self.find(name, &key);
        let is_new = before.is_none();
        let mut words = Vec::with_capacity(before.map_or(NODE_WORDS, |node| node.words().len()));
        encode::put_layer(&mut words, name.as_wire(), apex_offset, layer, draft, before);
        self.change(name, key, Some(words));
        is_new
    }

    /// Notes what becomes of the node of `name`.
    fn change(&mut self, name: &Name, key: NameKey, words: Option<Vec<u64>>) {
        let hash = self.base.hash(&key);
        match self.changed.entry(hash, |changed| changed.name == *name, |changed| changed.hash) {
            Entry::Occupied(mut changed) => changed.get_mut().words = words,
            Entry::Vacant(vacant) => {
                let existed = self.base.find_hashed(hash, &key).map_or(0, Node::names);
                vacant.insert(Changed { hash, existed, name: name.clone(), words });
            }
        }
    }

    //--- Ancestors

    /// Counts the new node `name` at its parent, which is made where it is missing.
    fn link(&mut self, name: &Name, apex_offset: u8) {
        let Some((parent, apex_offset)) = parent(name, apex_offset) else { return };
        // What has a node below it has no names without.
        self.spread(&parent);
        let is_new = self.node(&parent).is_none();
        if is_new {
            self.encode(&parent, apex_offset, Layer::Services, None);
        }
        if let Some(words) = self.words_mut(&parent) {
            words[0] += 1 << 32;
            if name.is_wildcard() {
                words[0] |= u64::from(Flags::WILDCARD_BELOW.0) << 16;
            }
        }
        if is_new {
            self.link(&parent, apex_offset);
        }
    }

    /// Counts the removed node `name` at its parent, which goes too if nothing else needs it.
    fn unlink(&mut self, name: &Name, apex_offset: u8) {
        let Some((parent, apex_offset)) = parent(name, apex_offset) else { return };
        let Some(words) = self.words_mut(&parent) else { return };
        words[0] -= 1 << 32;
        if name.is_wildcard() {
            words[0] &= !(u64::from(Flags::WILDCARD_BELOW.0) << 16);
        }
        let node = Node::at_front(words);
        if node.children() == 0 && !node.flags().has(Flags::SERVICE_DATA.with(Flags::STATIC_DATA)) {
            self.change(&parent, NameKey::of(&parent), None);
            self.unlink(&parent, apex_offset);
        }
    }

    /// Takes a flag from the node of `name`, which has it.
    pub(super) fn take_flag(&mut self, name: &Name, flag: Flags) {
        if let Some(words) = self.words_mut(name) {
            words[0] &= !(u64::from(flag.0) << 16);
        }
    }

    /// The words of `name`'s node, to be changed.
    fn words_mut(&mut self, name: &Name) -> Option<&mut [u64]> {
        let key = NameKey::of(name);
        let hash = self.base.hash(&key);
        match self.changed.entry(hash, |changed| changed.name == *name, |changed| changed.hash) {
            Entry::Occupied(changed) => changed.into_mut().words.as_deref_mut(),
            Entry::Vacant(vacant) => {
                let node = self.base.find_hashed(hash, &key)?;
                let changed =
                    Changed { hash, existed: node.names(), name: name.clone(), words: Some(node.words().to_vec()) };
                vacant.insert(changed).into_mut().words.as_deref_mut()
            }
        }
    }

    /// The snapshot with all changes, as `revision`, in which `instances` are registered.
    pub fn finish(self, revision: u64, instances: usize) -> Snapshot {
        let Self { base, mut changed, zones, gone: _ } = self;
        // A name of a zone that was taken away and comes back in the new zone changes once.
        for owner in zones.iter().flat_map(|zone| zone.owners()).filter(|_| !changed.is_empty()).collect::<Vec<_>>() {
            let name = Name::from_lower(owner.name());
            let hash = base.hash(&NameKey::of(&name));
            if let Ok(found) = changed.find_entry(hash, |changed| changed.name == name) {
                found.remove();
            }
        }
        let nodes = changed.iter().map(|changed| Change {
            hash: changed.hash,
            existed: changed.existed,
            name: changed.name.as_wire(),
            content: changed.words.as_deref().map_or(Content::Gone, Content::Words),
        });
        let owners = zones.iter().flat_map(|zone| {
            let apex_length = zone.apex().as_wire().len();
            zone.owners().map(move |owner| (owner.name(), Content::Static { owner, apex_length }))
        });
        let mut key = NameKey::new();
        let owners = owners.map(|(name, content)| {
            key.fill(name, name.len());
            Change { hash: base.hash(&key), existed: base.find(&key).map_or(0, Node::names), name, content }
        });
        build::build(base, nodes.chain(owners).collect(), revision, instances)
    }
}

/// The parent of a name inside its zone, and where in the parent the zone begins.
fn parent(name: &Name, apex_offset: u8) -> Option<(Name, u8)> {
    let label = name.as_wire().first()? + 1;
    Some((name.parent()?, apex_offset.checked_sub(label)?))
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
        NodeDraft { flags: Flags::default(), sets: vec![set] }
    }

    /// Applies (name, apex offset, draft or removal) to `base`.
    fn edit(base: &Snapshot, changes: &[(&str, u8, Option<NodeDraft>)]) -> Snapshot {
        let mut editor = Editor::new(base);
        for (owner, apex_offset, draft) in changes {
            match draft {
                Some(draft) => editor.put(&name(owner), *apex_offset, Layer::Services, draft),
                None => editor.remove(&name(owner), Layer::Services),
            }
        }
        editor.finish(base.revision() + 1, 0)
    }

    #[test]
    fn empty_non_terminals_come_and_go() {
        let apex = NodeDraft::default();
        let first = edit(&Snapshot::new(), &[("z.test", 0, Some(apex)), ("_http._tcp.z.test", 11, Some(address(1)))]);
        let middle = first.find_name(&name("_tcp.z.test")).unwrap();
        assert!(!middle.flags().has(Flags::SERVICE_DATA));
        assert_eq!((middle.children(), middle.apex_offset(), first.names()), (1, 5, 3));
        assert!(first.find_name(&name("test")).is_none(), "nothing above the apex");

        let second = edit(&first, &[("_tcp.z.test", 5, Some(address(2))), ("_http._tcp.z.test", 11, None)]);
        let middle = second.find_name(&name("_tcp.z.test")).unwrap();
        assert!(middle.flags().has(Flags::SERVICE_DATA));
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
