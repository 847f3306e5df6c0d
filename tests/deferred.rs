//! What `dns::answer` leaves to the cold side, and in which state: the query as it came.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod support;

use std::sync::Arc;

use fingerpost::dns::{self, Ctx, Defer, Outcome, Settings, Transport};
use fingerpost::table::{Networks, Publisher, Seen, Snapshot, Views};
use fingerpost::wire::{NameKey, Query as Parsed};
use support::Query;

const TABLE: &str = "
    namespace z.test 15
    service api MULTIVALUE A=10
    instance i-1 ipv4=10.0.0.1
    service out WEIGHTED CNAME=10
    instance i-1 cname=www.example.com
";

const A: u16 = 1;
const AXFR: u16 = 252;
const IXFR: u16 = 251;
const RD: u16 = 0x0100;
const TSIG: &[u8] = b"\x01k\x00\x00\xfa\x00\xff\x00\x00\x00\x00\x00\x02\x00\x00";

const OUTSIDE: Defer = Defer { outside: true, transfers: false };
const TRANSFERS: Defer = Defer { outside: false, transfers: true };

fn ctx(defer: Defer) -> Ctx {
    support::ctx(Settings { defer, ..Settings::default() })
}

fn query(name: &str, qtype: u16) -> Query {
    Query { flags: RD, ..Query::new(name, qtype) }
}

/// The same with a signature behind it.
fn signed(query: &Query) -> Vec<u8> {
    let mut message = query.encode();
    message[11] += 1;
    message.extend_from_slice(TSIG);
    message
}

/// How a query ends, and the buffer behind it.
fn ask(snapshot: &Snapshot, defer: Defer, message: &[u8]) -> (Outcome, Vec<u8>) {
    let mut buffer = vec![0xa5; dns::MAX_UDP_PAYLOAD];
    buffer[..message.len()].copy_from_slice(message);
    let reply = dns::answer(snapshot, &mut ctx(defer), Transport::Udp, &mut buffer, message.len());
    assert_eq!(reply.length == 0, reply.outcome == Outcome::Deferred);
    (reply.outcome, buffer)
}

fn assert_deferred_as_it_came(snapshot: &Snapshot, defer: Defer, message: &[u8]) {
    let (outcome, buffer) = ask(snapshot, defer, message);
    assert_eq!(outcome, Outcome::Deferred);
    assert_eq!(buffer[..message.len()], *message);
    assert!(buffer[message.len()..].iter().all(|octet| *octet == 0xa5), "written behind the query");
}

#[test]
fn names_outside_are_left_as_they_came_where_it_is_asked_for() {
    let snapshot = support::snapshot(TABLE);
    for qtype in [A, 28, 15, 255, 65280] {
        let mut query = query("WWW.example.COM", qtype).edns(1232);
        query.opt.as_mut().unwrap().options.push((10, vec![1; 8]));
        assert_deferred_as_it_came(&snapshot, OUTSIDE, &query.encode());
        assert_eq!(ask(&snapshot, Defer::default(), &query.encode()).0, Outcome::Refused);
        assert_eq!(ask(&snapshot, TRANSFERS, &query.encode()).0, Outcome::Refused);
    }
    // A signature is nothing special to those who transfer no zones.
    assert_deferred_as_it_came(&snapshot, OUTSIDE, &signed(&query("example.com", A)));
    assert_eq!(ask(&snapshot, OUTSIDE, &signed(&query("api.z.test", A))).0, Outcome::Answer);
    for (name, outcome) in [("api.z.test", Outcome::Answer), ("none.z.test", Outcome::NxDomain)] {
        assert_eq!(ask(&snapshot, OUTSIDE, &query(name, A).encode()).0, outcome);
    }
    for qtype in [AXFR, IXFR] {
        assert_eq!(ask(&snapshot, OUTSIDE, &query("z.test", qtype).encode()).0, Outcome::Refused);
    }
    let chaos = Query { qclass: 3, ..query("example.com", A) };
    assert_eq!(ask(&snapshot, OUTSIDE, &chaos.encode()).0, Outcome::Refused);
}

