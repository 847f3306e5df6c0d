//! One table for everybody, and one for each VPC: who sees which.
//!
//! A client in the networks of a VPC sees the private zones of that VPC, and behind them what everybody sees. Each
//! table is published by itself: a change within one is seen whole, and a change that moves a zone from one table to
//! another may be seen between its two halves by one batch.
//!
//! Without VPCs there is the common table alone, and nobody looks at an address.

use std::net::IpAddr;
use std::sync::Arc;

use super::{Handle, Networks, Snapshot, View};
use crate::wire::Name;

/// Access to all tables; clones are cheap.
#[derive(Clone)]
pub struct Views {
    common: Handle,
    /// The tables of views 1, 2 and so on.
    private: Arc<[Handle]>,
    networks: Arc<Networks>,
}

impl Views {
    /// The common table, and those of the VPCs: view n of `networks` is the n-th of `private`.
    pub fn new(common: Handle, private: impl IntoIterator<Item = Handle>, networks: Networks) -> Self {
        Self { common, private: private.into_iter().collect(), networks: Arc::new(networks) }
    }

    /// Whether there is but one table.
    pub fn is_single(&self) -> bool {
        self.private.is_empty()
    }

    /// The number of a client's view.
    pub fn view_of(&self, client: IpAddr) -> usize {
        self.networks.view_of(client)
    }

    /// What view number `view` shows at this moment, for one piece of work on the cold side.
    pub fn load(&self, view: usize) -> Loaded {
        let private = view.checked_sub(1).and_then(|at| self.private.get(at));
        Loaded { private: private.map(Handle::load), common: self.common.load() }
    }

    /// A worker's own views.
    pub fn views(&self) -> ViewSet {
        ViewSet {
            common: self.common.view(),
            private: self.private.iter().map(Held::new).collect(),
            networks: Arc::clone(&self.networks),
        }
    }
}

impl From<Handle> for Views {
    /// One table, which everybody sees.
    fn from(common: Handle) -> Self {
        Self::new(common, [], Networks::default())
    }
}

//----------- Seen -------------------------------------------------------------

/// What one client sees.
#[derive(Clone, Copy)]
pub struct Seen<'s> {
    /// The table of its VPC, which comes first; none for a client of no VPC.
    pub private: Option<&'s Snapshot>,
    /// What everybody sees.
    pub common: &'s Snapshot,
}

impl Seen<'_> {
    /// Whether a zone begins at `apex`.
    pub fn has_zone(&self, apex: &Name) -> bool {
        let tables = self.private.into_iter().chain([self.common]);
        tables.filter_map(|table| table.find_name(apex)).any(|node| node.is_apex())
    }
}

impl<'s> From<&'s Snapshot> for Seen<'s> {
    /// What a client of no VPC sees.
    #[inline]
    fn from(common: &'s Snapshot) -> Self {
        Self { private: None, common }
    }
}

/// The snapshots behind one view.
pub struct Loaded {
    private: Option<Arc<Snapshot>>,
    common: Arc<Snapshot>,
}

impl Loaded {
    /// What a client of the view sees.
    pub fn seen(&self) -> Seen<'_> {
        Seen { private: self.private.as_deref(), common: &self.common }
    }
}

//----------- ViewSet ----------------------------------------------------------

/// One worker's hold on one snapshot of every table.
pub struct ViewSet {
    common: View,
    private: Box<[Held]>,
    networks: Arc<Networks>,
}

impl ViewSet {
    /// Revalidates every view and returns what they show, as [`View::snapshot`] does and as often.
    #[inline]
    pub fn revalidate(&mut self) -> Current<'_> {
        self.private.iter_mut().for_each(Held::revalidate);
        Current { common: self.common.snapshot(), private: &self.private, networks: &self.networks }
    }
}

/// A view that can be looked at without being revalidated, so that many can be at once.
struct Held {
    view: View,
    /// What `view` holds.
    snapshot: Arc<Snapshot>,
}

