//! Names outside our zones, asked of real upstreams and of one that counts, delays and keeps silent.

mod delay;
mod upstreams;

use std::fs;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use hickory_proto::op::{Edns, Message, ResponseCode};
use hickory_proto::rr::{RData, RecordType};
use rcgen::CertificateParams;

use self::upstreams::{StandIn, dnsmasq, unbound};
use crate::support::{
    Launch, Server, Tcp, Udp, addresses, eventually, example, free_address, have_tool, query, query_with,
};

/// A query with RD, as stub resolvers send it.
fn ask(name: &str, qtype: RecordType) -> Message {
    let mut query = query(name, qtype);
    query.metadata.recursion_desired = true;
    query
}

/// The same with EDNS.
fn ask_with_edns(name: &str, qtype: RecordType) -> Message {
    let mut edns = Edns::new();
    edns.set_max_payload(1232);
    let mut query = query_with(name, qtype, edns);
    query.metadata.recursion_desired = true;
    query
}

/// The example's zones, with `upstream` behind them.
fn serve(upstream: SocketAddr) -> Launch {
    Launch::serve(&example()).flag("--forward", upstream.to_string())
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

/// The extended error of a response (RFC 8914).
fn extended_error(response: &Message) -> Option<u16> {
    let octets = response.to_vec().unwrap();
    let options = response.edns.as_ref()?.options();
    options.as_ref().iter().any(|(code, _)| u16::from(*code) == 15).then(|| {
        // The option ends the message: code, length, error, words.
        let at = octets.windows(2).rposition(|window| window == [0, 15]).unwrap();
        u16::from_be_bytes([octets[at + 4], octets[at + 5]])
    })
}

/// How many queries have ended so.
fn ended(server: &Server, end: &str) -> f64 {
    server.metrics().get(&format!("fingerpost_forward_queries_total{{end=\"{end}\"}}"))
}

const RECORDS: &[&str] = &[
    "www.test. 60 A 192.0.2.1",
    "www.test. 60 A 192.0.2.2",
    "alias.test. 60 CNAME www.test.",
    "short.test. 1 A 192.0.2.3",
    "other.test. 60 A 192.0.2.5",
    "docs.example.org. 60 A 192.0.2.4",
];

//----------- Answers ----------------------------------------------------------

#[test]
fn an_upstreams_answers_reach_the_client() {
    if !have_tool("unbound") {
        return;
    }
    let long: Vec<String> = (0..40).map(|n| format!("long.test. 60 TXT \"{n:060}\"")).collect();
    let records: Vec<&str> = RECORDS.iter().copied().chain(long.iter().map(String::as_str)).collect();
    let upstream = unbound(free_address(), &records, "", None);
    let server = serve(upstream.address).start();
    let udp = Udp::connect(server.address());
    let mut tcp = Tcp::connect(server.address());
    for _ in 0..2 {
        for response in [udp.ask(&ask("WWW.Test.", RecordType::A)), tcp.ask(&ask("WWW.Test.", RecordType::A))] {
            let mut found = addresses(&response);
            found.sort();
            assert_eq!(found, [ip("192.0.2.1"), ip("192.0.2.2")]);
            assert!(response.metadata.recursion_available && !response.metadata.authoritative);
            assert!(response.edns.is_none());
        }
        let negative = udp.ask(&ask_with_edns("nobody.test.", RecordType::A));
        assert_eq!(negative.metadata.response_code, ResponseCode::NXDomain);
        assert_eq!(negative.authorities.len(), 1);
        assert!(negative.edns.is_some());
        let no_data = udp.ask(&ask("www.test.", RecordType::MX));
        assert_eq!((no_data.metadata.response_code, no_data.answers.len()), (ResponseCode::NoError, 0));
        // 40 texts of 60 octets fit into no datagram, neither the upstream's nor ours.
        let truncated = udp.ask(&ask_with_edns("long.test.", RecordType::TXT));
        assert!(truncated.metadata.truncation && truncated.answers.is_empty());
        assert_eq!(tcp.ask(&ask("long.test.", RecordType::TXT)).answers.len(), 40);
        // A CNAME of ours that leads out is followed there.
        let chased = udp.ask(&ask("docs.production.local.", RecordType::A));
        assert_eq!((chased.answers.len(), addresses(&chased)), (2, vec![ip("192.0.2.4")]));
    }
    // All but the first time is from the cache.
    assert!(ended(&server, "hit") >= 6.0 && ended(&server, "upstream") >= 5.0);
    // Own answers are what they were.
    let own = udp.ask(&ask("api.production.local.", RecordType::A));
    assert!(own.metadata.authoritative && !own.metadata.recursion_available);
    // Who does not ask for recursion gets none.
    assert_eq!(udp.ask(&query("www.test.", RecordType::A)).metadata.response_code, ResponseCode::Refused);
}

#[test]
fn pipelined_queries_do_not_wait_for_each_other() {
    let upstream = StandIn::start(Duration::from_millis(300), 60);
    let server = serve(upstream.address).start();
    let mut tcp = Tcp::connect(server.address());
    let queries: Vec<Message> = (0..100)
        .map(|n| match n % 2 {
            0 => ask(&format!("n{n}.test."), RecordType::A),
            _ => ask("api.production.local.", RecordType::A),
        })
        .collect();
    for (n, response) in tcp.ask_all(&queries).iter().enumerate() {
        assert_eq!(addresses(response).len(), if n % 2 == 0 { 1 } else { 3 });
    }
}

#[test]
fn rules_say_who_is_asked() {
    let (one, other) = (StandIn::start(Duration::ZERO, 60), StandIn::start(Duration::ZERO, 60));
    let server = Launch::serve(&example())
        .flag("--forward-rule", format!("corp.test={}", one.address))
        .flag("--forward-rule", format!("a.corp.test={}", other.address))
        .start();
    let udp = Udp::connect(server.address());
    for name in ["x.corp.test.", "corp.test.", "x.a.corp.test.", "nota.corp.test."] {
        assert_eq!(addresses(&udp.ask(&ask(name, RecordType::A))), [ip("192.0.2.7")]);
    }
    assert_eq!((one.asked_in_all(), other.asked_in_all()), (3, 1));
    for name in ["notcorp.test.", "test."] {
        assert_eq!(udp.ask(&ask(name, RecordType::A)).metadata.response_code, ResponseCode::Refused);
    }
    // A CNAME that leads where nobody is asked is all that we know.
    let alias = udp.ask(&ask("docs.production.local.", RecordType::A));
    assert_eq!((alias.metadata.response_code, alias.answers.len()), (ResponseCode::NoError, 1));
}

#[test]
fn single_labels_are_found_in_the_search_domain() {
    let upstream = StandIn::start(Duration::ZERO, 60);
    let server = serve(upstream.address).flag("--search", "production.local").start();
    let udp = Udp::connect(server.address());
    let found = udp.ask(&ask("API.", RecordType::A));
    assert_eq!(addresses(&found).len(), 3);
    let RData::CNAME(alias) = &found.answers[0].data else { panic!("no CNAME first: {found}") };
    assert_eq!(alias.0.to_string(), "api.production.local.");
    assert!(found.metadata.authoritative && found.metadata.recursion_available);
    // The name is there, the type is not.
    let no_data = udp.ask(&ask("api.", RecordType::AAAA));
    assert_eq!((no_data.answers.len(), no_data.authorities.len()), (1, 1));
    // Through a CNAME to others.
    let chased = udp.ask(&ask("docs.", RecordType::A));
    assert_eq!((chased.answers.len(), addresses(&chased)), (3, vec![ip("192.0.2.7")]));
    assert_eq!(upstream.asked("docs.example.org."), 1);
    assert_eq!(upstream.asked("api."), 0);
    // What we do not have is forwarded as it is.
    assert_eq!(addresses(&udp.ask(&ask("nobody.", RecordType::A))), [ip("192.0.2.7")]);
    assert_eq!(upstream.asked("nobody."), 1);
}

#[test]
fn an_upstream_is_asked_over_tls_if_its_certificate_is_for_its_name() {
    if !have_tool("unbound") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let key = rcgen::KeyPair::generate().unwrap();
    let certificate = CertificateParams::new(vec!["dns.test".to_owned()]).unwrap().self_signed(&key).unwrap();
    let write = |name: &str, text: String| -> PathBuf {
        let path = folder.path().join(name);
        fs::write(&path, text).unwrap();
        path
    };
    let (certificate, key) = (write("cert.pem", certificate.pem()), write("key.pem", key.serialize_pem()));
    let address = free_address();
    let tls =
        format!("  tls-port: {}\n  tls-service-pem: {certificate:?}\n  tls-service-key: {key:?}\n", address.port());
    let connects = || std::net::TcpStream::connect(address).is_ok();
    let upstream = unbound(address, RECORDS, &tls, Some(&connects));
    for (name, expected) in [("dns.test", ResponseCode::NoError), ("other.test", ResponseCode::ServFail)] {
        let server = Launch::serve(&example())
            .flag("--forward", format!("tls://{}#{name}", upstream.address))
            .flag("--forward-timeout", "2")
            .variable("SSL_CERT_FILE", &certificate)
            .start();
        let udp = Udp::connect(server.address());
        for name in ["www.test.", "other.test.", "alias.test."] {
            let response = udp.ask(&ask(name, RecordType::A));
            assert_eq!(response.metadata.response_code, expected, "{name}");
        }
    }
}

//----------- Trouble ----------------------------------------------------------

#[test]
fn another_upstream_takes_over_and_old_answers_do_when_all_are_gone() {
    if !have_tool("unbound") {
        return;
    }
    let (first, second) = (unbound(free_address(), RECORDS, "", None), unbound(free_address(), RECORDS, "", None));
    let server = serve(first.address).flag("--forward", second.address.to_string()).start();
    let udp = Udp::connect(server.address());
    assert_eq!(addresses(&udp.ask(&ask("short.test.", RecordType::A))), [ip("192.0.2.3")]);
    let state = |server: &Server, address: SocketAddr, state: &str| {
        let sample = format!("fingerpost_forward_upstream_state{{upstream=\"{address}\",state=\"{state}\"}}");
        server.metrics().get(&sample) == 1.0
    };
    let gone = first.address;
    drop(first);
    for number in 0..10 {
        let response = udp.ask(&ask(&format!("n{number}.test."), RecordType::A));
        assert_eq!(response.metadata.response_code, ResponseCode::NXDomain);
    }
    eventually("the upstream is down", || state(&server, gone, "down"));
    let others = second.address;
    drop(second);
    let stale = || {
        let response = udp.ask(&ask_with_edns("short.test.", RecordType::A));
        assert_eq!(addresses(&response), [ip("192.0.2.3")]);
        (extended_error(&response) == Some(3)).then(|| assert_eq!(response.answers[0].ttl, 30)).is_some()
    };
    eventually("a stale answer", stale);
    let lost = udp.ask(&ask_with_edns("unheard.test.", RecordType::A));
    assert_eq!(lost.metadata.response_code, ResponseCode::ServFail);
    assert_eq!(extended_error(&lost), Some(22));
    assert!(ended(&server, "stale") >= 1.0 && ended(&server, "failed") >= 1.0);
    // The first comes back, and a probe finds it.
    let _back = unbound(gone, RECORDS, "", None);
    eventually("the upstream is up", || state(&server, gone, "up"));
    assert_eq!(addresses(&udp.ask(&ask("www.test.", RecordType::A))).len(), 2);
    assert!(!state(&server, others, "loop"));
}

#[test]
fn a_silent_upstream_costs_a_moment_and_then_nothing() {
    let (silent, second) = (StandIn::start(Duration::ZERO, 60), StandIn::start(Duration::ZERO, 60));
    silent.set_silent(true);
    let server = serve(silent.address).flag("--forward", second.address.to_string()).start();
    let udp = Udp::connect(server.address());
    for number in 0..6 {
        assert_eq!(addresses(&udp.ask(&ask(&format!("n{number}.test."), RecordType::A))), [ip("192.0.2.7")]);
    }
    let begun = Instant::now();
    for number in 10..20 {
        udp.ask(&ask(&format!("n{number}.test."), RecordType::A));
    }
    assert!(begun.elapsed() < Duration::from_secs(2), "each waits for the silent one: {:?}", begun.elapsed());
}

#[test]
fn equal_queries_are_asked_once() {
    let upstream = StandIn::start(Duration::from_millis(400), 60);
    let server = serve(upstream.address).start();
    let clients: Vec<Udp> = (0..50).map(|_| Udp::connect(server.address())).collect();
    let queries: Vec<Message> = clients
        .iter()
        .map(|client| {
            let query = ask("one.test.", RecordType::A);
            client.send(&query.to_vec().unwrap());
            query
        })
        .collect();
    for (client, query) in clients.iter().zip(&queries) {
        assert_eq!(addresses(&client.read(query).unwrap()), [ip("192.0.2.7")]);
    }
    assert_eq!(upstream.asked("one.test."), 1);
    assert!(ended(&server, "merged") + ended(&server, "hit") >= 49.0);
}

#[test]
fn beyond_the_cap_the_newest_are_shed() {
    let upstream = StandIn::start(Duration::ZERO, 60);
    upstream.set_silent(true);
    let server = serve(upstream.address).flag("--forward-in-flight", "10").start();
    let waiting: Vec<Udp> = (0..10).map(|_| Udp::connect(server.address())).collect();
    for (number, client) in waiting.iter().enumerate() {
        client.send(&ask(&format!("n{number}.test."), RecordType::A).to_vec().unwrap());
    }
    eventually("ten are in flight", || server.metrics().get("fingerpost_forward_in_flight") == 10.0);
    let begun = Instant::now();
    let udp = Udp::connect(server.address());
    for number in 10..20 {
        let response = udp.ask(&ask(&format!("n{number}.test."), RecordType::A));
        assert_eq!(response.metadata.response_code, ResponseCode::ServFail);
    }
    assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
    assert_eq!(ended(&server, "shed"), 10.0);
    // Those who came first wait for an answer still, and get it: the upstream is asked a second time.
    upstream.set_silent(false);
    for client in &waiting {
        let response = Message::from_vec(&client.receive().unwrap()).unwrap();
        assert!(matches!(response.metadata.response_code, ResponseCode::NoError | ResponseCode::ServFail));
    }
}

#[test]
fn clients_that_may_not_are_refused() {
    let upstream = StandIn::start(Duration::ZERO, 60);
    let server =
        serve(upstream.address).flag("--forward-allow", "127.0.0.2/32").flag("--search", "production.local").start();
    let allowed = Udp::connect_from("127.0.0.2", server.address());
    assert_eq!(addresses(&allowed.ask(&ask("www.test.", RecordType::A))), [ip("192.0.2.7")]);
    let other = Udp::connect_from("127.0.0.1", server.address());
    let mut tcp = Tcp::connect_from("127.0.0.1", server.address());
    // Though it is in the cache.
    for name in ["www.test.", "api."] {
        for response in [other.ask(&ask(name, RecordType::A)), tcp.ask(&ask(name, RecordType::A))] {
            assert_eq!(response.metadata.response_code, ResponseCode::Refused, "{name}");
            assert!(!response.metadata.recursion_available);
        }
    }
    assert_eq!(addresses(&other.ask(&ask("api.production.local.", RecordType::A))).len(), 3);
    assert_eq!(other.ask(&ask("docs.production.local.", RecordType::A)).answers.len(), 1, "the CNAME is ours");
    assert_eq!(ended(&server, "refused"), 5.0);
}

#[test]
fn an_upstream_that_forwards_to_us_is_found_out() {
    if !have_tool("dnsmasq") {
        return;
    }
    let address = free_address();
    let upstream = dnsmasq(address);
    let server = serve(upstream.address).dns(&address.to_string()).start();
    let sample = format!("fingerpost_forward_upstream_state{{upstream=\"{}\",state=\"loop\"}}", upstream.address);
    eventually("the loop is found", || server.metrics().get(&sample) == 1.0);
    let begun = Instant::now();
    let response = Udp::connect(address).ask(&ask("www.example.com.", RecordType::A));
    assert_eq!(response.metadata.response_code, ResponseCode::ServFail);
    assert!(begun.elapsed() < Duration::from_secs(1));
    assert_eq!(server.logged("a loop"), 1);
}

#[test]
fn nobody_starts_as_its_own_upstream() {
    let address = free_address();
    let output = serve(address).dns("0.0.0.0:0").flag("--dns", address.to_string()).run();
    assert!(!output.status.success());
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains(&format!("forward: {address} is this server itself")), "{said}");
}
