//! The state as a stream: all of it in chunks, then what changes, and a heartbeat where nothing does.
//!
//! A follower that comes back with a revision that the change log still holds, and with the right state hash for it, is
//! sent only what changed since. The task of a stream first waits for room in a short queue and only then looks what is
//! new, so that a follower that does not read costs the same whatever happens meanwhile; if its revision has fallen out
//! of the change log by then, it is sent a full state again. Only while a full state is on its way is that state held,
//! so a follower that stops reading in the middle of it is dismissed after `STALL`.
//!
//! `choice` says which namespaces a follower gets, `full` takes and sends a whole state, `merge` makes one message of
//! many revisions, `shown` turns what the catalog holds into messages.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::task::AbortHandle;
use tokio::time::{Instant, sleep, sleep_until, timeout};
use tonic::{Status, Streaming};
use tracing::{debug, info};

use self::choice::{Choice, Followed};
use self::merge::Merged;
use super::auth::Caller;
use super::followers::Connected;
use super::proto::follow_reply::Event;
use super::proto::{FollowReply, FollowRequest, Heartbeat};
use super::server::{Parts, stopping};
use super::{convert, drain};
use crate::metrics::Resync;
use crate::model::Revision;
use crate::net::accept::stopped;

mod choice;
mod full;
mod merge;
mod shown;

pub(crate) use self::full::Full;

/// Octets of a message, about; gRPC's own limit is 4 MiB by default.
const MESSAGE: usize = 192 << 10;

/// Messages that wait for a follower at most.
const QUEUE: usize = 2;

/// How long a follower has to take the next chunk of a full state.
const STALL: Duration = Duration::from_secs(30);

/// How often a follower hears something at least.
const HEARTBEAT: Duration = Duration::from_secs(2);

/// How long a follower may take to say what it wants.
const ARRIVAL: Duration = Duration::from_secs(10);

/// From one look at the change log to the next: at thousands of revisions a second, a follower gets some at once.
const PACE: Duration = Duration::from_millis(2);

/// Revisions that are looked at together at most.
const TOGETHER: usize = 256;

/// Answers a follower; `peer` stands for its name where it has none.
pub(super) async fn follow(
    mut requests: Streaming<FollowRequest>,
    caller: Caller,
    peer: String,
    parts: Arc<Parts>,
    stop: watch::Receiver<bool>,
) -> Result<mpsc::Receiver<Result<FollowReply, Status>>, Status> {
    let first = timeout(ARRIVAL, requests.message()).await;
    let first = first.map_err(|_| Status::deadline_exceeded("the first request did not come"))??;
    let first = first.ok_or_else(|| Status::invalid_argument("the stream ended without a request"))?;
    convert::node(&first.node).map_err(drain::status)?;
    let node = if first.node.is_empty() { peer } else { first.node.clone() };
    let choice = Choice::of(&first.namespaces, &caller, &parts.catalog)?;
    let connected = Arc::new(parts.followers.connect(&node));
    let listening = tokio::spawn(listen(requests, Arc::clone(&connected))).abort_handle();
    let (sender, replies) = mpsc::channel(QUEUE);
    info!("follower {node} is connected, from revision {}", first.from_revision);
    let attend = Attend {
        parts,
        caller,
        choice,
        connected,
        listening,
        sender,
        stop,
        node,
        followed: Followed::All,
        looked: 0,
        hash: 0,
    };
    tokio::spawn(attend.run(first));
    Ok(replies)
}

/// Takes down what the follower reports.
async fn listen(mut requests: Streaming<FollowRequest>, connected: Arc<Connected>) {
    while let Ok(Some(request)) = requests.message().await {
        connected.report(request.visible_revision);
    }
    connected.end_reports();
}

/// Why a stream ends.
enum End {
    /// The follower has gone.
    Gone,
    /// The follower is told why.
    Because(Status),
}

impl From<Status> for End {
    fn from(status: Status) -> Self {
        Self::Because(status)
    }
}

