//! Runs `fingerpost load` against a server, and says what the server's CPU time was meanwhile.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use fingerpost::load::report::Report;

use crate::network::{Network, Way};
use crate::process::CpuTime;
use crate::results::Run;
use crate::running::Running;
use crate::servers::Part;

/// The generator: where it runs, and on which core.
pub(crate) struct Generator<'n> {
    pub(crate) network: &'n Network,
    /// The program: `fingerpost`, of these benchmarks' build or another one's.
    pub(crate) program: String,
    pub(crate) core: usize,
    pub(crate) folder: &'n Path,
}

/// How fast to ask.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Pace {
    /// So many queries a second, whatever the server does.
    Rate(f64),
    /// So many queries under way: as fast as the server answers.
    Outstanding(usize),
}

/// What to ask.
#[derive(Clone, Debug)]
pub(crate) struct Asking {
    /// What the results call it.
    pub(crate) subject: &'static str,
    /// As `fingerpost load --mix` has it.
    pub(crate) mix: &'static str,
    /// As `fingerpost load --transport` has it.
    pub(crate) transport: &'static str,
    pub(crate) pace: Pace,
    /// Sockets, or connections.
    pub(crate) sockets: usize,
    pub(crate) duration: Duration,
    pub(crate) way: Way,
    /// Which time this is asked, from 0.
    pub(crate) repeat: usize,
    /// Further arguments of the generator.
    pub(crate) more: Vec<String>,
}

impl Asking {
    /// A over UDP from many sockets through loopback, as fast as it goes: what most runs ask, or nearly.
    pub(crate) fn new(subject: &'static str, duration: Duration, repeat: usize) -> Self {
        let (mix, transport, pace) = ("a=1", "udp", Pace::Outstanding(OUTSTANDING));
        Self { subject, mix, transport, pace, sockets: SOCKETS, duration, way: Way::Loopback, repeat, more: Vec::new() }
    }
}

/// Queries under way in a closed loop: more than any server takes in one batch, fewer than a socket holds whose buffer is
/// as the kernel makes it (some servers ask for no more): 277 on Linux.
pub(crate) const OUTSTANDING: usize = 200;
/// Sockets of the generator over UDP, each with a port of its own.
pub(crate) const SOCKETS: usize = 64;

impl Generator<'_> {
    /// Asks a server that is paused, and pauses it again.
    pub(crate) fn ask(&self, server: &Running, asking: &Asking) -> Result<Run> {
        server.process.resume();
        let run = self.measure(server, asking);
        server.process.pause();
        run.with_context(|| format!("{}, {}, {}", server.peer.title, asking.subject, asking.way.name()))
    }

    fn measure(&self, server: &Running, asking: &Asking) -> Result<Run> {
        let json = self.folder.join("report.json");
        let _ = fs::remove_file(&json);
        let core = self.core.to_string();
        let mut words = self.network.prefix(asking.way);
        // What the run may take at most: no server's or generator's fault may hold up all others.
        let most = (asking.duration.as_secs() + 20).to_string();
        words.extend(["timeout", "--signal", "KILL", &most].map(str::to_owned));
        words.extend(["taskset", "--cpu-list", &core, &self.program, "load", "--no-offload"].map(str::to_owned));
        words.extend(["--threads", "1", "--cores", &core].map(str::to_owned));
        let mut put = |key: &str, value: String| words.extend([key.to_owned(), value]);
        put("--server", server.place.socket().to_string());
        put("--generate", server.place.files.specification.clone());
        put("--mix", asking.mix.into());
        put("--transport", asking.transport.into());
        put("--sockets", asking.sockets.to_string());
        put("--duration", format!("{}ms", asking.duration.as_millis()));
        put("--label", format!("{}, {}", server.peer.title, asking.subject));
        put("--json", json.display().to_string());
        match asking.pace {
            Pace::Rate(rate) => put("--rate", format!("{rate:.0}")),
            Pace::Outstanding(count) => put("--outstanding", count.to_string()),
        }
        if server.peer.part == Part::Ceiling {
            // It answers nothing that could be checked.
            words.push("--no-check".into());
        }
        if !asking.mix.contains("srv") {
            // Eight ports and targets with their addresses do not fit an answer without EDNS; all else does.
            words.push("--no-edns".into());
        }
        words.extend(asking.more.iter().cloned());
        let mut words = words.into_iter();
        let (before, begun) = (server.process.cpu_time(), Instant::now());
        let output = Command::new(words.next().unwrap_or_default())
            .args(words)
            .stdin(Stdio::null())
            .output()
            .context("the load generator")?;
        let (cpu, elapsed) = (server.process.cpu_time().since(before), begun.elapsed());
        let text = fs::read_to_string(&json).unwrap_or_default();
        ensure!(!text.is_empty(), "the load generator: {}", String::from_utf8_lossy(&output.stderr).trim());
        let report: Report = serde_json::from_str(&text).context("the load generator's report")?;
        run(server, asking, &report, cpu, elapsed)
    }
}

/// What one report means, with the server's CPU time.
fn run(server: &Running, asking: &Asking, report: &Report, cpu: CpuTime, elapsed: Duration) -> Result<Run> {
    let step = report.steps.first().context("a report without a step")?;
    let answered = step.answered.max(1) as f64;
    let checks = &step.checks;
    let wrong = checks.wrong_rcode
        + checks.wrong_record
        + checks.wrong_count
        + checks.wrong_ttl
        + checks.duplicate
        + checks.malformed;
    let data = &server.place.files.data;
    Ok(Run {
        server: server.peer.name.into(),
        subject: asking.subject.into(),
        way: asking.way.name().into(),
        mix: asking.mix.into(),
        transport: asking.transport.into(),
        services: data.services,
        instances: data.instances,
        repeat: asking.repeat,
        rate: step.rate,
        outstanding: step.outstanding,
        seconds: step.seconds,
        sent: step.sent,
        answered: step.answered,
        lost: step.lost,
        unsent: step.unsent,
        send_rate: step.send_rate,
        answer_rate: step.answer_rate,
        wrong,
        example: checks.examples.first().cloned().unwrap_or_default(),
        cpu_ns: cpu.total as f64 / answered,
        user_ns: cpu.user_nanoseconds() / answered,
        user_ticks: cpu.user,
        system_ticks: cpu.system,
        // The generator's own start and end are in `elapsed`, when the server has nothing to do.
        busy: cpu.total as f64 / 1e9 / if step.seconds > 0.0 { step.seconds } else { elapsed.as_secs_f64() },
        generator_busy: (step.generator.user_seconds + step.generator.system_seconds) / step.seconds.max(1e-9),
        lag_p99: step.generator.lag.p99,
        p50: step.latency.p50,
        p99: step.latency.p99,
        p99_9: step.latency.p99_9,
        stale: checks.stale,
        changes: step.churn.as_ref().map_or(0, |churn| churn.acknowledged),
        visible_p99: step.churn.as_ref().map_or(0, |churn| churn.visible.p99),
        shown_p99: step.churn.as_ref().map_or(0, |churn| churn.shown.p99),
    })
}
