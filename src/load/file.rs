//! Files of queries in the format of dnsperf: a name and a type a line, `;` before a comment.

use crate::wire::Name;
use crate::wire::types::class;

/// Types by name; others are written as `TYPE65280` (RFC 3597 §5).
const TYPES: [(&str, u16); 20] = [
    ("A", 1),
    ("NS", 2),
    ("CNAME", 5),
    ("SOA", 6),
    ("PTR", 12),
    ("HINFO", 13),
    ("MX", 15),
    ("TXT", 16),
    ("AAAA", 28),
    ("SRV", 33),
    ("NAPTR", 35),
    ("DS", 43),
    ("SSHFP", 44),
    ("RRSIG", 46),
    ("NSEC", 47),
    ("DNSKEY", 48),
    ("SVCB", 64),
    ("HTTPS", 65),
    ("ANY", 255),
    ("CAA", 257),
];

/// The questions of a file.
pub(super) struct Lines {
    /// Name, type and class of each, one behind the other.
    octets: Vec<u8>,
    /// Where each one ends.
    ends: Vec<u32>,
}

impl Lines {
    /// Reads a file's text; the error says which line is wrong.
    pub(super) fn parse(text: &[u8]) -> Result<Self, String> {
        let (mut octets, mut ends) = (Vec::new(), Vec::new());
        for (number, line) in text.split(|octet| *octet == b'\n').enumerate() {
            let fault = |what: String| format!("line {}: {what}", number + 1);
            let line = str::from_utf8(line).map_err(|_| fault("not UTF-8".into()))?.trim();
            if line.is_empty() || line.starts_with([';', '#']) {
                continue;
            }
            let mut words = line.split_ascii_whitespace();
            let (Some(name), Some(rtype)) = (words.next(), words.next()) else {
                return Err(fault("a name and a type are needed, as in `api.production.local A`".into()));
            };
            let parsed = if name == "." { Ok(vec![0]) } else { Name::parse(name).map(|name| name.as_wire().to_vec()) };
            octets.extend(parsed.map_err(|error| fault(format!("{name}: {error}")))?);
            octets.extend(type_of(rtype).ok_or_else(|| fault(format!("{rtype} is not a type")))?.to_be_bytes());
            octets.extend(class::IN.to_be_bytes());
            ends.push(u32::try_from(octets.len()).map_err(|_| fault("more than 4 GB of questions".into()))?);
        }
        if ends.is_empty() { Err("it has no queries".into()) } else { Ok(Self { octets, ends }) }
    }

    /// How many.
    pub(super) fn count(&self) -> u32 {
        self.ends.len() as u32
    }

    /// Name, type and class of one; nothing for one that is not there.
    pub(super) fn get(&self, number: u32) -> &[u8] {
        let end = self.ends.get(number as usize).copied().unwrap_or_default();
        let begin =
            number.checked_sub(1).and_then(|before| self.ends.get(before as usize)).copied().unwrap_or_default();
        self.octets.get(begin as usize..end as usize).unwrap_or_default()
    }
}

/// The type of this name.
fn type_of(text: &str) -> Option<u16> {
    let text = text.to_ascii_uppercase();
    let known = TYPES.iter().find(|(name, _)| *name == text).map(|(_, number)| *number);
    known.or_else(|| text.strip_prefix("TYPE")?.parse().ok())
}

/// The name of this type.
pub(super) fn type_name(rtype: u16) -> String {
    let known = TYPES.iter().find(|(_, number)| *number == rtype);
    known.map_or_else(|| format!("TYPE{rtype}"), |(name, _)| (*name).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_become_questions() {
        let lines = Lines::parse(b"; a comment\napi.local A\n\n b.local. TYPE258\r\n. ns\n").unwrap();
        assert_eq!(lines.count(), 3);
        assert_eq!(lines.get(0), b"\x03api\x05local\0\0\x01\0\x01");
        assert_eq!(lines.get(1), b"\x01b\x05local\0\x01\x02\0\x01");
        assert_eq!(lines.get(2), b"\0\0\x02\0\x01");
        assert_eq!(lines.get(3), b"");
    }

    #[test]
    fn a_fault_names_its_line() {
        for (text, said) in
            [("a.b A\nc.d", "line 2"), ("a.b NOPE", "NOPE"), ("a..b A", "line 1"), ("\n;\n", "no queries")]
        {
            let error = Lines::parse(text.as_bytes()).err().unwrap();
            assert!(error.contains(said), "{error}");
        }
    }
}
