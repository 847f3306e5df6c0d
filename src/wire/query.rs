//! A query message, read as far as an authoritative server needs it.
//!
//! ```text
//!   0  1  2  3  4  5  6  7  8  9 10 11 12 13 14 15
//! |                      ID                       |  RFC 1035 §4.1.1; AD and CD: RFC 4035 §3.2
//! |QR|   Opcode  |AA|TC|RD|RA| Z|AD|CD|   RCODE   |
//! |                    QDCOUNT                    |
//! |                    ANCOUNT                    |
//! |                    NSCOUNT                    |
//! |                    ARCOUNT                    |
//! ```

use super::edns::Edns;
use super::key::NameKey;
use super::name::name_length;
use super::reader::{Reader, Short};
use super::types::rtype;

/// ANCOUNT, NSCOUNT and ARCOUNT of a message with one additional record, as they lie above 16 bits of zeros.
const ONE_ADDITIONAL: u64 = 1 << 16;
/// The lower octet of OPT's type number.
const OPT: u8 = rtype::OPT as u8;

/// Octets of the header.
pub const HEADER_LENGTH: usize = 12;

/// Why a message gets an error for an answer, or none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Shorter than a header: nothing to answer.
    Runt,
    /// QR is set: answering a response could loop.
    Response,
    /// Malformed. Octets up to `question_end` are sound and can be echoed; 0 where the question is not.
    Malformed {
        /// End of the question, or 0.
        question_end: usize,
    },
    /// An opcode other than QUERY.
    Opcode {
        /// End of the question, or 0.
        question_end: usize,
    },
    /// A query with a transaction signature (RFC 8945). It is well-formed otherwise, and whoever checks no signatures
    /// may answer it as if there were none.
    Signed(Query),
}

/// A well-formed query; its name lies in the [`NameKey`] it was parsed with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Query {
    /// Offset behind the question.
    pub question_end: usize,
    /// Type asked for.
    pub qtype: u16,
    /// Class asked for.
    pub qclass: u16,
    /// The OPT record, where there is one.
    pub edns: Option<Edns>,
}

impl Query {
    /// Reads `message`. On success `key` holds the name in lower case.
    ///
    /// Octets behind the last counted record are ignored. The question's name may not be compressed: nothing
    /// stands before it that it could point to.
    #[inline]
    pub fn parse(message: &[u8], key: &mut NameKey) -> Result<Self, Fault> {
        Self::parse_in(message, message.len(), key)
    }

    /// [`Self::parse`] of the first `received` octets of `buffer`. That more octets follow, whatever they are, makes
    /// it faster.
    #[inline]
    pub fn parse_in(buffer: &[u8], received: usize, key: &mut NameKey) -> Result<Self, Fault> {
        let mut reader = Reader::new(buffer.get(..received).unwrap_or_default());
        let Ok([_, _, flags, _, counts @ ..]) = reader.take_array::<HEADER_LENGTH>() else {
            return Err(Fault::Runt);
        };
        if flags & 0x80 != 0 {
            return Err(Fault::Response);
        }
        // QDCOUNT, ANCOUNT, NSCOUNT, ARCOUNT from the most significant end.
        let counts = u64::from_be_bytes(counts);
        if counts >> 48 != 1 {
            return Err(fault(flags, 0));
        }
        let Some(length) = name_length(reader.rest()) else {
            return Err(fault(flags, 0));
        };
        key.fill(buffer.get(HEADER_LENGTH..).unwrap_or_default(), length);
        let Ok(name_and_type) = reader.take(length + 4) else {
            return Err(fault(flags, 0));
        };
        let [type_high, type_low, class_high, class_low] = *name_and_type.last_chunk().unwrap_or(&[0; 4]);
        let question_end = HEADER_LENGTH + length + 4;
        if flags & 0x78 != 0 {
            return Err(Fault::Opcode { question_end });
        }
        let qtype = u16::from_be_bytes([type_high, type_low]);
        let qclass = u16::from_be_bytes([class_high, class_low]);
        let edns = match (counts << 16, reader.rest()) {
            (0, _) => Ok(None),
            // One additional record, and it is an OPT: what nearly every query with EDNS looks like.
            (ONE_ADDITIONAL, [0, 0, OPT, rest @ ..]) => Edns::parse(&mut Reader::new(rest)).map(Some),
            _ => {
                let query = Self { question_end, qtype, qclass, edns: None };
                return query.with_records(reader, counts);
            }
        }
        .map_err(|Short| Fault::Malformed { question_end })?;
        Ok(Self { question_end, qtype, qclass, edns })
    }

