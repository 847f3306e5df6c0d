//! What operators and probes ask over HTTP: `/metrics`, `/livez`, `/readyz`.
//!
//! It runs on a thread and a runtime of its own, so that neither busy workers nor busy connections starve a
//! probe: a server that is merely loaded must not look dead. It reads counters and [`Readiness`]; it changes
//! nothing.

use std::future;
use std::io;
use std::net::TcpListener;
use std::sync::atomic::Ordering::{Acquire, Release};
use std::sync::atomic::{AtomicBool, AtomicU8};
use std::sync::{Arc, OnceLock};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use arc_swap::ArcSwap;
use axum::Router;
use axum::extract;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use serde::Serialize;
use tokio::runtime;
use tokio::sync::oneshot;
use tokio::time::sleep;

use crate::metrics::Metrics;

/// How long a request at hand may take once the endpoints stop.
const GRACE: Duration = Duration::from_secs(1);

//----------- Readiness --------------------------------------------------------

/// Whether this server should get queries, and what is wrong with its declaration.
#[derive(Default)]
pub struct Readiness {
    phase: AtomicU8,
    /// Whether answers are held back, or there are none yet.
    withheld: AtomicBool,
    faults: ArcSwap<Vec<String>>,
    store_fault: OnceLock<String>,
}

// Phases of a server, in the only order that they come in; it starts with 0.

/// All sockets answer.
const READY: u8 = 1;
/// On the way down.
const STOPPING: u8 = 2;

impl Readiness {
    /// All sockets answer.
    pub fn set_ready(&self) {
        self.phase.fetch_max(READY, Release);
    }

    /// The server stops: send no more queries.
    pub fn set_stopping(&self) {
        self.phase.fetch_max(STOPPING, Release);
    }

    /// Whether this server should get queries.
    pub fn is_ready(&self) -> bool {
        self.phase.load(Acquire) == READY && !self.withheld.load(Acquire)
    }

    /// Whether answers are held back, because what they would be from is too old, or missing.
    pub fn set_withheld(&self, withheld: bool) {
        self.withheld.store(withheld, Release);
    }

    /// Faults of the declaration as it is on disk; none once it has been applied. They do not make the server
    /// unready, because the last good state keeps answering.
    pub fn set_faults(&self, faults: Vec<String>) {
        self.faults.store(Arc::new(faults));
    }

    /// Why nothing can be registered any more. DNS goes on answering, so that the server stays ready.
    pub fn set_store_fault(&self, fault: &str) {
        let _ = self.store_fault.set(fault.to_owned());
    }

    /// Why nothing can be registered any more, if it is so.
    pub fn store_fault(&self) -> Option<&str> {
        self.store_fault.get().map(String::as_str)
    }
}

//----------- State ------------------------------------------------------------

/// What the endpoints show.
#[derive(Clone)]
pub struct State {
    /// For `/metrics`, and the numbers of `/readyz`.
    pub metrics: Arc<Metrics>,
    /// For `/readyz`.
    pub readiness: Arc<Readiness>,
}

/// The body of `/readyz`.
#[derive(Serialize)]
struct ReadyBody<'a> {
    ready: bool,
    revision: u64,
    declaration: DeclarationBody<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    follow: Option<FollowBody>,
    /// Why nothing can be registered until the server is started anew.
    #[serde(skip_serializing_if = "Option::is_none")]
    store_fault: Option<&'a str>,
}

/// How the following of another server fares.
#[derive(Serialize)]
struct FollowBody {
    /// The one in step with which we are.
    connected: Option<Box<str>>,
    /// Since one vouched for the state.
    stale_seconds: Option<f64>,
    /// Whether that is too long, or there is no state.
    too_old: bool,
}

/// How the declaration files fare.
#[derive(Serialize)]
struct DeclarationBody<'a> {
    loads: u64,
    faults: &'a [String],
}

//----------- Admin ------------------------------------------------------------

/// The running endpoints.
pub struct Admin {
    thread: JoinHandle<()>,
    stop: oneshot::Sender<()>,
}

impl Admin {
    /// Serves `state` on `listener` until [`Admin::stop`].
    pub fn start(listener: TcpListener, state: State) -> io::Result<Self> {
        listener.set_nonblocking(true)?;
        let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
        let (stop, stopped) = oneshot::channel();
        let thread = thread::Builder::new().name("admin".to_owned()).spawn(move || {
            if let Err(error) = runtime.block_on(serve(listener, state, stopped)) {
                tracing::error!("the admin endpoints failed: {error}");
            }
        })?;
        Ok(Self { thread, stop })
    }

    /// Ends the endpoints; a request at hand is finished unless it takes more than a second.
    pub fn stop(self) {
        // Either send or join fails only where the thread has ended on its own, and then it has said why.
        let _ = self.stop.send(());
        let _ = self.thread.join();
    }
}

