//! Responses as sets of records, in one spelling.

use std::fmt;

use super::generate::rtype;
use super::name::Name;

/// A record: owner and names in data in lower case, data without compression.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Record {
    pub(crate) owner: Name,
    pub(crate) rtype: u16,
    pub(crate) ttl: u32,
    pub(crate) data: Vec<u8>,
}

/// A response. Its sections are sorted; the OPT record is not among them.
#[derive(Clone, Debug)]
pub(crate) struct Response {
    pub(crate) rcode: u8,
    pub(crate) authoritative: bool,
    pub(crate) truncated: bool,
    /// Octets of the message.
    pub(crate) length: usize,
    pub(crate) answer: Vec<Record>,
    pub(crate) authority: Vec<Record>,
    pub(crate) additional: Vec<Record>,
}

impl Response {
    /// Reads a whole message.
    pub(crate) fn parse(message: &[u8]) -> Option<Self> {
        let mut parser = Parser { message, at: 12 };
        let number = |at: usize| Some(u16::from_be_bytes([*message.get(at)?, *message.get(at + 1)?]));
        for _ in 0..number(4)? {
            parser.name()?;
            parser.take(4)?;
        }
        let mut section = |count: u16| {
            let mut records = (0..count).map(|_| parser.record()).collect::<Option<Vec<_>>>()?;
            records.retain(|record| record.rtype != 41);
            records.sort();
            Some(records)
        };
        let [answer, authority, additional] = [section(number(6)?)?, section(number(8)?)?, section(number(10)?)?];
        (parser.at == message.len()).then_some(Self {
            rcode: message[3] & 0xf,
            authoritative: message[2] & 4 != 0,
            truncated: message[2] & 2 != 0,
            length: message.len(),
            answer,
            authority,
            additional,
        })
    }
}

impl Record {
    /// The name that its data ends in, where that leads to more.
    pub(crate) fn target(&self) -> Option<Name> {
        let skipped = match self.rtype {
            rtype::NS | rtype::CNAME | rtype::DNAME | rtype::PTR => 0,
            rtype::MX => 2,
            rtype::SRV => 6,
            _ => return None,
        };
        Parser { message: &self.data, at: skipped }.name()
    }
}

/// A cursor in a message.
struct Parser<'m> {
    message: &'m [u8],
    at: usize,
}

impl<'m> Parser<'m> {
    fn take(&mut self, length: usize) -> Option<&'m [u8]> {
        let octets = self.message.get(self.at..self.at + length)?;
        self.at += length;
        Some(octets)
    }

    fn u16(&mut self) -> Option<u16> {
        self.take(2).map(|octets| u16::from_be_bytes([octets[0], octets[1]]))
    }

    /// A name in lower case; pointers lead backwards only (RFC 1035 §4.1.4).
    fn name(&mut self) -> Option<Name> {
        let mut labels = Vec::new();
        let mut at = self.at;
        let mut end = None;
        loop {
            let length = *self.message.get(at)?;
            if length & 0xc0 == 0xc0 {
                let target = usize::from(u16::from_be_bytes([length & 0x3f, *self.message.get(at + 1)?]));
                end = end.or(Some(at + 2));
                if target >= at {
                    return None;
                }
                at = target;
            } else if length == 0 {
                self.at = end.unwrap_or(at + 1);
                return Some(Name(labels)).filter(|name| name.length() <= 255);
            } else {
                let label = self.message.get(at + 1..at + 1 + usize::from(length))?;
                labels.push(label.to_ascii_lowercase());
                at += 1 + usize::from(length);
            }
        }
    }

    fn record(&mut self) -> Option<Record> {
        let owner = self.name()?;
        let rtype = self.u16()?;
        self.take(2)?;
        let ttl = u32::from_be_bytes(self.take(4)?.try_into().ok()?);
        let length = usize::from(self.u16()?);
        let end = self.at + length;
        let (before, names) = match rtype {
            rtype::NS | rtype::CNAME | rtype::DNAME | rtype::PTR => (0, 1),
            rtype::SOA => (0, 2),
            rtype::MX => (2, 1),
            rtype::SRV => (6, 1),
            _ => (length, 0),
        };
        let mut data = self.take(before)?.to_vec();
        for _ in 0..names {
            data.extend(self.name()?.to_wire());
        }
        data.extend_from_slice(self.take(end.checked_sub(self.at)?)?);
        Some(Record { owner, rtype, ttl, data })
    }
}

impl fmt::Display for Response {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let flag = |set: bool, name: &'static str| if set { name } else { "" };
        write!(f, "rcode {}{}", self.rcode, flag(self.authoritative, " aa"))?;
        writeln!(f, "{}, {} octets", flag(self.truncated, " tc"), self.length)?;
        for (title, section) in
            [("answer", &self.answer), ("authority", &self.authority), ("additional", &self.additional)]
        {
            for record in section {
                let data = match record.target() {
                    Some(target) => target.to_string(),
                    None => record.data.iter().take(24).map(|octet| format!("{octet:02x}")).collect(),
                };
                writeln!(f, "    {title}: {} {} TYPE{} {data}", record.owner, record.ttl, record.rtype)?;
            }
        }
        Ok(())
    }
}
