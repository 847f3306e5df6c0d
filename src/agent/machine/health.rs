//! Whether the command is healthy, and when to look again.

use std::time::Duration;

/// How soon a command that never was healthy is looked at again: a tenth of its age, but no sooner than this.
const SOONEST: Duration = Duration::from_millis(100);

/// What checks found.
#[derive(Debug)]
pub(super) struct Health {
    interval: Option<Duration>,
    threshold: u8,
    /// `None`: it never was healthy.
    healthy: Option<bool>,
    failures: u8,
    checking: bool,
    next: Duration,
}

impl Health {
    /// That of a command that has just started.
    pub(super) fn new(interval: Option<Duration>, threshold: u8) -> Self {
        let healthy = interval.is_none().then_some(true);
        let threshold = threshold.max(1);
        Self { interval, threshold, healthy, failures: 0, checking: false, next: Duration::ZERO }
    }

    /// Whether it is healthy; `None` until it has been so once.
    pub(super) fn healthy(&self) -> Option<bool> {
        self.healthy
    }

    /// When to check.
    pub(super) fn next(&self) -> Option<Duration> {
        (self.interval.is_some() && !self.checking).then_some(self.next)
    }

    /// Whether to check now; then one is on its way.
    pub(super) fn check_now(&mut self, now: Duration) -> bool {
        let due = self.next().is_some_and(|next| next <= now);
        self.checking |= due;
        due
    }

    /// Counts a check; yields the health where it changes. One success counts at once, a failure only with enough
    /// others in a row.
    pub(super) fn checked(&mut self, now: Duration, passed: bool) -> Option<bool> {
        self.checking = false;
        let interval = self.interval.unwrap_or_default();
        let starts = self.healthy.is_none() && !passed;
        self.next = now + if starts { (now / 10).clamp(SOONEST.min(interval), interval) } else { interval };
        self.failures = if passed { 0 } else { self.failures.saturating_add(1) };
        let healthy = match (passed, self.healthy) {
            (true, _) => Some(true),
            (false, Some(true)) if self.failures >= self.threshold => Some(false),
            (false, known) => known,
        };
        let changed = healthy != self.healthy;
        self.healthy = healthy;
        healthy.filter(|_| changed)
    }
}
