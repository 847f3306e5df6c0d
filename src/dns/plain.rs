//! The way of nearly every query: a name that is there, with addresses of the type asked for.
//!
//! It yields what the way of all queries (`super::respond`) would, which takes over wherever anything is unusual; a test
//! compares them. Nothing is written before that is decided, and what is written fits into the least that every client
//! takes, so that there is no limit to look at.
//!
//! A query of a plain shape needs neither a reader that shrinks nor a writer that counts: all that is looked at lies at
//! offsets that the compiler knows to be in [`PLAIN_ROOM`]. docs/performance.md says where the instructions go, and what
//! was tried and not kept.

use super::response::{Outcome, QueryType, Reply, UDP_LEAST};
use super::select::{SMALL, Sampler};
use super::{Ctx, Settings, additional};
use crate::table::{Addresses, Flags, Node, Records, Snapshot};
use crate::wire::types::rtype;
use crate::wire::{OPT_LENGTH, PLAIN_ROOM, PlainQuestion, PlainRecords};

/// Flags under which a node's records are not the answer as they are.
pub(super) const NOT_PLAIN: Flags = Flags(Flags::CUT.0 | Flags::OCCLUDED.0);
/// Addresses that Cloud Map shows at most.
const EIGHT: usize = 8;

/// A question that is plain, and what its name has.
pub(super) type Found<'s> = (PlainQuestion, Option<Node<'s>>);

/// Looks the name up that a query asks for; `None` if the question is not plain, or no answer is.
#[inline(always)]
pub(super) fn look_up<'s>(snapshot: &'s Snapshot, ctx: &mut Ctx, buffer: &[u8]) -> Option<Found<'s>> {
    if ctx.settings.stale.is_set() {
        return None;
    }
    let [short, ..] = &mut ctx.keys;
    let question = PlainQuestion::read(buffer.first_chunk()?, short)?;
    Some((question, snapshot.find_short(short)))
}

/// Answers a query for A records, if all is plain: what nearly everybody asks for.
#[inline(always)]
pub(super) fn answer_v4(found: Found<'_>, ctx: &mut Ctx, buffer: &mut [u8], received: usize) -> Option<Reply> {
    let (question, node) = found;
    let buffer = buffer.first_chunk_mut()?;
    let set = node?.first_v4(NOT_PLAIN)?;
    if !question.is_a(buffer) {
        return None;
    }
    answer_a(set, question.end(), ctx, buffer, received)
}

/// Answers a query for other records, if all is plain.
pub(super) fn answer_others(found: Found<'_>, ctx: &mut Ctx, buffer: &mut [u8], received: usize) -> Option<Reply> {
    let (question, node) = found;
    let buffer = buffer.first_chunk_mut()?;
    let node = node.filter(|node| !node.flags().has(NOT_PLAIN))?;
    match question.qtype(buffer)? {
        rtype::A if let Some(set) = node.v4() => answer_a(set, question.end(), ctx, buffer, received),
        rtype::AAAA if let Some(set) = node.v6() => answer_v6(set, question.end(), ctx, buffer, received),
        qtype => answer_whole(node.records(qtype)?, qtype, question.end(), &ctx.settings, buffer, received),
    }
}

/// Answers with records that are given whole.
#[inline]
fn answer_whole(
    set: Records<'_>,
    qtype: u16,
    question_end: usize,
    settings: &Settings,
    buffer: &mut [u8; PLAIN_ROOM],
    received: usize,
) -> Option<Reply> {
    let others = PlainRecords::read(buffer, question_end, received)?;
    let octets = set.octets();
    let end = question_end + octets.len();
    if set.count() == 0 || end + OPT_LENGTH > usize::from(UDP_LEAST) || additional::has_targets(qtype) {
        return None;
    }
    buffer.get_mut(question_end..end)?.copy_from_slice(octets);
    Some(finish(others, settings, QueryType::from(qtype), end, set.count(), buffer))
}

