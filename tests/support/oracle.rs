//! What holds of every response, whatever the table: checked with hickory-proto's eyes.
//!
//! The scripts, the properties and the fuzz target all look through this; they add what the one query should get.

use fingerpost::dns::{Outcome, Reply, Transport};
use fingerpost::wire::{Fault, HEADER_LENGTH, NameKey, Query};
use hickory_proto::op::Message;
use hickory_proto::rr::{Name, RData, Record, RecordType};
use hickory_proto::serialize::binary::{BinDecodable, BinDecoder};

/// Numbers of types.
const CNAME: u16 = 5;
const DNAME: u16 = 39;
const ANY: u16 = 255;

/// Checks `response` to `query` and returns it parsed; `None` for silence.
///
/// `payload` is our own limit of UDP responses.
pub(crate) fn check(
    query: &[u8],
    transport: Transport,
    payload: u16,
    reply: &Reply,
    response: &[u8],
) -> Option<Message> {
    assert_eq!(reply.length, response.len());
    // RFC 1035 §4.1.1; a response to a response could go on for ever.
    if query.len() < HEADER_LENGTH || query[2] & 0x80 != 0 {
        assert_eq!(reply.length, 0, "silence for a runt or a response");
        assert!(matches!(reply.outcome, Outcome::Runt | Outcome::NotAQuery));
        return None;
    }
    let parsed = match Query::parse(query, &mut NameKey::new()) {
        // Nobody checks the signature here.
        Err(Fault::Signed(query)) => Ok(query),
        parsed => parsed,
    };
    check_header(query, reply, response);
    check_length(query, transport, payload, reply, parsed.ok());

    let mut decoder = BinDecoder::new(response);
    let message = Message::read(&mut decoder)
        .unwrap_or_else(|error| panic!("hickory-proto cannot read {response:02x?}: {error}"));
    assert!(decoder.is_empty(), "octets behind the last record: {response:02x?}");
    match parsed {
        Ok(parsed) => {
            // RFC 5452 §9.1; clients that mix cases ("0x20") compare octets: the question comes back octet for octet.
            assert_eq!(response[4..6], [0, 1]);
            let question = HEADER_LENGTH..parsed.question_end;
            assert_eq!(response[question.clone()], query[question]);
            check_edns(&parsed, payload, reply, &message);
            check_sections(&parsed, reply, &message);
        }
        Err(_) => {
            assert!(matches!(reply.outcome, Outcome::FormErr | Outcome::NotImp));
            assert!(message.answers.is_empty() && message.authorities.is_empty() && message.additionals.is_empty());
            assert!(message.queries.len() <= 1 && response[HEADER_LENGTH..] == query[HEADER_LENGTH..response.len()]);
        }
    }
    Some(message)
}

/// RFC 1035 §4.1.1, RFC 4035 §3.1.6 and §3.2.2 (AD, CD).
fn check_header(query: &[u8], reply: &Reply, response: &[u8]) {
    assert_eq!(response[..2], query[..2], "the id");
    let authoritative =
        matches!(reply.outcome, Outcome::Answer | Outcome::NoData | Outcome::NxDomain | Outcome::YxDomain);
    let high = 0x80 | query[2] & 0x79 | u8::from(authoritative) << 2 | u8::from(reply.truncated) << 1;
    assert_eq!(response[2], high, "QR, opcode, AA, TC, RD");
    assert_eq!(response[3], query[3] & 0x10 | reply.outcome.rcode(), "RA, Z, AD, CD, RCODE");
}

fn check_length(query: &[u8], transport: Transport, payload: u16, reply: &Reply, parsed: Option<Query>) {
    let limit = match (transport, parsed) {
        // What cannot be read is never amplified.
        (_, None) => query.len(),
        (Transport::Tcp, _) => 65_535,
        (Transport::Udp, Some(query)) => match query.edns {
            None => 512,
            Some(edns) => usize::from(edns.payload.max(512).min(payload)),
        },
    };
    assert!(reply.length <= limit, "{} octets of at most {limit}", reply.length);
}

