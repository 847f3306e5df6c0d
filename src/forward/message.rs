//! Messages of upstreams, and our responses made of them.
//!
//! A message is kept as records without compression: so they can be joined with ours behind a CNAME, given with other
//! TTLs, and written anew for each client, with its own spelling of the question. EDNS goes from hop to hop: the
//! upstream's OPT record ends here, and the client gets one of ours.

use super::name::{self, Compressor};
use crate::dns::Transport;
use crate::wire::types::{class, rcode, rtype};
use crate::wire::{HEADER_LENGTH, Query, Reader, Short};

/// Octets that one message may take without its compression. Sound ones of 64 KiB stay far below.
const MOST: usize = 1 << 20;

/// Octets of an OPT record without options.
const OPT_LENGTH: usize = 11;

/// EDNS option of an extended error (RFC 8914).
const EXTENDED_ERROR: u16 = 15;

//----------- Records -------------------------------------------------------

/// One record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Record<'r> {
    /// Uncompressed.
    pub(super) owner: &'r [u8],
    pub(super) rtype: u16,
    pub(super) rclass: u16,
    pub(super) ttl: u32,
    /// Names in it are uncompressed.
    pub(super) rdata: &'r [u8],
}

/// Records of one section, one behind another.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Section {
    octets: Vec<u8>,
    pub(super) count: u16,
}

impl Section {
    /// Appends a record.
    pub(super) fn push(&mut self, record: Record<'_>) {
        self.octets.extend_from_slice(record.owner);
        self.octets.extend_from_slice(&record.rtype.to_be_bytes());
        self.octets.extend_from_slice(&record.rclass.to_be_bytes());
        self.octets.extend_from_slice(&record.ttl.to_be_bytes());
        self.octets.extend_from_slice(&(record.rdata.len() as u16).to_be_bytes());
        self.octets.extend_from_slice(record.rdata);
        self.count = self.count.saturating_add(1);
    }

    /// The records.
    pub(super) fn iter(&self) -> impl Iterator<Item = Record<'_>> {
        let mut reader = Reader::new(&self.octets);
        std::iter::from_fn(move || next_record(&mut reader).ok())
    }

    /// The least TTL of all.
    pub(super) fn least_ttl(&self) -> Option<u32> {
        self.iter().map(|record| record.ttl).min()
    }
}

/// Reads what [`Section::push`] wrote.
fn next_record<'r>(reader: &mut Reader<'r>) -> Result<Record<'r>, Short> {
    let owner = reader.take(name::length(reader.rest())?)?;
    let (rtype, rclass) = (reader.u16()?, reader.u16()?);
    let ttl = u32::from_be_bytes(reader.take_array()?);
    let length = reader.u16()?;
    Ok(Record { owner, rtype, rclass, ttl, rdata: reader.take(length.into())? })
}

/// Where names lie in RDATA that senders may compress, or that RFC 3597 §4 wants expanded nevertheless: octets before
/// them, and how many there are.
fn layout(rtype: u16) -> (usize, usize) {
    match rtype {
        rtype::NS | 3 | 4 | rtype::CNAME | 7..=9 | 12 | rtype::DNAME => (0, 1),
        rtype::SOA | 14 | 17 => (0, 2),
        rtype::MX | 18 | 21 | 36 => (2, 1),
        26 => (2, 2),
        rtype::SRV => (6, 1),
        _ => (0, 0),
    }
}

/// Types whose names every receiver expands (RFC 3597 §4), so that they may be compressed.
fn is_compressible(rtype: u16) -> bool {
    matches!(rtype, rtype::NS | rtype::CNAME | rtype::SOA | 12 | rtype::MX)
}

//----------- Message -------------------------------------------------------

/// A response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Message {
    pub(super) id: u16,
    /// AA, and AD.
    pub(super) authoritative: bool,
    pub(super) authentic: bool,
    pub(super) truncated: bool,
    /// With the upper bits of an OPT record.
    pub(super) rcode: u16,
    /// Name in lower case, type and class.
    pub(super) question: (Vec<u8>, u16, u16),
    /// Answer, authority and additional records, the last without OPT.
    pub(super) answer: Section,
    pub(super) authority: Section,
    pub(super) additional: Section,
}

