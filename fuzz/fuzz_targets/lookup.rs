//! Any bytes as two small zones and a question: the answer is that of a slow reference implementation.

#![no_main]

mod reference;

use std::sync::Arc;

use fingerpost::dns::{self, Ctx, MAX_UDP_PAYLOAD, Settings, Transport};
use fingerpost::table::{Editor, Snapshot};
use fingerpost::wire::Name;
use fingerpost::zone::{self, Place, Records};
use libfuzzer_sys::fuzz_target;
use reference::{Expected, Labels, Record, Zone, rtype, to_wire};

/// Records of the two zones together.
const RECORDS_MOST: usize = 32;
/// Labels that names are made of: few, so that names meet, and one so long that names become too long.
const LABELS: [&[u8]; 6] = [b"a", b"b", b"c", b"*", b"*", &[b'l'; 60]];
/// Types of records and of questions.
const TYPES: [u16; 10] = [1, rtype::NS, rtype::CNAME, rtype::CNAME, rtype::DNAME, 15, 16, 33, rtype::DS, 65400];

/// The bytes, one after the other; zeros behind their end.
struct Input<'i>(&'i [u8]);

impl Input<'_> {
    fn next(&mut self) -> usize {
        let (first, rest) = self.0.split_first().unwrap_or((&0, &[]));
        self.0 = rest;
        usize::from(*first)
    }

    /// A name in one of the zones, or rarely in neither.
    fn name(&mut self) -> Labels {
        let byte = self.next();
        let apex: &[u8] = [&b"z"[..], b"y", b"z", b"x"][byte & 3];
        let mut name = vec![apex.to_vec()];
        for _ in 0..(byte >> 2) % 6 {
            let label = LABELS[self.next() % LABELS.len()];
            name.insert(0, label.to_vec());
            if to_wire(&name).len() > 255 {
                name.remove(0);
            }
        }
        name
    }

    fn rtype(&mut self) -> u16 {
        TYPES[self.next() % TYPES.len()]
    }
}

fuzz_target!(|bytes: &[u8]| {
    let mut input = Input(bytes);
    let mut zones = [&b"z"[..], b"y"].map(|apex| {
        let apex = vec![apex.to_vec()];
        let soa = [&to_wire(&apex)[..], &to_wire(&apex), &[0; 20]].concat();
        let soa = Record { owner: apex.clone(), rtype: rtype::SOA, rdata: soa, target: Labels::new() };
        Zone { apex, records: vec![soa] }
    });
    let question = (input.name(), input.rtype());
    let seed = input.next() as u64;
    for _ in 0..RECORDS_MOST {
        if input.0.is_empty() {
            break;
        }
        let (owner, rtype, target) = (input.name(), input.rtype(), input.name());
        if let Some(zone) = zones.iter_mut().find(|zone| owner.ends_with(&zone.apex))
            && is_lawful(zone, &owner, rtype)
        {
            let rdata = match rtype {
                rtype::NS | rtype::CNAME | rtype::DNAME => to_wire(&target),
                15 => [&[0, 1], &to_wire(&target)[..]].concat(),
                33 => [&[0, 1, 0, 2, 0, 3], &to_wire(&target)[..]].concat(),
                // All data is compared in lower case.
                _ => vec![1, 2, 3, (input.next() as u8).to_ascii_lowercase()],
            };
            zone.records.push(Record { owner, rtype, rdata, target });
        }
    }
    let snapshot = publish(&zones);
    let expected = reference::answer(&zones, &question.0, question.1);
    let (whole, _) = ask(&snapshot, &question, seed, Transport::Tcp);
    assert_eq!(whole, expected, "{question:?}");
    let (datagram, truncated) = ask(&snapshot, &question, seed, Transport::Udp);
    if truncated {
        assert!(datagram.answer.iter().all(|record| expected.answer.contains(record)));
    } else {
        // The SOA is left out where it has no room.
        let authority = datagram.authority.clone().or(expected.authority.clone());
        assert_eq!(Expected { authority, ..datagram }, expected, "{question:?}");
    }
});

/// Whether the zone may have the record beside those that it has, and the RFCs say what it then means.
fn is_lawful(zone: &Zone, owner: &Labels, rtype: u16) -> bool {
    let is_wildcard = owner.first().is_some_and(|label| label == b"*");
    let mut there = zone.records.iter().filter(|record| record.owner == *owner).map(|record| record.rtype);
    match rtype {
        // RFC 1034 §3.6.2.
        rtype::CNAME => there.next().is_none(),
        // RFC 6672 §2.3, §2.4 and §3.3.
        rtype::DNAME => {
            !is_wildcard
                && there.all(|other| {
                    !matches!(other, rtype::CNAME | rtype::DNAME) && (other != rtype::NS || *owner == zone.apex)
                })
        }
        // RFC 4592 §4.2, and RFC 6672 §2.3.
        rtype::NS => {
            let is_apex = *owner == zone.apex;
            !is_wildcard && there.all(|other| other != rtype::CNAME && (other != rtype::DNAME || is_apex))
        }
        _ => there.all(|other| other != rtype::CNAME),
    }
}

