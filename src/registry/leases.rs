//! Leases: instances that go unless somebody says in time that they are still there.
//!
//! How long a lease is stands in an instance's attributes; until when it runs is known here alone, so that renewing one
//! writes nothing. After a restart every lease begins anew: whoever was there has time to say so again. So it is where
//! this server stood still, or its clock was set forward: that time is added to every lease, because nobody could renew
//! one meanwhile.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};

use super::draft::Due;
use crate::model::ServiceId;

/// The leases that run.
#[derive(Debug, Default)]
pub(super) struct Leases {
    running: HashMap<(ServiceId, Box<str>), Lease>,
    /// When to look after each, which may since have been renewed. What `running` does not know of is void.
    queue: BinaryHeap<Reverse<Due>>,
    /// By how much all ends are later than they say, in milliseconds.
    postponed: u64,
}

/// One of them; times in milliseconds since the epoch, without what was postponed.
#[derive(Clone, Copy, Debug)]
struct Lease {
    until: u64,
    /// The time of its entry in the queue that counts.
    queued: u64,
}

impl Leases {
    /// A lease begins, or begins anew.
    pub(super) fn renew(&mut self, lease: Due) {
        let until = lease.at.saturating_sub(self.postponed);
        let key = (lease.service, lease.instance.clone());
        let known = self.running.entry(key).or_insert(Lease { until, queued: u64::MAX });
        known.until = until;
        if until < known.queued {
            known.queued = until;
            self.queue.push(Reverse(Due { at: until, ..lease }));
        }
    }

    /// A lease is over, or its instance gone.
    pub(super) fn forget(&mut self, service: ServiceId, instance: Box<str>) {
        self.running.remove(&(service, instance));
    }

    /// All leases run for so many milliseconds longer.
    pub(super) fn postpone(&mut self, by: u64) {
        self.postponed += by;
    }

    /// When to look next.
    pub(super) fn next(&self) -> Option<u64> {
        self.queue.peek().map(|next| next.0.at + self.postponed)
    }

    /// Leases that have run out at `now`; they are forgotten.
    pub(super) fn expired(&mut self, now: u64) -> Vec<Due> {
        let now = now.saturating_sub(self.postponed);
        let mut expired = Vec::new();
        while self.queue.peek().is_some_and(|next| next.0.at <= now)
            && let Some(Reverse(due)) = self.queue.pop()
        {
            let key = (due.service, due.instance.clone());
            match self.running.get_mut(&key).filter(|lease| lease.queued == due.at) {
                Some(lease) if lease.until > now => {
                    lease.queued = lease.until;
                    self.queue.push(Reverse(Due { at: lease.until, ..due }));
                }
                Some(_) => {
                    self.running.remove(&key);
                    expired.push(due);
                }
                None => {}
            }
        }
        expired
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lease(instance: &str, at: u64) -> Due {
        Due { at, service: ServiceId::of_name(&["s"]), instance: instance.into() }
    }

    #[test]
    fn a_lease_runs_out_once_unless_it_is_renewed() {
        let mut leases = Leases::default();
        leases.renew(lease("a", 10));
        leases.renew(lease("b", 10));
        assert_eq!(leases.next(), Some(10));
        leases.renew(lease("a", 20));
        assert_eq!(leases.expired(9), []);
        assert_eq!(leases.expired(10), [lease("b", 10)]);
        assert_eq!(leases.next(), Some(20));
        assert_eq!(leases.expired(25), [lease("a", 20)]);
        assert_eq!((leases.next(), leases.running.len()), (None, 0));
    }

    #[test]
    fn a_shorter_lease_ends_sooner() {
        let mut leases = Leases::default();
        leases.renew(lease("a", 100));
        leases.renew(lease("a", 10));
        assert_eq!(leases.expired(10), [lease("a", 10)]);
        assert_eq!(leases.expired(100), []);
    }

    #[test]
    fn a_lease_that_is_forgotten_never_ends_and_one_that_is_postponed_ends_later() {
        let mut leases = Leases::default();
        leases.renew(lease("a", 10));
        leases.renew(lease("b", 10));
        leases.forget(lease("a", 0).service, "a".into());
        leases.postpone(5);
        assert_eq!((leases.next(), leases.expired(14)), (Some(15), vec![]));
        leases.renew(lease("c", 15));
        assert_eq!(leases.expired(15).len(), 2);
        assert!(leases.running.is_empty() && leases.queue.is_empty());
    }
}
