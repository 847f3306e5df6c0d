//! The state hash: whether two nodes hold the same.
//!
//! Each namespace, service and instance has a hash of what DNS shows of it; the hash of a namespace is the wrapping sum
//! over all that is in it, and that of a node the sum over its namespaces. A change takes away the hash of what was and
//! adds that of what is, so that keeping it costs the same however much there is. It tells faults apart from luck, not
//! from malice.
//!
//! What it is made of is part of the protocol between nodes: each field with its length before it, XXH3 over all.

use xxhash_rust::xxh3::xxh3_64;

use super::entry::{NamespaceEntry, ServiceEntry};
use crate::model::{HealthStatus, Instance, NamespaceType, RecordType, RoutingPolicy, ServiceId};

/// Prefixes of the attributes that DNS depends on.
const SHOWN: [&str; 2] = ["AWS_INSTANCE_", "FINGERPOST_"];

/// Whether DNS depends on the attribute called `key`.
pub fn is_shown(key: &str) -> bool {
    SHOWN.iter().any(|prefix| key.starts_with(prefix))
}

/// Makes hashes; its memory serves one after the other.
#[derive(Default)]
pub(super) struct Hasher {
    buffer: Vec<u8>,
}

impl Hasher {
    /// The hash of a namespace without what is in it.
    pub(super) fn namespace(&mut self, entry: &NamespaceEntry) -> u64 {
        let kind = match entry.namespace_type {
            NamespaceType::DnsPrivate => 1,
            NamespaceType::DnsPublic => 2,
            NamespaceType::Http => 3,
        };
        let ttl = entry.soa_ttl.map(u32::to_be_bytes);
        self.start(b'n');
        self.field(entry.id.as_bytes());
        self.field(entry.name.as_bytes());
        self.field(&[kind]);
        self.field(entry.vpc.as_deref().unwrap_or_default().as_bytes());
        self.field(ttl.as_ref().map_or(&[], |octets| octets));
        self.end()
    }

    /// The hash of a service without its instances.
    pub(super) fn service(&mut self, entry: &ServiceEntry) -> u64 {
        let policy = match entry.service.routing_policy {
            RoutingPolicy::Multivalue => 1,
            RoutingPolicy::Weighted => 2,
        };
        self.start(b's');
        self.field(entry.id.as_bytes());
        self.field(entry.namespace.as_bytes());
        self.field(entry.name.as_bytes());
        self.field(&[policy]);
        for record in &entry.service.dns_records {
            let kind = match record.record_type {
                RecordType::A => 1,
                RecordType::Aaaa => 2,
                RecordType::Srv => 3,
                RecordType::Cname => 4,
            };
            self.field(&[kind]);
            self.field(&record.ttl.to_be_bytes());
        }
        for (key, value) in entry.service.attributes.iter().filter(|(key, _)| is_shown(key)) {
            self.field(key.as_bytes());
            self.field(value.as_bytes());
        }
        self.end()
    }

    /// The hash of an instance.
    pub(super) fn instance(&mut self, service: ServiceId, instance: &Instance) -> u64 {
        let status = match instance.status {
            HealthStatus::Healthy => 1,
            HealthStatus::Unhealthy => 2,
            HealthStatus::Unknown => 3,
        };
        self.start(b'i');
        self.field(service.as_bytes());
        self.field(instance.id().as_bytes());
        self.field(&[status, u8::from(instance.draining)]);
        for (key, value) in instance.attributes().iter().filter(|(key, _)| is_shown(key)) {
            self.field(key.as_bytes());
            self.field(value.as_bytes());
        }
        self.end()
    }

    fn start(&mut self, kind: u8) {
        self.buffer.clear();
        self.buffer.push(kind);
    }

    fn field(&mut self, octets: &[u8]) {
        // No field is longer: names, ids, and values of attributes have limits far below.
        self.buffer.extend_from_slice(&(octets.len() as u16).to_be_bytes());
        self.buffer.extend_from_slice(octets);
    }

    fn end(&self) -> u64 {
        xxh3_64(&self.buffer)
    }
}
