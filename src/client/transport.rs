//! Octets to the server and back, over connections that are kept.

use std::io::{self, ErrorKind};
use std::time::Duration;

use ureq::http::header::HeaderMap;
use ureq::http::{Method, Request};
use ureq::tls::{Certificate, PemItem, RootCerts, TlsConfig, parse_pem};
use ureq::{Agent, Error, Proxy};

use super::{ClientError, Endpoint};

/// How long a connection may take to be there.
const CONNECT: Duration = Duration::from_secs(5);

/// How long a request may take as a whole.
const REQUEST: Duration = Duration::from_secs(30);

/// Largest answer: far above 1000 instances with all the attributes they can have.
const LARGEST_ANSWER: u64 = 64 << 20;

/// How to reach a server; keeps connections for the requests to come.
pub(super) struct Transport(Agent);

impl Transport {
    /// The transport to `endpoint`, which trusts the certificates `authorities`, or else those of the public web.
    pub(super) fn new(endpoint: &Endpoint, authorities: Option<&[u8]>) -> Result<Self, ClientError> {
        let roots = authorities.map_or(Ok(RootCerts::WebPki), roots)?;
        // A proxy cannot reach what is on this machine only.
        let proxy = if endpoint.is_loopback() { None } else { Proxy::try_from_env() };
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .proxy(proxy)
            .timeout_connect(Some(CONNECT))
            .timeout_global(Some(REQUEST))
            .tls_config(TlsConfig::builder().root_certs(roots).build())
            .user_agent(concat!("fingerpost/", env!("CARGO_PKG_VERSION")))
            .build();
        Ok(Self(config.into()))
    }

    /// Posts `body` and returns status and body of the answer, whatever they are.
    pub(super) fn post(
        &self,
        endpoint: &Endpoint,
        headers: HeaderMap,
        body: &[u8],
    ) -> Result<(u16, Vec<u8>), ClientError> {
        let mut request = Request::new(body);
        *request.method_mut() = Method::POST;
        *request.uri_mut() = endpoint.uri().clone();
        *request.headers_mut() = headers;
        let mut answer = self.0.run(request).map_err(|error| failure(endpoint, &error))?;
        let body = answer.body_mut().with_config().limit(LARGEST_ANSWER).read_to_vec();
        Ok((answer.status().as_u16(), body.map_err(|error| failure(endpoint, &error))?))
    }
}

/// The certificates in a PEM file.
fn roots(pem: &[u8]) -> Result<RootCerts, ClientError> {
    let mut certificates: Vec<Certificate<'static>> = Vec::new();
    for item in parse_pem(pem) {
        match item {
            Ok(PemItem::Certificate(certificate)) => certificates.push(certificate),
            Ok(_) => {}
            Err(error) => return Err(ClientError::Options(format!("--ca-file: no valid PEM: {error}"))),
        }
    }
    match certificates.is_empty() {
        true => Err(ClientError::Options("--ca-file: there is no certificate in it".into())),
        false => Ok(RootCerts::from(certificates)),
    }
}

/// Why no answer came, with what to do about it.
fn failure(endpoint: &Endpoint, error: &Error) -> ClientError {
    let started = "is `fingerpost serve` running there? Set another address with --endpoint or FINGERPOST_ENDPOINT";
    let name = "check --endpoint or FINGERPOST_ENDPOINT";
    let certificate = "say with --ca-file FILE which certificate to trust, or check the host in --endpoint";
    let (reason, hint) = match error {
        Error::Io(error) if is_tls(error) => (format!("is not trusted: {}", root(error)), certificate),
        Error::Io(error) => match error.kind() {
            ErrorKind::ConnectionRefused => ("refuses connections".into(), started),
            ErrorKind::ConnectionReset | ErrorKind::UnexpectedEof | ErrorKind::BrokenPipe => {
                ("closed the connection without an answer".into(), "does it speak HTTP there, or HTTPS? Else try again")
            }
            _ => (format!("cannot be reached: {error}"), started),
        },
        Error::Timeout(_) => ("gave no answer in time".into(), started),
        Error::HostNotFound => ("has a host that no address is known for".into(), name),
        Error::Rustls(error) => (format!("is not trusted: {error}"), certificate),
        Error::Protocol(error) => (format!("does not speak HTTP: {error}"), "is it https:// rather than http://?"),
        error => (format!("cannot be asked: {error}"), name),
    };
    ClientError::Transport { endpoint: endpoint.to_string(), reason, hint: hint.into() }
}

/// Whether TLS is to blame, whose errors come wrapped in those of the socket.
fn is_tls(error: &io::Error) -> bool {
    error.kind() == ErrorKind::InvalidData
}

/// The innermost reason.
fn root(error: &io::Error) -> String {
    match error.get_ref() {
        Some(inner) => inner.source().map_or_else(|| inner.to_string(), ToString::to_string),
        None => error.to_string(),
    }
}