#[test]
fn a_cname_that_leads_outside_is_left_with_all_that_we_read() {
    let snapshot = support::snapshot(TABLE);
    let mut edns = query("out.z.test", A).edns(1400);
    let opt = edns.opt.as_mut().unwrap();
    opt.dnssec_ok = true;
    opt.options = vec![(3, vec![]), (10, vec![7; 8]), (11, vec![])];
    for query in [query("out.z.test", A), edns] {
        let message = query.encode();
        let (outcome, buffer) = ask(&snapshot, OUTSIDE, &message);
        assert_eq!(outcome, Outcome::Deferred);
        let (mut key, mut before) = (NameKey::new(), NameKey::new());
        let parsed = Parsed::parse_in(&buffer, message.len(), &mut key).unwrap();
        assert_eq!(parsed, Parsed::parse(&message, &mut before).unwrap());
        assert_eq!(key.as_wire(), before.as_wire());
        assert_eq!(buffer[..4], message[..4], "id and flags");
        assert_eq!(buffer[12..parsed.question_end], message[12..parsed.question_end]);
    }
    // Who does not desire recursion is refused, or gets what we know, and so does everybody where nothing is deferred.
    let iterative = Query::new("out.z.test", A).encode();
    assert_eq!(ask(&snapshot, OUTSIDE, &iterative).0, Outcome::Answer);
    let iterative = Query::new("www.example.com", A).encode();
    assert_eq!(ask(&snapshot, OUTSIDE, &iterative).0, Outcome::Refused);
    assert_eq!(ask(&snapshot, TRANSFERS, &query("out.z.test", A).encode()).0, Outcome::Answer);
    // The CNAME itself is ours.
    assert_eq!(ask(&snapshot, OUTSIDE, &query("out.z.test", 5).encode()).0, Outcome::Answer);
}

#[test]
fn transfers_and_signed_queries_are_left_as_they_came_where_it_is_asked_for() {
    let snapshot = support::snapshot(TABLE);
    for name in ["z.test", "example.com"] {
        for qtype in [AXFR, IXFR] {
            assert_deferred_as_it_came(&snapshot, TRANSFERS, &query(name, qtype).encode());
        }
        for qtype in [A, AXFR, IXFR, 6] {
            assert_deferred_as_it_came(&snapshot, TRANSFERS, &signed(&query(name, qtype)));
            assert_deferred_as_it_came(&snapshot, TRANSFERS, &signed(&query(name, qtype).edns(1232)));
        }
    }
    let notify = Query { flags: 4 << 11, ..Query::new("z.test", 6) };
    assert_eq!(ask(&snapshot, TRANSFERS, &notify.encode()).0, Outcome::NotImp);
    assert_eq!(ask(&snapshot, TRANSFERS, &signed(&notify)).0, Outcome::NotImp);
}

#[test]
fn what_is_in_either_table_is_not_left() {
    let [private, common] = [TABLE, "namespace common.test 15\nservice a MULTIVALUE A=10\ninstance i ipv4=10.0.0.9"]
        .map(|text| Publisher::new(Arc::unwrap_or_clone(support::snapshot(text))));
    let networks = Networks::new([("10.0.0.0/8".parse().unwrap(), 1)]);
    let views = Views::new(common.handle(), [private.handle()], networks);
    let loaded = views.load(1);
    for (name, outcome) in [
        ("api.z.test", Outcome::Answer),
        ("a.common.test", Outcome::Answer),
        ("b.common.test", Outcome::NxDomain),
        ("out.z.test", Outcome::Deferred),
        ("example.com", Outcome::Deferred),
    ] {
        let message = query(name, A).encode();
        let mut buffer = vec![0; dns::MAX_UDP_PAYLOAD];
        buffer[..message.len()].copy_from_slice(&message);
        let seen: Seen<'_> = loaded.seen();
        let reply = dns::answer_in_views(seen, &mut ctx(OUTSIDE), Transport::Udp, &mut buffer, message.len());
        assert_eq!(reply.outcome, outcome, "{name}");
        if outcome == Outcome::Deferred {
            assert_eq!(buffer[..message.len()], message, "{name}");
        }
    }
}

#[test]
fn what_is_shed_gets_servfail_with_its_question() {
    let message = query("www.example.com", A).edns(1232).encode();
    let mut buffer = vec![0; dns::MAX_UDP_PAYLOAD];
    buffer[..message.len()].copy_from_slice(&message);
    let reply = dns::fail(&mut ctx(OUTSIDE), Transport::Udp, &mut buffer, message.len());
    assert_eq!(reply.outcome, Outcome::ServFail);
    buffer.truncate(reply.length);
    support::oracle::check(&message, Transport::Udp, 1232, &reply, &buffer).unwrap();
    assert_eq!(buffer[3] & 0xf, 2);
}
