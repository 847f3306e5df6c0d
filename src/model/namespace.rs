//! The container of services, and the whole of what a registry knows.

use std::collections::BTreeMap;

use super::Service;

/// Kind of a namespace (API model `NamespaceType`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum NamespaceType {
    /// A zone for the clients of one VPC.
    #[default]
    DnsPrivate,
    /// A zone for everybody.
    DnsPublic,
    /// No zone: the API alone discovers.
    Http,
}

/// A namespace; its name is the key under which [`State`] holds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Namespace {
    /// Whether it owns a zone, and for whom.
    pub namespace_type: NamespaceType,
    /// The VPC of a private namespace.
    pub vpc: Option<Box<str>>,
    /// TTL of the SOA record in seconds, which is the negative TTL.
    pub soa_ttl: u32,
    /// Services by name as written. No two names differ only by case in a DNS namespace.
    pub services: BTreeMap<Box<str>, Service>,
}

impl Namespace {
    /// TTL of the SOA record where none is given, in seconds.
    pub const DEFAULT_SOA_TTL: u32 = 15;
}

impl Default for Namespace {
    fn default() -> Self {
        Self {
            namespace_type: NamespaceType::DnsPrivate,
            vpc: None,
            soa_ttl: Self::DEFAULT_SOA_TTL,
            services: BTreeMap::new(),
        }
    }
}

/// Every namespace by name: what is declared, or what a registry holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct State {
    /// Namespaces by name without a final dot; in lower case where the namespace owns a zone.
    pub namespaces: BTreeMap<Box<str>, Namespace>,
}

impl State {
    /// Number of instances in all services.
    pub fn instance_count(&self) -> usize {
        let services = self.namespaces.values().flat_map(|namespace| namespace.services.values());
        services.map(|service| service.instances.len()).sum()
    }
}
