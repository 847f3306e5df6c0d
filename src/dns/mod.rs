//! From a query's octets to its response's octets.

use crate::table::Snapshot;
use std::sync::Arc;

/// How the query came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// One datagram.
    Udp,
    /// Over a stream, framed by a length.
    Tcp,
}

/// What a registered service with nothing to give answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EmptyService {
    /// NODATA whose SOA has this TTL in seconds.
    NoData {
        /// Seconds.
        ttl: u32,
    },
    /// NXDOMAIN with the zone's negative TTL, as AWS does.
    NxDomain,
}

/// Settings of the data plane, fixed while a worker runs.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Largest UDP response in octets, 512 to [`MAX_UDP_PAYLOAD`]; advertised in our OPT record.
    pub udp_payload: u16,
    /// NSID (RFC 5001) to give to those who ask.
    pub nsid: Option<Box<[u8]>>,
    /// Answer to CHAOS TXT `version.bind` and `version.server`; refused where absent.
    pub version: Option<Box<str>>,
    /// Answer to CHAOS TXT `id.server` and `hostname.bind`; refused where absent.
    pub id_server: Option<Box<str>>,
    /// What a registered service with nothing to give answers.
    pub empty_service: EmptyService,
    /// Idle timeout told to TCP clients that ask for it (RFC 7828), in units of 100 ms.
    pub tcp_keepalive: u16,
}

/// Upper bound of [`Settings::udp_payload`], and the size of a UDP buffer.
pub const MAX_UDP_PAYLOAD: usize = 4096;

impl Default for Settings {
    fn default() -> Self {
        Self {
            udp_payload: 1232,
            nsid: None,
            version: None,
            id_server: None,
            empty_service: EmptyService::NoData { ttl: 1 },
            tcp_keepalive: 100,
        }
    }
}

/// What one worker (or TCP connection task) needs beside the snapshot: randomness, settings, scratch space.
pub struct Ctx {
    settings: Arc<Settings>,
}

impl Ctx {
    /// A context whose random choices follow from `seed`.
    pub fn new(settings: Arc<Settings>, seed: u64) -> Self {
        let _ = seed;
        Self { settings }
    }
}

/// How a query ended; also a metric label.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Positive answer.
    Answer,
    /// The name exists, the type does not.
    NoData,
    /// The name does not exist.
    NxDomain,
    /// Outside our zones, or not allowed.
    Refused,
    /// Malformed.
    FormErr,
    /// Opcode or meta query we do not serve.
    NotImp,
    /// EDNS version above 0.
    BadVers,
    /// Silence: shorter than a header.
    Runt,
    /// Silence: a response (QR=1).
    NotAQuery,
}

/// Query types told apart in metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QueryType {
    /// A.
    A,
    /// AAAA.
    Aaaa,
    /// SRV.
    Srv,
    /// CNAME.
    Cname,
    /// SOA.
    Soa,
    /// NS.
    Ns,
    /// ANY.
    Any,
    /// All others, and none.
    Other,
}

/// What [`answer`] did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reply {
    /// Octets of the response at the start of the buffer; 0 is silence.
    pub length: usize,
    /// How the query ended.
    pub outcome: Outcome,
    /// The question's type.
    pub query_type: QueryType,
    /// Whether TC is set.
    pub truncated: bool,
}

/// Answers the query in `buffer[..received]` in place.
///
/// `buffer` is at least [`MAX_UDP_PAYLOAD`] octets for UDP and 65,535 for TCP; the response starts where the query did.
pub fn answer(snapshot: &Snapshot, ctx: &mut Ctx, transport: Transport, buffer: &mut [u8], received: usize) -> Reply {
    let _ = (snapshot, ctx, transport, buffer, received);
    Reply {
        length: 0,
        outcome: Outcome::Runt,
        query_type: QueryType::Other,
        truncated: false,
    }
}
