//! The names of instances, which have no nodes.
//!
//! An instance of a service with SRV records has a name of its own, one label below the service's, at which its
//! addresses lie. There are more of these names than of all others, nearly nobody asks for them, because the answer with
//! the name brings the addresses along, and what would be in their nodes lies in the SRV set of the service's: label and
//! addresses. So they get none. A name that is not found is looked for in the node above, if that has
//! [`Flags::INSTANCES_BELOW`]; where there is such an instance, its node is made for as long as the answer takes.
//!
//! It is all of a service's instances or none. They have nodes where any other node lies below the service's, such as
//! that of a static record, which may be at the same name; where an id is no plain label; and at an apex.

use std::cmp::Ordering;
use std::collections::{HashMap, HashSet};
use std::ops::Range;

use super::draft::{NodeDraft, RrSetDraft};
use super::edit::Editor;
use super::encode;
use super::node::{Flags, Layer, Node, RrSet, ServiceTarget, Services};
use super::snapshot::Snapshot;
use crate::wire::types::rtype;
use crate::wire::{Name, NameKey};

/// Words of the longest node of an instance: header, name of 255 octets, and two sets of an entry, a header and an
/// address.
const ROOM: usize = 2 + 32 + 2 * (1 + 2) + 1 + 2;

/// Labels of instances that go, in lower case, by the name of their service: until the service's node is put anew, they
/// are still in it.
pub(super) type Gone = HashMap<Name, HashSet<Vec<u8>>>;

/// Where the node of an instance is made.
pub struct InstanceRoom(Vec<u64>);

impl InstanceRoom {
    /// Room for any instance.
    pub fn new() -> Self {
        Self(Vec::with_capacity(ROOM))
    }

    /// The node that was made here last.
    pub fn node(&self) -> Option<Node<'_>> {
        (!self.0.is_empty()).then(|| Node::at_front(&self.0))
    }
}

impl Default for InstanceRoom {
    /// No room: for who takes it back at once.
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<'t> Node<'t> {
    /// The instances whose names, one label below, have no nodes.
    pub fn instances_below(self) -> Option<Services<'t>> {
        match self.set(rtype::SRV) {
            Some(RrSet::Services(set)) if self.flags().has(Flags::INSTANCES_BELOW) => Some(set),
            _ => None,
        }
    }

    /// Names that the node stands for: its own, and those of instances.
    pub fn names(self) -> usize {
        1 + self.instances_below().map_or(0, Services::all)
    }

    /// Makes the node of the instance called `key`, in which our name begins at `offset`; false where there is none.
    #[cold]
    #[inline(never)]
    pub fn make_instance(self, key: &NameKey, offset: usize, room: &mut InstanceRoom) -> bool {
        let Some((length, rest)) = key.as_wire().split_first() else { return false };
        // An instance has one label.
        let label = rest.get(..usize::from(*length)).filter(|label| label.len() + 1 == offset);
        let Some((set, label)) = self.instances_below().zip(label) else { return false };
        let Some(target) = set.labelled(label) else { return false };
        room.0.clear();
        let apex_offset = (self.apex_offset() + offset) as u8;
        encode::put_instance(&mut room.0, key, apex_offset, set.ttl(), target.v4, target.v6);
        true
    }
}

impl<'t> Services<'t> {
    /// All items that have names: where several have the same, but for case, the one that is found by it.
    pub fn named(self) -> impl Iterator<Item = ServiceTarget<'t>> {
        (0..self.all()).map(move |index| self.target(index)).filter(move |target| {
            let label = target.labels.get(1..).unwrap_or_default().to_ascii_lowercase();
            self.labelled(&label).is_some_and(|found| std::ptr::eq(found.labels, target.labels))
        })
    }

    /// The item whose label is `label`, given in lower case.
    fn labelled(self, label: &[u8]) -> Option<ServiceTarget<'t>> {
        self.search(0..self.count(), label).or_else(|| self.search(self.count()..self.all(), label))
    }

    /// The same among some items, which are in order.
    fn search(self, mut range: Range<usize>, label: &[u8]) -> Option<ServiceTarget<'t>> {
        while !range.is_empty() {
            let middle = range.start.midpoint(range.end);
            let target = self.target(middle);
            let octets = target.labels.get(1..).unwrap_or_default().iter().map(u8::to_ascii_lowercase);
            match octets.cmp(label.iter().copied()) {
                Ordering::Equal => return Some(target),
                Ordering::Less => range.start = middle + 1,
                Ordering::Greater => range.end = middle,
            }
        }
        None
    }
}

