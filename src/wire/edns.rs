//! The OPT pseudo-record of a query (RFC 6891 §6.1).
//!
//! ```text
//!  0      1            3         5        6        7            9       11
//! | name | type = 41 | payload | xrcode | version | DO | zero | length | options…
//! ```

use super::reader::{Reader, Short};
use super::types::option;

/// What a query's OPT record asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Edns {
    /// UDP payload the client can take, in octets, as sent; below 512 it means 512 (§6.2.3).
    pub payload: u16,
    /// EDNS version; we speak 0.
    pub version: u8,
    /// "DNSSEC OK", copied into the response (RFC 3225 §3).
    pub dnssec_ok: bool,
    /// The NSID option is there (RFC 5001 §2.1).
    pub nsid: bool,
    /// The TCP keepalive option is there (RFC 7828 §3.2.1).
    pub keepalive: bool,
}

impl Edns {
    /// Reads an OPT record after its name and type.
    #[inline]
    pub(super) fn parse(reader: &mut Reader<'_>) -> Result<Self, Short> {
        let payload = reader.u16()?;
        let [_extended_rcode, version, flags, _] = reader.take_array()?;
        let length = reader.u16()?;
        let mut edns = Self { payload, version, dnssec_ok: flags & 0x80 != 0, nsid: false, keepalive: false };
        if length > 0 {
            edns.read_options(Reader::new(reader.take(usize::from(length))?))?;
        }
        Ok(edns)
    }

    /// Notes the options we know; others are ignored (§6.1.2).
    #[inline(never)]
    fn read_options(&mut self, mut options: Reader<'_>) -> Result<(), Short> {
        while !options.is_empty() {
            let code = options.u16()?;
            let length = options.u16()?;
            options.take(usize::from(length))?;
            match code {
                option::NSID => self.nsid = true,
                option::TCP_KEEPALIVE => self.keepalive = true,
                _ => {}
            }
        }
        Ok(())
    }
}
