//! What a follower's registry does besides: takes over names of name servers, and holds answers back.

use super::*;
use crate::table::Flags;

fn name(text: &str) -> Name {
    Name::parse(text).unwrap()
}

/// All that a registry has, as another node would send it.
pub(super) fn replica(of: &Registry, name_servers: &[&str]) -> Replica {
    let catalog = of.catalog();
    let catalog = catalog.read();
    let services: Vec<_> = catalog.services_after(None).map(|entry| ServiceEntry::clone(entry)).collect();
    let instances = services.iter().flat_map(|entry| {
        entry.service.instances.iter().map(|instance| (entry.id, Instance::clone(instance))).collect::<Vec<_>>()
    });
    let instances = instances.collect();
    Replica {
        revision: catalog.revision(),
        state_hash: catalog
            .namespaces_after(None)
            .fold(0, |sum: u64, entry| sum.wrapping_add(catalog.state_hash(entry.id))),
        is_whole: true,
        name_servers: Some(name_servers.iter().map(|text| name(text)).collect()),
        namespaces: catalog.namespaces_after(None).map(|entry| NamespaceEntry::clone(entry)).collect(),
        services: services.into_iter().map(without_instances).collect(),
        instances,
        serials: catalog.namespaces_after(None).map(|entry| (entry.id, catalog.serial(entry.id))).collect(),
        ..Replica::default()
    }
}

fn without_instances(mut entry: ServiceEntry) -> ServiceEntry {
    entry.service.instances = Default::default();
    entry
}

fn replicate(registry: &mut Registry, replica: Replica) {
    registry.apply(Command::Replicate(Box::new(replica))).unwrap();
}

/// The targets of NS records and the primary server of the SOA record, as octets somewhere in them.
fn names_server(registry: &Registry, server: &str) -> bool {
    let snapshot = registry.handle().load();
    let node = snapshot.find_name(&name("z.test")).unwrap();
    let has = |rtype| match node.set(rtype) {
        Some(crate::table::RrSet::Records(set)) => {
            let wire = name(server);
            set.octets().windows(wire.as_wire().len()).any(|window| window == wire.as_wire())
        }
        _ => false,
    };
    has(2) && has(6)
}

#[test]
fn name_servers_are_the_other_nodes() {
    let mut primary = Registry::new(vec![name("ns.primary")]);
    primary.apply(Command::Declare(state(&[("a", 2)]))).unwrap();
    let mut follower = Registry::open(Settings::default(), Arc::new(store::Nothing)).unwrap();
    replicate(&mut follower, replica(&primary, &["ns.primary"]));
    assert!(names_server(&follower, "ns.primary"));
    assert_eq!(follower.catalog().read().name_servers(), [name("ns.primary")]);
    // The same state with other names: only they change.
    replicate(&mut follower, replica(&primary, &["ns.other"]));
    assert!(names_server(&follower, "ns.other") && !names_server(&follower, "ns.primary"));
    assert_eq!(addresses(&follower, "a.z.test"), Some(2));
    let serial = |registry: &Registry| {
        let catalog = registry.catalog();
        let catalog = catalog.read();
        catalog.namespaces_after(None).map(|entry| catalog.serial(entry.id)).collect::<Vec<_>>()
    };
    assert_eq!(serial(&follower), serial(&primary));
}

#[test]
fn a_service_that_is_called_otherwise_answers_to_its_new_name_alone() {
    let called = |name: &str| {
        let mut state = state(&[(name, 2)]);
        let service = state.namespaces.get_mut("z.test").unwrap().services.get_mut(name).unwrap();
        service.id = Some(ServiceId::random(7));
        service.dns_records.push(DnsRecord { record_type: RecordType::Srv, ttl: 10 });
        state
    };
    let mut primary = Registry::new(Vec::new());
    primary.apply(Command::Declare(called("a"))).unwrap();
    let mut followers = [(); 2].map(|()| Registry::open(Settings::default(), Arc::new(store::Nothing)).unwrap());
    followers.iter_mut().for_each(|follower| replicate(follower, replica(&primary, &[])));
    primary.apply(Command::Declare(called("b"))).unwrap();
    for (follower, is_whole) in followers.iter_mut().zip([true, false]) {
        replicate(follower, Replica { is_whole, ..replica(&primary, &[]) });
    }
    for registry in followers.iter().chain([&primary]) {
        assert_eq!((addresses(registry, "a.z.test"), addresses(registry, "i-0.a.z.test")), (None, None));
        assert_eq!((addresses(registry, "b.z.test"), addresses(registry, "i-0.b.z.test")), (Some(2), Some(1)));
        assert_eq!((registry.handle().load().names(), registry.handle().load().instances()), (4, 2));
        let catalog = registry.catalog();
        let catalog = catalog.read();
        let names = catalog.names.values().flat_map(|names| names.keys().map(|key| &**key));
        assert_eq!(names.collect::<Vec<_>>(), ["b"]);
    }
}

#[test]
fn what_is_withheld_goes_on_changing() {
    let mut registry = Registry::new(vec![name("ns.primary")]);
    registry.apply(Command::Declare(state(&[("a", 1)]))).unwrap();
    let withheld = |registry: &Registry, text: &str| {
        let snapshot = registry.handle().load();
        snapshot.find_name(&name(text)).is_some_and(|node| node.flags().has(Flags::WITHHELD))
    };
    let change = registry.apply(Command::Withhold(Withhold::Zones)).unwrap();
    assert_eq!(change.revision, 1, "nothing has changed");
    assert_eq!(addresses(&registry, "a.z.test"), None);
    assert!(withheld(&registry, "z.test") && !withheld(&registry, "."));
    registry.apply(Command::Declare(state(&[("a", 3)]))).unwrap();
    assert_eq!(addresses(&registry, "a.z.test"), None);
    registry.apply(Command::Withhold(Withhold::All)).unwrap();
    assert!(withheld(&registry, "."));
    registry.apply(Command::Withhold(Withhold::Nothing)).unwrap();
    assert_eq!(addresses(&registry, "a.z.test"), Some(3));
    assert_eq!(registry.handle().load().revision(), 2);
    registry.apply(Command::Declare(state(&[("a", 4)]))).unwrap();
    assert_eq!(addresses(&registry, "a.z.test"), Some(4));
}

#[test]
fn before_any_state_there_is_no_revision() {
    let mut registry = Registry::open(Settings::default(), Arc::new(store::Nothing)).unwrap();
    registry.withhold(Withhold::All);
    assert_eq!(registry.apply(Command::Withhold(Withhold::Nothing)).unwrap().revision, 0);
}
