//! All of a registry at once: the start from a store, and the first state of a follower.
//!
//! A draft compares what is with what was, entry by entry, and an editor of a table keeps each changed node by its name.
//! Where there was nothing, neither is needed: threads share the services, each makes the nodes and the hashes of its
//! own, and the tables are laid out once. Services that ask for more, such as one whose name has dots, are put through a
//! draft over the tables of the others.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::thread;

use super::command::Refusal;
use super::compile;
use super::draft::Draft;
use super::entry::{NamespaceEntry, ServiceEntry};
use super::history::Entry;
use super::replicate::Replica;
use super::state_hash::Hasher;
use super::{Catalog, Outcome, Registry, now};
use crate::model::{Instances, NamespaceId, Revision, ServiceId};
use crate::table::compile::{Zone, fill_service};
use crate::table::{Fill, Snapshot, finish};
use crate::threads::at_once;
use crate::wire::Name;

/// Services from which on it pays to use all cores.
const PARALLEL_FROM: usize = 1000;

/// All that there is.
#[derive(Default)]
pub(super) struct Whole {
    /// The revision of it.
    pub(super) revision: Revision,
    pub(super) namespaces: Vec<NamespaceEntry>,
    /// Services of these namespaces.
    pub(super) services: Vec<ServiceEntry>,
    /// SOA serials; others are the revision.
    pub(super) serials: HashMap<NamespaceId, u32>,
    /// Leases that begin.
    pub(super) leases: Vec<(ServiceId, Box<str>, u32)>,
    /// Names in the NS records, if they are others than the settings'.
    pub(super) name_servers: Option<Vec<Name>>,
    /// The state hash that it must come to.
    pub(super) expected_hash: Option<u64>,
}

impl Registry {
    /// Whether there is nothing, and so all can be put at once.
    pub(super) fn is_empty(&self) -> bool {
        let catalog = self.catalog.read();
        let is_empty = catalog.namespaces.is_empty() && catalog.services.is_empty() && catalog.zones.is_empty();
        is_empty && self.tables().iter().all(|table| table.names() == 0)
    }

    /// Puts all that there is into a registry that has nothing; nothing is written.
    pub(super) fn put_whole(&mut self, mut whole: Whole) -> Result<(), Refusal> {
        let (name_servers, revision) = (whole.name_servers.clone(), whole.revision);
        let mut tables = self.tables();
        let zones = zones_of(self, &whole.namespaces);
        let made = make(&zones, &tables, &mut whole);
        let is_made = made.is_some();
        let (fresh, mut hashes, is_rest) = made.unwrap_or_else(|| {
            // Some name is there twice: as an editor has it, the last one counts.
            whole.services.iter_mut().for_each(|entry| entry.service.instances.thaw());
            (tables.iter().map(|_| None).collect(), HashMap::new(), vec![true; whole.services.len()])
        });
        for (table, fresh) in tables.iter_mut().zip(fresh) {
            *table = fresh.map_or_else(|| table.clone(), |fresh| fresh.into());
        }
        let nothing = Catalog::default();
        let mut draft = Draft::new(&nothing, &self.settings, &tables, now());
        draft.serials = whole.serials.into_iter().collect();
        draft.name_servers = whole.name_servers;
        whole.namespaces.into_iter().for_each(|entry| draft.put_namespace(entry));
        let mut made = whole.services;
        // Nearly always, nothing has to be moved.
        if is_rest.contains(&true) {
            let (mut rest, mut is_rest) = (Vec::new(), is_rest.into_iter());
            rest.extend(made.extract_if(.., |_| is_rest.next() == Some(true)));
            rest.into_iter().for_each(|entry| draft.put_service(entry));
        }
        for (service, instance, lease) in whole.leases {
            draft.renew(service, &instance, Some(lease));
        }
        let mut compiled = compile::compile(&draft, revision)?;
        let serials = std::mem::take(&mut compiled.serials);
        let keys: Vec<_> = made.iter().map(|entry| key(&draft, entry)).collect();
        let mut parts = draft.into_parts();
        let mut entry = Entry::of(&nothing, &parts, revision, serials, false);
        for (id, _, hash) in &mut entry.hashes {
            *hash = hash.wrapping_add(hashes.remove(id).unwrap_or_default());
        }
        entry.hashes.extend(hashes.into_iter().map(|(id, hash)| (id, 0, hash)));
        entry.is_expected(&nothing, whole.expected_hash)?;
        parts.add_services(made.into_iter().zip(keys));
        let snapshots = compiled.finish().into_iter().zip(&tables).map(|(snapshot, table)| {
            // What nothing was added to is as it was made.
            snapshot.or_else(|| is_made.then(|| Snapshot::clone(table)).filter(|table| table.names() > 0))
        });
        let snapshots = snapshots.collect();
        // Our own hold on a snapshot must not keep it in the list of retired ones.
        drop(tables);
        self.publish(snapshots);
        if let Some(name_servers) = name_servers {
            self.catalog.write().name_servers.clone_from(&name_servers);
            self.settings.name_servers = name_servers;
        }
        self.acknowledge(parts, entry);
        self.history.start(revision);
        Ok(())
    }

