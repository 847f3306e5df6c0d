//! What a draft comes to, entry by entry, and how it gets into the catalog.

use std::collections::BTreeMap;
use std::sync::Arc;

use foldhash::HashMap;

use super::ahead;
use super::catalog::Catalog;
use super::draft::Due;
use super::entry::{NamespaceEntry, ServiceEntry};
use super::history::Entry;
use crate::model::{HealthCheck, NamespaceId, ServiceId, ZoneSource};
use crate::wire::Name;

/// What becomes of a service.
pub(super) struct ServiceChange {
    pub(super) id: ServiceId,
    /// Where the catalog has it, if it does.
    pub(super) place: Option<u32>,
    /// As it will be; `None`: it goes.
    pub(super) after: Option<Arc<ServiceEntry>>,
    /// Whether nothing changes but that instances are registered in it.
    pub(super) is_registered: bool,
}

impl ServiceChange {
    /// Puts the change into the catalog.
    fn install(self, catalog: &mut Catalog) {
        let Self { id, place, after, is_registered: _ } = self;
        match after.as_ref().map(|entry| &entry.service.health_check) {
            Some(HealthCheck::Probe(_)) => catalog.probed.insert(id),
            _ => !catalog.probed.is_empty() && catalog.probed.remove(&id),
        };
        let count = |entry: Option<&ServiceEntry>| entry.map_or(0, |entry| entry.service.instances.len());
        let (now, ttl) = (count(after.as_deref()), after.as_ref().map_or(0, |entry| entry.greatest_ttl()));
        let before = match after {
            Some(entry) => catalog.services.insert(id, place, entry),
            None => catalog.services.remove(&id),
        };
        if let Some(before) = before.as_ref().filter(|before| before.greatest_ttl() > ttl) {
            catalog.note_former_ttl(id, before.greatest_ttl());
        }
        catalog.instances = catalog.instances + now - count(before.as_deref());
    }
}

/// What a draft comes to.
pub(super) struct Parts {
    pub(super) namespaces: Vec<(NamespaceId, Option<Arc<NamespaceEntry>>)>,
    pub(super) services: Vec<ServiceChange>,
    pub(super) names: HashMap<(NamespaceId, Box<str>), Option<ServiceId>>,
    /// Names of services that came beside the draft.
    pub(super) keys: Vec<(NamespaceId, Box<str>, ServiceId)>,
    pub(super) http_names: HashMap<Box<str>, Option<NamespaceId>>,
    pub(super) apexes: HashMap<(usize, Name), Option<NamespaceId>>,
    pub(super) zones: Option<BTreeMap<Name, ZoneSource>>,
    /// Statuses that turn later.
    pub(super) due: Vec<Due>,
    /// Leases that begin anew.
    pub(super) renewals: Vec<Due>,
    /// Instances that have no lease any more.
    pub(super) released: Vec<(ServiceId, Box<str>)>,
}

impl Parts {
    /// Adds services that came beside the draft, in the order of their ids, with the keys of their names.
    pub(super) fn add_services(&mut self, services: impl Iterator<Item = (ServiceEntry, Box<str>)>) {
        for (entry, key) in services {
            self.keys.push((entry.namespace, key, entry.id));
            let id = entry.id;
            self.services.push(ServiceChange { id, place: None, after: Some(Arc::new(entry)), is_registered: false });
        }
    }

    /// Puts the changes into the catalog.
    pub(super) fn install(self, catalog: &mut Catalog, entry: &Entry) {
        catalog.revision = entry.revision;
        for (id, _, hash) in &entry.hashes {
            catalog.hashes.insert(*id, *hash);
        }
        for (id, serial) in &entry.serials {
            catalog.serials.insert(*id, *serial);
        }
        for (id, entry) in self.namespaces {
            match entry {
                Some(entry) => drop(catalog.namespaces.insert(id, entry)),
                None => {
                    catalog.namespaces.remove(&id);
                    catalog.names.remove(&id);
                    catalog.hashes.remove(&id);
                    catalog.serials.remove(&id);
                }
            }
        }
        let mut services = self.services.into_iter();
        while !services.as_slice().is_empty() {
            let next = services.as_slice();
            let next = next.get(..ahead::TOGETHER).unwrap_or(next);
            ahead::look_at(next.iter().filter_map(|change| catalog.services.known(change.place?, &change.id)));
            services.by_ref().take(ahead::TOGETHER).for_each(|change| change.install(catalog));
        }
        let mut keys = self.keys;
        keys.sort_unstable();
        let mut keys = keys.into_iter().peekable();
        while let Some((namespace, key, id)) = keys.next() {
            let others = std::iter::from_fn(|| keys.next_if(|(of, ..)| *of == namespace));
            // A map of what is in order already is made at once.
            let mut names: BTreeMap<_, _> =
                [(key, id)].into_iter().chain(others.map(|(_, key, id)| (key, id))).collect();
            catalog.names.entry(namespace).or_default().append(&mut names);
        }
        for ((namespace, key), id) in self.names {
            match id {
                Some(id) => drop(catalog.names.entry(namespace).or_default().insert(key, id)),
                None => drop(catalog.names.get_mut(&namespace).and_then(|names| names.remove(&key))),
            }
        }
        for (name, id) in self.http_names {
            match id {
                Some(id) => catalog.http_names.insert(name, id),
                None => catalog.http_names.remove(&name),
            };
        }
        for (key, id) in self.apexes {
            match id {
                Some(id) => catalog.apexes.insert(key, id),
                None => catalog.apexes.remove(&key),
            };
        }
        if let Some(zones) = self.zones {
            catalog.zones = zones;
        }
    }
}
