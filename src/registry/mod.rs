//! The single writer: every channel sends it the same [`Command`]s, and it alone publishes.
//!
//! A command is applied to the state, compiled into the answer table and published before its caller hears of it:
//! whoever has an acknowledged revision sees it in DNS. A refused command changes nothing.
//!
//! ```text
//! channels ─▶ Sender ─▶ [registry thread] ─▶ state ─▶ table::compile ─▶ Publisher ─▶ views of the workers
//! ```

mod diff;
pub mod store;

use std::thread;
use std::time::{Duration, Instant};

use tokio::sync::{mpsc, oneshot};

use crate::model::{Revision, State};
use crate::table::{Handle, Publisher, Snapshot};
use crate::wire::{Name, NameError};

/// Commands that wait at most; a channel that sends faster is slowed down.
const QUEUE: usize = 1024;
/// How often retired snapshots are looked at while nothing happens.
const SWEEP_INTERVAL: Duration = Duration::from_millis(250);

/// A wish sent to the registry.
#[derive(Debug)]
pub enum Command {
    /// What the declaration files say, all of it: it takes the place of what they said before.
    Declare(State),
}

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Change {
    /// The revision that shows it; the one before where nothing changed.
    pub revision: Revision,
    /// Owner names in the table.
    pub names: usize,
    /// Registered instances.
    pub instances: usize,
    /// From the command's start to its visibility.
    pub elapsed: Duration,
}

/// Why a command was refused. Nothing has changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// A name cannot stand in DNS.
    #[error("namespace {namespace}: {fault}")]
    Name {
        /// The namespace.
        namespace: Box<str>,
        /// What is wrong.
        fault: NameError,
    },
    /// A zone is said to have changed, and its records are not at hand.
    #[error("zone {apex} comes without its records")]
    NoRecords {
        /// The zone.
        apex: Name,
    },
    /// The registry has ended.
    #[error("the registry has stopped")]
    Stopped,
}

//----------- Registry ---------------------------------------------------------------------------------------

/// The state and the table made from it.
pub struct Registry {
    state: State,
    revision: Revision,
    publisher: Publisher,
    name_servers: Vec<Name>,
}

impl Registry {
    /// An empty registry whose zones name `name_servers` in their NS records.
    pub fn new(name_servers: Vec<Name>) -> Self {
        Self { state: State::default(), revision: 0, publisher: Publisher::new(Snapshot::new()), name_servers }
    }

    /// Access to what is published.
    pub fn handle(&self) -> Handle {
        self.publisher.handle()
    }

    /// The state as of the last command.
    pub fn state(&self) -> &State {
        &self.state
    }

    /// Applies `command` and publishes what comes of it.
    pub fn apply(&mut self, command: Command) -> Result<Change, Refusal> {
        let start = Instant::now();
        let Command::Declare(next) = command;
        let current = self.publisher.handle().load();
        let mut snapshot = None;
        if next != self.state || self.revision == 0 {
            let revision = self.revision + 1;
            snapshot = Some(diff::compile(&current, &self.state, &next, revision, &self.name_servers)?);
            (self.state, self.revision) = (next, revision);
            // The table has them now.
            self.state.zones.values_mut().for_each(|source| source.zone = None);
        }
        // Our own hold on the current snapshot must not keep it in the list of retired ones.
        drop(current);
        if let Some(snapshot) = snapshot {
            self.publisher.publish(snapshot);
        }
        let current = self.publisher.handle().load();
        Ok(Change {
            revision: self.revision,
            names: current.names(),
            instances: current.instances(),
            elapsed: start.elapsed(),
        })
    }

    /// Runs the registry on a thread of its own, until every [`Sender`] is gone.
    pub fn spawn(mut self) -> std::io::Result<(Sender, thread::JoinHandle<()>)> {
        let (sender, mut receiver) = mpsc::channel::<Request>(QUEUE);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build()?;
        let serve = move || {
            runtime.block_on(async move {
                loop {
                    match tokio::time::timeout(SWEEP_INTERVAL, receiver.recv()).await {
                        Ok(Some((command, reply))) => {
                            // A caller that no longer waits still has its command applied.
                            let _ = reply.send(self.apply(command));
                        }
                        Ok(None) => return,
                        Err(_elapsed) => {
                            self.publisher.sweep();
                        }
                    }
                }
            });
        };
        let thread = thread::Builder::new().name("registry".into()).spawn(serve)?;
        Ok((Sender(sender), thread))
    }
}

/// A command with the place to which its result goes.
type Request = (Command, oneshot::Sender<Result<Change, Refusal>>);

/// A channel's access to the registry.
#[derive(Clone)]
pub struct Sender(mpsc::Sender<Request>);

