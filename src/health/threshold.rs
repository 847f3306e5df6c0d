//! When results flip a status.

use crate::model::HealthStatus;

/// Counts equal results in a row.
#[derive(Clone, Copy, Debug)]
pub(super) struct Threshold {
    status: HealthStatus,
    before: HealthStatus,
    /// Results in a row that speak against the status.
    against: u8,
    needed: u8,
}

impl Threshold {
    /// A status that `needed` results in a row flip.
    pub(super) fn new(status: HealthStatus, needed: u8) -> Self {
        Self { status, before: status, against: 0, needed: needed.max(1) }
    }

    /// The status as it is now.
    pub(super) fn status(&self) -> HealthStatus {
        self.status
    }

    /// Counts a result; yields the status where it changes. The first success of an instance nobody has reached yet
    /// counts at once: it is taken for healthy already.
    pub(super) fn count(&mut self, passed: bool) -> Option<HealthStatus> {
        let found = if passed { HealthStatus::Healthy } else { HealthStatus::Unhealthy };
        if found == self.status {
            self.against = 0;
            return None;
        }
        let is_first = self.status == HealthStatus::Unknown && passed;
        self.against = self.against.saturating_add(1);
        if self.against < self.needed && !is_first {
            return None;
        }
        self.before = self.status;
        self.status = found;
        self.against = 0;
        Some(found)
    }

    /// Takes the last change back, which could not be told: the next result tries again.
    pub(super) fn take_back(&mut self) {
        self.status = self.before;
        self.against = self.needed.saturating_sub(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use HealthStatus::{Healthy, Unhealthy, Unknown};

    #[test]
    fn results_in_a_row_flip_a_status() {
        let mut threshold = Threshold::new(Healthy, 3);
        let results = [false, false, true, false, false, false, false, true, true, true];
        let found: Vec<_> = results.iter().map(|passed| threshold.count(*passed)).collect();
        let mut expected = [None; 10];
        (expected[5], expected[9]) = (Some(Unhealthy), Some(Healthy));
        assert_eq!(found, expected);
    }

    #[test]
    fn the_unknown_is_healthy_until_shown_otherwise() {
        assert_eq!(Threshold::new(Unknown, 3).count(true), Some(Healthy));
        let mut threshold = Threshold::new(Unknown, 2);
        assert_eq!((threshold.count(false), threshold.count(false)), (None, Some(Unhealthy)));
    }

    #[test]
    fn what_could_not_be_told_is_tried_again() {
        let mut threshold = Threshold::new(Healthy, 3);
        (0..3).for_each(|_| _ = threshold.count(false));
        threshold.take_back();
        assert_eq!(threshold.count(false), Some(Unhealthy));
    }
}