impl Held {
    /// A view of what is published now.
    fn new(handle: &Handle) -> Self {
        let mut view = handle.view();
        let snapshot = Arc::clone(view.shared());
        Self { view, snapshot }
    }

    /// Follows the view.
    #[inline]
    fn revalidate(&mut self) {
        let published = self.view.shared();
        if !Arc::ptr_eq(published, &self.snapshot) {
            self.snapshot = Arc::clone(published);
        }
    }
}

/// What a worker's views show, for one batch.
#[derive(Clone, Copy)]
pub struct Current<'v> {
    common: &'v Snapshot,
    private: &'v [Held],
    networks: &'v Networks,
}

impl<'v> Current<'v> {
    /// The one table, if there is but one.
    #[inline]
    pub fn only(&self) -> Option<&'v Snapshot> {
        self.private.is_empty().then_some(self.common)
    }

    /// What the client at `client` sees.
    #[inline]
    pub fn seen_by(&self, client: IpAddr) -> Seen<'v> {
        let private = self.networks.view_of(client).checked_sub(1).and_then(|at| self.private.get(at));
        Seen { private: private.map(|held| &*held.snapshot), common: self.common }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::{Editor, Publisher};

    /// Publishers of a common table and of two VPCs', at revisions 10, 20 and 30.
    fn publishers() -> [Publisher; 3] {
        [10, 20, 30].map(|revision| Publisher::new(snapshot(revision)))
    }

    fn snapshot(revision: u64) -> Snapshot {
        Editor::new(&Snapshot::new()).finish(revision, 0)
    }

    fn views(publishers: &[Publisher; 3]) -> Views {
        let [common, private @ ..] = publishers.each_ref().map(Publisher::handle);
        let networks = [("10.1.0.0/16", 1), ("10.2.0.0/16", 2), ("fd02::/16", 2)];
        let networks = Networks::new(networks.map(|(text, view)| (text.parse().unwrap(), view)));
        Views::new(common, private, networks)
    }

    fn revisions(seen: Seen<'_>) -> (Option<u64>, u64) {
        (seen.private.map(Snapshot::revision), seen.common.revision())
    }

    #[test]
    fn each_client_sees_its_own_table_before_the_common_one() {
        let publishers = publishers();
        let views = views(&publishers);
        let mut set = views.views();
        let current = set.revalidate();
        assert!(current.only().is_none());
        let clients = [("10.1.0.1", Some(20)), ("10.2.0.1", Some(30)), ("fd02::1", Some(30)), ("10.3.0.1", None)];
        for (client, private) in clients {
            let client = client.parse().unwrap();
            assert_eq!(revisions(current.seen_by(client)), (private, 10));
            assert_eq!(revisions(views.load(views.view_of(client)).seen()), (private, 10));
        }
    }

    #[test]
    fn one_table_is_everybodys() {
        let publisher = Publisher::new(snapshot(10));
        let views = Views::from(publisher.handle());
        assert_eq!(views.views().revalidate().only().map(Snapshot::revision), Some(10));
        assert_eq!(revisions(views.load(views.view_of("10.1.0.1".parse().unwrap())).seen()), (None, 10));
    }

    #[test]
    fn a_revalidated_set_holds_no_retired_snapshot_of_any_table() {
        let mut publishers = publishers();
        let mut set = views(&publishers).views();
        set.revalidate();
        for (publisher, revision) in publishers.iter_mut().zip([11, 21, 31]) {
            publisher.publish(snapshot(revision));
            assert_eq!(publisher.sweep(), 1, "the set still holds the first snapshot");
        }
        let seen = set.revalidate().seen_by("10.2.0.1".parse().unwrap());
        assert_eq!(revisions(seen), (Some(31), 11));
        assert_eq!(publishers.each_mut().map(Publisher::sweep), [0, 0, 0]);
    }
}
