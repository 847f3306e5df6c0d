//! The way of a batch: drafted, compiled, committed, published, put into the catalog; only then is it acknowledged.

use std::cmp::Reverse;
use std::collections::HashSet;
use std::panic::resume_unwind;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use tracing::error;

use super::command::{Command, Outcome, Refusal};
use super::draft::{Draft, Due};
use super::history::Entry;
use super::operation::Operation;
use super::parts::Parts;
use super::store::{StoreError, Table, Write};
use super::{Change, META_REVISION, Registry, ahead, compile, now};
use crate::model::ServiceId;
use crate::table::Snapshot;

/// Rows from which on they are written while the tables are made, and not before: for fewer, another thread costs more
/// than it brings.
const APART: usize = 256;
/// How long what could not be done waits to be tried again.
const RETRY: Duration = Duration::from_secs(1);

/// What came of each command of a batch.
type Outcomes = Vec<Result<Outcome, Refusal>>;

impl Registry {
    /// Applies commands in their order, each with the operation it has, if any. All that succeed become one revision,
    /// but for declarations, each of which is one of its own.
    pub(super) fn apply_batch(&mut self, batch: Vec<(Command, Option<Operation>)>) -> Vec<Result<Change, Refusal>> {
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
    pub(super) fn try_observed(
        &mut self,
        batch: Vec<(Command, Option<Operation>)>,
    ) -> Result<(Outcomes, Change), Refusal> {
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

    /// What has been written, or why nothing is any more.
    pub(super) fn written(&mut self, written: Result<(), StoreError>) -> Result<(), String> {
        written.map_err(|error| {
            let reason = error.to_string();
            error!("nothing is written any more, restart the server: {reason}");
            (self.on_failure)(&reason);
            self.broken = Some(reason.clone());
            reason
        })
    }

    /// Lets readers see what is published.
    pub(super) fn acknowledge(&mut self, mut parts: Parts, entry: Entry) {
        for (service, instance) in std::mem::take(&mut parts.released) {
            self.leases.forget(service, instance);
        }
        std::mem::take(&mut parts.renewals).into_iter().for_each(|lease| self.leases.renew(lease));
        parts.install(&mut self.catalog.write(), &entry);
        self.visibility.publish(entry.revision);
        self.history.push(Arc::new(entry));
        self.reach();
    }

    /// Publishes what changed, view by view.
    pub(super) fn publish(&mut self, snapshots: Vec<Option<Snapshot>>) {
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
