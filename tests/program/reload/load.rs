//! Clients that ask without a pause worth naming while declarations change, and hold every response to account.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;
use std::sync::atomic::{AtomicBool, AtomicU16};
use std::thread::{self, JoinHandle, sleep};
use std::time::{Duration, Instant};

use hickory_proto::op::Message;
use hickory_proto::rr::RecordType;

use super::versions::{Version, read_round, round, version_of_addresses};
use crate::support::{PATIENCE, Server, Tcp, Udp, query};

/// Pause between rounds: some thousand queries a second, which leaves time to the server on a small machine.
const PAUSE: Duration = Duration::from_millis(2);

/// Which versions may show now.
struct Window {
    /// Has been seen: none before it may show again.
    seen: AtomicU16,
    /// Has been written completely, or is just about to be: none behind it may show yet.
    written: AtomicU16,
}

/// Clients at work on one server.
pub(crate) struct Load {
    address: SocketAddr,
    window: Arc<Window>,
    stop: Arc<AtomicBool>,
    clients: Vec<JoinHandle<u64>>,
}

impl Load {
    /// Starts two clients over UDP and one over TCP on a server that shows version 1.
    pub(crate) fn start(server: &Server) -> Self {
        let address = server.address();
        let window = Arc::new(Window { seen: AtomicU16::new(1), written: AtomicU16::new(1) });
        let stop = Arc::new(AtomicBool::new(false));
        let client = |tcp| {
            let (window, stop) = (Arc::clone(&window), Arc::clone(&stop));
            thread::spawn(
                move || if tcp { over_tcp(address, &window, &stop) } else { over_udp(address, &window, &stop) },
            )
        };
        let clients = [false, false, true].map(client).into();
        Self { address, window, stop, clients }
    }

    /// The version that comes next.
    pub(crate) fn next(&self) -> Version {
        self.window.written.load(SeqCst) + 1
    }

    /// The next version will be complete, and may show, from now on.
    pub(crate) fn completing(&self) -> Version {
        self.window.written.fetch_add(1, SeqCst) + 1
    }

    /// Waits until the last completed version shows; returns how long that took.
    #[track_caller]
    pub(crate) fn wait(&self) -> Duration {
        let completed = Instant::now();
        let version = self.window.written.load(SeqCst);
        let client = Udp::connect(self.address);
        loop {
            let response = client.ask(&query("many.production.local.", RecordType::A));
            if version_of_addresses(&response, 10, 5) == version {
                let elapsed = completed.elapsed();
                self.window.seen.store(version, SeqCst);
                return elapsed;
            }
            assert!(completed.elapsed() < PATIENCE, "version {version} never shows");
            sleep(Duration::from_millis(1));
        }
    }

    /// Ends the clients; fails if one of them has.
    #[track_caller]
    pub(crate) fn stop_clients(self) {
        self.stop.store(true, SeqCst);
        for client in self.clients {
            let rounds = client.join().expect("a client has failed");
            assert!(rounds > 0, "a client that never asked");
        }
    }

    /// Ends the clients, and asks the server what it thinks of the load.
    #[track_caller]
    pub(crate) fn stop(self, server: &Server) {
        self.stop_clients();
        let metrics = server.metrics();
        assert!(metrics.family("fingerpost_dns_dropped_total").is_empty(), "{metrics:?}");
        let responses = metrics.family("fingerpost_dns_responses_total");
        assert!(responses.keys().all(|labels| labels.contains("NOERROR") || labels.contains("NXDOMAIN")));
    }
}

/// Asks one query after the other over UDP.
fn over_udp(address: SocketAddr, window: &Window, stop: &AtomicBool) -> u64 {
    let client = Udp::connect(address);
    ask(
        window,
        stop,
        |queries| queries.iter().map(|query| client.ask(query)).collect(),
        |versions| {
            assert!(versions.is_sorted(), "a version came back: {versions:?}");
        },
    )
}

/// Asks a whole round in one segment, which the server answers from one snapshot.
fn over_tcp(address: SocketAddr, window: &Window, stop: &AtomicBool) -> u64 {
    let mut client = Tcp::connect(address);
    ask(
        window,
        stop,
        |queries| client.ask_all(queries),
        |versions| {
            assert!(versions.iter().all(|version| *version == versions[0]), "half a change: {versions:?}");
        },
    )
}

/// Asks rounds until `stop`, and checks what holds of all of them; `check` adds what holds of one transport.
fn ask(
    window: &Window,
    stop: &AtomicBool,
    mut ask: impl FnMut(&[Message]) -> Vec<Message>,
    check: impl Fn(&[Version]),
) -> u64 {
    let mut last = 1;
    let mut rounds = 0;
    while !stop.load(SeqCst) {
        let oldest = last.max(window.seen.load(SeqCst));
        let (versions, parity) = read_round(&ask(&round()));
        let newest = window.written.load(SeqCst);
        check(&versions);
        let [first, .., again] = versions;
        assert!(oldest <= first && again <= newest, "{oldest}..={newest} may show, not {versions:?}");
        if first == again {
            assert_eq!(parity, first % 2, "the other half of version {first}");
        }
        last = again;
        rounds += 1;
        sleep(PAUSE);
    }
    rounds
}
