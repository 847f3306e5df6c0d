//! The signals that end a run.

use std::sync::atomic::{AtomicBool, Ordering};

use tokio::signal::unix::{SignalKind, signal};

/// Sets `stop` at the first SIGINT or SIGTERM, and ends the program at the second.
pub(super) async fn wait(stop: &AtomicBool) {
    let (Ok(mut interrupt), Ok(mut terminate)) = (signal(SignalKind::interrupt()), signal(SignalKind::terminate()))
    else {
        return;
    };
    loop {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
        if stop.swap(true, Ordering::Relaxed) {
            // 128 and the number of SIGINT, as shells say.
            std::process::exit(130);
        }
    }
}
