//! Waiting until a revision shows: on every worker of this node, and of its followers.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::timeout;
use tonic::Status;

use super::auth::Caller;
use super::proto::{WaitVisibleReply, WaitVisibleRequest};
use super::server::Parts;
use crate::model::Revision;

/// How long to wait where the client does not say.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(10);

/// Names in a message at most.
const NAMES: usize = 10;

/// Answers a request.
pub(super) async fn wait(
    request: WaitVisibleRequest,
    caller: &Caller,
    parts: &Parts,
) -> Result<WaitVisibleReply, Status> {
    let revision = match request.revision {
        0 => parts.visibility.published(),
        revision => revision,
    };
    let limit = match request.timeout_milliseconds {
        0 => DEFAULT_TIMEOUT,
        milliseconds => Duration::from_millis(milliseconds.into()),
    };
    let among = if request.followers { parts.followers.present() } else { HashSet::new() };
    if timeout(limit, shown(parts, revision, &among)).await.is_ok() {
        let (_, followers) = parts.followers.behind(&among, revision);
        let here = parts.visibility.visible();
        let everywhere = parts.followers.least(&among).map_or(here, |least| least.min(here));
        return Ok(WaitVisibleReply { revision: everywhere.max(revision), followers });
    }
    let here = parts.visibility.visible();
    let mut text = format!("revision {revision} does not show everywhere: this node shows {here}");
    let (behind, _) = parts.followers.behind(&among, revision);
    if !behind.is_empty() {
        text.push_str(&format!(", and {} followers do not show it yet", behind.len()));
        // The names of nodes are none of the business of those who see a part of the namespaces.
        if caller.namespaces().is_none() {
            text.push_str(": ");
            text.push_str(&names(&behind));
        }
    }
    Err(Status::deadline_exceeded(text))
}

/// Returns when this node and the followers `among`, as far as they are still there, show `revision`.
pub(super) async fn shown(parts: &Parts, revision: Revision, among: &HashSet<Arc<str>>) {
    parts.visibility.wait(revision).await;
    let mut changes = parts.followers.changes();
    while !parts.followers.behind(among, revision).0.is_empty() {
        if changes.changed().await.is_err() {
            return;
        }
    }
}

/// Some names, separated by commas.
fn names(nodes: &[Arc<str>]) -> String {
    let mut text = nodes.iter().take(NAMES).map(|node| &**node).collect::<Vec<_>>().join(", ");
    if nodes.len() > NAMES {
        text.push_str(", …");
    }
    text
}
