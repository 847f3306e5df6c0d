//! DNS over TCP (RFC 7766): listeners, and one tokio task for each connection.
//!
//! A task waits for octets, takes a turn (see `exchange.rs`), waits until the client has read the responses if it
//! does not at once, and so on. All its waits end by themselves: after the idle timeout, the write timeout, when the
//! connection has to make room for another, or when the server stops.

use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinSet, coop};
use tokio::time::{Instant, sleep, timeout};

use super::Responder;
use super::connections::{Connection, Connections, Limits};
use super::exchange::{End, Exchange, Turn};
use crate::dns::{self, Settings};
use crate::metrics::{Close, SharedCounters, TcpCounters};
use crate::table::Views;

/// How long a stop waits for clients to read responses that are being written.
const GRACE: Duration = Duration::from_secs(1);

/// How long a stop waits for a query that has just been sent.
///
/// It must not be zero: the runtime learns what has arrived only when tasks wait.
const LAST_CALL: Duration = Duration::from_millis(20);

/// Bounds of the pause after a failed accept.
///
/// When the process has no file descriptor left, accept fails at once and again at once; the pause keeps that from
/// taking a core, and doubles because descriptors come back when connections time out, which takes seconds.
const ACCEPT_PAUSE: (Duration, Duration) = (Duration::from_millis(10), Duration::from_secs(1));

//----------- Service -------------------------------------------------------

/// What all listeners share: the limits are those of the server, not of one address.
pub struct Service {
    connections: Arc<Connections>,
    exchange: Exchange,
}

impl Service {
    /// A service without connections.
    ///
    /// `counters` count connections, `queries` what came over them.
    pub fn new(
        views: Views,
        settings: Arc<Settings>,
        limits: Limits,
        counters: Arc<TcpCounters>,
        queries: Arc<SharedCounters>,
    ) -> Arc<Self> {
        Arc::new(Self {
            connections: Connections::new(limits, counters),
            exchange: Exchange::new(views, settings, queries),
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
    async fn serve_with(
        self: Arc<Self>,
        listener: std::net::TcpListener,
        mut stop: watch::Receiver<bool>,
        answer: impl Responder,
    ) -> io::Result<()> {
        let listener = TcpListener::from_std(listener)?;
        let mut tasks = JoinSet::new();
        let mut pause = ACCEPT_PAUSE.0;
        loop {
            let accepted = tokio::select! {
                biased;
                () = stopped(&mut stop) => break,
                Some(ended) = tasks.join_next() => {
                    report_panic(ended);
                    continue;
                }
                accepted = listener.accept() => accepted,
            };
            match accepted {
                Ok((stream, peer)) => {
                    pause = ACCEPT_PAUSE.0;
                    if let Ok(connection) = self.connections.admit(peer.ip()) {
                        let view = self.exchange.view_of(peer.ip());
                        let task = Arc::clone(&self).attend(stream, view, connection, stop.clone(), answer);
                        tasks.spawn(task);
                    }
                }
                // The client was gone before it was accepted.
                Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
                Err(error) => {
                    if pause == ACCEPT_PAUSE.0 {
                        let address = listener.local_addr().ok().as_ref().map(SocketAddr::to_string);
                        tracing::warn!(address, %error, "cannot accept TCP connections");
                    }
                    // Most likely descriptors are short, and an idle connection holds one.
                    self.connections.evict_one();
                    tokio::select! {
                        () = sleep(pause) => {}
                        () = stopped(&mut stop) => {}
                    }
                    pause = (2 * pause).min(ACCEPT_PAUSE.1);
                }
            }
        }
        drop(listener);
        while let Some(ended) = tasks.join_next().await {
            report_panic(ended);
        }
        Ok(())
    }

    /// The task of one connection, whose client has view number `view`.
    async fn attend(
        self: Arc<Self>,
        mut stream: TcpStream,
        view: usize,
        mut connection: Connection,
        stop: watch::Receiver<bool>,
        answer: impl Responder,
    ) {
        // All responses of a turn are one write already: holding back a last short segment would only delay it.
        let reason = match stream.set_nodelay(true) {
            Ok(()) => self.converse(&mut stream, view, &mut connection, stop, answer).await,
            Err(_) => Close::Error,
        };
        connection.close(reason);
    }

    /// Answers what comes over one connection until it ends.
    async fn converse(
        &self,
        stream: &mut TcpStream,
        view: usize,
        connection: &mut Connection,
        mut stop: watch::Receiver<bool>,
        answer: impl Responder,
    ) -> Close {
        let limits = *self.connections.limits();
        let mut partial = Vec::new();
        let mut idle = pin!(sleep(limits.idle_timeout));
        let mut last_turn_until = None;
        let mut drained = true;
        loop {
            if drained && last_turn_until.is_none() {
                tokio::select! {
                    biased;
                    () = connection.evicted() => return Close::Limit,
                    ready = stream.readable() => if ready.is_err() {
                        return Close::Error;
                    },
                    () = stopped(&mut stop) => {}
                    () = &mut idle => return Close::Idle,
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
            let turn = self.exchange.turn(stream, view, &mut partial, answer);
            if !turn.unsent.is_empty() && !write(stream, &turn, limits.write_timeout, &mut stop).await {
                return Close::Error;
            }
            match turn.end {
                Some(End::Client) => return Close::Client,
                Some(End::Malformed) => return Close::Malformed,
                Some(End::Failed) => return Close::Error,
                None => {}
            }
            if last_turn_until.is_some_and(|until| turn.drained || Instant::now() >= until) {
                return Close::Shutdown;
            }
            drained = turn.drained;
            // A query has as long to arrive as a connection may be idle, counted from its first octet, and further
            // octets do not prolong it.
            if turn.queries > 0 || (!begun_before && !partial.is_empty()) {
                idle.as_mut().reset(Instant::now() + limits.idle_timeout);
            }
            if drained {
                connection.rest(turn.queries > 0);
            } else {
                // A client that never stops sending must let the others have their turns.
                coop::consume_budget().await;
            }
        }
    }
}

/// Writes what the client did not take at once; false if it failed or took too long.
async fn write(stream: &mut TcpStream, turn: &Turn, limit: Duration, stop: &mut watch::Receiver<bool>) -> bool {
    tokio::select! {
        written = stream.write_all(&turn.unsent) => written.is_ok(),
        () = sleep(limit) => false,
        () = async { stopped(stop).await; sleep(GRACE).await } => false,
    }
}

/// Resolves once the server stops.
async fn stopped(stop: &mut watch::Receiver<bool>) {
    // A sender that is gone cannot say so any more; take it for a stop.
    drop(stop.wait_for(|stop| *stop).await);
}

/// Whether the server stops.
fn is_stopped(stop: &watch::Receiver<bool>) -> bool {
    *stop.borrow() || stop.has_changed().is_err()
}

/// A panic ends one connection only, and is a fault of ours.
fn report_panic(ended: Result<(), tokio::task::JoinError>) {
    if ended.is_err() {
        tracing::error!("a TCP connection's task panicked");
    }
}

#[cfg(test)]
#[path = "tcp_tests.rs"]
mod tests;
