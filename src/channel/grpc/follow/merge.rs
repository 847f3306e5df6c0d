//! Many revisions as one: of each thing only what it came to.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use prost::Message;

use super::choice::{Choice, Followed};
use super::{MESSAGE, shown};
use crate::channel::grpc::proto::{Changes, Instance as ShownInstance, InstanceName, Serial};
use crate::model::{Instance, NamespaceId, Revision, ServiceId};
use crate::registry::{Entry, NamespaceEntry, ServiceEntry};

/// Changes after which no further revision is taken in.
const FULL: usize = 4096;

/// What happened to a namespace or a service.
struct Fate<T> {
    /// It went, whether or not it came again.
    went: bool,
    /// What it is, if that changed.
    now: Option<Arc<T>>,
}

impl<T> Default for Fate<T> {
    fn default() -> Self {
        Self { went: false, now: None }
    }
}

/// What happened in a service.
struct OfService {
    namespace: NamespaceId,
    fate: Fate<ServiceEntry>,
    /// Instances by their ids; `None`: gone.
    instances: HashMap<Box<str>, Option<Arc<Instance>>>,
}

impl OfService {
    fn new(namespace: NamespaceId) -> Self {
        Self { namespace, fate: Fate::default(), instances: HashMap::new() }
    }
}

/// What some revisions changed for one follower.
#[derive(Default)]
pub(super) struct Merged {
    namespaces: BTreeMap<NamespaceId, Fate<NamespaceEntry>>,
    services: HashMap<ServiceId, OfService>,
    serials: BTreeMap<NamespaceId, u32>,
    count: usize,
}

impl Merged {
    /// Takes in the next revision, as far as it concerns the follower of `choice`; `followed` are the namespaces that
    /// there are of it, and `hash` their state hash before. Returns the state hash after it.
    pub(super) fn add(&mut self, entry: &Entry, choice: &Choice, followed: &mut Followed, hash: u64) -> u64 {
        for (id, now) in &entry.namespaces {
            if now.as_ref().is_some_and(|now| choice.has(now)) {
                followed.insert(*id);
            }
        }
        let mut hash = hash;
        for (_, before, after) in entry.hashes.iter().filter(|(id, ..)| followed.has(*id)) {
            hash = hash.wrapping_sub(*before).wrapping_add(*after);
        }
        for (id, now) in &entry.namespaces {
            match now {
                Some(now) if followed.has(*id) => {
                    self.namespaces.entry(*id).or_default().now = Some(Arc::clone(now));
                    self.count += 1;
                }
                None if followed.remove(*id) => {
                    self.namespaces.insert(*id, Fate { went: true, now: None });
                    // All that was in it goes with it.
                    self.services.retain(|_, service| service.namespace != *id);
                    self.serials.remove(id);
                    self.count += 1;
                }
                _ => {}
            }
        }
        for (id, namespace, now) in entry.services.iter().filter(|(_, namespace, _)| followed.has(*namespace)) {
            let service = self.services.entry(*id).or_insert_with(|| OfService::new(*namespace));
            service.fate.now.clone_from(now);
            if now.is_none() {
                service.fate.went = true;
                service.instances.clear();
            }
            self.count += 1;
        }
        for change in entry.instances.iter().filter(|change| followed.has(change.namespace)) {
            let service = self.services.entry(change.service).or_insert_with(|| OfService::new(change.namespace));
            service.instances.insert(change.id().into(), change.after.clone());
            self.count += 1;
        }
        for (id, serial) in entry.serials.iter().filter(|(id, _)| followed.has(*id)) {
            self.serials.insert(*id, *serial);
            self.count += 1;
        }
        // The static records of zones will be taken in here, by their apexes (`entry.zones`).
        hash
    }

    /// Whether nothing concerns the follower.
    pub(super) fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Whether it makes messages enough.
    pub(super) fn is_full(&self) -> bool {
        self.count >= FULL
    }

