//! The UDP worker: one pinned thread, one socket, one loop.
//!
//! Nothing in the loop allocates, locks or logs a query. Workers share no memory that any of them writes to.

use std::io;
use std::net::UdpSocket;
use std::os::fd::AsFd;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{Builder, JoinHandle, sleep};
use std::time::{Duration, Instant};

use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

use super::deferred::Queue;
use super::mmsg::{Batch, Peer, kernel_drops};
use super::{BatchResponder, Dns};
use crate::dns::{self, Ctx, Outcome, Reply, Settings, Transport};
use crate::metrics::WorkerCounters;
use crate::table::Views;

/// How often a busy worker sweeps; an idle one does so after each idle timeout.
const SWEEP_INTERVAL: Duration = Duration::from_secs(1);

/// How long a stop may be held up by queries that go on arriving.
const LAST_CALL: Duration = Duration::from_millis(100);

/// How long a worker rests after a failed receive, so that an error which stays does not keep its core busy.
const ERROR_PAUSE: Duration = Duration::from_millis(10);

/// At most one warning of a kind in this time, however often it happens.
const WARNING_INTERVAL: Duration = Duration::from_secs(60);

//----------- Worker --------------------------------------------------------

/// What one worker needs; [`Worker::spawn`] starts it.
pub struct Worker {
    /// Its number among all workers; the thread is called `dns-udp-N`.
    pub index: usize,
    /// Its socket, of [`bind`](super::bind()).
    pub socket: UdpSocket,
    /// The published snapshots.
    pub views: Views,
    /// How to answer.
    pub settings: Arc<Settings>,
    /// Takes what [`Settings::defer`] leaves to the cold side.
    pub deferred: Option<Queue>,
    /// Its counters, which nobody else writes.
    pub counters: Arc<WorkerCounters>,
    /// The core it runs on, of [`cores`].
    pub core: Option<usize>,
    /// Ends the loop once true; it is seen within [`IDLE_TIMEOUT`](super::bind::IDLE_TIMEOUT).
    pub stop: Arc<AtomicBool>,
}

impl Worker {
    /// Starts the thread.
    pub fn spawn(self) -> io::Result<JoinHandle<()>> {
        self.spawn_with(Dns)
    }

    /// Starts the thread with another function in place of [`dns::answer_in_views`].
    pub(super) fn spawn_with(self, answer: impl BatchResponder) -> io::Result<JoinHandle<()>> {
        let wildcard = self.socket.local_addr()?.ip().is_unspecified();
        let name = format!("dns-udp-{}", self.index);
        Builder::new().name(name).spawn(move || {
            self.pin();
            self.outlive_panics(wildcard, answer);
        })
    }

    /// Binds the thread to its core.
    fn pin(&self) {
        let Some(core) = self.core else { return };
        let mut set = CpuSet::new();
        set.set(core);
        if let Err(error) = sched_setaffinity(None, &set) {
            tracing::warn!(worker = self.index, core, %error, "cannot pin the worker to its core");
        }
    }

    /// Runs the loop, and again after a panic.
    ///
    /// A panic is a fault of ours in answering one query. It costs the rest of its batch and is counted, but must
    /// not cost the queries to come: nobody would notice a lost worker but the clients that hash to its socket.
    fn outlive_panics(&self, wildcard: bool, answer: impl BatchResponder) {
        let mut warning = Warning::default();
        loop {
            // A context, a batch and views are made anew each time; nothing half-changed is seen again.
            match catch_unwind(AssertUnwindSafe(|| self.run(wildcard, answer))) {
                Ok(()) => return,
                Err(_) => {
                    self.counters.add_restarts(1);
                    if warning.is_due() {
                        tracing::error!(worker = self.index, "the worker panicked and goes on");
                    }
                }
            }
        }
    }

