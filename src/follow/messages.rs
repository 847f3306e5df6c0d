//! What is held, as messages of the protocol: for the state file.

use std::sync::Arc;

use bytes::Bytes;

use crate::channel::grpc::proto;
use crate::model::{HealthStatus, Instance, NamespaceType, RecordType, Revision, RoutingPolicy, ServiceId};
use crate::registry::{Catalog, NamespaceEntry, ServiceEntry, is_shown};
use crate::wire::Name;

/// Entries of one piece: some ten kilobytes, so that no piece needs much memory.
const ENTRIES: usize = 256;

/// All that is held at one moment, shared with the catalog.
pub(super) struct Held {
    revision: Revision,
    state_hash: u64,
    namespaces: Vec<(Arc<NamespaceEntry>, u32)>,
    services: Vec<Arc<ServiceEntry>>,
}

impl Held {
    /// What `catalog` has.
    pub(super) fn of(catalog: &Catalog) -> Self {
        let (revision, state_hash) = super::stream::held(catalog);
        let namespaces = catalog.namespaces_after(None).map(|entry| (Arc::clone(entry), catalog.serial(entry.id)));
        Self {
            revision,
            state_hash,
            namespaces: namespaces.collect(),
            services: catalog.services_after(None).cloned().collect(),
        }
    }

    /// Calls `each` with one piece after the other.
    pub(super) fn chunks<E>(
        &self,
        name_servers: &[Name],
        mut each: impl FnMut(&proto::StateChunk) -> Result<(), E>,
    ) -> Result<(), E> {
        let revision = self.revision;
        let name_servers = name_servers.iter().map(ToString::to_string).collect();
        let mut chunk = proto::StateChunk { first: true, revision, name_servers, ..Default::default() };
        let next = || proto::StateChunk { revision, ..Default::default() };
        for (entry, serial) in &self.namespaces {
            chunk.namespaces.push(namespace(entry, *serial));
            if chunk.namespaces.len() >= ENTRIES {
                each(&std::mem::replace(&mut chunk, next()))?;
            }
        }
        for entry in &self.services {
            chunk.services.push(service(entry));
            for one in entry.service.instances.iter() {
                chunk.instances.push(instance(entry.id, one));
                if chunk.instances.len() >= ENTRIES {
                    each(&std::mem::replace(&mut chunk, next()))?;
                }
            }
            if chunk.services.len() >= ENTRIES {
                each(&std::mem::replace(&mut chunk, next()))?;
            }
        }
        chunk.last = true;
        chunk.state_hash = self.state_hash;
        each(&chunk)
    }
}

fn namespace(entry: &NamespaceEntry, serial: u32) -> proto::Namespace {
    let kind = match entry.namespace_type {
        NamespaceType::DnsPrivate => proto::NamespaceType::DnsPrivate,
        NamespaceType::DnsPublic => proto::NamespaceType::DnsPublic,
        NamespaceType::Http => proto::NamespaceType::Http,
    };
    proto::Namespace {
        id: Bytes::copy_from_slice(entry.id.as_bytes()),
        name: entry.name.to_string(),
        r#type: kind.into(),
        vpc: entry.vpc.as_deref().unwrap_or_default().to_owned(),
        soa_ttl: entry.soa_ttl,
        serial,
    }
}

fn service(entry: &ServiceEntry) -> proto::Service {
    let record = |record: &crate::model::DnsRecord| {
        let kind = match record.record_type {
            RecordType::A => proto::RecordType::A,
            RecordType::Aaaa => proto::RecordType::Aaaa,
            RecordType::Srv => proto::RecordType::Srv,
            RecordType::Cname => proto::RecordType::Cname,
        };
        proto::DnsRecord { r#type: kind.into(), ttl: record.ttl }
    };
    let policy = match entry.service.routing_policy {
        RoutingPolicy::Multivalue => proto::RoutingPolicy::Multivalue,
        RoutingPolicy::Weighted => proto::RoutingPolicy::Weighted,
    };
    let attributes = entry.service.attributes.iter().filter(|(key, _)| is_shown(key));
    proto::Service {
        id: Bytes::copy_from_slice(entry.id.as_bytes()),
        namespace: Bytes::copy_from_slice(entry.namespace.as_bytes()),
        name: entry.name.to_string(),
        dns_records: entry.service.dns_records.iter().map(record).collect(),
        routing_policy: policy.into(),
        attributes: attributes.map(|(key, value)| (key.to_owned(), value.to_owned())).collect(),
    }
}

fn instance(service: ServiceId, one: &Instance) -> proto::Instance {
    let status = match one.status {
        HealthStatus::Healthy => proto::HealthStatus::Healthy,
        HealthStatus::Unhealthy => proto::HealthStatus::Unhealthy,
        HealthStatus::Unknown => proto::HealthStatus::Unknown,
    };
    let shown = one.attributes().iter().filter(|(key, _)| is_shown(key));
    proto::Instance {
        service: Bytes::copy_from_slice(service.as_bytes()),
        id: one.id().to_owned(),
        attributes: shown.flat_map(|(key, value)| [key.to_owned(), value.to_owned()]).collect(),
        status: status.into(),
        draining: one.draining,
    }
}
