//! Plugs the AWS API into a server: credentials, certificate, connections.

use std::env;
use std::net::TcpListener;
use std::sync::Arc;

use tokio::runtime::Runtime;
use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;
use tracing::{error, info, warn};

use crate::channel::cloudmap::access::Gate;
use crate::channel::cloudmap::credentials::Credentials;
use crate::channel::cloudmap::http::{Handler, Limits, Server};
use crate::channel::cloudmap::tls::Tls;
use crate::config::{Config, Faults};
use crate::metrics::Metrics;

/// The API before it has a socket: who may ask, and with which certificate it answers.
pub(super) struct Api {
    gate: Arc<Gate>,
    tls: Option<Arc<Tls>>,
    config: Config,
}

impl Api {
    /// Reads credentials and certificate. A fault of theirs is a [`Faults`] error, and so is an API that anyone could
    /// change over the network.
    pub(super) fn load(config: &Config) -> Result<Self, Faults> {
        let credentials = if config.api.is_some() { credentials(config)? } else { None };
        let tls = match &config.api_tls {
            Some(files) if config.api.is_some() => Some(Tls::load(&files.certificate, &files.key)?),
            _ => None,
        };
        match &credentials {
            Some(credentials) => info!("access keys of the api: {}", credentials.len()),
            None if config.api.is_some() => {
                warn!("the api has no credentials: it accepts every request from this machine, signed or not");
            }
            None => {}
        }
        Ok(Self { gate: Arc::new(Gate::new(credentials, &config.region)), tls, config: config.clone() })
    }

    /// What is spoken: `http` or `https`.
    pub(super) fn scheme(&self) -> &'static str {
        if self.tls.is_some() { "https" } else { "http" }
    }

    /// Reads the credentials again; a fault keeps the present ones.
    pub(super) fn reload(&self) {
        // The environment does not change.
        if self.config.api.is_none() || self.config.credentials.is_none() {
            return;
        }
        match credentials(&self.config) {
            Ok(credentials) => {
                let known = credentials.as_ref().map_or(0, Credentials::len);
                self.gate.replace(credentials);
                info!("reload: access keys of the api: {known}");
            }
            Err(faults) => {
                faults.0.iter().for_each(|fault| error!("reload: the api's credentials stay as they were: {fault}"));
            }
        }
    }

    /// Lets `handler` answer what comes over `listener`, on `runtime`, as one of `tasks`. The result asks for the
    /// certificate to be loaded again.
    pub(super) fn serve(
        &self,
        listener: TcpListener,
        handler: impl Handler,
        metrics: &Metrics,
        stop: watch::Receiver<bool>,
        tasks: &mut JoinSet<()>,
        runtime: &Runtime,
    ) -> Arc<Notify> {
        let reload = Arc::new(Notify::new());
        if let Some(tls) = &self.tls {
            runtime.spawn(Arc::clone(tls).follow(Arc::clone(&reload), stop.clone()));
        }
        let (gate, tls) = (Arc::clone(&self.gate), self.tls.clone());
        let server = Server::new(gate, tls, Limits::default(), metrics.api(), metrics.api_tcp());
        let serve = async move {
            if let Err(error) = server.serve(listener, handler, stop).await {
                error!("no api: {error}");
            }
        };
        tasks.spawn_on(serve, runtime.handle());
        reload
    }
}

/// The access keys that `config` and the environment have; without any, the API has to be on loopback.
fn credentials(config: &Config) -> Result<Option<Credentials>, Faults> {
    let credentials = Credentials::load(config.credentials.as_deref(), |name| env::var(name).ok())?;
    match config.api.filter(|address| !address.ip().to_canonical().is_loopback()) {
        Some(address) if credentials.is_none() => Err(Faults(vec![format!(
            "api: {address} is beyond loopback, where anyone could change the registry, and there are no credentials; \
             give it some (--credentials FILE, or FINGERPOST_ACCESS_KEY_ID and FINGERPOST_SECRET_ACCESS_KEY), or \
             another address (--api 127.0.0.1:8300), or none (--api off)"
        )])),
        _ => Ok(credentials),
    }
}
