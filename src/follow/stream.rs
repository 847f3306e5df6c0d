//! One stream: from the subscription to the failure that ends it.

use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, sleep_until, timeout};
use tokio_stream::StreamExt;
use tokio_stream::wrappers::WatchStream;
use tonic::{Code, Request, Status as Refused, Streaming};
use tracing::info;

use super::connect::{Primary, connect, root, token};
use super::gather::Gathering;
use super::status::Failure;
use super::{Ended, Follower, Said};
use crate::channel::grpc::proto::registry_client::RegistryClient;
use crate::channel::grpc::proto::{FollowReply, FollowRequest, Heartbeat, follow_reply::Event};
use crate::model::Revision;
use crate::registry::{Catalog, Command, Refusal, Replica};

/// A primary that says nothing for so long is away: it sends a heartbeat every two seconds.
pub(super) const SILENCE: Duration = Duration::from_secs(6);
/// Largest message that is read, in octets: far above a piece of a state.
const LARGEST: usize = 16 << 20;

impl Follower {
    /// Follows `primary` until something fails. `said` is what the log has said of failures.
    pub(super) async fn stream(&self, primary: &Primary, wants_all: bool, said: &mut Said) -> Ended {
        match self.subscribe(primary, wants_all).await {
            Ok((replies, reports)) => {
                let mut stream = Stream {
                    follower: self,
                    name: primary.to_string(),
                    replies,
                    reports,
                    gathering: Gathering::default(),
                    is_in_step: false,
                    reported: None,
                };
                stream.run(said).await
            }
            Err(ended) => ended,
        }
    }

    /// Asks `primary` for its changes, or for all that it has.
    async fn subscribe(
        &self,
        primary: &Primary,
        wants_all: bool,
    ) -> Result<(Streaming<FollowReply>, watch::Sender<FollowRequest>), Ended> {
        let channel = connect(primary, &self.settings).await?;
        let (from_revision, state_hash, name_servers) = {
            let catalog = self.catalog.read();
            let (revision, hash) = if wants_all { (0, 0) } else { held(&catalog) };
            (revision, hash, catalog.name_servers().iter().map(ToString::to_string).collect())
        };
        let first = FollowRequest {
            namespaces: self.settings.namespaces.clone(),
            from_revision,
            state_hash,
            visible_revision: 0,
            node: self.settings.node.clone(),
            name_servers,
        };
        let (reports, later) = watch::channel(FollowRequest::default());
        // Of reports that have not gone out yet, only the last counts.
        let mut request = Request::new(tokio_stream::once(first).chain(WatchStream::from_changes(later)));
        if let Some(token) = token(&self.settings).map_err(|reason| Ended::new(Failure::Connect, reason))? {
            request.metadata_mut().insert("authorization", token);
        }
        let mut client = RegistryClient::new(channel).max_decoding_message_size(LARGEST);
        match timeout(SILENCE, client.follow(request)).await {
            Ok(Ok(reply)) => Ok((reply.into_inner(), reports)),
            Ok(Err(status)) => Err(refused(&status)),
            Err(_) => Err(silent()),
        }
    }
}

/// A stream that runs.
struct Stream<'f> {
    follower: &'f Follower,
    name: String,
    replies: Streaming<FollowReply>,
    reports: watch::Sender<FollowRequest>,
    gathering: Gathering,
    /// Whether the state is the primary's, since some moment of this stream.
    is_in_step: bool,
    /// The revision that was last reported as visible.
    reported: Option<Revision>,
}