    /// Takes over all that another node has, where nothing is known yet; gives it back where that cannot be done here.
    pub(super) fn take_whole(&mut self, mut replica: Box<Replica>) -> Result<Result<Outcome, Refusal>, Box<Replica>> {
        if !replica.is_whole || !replica.zones.is_empty() || !self.is_empty() || !gather_instances(&mut replica) {
            return Err(replica);
        }
        let known: HashSet<NamespaceId> = replica.namespaces.iter().map(|entry| entry.id).collect();
        if replica.services.iter().any(|entry| !known.contains(&entry.namespace)) {
            return Err(replica);
        }
        let replica = *replica;
        let whole = Whole {
            revision: replica.revision,
            namespaces: replica.namespaces,
            services: replica.services,
            serials: replica.serials.into_iter().collect(),
            leases: Vec::new(),
            name_servers: replica.name_servers.filter(|names| *names != self.settings.name_servers),
            expected_hash: Some(replica.state_hash),
        };
        let put = self.put_whole(whole);
        if put.is_ok() {
            // Those that were put through a draft.
            let is_loose = |instances: &Instances| !instances.is_empty() && !instances.is_frozen();
            let catalog = self.catalog.read();
            let loose = catalog.services_after(None).filter(|entry| is_loose(&entry.service.instances));
            let loose: Vec<ServiceId> = loose.map(|entry| entry.id).collect();
            drop(catalog);
            self.freeze(&loose);
        }
        Ok(put.map(|()| Outcome::Done))
    }
}

/// Puts instances that came apart into their services, which are brought into the order of their ids; false where
/// something comes twice, or an instance without its service.
fn gather_instances(replica: &mut Replica) -> bool {
    replica.services.sort_by_key(|entry| entry.id);
    let mut ids: Vec<NamespaceId> = replica.namespaces.iter().map(|entry| entry.id).collect();
    ids.sort();
    if ids.windows(2).any(|pair| pair[0] == pair[1]) || replica.services.windows(2).any(|pair| pair[0].id == pair[1].id)
    {
        return false;
    }
    let ids = |id: &ServiceId| replica.services.binary_search_by_key(id, |entry| entry.id).ok();
    let Some(places) = replica.instances.iter().map(|(id, _)| ids(id)).collect::<Option<Vec<_>>>() else {
        return false;
    };
    for (place, (_, instance)) in places.into_iter().zip(std::mem::take(&mut replica.instances)) {
        let instances = &mut replica.services[place].service.instances;
        instances.thaw();
        instances.insert(instance.into());
    }
    // A piece of a state has its services first and their instances then, so that most come here loose. The service at
    // an apex is compiled anew with every change of its namespace.
    for entry in replica.services.iter_mut().filter(|entry| &*entry.name != ".") {
        entry.service.instances.freeze();
    }
    true
}

/// The key of a service's name.
fn key(draft: &Draft<'_>, entry: &ServiceEntry) -> Box<str> {
    draft.namespace(entry.namespace).map_or_else(|| entry.name.clone(), |owner| owner.service_key(&entry.name))
}

//----------- Parts ----------------------------------------------------------------------------------------------------

/// The zones of namespaces that have one, and their views.
type Zones = HashMap<NamespaceId, Option<(usize, Zone)>>;

fn zones_of(registry: &Registry, namespaces: &[NamespaceEntry]) -> Zones {
    let zone = |entry: &NamespaceEntry| registry.settings.zone(entry).map(|(view, apex)| (view, Zone { apex }));
    namespaces.iter().map(|entry| (entry.id, zone(entry))).collect()
}

/// What a thread makes of its services.
struct Share {
    /// For each view.
    fills: Vec<Fill>,
    instances: Vec<usize>,
    hashes: HashMap<NamespaceId, u64>,
    /// Names directly below the apexes.
    children: HashMap<NamespaceId, u32>,
    /// Which services are left to a draft.
    is_rest: Vec<bool>,
}

