//! Tables that answer nothing, because what they would answer may be wrong by now.
//!
//! Such a table has the apexes of the zones alone, each marked as withheld: a lookup that ends at the mark is answered
//! SERVFAIL. Other names stay as foreign as they were. A plain hit never looks at the mark, because there is none.

use super::draft::NodeDraft;
use super::edit::Editor;
use super::node::{Flags, Layer};
use super::snapshot::Snapshot;
use crate::wire::Name;

impl Snapshot {
    /// The table that withholds the answers of every zone that this one has, as the same revision.
    #[must_use]
    pub fn withheld(&self) -> Self {
        let apexes = self.nodes().filter(|node| node.apex_offset() == 0);
        withhold(apexes.map(|node| Name::from_lower(node.name())), self)
    }

    /// The table that withholds whatever is asked for, because nobody knows which zones there are. As the same revision.
    #[must_use]
    pub fn all_withheld(&self) -> Self {
        // The root is above all.
        withhold([Name::from_lower(&[0])].into_iter(), self)
    }
}

/// A table with a mark at each of `apexes`, which tells as many instances as `base` has.
fn withhold(apexes: impl Iterator<Item = Name>, base: &Snapshot) -> Snapshot {
    let nothing = Snapshot::new();
    let mut editor = Editor::new(&nothing);
    let mark = NodeDraft { flags: Flags::WITHHELD, sets: Vec::new() };
    for apex in apexes {
        editor.put(&apex, 0, Layer::Services, &mark);
    }
    editor.finish(base.revision, base.instances)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::RrSetDraft;

    #[test]
    fn only_apexes_are_there_and_marked() {
        let name = |text| Name::parse(text).unwrap();
        let addresses = RrSetDraft::V4 { ttl: 10, shown: 1, addresses: vec![[10, 0, 0, 1]] };
        let address = NodeDraft { flags: Flags::default(), sets: vec![addresses] };
        let empty = Snapshot::new();
        let mut editor = Editor::new(&empty);
        for (owner, offset) in [("z.test", 0), ("a.z.test", 2), ("b.z.test", 0)] {
            editor.put(&name(owner), offset, Layer::Services, &address);
        }
        let table = editor.finish(7, 3);
        let withheld = table.withheld();
        let mut names: Vec<_> = withheld.nodes().map(|node| Name::from_lower(node.name()).to_string()).collect();
        names.sort();
        assert_eq!(names, ["b.z.test.", "z.test."]);
        assert!(withheld.nodes().all(|node| node.flags().has(Flags::WITHHELD) && node.sets().count() == 0));
        assert_eq!((withheld.revision(), withheld.instances()), (7, 3));
        let all = empty.all_withheld();
        assert_eq!(all.names(), 1);
        assert!(all.find_name(&name(".")).is_some_and(|node| node.flags().has(Flags::WITHHELD)));
    }
}
