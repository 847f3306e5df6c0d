//! Names inside messages of others: compression undone on the way in (RFC 1035 §4.1.4), and done on the way out.

use std::collections::HashMap;

use crate::wire::Short;

/// Longest name in octets (RFC 1035 §2.3.4).
const LONGEST: usize = 255;

/// Offsets beyond have more bits than a pointer (RFC 1035 §4.1.4).
const POINTER_MOST: usize = 0x3fff;

/// Appends the name at `start` of `message` to `out`, without compression and in its own case; returns where it ends
/// in the message.
///
/// A pointer leads backwards only, so that this ends whatever the message says.
pub(super) fn expand(message: &[u8], start: usize, out: &mut Vec<u8>) -> Result<usize, Short> {
    let begin = out.len();
    let (mut at, mut earliest, mut end) = (start, start, None);
    loop {
        let length = *message.get(at).ok_or(Short)?;
        match length {
            0 => {
                out.push(0);
                return if out.len() - begin > LONGEST { Err(Short) } else { Ok(end.unwrap_or(at + 1)) };
            }
            1..=63 => {
                let next = at + 1 + usize::from(length);
                out.extend_from_slice(message.get(at..next).ok_or(Short)?);
                if out.len() - begin >= LONGEST {
                    return Err(Short);
                }
                at = next;
            }
            0xc0..=0xff => {
                let low = *message.get(at + 1).ok_or(Short)?;
                end = end.or(Some(at + 2));
                at = usize::from(length & 0x3f) << 8 | usize::from(low);
                if at >= earliest {
                    return Err(Short);
                }
                earliest = at;
            }
            _ => return Err(Short),
        }
    }
}

/// Octets of the uncompressed name at the front of `octets`.
pub(super) fn length(octets: &[u8]) -> Result<usize, Short> {
    let mut at = 0;
    loop {
        match *octets.get(at).ok_or(Short)? {
            0 => return Ok(at + 1),
            label @ 1..=63 => at += 1 + usize::from(label),
            _ => return Err(Short),
        }
    }
}

//----------- Compressor ----------------------------------------------------

/// Where the names and their ends lie that a message has so far.
#[derive(Default)]
pub(super) struct Compressor {
    /// In lower case.
    known: HashMap<Box<[u8]>, u16>,
}

impl Compressor {
    /// Appends `name`, which is sound and not compressed, to `message`: as far as needed, and then a pointer.
    pub(super) fn put(&mut self, name: &[u8], message: &mut Vec<u8>) {
        let mut rest = name;
        while let Some((&label, _)) = rest.split_first().filter(|(label, _)| **label > 0) {
            let key = rest.to_ascii_lowercase();
            if let Some(offset) = self.known.get(&*key) {
                message.extend_from_slice(&(0xc000 | offset).to_be_bytes());
                return;
            }
            if message.len() <= POINTER_MOST {
                self.known.insert(key.into(), message.len() as u16);
            }
            let (head, tail) = rest.split_at_checked(1 + usize::from(label)).unwrap_or((rest, &[]));
            message.extend_from_slice(head);
            rest = tail;
        }
        message.push(0);
    }

    /// Learns `name`, which lies uncompressed at `offset`.
    pub(super) fn learn(&mut self, name: &[u8], offset: usize) {
        let mut at = 0;
        while let Some((&label, _)) = name.get(at..).and_then(<[u8]>::split_first).filter(|(label, _)| **label > 0) {
            let key = name.get(at..).unwrap_or_default().to_ascii_lowercase();
            self.known.entry(key.into()).or_insert((offset + at) as u16);
            at += 1 + usize::from(label);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pointers_lead_backwards_and_names_stay_short() {
        let message = b"\x03www\x07Example\x00\x01a\xc0\x04\xc0\x10";
        let mut out = Vec::new();
        assert_eq!(expand(message, 0, &mut out), Ok(13));
        assert_eq!(expand(message, 13, &mut out), Ok(17));
        assert_eq!(out, b"\x03www\x07Example\x00\x01a\x07Example\x00");
        for bad in [&b"\xc0\x00"[..], b"\x01a\xc0\x00", b"\x05ab", b"\x40", b"\xc0", b""] {
            let mut out = Vec::new();
            assert_eq!(expand(bad, 0, &mut out), Err(Short), "{bad:?}");
        }
        let longest = [&[63_u8][..], &[b'x'; 63]].concat().repeat(4);
        assert_eq!(expand(&[&longest[..], &[0]].concat(), 0, &mut Vec::new()), Err(Short));
    }

    #[test]
    fn what_is_compressed_expands_to_itself() {
        let names: [&[u8]; 5] =
            [b"\x03www\x07example\x00", b"\x07EXAMPLE\x00", b"\x00", b"\x01a\x03WWW\x07example\x00", b"\x03org\x00"];
        let mut compressor = Compressor::default();
        let mut message = vec![0; 12];
        let starts = names.map(|name| {
            let start = message.len();
            compressor.put(name, &mut message);
            start
        });
        assert_eq!(message.len(), 12 + 13 + 2 + 1 + 4 + 5);
        for (name, start) in names.iter().zip(starts) {
            let mut out = Vec::new();
            expand(&message, start, &mut out).unwrap();
            assert!(out.eq_ignore_ascii_case(name));
        }
    }
}
