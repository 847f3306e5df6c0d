//! What came of a run: the JSON that `fingerpost load` writes, `fingerpost load compare` reads and programs may rely on.
//!
//! Times are in nanoseconds and rates in messages a second unless a name says otherwise. New members may come; those
//! that are here keep their meaning as long as [`Report::format`] is 1.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// The number of this format.
pub const FORMAT: u32 = 1;

/// One run against one server.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Report {
    /// [`FORMAT`].
    pub format: u32,
    /// Version of Fingerpost that asked.
    pub version: String,
    /// When the run began, as RFC 3339.
    pub started: String,
    /// What the user calls it: the title of plots, the heading of columns.
    pub label: String,
    /// The server's address and port.
    pub server: String,
    /// `udp`, `tcp`, or `tcp-connect` for a connection per query.
    pub transport: String,
    /// `open` (a rate is kept whatever the server does) or `closed` (so many queries are under way at most).
    pub mode: String,
    /// What was asked for: the text of the data's specification, or the file of queries.
    pub data: String,
    /// The mix of queries, as text.
    pub mix: String,
    /// Threads that sent, sockets in all.
    pub threads: usize,
    /// Sockets, or connections, in all.
    pub sockets: usize,
    /// The steps, one for each rate, in order.
    pub steps: Vec<Step>,
}

/// What came of one rate.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Step {
    /// The rate that was asked for; `None` in a closed loop.
    pub rate: Option<f64>,
    /// Queries under way at most; `None` in an open loop.
    pub outstanding: Option<usize>,
    /// How long queries were sent, in seconds.
    pub seconds: f64,
    /// Queries sent.
    pub sent: u64,
    /// Answers that came in time, whatever they said.
    pub answered: u64,
    /// Queries without an answer in time.
    pub lost: u64,
    /// Messages that answer nothing that was asked.
    pub unexpected: u64,
    /// Queries that could not be sent: the generator's own fault.
    pub unsent: u64,
    /// Queries sent a second.
    pub send_rate: f64,
    /// Answers a second.
    pub answer_rate: f64,
    /// Answers by RCODE, such as `NOERROR`.
    pub rcodes: BTreeMap<String, u64>,
    /// Answers with TC set.
    pub truncated: u64,
    /// From when a query was due, or sent in a closed loop, to its answer.
    pub latency: Latency,
    /// The same second by second.
    pub timeline: Vec<Second>,
    /// What was wrong with answers.
    pub checks: Checks,
    /// Answers that the kernel dropped on our own sockets (SO_RXQ_OVFL): they are lost, and not by the server.
    pub dropped_here: u64,
    /// The generator itself.
    pub generator: Generator,
    /// Changes made beside the queries.
    pub churn: Option<Churn>,
}

/// A distribution of times in nanoseconds.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Latency {
    /// How many.
    pub count: u64,
    /// The shortest.
    pub min: u64,
    /// The mean.
    pub mean: f64,
    /// Half are not longer.
    pub p50: u64,
    /// 90 % are not longer.
    pub p90: u64,
    /// 99 % are not longer.
    pub p99: u64,
    /// 99.9 % are not longer.
    pub p99_9: u64,
    /// 99.99 % are not longer.
    pub p99_99: u64,
    /// The longest.
    pub max: u64,
    /// (time, how many) of every bucket that is not empty, by time, to two digits.
    pub histogram: Vec<(u64, u64)>,
}

/// One second of a step.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Second {
    /// Seconds since the step began.
    pub at: u32,
    /// Queries sent.
    pub sent: u64,
    /// Answers that came.
    pub answered: u64,
    /// Half of the answers took no longer.
    pub p50: u64,
    /// 99 % took no longer.
    pub p99: u64,
    /// The longest.
    pub max: u64,
}

/// What was wrong with answers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Checks {
    /// Answers that were looked at.
    pub checked: u64,
    /// With another RCODE than the data says.
    pub wrong_rcode: u64,
    /// With an address, a port or a target that the service does not have.
    pub wrong_record: u64,
    /// With more or fewer records than there should be.
    pub wrong_count: u64,
    /// With another TTL than the data says.
    pub wrong_ttl: u64,
    /// With a record twice.
    pub duplicate: u64,
    /// With a record that had been replaced before the query was sent, and its replacement acknowledged.
    pub stale: u64,
    /// Which could not be read as a DNS message.
    pub malformed: u64,
    /// The first few, for people.
    pub examples: Vec<String>,
}

/// How the generator fared: if it lagged behind, the figures are its own.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Generator {
    /// CPU seconds of the sending threads in user mode.
    pub user_seconds: f64,
    /// CPU seconds of the sending threads in the kernel.
    pub system_seconds: f64,
    /// How much later than due queries were sent.
    pub lag: Latency,
    /// Errors of its sockets: most often, that nobody listens at the server's port.
    pub errors: u64,
}

/// Changes made beside the queries.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Churn {
    /// Changes a second that were asked for.
    pub rate: f64,
    /// Changes acknowledged.
    pub acknowledged: u64,
    /// Changes refused or failed.
    pub failed: u64,
    /// From when a change was due to the first DNS answer with it.
    pub shown: Latency,
    /// From a change's acknowledgement to the first DNS answer with it; 0 where DNS was first.
    pub visible: Latency,
    /// From when a change was due to its acknowledgement.
    pub acknowledgement: Latency,
}
