//! Names, numbers and character strings in presentation format (RFC 1035 §5.1).

use std::fmt;

use crate::model::validate::Shown;
use crate::model::validate::records::TTL_MAX;

/// Longest name in octets, lengths and root label included (RFC 1035 §2.3.4).
const NAME_MAX: usize = 255;
/// Longest label in octets.
const LABEL_MAX: usize = 63;
/// Longest character string in octets (RFC 1035 §3.3).
const STRING_MAX: usize = 255;

/// What is wrong with a text, and at which of its octets.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Bad {
    /// Offset in the text.
    pub(super) at: usize,
    /// What is wrong.
    pub(super) message: String,
}

impl Bad {
    /// A fault of the octet at `at`.
    pub(super) fn new(at: usize, message: impl Into<String>) -> Self {
        Self { at, message: message.into() }
    }

    /// "`text` is not `what`; allowed are `allowed`".
    pub(super) fn not(text: &[u8], what: &str, allowed: impl fmt::Display) -> Self {
        Self::new(0, format!("{} is not {what}; allowed are {allowed}", Shown(&String::from_utf8_lossy(text))))
    }
}

/// Appends the wire form of the name `text`, in its own case. `@` is the origin, and a name without a final dot ends
/// with it.
pub(super) fn name(text: &[u8], origin: &[u8], out: &mut Vec<u8>) -> Result<(), Bad> {
    match text {
        b"@" => {
            out.extend_from_slice(origin);
            return Ok(());
        }
        b"." => {
            out.push(0);
            return Ok(());
        }
        b"" => return Err(Bad::new(0, "the name is empty; allowed are names, @ for the origin and . for the root")),
        _ => {}
    }
    let begin = out.len();
    let mut length_at = begin;
    out.push(0);
    let mut rest = text.iter().enumerate();
    while let Some((at, &octet)) = rest.next() {
        match octet {
            b'.' => {
                close_label(out, length_at, at)?;
                length_at = out.len();
                out.push(0);
            }
            b'\\' => {
                let (octet, used) = escape(text, at)?;
                out.push(octet);
                for _ in 1..used {
                    rest.next();
                }
            }
            b'!'..=b'~' => out.push(octet),
            _ => {
                let message =
                    format!("the octet {octet} stands in a name; allowed are printable ASCII characters and \\ddd");
                return Err(Bad::new(at, message));
            }
        }
    }
    // Behind a final dot the empty label that was begun is the root.
    if out.len() > length_at + 1 {
        close_label(out, length_at, text.len())?;
        out.extend_from_slice(origin);
    }
    if out.len() - begin > NAME_MAX {
        return Err(Bad::new(0, format!("the name has {} octets; allowed are {NAME_MAX}", out.len() - begin)));
    }
    Ok(())
}

/// Writes the length of the label that begins at `length_at` in `out` and ends before `at` in the text.
fn close_label(out: &mut [u8], length_at: usize, at: usize) -> Result<(), Bad> {
    let length = out.len() - length_at - 1;
    match (length, out.get_mut(length_at)) {
        (1..=LABEL_MAX, Some(octet)) => *octet = length as u8,
        (0, _) => return Err(Bad::new(at, "a label of the name is empty; allowed are 1 to 63 octets")),
        _ => {
            let text = format!("a label of the name has {length} octets; allowed are 1 to {LABEL_MAX}");
            return Err(Bad::new(at.saturating_sub(1), text));
        }
    }
    Ok(())
}

/// The octet that the backslash at `at` stands for with what follows, and how many octets of text that is.
fn escape(text: &[u8], at: usize) -> Result<(u8, usize), Bad> {
    match text.get(at + 1..).unwrap_or_default() {
        [a @ b'0'..=b'9', b @ b'0'..=b'9', c @ b'0'..=b'9', ..] => {
            let digit = |octet: &u8| u16::from(octet - b'0');
            let number = digit(a) * 100 + digit(b) * 10 + digit(c);
            let octet = u8::try_from(number)
                .map_err(|_| Bad::new(at, format!("\\{number} is not an octet; allowed are \\000 to \\255")))?;
            Ok((octet, 4))
        }
        [] | [b'0'..=b'9' | b'\n', ..] => {
            Err(Bad::new(at, "the escape is not whole; allowed are \\ddd and \\ before another character than a digit"))
        }
        [octet, ..] => Ok((*octet, 2)),
    }
}

/// Appends the octets that `text` stands for.
pub(super) fn octets(text: &[u8], out: &mut Vec<u8>) -> Result<(), Bad> {
    let mut at = 0;
    while let Some(next) = memchr::memchr(b'\\', text.get(at..).unwrap_or_default()) {
        out.extend_from_slice(text.get(at..at + next).unwrap_or_default());
        let (octet, used) = escape(text, at + next)?;
        out.push(octet);
        at += next + used;
    }
    out.extend_from_slice(text.get(at..).unwrap_or_default());
    Ok(())
}

