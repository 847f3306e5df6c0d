//! The data plane without sockets: how long a query takes in tables of 10,000 and of a million names, and how two workers
//! share a machine.
//!
//! `cargo bench --bench replay` has pinned threads answer queries for random services, each from its own view of one
//! published table and with its own counters, as workers do. What two threads do more than one is what they would lose to
//! memory that both write.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use common::{NAMESPACE, namespace, query, service_name, table};
use fingerpost::dns::{self, AHEAD, Ctx, MAX_UDP_PAYLOAD, Settings, Transport};
use fingerpost::metrics::WorkerCounters;
use fingerpost::model::RecordType;
use fingerpost::net::udp::cores;
use fingerpost::table::{Publisher, Views};
use rustix::thread::{CpuSet, sched_setaffinity};

mod common;

/// How long each thread answers.
const DURATION: Duration = Duration::from_secs(1);
/// Rounds of all cases, one after the other, so that what else the machine does meets all of them.
const ROUNDS: usize = 5;
/// Queries in a batch, after which a worker looks for a new table.
const BATCH: usize = 32;
/// Queries each thread has ready: more than the nearest caches hold.
const QUERIES: usize = 1 << 16;

fn main() {
    if std::env::args().any(|argument| argument == "--list") {
        return;
    }
    let tables = [("10,000 services of 8 instances", 10_000, 8), ("1,000,000 services of 1 instance", 1_000_000, 1)];
    for (name, services, instances) in tables {
        let publisher = Publisher::new(table(&namespace(services, instances, &[RecordType::A])));
        let views = Views::from(publisher.handle());
        let mut rounds: Vec<(f64, f64)> = Vec::new();
        for _ in 0..ROUNDS {
            rounds.push((answered(&views, services, 1), answered(&views, services, 2)));
        }
        let median = |mut values: Vec<f64>| {
            values.sort_by(f64::total_cmp);
            values[values.len() / 2]
        };
        let one = median(rounds.iter().map(|(one, _)| *one).collect());
        let two = median(rounds.iter().map(|(_, two)| *two).collect());
        let ratio = median(rounds.iter().map(|(one, two)| two / one).collect());
        println!("{name}:");
        println!("  one worker {one:>12.0} answers/s, {:.0} ns each", 1e9 / one);
        println!("  two workers {two:>11.0} answers/s, {ratio:.2} times as many (median of {ROUNDS} rounds)");
    }
}

/// Answers a second of so many threads together.
fn answered(views: &Views, services: u32, threads: usize) -> f64 {
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        let workers: Vec<_> = cores(threads)
            .into_iter()
            .enumerate()
            .map(|(number, core)| {
                let stop = &stop;
                scope.spawn(move || work(views, services, number as u64, core, stop))
            })
            .collect();
        thread::sleep(DURATION);
        stop.store(true, Ordering::Relaxed);
        workers.into_iter().map(|worker| worker.join().expect("a worker")).sum()
    })
}

/// Answers until `stop`; answers a second.
fn work(views: &Views, services: u32, seed: u64, core: Option<usize>, stop: &AtomicBool) -> f64 {
    if let Some(core) = core {
        let mut set = CpuSet::new();
        set.set(core);
        sched_setaffinity(None, &set).expect("a core of its own");
    }
    let mut random = fastrand::Rng::with_seed(seed);
    let queries: Vec<Vec<u8>> =
        (0..QUERIES).map(|_| query(&format!("{}.{NAMESPACE}", service_name(random.u32(..services))), 1)).collect();
    let mut views = views.views();
    let mut ctx = Ctx::new(Arc::new(Settings::default()), seed);
    let counters: Arc<WorkerCounters> = Arc::default();
    let mut buffers = vec![[0; MAX_UDP_PAYLOAD]; AHEAD];
    let mut count = 0_u64;
    let begun = Instant::now();
    while !stop.load(Ordering::Relaxed) {
        let current = views.revalidate();
        let snapshot = current.only().expect("one table");
        for _ in 0..BATCH / AHEAD {
            let queries = (0..AHEAD).map(|at| &queries[(count as usize + at) % QUERIES]);
            for (buffer, query) in buffers.iter_mut().zip(queries.clone()) {
                buffer[..query.len()].copy_from_slice(query);
            }
            let ahead = dns::look_ahead(snapshot, &mut ctx, buffers.iter().map(|buffer| &buffer[..]));
            for (at, (buffer, query)) in buffers.iter_mut().zip(queries).enumerate() {
                let reply = ahead.answer_v4(at, &mut ctx, buffer, query.len());
                let reply = reply.unwrap_or_else(|| ahead.answer(at, &mut ctx, buffer, query.len()));
                assert!(reply.length > query.len());
                counters.record(Transport::Udp, &reply);
            }
            count += AHEAD as u64;
        }
    }
    count as f64 / begun.elapsed().as_secs_f64()
}
