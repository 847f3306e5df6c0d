//! Numbers of the DNS parameter registries that Fingerpost tells apart.

/// Resource record types (IANA "DNS Parameters").
pub mod rtype {
    /// IPv4 address.
    pub const A: u16 = 1;
    /// Authoritative name server.
    pub const NS: u16 = 2;
    /// Canonical name.
    pub const CNAME: u16 = 5;
    /// Start of authority.
    pub const SOA: u16 = 6;
    /// Host information; carries the minimal answer to ANY (RFC 8482).
    pub const HINFO: u16 = 13;
    /// Pointer to another name.
    pub const PTR: u16 = 12;
    /// Mail exchange.
    pub const MX: u16 = 15;
    /// Text.
    pub const TXT: u16 = 16;
    /// IPv6 address.
    pub const AAAA: u16 = 28;
    /// Location of a service (RFC 2782).
    pub const SRV: u16 = 33;
    /// Redirection of a subtree (RFC 6672).
    pub const DNAME: u16 = 39;
    /// EDNS pseudo-record (RFC 6891).
    pub const OPT: u16 = 41;
    /// Delegation signer; lies on the parent's side of a cut (RFC 4034 §5).
    pub const DS: u16 = 43;
    /// Signature.
    pub const RRSIG: u16 = 46;
    /// Next name, of signed zones.
    pub const NSEC: u16 = 47;
    /// Service binding (RFC 9460).
    pub const SVCB: u16 = 64;
    /// Service binding for HTTPS (RFC 9460).
    pub const HTTPS: u16 = 65;
    /// First of the meta and query types, RFC 6895 §3.1.
    pub const META_FIRST: u16 = 128;
    /// Transaction signature (RFC 8945).
    pub const TSIG: u16 = 250;
    /// Incremental transfer.
    pub const IXFR: u16 = 251;
    /// Full transfer.
    pub const AXFR: u16 = 252;
    /// Any type.
    pub const ANY: u16 = 255;
}

/// Classes.
pub mod class {
    /// The Internet.
    pub const IN: u16 = 1;
    /// Chaos, home of `version.bind`.
    pub const CH: u16 = 3;
}

/// Response codes, RFC 1035 §4.1.1 and RFC 6891 §9.
pub mod rcode {
    /// No error.
    pub const NOERROR: u8 = 0;
    /// Malformed query.
    pub const FORMERR: u8 = 1;
    /// The server could not find the answer out.
    pub const SERVFAIL: u8 = 2;
    /// The name does not exist.
    pub const NXDOMAIN: u8 = 3;
    /// Not implemented.
    pub const NOTIMP: u8 = 4;
    /// Refused by policy.
    pub const REFUSED: u8 = 5;
    /// A DNAME leads to too long a name (RFC 6672 §2.2).
    pub const YXDOMAIN: u8 = 6;
    /// Not authorized: a signature is not accepted (RFC 8945 §5.2).
    pub const NOTAUTH: u8 = 9;
}

/// EDNS option codes.
pub mod option {
    /// Name server identifier, RFC 5001.
    pub const NSID: u16 = 3;
    /// TCP keepalive, RFC 7828.
    pub const TCP_KEEPALIVE: u16 = 11;
    /// Extended error, RFC 8914.
    pub const EXTENDED_ERROR: u16 = 15;
    /// Zone version, RFC 9660.
    pub const ZONE_VERSION: u16 = 19;
}
