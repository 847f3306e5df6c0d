//! The single writer: every channel sends it the same [`Command`]s, and it alone publishes.
//!
//! ```text
//! channels ─▶ Sender ─▶ [registry thread]  draft ─▶ compile ─▶ store (one commit) ─▶ Publisher ─▶ Catalog ─▶ replies
//!                        takes what waits    │ over the catalog                        DNS          readers
//!                                            └─ a refused command leaves no trace in it
//! ```
//!
//! Commands that wait are taken together: they are applied one after the other to a draft, which is compiled into
//! answer tables, committed to the store as one batch, published, put into the [`Catalog`], and only then acknowledged.
//! Whoever has an acknowledged revision finds it after a crash, sees it in DNS and reads it from the catalog. While the
//! store works, the next batch gathers; nothing ever waits for company. Of a large batch, the store writes while the
//! tables are finished, of which nothing can fail any more; it is published when both are done.
//!
//! The thread's time went mostly into waiting for memory: of a million instances, those that change lie all over it. So
//! what a batch will look at is looked at beforehand, much of it at once (`ahead`), and a change looks into no instance
//! but its own ([`Instances`](crate::model::Instances)).

mod ahead;
mod batch;
mod catalog;
mod command;
mod compile;
mod declare;
mod draft;
mod entry;
mod history;
mod import;
mod instances;
mod leases;
mod namespaces;
mod operation;
mod parts;
mod push;
mod quotas;
mod recover;
mod replicate;
mod rows;
mod services;
mod settings;
mod shelf;
mod state_hash;
pub mod store;
mod visibility;
mod whole;
mod withhold;
mod writer;

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

pub use catalog::{Catalog, Reader};
pub use command::{
    Command, CreateNamespace, CreateService, Outcome, Refusal, RegisterInstance, Resource, UpdateNamespace,
    UpdateService,
};
pub use entry::{NamespaceEntry, Owner, ServiceEntry};
pub use history::{Entry, History, InstanceChange};
pub use operation::{Operation, OperationStatus, OperationType, Running};
pub use push::{Push, Pushed, PutNamespace, PutService, ServiceName};
pub use quotas::Quotas;
pub use recover::stored_vpcs;
pub use replicate::Replica;
pub use rows::{check as check_row, decode_operation, rewrite as rewrite_row};
pub use settings::Settings;
pub use state_hash::is_shown;
pub use visibility::Visibility;
pub use withhold::Withhold;
pub use writer::Sender;

use self::draft::Due;
use self::leases::Leases;
use self::store::{Memory, Store, StoreError, Table, Write};
use crate::model::{OperationId, Revision};
use crate::table::{Handle, Publisher, Snapshot};
use crate::wire::Name;

/// Key of the row that holds the revision.
const META_REVISION: &[u8] = b"revision";
/// Operations that are forgotten at once at most, between two batches: a full batch makes as many.
const FORGET: usize = 4096;
/// How often operations past their time are looked for.
const SWEEP_PERIOD: Duration = Duration::from_secs(10);

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Change {
    /// The revision that shows it; the one before where nothing changed.
    pub revision: Revision,
    /// Owner names in the tables.
    pub names: usize,
    /// Registered instances.
    pub instances: usize,
    /// From the start of the command's batch to its visibility.
    pub elapsed: Duration,
    /// What came of it.
    pub outcome: Outcome,
}

/// The state, the tables made from it, and the store under it.
pub struct Registry {
    settings: Settings,
    catalog: Reader,
    publishers: Vec<Publisher>,
    store: Arc<dyn Store>,
    running: Arc<Running>,
    due: BinaryHeap<Reverse<Due>>,
    leases: Leases,
    history: History,
    visibility: Visibility,
    /// The tables, while workers are shown others in their place.
    withheld: Option<Vec<Arc<Snapshot>>>,
    /// Set once a commit has failed.
    broken: Option<String>,
    /// When old operations were last looked for.
    swept: Instant,
    /// Hears of every change, before whoever asked for it.
    observer: Box<dyn Fn(&Change) + Send>,
    /// Hears of the end of all writing.
    on_failure: Box<dyn Fn(&str) + Send>,
}

impl Registry {
    /// An empty registry in memory, whose zones name `name_servers` in their NS records.
    pub fn new(name_servers: Vec<Name>) -> Self {
        let settings = Settings { name_servers, ..Settings::default() };
        // A store in memory has nothing to fail at.
        Self::empty(settings, Arc::new(Memory::default()))
    }

    /// The registry as `store` has it, with all of it in the tables.
    pub fn open(settings: Settings, store: Arc<dyn Store>) -> Result<Self, StoreError> {
        let recovered = recover::recover(&*store)?;
        let mut registry = Self::empty(settings, store);
        registry.running.start_after(recovered.last_operation);
        registry.due = recovered.due.into_iter().map(Reverse).collect();
        let whole = recovered.whole;
        if let Some((one, other)) = whole.clash(&registry) {
            // They were made when their VPCs were told apart.
            return Err(StoreError::Corrupt(format!(
                "namespaces {} and {} are both {}, for the same clients: configure the VPCs (vpcs) that they were made \
                 for",
                one.id, other.id, other.name
            )));
        }
        registry.put_whole(whole).map_err(|refusal| StoreError::Corrupt(refusal.to_string()))?;
        Ok(registry)
    }