/// Appends a character string, its length first.
pub(super) fn string(text: &[u8], out: &mut Vec<u8>) -> Result<(), Bad> {
    let length_at = out.len();
    out.push(0);
    octets(text, out)?;
    let length = out.len() - length_at - 1;
    if length > STRING_MAX {
        let message = format!("the string has {length} octets; allowed are {STRING_MAX} in each, and several of them");
        return Err(Bad::new(0, message));
    }
    if let Some(octet) = out.get_mut(length_at) {
        *octet = length as u8;
    }
    Ok(())
}

/// A number from 0 to `max`.
pub(super) fn number(text: &[u8], max: u32) -> Result<u32, Bad> {
    // Ten digits are enough, and no more than 64 bits hold.
    let is_number = (1..=10).contains(&text.len()) && text.iter().all(u8::is_ascii_digit);
    let digits = text.iter().take(10).map(|octet| u64::from(octet.wrapping_sub(b'0')));
    match u32::try_from(digits.fold(0, |value, digit| value * 10 + digit)) {
        Ok(value) if is_number && value <= max => Ok(value),
        _ => Err(Bad::not(text, "a number of this field", format_args!("0 to {max}"))),
    }
}

/// A TTL: seconds, or numbers with units as BIND writes them (`1h30m`).
pub(super) fn ttl(text: &[u8]) -> Result<u32, Bad> {
    if let Ok(seconds) = number(text, TTL_MAX) {
        return Ok(seconds);
    }
    let bad = || Bad::not(text, "a TTL", "0 to 2147483647 seconds, or numbers with units as in 1w2d3h4m5s");
    let (mut sum, mut value) = (0u64, None);
    for octet in text {
        if octet.is_ascii_digit() {
            let so_far = value.unwrap_or(0u64);
            value = Some((so_far * 10 + u64::from(octet - b'0')).min(u64::from(u32::MAX)));
            continue;
        }
        let unit = match octet.to_ascii_lowercase() {
            b's' => 1,
            b'm' => 60,
            b'h' => 3600,
            b'd' => 86_400,
            b'w' => 604_800,
            _ => return Err(bad()),
        };
        sum = (sum + value.take().ok_or_else(bad)? * unit).min(u64::from(u32::MAX));
    }
    // A last number without a unit counts seconds.
    sum += value.unwrap_or(0);
    u32::try_from(sum).ok().filter(|&sum| sum <= TTL_MAX && !text.is_empty()).ok_or_else(bad)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The wire form of a name below `o.`
    fn wire(text: &str) -> Result<Vec<u8>, Bad> {
        let mut out = Vec::new();
        name(text.as_bytes(), b"\x01o\x00", &mut out).map(|()| out)
    }

    #[test]
    fn names_are_relative_without_a_final_dot() {
        assert_eq!(wire("a.Bc").unwrap(), b"\x01a\x02Bc\x01o\x00");
        assert_eq!(wire("a.").unwrap(), b"\x01a\x00");
        assert_eq!(wire("@").unwrap(), b"\x01o\x00");
        assert_eq!(wire(".").unwrap(), b"\x00");
        assert_eq!(wire("\\@").unwrap(), b"\x01@\x01o\x00");
    }

    #[test]
    fn names_have_escapes() {
        assert_eq!(wire("a\\.b\\032\\\\.").unwrap(), b"\x05a.b \\\x00");
        assert_eq!(wire("a\\256.").unwrap_err(), Bad::new(1, "\\256 is not an octet; allowed are \\000 to \\255"));
        for text in ["a\\", "a\\1", "a\\12x"] {
            assert_eq!(wire(text).unwrap_err().at, 1, "{text}");
        }
    }

    #[test]
    fn names_have_bounds() {
        assert!(wire(&format!("{}.", "a".repeat(63))).is_ok());
        assert!(wire(&"a".repeat(64)).unwrap_err().message.contains("has 64 octets"));
        assert_eq!(wire("a..b").unwrap_err().at, 2);
        assert_eq!(wire(".a").unwrap_err().at, 0);
        assert!(wire("").is_err() && wire("..").is_err());
        assert_eq!(wire(&format!("{}.", vec!["a"; 127].join("."))).unwrap().len(), 255);
        assert!(wire(&vec!["a"; 127].join(".")).unwrap_err().message.contains("has 257 octets"));
        assert!(wire("ä").unwrap_err().message.contains("the octet 195"));
    }

    #[test]
    fn ttls_have_units() {
        for (text, seconds) in [("0", 0), ("3600", 3600), ("1h30m", 5400), ("1W2D3H4M5S", 788_645), ("1m1", 61)] {
            assert_eq!(ttl(text.as_bytes()), Ok(seconds), "{text}");
        }
        assert_eq!(ttl(b"2147483647"), Ok(TTL_MAX));
        for text in ["", "h", "1x", "2147483648", "99999999999", "9999999999w", "-1", "1hh"] {
            assert!(ttl(text.as_bytes()).is_err(), "{text}");
        }
    }

    #[test]
    fn strings_have_lengths() {
        let mut out = Vec::new();
        string(b"a\\\"\\000", &mut out).unwrap();
        assert_eq!(out, b"\x03a\"\x00");
        assert!(string(&[b'a'; 256], &mut out).is_err());
        assert!(number(b"65536", 65535).is_err() && number(b"", 9).is_err() && number(b"+1", 9).is_err());
    }
}
