//! Access keys and tokens: read at start and on SIGHUP, and what has to be there before anybody beyond this machine may
//! ask.

use std::env;
use std::net::SocketAddr;
use std::sync::Arc;

use tracing::{error, info, warn};

use crate::config::{Config, Faults};
use crate::credentials::Credentials;

/// Reads what `config` and the environment have. A channel that anyone could use over the network is a fault, too.
pub(super) fn load(config: &Config) -> Result<Option<Arc<Credentials>>, Faults> {
    if config.api.is_none() && config.grpc.is_none() {
        return Ok(None);
    }
    let credentials = Credentials::load(config.credentials.as_deref(), |name| env::var(name).ok())?;
    let (keys, tokens) = count(credentials.as_deref());
    let mut faults = Vec::new();
    if let Some(address) = config.api.filter(is_beyond_loopback)
        && keys == 0
    {
        faults.push(format!(
            "api: {address} is beyond loopback, where anyone could change the registry, and there are no credentials; \
             give it some (--credentials FILE, or FINGERPOST_ACCESS_KEY_ID and FINGERPOST_SECRET_ACCESS_KEY), or \
             another address (--api 127.0.0.1:8300), or none (--api off)"
        ));
    }
    if let Some(address) = config.grpc.filter(is_beyond_loopback)
        && tokens == 0
        && config.grpc_client_ca.is_none()
    {
        faults.push(format!(
            "grpc: {address} is beyond loopback, where anyone could change the registry, and clients need neither a \
             token nor a certificate; give it tokens (--credentials FILE with [[token]]), or the authority of its \
             clients (--grpc-client-ca FILE), or another address (--grpc 127.0.0.1:8301), or none (--grpc off)"
        ));
    }
    if faults.is_empty() { Ok(credentials) } else { Err(Faults(faults)) }
}

/// Says how many there are, and what that means where it is not plain.
pub(super) fn report(config: &Config, credentials: Option<&Credentials>) {
    let (keys, tokens) = count(credentials);
    match (config.api, keys, tokens) {
        (None, ..) => {}
        (Some(_), 0, 0) => {
            warn!("the api has no credentials: it accepts every request from this machine, signed or not");
        }
        (Some(_), 0, _) => warn!("the api refuses every request: there are tokens, and no access keys"),
        (Some(_), ..) => info!("access keys of the api: {keys}"),
    }
    match (config.grpc, tokens) {
        (None, _) => {}
        (Some(_), 0) if config.grpc_client_ca.is_some() => info!("grpc asks its clients for certificates"),
        (Some(_), 0) if keys == 0 => warn!("grpc has no tokens: it accepts every request from this machine"),
        (Some(_), 0) => warn!("grpc refuses every request: there are access keys, and no tokens"),
        (Some(address), _) => {
            info!("tokens of grpc: {tokens}");
            if is_beyond_loopback(&address) && config.grpc_tls.is_none() {
                warn!("grpc has no TLS on {address}: whoever can listen there reads its tokens");
            }
        }
    }
}

/// Reads them again; `None` where they stay as they were.
pub(super) fn reload(config: &Config) -> Option<Option<Arc<Credentials>>> {
    // The environment does not change.
    config.credentials.as_ref()?;
    match load(config) {
        Ok(credentials) => {
            let (keys, tokens) = count(credentials.as_deref());
            info!("reload: access keys of the api: {keys}, tokens of grpc: {tokens}");
            Some(credentials)
        }
        Err(faults) => {
            faults.0.iter().for_each(|fault| error!("reload: the credentials stay as they were: {fault}"));
            None
        }
    }
}

/// How many access keys and tokens there are.
fn count(credentials: Option<&Credentials>) -> (usize, usize) {
    credentials.map_or((0, 0), |credentials| (credentials.key_count(), credentials.tokens().len()))
}

/// Whether others than this machine's programs may reach it.
fn is_beyond_loopback(address: &SocketAddr) -> bool {
    !address.ip().to_canonical().is_loopback()
}
