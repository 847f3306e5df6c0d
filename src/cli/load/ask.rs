//! `fingerpost load --server …`: the run itself.

use std::fs;
use std::io::{self, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use anyhow::Context;
use clap::{Args, ValueEnum};
use fingerpost::load::compare::wrong;
use fingerpost::load::data::Data;
use fingerpost::load::plot;
use fingerpost::load::report::Report;
use fingerpost::load::{self, Kind, Mix, Pace, Plan, Popularity, Questions, Rates};

use super::super::{Usage, duration};
use super::churn::{self, Churning};

/// Queries under way where nothing else is said: enough to keep a server busy.
const OUTSTANDING: usize = 100;
/// Source ports, or connections, where nothing else is said.
const SOCKETS: usize = 64;
/// Sockets at most: there are no more ports.
const MOST_SOCKETS: u32 = 60_000;
/// Percent of the queries that ask for services that are being changed.
const CHURN_SHARE: u32 = 10;

/// What to ask, whom, and how fast.
#[derive(Args)]
pub(super) struct Ask {
    /// The DNS server to ask
    #[arg(long, value_name = "ADDR:PORT")]
    server: Option<SocketAddr>,

    /// The data to ask for, which answers are checked against, such as services=10000,instances=8; see `fingerpost load
    /// generate --help`
    #[arg(long, value_name = "DATA", conflicts_with = "queries")]
    generate: Option<Data>,

    /// Ask what this file says, a name and a type a line as dnsperf reads them, in turn; answers are not checked
    #[arg(long, value_name = "FILE")]
    queries: Option<PathBuf>,

    /// How often each kind is asked: a, aaaa, srv, nodata, nxdomain, instance (A of an instance's own name), churn
    #[arg(long, value_name = "KIND=N,…", default_value = "a=1", conflicts_with = "queries")]
    mix: Mix,

    /// Which services are asked for: uniform, zipf, or zipf:S with an exponent
    #[arg(long, value_name = "HOW", default_value = "uniform", conflicts_with = "queries")]
    popularity: Popularity,

    /// Queries a second, kept whatever the server does, and latency counts from when a query was due: 100k, or steps such
    /// as 10k,50k and 10k..100k/10k
    #[arg(long, value_name = "RATE", conflicts_with = "outstanding")]
    rate: Option<Rates>,

    /// Queries under way at most: the next one is sent when one is answered [default: 100, without --rate]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    outstanding: Option<u32>,

    /// How long to send, each step
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = duration)]
    duration: Duration,

    /// How long a query waits for its answer before it counts as lost
    #[arg(long, value_name = "TIME", default_value = "1s", value_parser = duration)]
    timeout: Duration,

    /// What carries the queries
    #[arg(long, value_name = "HOW", default_value = "udp")]
    transport: Carrier,

    /// Source ports or connections in all, at least one a thread [default: 64]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=i64::from(MOST_SOCKETS)))]
    sockets: Option<u32>,

    /// Threads that send and receive
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1024))]
    threads: u32,

    /// The cores to pin the threads to, in turn [default: as the scheduler likes]
    #[arg(long, value_name = "N,…", value_delimiter = ',', value_parser = core)]
    cores: Vec<usize>,

    /// Ask without EDNS (RFC 6891), so that answers have 512 octets at most
    #[arg(long, overrides_with = "edns")]
    no_edns: bool,

    /// Ask with EDNS and 1232 octets, which is the default
    #[arg(long)]
    edns: bool,

    /// Look at nothing but ids, questions and response codes
    #[arg(long)]
    no_check: bool,

    /// Send and receive every message by itself, rather than let the kernel cut several of one length out of one
    /// (UDP_SEGMENT) and hand over several as one (UDP_GRO), which costs less; the server sends and receives the same
    #[arg(long)]
    no_offload: bool,

    #[command(flatten)]
    churn: Churning,

    /// Write the report here, as JSON; - for standard output, in place of the table
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,

    /// Draw latency and throughput here, as SVG
    #[arg(long, value_name = "FILE.svg", value_parser = super::plot::svg)]
    plot: Option<PathBuf>,

    /// What to call the run in reports and plots
    #[arg(long, value_name = "TEXT", default_value = "")]
    label: String,

    /// Fail (exit code 1) when more than this share of the queries is lost, in percent
    #[arg(long, value_name = "PERCENT", value_parser = percent)]
    max_loss: Option<f64>,

    /// Write the data of --generate to this folder, as `fingerpost load generate` does; without --server, do nothing else
    #[arg(long, value_name = "DIR", requires = "generate")]
    out: Option<PathBuf>,
}

/// What carries the queries.
#[derive(Clone, Copy, ValueEnum)]
enum Carrier {
    /// Datagrams
    Udp,
    /// Connections that stay, with many queries under way on each
    Tcp,
    /// A connection for each query
    TcpConnect,
}

/// A share of a hundred.
fn percent(text: &str) -> Result<f64, String> {
    let share = text.trim_end_matches('%').parse().ok().filter(|share| (0.0..=100.0).contains(share));
    share.ok_or_else(|| "allowed are numbers from 0 to 100".into())
}

