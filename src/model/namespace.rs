//! The container of services, and the whole of what a registry knows.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use super::{Attributes, NamespaceId, Service};
use crate::wire::Name;
use crate::wire::types::rtype;
use crate::zone::Zone;

/// Kind of a namespace (API model `NamespaceType`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum NamespaceType {
    /// A zone for the clients of one VPC.
    #[default]
    DnsPrivate,
    /// A zone for everybody.
    DnsPublic,
    /// No zone: the API alone discovers.
    Http,
}

impl NamespaceType {
    /// Whether a namespace of this type owns a zone, and so answers DNS.
    pub fn has_zone(self) -> bool {
        self != Self::Http
    }
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
    /// Its id, where the file gives one; else it is made of the name.
    pub id: Option<NamespaceId>,
    /// For people.
    pub description: Option<Box<str>>,
    /// Tags of the namespace.
    pub tags: Attributes,
    /// The first file that declares it.
    pub source: Option<Arc<Path>>,
    /// Services by name as written. No two names differ only by case in a DNS namespace.
    pub services: BTreeMap<Box<str>, Service>,
}

impl Namespace {
    /// TTL of the SOA record where none is given, in seconds.
    pub const DEFAULT_SOA_TTL: u32 = 15;
}

/// The id of the hosted zone of a namespace: as long as those of Route 53 can be, and the namespace's own.
pub fn hosted_zone_id(namespace: &NamespaceId) -> String {
    let id = namespace.to_string();
    id.strip_prefix("ns-").map_or_else(String::new, |id| format!("Z{}", id.to_ascii_uppercase()))
}

impl Default for Namespace {
    fn default() -> Self {
        Self {
            namespace_type: NamespaceType::DnsPrivate,
            vpc: None,
            soa_ttl: Self::DEFAULT_SOA_TTL,
            id: None,
            description: None,
            tags: Attributes::default(),
            source: None,
            services: BTreeMap::new(),
        }
    }
}

/// Every namespace by name: what is declared, or what a registry holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct State {
    /// Namespaces by name without a final dot; in lower case where the namespace owns a zone.
    pub namespaces: BTreeMap<Box<str>, Namespace>,
    /// Zones of static records by apex. One of them may have the name of a namespace: then the two are one zone.
    pub zones: BTreeMap<Name, ZoneSource>,
}

/// A zone of static records, as a state holds it: which records they are, not the records themselves, unless they
/// are new.
#[derive(Clone, Debug)]
pub struct ZoneSource {
    /// Tells contents apart: of the records, and of whether the zone is also a namespace's.
    pub digest: u64,
    /// RDATA and TTL of the SOA record; of a namespace's zone they may be left to the namespace.
    pub soa: Option<(Box<[u8]>, u32)>,
    /// Whether there are NS records at the apex.
    pub has_name_servers: bool,
    /// The records, until the registry has them.
    pub zone: Option<Arc<Zone>>,
}

impl ZoneSource {
    /// The source of `zone`, whose contents `digest` tells apart from others.
    pub fn new(digest: u64, zone: Arc<Zone>) -> Self {
        let soa = zone.soa().map(|(soa, ttl)| (soa.into(), ttl));
        let has_name_servers = zone.owner(0).records().any(|record| record.rtype == rtype::NS);
        Self { digest, soa, has_name_servers, zone: Some(zone) }
    }
}

impl PartialEq for ZoneSource {
    fn eq(&self, other: &Self) -> bool {
        self.digest == other.digest
    }
}

impl Eq for ZoneSource {}

impl State {
    /// Number of instances in all services.
    pub fn instance_count(&self) -> usize {
        let services = self.namespaces.values().flat_map(|namespace| namespace.services.values());
        services.map(|service| service.instances.len()).sum()
    }
}