/// What a look at the change log finds.
enum Look {
    /// Nothing at all.
    Nothing,
    /// New revisions; with what of them concerns the follower, if anything does.
    New(Option<Merged>),
    /// The follower's revision is not held any more.
    Lost,
}

/// The task of one stream.
struct Attend {
    parts: Arc<Parts>,
    caller: Caller,
    choice: Choice,
    connected: Arc<Connected>,
    /// The task that listens to reports.
    listening: AbortHandle,
    sender: mpsc::Sender<Result<FollowReply, Status>>,
    stop: watch::Receiver<bool>,
    node: String,
    /// The namespaces that there are of the choice.
    followed: Followed,
    /// All up to this revision was sent, or does not concern the follower.
    looked: Revision,
    /// The state hash of what is followed, at that revision.
    hash: u64,
}

impl Drop for Attend {
    fn drop(&mut self) {
        self.listening.abort();
    }
}

impl Attend {
    async fn run(mut self, first: FollowRequest) {
        match self.attend(&first).await {
            Err(End::Because(status)) => {
                info!("follower {} is dismissed: {}", self.node, status.message());
                // A follower that does not read is not waited for; the end of the stream tells enough.
                let _ = self.sender.try_send(Err(status));
            }
            Ok(()) | Err(End::Gone) => info!("follower {} is gone", self.node),
        }
    }

    async fn attend(&mut self, first: &FollowRequest) -> Result<(), End> {
        if !self.resume(first).await? {
            let reason = match first.from_revision {
                0 => Resync::New,
                _ => Resync::Behind,
            };
            self.send_state(reason).await?;
        }
        let mut news = self.parts.history.watch();
        let mut heartbeat = Instant::now() + HEARTBEAT;
        loop {
            self.caller.check()?;
            self.wait_for_room().await?;
            news.mark_unchanged();
            let begun = Instant::now();
            match self.look() {
                Look::Nothing => {}
                Look::New(None) => {
                    self.connected.looked(self.looked);
                    // However much happens elsewhere: silence means that we are away.
                    if Instant::now() >= heartbeat {
                        self.beat().await?;
                        heartbeat = Instant::now() + HEARTBEAT;
                    }
                    sleep_until(begun + PACE).await;
                    continue;
                }
                Look::New(Some(merged)) => {
                    self.connected.sent(self.looked);
                    self.send_changes(merged).await?;
                    heartbeat = Instant::now() + HEARTBEAT;
                    sleep_until(begun + PACE).await;
                    continue;
                }
                Look::Lost => {
                    self.send_state(Resync::Slow).await?;
                    continue;
                }
            }
            tokio::select! {
                biased;
                () = stopped(&mut self.stop) => return Err(stopping().into()),
                () = self.sender.closed() => return Err(End::Gone),
                changed = news.changed() => changed.map_err(|_| stopping())?,
                () = sleep_until(heartbeat) => {
                    self.beat().await?;
                    heartbeat = Instant::now() + HEARTBEAT;
                }
            }
        }
    }

    /// Goes on after the revision that the follower holds; false if it needs a full state.
    async fn resume(&mut self, first: &FollowRequest) -> Result<bool, End> {
        let from = first.from_revision;
        if from == 0 {
            return Ok(false);
        }
        let (revision, hash, followed) = {
            let catalog = self.parts.catalog.read();
            let name_servers = catalog.name_servers().iter().map(ToString::to_string);
            // Who does not say which it holds shows none.
            if !first.name_servers.is_empty() && !name_servers.eq(first.name_servers.iter().cloned()) {
                return Ok(false);
            }
            let (hash, followed) = self.choice.now(&catalog);
            (catalog.revision(), hash, followed)
        };
        if from > revision {
            return Ok(false);
        }
        self.wait_for_log(revision).await?;
        let Some(entries) = self.parts.history.since(from, usize::MAX) else { return Ok(false) };
        // Back from the hash of now to that of then.
        let mut then = hash;
        for entry in entries.iter().filter(|entry| entry.revision <= revision) {
            // Nobody knows whether a namespace that is gone was one of the choice.
            if !followed.is_all() && entry.namespaces.iter().any(|(_, entry)| entry.is_none()) {
                return Ok(false);
            }
            for (_, before, after) in entry.hashes.iter().filter(|(id, ..)| followed.has(*id)) {
                then = then.wrapping_sub(*after).wrapping_add(*before);
            }
        }
        if then != first.state_hash {
            debug!("follower {} has another state of revision {from}", self.node);
            return Ok(false);
        }
        (self.looked, self.hash, self.followed) = (from, then, followed);
        self.connected.resume(from, first.visible_revision);
        Ok(true)
    }

