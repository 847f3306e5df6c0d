//! AWS Signature Version 4: who sent a request, and that nobody changed it.
//!
//! ```text
//! method, path, query, signed headers, body ─▶ canonical request ─▶ SHA-256 ─┐
//! secret ─▶ date ─▶ region ─▶ service ─▶ signing key (cached) ───────────────┴▶ HMAC = signature
//! ```
//!
//! A client [signs](Signer::sign), a server [verifies](verify()); both make the same canonical request over the headers
//! that the client chose. What a server demands beside a right signature is in `verify.rs`. Nothing here reads a clock:
//! the time, in seconds since the Unix epoch, comes in as an argument.
//!
//! Only signatures in the `Authorization` header are known, neither those in a query nor of streamed bodies: the Cloud
//! Map API has no use for either.

#![forbid(unsafe_code)]

use std::fmt;

use hyper::HeaderMap;

mod canonical;
mod date;
mod fault;
mod key;
mod sign;
mod verify;

pub use fault::Fault;
pub use key::{KeyCache, SigningKey};
pub use sign::Signer;
pub use verify::{Authorization, TOLERANCE, verify};

/// The only algorithm.
const ALGORITHM: &str = "AWS4-HMAC-SHA256";

/// How every credential scope ends.
const TERMINATOR: &str = "aws4_request";

/// When the request was signed, as in `20261122T155831Z`.
const X_AMZ_DATE: &str = "x-amz-date";

/// The hash of the body, for clients that say it.
const X_AMZ_CONTENT_SHA256: &str = "x-amz-content-sha256";

/// The token of temporary credentials.
const X_AMZ_SECURITY_TOKEN: &str = "x-amz-security-token";

//----------- Request ----------------------------------------------------------

/// A request, as far as a signature covers it.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// Such as `POST`.
    pub method: &'a str,
    /// The path as it is on the wire.
    pub path: &'a str,
    /// What follows the question mark; empty without one.
    pub query: &'a str,
    /// The headers as they are on the wire; `host` is among them.
    pub headers: &'a HeaderMap,
    /// The whole body.
    pub body: &'a [u8],
}

//----------- Credential -------------------------------------------------------

/// A key pair, and the token that belongs to it if it is a temporary one.
#[derive(Clone, PartialEq, Eq)]
pub struct Credential {
    /// Names the key; no secret.
    pub access_key_id: Box<str>,
    /// What signatures are made with.
    pub secret_access_key: Box<str>,
    /// Sent along with every request, where there is one.
    pub session_token: Option<Box<str>>,
}

/// Shows the identifier only.
impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credential").field("access_key_id", &self.access_key_id).finish_non_exhaustive()
    }
}

//----------- Helpers ----------------------------------------------------------

/// The octets in lower-case hexadecimal.
fn hex(octets: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digits = octets.iter().flat_map(|&octet| [octet >> 4, octet & 15]);
    digits.map(|digit| char::from(DIGITS[usize::from(digit)])).collect()
}

/// The 32 octets that 64 hexadecimal digits stand for.
fn unhex(text: &str) -> Option<[u8; 32]> {
    let text: &[u8; 64] = text.as_bytes().try_into().ok()?;
    let mut octets = [0; 32];
    for (octet, digits) in octets.iter_mut().zip(text.chunks_exact(2)) {
        for &digit in digits {
            *octet = *octet << 4 | char::from(digit).to_digit(16)? as u8;
        }
    }
    Some(octets)
}

#[cfg(test)]
mod tests;
