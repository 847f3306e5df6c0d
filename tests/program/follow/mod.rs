//! A server that follows another one: it answers as its primary does, and goes on when that one is away.
//!
//! [`primary`] makes primaries and what they hold; [`away`] has them killed, stopped, cut off and set back; [`stale`] is
//! about states that are too old, [`start`] about starts, files and configurations,
//! [`tls`] about certificates.

mod away;
mod cable;
mod primary;
mod stale;
mod start;
mod tls;

use std::time::{Duration, Instant};

use hickory_proto::op::{Edns, Message, ResponseCode};
use hickory_proto::rr::{RData, RecordType};

use crate::support::{Launch, Server, Udp, eventually, query, query_with};
use primary::Primary;

/// A follower of these primaries, on free ports.
fn follower(primaries: &[&Primary]) -> Launch {
    let urls: Vec<String> = primaries.iter().map(|primary| primary.url()).collect();
    following(&urls.join(","))
}

/// A follower of what is at these addresses.
fn following(urls: &str) -> Launch {
    Launch::of(["serve", "--admin", "127.0.0.1:0", "--workers", "1", "--follow", urls])
        .variable("FINGERPOST_API", "off")
        .variable("FINGERPOST_GRPC", "off")
}

/// Whether the follower is in step with some primary.
fn is_connected(follower: &Server) -> bool {
    follower.metrics().get("fingerpost_follow_connected") == 1.0
}

/// Streams that ended for this reason.
fn failures(follower: &Server, reason: &str) -> f64 {
    follower.metrics().get(&format!("fingerpost_follow_failures_total{{reason=\"{reason}\"}}"))
}

/// The name with its final dot.
fn absolute(name: &str) -> String {
    if name == "." { name.to_owned() } else { format!("{name}.") }
}

/// What a server says of a name: the code, and the records in an order of their own.
fn told(server: &Server, name: &str, qtype: RecordType) -> (ResponseCode, Vec<String>) {
    let response = Udp::connect(server.address()).ask(&query(&absolute(name), qtype));
    let mut records: Vec<String> =
        response.answers.iter().chain(&response.authorities).map(ToString::to_string).collect();
    records.sort();
    (response.metadata.response_code, records)
}

/// The SOA serial of a zone.
fn serial(server: &Server, zone: &str) -> Option<u32> {
    let response = Udp::connect(server.address()).ask(&query(&absolute(zone), RecordType::SOA));
    response.answers.iter().find_map(|record| match &record.data {
        RData::SOA(soa) => Some(soa.serial),
        _ => None,
    })
}

/// How many addresses a name has.
fn addresses(server: &Server, name: &str) -> usize {
    Udp::connect(server.address()).ask(&query(&absolute(name), RecordType::A)).answers.len()
}

/// The code of a response, and that of its extended error (RFC 8914), if there is one.
fn code_and_error(server: &Server, name: &str) -> (ResponseCode, Option<u16>) {
    let octets =
        Udp::connect(server.address()).exchange(&query_with(&absolute(name), RecordType::A, edns()).to_vec().unwrap());
    let response = Message::from_vec(&octets).unwrap();
    // The option ends the message: code 15, two octets.
    let error = match octets.as_slice() {
        [.., 0, 15, 0, 2, high, low] => Some(u16::from_be_bytes([*high, *low])),
        _ => None,
    };
    (response.metadata.response_code, error)
}

fn edns() -> Edns {
    let mut edns = Edns::new();
    edns.set_max_payload(1232);
    edns
}

/// Waits until both answer the same to everything that is asked here, and something at all.
#[track_caller]
fn expect_equal(primary: &Server, follower: &Server) {
    let questions = [
        ("production.local", RecordType::SOA),
        ("production.local", RecordType::NS),
        ("api.production.local", RecordType::A),
        ("api.production.local", RecordType::AAAA),
        ("web.production.local", RecordType::SRV),
        ("nothing.production.local", RecordType::A),
        ("elsewhere.example", RecordType::A),
    ];
    for (name, qtype) in questions {
        let mut last = None;
        let begun = Instant::now();
        loop {
            let both = (told(primary, name, qtype), told(follower, name, qtype));
            if both.0 == both.1 {
                break;
            }
            assert!(begun.elapsed() < Duration::from_secs(10), "{name} {qtype}: {both:#?}, {last:#?}");
            last = Some(both);
            std::thread::sleep(Duration::from_millis(20));
        }
    }
    assert!(serial(follower, "production.local").is_some());
}

#[test]
fn a_follower_answers_as_its_primary_does() {
    let primary = Primary::with(["--name-server", "ns1.example.com,ns2.example.com"]);
    let server = primary.start();
    primary.fill(&server);
    let follower = follower(&[&primary]).start();
    expect_equal(&server, &follower);
    assert_eq!(follower.get("/readyz").0, 200);

    // Each kind of change, one after the other.
    for words in [
        "register api.production.local --id task-9 --ip 10.0.0.9",
        "health api.production.local task-1 unhealthy",
        "deregister api.production.local task-2",
        "create service web2 -n production.local --record A:20",
        "register web2.production.local --id w --ip 10.0.2.1",
        "deregister web2.production.local w",
        "delete service web2.production.local",
    ] {
        primary.run(&server, words);
        expect_equal(&server, &follower);
    }
    assert_eq!(addresses(&follower, "api.production.local"), addresses(&server, "api.production.local"));
    let metrics = follower.metrics();
    assert_eq!(metrics.get("fingerpost_follow_states_total"), 1.0, "all else came as changes");
    assert!(metrics.family("fingerpost_follow_failures_total").is_empty());
    assert!(metrics.get("fingerpost_follow_stale_seconds") < 6.0);
    // It says what it shows, so that nothing lags behind for long.
    eventually("the primary knows what the follower shows", || {
        let metrics = server.metrics();
        metrics.get("fingerpost_grpc_followers") == 1.0 && metrics.get("fingerpost_grpc_follower_lag_revisions") == 0.0
    });
    let readiness = follower.readiness();
    assert_eq!(readiness["follow"]["connected"], primary.url());
    assert_eq!(readiness["follow"]["too_old"], false);
}

#[test]
fn only_the_namespaces_asked_for_are_followed() {
    let primary = Primary::new();
    let server = primary.start();
    primary.fill(&server);
    primary.run(&server, "create namespace other.local");
    primary.run(&server, "create service x -n other.local --record A:10");
    primary.run(&server, "register x.other.local --id x --ip 10.9.9.9");
    let follower = follower(&[&primary]).flag("--namespaces", "other.local").start();
    assert_eq!(addresses(&follower, "x.other.local"), 1);
    assert_eq!(told(&follower, "api.production.local", RecordType::A).0, ResponseCode::Refused);
    // What happens elsewhere moves the revision, and nothing else.
    let before = follower.readiness()["revision"].as_u64().unwrap();
    primary.run(&server, "register api.production.local --id task-9 --ip 10.0.0.9");
    eventually("the revision moves on", || follower.readiness()["revision"].as_u64().unwrap() > before);
    assert_eq!(follower.metrics().get("fingerpost_follow_states_total"), 1.0);
}
