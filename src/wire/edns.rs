//! The OPT pseudo-record of a query (RFC 6891 §6.1).
//!
//! ```text
//!  0      1            3         5        6        7            9       11
//! | name | type = 41 | payload | xrcode | version | DO | zero | length | options…
//! ```

use super::reader::{Reader, Short};
use super::types::option;

/// Octets of an OPT record without options.
pub const OPT_LENGTH: usize = 11;

/// What a query's OPT record asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Edns {
    /// UDP payload the client can take, in octets, as sent; below 512 it means 512 (§6.2.3).
    pub payload: u16,
    /// EDNS version; we speak 0.
    pub version: u8,
    /// "DNSSEC OK", copied into the response (RFC 3225 §3).
    pub dnssec_ok: bool,
    /// The options that are there, of those we know.
    pub options: Options,
}

/// A set of EDNS options.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Options(u8);

impl Options {
    /// NSID (RFC 5001 §2.1).
    pub const NSID: Self = Self(1);
    /// TCP keepalive (RFC 7828 §3.2.1).
    pub const KEEPALIVE: Self = Self(2);
    /// ZONEVERSION (RFC 9660 §3.1).
    pub const ZONE_VERSION: Self = Self(4);

    /// Whether none is there.
    #[inline]
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Whether all of `options` are there.
    #[inline]
    pub fn has(self, options: Self) -> bool {
        self.0 & options.0 == options.0
    }

    /// Adds `options`.
    fn add(&mut self, options: Self) {
        self.0 |= options.0;
    }
}

impl Edns {
    /// Reads an OPT record after its name and type.
    #[inline]
    pub(super) fn parse(reader: &mut Reader<'_>) -> Result<Self, Short> {
        let payload = reader.u16()?;
        let [_extended_rcode, version, flags, _] = reader.take_array()?;
        let length = reader.u16()?;
        let mut edns = Self { payload, version, dnssec_ok: flags & 0x80 != 0, options: Options::default() };
        if length > 0 {
            edns.read_options(Reader::new(reader.take(usize::from(length))?))?;
        }
        Ok(edns)
    }

    /// Notes the options we know; others are ignored (§6.1.2). ZONEVERSION may be there once, and empty (RFC 9660 §3.2.1).
    #[inline(never)]
    fn read_options(&mut self, mut options: Reader<'_>) -> Result<(), Short> {
        while !options.is_empty() {
            let code = options.u16()?;
            let length = options.u16()?;
            options.take(usize::from(length))?;
            match code {
                option::ZONE_VERSION if length > 0 || self.options.has(Options::ZONE_VERSION) => return Err(Short),
                option::NSID => self.options.add(Options::NSID),
                option::TCP_KEEPALIVE => self.options.add(Options::KEEPALIVE),
                option::ZONE_VERSION => self.options.add(Options::ZONE_VERSION),
                _ => {}
            }
        }
        Ok(())
    }
}
