//! The query that nearly everybody sends, read without a branch for each label and record.
//!
//! ```text
//! header  id | QR=0 opcode=0 … | 1 | 0 | 0 | 0 or 1     question  name of at most 64 octets | type | IN
//! OPT     0 | 41 | payload | any | version 0 | flags | no options
//! ```
//!
//! Whatever looks otherwise is for [`super::Query`], which knows all queries: this is the same, sooner.

use super::edns::{Edns, OPT_LENGTH, Options};
use super::query::{HEADER_LENGTH, Query};
use super::short_key::ShortKey;
use super::types::{class, rtype};

/// Octets of a buffer that are looked at, and written to: every response on the plain way fits.
pub const PLAIN_ROOM: usize = 512;

/// QR, opcode, and all counts but the last, as octets 2 to 9 lie in a word; TC, AA, RD and the lower flags may be anything.
const HEADER_MASK: u64 = u64::from_le_bytes([0xf8, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]);
/// What they are in a query of one question.
const HEADER: u64 = u64::from_le_bytes([0, 0, 0, 1, 0, 0, 0, 0]);

/// Name and type of an OPT record, as they lie in a word.
const OPT_MASK: u32 = u32::from_le_bytes([0xff, 0xff, 0xff, 0]);
/// What they are.
const OPT: u32 = u32::from_le_bytes([0, 0, rtype::OPT as u8, 0]);

/// The question of a query, whose name lies in the [`ShortKey`] it was read with; the query may not be one of class IN.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PlainQuestion {
    /// Offset behind the question, at most [`LAST_QUESTION_END`].
    end: usize,
}

/// The largest offset behind a question with a name of 64 octets, in the room for such numbers.
const LAST_QUESTION_END: usize = 127;

impl PlainQuestion {
    /// Reads header and name of the message in `buffer`; `None` is a message for [`Query`].
    ///
    /// The name ends at the first octet that is zero. That its labels are sound is not looked at: to whoever looks for
    /// it among sound names, it is one of them or not found, and who does not find it asks [`Query`] again. Nor is it
    /// looked at whether the message is as long; [`PlainRecords::read`] does that.
    #[inline(always)]
    pub fn read(buffer: &[u8; PLAIN_ROOM], key: &mut ShortKey) -> Option<Self> {
        key.fill_to_zero(name(buffer)?).map(Self::of_length)
    }

    /// [`Self::read`], if the name is so short that it has [`ShortKey::half`], which is returned.
    #[inline(always)]
    pub fn read_half(buffer: &[u8; PLAIN_ROOM], key: &mut ShortKey) -> Option<[u64; 4]> {
        key.fill_half_to_zero(name(buffer)?)
    }

    /// The question whose name `key` holds, if it was read.
    #[inline(always)]
    pub fn of(key: &ShortKey) -> Option<Self> {
        (key.length() != 0).then(|| Self::of_length(key.length()))
    }

    /// The question with a name of `length` octets.
    #[inline(always)]
    fn of_length(length: usize) -> Self {
        Self { end: HEADER_LENGTH + length + 4 }
    }

    /// [`Self::read`], if the name is longer than that.
    #[inline(always)]
    pub fn read_long(buffer: &[u8; PLAIN_ROOM], key: &mut ShortKey) -> Option<Self> {
        key.fill_long_to_zero(name(buffer)?).map(Self::of_length)
    }

    /// Offset behind the question.
    #[inline(always)]
    pub fn end(self) -> usize {
        // Changes nothing, and tells the compiler that what comes behind lies in the room.
        self.end & LAST_QUESTION_END
    }

    /// The type asked for, of class IN; `None` for other classes.
    #[inline(always)]
    pub fn qtype(self, buffer: &[u8; PLAIN_ROOM]) -> Option<u16> {
        let [.., type_high, type_low, class_high, class_low] = *buffer.get(..self.end())?.last_chunk::<4>()?;
        let is_in = u16::from_be_bytes([class_high, class_low]) == class::IN;
        is_in.then(|| u16::from_be_bytes([type_high, type_low]))
    }

    /// Whether A records of class IN are asked for.
    #[inline(always)]
    pub fn is_a(self, buffer: &[u8; PLAIN_ROOM]) -> bool {
        const A_IN: [u8; 4] = [0, rtype::A as u8, 0, class::IN as u8];
        buffer.get(..self.end()).and_then(|question| question.last_chunk::<4>()) == Some(&A_IN)
    }

    /// The whole query in `buffer[..received]`, whose question this is; `None` is a message for [`Query::parse_in`].
    pub fn query(self, buffer: &[u8; PLAIN_ROOM], received: usize) -> Option<Query> {
        let qtype = self.qtype(buffer)?;
        let records = PlainRecords::read(buffer, self.end, received)?;
        let [payload_high, payload_low] = *buffer.get(self.end + 3..)?.first_chunk()?;
        let edns = Edns {
            payload: u16::from_be_bytes([payload_high, payload_low]),
            version: 0,
            dnssec_ok: records.dnssec_ok != 0,
            options: Options::default(),
        };
        Some(Query { question_end: self.end, qtype, qclass: class::IN, edns: records.has_opt.then_some(edns) })
    }
}

/// What stands behind a header that is plain.
#[inline(always)]
fn name(buffer: &[u8; PLAIN_ROOM]) -> Option<&[u8; 64]> {
    let (header, rest) = buffer.split_first_chunk::<HEADER_LENGTH>()?;
    let [_, _, fields @ .., _, _] = *header;
    if u64::from_le_bytes(fields) & HEADER_MASK == HEADER { rest.first_chunk() } else { None }
}

/// What stands behind the question of a query: nothing, or an OPT record without options.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PlainRecords {
    /// Whether there is an OPT record.
    pub has_opt: bool,
    /// The DO bit of the OPT record where it lies in its octet (RFC 3225 §3); 0 without one.
    pub dnssec_ok: u8,
}

impl PlainRecords {
    /// Reads what stands behind the question, which ends at `question_end`, of the message in `buffer[..received]`;
    /// `None` is a message for [`super::Query`].
    #[inline(always)]
    pub fn read(buffer: &[u8; PLAIN_ROOM], question_end: usize, received: usize) -> Option<Self> {
        let [.., additional_high, additional_low] = *buffer.first_chunk::<HEADER_LENGTH>()?;
        match u16::from_be_bytes([additional_high, additional_low]) {
            0 if question_end <= received => Some(Self { has_opt: false, dnssec_ok: 0 }),
            1 if question_end + OPT_LENGTH <= received => {
                let opt: &[u8; OPT_LENGTH] = buffer.get(question_end..)?.first_chunk()?;
                let [.., version, flags, _, length_high, length_low] = *opt;
                let is_opt = u32::from_le_bytes(*opt.first_chunk()?) & OPT_MASK == OPT;
                let is_plain = is_opt && version == 0 && u16::from_ne_bytes([length_high, length_low]) == 0;
                is_plain.then_some(Self { has_opt: true, dnssec_ok: flags & 0x80 })
            }
            _ => None,
        }
    }
}
