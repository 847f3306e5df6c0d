//! The API over TLS, with certificates made here.

use tokio::sync::Notify;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

use super::limits::short;
use super::*;

/// A folder with a certificate for localhost and its key.
struct Certificate {
    folder: tempfile::TempDir,
}

impl Certificate {
    fn new() -> Self {
        let this = Self { folder: tempfile::tempdir().unwrap() };
        this.renew();
        this
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.folder.path().join(name)
    }

    /// Puts a new certificate and key into the files and returns the certificate.
    fn renew(&self) -> CertificateDer<'static> {
        let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
        std::fs::write(self.path("cert.pem"), made.cert.pem()).unwrap();
        std::fs::write(self.path("key.pem"), made.signing_key.serialize_pem()).unwrap();
        made.cert.der().clone()
    }

    fn load(&self) -> Result<Arc<Tls>, crate::config::Faults> {
        Tls::load(crate::tls::Source {
            channel: "api",
            protocol: "http/1.1",
            certificate: self.path("cert.pem"),
            key: self.path("key.pem"),
            client_authorities: None,
        })
    }
}

/// A connection over TLS to a server that has `certificate`, if it does.
async fn connect(api: &Api, certificate: &CertificateDer<'static>) -> io::Result<Client<TlsStream<TcpStream>>> {
    let mut roots = RootCertStore::empty();
    roots.add(certificate.clone()).unwrap();
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let stream = TcpStream::connect(api.address).await?;
    let name = ServerName::try_from("localhost").unwrap();
    Ok(Client(TlsConnector::from(Arc::new(config)).connect(name, stream).await?))
}

#[tokio::test]
async fn tls_is_spoken_and_its_certificate_renewed() {
    let files = Certificate::new();
    let first = files.renew();
    let tls = files.load().unwrap();
    let api = Api::start_with(Gate::new(None, "us-east-1"), Some(Arc::clone(&tls)), Limits::default());
    let reload = Arc::new(Notify::new());
    tokio::spawn(tls.follow(Arc::clone(&reload), api.stop.subscribe()));
    let mut client = connect(&api, &first).await.unwrap();
    assert_eq!(client.ask(json("GetService", "{}")).await.status, 200);
    let head = json("GetService", "").replace("Content-Length: 0", "Content-Length: 2000000");
    assert_eq!(client.ask(head + &"x".repeat(500_000)).await.status, 400);

    // Half of a renewal changes nothing.
    std::fs::write(files.path("key.pem"), "no key").unwrap();
    reload.notify_one();
    sleep(Duration::from_millis(100)).await;
    assert!(connect(&api, &first).await.is_ok());

    let second = files.renew();
    reload.notify_one();
    let begun = Instant::now();
    while connect(&api, &second).await.is_err() {
        assert!(begun.elapsed() < PATIENCE);
        sleep(Duration::from_millis(10)).await;
    }
    assert!(connect(&api, &first).await.is_err());

    // Plain HTTP ends with the handshake; what comes back is an alert at most.
    let mut plain = api.connect().await;
    plain.send(json("GetService", "{}")).await;
    let mut said = Vec::new();
    let _ = timeout(PATIENCE, plain.0.read_to_end(&mut said)).await.expect("still open");
    assert!(!said.starts_with(b"HTTP"), "{said:?}");
}

#[tokio::test]
async fn who_does_not_shake_hands_is_closed() {
    let api = Api::start_with(Gate::new(None, "us-east-1"), Some(Certificate::new().load().unwrap()), short());
    assert!(api.connect().await.is_closed().await);
    api.wait_for("fingerpost_api_connections_closed_total{reason=\"idle\"} 1").await;
}

#[test]
fn faults_of_certificates_name_the_file() {
    let files = Certificate::new();
    let fault = || files.load().err().map_or_else(String::new, |faults| faults.to_string());
    assert_eq!(fault(), "");
    let key = std::fs::read(files.path("key.pem")).unwrap();
    std::fs::write(files.path("key.pem"), "").unwrap();
    assert!(fault().contains("key.pem: not a private key in PEM"), "{}", fault());
    files.renew();
    std::fs::write(files.path("key.pem"), key).unwrap();
    assert!(fault().contains("key.pem: is not the key of"), "{}", fault());
    std::fs::write(files.path("cert.pem"), "").unwrap();
    assert!(fault().contains("cert.pem: there is no certificate in it"), "{}", fault());
    std::fs::remove_file(files.path("cert.pem")).unwrap();
    assert!(fault().contains("cert.pem: No such file"), "{}", fault());
}
