//! Settings of the data plane, fixed while a worker runs.

/// Largest value of [`Settings::udp_payload`], and the size of a UDP buffer, in octets.
pub const MAX_UDP_PAYLOAD: usize = 4096;

/// What the data plane may be told.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Largest UDP response in octets, 512 to [`MAX_UDP_PAYLOAD`]; advertised in our OPT record.
    pub udp_payload: u16,
    /// NSID (RFC 5001) to give to those who ask; at most 255 octets.
    pub nsid: Option<Box<[u8]>>,
    /// Answer to CHAOS TXT `version.bind` and `version.server`; refused where absent.
    pub version: Option<Box<str>>,
    /// Answer to CHAOS TXT `id.server` and `hostname.bind`; refused where absent.
    pub id_server: Option<Box<str>>,
    /// What a registered service with nothing to give answers.
    pub empty_service: EmptyService,
    /// Idle timeout told to TCP clients that ask for it (RFC 7828), in units of 100 ms.
    pub tcp_keepalive: u16,
    /// Which queries are left to the cold side.
    pub defer: Defer,
}

/// Which queries are left to the cold side as they are: see [`Outcome::Deferred`](super::Outcome::Deferred).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Defer {
    /// Those that desire recursion, for names outside every zone or to which a CNAME of ours leads.
    pub outside: bool,
    /// Zone transfers (AXFR, IXFR), and whatever is signed (TSIG).
    pub transfers: bool,
}

/// What a registered service with nothing to give answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EmptyService {
    /// NODATA whose SOA has this TTL: the name is known, and an instance may come at any moment.
    NoData {
        /// Seconds.
        ttl: u32,
    },
    /// NXDOMAIN with the zone's negative TTL, as AWS does: no instance, no record, no name.
    NxDomain,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            // What fits the links of today without fragments (DNS Flag Day 2020).
            udp_payload: 1232,
            nsid: None,
            version: None,
            id_server: None,
            empty_service: EmptyService::NoData { ttl: 1 },
            tcp_keepalive: 100,
            defer: Defer::default(),
        }
    }
}
