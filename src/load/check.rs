//! Whether an answer is what the data says: read where it lies, without allocation.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use super::churn::versions::{Age, Versions};
use super::data::Data;
use super::mix::Kind;
use super::questions::Question;
use super::slots::Asked;
use crate::wire::types::{class, rcode, rtype};
use crate::wire::{HEADER_LENGTH, Reader, Short};

/// Records of one answer that are told from each other; answers may have more.
const TOLD: u32 = 128;

/// A pointer to the question's name, which every record of an answer begins with at nearly every server.
const QUESTION: &[u8] = &[0xc0, HEADER_LENGTH as u8];

/// What is wrong with an answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) rcode: bool,
    pub(super) record: bool,
    pub(super) count: bool,
    pub(super) ttl: bool,
    pub(super) duplicate: bool,
    pub(super) stale: bool,
    pub(super) malformed: bool,
}

impl Found {
    /// Whether anything is.
    pub(super) fn any(self) -> bool {
        self != Self::default()
    }

    /// It in words.
    pub(super) fn words(self) -> String {
        let words = [
            (self.rcode, "wrong RCODE"),
            (self.record, "wrong record"),
            (self.count, "wrong number of records"),
            (self.ttl, "wrong TTL"),
            (self.duplicate, "record twice"),
            (self.stale, "stale record"),
            (self.malformed, "malformed"),
        ];
        words.iter().filter(|(is, _)| *is).map(|(_, word)| *word).collect::<Vec<_>>().join(", ")
    }
}

/// What answers are checked against.
pub(super) struct Checker {
    /// `None`: only that they can be read.
    pub(super) data: Option<Data>,
    /// The addresses of services that are changed while the run lasts.
    pub(super) versions: Option<Arc<Versions>>,
}

/// What an answer should have: a response code, and so many records of a type.
struct Expected {
    rcode: u8,
    count: u32,
    ttl: u32,
}

impl Checker {
    /// Looks at a whole message, of which id and question (`question` octets behind the header) are known to be right.
    pub(super) fn check(&self, asked: Asked, message: &[u8], question: usize) -> Found {
        let mut found = Found::default();
        if self.read(asked, message, question, &mut found).is_err() {
            found.malformed = true;
        }
        found
    }

    fn read(&self, asked: Asked, message: &[u8], question: usize, found: &mut Found) -> Result<(), Short> {
        let mut reader = Reader::new(message);
        let [_, _, flags, low, ..] = reader.take_array::<4>()?;
        let (_, answers, authority, additional) = (reader.u16()?, reader.u16()?, reader.u16()?, reader.u16()?);
        let name = reader.take(question)?;
        let rest = u32::from(authority) + u32::from(additional);
        let Some(data) = &self.data else { return skip(&mut reader, u32::from(answers) + rest) };
        let expected = self.expected(data, asked.question);
        found.rcode = low & 0xf != expected.rcode;
        if found.rcode {
            return Ok(());
        }
        let wanted = asked.question.kind.rtype();
        let is_truncated = flags & 0x02 != 0;
        found.count = u32::from(answers) != expected.count && !is_truncated;
        // Those told so far, a bit each: a second one is a duplicate.
        let mut told = 0_u128;
        for _ in 0..answers {
            let before = reader.rest();
            reader.skip_name()?;
            let owner = before.get(..before.len() - reader.rest().len()).unwrap_or_default();
            let (kind, class_, ttl) = (reader.u16()?, reader.u16()?, u32::from_be_bytes(reader.take_array()?));
            let length = reader.u16()?;
            let rdata = reader.take(length.into())?;
            let is_of_question = owner == QUESTION || is_same(message, owner, name);
            if kind != wanted || class_ != class::IN || !is_of_question {
                found.record = true;
                continue;
            }
            found.ttl |= ttl != expected.ttl;
            match self.which(data, asked, message, rdata, name, found) {
                Some(which) if which < TOLD => {
                    found.duplicate |= told & 1 << which != 0;
                    told |= 1 << which;
                }
                Some(_) => {}
                None => found.record = true,
            }
        }
        skip(&mut reader, rest)
    }