impl Message {
    /// An empty response with this code.
    pub(super) fn empty(rcode: u16) -> Self {
        Self {
            id: 0,
            authoritative: false,
            authentic: false,
            truncated: false,
            rcode,
            question: (vec![0], 0, class::IN),
            answer: Section::default(),
            authority: Section::default(),
            additional: Section::default(),
        }
    }

    /// Reads a response with one question.
    pub(super) fn read(octets: &[u8]) -> Result<Self, Short> {
        let mut reader = Reader::new(octets);
        let id = reader.u16()?;
        let [high, low] = reader.take_array()?;
        let [questions, answers, authorities, additionals] =
            [reader.u16()?, reader.u16()?, reader.u16()?, reader.u16()?];
        // A response to a QUERY.
        if high & 0xf8 != 0x80 || questions != 1 {
            return Err(Short);
        }
        let mut message = Self::empty(u16::from(low & 15));
        message.id = id;
        message.authoritative = high & 4 != 0;
        message.truncated = high & 2 != 0;
        message.authentic = low & 0x20 != 0;
        let mut name = Vec::new();
        let mut at = name::expand(octets, HEADER_LENGTH, &mut name)?;
        name.make_ascii_lowercase();
        let mut fixed = Reader::new(octets.get(at..).ok_or(Short)?);
        message.question = (name, fixed.u16()?, fixed.u16()?);
        at += 4;
        // What is cut off may end anywhere: only the bit matters.
        if message.truncated {
            return Ok(message);
        }
        let mut room = MOST;
        let Self { answer, authority, additional, rcode, .. } = &mut message;
        for (section, count) in [(answer, answers), (authority, authorities), (additional, additionals)] {
            for _ in 0..count {
                let mut owner = Vec::new();
                at = name::expand(octets, at, &mut owner)?;
                let mut reader = Reader::new(octets.get(at..).ok_or(Short)?);
                let (rtype, rclass) = (reader.u16()?, reader.u16()?);
                let ttl = u32::from_be_bytes(reader.take_array()?);
                let length = usize::from(reader.u16()?);
                at += 10;
                let end = at + length;
                let inside = octets.get(..end).ok_or(Short)?;
                if rtype == rtype::OPT {
                    *rcode |= (ttl >> 24 << 4) as u16;
                } else if rtype != rtype::TSIG {
                    let rdata = expand_rdata(inside, at, rtype)?;
                    // The upper bit is no part of a TTL (RFC 2181 §8).
                    let ttl = if ttl > i32::MAX as u32 { 0 } else { ttl };
                    section.push(Record { owner: &owner, rtype, rclass, ttl, rdata: &rdata });
                    room = room.checked_sub(owner.len() + 10 + rdata.len()).ok_or(Short)?;
                }
                at = end;
            }
        }
        Ok(message)
    }

    /// Octets that it takes.
    pub(super) fn size(&self) -> usize {
        let sections = [&self.answer, &self.authority, &self.additional];
        sections.iter().map(|section| section.octets.len()).sum::<usize>() + self.question.0.len() + size_of::<Self>()
    }

    /// How long others may keep it, in seconds: the least TTL of the answer, or what the SOA says of an answer without
    /// records (RFC 2308 §5). `None`: not at all.
    pub(super) fn lifetime(&self) -> Option<u32> {
        let is_negative = self.rcode == u16::from(rcode::NXDOMAIN) || !self.has_answer();
        if self.has_failed() {
            return None;
        }
        let negative = is_negative.then(|| {
            let soa = self.authority.iter().find(|record| record.rtype == rtype::SOA)?;
            let minimum = soa.rdata.last_chunk().map_or(0, |minimum| u32::from_be_bytes(*minimum));
            Some(soa.ttl.min(minimum).min(NEGATIVE_MOST))
        });
        let negative = match negative {
            Some(negative) => Some(negative?),
            None => None,
        };
        let others = [self.answer.least_ttl(), negative].into_iter().flatten().min()?;
        Some(others.min(POSITIVE_MOST)).filter(|seconds| *seconds > 0)
    }

