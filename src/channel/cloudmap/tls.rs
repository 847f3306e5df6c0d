//! TLS of the API: a certificate and its key from two PEM files, loaded again when they change.
//!
//! A pair of files that cannot be used changes nothing: new connections go on getting the last good certificate, and
//! the log says why. That is also what happens while one of the two is new and the other not yet.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::sync::{Notify, watch};
use tokio::task::spawn_blocking;
use tokio::time::sleep;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::{self, ServerConfig};
use tracing::{error, info};

use crate::config::Faults;
use crate::net::accept::stopped;

/// How often the files are looked at. Certificates are renewed days before they expire; seconds matter to nobody.
const PERIOD: Duration = Duration::from_secs(5);

/// Inode, size and time of change of certificate and key: what tells one version of them from another.
type Stamps = [Option<(u64, u64, i64, i64)>; 2];

/// The certificate in use, and where it came from.
pub struct Tls {
    certificate: PathBuf,
    key: PathBuf,
    current: ArcSwap<ServerConfig>,
    /// The files when they were loaded first.
    loaded: Stamps,
}

impl Tls {
    /// Loads certificate (with its chain) and key.
    pub fn load(certificate: &Path, key: &Path) -> Result<Arc<Self>, Faults> {
        // Before they are read: a change in between shows.
        let loaded = [certificate, key].map(stamp);
        let config = load(certificate, key).map_err(|fault| Faults(vec![fault]))?;
        let current = ArcSwap::from_pointee(config);
        Ok(Arc::new(Self { certificate: certificate.into(), key: key.into(), current, loaded }))
    }

    /// What does the handshake of a new connection.
    pub(super) fn acceptor(&self) -> TlsAcceptor {
        TlsAcceptor::from(self.current.load_full())
    }

    /// Loads the files whenever they change, or `reload` asks for it, until `stop` is true.
    pub async fn follow(self: Arc<Self>, reload: Arc<Notify>, mut stop: watch::Receiver<bool>) {
        let mut seen = self.loaded;
        let mut fault = None;
        loop {
            let asked = tokio::select! {
                () = sleep(PERIOD) => false,
                () = reload.notified() => true,
                () = stopped(&mut stop) => return,
            };
            let this = Arc::clone(&self);
            let old = seen;
            // After a fault they are tried again each time: they may have been read in the middle of a write.
            let again = asked || fault.is_some();
            let looked = spawn_blocking(move || {
                let stamps = this.stamps();
                (again || stamps != old).then(|| (stamps, this.reload()))
            });
            // It fails if the runtime goes down.
            let Ok(Some((stamps, result))) = looked.await else { continue };
            seen = stamps;
            let new = result.err();
            match &new {
                None => info!("the api's certificate was loaded again from {}", self.certificate.display()),
                Some(_) if !asked && new == fault => {}
                Some(reason) => error!("the api's certificate stays as it was: {reason}"),
            }
            fault = new;
        }
    }

    /// Loads the files; a fault changes nothing.
    fn reload(&self) -> Result<(), String> {
        self.current.store(Arc::new(load(&self.certificate, &self.key)?));
        Ok(())
    }

    /// The files as they are now.
    fn stamps(&self) -> Stamps {
        [&*self.certificate, &*self.key].map(stamp)
    }
}

/// A file as it is now.
fn stamp(path: &Path) -> Option<(u64, u64, i64, i64)> {
    let found = fs::metadata(path).ok()?;
    Some((found.ino(), found.size(), found.mtime(), found.mtime_nsec()))
}

/// The configuration of rustls with the certificate and key in these files; a fault names the file to blame.
fn load(certificate: &Path, key: &Path) -> Result<ServerConfig, String> {
    let fault = |path: &Path, reason: String| format!("{}: {reason}", path.display());
    let text = fs::read(certificate).map_err(|error| fault(certificate, error.to_string()))?;
    let chain: Vec<_> = CertificateDer::pem_slice_iter(&text)
        .collect::<Result<_, _>>()
        .map_err(|error| fault(certificate, format!("not certificates in PEM: {error}")))?;
    if chain.is_empty() {
        return Err(fault(certificate, "there is no certificate in it".to_owned()));
    }
    let text = fs::read(key).map_err(|error| fault(key, error.to_string()))?;
    let secret = PrivateKeyDer::from_pem_slice(&text)
        .map_err(|error| fault(key, format!("not a private key in PEM: {error}")))?;
    let refused = |error: rustls::Error| {
        let reason = match error {
            rustls::Error::InconsistentKeys(_) => format!("is not the key of {}", certificate.display()),
            other => other.to_string(),
        };
        fault(key, reason)
    };
    let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(refused)?
        .with_no_client_auth()
        .with_single_cert(chain, secret)
        .map_err(refused)?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}
