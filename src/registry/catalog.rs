//! Everything the registry has acknowledged, for readers.
//!
//! The registry's thread alone writes, once a batch and for as long as it takes to put the changed entries in. Readers
//! lock for a lookup and leave with shared entries, which nobody changes any more.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};

use foldhash::HashMap;

use super::entry::{NamespaceEntry, ServiceEntry};
use super::shelf::Shelf;
use crate::model::{NamespaceId, NamespaceType, Revision, ServiceId, ZoneSource};
use crate::wire::Name;

/// Namespaces, services and instances, with the ways to find them.
#[derive(Debug, Default)]
pub struct Catalog {
    /// The revision that these are of.
    pub(super) revision: Revision,
    pub(super) namespaces: BTreeMap<NamespaceId, Arc<NamespaceEntry>>,
    pub(super) services: Shelf,
    /// Services of a namespace by the key of their name.
    pub(super) names: HashMap<NamespaceId, BTreeMap<Box<str>, ServiceId>>,
    /// Namespaces by the name under which they are discovered.
    pub(super) http_names: HashMap<Box<str>, NamespaceId>,
    /// Namespaces that own a zone, by view and apex.
    pub(super) apexes: HashMap<(usize, Name), NamespaceId>,
    /// Declared zones of static records.
    pub(super) zones: BTreeMap<Name, ZoneSource>,
    /// Services whose instances are probed.
    pub(super) probed: BTreeSet<ServiceId>,
    /// Instances in all services.
    pub(super) instances: usize,
    /// The state hash of each namespace.
    pub(super) hashes: HashMap<NamespaceId, u64>,
    /// The SOA serial of each namespace's zone.
    pub(super) serials: HashMap<NamespaceId, u32>,
    /// Services whose TTL was lowered: what it was, and until when answers with it may be in use, in milliseconds since
    /// the epoch.
    pub(super) former_ttls: HashMap<ServiceId, (u32, u64)>,
    /// Names in the NS records of the zones.
    pub(super) name_servers: Vec<Name>,
}

impl Catalog {
    /// The revision of what is here.
    pub fn revision(&self) -> Revision {
        self.revision
    }

    /// A namespace.
    pub fn namespace(&self, id: NamespaceId) -> Option<&Arc<NamespaceEntry>> {
        self.namespaces.get(&id)
    }

    /// A service.
    pub fn service(&self, id: ServiceId) -> Option<&Arc<ServiceEntry>> {
        self.services.get(&id)
    }

    /// A namespace by the name under which it is discovered.
    pub fn discovered_namespace(&self, http_name: &str) -> Option<&Arc<NamespaceEntry>> {
        self.namespaces.get(self.http_names.get(http_name)?)
    }

    /// The namespace whose zone begins at `apex` in a view.
    pub fn zone(&self, view: usize, apex: &Name) -> Option<&Arc<NamespaceEntry>> {
        self.namespaces.get(self.apexes.get(&(view, apex.clone()))?)
    }

    /// A service of `namespace` by its name.
    pub fn service_named(&self, namespace: &NamespaceEntry, name: &str) -> Option<&Arc<ServiceEntry>> {
        let is_exact = namespace.namespace_type == NamespaceType::Http;
        self.services.get(&self.services.named(namespace.id, name, is_exact)?)
    }

    /// Namespaces in the order of their ids, those after `after`.
    pub fn namespaces_after(&self, after: Option<NamespaceId>) -> impl Iterator<Item = &Arc<NamespaceEntry>> {
        let start = after.map_or(Bound::Unbounded, Bound::Excluded);
        self.namespaces.range((start, Bound::Unbounded)).map(|(_, entry)| entry)
    }

    /// Services of all namespaces in the order of their ids, those after `after`.
    pub fn services_after(&self, after: Option<ServiceId>) -> impl Iterator<Item = &Arc<ServiceEntry>> {
        let start = after.map_or(Bound::Unbounded, Bound::Excluded);
        self.services.range((start, Bound::Unbounded)).map(|(_, entry)| entry)
    }

    /// Services of one namespace in the order of their names.
    pub fn services_of(&self, namespace: NamespaceId) -> impl Iterator<Item = &Arc<ServiceEntry>> {
        self.names.get(&namespace).into_iter().flatten().filter_map(|(_, id)| self.services.get(id))
    }

    /// Services whose instances are probed.
    pub fn probed_services(&self) -> impl Iterator<Item = &Arc<ServiceEntry>> {
        self.probed.iter().filter_map(|id| self.services.get(id))
    }

    /// How many services a namespace has.
    pub fn service_count(&self, namespace: NamespaceId) -> usize {
        self.names.get(&namespace).map_or(0, BTreeMap::len)
    }

    /// The hash of what DNS shows of a namespace: the same on all nodes that hold the same. That of several namespaces
    /// is the wrapping sum.
    pub fn state_hash(&self, namespace: NamespaceId) -> u64 {
        self.hashes.get(&namespace).copied().unwrap_or_default()
    }

    /// The greatest TTL in seconds with which an answer that may still be in use gave the service; what was lowered
    /// before the start is not known.
    pub fn greatest_ttl(&self, entry: &ServiceEntry) -> u32 {
        let former = self.former_ttls.get(&entry.id).filter(|(_, until)| *until > super::now());
        entry.greatest_ttl().max(former.map_or(0, |(ttl, _)| *ttl))
    }

    /// Notes that a service had answers with `ttl`, which it has no more.
    pub(super) fn note_former_ttl(&mut self, service: ServiceId, ttl: u32) {
        let now = super::now();
        self.former_ttls.retain(|_, (_, until)| *until > now);
        let until = now + u64::from(ttl) * 1000;
        let known = self.former_ttls.entry(service).or_insert((ttl, until));
        *known = (known.0.max(ttl), known.1.max(until));
    }

    /// The SOA serial of a namespace's zone.
    pub fn serial(&self, namespace: NamespaceId) -> u32 {
        self.serials.get(&namespace).copied().unwrap_or_default()
    }

    /// Names in the NS records of the zones; the first is also the SOA's.
    pub fn name_servers(&self) -> &[Name] {
        &self.name_servers
    }

    /// How many instances all services have.
    pub fn instance_count(&self) -> usize {
        self.instances
    }
}

/// A reader's access to the catalog; clones are cheap.
#[derive(Clone, Default)]
pub struct Reader(Arc<RwLock<Catalog>>);

impl Reader {
    /// The catalog of this moment. Hold it for lookups only: the registry waits meanwhile.
    pub fn read(&self) -> RwLockReadGuard<'_, Catalog> {
        // Nobody panics while writing to it half-way: entries are made before.
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// The registry's own access.
    pub(super) fn write(&self) -> std::sync::RwLockWriteGuard<'_, Catalog> {
        self.0.write().unwrap_or_else(PoisonError::into_inner)
    }
}
