//! gRPC over HTTP/2: connections and their limits, what is counted, and the stop.
//!
//! hyper speaks HTTP/2, tonic what is in it. A connection that has carried no request of a known caller yet makes room
//! for another one when there are too many; one whose client does not answer pings is closed. On a stop, streams end by
//! themselves, and what is left of a connection a second later is closed.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use hyper::body::Incoming;
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::{Notify, watch};
use tokio::time::{Instant, sleep, timeout};
use tonic::Status;
use tonic::body::Body;
use tonic::codegen::Service as _;
use tonic::service::Routes;
use tonic_health::ServingStatus;
use tonic_health::server::{HealthReporter, HealthService};

use super::auth::Gate;
use super::counted::Counted;
use super::followers::Followers;
use super::method::Need;
use super::proto::registry_server::RegistryServer;
use super::service::Service;
use super::{DESCRIPTORS, Method};
use crate::admin::Readiness;
use crate::explain::Explainer;
use crate::metrics::{Close, GrpcCounters, TcpCounters};
use crate::net::accept::{accept, stopped};
use crate::net::connections::{self, Connection, Connections};
use crate::registry::{History, Reader, Sender, Visibility};
use crate::tls::Tls;

/// Connections at once: a client needs one, whatever it does at once.
pub const MAX_CONNECTIONS: usize = 1024;

/// Octets of a request at most.
const MAX_REQUEST: usize = 4 << 20;

/// Requests of one connection at once.
const MAX_STREAMS: u32 = 256;

/// Octets that a client may send ahead, in one stream and in one connection.
const WINDOWS: (u32, u32) = (1 << 20, 4 << 20);

/// How long a TLS handshake may take.
const HANDSHAKE: Duration = Duration::from_secs(10);

/// How long a connection may be without its first request.
const FIRST_REQUEST: Duration = Duration::from_secs(75);

/// How often a silent client is asked whether it is still there, and how long it may take to answer.
const PING: (Duration, Duration) = (Duration::from_secs(20), Duration::from_secs(10));

/// How long a stop waits for streams to end.
const GRACE: Duration = Duration::from_secs(1);

/// How often health and lag are looked at.
const UPKEEP: Duration = Duration::from_millis(500);

/// The service that has the health of all.
const SERVICE: &str = "fingerpost.v1.Registry";

/// What the channel works with.
#[derive(Clone)]
pub struct Parts {
    /// Where commands go.
    pub sender: Sender,
    /// What the registry has acknowledged.
    pub catalog: Reader,
    /// What its last revisions changed.
    pub history: History,
    /// Which revision workers have reached.
    pub visibility: Visibility,
    /// Says why an answer is as it is.
    pub explainer: Explainer,
    /// Who follows.
    pub followers: Arc<Followers>,
    /// Whether this server should be asked.
    pub readiness: Arc<Readiness>,
    /// What requests count.
    pub counters: Arc<GrpcCounters>,
    /// What connections count.
    pub tcp: Arc<TcpCounters>,
}

/// Where a client is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Peer(pub(super) SocketAddr);

/// The channel before it has a listener.
pub struct Server {
    gate: Arc<Gate>,
    tls: Option<Arc<Tls>>,
    parts: Arc<Parts>,
}

/// What all connections share.
struct Shared {
    gate: Arc<Gate>,
    tls: Option<Arc<Tls>>,
    routes: Routes,
    counters: Arc<GrpcCounters>,
}

impl Server {
    /// A server for those whom `gate` lets in.
    pub fn new(gate: Arc<Gate>, tls: Option<Arc<Tls>>, parts: Parts) -> Self {
        Self { gate, tls, parts: Arc::new(parts) }
    }

    /// Answers what comes over `listener`, until `stop` is true or its sender is gone, and the last connection is
    /// closed. It fails only if the listener cannot be used at all.
    pub async fn serve(self, listener: std::net::TcpListener, stop: watch::Receiver<bool>) -> io::Result<()> {
        listener.set_nonblocking(true)?;
        let limits = connections::Limits {
            total: MAX_CONNECTIONS,
            // All clients may come from one address: that of a proxy, or this machine's.
            per_client: MAX_CONNECTIONS,
            ..connections::Limits::default()
        };
        let connections = Connections::new(limits, Arc::clone(&self.parts.tcp));
        let health = HealthReporter::new();
        let shared = Arc::new(Shared {
            routes: self.routes(&health, &stop)?,
            counters: Arc::clone(&self.parts.counters),
            gate: self.gate,
            tls: self.tls,
        });
        let upkeep = tokio::spawn(upkeep(self.parts, health, stop.clone()));
        let attend = |stream, connection| attend(stream, connection, Arc::clone(&shared), stop.clone());
        let served = accept(listener, &connections, stop.clone(), attend).await;
        upkeep.abort();
        served
    }

    /// What answers at which path.
    fn routes(&self, health: &HealthReporter, stop: &watch::Receiver<bool>) -> io::Result<Routes> {
        let service = Service::new(Arc::clone(&self.parts), stop.clone());
        let service = RegistryServer::new(service).max_decoding_message_size(MAX_REQUEST);
        let reflection = || {
            tonic_reflection::server::Builder::configure()
                .register_encoded_file_descriptor_set(DESCRIPTORS)
                .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
        };
        let health = HealthService::from_health_reporter(health.clone());
        Ok(Routes::new(service)
            .add_service(tonic_health::pb::health_server::HealthServer::new(health))
            .add_service(reflection().build_v1().map_err(io::Error::other)?)
            .add_service(reflection().build_v1alpha().map_err(io::Error::other)?)
            .prepare())
    }
}