    fn empty(settings: Settings, store: Arc<dyn Store>) -> Self {
        let catalog = Reader::default();
        catalog.write().name_servers.clone_from(&settings.name_servers);
        let publishers = (0..settings.views()).map(|_| Publisher::new(Snapshot::new())).collect();
        Self {
            settings,
            catalog,
            publishers,
            store,
            running: Arc::default(),
            due: BinaryHeap::new(),
            leases: Leases::default(),
            history: History::default(),
            visibility: Visibility::default(),
            withheld: None,
            broken: None,
            swept: Instant::now(),
            observer: Box::new(|_| {}),
            on_failure: Box::new(|_| {}),
        }
    }

    /// Has `observer` hear of every change from now on, before whoever asked for it.
    pub fn observe(&mut self, observer: impl Fn(&Change) + Send + 'static) {
        self.observer = Box::new(observer);
    }

    /// Has `observer` hear if the store fails, after which nothing is written any more.
    pub fn observe_failure(&mut self, observer: impl Fn(&str) + Send + 'static) {
        self.on_failure = Box::new(observer);
    }

    /// Access to what is published for everybody.
    pub fn handle(&self) -> Handle {
        self.publishers[0].handle()
    }

    /// Access to what is published in each view: everybody's, then each VPC's.
    pub fn handles(&self) -> Vec<Handle> {
        self.publishers.iter().map(Publisher::handle).collect()
    }

    /// Access to what is acknowledged.
    pub fn catalog(&self) -> Reader {
        self.catalog.clone()
    }

    /// The change log.
    pub fn history(&self) -> History {
        self.history.clone()
    }

    /// Which revision workers have reached.
    pub fn visibility(&self) -> Visibility {
        self.visibility.clone()
    }

    /// Operations on their way.
    pub fn running(&self) -> Arc<Running> {
        Arc::clone(&self.running)
    }

    /// The store, for readers of operations.
    pub fn store(&self) -> Arc<dyn Store> {
        Arc::clone(&self.store)
    }

    /// Applies one command, as a batch of its own.
    pub fn apply(&mut self, command: Command) -> Result<Change, Refusal> {
        let place = self.running.enter(&command, &self.catalog.read(), now())?;
        let operation = place.as_ref().map(operation::Place::take);
        let mut results = self.apply_batch(vec![(command, operation)]);
        results.pop().unwrap_or(Err(Refusal::Stopped))
    }

    /// Tells which revision all workers have reached.
    fn reach(&self) {
        let published = self.visibility.published();
        let held = self.publishers.iter().flat_map(Publisher::held);
        // What a follower held may have been of a greater revision than what it took over since.
        let behind = held.map(|revision| if revision < published { revision } else { published.saturating_sub(1) });
        self.visibility.reach(behind.min().unwrap_or(published));
    }

    /// The tables, one for each view: published, unless they are withheld.
    fn tables(&self) -> Vec<Arc<Snapshot>> {
        if let Some(tables) = &self.withheld {
            return tables.clone();
        }
        self.publishers.iter().map(|publisher| publisher.handle().load()).collect()
    }

    /// Frees what nobody sees any more, and forgets operations past their time.
    fn sweep(&mut self) -> Result<(), StoreError> {
        for publisher in &mut self.publishers {
            publisher.sweep();
        }
        self.reach();
        if self.broken.is_some() || self.swept.elapsed() < SWEEP_PERIOD {
            return Ok(());
        }
        let retention = self.settings.operation_retention.as_millis() as u64;
        let oldest = rows::operation_key(OperationId::first_at(now().saturating_sub(retention)));
        let old = self.store.scan(Table::Operations, &[], false, FORGET)?;
        let old = old.into_iter().map(|(key, _)| key).filter(|key| **key < *oldest);
        let writes: Vec<_> = old.map(|key| Write { table: Table::Operations, key, value: None }).collect();
        if writes.len() < FORGET {
            // With more to forget, it goes on after the next batch: as many go as can come.
            self.swept = Instant::now();
        }
        if writes.is_empty() {
            return Ok(());
        }
        self.commit(&writes).map_err(StoreError::Io)
    }

    /// Writes, or never again.
    fn commit(&mut self, writes: &[Write]) -> Result<(), String> {
        let written = self.store.commit(writes);
        self.written(written)
    }

    /// When the next status turns or lease ends; never, once nothing can be written.
    fn next_due(&self) -> Option<u64> {
        let turn = self.due.peek().map(|due| due.0.at);
        turn.into_iter().chain(self.leases.next()).min().filter(|_| self.broken.is_none())
    }
}

/// This moment, in milliseconds since the epoch.
fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64)
}

#[cfg(test)]
mod tests;