/// Answers with A records.
#[inline(always)]
fn answer_a(
    set: Addresses<'_, 4>,
    question_end: usize,
    ctx: &mut Ctx,
    buffer: &mut [u8; PLAIN_ROOM],
    received: usize,
) -> Option<Reply> {
    let (low, high) = fixed_fields(rtype::A, set.ttl(), 4);
    let begin = move |place: &mut [u8; V4_RECORD]| *place = bytemuck::must_cast([low, high]);
    answer_from::<4, V4_RECORD>(set, QueryType::A, question_end, ctx, buffer, received, begin)
}

/// Answers with AAAA records.
#[inline]
fn answer_v6(
    set: Addresses<'_, 16>,
    question_end: usize,
    ctx: &mut Ctx,
    buffer: &mut [u8; PLAIN_ROOM],
    received: usize,
) -> Option<Reply> {
    let (low, high) = fixed_fields(rtype::AAAA, set.ttl(), 16);
    let begin = move |place: &mut [u8; V6_RECORD]| {
        if let Some(head) = place.first_chunk_mut::<16>() {
            *head = bytemuck::must_cast([low, high]);
        }
    };
    answer_from::<16, V6_RECORD>(set, QueryType::Aaaa, question_end, ctx, buffer, received, begin)
}

/// Answers with records that `begin` begins, and that end with addresses.
#[inline(always)]
fn answer_from<const N: usize, const RECORD: usize>(
    set: Addresses<'_, N>,
    query_type: QueryType,
    question_end: usize,
    ctx: &mut Ctx,
    buffer: &mut [u8; PLAIN_ROOM],
    received: usize,
    begin: impl Fn(&mut [u8; RECORD]) + Copy,
) -> Option<Reply> {
    let others = PlainRecords::read(buffer, question_end, received)?;
    let (places, _) = buffer.get_mut(question_end..)?.as_chunks_mut();
    let count = put(set, places.first_chunk_mut()?, &mut ctx.sampler, begin)?;
    Some(finish(others, &ctx.settings, query_type, question_end + count * RECORD, count, buffer))
}

/// Writes OPT record and header of a response of `count` records, which ends at `end`.
#[inline(always)]
fn finish(
    others: PlainRecords,
    settings: &Settings,
    query_type: QueryType,
    end: usize,
    count: usize,
    buffer: &mut [u8; PLAIN_ROOM],
) -> Reply {
    let length = put_opt(others, settings.udp_payload, end, buffer);
    // QR and AA set, opcode 0, RD and CD kept; one question.
    let [_, _, high, low, ..] = *buffer;
    let flags = u16::from_be_bytes([high, low]) & 0x0110 | 0x8400;
    let counts = 1 << 48 | (count as u64) << 32 | u64::from(others.has_opt);
    patch(buffer, 2, flags.to_be_bytes());
    patch(buffer, 4, counts.to_be_bytes());
    Reply { length, outcome: Outcome::Answer, query_type, truncated: false }
}

/// Overwrites octets, where they are.
#[inline(always)]
fn patch<const N: usize>(buffer: &mut [u8; PLAIN_ROOM], offset: usize, octets: [u8; N]) {
    if let Some(place) = buffer.get_mut(offset..).and_then(|rest| rest.first_chunk_mut()) {
        *place = octets;
    }
}

/// Puts our OPT record at `end`, if the client sent one, and returns where the response ends.
#[inline(always)]
fn put_opt(others: PlainRecords, payload: u16, end: usize, buffer: &mut [u8; PLAIN_ROOM]) -> usize {
    if !others.has_opt {
        return end;
    }
    let fixed = u64::from(rtype::OPT) << 16 | u64::from(payload.swap_bytes()) << 24 | u64::from(others.dnssec_ok) << 56;
    if let Some(opt) = buffer.get_mut(end..).and_then(|rest| rest.first_chunk_mut::<OPT_LENGTH>()) {
        let (head, tail) = opt.split_at_mut(8);
        head.copy_from_slice(&fixed.to_le_bytes());
        tail.copy_from_slice(&[0; OPT_LENGTH - 8]);
    }
    end + OPT_LENGTH
}

