//! Namespaces and services as the registry keeps them: the plain data with their ids, dates and owners.

use std::path::Path;
use std::sync::Arc;

use crate::model::{Attributes, NamespaceId, NamespaceType, OperationId, Service, ServiceId};

/// To whom a namespace or a service belongs: who may change it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Owner {
    /// The API made it.
    #[default]
    Api,
    /// This file declares it; the API may put things into it.
    File(Arc<Path>),
    /// A file declared it once. It stays for what the API put into it, and is the API's to change.
    Kept,
}

/// A namespace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamespaceEntry {
    /// Its id.
    pub id: NamespaceId,
    /// Its name as written, without a final dot.
    pub name: Box<str>,
    /// The name under which `DiscoverInstances` knows it, unique among all.
    pub http_name: Box<str>,
    /// Whether it owns a zone, and for whom.
    pub namespace_type: NamespaceType,
    /// The VPC of a private namespace.
    pub vpc: Option<Box<str>>,
    /// TTL of the SOA record in seconds, where one was given.
    pub soa_ttl: Option<u32>,
    /// For people.
    pub description: Option<Box<str>>,
    /// Tags.
    pub tags: Attributes,
    /// What its creator called the request.
    pub creator_request_id: Option<Box<str>>,
    /// When, in milliseconds since the epoch.
    pub created: u64,
    /// The operation that created it.
    pub operation: OperationId,
    /// What the last updater called its request, and the operation.
    pub updater: Option<(Box<str>, OperationId)>,
    /// To whom it belongs.
    pub owner: Owner,
}

/// A service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServiceEntry {
    /// Its id.
    pub id: ServiceId,
    /// The namespace in which it is.
    pub namespace: NamespaceId,
    /// Its name as written.
    pub name: Box<str>,
    /// What it is, and its instances.
    pub service: Service,
    /// What its creator called the request.
    pub creator_request_id: Option<Box<str>>,
    /// When, in milliseconds since the epoch.
    pub created: u64,
    /// Grows with every registration and deregistration, and not with health (API model `InstancesRevision`).
    pub instances_revision: u64,
    /// To whom it belongs.
    pub owner: Owner,
}

impl ServiceEntry {
    /// The greatest TTL of its records in seconds; 0 where it has none.
    pub fn greatest_ttl(&self) -> u32 {
        self.service.dns_records.iter().map(|record| record.ttl).max().unwrap_or_default()
    }
}

impl ServiceEntry {
    /// Whether DNS shows both alike but for their instances.
    pub(super) fn shows_as(&self, other: &Self) -> bool {
        let (one, two) = (&self.service, &other.service);
        (self.id, self.namespace, &self.name) == (other.id, other.namespace, &other.name)
            && (one.routing_policy, &one.dns_records) == (two.routing_policy, &two.dns_records)
            && one.attributes == two.attributes
    }
}

impl NamespaceEntry {
    /// The key of a service's name in this namespace.
    pub fn service_key(&self, name: &str) -> Box<str> {
        service_key(self.namespace_type, name)
    }
}

/// The key of a service's name: DNS names compare without regard to case (RFC 4343), others exactly.
pub(super) fn service_key(namespace_type: NamespaceType, name: &str) -> Box<str> {
    match namespace_type {
        NamespaceType::Http => name.into(),
        NamespaceType::DnsPrivate | NamespaceType::DnsPublic => name.to_ascii_lowercase().into(),
    }
}
