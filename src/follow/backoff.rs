//! When to try again.
//!
//! Pauses double from a tenth of a second to ten, each drawn evenly between nothing and its bound ("full jitter"), so
//! that a thousand followers of one primary do not come back at once. Where there are several addresses, the pause
//! grows once all have been tried.

use std::time::Duration;

/// Bound of the first pause.
const FIRST: Duration = Duration::from_millis(100);
/// Bound of all pauses.
const MOST: Duration = Duration::from_secs(10);

/// Counts failures in a row.
pub(super) struct Backoff {
    addresses: usize,
    failures: usize,
}

impl Backoff {
    /// No failure yet, with so many addresses to try.
    pub(super) fn new(addresses: usize) -> Self {
        Self { addresses, failures: 0 }
    }

    /// Counts a failure; the first in a row if all was well for a while.
    pub(super) fn failed(&mut self, was_well: bool) {
        self.failures = if was_well { 1 } else { self.failures.saturating_add(1) };
    }

    /// Waits as long as the failures so far ask for.
    pub(super) async fn pause(&self) {
        let bound = self.bound();
        if !bound.is_zero() {
            tokio::time::sleep(bound.mul_f64(fastrand::f64())).await;
        }
    }

    /// The longest that the next pause may be.
    fn bound(&self) -> Duration {
        let Some(failures) = self.failures.checked_sub(1) else { return Duration::ZERO };
        let rounds = u32::try_from(failures / self.addresses.max(1)).unwrap_or(u32::MAX);
        FIRST.saturating_mul(1_u32.checked_shl(rounds).unwrap_or(u32::MAX)).min(MOST)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_once_all_addresses_have_failed_and_are_bounded() {
        let mut backoff = Backoff::new(2);
        let mut bounds = Vec::new();
        for _ in 0..18 {
            bounds.push(backoff.bound().as_millis());
            backoff.failed(false);
        }
        let expected = [0, 100, 100, 200, 200, 400, 400, 800, 800, 1600, 1600, 3200, 3200, 6400, 6400, 10_000, 10_000];
        assert_eq!(bounds[..17], expected);
        assert_eq!(bounds[17], 10_000);
        backoff.failed(true);
        assert_eq!(backoff.bound(), FIRST);
        backoff.failures = usize::MAX;
        assert_eq!(backoff.bound(), MOST);
    }
}
