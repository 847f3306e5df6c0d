//! RDATA of any type: by its fields, by the `domain` crate, or in the form of RFC 3597 for every type.

use bytes::Bytes;
use domain::base::iana::{Class, Rtype};
use domain::base::{ParseRecordData, ParsedName, rdata::ComposeRecordData};
use domain::rdata::ZoneRecordData;
use domain::zonefile::inplace::{Entry, Zonefile};

use super::fields::{self, BadToken};
use super::lex::{Line, Token};
use super::text::{self, Bad};

/// SOA.
pub(super) const SOA: u16 = 6;

/// The type called `text`: a word, or `TYPE` and a number (RFC 3597 §5).
pub(super) fn rtype(text: &[u8]) -> Result<u16, Bad> {
    let rtype = match text {
        b"A" => 1,
        b"SRV" => 33,
        b"AAAA" => 28,
        _ if text.eq_ignore_ascii_case(b"NSAP-PTR") => 23,
        _ => {
            let known = str::from_utf8(text).ok().and_then(|text| text.parse::<Rtype>().ok());
            known.ok_or_else(|| Bad::not(text, "a record type", "the types' names and TYPE with a number"))?.to_int()
        }
    };
    match rtype {
        // RFC 6895 §3.1: 0 is reserved, OPT and 128 to 255 are of queries and of other messages.
        0 | 41 | 128..=255 => Err(Bad::not(text, "a type of records in a zone", "types of data")),
        _ => Ok(rtype),
    }
}

/// Types that `domain` parses and [`fields`] does not.
fn is_foreign(rtype: u16) -> bool {
    // DS, SSHFP, IPSECKEY, RRSIG, NSEC, DNSKEY, NSEC3, NSEC3PARAM, TLSA, CDS, CDNSKEY, OPENPGPKEY, ZONEMD, SVCB, HTTPS,
    // CAA.
    matches!(rtype, 43..=48 | 50..=52 | 59..=61 | 63..=65 | 257)
}

/// The place of the name among the tokens of a foreign type.
fn name_of_foreign(rtype: u16) -> Option<usize> {
    match rtype {
        // IPSECKEY, RRSIG, NSEC, SVCB and HTTPS.
        45 => Some(3),
        46 => Some(7),
        47 => Some(0),
        64 | 65 => Some(1),
        _ => None,
    }
}

/// Appends the wire form of the RDATA `tokens`.
pub(super) fn write(
    rtype: u16,
    text: &[u8],
    tokens: &[Token],
    origin: &[u8],
    out: &mut Vec<u8>,
) -> Result<(), BadToken> {
    let start = out.len();
    let layout = fields::layout(rtype);
    match (tokens, layout) {
        ([first, rest @ ..], _) if first.of(text) == b"\\#" && !first.quoted => {
            unknown(text, rest, out).map_err(|(index, bad)| (index + 1, bad))?;
            check(rtype, out.get(start..).unwrap_or_default()).map_err(|bad| (0, bad))?;
        }
        (_, Some(layout)) => fields::write(layout, text, tokens, origin, out)?,
        _ if is_foreign(rtype) => {
            foreign(rtype, text, tokens, origin, out)?;
            // Some versions take `a..` for a name.
            check(rtype, out.get(start..).unwrap_or_default()).map_err(|bad| (0, bad))?;
        }
        _ => {
            let rtype = Rtype::from_int(rtype);
            let message =
                format!("the data of type {rtype} can stand here in one form only: \\# LENGTH HEX (RFC 3597)");
            return Err((0, Bad::new(0, message)));
        }
    }
    match out.len() - start {
        0..=65535 => Ok(()),
        length => Err((0, Bad::new(0, format!("the data has {length} octets; allowed are 65535")))),
    }
}

/// As [`write`], for data that stands alone as `text`. The fault is at an offset of `text`.
pub(super) fn write_all(rtype: u16, text: &[u8], origin: &[u8], out: &mut Vec<u8>) -> Result<(), Bad> {
    let mut line = Line::default();
    line.read(text, 0);
    if let Some((at, what)) = line.trouble {
        return Err(Bad::new(at, what));
    }
    let rest = text.get(line.end..).unwrap_or_default();
    if !rest.trim_ascii().is_empty() {
        return Err(Bad::new(line.end, "the data goes on in a second line; allowed is one, or parentheses"));
    }
    write(rtype, text, &line.tokens, origin, out).map_err(|(index, bad)| {
        let at = line.tokens.get(index).map_or(text.len(), |token| token.start);
        Bad::new(at + bad.at, bad.message)
    })
}

//----------- RFC 3597 ---------------------------------------------------------------------------------------

/// Appends data given as its length and hexadecimal digits (RFC 3597 §5).
fn unknown(text: &[u8], tokens: &[Token], out: &mut Vec<u8>) -> Result<(), BadToken> {
    let Some((length, digits)) = tokens.split_first() else {
        return Err((0, Bad::new(0, "the length of the data belongs here")));
    };
    let length = text::number(length.of(text), u32::from(u16::MAX)).map_err(|bad| (0, bad))? as usize;
    let start = out.len();
    if length > 0 || !digits.is_empty() {
        fields::hex(text, digits, out).map_err(|(index, bad)| (index + 1, bad))?;
    }
    match out.len() - start {
        found if found == length => Ok(()),
        found => Err((0, Bad::new(0, format!("the length is {length}, and the data has {found} octets")))),
    }
}

