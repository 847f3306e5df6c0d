//! Connections over loopback, with an echo in place of `dns::answer`.

use super::*;
use crate::dns::{Ctx, Reply, Transport};
use crate::net::testing::{echo, query, response};
use crate::net::{Endpoint, bind};
use crate::table::{Publisher, Seen, Snapshot};
use std::net::SocketAddr;
use tokio::io::AsyncReadExt;
use tokio::net::TcpSocket;
use tokio::task::{JoinHandle, JoinSet};

/// No wait of a test takes longer, unless something hangs.
const PATIENCE: Duration = Duration::from_secs(20);

/// A service on a free port.
struct Running {
    address: SocketAddr,
    stop: watch::Sender<bool>,
    task: JoinHandle<io::Result<()>>,
}

impl Running {
    fn start(limits: Limits, answer: impl Responder) -> Self {
        let Endpoint { address, tcp, .. } = bind("127.0.0.1:0".parse().unwrap(), 1).unwrap();
        let views = Publisher::new(Snapshot::default()).handle().into();
        let service = Service::new(views, Arc::default(), limits, Arc::default(), Arc::default(), None, Arc::default());
        let (stop, stopped) = watch::channel(false);
        let task = tokio::spawn(service.serve_with(tcp, stopped, answer));
        Self { address, stop, task }
    }

    /// A connection that the service has taken: it has answered a query.
    async fn connect(&self) -> TcpStream {
        self.connect_from("127.0.0.1").await
    }

    async fn connect_from(&self, local: &str) -> TcpStream {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind(SocketAddr::new(local.parse().unwrap(), 0)).unwrap();
        let mut stream = socket.connect(self.address).await.unwrap();
        ask(&mut stream, 0xaaaa).await;
        stream
    }

    async fn stop(self) {
        self.stop.send(true).unwrap();
        timeout(PATIENCE, self.task).await.unwrap().unwrap().unwrap();
    }
}

/// Puts the length in front.
fn frame(message: Vec<u8>) -> Vec<u8> {
    let length = u16::try_from(message.len()).unwrap();
    [&length.to_be_bytes()[..], &message].concat()
}

/// Expects these octets next.
async fn expect(stream: &mut TcpStream, expected: &[u8]) {
    let mut octets = vec![0; expected.len()];
    timeout(PATIENCE, stream.read_exact(&mut octets)).await.unwrap().unwrap();
    assert!(octets == expected, "other octets than expected");
}

/// Asks once and expects the echo.
async fn ask(stream: &mut TcpStream, id: u16) {
    stream.write_all(&frame(query(id, 40))).await.unwrap();
    expect(stream, &frame(response(id, 40))).await;
}

/// Expects the end of the connection, in order or by a reset, with nothing before it.
async fn expect_end(stream: &mut TcpStream) {
    let read = timeout(PATIENCE, stream.read(&mut [0; 64])).await.unwrap();
    assert!(matches!(read, Ok(0) | Err(_)), "{read:?}");
}

/// Short timeouts, for tests that wait for them.
fn hasty() -> Limits {
    Limits { idle_timeout: Duration::from_millis(60), write_timeout: Duration::from_millis(60), ..Limits::default() }
}

#[tokio::test]
async fn queries_in_one_segment_are_all_answered_in_order() {
    let running = Running::start(Limits::default(), echo);
    let mut client = running.connect().await;
    let queries: Vec<u8> = (0..500).flat_map(|id| frame(query(id, 30 + usize::from(id)))).collect();
    let responses: Vec<u8> = (0..500).flat_map(|id| frame(response(id, 30 + usize::from(id)))).collect();
    client.write_all(&queries).await.unwrap();
    expect(&mut client, &responses).await;
    running.stop().await;
}

#[tokio::test]
async fn responses_beyond_the_buffer_of_a_turn_come_in_order() {
    fn enlarge(s: Seen<'_>, c: &mut Ctx, t: Transport, buffer: &mut [u8], received: usize) -> Reply {
        buffer[received..1000].fill(b'r');
        Reply { length: 1000, ..echo(s, c, t, buffer, received) }
    }
    let running = Running::start(Limits::default(), enlarge);
    let socket = TcpSocket::new_v4().unwrap();
    let (mut reader, mut writer) = socket.connect(running.address).await.unwrap().into_split();
    // Some 60 kB of queries, which one turn reads, and megabytes of responses.
    let queries: Vec<u8> = (0..4000).flat_map(|id| frame(query(id, 13))).collect();
    let sender = tokio::spawn(async move {
        writer.write_all(&queries).await.unwrap();
        writer
    });
    for id in 0..4000 {
        let mut octets = [0; 1002];
        timeout(PATIENCE, reader.read_exact(&mut octets)).await.unwrap().unwrap();
        let mut expected = response(id, 1000);
        expected[13..].fill(b'r');
        assert!(octets[..] == frame(expected));
    }
    drop(sender.await.unwrap());
    running.stop().await;
}

