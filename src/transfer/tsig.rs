//! Transaction signatures (RFC 8945) with HMAC-SHA256: queries verified, responses and notifications signed.
//!
//! ```text
//! record   key name | type TSIG | class ANY | TTL 0 | length | RDATA                    always the last of a message
//! RDATA    algorithm's name | time signed 48 | fudge 16 | MAC size 16 | MAC | original id 16 | error 16
//!          | other length 16 | other data
//! MAC of   [MAC of the message before] | message without the record | key name, class, TTL, algorithm, time, fudge,
//!          error, other data; from the second message of a response on: time and fudge alone
//! ```
//!
//! Every message of a response is signed, which RFC 8945 §5.3.1 allows and recommends.

use std::fmt;
use std::sync::Arc;

use ring::hmac;

use crate::wire::types::rtype;
use crate::wire::{HEADER_LENGTH, Name, Reader, Short, name_length};

/// The algorithm's name in wire form (RFC 8945 §6).
const ALGORITHM: &[u8] = b"\x0bhmac-sha256\x00";
/// Seconds by which clocks may differ (RFC 8945 §10 recommends as many).
const FUDGE: u16 = 300;
/// Octets of a MAC.
const MAC_LENGTH: usize = 32;
/// Octets of the shortest truncated MAC that is not malformed (RFC 8945 §5.2.2.1: half of it).
const MAC_LEAST: usize = MAC_LENGTH / 2;
/// Class ANY.
const ANY: u16 = 255;

/// Values of the error field (RFC 8945 §3).
mod error {
    pub(super) const BADSIG: u16 = 16;
    pub(super) const BADKEY: u16 = 17;
    pub(super) const BADTIME: u16 = 18;
    pub(super) const BADTRUNC: u16 = 22;
}

//----------- Key ------------------------------------------------------------------------------------------------

/// A secret shared with another server.
pub struct Key {
    name: Name,
    secret: hmac::Key,
}

impl Key {
    /// The key called `name` on both sides.
    pub fn new(name: Name, secret: &[u8]) -> Self {
        Self { name, secret: hmac::Key::new(hmac::HMAC_SHA256, secret) }
    }

    /// Its name.
    pub fn name(&self) -> &Name {
        &self.name
    }

    /// Octets that its record takes in a message.
    pub fn record_length(&self) -> usize {
        // With the longest other data, the six octets of BADTIME.
        self.name.as_wire().len() + 10 + ALGORITHM.len() + 10 + MAC_LENGTH + 6 + 6
    }
}

impl fmt::Debug for Key {
    /// Its name alone.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key({})", self.name)
    }
}

//----------- Tsig -----------------------------------------------------------------------------------------------

/// The TSIG record of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tsig<'m> {
    /// Where it begins: octets of the message without it.
    pub start: usize,
    key: &'m [u8],
    algorithm: &'m [u8],
    time: u64,
    fudge: u16,
    mac: &'m [u8],
    original_id: [u8; 2],
    error: u16,
    other: &'m [u8],
}

impl<'m> Tsig<'m> {
    /// The TSIG record of `message`, if it has one. An error is a malformed message: one with a TSIG record that is
    /// not the last (RFC 8945 §5.2), or that cannot be read.
    pub fn find(message: &'m [u8]) -> Result<Option<Self>, Short> {
        let mut reader = Reader::new(message);
        let [_, _, _, _, counts @ ..] = reader.take_array::<HEADER_LENGTH>()?;
        let [questions, answers, authorities, additionals] =
            [0, 2, 4, 6].map(|at| u16::from_be_bytes([counts[at], counts[at + 1]]));
        for _ in 0..questions {
            reader.skip_name()?;
            reader.take(4)?;
        }
        let others = u32::from(answers) + u32::from(authorities);
        for left in (0..others + u32::from(additionals)).rev() {
            let owner = reader.rest();
            let start = message.len() - owner.len();
            reader.skip_name()?;
            let (rtype, class) = (reader.u16()?, reader.u16()?);
            reader.take(4)?;
            let length = reader.u16()?;
            let rdata = reader.take(usize::from(length))?;
            if rtype != rtype::TSIG {
                continue;
            }
            if left > 0 || additionals == 0 || class != ANY {
                return Err(Short);
            }
            // Compressed names are refused: nobody sends them, and what is signed are whole ones.
            let key = owner.get(..name_length(owner).ok_or(Short)?).ok_or(Short)?;
            return Self::parse(start, key, rdata).map(Some);
        }
        Ok(None)
    }