    /// What the answer to a question should have.
    fn expected(&self, data: &Data, Question { kind, .. }: Question) -> Expected {
        let of = |rcode, count| Expected { rcode, count, ttl: data.ttl };
        match kind {
            Kind::NxDomain => of(rcode::NXDOMAIN, 0),
            Kind::Instance => match data.instance_answers(rtype::A) {
                Some(count) => of(rcode::NOERROR, count),
                None => of(rcode::NXDOMAIN, 0),
            },
            Kind::Churn => match &self.versions {
                Some(versions) => Expected { rcode: rcode::NOERROR, count: versions.shown(), ttl: versions.ttl() },
                None => of(rcode::NXDOMAIN, 0),
            },
            Kind::A | Kind::Aaaa | Kind::Srv | Kind::NoData | Kind::File => {
                of(rcode::NOERROR, data.service_answers(kind.rtype()))
            }
        }
    }

    /// Which instance a record is of; `None`: of none of the service's.
    #[inline]
    fn which(
        &self,
        data: &Data,
        asked: Asked,
        message: &[u8],
        rdata: &[u8],
        name: &[u8],
        found: &mut Found,
    ) -> Option<u32> {
        let Question { kind, number } = asked.question;
        let address = || match *rdata {
            [a, b, c, d] => Some(IpAddr::V4(Ipv4Addr::new(a, b, c, d))),
            _ => <[u8; 16]>::try_from(rdata).ok().map(|octets| IpAddr::V6(Ipv6Addr::from(octets))),
        };
        match kind {
            Kind::A | Kind::Aaaa => data.instance_of(number, address()?),
            Kind::Instance => {
                let instances = data.instances.max(1);
                let instance = data.instance_of(number / instances, address()?)?;
                (instance == number % instances).then_some(instance)
            }
            Kind::Srv => {
                let (ports, target) = rdata.split_at_checked(6)?;
                let &[_, _, _, _, high, low] = ports else { return None };
                let mut space = [0; 255];
                let length = expand(message, target, &mut space)?;
                let (first, rest) = space.get(1..length)?.split_at_checked(space.first().copied()?.into())?;
                let instance = data.instance_of_id(first)?;
                let is_right = name.strip_suffix(&[0, 33, 0, 1]).is_some_and(|name| rest.eq_ignore_ascii_case(name));
                (is_right && u16::from_be_bytes([high, low]) == data.port(instance)).then_some(instance)
            }
            Kind::Churn => {
                let IpAddr::V4(address) = address()? else { return None };
                let (instance, age) = self.versions.as_ref()?.look(number, address, asked.sent)?;
                found.stale |= age == Age::Stale;
                Some(instance)
            }
            Kind::NoData | Kind::NxDomain | Kind::File => None,
        }
    }
}

/// Skips `count` records.
fn skip(reader: &mut Reader<'_>, count: u32) -> Result<(), Short> {
    for _ in 0..count {
        reader.skip_name()?;
        reader.take(8)?;
        let length = reader.u16()?;
        reader.take(length.into())?;
    }
    Ok(())
}

/// Whether a name in the message is that of the question, whose type and class follow it in `question`.
#[cold]
fn is_same(message: &[u8], name: &[u8], question: &[u8]) -> bool {
    let mut space = [0; 255];
    let expanded = expand(message, name, &mut space).and_then(|length| space.get(..length));
    let asked = question.len().checked_sub(4).and_then(|length| question.get(..length));
    expanded.zip(asked).is_some_and(|(expanded, asked)| expanded.eq_ignore_ascii_case(asked))
}

/// Writes the name that `octets` of the message begin with, its pointers followed; its length.
fn expand(message: &[u8], octets: &[u8], space: &mut [u8; 255]) -> Option<usize> {
    let (mut rest, mut length) = (octets, 0);
    // Each turn takes a label or follows a pointer: a name has no more labels than this.
    for _ in 0..255 {
        let &[first, ref behind @ ..] = rest else { return None };
        if first >= 0xc0 {
            let low = behind.first()?;
            rest = message.get(usize::from(u16::from_be_bytes([first & 0x3f, *low]))..)?;
            continue;
        }
        let label = rest.get(..=usize::from(first))?;
        space.get_mut(length..length + label.len())?.copy_from_slice(label);
        length += label.len();
        rest = rest.get(label.len()..)?;
        if first == 0 {
            return Some(length);
        }
    }
    None
}

#[cfg(test)]
#[path = "check_tests.rs"]
mod tests;
