//! Tables and queries for the benchmarks.

use fingerpost::model::{DnsRecord, Instance, Namespace, RecordType, Service};
use fingerpost::table::{Editor, Snapshot, compile};
use fingerpost::wire::Name;

/// The namespace of all services.
pub(crate) const NAMESPACE: &str = "production.local";

/// The name of service `number`, without its namespace.
pub(crate) fn service_name(number: u32) -> String {
    format!("service-{number:06}")
}

/// `services` services of `instances` instances each, with `records` of TTL 10.
pub(crate) fn namespace(services: u32, instances: u32, records: &[RecordType]) -> Namespace {
    let services = (0..services).map(|number| (service_name(number).into(), service(number, instances, records)));
    Namespace { services: services.collect(), ..Namespace::default() }
}

/// Service `number` with `instances` instances.
pub(crate) fn service(number: u32, instances: u32, records: &[RecordType]) -> Service {
    let dns_records = records.iter().map(|record_type| DnsRecord { record_type: *record_type, ttl: 10 });
    let instances = (0..instances).map(|instance| {
        let address = std::net::Ipv4Addr::from(0x0a00_0000 + number * instances + instance).to_string();
        let attributes = [("AWS_INSTANCE_IPV4", &*address), ("AWS_INSTANCE_PORT", "8080")];
        Instance::new(&format!("task-{number:06}-{instance}"), None, attributes)
    });
    Service { dns_records: dns_records.collect(), instances: instances.collect(), ..Service::default() }
}

/// The zone of [`NAMESPACE`].
pub(crate) fn zone(namespace: &Namespace) -> compile::Zone {
    compile::Zone::of(NAMESPACE, namespace.namespace_type).expect("a name").expect("a zone")
}

/// The table of `namespace`.
pub(crate) fn table(namespace: &Namespace) -> Snapshot {
    let base = Snapshot::new();
    let mut editor = Editor::new(&base);
    let zone = zone(namespace);
    compile::put_apex(
        &mut editor,
        &zone,
        &compile::Apex { soa_ttl: namespace.soa_ttl, serial: 1, ..Default::default() },
    )
    .expect("a name");
    for (name, service) in &namespace.services {
        compile::put_service(&mut editor, &zone, name, service, None).expect("a name");
    }
    let instances = namespace.services.values().map(|service| service.instances.len()).sum();
    editor.finish(1, instances)
}

/// A query with EDNS, as resolvers send it.
pub(crate) fn query(name: &str, qtype: u16) -> Vec<u8> {
    let mut packet = vec![0x12, 0x34, 1, 0, 0, 1, 0, 0, 0, 0, 0, 1];
    packet.extend_from_slice(Name::parse(name).expect("a name").as_wire());
    packet.extend_from_slice(&qtype.to_be_bytes());
    packet.extend_from_slice(&[0, 1, 0, 0, 41, 4, 208, 0, 0, 0, 0, 0, 0]);
    packet
}