impl Stream<'_> {
    /// Takes what comes, until something fails.
    async fn run(&mut self, said: &mut Said) -> Ended {
        let visibility = &self.follower.visibility;
        let mut deadline = Instant::now() + SILENCE;
        loop {
            let published = visibility.published();
            let unreported = self.is_in_step && self.reported != Some(published);
            tokio::select! {
                // What has come is taken before anybody finds that nothing came.
                biased;
                message = self.replies.message() => {
                    let ended = match message {
                        Ok(Some(reply)) => self.take(reply).await.err(),
                        Ok(None) => Some(Ended::new(Failure::Closed, "closed the stream")),
                        Err(status) => Some(refused(&status)),
                    };
                    if let Some(ended) = ended {
                        return ended;
                    }
                    if self.is_in_step {
                        said.forget();
                        // Where messages never end, nobody would come to wait.
                        self.report(visibility.visible());
                    }
                    deadline = Instant::now() + SILENCE;
                }
                () = visibility.wait(published), if unreported => {
                    self.report(published);
                }
                () = sleep_until(deadline) => return silent(),
            }
        }
    }

    /// Says that all workers show `revision`, unless that was said.
    fn report(&mut self, revision: Revision) {
        if self.reported != Some(revision) {
            self.reported = Some(revision);
            self.reports.send_replace(FollowRequest { visible_revision: revision, ..Default::default() });
        }
    }

    /// Takes one message.
    async fn take(&mut self, reply: FollowReply) -> Result<(), Ended> {
        let bad = |fault| Ended::new(Failure::Message, format!("sent what makes no sense: {fault}"));
        let replica = match reply.event {
            Some(Event::State(chunk)) => self.gathering.chunk(chunk).map_err(bad)?,
            Some(Event::Changes(changes)) => self.gathering.changes(changes).map_err(bad)?,
            Some(Event::Heartbeat(beat)) if self.gathering.is_empty() => return self.beat(beat).await,
            // A large state takes its time.
            Some(Event::Heartbeat(_)) => None,
            None => return Err(bad("an empty message, or one of a later version of the protocol".into())),
        };
        match replica {
            Some(replica) => self.apply(replica).await,
            None => Ok(()),
        }
    }

    /// Checks that nothing has changed.
    async fn beat(&mut self, beat: Heartbeat) -> Result<(), Ended> {
        let (revision, found) = held(&self.follower.catalog.read());
        if found != beat.state_hash {
            let expected = beat.state_hash;
            return Err(Ended::new(Failure::Diverged, Refusal::Diverged { expected, found }.to_string()));
        }
        if revision != beat.revision {
            // What changed is nothing that we follow.
            let replica = Replica { revision: beat.revision, state_hash: found, ..Replica::default() };
            return self.apply(replica).await;
        }
        self.vouch();
        Ok(())
    }

    /// Has the registry take over what the primary has.
    async fn apply(&mut self, replica: Replica) -> Result<(), Ended> {
        let (is_whole, revision) = (replica.is_whole, replica.revision);
        match self.follower.registry.send(Command::Replicate(Box::new(replica))).await {
            Ok(_) => {}
            Err(refusal @ Refusal::Diverged { .. }) => {
                // All of it came, and is not what it should be: then it is no use to ask again at once.
                let failure = if is_whole { Failure::Message } else { Failure::Diverged };
                return Err(Ended::new(failure, refusal.to_string()));
            }
            Err(refusal) => {
                return Err(Ended::new(Failure::Message, format!("sent what cannot be taken over: {refusal}")));
            }
        }
        if is_whole {
            self.follower.status.count_state();
            info!("took over the whole state of {}, revision {revision}", self.name);
        }
        self.vouch();
        Ok(())
    }

    /// Notes that the state is the primary's at this moment.
    fn vouch(&mut self) {
        self.follower.status.vouch();
        if !self.is_in_step {
            self.is_in_step = true;
            self.follower.status.set_connected(Some(&self.name));
            info!("follows {}", self.name);
        }
    }
}

/// Revision and state hash of what is held.
pub(super) fn held(catalog: &Catalog) -> (Revision, u64) {
    let hashes = catalog.namespaces_after(None).map(|entry| catalog.state_hash(entry.id));
    (catalog.revision(), hashes.fold(0, u64::wrapping_add))
}

fn silent() -> Ended {
    Ended::new(Failure::Silent, format!("said nothing for {} seconds", SILENCE.as_secs()))
}

fn refused(status: &Refused) -> Ended {
    let failure = match status.code() {
        Code::Unauthenticated | Code::PermissionDenied | Code::InvalidArgument | Code::Unimplemented => {
            Failure::Refused
        }
        Code::NotFound | Code::FailedPrecondition => Failure::Refused,
        // Of tonic itself: a message that is none, or too large.
        Code::Internal | Code::OutOfRange | Code::DataLoss => Failure::Message,
        _ => Failure::Closed,
    };
    // Of a connection that broke, the message says little, and what lies below says more.
    let reason = match (std::error::Error::source(status), status.message()) {
        (Some(source), _) => root(source),
        (None, "") => "no reason given".to_owned(),
        (None, message) => message.to_owned(),
    };
    Ended::new(failure, format!("ended the stream: {:?}: {reason}", status.code()))
}
