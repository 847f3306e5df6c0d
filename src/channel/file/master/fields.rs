//! RDATA as a row of fields: the types whose text is that plain.
//!
//! The common types are here because they are parsed by the million, and rarer ones because nobody else parses them.
//! A property test holds the common ones against the `domain` crate, which parses the rest.

use super::lex::Token;
use super::text::{self, Bad};

/// One field, in text and on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Field {
    U8,
    U16,
    U32,
    /// Seconds, also with units.
    Seconds,
    V4,
    V6,
    /// A name; not compressed, its case kept.
    Name,
    /// A character string.
    String,
    /// A character string that may be left out.
    Option,
    /// One character string or more, to the end.
    Strings,
    /// Octets of one token to the end, without a length.
    Text,
    /// Hexadecimal digits to the end, at least one octet.
    Hex,
    /// Base 64 to the end, at least one octet.
    Base64,
    /// Four groups of four hexadecimal digits, joined by colons (RFC 6742 §2).
    Locator,
    /// Pairs of hexadecimal digits joined by hyphens (RFC 7043 §3.2); how many octets.
    Eui(u8),
    /// A number of 16 bits, or a word of a certificate's type (RFC 4398 §2.1).
    CertType,
}

/// The fields of a type.
pub(super) fn layout(rtype: u16) -> Option<&'static [Field]> {
    use Field::*;
    Some(match rtype {
        1 => &[V4],
        // NS, MD, MF, CNAME, MB, MG, MR, PTR; NSAP-PTR (RFC 1706 §6), DNAME.
        2..=5 | 7..=9 | 12 | 23 | 39 => &[Name],
        6 => &[Name, Name, U32, Seconds, Seconds, Seconds, Seconds],
        // HINFO; MINFO, RP (RFC 1183 §2.2).
        13 => &[String, String],
        14 | 17 => &[Name, Name],
        // MX; AFSDB, RT (RFC 1183), KX (RFC 2230), LP (RFC 6742).
        15 | 18 | 21 | 36 | 107 => &[U16, Name],
        // TXT; NINFO, SPF (RFC 7208 §3.1), AVC, RESINFO (RFC 9606), WALLET.
        16 | 56 | 99 | 258 | 261 | 262 => &[Strings],
        // X25, ISDN (RFC 1183 §3), PX (RFC 2163), GPOS (RFC 1712).
        19 => &[String],
        20 => &[String, Option],
        26 => &[U16, Name, Name],
        27 => &[String, String, String],
        28 => &[V6],
        33 => &[U16, U16, U16, Name],
        35 => &[U16, U16, String, String, String, Name],
        37 => &[CertType, U16, U8, Base64],
        // DHCID (RFC 4701), SMIMEA (RFC 8162), TALINK.
        49 => &[Base64],
        53 => &[U8, U8, U8, Hex],
        58 => &[Name, Name],
        // NID, L32, L64 (RFC 6742), EUI48, EUI64 (RFC 7043).
        104 | 106 => &[U16, Locator],
        105 => &[U16, V4],
        108 => &[Eui(6)],
        109 => &[Eui(8)],
        // URI (RFC 7553 §4), TA and DLV, whose layout is that of DS (RFC 4431).
        256 => &[U16, U16, Text],
        32768 | 32769 => &[U16, U8, U8, Hex],
        _ => return None,
    })
}

/// Words for types of certificates.
const CERT_TYPES: [(&str, u16); 10] = [
    ("PKIX", 1),
    ("SPKI", 2),
    ("PGP", 3),
    ("IPKIX", 4),
    ("ISPKI", 5),
    ("IPGP", 6),
    ("ACPKIX", 7),
    ("IACPKIX", 8),
    ("URI", 253),
    ("OID", 254),
];

/// What is wrong with RDATA: the index of a token, and the fault in it. An index behind the last token means the end.
pub(super) type BadToken = (usize, Bad);

/// Appends the wire form of `tokens`, one for each of `fields` but where a field takes the rest.
pub(super) fn write(
    fields: &[Field],
    text: &[u8],
    tokens: &[Token],
    origin: &[u8],
    out: &mut Vec<u8>,
) -> Result<(), BadToken> {
    let mut next = 0;
    for field in fields {
        let Some(token) = tokens.get(next) else {
            if *field == Field::Option {
                continue;
            }
            return Err((next, Bad::new(0, "the record ends too early; more fields belong here")));
        };
        let rest = tokens.get(next..).unwrap_or_default();
        match field {
            Field::Strings => {
                for (index, token) in rest.iter().enumerate() {
                    text::string(token.of(text), out).map_err(|bad| (next + index, bad))?;
                }
                next = tokens.len();
            }
            Field::Hex => {
                hex(text, rest, out).map_err(|(index, bad)| (next + index, bad))?;
                next = tokens.len();
            }
            Field::Base64 => {
                let joined: String = rest.iter().map(|token| String::from_utf8_lossy(token.of(text))).collect();
                let octets: Vec<u8> = domain::utils::base64::decode(&joined)
                    .map_err(|error| (next, Bad::new(0, format!("this is not base 64: {error}"))))?;
                out.extend_from_slice(&octets);
                next = tokens.len();
            }
            _ => {
                one(*field, token.of(text), origin, out).map_err(|bad| (next, bad))?;
                next += 1;
            }
        }
    }
    match tokens.get(next) {
        None => Ok(()),
        Some(_) => Err((next, Bad::new(0, "this stands behind the last field of the record"))),
    }
}

