//! The server's side: is the signature right, and is it one for this request, now?
//!
//! Beside a right signature it demands that
//! - the credential scope is of our service, of the day of `x-amz-date`, and of any region;
//! - `x-amz-date` is within [`TOLERANCE`] of our clock;
//! - `host` is signed, and so is every `x-amz-…` header: otherwise a signature for one action would serve for another;
//! - signed headers are named in ascending order, as every client does: a name that came again would be hashed again,
//!   which costs work before it is known who sent the request;
//! - `x-amz-content-sha256`, where it is sent, is the hash of the body: an unsigned body is refused;
//! - `x-amz-security-token` is the credential's, or absent where the credential has none.

use hyper::HeaderMap;
use hyper::header::AUTHORIZATION;
use ring::digest::{SHA256, digest};

use super::fault::short;
use super::key::{body_hash, string_to_sign};
use super::{
    ALGORITHM, Credential, Fault, KeyCache, Request, TERMINATOR, X_AMZ_CONTENT_SHA256, X_AMZ_DATE,
    X_AMZ_SECURITY_TOKEN, canonical, date, unhex,
};

/// How far a client's clock may be off, in seconds: what AWS allows.
pub const TOLERANCE: u64 = 5 * 60;

/// Headers that may be signed. No client of the API sends half as many.
const SIGNED_MAX: usize = 100;

//----------- Authorization ----------------------------------------------------

/// The `Authorization` header in parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Authorization<'a> {
    /// Whose signature it claims to be.
    pub access_key_id: &'a str,
    /// The day of the credential scope, as in `20261122`.
    pub date: &'a str,
    /// The region of the credential scope.
    pub region: &'a str,
    /// The service of the credential scope.
    pub service: &'a str,
    /// Names of the signed headers, separated by semicolons.
    pub signed_headers: &'a str,
    /// The signature.
    pub signature: [u8; 32],
}

impl<'a> Authorization<'a> {
    /// Takes the header of a request apart. [`Fault::Missing`] if there is none, or one of another scheme.
    pub fn of(headers: &'a HeaderMap) -> Result<Self, Fault> {
        let value = headers.get(AUTHORIZATION).ok_or(Fault::Missing)?;
        let value = value.to_str().map_err(|_| incomplete("the Authorization header is not ASCII"))?;
        Self::parse(value)
    }

    /// Takes a header's value apart.
    fn parse(value: &'a str) -> Result<Self, Fault> {
        let parameters = value.trim().strip_prefix(ALGORITHM).ok_or(Fault::Missing)?;
        let (mut credential, mut signed_headers, mut signature) = (None, None, None);
        for parameter in parameters.split([',', ' ']).filter(|parameter| !parameter.is_empty()) {
            match parameter.split_once('=') {
                Some(("Credential", value)) => credential = Some(value),
                Some(("SignedHeaders", value)) => signed_headers = Some(value),
                Some(("Signature", value)) => signature = Some(value),
                _ => {
                    let part = short(parameter);
                    return Err(incomplete(format!("the Authorization header has a part of no meaning: {part}")));
                }
            }
        }
        let lacking = |name: &str| incomplete(format!("the Authorization header has no {name}="));
        let credential = credential.ok_or_else(|| lacking("Credential"))?;
        let signed_headers = signed_headers.ok_or_else(|| lacking("SignedHeaders"))?;
        let signature = signature.ok_or_else(|| lacking("Signature"))?;

        // The access key id may contain slashes; the scope may not.
        let mut parts = credential.rsplitn(5, '/');
        let (Some(TERMINATOR), Some(service), Some(region), Some(date), Some(access_key_id)) =
            (parts.next(), parts.next(), parts.next(), parts.next(), parts.next())
        else {
            let form = format!("<access key id>/<date>/<region>/<service>/{TERMINATOR}");
            return Err(incomplete(format!("the Credential is not of the form {form}: {}", short(credential))));
        };
        // It becomes part of names, so it must look like one.
        let is_region = |octet: u8| octet.is_ascii_alphanumeric() || octet == b'-';
        if !(1..=64).contains(&region.len()) || !region.bytes().all(is_region) {
            return Err(incomplete(format!("the Credential's region is none: {:?}", short(region))));
        }
        let signature = unhex(signature).ok_or_else(|| incomplete("the Signature is not 64 hexadecimal digits"))?;
        Ok(Self { access_key_id, date, region, service, signed_headers, signature })
    }

    /// Whether a header is among the signed ones.
    fn signs(&self, name: &str) -> bool {
        self.signed_headers.split(';').any(|signed| signed == name)
    }
}

/// A fault of the header and what belongs to it.
fn incomplete(reason: impl Into<String>) -> Fault {
    Fault::Incomplete(reason.into())
}

//----------- verify -----------------------------------------------------------

