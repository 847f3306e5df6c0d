//! Queries that come back answered, over sockets, with stand-ins for `dns::answer` and for who answers.

use super::*;
use crate::dns::{Ctx, Outcome, QueryType, Reply, Settings};
use crate::metrics::{SharedCounters, TcpCounters, WorkerCounters};
use crate::net::connections::Limits;
use crate::net::testing::{Alone, echo, query, response};
use crate::net::{Endpoint, bind, tcp};
use crate::table::{Publisher, Seen, Snapshot};
use std::net::IpAddr;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::{Semaphore, watch};

/// No wait of a test takes longer, unless something hangs.
const PATIENCE: Duration = Duration::from_secs(20);

/// Ids from here on are deferred.
const DEFERRED: u16 = 0x1000;

/// Ids from here on get several messages.
const LONG: u16 = 0x2000;

/// Defers by id, and answers all else by an echo.
fn by_id(seen: Seen<'_>, ctx: &mut Ctx, transport: Transport, buffer: &mut [u8], received: usize) -> Reply {
    if received >= 12 && buffer[0] >= 0x10 && buffer[2] & 0x80 == 0 {
        return Reply { length: 0, outcome: Outcome::Deferred, query_type: QueryType::Other, truncated: false };
    }
    echo(seen, ctx, transport, buffer, received)
}

/// Echoes what it may: each message takes a permit.
struct Permitted {
    permits: Semaphore,
    clients: Mutex<Vec<IpAddr>>,
}

impl Permitted {
    fn new(permits: usize) -> Arc<Self> {
        Arc::new(Self { permits: Semaphore::new(permits), clients: Mutex::default() })
    }
}

impl Answerer for Permitted {
    fn answer(self: Arc<Self>, deferred: Deferred, responses: Sender<Vec<u8>>) -> Answering {
        Box::pin(async move {
            let mut message = deferred.query;
            self.clients.lock().unwrap().push(deferred.client.ip());
            let messages = if u16::from(message[0]) << 8 >= LONG { 100 } else { 1 };
            message[2] |= 0x80;
            for _ in 0..messages {
                self.permits.acquire().await.unwrap().forget();
                if responses.send(message.clone()).await.is_err() {
                    return;
                }
            }
        })
    }
}

//----------- Datagrams -----------------------------------------------------

