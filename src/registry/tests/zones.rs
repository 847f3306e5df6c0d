//! Declared static zones beside what the API made.

use super::*;
use crate::model::ZoneSource;
use crate::zone::{Record, Records, Zone};

/// A state with the zone `example.org`, which has an address at each of `owners`; its contents are told by `digest`.
fn zone(owners: &[&str], digest: u64) -> State {
    let apex = Name::parse("example.org").unwrap();
    let mut records = Records::new();
    let mut soa = apex.as_wire().to_vec();
    soa.extend_from_slice(apex.as_wire());
    soa.extend_from_slice(&[0; 20]);
    records.push(Record { owner: apex.as_wire(), rtype: 6, ttl: 60, rdata: &soa, ..Record::default() });
    for owner in owners {
        let owner = Name::parse(owner).unwrap();
        records.push(Record { owner: owner.as_wire(), rtype: 1, ttl: 60, rdata: &[10, 0, 0, 1], ..Record::default() });
    }
    let zone = Arc::new(Zone::new(apex.clone(), records).unwrap());
    State { zones: [(apex, ZoneSource::new(digest, zone))].into(), ..State::default() }
}

/// How many addresses a name has in a view.
fn addresses_in(registry: &Registry, view: usize, name: &str) -> Option<usize> {
    let (table, mut room) = (registry.handles()[view].load(), InstanceRoom::new());
    Some(table.find_or_make(&NameKey::of(&Name::parse(name).unwrap()), &mut room)?.set(1)?.count())
}

#[test]
fn a_private_namespace_of_its_name_leaves_a_zone_to_everybody() {
    let settings = Settings { vpcs: vec!["vpc-1".into()], ..Settings::default() };
    let store = Arc::new(Memory::default());
    let mut registry = Registry::open(settings.clone(), Arc::<Memory>::clone(&store)).unwrap();
    registry.apply(Command::Declare(zone(&["www.example.org"], 1))).unwrap();
    let status = try_create_namespace(&mut registry, "example.org", NamespaceType::DnsPrivate, Some("vpc-1"));
    assert_eq!(status, OperationStatus::Success);
    let look = |registry: &Registry, name| [0, 1].map(|view| addresses_in(registry, view, name));
    assert_eq!(look(&registry, "www.example.org"), [Some(1), None]);
    registry.apply(Command::Declare(zone(&["www.example.org", "new.example.org"], 2))).unwrap();
    assert_eq!(look(&registry, "new.example.org"), [Some(1), None]);
    let soas = [0, 1].map(|view| {
        let table = registry.handles()[view].load();
        let node = table.find_name(&Name::parse("example.org").unwrap());
        node.is_some_and(|node| node.set(6).is_some())
    });
    assert_eq!(soas, [true, true]);
    // After a start the zone comes to a registry that has the namespace.
    let mut registry = Registry::open(settings, Arc::<Memory>::clone(&store)).unwrap();
    registry.apply(Command::Declare(zone(&["www.example.org"], 3))).unwrap();
    assert_eq!(look(&registry, "www.example.org"), [Some(1), None]);
}

#[test]
fn a_zone_and_what_the_api_made_do_not_meet() {
    let mut registry = Registry::new(Vec::new());
    registry.apply(Command::Declare(State::default())).unwrap();
    let status = try_create_namespace(&mut registry, "svc.example.org", NamespaceType::DnsPublic, None);
    assert_eq!(status, OperationStatus::Success);
    for owners in [&["svc.example.org"][..], &["www.example.org", "a.b.svc.example.org"]] {
        let refused = registry.apply(Command::Declare(zone(owners, 1))).unwrap_err().to_string();
        assert!(refused.starts_with("zone example.org. conflicts with namespace svc.example.org (ns-"), "{refused}");
    }
    registry.apply(Command::Declare(zone(&["www.example.org", "xsvc.example.org"], 2))).unwrap();
    assert_eq!(addresses_in(&registry, 0, "xsvc.example.org"), Some(1));
    // Nor is a namespace made where a zone has records, or is.
    for name in ["www.example.org", "example.org"] {
        assert_eq!(
            try_create_namespace(&mut registry, name, NamespaceType::DnsPublic, None),
            OperationStatus::Fail,
            "{name}"
        );
    }
    // A zone of the name of a namespace that the API made is none.
    let mut registry = Registry::new(Vec::new());
    try_create_namespace(&mut registry, "example.org", NamespaceType::DnsPublic, None);
    assert!(matches!(registry.apply(Command::Declare(zone(&[], 1))), Err(Refusal::Invalid(_))));
}
