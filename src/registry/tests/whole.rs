//! What a start and a follower put all at once is what commands put one by one.

use super::follow::replica;
use super::*;

/// A namespace with services of these names, records and ids of instances.
fn namespace(services: &[(&str, &[RecordType], &[&str])]) -> Namespace {
    let mut namespace = Namespace::default();
    for (number, (name, types, ids)) in services.iter().enumerate() {
        let instance = |(at, id): (usize, &&str)| {
            let (v4, v6) = (format!("10.0.{number}.{at}"), format!("2001:db8::{number}:{at}"));
            let pairs = [
                ("AWS_INSTANCE_IPV4", &*v4),
                ("AWS_INSTANCE_PORT", "80"),
                ("AWS_INSTANCE_IPV6", &v6),
                ("FINGERPOST_LEASE", "60"),
                ("shared", "by all"),
            ];
            let status = if at % 3 == 1 { HealthStatus::Unhealthy } else { HealthStatus::Healthy };
            Instance::new(id, Some("creator"), pairs).with_status(status)
        };
        let service = Service {
            dns_records: types.iter().map(|one| DnsRecord { record_type: *one, ttl: 10 }).collect(),
            health_check: HealthCheck::Custom,
            instances: ids.iter().enumerate().map(instance).collect(),
            ..Service::default()
        };
        namespace.services.insert((*name).into(), service);
    }
    namespace
}

/// Whether a registry that is opened, and one that takes over all at once, have what one has that was told bit by bit.
fn is_the_same(state: State) {
    let store = Arc::new(Memory::default());
    let mut registry = open(&store);
    registry.apply(Command::Import(state)).unwrap();
    let opened = open(&store);
    let mut follower = Registry::new(Vec::new());
    follower.apply(Command::Replicate(Box::new(replica(&registry, &["ns.z.test"])))).unwrap();
    let mut named = open(&store);
    named.apply(Command::Replicate(Box::new(replica(&registry, &["ns.z.test"])))).unwrap();
    for (one, other) in [(&registry, &opened), (&named, &follower)] {
        let (before, after) = (one.handle().load(), other.handle().load());
        let mut differences = Vec::new();
        after.differences(&before, |old, new| {
            let name = new.or(old).map(|node| Name::from_lower(node.name()));
            differences.push((name, old.is_some(), new.is_some()));
        });
        assert!(differences.is_empty(), "{differences:?}");
        assert_eq!((before.names(), before.instances()), (after.names(), after.instances()));
        assert_eq!(after.nodes().map(Node::names).sum::<usize>(), after.names());
        let (one, other) = (one.catalog(), other.catalog());
        let (one, other) = (one.read(), other.read());
        assert_eq!(one.instance_count(), other.instance_count());
        for entry in one.namespaces_after(None) {
            assert_eq!(one.state_hash(entry.id), other.state_hash(entry.id), "{}", entry.name);
            assert_eq!(one.serial(entry.id), other.serial(entry.id));
            let names =
                |catalog: &Catalog| catalog.services_of(entry.id).map(|one| one.name.clone()).collect::<Vec<_>>();
            assert_eq!(names(&one), names(&other));
        }
        for entry in one.services_after(None) {
            let same = other.service(entry.id).unwrap();
            let ids =
                |entry: &ServiceEntry| entry.service.instances.thawed().ids().map(str::to_owned).collect::<Vec<_>>();
            assert_eq!(ids(entry), ids(same));
        }
    }
    assert_eq!(opened.leases.next().is_some(), registry.leases.next().is_some());
}

/// Records of both kinds.
const BOTH: &[RecordType] = &[RecordType::A, RecordType::Srv];

#[test]
fn all_at_once_is_the_same_as_bit_by_bit() {
    let plain: Vec<String> = (0..3000).map(|number| format!("Service-{number}")).collect();
    let mut services: Vec<(&str, &[RecordType], &[&str])> = vec![
        ("a", BOTH, &["i-1", "I-2", "i-3"]),
        ("b.a", BOTH, &["i-1"]),
        ("i-9.a", &[RecordType::A], &["i-1", "i-2"]),
        ("_http._tcp", &[RecordType::Srv, RecordType::Aaaa], &["x", "y.z", "*"]),
        ("*", &[RecordType::A], &["i-1"]),
        (".", &[RecordType::A], &["i-1"]),
        ("none", &[], &["i-1"]),
        ("empty", BOTH, &[]),
        ("sick", &[RecordType::Aaaa], &["i-1", "i-2"]),
    ];
    services.extend(plain.iter().map(|name| (&**name, BOTH, &["i-1", "i-2"][..])));
    let http = Namespace { namespace_type: NamespaceType::Http, ..namespace(&[("a.b", &[], &["i-1"])]) };
    let namespaces = [
        ("z.test".into(), namespace(&services)),
        ("other.test".into(), namespace(&[("a", BOTH, &["i-1"])])),
        ("empty.test".into(), Namespace::default()),
        ("web".into(), http),
    ];
    is_the_same(State { namespaces: namespaces.into(), ..State::default() });
    is_the_same(State::default());
}

#[test]
fn names_that_come_twice_are_put_bit_by_bit() {
    let services = namespace(&[("a", BOTH, &["x", "X", "y"]), ("b", BOTH, &["x"])]);
    is_the_same(State { namespaces: [("z.test".into(), services)].into(), ..State::default() });
}

#[test]
fn a_follower_keeps_all_that_it_took_over_frozen() {
    let mut primary = Registry::new(Vec::new());
    primary.apply(Command::Declare(state(&[("a", 2), ("b.a", 3)]))).unwrap();
    let mut all = replica(&primary, &[]);
    // Who declared them is not told to others.
    all.instances.iter_mut().for_each(|(_, instance)| instance.declared = false);
    let mut follower = Registry::new(Vec::new());
    follower.apply(Command::Replicate(Box::new(all))).unwrap();
    let catalog = follower.catalog();
    let catalog = catalog.read();
    let frozen = catalog.services_after(None).map(|entry| (&*entry.name, entry.service.instances.is_frozen()));
    // That of a name with dots was put through a draft.
    assert_eq!(frozen.collect::<std::collections::BTreeMap<_, _>>(), [("a", true), ("b.a", true)].into());
    assert_eq!(addresses(&follower, "b.a.z.test"), Some(3));
}