//----------- Addresses --------------------------------------------------------------------------------------

/// Octets of an A record whose owner is a pointer.
const V4_RECORD: usize = 16;
/// Octets of an AAAA record whose owner is a pointer.
const V6_RECORD: usize = 28;

/// Pointer to the question, type, class, TTL and length of the RDATA, as they lie in two words; the upper half of the
/// second is free.
#[inline(always)]
fn fixed_fields(rtype: u16, ttl: u32, length: u16) -> (u64, u64) {
    let [rtype, length] = [rtype, length].map(|number| u64::from(number.swap_bytes()));
    let ttl = u64::from(ttl.swap_bytes());
    (0x0cc0 | rtype << 16 | 0x0100 << 32 | ttl << 48, ttl >> 16 | length << 16)
}

/// Puts records that `begin` begins and drawn addresses end, and returns how many they are.
#[inline(always)]
fn put<const N: usize, const RECORD: usize>(
    set: Addresses<'_, N>,
    places: &mut [[u8; RECORD]; EIGHT],
    sampler: &mut Sampler,
    begin: impl Fn(&mut [u8; RECORD]) + Copy,
) -> Option<usize> {
    if let Some(eight) = set.all_shown::<EIGHT>() {
        // What Cloud Map shows at most: counted to a number that the compiler knows.
        places.iter_mut().for_each(begin);
        let mut arrangement = sampler.arrangement();
        for (own, address) in eight.iter().enumerate() {
            arrange(places, own, arrangement.place(own), *address);
        }
        return Some(EIGHT);
    }
    let addresses = set.all();
    let shown = set.shown();
    if shown == EIGHT && addresses.len() > SMALL {
        put_some(addresses, places, sampler, begin);
    } else if (1..=EIGHT).contains(&shown) && shown == addresses.len() {
        places.iter_mut().take(shown).for_each(begin);
        let mut arrangement = sampler.arrangement();
        for (own, address) in addresses.iter().enumerate() {
            arrange(places, own, arrangement.place(own), *address);
        }
    } else {
        return None;
    }
    Some(shown)
}

/// Puts eight of many addresses.
#[inline(never)]
fn put_some<const N: usize, const RECORD: usize>(
    addresses: &[[u8; N]],
    places: &mut [[u8; RECORD]; EIGHT],
    sampler: &mut Sampler,
    begin: impl Fn(&mut [u8; RECORD]) + Copy,
) {
    for (place, index) in places.iter_mut().zip(sampler.draw_eight(addresses.len())) {
        begin(place);
        if let (Some(tail), Some(address)) = (place.last_chunk_mut(), addresses.get(index)) {
            *tail = *address;
        }
    }
}

