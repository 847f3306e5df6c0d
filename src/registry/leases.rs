//! Leases: instances that go unless somebody says in time that they are still there.
//!
//! How long a lease is stands in an instance's attributes; until when it runs is known here alone, so that renewing one
//! writes nothing. After a restart every lease begins anew: whoever was there has time to say so again.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};

use super::draft::Due;
use crate::model::ServiceId;

/// The leases that run.
#[derive(Debug, Default)]
pub(super) struct Leases {
    /// Until when, in milliseconds since the epoch.
    until: HashMap<(ServiceId, Box<str>), u64>,
    /// When to look after each: at the end of its lease as it was when it came here, which may since have been renewed.
    queue: BinaryHeap<Reverse<Due>>,
}

impl Leases {
    /// A lease begins, or begins anew.
    pub(super) fn renew(&mut self, lease: Due) {
        let key = (lease.service, lease.instance.clone());
        if self.until.insert(key, lease.at).is_none_or(|before| before > lease.at) {
            self.queue.push(Reverse(lease));
        }
    }

    /// When to look next.
    pub(super) fn next(&self) -> Option<u64> {
        self.queue.peek().map(|next| next.0.at)
    }

    /// Leases that have run out at `now`; they are forgotten.
    pub(super) fn expired(&mut self, now: u64) -> Vec<Due> {
        let mut expired = Vec::new();
        while self.next().is_some_and(|next| next <= now)
            && let Some(Reverse(due)) = self.queue.pop()
        {
            let key = (due.service, due.instance.clone());
            match self.until.get(&key) {
                Some(until) if *until > now => self.queue.push(Reverse(Due { at: *until, ..due })),
                Some(_) => {
                    self.until.remove(&key);
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
        assert_eq!((leases.next(), leases.until.len()), (None, 0));
    }

    #[test]
    fn a_shorter_lease_ends_sooner() {
        let mut leases = Leases::default();
        leases.renew(lease("a", 100));
        leases.renew(lease("a", 10));
        assert_eq!(leases.expired(10), [lease("a", 10)]);
        assert_eq!(leases.expired(100), []);
    }
}
