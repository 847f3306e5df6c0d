//! Who follows this node, and which revision each of them answers with by now.
//!
//! A follower reports the revision that all of its workers show. It is told nothing of revisions that do not concern
//! it, so what it shows is counted as follows: once it has reported the last revision that it was sent, it shows every
//! later one that held nothing for it as well.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

use crate::model::Revision;

/// The followers that are connected.
pub struct Followers {
    table: Mutex<Table>,
    /// Counts what happens in the table, for those who wait.
    changed: watch::Sender<u64>,
}

#[derive(Default)]
struct Table {
    next: u64,
    connected: HashMap<u64, Follower>,
}

impl Table {
    /// Those of `among` that are connected.
    fn there(&self, among: &HashSet<Arc<str>>) -> impl Iterator<Item = &Follower> {
        self.connected.values().filter(|follower| follower.reports && among.contains(&follower.node))
    }
}

/// One follower.
struct Follower {
    node: Arc<str>,
    /// What it reported to show.
    reported: Revision,
    /// The last revision of which it was sent something; `None` until it has a state.
    sent: Option<Revision>,
    /// Up to here, nothing but what was sent concerned it.
    looked: Revision,
    /// Whether it still reports. Who does not is no DNS server, and nobody waits for it.
    reports: bool,
}

impl Follower {
    /// The revision with which it answers, or a later one.
    fn shows(&self) -> Revision {
        match self.sent {
            Some(sent) if self.reported >= sent => self.looked,
            Some(_) => self.reported,
            // What it reports may be of another server's time.
            None => 0,
        }
    }
}

impl Default for Followers {
    fn default() -> Self {
        Self { table: Mutex::default(), changed: watch::Sender::new(0) }
    }
}

impl Followers {
    /// Takes a follower in, for as long as the result lives.
    pub(super) fn connect(self: &Arc<Self>, node: &str) -> Connected {
        let follower = Follower { node: node.into(), reported: 0, sent: None, looked: 0, reports: true };
        let mut table = self.lock();
        let id = table.next;
        table.next += 1;
        table.connected.insert(id, follower);
        Connected { id, followers: Arc::clone(self) }
    }

    /// The followers that are waited for, of this moment. They are known by their names: one that comes back
    /// before the wait is over is still one of them, and one that is gone is waited for no more.
    pub(super) fn present(&self) -> HashSet<Arc<str>> {
        let table = self.lock();
        let waited_for = table.connected.values().filter(|follower| follower.reports);
        waited_for.map(|follower| Arc::clone(&follower.node)).collect()
    }

    /// Of the followers `among`, those that are still there and do not show `revision` yet, by their names; and how
    /// many show it.
    pub(super) fn behind(&self, among: &HashSet<Arc<str>>, revision: Revision) -> (Vec<Arc<str>>, u32) {
        let table = self.lock();
        let there = table.there(among);
        let (behind, showing): (Vec<_>, Vec<_>) = there.partition(|follower| follower.shows() < revision);
        (behind.into_iter().map(|follower| Arc::clone(&follower.node)).collect(), showing.len() as u32)
    }

    /// The least revision that the followers `among` show, as far as they are still there.
    pub(super) fn least(&self, among: &HashSet<Arc<str>>) -> Option<Revision> {
        let table = self.lock();
        table.there(among).map(Follower::shows).min()
    }

    /// Tells whenever a follower shows more, or goes.
    pub(super) fn changes(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }

    /// How many are connected, and by how many revisions the last of those that report lags behind `newest`.
    pub(super) fn lag(&self, newest: Revision) -> (usize, Revision) {
        let table = self.lock();
        let least = table.connected.values().filter(|follower| follower.reports).map(Follower::shows).min();
        (table.connected.len(), least.map_or(0, |least| newest.saturating_sub(least)))
    }

    /// The table; whoever panicked with it has left no half-made change.
    fn lock(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self, id: u64, change: impl FnOnce(&mut Follower)) {
        if let Some(follower) = self.lock().connected.get_mut(&id) {
            change(follower);
        }
        self.changed.send_modify(|count| *count = count.wrapping_add(1));
    }
}

/// A follower's place in the table.
pub(super) struct Connected {
    id: u64,
    followers: Arc<Followers>,
}

impl Connected {
    /// It has reported what it shows.
    pub(super) fn report(&self, revision: Revision) {
        self.followers.change(self.id, |follower| {
            // A greater one than it was sent is of another server's time.
            if follower.sent.is_some() && revision <= follower.looked {
                follower.reported = follower.reported.max(revision);
            }
        });
    }

    /// It reports no more.
    pub(super) fn end_reports(&self) {
        self.followers.change(self.id, |follower| follower.reports = false);
    }

    /// It holds `revision`, as was found out, and shows `shown` of it.
    pub(super) fn resume(&self, revision: Revision, shown: Revision) {
        self.followers.change(self.id, |follower| {
            (follower.sent, follower.looked) = (Some(revision), revision);
            follower.reported = shown.min(revision);
        });
    }

    /// It is being sent something of `revision`.
    pub(super) fn sent(&self, revision: Revision) {
        self.followers.change(self.id, |follower| (follower.sent, follower.looked) = (Some(revision), revision));
    }

    /// Nothing up to `revision` concerned it.
    pub(super) fn looked(&self, revision: Revision) {
        self.followers.change(self.id, |follower| follower.looked = revision);
    }
}

impl Drop for Connected {
    fn drop(&mut self) {
        self.followers.lock().connected.remove(&self.id);
        self.followers.changed.send_modify(|count| *count = count.wrapping_add(1));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_follower_shows_what_it_has_reported_and_what_did_not_concern_it() {
        let followers = Arc::<Followers>::default();
        let one = followers.connect("one");
        let present = followers.present();
        let shows = || followers.least(&present).unwrap();
        one.report(900);
        assert_eq!(shows(), 0, "it has no state yet");
        one.sent(10);
        one.report(900);
        assert_eq!(shows(), 0, "that was another server's revision");
        one.looked(12);
        assert_eq!(shows(), 0);
        one.report(10);
        assert_eq!(shows(), 12);
        one.sent(13);
        assert_eq!(shows(), 10);
        assert_eq!(followers.behind(&present, 10), (vec![], 1));
        assert_eq!(followers.behind(&present, 11), (vec!["one".into()], 0));
        assert_eq!(followers.lag(15), (1, 5));
        one.end_reports();
        assert_eq!(followers.behind(&present, 11), (vec![], 0));
        drop(one);
        assert_eq!(followers.lag(15), (0, 0));
        let _again = followers.connect("one");
        assert_eq!(followers.behind(&present, 11).0.len(), 1, "it is back, and shows nothing of it yet");
        let _other = followers.connect("other");
        assert_eq!(followers.behind(&present, 11).0.len(), 1);
    }

    #[test]
    fn who_resumes_shows_what_it_showed() {
        let followers = Arc::<Followers>::default();
        let one = followers.connect("one");
        one.resume(20, 19);
        assert_eq!(followers.least(&followers.present()), Some(19));
        one.report(20);
        assert_eq!(followers.lag(20), (1, 0));
    }
}
