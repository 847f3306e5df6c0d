//! What a run does.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use super::churn::ChurnPlan;
use super::pace::Pace;
use super::questions::Questions;

/// What carries the messages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Transport {
    /// Datagrams.
    #[default]
    Udp,
    /// Connections that stay, with many queries under way on each.
    Tcp,
    /// A connection for each query.
    TcpConnect,
}

impl Transport {
    /// Its name in reports and on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Udp => "udp",
            Self::Tcp => "tcp",
            Self::TcpConnect => "tcp-connect",
        }
    }
}

/// What a run does.
pub struct Plan {
    /// Who is asked.
    pub server: SocketAddr,
    /// Over what.
    pub transport: Transport,
    /// A step each, in order.
    pub paces: Vec<Pace>,
    /// How long queries are sent in each step.
    pub duration: Duration,
    /// Sockets in all: source ports, or connections at a time.
    pub sockets: usize,
    /// Threads that send and receive.
    pub threads: usize,
    /// The cores for the threads, in turn; none: as the scheduler likes.
    pub cores: Vec<usize>,
    /// How long a query waits for its answer.
    pub timeout: Duration,
    /// What is asked.
    pub questions: Arc<Questions>,
    /// Whether answers are checked against the data.
    pub check: bool,
    /// Whether the kernel may treat queries, and answers, of one length as one message on their way (UDP_SEGMENT, UDP_GRO).
    pub offload: bool,
    /// What the user calls the run.
    pub label: String,
    /// What is asked, as text for the report: data or file, and mix.
    pub said: (String, String),
    /// Changes made beside the queries.
    pub churn: Option<ChurnPlan>,
    /// Ends the run early once true; what came so far is reported.
    pub stop: Arc<AtomicBool>,
    /// Whether to show progress on standard error.
    pub progress: bool,
}

impl Plan {
    /// Sockets of thread `index`: at least one.
    pub(super) fn sockets_of(&self, index: usize) -> usize {
        (self.sockets / self.threads + usize::from(index < self.sockets % self.threads)).max(1)
    }
}

/// Why a run could not be made.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// A socket could not be made, or an option of it set.
    #[error("{what}: {source}")]
    Io {
        /// What failed.
        what: String,
        /// Why.
        source: std::io::Error,
    },
    /// Changes could not be prepared.
    #[error("changes beside the queries: {0}")]
    Churn(String),
    /// A thread panicked.
    #[error("a thread of the load failed, which is a fault of this program")]
    Panic,
}

impl LoadError {
    /// Says what an error of the system's was about.
    pub(super) fn of(what: impl Into<String>) -> impl FnOnce(std::io::Error) -> Self {
        move |source| Self::Io { what: what.into(), source }
    }
}
