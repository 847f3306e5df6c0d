//! Own zones and upstreams together, with an upstream in this process.

use super::*;
use crate::dns::Transport;
use crate::table::{Editor, Publisher, Snapshot};
use hickory_proto::op::{Message as Theirs, MessageType, OpCode, Query as Question, ResponseCode};
use hickory_proto::rr::rdata::{A, CNAME};
use hickory_proto::rr::{Name as TheirName, RData, Record, RecordType};
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::net::UdpSocket;
use tokio::sync::mpsc;

/// An upstream that answers as `answer` does; how often it was asked.
async fn upstream(answer: fn(&str) -> Option<Theirs>) -> (SocketAddr, Arc<AtomicUsize>) {
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let address = socket.local_addr().unwrap();
    let asked = Arc::<AtomicUsize>::default();
    let count = Arc::clone(&asked);
    tokio::spawn(async move {
        let mut buffer = [0; 4096];
        loop {
            let (received, client) = socket.recv_from(&mut buffer).await.unwrap();
            let query = Theirs::from_vec(&buffer[..received]).unwrap();
            count.fetch_add(1, Ordering::Relaxed);
            let Some(mut response) = answer(&query.queries[0].name().to_string()) else { continue };
            response.metadata.id = query.metadata.id;
            response.queries = query.queries.clone();
            socket.send_to(&response.to_vec().unwrap(), client).await.unwrap();
        }
    });
    (address, asked)
}

fn response(records: Vec<(&str, u32, RData)>) -> Theirs {
    let mut response = Theirs::new(0, MessageType::Response, OpCode::Query);
    for (owner, ttl, data) in records {
        response.add_answer(Record::from_rdata(TheirName::from_ascii(owner).unwrap(), ttl, data));
    }
    response
}

fn address(last: u8) -> RData {
    RData::A(A::new(192, 0, 2, last))
}

fn forwarder(upstream: SocketAddr, change: impl FnOnce(&mut Settings)) -> Arc<Forwarder> {
    let mut settings = Settings {
        upstreams: vec![Server::Plain(upstream)],
        rules: Vec::new(),
        allow: vec!["127.0.0.0/8".parse().unwrap()],
        search: Vec::new(),
        cache_entries: 100,
        cache_octets: 1 << 20,
        max_stale: Duration::from_secs(60),
        in_flight: 10,
        timeout: Duration::from_secs(1),
    };
    change(&mut settings);
    let publisher = Publisher::new(Editor::new(&Snapshot::new()).finish(1, 0));
    Forwarder::new(&settings, &[], publisher.handle().into(), dns::Settings::default()).unwrap()
}

async fn ask(forwarder: &Arc<Forwarder>, client: &str, name: &str) -> Theirs {
    let mut query = Theirs::new(7, MessageType::Query, OpCode::Query);
    query.metadata.recursion_desired = true;
    query.add_query(Question::query(TheirName::from_ascii(name).unwrap(), RecordType::A));
    let client = SocketAddr::new(client.parse().unwrap(), 1);
    let deferred = Deferred { query: query.to_vec().unwrap(), client, transport: Transport::Udp };
    let (sender, mut responses) = mpsc::channel(1);
    Arc::clone(forwarder).answer(deferred, sender).await;
    let response = Theirs::from_vec(&responses.recv().await.unwrap()).unwrap();
    assert_eq!(response.queries, query.queries);
    response
}

#[tokio::test]
async fn an_answer_is_asked_for_once_while_it_lives() {
    let (upstream, asked) = upstream(|name| Some(response(vec![(name, 60, address(1))]))).await;
    let forwarder = forwarder(upstream, |_| {});
    for name in ["a.test.", "A.TEST.", "a.test."] {
        let response = ask(&forwarder, "127.0.0.1", name).await;
        assert_eq!(response.answers[0].data, address(1));
    }
    assert_eq!(asked.load(Ordering::Relaxed), 1);
    // The cache is not for everybody.
    let refused = ask(&forwarder, "192.0.2.1", "a.test.").await;
    assert_eq!(refused.metadata.response_code, ResponseCode::Refused);
    let mapped = ask(&forwarder, "::ffff:127.0.0.1", "a.test.").await;
    assert_eq!(mapped.answers.len(), 1, "IPv4 in its IPv6 form is IPv4");
}

#[tokio::test]
async fn what_may_not_be_kept_is_asked_for_again_and_failures_are_for_a_moment() {
    let (upstream, asked) = upstream(|name| match name {
        "zero.test." => Some(response(vec![(name, 0, address(1))])),
        _ => {
            let mut failure = response(vec![]);
            failure.metadata.response_code = ResponseCode::ServFail;
            Some(failure)
        }
    })
    .await;
    let forwarder = forwarder(upstream, |_| {});
    for number in 1..4 {
        ask(&forwarder, "127.0.0.1", "zero.test.").await;
        assert_eq!(asked.load(Ordering::Relaxed), number);
    }
    for _ in 0..3 {
        let failure = ask(&forwarder, "127.0.0.1", "bad.test.").await;
        assert_eq!(failure.metadata.response_code, ResponseCode::ServFail);
    }
    // Each round asks the one upstream there is.
    assert_eq!(asked.load(Ordering::Relaxed), 3 + 2);
}

#[tokio::test]
async fn forged_and_foolish_responses_are_passed_over() {
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let upstream = socket.local_addr().unwrap();
    tokio::spawn(async move {
        let mut buffer = [0; 4096];
        let (received, client) = socket.recv_from(&mut buffer).await.unwrap();
        let query = Theirs::from_vec(&buffer[..received]).unwrap();
        let mut good = response(vec![("a.test.", 60, address(1))]);
        good.metadata.id = query.metadata.id;
        good.queries = query.queries.clone();
        let mut forged = response(vec![("a.test.", 60, address(66))]);
        forged.queries = query.queries.clone();
        forged.metadata.id = query.metadata.id.wrapping_add(1);
        let mut other = response(vec![("a.test.", 60, address(66))]);
        other.metadata.id = query.metadata.id;
        other.add_query(Question::query(TheirName::from_ascii("b.test.").unwrap(), RecordType::A));
        for message in [forged.to_vec().unwrap(), other.to_vec().unwrap(), vec![1, 2, 3], good.to_vec().unwrap()] {
            socket.send_to(&message, client).await.unwrap();
        }
    });
    let forwarder = forwarder(upstream, |_| {});
    assert_eq!(ask(&forwarder, "127.0.0.1", "a.test.").await.answers[0].data, address(1));
}

#[tokio::test]
async fn chains_of_others_are_given_whole() {
    let (upstream, _) = upstream(|_| {
        let target = TheirName::from_ascii("b.test.").unwrap();
        Some(response(vec![("a.test.", 5, RData::CNAME(CNAME(target))), ("b.test.", 60, address(2))]))
    })
    .await;
    let forwarder = forwarder(upstream, |_| {});
    let found = ask(&forwarder, "127.0.0.1", "a.test.").await;
    assert_eq!((found.answers.len(), found.answers[0].ttl), (2, 5));
}