    /// The loop: receive, answer, send, sweep.
    fn run(&self, wildcard: bool, answer: impl BatchResponder) {
        let socket = self.socket.as_fd();
        let counters = &*self.counters;
        let mut views = self.views.views();
        let mut ctx = Ctx::new(Arc::clone(&self.settings), fastrand::u64(..));
        let mut batch: Batch = Batch::new(wildcard);
        let mut upkeep = Upkeep::new(self);
        let mut leaving = None;
        while leaving.is_none_or(|until| Instant::now() < until) {
            if leaving.is_none() && self.stop.load(Ordering::Relaxed) {
                // What has arrived is still answered, but not waited for.
                leaving = Some(Instant::now() + LAST_CALL);
                if self.socket.set_nonblocking(true).is_err() {
                    break;
                }
            }
            let received = match batch.receive(socket) {
                Ok(received) => received,
                Err(error) => {
                    upkeep.receive_failed(&error);
                    0
                }
            };
            let begun = Instant::now();
            let current = views.revalidate();
            if received == 0 {
                if leaving.is_some() {
                    break;
                }
                upkeep.sweep(begun);
                continue;
            }
            let finish = |reply: Reply, ctx: &mut Ctx, slot: &mut [u8], length, peer: Peer<'_>| {
                // The batch asks the same of a length, so that this costs nothing.
                if reply.length == 0 {
                    return self.leave(reply, ctx, slot, length, peer);
                }
                counters.record(Transport::Udp, &reply);
                reply.length
            };
            let mut oversized = 0;
            if let Some(snapshot) = current.only() {
                for first in (0..received).step_by(dns::AHEAD) {
                    let ahead = answer.look_ahead(snapshot, &mut ctx, batch.slots(first));
                    let answered = batch.answer_range(first..first + dns::AHEAD, |at, slot, length, peer| {
                        if let Some(reply) = answer.answer_usual(&ahead, at, &mut ctx, slot, length) {
                            counters.record(Transport::Udp, &reply);
                            return reply.length;
                        }
                        let reply = answer.answer_ahead(&ahead, at, &mut ctx, slot, length);
                        finish(reply, &mut ctx, slot, length, peer)
                    });
                    oversized += answered.oversized;
                }
            } else {
                let answered = batch.answer_each(|slot, length, peer| {
                    let reply = answer.answer(current.seen_by(peer.address()), &mut ctx, slot, length);
                    finish(reply, &mut ctx, slot, length, peer)
                });
                oversized += answered.oversized;
            }
            let unsent = batch.send(socket);
            counters.observe_batch(received as u64, begun.elapsed());
            if oversized > 0 {
                counters.add_oversized(oversized as u64);
            }
            if unsent > 0 {
                counters.add_send_errors(unsent as u64);
            }
            if begun >= upkeep.next_sweep {
                upkeep.sweep(begun);
            }
        }
        upkeep.sweep(Instant::now());
    }

    /// Counts silence, and leaves a deferred query to the cold side, or answers that there is too much of it. Returns the
    /// octets of the response.
    #[cold]
    #[inline(never)]
    fn leave(&self, reply: Reply, ctx: &mut Ctx, slot: &mut [u8], received: usize, peer: Peer<'_>) -> usize {
        let query = slot.get(..received).unwrap_or_default();
        let is_shed =
            reply.outcome == Outcome::Deferred && !self.deferred.as_ref().is_some_and(|queue| queue.offer(query, peer));
        let reply = if is_shed { dns::fail(ctx, Transport::Udp, slot, received) } else { reply };
        if is_shed {
            self.counters.add_shed(1);
        }
        self.counters.record(Transport::Udp, &reply);
        reply.length
    }
}

/// The cores for `workers` workers, in turn: one each where this process may use that many, else none, since the
/// scheduler shares too few cores better than we would.
pub fn cores(workers: usize) -> Vec<Option<usize>> {
    let allowed: Vec<usize> = match sched_getaffinity(None) {
        Ok(set) => (0..CpuSet::MAX_CPU).filter(|&core| set.is_set(core)).collect(),
        Err(_) => Vec::new(),
    };
    if workers <= allowed.len() { allowed.into_iter().take(workers).map(Some).collect() } else { vec![None; workers] }
}

