//! Forwarding delays no authoritative answer: the upstream hangs, queries for it come in all the time, and own answers
//! take as long as before.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread::{sleep, spawn};
use std::time::{Duration, Instant};

use hickory_proto::rr::RecordType;

use super::upstreams::StandIn;
use super::{ask, serve};
use crate::support::{Udp, addresses};

/// Queries of the flood a second: far more than 1024 that may be in flight for five seconds.
const RATE: u32 = 3000;

/// Own answers in each phase.
const ANSWERS: usize = 1500;

/// Sends queries for names made by `name` until told to stop.
fn flood(server: SocketAddr, name: fn(u32) -> String) -> impl FnOnce() -> u32 {
    let stop = Arc::<AtomicBool>::default();
    let sent = Arc::<AtomicU32>::default();
    let thread = spawn({
        let (stop, sent) = (Arc::clone(&stop), Arc::clone(&sent));
        move || {
            let client = Udp::connect(server);
            let begun = Instant::now();
            while !stop.load(Ordering::Relaxed) {
                let due = (begun.elapsed().as_secs_f64() * f64::from(RATE)) as u32;
                while sent.load(Ordering::Relaxed) < due {
                    let number = sent.fetch_add(1, Ordering::Relaxed);
                    client.send(&ask(&name(number), RecordType::A).to_vec().unwrap());
                }
                sleep(Duration::from_millis(1));
            }
        }
    });
    move || {
        stop.store(true, Ordering::Relaxed);
        thread.join().unwrap();
        sent.load(Ordering::Relaxed)
    }
}

/// Times of own answers, one after another, in order.
fn times(server: SocketAddr) -> Vec<Duration> {
    let client = Udp::connect(server);
    let query = ask("api.production.local.", RecordType::A);
    let mut times: Vec<Duration> = (0..ANSWERS)
        .map(|_| {
            let begun = Instant::now();
            assert_eq!(addresses(&client.ask(&query)).len(), 3);
            // A steady trickle: the phases take some seconds, longer than anybody waits for an upstream.
            let elapsed = begun.elapsed();
            sleep(Duration::from_millis(2).saturating_sub(elapsed));
            elapsed
        })
        .collect();
    times.sort();
    times
}

/// The time that 99 of 100 answers stay below.
fn p99(times: &[Duration]) -> Duration {
    times[times.len() * 99 / 100]
}

#[test]
fn a_hanging_upstream_does_not_delay_own_answers() {
    let upstream = StandIn::start(Duration::ZERO, 60);
    upstream.set_silent(true);
    let server = serve(upstream.address).start();
    let address = server.address();
    // As many queries for our own names: what the machine is like under this load.
    let stop = flood(address, |_| "web.production.local.".to_owned());
    let before = times(address);
    stop();
    let stop = flood(address, |number| format!("n{number}.example.test."));
    let during = times(address);
    let sent = stop();
    let (before, during) = (p99(&before), p99(&during));
    eprintln!(
        "p99 of own answers: {before:?} beside {RATE}/s of own names, {during:?} beside as many for a hanging upstream"
    );
    // Whoever waited for the upstream once would wait for half a second at least.
    assert!(during < 5 * before + Duration::from_millis(10), "{before:?} → {during:?}");
    assert!(sent > 3000, "{sent}");
    let metrics = server.metrics();
    let shed = metrics.get("fingerpost_forward_queries_total{end=\"shed\"}")
        + metrics.get("fingerpost_dns_deferred_shed_total");
    assert!(shed > 0.0, "the cap was never reached");
}
