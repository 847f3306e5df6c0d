//! What a follower takes over from the node that it follows.
//!
//! Ids, revisions and SOA serials are the other node's, so that both answer alike to the serial. Nothing is written:
//! the other node has it, and a follower keeps the last state in a file of its own.
//!
//! Nobody but the registry itself asks a follower for instances. It keeps them frozen, and thaws those of the services
//! that a change concerns for as long as it takes.

use std::collections::HashSet;
use std::sync::Arc;

use super::Registry;
use super::catalog::Catalog;
use super::command::{Outcome, Refusal};
use super::draft::Draft;
use super::entry::{NamespaceEntry, ServiceEntry};
use crate::model::{Instance, Instances, NamespaceId, Revision, ServiceId, ZoneSource};
use crate::wire::Name;

/// Changes of another node, or all that it has.
#[derive(Debug, Default)]
pub struct Replica {
    /// The other node's revision after them.
    pub revision: Revision,
    /// The state hash that they come to.
    pub state_hash: u64,
    /// Whether this is all there is: what is not in it goes.
    pub is_whole: bool,
    /// Names in the NS records and the SOA of the other node's zones, where they are told.
    pub name_servers: Option<Vec<Name>>,
    /// Namespaces that came or changed. Their owner is [`super::Owner::Kept`], because static records may stand beside.
    pub namespaces: Vec<NamespaceEntry>,
    /// Namespaces that went, with everything in them.
    pub removed_namespaces: Vec<NamespaceId>,
    /// Services that came or changed; their instances stay. Where this is all there is, some of their instances may be
    /// in them already.
    pub services: Vec<ServiceEntry>,
    /// Services that went, with their instances.
    pub removed_services: Vec<ServiceId>,
    /// Instances that came or changed.
    pub instances: Vec<(ServiceId, Instance)>,
    /// Instances that went.
    pub removed_instances: Vec<(ServiceId, Box<str>)>,
    /// SOA serials of the namespaces in which anything changed.
    pub serials: Vec<(NamespaceId, u32)>,
    /// Zones of static records: new ones, or `None` for those that went.
    pub zones: Vec<(Name, Option<ZoneSource>)>,
}

impl Replica {
    /// The services of `catalog` in which something may change.
    fn touched(&self, catalog: &Catalog) -> Vec<ServiceId> {
        if self.is_whole {
            let known = catalog.services.keys().copied();
            return known.chain(self.services.iter().map(|entry| entry.id)).collect();
        }
        let namespaces = self.removed_namespaces.iter().chain(self.namespaces.iter().map(|entry| &entry.id));
        let within = namespaces.flat_map(|id| catalog.services_of(*id)).map(|entry| entry.id);
        let services = self.services.iter().map(|entry| entry.id).chain(self.removed_services.iter().copied());
        let instances = self.instances.iter().map(|(id, _)| *id);
        let instances = instances.chain(self.removed_instances.iter().map(|(id, _)| *id));
        let mut touched: Vec<_> = within.chain(services).chain(instances).collect();
        touched.sort();
        touched.dedup();
        touched
    }
}

impl Registry {
    /// Thaws the instances of services in which a replica may change something, and gives their ids.
    pub(super) fn thaw(&self, replica: &Replica) -> Vec<ServiceId> {
        let mut catalog = self.catalog.write();
        let touched = replica.touched(&catalog);
        for id in &touched {
            change_instances(&mut catalog, *id, Instances::thaw);
        }
        touched
    }

    /// Freezes them again.
    pub(super) fn freeze(&self, touched: &[ServiceId]) {
        let mut catalog = self.catalog.write();
        for id in touched {
            change_instances(&mut catalog, *id, Instances::freeze);
        }
    }
}