//----------- Upkeep --------------------------------------------------------

/// What a worker does now and then.
struct Upkeep<'a> {
    worker: &'a Worker,
    next_sweep: Instant,
    drops: u32,
    warning: Warning,
}

impl<'a> Upkeep<'a> {
    /// The first sweep is due at once.
    fn new(worker: &'a Worker) -> Self {
        Self {
            worker,
            next_sweep: Instant::now(),
            // What was dropped before a restart has been counted but for the last second.
            drops: kernel_drops(worker.socket.as_fd()).unwrap_or_default(),
            warning: Warning::default(),
        }
    }

    /// Fetches what only the kernel counts.
    #[cold]
    fn sweep(&mut self, now: Instant) {
        self.next_sweep = now + SWEEP_INTERVAL;
        if let Ok(drops) = kernel_drops(self.worker.socket.as_fd()) {
            let new = drops.wrapping_sub(self.drops);
            if new > 0 {
                self.worker.counters.add_kernel_drops(u64::from(new));
            }
            self.drops = drops;
        }
    }

    /// Reports a failed receive and rests a little.
    #[cold]
    fn receive_failed(&mut self, error: &io::Error) {
        if self.warning.is_due() {
            tracing::warn!(worker = self.worker.index, %error, "cannot receive");
        }
        sleep(ERROR_PAUSE);
    }
}

/// Keeps a warning from flooding the log.
#[derive(Default)]
struct Warning {
    last: Option<Instant>,
}

