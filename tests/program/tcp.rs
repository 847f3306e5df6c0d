//! DNS over TCP as RFC 7766 wants it: segments, limits, timeouts.

use std::thread::sleep;
use std::time::{Duration, Instant};

use hickory_proto::op::{Edns, Message};
use hickory_proto::rr::RecordType;
use hickory_proto::rr::rdata::opt::{EdnsCode, EdnsOption};

use crate::support::{Launch, PATIENCE, Tcp, Udp, eventually, example, frame, query, query_with};

/// A query whose answer is there.
fn any_query() -> Message {
    query("api.production.local.", RecordType::A)
}

#[test]
fn queries_in_one_segment_are_all_answered() {
    let server = Launch::serve(&example()).start();
    let mut client = Tcp::connect(server.address());
    let names = ["api", "web", "grpc-api", "nobody"].map(|name| format!("{name}.production.local."));
    let queries: Vec<_> = (0..400).map(|n| query(&names[n % 4], RecordType::A)).collect();
    let answers: Vec<usize> = client.ask_all(&queries).iter().map(|response| response.answers.len()).collect();
    assert!(answers.chunks(4).all(|chunk| chunk == [3, 2, 0, 0]), "{answers:?}");
}

#[test]
fn a_query_in_many_segments_is_answered_and_others_do_not_wait_for_it() {
    let server = Launch::serve(&example()).start();
    let (mut slow, mut quick) = (Tcp::connect(server.address()), Tcp::connect(server.address()));
    let queries = [any_query(), any_query()];
    for octet in queries.iter().flat_map(frame) {
        slow.send(&[octet]).unwrap();
        assert_eq!(quick.ask(&any_query()).answers.len(), 3);
    }
    assert!(slow.responses(&queries).iter().all(|response| response.answers.len() == 3));
}

#[test]
fn a_client_that_has_said_all_gets_all_its_answers() {
    let server = Launch::serve(&example()).start();
    let mut client = Tcp::connect(server.address());
    let queries: Vec<_> = (0..100).map(|_| any_query()).collect();
    client.send(&queries.iter().flat_map(frame).collect::<Vec<u8>>()).unwrap();
    client.finish();
    assert_eq!(client.responses(&queries).len(), 100);
    client.expect_end();
}

#[test]
fn a_length_that_no_message_has_ends_the_connection() {
    let server = Launch::serve(&example()).start();
    let mut client = Tcp::connect(server.address());
    client.ask(&any_query());
    client.send(&[0, 3, 1, 2, 3]).unwrap();
    client.expect_end();
    let closed = "fingerpost_dns_tcp_connections_closed_total{reason=\"malformed\"}";
    eventually(closed, || server.metrics().get(closed) == 1.0);
}

//----------- Limits -----------------------------------------------------------

/// Lets the server note that a connection is idle, which it does a moment after its client has the response. Between
/// two connections, that moment could come in the other order.
fn settle() {
    sleep(Duration::from_millis(200));
}

#[test]
fn a_client_with_too_many_connections_loses_the_one_idle_for_longest() {
    let server =
        Launch::serve(&example()).flag("--tcp-connections-per-client", "3").flag("--tcp-idle-timeout", "3600").start();
    let connect = |local: &str| {
        let mut client = Tcp::connect_from(local, server.address());
        client.ask(&any_query());
        settle();
        client
    };
    let mut other = connect("127.0.0.9");
    let mut clients: Vec<_> = (0..3).map(|_| connect("127.0.0.1")).collect();
    // The oldest of all becomes the youngest.
    clients[0].ask(&any_query());
    settle();
    let mut new = connect("127.0.0.1");
    clients.remove(1).expect_end();
    for client in clients.iter_mut().chain([&mut other, &mut new]) {
        assert_eq!(client.ask(&any_query()).answers.len(), 3);
    }
    let metrics = server.metrics();
    assert_eq!(metrics.get("fingerpost_dns_tcp_connections_accepted_total"), 5.0);
    assert_eq!(metrics.get("fingerpost_dns_tcp_connections_closed_total{reason=\"limit\"}"), 1.0);
    assert_eq!(metrics.get("fingerpost_dns_tcp_connections_open"), 4.0);
}

#[test]
fn a_full_server_closes_the_connection_idle_for_longest() {
    let server = Launch::serve(&example()).flag("--tcp-connections", "3").flag("--tcp-idle-timeout", "3600").start();
    let connect = |host: u8| {
        let mut client = Tcp::connect_from(&format!("127.0.0.{host}"), server.address());
        client.ask(&any_query());
        settle();
        client
    };
    let mut clients: Vec<_> = (1..=3).map(connect).collect();
    clients[0].ask(&any_query());
    settle();
    let mut new = connect(4);
    clients.remove(1).expect_end();
    for client in clients.iter_mut().chain([&mut new]) {
        assert_eq!(client.ask(&any_query()).answers.len(), 3);
    }
}

//----------- Timeouts ---------------------------------------------------------

#[test]
fn an_idle_connection_is_closed_and_a_used_one_is_not() {
    let server = Launch::serve(&example()).flag("--tcp-idle-timeout", "1").start();
    let (mut idle, mut used) = (Tcp::connect(server.address()), Tcp::connect(server.address()));
    idle.ask(&any_query());
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_millis(1500) {
        used.ask(&any_query());
        sleep(Duration::from_millis(50));
    }
    idle.expect_end();
    assert_eq!(used.ask(&any_query()).answers.len(), 3);
    assert_eq!(server.metrics().get("fingerpost_dns_tcp_connections_closed_total{reason=\"idle\"}"), 1.0);
}

#[test]
fn half_a_query_does_not_keep_a_connection() {
    let server = Launch::serve(&example()).flag("--tcp-idle-timeout", "1").start();
    let mut client = Tcp::connect(server.address());
    let begun = Instant::now();
    // An octet now and then, fewer than the query has; at the latest the reset makes sending fail.
    for octet in frame(&any_query()).into_iter().take(30) {
        if client.send(&[octet]).is_err() {
            break;
        }
        sleep(Duration::from_millis(100));
    }
    let elapsed = begun.elapsed();
    assert!(elapsed > Duration::from_millis(900) && elapsed < PATIENCE, "{elapsed:?}");
    assert_eq!(server.metrics().get("fingerpost_dns_tcp_connections_open"), 0.0);
}

#[test]
fn clients_that_ask_are_told_the_timeout() {
    let server = Launch::serve(&example()).flag("--tcp-idle-timeout", "7").start();
    // RFC 7828 §3.1: option 11, empty in queries; in responses in units of 100 ms.
    let mut edns = Edns::new();
    edns.options_mut().insert(EdnsOption::Unknown(11, Vec::new()));
    let query = query_with("api.production.local.", RecordType::A, edns);
    let told = |response: Message| response.edns.unwrap().option(EdnsCode::from(11)).cloned();
    let mut client = Tcp::connect(server.address());
    assert_eq!(told(client.ask(&query)), Some(EdnsOption::Unknown(11, vec![0, 70])));
    // §3.2.1: it has no place in UDP.
    assert_eq!(told(Udp::connect(server.address()).ask(&query)), None);
    // §3.3.2: who does not ask is not told.
    assert_eq!(told(client.ask(&query_with("api.production.local.", RecordType::A, Edns::new()))), None);
}
