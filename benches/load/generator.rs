//! The generators, as their users start them, and what they say of a run.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use fingerpost::load::compare::wrong;
use fingerpost::load::report::Report;

use crate::responder::Responder;

/// What `fingerpost load generate` writes and dnsperf reads.
pub(crate) const QUERIES: &str = "queries/a.txt";
/// Kilobytes of dnsperf's socket buffers: with those it has by itself (32), answers are dropped.
const BUFFER: &str = "4096";

/// A generator and its flags.
#[derive(Clone, Debug)]
pub(crate) enum Generator {
    Dnsperf { clients: u32, outstanding: u32 },
    Ours { sockets: u32, outstanding: u32, pieces: Pieces },
}

/// What goes through the kernel in one piece.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Pieces {
    /// Neighbouring queries, and neighbouring answers.
    Both,
    /// Neighbouring queries alone.
    Queries,
    /// Nothing.
    None,
}

/// What came of one run.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Run {
    /// Queries a second.
    pub(crate) sent: f64,
    /// Answers a second; of ours, each was checked.
    pub(crate) answered: f64,
    /// Queries without an answer.
    pub(crate) lost: u64,
    /// Answers that were found to be wrong, or not looked at.
    pub(crate) wrong: u64,
    /// CPU time of the whole process, its start and end included, for a query in nanoseconds.
    pub(crate) cpu: f64,
    /// How much of the time the responder had nothing to do.
    pub(crate) idle: f64,
    /// Answers that the responder could not send.
    pub(crate) unsent: u64,
}

impl Generator {
    /// Its flags, as a user writes them.
    pub(crate) fn words(&self) -> String {
        match self {
            Self::Dnsperf { clients, outstanding } => format!("dnsperf -T 1 -c {clients} -q {outstanding} -b {BUFFER}"),
            Self::Ours { sockets, outstanding, pieces } => {
                let offload = if *pieces == Pieces::None { " --no-offload" } else { "" };
                format!("fingerpost load --sockets {sockets} --outstanding {outstanding}{offload}")
            }
        }
    }

    /// How the answers come.
    pub(crate) fn answers(&self) -> &'static str {
        match self {
            Self::Ours { pieces: Pieces::Both, .. } => "in pieces",
            Self::Dnsperf { .. } | Self::Ours { .. } => "one by one",
        }
    }

    /// Runs it on `core` for some seconds.
    pub(crate) fn run(&self, responder: &Responder, core: usize, seconds: u64, data: &Data<'_>) -> Result<Run> {
        let address = responder.address;
        let core = core.to_string();
        let said = self.words();
        let mut words = said.split(' ');
        let program = words.next().unwrap_or_default();
        let program = if program == "dnsperf" { program } else { env!("CARGO_BIN_EXE_fingerpost") };
        let json = data.folder.join("report.json");
        let mut command = Command::new("taskset");
        command.args(["--cpu-list", &core, program]).args(words).stdin(Stdio::null());
        match self {
            Self::Dnsperf { .. } => {
                command.args(["-s", &address.ip().to_string(), "-p", &address.port().to_string()]);
                command.args(["-l", &seconds.to_string(), "-t", "1", "-d"]).arg(data.folder.join(QUERIES));
            }
            Self::Ours { .. } => {
                command.args(["--server", &address.to_string(), "--generate", data.specification, "--no-edns"]);
                command.args(["--duration", &format!("{seconds}s"), "--threads", "1", "--cores", &core]);
                command.arg("--json").arg(&json);
            }
        }
        responder.answer_apart(!matches!(self, Self::Ours { pieces: Pieces::Both, .. }));
        let (before, cpu, begun) = (responder.seen(), children()?, Instant::now());
        let output = command.output().with_context(|| said.clone())?;
        let (elapsed, cpu, after) = (begun.elapsed(), children()? - cpu, responder.seen());
        let text = String::from_utf8_lossy(&output.stdout);
        ensure!(output.status.success(), "{said}: {text} {}", String::from_utf8_lossy(&output.stderr));
        let mut run = match self {
            Self::Dnsperf { .. } => read(&text).with_context(|| format!("{said}: {text}"))?,
            Self::Ours { .. } => read_report(&json)?,
        };
        let queries = (after.answered - before.answered).max(1);
        run.cpu = cpu.as_nanos() as f64 / queries as f64;
        run.idle = (after.idle - before.idle).as_secs_f64() / elapsed.as_secs_f64();
        run.unsent = after.unsent - before.unsent;
        Ok(run)
    }
}

/// What is asked for.
pub(crate) struct Data<'d> {
    pub(crate) specification: &'d str,
    /// Where its queries are, and reports go.
    pub(crate) folder: &'d Path,
}

/// Reads what dnsperf prints.
fn read(text: &str) -> Option<Run> {
    let number = |name: &str| -> Option<f64> {
        let line = text.lines().find_map(|line| line.trim_start().strip_prefix(name))?;
        line.split_whitespace().next()?.parse().ok()
    };
    let seconds = number("Run time (s):")?;
    Some(Run {
        sent: number("Queries sent:")? / seconds,
        answered: number("Queries completed:")? / seconds,
        lost: number("Queries lost:")? as u64,
        // It knows of response codes alone.
        wrong: 0,
        cpu: 0.0,
        idle: 0.0,
        unsent: 0,
    })
}

/// Reads our report.
fn read_report(path: &Path) -> Result<Run> {
    let report: Report = serde_json::from_str(&fs::read_to_string(path)?)?;
    let step = report.steps.first().context("a report without a step")?;
    Ok(Run {
        sent: step.send_rate,
        answered: step.answer_rate,
        lost: step.lost,
        wrong: wrong(&step.checks) + step.answered.abs_diff(step.checks.checked),
        cpu: 0.0,
        idle: 0.0,
        unsent: 0,
    })
}

/// CPU time of processes that this one has started and that have ended.
fn children() -> Result<Duration> {
    // The 16th and the 17th word, in ticks, of which there are 100 a second; the second one may have blanks, and ends the
    // only parentheses.
    let text = fs::read_to_string("/proc/self/stat")?;
    let words = text.rsplit(')').next().unwrap_or_default().split_whitespace();
    let ticks: u64 = words.skip(13).take(2).filter_map(|word| word.parse::<u64>().ok()).sum();
    Ok(Duration::from_millis(ticks * 10))
}
