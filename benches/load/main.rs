//! `fingerpost load` beside dnsperf, end to end: queries that were sent, answered and checked, from the same core.
//!
//! ```text
//! cargo bench --bench load                    # needs dnsperf, taskset, and two cores with nothing else to do
//! cargo bench --bench load -- --repeats 9
//! ```
//!
//! A server is the limit of nearly any generator. So both ask one that is none: a [`responder`] on one core, which gives
//! right answers out of arithmetic. The generator has the other core. Each one's settings are tried first, and those that
//! had the most answers a second are taken; then they run in turn, and medians are compared. dnsperf has one thread to
//! send and one to receive on that core (`-T 1`), and looks at ids and response codes; `fingerpost load` has one thread,
//! and its checks: question, response code, addresses, TTL, none twice. How much of the time the responder had nothing to
//! do says whether it was the limit after all.
//!
//! Ours is measured in three ways: queries and answers in pieces that the kernel cuts (UDP_SEGMENT, UDP_GRO), which is its
//! best; queries alone, as most servers answer; and nothing (`--no-offload`), as dnsperf does.

mod generator;
mod responder;

use std::process::Command;

use anyhow::{Context, Result, ensure};
use clap::Parser;
use fingerpost::load::data;

use self::generator::{Data, Generator, Pieces, Run};
use self::responder::Responder;

/// What is asked for: ten thousand names, answers of eight addresses.
const DATA: &str = "services=10000,instances=8,records=a";

/// The load harness beside dnsperf.
#[derive(Parser)]
struct Arguments {
    /// How long each run lasts, in seconds.
    #[arg(long, default_value_t = 2)]
    seconds: u64,
    /// Runs of each generator.
    #[arg(long, default_value_t = 5)]
    repeats: usize,
    /// The core of the responder.
    #[arg(long, default_value_t = 0)]
    responder_core: usize,
    /// The core of the generators.
    #[arg(long, default_value_t = 1)]
    generator_core: usize,
    /// What `cargo bench` passes to every benchmark.
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let Ok(output) = Command::new("dnsperf").arg("-h").output() else {
        println!("nothing to compare with: there is no dnsperf");
        return Ok(());
    };
    let text = [output.stdout, output.stderr].concat();
    let version =
        String::from_utf8_lossy(&text).lines().find_map(|line| Some(line.strip_prefix("Version ")?.to_owned()));
    let folder = tempfile::tempdir()?;
    let written = Command::new(env!("CARGO_BIN_EXE_fingerpost"))
        .args(["load", "generate", DATA, "--queries", "10000", "--out"])
        .arg(folder.path())
        .output()?;
    ensure!(written.status.success(), "{}", String::from_utf8_lossy(&written.stderr));
    let specification: data::Data = DATA.parse()?;
    let responder = Responder::start(&specification, arguments.responder_core)?;
    let data = Data { specification: DATA, folder: folder.path() };
    let run = |generator: &Generator, seconds| generator.run(&responder, arguments.generator_core, seconds, &data);

    println!("dnsperf {}, {DATA}, A over UDP without EDNS\n", version.as_deref().unwrap_or("of an unknown version"));
    println!("settings, a run of 1 s each, answers/s:");
    let mut best: Vec<Generator> = Vec::new();
    for candidates in candidates() {
        let mut rated = Vec::new();
        for candidate in candidates {
            let found = run(&candidate, 1)?;
            println!("  {:>9.0}  {}, answers {}", found.answered, candidate.words(), candidate.answers());
            rated.push((found.answered, candidate));
        }
        let most = rated.into_iter().max_by(|one, other| one.0.total_cmp(&other.0));
        best.push(most.context("no settings")?.1);
    }

    let mut runs: Vec<Vec<Run>> = vec![Vec::new(); best.len()];
    for _ in 0..arguments.repeats {
        for (generator, runs) in best.iter().zip(&mut runs) {
            runs.push(run(generator, arguments.seconds)?);
        }
    }
    let (repeats, seconds) = (arguments.repeats, arguments.seconds);
    println!("\nthe best of each, {repeats} runs of {seconds} s in turn, medians (smallest–largest):\n");
    println!(
        "| | answers come | sent/s | answered/s | CPU ns a query | lost | wrong | responder idle |\n|---|---|---|---|---|---|---|---|"
    );
    for (generator, runs) in best.iter().zip(&runs) {
        let total = |count: fn(&Run) -> u64| runs.iter().map(count).sum::<u64>();
        println!(
            "| `{}` | {} | {} | {} | {} | {} | {} | {:.0} % |",
            generator.words(),
            generator.answers(),
            spread(runs, |run| run.sent),
            spread(runs, |run| run.answered),
            spread(runs, |run| run.cpu),
            total(|run| run.lost),
            total(|run| run.wrong),
            median(runs, |run| run.idle) * 100.0,
        );
        let unsent = total(|run| run.unsent);
        if unsent > 0 {
            println!("the responder could not send {unsent} answers to it");
        }
    }
    println!();
    let Some((theirs, ours)) = runs.split_first() else { return Ok(()) };
    for (generator, ours) in best.iter().skip(1).zip(ours) {
        let ratio = |figure: fn(&Run) -> f64| median(ours, figure) / median(theirs, figure);
        let least = ours.iter().map(|run| run.answered).fold(f64::INFINITY, f64::min);
        let most = theirs.iter().map(|run| run.answered).fold(0.0, f64::max);
        println!(
            "{}, answers {}: {:.2} times dnsperf's answers a second (its slowest run and dnsperf's fastest: {:.2}), {:.2} of its CPU time",
            generator.words(),
            generator.answers(),
            ratio(|run| run.answered),
            least / most,
            ratio(|run| run.cpu),
        );
    }
    Ok(())
}

/// The settings that are tried of dnsperf, and of ours in each of its ways.
fn candidates() -> [Vec<Generator>; 4] {
    let pairs = |counts: &[u32], outstanding: &[u32]| -> Vec<(u32, u32)> {
        counts.iter().flat_map(|&count| outstanding.iter().map(move |&outstanding| (count, outstanding))).collect()
    };
    let ours = |pieces| {
        let of = move |(sockets, outstanding)| Generator::Ours { sockets, outstanding, pieces };
        pairs(&[1, 64], &[200, 1000]).into_iter().map(of).collect()
    };
    let dnsperf = pairs(&[1, 8, 64], &[20, 100, 1000]);
    let dnsperf = dnsperf.into_iter().map(|(clients, outstanding)| Generator::Dnsperf { clients, outstanding });
    [dnsperf.collect(), ours(Pieces::Both), ours(Pieces::Queries), ours(Pieces::None)]
}

/// The middle one.
fn median(runs: &[Run], figure: impl Fn(&Run) -> f64) -> f64 {
    let mut figures: Vec<f64> = runs.iter().map(figure).collect();
    figures.sort_by(f64::total_cmp);
    figures.get(figures.len() / 2).copied().unwrap_or(f64::NAN)
}

/// `median (smallest–largest)`.
fn spread(runs: &[Run], figure: impl Fn(&Run) -> f64 + Copy) -> String {
    let least = runs.iter().map(figure).fold(f64::INFINITY, f64::min);
    let most = runs.iter().map(figure).fold(f64::NEG_INFINITY, f64::max);
    format!("{:.0} ({least:.0}–{most:.0})", median(runs, figure))
}