/// The end of a call because the server stops.
pub(super) fn stopping() -> Status {
    Status::unavailable("the server stops")
}

/// Keeps the health that clients ask for, and the lag that is measured, up to date.
async fn upkeep(parts: Arc<Parts>, health: HealthReporter, mut stop: watch::Receiver<bool>) {
    let mut last = None;
    loop {
        let is_stopping = *stop.borrow();
        let serves = parts.readiness.is_ready() && parts.readiness.store_fault().is_none() && !is_stopping;
        if last != Some(serves) {
            let status = if serves { ServingStatus::Serving } else { ServingStatus::NotServing };
            for service in ["", SERVICE] {
                health.set_service_status(service, status).await;
            }
            last = Some(serves);
        }
        let (followers, lag) = parts.followers.lag(parts.visibility.published());
        parts.counters.set_followers(followers, lag);
        if is_stopping {
            return;
        }
        tokio::select! {
            () = stopped(&mut stop) => {}
            () = sleep(UPKEEP) => {}
        }
    }
}

//----------- Connections ------------------------------------------------------

/// The task of one connection.
async fn attend(mut stream: TcpStream, connection: Connection, shared: Arc<Shared>, mut stop: watch::Receiver<bool>) {
    let Ok(peer) = stream.peer_addr().and_then(|peer| stream.set_nodelay(true).map(|()| peer)) else {
        connection.close(Close::Error);
        return;
    };
    let Some(tls) = &shared.tls else { return converse(stream, peer, connection, shared, stop).await };
    let acceptor = tls.acceptor();
    let handshake = tokio::select! {
        biased;
        () = connection.evicted() => Err(Close::Limit),
        shaken = timeout(HANDSHAKE, acceptor.accept(&mut stream)) => match shaken {
            Ok(Ok(secure)) => Ok(secure),
            Ok(Err(error)) => {
                tracing::debug!("a TLS handshake of gRPC failed: {error}");
                Err(Close::Malformed)
            }
            Err(_) => Err(Close::Idle),
        },
        () = stopped(&mut stop) => Err(Close::Shutdown),
    };
    match handshake {
        Ok(secure) => converse(secure, peer, connection, shared, stop).await,
        Err(reason) => connection.close(reason),
    }
}

/// Answers requests until the client, a limit or the server ends the connection.
async fn converse(
    stream: impl AsyncRead + AsyncWrite + Unpin,
    peer: SocketAddr,
    connection: Connection,
    shared: Arc<Shared>,
    mut stop: watch::Receiver<bool>,
) {
    let usage = Arc::<Usage>::default();
    let service = service_fn({
        let usage = Arc::clone(&usage);
        move |mut request: hyper::Request<Incoming>| {
            request.extensions_mut().insert(Peer(peer));
            reply(Arc::clone(&shared), request, Arc::clone(&usage))
        }
    });
    let http = http2::Builder::new(TokioExecutor::new())
        .timer(TokioTimer::new())
        .keep_alive_interval(PING.0)
        .keep_alive_timeout(PING.1)
        .initial_stream_window_size(WINDOWS.0)
        .initial_connection_window_size(WINDOWS.1)
        .max_concurrent_streams(MAX_STREAMS)
        .max_header_list_size(16 << 10)
        .serve_connection(TokioIo::new(stream), service);
    let mut http = pin!(http);
    let mut alarm = pin!(sleep(FIRST_REQUEST));
    let mut is_stopping = false;
    let mut is_silent = true;
    let reason = loop {
        tokio::select! {
            biased;
            () = connection.evicted() => break Close::Limit,
            ended = &mut http => break match ended {
                Ok(()) if is_stopping => Close::Shutdown,
                Ok(()) => Close::Client,
                Err(error) if error.is_parse() => Close::Malformed,
                Err(_) => Close::Error,
            },
            () = usage.asked.notified(), if is_silent => is_silent = false,
            () = usage.admitted.notified() => {
                if !connection.begin() {
                    break Close::Limit;
                }
            }
            () = stopped(&mut stop), if !is_stopping => {
                is_stopping = true;
                alarm.as_mut().reset(Instant::now() + GRACE);
                http.as_mut().graceful_shutdown();
            }
            () = &mut alarm, if is_stopping || is_silent => {
                break if is_stopping { Close::Shutdown } else { Close::Idle };
            }
        }
    };
    connection.close(reason);
}

/// What a connection has carried.
#[derive(Default)]
struct Usage {
    /// Told of every request.
    asked: Notify,
    /// Told of the first request of somebody who may ask for more than health.
    admitted: Notify,
    is_admitted: AtomicBool,
}

/// Answers one request, if its caller may ask for it.
async fn reply(
    shared: Arc<Shared>,
    mut request: hyper::Request<Incoming>,
    usage: Arc<Usage>,
) -> Result<hyper::Response<Body>, Infallible> {
    let method = Method::of(request.uri().path());
    usage.asked.notify_one();
    let response = match shared.gate.admit(method, request.headers()) {
        Ok(caller) => {
            if method.need() != Need::Nothing && !usage.is_admitted.swap(true, Relaxed) {
                usage.admitted.notify_one();
            }
            request.extensions_mut().insert(caller);
            shared.routes.clone().call(request).await?
        }
        Err(status) => status.into_http(),
    };
    Ok(Counted::response(response, method, Arc::clone(&shared.counters)))
}
