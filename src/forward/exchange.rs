//! One query to one upstream: over UDP, over TCP where the answer was truncated, or over TLS (RFC 7858).
//!
//! Every query over UDP has a socket of its own, connected to the upstream: the kernel picks its port at random, lets
//! nothing else in, and tells at once if nobody listens there. Its id comes from the system's generator. So whoever
//! forges a response has to guess both (RFC 5452).

use std::io::{self, ErrorKind};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use ring::rand::{SecureRandom, SystemRandom};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::rustls::{self, ClientConfig, RootCertStore};

use super::cache::Key;
use super::message::Message;
use crate::wire::types::{class, rtype};

/// Octets of UDP that we offer upstreams: what passes without fragments (DNS Flag Day 2020).
const PAYLOAD: u16 = 1232;

/// How long a TLS connection is kept for the next query. Public resolvers close at about ten seconds.
const KEPT: Duration = Duration::from_secs(8);

/// TLS connections kept to one upstream.
const KEPT_MOST: usize = 16;

/// How to reach an upstream.
pub(super) enum Channel {
    /// UDP, and TCP for what is too long.
    Plain,
    /// TLS, of the server with this name.
    Tls(Box<Tls>),
}

/// TLS to one upstream.
pub(super) struct Tls {
    connector: TlsConnector,
    name: ServerName<'static>,
    /// Connections on which nothing is open, with the time of their last use.
    kept: Mutex<Vec<(TlsStream<TcpStream>, Instant)>>,
}

/// What certificates of upstreams are checked with: the authorities that this machine trusts.
pub(super) fn client_config() -> Result<Arc<ClientConfig>, rustls::Error> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    Ok(Arc::new(config.with_root_certificates(roots).with_no_client_auth()))
}

impl Tls {
    /// TLS to the server called `name`.
    pub(super) fn new(name: ServerName<'static>, config: Arc<ClientConfig>) -> Self {
        Self { connector: config.into(), name, kept: Mutex::default() }
    }

    /// Asks over a connection that is there, or else over a new one.
    async fn ask(&self, address: SocketAddr, query: &[u8]) -> io::Result<Vec<u8>> {
        // One that was kept may have been closed meanwhile, which shows only now.
        while let Some(mut stream) = self.take() {
            if let Ok(response) = exchange(&mut stream, query).await {
                self.keep(stream);
                return Ok(response);
            }
        }
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        let mut stream = self.connector.connect(self.name.clone(), stream).await?;
        let response = exchange(&mut stream, query).await?;
        self.keep(stream);
        Ok(response)
    }

    fn take(&self) -> Option<TlsStream<TcpStream>> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.retain(|(_, used)| used.elapsed() < KEPT);
        kept.pop().map(|(stream, _)| stream)
    }

    fn keep(&self, stream: TlsStream<TcpStream>) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() < KEPT_MOST {
            kept.push((stream, Instant::now()));
        }
    }
}

impl Channel {
    /// Asks the upstream at `address`, for what it knows or, with `recursion`, can find out. This waits as long as it takes:
    /// the caller knows how long that may be.
    pub(super) async fn ask(&self, address: SocketAddr, key: &Key, recursion: bool) -> io::Result<Message> {
        let query = query(key, random_id()?, recursion);
        let message = match self {
            Self::Plain => {
                let message = ask_udp(address, &query, key).await?;
                if !message.truncated {
                    return Ok(message);
                }
                let mut stream = TcpStream::connect(address).await?;
                stream.set_nodelay(true)?;
                exchange(&mut stream, &query).await?
            }
            Self::Tls(tls) => tls.ask(address, &query).await?,
        };
        accept(&message, &query, key).ok_or_else(|| invalid("not a response to the query"))
    }
}

/// An id that nobody can guess.
fn random_id() -> io::Result<u16> {
    let mut id = [0; 2];
    SystemRandom::new().fill(&mut id).map_err(|_| io::Error::other("the system has no random numbers"))?;
    Ok(u16::from_be_bytes(id))
}

/// The query for `key`. RD asks for recursion, AD for the AD bit (RFC 6840 §5.7).
fn query(key: &Key, id: u16, recursion: bool) -> Vec<u8> {
    let mut query = id.to_be_bytes().to_vec();
    let flags = [u8::from(recursion), 0x20 | u8::from(key.checking_disabled) << 4];
    query.extend_from_slice(&flags);
    query.extend_from_slice(&[0, 1, 0, 0, 0, 0, 0, 1]);
    query.extend_from_slice(&key.name);
    query.extend_from_slice(&key.qtype.to_be_bytes());
    query.extend_from_slice(&class::IN.to_be_bytes());
    let [high, low] = PAYLOAD.to_be_bytes();
    query.extend_from_slice(&[0, 0, rtype::OPT as u8, high, low, 0, 0, u8::from(key.dnssec_ok) << 7, 0, 0, 0]);
    query
}

/// The message in `octets`, if it is a response to `query`.
fn accept(octets: &[u8], query: &[u8], key: &Key) -> Option<Message> {
    // Before it is read: what is forged costs a comparison.
    if octets.get(..2) != query.get(..2) {
        return None;
    }
    let message = Message::read(octets).ok()?;
    let (name, qtype, qclass) = &message.question;
    (**name == *key.name && (*qtype, *qclass) == (key.qtype, class::IN)).then_some(message)
}

/// Asks over UDP; what is not the response is passed over.
async fn ask_udp(address: SocketAddr, query: &[u8], key: &Key) -> io::Result<Message> {
    let local = if address.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    let socket = UdpSocket::bind(SocketAddr::new(local, 0)).await?;
    socket.connect(address).await?;
    socket.send(query).await?;
    let mut buffer = [0; 4096];
    loop {
        let received = socket.recv(&mut buffer).await?;
        if let Some(message) = accept(buffer.get(..received).unwrap_or_default(), query, key) {
            return Ok(message);
        }
    }
}

/// Sends `query` over a stream and reads one message.
async fn exchange<S: AsyncReadExt + AsyncWriteExt + Unpin>(stream: &mut S, query: &[u8]) -> io::Result<Vec<u8>> {
    let frame = [&(query.len() as u16).to_be_bytes()[..], query].concat();
    stream.write_all(&frame).await?;
    stream.flush().await?;
    let mut message = vec![0; stream.read_u16().await?.into()];
    stream.read_exact(&mut message).await?;
    Ok(message)
}

/// A response that is none.
fn invalid(what: &str) -> io::Error {
    io::Error::new(ErrorKind::InvalidData, what)
}