    /// Reads the RDATA.
    fn parse(start: usize, key: &'m [u8], rdata: &'m [u8]) -> Result<Self, Short> {
        let mut reader = Reader::new(rdata);
        let algorithm = reader.take(name_length(rdata).ok_or(Short)?)?;
        let [a, b, c, d, e, f] = reader.take_array()?;
        let fudge = reader.u16()?;
        let mac_length = reader.u16()?;
        let mac = reader.take(usize::from(mac_length))?;
        let original_id = reader.take_array()?;
        let error = reader.u16()?;
        let other_length = reader.u16()?;
        let other = reader.take(usize::from(other_length))?;
        let time = u64::from_be_bytes([0, 0, a, b, c, d, e, f]);
        let is_whole = reader.is_empty();
        let tsig = Self { start, key, algorithm, time, fudge, mac, original_id, error, other };
        if is_whole { Ok(tsig) } else { Err(Short) }
    }

    /// The message without the record, as it was before it was signed.
    pub fn strip(&self, message: &[u8]) -> Vec<u8> {
        let mut stripped = message.get(..self.start).unwrap_or_default().to_vec();
        if let Some(id) = stripped.first_chunk_mut() {
            *id = self.original_id;
        }
        if let Some(count) = stripped.get_mut(10..).and_then(<[u8]>::first_chunk_mut) {
            *count = u16::from_be_bytes(*count).wrapping_sub(1).to_be_bytes();
        }
        stripped
    }

    /// What is signed of it.
    fn variables(&self) -> Variables<'m> {
        Variables { time: self.time, fudge: self.fudge, error: self.error, other: self.other }
    }
}

/// The fields that a MAC covers, beside the names.
#[derive(Clone, Copy)]
struct Variables<'o> {
    time: u64,
    fudge: u16,
    error: u16,
    other: &'o [u8],
}

impl Variables<'_> {
    /// Those of a message without an error, signed now.
    fn at(now: u64) -> Self {
        Self { time: now, fudge: FUDGE, error: 0, other: &[] }
    }
}

//----------- Verifying ------------------------------------------------------------------------------------------

/// Why a signature is not accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rejection {
    /// No key of that name and algorithm is known.
    Key,
    /// The MAC is wrong.
    Signature,
    /// Signed too long ago, or in the future.
    Time,
    /// A MAC cut shorter than we accept.
    Truncated,
    /// A MAC of a length that no message has (RFC 8945 §5.2.2.1).
    Malformed,
}

/// Verifies the query `message` with its record `tsig` at `now`, in seconds since the epoch. The session signs the
/// response; where the signature is sound and not accepted, it signs the error.
pub fn verify<'k>(
    keys: impl IntoIterator<Item = &'k Arc<Key>>,
    message: &[u8],
    tsig: &Tsig<'_>,
    now: u64,
) -> Result<Session, (Rejection, Option<Session>)> {
    let is_known = tsig.algorithm.eq_ignore_ascii_case(ALGORITHM);
    let mut keys = keys.into_iter();
    let key = keys.find(|key| is_known && key.name.as_wire().eq_ignore_ascii_case(tsig.key));
    let Some(key) = key else { return Err((Rejection::Key, None)) };
    if !(MAC_LEAST..=MAC_LENGTH).contains(&tsig.mac.len()) {
        return Err((Rejection::Malformed, None));
    }
    let mac = mac(key, None, &tsig.strip(message), &tsig.variables(), false);
    if !is_equal(mac.as_ref(), tsig.mac) {
        return Err((Rejection::Signature, None));
    }
    let session = Session { key: Arc::clone(key), mac: tsig.mac.into(), signed: 0 };
    if now.abs_diff(tsig.time) > u64::from(tsig.fudge) {
        return Err((Rejection::Time, Some(session)));
    }
    if tsig.mac.len() < MAC_LENGTH {
        return Err((Rejection::Truncated, Some(session)));
    }
    Ok(session)
}

/// Whether `given`, which may be cut short, is the front of `expected`; takes as long wherever they differ.
fn is_equal(expected: &[u8], given: &[u8]) -> bool {
    let difference = expected.iter().zip(given).fold(0, |all, (a, b)| all | (a ^ b));
    !given.is_empty() && std::hint::black_box(difference) == 0
}

/// Appends to the error response `message` to a query with the record `tsig` the record that says why its signature
/// was rejected (RFC 8945 §5.3.2): signed if there is a `session`.
pub fn put_rejection(message: &mut Vec<u8>, tsig: &Tsig<'_>, rejection: Rejection, session: Option<Session>, now: u64) {
    let error = match rejection {
        Rejection::Key => error::BADKEY,
        Rejection::Signature => error::BADSIG,
        Rejection::Time => error::BADTIME,
        Rejection::Truncated => error::BADTRUNC,
        Rejection::Malformed => return,
    };
    let now = now.to_be_bytes();
    // Ours, so that the client sees how far apart the clocks are.
    let other = if rejection == Rejection::Time { &now[2..] } else { &[] };
    let variables = Variables { time: tsig.time, fudge: FUDGE, error, other };
    let mac = session.map(|session| mac(&session.key, Some(&session.mac), message, &variables, false));
    let mac = mac.as_ref().map_or(&[][..], |mac| mac.as_ref());
    push(message, tsig.key, tsig.algorithm, mac, &variables);
}

