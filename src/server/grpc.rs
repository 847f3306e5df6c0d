//! Plugs the gRPC channel into a server: who may ask, certificate, connections.

use std::net::TcpListener;
use std::sync::Arc;

use tokio::runtime::Runtime;
use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;
use tracing::error;

use crate::channel::grpc::{Gate, Parts, Server};
use crate::config::{Config, Faults};
use crate::credentials::Credentials;
use crate::tls::{Source, Tls};

/// The channel before it has a socket.
pub(super) struct Grpc {
    gate: Arc<Gate>,
    tls: Option<Arc<Tls>>,
}

impl Grpc {
    /// Reads the certificates.
    pub(super) fn load(config: &Config, credentials: Option<Arc<Credentials>>) -> Result<Self, Faults> {
        let tls = match &config.grpc_tls {
            Some(files) if config.grpc.is_some() => Some(Tls::load(Source {
                channel: "grpc",
                protocol: "h2",
                certificate: files.certificate.clone(),
                key: files.key.clone(),
                client_authorities: config.grpc_client_ca.clone(),
            })?),
            _ => None,
        };
        Ok(Self { gate: Arc::new(Gate::new(credentials, config.grpc_client_ca.is_some())), tls })
    }

    /// What is spoken: `http` or `https`.
    pub(super) fn scheme(&self) -> &'static str {
        if self.tls.is_some() { "https" } else { "http" }
    }

    /// Puts other credentials in place of the present ones. Streams of tokens that are gone end.
    pub(super) fn replace(&self, credentials: Option<Arc<Credentials>>) {
        self.gate.replace(credentials);
    }

    /// Serves what comes over `listener`, on `runtime`, as one of `tasks`. The result asks for the certificate to be
    /// loaded again.
    pub(super) fn serve(
        &self,
        listener: TcpListener,
        parts: Parts,
        stop: watch::Receiver<bool>,
        tasks: &mut JoinSet<()>,
        runtime: &Runtime,
    ) -> Arc<Notify> {
        let reload = Arc::new(Notify::new());
        if let Some(tls) = &self.tls {
            runtime.spawn(Arc::clone(tls).follow(Arc::clone(&reload), stop.clone()));
        }
        let server = Server::new(Arc::clone(&self.gate), self.tls.clone(), parts);
        let serve = async move {
            if let Err(error) = server.serve(listener, stop).await {
                error!("no grpc: {error}");
            }
        };
        tasks.spawn_on(serve, runtime.handle());
        reload
    }
}
