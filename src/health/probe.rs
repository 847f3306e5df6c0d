//! One look at one instance.

use std::net::SocketAddr;
use std::pin::pin;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use http_body_util::Empty;
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper::header::{HOST, USER_AGENT};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use tokio_rustls::rustls::crypto::{CryptoProvider, ring};
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use tokio_rustls::rustls::{self, ClientConfig, DigitallySignedStruct, SignatureScheme};

use crate::model::ProbeType;

/// How long a connection may take (Route 53 Developer Guide): for TCP checks, and before a request.
const CONNECT_ALONE: Duration = Duration::from_secs(10);
const CONNECT: Duration = Duration::from_secs(4);
/// How long the answer to a request may take from there.
const ANSWER: Duration = Duration::from_secs(2);

/// What is asked, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Target {
    pub(crate) probe_type: ProbeType,
    pub(crate) address: SocketAddr,
    /// The service's DNS name, as `Host`.
    pub(crate) host: Arc<str>,
    pub(crate) path: Box<str>,
}

impl Target {
    /// Whether the instance is healthy at this moment: it takes connections, and answers a request with 200 to 399.
    pub(crate) async fn passes(&self) -> bool {
        let time = if self.probe_type == ProbeType::Tcp { CONNECT_ALONE } else { CONNECT };
        let Ok(Ok(stream)) = timeout(time, TcpStream::connect(self.address)).await else { return false };
        let status = match self.probe_type {
            ProbeType::Tcp => return true,
            ProbeType::Http => timeout(ANSWER, self.ask(stream)).await,
            ProbeType::Https => timeout(ANSWER, self.ask_over_tls(stream)).await,
        };
        matches!(status, Ok(Some(200..400)))
    }

    /// The status of the answer over TLS, whoever gives it.
    async fn ask_over_tls(&self, stream: TcpStream) -> Option<u16> {
        let name = ServerName::try_from(self.host.to_string()).ok();
        let name = name.unwrap_or_else(|| ServerName::from(self.address.ip()));
        let stream = TlsConnector::from(Arc::clone(&TLS)).connect(name, stream).await.ok()?;
        self.ask(stream).await
    }

    /// The status of the answer.
    async fn ask(&self, stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static) -> Option<u16> {
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.ok()?;
        let request = hyper::Request::get(&*self.path)
            .header(HOST, &*self.host)
            .header(USER_AGENT, "fingerpost-health-check")
            .body(Empty::<Bytes>::new())
            .ok()?;
        let mut response = pin!(sender.send_request(request));
        // The connection works only while it is asked to, and ends with this look.
        let response = tokio::select! {
            response = &mut response => response,
            // A server that closes has answered before, or never will.
            _ = connection => response.await,
        };
        Some(response.ok()?.status().as_u16())
    }
}

/// TLS without a look at the certificate, as Route 53's checks do it: they ask whether somebody answers, not who.
static TLS: LazyLock<Arc<ClientConfig>> = LazyLock::new(|| {
    let provider = Arc::new(ring::default_provider());
    let verifier = Arc::new(AnyCertificate(Arc::clone(&provider)));
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let config = config.unwrap_or_else(|_| ClientConfig::builder());
    Arc::new(config.dangerous().with_custom_certificate_verifier(verifier).with_no_client_auth())
});

/// Takes every certificate; signatures of the handshake are verified.
#[derive(Debug)]
struct AnyCertificate(Arc<CryptoProvider>);

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, certificate, signed, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, certificate, signed, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::TcpListener;
    use std::thread;
    use std::time::Instant;

    use super::*;

    /// A server that answers every connection with `answer`, and what it was asked last.
    fn server(answer: &'static str) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let mut request = [0; 1024];
                let length = stream.read(&mut request).unwrap_or_default();
                let request = String::from_utf8_lossy(&request[..length]).into_owned();
                if request.starts_with("GET /ready HTTP/1.1\r\nhost: api.example.org\r\n") {
                    stream.write_all(answer.as_bytes()).unwrap();
                }
                if answer.is_empty() {
                    thread::sleep(Duration::from_secs(5));
                }
            }
        });
        address
    }

    fn target(probe_type: ProbeType, address: SocketAddr) -> Target {
        Target { probe_type, address, host: "api.example.org".into(), path: "/ready".into() }
    }

    #[tokio::test]
    async fn the_status_of_an_answer_decides() {
        for (answer, passes) in [
            ("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n", true),
            ("HTTP/1.0 200 OK\r\nconnection: close\r\n\r\n", true),
            ("HTTP/1.1 302 Found\r\nlocation: /x\r\ncontent-length: 0\r\n\r\n", true),
            ("HTTP/1.1 503 Unavailable\r\ncontent-length: 0\r\n\r\n", false),
            ("SSH-2.0\r\n", false),
        ] {
            assert_eq!(target(ProbeType::Http, server(answer)).passes().await, passes, "{answer}");
        }
    }

    #[tokio::test]
    async fn a_connection_is_enough_for_tcp() {
        let address = server("");
        assert!(target(ProbeType::Tcp, address).passes().await);
        let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        assert!(!target(ProbeType::Tcp, nobody).passes().await);
        let start = Instant::now();
        assert!(!target(ProbeType::Http, address).passes().await, "silence is no answer");
        assert!(start.elapsed() < Duration::from_secs(4));
    }

    #[tokio::test]
    async fn no_certificate_is_too_bad() {
        let certified = rcgen::generate_simple_self_signed(["other.example.net".to_owned()]).unwrap();
        let key = rustls::pki_types::PrivateKeyDer::try_from(certified.signing_key.serialize_der()).unwrap();
        let config = rustls::ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certified.cert.der().clone()], key)
            .unwrap();
        let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            use tokio::io::{AsyncReadExt, AsyncWriteExt};
            let (stream, _) = listener.accept().await.unwrap();
            let mut stream = acceptor.accept(stream).await.unwrap();
            let _ = stream.read(&mut [0; 1024]).await.unwrap();
            stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").await.unwrap();
        });
        assert!(target(ProbeType::Https, address).passes().await);
    }
}
