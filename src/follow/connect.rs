//! Where a primary is, and the way to it.

use std::fmt;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use serde::Deserialize;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint, Identity, Uri};

use super::status::Failure;
use super::{Ended, Settings};
use crate::config::file;

/// How long a connection may take to be there, TLS included.
const CONNECT: Duration = Duration::from_secs(5);
/// How often the other side is asked whether it is there; its answer takes no longer than this, either.
const PING: Duration = Duration::from_secs(3);
/// What a primary may send ahead of what was read, in octets: a follower is small.
const WINDOW: u32 = 256 << 10;
/// Largest token in octets.
const LARGEST_TOKEN: u64 = 4096;

/// The address of a primary's gRPC channel.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Primary(Uri);

impl Primary {
    /// Whether it speaks TLS.
    pub fn is_https(&self) -> bool {
        self.0.scheme_str() == Some("https")
    }

    /// Whether it is on this machine, as far as its address tells.
    pub fn is_loopback(&self) -> bool {
        let host = self.0.host().unwrap_or_default().trim_matches(['[', ']']);
        host == "localhost" || host.parse().is_ok_and(|address: std::net::IpAddr| address.is_loopback())
    }
}

impl FromStr for Primary {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let fault = || format!("{text:?} is not an address, such as https://primary.example:8301");
        let uri: Uri = text.parse().map_err(|_| fault())?;
        let is_known = matches!(uri.scheme_str(), Some("http" | "https"));
        let has_port = uri.port_u16().is_some_and(|port| port != 0);
        // Whoever writes a user's name there takes it for a place of secrets.
        let is_plain = matches!(uri.path(), "" | "/") && uri.query().is_none() && !text.contains('@');
        if is_known && has_port && is_plain && uri.host().is_some_and(|host| !host.is_empty()) {
            Ok(Self(uri))
        } else {
            Err(fault())
        }
    }
}

impl TryFrom<String> for Primary {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl fmt::Display for Primary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.to_string().trim_end_matches('/'))
    }
}

/// Files of TLS, read at each connection, so that new ones need no restart.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TlsFiles {
    /// Certificates to trust, in PEM; `None`: those that this machine trusts.
    pub authorities: Option<PathBuf>,
    /// Certificate and key to come with, in PEM.
    pub identity: Option<(PathBuf, PathBuf)>,
}

/// Whether all files that `settings` name can be used. An error names the file and what is wrong.
pub fn check(settings: &Settings) -> Result<(), String> {
    token(settings)?;
    settings.primaries.iter().try_for_each(|primary| endpoint(primary, settings).map(drop))
}

/// Connects to `primary`.
pub(super) async fn connect(primary: &Primary, settings: &Settings) -> Result<Channel, Ended> {
    let failed = |reason: String| Ended::new(Failure::Connect, reason);
    let endpoint = endpoint(primary, settings).map_err(failed)?;
    let connected = tokio::time::timeout(CONNECT, endpoint.connect()).await;
    match connected {
        Ok(Ok(channel)) => Ok(channel),
        Ok(Err(error)) => Err(failed(format!("cannot be reached: {}", root(&error)))),
        Err(_) => Err(failed(format!("cannot be reached in {} seconds", CONNECT.as_secs()))),
    }
}

/// The innermost reason: those around it say that something failed, this one what.
pub(super) fn root(error: &dyn std::error::Error) -> String {
    let mut innermost = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    innermost.to_string()
}

fn endpoint(primary: &Primary, settings: &Settings) -> Result<Endpoint, String> {
    let endpoint = Endpoint::from(primary.0.clone())
        .connect_timeout(CONNECT)
        .tcp_nodelay(true)
        .http2_keep_alive_interval(PING)
        .keep_alive_timeout(PING)
        .keep_alive_while_idle(true)
        .initial_stream_window_size(WINDOW)
        .initial_connection_window_size(2 * WINDOW);
    if !primary.is_https() {
        return Ok(endpoint);
    }
    let mut tls = ClientTlsConfig::new();
    tls = match &settings.tls.authorities {
        Some(file) => tls.ca_certificate(Certificate::from_pem(read(file)?)),
        None => tls.with_native_roots(),
    };
    if let Some((certificate, key)) = &settings.tls.identity {
        tls = tls.identity(Identity::from_pem(read(certificate)?, read(key)?));
    }
    endpoint.tls_config(tls).map_err(|error| format!("{primary}: TLS cannot be set up: {}", root(&error)))
}

fn read(file: &Path) -> Result<Vec<u8>, String> {
    std::fs::read(file).map_err(|error| format!("{}: {error}", file.display()))
}

/// What the request says for who we are, if anything.
pub(super) fn token(settings: &Settings) -> Result<Option<MetadataValue<Ascii>>, String> {
    let Some(path) = &settings.token else { return Ok(None) };
    let name = path.display();
    let fault = |reason: &dyn fmt::Display| format!("{name}: {reason}");
    let mut file = file::open_private(path).map_err(|faults| faults.0.join("; "))?;
    let mut text = String::new();
    file.by_ref().take(LARGEST_TOKEN + 1).read_to_string(&mut text).map_err(|error| fault(&error))?;
    let token = text.trim();
    if token.is_empty() || text.len() as u64 > LARGEST_TOKEN || !token.bytes().all(|octet| octet.is_ascii_graphic()) {
        return Err(fault(&"is not a token: one line of 1 to 4096 printable ASCII characters without spaces"));
    }
    let mut value: MetadataValue<Ascii> = format!("Bearer {token}").parse().map_err(|error| fault(&error))?;
    value.set_sensitive(true);
    Ok(Some(value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_primaries_are_whole() {
        for good in ["https://primary.example:8301", "http://127.0.0.1:8301/", "http://[::1]:1"] {
            let primary: Primary = good.parse().unwrap();
            assert_eq!(primary.to_string(), good.trim_end_matches('/'));
        }
        for bad in [
            "",
            "primary:8301",
            "https://primary",
            "ftp://p:1",
            "http://:1",
            "http://p:0",
            "http://p:1/x",
            "http://p:1/?q",
            "http://u@p:1",
            "http://p:99999",
        ] {
            assert!(bad.parse::<Primary>().unwrap_err().contains("https://primary.example:8301"), "{bad}");
        }
        let is_loopback = |text: &str| text.parse::<Primary>().unwrap().is_loopback();
        assert!(
            is_loopback("http://127.0.0.1:1") && is_loopback("http://[::1]:1") && is_loopback("http://localhost:1")
        );
        assert!(!is_loopback("http://10.0.0.1:1") && !is_loopback("http://primary:1"));
    }
}
