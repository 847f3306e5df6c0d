//! The nodes in which two snapshots of one table differ.
//!
//! Snapshots share the shards in which nothing changed, so that comparing pointers finds the changes: it costs what
//! the edits between the two cost, and nothing is noted down while edits are made. Only where the table was laid out
//! anew in between are all names compared.

use std::sync::Arc;

use super::node::Node;
use super::shard::{self, Shard};
use super::snapshot::Snapshot;
use crate::wire::NameKey;

impl Snapshot {
    /// Calls `found` with each node that is another here than in `before`, an older snapshot of the same table: the
    /// node as it was and as it is, one of which may be missing. In no particular order.
    pub fn differences<'s>(&'s self, before: &'s Self, mut found: impl FnMut(Option<Node<'s>>, Option<Node<'s>>)) {
        if !self.is_laid_out_as(before) {
            return self.differences_of_all(before, found);
        }
        let groups = before.groups.iter().zip(&self.groups).filter(|(old, new)| !Arc::ptr_eq(old, new));
        for (old, new) in groups.flat_map(|(old, new)| old.iter().zip(new.iter())) {
            if !Arc::ptr_eq(old, new) {
                differences_of_shard(old, new, &mut found);
            }
        }
    }

    /// The same by looking up every name.
    fn differences_of_all<'s>(&'s self, before: &'s Self, mut found: impl FnMut(Option<Node<'s>>, Option<Node<'s>>)) {
        let mut key = NameKey::new();
        for new in self.nodes() {
            key.fill(new.name(), new.name().len());
            match before.find(&key) {
                Some(old) if old.words() == new.words() => {}
                old => found(old, Some(new)),
            }
        }
        for old in before.nodes() {
            key.fill(old.name(), old.name().len());
            if self.find(&key).is_none() {
                found(Some(old), None);
            }
        }
    }
}

/// Compares two shards of some thirty nodes each.
fn differences_of_shard<'s>(
    old: &'s Shard,
    new: &'s Shard,
    found: &mut impl FnMut(Option<Node<'s>>, Option<Node<'s>>),
) {
    let is_same = |(tag, node): &(u32, Node<'_>), (other_tag, other): &(u32, Node<'_>)| {
        tag == other_tag && node.name() == other.name()
    };
    for entry in shard::nodes(new) {
        match shard::nodes(old).find(|other| is_same(&entry, other)).map(|(_, node)| node) {
            Some(node) if node.words() == entry.1.words() => {}
            node => found(node, Some(entry.1)),
        }
    }
    for entry in shard::nodes(old) {
        if !shard::nodes(new).any(|other| is_same(&entry, &other)) {
            found(Some(entry.1), None);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::table::{Editor, Flags, Layer, NodeDraft, RrSetDraft};
    use crate::wire::Name;

    /// `base` with an address, or none any more, at each of `names`.
    fn edit(base: &Snapshot, names: impl IntoIterator<Item = (String, Option<u8>)>) -> Snapshot {
        let mut editor = Editor::new(base);
        for (name, address) in names {
            let name = Name::parse(&name).unwrap();
            match address {
                Some(last) => {
                    let set = RrSetDraft::V4 { ttl: 10, shown: 1, addresses: vec![[10, 0, 0, last]] };
                    let draft = NodeDraft { flags: Flags::default(), sets: vec![set] };
                    editor.put(&name, (name.as_wire().len() - 3) as u8, Layer::Services, &draft);
                }
                None => editor.remove(&name, Layer::Services),
            }
        }
        editor.finish(base.revision() + 1, 0)
    }

    /// Names that differ, each with whether it was and whether it is there.
    fn found(before: &Snapshot, after: &Snapshot) -> BTreeMap<String, (bool, bool)> {
        let mut all = BTreeMap::new();
        after.differences(before, |old, new| {
            let name = Name::from_lower(old.or(new).unwrap().name()).to_string();
            assert!(all.insert(name, (old.is_some(), new.is_some())).is_none());
        });
        all
    }

    #[test]
    fn what_came_went_and_changed_is_found() {
        let number = |number: u32| format!("n{number}.z");
        let first = edit(&Snapshot::new(), (0..3000).map(|n| (number(n), Some(1))));
        let changes = [(7, Some(2)), (8, None), (3000, Some(1)), (9, Some(1))];
        let second = edit(&first, changes.map(|(n, to)| (number(n), to)));
        let expected = [("n7.z.", (true, true)), ("n8.z.", (true, false)), ("n3000.z.", (false, true))];
        assert_eq!(found(&first, &second), expected.map(|(name, which)| (name.to_owned(), which)).into());
        assert_eq!(found(&second, &second), BTreeMap::new());
        // Through a new layout, too.
        let third = edit(&second, (4000..14_000).map(|n| (number(n), Some(1))));
        assert!(third.groups.len() != second.groups.len());
        let all = found(&second, &third);
        assert_eq!((all.len(), all["n5000.z."], all["z."]), (10_001, (false, true), (true, true)));
    }
}