    /// The query, when records stand behind its question that are more than an OPT record.
    #[cold]
    #[inline(never)]
    fn with_records(mut self, reader: Reader<'_>, counts: u64) -> Result<Self, Fault> {
        let malformed = Fault::Malformed { question_end: self.question_end };
        let (edns, signed) = walk(reader, counts).map_err(|Short| malformed)?;
        self.edns = edns;
        if signed { Err(Fault::Signed(self)) } else { Ok(self) }
    }
}

/// The fault of a message whose question cannot be read, or need not be.
#[cold]
fn fault(flags: u8, question_end: usize) -> Fault {
    if flags & 0x78 != 0 { Fault::Opcode { question_end } } else { Fault::Malformed { question_end } }
}

/// Walks the records behind the question to the OPT record, and tells whether the last one is a TSIG, which belongs
/// there (RFC 8945 §5.1). Two OPT records are an error (RFC 6891 §6.1.1), as is one whose owner is not the root
/// (§6.1.2). Other records, of which a query may carry some (the SOA of an IXFR), are passed over.
fn walk(mut reader: Reader<'_>, counts: u64) -> Result<(Option<Edns>, bool), Short> {
    let [_, answers, authorities, additionals] = [48, 32, 16, 0].map(|shift| (counts >> shift) as u16);
    for _ in 0..u32::from(answers) + u32::from(authorities) {
        reader.skip_name()?;
        reader.take(8)?;
        let length = reader.u16()?;
        reader.take(usize::from(length))?;
    }
    let mut edns = None;
    let mut signed = false;
    for _ in 0..additionals {
        let root_owner = reader.rest().first() == Some(&0);
        reader.skip_name()?;
        let rtype = reader.u16()?;
        signed = rtype == rtype::TSIG;
        if rtype == rtype::OPT {
            if edns.is_some() || !root_owner {
                return Err(Short);
            }
            edns = Some(Edns::parse(&mut reader)?);
        } else {
            reader.take(6)?;
            let length = reader.u16()?;
            reader.take(usize::from(length))?;
        }
    }
    Ok((edns, signed))
}

#[cfg(test)]
mod tests {
    use super::super::edns::Options;
    use super::*;

    /// A query for `www.Example.` A IN with `rest` behind the question.
    fn message(counts: [u8; 8], rest: &[u8]) -> Vec<u8> {
        [b"\x12\x34\x01\x00", &counts[..], b"\x03www\x07Example\x00\x00\x01\x00\x01", rest].concat()
    }

    fn parse(message: &[u8]) -> Result<Query, Fault> {
        Query::parse(message, &mut NameKey::new())
    }

    const OPT_RECORD: &[u8] = b"\x00\x00\x29\x04\xd0\x00\x00\x80\x00\x00\x00";

    #[test]
    fn reads_a_plain_query() {
        let mut key = NameKey::new();
        let query = Query::parse(&message([0, 1, 0, 0, 0, 0, 0, 0], b""), &mut key).unwrap();
        assert_eq!(query, Query { question_end: 29, qtype: 1, qclass: 1, edns: None });
        assert_eq!(key.as_wire(), b"\x03www\x07example\x00");
    }

