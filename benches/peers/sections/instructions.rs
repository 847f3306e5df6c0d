//! User instructions for a query, counted by callgrind in the whole program.
//!
//! The server starts with counting off, counting goes on, some queries are asked to warm it, the counters are written
//! and zeroed, more queries are asked, and the counters are written again. callgrind(1) cannot reach processes that a
//! server has forked (NSD): those run twice from start to end with different numbers of queries, and the difference
//! counts. Both ways lead to the same figures.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use crate::data::Files;
use crate::generator::{Asking, Generator, Pace};
use crate::plan::Plan;
use crate::results::{Instructions, Results};
use crate::running::{Ground, Running};
use crate::servers::{Part, Peer};

/// How long a server may take to start under callgrind.
const PATIENCE: Duration = Duration::from_secs(120);
/// Queries under way: so many are in a batch at most.
const OUTSTANDING: usize = 32;

/// Counts for every server, and for ours with services of a hundred instances.
pub(crate) fn measure(
    generator: &Generator,
    ground: &Ground,
    peers: &[&Peer],
    files: &Files,
    plan: &Plan,
    results: &mut Results,
) -> Result<()> {
    ensure!(Command::new("callgrind_control").arg("--help").output().is_ok(), "valgrind is not installed");
    println!("instructions");
    let hundred = Files::generate(ground.folder, 1000, 100)?;
    let wanted = peers.iter().filter(|peer| peer.part == Part::Whole).map(|peer| (*peer, files));
    let wanted: Vec<_> = wanted.chain(peers.first().map(|ours| (*ours, &hundred))).collect();
    // Starting takes longest, and time does not matter here: on both cores at once.
    let started: Vec<Result<Running>> = std::thread::scope(|scope| {
        let cores = [generator.core, ground.core];
        let starts: Vec<_> = wanted
            .iter()
            .enumerate()
            .map(|(number, (peer, files))| {
                let ground = Ground { core: cores[number % 2], ..*ground };
                let port = 6300 + 2 * number as u16;
                scope.spawn(move || start(peer, &ground, port, files, "no"))
            })
            .collect();
        starts.into_iter().filter_map(|start| start.join().ok()).collect()
    });
    for ((peer, files), server) in wanted.iter().zip(started) {
        let counted = server.and_then(|server| {
            if server.process.processes().len() == 1 {
                by_dumps(generator, &server, plan)
            } else {
                drop(server);
                by_runs(generator, ground, peer, files, plan)
            }
        });
        match counted.with_context(|| format!("instructions of {}", peer.title)) {
            Ok((queries, instructions)) => {
                let per_query = instructions as f64 / queries.max(1) as f64;
                println!("  {:<15} {per_query:>8.0} a query, of {queries}", peer.name);
                let (services, instances) = (files.data.services, files.data.instances);
                let server = peer.name.into();
                results.instructions.push(Instructions { server, services, instances, queries, per_query });
            }
            Err(error) => results.fail(format!("{error:#}")),
        }
    }
    Ok(())
}

/// Starts a server under callgrind, which counts from the start or not.
fn start<'p>(peer: &'p Peer, ground: &Ground, port: u16, files: &Files, counts: &str) -> Result<Running<'p>> {
    let folder = ground.folder.join(format!("{}-{port}", peer.name));
    let through = [
        "valgrind".to_owned(),
        "--tool=callgrind".into(),
        format!("--instr-atstart={counts}"),
        format!("--vgdb-prefix={}", folder.join("vgdb").display()),
        format!("--callgrind-out-file={}", folder.join("callgrind.%p").display()),
    ];
    Running::start_through(peer, ground, port, files, PATIENCE, &through)
}

/// Asks for a while; how many were answered.
fn ask(generator: &Generator, server: &Running, duration: Duration) -> Result<u64> {
    let pace = Pace::Outstanding(OUTSTANDING);
    let asking = Asking { pace, sockets: 8, ..Asking::new("instructions", duration, 0) };
    Ok(generator.ask(server, &asking)?.answered)
}

/// Queries and the instructions for them, between two dumps of one process.
fn by_dumps(generator: &Generator, server: &Running, plan: &Plan) -> Result<(u64, u64)> {
    let pid = server.process.processes().first().copied().context("no process")?;
    control(server, &["-i", "on"], pid)?;
    ask(generator, server, plan.counted)?;
    control(server, &["--dump=warm"], pid)?;
    let queries = ask(generator, server, plan.counted)?;
    control(server, &["--dump=counted"], pid)?;
    Ok((queries, totals(&server.place.folder, "dump counted")?))
}

/// The same as the difference of two runs of all processes.
fn by_runs(generator: &Generator, ground: &Ground, peer: &Peer, files: &Files, plan: &Plan) -> Result<(u64, u64)> {
    let run = |port, duration| -> Result<(u64, u64)> {
        let server = start(peer, ground, port, files, "yes")?;
        let queries = ask(generator, &server, duration)?;
        let folder = server.place.folder.clone();
        // They write their counters when they end.
        drop(server);
        Ok((queries, totals(&folder, "")?))
    };
    let (short, long) = (run(6390, plan.counted / 4)?, run(6392, plan.counted * 2)?);
    ensure!(long.0 > short.0 && long.1 > short.1, "the longer run was not longer: {short:?}, {long:?}");
    Ok((long.0 - short.0, long.1 - short.1))
}

/// Tells callgrind something.
fn control(server: &Running, words: &[&str], pid: u32) -> Result<()> {
    // One that is stopped does not listen.
    server.process.resume();
    let output = Command::new("callgrind_control")
        .arg(format!("--vgdb-prefix={}", server.place.folder.join("vgdb").display()))
        .args(words)
        .arg(pid.to_string())
        .output()?;
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said);
    ensure!(said.contains("OK"), "callgrind_control: {}", said.trim());
    Ok(())
}

/// The sum of the counters in all files of `folder` that were written for `trigger`; of all files if that is empty.
fn totals(folder: &Path, trigger: &str) -> Result<u64> {
    let mut sum = 0;
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if !path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("callgrind.")) {
            continue;
        }
        let text = fs::read_to_string(&path)?;
        if !trigger.is_empty() && !text.contains(&format!("desc: Trigger: {trigger}")) {
            continue;
        }
        let line = text.lines().find_map(|line| line.strip_prefix("totals: "));
        sum += line.and_then(|line| line.trim().parse::<u64>().ok()).unwrap_or(0);
    }
    ensure!(sum > 0, "callgrind wrote no counters in {}", folder.display());
    Ok(sum)
}