#[tokio::test]
async fn a_query_in_many_segments_is_answered() {
    let running = Running::start(Limits::default(), echo);
    let mut client = running.connect().await;
    client.set_nodelay(true).unwrap();
    let queries = [frame(query(1, 40)), frame(query(2, 12)), frame(query(3, 300))].concat();
    for octet in &queries {
        client.write_all(&[*octet]).await.unwrap();
        yield_now().await;
    }
    let responses = [frame(response(1, 40)), frame(response(2, 12)), frame(response(3, 300))].concat();
    expect(&mut client, &responses).await;
    running.stop().await;
}

#[tokio::test]
async fn the_longest_messages_pass_though_their_responses_are_read_late() {
    let running = Running::start(Limits::default(), echo);
    let client = running.connect().await;
    let (mut reader, mut writer) = client.into_split();
    // More than the kernel buffers on the way, so that the service has to wait for the client, which has not begun
    // to read when it does.
    let count = 200;
    let sender = tokio::spawn(async move {
        for id in 0..count {
            writer.write_all(&frame(query(id, 65535))).await.unwrap();
        }
        writer
    });
    sleep(Duration::from_millis(50)).await;
    for id in 0..count {
        let mut octets = vec![0; 65537];
        timeout(PATIENCE, reader.read_exact(&mut octets)).await.unwrap().unwrap();
        assert!(octets == frame(response(id, 65535)));
    }
    drop(sender.await.unwrap());
    running.stop().await;
}

#[tokio::test]
async fn a_client_that_says_it_is_done_receives_all_responses() {
    let running = Running::start(Limits::default(), echo);
    let mut client = running.connect().await;
    client.write_all(&[frame(query(1, 40)), frame(query(2, 40))].concat()).await.unwrap();
    client.shutdown().await.unwrap();
    expect(&mut client, &[frame(response(1, 40)), frame(response(2, 40))].concat()).await;
    expect_end(&mut client).await;
    running.stop().await;
}

#[tokio::test]
async fn silence_keeps_the_connection() {
    let running = Running::start(Limits::default(), echo);
    let mut client = running.connect().await;
    client.write_all(&frame(response(1, 40))).await.unwrap();
    ask(&mut client, 2).await;
    running.stop().await;
}

#[tokio::test]
async fn a_frame_too_short_for_a_header_ends_the_connection_after_what_came_before() {
    let running = Running::start(Limits::default(), echo);
    let mut client = running.connect().await;
    client.write_all(&[frame(query(1, 40)), vec![0, 11]].concat()).await.unwrap();
    expect(&mut client, &frame(response(1, 40))).await;
    expect_end(&mut client).await;
    running.stop().await;
}

#[tokio::test]
async fn an_idle_connection_is_closed() {
    let running = Running::start(hasty(), echo);
    let mut client = running.connect().await;
    expect_end(&mut client).await;
    running.stop().await;
}

#[tokio::test]
async fn queries_put_the_idle_timeout_off_and_no_longer() {
    let idle_timeout = Duration::from_millis(500);
    let running = Running::start(Limits { idle_timeout, ..Limits::default() }, echo);
    let mut client = running.connect().await;
    let begun = Instant::now();
    let mut last = begun;
    while begun.elapsed() < 3 * idle_timeout {
        sleep(idle_timeout / 10).await;
        last = Instant::now();
        ask(&mut client, 1).await;
    }
    expect_end(&mut client).await;
    assert!(last.elapsed() >= idle_timeout, "closed after {:?}", last.elapsed());
    running.stop().await;
}

#[tokio::test]
async fn a_query_that_trickles_in_does_not_keep_the_connection() {
    let running = Running::start(hasty(), echo);
    let (mut reader, mut writer) = running.connect().await.into_split();
    let trickle = tokio::spawn(async move {
        for octet in frame(query(1, 60000)) {
            if writer.write_all(&[octet]).await.is_err() {
                return;
            }
            sleep(Duration::from_millis(5)).await;
        }
    });
    // The whole query would take five minutes.
    let read = timeout(PATIENCE, reader.read(&mut [0; 64])).await.unwrap();
    assert!(matches!(read, Ok(0) | Err(_)), "{read:?}");
    trickle.await.unwrap();
    running.stop().await;
}