/// Verifies the signature of a request to `service` that came `now`, seconds since the epoch.
///
/// `find` has the credentials, by access key id. Signing keys that proved right are kept in `keys`.
pub fn verify<'a, 'c>(
    request: &Request<'a>,
    service: &str,
    now: u64,
    keys: &KeyCache,
    find: impl FnOnce(&str) -> Option<&'c Credential>,
) -> Result<Authorization<'a>, Fault> {
    let authorization = Authorization::of(request.headers)?;
    check_headers(request.headers, &authorization)?;
    let (moment, signed) = moment(request.headers)?;
    check_scope(&authorization, service, moment)?;
    let credential =
        find(authorization.access_key_id).ok_or_else(|| Fault::unknown_key(authorization.access_key_id))?;
    if now.abs_diff(signed) > TOLERANCE {
        return Err(Fault::Clock { signed, now });
    }
    let body = body_hash(request.body);
    check_body(request.headers, &body)?;

    let hash = canonical::hash(request, authorization.signed_headers, &body);
    let text = string_to_sign(moment, authorization.region, service, &hash);
    let (key, kept) = keys.key(credential, authorization.date, authorization.region, service);
    if !key.verifies(&text, &authorization.signature) {
        return Err(Fault::Mismatch { signed_headers: short(authorization.signed_headers).into() });
    }
    if !kept {
        keys.keep(credential, authorization.date, authorization.region, service, &key);
    }
    // Only now: who cannot sign learns nothing of the token.
    check_token(request.headers, credential)?;
    Ok(authorization)
}

/// What must be signed is signed, and what is signed is there.
fn check_headers(headers: &HeaderMap, authorization: &Authorization<'_>) -> Result<(), Fault> {
    let mut before = None;
    for (index, name) in authorization.signed_headers.split(';').enumerate() {
        let shown = short(name);
        if index == SIGNED_MAX {
            return Err(incomplete(format!("SignedHeaders has more than {SIGNED_MAX} names")));
        }
        if name.bytes().any(|octet| octet.is_ascii_uppercase()) {
            return Err(incomplete(format!("SignedHeaders has to be in lower case: {shown}")));
        }
        if let Some(before) = before.filter(|before| *before >= name) {
            let before = short(before);
            return Err(incomplete(format!(
                "SignedHeaders has to be in ascending order, each name once: {shown} follows {before}"
            )));
        }
        if !headers.contains_key(name) {
            return Err(incomplete(format!("the header {shown} is among SignedHeaders, but not in the request")));
        }
        before = Some(name);
    }
    if !authorization.signs("host") {
        return Err(incomplete("the header host has to be signed"));
    }
    for name in headers.keys().map(|name| name.as_str()) {
        // Some SDKs leave this one out, as they do user-agent; nothing depends on it.
        let matters = name.starts_with("x-amz-") && name != "x-amz-user-agent";
        if matters && !authorization.signs(name) {
            return Err(incomplete(format!("the header {} is in the request, but not signed", short(name))));
        }
    }
    Ok(())
}

/// When the request was signed: as text, and in seconds since the epoch.
fn moment(headers: &HeaderMap) -> Result<(&str, u64), Fault> {
    let value = headers.get(X_AMZ_DATE).ok_or_else(|| incomplete("the header X-Amz-Date is missing"))?;
    let text = value.to_str().unwrap_or_default();
    let seconds = date::parse(text)
        .ok_or_else(|| incomplete(format!("X-Amz-Date is not of the form 20261122T155831Z: {:?}", short(text))))?;
    Ok((text, seconds))
}

/// The scope is of our service and of the day of signing.
fn check_scope(authorization: &Authorization<'_>, service: &str, moment: &str) -> Result<(), Fault> {
    if authorization.service != service {
        let scoped = short(authorization.service);
        return Err(Fault::Scope(format!(
            "the credential is scoped to the service {scoped:?}, and this is {service:?}"
        )));
    }
    if !moment.starts_with(authorization.date) || authorization.date.len() != 8 {
        let scoped = short(authorization.date);
        return Err(Fault::Scope(format!(
            "the credential is scoped to the day {scoped:?}, and X-Amz-Date is {moment}"
        )));
    }
    Ok(())
}

/// The hash that the client said, if it did, is the body's.
fn check_body(headers: &HeaderMap, body: &str) -> Result<(), Fault> {
    match headers.get(X_AMZ_CONTENT_SHA256).map(|value| value.as_bytes()) {
        None => Ok(()),
        Some(said) if said.eq_ignore_ascii_case(body.as_bytes()) => Ok(()),
        Some(said) if said.starts_with(b"UNSIGNED-") || said.starts_with(b"STREAMING-") => {
            Err(Fault::Body("x-amz-content-sha256 has to be the hash of the body: unsigned bodies are not accepted"))
        }
        Some(_) => Err(Fault::Body("x-amz-content-sha256 is not the SHA-256 of the body: the body was changed")),
    }
}

/// The token is the credential's.
fn check_token(headers: &HeaderMap, credential: &Credential) -> Result<(), Fault> {
    let hash = |token: &[u8]| digest(&SHA256, token);
    match (headers.get(X_AMZ_SECURITY_TOKEN), &credential.session_token) {
        (None, None) => Ok(()),
        // Hashes, because comparing tokens would tell by its time how much of one is right.
        (Some(sent), Some(ours)) if hash(sent.as_bytes()).as_ref() == hash(ours.as_bytes()).as_ref() => Ok(()),
        (Some(_), Some(_)) => Err(Fault::Token("x-amz-security-token is not the session token of this access key")),
        (None, Some(_)) => Err(Fault::Token("this access key has a session token: send it as x-amz-security-token")),
        (Some(_), None) => Err(Fault::Token("this access key has no session token: send no x-amz-security-token")),
    }
}