/// Changes how a service keeps its instances.
fn change_instances(catalog: &mut Catalog, id: ServiceId, change: impl FnOnce(&mut Instances)) {
    // The service at an apex is compiled anew with every change of its namespace.
    if let Some(entry) = catalog.services.get(&id).filter(|entry| &*entry.name != ".") {
        let mut entry = ServiceEntry::clone(entry);
        change(&mut entry.service.instances);
        catalog.services.insert(id, None, Arc::new(entry));
    }
}

impl Draft<'_> {
    /// Takes over what another node has.
    pub(super) fn replicate(&mut self, replica: Replica) -> Result<Outcome, Refusal> {
        let orphan = |what: String| Refusal::Invalid(format!("{what} came without what it belongs to"));
        self.follows = Some(replica.revision);
        self.expected_hash = Some(replica.state_hash);
        self.serials = replica.serials.into_iter().collect();
        self.name_servers = replica.name_servers.filter(|names| *names != self.settings.name_servers);
        self.remove_replicated(&replica.removed_namespaces, &replica.removed_services);
        if replica.is_whole {
            let namespaces: HashSet<_> = replica.namespaces.iter().map(|entry| entry.id).collect();
            let services: HashSet<_> = replica.services.iter().map(|entry| entry.id).collect();
            let gone = self.catalog.namespaces.keys().filter(|id| !namespaces.contains(*id));
            let gone_services = self.catalog.services.keys().filter(|id| !services.contains(*id));
            let (gone, gone_services): (Vec<_>, Vec<_>) = (gone.copied().collect(), gone_services.copied().collect());
            self.remove_replicated(&gone, &gone_services);
        }
        for entry in replica.namespaces {
            if self.namespace(entry.id) != Some(&entry) {
                self.put_namespace(entry);
            }
        }
        for mut entry in replica.services {
            self.namespace(entry.namespace).ok_or_else(|| orphan(format!("service {}", entry.id)))?;
            entry.service.instances.thaw();
            if self.service(entry.id).is_some_and(|known| known.name != entry.name) {
                self.release_name(entry.id);
            }
            if let Some(known) = self.service(entry.id)
                && !replica.is_whole
            {
                entry.service.instances = known.service.instances.clone();
            } else if let Some(known) = self.catalog.services.get(&entry.id) {
                // Those that are there are shared: whoever compares sees at once that they are the same.
                entry.service.instances.share(&known.service.instances);
            }
            self.put_service(entry);
        }
        for (service, id) in replica.removed_instances {
            let known = self.service(service).is_some_and(|entry| entry.service.instances.contains(&id));
            if known && let Some(entry) = self.edit_service(service) {
                entry.service.instances.remove(&id);
            }
        }
        for (service, instance) in replica.instances {
            let before = self.catalog.services.get(&service);
            let same = before.and_then(|entry| entry.service.instances.get(instance.id()));
            // The one that is there is shared: whoever compares sees at once that it is the same.
            let instance = same.filter(|same| ***same == instance).cloned().unwrap_or_else(|| Arc::new(instance));
            let entry = self.edit_service(service).ok_or_else(|| orphan(format!("instance {}", instance.id())))?;
            entry.service.instances.insert(instance);
        }
        if replica.is_whole || !replica.zones.is_empty() {
            let mut zones = if replica.is_whole { Default::default() } else { self.catalog.zones.clone() };
            for (apex, zone) in replica.zones {
                match zone {
                    Some(zone) => zones.insert(apex, zone),
                    None => zones.remove(&apex),
                };
            }
            if zones != self.catalog.zones {
                self.zones = Some(zones);
            }
        }
        Ok(Outcome::Done)
    }

    fn remove_replicated(&mut self, namespaces: &[NamespaceId], services: &[ServiceId]) {
        let within = namespaces.iter().flat_map(|id| self.services_of(*id)).collect::<Vec<_>>();
        for id in within.iter().chain(services) {
            if self.service(*id).is_some() {
                self.remove_service(*id);
            }
        }
        for id in namespaces {
            self.remove_namespace(*id);
        }
    }
}
