//! Whatever happens to a table: a zone of yesterday and what the journal says make the zone of today.

use proptest::prelude::*;

use super::*;
use crate::table::{Editor, Flags, Layer, NodeDraft, Publisher, RrSetDraft};
use crate::wire::types::rtype;

const ZONE: &str = "z.test";

/// What happens in one revision: an address, or none any more, at each of some names.
type Step = Vec<(u8, Option<u8>)>;

fn name(text: &str) -> Name {
    Name::parse(text).unwrap()
}

/// The table after `step`, whose zone has the revision for its serial.
fn edit(base: &Snapshot, step: &Step) -> Snapshot {
    let mut editor = Editor::new(base);
    let apex = name(ZONE);
    let serial = base.revision() as u32 + 1;
    let soa = [b"\x01n\x00\x01h\x00".as_slice(), &serial.to_be_bytes(), &[0; 16]].concat();
    let soa = RrSetDraft::Records { rtype: rtype::SOA, ttl: 60, rdata: vec![soa] };
    editor.put(&apex, 0, Layer::Services, &NodeDraft { flags: Flags::default(), sets: vec![soa] });
    for (owner, address) in step {
        // Sixteen names, some below others; a zone of its own, too, that is not asked for.
        let (zone, labels) = if *owner < 4 { ("other", 7) } else { (ZONE, 8) };
        let owner = name(&format!("n{}.m{}.{zone}", owner / 4, owner % 4));
        let offset = (owner.as_wire().len() - labels) as u8;
        match address {
            Some(last) => {
                let addresses = (0..=last % 3).map(|n| [10, 0, n, *last]).collect();
                let set = RrSetDraft::V4 { ttl: 10 + u32::from(last % 2), shown: 1, addresses };
                let draft = NodeDraft { flags: Flags::default(), sets: vec![set] };
                editor.put(&owner, offset, Layer::Services, &draft);
            }
            None => editor.remove(&owner, Layer::Services),
        }
    }
    editor.finish(base.revision() + 1, 0)
}

/// All records of the zone but the SOA.
fn records_of(table: &Snapshot) -> BTreeSet<Packed> {
    records::nodes(table, &name(ZONE)).flat_map(|node| records::packed(Some(node))).collect()
}

fn steps() -> impl Strategy<Value = Vec<(Step, bool)>> {
    let change = (0..16_u8, proptest::option::weighted(0.7, 0..8_u8));
    let step = (proptest::collection::vec(change, 0..6), any::<bool>());
    proptest::collection::vec(step, 1..12)
}

proptest! {
    #[test]
    fn differences_lead_from_each_version_to_the_last(steps in steps()) {
        let mut publisher = Publisher::new(edit(&Snapshot::new(), &Vec::new()));
        let handle = publisher.handle();
        let mut journal = Journal::new(vec![handle.clone()], usize::MAX, |apex| apex == name(ZONE).as_wire());
        // The versions that a secondary can have.
        let mut versions = vec![handle.load()];
        for (step, catches_up) in &steps {
            publisher.publish(edit(&handle.load(), step));
            if *catches_up {
                journal.catch_up();
                versions.push(handle.load());
            }
        }
        journal.catch_up();
        let last = handle.load();
        let zone = (0, name(ZONE));
        for version in versions.iter().filter(|version| version.revision() != last.revision()) {
            let soa = Soa::of(version, &zone.1).unwrap();
            let Difference { before, deleted, added } = journal.since(&zone, soa.serial).unwrap();
            prop_assert_eq!(before, soa);
            let mut records = records_of(version);
            // Each that is deleted was there, and each that is added was not.
            prop_assert!(deleted.iter().all(|record| records.remove(record)));
            prop_assert!(added.iter().all(|record| records.insert(record.clone())));
            prop_assert_eq!(records, records_of(&last));
        }
        prop_assert_eq!(journal.since(&zone, Soa::of(&last, &zone.1).unwrap().serial), None);
        prop_assert!(journal.since(&(0, name("other")), 1).is_none());
    }
}

#[test]
fn old_entries_make_room() {
    let mut publisher = Publisher::new(edit(&Snapshot::new(), &Vec::new()));
    let handle = publisher.handle();
    let mut journal = Journal::new(vec![handle.clone()], 4000, |_| true);
    let zone = (0, name(ZONE));
    for number in 0..100 {
        publisher.publish(edit(&handle.load(), &vec![(5, Some(number))]));
        journal.catch_up();
        assert!(journal.octets() <= 4000);
        assert!(journal.since(&zone, u32::from(number) + 1).is_some(), "{number}");
    }
    assert!(journal.since(&zone, 1).is_none() && journal.since(&zone, 95).is_some());
    assert_eq!(journal.take_changed(), [zone.clone()].into());
    assert_eq!(journal.take_changed(), HashSet::new());
    // With the zone, all of it goes.
    let empty = Snapshot::new();
    let mut editor = Editor::new(&empty);
    editor.put(&name("other"), 0, Layer::Services, &NodeDraft::default());
    publisher.publish(editor.finish(200, 0));
    assert!(journal.is_behind());
    journal.catch_up();
    assert_eq!((journal.octets(), journal.order.len(), journal.is_behind()), (0, 0, false));
    assert_eq!(journal.take_changed(), [zone, (0, name("other"))].into());
}

#[test]
fn a_serial_that_goes_back_leads_nowhere() {
    let mut publisher = Publisher::new(edit(&Snapshot::new(), &Vec::new()));
    let first = publisher.handle().load();
    let mut journal = Journal::new(vec![publisher.handle()], usize::MAX, |_| true);
    let second = edit(&first, &vec![(5, Some(1))]);
    let zone = (0, name(ZONE));
    publisher.publish(second.clone());
    journal.catch_up();
    assert!(journal.since(&zone, 1).is_some());
    let third = edit(&first, &vec![(5, Some(2))]);
    assert_eq!(Soa::of(&third, &zone.1).unwrap().serial, Soa::of(&second, &zone.1).unwrap().serial);
    publisher.publish(third);
    journal.catch_up();
    assert!(journal.since(&zone, 1).is_none());
    assert_eq!(journal.octets(), 0);
}
