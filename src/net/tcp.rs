//! DNS over TCP (RFC 7766): listeners, and one tokio task for each connection.
//!
//! A task waits for octets, takes a turn (see `exchange.rs`), waits until the client has read the responses if it
//! does not at once, and so on. All its waits end by themselves: after the idle timeout, the write timeout, when the
//! connection has to make room for another, or when the server stops.
//!
//! What seldom comes costs a turn next to nothing: the timer is set once and looks at the deadline when it fires, and
//! what interrupts a connection is asked when the task wakes for another reason than its socket.

use std::future::poll_fn;
use std::io;
use std::mem::{replace, take};
use std::pin::pin;
use std::sync::Arc;
use std::task::{Poll, Waker};
use std::time::Duration;

use socket2::SockRef;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::task::yield_now;
use tokio::time::{Instant, sleep, sleep_until, timeout};

use super::Responder;
use super::accept::{accept, stopped};
use super::connections::{Connection, Connections, Limits};
use super::deferred::{Answerer, Conversation};
use super::exchange::{End, Exchange, Session, Turn};
use crate::dns::{self, Settings, Transport};
use crate::metrics::{Close, DeferredCounters, SharedCounters, TcpCounters};
use crate::table::Views;

/// How long a stop waits for clients to read responses that are being written.
const GRACE: Duration = Duration::from_secs(1);

/// How long a stop waits for a query that has just been sent.
///
/// It must not be zero: the runtime learns what has arrived only when tasks wait.
const LAST_CALL: Duration = Duration::from_millis(20);

//----------- Service -------------------------------------------------------

/// What all listeners share: the limits are those of the server, not of one address.
pub struct Service {
    connections: Arc<Connections>,
    exchange: Exchange,
    answerer: Option<Arc<dyn Answerer>>,
    deferred: Arc<DeferredCounters>,
}

impl Service {
    /// A service without connections.
    ///
    /// `counters` count connections, `queries` what came over them. `answerer` takes what [`Settings::defer`] leaves to
    /// the cold side, and `deferred` counts what became of it.
    pub fn new(
        views: Views,
        settings: Arc<Settings>,
        limits: Limits,
        counters: Arc<TcpCounters>,
        queries: Arc<SharedCounters>,
        answerer: Option<Arc<dyn Answerer>>,
        deferred: Arc<DeferredCounters>,
    ) -> Arc<Self> {
        Arc::new(Self {
            connections: Connections::new(limits, counters),
            exchange: Exchange::new(views, settings, queries),
            answerer,
            deferred,
        })
    }

    /// Serves the connections of one listener, of [`bind`](super::bind()), until `stop` is true or its sender is gone.
    ///
    /// Then no more are accepted, queries that have arrived are answered, and the future resolves when the last
    /// connection is closed. It fails only if the listener cannot be used at all.
    pub async fn serve(
        self: Arc<Self>,
        listener: std::net::TcpListener,
        stop: watch::Receiver<bool>,
    ) -> io::Result<()> {
        self.serve_with(listener, stop, dns::answer_in_views).await
    }

    /// The same with another function in place of [`dns::answer_in_views`].
    pub(super) async fn serve_with(
        self: Arc<Self>,
        listener: std::net::TcpListener,
        stop: watch::Receiver<bool>,
        answer: impl Responder,
    ) -> io::Result<()> {
        // All responses of a turn are one write already: holding back a last short segment would only delay it. Sockets
        // inherit this from their listener, which saves each of them a system call.
        SockRef::from(&listener).set_tcp_nodelay(true)?;
        let attend = |stream, connection| Arc::clone(&self).attend(stream, connection, stop.clone(), answer);
        accept(listener, &self.connections, stop.clone(), attend).await
    }

    /// The task of one connection.
    async fn attend(
        self: Arc<Self>,
        mut stream: TcpStream,
        connection: Connection,
        stop: watch::Receiver<bool>,
        answer: impl Responder,
    ) {
        let reason = match (self.exchange.session(&stream), self.conversation(&stream)) {
            (Ok(session), Ok(open)) => self.converse(&mut stream, session, open, &connection, stop, answer).await,
            _ => Close::Error,
        };
        connection.close(reason);
    }

