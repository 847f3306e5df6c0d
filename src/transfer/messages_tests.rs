//! Whatever is cut into messages comes out again, read by hickory-proto.

use hickory_proto::op::Message;
use hickory_proto::rr::{Name as TheirName, RData};
use proptest::prelude::*;

use super::*;
use crate::wire::Name;

const ZONE: &str = "z.test";

/// A query for the zone: header and question.
fn head() -> Vec<u8> {
    let name = Name::parse(ZONE).unwrap();
    [&[0x12, 0x34, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0], name.as_wire(), &[0, 252, 0, 1]].concat()
}

/// Owners in the zone with the first octet of an address; runs of one owner occur, and names that end alike.
fn records() -> impl Strategy<Value = Vec<(String, u8)>> {
    let owner = prop_oneof![
        Just(ZONE.to_owned()),
        "[a-c]{1,20}".prop_map(|label| format!("{label}.{ZONE}")),
        "[ab]\\.[a-z]{1,63}".prop_map(|labels| format!("{labels}.{ZONE}"))
    ];
    let run = (owner, 1..40_u8)
        .prop_flat_map(|(owner, count)| proptest::collection::vec((Just(owner), any::<u8>()), usize::from(count)));
    proptest::collection::vec(run, 0..60).prop_map(|runs| runs.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn records_come_out_as_they_went_in(records in records()) {
        let mut messages = Messages::new(&head(), Some([0, 0, 41, 4, 208, 0, 0, 0, 0, 0, 0]));
        let mut all = Vec::new();
        for (owner, octet) in &records {
            let owner = Name::parse(owner).unwrap();
            let rdata = [*octet, 1, 2, 3];
            all.extend(messages.put(Record { owner: owner.as_wire(), rtype: 1, ttl: 7, rdata: &rdata }));
        }
        all.push(messages.finish());
        let mut found = Vec::new();
        for (index, octets) in all.iter().enumerate() {
            prop_assert!(octets.len() <= MESSAGE_MOST + 11);
            let message = Message::from_vec(octets).unwrap();
            prop_assert_eq!(message.metadata.id, 0x1234);
            prop_assert!(message.metadata.authoritative);
            prop_assert_eq!(&message.queries[0].name().to_string(), "z.test.");
            prop_assert_eq!(message.edns.is_some(), index == 0, "an OPT record in the first message alone");
            for record in &message.answers {
                let RData::A(address) = &record.data else { panic!("{record:?}") };
                found.push((record.name.clone(), address.octets()[0]));
            }
        }
        let records: Vec<_> = records.iter().map(|(owner, octet)| (TheirName::from_ascii(format!("{owner}.")).unwrap(), *octet)).collect();
        prop_assert_eq!(found, records);
    }
}

#[test]
fn a_record_too_long_for_others_beside_it_goes_alone() {
    let mut messages = Messages::new(&head(), None);
    let apex = Name::parse(ZONE).unwrap();
    let record = |rdata| Record { owner: apex.as_wire(), rtype: 16, ttl: 0, rdata };
    assert!(messages.put(record(&[0])).is_none());
    let long = vec![0; 60_000];
    assert!(messages.put(record(&long)).is_some());
    assert!(messages.put(record(&[0])).is_some_and(|message| message.len() > 60_000));
    assert_eq!(messages.finish().len(), head().len() + 2 + 10 + 1);
}