impl Ask {
    /// Asks and reports; the exit code says whether answers were wrong.
    pub(super) fn run(self) -> anyhow::Result<ExitCode> {
        let data = self.generate.clone().unwrap_or_default();
        if let Some(folder) = &self.out {
            load::generate::generate(&data, folder, super::generate::QUERIES)
                .with_context(|| folder.display().to_string())?;
        }
        let Some(server) = self.server else {
            return match self.out {
                Some(_) => Ok(ExitCode::SUCCESS),
                None => Err(Usage("--server ADDR:PORT is needed; fingerpost load --help says more".into()).into()),
            };
        };
        let (json, plot, max_loss) = (self.json.clone(), self.plot.clone(), self.max_loss);
        let plan = self.plan(server, data)?;
        let report = load::run(&plan)?;
        let to_stdout = json.as_deref() == Some(Path::new("-"));
        if let Some(path) = &json {
            write_json(&report, path)?;
        }
        if let Some(path) = &plot {
            draw(&report, path)?;
        }
        if !to_stdout {
            load::table::write(&report, &mut io::stdout().lock())?;
        }
        Ok(verdict(&report, max_loss))
    }

    /// What the flags say.
    fn plan(self, server: SocketAddr, data: Data) -> anyhow::Result<Plan> {
        let threads = self.threads as usize;
        let paces = match (&self.rate, self.outstanding) {
            (Some(Rates(rates)), _) => rates.iter().map(|&rate| Pace::Open { rate }).collect(),
            (None, outstanding) => {
                vec![Pace::Closed { outstanding: outstanding.map_or(OUTSTANDING, |most| most as usize) }]
            }
        };
        let churn = self.churn.plan()?;
        let mix = match &churn {
            Some(_) => self.mix.with(Kind::Churn, CHURN_SHARE),
            None if self.mix.has(Kind::Churn) => return Err(Usage("--mix: churn needs --churn".into()).into()),
            None => self.mix,
        };
        let edns = !self.no_edns;
        let (questions, said) = match &self.queries {
            Some(path) if churn.is_none() => {
                let questions = Questions::of_file(path, edns).map_err(Usage)?;
                (questions, (path.display().to_string(), String::new()))
            }
            Some(_) => {
                return Err(Usage("--churn: changes are checked with the data of --generate alone".into()).into());
            }
            None => {
                let churned = churn.as_ref().map_or(0, churn::services);
                let questions = Questions::of_data(&data, &mix, self.popularity, churned, edns);
                let mix = match self.popularity {
                    Popularity::Uniform => mix.to_string(),
                    popularity @ Popularity::Zipf { .. } => format!("{mix} {popularity}"),
                };
                (questions, (data.to_string(), mix))
            }
        };
        Ok(Plan {
            server,
            transport: match self.transport {
                Carrier::Udp => load::Transport::Udp,
                Carrier::Tcp => load::Transport::Tcp,
                Carrier::TcpConnect => load::Transport::TcpConnect,
            },
            paces,
            duration: self.duration,
            sockets: self.sockets.map_or(SOCKETS, |sockets| sockets as usize).max(threads),
            threads,
            cores: self.cores,
            timeout: self.timeout,
            questions: Arc::new(questions),
            check: !self.no_check,
            offload: !self.no_offload,
            label: if self.label.is_empty() { server.to_string() } else { self.label },
            said,
            churn,
            stop: stop_on_signal(),
            progress: true,
        })
    }
}

/// Becomes true at the first SIGINT or SIGTERM; the second one ends the program.
fn stop_on_signal() -> Arc<AtomicBool> {
    let stop = Arc::new(AtomicBool::new(false));
    // Without it, a signal ends the program at once.
    if let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_io().build() {
        let stop = Arc::clone(&stop);
        std::thread::spawn(move || runtime.block_on(super::signals::wait(&stop)));
    }
    stop
}

//----------- What came of it --------------------------------------------------

/// Writes the report.
fn write_json(report: &Report, path: &Path) -> anyhow::Result<()> {
    let mut text = serde_json::to_vec_pretty(report)?;
    text.push(b'\n');
    match path == Path::new("-") {
        true => Ok(io::stdout().write_all(&text)?),
        false => fs::write(path, text).with_context(|| path.display().to_string()),
    }
}

/// Draws the report.
fn draw(report: &Report, path: &Path) -> anyhow::Result<()> {
    let picture = plot::plot(std::slice::from_ref(report), &[], &report.label);
    let picture = picture.context("--plot: nothing was answered, so that there is nothing to draw")?;
    fs::write(path, picture).with_context(|| path.display().to_string())
}

/// The exit code: 1 where answers were wrong or too many queries lost, or where nothing was answered.
fn verdict(report: &Report, max_loss: Option<f64>) -> ExitCode {
    let faults: u64 = report.steps.iter().map(|step| wrong(&step.checks)).sum();
    let (sent, lost): (u64, u64) =
        report.steps.iter().fold((0, 0), |(sent, lost), step| (sent + step.sent, lost + step.lost));
    let is_lossy = max_loss.is_some_and(|percent| lost as f64 * 100.0 > sent as f64 * percent);
    let is_silent = report.steps.iter().all(|step| step.answered == 0);
    let failed = report.steps.iter().filter_map(|step| step.churn.as_ref()).any(|churn| churn.failed > 0);
    if faults > 0 || is_lossy || is_silent || failed { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

/// Reads the number of a core, of which the kernel's sets hold 1024.
fn core(text: &str) -> Result<usize, String> {
    text.parse().ok().filter(|core| *core < 1024).ok_or_else(|| "allowed are numbers of cores, 0 to 1023".into())
}
