//! One connection: hyper speaks HTTP over it, and what is here makes sure that it ends.
//!
//! hyper's own timer would be set anew for each request. Here a request only notes what it does in [`Pulse`], and a
//! slow tick finds out what takes too long.

use std::fmt;
use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::{Instant, Sleep, sleep, timeout};
use tokio_rustls::TlsAcceptor;

use super::exchange::Exchange;
use super::{Handler, Limits, MAX_HEAD};
use crate::metrics::Close;
use crate::net::accept::stopped;
use crate::net::connections::Connection;

/// How long a stop waits for requests at hand.
const GRACE: Duration = Duration::from_secs(2);

/// How long, at least, what a client goes on sending is read and thrown away, so that it gets to read why it was refused: a close
/// with unread octets resets the connection, and the reply is lost on the way.
const LINGER: Duration = Duration::from_secs(1);

/// Attends a connection until its end.
pub(super) async fn attend(
    mut stream: TcpStream,
    acceptor: Option<TlsAcceptor>,
    connection: Connection,
    exchange: Arc<Exchange<impl Handler>>,
    limits: Limits,
    mut stop: watch::Receiver<bool>,
) {
    let Some(acceptor) = acceptor else {
        return converse(stream, connection, exchange, limits, stop).await;
    };
    let handshake = tokio::select! {
        biased;
        () = connection.evicted() => Err(Close::Limit),
        shaken = timeout(limits.arrival, acceptor.accept(&mut stream)) => match shaken {
            Ok(Ok(secure)) => Ok(secure),
            Ok(Err(error)) => {
                tracing::debug!("a TLS handshake failed: {error}");
                Err(Close::Malformed)
            }
            Err(_) => Err(Close::Idle),
        },
        () = stopped(&mut stop) => Err(Close::Shutdown),
    };
    match handshake {
        Ok(secure) => converse(secure, connection, exchange, limits, stop).await,
        Err(reason) => connection.close(reason),
    }
}

/// What the task of a connection and the requests over it share.
struct Shared<H> {
    connection: Connection,
    exchange: Arc<Exchange<H>>,
    pulse: Arc<Pulse>,
}

/// The connection was closed before it became busy.
#[derive(Debug)]
struct Evicted;

impl fmt::Display for Evicted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the connection had to make room for another")
    }
}

impl std::error::Error for Evicted {}

/// Answers requests until the client, a limit or the server ends the connection.
async fn converse(
    stream: impl AsyncRead + AsyncWrite + Unpin,
    connection: Connection,
    exchange: Arc<Exchange<impl Handler>>,
    limits: Limits,
    mut stop: watch::Receiver<bool>,
) {
    let pulse = Arc::new(Pulse::new());
    let shared = Arc::new(Shared { connection, exchange, pulse: Arc::clone(&pulse) });
    let service = service_fn({
        let shared = Arc::clone(&shared);
        move |request| {
            let shared = Arc::clone(&shared);
            async move {
                shared.pulse.set(BUSY);
                if !shared.connection.begin() {
                    return Err(Evicted);
                }
                let reply = shared.exchange.reply(request).await;
                shared.connection.rest(true);
                shared.pulse.set(if reply.unread { LINGERING } else { IDLE });
                Ok(reply.response)
            }
        }
    });
    // In a block, so that hyper and with it every other owner of what is shared is gone afterwards.
    let reason = {
        let io = TokioIo::new(Watched { stream, pulse: Arc::clone(&pulse), shut: false });
        let mut http =
            pin!(http1::Builder::new().header_read_timeout(None).max_buf_size(MAX_HEAD).serve_connection(io, service));

        // So that no limit is exceeded by much, and a thousand silent connections cost nothing to speak of.
        let tick = limits.arrival.min(limits.idle) / 4;
        let mut alarm = pin!(sleep(tick));
        let mut grace: Pin<&mut Sleep> = pin!(sleep(GRACE));
        let mut stopping = false;
        loop {
            tokio::select! {
                biased;
                () = shared.connection.evicted() => break Close::Limit,
                ended = &mut http => break match ended {
                    Ok(()) if stopping => Close::Shutdown,
                    Ok(()) => Close::Client,
                    Err(error) if error.is_parse() => Close::Malformed,
                    Err(error) if error.is_user() => Close::Limit,
                    Err(_) => Close::Error,
                },
                () = stopped(&mut stop), if !stopping => {
                    if pulse.is_fresh() {
                        break Close::Shutdown;
                    }
                    stopping = true;
                    grace.as_mut().reset(Instant::now() + GRACE);
                    http.as_mut().graceful_shutdown();
                }
                () = &mut grace, if stopping => break Close::Shutdown,
                () = &mut alarm => {
                    if pulse.is_overdue(&limits) {
                        break Close::Idle;
                    }
                    alarm.as_mut().reset(Instant::now() + tick);
                }
            }
        }
    };
    if let Some(shared) = Arc::into_inner(shared) {
        shared.connection.close(reason);
    }
}