    /// What the connection will leave to the cold side.
    fn conversation(&self, stream: &TcpStream) -> io::Result<Conversation> {
        Ok(Conversation::new(match &self.answerer {
            Some(answerer) => Some((Arc::clone(answerer), stream.peer_addr()?)),
            None => None,
        }))
    }

    /// Answers what comes over one connection until it ends. `open` is what it leaves to the cold side.
    async fn converse(
        &self,
        stream: &mut TcpStream,
        mut session: Session,
        mut open: Conversation,
        connection: &Connection,
        mut stop: watch::Receiver<bool>,
        answer: impl Responder,
    ) -> Close {
        let limits = *self.connections.limits();
        let mut interrupted = pin!(interrupted(connection, stop.clone()));
        let mut timer = pin!(sleep(limits.idle_timeout));
        let mut deadline = timer.deadline();
        // Whom both of them will wake.
        let mut awaited_by = None;
        let mut last_turn_until = None;
        let mut drained = true;
        let mut is_useful = false;
        let mut messages_first = false;
        loop {
            if last_turn_until.is_none() && is_stopped(&stop) {
                last_turn_until = Some(last_call(stream).await);
            }
            let (is_open, room) = (open.is_open(), open.room());
            let takes_turn = room > 0 || last_turn_until.is_some();
            let must_wait = drained && last_turn_until.is_none() || !takes_turn;
            let mut is_woken = false;
            let event = poll_fn(|context| {
                // What was read before is full of queries: a message that is ready goes first, once.
                if is_open
                    && messages_first
                    && let Poll::Ready(message) = pin!(open.next()).poll(context)
                {
                    return Poll::Ready(Event::Message(message));
                }
                if takes_turn {
                    let turn = self.exchange.poll_turn(context, stream, &mut session, connection, room, answer);
                    if let Poll::Ready(turn) = turn {
                        return Poll::Ready(Event::Turn(turn));
                    }
                }
                if !must_wait {
                    return Poll::Ready(Event::Turn(Turn { drained: true, ..Turn::default() }));
                }
                if is_open
                    && !messages_first
                    && let Poll::Ready(message) = pin!(open.next()).poll(context)
                {
                    return Poll::Ready(Event::Message(message));
                }
                // Just after a turn, those that were waited for before have not woken this task: it would be woken
                // again, or the turn would have seen what they did.
                let is_awaited = awaited_by.as_ref().is_some_and(|waker: &Waker| waker.will_wake(context.waker()));
                let is_just_after_turn = !replace(&mut is_woken, true);
                if is_just_after_turn && is_awaited && !timer.is_elapsed() {
                    return Poll::Pending;
                }
                if let Poll::Ready(interruption) = interrupted.as_mut().poll(context) {
                    return Poll::Ready(Event::Interrupted(interruption));
                }
                awaited_by = None;
                if is_open {
                    return Poll::Pending;
                }
                while timer.as_mut().poll(context).is_ready() {
                    if Instant::now() >= deadline {
                        return Poll::Ready(Event::Idle);
                    }
                    timer.as_mut().reset(deadline);
                }
                awaited_by = Some(context.waker().clone());
                Poll::Pending
            })
            .await;
            messages_first = matches!(event, Event::Turn(_));
            let turn = match event {
                Event::Turn(turn) => turn,
                Event::Message(message) => {
                    if !self.pass(stream, message, limits.write_timeout, &mut stop).await {
                        return Close::Error;
                    }
                    if !open.is_open() && drained {
                        deadline = Instant::now() + limits.idle_timeout;
                        connection.rest(true);
                    }
                    continue;
                }
                Event::Interrupted(Interruption::Evicted) => return Close::Limit,
                Event::Interrupted(Interruption::Stopped) => {
                    last_turn_until = Some(last_call(stream).await);
                    continue;
                }
                Event::Idle => return Close::Idle,
            };
            if !turn.unsent.is_empty() && !write(stream, &turn.unsent, limits.write_timeout, &stop).await {
                return Close::Error;
            }
            turn.deferred.into_iter().for_each(|query| open.leave(query));
            match turn.end {
                Some(End::Client) => {
                    // Who has shut one half down may read the other still.
                    let until = last_turn_until;
                    return if self.finish(stream, open, until, limits.write_timeout, &mut stop).await {
                        Close::Client
                    } else {
                        Close::Error
                    };
                }
                Some(End::Malformed) => return Close::Malformed,
                Some(End::Failed) => return Close::Error,
                Some(End::Evicted) => return Close::Limit,
                None => {}
            }
            if last_turn_until.is_some_and(|until| turn.drained || open.room() == 0 || Instant::now() >= until) {
                self.finish(stream, open, last_turn_until, limits.write_timeout, &mut stop).await;
                return Close::Shutdown;
            }
            drained = turn.drained;
            is_useful |= turn.queries > 0;
            // A query has as long to arrive as a connection may be idle, counted from its first octet, and further
            // octets do not prolong it.
            if turn.queries > 0 || turn.has_begun {
                deadline = Instant::now() + limits.idle_timeout;
            }
            if drained && !open.is_open() {
                connection.rest(take(&mut is_useful));
            } else if !drained {
                // A client that never stops sending must let the others have their turns.
                yield_now().await;
            }
        }
    }
}

