//! `fingerpost run`: what the ECS agent does for a task, for any process. It starts a command, registers it as an
//! instance while it is healthy, and takes it out of DNS before it stops.
//!
//! ```text
//!  signals, ends of children ─┐                       ┌─▶ process: the command, signals for it, orphans
//!  checks ────────────────────┼▶ Event ▶ machine ▶ Action ─▶ check: is it healthy?
//!  replies of the registry ───┤          (pure)       └─▶ registrar: gRPC, or the AWS API
//!  the clock ─────────────────┘
//! ```
//!
//! | module | owns |
//! |---|---|
//! | `machine` | every decision; no process, no socket, no clock |
//! | `attend` | the loop around it: one task that starts and reaps all children |
//! | `process`, `signals` | the command, and the manners of a container's first process |
//! | `check` | the checks of the command |
//! | `identity`, `metadata` | what is registered: id, addresses, attributes; what ECS says of its task |
//! | `registrar` | calls to the registry |
//!
//! Three promises. The command never waits for the registry, but for a drain, and for that only as long as allowed. Who
//! honours TTLs never meets a command that was told to stop: a drain over gRPC waits for the proof (no worker of any
//! node answers with the instance, and the last answer that had it has expired), and one over the AWS API for the
//! largest TTL. An agent that is killed outright leaves nothing behind for longer than its lease.

#![forbid(unsafe_code)]

mod attend;
mod check;
mod identity;
mod machine;
mod metadata;
mod process;
mod registrar;
mod signals;

use std::ffi::OsString;
use std::time::Duration;

pub use rustix::process::Signal;

pub use self::attend::run;
pub use self::check::Check;
pub use self::identity::Wanted;
pub use self::machine::Rules;
pub use self::metadata::VARIABLE as METADATA_VARIABLE;
pub use self::registrar::{AwsSettings, FindService, Found, GrpcSettings, Token, Way};
pub use self::signals::named as signal_named;

/// All that an agent is told.
pub struct Settings {
    /// The command and its arguments.
    pub command: Vec<OsString>,
    /// The service as users name it.
    pub service: String,
    /// The instance.
    pub wanted: Wanted,
    /// How the command is checked.
    pub check: Check,
    /// How long a check may take.
    pub check_timeout: Duration,
    /// When things happen.
    pub rules: Rules,
    /// How the registry is reached.
    pub way: Way,
    /// Whether to say what goes as it should, too.
    pub verbose: bool,
}
