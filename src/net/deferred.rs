//! Queries that the hot side leaves to the cold side: names of others, zone transfers.
//!
//! ```text
//!   worker ──▶ Queue, bounded ──▶ Attendant ──▶ a task a query: Answerer ──▶ the worker's socket
//!                └▶ full: SERVFAIL, counted
//!   connection ──▶ Conversation ──▶ a task a query: Answerer ──▶ bounded channel ──▶ the connection
//! ```
//!
//! A worker never waits for any of it: it copies the query, offers it, and goes on. A query that finds its queue full is
//! the newest, and is the one that is shed. A connection takes no more queries while as many as it may leave are open,
//! so that its client waits and nobody else.

use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::os::fd::AsFd;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc::{self, Receiver, Sender};
use tokio::task::{JoinError, JoinSet};
use tokio::time::timeout;

use super::mmsg::Peer;
use super::mmsg::Route;
use crate::dns::Transport;
use crate::metrics::DeferredCounters;

/// Datagrams that wait for the cold side, of one worker: some milliseconds of its work, beyond which they are late.
const QUEUE: usize = 1024;

/// Datagrams of one worker that are being answered.
const OPEN: usize = 8192;

/// Queries of one connection that are being answered. Clients that pipeline have some tens open.
pub(super) const OPEN_OF_CONNECTION: usize = 64;

/// Messages that wait for a client to read them: enough to keep its connection busy, little enough for its memory.
const MESSAGES: usize = 4;

/// How long a stop waits for answers that are being made.
const GRACE: Duration = Duration::from_secs(1);

//----------- Deferred ------------------------------------------------------

/// A query that a worker or a connection leaves to the cold side, as it arrived.
///
/// It is well-formed. Where a CNAME of ours led out of our zones, what we do not read of it may be gone.
#[derive(Clone, Debug)]
pub struct Deferred {
    /// The message.
    pub query: Vec<u8>,
    /// Who sent it.
    pub client: SocketAddr,
    /// How it came.
    pub transport: Transport,
}

/// What [`Answerer::answer`] returns.
pub type Answering = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Answers what the hot side leaves.
pub trait Answerer: Send + Sync + 'static {
    /// Sends whole DNS messages (without TCP's length) to `responses`, in order; none: silence.
    ///
    /// The channel is bounded: it fills while the client does not read, and closes when the client has gone.
    fn answer(self: Arc<Self>, query: Deferred, responses: Sender<Vec<u8>>) -> Answering;
}

//----------- Queue ---------------------------------------------------------

/// A datagram on its way to the cold side.
struct Datagram {
    query: Vec<u8>,
    route: Route,
}

/// The worker's end.
pub struct Queue(Sender<Datagram>);

impl Queue {
    /// Leaves `query`, which `peer` sent, to the cold side, unless there is too much of it.
    #[cold]
    pub(super) fn offer(&self, query: &[u8], peer: Peer<'_>) -> bool {
        // A permit first: nothing is copied for what is shed.
        match self.0.try_reserve() {
            Ok(permit) => {
                permit.send(Datagram { query: query.to_vec(), route: peer.route() });
                true
            }
            Err(_) => false,
        }
    }
}

/// The cold side's end: has the datagrams of one worker answered.
pub struct Attendant {
    datagrams: Receiver<Datagram>,
    /// The worker's own, so that responses leave from the port that was asked.
    socket: Arc<UdpSocket>,
    answerer: Arc<dyn Answerer>,
    counters: Arc<DeferredCounters>,
}

/// The two ends of a queue for the worker that `socket` belongs to.
pub fn queue(
    socket: &UdpSocket,
    answerer: Arc<dyn Answerer>,
    counters: Arc<DeferredCounters>,
) -> io::Result<(Queue, Attendant)> {
    let (sender, datagrams) = mpsc::channel(QUEUE);
    let socket = Arc::new(socket.try_clone()?);
    Ok((Queue(sender), Attendant { datagrams, socket, answerer, counters }))
}

