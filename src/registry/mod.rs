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
use std::collections::{BinaryHeap, HashSet};
use std::panic::resume_unwind;
use std::sync::Arc;
use std::thread;
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

use tracing::error;

use self::draft::{Draft, Due, Parts};
use self::leases::Leases;
use self::store::{Memory, Store, StoreError, Table, Write};
use crate::model::{OperationId, Revision, ServiceId};
use crate::table::{Handle, Publisher, Snapshot};
use crate::wire::Name;

/// Key of the row that holds the revision.
const META_REVISION: &[u8] = b"revision";
/// Operations that are forgotten at once at most, between two batches: a full batch makes as many.
const FORGET: usize = 4096;
/// Rows from which on they are written while the tables are made, and not before: for fewer, another thread costs more
/// than it brings.
const APART: usize = 256;
/// How long what could not be done waits to be tried again.
const RETRY: Duration = Duration::from_secs(1);
/// How often operations past their time are looked for.
const SWEEP_PERIOD: Duration = Duration::from_secs(10);

/// What came of each command of a batch.
type Outcomes = Vec<Result<Outcome, Refusal>>;

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

    /// Applies commands in their order, each with the operation it has, if any. All that succeed become one revision,
    /// but for declarations, each of which is one of its own.
    fn apply_batch(&mut self, batch: Vec<(Command, Option<Operation>)>) -> Vec<Result<Change, Refusal>> {
        let mut results = Vec::new();
        let mut batch = batch.into_iter().peekable();
        while let Some(first) = batch.next() {
            // A declaration that is refused half-way, or that no tables can be made of, must not touch the others.
            let is_alone = first.0.is_declaration();
            let mut part = vec![first];
            while !is_alone && let Some(next) = batch.next_if(|(next, _)| !next.is_declaration()) {
                part.push(next);
            }
            results.append(&mut self.apply_part(part));
        }
        results
    }

    /// Applies a declaration, or commands none of which is one.
    fn apply_part(&mut self, part: Vec<(Command, Option<Operation>)>) -> Vec<Result<Change, Refusal>> {
        let count = part.len();
        match self.try_observed(part) {
            Ok((outcomes, change)) => {
                let change = |outcome| Change { outcome, ..change };
                outcomes.into_iter().map(|outcome| outcome.map(change)).collect()
            }
            Err(refusal) => vec![Err(refusal); count],
        }
    }

    /// [`Self::try_batch`], of which the observer hears; with what it came to.
    fn try_observed(&mut self, batch: Vec<(Command, Option<Operation>)>) -> Result<(Outcomes, Change), Refusal> {
        let start = Instant::now();
        let before = self.catalog.read().revision;
        let outcomes = self.try_batch(batch)?;
        let (revision, instances) = {
            let catalog = self.catalog.read();
            (catalog.revision, catalog.instances)
        };
        let names = self.tables().iter().map(|table| table.names()).sum();
        let change = Change { revision, names, instances, elapsed: start.elapsed(), outcome: Outcome::Done };
        if revision != before {
            (self.observer)(&change);
        }
        Ok((outcomes, change))
    }

    /// Drafts, compiles, commits, publishes. An error is everybody's.
    fn try_batch(&mut self, mut batch: Vec<(Command, Option<Operation>)>) -> Result<Outcomes, Refusal> {
        if let Some(reason) = &self.broken {
            return Err(Refusal::Store(reason.clone()));
        }
        if let [(Command::Replicate(replica), _)] = &mut *batch {
            match self.take_whole(std::mem::take(replica)) {
                Ok(outcome) => return outcome.map(|outcome| vec![Ok(outcome)]),
                Err(other) => *replica = other,
            }
            let touched = self.thaw(replica);
            let result = self.try_drafted(batch);
            self.freeze(&touched);
            return result;
        }
        self.try_drafted(batch)
    }

    /// [`Self::try_batch`] of anything.
    fn try_drafted(&mut self, batch: Vec<(Command, Option<Operation>)>) -> Result<Outcomes, Refusal> {
        if let [(Command::Withhold(what), _)] = &*batch {
            self.withhold(*what);
            return Ok(vec![Ok(Outcome::Done)]);
        }
        let now = now();
        let tables = self.tables();
        let catalog = self.catalog.read();
        let mut draft = Draft::new(&catalog, &self.settings, &tables, now);
        let mut turned = Vec::new();
        while let Some(due) = self.due.peek().filter(|due| due.0.at <= now).cloned() {
            draft.turn_status(&due.0);
            turned.push(due);
            self.due.pop();
        }
        let mut outcomes = Vec::with_capacity(batch.len());
        let mut commands = batch.into_iter();
        loop {
            if outcomes.len() % ahead::TOGETHER == 0 {
                let next = commands.as_slice();
                draft.look_ahead(next.get(..ahead::TOGETHER).unwrap_or(next));
            }
            let Some((command, operation)) = commands.next() else { break };
            let is_declaration = command.is_declaration();
            let outcome = draft.apply(command, operation);
            if is_declaration && outcome.is_err() {
                // Part of it may be in the draft, which goes. What is due comes again.
                self.due.extend(turned);
                return Ok(vec![outcome]);
            }
            outcomes.push(outcome);
        }
        // After the commands, among which may be renewals.
        let expired = self.leases.expired(now);
        if !expired.is_empty() {
            let renewed = draft.renewals.iter().map(|one| (one.service, one.instance.clone()));
            let renewed: HashSet<(ServiceId, Box<str>)> = renewed.collect();
            for due in expired.iter().filter(|due| !renewed.contains(&(due.service, due.instance.clone()))) {
                draft.expire_instance(due.service, &due.instance);
            }
        }
        if draft.is_empty() && catalog.revision != 0 {
            draft.renewals.into_iter().for_each(|lease| self.leases.renew(lease));
            return Ok(outcomes);
        }
        let revision = draft.follows.unwrap_or(catalog.revision + 1);
        let mut compiled = match compile::compile(&draft, revision) {
            Ok(compiled) => compiled,
            Err(refusal) => {
                self.due.extend(turned);
                // Not at once again, lest it be all that is done.
                let later = now + RETRY.as_millis() as u64;
                expired.into_iter().for_each(|due| self.leases.renew(Due { at: later, ..due }));
                return Err(refusal);
            }
        };
        compile::settle(&mut draft.zones);
        let mut rows = draft.rows();
        let (follows, expected_hash) = (draft.follows.is_some(), draft.expected_hash);
        let name_servers = draft.name_servers.take();
        let mut parts = draft.into_parts();
        // Also where nothing else is to be written: serials and instances revisions follow it, and never go back.
        let value = Some(revision.to_be_bytes().into());
        rows.push(Write { table: Table::Meta, key: META_REVISION.into(), value });
        let serials = std::mem::take(&mut compiled.serials);
        let make = || {
            let entry = Entry::of(&catalog, &parts, revision, serials, !follows);
            entry.is_expected(&catalog, expected_hash).map(|()| (compiled.finish(), entry))
        };
        let (made, written) = if follows || rows.len() < APART {
            let made = make()?;
            (Ok(made), self.store.commit(&rows))
        } else {
            // What is left to be made cannot be refused any more, and takes about as long as the store does.
            thread::scope(|scope| {
                let thread = thread::Builder::new().name("registry-store".into());
                let written = thread.spawn_scoped(scope, || self.store.commit(&rows));
                let made = make();
                let written = match written {
                    Ok(written) => written.join().unwrap_or_else(|panic| resume_unwind(panic)),
                    // No more threads: one after the other, then.
                    Err(_) => self.store.commit(&rows),
                };
                (made, written)
            })
        };
        // Our own hold on a snapshot must not keep it in the list of retired ones.
        drop((catalog, tables));
        self.written(written).map_err(Refusal::Store)?;
        let (snapshots, entry) = made?;
        self.publish(snapshots);
        if let Some(name_servers) = name_servers {
            self.catalog.write().name_servers.clone_from(&name_servers);
            self.settings.name_servers = name_servers;
        }
        self.due.extend(std::mem::take(&mut parts.due).into_iter().map(Reverse));
        self.acknowledge(parts, entry);
        if follows {
            // The other node has the log. Ours would but take room, and lack what changed.
            self.history.start(revision);
        }
        Ok(outcomes)
    }

    /// Lets readers see what is published.
    fn acknowledge(&mut self, mut parts: Parts, entry: Entry) {
        for (service, instance) in std::mem::take(&mut parts.released) {
            self.leases.forget(service, instance);
        }
        std::mem::take(&mut parts.renewals).into_iter().for_each(|lease| self.leases.renew(lease));
        parts.install(&mut self.catalog.write(), &entry);
        self.visibility.publish(entry.revision);
        self.history.push(Arc::new(entry));
        self.reach();
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

    /// Publishes what changed, view by view.
    fn publish(&mut self, snapshots: Vec<Option<Snapshot>>) {
        if let Some(tables) = &mut self.withheld {
            for (table, snapshot) in tables.iter_mut().zip(snapshots) {
                *table = snapshot.map_or_else(|| Arc::clone(table), Arc::new);
            }
            return;
        }
        for (publisher, snapshot) in self.publishers.iter_mut().zip(snapshots) {
            if let Some(snapshot) = snapshot {
                publisher.publish(snapshot);
            }
        }
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

    /// What has been written, or why nothing is any more.
    fn written(&mut self, written: Result<(), StoreError>) -> Result<(), String> {
        written.map_err(|error| {
            let reason = error.to_string();
            error!("nothing is written any more, restart the server: {reason}");
            (self.on_failure)(&reason);
            self.broken = Some(reason.clone());
            reason
        })
    }

    /// When the next status turns or lease ends; never, once nothing can be written.
    fn next_due(&self) -> Option<u64> {
        let turn = self.due.peek().map(|due| due.0.at);
        turn.into_iter().chain(self.leases.next()).min().filter(|_| self.broken.is_none())
    }
}

impl Draft<'_> {
    /// Applies one command.
    fn apply(&mut self, command: Command, operation: Option<Operation>) -> Result<Outcome, Refusal> {
        match (command, operation) {
            (Command::Declare(state), _) => self.declare(state),
            (Command::Import(state), _) => self.import(state),
            (Command::CreateNamespace(create), Some(operation)) => self.create_namespace(create, operation),
            (Command::UpdateNamespace(update), Some(operation)) => self.update_namespace(update, Some(operation)),
            (Command::DeleteNamespace(id), Some(operation)) => self.delete_namespace(id, Some(operation)),
            (Command::CreateService(create), _) => self.create_service(create),
            (Command::UpdateService(update), Some(operation)) => self.update_service(update, Some(operation)),
            (Command::DeleteService(id), _) => self.delete_service(id),
            (Command::PutServiceAttributes(id, attributes), _) => self.put_service_attributes(id, &attributes),
            (Command::RemoveServiceAttributes(id, keys), _) => self.remove_service_attributes(id, &keys),
            (Command::RegisterInstance(register), Some(operation)) => self.register_instance(register, Some(operation)),
            (Command::DeregisterInstance(id, instance), Some(operation)) => {
                self.deregister_instance(id, &instance, Some(operation))
            }
            (Command::SetCustomHealth(id, instance, status), _) => self.set_custom_health(id, &instance, status),
            (Command::SetProbedHealth(id, instance, status), _) => self.set_probed_health(id, &instance, status),
            (Command::Tag(resource, tags), _) => self.change_tags(resource, |before| before.merged(tags.iter())),
            (Command::Push(push), _) => self.push(push),
            (Command::Replicate(replica), _) => self.replicate(*replica),
            // The registry has done it; the draft has no part in it.
            (Command::Withhold(_), _) => Ok(Outcome::Done),
            (Command::Untag(resource, keys), _) => self.change_tags(resource, |before| before.without(&keys)),
            // Only these have no place while they wait: their namespace is gone.
            (Command::UpdateNamespace(update), None) => Err(Refusal::NoNamespace(update.id.to_string())),
            (Command::DeleteNamespace(id), None) => Err(Refusal::NoNamespace(id.to_string())),
            (Command::CreateNamespace(_) | Command::UpdateService(_), None)
            | (Command::RegisterInstance(_) | Command::DeregisterInstance(..), None) => Err(Refusal::Stopped),
        }
    }
}

/// This moment, in milliseconds since the epoch.
fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64)
}

#[cfg(test)]
mod tests;
