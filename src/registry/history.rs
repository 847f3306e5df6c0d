//! The change log: what the last revisions changed, for those who follow.
//!
//! It lies in memory and is bounded by the number of changes; whoever asks for a revision that has fallen out of it
//! takes the full state instead. Entries share what they tell of with the catalog.

use std::collections::{BTreeSet, VecDeque};
use std::sync::{Arc, PoisonError, RwLock};

use tokio::sync::watch;

use super::ahead;
use super::catalog::Catalog;
use super::command::Refusal;
use super::entry::{NamespaceEntry, ServiceEntry};
use super::parts::{Parts, ServiceChange};
use super::state_hash::Hasher;
use crate::model::{Instance, Instances, NamespaceId, Revision, ServiceId};
use crate::wire::Name;

/// Changes that are held at most; at ten thousand a second, those of some ten seconds.
const CHANGES: usize = 100_000;

/// What one revision changed.
#[derive(Debug, Default)]
pub struct Entry {
    /// The revision.
    pub revision: Revision,
    /// New SOA serials of zones in which anything changed.
    pub serials: Vec<(NamespaceId, u32)>,
    /// State hashes of the namespaces in which anything changed, before and after.
    pub hashes: Vec<(NamespaceId, u64, u64)>,
    /// Namespaces that came or changed; `None`: gone, with everything in it.
    pub namespaces: Vec<(NamespaceId, Option<Arc<NamespaceEntry>>)>,
    /// Services that came or changed, instances aside; `None`: gone, with all of its instances.
    pub services: Vec<(ServiceId, NamespaceId, Option<Arc<ServiceEntry>>)>,
    /// Instances that came, changed or went.
    pub instances: Vec<InstanceChange>,
    /// Zones of static records that came, changed or went.
    pub zones: Vec<Name>,
}

/// What happened to an instance.
#[derive(Clone, Debug)]
pub struct InstanceChange {
    /// Its service.
    pub service: ServiceId,
    /// Its namespace.
    pub namespace: NamespaceId,
    /// As it was; `None`: it came.
    pub before: Option<Arc<Instance>>,
    /// As it is; `None`: it went.
    pub after: Option<Arc<Instance>>,
}

impl InstanceChange {
    /// Its id.
    pub fn id(&self) -> &str {
        self.after.as_ref().or(self.before.as_ref()).map_or("", |instance| instance.id())
    }
}

impl Entry {
    /// What the log holds on its account.
    fn cost(&self) -> usize {
        1 + self.serials.len() + self.namespaces.len() + self.services.len() + self.instances.len()
    }

    /// What `parts` change in `catalog`. Where all is new (`details` is false), nobody follows from before, and the
    /// hashes alone are told.
    pub(super) fn of(
        catalog: &Catalog,
        parts: &Parts,
        revision: Revision,
        serials: Vec<(NamespaceId, u32)>,
        details: bool,
    ) -> Self {
        let mut hasher = Hasher::default();
        let mut sums = Sums::default();
        let mut entry = Self { revision, serials, ..Self::default() };
        for (id, after) in &parts.namespaces {
            let before = catalog.namespaces.get(id).map_or(0, |before| hasher.namespace(before));
            let hash = after.as_ref().map_or(0, |after| hasher.namespace(after));
            sums.change(*id, before, hash);
            if details && before != hash {
                entry.namespaces.push((*id, after.clone()));
            }
        }
        let known = |change: &ServiceChange| catalog.services.known(change.place?, &change.id);
        for (at, change) in parts.services.iter().enumerate() {
            if at % ahead::TOGETHER == 0 {
                let next = parts.services.iter().skip(at).take(ahead::TOGETHER);
                ahead::glance_at(next.clone().filter_map(known).chain(next.filter_map(|one| one.after.as_ref())));
            }
            let (id, before, after) = (&change.id, known(change), change.after.as_ref());
            let Some(namespace) = after.or(before).map(|one| one.namespace) else { continue };
            // Most changes are of instances alone.
            let is_same = |(before, after): (&Arc<ServiceEntry>, &Arc<ServiceEntry>)| {
                change.is_registered || before.shows_as(after)
            };
            if !before.zip(after).is_some_and(is_same) {
                let old = before.map_or(0, |one| hasher.service(one));
                let new = after.map_or(0, |one| hasher.service(one));
                sums.change(namespace, old, new);
                if details && old != new {
                    entry.services.push((*id, namespace, after.cloned()));
                }
            }
            for (old, new) in Instances::differences(instances(before), instances(after)) {
                let removed = old.map_or(0, |one| hasher.instance(*id, one));
                let added = new.map_or(0, |one| hasher.instance(*id, one));
                sums.change(namespace, removed, added);
                // A follower knows nothing of an instance but what DNS shows, and forgets those of a service that went.
                if details && removed != added && after.is_some() {
                    let (before, after) = (old.cloned(), new.cloned());
                    entry.instances.push(InstanceChange { service: *id, namespace, before, after });
                }
            }
        }
        entry.hashes = sums.onto(catalog);
        if let Some(zones) = &parts.zones {
            let differs = |apex: &&Name| catalog.zones.get(*apex) != zones.get(*apex);
            let known: BTreeSet<&Name> = catalog.zones.keys().chain(zones.keys()).collect();
            entry.zones = known.into_iter().filter(differs).cloned().collect();
        }
        entry
    }

