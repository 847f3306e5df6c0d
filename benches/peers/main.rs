//! Fingerpost beside NSD, Knot DNS, BIND, PowerDNS, gdnsd, Unbound and hickory-dns: the same data, the same questions,
//! the same core.
//!
//! ```text
//! cargo bench --bench peers -- --quick              about four minutes, to see that it works
//! cargo bench --bench peers -- --out docs/benchmarks    all of it, about twenty-five
//! cargo bench --bench peers -- --only nsd,gdnsd --parts throughput --repeats 7
//! ```
//!
//! Each server has one worker on one core, and the load generator the other core of the machine. All run at once,
//! but those that are not asked are stopped (SIGSTOP); they are asked in turns, so that what else the machine does hits
//! them alike. Before anything is timed they must give the same answers. A server that is not installed is left out, and
//! the report says so; `servers/hickory.rs` says how to get the one that Debian has no package of.
//!
//! * `servers/`, `configuration/`: how each is started, and the files that say so.
//! * `network`, `process`, `running`: namespaces; processes, their CPU time and memory; a server that answers.
//! * `data`, `ask`, `agreement`: what is served; single queries; whether all say the same.
//! * `generator`: runs of `fingerpost load`.
//! * `sections/`: what is measured: throughput, latency, other mixes and TCP, many names, memory and load time,
//!   instructions, changes.
//! * `results`, `targets`, `report`, `plot`: what comes of it: `raw.json`, `peers.md` and pictures.
//!
//! As root it moves into namespaces of its own, which the kernel takes down with it; without, there is no veth.

mod agreement;
mod ask;
mod data;
#[path = "../echo.rs"]
mod echo;
mod generator;
mod machine;
mod network;
mod plan;
mod plot;
mod process;
mod report;
mod results;
mod running;
mod sections;
mod servers;
mod targets;

use std::path::Path;
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use clap::Parser;
use rustix::thread::{CpuSet, sched_setaffinity};

use data::Files;
use generator::Generator;
use network::Network;
use plan::{Arguments, Plan};
use results::Results;
use running::{Ground, Running};
use servers::{Part, Peer};

/// Services of the data that all are asked about, of eight instances each.
const SERVICES: u32 = 10_000;
/// The first server's port.
const PORT: u16 = 5300;

fn main() -> Result<()> {
    // The bare echo is this program: what it wants is in its own file.
    if std::env::args().any(|argument| argument == "--listen") {
        return echo::main();
    }
    let arguments = Arguments::parse();
    network::isolate()?;
    let plan = Plan::of(&arguments);
    let begun = Instant::now();
    // Not in /tmp, which may be in memory, while changes must reach a disk. What a killed run has left goes now.
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/peers/run");
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).context("a folder for the servers")?;
    let network = Network::new()?;
    pin(arguments.generator_core)?;
    let mut results = Results::default();
    let all = servers::all();
    let peers = chosen(&all, &arguments, &mut results)?;
    results.machine = machine::describe(&arguments);
    let ground = Ground { address: network.address, core: arguments.server_core, folder: &folder };
    let program = arguments.generator.clone().unwrap_or_else(|| env!("CARGO_BIN_EXE_fingerpost").into());
    let generator = Generator { network: &network, program, core: arguments.generator_core, folder: &folder };
    measure(&arguments, &plan, &peers, &ground, &generator, &mut results)?;
    let took = begun.elapsed();
    results.machine.push(("The whole run took".into(), format!("{} s", took.as_secs())));
    report::write(&arguments.out, &results, &peers)?;
    let _ = std::fs::remove_dir_all(&folder);
    println!("{} s; written to {}", took.as_secs(), arguments.out.display());
    Ok(())
}

/// The servers that take part, ours first.
fn chosen<'p>(all: &'p [Peer], arguments: &Arguments, results: &mut Results) -> Result<Vec<&'p Peer>> {
    let names: Vec<&str> = all.iter().map(|peer| peer.name).collect();
    for name in &arguments.only {
        ensure!(names.contains(&&**name), "there is no server {name:?}; there are {}", names.join(", "));
    }
    let is_wanted = |peer: &&Peer| {
        let always = matches!(peer.name, "fingerpost" | "echo");
        always || arguments.only.is_empty() || arguments.only.iter().any(|name| *name == peer.name)
    };
    let mut peers = Vec::new();
    for peer in all.iter().filter(is_wanted) {
        if peer.path().is_none() {
            results.fail(format!("{} is not installed", peer.title));
            continue;
        }
        let version = peer.version();
        println!("{:<20} {version}", peer.title);
        results.servers.push((peer.name.into(), peer.title.into(), version));
        peers.push(peer);
    }
    Ok(peers)
}

/// Does every part that is asked for.
fn measure(
    arguments: &Arguments,
    plan: &Plan,
    peers: &[&Peer],
    ground: &Ground,
    generator: &Generator,
    results: &mut Results,
) -> Result<()> {
    let is_wanted = |part: &str| arguments.parts.is_empty() || arguments.parts.iter().any(|wanted| wanted == part);
    let files = Files::generate(ground.folder, SERVICES, 8)?;
    if ["throughput", "latency", "mixes"].into_iter().any(is_wanted) {
        let servers = start(peers, ground, &files, plan, results);
        let checked: Vec<&Running> = servers.iter().filter(|server| server.peer.part != Part::Ceiling).collect();
        results.agreement = agreement::check(&checked, &files)?;
        let (queries, faults) = (results.agreement.queries, &results.agreement.faults);
        ensure!(faults.is_empty(), "the servers do not say the same:\n{}", faults.join("\n"));
        println!("{} servers give the same answers to {queries} queries", checked.len());
        if is_wanted("throughput") || is_wanted("latency") {
            sections::throughput::measure(generator, &servers, plan, results);
        }
        if is_wanted("latency") {
            sections::latency::measure(generator, &servers, plan, results);
        }
        if is_wanted("mixes") {
            sections::mixes::measure(generator, &servers, plan, results);
        }
    }
    if is_wanted("names") {
        or_note(sections::names::measure(generator, ground, peers, plan, results), "many names", results);
    }
    if is_wanted("sizes") {
        or_note(sections::sizes::measure(ground, peers, plan, results), "memory and load time", results);
    }
    if is_wanted("instructions") {
        let done = sections::instructions::measure(generator, ground, peers, &files, plan, results);
        or_note(done, "instructions", results);
    }
    if is_wanted("changes") {
        or_note(sections::changes::measure(ground, peers, &files, plan, results), "changes", results);
        or_note(sections::churn::measure(generator, ground, plan, results), "changes beside queries", results);
    }
    Ok(())
}

/// Notes that a part failed.
fn or_note(done: Result<()>, part: &str, results: &mut Results) {
    if let Err(error) = done {
        results.fail(format!("{part}: {error:#}"));
    }
}

/// Starts all servers, each on a port of its own; they are stopped until they are asked.
fn start<'p>(
    peers: &[&'p Peer],
    ground: &Ground,
    files: &Files,
    plan: &Plan,
    results: &mut Results,
) -> Vec<Running<'p>> {
    let mut servers = Vec::new();
    for (peer, port) in peers.iter().zip((PORT..).step_by(10)) {
        match Running::start(peer, ground, port, files, plan.patience) {
            Ok(server) => servers.push(server),
            Err(error) => results.fail(format!("{error:#}")),
        }
    }
    servers
}

/// Keeps this program on the generator's core.
fn pin(core: usize) -> Result<()> {
    let mut set = CpuSet::new();
    set.set(core);
    sched_setaffinity(None, &set).with_context(|| format!("there is no core {core}; at least two are needed"))
}