#[tokio::test(flavor = "multi_thread")]
async fn a_deferred_datagram_is_answered_from_the_address_that_was_asked() {
    let answerer = Permitted::new(100);
    let Endpoint { address, mut udp, .. } = bind("0.0.0.0:0".parse().unwrap(), 1).unwrap();
    let socket = udp.pop().unwrap();
    let (queue, attendant) = queue(&socket, Arc::clone(&answerer) as _, Arc::default()).unwrap();
    let attendant = tokio::spawn(attendant.attend());
    let stop = Arc::new(AtomicBool::new(false));
    let thread = worker(socket, queue, &stop, Arc::default());
    for server in ["127.0.0.1", "127.0.0.2", "127.9.8.7"] {
        // A connected client takes datagrams from the address it asked and from no other.
        let client = tokio::net::UdpSocket::bind("127.0.0.1:0").await.unwrap();
        client.connect((server, address.port())).await.unwrap();
        for id in [1, DEFERRED, DEFERRED + 1] {
            client.send(&query(id, 40)).await.unwrap();
            let mut buffer = [0; 512];
            let received = timeout(PATIENCE, client.recv(&mut buffer)).await.unwrap().unwrap();
            assert_eq!(buffer[..received], response(id, 40));
        }
    }
    assert_eq!(*answerer.clients.lock().unwrap(), vec![IpAddr::from([127, 0, 0, 1]); 6]);
    stop.store(true, Ordering::Relaxed);
    tokio::task::spawn_blocking(|| thread.join().unwrap()).await.unwrap();
    timeout(PATIENCE, attendant).await.unwrap().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_queue_sheds_the_newest_and_own_answers_go_on() {
    // Nobody takes from the queue.
    let Endpoint { address, mut udp, .. } = bind("127.0.0.1:0".parse().unwrap(), 1).unwrap();
    let socket = udp.pop().unwrap();
    let (queue, attendant) = queue(&socket, Permitted::new(0), Arc::default()).unwrap();
    let stop = Arc::new(AtomicBool::new(false));
    let counters = Arc::<WorkerCounters>::default();
    let thread = worker(socket, queue, &stop, Arc::clone(&counters));
    let client = tokio::net::UdpSocket::bind("127.0.0.1:0").await.unwrap();
    client.connect(address).await.unwrap();
    // A well-formed query for the root: shedding reads it.
    let mut deferred = [0; 17];
    deferred[0] = 0x10;
    deferred[5] = 1;
    deferred[16] = 1;
    for chunk in 0..QUEUE / 64 + 2 {
        for _ in 0..64 {
            client.send(&deferred).await.unwrap();
        }
        let id = chunk as u16;
        client.send(&query(id, 40)).await.unwrap();
        let mut buffer = [0; 512];
        loop {
            let received = timeout(PATIENCE, client.recv(&mut buffer)).await.unwrap().unwrap();
            if buffer[..2] == id.to_be_bytes() {
                assert_eq!(buffer[..received], response(id, 40));
                break;
            }
            assert!(chunk >= QUEUE / 64, "shed before the queue was full");
            assert_eq!(buffer[..4], [0x10, 0, 0x80, 2], "SERVFAIL");
        }
    }
    assert_eq!(attendant.datagrams.len(), QUEUE);
    stop.store(true, Ordering::Relaxed);
    tokio::task::spawn_blocking(|| thread.join().unwrap()).await.unwrap();
}

/// A worker that defers by id.
fn worker(
    socket: UdpSocket,
    queue: Queue,
    stop: &Arc<AtomicBool>,
    counters: Arc<WorkerCounters>,
) -> std::thread::JoinHandle<()> {
    let worker = crate::net::udp::Worker {
        index: 0,
        socket,
        views: Publisher::new(Snapshot::default()).handle().into(),
        settings: Arc::new(Settings::default()),
        deferred: Some(queue),
        counters,
        core: None,
        stop: Arc::clone(stop),
    };
    worker.spawn_with(Alone(by_id)).unwrap()
}

//----------- Connections ---------------------------------------------------

/// A service on a free port, and a connection to it.
struct Connected {
    stream: TcpStream,
    stop: watch::Sender<bool>,
    task: tokio::task::JoinHandle<io::Result<()>>,
}

impl Connected {
    async fn start(answerer: Arc<Permitted>, limits: Limits) -> Self {
        let Endpoint { address, tcp, .. } = bind("127.0.0.1:0".parse().unwrap(), 1).unwrap();
        let views = Publisher::new(Snapshot::default()).handle().into();
        let (counters, queries) = (Arc::<TcpCounters>::default(), Arc::<SharedCounters>::default());
        let service =
            tcp::Service::new(views, Arc::default(), limits, counters, queries, Some(answerer), Arc::default());
        let (stop, stopped) = watch::channel(false);
        let task = tokio::spawn(service.serve_with(tcp, stopped, by_id));
        Self { stream: TcpStream::connect(address).await.unwrap(), stop, task }
    }

    async fn send(&mut self, ids: impl IntoIterator<Item = u16>) {
        let frames: Vec<u8> = ids.into_iter().flat_map(|id| [&[0, 40][..], &query(id, 40)].concat()).collect();
        self.stream.write_all(&frames).await.unwrap();
    }

    /// The id of the next response, which is whole.
    async fn receive(&mut self) -> u16 {
        let mut frame = [0; 42];
        timeout(PATIENCE, self.stream.read_exact(&mut frame)).await.unwrap().unwrap();
        let id = u16::from_be_bytes([frame[2], frame[3]]);
        assert_eq!(frame[2..], response(id, 40));
        id
    }

    async fn receive_many(&mut self, count: usize) -> Vec<u16> {
        let mut ids = Vec::new();
        for _ in 0..count {
            ids.push(self.receive().await);
        }
        ids.sort_unstable();
        ids
    }

    async fn stop(self) {
        self.stop.send(true).unwrap();
        timeout(PATIENCE, self.task).await.unwrap().unwrap().unwrap();
    }
}

#[tokio::test]
async fn queries_behind_a_deferred_one_are_answered_before_it() {
    let answerer = Permitted::new(0);
    let mut connected = Connected::start(Arc::clone(&answerer), Limits::default()).await;
    connected.send([1, DEFERRED, 2, DEFERRED + 1, 3]).await;
    assert_eq!(connected.receive_many(3).await, [1, 2, 3]);
    connected.send([4]).await;
    assert_eq!(connected.receive().await, 4);
    answerer.permits.add_permits(2);
    assert_eq!(connected.receive_many(2).await, [DEFERRED, DEFERRED + 1]);
    connected.stop().await;
}

#[tokio::test]
async fn more_than_may_be_open_wait_and_none_is_lost() {
    let answerer = Permitted::new(0);
    let mut connected = Connected::start(Arc::clone(&answerer), Limits::default()).await;
    let ids: Vec<u16> = (DEFERRED..).take(3 * OPEN_OF_CONNECTION).collect();
    connected.send(ids.iter().copied().chain([1])).await;
    answerer.permits.add_permits(1);
    connected.receive().await;
    answerer.permits.add_permits(ids.len());
    let received = connected.receive_many(ids.len()).await;
    assert_eq!(received[0], 1, "the last is answered, too");
    connected.stop().await;
}

#[tokio::test]
async fn many_messages_follow_one_query_and_the_connection_is_busy() {
    let answerer = Permitted::new(50);
    let limits = Limits { idle_timeout: Duration::from_millis(60), ..Limits::default() };
    let mut connected = Connected::start(Arc::clone(&answerer), limits).await;
    connected.send([LONG]).await;
    assert_eq!(connected.receive_many(50).await, [LONG; 50]);
    // Longer than it may be idle.
    tokio::time::sleep(Duration::from_millis(200)).await;
    answerer.permits.add_permits(50);
    assert_eq!(connected.receive_many(50).await, [LONG; 50]);
    let end = timeout(PATIENCE, connected.stream.read(&mut [0; 1])).await.unwrap().unwrap();
    assert_eq!(end, 0, "idle at last");
    connected.stop().await;
}

#[tokio::test]
async fn who_sends_no_more_still_gets_what_was_asked_for() {
    let answerer = Permitted::new(0);
    let mut connected = Connected::start(Arc::clone(&answerer), Limits::default()).await;
    connected.send([LONG]).await;
    connected.stream.shutdown().await.unwrap();
    tokio::time::sleep(Duration::from_millis(50)).await;
    answerer.permits.add_permits(100);
    assert_eq!(connected.receive_many(100).await, [LONG; 100]);
    connected.stop().await;
}

#[tokio::test]
async fn a_stop_waits_a_little_for_what_is_open() {
    let answerer = Permitted::new(0);
    let mut connected = Connected::start(Arc::clone(&answerer), Limits::default()).await;
    connected.send([1, DEFERRED]).await;
    assert_eq!(connected.receive().await, 1);
    connected.stop.send(true).unwrap();
    tokio::time::sleep(Duration::from_millis(100)).await;
    answerer.permits.add_permits(1);
    assert_eq!(connected.receive().await, DEFERRED);
    timeout(PATIENCE, connected.task).await.unwrap().unwrap().unwrap();
}

#[tokio::test]
async fn a_stop_does_not_wait_for_ever() {
    let mut connected = Connected::start(Permitted::new(0), Limits::default()).await;
    connected.send([1, DEFERRED]).await;
    assert_eq!(connected.receive().await, 1);
    connected.stop().await;
}
