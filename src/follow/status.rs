//! How the following fares, for whoever asks: metrics, probes, and what decides whether answers are too old.

use std::sync::atomic::Ordering::Relaxed;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::{Notify, watch};

/// Why a stream ended, or never began.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// The primary could not be reached.
    Connect,
    /// It refused the call, as it does without the right token.
    Refused,
    /// It closed the stream, or the connection broke.
    Closed,
    /// It said nothing for too long.
    Silent,
    /// It sent what makes no sense.
    Message,
    /// What it sent does not come to the state hash that it told: the whole state is asked for.
    Diverged,
}

/// Every failure at its index, with its label.
pub const FAILURES: [(Failure, &str); 6] = [
    (Failure::Connect, "connect"),
    (Failure::Refused, "refused"),
    (Failure::Closed, "closed"),
    (Failure::Silent, "silent"),
    (Failure::Message, "message"),
    (Failure::Diverged, "diverged"),
];

/// How the following fares.
pub struct Status {
    base: Instant,
    /// When a primary vouched for the state, in milliseconds after `base`; before it for a state from a file.
    vouched: AtomicI64,
    has_state: AtomicBool,
    /// The primary in step with which we are.
    primary: Mutex<Option<Box<str>>>,
    failures: [AtomicU64; FAILURES.len()],
    connections: AtomicU64,
    states: AtomicU64,
    saves: AtomicU64,
    failed_saves: AtomicU64,
    /// Whether answers are as they should be: there is a state, and it is not withheld.
    serving: watch::Sender<bool>,
    /// Whether the state is too old, or missing.
    too_old: AtomicBool,
    /// Told when a primary vouches for a state that was too old.
    pub(super) revived: Notify,
}

impl Default for Status {
    fn default() -> Self {
        Self {
            base: Instant::now(),
            vouched: AtomicI64::new(0),
            has_state: AtomicBool::new(false),
            primary: Mutex::default(),
            failures: Default::default(),
            connections: AtomicU64::new(0),
            states: AtomicU64::new(0),
            saves: AtomicU64::new(0),
            failed_saves: AtomicU64::new(0),
            serving: watch::Sender::new(false),
            too_old: AtomicBool::new(true),
            revived: Notify::new(),
        }
    }
}

impl Status {
    /// There is a state, for which a primary vouched so long ago.
    pub fn set_state(&self, age: Duration) {
        let now = i64::try_from(self.base.elapsed().as_millis()).unwrap_or(i64::MAX);
        let age = i64::try_from(age.as_millis()).unwrap_or(i64::MAX);
        self.vouched.store(now.saturating_sub(age), Relaxed);
        self.has_state.store(true, Relaxed);
    }

    /// A primary vouches for the state, now.
    pub(super) fn vouch(&self) {
        self.set_state(Duration::ZERO);
        if self.too_old.load(Relaxed) {
            self.revived.notify_one();
        }
    }

    /// How old the state is: since a primary vouched for it; `None` where there is none.
    pub fn age(&self) -> Option<Duration> {
        let now = i64::try_from(self.base.elapsed().as_millis()).unwrap_or(i64::MAX);
        let age = now.saturating_sub(self.vouched.load(Relaxed));
        let age = Duration::from_millis(u64::try_from(age).unwrap_or_default());
        self.has_state.load(Relaxed).then_some(age)
    }

    /// Whether the state is too old, or missing.
    pub fn is_too_old(&self) -> bool {
        self.too_old.load(Relaxed)
    }

    pub(super) fn set_too_old(&self, too_old: bool) {
        self.too_old.store(too_old, Relaxed);
    }

    /// Tells whether answers are as they should be.
    pub(super) fn set_serving(&self, serving: bool) {
        self.serving.send_replace(serving);
    }

    /// Whether answers are as they should be, now and later.
    pub fn serving(&self) -> watch::Receiver<bool> {
        self.serving.subscribe()
    }

    /// The primary in step with which we are, or none.
    pub(super) fn set_connected(&self, primary: Option<&str>) {
        let mut known = self.primary.lock().unwrap_or_else(PoisonError::into_inner);
        if primary.is_some() && known.is_none() {
            self.connections.fetch_add(1, Relaxed);
        }
        *known = primary.map(Box::from);
    }

    /// The primary in step with which we are.
    pub fn primary(&self) -> Option<Box<str>> {
        self.primary.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn failed(&self, failure: Failure) {
        self.failures[failure as usize].fetch_add(1, Relaxed);
    }

    pub(super) fn count_state(&self) {
        self.states.fetch_add(1, Relaxed);
    }

    pub(super) fn count_save(&self, is_ok: bool) {
        let count = if is_ok { &self.saves } else { &self.failed_saves };
        count.fetch_add(1, Relaxed);
    }

    /// Streams that ended, or never began, by why: in the order of [`FAILURES`].
    pub fn failures(&self) -> [u64; FAILURES.len()] {
        self.failures.each_ref().map(|count| count.load(Relaxed))
    }

    /// How often a primary was in step with us, and whole states taken over.
    pub fn connections(&self) -> (u64, u64) {
        (self.connections.load(Relaxed), self.states.load(Relaxed))
    }

    /// How often the state file was written, and could not be.
    pub fn saves(&self) -> (u64, u64) {
        (self.saves.load(Relaxed), self.failed_saves.load(Relaxed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_are_at_their_indices() {
        assert!(FAILURES.iter().enumerate().all(|(index, (failure, _))| *failure as usize == index));
    }

    #[test]
    fn the_age_counts_from_before_the_start() {
        let status = Status::default();
        assert_eq!(status.age(), None);
        status.set_state(Duration::from_secs(1 << 40));
        assert!(status.age().is_some_and(|age| age >= Duration::from_secs(1 << 40)));
        status.vouch();
        assert!(status.age().is_some_and(|age| age < Duration::from_secs(60)));
    }
}
