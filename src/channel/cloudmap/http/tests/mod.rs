//! The API over real sockets, with a handler that tells what it was given.

use std::net::SocketAddr;
use std::time::Instant;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

use super::*;

mod access;
mod limits;
mod requests;
mod tls;

/// No wait of a test takes longer, unless something hangs.
const PATIENCE: Duration = Duration::from_secs(20);

//----------- A server ---------------------------------------------------------

/// A running API, which anyone may ask unless `gate` says otherwise.
struct Api {
    address: SocketAddr,
    counters: Arc<ApiCounters>,
    tcp: Arc<TcpCounters>,
    stop: watch::Sender<bool>,
    task: JoinHandle<io::Result<()>>,
}

impl Api {
    fn start_with(gate: Gate, tls: Option<Arc<Tls>>, limits: Limits) -> Self {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (counters, tcp) = (Arc::<ApiCounters>::default(), Arc::<TcpCounters>::default());
        let (stop, stopped) = watch::channel(false);
        let server = Server::new(Arc::new(gate), tls, limits, Arc::clone(&counters), Arc::clone(&tcp));
        let task = tokio::spawn(server.serve(listener, tell, stopped));
        Self { address, counters, tcp, stop, task }
    }

    fn start() -> Self {
        Self::start_with(Gate::new(None, "us-east-1"), None, Limits::default())
    }

    async fn connect(&self) -> Client<TcpStream> {
        Client(TcpStream::connect(self.address).await.unwrap())
    }

    /// The counters as text; connections that have ended may take a moment to be counted.
    async fn wait_for(&self, line: &str) {
        let metrics = || {
            let text = prometheus::TextEncoder::new();
            text.encode_to_string(&self.counters.families()).unwrap()
                + &text.encode_to_string(&crate::metrics::connections("api", "API", &self.tcp)).unwrap()
        };
        let begun = Instant::now();
        while !metrics().lines().any(|found| found == line) {
            assert!(begun.elapsed() < PATIENCE, "no line {line} in\n{}", metrics());
            sleep(Duration::from_millis(5)).await;
        }
    }
}

/// Tells what it was given; some actions misbehave.
async fn tell(request: Request) -> Result<Vec<u8>, ApiError> {
    match request.action {
        Action::DeleteService => panic!("a test asked for it"),
        Action::DeleteNamespace => Err(ApiError::new("ResourceInUse", "busy").with("Member", "value")),
        Action::ListOperations => {
            sleep(Duration::from_millis(200)).await;
            Ok(b"{}".to_vec())
        }
        action => {
            let Caller { region, access_key_id, name } = &request.caller;
            let text = format!(
                "{} {:?} {region} {} {} {}",
                action.name(),
                request.protocol,
                access_key_id.as_deref().unwrap_or("-"),
                name.as_deref().unwrap_or("-"),
                request.body.len()
            );
            Ok(request.protocol.encode(&text))
        }
    }
}

//----------- A client ---------------------------------------------------------

struct Client<S>(S);

/// What came back.
#[derive(Debug)]
struct Reply {
    status: u16,
    head: String,
    body: Vec<u8>,
}

impl Reply {
    fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (key, value) = line.split_once(": ")?;
            key.eq_ignore_ascii_case(name).then_some(value)
        })
    }

    fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }
}

/// A request of JSON.
fn json(action: &str, body: &str) -> String {
    format!(
        "POST / HTTP/1.1\r\nHost: data-127.0.0.1:1\r\nContent-Type: application/x-amz-json-1.1\r\n\
         X-Amz-Target: Route53AutoNaming_v20170314.{action}\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

impl<S: AsyncRead + AsyncWrite + Unpin> Client<S> {
    async fn send(&mut self, octets: impl AsRef<[u8]>) {
        self.0.write_all(octets.as_ref()).await.unwrap();
        self.0.flush().await.unwrap();
    }

    /// The next reply; `None` if the server closes instead.
    async fn receive(&mut self) -> Option<Reply> {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            match timeout(PATIENCE, self.0.read_u8()).await.expect("no reply") {
                Ok(octet) => head.push(octet),
                Err(_) if head.is_empty() => return None,
                Err(error) => panic!("{error} in {head:?}"),
            }
        }
        let head = String::from_utf8(head).unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        let mut reply = Reply { status, head, body: Vec::new() };
        reply.body = vec![0; reply.header("content-length").map_or(0, |length| length.parse().unwrap())];
        timeout(PATIENCE, self.0.read_exact(&mut reply.body)).await.expect("no body").unwrap();
        Some(reply)
    }

    async fn ask(&mut self, request: impl AsRef<[u8]>) -> Reply {
        self.send(request).await;
        self.receive().await.expect("closed")
    }

    async fn is_closed(&mut self) -> bool {
        matches!(timeout(PATIENCE, self.0.read(&mut [0; 16])).await.expect("still open"), Ok(0) | Err(_))
    }
}
