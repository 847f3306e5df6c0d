//! Whom a client asks: a URL of scheme and authority.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use ureq::http::Uri;

/// A base URL such as `http://127.0.0.1:8300`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    uri: Uri,
    authority: Box<str>,
}

impl Endpoint {
    /// Where `fingerpost serve` serves the API by default.
    pub const DEFAULT: &'static str = "http://127.0.0.1:8300";

    /// The URL to post to.
    pub(super) fn uri(&self) -> &Uri {
        &self.uri
    }

    /// Host and port, as in the header `Host`.
    pub fn authority(&self) -> &str {
        &self.authority
    }

    /// Whether it is on this machine.
    pub(super) fn is_loopback(&self) -> bool {
        let host = self.uri.host().unwrap_or_default();
        let address: Option<IpAddr> = host.trim_start_matches('[').trim_end_matches(']').parse().ok();
        address.map_or_else(|| host.eq_ignore_ascii_case("localhost"), |address| address.is_loopback())
    }
}

impl FromStr for Endpoint {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let refuse = |why: &str| Err(format!("{text:?} is no endpoint: {why}, as in {}", Self::DEFAULT));
        let Ok(uri) = text.parse::<Uri>() else { return refuse("it must be a URL") };
        if !matches!(uri.scheme_str(), Some("http" | "https")) {
            return refuse("it must begin with http:// or https://");
        }
        if !matches!(uri.path(), "" | "/") || uri.query().is_some() {
            return refuse("it must have no path and no query");
        }
        let authority = match uri.authority() {
            Some(authority) if authority.as_str().contains('@') => return refuse("it must have no user in it"),
            Some(authority) if !authority.host().is_empty() => authority.as_str().into(),
            _ => return refuse("it must have a host"),
        };
        Ok(Self { uri, authority })
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", self.uri.scheme_str().unwrap_or("http"), self.authority)
    }
}
