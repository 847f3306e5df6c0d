//! Any octets as a query: our parser and hickory-proto agree on what is valid and what it says.
//!
//! The exceptions, each by design:
//!
//! - Responses and other opcodes are set aside by their header; what follows is not read.
//! - A query has one question (RFC 9619); hickory-proto reads any number.
//! - The question's name is not compressed: nothing stands before it but the header, which hickory-proto lets it
//!   point into.
//! - The owner of OPT is the root (RFC 6891 §6.1.2), and its options end where it ends; hickory-proto looks at neither
//!   owner nor, where they do not end there, at the options.
//! - We skip records other than OPT by their lengths; hickory-proto also reads their names and their RDATA, rejects
//!   signatures that are not the last record, and knows types that may stand in the additional section only.
//! - A payload below 512 means 512 (RFC 6891 §6.2.3); hickory-proto reads it so, we keep it as sent.
//! - ZONEVERSION in a query is empty and there once (RFC 9660 §3.2.1); hickory-proto does not know it.
//! - We skip options other than those we answer; hickory-proto reads the client subnet, too.

#![no_main]

use fingerpost::wire::{Fault, NameKey, Options, Query};
use hickory_proto::op::Message;
use libfuzzer_sys::fuzz_target;

/// Codes of options.
const NSID: u16 = 3;
const CLIENT_SUBNET: u16 = 8;
const KEEPALIVE: u16 = 11;
const ZONE_VERSION: u16 = 19;

fuzz_target!(|octets: &[u8]| {
    let mut key = NameKey::new();
    let ours = match Query::parse(octets, &mut key) {
        // A query like any other to those who check no signatures.
        Err(Fault::Signed(query)) => Ok(query),
        other => other,
    };
    let theirs = Message::from_vec(octets);
    match (ours, theirs) {
        (Ok(ours), Ok(theirs)) => compare(&ours, &key, &theirs),
        (Ok(ours), Err(error)) => {
            let other = Other::find(octets, ours.question_end).expect("a parsed message can be walked");
            assert!(other.records || other.client_subnet, "hickory-proto: {error}");
        }
        (Err(Fault::Malformed { .. }), Ok(theirs)) => {
            let excused = theirs.queries.len() != 1 || has_compressed_question(octets) || {
                let question_end = 12 + theirs.queries[0].name().iter().map(|label| label.len() + 1).sum::<usize>() + 5;
                let other = Other::find(octets, question_end);
                other.is_some_and(|other| other.odd_opt)
            };
            assert!(excused, "hickory-proto reads {theirs}");
        }
        (Err(fault), _) => match fault {
            Fault::Runt => assert!(octets.len() < 12),
            Fault::Response => assert!(octets[2] & 0x80 != 0),
            Fault::Opcode { question_end } => {
                assert!(octets[2] & 0x78 != 0 && question_end <= octets.len());
            }
            Fault::Malformed { question_end } => assert!(question_end <= octets.len()),
            Fault::Signed(_) => unreachable!("taken for a query above"),
        },
    }
});

/// Both have read the same.
fn compare(ours: &Query, key: &NameKey, theirs: &Message) {
    assert_eq!(theirs.queries.len(), 1);
    let question = &theirs.queries[0];
    let labels = question.name().iter().flat_map(|label| [&[label.len() as u8], label].concat());
    let name: Vec<u8> = labels.chain([0]).map(|octet| octet.to_ascii_lowercase()).collect();
    assert_eq!(key.as_wire(), name);
    assert_eq!(ours.question_end, 12 + name.len() + 4);
    assert_eq!(ours.qtype, u16::from(question.query_type()));
    assert_eq!(ours.qclass, u16::from(question.query_class()));
    assert_eq!(ours.edns.is_some(), theirs.edns.is_some());
    if let (Some(ours), Some(theirs)) = (ours.edns, &theirs.edns) {
        let has = |code: u16| theirs.options().as_ref().iter().any(|(key, _)| u16::from(*key) == code);
        assert_eq!((ours.payload.max(512), ours.version), (theirs.max_payload(), theirs.version()));
        assert_eq!(ours.dnssec_ok, theirs.flags().dnssec_ok);
        let read = [Options::NSID, Options::KEEPALIVE, Options::ZONE_VERSION].map(|option| ours.options.has(option));
        assert_eq!(read, [NSID, KEEPALIVE, ZONE_VERSION].map(has));
    }
}

/// Whether the question's name has a pointer.
fn has_compressed_question(octets: &[u8]) -> bool {
    let mut at = 12;
    while let Some(length) = octets.get(at) {
        match length {
            0 => return false,
            1..=63 => at += usize::from(*length) + 1,
            _ => return true,
        }
    }
    false
}

/// What a message has that the two look at with different eyes.
#[derive(Default)]
struct Other {
    /// Records other than OPT in the additional section.
    records: bool,
    /// An OPT record with an owner, with options that do not end where it ends, or with a ZONEVERSION that is not empty
    /// or not the first.
    odd_opt: bool,
    /// A client subnet option.
    client_subnet: bool,
}

impl Other {
    /// Walks the records behind the question; `None` where they end too soon.
    fn find(octets: &[u8], question_end: usize) -> Option<Self> {
        let mut other = Self::default();
        let count = |at: usize| u32::from(u16::from_be_bytes([octets[at], octets[at + 1]]));
        let before = count(6) + count(8);
        let mut rest = octets.get(question_end..)?;
        for number in 0..before + count(10) {
            let owner = name_length(rest)?;
            let (fixed, data) = rest.get(owner..)?.split_first_chunk::<10>()?;
            let (data, after) = data.split_at_checked(usize::from(u16::from_be_bytes([fixed[8], fixed[9]])))?;
            if number < before || fixed[..2] != [0, 41] {
                other.records = true;
            } else {
                other.odd_opt |= rest[0] != 0;
                other.read_options(data);
            }
            rest = after;
        }
        Some(other)
    }

    fn read_options(&mut self, mut data: &[u8]) {
        let mut has_version = false;
        while !data.is_empty() {
            let Some((fixed, rest)) = data.split_first_chunk::<4>() else { break };
            let Some(after) = rest.get(usize::from(u16::from_be_bytes([fixed[2], fixed[3]]))..) else { break };
            let code = u16::from_be_bytes([fixed[0], fixed[1]]);
            self.client_subnet |= code == CLIENT_SUBNET;
            self.odd_opt |= code == ZONE_VERSION && (has_version || fixed[2..] != [0, 0]);
            has_version |= code == ZONE_VERSION;
            data = after;
        }
        self.odd_opt |= !data.is_empty();
    }
}

/// Octets of a name that a pointer may end.
fn name_length(octets: &[u8]) -> Option<usize> {
    let mut at = 0;
    loop {
        match octets.get(at)? {
            0 => return Some(at + 1),
            length @ 1..=63 => at += usize::from(*length) + 1,
            0xc0.. => return Some(at + 2),
            _ => return None,
        }
    }
}