/// RFC 6891 §6.1.1: an OPT record in the response if and only if the query had one.
fn check_edns(query: &Query, payload: u16, reply: &Reply, message: &Message) {
    let Some(asked) = query.edns else {
        assert!(message.edns.is_none(), "an OPT record nobody asked for");
        return;
    };
    let edns = message.edns.as_ref().expect("an OPT record");
    assert_eq!((edns.version(), edns.max_payload()), (0, payload));
    assert_eq!((edns.flags().dnssec_ok, edns.flags().z), (asked.dnssec_ok, 0));
    assert_eq!(edns.rcode_high(), u8::from(reply.outcome == Outcome::BadVers));
}

fn check_sections(query: &Query, reply: &Reply, message: &Message) {
    let name = check_chain(query, message);
    let (answers, authorities) = (&message.answers, &message.authorities);
    let is_soa = |record: &Record| matches!(record.data, RData::SOA(_)) && record.name.zone_of(&name);
    let is_ns = |record: &Record| matches!(record.data, RData::NS(_)) && record.name.zone_of(&name);
    let is_alias = |record: &Record| matches!(u16::from(record.record_type()), CNAME | DNAME);
    match reply.outcome {
        Outcome::Answer => {
            assert!(!answers.is_empty() || reply.truncated, "a positive answer without records");
            // After a CNAME the answer may end in NODATA or at a zone cut.
            assert!(authorities.is_empty() || answers.iter().all(is_alias));
            assert!(authorities.iter().all(is_ns) || authorities.len() == 1 && is_soa(&authorities[0]));
        }
        Outcome::NoData | Outcome::NxDomain => {
            assert!(answers.iter().all(is_alias));
            // RFC 2308 §3: the SOA is required, so that its absence is a truncation (RFC 2181 §9).
            assert_eq!(authorities.len(), usize::from(!reply.truncated), "the SOA");
            assert!(authorities.iter().all(is_soa));
        }
        Outcome::Referral => {
            assert!(answers.is_empty() && (!authorities.is_empty() || reply.truncated));
            assert!(authorities.iter().all(is_ns));
        }
        Outcome::YxDomain => assert!(authorities.is_empty() && answers.iter().all(is_alias)),
        _ => assert!(answers.is_empty() && authorities.is_empty() && !reply.truncated),
    }
    for record in &message.additionals {
        let is_target = |data: &RData| match data {
            RData::SRV(srv) => srv.target == record.name,
            RData::NS(ns) => ns.0 == record.name,
            RData::MX(mx) => mx.exchange == record.name,
            RData::SVCB(_) | RData::HTTPS(_) => true,
            _ => false,
        };
        assert!(matches!(record.record_type(), RecordType::A | RecordType::AAAA));
        let names = answers.iter().chain(authorities);
        assert!(names.into_iter().any(|answer| is_target(&answer.data)), "an address of nobody's: {record}");
    }
}

/// RFC 1034 §4.3.2: the answer section leads from the question's name over CNAMEs (RFC 6672: and DNAMEs) to records of
/// the type asked for. Returns the name at which it ends.
fn check_chain(query: &Query, message: &Message) -> Name {
    let mut name = message.queries[0].name.clone();
    for (index, record) in message.answers.iter().enumerate() {
        let rtype = u16::from(record.record_type());
        if rtype == DNAME && record.name != name {
            assert!(record.name.zone_of(&name));
            continue;
        }
        assert!(record.name == name, "{} is not {name}", record.name);
        assert!(index > 0 || record.name.eq_case(&name), "the first owner is the question's name");
        match &record.data {
            RData::CNAME(target) if query.qtype != CNAME => name = target.0.clone(),
            _ => assert!(rtype == query.qtype || query.qtype == ANY, "type {rtype}"),
        }
        // RFC 2181 §5.2: one TTL an RRset.
        let before = index.checked_sub(1).map(|before| &message.answers[before]);
        let same = before.filter(|before| before.record_type() == record.record_type() && before.name == record.name);
        assert!(same.is_none_or(|before| before.ttl == record.ttl));
    }
    name
}
