//! Changes beside the queries: instances that get new addresses all the time, and how soon DNS shows them.
//!
//! ```text
//! changer ─▶ registry (gRPC, or AWS's API) ─▶ acknowledgement ─▶ versions ─▶ are answers fresh?
//!    └─ now and then a change ─▶ prober asks DNS for it until it shows ─▶ how soon
//! ```
//!
//! The services that are changed are made for it in a namespace of their own, and taken away in the end: those of a
//! declaration are the file's. The prober asks as often as it gets an answer, one query at a time.

mod api;
mod grpc;
mod probe;
pub(super) mod versions;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread::{self, JoinHandle, sleep};
use std::time::Duration;

use self::probe::{Probe, Seen};
use super::pace::Schedule;
use super::plan::LoadError;
use super::report;
use super::tally::{Clock, histogram, latency};
use crate::agent::GrpcSettings;
use crate::client::{Client, ClientError};

pub use versions::Versions;

/// Changes that are looked for in DNS at a time, beyond the one that is being looked for: it would be late for the
/// prober's fault.
const QUEUE: usize = 1;
/// How long a changer sleeps at most before it looks whether the run is to end.
const NAP: Duration = Duration::from_millis(50);

/// Through what changes are made.
pub enum Way {
    /// Our own channel: one stream of batches.
    Grpc(Box<GrpcSettings>),
    /// AWS's API.
    Api(Arc<Client>),
}

/// Changes to make.
pub struct ChurnPlan {
    /// Changes a second.
    pub rate: f64,
    /// Through what.
    pub way: Way,
    /// The addresses, which queries are checked against.
    pub versions: Arc<Versions>,
}