/// The table of the zones.
fn publish(zones: &[Zone]) -> Snapshot {
    let base = Snapshot::new();
    let mut editor = Editor::new(&base);
    for zone in zones {
        let mut records = Records::new();
        for record in &zone.records {
            let owner = to_wire(&record.owner);
            let place = Place { file: 0, line: 1 + records.len() as u32 };
            records.push(zone::Record { owner: &owner, rtype: record.rtype, ttl: 60, rdata: &record.rdata, place });
        }
        let apex = Name::parse(str::from_utf8(&zone.apex[0]).expect("ASCII")).expect("a name");
        let zone = zone::Zone::new(apex, records).unwrap_or_else(|faults| panic!("{faults:?}"));
        editor.put_zone(Arc::new(zone));
    }
    editor.finish(1, 0)
}

/// Asks, and tells whether TC is set.
fn ask(snapshot: &Snapshot, (name, qtype): &(Labels, u16), seed: u64, transport: Transport) -> (Expected, bool) {
    let mut buffer = vec![0; if transport == Transport::Tcp { 65_535 } else { MAX_UDP_PAYLOAD }];
    let question = [&to_wire(name)[..], &qtype.to_be_bytes(), &[0, 1]].concat();
    let query = [&[0, 7, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0][..], &question].concat();
    buffer[..query.len()].copy_from_slice(&query);
    // The case of the question's letters makes no difference.
    for (number, octet) in buffer[12..12 + question.len() - 4].iter_mut().enumerate() {
        if octet.is_ascii_lowercase() && seed >> (number % 8) & 1 == 1 {
            octet.make_ascii_uppercase();
        }
    }
    let mut ctx = Ctx::new(Arc::new(Settings::default()), seed);
    let reply = dns::answer(snapshot, &mut ctx, transport, &mut buffer, query.len());
    read(&buffer[..reply.length], query.len())
}

/// Reads a response whose question ends at `start`.
fn read(message: &[u8], start: usize) -> (Expected, bool) {
    let count = |at: usize| u16::from_be_bytes([message[at], message[at + 1]]);
    let mut expected = Expected { rcode: message[3] & 0xf, authoritative: message[2] & 4 != 0, ..Expected::default() };
    let mut at = start;
    for _ in 0..count(6) {
        let (owner, rtype, rdata) = record(message, &mut at);
        let known = (owner, rtype, rdata);
        assert!(!expected.answer.contains(&known), "twice: {known:?}");
        expected.answer.push(known);
    }
    for _ in 0..count(8) {
        let (owner, rtype, _) = record(message, &mut at);
        let previous = expected.authority.replace((owner, rtype));
        assert!(previous.is_none() || previous == expected.authority);
    }
    for _ in 0..count(10) {
        record(message, &mut at);
    }
    assert_eq!(at, message.len());
    expected.answer.sort();
    (expected, message[2] & 2 != 0)
}

/// Owner, type and data of the record at `at`; letters in lower case.
fn record(message: &[u8], at: &mut usize) -> (Labels, u16, Vec<u8>) {
    let owner = name(message, at);
    let fixed = &message[*at..*at + 10];
    let (rtype, length) = (u16::from_be_bytes([fixed[0], fixed[1]]), u16::from_be_bytes([fixed[8], fixed[9]]));
    let rdata = &message[*at + 10..][..usize::from(length)];
    *at += 10 + usize::from(length);
    (owner, rtype, rdata.to_ascii_lowercase())
}

/// The name at `at`, in lower case; pointers lead backwards.
fn name(message: &[u8], at: &mut usize) -> Labels {
    let mut labels = Labels::new();
    let (mut here, mut end) = (*at, None);
    loop {
        let length = usize::from(message[here]);
        if length >= 0xc0 {
            end = end.or(Some(here + 2));
            let target = usize::from(u16::from_be_bytes([message[here], message[here + 1]]) & 0x3fff);
            assert!(target < here);
            here = target;
        } else {
            here += 1 + length;
            if length == 0 {
                *at = end.unwrap_or(here);
                return labels;
            }
            labels.push(message[here - length..here].to_ascii_lowercase());
        }
    }
}
