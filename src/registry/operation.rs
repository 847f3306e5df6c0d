//! Operations: Cloud Map's handles of what takes its time.
//!
//! An operation is stored with the change it made, in one commit, and acknowledged once DNS shows the change: whoever
//! has its id finds it done. While it is on its way, others can see it here ([`Running`]), and whoever wants to change
//! the same thing is told which operation is in the way.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::catalog::Catalog;
use super::command::{Command, Outcome, Refusal};
use crate::model::{NamespaceId, OperationId, ServiceId};

/// What an operation does (API model `OperationType`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum OperationType {
    /// `CREATE_NAMESPACE`.
    CreateNamespace,
    /// `DELETE_NAMESPACE`.
    DeleteNamespace,
    /// `UPDATE_NAMESPACE`.
    UpdateNamespace,
    /// `UPDATE_SERVICE`.
    UpdateService,
    /// `REGISTER_INSTANCE`.
    RegisterInstance,
    /// `DEREGISTER_INSTANCE`.
    DeregisterInstance,
}

/// How far an operation is (API model `OperationStatus`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum OperationStatus {
    /// It waits for the registry.
    Submitted,
    /// The registry works on it.
    Pending,
    /// It is done: durable, and in DNS.
    Success,
    /// It failed; nothing has changed.
    Fail,
}

/// An operation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Operation {
    /// Its id, which also says when it was submitted.
    pub id: OperationId,
    /// What it does.
    pub operation_type: OperationType,
    /// How far it is.
    pub status: OperationStatus,
    /// When the status last changed, in milliseconds since the epoch.
    pub updated: u64,
    /// The namespace that it changes, or in which it changes something.
    pub namespace: Option<NamespaceId>,
    /// The service that it changes, or in which it changes an instance.
    pub service: Option<ServiceId>,
    /// The instance.
    pub instance: Option<Box<str>>,
    /// Why it failed: a code of the API model, and a text.
    pub error: Option<(Box<str>, Box<str>)>,
}

/// What an operation holds, so that no second one changes it meanwhile.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Held {
    /// All namespaces of a name, in lower case.
    Namespace(Box<str>),
    /// A service.
    Service(ServiceId),
    /// An instance.
    Instance(ServiceId, Box<str>),
}

/// The operations on their way.
#[derive(Default)]
pub struct Running {
    last: AtomicU64,
    all: Mutex<All>,
}

#[derive(Default)]
struct All {
    held: HashMap<Held, Arc<Ticket>>,
    /// Operations that came to nothing after somebody had been told of them: no store has them.
    unstored: VecDeque<Operation>,
}

/// So many of them are kept; whoever was told of one asks soon.
const UNSTORED_MAX: usize = 1000;
/// The error code of an operation that the registry refused (API model `Operation$ErrorCode`).
const REFUSED: &str = "INVALID_CHANGE_BATCH";

/// One of them.
struct Ticket {
    operation: Operation,
    /// Whether the registry works on it.
    taken: AtomicBool,
    /// Whether somebody who wanted to change the same has been told of it.
    told: AtomicBool,
}

/// A place among the operations on their way, given up when dropped.
pub(super) struct Place {
    running: Arc<Running>,
    held: Held,
    ticket: Arc<Ticket>,
    /// What to say of the operation if it is not in the store.
    unstored: Option<Operation>,
}

impl Running {
    /// No id is given out again that is not after `last`.
    pub(super) fn start_after(&self, last: OperationId) {
        self.last.fetch_max(last.0, Ordering::Relaxed);
    }