#[tokio::test]
async fn a_client_that_does_not_read_is_cut_off() {
    let running = Running::start(hasty(), echo);
    let mut client = running.connect().await;
    let query = frame(query(1, 65535));
    let failure = async { while client.write_all(&query).await.is_ok() {} };
    timeout(PATIENCE, failure).await.unwrap();
    running.stop().await;
}

#[tokio::test]
async fn a_client_at_its_limit_loses_its_longest_idle_connection() {
    let limits = Limits { per_client: 2, ..Limits::default() };
    let running = Running::start(limits, echo);
    let mut other = running.connect_from("127.0.0.9").await;
    let mut first = running.connect().await;
    let mut second = running.connect().await;
    ask(&mut first, 1).await;
    let mut third = running.connect().await;
    expect_end(&mut second).await;
    for stream in [&mut first, &mut third, &mut other] {
        ask(stream, 2).await;
    }
    running.stop().await;
}

#[tokio::test]
async fn when_all_are_busy_the_new_one_is_refused() {
    let limits = Limits { total: 1, ..Limits::default() };
    let running = Running::start(limits, echo);
    let (mut reader, mut writer) = running.connect().await.into_split();
    // The connection is busy for good once the service waits for a client that does not read, which it does when a
    // write cannot go on.
    let query = frame(query(1, 65535));
    let mut sent = 0;
    while let Ok(written) = timeout(Duration::from_millis(200), writer.write(&query[sent % query.len()..])).await {
        sent += written.unwrap();
    }
    let mut late = TcpStream::connect(running.address).await.unwrap();
    // Refused by a close or, where the client is slow to look, by a reset.
    let mut octet = [0];
    let end = timeout(PATIENCE, late.read(&mut octet)).await.unwrap();
    assert!(matches!(end, Ok(0)) || end.is_err_and(|error| error.kind() == io::ErrorKind::ConnectionReset));
    // The busy one has lost nothing: all its complete queries are answered.
    let mut octets = vec![0; sent / query.len() * query.len()];
    timeout(PATIENCE, reader.read_exact(&mut octets)).await.unwrap().unwrap();
    assert!(octets.chunks(query.len()).all(|octets| octets == frame(response(1, 65535))));
    running.stop().await;
}

#[tokio::test]
async fn a_stop_answers_what_has_arrived_and_ends_the_rest() {
    let running = Running::start(Limits::default(), echo);
    let mut idle = running.connect().await;
    let mut half = running.connect().await;
    half.write_all(&frame(query(1, 40))[..20]).await.unwrap();
    let mut busy = running.connect().await;
    // On a runtime of one thread the service has not yet seen the query when it is told to stop.
    busy.write_all(&frame(query(2, 40))).await.unwrap();
    let address = running.address;
    running.stop().await;
    expect(&mut busy, &frame(response(2, 40))).await;
    for stream in [&mut idle, &mut half, &mut busy] {
        expect_end(stream).await;
    }
    assert!(TcpStream::connect(address).await.is_err());
}

#[tokio::test]
async fn a_service_whose_owner_is_gone_stops() {
    let running = Running::start(Limits::default(), echo);
    let mut client = running.connect().await;
    drop(running.stop);
    expect_end(&mut client).await;
    timeout(PATIENCE, running.task).await.unwrap().unwrap().unwrap();
}

#[tokio::test]
async fn a_panic_ends_one_connection_only() {
    fn fragile(s: Seen<'_>, c: &mut Ctx, t: Transport, buffer: &mut [u8], received: usize) -> Reply {
        assert_ne!(buffer[..2], [0xff, 0xff], "this panic is part of the test");
        echo(s, c, t, buffer, received)
    }
    let running = Running::start(Limits::default(), fragile);
    let mut unlucky = running.connect().await;
    let mut other = running.connect().await;
    unlucky.write_all(&frame(query(0xffff, 40))).await.unwrap();
    expect_end(&mut unlucky).await;
    ask(&mut other, 1).await;
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_connections_at_once() {
    let running = Running::start(Limits::default(), echo);
    let mut clients = JoinSet::new();
    for _ in 0..60 {
        let mut client = running.connect().await;
        clients.spawn(async move {
            for id in 0..50 {
                ask(&mut client, id).await;
            }
            client
        });
    }
    let open = clients.join_all().await;
    assert_eq!(open.len(), 60);
    running.stop().await;
}