    /// Refused where the state hash of everything would not be what it must be.
    pub(super) fn is_expected(&self, catalog: &Catalog, expected: Option<u64>) -> Result<(), Refusal> {
        let Some(expected) = expected else { return Ok(()) };
        let known = catalog.hashes.values().fold(0, |sum: u64, hash| sum.wrapping_add(*hash));
        let change = |sum: u64, (_, before, after): &(_, u64, u64)| sum.wrapping_sub(*before).wrapping_add(*after);
        let found = self.hashes.iter().fold(known, change);
        if found == expected { Ok(()) } else { Err(Refusal::Diverged { expected, found }) }
    }
}

/// The instances of a service, if there is one.
fn instances(entry: Option<&Arc<ServiceEntry>>) -> &Instances {
    const NONE: &Instances = &Instances::EMPTY;
    entry.map_or(NONE, |entry| &entry.service.instances)
}

/// By how much the hashes of namespaces change.
#[derive(Default)]
struct Sums(foldhash::HashMap<NamespaceId, u64>);

impl Sums {
    /// Takes one hash away and adds another; 0 stands for nothing.
    fn change(&mut self, namespace: NamespaceId, before: u64, after: u64) {
        let sum = self.0.entry(namespace).or_default();
        *sum = sum.wrapping_sub(before).wrapping_add(after);
    }

    /// The hashes of those that change, before and after.
    fn onto(self, catalog: &Catalog) -> Vec<(NamespaceId, u64, u64)> {
        let changed = self.0.into_iter().filter(|(_, sum)| *sum != 0);
        let known = |id| catalog.hashes.get(&id).copied().unwrap_or_default();
        changed.map(|(id, sum)| (id, known(id), known(id).wrapping_add(sum))).collect()
    }
}

//----------- History -------------------------------------------------------------------------------------------------

/// Access to the change log; clones are cheap.
#[derive(Clone)]
pub struct History {
    log: Arc<RwLock<Log>>,
    newest: watch::Sender<Revision>,
}

#[derive(Default)]
struct Log {
    entries: VecDeque<Arc<Entry>>,
    cost: usize,
    /// The revision before the first entry.
    start: Revision,
}

impl Default for History {
    fn default() -> Self {
        Self { log: Arc::default(), newest: watch::Sender::new(0) }
    }
}

impl History {
    /// What changed after `revision`, at most so many entries, the oldest first; `None` if that is not known any more,
    /// or is yet to come.
    pub fn since(&self, revision: Revision, most: usize) -> Option<Vec<Arc<Entry>>> {
        let log = self.log.read().unwrap_or_else(PoisonError::into_inner);
        if revision < log.start || revision > *self.newest.borrow() {
            return None;
        }
        let at = log.entries.partition_point(|entry| entry.revision <= revision);
        Some(log.entries.range(at..).take(most).cloned().collect())
    }

    /// Tells of new revisions; it holds the newest.
    pub fn watch(&self) -> watch::Receiver<Revision> {
        self.newest.subscribe()
    }

    /// Begins at `revision`, of which nobody can follow what was before.
    pub(super) fn start(&self, revision: Revision) {
        let mut log = self.log.write().unwrap_or_else(PoisonError::into_inner);
        *log = Log { start: revision, ..Log::default() };
        self.newest.send_replace(revision);
    }

    /// Takes in what a revision changed, once readers of the catalog see it.
    pub(super) fn push(&self, entry: Arc<Entry>) {
        let revision = entry.revision;
        let mut log = self.log.write().unwrap_or_else(PoisonError::into_inner);
        log.cost += entry.cost();
        log.entries.push_back(entry);
        while log.cost > CHANGES
            && let Some(oldest) = log.entries.pop_front()
        {
            log.cost -= oldest.cost();
            log.start = oldest.revision;
        }
        drop(log);
        self.newest.send_replace(revision);
    }
}