impl Sender {
    /// Sends `command` and waits until it is visible, or refused.
    pub async fn send(&self, command: Command) -> Result<Change, Refusal> {
        let (reply, result) = oneshot::channel();
        self.0.send((command, reply)).await.map_err(|_| Refusal::Stopped)?;
        result.await.map_err(|_| Refusal::Stopped)?
    }

    /// [`Self::send`] for threads that may block; not for tasks.
    pub fn send_blocking(&self, command: Command) -> Result<Change, Refusal> {
        let (reply, result) = oneshot::channel();
        self.0.blocking_send((command, reply)).map_err(|_| Refusal::Stopped)?;
        result.blocking_recv().map_err(|_| Refusal::Stopped)?
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{DnsRecord, Instance, Namespace, RecordType, Service};

    /// A namespace `z.test` with services of one A record, each with as many instances as said.
    fn state(services: &[(&str, u8)]) -> State {
        let mut namespace = Namespace::default();
        for (name, instances) in services {
            let mut service =
                Service { dns_records: vec![DnsRecord { record_type: RecordType::A, ttl: 10 }], ..Service::default() };
            for number in 0..*instances {
                let address = format!("10.0.0.{number}");
                let attributes = crate::model::Attributes::from_pairs([("AWS_INSTANCE_IPV4", &*address)]);
                service.instances.insert(format!("i-{number}").into(), Instance { attributes, ..Instance::default() });
            }
            namespace.services.insert((*name).into(), service);
        }
        State { namespaces: [("z.test".into(), namespace)].into(), ..State::default() }
    }

    fn addresses(registry: &Registry, name: &str) -> Option<usize> {
        let snapshot = registry.handle().load();
        Some(snapshot.find_name(&Name::parse(name).unwrap())?.set(1)?.count())
    }

    #[test]
    fn a_declaration_replaces_the_one_before() {
        let mut registry = Registry::new(Vec::new());
        let change = registry.apply(Command::Declare(state(&[("a", 2), ("b", 1)]))).unwrap();
        assert_eq!((change.revision, change.names, change.instances), (1, 3, 3));
        assert_eq!(addresses(&registry, "a.z.test"), Some(2));

        let change = registry.apply(Command::Declare(state(&[("a", 1), ("c", 4)]))).unwrap();
        assert_eq!((change.revision, change.names, change.instances), (2, 3, 5));
        assert_eq!(addresses(&registry, "a.z.test"), Some(1));
        assert_eq!(addresses(&registry, "b.z.test"), None);
        assert_eq!(addresses(&registry, "c.z.test"), Some(4));

        let change = registry.apply(Command::Declare(state(&[("a", 1), ("c", 4)]))).unwrap();
        assert_eq!(change.revision, 2, "the same again is no change");

        let change = registry.apply(Command::Declare(State::default())).unwrap();
        assert_eq!((change.revision, change.names, change.instances), (3, 0, 0));
    }

    #[test]
    fn a_service_may_take_over_the_name_of_an_instance() {
        let mut registry = Registry::new(Vec::new());
        let mut first = state(&[("z", 1)]);
        let srv = DnsRecord { record_type: RecordType::Srv, ttl: 10 };
        let services = &mut first.namespaces.get_mut("z.test").unwrap().services;
        services.get_mut("z").unwrap().dns_records = vec![srv];
        registry.apply(Command::Declare(first)).unwrap();
        assert_eq!(addresses(&registry, "i-0.z.z.test"), Some(1));

        registry.apply(Command::Declare(state(&[("i-0.z", 3), ("z", 1)]))).unwrap();
        assert_eq!(addresses(&registry, "i-0.z.z.test"), Some(3));
    }

    #[test]
    fn a_refused_command_changes_nothing() {
        let mut registry = Registry::new(Vec::new());
        registry.apply(Command::Declare(state(&[("a", 1)]))).unwrap();
        let bad = state(&[("a", 2), (&"x".repeat(64), 1)]);
        assert!(matches!(registry.apply(Command::Declare(bad)), Err(Refusal::Name { .. })));
        assert_eq!(addresses(&registry, "a.z.test"), Some(1));
        assert_eq!(registry.handle().load().revision(), 1);
    }

    #[tokio::test]
    async fn a_command_is_visible_when_it_is_acknowledged() {
        let registry = Registry::new(Vec::new());
        let handle = registry.handle();
        let (sender, thread) = registry.spawn().unwrap();
        let change = sender.send(Command::Declare(state(&[("a", 1)]))).await.unwrap();
        assert_eq!(handle.load().revision(), change.revision);
        drop(sender);
        thread.join().unwrap();
    }
}
