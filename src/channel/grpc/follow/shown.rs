//! What the catalog holds, as messages: of each thing what DNS depends on.

use prost::bytes::Bytes;

use crate::channel::grpc::convert::health_status;
use crate::channel::grpc::proto;
use crate::model::{Instance, NamespaceType, RecordType, RoutingPolicy};
use crate::registry::{NamespaceEntry, ServiceEntry, is_shown};

/// A namespace, with its zone's serial.
pub(super) fn namespace(entry: &NamespaceEntry, serial: u32) -> proto::Namespace {
    let kind = match entry.namespace_type {
        NamespaceType::DnsPrivate => proto::NamespaceType::DnsPrivate,
        NamespaceType::DnsPublic => proto::NamespaceType::DnsPublic,
        NamespaceType::Http => proto::NamespaceType::Http,
    };
    proto::Namespace {
        id: id(entry.id.as_bytes()),
        name: entry.name.to_string(),
        r#type: kind.into(),
        vpc: entry.vpc.as_deref().unwrap_or_default().to_owned(),
        soa_ttl: entry.soa_ttl,
        serial,
    }
}

/// A service without its instances.
pub(super) fn service(entry: &ServiceEntry) -> proto::Service {
    let policy = match entry.service.routing_policy {
        RoutingPolicy::Multivalue => proto::RoutingPolicy::Multivalue,
        RoutingPolicy::Weighted => proto::RoutingPolicy::Weighted,
    };
    let records = entry.service.dns_records.iter().map(|record| {
        let kind = match record.record_type {
            RecordType::A => proto::RecordType::A,
            RecordType::Aaaa => proto::RecordType::Aaaa,
            RecordType::Srv => proto::RecordType::Srv,
            RecordType::Cname => proto::RecordType::Cname,
        };
        proto::DnsRecord { r#type: kind.into(), ttl: record.ttl }
    });
    proto::Service {
        id: id(entry.id.as_bytes()),
        namespace: id(entry.namespace.as_bytes()),
        name: entry.name.to_string(),
        dns_records: records.collect(),
        routing_policy: policy.into(),
        attributes: attributes(entry.service.attributes.iter()),
    }
}

/// An instance of the service whose id is `service`.
pub(super) fn instance(service: Bytes, instance: &Instance) -> proto::Instance {
    proto::Instance {
        service,
        id: instance.id().to_owned(),
        attributes: attributes(instance.attributes().iter()),
        status: health_status(instance.status).into(),
        draining: instance.draining,
    }
}

/// An id, to be shared by all messages that have it.
pub(super) fn id(octets: &[u8; 16]) -> Bytes {
    Bytes::copy_from_slice(octets)
}

/// Names and values in turn.
fn attributes<'a>(pairs: impl Iterator<Item = (&'a str, &'a str)>) -> Vec<String> {
    pairs.filter(|(key, _)| is_shown(key)).flat_map(|(key, value)| [key.to_owned(), value.to_owned()]).collect()
}