/// Serves until `stopped` resolves, and a moment longer for requests at hand.
async fn serve(listener: TcpListener, state: State, stopped: oneshot::Receiver<()>) -> io::Result<()> {
    let listener = tokio::net::TcpListener::from_std(listener)?;
    let (draining, drain) = oneshot::channel();
    let graceful = async move {
        // A sender that is gone means the same as one that sent.
        let _ = stopped.await;
        let _ = draining.send(());
    };
    let give_up = async move {
        if drain.await.is_err() {
            future::pending::<()>().await;
        }
        sleep(GRACE).await;
    };
    tokio::select! {
        result = axum::serve(listener, router(state)).with_graceful_shutdown(graceful) => result,
        () = give_up => Ok(()),
    }
}

/// The endpoints.
fn router(state: State) -> Router {
    Router::new()
        .route("/metrics", get(metrics))
        .route("/livez", get(livez))
        .route("/readyz", get(readyz))
        .with_state(state)
}

/// Everything that is counted, in Prometheus' text format.
async fn metrics(extract::State(state): extract::State<State>) -> Response {
    match state.metrics.render() {
        Ok(text) => ([(CONTENT_TYPE, prometheus::TEXT_FORMAT)], text).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, format!("{error}\n")).into_response(),
    }
}

/// The process lives: that this answers is all there is to say.
async fn livez() -> &'static str {
    "live\n"
}

/// 200 while this server should get queries, else 503; the body tells more.
async fn readyz(extract::State(state): extract::State<State>) -> Response {
    let ready = state.readiness.is_ready();
    let faults = state.readiness.faults.load();
    let body = ReadyBody {
        ready,
        revision: state.metrics.revision(),
        declaration: DeclarationBody { loads: state.metrics.declaration_loads(), faults: &faults },
        follow: state.metrics.follow().map(|status| FollowBody {
            connected: status.primary(),
            stale_seconds: status.age().map(|age| age.as_secs_f64()),
            too_old: status.is_too_old(),
        }),
        store_fault: state.readiness.store_fault(),
    };
    let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    match serde_json::to_string(&body) {
        Ok(text) => (status, [(CONTENT_TYPE, "application/json")], text + "\n").into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, format!("{error}\n")).into_response(),
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::{SocketAddr, TcpStream};
    use std::time::Instant;

    use super::*;

    /// Endpoints on a free port.
    fn start() -> (Admin, SocketAddr, State) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let state = State { metrics: Arc::new(Metrics::new()), readiness: Arc::default() };
        (Admin::start(listener, state.clone()).unwrap(), address, state)
    }

    /// Status and body of `GET path`.
    fn ask(address: SocketAddr, path: &str) -> (u16, String) {
        let mut stream = TcpStream::connect(address).unwrap();
        write!(stream, "GET {path} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n").unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
    }

    #[test]
    fn readiness_follows_the_life_of_the_server() {
        let (admin, address, state) = start();
        assert_eq!(ask(address, "/readyz").0, 503);
        state.metrics.set_declaration(1, 0, 0);
        state.metrics.published(3, 2, 1, Duration::ZERO);
        state.readiness.set_ready();
        let (status, body) = ask(address, "/readyz");
        assert_eq!(status, 200);
        assert_eq!(body.trim_end(), r#"{"ready":true,"revision":3,"declaration":{"loads":1,"faults":[]}}"#);

        state.readiness.set_faults(vec!["a.yaml:1:1: \"x\" is wrong".to_owned()]);
        let (status, body) = ask(address, "/readyz");
        assert_eq!(status, 200, "the last good state keeps answering");
        assert!(body.contains(r#""faults":["a.yaml:1:1: \"x\" is wrong"]"#), "{body}");

        state.readiness.set_stopping();
        state.readiness.set_ready();
        assert_eq!(ask(address, "/readyz").0, 503, "a stopping server is never ready again");
        assert_eq!(ask(address, "/livez"), (200, "live\n".to_owned()));
        admin.stop();
        assert!(TcpStream::connect(address).is_err());
    }

    #[test]
    fn metrics_are_text() {
        let (admin, address, _) = start();
        let (status, body) = ask(address, "/metrics");
        assert_eq!(status, 200);
        assert!(body.contains("\nfingerpost_dns_truncated_total 0\n"), "{body}");
        assert_eq!(ask(address, "/").0, 404);
        admin.stop();
    }

    #[test]
    fn a_client_that_says_nothing_delays_no_stop() {
        let (admin, address, _) = start();
        let mut half = TcpStream::connect(address).unwrap();
        half.write_all(b"GET /metrics HT").unwrap();
        assert_eq!(ask(address, "/livez").0, 200);
        let start = Instant::now();
        admin.stop();
        assert!(start.elapsed() < GRACE * 3);
    }
}
