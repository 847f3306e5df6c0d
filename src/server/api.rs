//! Plugs the AWS API into a server: who may ask, certificate, connections.

use std::net::TcpListener;
use std::sync::Arc;

use tokio::runtime::Runtime;
use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;
use tracing::error;

use crate::channel::cloudmap::access::Gate;
use crate::channel::cloudmap::http::{Handler, Limits, Server};
use crate::config::{Config, Faults};
use crate::credentials::Credentials;
use crate::metrics::Metrics;
use crate::tls::{Source, Tls};

/// The API before it has a socket: who may ask, and with which certificate it answers.
pub(super) struct Api {
    gate: Arc<Gate>,
    tls: Option<Arc<Tls>>,
}

impl Api {
    /// Reads the certificate.
    pub(super) fn load(config: &Config, credentials: Option<Arc<Credentials>>) -> Result<Self, Faults> {
        let tls = match &config.api_tls {
            Some(files) if config.api.is_some() => Some(Tls::load(Source {
                channel: "api",
                protocol: "http/1.1",
                certificate: files.certificate.clone(),
                key: files.key.clone(),
                client_authorities: None,
            })?),
            _ => None,
        };
        Ok(Self { gate: Arc::new(Gate::new(credentials, &config.region)), tls })
    }

    /// What is spoken: `http` or `https`.
    pub(super) fn scheme(&self) -> &'static str {
        if self.tls.is_some() { "https" } else { "http" }
    }

    /// Puts other credentials in place of the present ones.
    pub(super) fn replace(&self, credentials: Option<Arc<Credentials>>) {
        self.gate.replace(credentials);
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
