//! Messages of hickory-proto, read by us and written again, and read by hickory-proto.

use super::*;
use crate::wire::NameKey;
use hickory_proto::op::{Edns, Message as Theirs, MessageType, OpCode, Query as Question, ResponseCode};
use hickory_proto::rr::rdata::{A, CNAME, MX, NS, SOA, SRV};
use hickory_proto::rr::{Name, RData, Record as TheirRecord, RecordType};

fn name(text: &str) -> Name {
    Name::from_ascii(text).unwrap()
}

fn query(text: &str, edns: bool) -> Vec<u8> {
    let mut query = Theirs::new(7, MessageType::Query, OpCode::Query);
    query.metadata.recursion_desired = true;
    query.add_query(Question::query(name(text), RecordType::A));
    if edns {
        let mut edns = Edns::new();
        edns.set_max_payload(1232);
        query.set_edns(edns);
    }
    query.to_vec().unwrap()
}

fn response(answers: Vec<RData>) -> Theirs {
    let mut response = Theirs::new(9, MessageType::Response, OpCode::Query);
    response.add_query(Question::query(name("www.example.com."), RecordType::A));
    for data in answers {
        response.add_answer(TheirRecord::from_rdata(name("www.example.com."), 300, data));
    }
    response
}

fn asked(octets: &[u8], transport: Transport) -> Asked<'_> {
    Asked { octets, query: Query::parse(octets, &mut NameKey::new()).unwrap(), transport }
}

#[test]
fn records_come_out_as_they_came_in() {
    let mut theirs = response(vec![
        RData::CNAME(CNAME(name("a.b.example.com."))),
        RData::MX(MX::new(10, name("mail.example.com."))),
        RData::SRV(SRV::new(1, 2, 3, name("srv.example.com."))),
        RData::A(A::new(10, 0, 0, 1)),
    ]);
    theirs.metadata.recursion_available = true;
    let soa = SOA::new(name("ns.example.com."), name("host.example.com."), 1, 2, 3, 4, 60);
    theirs.add_authority(TheirRecord::from_rdata(name("example.com."), 3600, RData::SOA(soa)));
    theirs.add_authority(TheirRecord::from_rdata(name("example.com."), 3600, RData::NS(NS(name("ns.example.com.")))));
    theirs.add_additional(TheirRecord::from_rdata(name("ns.example.com."), 60, RData::A(A::new(10, 0, 0, 2))));
    theirs.set_edns(Edns::new());
    let message = Message::read(&theirs.to_vec().unwrap()).unwrap();
    assert_eq!((message.id, message.rcode), (9, 0));
    assert_eq!(message.question, (b"\x03www\x07example\x03com\x00".to_vec(), 1, 1));
    for edns in [false, true] {
        let octets = query("WWW.example.com.", edns);
        let written = asked(&octets, Transport::Tcp).respond(&message, Note::default(), 1232);
        let again = Theirs::from_vec(&written).unwrap();
        assert_eq!(again.metadata.id, 7);
        assert!(again.metadata.recursion_available && again.metadata.recursion_desired);
        assert_eq!(again.answers, theirs.answers);
        assert_eq!(again.authorities, theirs.authorities);
        assert_eq!(again.additionals, theirs.additionals);
        assert_eq!(again.edns.is_some(), edns);
        // The question as the client spells it.
        assert_eq!(written[12..29], octets[12..29]);
        // Theirs compresses, too; ours is not longer but by the names that only some receivers expand.
        assert!(written.len() <= theirs.to_vec().unwrap().len() + 16);
    }
}

#[test]
fn what_is_too_long_is_truncated_and_says_so() {
    let many = response((0..100).map(|n| RData::A(A::new(10, 0, 0, n))).collect());
    let message = Message::read(&many.to_vec().unwrap()).unwrap();
    for (edns, transport, fits) in
        [(false, Transport::Udp, false), (true, Transport::Udp, false), (true, Transport::Tcp, true)]
    {
        let octets = query("www.example.com.", edns);
        let written = asked(&octets, transport).respond(&message, Note::default(), 1232);
        let again = Theirs::from_vec(&written).unwrap();
        assert_eq!(again.metadata.truncation, !fits);
        assert_eq!(again.answers.len(), if fits { 100 } else { 0 });
        assert_eq!(again.edns.is_some(), edns);
    }
}

#[test]
fn ttls_age_and_stale_ones_are_short() {
    let message = Message::read(&response(vec![RData::A(A::new(10, 0, 0, 1))]).to_vec().unwrap()).unwrap();
    assert_eq!(message.lifetime(), Some(300));
    let octets = query("www.example.com.", true);
    let ttl = |note: Note| {
        let written = asked(&octets, Transport::Udp).respond(&message, note, 1232);
        Theirs::from_vec(&written).unwrap().answers[0].ttl
    };
    assert_eq!(ttl(Note { age: 100, ..Note::default() }), 200);
    assert_eq!(ttl(Note { age: 1000, ..Note::default() }), 0);
    assert_eq!(ttl(Note { age: 1000, stale_ttl: Some(30), error: Some((3, "")) }), 30);
}

#[test]
fn a_negative_answer_lives_as_its_soa_says() {
    let mut theirs = response(vec![]);
    theirs.metadata.response_code = ResponseCode::NXDomain;
    let without = Message::read(&theirs.to_vec().unwrap()).unwrap();
    assert_eq!(without.lifetime(), None);
    let soa = SOA::new(name("ns.example.com."), name("host.example.com."), 1, 2, 3, 4, 60);
    theirs.add_authority(TheirRecord::from_rdata(name("example.com."), 3600, RData::SOA(soa)));
    assert_eq!(Message::read(&theirs.to_vec().unwrap()).unwrap().lifetime(), Some(60));
    theirs.metadata.response_code = ResponseCode::NoError;
    assert_eq!(Message::read(&theirs.to_vec().unwrap()).unwrap().lifetime(), Some(60), "NODATA");
    theirs.metadata.response_code = ResponseCode::ServFail;
    assert_eq!(Message::read(&theirs.to_vec().unwrap()).unwrap().lifetime(), None);
}

#[test]
fn no_message_is_read_half() {
    let whole = response(vec![RData::CNAME(CNAME(name("a.b.example.com."))), RData::A(A::new(10, 0, 0, 1))]);
    let octets = whole.to_vec().unwrap();
    for end in 0..octets.len() {
        assert!(Message::read(&octets[..end]).is_err(), "{end}");
    }
    let mut query = octets.clone();
    query[2] &= 0x7f;
    assert!(Message::read(&query).is_err(), "a query is no response");
    // Whatever an octet says, the reader ends, and what it read can be written.
    let client = self::query("www.example.com.", true);
    for at in 0..octets.len() {
        for value in [0, 1, 0x3f, 0xc0, 0xff] {
            let mut octets = octets.clone();
            octets[at] = value;
            if let Ok(message) = Message::read(&octets) {
                asked(&client, Transport::Udp).respond(&message, Note::default(), 1232);
            }
        }
    }
}