    /// Whether it says nothing of the name, but that there was trouble.
    pub(super) fn has_failed(&self) -> bool {
        self.rcode != u16::from(rcode::NOERROR) && self.rcode != u16::from(rcode::NXDOMAIN)
    }

    /// Whether the answer has more than CNAMEs that lead to it.
    fn has_answer(&self) -> bool {
        let qtype = self.question.1;
        self.answer.iter().any(|record| record.rtype == qtype || qtype == rtype::ANY)
    }
}

/// Negative answers are kept for three hours at most (RFC 2308 §5), others for a day.
const NEGATIVE_MOST: u32 = 10_800;
const POSITIVE_MOST: u32 = 86_400;

/// The RDATA from `start` to the end of `octets`, names expanded.
fn expand_rdata(octets: &[u8], start: usize, rtype: u16) -> Result<Vec<u8>, Short> {
    let (before, names) = layout(rtype);
    let mut at = start + if names > 0 { before } else { 0 };
    let mut rdata = octets.get(start..at).ok_or(Short)?.to_vec();
    for _ in 0..names {
        at = name::expand(octets, at, &mut rdata)?;
    }
    rdata.extend_from_slice(octets.get(at..).ok_or(Short)?);
    if rdata.len() > usize::from(u16::MAX) { Err(Short) } else { Ok(rdata) }
}

//----------- Client --------------------------------------------------------

/// What is told to a client beside the records.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Note {
    /// An extended error (RFC 8914), with words for people.
    pub(super) error: Option<(u16, &'static str)>,
    /// Seconds that the records have been with us: their TTLs are less by as much.
    pub(super) age: u32,
    /// The TTL in place of all others, of what is beyond its own.
    pub(super) stale_ttl: Option<u32>,
}

impl Note {
    /// The TTL that is told of a record with this one.
    fn ttl(self, ttl: u32) -> u32 {
        self.stale_ttl.unwrap_or_else(|| ttl.saturating_sub(self.age))
    }

    /// Appends `records` to `joined` with the TTLs that are told.
    pub(super) fn apply(self, records: &Section, joined: &mut Section) {
        records.iter().for_each(|record| joined.push(Record { ttl: self.ttl(record.ttl), ..record }));
    }
}

/// A query to be answered.
pub(super) struct Asked<'q> {
    pub(super) octets: &'q [u8],
    pub(super) query: Query,
    pub(super) transport: Transport,
}