    #[test]
    fn reads_edns() {
        let edns = parse(&message([0, 1, 0, 0, 0, 0, 0, 1], OPT_RECORD)).unwrap().edns.unwrap();
        assert_eq!(edns, Edns { payload: 1232, version: 0, dnssec_ok: true, options: Options::default() });
        let options = b"\x00\x00\x29\x04\xd0\x00\x00\x00\x00\x00\x10\
            \x00\x03\x00\x00\xff\xff\x00\x00\x00\x0b\x00\x00\x00\x13\x00\x00";
        let edns = parse(&message([0, 1, 0, 0, 0, 0, 0, 1], options)).unwrap().edns.unwrap();
        let has = |options| edns.options.has(options);
        assert!(has(Options::NSID) && has(Options::KEEPALIVE) && has(Options::ZONE_VERSION) && !edns.dnssec_ok);
    }

    #[test]
    fn faults() {
        let question_end = 29;
        assert_eq!(parse(b"\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00"), Err(Fault::Runt));
        let mut response = message([0, 1, 0, 0, 0, 0, 0, 0], b"");
        response[2] |= 0x80;
        assert_eq!(parse(&response), Err(Fault::Response));
        let mut notify = message([0, 1, 0, 0, 0, 0, 0, 0], b"");
        notify[2] |= 0x20;
        assert_eq!(parse(&notify), Err(Fault::Opcode { question_end }));
        // RFC 9619: QDCOUNT of a QUERY is 1.
        for count in [0, 2] {
            let message = message([0, count, 0, 0, 0, 0, 0, 0], b"");
            assert_eq!(parse(&message), Err(Fault::Malformed { question_end: 0 }));
        }
        let two = [OPT_RECORD, OPT_RECORD].concat();
        assert_eq!(parse(&message([0, 1, 0, 0, 0, 0, 0, 2], &two)), Err(Fault::Malformed { question_end }));
        assert_eq!(parse(&message([0, 1, 0, 0, 0, 0, 0, 1], b"")), Err(Fault::Malformed { question_end }));
        // RFC 9660 §3.2.1: ZONEVERSION with data, and twice.
        for options in [&b"\x00\x05\x00\x13\x00\x01\x00"[..], b"\x00\x08\x00\x13\x00\x00\x00\x13\x00\x00"] {
            let record = [&OPT_RECORD[..9], options].concat();
            assert_eq!(parse(&message([0, 1, 0, 0, 0, 0, 0, 1], &record)), Err(Fault::Malformed { question_end }));
        }
        let owner = [b"\x01a", OPT_RECORD].concat();
        assert_eq!(parse(&message([0, 1, 0, 0, 0, 0, 0, 1], &owner)), Err(Fault::Malformed { question_end }));
        for cut in HEADER_LENGTH..question_end {
            let message = &message([0, 1, 0, 0, 0, 0, 0, 0], b"")[..cut];
            assert_eq!(parse(message), Err(Fault::Malformed { question_end: 0 }), "{cut}");
        }
    }

    #[test]
    fn a_signature_is_the_last_record() {
        const TSIG: &[u8] = b"\x01k\x00\x00\xfa\x00\xff\x00\x00\x00\x00\x00\x02\x00\x00";
        let query = parse(&message([0, 1, 0, 0, 0, 0, 0, 1], OPT_RECORD)).unwrap();
        let signed = message([0, 1, 0, 0, 0, 0, 0, 2], &[OPT_RECORD, TSIG].concat());
        assert_eq!(parse(&signed), Err(Fault::Signed(query)));
        let signed = message([0, 1, 0, 0, 0, 0, 0, 1], TSIG);
        assert_eq!(parse(&signed), Err(Fault::Signed(Query { edns: None, ..query })));
        let misplaced = message([0, 1, 0, 0, 0, 0, 0, 2], &[TSIG, OPT_RECORD].concat());
        assert_eq!(parse(&misplaced), Ok(query));
    }

    #[test]
    fn the_longest_name_has_255_octets() {
        let label = [&[63u8][..], &[b'a'; 63]].concat();
        let longest = [label.repeat(3), [&[61u8][..], &[b'a'; 61]].concat(), vec![0]].concat();
        assert_eq!(name_length(&longest), Some(255));
        let longer = [label.repeat(3), [&[62u8][..], &[b'a'; 62]].concat(), vec![0]].concat();
        assert_eq!(name_length(&longer), None);
        assert_eq!(name_length(b"\xc0\x0c"), None);
    }
}