/// Checks data of a known type that was given in the form of unknown ones.
fn check(rtype: u16, wire: &[u8]) -> Result<(), Bad> {
    let fits = match fields::layout(rtype) {
        Some(layout) => fields::fits(layout, wire),
        None if is_foreign(rtype) => {
            // Composed again, compressed names would not be the same.
            let octets = Bytes::copy_from_slice(wire);
            let mut parser = domain::dep::octseq::Parser::from_ref(&octets);
            let parsed = ZoneRecordData::<Bytes, ParsedName<Bytes>>::parse_rdata(Rtype::from_int(rtype), &mut parser);
            let composed = parsed.ok().flatten().filter(|_| parser.remaining() == 0).map(|data| {
                let mut composed = Vec::with_capacity(wire.len());
                let Ok(()) = data.compose_rdata(&mut composed);
                composed
            });
            composed.is_some_and(|composed| composed == wire)
        }
        None => true,
    };
    let message = || format!("these octets are not data of type {}", Rtype::from_int(rtype));
    fits.then_some(()).ok_or_else(|| Bad::new(0, message()))
}

//----------- The domain crate -------------------------------------------------------------------------------

/// Appends what `domain` makes of the tokens, which it gets as one line of its own.
pub(super) fn foreign(
    rtype: u16,
    text: &[u8],
    tokens: &[Token],
    origin: &[u8],
    out: &mut Vec<u8>,
) -> Result<(), BadToken> {
    let mut line = format!(". 0 IN TYPE{rtype}").into_bytes();
    // Where each token begins in the line.
    let mut begins = Vec::with_capacity(tokens.len());
    for (index, token) in tokens.iter().enumerate() {
        if !token.glued {
            line.push(b' ');
        }
        begins.push(line.len());
        // `domain` knows @ as an owner only.
        if token.of(text) == b"@" && !token.quoted && name_of_foreign(rtype) == Some(index) {
            absolute(origin, &mut line);
            continue;
        }
        if token.quoted {
            line.push(b'"');
        }
        printable(token.of(text), &mut line);
        if token.quoted {
            line.push(b'"');
        }
    }
    line.push(b'\n');
    let mut file = Zonefile::from(&*line);
    if let Ok(origin) = domain::base::Name::from_octets(Bytes::copy_from_slice(origin)) {
        file.set_origin(origin);
    }
    file.set_default_class(Class::IN);
    match file.next_entry() {
        Ok(Some(Entry::Record(record))) => {
            let Ok(()) = record.data().compose_rdata(out);
            Ok(())
        }
        Ok(_) => Err((0, Bad::new(0, "this is not a record"))),
        Err(error) => {
            // It prints as `line:column: what`. The column is behind the token that is wrong; the second line is the end.
            let shown = error.to_string();
            let mut parts = shown.splitn(3, ':');
            let mut number = || parts.next().and_then(|number| number.parse::<usize>().ok()).unwrap_or(1);
            let (line, column) = (number(), number());
            let message = parts.next().unwrap_or(&shown).trim();
            let behind = begins.iter().take_while(|begin| **begin + 1 < column).count();
            let index = if line > 1 { tokens.len() } else { behind.saturating_sub(1) };
            let name = Rtype::from_int(rtype);
            Err((index, Bad::new(0, format!("this is not data of type {name}: {message}"))))
        }
    }
}

/// Appends the name `wire` as text in which only letters and digits stand for themselves.
fn absolute(wire: &[u8], line: &mut Vec<u8>) {
    let mut rest = wire;
    while let Some((&length, tail)) = rest.split_first().filter(|(length, _)| **length > 0) {
        let (label, tail) = tail.split_at_checked(usize::from(length)).unwrap_or((tail, &[]));
        for octet in label {
            match octet.is_ascii_alphanumeric() {
                true => line.push(*octet),
                false => line.extend_from_slice(format!("\\{octet:03}").as_bytes()),
            }
        }
        line.push(b'.');
        rest = tail;
    }
    if wire.len() <= 1 {
        line.push(b'.');
    }
}

/// Appends a token with its octets beyond printable ASCII as `\ddd`.
fn printable(token: &[u8], line: &mut Vec<u8>) {
    let mut rest = token;
    while let Some((&octet, tail)) = rest.split_first() {
        rest = tail;
        match (octet, tail.first()) {
            (b'\\', Some(&next)) => {
                // What the backslash takes the meaning from stands for itself, also as `\ddd`.
                rest = tail.get(1..).unwrap_or_default();
                match next {
                    b' '..=b'~' => line.extend([octet, next]),
                    _ => line.extend_from_slice(format!("\\{next:03}").as_bytes()),
                }
            }
            (b' '..=b'~', _) => line.push(octet),
            _ => line.extend_from_slice(format!("\\{octet:03}").as_bytes()),
        }
    }
}
