//! How long to wait before something is tried again.

use std::time::Duration;

/// The first wait.
const FIRST: Duration = Duration::from_millis(250);

/// Waits that double up to a limit. Each is shortened by up to a half, at random, so that those who lost the same server
/// do not all come back at once.
#[derive(Debug)]
pub(super) struct Backoff {
    pause: Duration,
    longest: Duration,
    random: fastrand::Rng,
}

impl Backoff {
    /// Waits up to `longest`.
    pub(super) fn new(longest: Duration, random: fastrand::Rng) -> Self {
        Self { pause: FIRST, longest, random }
    }

    /// The next wait.
    pub(super) fn next(&mut self) -> Duration {
        let pause = self.pause.min(self.longest);
        self.pause = pause * 2;
        pause.mul_f64(0.5 + self.random.f64() / 2.0)
    }

    /// It succeeded: the next wait is the first one again.
    pub(super) fn reset(&mut self) {
        self.pause = FIRST;
    }
}
