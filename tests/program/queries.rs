//! What goes through the sockets and shows in `/metrics`, and which address an answer comes from.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use hickory_proto::op::{Edns, Message, OpCode};
use hickory_proto::rr::RecordType;

use crate::support::{Launch, Tcp, Udp, eventually, example, query, query_with, skip};

/// Queries, how often each is sent, and what `/metrics` calls them: type, outcome, rcode.
fn queries() -> Vec<(Message, u64, [&'static str; 3])> {
    let ask = |name, qtype| query(name, qtype);
    let mut status = ask("api.production.local.", RecordType::A);
    status.metadata.op_code = OpCode::Status;
    let mut no_question = ask("api.production.local.", RecordType::A);
    no_question.queries.clear();
    let mut version_1 = Edns::new();
    version_1.set_version(1);
    vec![
        (ask("api.production.local.", RecordType::A), 7, ["A", "answer", "NOERROR"]),
        (ask("API.Production.LOCAL.", RecordType::A), 2, ["A", "answer", "NOERROR"]),
        (ask("api.production.local.", RecordType::AAAA), 3, ["AAAA", "nodata", "NOERROR"]),
        (ask("web.production.local.", RecordType::AAAA), 2, ["AAAA", "answer", "NOERROR"]),
        (ask("grpc-api.production.local.", RecordType::SRV), 4, ["SRV", "answer", "NOERROR"]),
        (ask("docs.production.local.", RecordType::CNAME), 1, ["CNAME", "answer", "NOERROR"]),
        (ask("production.local.", RecordType::SOA), 2, ["SOA", "answer", "NOERROR"]),
        (ask("production.local.", RecordType::NS), 1, ["NS", "answer", "NOERROR"]),
        (ask("api.production.local.", RecordType::ANY), 2, ["ANY", "answer", "NOERROR"]),
        (ask("api.production.local.", RecordType::TXT), 2, ["other", "nodata", "NOERROR"]),
        (ask("nobody.production.local.", RecordType::A), 5, ["A", "nxdomain", "NXDOMAIN"]),
        (ask("example.com.", RecordType::A), 6, ["A", "refused", "REFUSED"]),
        (status, 2, ["", "notimp", "NOTIMP"]),
        (no_question, 3, ["", "formerr", "FORMERR"]),
        (query_with("api.production.local.", RecordType::A, version_1), 2, ["A", "badvers", "BADVERS"]),
    ]
}

#[test]
fn metrics_add_up_to_what_was_sent() {
    let server = Launch::serve(&example()).start();
    let udp = Udp::connect(server.address());
    let mut tcp = Tcp::connect(server.address());
    // By transport and outcome, by transport and rcode, and octets by transport.
    let mut outcomes = BTreeMap::new();
    let mut rcodes = BTreeMap::new();
    let mut octets = BTreeMap::new();
    let mut typed = BTreeMap::new();
    for (message, times, [qtype, outcome, rcode]) in queries() {
        let bytes = message.to_vec().unwrap();
        for _ in 0..times {
            let framed = [&u16::try_from(bytes.len()).unwrap().to_be_bytes()[..], &bytes].concat();
            tcp.send(&framed).unwrap();
            for (transport, length) in [("udp", udp.exchange(&bytes).len()), ("tcp", tcp.receive().unwrap().len())] {
                *octets.entry(format!("transport=\"{transport}\"")).or_insert(0) += length as u64;
                *outcomes.entry((transport, outcome)).or_insert(0) += 1;
                *rcodes.entry(format!("transport=\"{transport}\",rcode=\"{rcode}\"")).or_insert(0) += 1;
                if !qtype.is_empty() {
                    let labels = format!("transport=\"{transport}\",qtype=\"{qtype}\",outcome=\"{outcome}\"");
                    *typed.entry(labels).or_insert(0) += 1;
                }
            }
        }
    }
    // Silence: a runt, a response, a datagram that is too long. The query behind shows that they were read.
    udp.send(&[1, 2, 3, 4, 5]);
    udp.send(&[0, 1, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    udp.send(&[0; 5000]);
    let last = udp.exchange(&query("api.production.local.", RecordType::A).to_vec().unwrap());
    *octets.get_mut("transport=\"udp\"").unwrap() += last.len() as u64;
    *outcomes.get_mut(&("udp", "answer")).unwrap() += 1;
    *rcodes.get_mut("transport=\"udp\",rcode=\"NOERROR\"").unwrap() += 1;
    *typed.get_mut("transport=\"udp\",qtype=\"A\",outcome=\"answer\"").unwrap() += 1;

    // Replies are counted before they are sent, drops when the batch is done.
    eventually("the oversized datagram is counted", || {
        server.metrics().get("fingerpost_dns_dropped_total{reason=\"oversized\"}") == 1.0
    });
    let metrics = server.metrics();
    let queries = metrics.family("fingerpost_dns_queries_total");
    let mut counted = BTreeMap::new();
    for (labels, count) in &queries {
        let label = |name: &str| labels.split(&format!("{name}=\"")).nth(1).unwrap().split('"').next().unwrap();
        *counted.entry((label("transport"), label("outcome"))).or_insert(0) += count;
    }
    assert_eq!(counted, outcomes);
    for (labels, count) in &typed {
        assert_eq!(queries.get(&**labels), Some(count), "{labels}");
    }
    let own = |map: BTreeMap<&str, u64>| map.into_iter().map(|(key, value)| (key.to_owned(), value)).collect();
    let family = |name| -> BTreeMap<String, u64> { own(metrics.family(name)) };
    assert_eq!(family("fingerpost_dns_responses_total"), rcodes);
    assert_eq!(family("fingerpost_dns_response_bytes_total"), octets);
    let dropped = [("runt", 1), ("not_a_query", 1), ("oversized", 1)];
    let dropped = dropped.map(|(reason, count)| (format!("reason=\"{reason}\""), count));
    assert_eq!(family("fingerpost_dns_dropped_total"), BTreeMap::from(dropped));
    assert_eq!(metrics.get("fingerpost_dns_truncated_total"), 0.0);
    assert_eq!(metrics.get("fingerpost_dns_tcp_connections_accepted_total"), 1.0);
    assert_eq!(metrics.get("fingerpost_dns_tcp_connections_open"), 1.0);
    assert_eq!(metrics.get("fingerpost_dns_worker_restarts_total"), 0.0);
    assert_eq!(metrics.get("fingerpost_snapshot_revision"), 1.0);
    assert_eq!(metrics.get("fingerpost_declaration_loads_total"), 1.0);
    assert_eq!(metrics.get("fingerpost_declaration_faults"), 0.0);
}

#[test]
fn no_query_is_worth_a_line_in_the_log() {
    let server = Launch::serve(&example()).flag("--log-level", "info,fingerpost=trace").start();
    let udp = Udp::connect(server.address());
    let mut tcp = Tcp::connect(server.address());
    let mut ask = || {
        for (message, ..) in queries() {
            let bytes = message.to_vec().unwrap();
            udp.exchange(&bytes);
            tcp.send(&[&u16::try_from(bytes.len()).unwrap().to_be_bytes()[..], &bytes].concat()).unwrap();
            tcp.receive().unwrap();
        }
    };
    ask();
    let before = server.log();
    (0..50).for_each(|_| ask());
    // What was to be logged has been: a later event is in the log.
    server.signal(rustix::process::Signal::HUP);
    let reload = "reload: the configuration is unchanged";
    eventually(reload, || server.logged(reload) == 1);
    assert_eq!(server.log()[before.len()..].iter().filter(|line| !line.contains(reload)).count(), 0);
}

//----------- Addresses --------------------------------------------------------

#[test]
fn a_wildcard_bind_answers_from_the_address_that_was_asked() {
    let server = Launch::serve(&example()).dns("0.0.0.0:0").start();
    // Connected sockets take nothing from any other address.
    for host in ["127.0.0.1", "127.0.0.2", "127.1.2.3"] {
        let address = SocketAddr::new(host.parse().unwrap(), server.address().port());
        let query = query("api.production.local.", RecordType::A);
        assert_eq!(Udp::connect(address).ask(&query).answers.len(), 3);
        assert_eq!(Tcp::connect(address).ask(&query).answers.len(), 3);
    }
}

#[test]
fn ipv6_is_answered_beside_ipv4_on_one_port() {
    if std::net::UdpSocket::bind("[::1]:0").is_err() {
        return skip("there is no IPv6 here");
    }
    // A port that is free now; whoever takes it in between makes this test try another.
    let server = (0..10).find_map(|_| {
        let port = Launch::serve(&example()).dns("[::]:0").start().address().port();
        let both = Launch::serve(&example()).dns(&format!("[::]:{port}")).dns(&format!("0.0.0.0:{port}"));
        std::panic::catch_unwind(|| both.start()).ok()
    });
    let server = server.expect("no port is free for both");
    for host in ["::1", "127.0.0.1", "127.0.0.2"] {
        let address = SocketAddr::new(host.parse().unwrap(), server.address().port());
        let query = query("web.production.local.", RecordType::AAAA);
        assert_eq!(Udp::connect(address).ask(&query).answers.len(), 1, "{host}");
        assert_eq!(Tcp::connect(address).ask(&query).answers.len(), 1, "{host}");
    }
}
