//! Plugs the forwarder into a server.

use std::net::SocketAddr;
use std::sync::Arc;

use crate::config::{Config, Faults};
use crate::forward::Forwarder;
use crate::metrics::Metrics;
use crate::table::Views;

/// The forwarder that `config` asks for, if it does, of a server that listens on `listening`. A fault is a [`Faults`]
/// error.
pub(super) fn start(
    config: &Config,
    listening: &[SocketAddr],
    views: &Views,
    metrics: &Metrics,
) -> Result<Option<Arc<Forwarder>>, Faults> {
    if !config.forward.is_on() {
        return Ok(None);
    }
    let forwarder = Forwarder::new(&config.forward, listening, views.clone(), config.answers.clone())?;
    metrics.show_forwarder(forwarder.counters());
    Ok(Some(forwarder))
}
