//! Swaps the snapshot that workers see.
//!
//! Three kinds of access: a worker keeps a [`View`] and revalidates it once a batch; a cold task takes one
//! [`Handle::load`] for a piece of work; the registry alone holds the [`Publisher`]. A snapshot that has been
//! replaced stays in the publisher's list until no reader holds it, so that its memory is freed on the cold
//! side and never by a worker.

use std::sync::Arc;

use arc_swap::{ArcSwap, Cache};

use super::Snapshot;

/// The one writer of the published snapshot.
pub struct Publisher {
    current: Arc<ArcSwap<Snapshot>>,
    retired: Vec<Arc<Snapshot>>,
}

impl Publisher {
    /// Publishes `initial`.
    pub fn new(initial: Snapshot) -> Self {
        Self { current: Arc::new(ArcSwap::from_pointee(initial)), retired: Vec::new() }
    }

    /// A reader's access.
    pub fn handle(&self) -> Handle {
        Handle { current: Arc::clone(&self.current) }
    }

    /// Makes `next` visible to every view that is revalidated from now on, and frees what nobody sees any more.
    pub fn publish(&mut self, next: Snapshot) {
        self.retired.push(self.current.swap(Arc::new(next)));
        self.sweep();
    }

    /// The revisions of the retired snapshots that a reader held when last looked at.
    pub fn held(&self) -> impl Iterator<Item = u64> {
        self.retired.iter().map(|snapshot| snapshot.revision())
    }

    /// Frees the retired snapshots that no reader holds; call it now and then when nothing is published.
    /// Returns how many are still held.
    pub fn sweep(&mut self) -> usize {
        // The list's own reference is the last one: a view that let go cannot come back to a retired snapshot.
        self.retired.retain(|snapshot| Arc::strong_count(snapshot) > 1);
        self.retired.len()
    }
}

/// Access to the published snapshot; clones are cheap.
#[derive(Clone)]
pub struct Handle {
    current: Arc<ArcSwap<Snapshot>>,
}

impl Handle {
    /// The snapshot of this moment, for one piece of work on the cold side.
    pub fn load(&self) -> Arc<Snapshot> {
        self.current.load_full()
    }

    /// The snapshot of this moment, to be held for long: it shares the published one's memory without counting as a
    /// reader of it, so that nobody who waits until all readers have moved on waits for this one.
    pub fn load_apart(&self) -> Arc<Snapshot> {
        Arc::new(Snapshot::clone(&self.load()))
    }

    /// A worker's own view.
    pub fn view(&self) -> View {
        View { cache: Cache::new(Arc::clone(&self.current)) }
    }
}

/// One worker's hold on one snapshot.
pub struct View {
    cache: Cache<Arc<ArcSwap<Snapshot>>, Arc<Snapshot>>,
}

impl View {
    /// Revalidates and returns the snapshot: once per batch, and after an idle timeout, so that an idle worker
    /// does not keep an old snapshot alive. Costs one relaxed load while nothing was published.
    pub fn snapshot(&mut self) -> &Snapshot {
        self.shared()
    }

    /// The same with its count of holders, for a holder beside the view.
    #[inline]
    pub(super) fn shared(&mut self) -> &Arc<Snapshot> {
        self.cache.load()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_retired_snapshot_is_freed_by_the_publisher_only() {
        let mut publisher = Publisher::new(Snapshot::default());
        let mut view = publisher.handle().view();
        let first = Arc::downgrade(&publisher.handle().load());
        view.snapshot();
        publisher.publish(Snapshot::default());
        assert_eq!(publisher.retired.len(), 1, "the view still holds the first snapshot");
        view.snapshot();
        assert!(first.upgrade().is_some(), "the view let go, and freed nothing");
        assert_eq!(publisher.sweep(), 0);
        assert!(first.upgrade().is_none());
    }
}