    /// The next id, at `now` or later.
    fn next_id(&self, now: u64) -> OperationId {
        let first = OperationId::first_at(now).0;
        let mut id = 0;
        let _ = self.last.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |last| {
            id = first.max(last + 1);
            Some(id)
        });
        OperationId(id)
    }

    /// A place for `command`, if it is one that takes its time; refused where another holds the same.
    pub(super) fn enter(
        self: &Arc<Self>,
        command: &Command,
        catalog: &Catalog,
        now: u64,
    ) -> Result<Option<Place>, Refusal> {
        let name = |id: NamespaceId| {
            let entry = catalog.namespace(id)?;
            Some(Held::Namespace(entry.name.to_ascii_lowercase().into()))
        };
        let (held, operation_type, namespace, service, instance) = match command {
            Command::CreateNamespace(create) => {
                let held = Held::Namespace(create.name.to_ascii_lowercase().into());
                (Some(held), OperationType::CreateNamespace, None, None, None)
            }
            Command::UpdateNamespace(update) => {
                (name(update.id), OperationType::UpdateNamespace, Some(update.id), None, None)
            }
            Command::DeleteNamespace(id) => (name(*id), OperationType::DeleteNamespace, Some(*id), None, None),
            Command::UpdateService(update) => {
                (Some(Held::Service(update.id)), OperationType::UpdateService, None, Some(update.id), None)
            }
            Command::RegisterInstance(register) => {
                let held = Held::Instance(register.service, register.id.clone());
                let (service, instance) = (Some(register.service), Some(register.id.clone()));
                (Some(held), OperationType::RegisterInstance, None, service, instance)
            }
            Command::DeregisterInstance(service, id) => {
                let held = Held::Instance(*service, id.clone());
                (Some(held), OperationType::DeregisterInstance, None, Some(*service), Some(id.clone()))
            }
            _ => return Ok(None),
        };
        // What is not there will be refused.
        let Some(held) = held else { return Ok(None) };
        let mut all = self.lock();
        if let Some(other) = all.held.get(&held) {
            other.told.store(true, Ordering::Relaxed);
            return Err(Refusal::Duplicate(other.operation.id));
        }
        let status = OperationStatus::Submitted;
        let id = self.next_id(now);
        let operation =
            Operation { id, operation_type, status, updated: now, namespace, service, instance, error: None };
        let ticket = Arc::new(Ticket { operation, taken: AtomicBool::new(false), told: AtomicBool::new(false) });
        all.held.insert(held.clone(), Arc::clone(&ticket));
        drop(all);
        Ok(Some(Place { running: Arc::clone(self), held, ticket, unstored: None }))
    }

    /// The operation of this id, if it is on its way, or was and is in no store.
    pub fn find(&self, id: OperationId) -> Option<Operation> {
        let all = self.lock();
        let running = all.held.values().find(|ticket| ticket.operation.id == id).map(|ticket| ticket.shown());
        running.or_else(|| all.unstored.iter().find(|operation| operation.id == id).cloned())
    }

    /// All on their way, in the order of their ids.
    pub fn list(&self) -> Vec<Operation> {
        let mut all: Vec<_> = self.lock().held.values().map(|ticket| ticket.shown()).collect();
        all.sort_by_key(|operation| operation.id);
        all
    }

    fn lock(&self) -> MutexGuard<'_, All> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Ticket {
    /// The operation as others see it.
    fn shown(&self) -> Operation {
        let mut operation = self.operation.clone();
        if self.taken.load(Ordering::Relaxed) {
            operation.status = OperationStatus::Pending;
        }
        operation
    }
}

impl Place {
    /// The operation, which the registry works on from now on.
    pub(super) fn take(&self) -> Operation {
        self.ticket.taken.store(true, Ordering::Relaxed);
        self.ticket.operation.clone()
    }

    /// Takes in what came of it. Refused, or answered by an earlier operation, it is not stored; those who were told
    /// of it can still ask how it ended.
    pub(super) fn end(&mut self, result: Result<Outcome, &Refusal>, now: u64) {
        let operation = &self.ticket.operation;
        let (status, error) = match result {
            Ok(Outcome::Operation(id)) if id == operation.id => return,
            Ok(_) => (OperationStatus::Success, None),
            Err(refusal) => (OperationStatus::Fail, Some((REFUSED.into(), refusal.to_string().into()))),
        };
        self.unstored = Some(Operation { status, error, updated: now, ..operation.clone() });
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut all = self.running.lock();
        all.held.remove(&self.held);
        let Some(operation) = self.unstored.take().filter(|_| self.ticket.told.load(Ordering::Relaxed)) else { return };
        if all.unstored.len() == UNSTORED_MAX {
            all.unstored.pop_front();
        }
        all.unstored.push_back(operation);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::registry::command::CreateNamespace;

    #[test]
    fn whoever_is_told_of_an_operation_can_ask_how_it_ended() {
        let running = Arc::new(Running::default());
        let create = Command::CreateNamespace(CreateNamespace { name: "n".into(), ..CreateNamespace::default() });
        let enter = || running.enter(&create, &Catalog::default(), 5_000);
        let status = |id| running.find(id).map(|operation| operation.status);

        let mut first = enter().unwrap().unwrap();
        let Err(Refusal::Duplicate(id)) = enter() else { panic!("two hold the same") };
        assert_eq!(status(id), Some(OperationStatus::Submitted));
        first.end(Err(&Refusal::NoResource), 6_000);
        drop(first);
        assert_eq!(status(id), Some(OperationStatus::Fail));
        assert!(running.list().is_empty(), "it is over");

        // Nobody was told of the next, and the one after it is in the store.
        let mut second = enter().unwrap().unwrap();
        let unknown = second.take().id;
        second.end(Err(&Refusal::NoResource), 6_000);
        drop(second);
        assert_eq!(status(unknown), None);
        let mut third = enter().unwrap().unwrap();
        let stored = third.take().id;
        assert_eq!(enter().err(), Some(Refusal::Duplicate(stored)));
        third.end(Ok(Outcome::Operation(stored)), 6_000);
        drop(third);
        assert_eq!(status(stored), None);
    }
}