impl Attendant {
    /// Has every datagram answered until the worker has ended, and waits a little for the last.
    pub async fn attend(mut self) {
        let mut tasks = JoinSet::new();
        loop {
            tokio::select! {
                biased;
                Some(ended) = tasks.join_next() => report_panic(ended),
                datagram = self.datagrams.recv(), if tasks.len() < OPEN => match datagram {
                    Some(datagram) => drop(tasks.spawn(self.answer(datagram))),
                    None => break,
                },
            }
        }
        let last = async {
            while let Some(ended) = tasks.join_next().await {
                report_panic(ended);
            }
        };
        drop(timeout(GRACE, last).await);
    }

    /// Has one datagram answered.
    fn answer(&self, Datagram { query, route }: Datagram) -> impl Future<Output = ()> + use<> {
        let (responses, mut messages) = mpsc::channel::<Vec<u8>>(MESSAGES);
        let deferred = Deferred { query, client: route.address(), transport: Transport::Udp };
        let answering = Arc::clone(&self.answerer).answer(deferred, responses);
        let (socket, counters) = (Arc::clone(&self.socket), Arc::clone(&self.counters));
        async move {
            let send = async {
                while let Some(message) = messages.recv().await {
                    match route.send(socket.as_fd(), &message) {
                        Ok(()) => counters.responded(Transport::Udp, message.len()),
                        Err(_) => counters.unsent(Transport::Udp),
                    }
                }
            };
            tokio::join!(answering, send);
        }
    }
}

/// A panic costs one answer only, and is a fault of ours.
fn report_panic(ended: Result<(), JoinError>) {
    if ended.is_err_and(|error| error.is_panic()) {
        tracing::error!("the answer to a deferred query panicked");
    }
}

//----------- Conversation --------------------------------------------------

/// What one connection has left to the cold side. Dropping it ends all of it.
pub(super) struct Conversation {
    /// Who answers, and who asks; without, nothing is ever left.
    answerer: Option<(Arc<dyn Answerer>, SocketAddr)>,
    /// Made for the first query: most connections leave none.
    open: Option<Open>,
}

/// Queries that are being answered, and the messages that are ready.
struct Open {
    tasks: JoinSet<()>,
    responses: Sender<Vec<u8>>,
    messages: Receiver<Vec<u8>>,
}

impl Conversation {
    /// A conversation in which nothing was left yet.
    pub(super) fn new(answerer: Option<(Arc<dyn Answerer>, SocketAddr)>) -> Self {
        Self { answerer, open: None }
    }

    /// Leaves `query`.
    pub(super) fn leave(&mut self, query: Vec<u8>) {
        let Some((answerer, client)) = &self.answerer else { return };
        let open = self.open.get_or_insert_with(|| {
            let (responses, messages) = mpsc::channel(MESSAGES);
            Open { tasks: JoinSet::new(), responses, messages }
        });
        let deferred = Deferred { query, client: *client, transport: Transport::Tcp };
        open.tasks.spawn(Arc::clone(answerer).answer(deferred, open.responses.clone()));
    }

    /// How many more may be left.
    pub(super) fn room(&self) -> usize {
        OPEN_OF_CONNECTION.saturating_sub(self.open.as_ref().map_or(0, |open| open.tasks.len()))
    }

    /// Whether something is to be waited for.
    pub(super) fn is_open(&self) -> bool {
        self.open.as_ref().is_some_and(|open| !open.tasks.is_empty() || !open.messages.is_empty())
    }

    /// The next message, or nothing when there is room for a query again; waits for ever if nothing is open.
    pub(super) async fn next(&mut self) -> Option<Vec<u8>> {
        let Some(open) = &mut self.open else { return std::future::pending().await };
        tokio::select! {
            biased;
            // It never ends, as a sender is kept here.
            message = open.messages.recv() => message,
            Some(ended) = open.tasks.join_next() => {
                report_panic(ended);
                None
            }
        }
    }
}

#[cfg(test)]
#[path = "deferred_tests.rs"]
mod tests;