//----------- Session --------------------------------------------------------------------------------------------

/// A query and its response, as far as their signatures hang together.
pub struct Session {
    key: Arc<Key>,
    /// The MAC of the message before.
    mac: Box<[u8]>,
    /// Messages of the response that were signed.
    signed: usize,
}

impl Session {
    /// Signs `message`, a query of ours; the session verifies the response.
    pub fn begin(key: &Arc<Key>, message: &mut Vec<u8>, now: u64) -> Self {
        let variables = Variables::at(now);
        let mac = mac(key, None, message, &variables, false);
        push(message, key.name.as_wire(), ALGORITHM, mac.as_ref(), &variables);
        Self { key: Arc::clone(key), mac: mac.as_ref().into(), signed: 0 }
    }

    /// The key.
    pub fn key(&self) -> &Arc<Key> {
        &self.key
    }

    /// Signs `message`, the next of the response.
    pub fn sign(&mut self, message: &mut Vec<u8>, now: u64) {
        let variables = Variables::at(now);
        let mac = mac(&self.key, Some(&self.mac), message, &variables, self.signed > 0);
        push(message, self.key.name.as_wire(), ALGORITHM, mac.as_ref(), &variables);
        self.mac = mac.as_ref().into();
        self.signed += 1;
    }

    /// Whether `message` is the response, of one message, to the query that began the session, signed as it should be.
    pub fn accepts(&self, message: &[u8], now: u64) -> bool {
        let Ok(Some(tsig)) = Tsig::find(message) else { return false };
        let mac = mac(&self.key, Some(&self.mac), &tsig.strip(message), &tsig.variables(), false);
        tsig.key.eq_ignore_ascii_case(self.key.name.as_wire())
            && tsig.algorithm.eq_ignore_ascii_case(ALGORITHM)
            && tsig.mac.len() == MAC_LENGTH
            && is_equal(mac.as_ref(), tsig.mac)
            && now.abs_diff(tsig.time) <= u64::from(tsig.fudge)
            && tsig.error == 0
    }
}

//----------- The MAC --------------------------------------------------------------------------------------------

/// The MAC of `message`, which has no TSIG record (RFC 8945 §4.3). Behind the first message of a response `timers`
/// alone are signed beside it.
fn mac(key: &Key, before: Option<&[u8]>, message: &[u8], variables: &Variables<'_>, timers: bool) -> hmac::Tag {
    let Variables { time, fudge, error, other } = *variables;
    let [_, _, time @ ..] = time.to_be_bytes();
    let mut context = hmac::Context::with_key(&key.secret);
    if let Some(before) = before {
        context.update(&(before.len() as u16).to_be_bytes());
        context.update(before);
    }
    context.update(message);
    if !timers {
        context.update(key.name.as_wire());
        context.update(&ANY.to_be_bytes());
        context.update(&[0; 4]);
        context.update(ALGORITHM);
    }
    context.update(&time);
    context.update(&fudge.to_be_bytes());
    if !timers {
        context.update(&error.to_be_bytes());
        context.update(&(other.len() as u16).to_be_bytes());
        context.update(other);
    }
    context.sign()
}

/// Appends the record to `message` and counts it. Nothing is written where it would not fit the counts' range, which
/// no message of ours comes near.
fn push(message: &mut Vec<u8>, key: &[u8], algorithm: &[u8], mac: &[u8], variables: &Variables<'_>) {
    let Variables { time, fudge, error, other } = *variables;
    let Some(id) = message.first_chunk::<2>().copied() else { return };
    let length = algorithm.len() + 16 + mac.len() + other.len();
    message.extend_from_slice(key);
    message.extend_from_slice(&rtype::TSIG.to_be_bytes());
    message.extend_from_slice(&ANY.to_be_bytes());
    message.extend_from_slice(&[0; 4]);
    message.extend_from_slice(&(length as u16).to_be_bytes());
    message.extend_from_slice(algorithm);
    message.extend_from_slice(&time.to_be_bytes()[2..]);
    message.extend_from_slice(&fudge.to_be_bytes());
    message.extend_from_slice(&(mac.len() as u16).to_be_bytes());
    message.extend_from_slice(mac);
    message.extend_from_slice(&id);
    message.extend_from_slice(&error.to_be_bytes());
    message.extend_from_slice(&(other.len() as u16).to_be_bytes());
    message.extend_from_slice(other);
    if let Some(count) = message.get_mut(10..).and_then(<[u8]>::first_chunk_mut) {
        *count = u16::from_be_bytes(*count).wrapping_add(1).to_be_bytes();
    }
}

#[cfg(test)]
#[path = "tsig_tests.rs"]
mod tests;
