//! Memory, and the time from a program's start to its first right answer.

use std::time::Duration;

use anyhow::Result;

use crate::data::Files;
use crate::plan::Plan;
use crate::results::{Results, Size};
use crate::running::{Ground, Running};
use crate::servers::{Part, Peer, follower, stored};

/// Services of eight instances.
const SERVICES: [u32; 2] = [10_000, 125_000];

/// Starts each server alone; the first size several times.
pub(crate) fn measure(ground: &Ground, peers: &[&Peer], plan: &Plan, results: &mut Results) -> Result<()> {
    let sizes = if plan.is_large { &SERVICES[..] } else { &SERVICES[..1] };
    for services in sizes {
        let files = Files::generate(ground.folder, *services, 8)?;
        println!("memory and load time, {services} services of 8 instances");
        // The first starts read files that are in nobody's cache, and are not kept.
        let rounds = if *services < 100_000 { plan.few } else { 1 };
        for peer in peers.iter().filter(|peer| peer.part == Part::Whole) {
            for _ in 0..rounds {
                start(peer, ground, &files, plan, results);
            }
        }
        let (stored, follower) = (stored(), follower());
        // Twice: the first start follows the import, the second one a plain end.
        for _ in 0..2 {
            start(&stored, ground, &files, plan, results);
        }
        follow(&stored, &follower, ground, &files, plan, results);
    }
    Ok(())
}

/// Starts one server, and notes what it takes.
fn start(peer: &Peer, ground: &Ground, files: &Files, plan: &Plan, results: &mut Results) {
    match Running::start(peer, ground, port(files), files, plan.patience) {
        Ok(server) => note(&server, files, results),
        Err(error) => results.fail(format!("{} services: {error:#}", files.data.services)),
    }
    // Some want their files to themselves at the next start.
    if peer.name != "fingerpost-stored" {
        let _ = std::fs::remove_dir_all(ground.folder.join(format!("{}-{}", peer.name, port(files))));
    }
}

/// A server that follows another one, which has to be awake for it.
fn follow(stored: &Peer, follower: &Peer, ground: &Ground, files: &Files, plan: &Plan, results: &mut Results) {
    let primary = match Running::start(stored, ground, port(files), files, plan.patience) {
        Ok(primary) => primary,
        Err(error) => return results.fail(format!("{error:#}")),
    };
    primary.process.resume();
    match Running::start(follower, ground, port(files) + 2, files, plan.patience) {
        Ok(server) => note(&server, files, results),
        Err(error) => results.fail(format!("{} services: {error:#}", files.data.services)),
    }
}

/// A port for this size, so that each has a folder of its own.
fn port(files: &Files) -> u16 {
    if files.data.services < 100_000 { 6100 } else { 6200 }
}

/// Notes memory and time.
fn note(server: &Running, files: &Files, results: &mut Results) {
    // What is freed behind the first answer is freed.
    server.process.resume();
    std::thread::sleep(Duration::from_millis(500));
    let memory = server.process.memory();
    println!(
        "  {:<20} {:>7.2} s  {:>6} MB, at most {:>6} MB",
        server.peer.name,
        server.started.as_secs_f64(),
        memory.pss / 1_000_000,
        memory.peak / 1_000_000
    );
    results.sizes.push(Size {
        server: server.peer.name.into(),
        services: files.data.services,
        instances: files.data.instances,
        records: files.records(),
        load_seconds: server.started.as_secs_f64(),
        pss: memory.pss,
        peak: memory.peak,
    });
}