/// Puts the record of an address at place `other`, and that of the address that was there at place `own`.
#[inline(always)]
#[expect(clippy::indexing_slicing, reason = "bounded by the remainder")]
fn arrange<const N: usize, const RECORD: usize>(
    places: &mut [[u8; RECORD]; EIGHT],
    own: usize,
    other: usize,
    address: [u8; N],
) {
    let (own, other) = (own % EIGHT, other % EIGHT);
    // Nothing yet where it is the same.
    let moved: [u8; N] = *places[other].last_chunk().unwrap_or(&[0; N]);
    if let Some(place) = places[own].last_chunk_mut() {
        *place = moved;
    }
    if let Some(place) = places[other].last_chunk_mut() {
        *place = address;
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use hickory_proto::op::Message;
    use proptest::prelude::*;

    use super::super::{Transport, answer, answer_any, look_ahead};
    use super::*;
    use crate::dns::MAX_UDP_PAYLOAD;
    use crate::table::{Editor, Layer, NodeDraft, RrSetDraft};
    use crate::wire::Name;

    /// Services with 0 to 20 addresses of each kind, of which at most 8, or all, are shown; and records given whole.
    fn table() -> Snapshot {
        let base = Snapshot::new();
        let mut editor = Editor::new(&base);
        let apex = Name::parse("zone.test").unwrap();
        let soa = [&[0, 0][..], &[0; 20]].concat();
        let soa = RrSetDraft::Records { rtype: rtype::SOA, ttl: 60, rdata: vec![soa] };
        editor.put(&apex, 0, Layer::Static, &NodeDraft { flags: Flags::default(), sets: vec![soa] });
        for count in 0..=20_u8 {
            for shown in [8, u32::MAX] {
                let v4 = (0..count).map(|last| [10, 0, 0, last]).collect();
                let v6 = (0..count).map(|last| [last; 16]).collect();
                let text = vec![vec![1, b'x']; count.into()];
                let sets = vec![
                    RrSetDraft::V4 { ttl: 10, shown, addresses: v4 },
                    RrSetDraft::V6 { ttl: 300, shown, addresses: v6 },
                    RrSetDraft::Records { rtype: rtype::TXT, ttl: 5, rdata: text },
                ];
                let label = if shown == 8 { "some" } else { "all" };
                let name = apex.child(&format!("{label}-{count}")).unwrap();
                let draft = NodeDraft { flags: Flags::default(), sets };
                editor.put(&name, name.as_wire().len() as u8 - 11, Layer::Services, &draft);
            }
        }
        editor.finish(1, 0)
    }

    /// Header, length and records of a response, those in an order of their own; where they are `drawn` out of more,
    /// not which.
    fn summary(octets: &[u8], drawn: bool) -> Option<(Vec<u8>, usize, Vec<String>)> {
        if octets.is_empty() {
            return None;
        }
        let message = Message::from_vec(octets).unwrap();
        let sections = [&message.answers, &message.authorities, &message.additionals];
        let mut records: Vec<String> = sections.into_iter().flatten().map(ToString::to_string).collect();
        records.sort();
        if drawn {
            records.iter_mut().for_each(|record| record.truncate(20));
        }
        Some((octets[..12].to_vec(), octets.len(), records))
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(3000) })]

        /// Whatever is asked, all ways answer the same.
        #[test]
        fn all_ways_answer_alike(
            label in prop_oneof![
                8 => (0..21_u8, any::<bool>()).prop_map(|(count, some)| {
                    format!("{}-{count}", if some { "some" } else { "ALL" }).into_bytes()
                }),
                1 => proptest::collection::vec(any::<u8>(), 1..63),
            ],
            more in prop_oneof![6 => Just(0), 1 => 1..60_usize],
            qtype in prop_oneof![
                4 => Just(rtype::A), 3 => Just(rtype::AAAA), 2 => Just(rtype::TXT), 1 => any::<u16>(), 1 => Just(rtype::ANY)
            ],
            qclass in prop_oneof![9 => Just(1_u16), 1 => any::<u16>()],
            flags in prop_oneof![5 => Just([1_u8, 0]), 2 => any::<[u8; 2]>()],
            opt in prop_oneof![
                2 => Just(None),
                4 => (any::<u16>(), any::<bool>()).prop_map(|(payload, ok)| {
                    let [high, low] = payload.to_be_bytes();
                    Some(vec![0, 0, 41, high, low, 0, 0, u8::from(ok) << 7, 0, 0, 0])
                }),
                1 => proptest::collection::vec(any::<u8>(), 0..24).prop_map(Some),
                1 => Just(Some(b"\x00\x00\x29\x04\xd0\x00\x01\x00\x00\x00\x00".to_vec())),
                1 => Just(Some(b"\x00\x00\x29\x04\xd0\x00\x00\x00\x00\x00\x04\x00\x03\x00\x00".to_vec())),
            ],
            cut in prop_oneof![9 => Just(0), 1 => 1..30_usize],
        ) {
            let mut query = vec![0xab, 0xcd, flags[0], flags[1], 0, 1, 0, 0, 0, 0, 0, u8::from(opt.is_some())];
            query.push(label.len() as u8);
            query.extend_from_slice(&label);
            if more > 0 {
                query.push(more as u8);
                query.extend_from_slice(&vec![b'm'; more]);
            }
            query.extend_from_slice(b"\x04Zone\x04test\x00");
            query.extend_from_slice(&qtype.to_be_bytes());
            query.extend_from_slice(&qclass.to_be_bytes());
            query.extend_from_slice(&opt.unwrap_or_default());
            let text = String::from_utf8_lossy(&label).to_lowercase();
            let drawn = text.strip_prefix("some-").and_then(|count| count.parse().ok()).is_some_and(|count: u8| count > 8);
            let received = query.len().saturating_sub(cut);
            let snapshot = table();
            let respond = |way: u8| {
                let mut ctx = Ctx::new(Arc::new(Settings::default()), 7);
                let mut buffer = [0; MAX_UDP_PAYLOAD];
                buffer[..query.len()].copy_from_slice(&query);
                let reply = match way {
                    0 => answer_any(&snapshot, &mut ctx, Transport::Udp, &mut buffer, received),
                    1 => answer(&snapshot, &mut ctx, Transport::Udp, &mut buffer, received),
                    _ => {
                        // Among others.
                        let other = b"\x00\x01\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x01x\x00\x00\x01\x00\x01";
                        let other = [&other[..], &[0; 512]].concat();
                        let queries = [&other, &buffer[..], &other].into_iter();
                        let ahead = look_ahead(&snapshot, &mut ctx, queries);
                        let reply = ahead.answer_v4(1, &mut ctx, &mut buffer, received);
                        reply.unwrap_or_else(|| ahead.answer(1, &mut ctx, &mut buffer, received))
                    }
                };
                (reply, summary(&buffer[..reply.length], drawn))
            };
            prop_assert_eq!(respond(1), respond(0));
            prop_assert_eq!(respond(2), respond(0));
        }
    }

    #[test]
    fn plain_queries_are_answered_here() {
        let snapshot = table();
        let mut ctx = Ctx::new(Arc::new(Settings::default()), 7);
        for (label, qtype, plain) in [
            ("some-8", 1, true),
            ("some-20", 1, true),
            ("some-12", 1, false),
            ("some-1", 28, true),
            ("some-3", 16, true),
            ("some-0", 1, false),
        ] {
            let name = Name::parse(&format!("{label}.zone.test")).unwrap();
            let mut buffer = [0; MAX_UDP_PAYLOAD];
            let query =
                [&b"\x00\x01\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00"[..], name.as_wire(), &[0, qtype, 0, 1]].concat();
            buffer[..query.len()].copy_from_slice(&query);
            let found = look_up(&snapshot, &mut ctx, &buffer).unwrap();
            let reply = answer_v4(found, &mut ctx, &mut buffer, query.len());
            let reply = reply.or_else(|| answer_others(found, &mut ctx, &mut buffer, query.len()));
            assert_eq!(reply.is_some(), plain, "{label} {qtype}");
        }
    }

    #[test]
    fn no_answer_is_plain_that_is_stale() {
        let snapshot = table();
        let settings = Settings::default();
        let mut ctx = Ctx::new(Arc::new(settings.clone()), 7);
        let mut buffer = [0; MAX_UDP_PAYLOAD];
        let query = b"\x00\x01\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x06some-8\x04zone\x04test\x00\x00\x01\x00\x01";
        buffer[..query.len()].copy_from_slice(query);
        let mut is_plain = |is_stale| {
            settings.stale.set(is_stale);
            let ahead = look_ahead(&snapshot, &mut ctx, std::iter::once(&buffer[..]));
            let among_others = ahead.answer_v4(0, &mut ctx, &mut buffer.clone(), query.len()).is_some();
            (look_up(&snapshot, &mut ctx, &buffer).is_some(), among_others)
        };
        assert_eq!(is_plain(false), (true, true));
        assert_eq!(is_plain(true), (false, false));
    }
}
