//! What becomes of answers when the state that they are from is too old.

use std::sync::Arc;
use std::time::Duration;

use clap::ValueEnum;
use serde::Deserialize;
use tokio::sync::watch;
use tracing::{info, warn};

use super::Status;
use crate::dns::Stale;
use crate::registry::{Command, Registry, Sender, Withhold};

/// What becomes of answers when the state is too old.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
#[value(rename_all = "lowercase")]
pub enum WhenStale {
    /// SERVFAIL, with the extended error 22 (No Reachable Authority)
    ServFail,
    /// As before, with the extended error 3 (Stale Answer)
    Serve,
}

impl std::fmt::Display for WhenStale {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::ServFail => "servfail",
            Self::Serve => "serve",
        })
    }
}

/// Watches the age of the state.
pub struct Freshness {
    max_stale: Duration,
    when_stale: WhenStale,
    mark: Stale,
    status: Arc<Status>,
}

impl Freshness {
    /// Answers of a state older than `max_stale` are dealt with as `when_stale` says; `mark` is the data plane's.
    pub fn new(max_stale: Duration, when_stale: WhenStale, mark: Stale, status: Arc<Status>) -> Self {
        Self { max_stale, when_stale, mark, status }
    }

    /// Decides at the start, before anybody is answered.
    pub fn begin(&self, registry: &mut Registry) {
        let too_old = self.is_too_old();
        match self.status.age() {
            None => registry.withhold(Withhold::All),
            Some(_) if too_old && self.when_stale == WhenStale::ServFail => registry.withhold(Withhold::Zones),
            Some(_) => self.mark.set(too_old),
        }
        self.tell(too_old);
    }

    /// Watches until `stop` says so.
    pub async fn run(self, registry: Sender, mut stop: watch::Receiver<bool>) {
        tokio::select! {
            _ = stop.wait_for(|stop| *stop) => {}
            () = self.watch(registry) => {}
        }
    }

    async fn watch(&self, registry: Sender) {
        loop {
            if self.status.is_too_old() {
                self.status.revived.notified().await;
                if self.is_too_old() {
                    continue;
                }
                self.mark.set(false);
                // The registry that is gone needs no word.
                let _ = registry.send(Command::Withhold(Withhold::Nothing)).await;
                self.tell(false);
                info!("the state is the primary's");
            } else {
                let age = self.status.age().unwrap_or_default();
                tokio::time::sleep(self.max_stale.saturating_sub(age)).await;
                if !self.is_too_old() {
                    continue;
                }
                let seconds = self.max_stale.as_secs();
                match self.when_stale {
                    WhenStale::ServFail => {
                        let _ = registry.send(Command::Withhold(Withhold::Zones)).await;
                        warn!("no primary for {seconds} seconds: answers SERVFAIL from now on");
                    }
                    WhenStale::Serve => {
                        self.mark.set(true);
                        warn!("no primary for {seconds} seconds: answers are stale from now on");
                    }
                }
                self.tell(true);
                // It may have come in between.
                if !self.is_too_old() {
                    self.status.revived.notify_one();
                }
            }
        }
    }

    /// Whether the state is too old, or there is none.
    fn is_too_old(&self) -> bool {
        self.status.age().is_none_or(|age| age >= self.max_stale)
    }

    /// Lets others know.
    fn tell(&self, too_old: bool) {
        self.status.set_too_old(too_old);
        let is_served = !too_old || self.status.age().is_some() && self.when_stale == WhenStale::Serve;
        self.status.set_serving(is_served);
    }
}
