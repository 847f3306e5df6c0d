//! Which revision every worker of this node has reached.
//!
//! Workers publish nothing of their own: a snapshot that one of them still holds is known to the publisher, which keeps
//! it until nobody does. The oldest of those is what a client may still be answered from.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::{Notify, watch};

use crate::model::Revision;

/// Access to it; clones are cheap.
#[derive(Clone, Default)]
pub struct Visibility(Arc<Shared>);

#[derive(Default)]
struct Shared {
    published: watch::Sender<Revision>,
    visible: watch::Sender<Revision>,
    /// How many wait for `visible`: while there are some, the registry looks often.
    waiting: AtomicUsize,
    wake: Notify,
}

impl Visibility {
    /// The newest revision, which new batches of queries are answered from.
    pub fn published(&self) -> Revision {
        *self.0.published.borrow()
    }

    /// The revision that every worker has reached: nobody answers from an older one.
    pub fn visible(&self) -> Revision {
        *self.0.visible.borrow()
    }

    /// Waits until every worker has reached `revision`. It may take as long as a worker may idle, which then lets go of
    /// what it holds.
    pub async fn wait(&self, revision: Revision) {
        let _waiting = Waiting::enter(&self.0);
        let mut visible = self.0.visible.subscribe();
        // The sender lives as long as this.
        let _ = visible.wait_for(|visible| *visible >= revision).await;
    }

    /// Tells of a new revision.
    pub(super) fn publish(&self, revision: Revision) {
        self.0.published.send_replace(revision);
    }

    /// Tells what every worker has reached.
    pub(super) fn reach(&self, revision: Revision) {
        self.0.visible.send_if_modified(|visible| std::mem::replace(visible, revision) != revision);
    }

    /// Whether somebody waits for workers that lag behind.
    pub(super) fn is_awaited(&self) -> bool {
        self.0.waiting.load(Ordering::Relaxed) > 0 && self.visible() < self.published()
    }

    /// Returns when somebody begins to wait.
    pub(super) async fn awaited(&self) {
        self.0.wake.notified().await;
    }
}

/// One who waits.
struct Waiting<'s>(&'s Shared);

impl<'s> Waiting<'s> {
    fn enter(shared: &'s Shared) -> Self {
        shared.waiting.fetch_add(1, Ordering::Relaxed);
        shared.wake.notify_one();
        Self(shared)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Ordering::Relaxed);
    }
}