/// Appends a field of one token.
fn one(field: Field, token: &[u8], origin: &[u8], out: &mut Vec<u8>) -> Result<(), Bad> {
    match field {
        Field::U8 => out.push(text::number(token, u32::from(u8::MAX))? as u8),
        Field::U16 => out.extend((text::number(token, u32::from(u16::MAX))? as u16).to_be_bytes()),
        Field::U32 => out.extend(text::number(token, u32::MAX)?.to_be_bytes()),
        Field::Seconds => out.extend(text::ttl(token)?.to_be_bytes()),
        Field::V4 => {
            let address: Option<std::net::Ipv4Addr> = str::from_utf8(token).ok().and_then(|text| text.parse().ok());
            out.extend(
                address.ok_or_else(|| Bad::not(token, "an IPv4 address", "four numbers as in 192.0.2.1"))?.octets(),
            );
        }
        Field::V6 => {
            let address: Option<std::net::Ipv6Addr> = str::from_utf8(token).ok().and_then(|text| text.parse().ok());
            out.extend(address.ok_or_else(|| Bad::not(token, "an IPv6 address", "groups as in 2001:db8::1"))?.octets());
        }
        Field::Name => text::name(token, origin, out)?,
        Field::String | Field::Option => text::string(token, out)?,
        Field::Text => text::octets(token, out)?,
        Field::Locator => groups(token, b':', 4, 2, out)
            .ok_or_else(|| Bad::not(token, "a value of 64 bits", "four groups as in 0014:4fff:ff20:ee64"))?,
        Field::Eui(octets) => groups(token, b'-', usize::from(octets), 1, out)
            .ok_or_else(|| Bad::not(token, "an EUI address", "pairs of digits as in 00-00-5e-00-53-2a"))?,
        Field::CertType => {
            let word = CERT_TYPES.iter().find(|(word, _)| word.as_bytes().eq_ignore_ascii_case(token));
            let number =
                word.map_or_else(|| text::number(token, u32::from(u16::MAX)), |(_, number)| Ok(u32::from(*number)));
            out.extend((number? as u16).to_be_bytes());
        }
        Field::Strings | Field::Hex | Field::Base64 => {}
    }
    Ok(())
}

/// Appends `count` groups of `octets` octets in hexadecimal digits, joined by `separator`. Groups of two octets may
/// leave out zeros in front.
fn groups(token: &[u8], separator: u8, count: usize, octets: usize, out: &mut Vec<u8>) -> Option<()> {
    let groups: Vec<&[u8]> = token.split(|octet| *octet == separator).collect();
    let fits = |group: &&[u8]| {
        let digits = group.iter().all(u8::is_ascii_hexdigit);
        digits && if octets == 1 { group.len() == 2 } else { (1..=octets * 2).contains(&group.len()) }
    };
    if groups.len() != count || !groups.iter().all(fits) {
        return None;
    }
    for group in groups {
        let value =
            group.iter().filter_map(|octet| char::from(*octet).to_digit(16)).fold(0, |value, digit| value << 4 | digit);
        out.extend(value.to_be_bytes().iter().skip(4 - octets));
    }
    Some(())
}

/// Appends the octets of hexadecimal digits, which tokens may split anywhere. At least one octet.
pub(super) fn hex(text: &[u8], tokens: &[Token], out: &mut Vec<u8>) -> Result<(), BadToken> {
    let (mut high, mut octets) = (None, 0);
    for (index, token) in tokens.iter().enumerate() {
        for (at, octet) in token.of(text).iter().enumerate() {
            let digit = char::from(*octet).to_digit(16);
            let digit = digit.ok_or_else(|| (index, Bad::new(at, "this is not a hexadecimal digit")))?;
            match high.take() {
                None => high = Some(digit),
                Some(high) => {
                    out.push((high << 4 | digit) as u8);
                    octets += 1;
                }
            }
        }
    }
    match (high, octets) {
        (None, 1..) => Ok(()),
        (None, _) => Err((0, Bad::new(0, "hexadecimal digits belong here"))),
        (Some(_), _) => Err((tokens.len().saturating_sub(1), Bad::new(0, "the number of hexadecimal digits is odd"))),
    }
}

/// Whether `wire` is RDATA of these fields, its names not compressed.
pub(super) fn fits(fields: &[Field], mut wire: &[u8]) -> bool {
    /// The wire form without its first `count` octets.
    fn skip(wire: &[u8], count: usize) -> Option<&[u8]> {
        wire.get(count..)
    }
    /// The wire form without the string in front.
    fn skip_string(wire: &[u8]) -> Option<&[u8]> {
        skip(wire, 1 + usize::from(*wire.first()?))
    }
    for field in fields {
        let rest = match field {
            Field::U8 => skip(wire, 1),
            Field::U16 | Field::CertType => skip(wire, 2),
            Field::U32 | Field::Seconds | Field::V4 => skip(wire, 4),
            Field::Locator => skip(wire, 8),
            Field::V6 => skip(wire, 16),
            Field::Eui(octets) => skip(wire, usize::from(*octets)),
            Field::Name => skip_name(wire),
            Field::String => skip_string(wire),
            Field::Option if wire.is_empty() => Some(wire),
            Field::Option => skip_string(wire),
            Field::Strings => {
                let mut rest = skip_string(wire);
                while let Some(more @ [_, ..]) = rest {
                    rest = skip_string(more);
                }
                rest
            }
            Field::Text => Some(&wire[..0]),
            Field::Hex | Field::Base64 => (!wire.is_empty()).then_some(&wire[..0]),
        };
        let Some(rest) = rest else { return false };
        wire = rest;
    }
    wire.is_empty()
}

/// What stands behind the name in front of `wire`.
fn skip_name(wire: &[u8]) -> Option<&[u8]> {
    let mut at = 0;
    loop {
        match *wire.get(at)? {
            0 => break,
            length @ 1..=63 => at += 1 + usize::from(length),
            _ => return None,
        }
        if at > 254 {
            return None;
        }
    }
    wire.get(at + 1..)
}
