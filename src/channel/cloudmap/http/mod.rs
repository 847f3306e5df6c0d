//! The API over HTTP/1.1: connections and their limits.
//!
//! `connection` attends one connection, `exchange` turns one request into one reply. What the request means is up to
//! the handler that [`Server::serve`] is given; it gets requests that are small enough, of a known action, and from a
//! caller who may ask for it.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::net::TcpStream;
use tokio::sync::watch;

use super::access::{Caller, Gate};
use super::{Action, ApiError, Protocol};
use crate::metrics::{ApiCounters, Close, TcpCounters};
use crate::net::accept::accept;
use crate::net::connections::{self, Connection, Connections};
use crate::tls::Tls;

use self::exchange::Exchange;

mod connection;
mod exchange;

//----------- Request ----------------------------------------------------------

/// A request that may be answered.
#[derive(Clone, Debug)]
pub struct Request {
    /// What is asked for.
    pub action: Action,
    /// What the body is written in, and the reply has to be.
    pub protocol: Protocol,
    /// Who asks.
    pub caller: Caller,
    /// The input structure, not decoded yet.
    pub body: Bytes,
}

/// What answers requests: a function from a request to the body of its reply, in the request's protocol.
pub trait Handler: Clone + Send + Sync + 'static {
    /// Answers a request. A panic in it is an `InternalFailure` to the client.
    ///
    /// The future is dropped where it stands if the client closes the connection, so what must be done to its end
    /// belongs elsewhere: a command that was sent to the registry is carried out all the same.
    fn handle(&self, request: Request) -> impl Future<Output = Result<Vec<u8>, ApiError>> + Send;
}

impl<H, F> Handler for H
where
    H: Fn(Request) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Result<Vec<u8>, ApiError>> + Send,
{
    fn handle(&self, request: Request) -> impl Future<Output = Result<Vec<u8>, ApiError>> + Send {
        self(request)
    }
}

//----------- Limits -----------------------------------------------------------

/// What one client can take from the others.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Connections at once; beyond it the one idle for longest is closed.
    pub connections: usize,
    /// How long the head of a request may take to arrive, from its first octet; the same for a body, and for a TLS
    /// handshake.
    pub arrival: Duration,
    /// How long a connection may be without a request.
    pub idle: Duration,
    /// Octets in a body.
    pub body: usize,
}

/// Connections of the API at once. SDKs keep a handful for each process; see `limits` of the server for the files.
pub const MAX_CONNECTIONS: usize = 1024;

impl Default for Limits {
    /// A body of 1 MiB holds any input of the API model many times over. SDKs drop connections that were idle for 5 s
    /// to some minutes; 75 s let most of them be the first to do so, and a client that is not gets an error at worst
    /// on a connection that it knows to be old.
    fn default() -> Self {
        Self {
            connections: MAX_CONNECTIONS,
            arrival: Duration::from_secs(10),
            idle: Duration::from_secs(75),
            body: 1 << 20,
        }
    }
}

/// Octets of a request's head. SDKs send about one thousand, session tokens may have some thousands.
const MAX_HEAD: usize = 64 << 10;

//----------- Server -----------------------------------------------------------

/// What all listeners of the API share.
pub struct Server {
    gate: Arc<Gate>,
    tls: Option<Arc<Tls>>,
    limits: Limits,
    connections: Arc<Connections>,
    counters: Arc<ApiCounters>,
}

impl Server {
    /// A server without connections. `tcp` counts connections, `counters` the requests that came over them.
    pub fn new(
        gate: Arc<Gate>,
        tls: Option<Arc<Tls>>,
        limits: Limits,
        counters: Arc<ApiCounters>,
        tcp: Arc<TcpCounters>,
    ) -> Arc<Self> {
        // All clients may come from one address: that of a proxy, or this machine's.
        let of_connections = connections::Limits {
            total: limits.connections,
            per_client: limits.connections,
            ..connections::Limits::default()
        };
        Arc::new(Self { gate, tls, limits, connections: Connections::new(of_connections, tcp), counters })
    }

    /// Lets `handler` answer the requests that come over one listener, until `stop` is true or its sender is gone.
    ///
    /// Then no more connections are accepted, requests at hand are answered, and the future resolves when the last
    /// connection is closed. It fails only if the listener cannot be used at all.
    pub async fn serve(
        self: Arc<Self>,
        listener: std::net::TcpListener,
        handler: impl Handler,
        stop: watch::Receiver<bool>,
    ) -> io::Result<()> {
        listener.set_nonblocking(true)?;
        let exchange =
            Arc::new(Exchange::new(Arc::clone(&self.gate), Arc::clone(&self.counters), self.limits, handler));
        let attend =
            |stream, connection| Arc::clone(&self).attend(stream, connection, Arc::clone(&exchange), stop.clone());
        accept(listener, &self.connections, stop.clone(), attend).await
    }

    /// The task of one connection.
    async fn attend(
        self: Arc<Self>,
        stream: TcpStream,
        connection: Connection,
        exchange: Arc<Exchange<impl Handler>>,
        stop: watch::Receiver<bool>,
    ) {
        // A reply is one write already: holding back a last short segment would only delay it.
        if stream.set_nodelay(true).is_err() {
            connection.close(Close::Error);
            return;
        }
        let acceptor = self.tls.as_ref().map(|tls| tls.acceptor());
        connection::attend(stream, acceptor, connection, exchange, self.limits, stop).await;
    }
}

#[cfg(test)]
mod tests;