impl Snapshot {
    /// The node of `key`; if it is the name of an instance, it is made in `room`.
    pub fn find_or_make<'r>(&'r self, key: &NameKey, room: &'r mut InstanceRoom) -> Option<Node<'r>> {
        if let Some(node) = self.find(key) {
            return Some(node);
        }
        let offset = usize::from(*key.as_wire().first().filter(|length| **length > 0)?) + 1;
        let mut above = NameKey::new();
        above.fill_suffix(key, offset);
        let node = self.find(&above)?;
        if node.make_instance(key, offset, room) { room.node() } else { None }
    }

    /// The apex of the zone that has `name`, be it a node or the name of an instance.
    pub fn apex_at(&self, name: &Name) -> Option<Name> {
        let mut room = InstanceRoom::default();
        let node = self.find_or_make(&NameKey::of(name), &mut room)?;
        Some(Name::from_lower(node.name().get(node.apex_offset()..)?))
    }
}

//----------- Editor -----------------------------------------------------------------------------------------

impl Editor<'_> {
    /// Whether nodes lie below `name`.
    pub fn has_children(&self, name: &Name) -> bool {
        self.node(name).is_some_and(|node| node.children() > 0)
    }

    /// Notes that an instance goes of the service at `name`, whose node will be put anew.
    pub(super) fn retire_instance(&mut self, name: &Name, id: &str) {
        self.gone.entry(name.clone()).or_default().insert(id.to_ascii_lowercase().into_bytes());
    }

    /// Notes that the node of the service at `name` was put anew.
    pub(super) fn forget_retired(&mut self, name: &Name) {
        if !self.gone.is_empty() {
            self.gone.remove(name);
        }
    }

    /// The node of `name`, as [`Self::node`]; if it is the name of an instance, it is made in `room`.
    pub fn node_or_make<'r>(&'r self, name: &Name, room: &'r mut InstanceRoom) -> Option<Node<'r>> {
        if let Some(node) = self.node(name) {
            return Some(node);
        }
        let offset = usize::from(*name.as_wire().first()?) + 1;
        let parent = name.parent()?;
        let gone = self.gone.get(&parent).zip(name.as_wire().get(1..offset));
        if gone.is_some_and(|(gone, label)| gone.contains(label)) {
            return None;
        }
        let above = self.node(&parent)?;
        if above.make_instance(&NameKey::of(name), offset, room) { room.node() } else { None }
    }

    /// Gives the instances of the service at `name` nodes of their own, where they have none.
    pub fn spread(&mut self, name: &Name) {
        let Some(node) = self.node(name) else { return };
        let Some(set) = node.instances_below() else { return };
        let (ttl, apex_offset) = (set.ttl(), node.apex_offset());
        let gone = self.gone.get(name);
        let stays = |label: &[u8]| gone.is_none_or(|gone| !gone.contains(&label.to_ascii_lowercase()));
        let instances: Vec<_> = set
            .named()
            .filter(|target| stays(target.labels.get(1..).unwrap_or_default()))
            .map(|target| {
                let v4 = target.v4.map(|address| RrSetDraft::V4 { ttl, shown: 1, addresses: vec![*address] });
                let v6 = target.v6.map(|address| RrSetDraft::V6 { ttl, shown: 1, addresses: vec![*address] });
                let wire = [&target.labels.to_ascii_lowercase(), name.as_wire()].concat();
                let draft = NodeDraft { flags: Flags::default(), sets: v4.into_iter().chain(v6).collect() };
                (Name::from_lower(&wire), (apex_offset + target.labels.len()) as u8, draft)
            })
            .collect();
        self.take_flag(name, Flags::INSTANCES_BELOW);
        for (name, apex_offset, draft) in instances {
            self.put(&name, apex_offset, Layer::Services, &draft);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{DnsRecord, HealthStatus, Instance, NamespaceType, RecordType, Service};
    use crate::table::compile::{self, Zone};

    /// A service of A and SRV records, whose instances have addresses that end as given.
    fn service(instances: &[(&str, u8)]) -> Service {
        let instance = |&(id, last): &(&str, u8)| {
            let address = format!("10.0.0.{last}");
            let instance = Instance::new(id, None, [("AWS_INSTANCE_IPV4", &*address), ("AWS_INSTANCE_PORT", "80")]);
            instance.with_status(if last < 100 { HealthStatus::Healthy } else { HealthStatus::Unhealthy })
        };
        let dns_records = [RecordType::A, RecordType::Srv].map(|record_type| DnsRecord { record_type, ttl: 10 }).into();
        Service { dns_records, instances: instances.iter().map(instance).collect(), ..Service::default() }
    }

    fn name(text: &str) -> Name {
        Name::parse(text).unwrap()
    }

    /// The last octet of the address at a name, and whether a node is there for good.
    fn address(table: &Snapshot, text: &str) -> Option<(u8, bool)> {
        let mut room = InstanceRoom::new();
        let node = table.find_or_make(&NameKey::of(&name(text)), &mut room)?;
        assert_eq!((node.name(), node.name().get(node.apex_offset()..)), (name(text).as_wire(), Some(&b"\x01z\0"[..])));
        let Some(RrSet::V4(set)) = node.set(rtype::A) else { return None };
        Some((set.all()[0][3], table.find_name(&name(text)).is_some()))
    }

    /// `base` after `edit`; all names of the table are counted.
    fn edit(base: &Snapshot, edit: impl FnOnce(&mut Editor<'_>)) -> Snapshot {
        let mut editor = Editor::new(base);
        edit(&mut editor);
        let table = editor.finish(base.revision() + 1, 0);
        assert_eq!(table.nodes().map(Node::names).sum::<usize>(), table.names());
        for node in table.nodes() {
            let below =
                |other: &Node<'_>| Name::from_lower(other.name()).parent() == Some(Name::from_lower(node.name()));
            assert_eq!(table.nodes().filter(below).count(), node.children() as usize);
            assert!(node.children() == 0 || node.instances_below().is_none());
        }
        table
    }

    /// Puts the service `web`, of the instances `after` in place of those `before`.
    fn put(editor: &mut Editor<'_>, before: Option<&Service>, after: &Service) {
        let zone = Zone::of("z", NamespaceType::DnsPrivate).unwrap().unwrap();
        if let Some(before) = before {
            compile::retire_service(editor, &zone, "web", before, Some(after)).unwrap();
        }
        compile::put_service(editor, &zone, "web", after, before).unwrap();
    }

    fn put_text(editor: &mut Editor<'_>, owner: &str) {
        let set = RrSetDraft::Records { rtype: rtype::TXT, ttl: 5, rdata: vec![b"\x01x".to_vec()] };
        let draft = NodeDraft { flags: Flags::default(), sets: vec![set] };
        editor.put(&name(owner), owner.len() as u8 - 1, Layer::Static, &draft);
    }

    #[test]
    fn names_are_found_without_nodes() {
        let ids = [("B", 1), ("a", 2), ("ab", 3), ("c", 104), ("Dd", 105), ("0", 6), ("A-", 107)];
        let table = edit(&Snapshot::new(), |editor| put(editor, None, &service(&ids)));
        assert_eq!((table.nodes().count(), table.names()), (2, 9));
        for (id, last) in ids {
            assert_eq!(address(&table, &format!("{id}.web.z")), Some((last, false)), "{id}");
        }
        for other in ["aa.web.z", "b-.web.z", "x.a.web.z", "a.b.web.z", "a.z", "a.web", "bb.web.z"] {
            assert_eq!(address(&table, other), None);
        }
        let node = table.find_name(&name("web.z")).unwrap();
        let Some(RrSet::Services(set)) = node.set(rtype::SRV) else { panic!("no SRV records") };
        assert_eq!((set.count(), set.all(), set.named().count()), (4, 7, 7));
        // Two names that are one: some of them is found, and it is told once.
        let twice = edit(&table, |editor| put(editor, Some(&service(&ids)), &service(&[("a", 2), ("A", 3), ("b", 1)])));
        let set = twice.find_name(&name("web.z")).unwrap().instances_below().unwrap();
        assert_eq!((set.all(), set.named().count()), (3, 2));
    }

    #[test]
    fn instances_get_nodes_where_others_lie_below() {
        let (two, three) = (service(&[("a", 1), ("b", 2)]), service(&[("a", 1), ("b", 3), ("c", 104)]));
        let first = edit(&Snapshot::new(), |editor| put(editor, None, &two));
        for text in ["a.web.z", "x.a.web.z", "other.web.z", "*.web.z"] {
            // Before, after and beside a change of the service.
            let beside = edit(&first, |editor| put_text(editor, text));
            assert_eq!((address(&beside, "a.web.z"), address(&beside, "b.web.z")), (Some((1, true)), Some((2, true))));
            let changed = [
                edit(&beside, |editor| put(editor, Some(&two), &three)),
                edit(&first, |editor| {
                    put_text(editor, text);
                    put(editor, Some(&two), &three);
                }),
                edit(&first, |editor| {
                    put(editor, Some(&two), &three);
                    put_text(editor, text);
                }),
                edit(&edit(&Snapshot::new(), |editor| put_text(editor, text)), |editor| put(editor, None, &three)),
            ];
            for table in &changed {
                let addresses = ["a", "b", "c"].map(|id| address(table, &format!("{id}.web.z")));
                assert_eq!(addresses, [(1, true), (3, true), (104, true)].map(Some), "{text}");
                assert!(table.find_name(&name(text)).unwrap().set(rtype::TXT).is_some());
                // What lay there goes: nothing changes for instances.
                let bare = edit(table, |editor| editor.remove(&name(text), Layer::Static));
                let addresses = ["a", "b", "c"].map(|id| address(&bare, &format!("{id}.web.z")));
                assert_eq!(addresses, [(1, true), (3, true), (104, true)].map(Some), "{text}");
                // With the last of them, all nodes are gone, and the next do without.
                let none = edit(&bare, |editor| put(editor, Some(&three), &service(&[])));
                assert_eq!(
                    none.names(),
                    2,
                    "{:?}",
                    none.nodes().map(|node| Name::from_lower(node.name())).collect::<Vec<_>>()
                );
                let anew = edit(&none, |editor| put(editor, Some(&service(&[])), &two));
                assert_eq!(address(&anew, "a.web.z"), Some((1, false)));
            }
        }
    }

    #[test]
    fn what_goes_gets_no_node() {
        let (before, after) = (service(&[("a", 1), ("b", 2), ("c", 3)]), service(&[("b", 2), ("c", 4)]));
        let first = edit(&Snapshot::new(), |editor| put(editor, None, &before));
        let zone = Zone::of("z", NamespaceType::DnsPrivate).unwrap().unwrap();
        // Another service takes over the name of an instance, or lies beside it, before or after its service is put.
        for (other, own) in [("a.web", Some((9, true))), ("x.web", None)] {
            for is_first in [true, false] {
                let table = edit(&first, |editor| {
                    compile::retire_service(editor, &zone, "web", &before, Some(&after)).unwrap();
                    let mut room = InstanceRoom::new();
                    assert!(editor.node_or_make(&name("a.web.z"), &mut room).is_none());
                    assert!(editor.node_or_make(&name("b.web.z"), &mut room).is_some());
                    let mut taker = service(&[("i", 9)]);
                    taker.dns_records.truncate(1);
                    if is_first {
                        compile::put_service(editor, &zone, other, &taker, None).unwrap();
                    }
                    compile::put_service(editor, &zone, "web", &after, Some(&before)).unwrap();
                    if !is_first {
                        compile::put_service(editor, &zone, other, &taker, None).unwrap();
                    }
                });
                let addresses = ["a", "b", "c"].map(|id| address(&table, &format!("{id}.web.z")));
                assert_eq!(addresses, [own, Some((2, true)), Some((4, true))], "{other} {is_first}");
            }
        }
    }

    #[test]
    fn an_id_of_two_labels_gives_all_nodes() {
        let (plain, dotted) = (service(&[("a", 1), ("b", 2)]), service(&[("a", 1), ("b", 2), ("c.d", 3)]));
        let first = edit(&Snapshot::new(), |editor| put(editor, None, &plain));
        let second = edit(&first, |editor| put(editor, Some(&plain), &dotted));
        for table in [&second, &edit(&Snapshot::new(), |editor| put(editor, None, &dotted))] {
            let addresses = ["a", "b", "c.d"].map(|id| address(table, &format!("{id}.web.z")));
            assert_eq!(addresses, [(1, true), (2, true), (3, true)].map(Some));
        }
        let third = edit(&second, |editor| put(editor, Some(&dotted), &plain));
        assert_eq!((address(&third, "b.web.z"), address(&third, "c.d.web.z")), (Some((2, true)), None));
        let mut without = plain.clone();
        without.dns_records.truncate(1);
        for table in [&first, &third] {
            let table = edit(table, |editor| put(editor, Some(&plain), &without));
            assert_eq!((address(&table, "a.web.z"), address(&table, "web.z")), (None, Some((1, true))));
            let table = edit(&table, |editor| put(editor, Some(&without), &plain));
            assert_eq!(address(&table, "a.web.z"), Some((1, false)));
        }
    }
}
