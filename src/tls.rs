//! TLS of a channel: a certificate and its key from two PEM files, and perhaps the authority of its clients from a third,
//! loaded again when they change.
//!
//! Files that cannot be used change nothing: new connections go on getting the last good certificate, and the log says
//! why. That is also what happens while one of them is new and another not yet.

use std::fmt::Display;
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
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::{self, RootCertStore, ServerConfig};
use tracing::{error, info};

use crate::config::Faults;
use crate::net::accept::stopped;

/// How often the files are looked at. Certificates are renewed days before they expire; seconds matter to nobody.
const PERIOD: Duration = Duration::from_secs(5);

/// Inode, size and time of change of each file: what tells one version of them from another.
type Stamps = [Option<(u64, u64, i64, i64)>; 3];

/// Where a channel's TLS comes from, and what is spoken inside it.
#[derive(Clone, Debug)]
pub struct Source {
    /// The channel, for the log.
    pub channel: &'static str,
    /// The protocol that clients may choose (ALPN, RFC 7301).
    pub protocol: &'static str,
    /// The certificate with its chain, in PEM.
    pub certificate: PathBuf,
    /// Its key, in PEM.
    pub key: PathBuf,
    /// Certificates of the authorities of which clients must have one, in PEM; `None`: clients need no certificate.
    pub client_authorities: Option<PathBuf>,
}

/// The certificate in use, and where it came from.
pub struct Tls {
    source: Source,
    current: ArcSwap<ServerConfig>,
    /// The files when they were loaded first.
    loaded: Stamps,
}

impl Tls {
    /// Loads the files.
    pub fn load(source: Source) -> Result<Arc<Self>, Faults> {
        // Before they are read: a change in between shows.
        let loaded = source.stamps();
        let config = source.load().map_err(|fault| Faults(vec![fault]))?;
        Ok(Arc::new(Self { source, current: ArcSwap::from_pointee(config), loaded }))
    }

    /// What does the handshake of a new connection.
    pub fn acceptor(&self) -> TlsAcceptor {
        TlsAcceptor::from(self.current.load_full())
    }

    /// Loads the files whenever they change, or `reload` asks for it, until `stop` is true.
    pub async fn follow(self: Arc<Self>, reload: Arc<Notify>, mut stop: watch::Receiver<bool>) {
        let channel = self.source.channel;
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
                let stamps = this.source.stamps();
                (again || stamps != old).then(|| (stamps, this.reload()))
            });
            // It fails if the runtime goes down.
            let Ok(Some((stamps, result))) = looked.await else { continue };
            seen = stamps;
            let new = result.err();
            match &new {
                None => info!("{channel}: the certificate was loaded again from {}", self.source.certificate.display()),
                Some(_) if !asked && new == fault => {}
                Some(reason) => error!("{channel}: the certificate stays as it was: {reason}"),
            }
            fault = new;
        }
    }

    /// Loads the files; a fault changes nothing.
    fn reload(&self) -> Result<(), String> {
        self.current.store(Arc::new(self.source.load()?));
        Ok(())
    }
}

impl Source {
    /// The files as they are now.
    fn stamps(&self) -> Stamps {
        [Some(&self.certificate), Some(&self.key), self.client_authorities.as_ref()].map(|path| stamp(path?))
    }

    /// The configuration of rustls that the files make; a fault names the file to blame.
    fn load(&self) -> Result<ServerConfig, String> {
        let chain = certificates(&self.certificate)?;
        let text = fs::read(&self.key).map_err(|error| fault(&self.key, error))?;
        let secret = PrivateKeyDer::from_pem_slice(&text)
            .map_err(|error| fault(&self.key, format!("not a private key in PEM: {error}")))?;
        let refused = |error: rustls::Error| match error {
            rustls::Error::InconsistentKeys(_) => {
                fault(&self.key, format!("is not the key of {}", self.certificate.display()))
            }
            other => fault(&self.key, other),
        };
        let provider = Arc::new(ring::default_provider());
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .map_err(refused)?;
        let builder = match &self.client_authorities {
            Some(path) => {
                let mut roots = RootCertStore::empty();
                for authority in certificates(path)? {
                    roots.add(authority).map_err(|error| fault(path, error))?;
                }
                let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
                builder.with_client_cert_verifier(verifier.build().map_err(|error| fault(path, error))?)
            }
            None => builder.with_no_client_auth(),
        };
        let mut config = builder.with_single_cert(chain, secret).map_err(refused)?;
        config.alpn_protocols = vec![self.protocol.into()];
        Ok(config)
    }
}

/// What is wrong with a file.
fn fault(path: &Path, reason: impl Display) -> String {
    format!("{}: {reason}", path.display())
}

/// A file as it is now.
fn stamp(path: &Path) -> Option<(u64, u64, i64, i64)> {
    let found = fs::metadata(path).ok()?;
    Some((found.ino(), found.size(), found.mtime(), found.mtime_nsec()))
}

/// The certificates in a file, at least one.
fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let text = fs::read(path).map_err(|error| fault(path, error))?;
    let found: Vec<_> = CertificateDer::pem_slice_iter(&text)
        .collect::<Result<_, _>>()
        .map_err(|error| fault(path, format!("not certificates in PEM: {error}")))?;
    if found.is_empty() { Err(fault(path, "there is no certificate in it")) } else { Ok(found) }
}
