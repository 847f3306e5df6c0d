//! DNS over TCP (RFC 7766): listeners, and one tokio task for each connection.
//!
//! A task waits for octets, takes a turn (see `exchange.rs`), waits until the client has read the responses if it
//! does not at once, and so on. All its waits end by themselves: after the idle timeout, the write timeout, when the
//! connection has to make room for another, or when the server stops.

use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::task::coop;
use tokio::time::{Instant, sleep, sleep_until, timeout};

use super::Responder;
use super::accept::{accept, stopped};
use super::connections::{Connection, Connections, Limits};
use super::deferred::{Answerer, Conversation};
use super::exchange::{End, Exchange};
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
        // All responses of a turn are one write already: holding back a last short segment would only delay it.
        let reason = match stream.set_nodelay(true) {
            Ok(()) => match self.exchange.view_of(&stream) {
                Ok(view) => match self.conversation(&stream) {
                    Ok(open) => self.converse(&mut stream, view, open, &connection, stop, answer).await,
                    Err(_) => Close::Error,
                },
                Err(_) => Close::Error,
            },
            Err(_) => Close::Error,
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

    /// Answers what comes over one connection, whose client has view number `view`, until it ends. `open` is what it
    /// leaves to the cold side.
    async fn converse(
        &self,
        stream: &mut TcpStream,
        view: usize,
        mut open: Conversation,
        connection: &Connection,
        mut stop: watch::Receiver<bool>,
        answer: impl Responder,
    ) -> Close {
        let limits = *self.connections.limits();
        let mut partial = Vec::new();
        let mut idle = pin!(sleep(limits.idle_timeout));
        let mut last_turn_until = None;
        let mut drained = true;
        loop {
            let is_full = open.room() == 0;
            if (drained || is_full) && last_turn_until.is_none() {
                let is_open = open.is_open();
                tokio::select! {
                    biased;
                    () = connection.evicted() => return Close::Limit,
                    message = open.next(), if is_open => {
                        if !self.pass(stream, message, limits.write_timeout, &mut stop).await {
                            return Close::Error;
                        }
                        if !open.is_open() && drained {
                            idle.as_mut().reset(Instant::now() + limits.idle_timeout);
                            connection.rest(true);
                        }
                        continue;
                    }
                    ready = stream.readable(), if !is_full => if ready.is_err() {
                        return Close::Error;
                    },
                    () = stopped(&mut stop) => {}
                    () = &mut idle, if !is_open => return Close::Idle,
                }
            }
            if last_turn_until.is_none() && is_stopped(&stop) {
                last_turn_until = Some(Instant::now() + GRACE);
                drop(timeout(LAST_CALL, stream.readable()).await);
            }
            if !connection.begin() {
                return Close::Limit;
            }
            let begun_before = !partial.is_empty();
            let turn = self.exchange.turn(stream, view, &mut partial, open.room(), answer);
            if !turn.unsent.is_empty() && !write(stream, &turn.unsent, limits.write_timeout, &mut stop).await {
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
                None => {}
            }
            if last_turn_until.is_some_and(|until| turn.drained || open.room() == 0 || Instant::now() >= until) {
                self.finish(stream, open, last_turn_until, limits.write_timeout, &mut stop).await;
                return Close::Shutdown;
            }
            drained = turn.drained;
            // A query has as long to arrive as a connection may be idle, counted from its first octet, and further
            // octets do not prolong it.
            if turn.queries > 0 || (!begun_before && !partial.is_empty()) {
                idle.as_mut().reset(Instant::now() + limits.idle_timeout);
            }
            if drained && !open.is_open() {
                connection.rest(turn.queries > 0);
            } else if !drained {
                // A client that never stops sending must let the others have their turns.
                coop::consume_budget().await;
            }
        }
    }
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
async fn write(stream: &mut TcpStream, octets: &[u8], limit: Duration, stop: &mut watch::Receiver<bool>) -> bool {
    tokio::select! {
        written = stream.write_all(octets) => written.is_ok(),
        () = sleep(limit) => false,
        () = async { stopped(stop).await; sleep(GRACE).await } => false,
    }
}

/// Whether the server stops.
fn is_stopped(stop: &watch::Receiver<bool>) -> bool {
    *stop.borrow() || stop.has_changed().is_err()
}

#[cfg(test)]
#[path = "tcp_tests.rs"]
mod tests;