impl Share {
    /// That of `services`.
    fn of(services: &mut [ServiceEntry], zones: &Zones, tables: &[Arc<Snapshot>]) -> Self {
        let mut share = Self {
            fills: tables.iter().map(|table| Fill::new(table)).collect(),
            instances: vec![0; tables.len()],
            hashes: HashMap::new(),
            children: HashMap::new(),
            is_rest: Vec::with_capacity(services.len()),
        };
        let mut hasher = Hasher::default();
        for entry in services {
            let frozen = entry.service.instances.is_frozen().then(|| entry.service.instances.clone());
            entry.service.instances.thaw();
            let is_put = share.put(entry, zones);
            share.is_rest.push(!is_put);
            if is_put {
                let instances = entry.service.instances.iter().map(|one| hasher.instance(entry.id, one));
                let instances = instances.fold(0, u64::wrapping_add);
                let hash = instances.wrapping_add(hasher.service(entry));
                let sum = share.hashes.entry(entry.namespace).or_default();
                *sum = sum.wrapping_add(hash);
                if let Some(frozen) = frozen {
                    entry.service.instances = frozen;
                }
            }
        }
        share
    }

    /// Puts the names of a service, unless they take more than that.
    fn put(&mut self, entry: &ServiceEntry, zones: &Zones) -> bool {
        let view = match zones.get(&entry.namespace) {
            // The draft tells what is wrong.
            None => return false,
            Some(None) => 0,
            Some(Some((view, zone))) => {
                let Some(fill) = self.fills.get_mut(*view) else { return false };
                match fill_service(fill, zone, &entry.name, &entry.service) {
                    Ok(Some(names)) => *self.children.entry(entry.namespace).or_default() += names,
                    Ok(None) | Err(_) => return false,
                }
                *view
            }
        };
        if let Some(count) = self.instances.get_mut(view) {
            *count += entry.service.instances.len();
        }
        true
    }
}

/// The tables, hashes of namespaces, and which services are not in them.
type Made = (Vec<Option<Snapshot>>, HashMap<NamespaceId, u64>, Vec<bool>);

/// Makes tables of the services that ask for nothing more; `None` where two names are the same.
fn make(zones: &Zones, tables: &[Arc<Snapshot>], whole: &mut Whole) -> Option<Made> {
    let services = &mut whole.services[..];
    let threads = if services.len() < PARALLEL_FROM { 1 } else { cores() };
    let length = services.len().div_ceil(threads).max(1);
    let mut shares = if threads == 1 {
        vec![Share::of(services, zones, tables)]
    } else {
        at_once(services.chunks_mut(length).map(|part| move || Share::of(part, zones, tables)))
    };
    let mut hashes: HashMap<NamespaceId, u64> = HashMap::new();
    let mut children: HashMap<NamespaceId, u32> = HashMap::new();
    for share in &shares {
        for (id, hash) in &share.hashes {
            let sum = hashes.entry(*id).or_default();
            *sum = sum.wrapping_add(*hash);
        }
        for (id, names) in &share.children {
            *children.entry(*id).or_default() += names;
        }
    }
    // Whatever is put at an apex keeps how many names lie below.
    for (id, names) in children.into_iter().filter(|(_, names)| *names > 0) {
        if let (Some(Some((view, zone))), Some(share)) = (zones.get(&id), shares.first_mut()) {
            share.fills.get_mut(*view)?.put_place(zone.apex.as_wire(), 0, names);
        }
    }
    let is_rest = shares.iter().flat_map(|share| &share.is_rest).copied().collect();
    let mut by_view: Vec<Vec<Fill>> = tables.iter().map(|_| Vec::new()).collect();
    let mut instances = vec![0; tables.len()];
    for share in shares {
        by_view.iter_mut().zip(share.fills).for_each(|(fills, fill)| fills.push(fill));
        instances.iter_mut().zip(share.instances).for_each(|(sum, count)| *sum += count);
    }
    let parts = tables.iter().zip(by_view).zip(instances);
    let snapshots = parts.map(|((base, fills), instances)| finish(base, &fills, whole.revision, instances).map(Some));
    Some((snapshots.collect::<Option<_>>()?, hashes, is_rest))
}

/// How many threads can work at once.
fn cores() -> usize {
    thread::available_parallelism().map_or(1, usize::from)
}

impl Whole {
    /// Two namespaces whose zones are the same for the same clients, if there are such.
    pub(super) fn clash(&self, registry: &Registry) -> Option<(&NamespaceEntry, &NamespaceEntry)> {
        let mut apexes: HashMap<(usize, Name), &NamespaceEntry> = HashMap::new();
        self.namespaces.iter().find_map(|entry| {
            let zone = registry.settings.zone(entry)?;
            apexes.insert(zone, entry).map(|other| (other, entry))
        })
    }
}