impl Asked<'_> {
    /// Whether DNSSEC records are wanted.
    pub(super) fn dnssec_ok(&self) -> bool {
        self.query.edns.is_some_and(|edns| edns.dnssec_ok)
    }

    /// CD: what does not validate is wanted, too.
    pub(super) fn checking_disabled(&self) -> bool {
        self.flags()[1] & 0x10 != 0
    }

    fn flags(&self) -> [u8; 2] {
        self.octets.get(2..).and_then(<[u8]>::first_chunk).copied().unwrap_or_default()
    }

    /// The question, name in its own case.
    pub(super) fn name(&self) -> &[u8] {
        self.octets.get(HEADER_LENGTH..self.query.question_end.saturating_sub(4)).unwrap_or(&[0])
    }

    /// The response that says what `message` says. Where it is longer than the client takes, TC says so, and the client
    /// asks again over TCP.
    pub(super) fn respond(&self, message: &Message, note: Note, udp_payload: u16) -> Vec<u8> {
        let limit = match (self.transport, self.query.edns) {
            (Transport::Tcp, _) => usize::from(u16::MAX),
            (Transport::Udp, None) => 512,
            (Transport::Udp, Some(edns)) => edns.payload.min(udp_payload).max(512).into(),
        };
        let whole = self.write(message, note, udp_payload, false);
        if whole.len() <= limit { whole } else { self.write(message, note, udp_payload, true) }
    }

    /// The response, or without its records and with TC.
    fn write(&self, message: &Message, note: Note, udp_payload: u16, truncated: bool) -> Vec<u8> {
        let [high, low] = self.flags();
        // Who neither sets AD nor DO does not know the bit (RFC 6840 §5.8).
        let authentic = message.authentic && (low & 0x20 != 0 || self.dnssec_ok());
        let flags = [
            0x80 | u8::from(message.authoritative) << 2 | u8::from(truncated) << 1 | high & 1,
            0x80 | u8::from(authentic) << 5 | low & 0x10 | message.rcode as u8 & 15,
        ];
        let mut out = self.octets.get(..2).unwrap_or(&[0; 2]).to_vec();
        out.extend_from_slice(&flags);
        let sections = [&message.answer, &message.authority, &message.additional];
        let mut counts = sections.map(|section| if truncated { 0 } else { section.count });
        if self.query.edns.is_some() {
            counts[2] = counts[2].saturating_add(1);
        }
        out.extend_from_slice(&[0, 1]);
        counts.iter().for_each(|count| out.extend_from_slice(&count.to_be_bytes()));
        out.extend_from_slice(self.octets.get(HEADER_LENGTH..self.query.question_end).unwrap_or_default());
        if !truncated {
            let mut compressor = Compressor::default();
            compressor.learn(self.name(), HEADER_LENGTH);
            for record in sections.iter().flat_map(|section| section.iter()) {
                write_record(Record { ttl: note.ttl(record.ttl), ..record }, &mut compressor, &mut out);
            }
        }
        self.write_opt(message.rcode, note, udp_payload, &mut out);
        out
    }

    /// Appends an OPT record if the query has one.
    fn write_opt(&self, rcode: u16, note: Note, udp_payload: u16, out: &mut Vec<u8>) {
        if self.query.edns.is_none() {
            return;
        }
        let mut options = Vec::new();
        if let Some((code, text)) = note.error {
            options.extend_from_slice(&EXTENDED_ERROR.to_be_bytes());
            options.extend_from_slice(&(2 + text.len() as u16).to_be_bytes());
            options.extend_from_slice(&code.to_be_bytes());
            options.extend_from_slice(text.as_bytes());
        }
        let [high, low] = udp_payload.to_be_bytes();
        let [length_high, length_low] = (options.len() as u16).to_be_bytes();
        let opt: [u8; OPT_LENGTH] = [
            0,
            0,
            rtype::OPT as u8,
            high,
            low,
            (rcode >> 4) as u8,
            0,
            u8::from(self.dnssec_ok()) << 7,
            0,
            length_high,
            length_low,
        ];
        out.extend_from_slice(&opt);
        out.extend_from_slice(&options);
    }
}

/// Appends a record, its names compressed as far as receivers understand it.
fn write_record(record: Record<'_>, compressor: &mut Compressor, out: &mut Vec<u8>) {
    compressor.put(record.owner, out);
    out.extend_from_slice(&record.rtype.to_be_bytes());
    out.extend_from_slice(&record.rclass.to_be_bytes());
    out.extend_from_slice(&record.ttl.to_be_bytes());
    let length_at = out.len();
    out.extend_from_slice(&[0, 0]);
    let (before, names) = if is_compressible(record.rtype) { layout(record.rtype) } else { (0, 0) };
    let (head, mut rest) = record.rdata.split_at_checked(before).unwrap_or((record.rdata, &[]));
    out.extend_from_slice(head);
    for _ in 0..names {
        let Some((name, after)) = name::length(rest).ok().and_then(|length| rest.split_at_checked(length)) else {
            break;
        };
        compressor.put(name, out);
        rest = after;
    }
    out.extend_from_slice(rest);
    let length = (out.len() - length_at - 2) as u16;
    if let Some(place) = out.get_mut(length_at..length_at + 2) {
        place.copy_from_slice(&length.to_be_bytes());
    }
}

#[cfg(test)]
#[path = "message_tests.rs"]
mod tests;