impl Warning {
    /// Whether it is time to say it again.
    fn is_due(&mut self) -> bool {
        let due = self.last.is_none_or(|last| last.elapsed() >= WARNING_INTERVAL);
        if due {
            self.last = Some(Instant::now());
        }
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dns::MAX_UDP_PAYLOAD;
    use crate::net::bind::IDLE_TIMEOUT;
    use crate::net::testing::{Alone, echo, query, response};
    use crate::net::{Endpoint, bind};
    use crate::table::{Publisher, Seen, Snapshot};
    use std::net::SocketAddr;

    /// Running workers on a free port.
    struct Running {
        address: SocketAddr,
        publisher: Publisher,
        stop: Arc<AtomicBool>,
        threads: Vec<JoinHandle<()>>,
    }

    impl Running {
        fn start(address: &str, answer: impl BatchResponder) -> Self {
            let Endpoint { address, udp, .. } = bind(address.parse().unwrap(), 2).unwrap();
            let publisher = Publisher::new(Snapshot::default());
            let stop = Arc::new(AtomicBool::new(false));
            let threads = udp
                .into_iter()
                .zip(cores(2))
                .enumerate()
                .map(|(index, (socket, core))| {
                    let worker = Worker {
                        index,
                        socket,
                        views: publisher.handle().into(),
                        settings: Arc::new(Settings::default()),
                        deferred: None,
                        counters: Arc::default(),
                        core,
                        stop: Arc::clone(&stop),
                    };
                    worker.spawn_with(answer).unwrap()
                })
                .collect();
            Self { address, publisher, stop, threads }
        }

        fn client(&self, server: &str) -> UdpSocket {
            let server = SocketAddr::new(server.parse().unwrap(), self.address.port());
            let local = if server.is_ipv6() { "[::]:0" } else { "0.0.0.0:0" };
            let client = UdpSocket::bind(local).unwrap();
            client.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
            client.connect(server).unwrap();
            client
        }

        fn stop(self) {
            let begun = Instant::now();
            self.stop.store(true, Ordering::Relaxed);
            for thread in self.threads {
                thread.join().unwrap();
            }
            // Ten idle timeouts, since the machine may be busy; a stop that hangs is what this is about.
            assert!(begun.elapsed() < 10 * IDLE_TIMEOUT, "{:?}", begun.elapsed());
        }
    }

    /// Asks once and expects the echo.
    fn ask(client: &UdpSocket, id: u16) {
        client.send(&query(id, 40)).unwrap();
        let mut buffer = [0; 512];
        let received = client.recv(&mut buffer).unwrap();
        assert_eq!(buffer[..received], response(id, 40));
    }

    #[test]
    fn every_query_of_many_clients_is_answered_and_a_stop_is_prompt() {
        let running = Running::start("127.0.0.1:0", Alone(echo));
        let clients: Vec<_> = (0..8).map(|_| running.client("127.0.0.1")).collect();
        for client in &clients {
            for id in 0..100 {
                client.send(&query(id, 40 + usize::from(id))).unwrap();
            }
        }
        for client in &clients {
            for id in 0..100 {
                let mut buffer = [0; 512];
                let received = client.recv(&mut buffer).unwrap();
                assert_eq!(buffer[..received], response(id, 40 + usize::from(id)));
            }
        }
        running.stop();
    }

    #[test]
    fn a_wildcard_socket_answers_from_the_address_that_was_asked() {
        // A connected client takes datagrams from the address it asked and from no other.
        let running = Running::start("0.0.0.0:0", Alone(echo));
        for (id, server) in [(1, "127.0.0.1"), (2, "127.0.0.2"), (3, "127.9.8.7")] {
            ask(&running.client(server), id);
        }
        running.stop();
    }

    #[test]
    fn ipv6_is_served() {
        if UdpSocket::bind("[::1]:0").is_err() {
            eprintln!("skipped: no IPv6 here");
            return;
        }
        for address in ["[::]:0", "[::1]:0"] {
            let running = Running::start(address, Alone(echo));
            ask(&running.client("::1"), 1);
            running.stop();
        }
    }

    #[test]
    fn silence_and_oversized_datagrams_do_not_disturb_the_others() {
        let running = Running::start("127.0.0.1:0", Alone(echo));
        let client = running.client("127.0.0.1");
        for id in 0..50 {
            client.send(&response(id, 40)).unwrap();
            client.send(&query(id, MAX_UDP_PAYLOAD + 1)).unwrap();
            client.send(&[]).unwrap();
            client.send(&query(id, 40)).unwrap();
        }
        for id in 0..50 {
            let mut buffer = [0; 512];
            let received = client.recv(&mut buffer).unwrap();
            assert_eq!(buffer[..received], response(id, 40));
        }
        running.stop();
    }

    #[test]
    fn a_worker_survives_a_panic() {
        fn fragile(s: Seen<'_>, c: &mut Ctx, t: Transport, buffer: &mut [u8], received: usize) -> Reply {
            assert_ne!(buffer[..2], [0xff, 0xff], "this panic is part of the test");
            echo(s, c, t, buffer, received)
        }
        let running = Running::start("127.0.0.1:0", Alone(fragile));
        let client = running.client("127.0.0.1");
        for id in 0..3 {
            client.send(&query(0xffff, 40)).unwrap();
            // What shares a batch with the panic is lost; what comes later is not, so ask until it is later.
            client.set_read_timeout(Some(Duration::from_millis(20))).unwrap();
            client.send(&query(id, 40)).unwrap();
            let mut buffer = [0; 64];
            while client.recv(&mut buffer).is_err() {
                client.send(&query(id, 40)).unwrap();
            }
        }
        running.stop();
    }

    #[test]
    fn an_idle_worker_lets_an_old_snapshot_go() {
        let mut running = Running::start("127.0.0.1:0", Alone(echo));
        ask(&running.client("127.0.0.1"), 1);
        running.publisher.publish(Snapshot::default());
        let begun = Instant::now();
        while running.publisher.sweep() > 0 {
            assert!(begun.elapsed() < Duration::from_secs(5));
            sleep(Duration::from_millis(10));
        }
        running.stop();
    }

    #[test]
    fn one_core_for_each_worker_or_none_for_all() {
        let one = cores(1);
        assert!(matches!(one[..], [Some(_)]));
        assert_eq!(cores(100_000), vec![None; 100_000]);
    }
}
