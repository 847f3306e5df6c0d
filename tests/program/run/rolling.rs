//! All tasks of a service are replaced, one after the other, while clients ask them without a pause. They look the
//! service up in DNS and use an answer for as long as its TTL says, and not a moment longer.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, sleep};
use std::time::{Duration, Instant};

use hickory_proto::rr::RecordType;
use rustix::process::Signal;
use tempfile::TempDir;

use super::{Agent, NAME, Task, Way, answers, found, server};
use crate::support::{Server, Udp, addresses, eventually, query};

/// Tasks at the beginning and at the end.
const TASKS: usize = 3;
/// Clients that ask.
const CLIENTS: usize = 6;
/// What a client does between two requests.
const PAUSE: Duration = Duration::from_millis(5);
/// Seconds.
const TTL: u32 = 1;

/// What clients saw.
#[derive(Default)]
struct Seen {
    requests: AtomicU64,
    failures: AtomicU64,
    /// Names that DNS had no address for.
    empty: AtomicU64,
}

/// One client, until it is told to stop.
fn client(dns: SocketAddr, stop: &AtomicBool, seen: &Seen) {
    let udp = Udp::connect(dns);
    let (mut known, mut until): (Vec<IpAddr>, Instant) = (Vec::new(), Instant::now());
    while !stop.load(Ordering::Relaxed) {
        if Instant::now() >= until {
            let response = udp.ask(&query(NAME, RecordType::A));
            let ttl = response.answers.iter().map(|record| record.ttl).min().unwrap_or_default();
            (known, until) = (addresses(&response), Instant::now() + Duration::from_secs(ttl.into()));
            seen.empty.fetch_add(known.is_empty().into(), Ordering::Relaxed);
        }
        if let Some(address) = any_of(&known) {
            seen.requests.fetch_add(1, Ordering::Relaxed);
            seen.failures.fetch_add((!answers(address)).into(), Ordering::Relaxed);
        }
        sleep(PAUSE);
    }
}

/// Any of them.
fn any_of(all: &[IpAddr]) -> Option<IpAddr> {
    (!all.is_empty()).then(|| all[fastrand::usize(..all.len())])
}

/// Replaces all tasks under load, with these further flags of their agents; what the clients saw.
fn replace(server: &Server, way: Way, more: &str) -> Seen {
    let folder = Arc::new(TempDir::new().unwrap());
    let start = || {
        let task = Task::new(&folder);
        task.set_ready(true);
        let agent = Agent::start(&task.agent(server, way, more));
        eventually("a task comes", || found(server).contains(&IpAddr::V4(task.address)));
        (task, agent)
    };
    let mut tasks: Vec<_> = (0..TASKS).map(|_| start()).collect();
    let (stop, seen) = (AtomicBool::new(false), Seen::default());
    thread::scope(|scope| {
        // Even when something fails.
        let _stopped = Stop(&stop);
        for _ in 0..CLIENTS {
            scope.spawn(|| client(server.address(), &stop, &seen));
        }
        sleep(Duration::from_millis(500));
        for _ in 0..TASKS {
            tasks.push(start());
            let (_, mut agent) = tasks.remove(0);
            agent.signal(Signal::TERM);
            assert_eq!(agent.wait(), Some(0));
        }
        sleep(Duration::from_millis(500));
    });
    seen
}

/// Stops the clients when it is dropped.
struct Stop<'a>(&'a AtomicBool);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Requests, failures, empty answers.
fn counts(seen: &Seen) -> (u64, u64, u64) {
    let of = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
    (of(&seen.requests), of(&seen.failures), of(&seen.empty))
}

#[test]
fn a_rolling_replacement_fails_no_request_with_a_drain_and_many_without() {
    let server = server(TTL, true);
    for way in Way::BOTH {
        let (requests, failures, empty) = counts(&replace(&server, way, ""));
        println!("drained over {way:?}: {requests} requests, {failures} failed");
        assert!(requests > 500, "{requests}");
        assert_eq!((failures, empty), (0, 0), "{way:?}, of {requests}");
    }
    let (requests, failures, _) = counts(&replace(&server, Way::Grpc, "--no-drain"));
    println!("stopped at once: {requests} requests, {failures} failed");
    assert!(failures > 0, "of {requests}: the test could not see one");
}
