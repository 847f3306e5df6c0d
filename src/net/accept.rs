//! The loop that accepts connections, whatever is spoken over them.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinError, JoinSet};
use tokio::time::sleep;

use super::connections::{Connection, Connections};

/// Bounds of the pause after a failed accept.
///
/// When the process has no file descriptor left, accept fails at once and again at once; the pause keeps that from
/// taking a core, and doubles because descriptors come back when connections time out, which takes seconds.
const ACCEPT_PAUSE: (Duration, Duration) = (Duration::from_millis(10), Duration::from_secs(1));

/// Runs `attend` in a task for each connection that `connections` admits, until `stop` is true or its sender is gone.
///
/// Then no more are accepted, and the future resolves when the last task has ended. It fails only if the listener
/// cannot be used at all.
pub async fn accept<F>(
    listener: std::net::TcpListener,
    connections: &Arc<Connections>,
    mut stop: watch::Receiver<bool>,
    attend: impl Fn(TcpStream, Connection) -> F,
) -> io::Result<()>
where
    F: Future<Output = ()> + Send + 'static,
{
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
                if let Ok(connection) = connections.admit(peer.ip()) {
                    tasks.spawn(attend(stream, connection));
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
                connections.evict_one();
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

/// Resolves once the server stops.
pub async fn stopped(stop: &mut watch::Receiver<bool>) {
    // A sender that is gone cannot say so any more; take it for a stop.
    drop(stop.wait_for(|stop| *stop).await);
}

/// A panic ends one connection only, and is a fault of ours.
fn report_panic(ended: Result<(), JoinError>) {
    if ended.is_err() {
        tracing::error!("a TCP connection's task panicked");
    }
}
