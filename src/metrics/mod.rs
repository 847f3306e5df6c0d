//! What is counted, by whom, and its Prometheus names.
//!
//! `counters` holds what workers and connections write while they answer; each worker has a block of its own,
//! so that counting shares no cache line. [`Metrics`] hands the blocks out, owns what the cold side writes, and
//! sums everything when it is scraped (`exposition`). Nothing here is a setting, and nothing reads a clock but
//! [`Metrics::new`].
//!
//! Names follow the conventions of Prometheus: prefix `fingerpost_`, base units (seconds, octets), `_total` for
//! counters; a label has few values, known at compile time.

use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use prometheus::TextEncoder;
use prometheus::core::Collector;

use crate::follow::Status;

mod api;
mod counters;
mod exposition;
mod families;
mod follow;
mod forward;
mod grpc;
mod state;
mod transfer;

use crate::registry::{Reader, Visibility};
pub use api::ApiCounters;
pub use counters::{Close, DeferredCounters, Refusal, SharedCounters, TcpCounters, WorkerCounters};
use counters::{Histogram, fetch_add, nanoseconds};
#[cfg(test)]
pub(crate) use exposition::connections;
pub use forward::{ForwardCounters, Forwarded, UpstreamState};
pub use grpc::{GrpcCounters, Resync};
pub use transfer::{Notified, Signature, TransferCounters, TransferKind, TransferRefusal};

/// Owner of every counter of one server.
pub struct Metrics {
    workers: Mutex<Vec<Arc<WorkerCounters>>>,
    shared: Arc<SharedCounters>,
    tcp: Arc<TcpCounters>,
    deferred: Arc<DeferredCounters>,
    forward: OnceLock<Arc<ForwardCounters>>,
    api: Arc<ApiCounters>,
    api_tcp: Arc<TcpCounters>,
    grpc: Arc<GrpcCounters>,
    grpc_tcp: Arc<TcpCounters>,
    transfers: Arc<TransferCounters>,
    snapshot: SnapshotGauges,
    publish: PublishHistogram,
    declaration: DeclarationCounters,
    state: state::StateGauges,
    follow: OnceLock<Arc<Status>>,
    started: Duration,
}

/// What the published snapshot holds.
#[derive(Default)]
struct SnapshotGauges {
    revision: AtomicU64,
    names: AtomicU64,
    instances: AtomicU64,
}

/// Time to compile and publish a change: bounds from 1.024 µs to 1.07 s.
type PublishHistogram = Histogram<10, 22>;

/// How the declaration files fare.
#[derive(Default)]
struct DeclarationCounters {
    loads: AtomicU64,
    failed: AtomicU64,
    faults: AtomicU64,
}

impl Metrics {
    /// Everything at zero; the process counts as started now.
    pub fn new() -> Self {
        Self {
            workers: Mutex::default(),
            shared: Arc::default(),
            tcp: Arc::default(),
            deferred: Arc::default(),
            forward: OnceLock::new(),
            api: Arc::default(),
            api_tcp: Arc::default(),
            grpc: Arc::default(),
            grpc_tcp: Arc::default(),
            transfers: Arc::default(),
            snapshot: SnapshotGauges::default(),
            publish: Histogram::default(),
            declaration: DeclarationCounters::default(),
            state: state::StateGauges::default(),
            follow: OnceLock::new(),
            started: SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default(),
        }
    }

    /// A new block of counters, for one worker to write. It is summed for as long as the server lives.
    pub fn worker(&self) -> Arc<WorkerCounters> {
        let counters = Arc::<WorkerCounters>::default();
        self.workers().push(Arc::clone(&counters));
        counters
    }

    /// The counters that all connections write.
    pub fn shared(&self) -> Arc<SharedCounters> {
        Arc::clone(&self.shared)
    }

    /// The counters of DNS connections themselves.
    pub fn tcp(&self) -> Arc<TcpCounters> {
        Arc::clone(&self.tcp)
    }

    /// The counters of what was left to the cold side.
    pub fn deferred(&self) -> Arc<DeferredCounters> {
        Arc::clone(&self.deferred)
    }

    /// Shows what a forwarder counts, from now on.
    pub fn show_forwarder(&self, counters: &Arc<ForwardCounters>) {
        // There is one forwarder in a server's life.
        drop(self.forward.set(Arc::clone(counters)));
    }

    /// The counters of requests to the AWS API.
    pub fn api(&self) -> Arc<ApiCounters> {
        Arc::clone(&self.api)
    }

    /// The counters of the AWS API's connections.
    pub fn api_tcp(&self) -> Arc<TcpCounters> {
        Arc::clone(&self.api_tcp)
    }

    /// The counters of calls to the gRPC channel.
    pub fn grpc(&self) -> Arc<GrpcCounters> {
        Arc::clone(&self.grpc)
    }

    /// The counters of the gRPC channel's connections.
    pub fn grpc_tcp(&self) -> Arc<TcpCounters> {
        Arc::clone(&self.grpc_tcp)
    }

    /// The counters of zone transfers.
    pub fn transfers(&self) -> Arc<TransferCounters> {
        Arc::clone(&self.transfers)
    }

    /// A snapshot of `names` owner names and `instances` instances was published; making it took `elapsed`.
    pub fn published(&self, revision: u64, names: u64, instances: u64, elapsed: Duration) {
        self.snapshot.revision.store(revision, Relaxed);
        self.snapshot.names.store(names, Relaxed);
        self.snapshot.instances.store(instances, Relaxed);
        self.publish.observe(fetch_add, nanoseconds(elapsed));
    }

    /// Shows from now on what `catalog` holds, and which revision workers have reached.
    pub fn show_state(&self, catalog: Reader, visibility: Visibility) {
        self.state.show(catalog, visibility);
    }

    /// The declaration was applied `loads` times and refused `failed` times so far; as it is on disk now, it has
    /// `faults` faults.
    pub fn set_declaration(&self, loads: u64, failed: u64, faults: usize) {
        self.declaration.loads.store(loads, Relaxed);
        self.declaration.failed.store(failed, Relaxed);
        self.declaration.faults.store(faults as u64, Relaxed);
    }

    /// The published revision.
    pub fn revision(&self) -> u64 {
        self.snapshot.revision.load(Relaxed)
    }

    /// Shows how the following of another node fares, from now on.
    pub fn set_follow(&self, status: Arc<Status>) {
        let _ = self.follow.set(status);
    }

    /// How the following of another node fares, if there is one.
    pub fn follow(&self) -> Option<&Status> {
        self.follow.get().map(|status| &**status)
    }

    /// How often the declaration was read and applied.
    pub fn declaration_loads(&self) -> u64 {
        self.declaration.loads.load(Relaxed)
    }

    /// All metrics in Prometheus' text format.
    pub fn render(&self) -> Result<String, prometheus::Error> {
        TextEncoder::new().encode_to_string(&self.collect())
    }

    /// The blocks of all workers. A panic elsewhere cannot leave the list half-written.
    fn workers(&self) -> impl std::ops::DerefMut<Target = Vec<Arc<WorkerCounters>>> {
        self.workers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}