    /// The messages that tell of it: all but the last say that more follow. `hash` is that of what is followed, at
    /// `revision`.
    pub(super) fn messages(self, revision: Revision, hash: u64) -> impl Iterator<Item = Changes> {
        let items = self.namespaces.into_iter().flat_map(of_namespace);
        let items = items.chain(self.services.into_iter().flat_map(|(id, service)| of_service(id, service)));
        let serials = self.serials.into_iter();
        let serials = serials.map(|(id, serial)| Serial { namespace: shown::id(id.as_bytes()), serial }).collect();
        Messages { revision, hash, serials, items: items.peekable(), is_done: false }
    }
}

/// One thing that a message tells of.
enum Item {
    Namespace(Arc<NamespaceEntry>),
    RemovedNamespace(NamespaceId),
    Service(Arc<ServiceEntry>),
    RemovedService(ServiceId),
    Instance(ShownInstance),
    RemovedInstance(InstanceName),
}

fn of_namespace((id, fate): (NamespaceId, Fate<NamespaceEntry>)) -> impl Iterator<Item = Item> {
    let went = fate.went.then_some(Item::RemovedNamespace(id));
    went.into_iter().chain(fate.now.map(Item::Namespace))
}

fn of_service(id: ServiceId, service: OfService) -> impl Iterator<Item = Item> {
    let OfService { fate, instances, .. } = service;
    let octets = shown::id(id.as_bytes());
    // Of one that went, the instances went with it.
    let is_removal = fate.went;
    let went = fate.went.then_some(Item::RemovedService(id));
    let instances = instances.into_iter().filter_map(move |(id, instance)| match instance {
        Some(instance) => Some(Item::Instance(shown::instance(octets.clone(), &instance))),
        None if is_removal => None,
        None => Some(Item::RemovedInstance(InstanceName { service: octets.clone(), id: id.into() })),
    });
    went.into_iter().chain(fate.now.map(Item::Service)).chain(instances)
}

/// The messages still to come.
struct Messages<I: Iterator> {
    revision: Revision,
    hash: u64,
    serials: Vec<Serial>,
    items: std::iter::Peekable<I>,
    is_done: bool,
}

impl<I: Iterator<Item = Item>> Iterator for Messages<I> {
    type Item = Changes;

    fn next(&mut self) -> Option<Changes> {
        if self.is_done {
            return None;
        }
        let mut changes = Changes { revision: self.revision, ..Changes::default() };
        let mut size = 0;
        while size < MESSAGE
            && let Some(item) = self.items.next()
        {
            size += put(&mut changes, item);
        }
        if self.items.peek().is_some() {
            changes.more = true;
        } else {
            self.is_done = true;
            changes.state_hash = self.hash;
            changes.serials = std::mem::take(&mut self.serials);
            for namespace in &mut changes.namespaces {
                // They are in the order of the ids.
                let at = changes.serials.binary_search_by(|known| known.namespace.cmp(&namespace.id));
                namespace.serial = at.ok().and_then(|at| changes.serials.get(at)).map_or(0, |known| known.serial);
            }
        }
        Some(changes)
    }
}

/// Puts an item into its list; how many octets it takes there, about.
fn put(changes: &mut Changes, item: Item) -> usize {
    /// Octets of a removal: an id, and what goes before it.
    const ID: usize = 20;
    match item {
        Item::Namespace(entry) => {
            changes.namespaces.push(shown::namespace(&entry, 0));
            changes.namespaces.last().map_or(0, Message::encoded_len) + 4
        }
        Item::RemovedNamespace(id) => {
            changes.removed_namespaces.push(shown::id(id.as_bytes()));
            ID
        }
        Item::Service(entry) => {
            changes.services.push(shown::service(&entry));
            changes.services.last().map_or(0, Message::encoded_len) + 4
        }
        Item::RemovedService(id) => {
            changes.removed_services.push(shown::id(id.as_bytes()));
            ID
        }
        Item::Instance(instance) => {
            let size = instance.encoded_len() + 4;
            changes.instances.push(instance);
            size
        }
        Item::RemovedInstance(name) => {
            let size = name.encoded_len() + 4;
            changes.removed_instances.push(name);
            size
        }
    }
}
