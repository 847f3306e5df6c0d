//! A node that follows another one, its primary: it answers what the primary answers, and changes nothing by itself.
//!
//! ```text
//! primary ─▶ stream (one connection's life) ─▶ gather, convert ─▶ registry::Replica ─▶ registry ─▶ tables
//!               ▲        │ heard of                                                       │
//!  connect ─────┘        └─▶ status ─▶ freshness (answers withheld or marked) ─▶ registry │
//!  backoff, next address                                                                  │
//! state file ◀── keeper ◀───────────────────────── catalog ◀──────────────────────────────┘
//! ```
//!
//! * `connect`: addresses, TLS, the token; `backoff` says when to try again.
//! * `stream`: subscribes, takes what comes, reports what shows.
//! * `gather`, `convert`: from messages, of which none is trusted, to what the registry takes.
//! * `file`, `keeper`: the last state on disk, which a start answers from before any primary is reached.
//! * `status`, `freshness`: how old the state is, and what becomes of answers when it is too old.
//!
//! Revision, ids and SOA serials are the primary's, and so both answer alike. The state hash is compared with each
//! message; where it differs, the whole state is asked for again. What vouches for the state is a message of a primary:
//! silence of a few seconds means that it is away, whatever the reason.

#![forbid(unsafe_code)]

mod backoff;
mod connect;
mod convert;
mod file;
mod freshness;
mod gather;
mod keeper;
mod status;
mod stream;
#[cfg(test)]
mod tests;

use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::watch;
use tracing::{info, warn};

pub use connect::{Primary, TlsFiles, check};
pub use file::{FileError, Saved, load};
pub use freshness::{Freshness, WhenStale};
pub use keeper::Keeper;
pub use status::{FAILURES, Status};

use self::backoff::Backoff;
use self::status::Failure;
use crate::registry::{Reader, Sender, Visibility};

/// A primary that was in step for so long is no reason to wait before the next attempt.
const SETTLED: Duration = Duration::from_secs(10);

/// Whom to follow, and how.
#[derive(Clone, Debug)]
pub struct Settings {
    /// At least one; when one fails, the next is tried.
    pub primaries: Vec<Primary>,
    /// Names or ids of namespaces; none: all that the token allows.
    pub namespaces: Vec<String>,
    /// Whom to trust, and with which certificate to come.
    pub tls: TlsFiles,
    /// File of the token.
    pub token: Option<PathBuf>,
    /// How old the state may be.
    pub max_stale: Duration,
    /// What becomes of answers when it is older.
    pub when_stale: WhenStale,
    /// What this node is called in the primary's logs and metrics.
    pub node: String,
}

/// Follows primaries, one at a time, until it is stopped.
pub struct Follower {
    settings: Settings,
    registry: Sender,
    catalog: Reader,
    visibility: Visibility,
    status: Arc<Status>,
}

/// What the log has said of failures since all was well: the same again is no news.
#[derive(Default)]
struct Said(HashSet<String>);

impl Said {
    /// Texts that are remembered at most: more are not the same again and again.
    const MOST: usize = 64;

    fn say(&mut self, failure: String) {
        if self.0.len() >= Self::MOST {
            self.0.clear();
        }
        if !self.0.contains(&failure) {
            warn!("does not follow {failure}");
            self.0.insert(failure);
        }
    }

    fn forget(&mut self) {
        self.0.clear();
    }
}

/// Why the stream of a primary ended.
#[derive(Debug)]
struct Ended {
    failure: Failure,
    reason: String,
}

impl Ended {
    fn new(failure: Failure, reason: impl Into<String>) -> Self {
        Self { failure, reason: reason.into() }
    }
}

impl Follower {
    /// Prepares to follow, for `registry`.
    pub fn new(
        settings: Settings,
        registry: Sender,
        catalog: Reader,
        visibility: Visibility,
        status: Arc<Status>,
    ) -> Self {
        Self { settings, registry, catalog, visibility, status }
    }

    /// Follows until `stop` says so.
    pub async fn run(self, mut stop: watch::Receiver<bool>) {
        tokio::select! {
            // Nobody left to say so is the same.
            _ = stop.wait_for(|stop| *stop) => {}
            () = self.follow() => {}
        }
        self.status.set_connected(None);
    }

    /// Goes from primary to primary.
    async fn follow(&self) {
        let mut backoff = Backoff::new(self.settings.primaries.len());
        let mut wants_all = false;
        let mut said = Said::default();
        for primary in self.settings.primaries.iter().cycle() {
            backoff.pause().await;
            // The same primary is asked again as long as it is only its state that has to be asked for anew.
            loop {
                let begun = Instant::now();
                let ended = self.stream(primary, wants_all, &mut said).await;
                self.status.set_connected(None);
                self.status.failed(ended.failure);
                let was_in_step = ended.failure != Failure::Connect && begun.elapsed() >= SETTLED;
                backoff.failed(was_in_step);
                wants_all = ended.failure == Failure::Diverged;
                said.say(format!("{primary}: {}", ended.reason));
                if !wants_all {
                    break;
                }
                info!("asks {primary} for its whole state");
                backoff.pause().await;
            }
        }
    }
}