//----------- Pulse ------------------------------------------------------------

/// Nothing has arrived yet.
const FRESH: u64 = 0;
/// A part of a request's head has arrived.
const READING: u64 = 1;
/// A request is being read or answered.
const BUSY: u64 = 2;
/// The last request is answered, though its reply may still be on the way.
const IDLE: u64 = 3;
/// A reply refuses what is still arriving.
const LINGERING: u64 = 4;

/// What a connection does, and since when. One task has it, so nothing is ordered by it.
struct Pulse {
    epoch: Instant,
    phase: AtomicU64,
    since: AtomicU64,
}

impl Pulse {
    /// Of a connection that was just accepted.
    fn new() -> Self {
        Self { epoch: Instant::now(), phase: AtomicU64::new(FRESH), since: AtomicU64::new(0) }
    }

    /// Enters a phase.
    fn set(&self, phase: u64) {
        self.phase.store(phase, Relaxed);
        self.since.store(self.epoch.elapsed().as_millis() as u64, Relaxed);
    }

    /// Octets have arrived.
    fn heard(&self) {
        if matches!(self.phase.load(Relaxed), FRESH | IDLE) {
            self.set(READING);
        }
    }

    /// Whether the client has said nothing yet.
    fn is_fresh(&self) -> bool {
        self.phase.load(Relaxed) == FRESH
    }

    /// Whether what the connection does takes too long.
    fn is_overdue(&self, limits: &Limits) -> bool {
        let limit = match self.phase.load(Relaxed) {
            READING => limits.arrival,
            LINGERING => LINGER,
            // The handler has all the time it needs; the body has a limit of its own.
            BUSY => return false,
            _ => limits.idle,
        };
        self.epoch.elapsed() >= Duration::from_millis(self.since.load(Relaxed)) + limit
    }
}

//----------- Watched ----------------------------------------------------------

/// A stream that tells the pulse what arrives, and does not close while a refused client goes on sending.
struct Watched<S> {
    stream: S,
    pulse: Arc<Pulse>,
    /// Our side is shut down.
    shut: bool,
}

impl<S: AsyncRead + Unpin> AsyncRead for Watched<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(cx, buf);
        if buf.filled().len() > before {
            self.pulse.heard();
        }
        read
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Watched<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, octets: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, octets)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if !self.shut {
            ready!(Pin::new(&mut self.stream).poll_shutdown(cx))?;
            self.shut = true;
        }
        if self.pulse.phase.load(Relaxed) != LINGERING {
            return Poll::Ready(Ok(()));
        }
        // Until the client closes, too, or the tick finds that it takes too long.
        let mut scratch = [0; 4096];
        for _ in 0..16 {
            let mut buf = ReadBuf::new(&mut scratch);
            match ready!(Pin::new(&mut self.stream).poll_read(cx, &mut buf)) {
                Ok(()) if !buf.filled().is_empty() => {}
                _ => return Poll::Ready(Ok(())),
            }
        }
        // Others have their turn before the rest.
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}
