//! The canonical request: the one form that client and server both bring a request to, hashed as it is made.

use std::borrow::Cow;

use hyper::HeaderMap;
use ring::digest::{Context, SHA256};

use super::{Request, hex};

/// The SHA-256 of the canonical request over the headers in `signed`, a list separated by semicolons, in hexadecimal.
pub(super) fn hash(request: &Request<'_>, signed: &str, body_hash: &str) -> String {
    let mut context = Context::new(&SHA256);
    write(request, signed, body_hash, &mut |octets| context.update(octets));
    hex(context.finish().as_ref())
}

/// Gives the canonical request to `out`, piece by piece.
pub(super) fn write(request: &Request<'_>, signed: &str, body_hash: &str, out: &mut impl FnMut(&[u8])) {
    out(request.method.as_bytes());
    out(b"\n");
    out(path(request.path).as_bytes());
    out(b"\n");
    out(query(request.query).as_bytes());
    out(b"\n");
    for name in signed.split(';') {
        out(name.as_bytes());
        out(b":");
        values(request.headers, name, out);
        out(b"\n");
    }
    out(b"\n");
    out(signed.as_bytes());
    out(b"\n");
    out(body_hash.as_bytes());
}

/// The values of a header, separated by commas, each without spaces around it and with single ones inside.
fn values(headers: &HeaderMap, name: &str, out: &mut impl FnMut(&[u8])) {
    for (index, value) in headers.get_all(name).iter().enumerate() {
        if index > 0 {
            out(b",");
        }
        let words = value.as_bytes().split(|&octet| octet == b' ' || octet == b'\t').filter(|word| !word.is_empty());
        for (index, word) in words.enumerate() {
            if index > 0 {
                out(b" ");
            }
            out(word);
        }
    }
}

/// The path without dot segments and empty ones, and encoded (once more, if it was so on the wire).
fn path(path: &str) -> Cow<'_, str> {
    if path == "/" || path.is_empty() {
        return Cow::Borrowed("/");
    }
    let mut segments: Vec<&str> = Vec::new();
    for segment in path.split('/') {
        match segment {
            "" | "." => {}
            ".." => drop(segments.pop()),
            _ => segments.push(segment),
        }
    }
    let mut canonical = String::with_capacity(path.len() + 1);
    for segment in &segments {
        canonical.push('/');
        encode(segment.as_bytes(), &mut canonical);
    }
    if canonical.is_empty() || ["/", "/.", "/.."].iter().any(|end| path.ends_with(end)) {
        canonical.push('/');
    }
    Cow::Owned(canonical)
}

/// The parameters of a query, each encoded, in order.
fn query(query: &str) -> String {
    let mut parameters: Vec<(String, String)> = Vec::new();
    for parameter in query.split('&').filter(|parameter| !parameter.is_empty()) {
        let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
        let encoded = |text| {
            let mut encoded = String::new();
            encode(&decode(text), &mut encoded);
            encoded
        };
        parameters.push((encoded(name), encoded(value)));
    }
    parameters.sort();
    let parameters: Vec<String> = parameters.into_iter().map(|(name, value)| format!("{name}={value}")).collect();
    parameters.join("&")
}

/// Appends octets with all but the unreserved ones of RFC 3986, section 2.3, as `%XX`.
fn encode(octets: &[u8], text: &mut String) {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    for &octet in octets {
        if octet.is_ascii_alphanumeric() || b"-._~".contains(&octet) {
            text.push(octet.into());
        } else {
            let (high, low) = (DIGITS[usize::from(octet >> 4)], DIGITS[usize::from(octet & 15)]);
            text.extend(['%', high.into(), low.into()]);
        }
    }
}

/// Octets with `%XX` decoded; what only looks like it stays as it is.
fn decode(text: &str) -> Vec<u8> {
    let mut octets = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        let digit = |index: usize| tail.get(index).and_then(|&digit| char::from(digit).to_digit(16));
        match (first, digit(0), digit(1)) {
            (b'%', Some(high), Some(low)) => {
                octets.push((high << 4 | low) as u8);
                rest = &tail[2..];
            }
            _ => {
                octets.push(*first);
                rest = tail;
            }
        }
    }
    octets
}