    /// Waits until the change log has come to a revision of the catalog, which is told of there a moment before.
    async fn wait_for_log(&mut self, revision: Revision) -> Result<(), End> {
        let mut news = self.parts.history.watch();
        tokio::select! {
            biased;
            () = stopped(&mut self.stop) => Err(stopping().into()),
            reached = news.wait_for(|newest| *newest >= revision) => {
                reached.map(drop).map_err(|_| stopping().into())
            }
        }
    }

    /// Sends a full state.
    async fn send_state(&mut self, reason: Resync) -> Result<(), End> {
        self.parts.counters.resynced(reason);
        let full = {
            let catalog = self.parts.catalog.read();
            Full::of(&catalog, &self.choice)
        };
        let (revision, hash, followed) = (full.revision, full.hash, full.followed.clone());
        self.wait_for_log(revision).await?;
        let started = Instant::now();
        // Before the last piece: its report may come at once.
        self.connected.sent(revision);
        for chunk in full.chunks() {
            self.put(Event::State(chunk)).await?;
        }
        debug!("follower {} was sent revision {revision} in {:?} ({})", self.node, started.elapsed(), reason.name());
        (self.looked, self.hash, self.followed) = (revision, hash, followed);
        Ok(())
    }

    /// What the change log has after what was looked at before. It takes no more than makes a few messages, unless one
    /// revision is larger.
    fn look(&mut self) -> Look {
        let Some(entries) = self.parts.history.since(self.looked, TOGETHER) else { return Look::Lost };
        let mut merged = Merged::default();
        for entry in &entries {
            if merged.is_full() {
                break;
            }
            self.hash = merged.add(entry, &self.choice, &mut self.followed, self.hash);
            self.looked = entry.revision;
        }
        match entries.is_empty() {
            true => Look::Nothing,
            false => Look::New((!merged.is_empty()).then_some(merged)),
        }
    }

    /// Sends what changed, up to the revision that was looked at.
    async fn send_changes(&self, merged: Merged) -> Result<(), End> {
        for changes in merged.messages(self.looked, self.hash) {
            self.put(Event::Changes(changes)).await?;
        }
        Ok(())
    }

    /// Waits until there is room for a message, for as long as it takes: nothing is held meanwhile. This task alone
    /// sends, so the room stays.
    async fn wait_for_room(&mut self) -> Result<(), End> {
        loop {
            tokio::select! {
                biased;
                () = stopped(&mut self.stop) => return Err(stopping().into()),
                room = self.sender.reserve() => return room.map(drop).map_err(|_| End::Gone),
                () = sleep(HEARTBEAT) => self.caller.check()?,
            }
        }
    }

    /// Says that nothing has changed up to the revision that was looked at.
    async fn beat(&self) -> Result<(), End> {
        self.put(Event::Heartbeat(Heartbeat { revision: self.looked, state_hash: self.hash })).await
    }

    /// Sends one message.
    async fn put(&self, event: Event) -> Result<(), End> {
        let mut stop = self.stop.clone();
        tokio::select! {
            biased;
            () = stopped(&mut stop) => Err(stopping().into()),
            room = timeout(STALL, self.sender.reserve()) => match room {
                Ok(Ok(room)) => {
                    room.send(Ok(FollowReply { event: Some(event) }));
                    Ok(())
                }
                Ok(Err(_)) => Err(End::Gone),
                Err(_) => {
                    let text = format!("the follower took nothing for {} seconds", STALL.as_secs());
                    Err(End::Because(Status::resource_exhausted(text)))
                }
            }
        }
    }
}
