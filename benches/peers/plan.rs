//! What a run does, and for how long.

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::Parser;

/// Fingerpost beside other DNS servers.
#[derive(Parser)]
pub(crate) struct Arguments {
    /// Few and short runs, to see that everything works: about four minutes.
    #[arg(long)]
    pub(crate) quick: bool,
    /// Only these servers, such as `nsd,knot`; Fingerpost and the bare echo always take part.
    #[arg(long, value_delimiter = ',')]
    pub(crate) only: Vec<String>,
    /// Only these parts: throughput, latency, mixes, names, sizes, instructions, changes.
    #[arg(long, value_delimiter = ',')]
    pub(crate) parts: Vec<String>,
    /// How often each throughput is measured, the servers taking turns.
    #[arg(long)]
    pub(crate) repeats: Option<usize>,
    /// The core of the servers.
    #[arg(long, default_value_t = 0)]
    pub(crate) server_core: usize,
    /// The core of the load generator.
    #[arg(long, default_value_t = 1)]
    pub(crate) generator_core: usize,
    /// The `fingerpost` that asks, if it is not of this build: the same for comparisons of two builds.
    #[arg(long)]
    pub(crate) generator: Option<String>,
    /// Where results are written.
    #[arg(long, default_value = "target/peers/results")]
    pub(crate) out: PathBuf,
    /// What `cargo bench` passes to every benchmark.
    #[arg(long, hide = true)]
    pub(crate) bench: bool,
    /// That of the bare echo, which this program is when it is given.
    #[arg(long, hide = true)]
    pub(crate) listen: Option<IpAddr>,
}

/// Numbers of runs and their lengths.
pub(crate) struct Plan {
    /// Repeats of throughput.
    pub(crate) repeats: usize,
    /// Repeats of everything else.
    pub(crate) few: usize,
    /// Of a run as fast as it goes.
    pub(crate) saturated: Duration,
    /// Of a run at a fixed rate. Longer: its CPU time is small, and it is told apart by samples.
    pub(crate) fixed: Duration,
    /// Of a run for latencies.
    pub(crate) latency: Duration,
    /// Of a run of another mix.
    pub(crate) mix: Duration,
    /// Of each kind of changes.
    pub(crate) changes: Duration,
    /// Queries a second of runs at a fixed rate.
    pub(crate) rate: f64,
    /// Whether the sizes with a million instances are done.
    pub(crate) is_large: bool,
    /// How long a server may take to load.
    pub(crate) patience: Duration,
    /// Of a run under callgrind.
    pub(crate) counted: Duration,
}

impl Plan {
    /// What the arguments ask for.
    pub(crate) fn of(arguments: &Arguments) -> Self {
        let milliseconds = Duration::from_millis;
        let plan = if arguments.quick {
            Self {
                repeats: 1,
                few: 1,
                saturated: milliseconds(600),
                fixed: milliseconds(600),
                latency: milliseconds(700),
                mix: milliseconds(400),
                changes: milliseconds(1000),
                rate: 50_000.0,
                is_large: false,
                patience: Duration::from_secs(30),
                counted: milliseconds(1500),
            }
        } else {
            Self {
                repeats: 5,
                few: 3,
                saturated: milliseconds(2000),
                fixed: milliseconds(2000),
                latency: milliseconds(1500),
                mix: milliseconds(1000),
                changes: milliseconds(3000),
                rate: 50_000.0,
                is_large: true,
                patience: Duration::from_secs(90),
                counted: milliseconds(4000),
            }
        };
        Self { repeats: arguments.repeats.unwrap_or(plan.repeats).max(1), ..plan }
    }
}
