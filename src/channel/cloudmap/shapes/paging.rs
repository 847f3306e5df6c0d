//! Pages of lists: how long one is, and the token that asks for the next.

use serde::{Serialize, Serializer};

use super::member::{Member, Path, Text, length};
use super::texts::MaxResults;
use crate::channel::cloudmap::ApiError;
use crate::model::validate::Violation;

/// The format of tokens. Those of another are refused; they live as long as a client turns pages.
const VERSION: u8 = 1;
/// Characters of a token (API model `NextToken`).
const LONGEST: usize = 4096;
/// The list of `ListNamespaces`.
pub const NAMESPACES: u8 = b'n';
/// The list of `ListServices`.
pub const SERVICES: u8 = b's';
/// The list of `ListInstances`.
pub const INSTANCES: u8 = b'i';
/// The list of `GetInstancesHealthStatus`.
pub const HEALTH: u8 = b'h';
/// The list of `ListOperations`.
pub const OPERATIONS: u8 = b'o';

/// Where in `LIST` the next page begins: after the entry with this key. The key means something to the list alone.
///
/// As text it is base64url of version, list, key and a check of them all, so that a damaged token is refused, and one
/// of another list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NextToken<const LIST: u8>(pub Box<[u8]>);

impl<const LIST: u8> NextToken<LIST> {
    /// The text for clients.
    pub fn encode(&self) -> String {
        let mut octets = Vec::with_capacity(self.0.len() + 6);
        octets.extend([VERSION, LIST]);
        octets.extend(&*self.0);
        octets.extend(check(&octets));
        base64url(&octets)
    }

    /// The token of a text. An empty one is none: the list's beginning.
    fn decode(text: &str) -> Result<Self, Violation> {
        if text.is_empty() {
            return Ok(Self::default());
        }
        let found = octets(text).and_then(|octets| {
            let (head, sum) = octets.split_last_chunk::<4>()?;
            let key = head.strip_prefix(&[VERSION, LIST])?;
            (check(head) == *sum).then(|| Self(key.into()))
        });
        found.ok_or_else(|| Violation::not(text, "a token of this list", "those from NextToken of the page before"))
    }
}

impl<'a, const LIST: u8> Member<'a> for NextToken<LIST> {
    type Raw = Text<'a>;

    fn check(raw: Text<'a>, at: &Path<'_>) -> Result<Self, ApiError> {
        length(&raw, "a token", 0, LONGEST).and_then(|()| Self::decode(&raw)).map_err(|violation| at.refuse(violation))
    }
}

impl<const LIST: u8> Serialize for NextToken<LIST> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.encode())
    }
}

/// The page that a request asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Page<'a> {
    /// Entries on it at most.
    pub limit: usize,
    /// The key of the entry before it; empty at the beginning.
    pub after: &'a [u8],
}

impl<'a> Page<'a> {
    /// From the two members of every list action.
    pub fn of<const LIST: u8>(max_results: Option<MaxResults>, next_token: &'a Option<NextToken<LIST>>) -> Self {
        let limit = max_results.unwrap_or_default().0 as usize;
        Self { limit, after: next_token.as_ref().map_or(&[], |token| &token.0) }
    }
}

/// FNV-1a: tells accidents, not attacks; a token shows nothing that its list does not.
fn check(octets: &[u8]) -> [u8; 4] {
    let sum = octets.iter().fold(0x811c_9dc5_u32, |sum, octet| (sum ^ u32::from(*octet)).wrapping_mul(0x0100_0193));
    sum.to_be_bytes()
}

/// The digits of base64url (RFC 4648 §5).
const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// Octets as base64url without padding.
fn base64url(octets: &[u8]) -> String {
    let mut text = String::with_capacity(octets.len().div_ceil(3) * 4);
    for chunk in octets.chunks(3) {
        let bits = chunk.iter().fold(0_usize, |bits, octet| bits << 8 | usize::from(*octet)) << (8 * (3 - chunk.len()));
        let digits = (0..=chunk.len()).map(|place| bits >> (18 - 6 * place) & 63);
        text.extend(digits.filter_map(|digit| DIGITS.get(digit)).map(|digit| char::from(*digit)));
    }
    text
}

/// The octets of a base64url text, if it is one in its only form.
fn octets(text: &str) -> Option<Vec<u8>> {
    let mut octets = Vec::with_capacity(text.len() / 4 * 3 + 2);
    for chunk in text.as_bytes().chunks(4) {
        let digit = |octet: &u8| DIGITS.iter().position(|digit| digit == octet);
        let bits = chunk.iter().try_fold(0_usize, |bits, octet| Some(bits << 6 | digit(octet)?))?;
        let bits = u32::try_from(bits << (6 * (4 - chunk.len()))).ok()?;
        let [_, whole @ ..] = bits.to_be_bytes();
        octets.extend(whole.iter().take(chunk.len() - 1));
    }
    (base64url(&octets) == text).then_some(octets)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_come_back() {
        for length in 0..70_u8 {
            let token = NextToken::<NAMESPACES>((0..length).map(|n| n.wrapping_mul(37)).collect());
            let text = token.encode();
            assert!(text.bytes().all(|octet| octet.is_ascii_alphanumeric() || b"-_".contains(&octet)), "{text}");
            assert_eq!(NextToken::decode(&text), Ok(token));
        }
        assert_eq!(NextToken::<NAMESPACES>::decode(""), Ok(NextToken::default()));
    }

    #[test]
    fn other_tokens_are_refused() {
        let text = NextToken::<SERVICES>(b"srv-0123".as_slice().into()).encode();
        assert!(NextToken::<SERVICES>::decode(&text).is_ok());
        assert!(NextToken::<INSTANCES>::decode(&text).is_err());
        for place in 0..text.len() {
            let mut other = text.clone().into_bytes();
            other[place] = if other[place] == b'A' { b'B' } else { b'A' };
            assert!(NextToken::<SERVICES>::decode(std::str::from_utf8(&other).unwrap()).is_err(), "{place}");
            assert!(NextToken::<SERVICES>::decode(&text[..place.max(1)]).is_err(), "{place}");
        }
        for bad in ["A", "AAAA", "AAAAA", "====", "ä", "not a token", &format!("{text}=")] {
            assert!(NextToken::<SERVICES>::decode(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_page_has_a_default_length() {
        assert_eq!(Page::of::<HEALTH>(None, &None), Page { limit: 100, after: &[] });
        let token = Some(NextToken::<HEALTH>(Box::new(*b"x")));
        assert_eq!(Page::of(Some(MaxResults(7)), &token), Page { limit: 7, after: b"x" });
    }
}