/// What a connection's task has waited for.
enum Event {
    /// The client sent something, and this became of it.
    Turn(Turn),
    /// The cold side has a message, or room.
    Message(Option<Vec<u8>>),
    /// Something from outside.
    Interrupted(Interruption),
    /// The client has been silent for too long.
    Idle,
}

/// What ends a connection from outside.
enum Interruption {
    /// It has to make room for another one.
    Evicted,
    /// The server stops.
    Stopped,
}

/// Resolves when the connection has to end for another reason than its client.
async fn interrupted(connection: &Connection, mut stop: watch::Receiver<bool>) -> Interruption {
    tokio::select! {
        biased;
        () = connection.evicted() => Interruption::Evicted,
        () = stopped(&mut stop) => Interruption::Stopped,
    }
}

/// Waits for a query that has just been sent, as the server stops; returns when the last turn has to be over.
async fn last_call(stream: &TcpStream) -> Instant {
    let until = Instant::now() + GRACE;
    drop(timeout(LAST_CALL, stream.readable()).await);
    until
}

impl Service {
    /// Writes a message that the cold side has made, if there is one; false as [`write`].
    async fn pass(
        &self,
        stream: &mut TcpStream,
        message: Option<Vec<u8>>,
        limit: Duration,
        stop: &mut watch::Receiver<bool>,
    ) -> bool {
        let Some(message) = message else { return true };
        let Ok(length) = u16::try_from(message.len()) else {
            self.deferred.unsent(Transport::Tcp);
            tracing::error!(octets = message.len(), "a response is too long for its transport");
            return false;
        };
        // One write, so that length and message share a segment.
        let frame = [&length.to_be_bytes()[..], &message].concat();
        let is_written = write(stream, &frame, limit, stop).await;
        if is_written {
            self.deferred.responded(Transport::Tcp, message.len());
        } else {
            self.deferred.unsent(Transport::Tcp);
        }
        is_written
    }

    /// Writes what is open still, until `until` if the server stops; false as [`write`].
    async fn finish(
        &self,
        stream: &mut TcpStream,
        mut open: Conversation,
        until: Option<Instant>,
        limit: Duration,
        stop: &mut watch::Receiver<bool>,
    ) -> bool {
        while open.is_open() {
            let mut stopping = stop.clone();
            let message = tokio::select! {
                message = open.next() => message,
                () = async {
                    stopped(&mut stopping).await;
                    sleep_until(until.unwrap_or_else(|| Instant::now() + GRACE)).await;
                } => return true,
            };
            if !self.pass(stream, message, limit, stop).await {
                return false;
            }
        }
        true
    }
}

/// Writes what the client did not take at once; false if it failed or took too long.
async fn write(stream: &mut TcpStream, octets: &[u8], limit: Duration, stop: &watch::Receiver<bool>) -> bool {
    // Of its own: what this one has seen, the connection still has to learn.
    let mut stop = stop.clone();
    tokio::select! {
        written = stream.write_all(octets) => written.is_ok(),
        () = sleep(limit) => false,
        () = async { stopped(&mut stop).await; sleep(GRACE).await } => false,
    }
}

/// Whether the server stops. As long as nobody has said anything, this writes to no memory that connections share.
fn is_stopped(stop: &watch::Receiver<bool>) -> bool {
    stop.has_changed().map_or(true, |has_changed| has_changed && *stop.borrow())
}

#[cfg(test)]
#[path = "tcp_tests.rs"]
mod tests;