/// Why changes cannot be made.
#[derive(Debug, thiserror::Error)]
enum ChurnError {
    /// The channel refused or failed.
    #[error("gRPC: {}", .0.message())]
    Grpc(#[from] tonic::Status),
    /// A command was refused.
    #[error("gRPC: {0}")]
    Refused(String),
    /// The channel cannot be reached as the settings say.
    #[error("{0:#}")]
    Settings(anyhow::Error),
    /// The API refused or failed.
    #[error(transparent)]
    Api(#[from] ClientError),
    /// A socket or a thread.
    #[error(transparent)]
    Io(#[from] std::io::Error),
    /// Somebody ended the run.
    #[error("the run was ended while they were prepared")]
    Stopped,
    /// DNS does not show what the registry has.
    #[error("{0} does not show service {1} of the namespace that was made; does it serve this registry?")]
    NotShown(SocketAddr, u32),
}

impl From<ChurnError> for LoadError {
    fn from(error: ChurnError) -> Self {
        Self::Churn(error.to_string())
    }
}

/// One change.
#[derive(Clone, Copy, Debug)]
struct Change {
    service: u32,
    instance: u32,
    version: u32,
    /// When it was due, in nanoseconds on the run's clock.
    due: u64,
}

/// A change that was acknowledged.
#[derive(Clone, Copy, Debug)]
struct Acknowledged {
    change: Change,
    at: u64,
}

/// What a changer did.
#[derive(Default)]
struct Changed {
    acknowledged: Vec<Acknowledged>,
    failed: u64,
}

/// An error once the run is to end.
fn go_on(stop: &AtomicBool) -> Result<(), ChurnError> {
    if stop.load(Ordering::Relaxed) { Err(ChurnError::Stopped) } else { Ok(()) }
}

/// What a changer needs.
struct Changer {
    versions: Arc<Versions>,
    clock: Clock,
    /// When changes begin.
    begin: u64,
    schedule: Schedule,
    /// Takes a change now and then, which is looked for, and when it was handed over.
    wanted: SyncSender<(Change, u64)>,
    stop: Arc<AtomicBool>,
}

impl Changer {
    /// When change `number` is due; `None` after the last one.
    fn due(&self, number: u64) -> Option<u64> {
        (number < self.schedule.count(u64::MAX)).then(|| self.begin + self.schedule.due(number))
    }

    /// Sleeps until `due`; false, and sooner, if the run is to end.
    fn wait(&self, due: u64) -> bool {
        while !self.stop.load(Ordering::Relaxed) {
            match due.saturating_sub(self.clock.now()) {
                0 => return true,
                left => sleep(Duration::from_nanos(left).min(NAP)),
            }
        }
        false
    }

    /// The next version of one instance of the services from `first` on, each `step`th.
    fn pick(&self, due: u64, first: u32, step: u32) -> Change {
        let count = (self.versions.services() - first).div_ceil(step);
        let service = first + fastrand::u32(..count) * step;
        let instance = fastrand::u32(..versions::INSTANCES);
        Change { service, instance, version: self.versions.next(service, instance), due }
    }

    /// Hands a change over to be looked for, unless another one is: it would be late for no fault of the server's.
    fn look_for(&self, change: Change) {
        let _ = self.wanted.try_send((change, self.clock.now()));
    }

    /// A change was acknowledged.
    fn acknowledge(&self, change: Change) -> Acknowledged {
        let at = self.clock.now();
        self.versions.acknowledge(change.service, change.instance, change.version, at);
        Acknowledged { change, at }
    }
}

/// Changes that are prepared: namespace, services and instances are there.
pub(super) struct Churn {
    rate: f64,
    versions: Arc<Versions>,
    registry: Registry,
    server: SocketAddr,
    clock: Clock,
}

/// The registry, as it is reached.
enum Registry {
    Grpc(Arc<grpc::Grpc>),
    Api(Arc<api::Api>),
}

impl Churn {
    /// Makes the namespace and what is in it, and waits until DNS shows it. What was made is taken away again if that fails,
    /// and if `stop` becomes true meanwhile.
    pub(super) fn prepare(
        plan: &ChurnPlan,
        server: SocketAddr,
        clock: Clock,
        stop: &AtomicBool,
    ) -> Result<Self, LoadError> {
        let services = plan.versions.services();
        let registry = match &plan.way {
            Way::Grpc(settings) => Registry::Grpc(Arc::new(grpc::Grpc::prepare(settings, services, stop)?)),
            Way::Api(client) => Registry::Api(Arc::new(api::Api::prepare(Arc::clone(client), services, stop)?)),
        };
        let churn = Self { rate: plan.rate, versions: Arc::clone(&plan.versions), registry, server, clock };
        if let Err(error) = Probe::new(server).and_then(|probe| probe.wait_for_all(services, stop)) {
            // The first error is the one to tell.
            let _ = churn.clean_up();
            return Err(error.into());
        }
        Ok(churn)
    }

    /// Begins to change at `begin`.
    pub(super) fn start(&self, duration: Duration, begin: u64, stop: &Arc<AtomicBool>) -> Changing {
        let (wanted, to_look_for) = sync_channel(QUEUE);
        let (server, clock) = (self.server, self.clock);
        let prober = thread::spawn(move || Ok(Probe::new(server)?.look(&to_look_for, clock)));
        let changers = match &self.registry {
            Registry::Grpc(_) => 1,
            Registry::Api(_) => (self.versions.services() as usize).min(api::THREADS),
        };
        let changers = (0..changers).map(|index| {
            let changer = Changer {
                versions: Arc::clone(&self.versions),
                clock,
                begin,
                schedule: Schedule::new(self.rate, duration, index, changers),
                wanted: wanted.clone(),
                stop: Arc::clone(stop),
            };
            match &self.registry {
                Registry::Grpc(grpc) => {
                    let (grpc, rate) = (Arc::clone(grpc), self.rate);
                    thread::spawn(move || grpc.change(changer, rate))
                }
                Registry::Api(api) => {
                    let (api, step) = (Arc::clone(api), changers as u32);
                    thread::spawn(move || Ok(api.change(&changer, index as u32, step)))
                }
            }
        });
        Changing { rate: self.rate, changers: changers.collect(), prober }
    }

    /// Takes away what was made.
    pub(super) fn clean_up(self) -> Result<(), LoadError> {
        let services = self.versions.services();
        match self.registry {
            Registry::Grpc(grpc) => Ok(grpc.clean_up(services)?),
            Registry::Api(api) => Ok(api.clean_up()?),
        }
    }
}

/// Changes that are being made.
pub(super) struct Changing {
    rate: f64,
    changers: Vec<JoinHandle<Result<Changed, ChurnError>>>,
    prober: JoinHandle<Result<Vec<Seen>, ChurnError>>,
}

impl Changing {
    /// Waits for the last change, and sums up.
    pub(super) fn finish(self) -> Result<report::Churn, LoadError> {
        let mut churn = report::Churn { rate: self.rate, ..report::Churn::default() };
        let (mut acknowledgement, mut shown, mut visible) = (histogram(), histogram(), histogram());
        let mut acknowledged = std::collections::HashMap::new();
        for changer in self.changers {
            let changed = changer.join().map_err(|_| LoadError::Panic)??;
            churn.failed += changed.failed;
            for Acknowledged { change, at } in changed.acknowledged {
                churn.acknowledged += 1;
                acknowledgement.saturating_record(at.saturating_sub(change.due));
                acknowledged.insert((change.service, change.instance, change.version), at);
            }
        }
        for Seen { change, at } in self.prober.join().map_err(|_| LoadError::Panic)?? {
            let Some(at) = at else {
                churn.failed += 1;
                continue;
            };
            shown.saturating_record(at.saturating_sub(change.due));
            if let Some(acknowledged) = acknowledged.get(&(change.service, change.instance, change.version)) {
                visible.saturating_record(at.saturating_sub(*acknowledged));
            }
        }
        churn.shown = latency(&shown);
        churn.visible = latency(&visible);
        churn.acknowledgement = latency(&acknowledgement);
        Ok(churn)
    }
}
