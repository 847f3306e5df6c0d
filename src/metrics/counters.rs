//! Counters that are written while queries are answered.
//!
//! Contract of a block with one writer ([`WorkerCounters`]): its worker alone writes, with a relaxed load and a
//! relaxed store, which compile to a plain addition in memory; anyone may read with relaxed loads and sees each
//! counter at some recent moment. Blocks with many writers use `fetch_add`. Nothing else is ordered by them.

use std::array;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use crate::dns::{Outcome, QueryType, Reply, Transport};

//----------- Adding -----------------------------------------------------------

/// Adds to a counter that this thread alone writes.
fn add_alone(counter: &AtomicU64, n: u64) {
    counter.store(counter.load(Relaxed).wrapping_add(n), Relaxed);
}

/// Adds to a counter that many threads write.
pub(super) fn fetch_add(counter: &AtomicU64, n: u64) {
    counter.fetch_add(n, Relaxed);
}

/// The duration in nanoseconds; wraps after 584 years.
pub(super) fn nanoseconds(duration: Duration) -> u64 {
    let seconds = duration.as_secs().wrapping_mul(1_000_000_000);
    seconds.wrapping_add(duration.subsec_nanos().into())
}

//----------- Labels -----------------------------------------------------------

/// Every transport at its index, with its label.
pub(super) const TRANSPORTS: [(Transport, &str); 2] = [(Transport::Udp, "udp"), (Transport::Tcp, "tcp")];

/// Every query type at its index, with its label.
pub(super) const QUERY_TYPES: [(QueryType, &str); 8] = [
    (QueryType::A, "A"),
    (QueryType::Aaaa, "AAAA"),
    (QueryType::Srv, "SRV"),
    (QueryType::Cname, "CNAME"),
    (QueryType::Soa, "SOA"),
    (QueryType::Ns, "NS"),
    (QueryType::Any, "ANY"),
    (QueryType::Other, "other"),
];

/// Every outcome at its index, with its label.
pub(super) const OUTCOMES: [(Outcome, &str); 13] = [
    (Outcome::Answer, "answer"),
    (Outcome::NoData, "nodata"),
    (Outcome::NxDomain, "nxdomain"),
    (Outcome::Referral, "referral"),
    (Outcome::YxDomain, "yxdomain"),
    (Outcome::Refused, "refused"),
    (Outcome::FormErr, "formerr"),
    (Outcome::NotImp, "notimp"),
    (Outcome::BadVers, "badvers"),
    (Outcome::ServFail, "servfail"),
    (Outcome::Runt, "runt"),
    (Outcome::NotAQuery, "not_a_query"),
    (Outcome::Deferred, "deferred"),
];

// The matches below are identities, so they cost nothing; but a new variant fails to compile here, where its
// label is missing, and not by a panic on a worker.

/// Index into [`TRANSPORTS`].
fn transport_index(transport: Transport) -> usize {
    match transport {
        Transport::Udp => 0,
        Transport::Tcp => 1,
    }
}

/// Index into [`QUERY_TYPES`].
fn query_type_index(query_type: QueryType) -> usize {
    match query_type {
        QueryType::A => 0,
        QueryType::Aaaa => 1,
        QueryType::Srv => 2,
        QueryType::Cname => 3,
        QueryType::Soa => 4,
        QueryType::Ns => 5,
        QueryType::Any => 6,
        QueryType::Other => 7,
    }
}

/// Index into [`OUTCOMES`].
fn outcome_index(outcome: Outcome) -> usize {
    match outcome {
        Outcome::Answer => 0,
        Outcome::NoData => 1,
        Outcome::NxDomain => 2,
        Outcome::Referral => 3,
        Outcome::YxDomain => 4,
        Outcome::Refused => 5,
        Outcome::FormErr => 6,
        Outcome::NotImp => 7,
        Outcome::BadVers => 8,
        Outcome::ServFail => 9,
        Outcome::Runt => 10,
        Outcome::NotAQuery => 11,
        Outcome::Deferred => 12,
    }
}

//----------- Replies ----------------------------------------------------------

/// Replies by transport, query type and outcome. Responses by rcode and drops follow from these at scrape.
#[derive(Default)]
pub(super) struct ReplyCounters {
    pub(super) replies: [[[AtomicU64; OUTCOMES.len()]; QUERY_TYPES.len()]; TRANSPORTS.len()],
    pub(super) truncated: AtomicU64,
    pub(super) response_bytes: [AtomicU64; TRANSPORTS.len()],
}

impl ReplyCounters {
    /// Counts one reply, adding by `add`.
    #[inline]
    fn record(&self, add: impl Fn(&AtomicU64, u64), transport: Transport, reply: &Reply) {
        let transport = transport_index(transport);
        let by_type = &self.replies[transport][query_type_index(reply.query_type)];
        add(&by_type[outcome_index(reply.outcome)], 1);
        add(&self.truncated, u64::from(reply.truncated));
        add(&self.response_bytes[transport], reply.length as u64);
    }
}

//----------- Histogram --------------------------------------------------------

/// A histogram whose upper bounds are the powers of two from 2^`LOW` on; the last of its `N` buckets has none.
pub(super) struct Histogram<const LOW: u32, const N: usize> {
    /// Values in each bucket alone, not cumulative.
    pub(super) buckets: [AtomicU64; N],
    pub(super) sum: AtomicU64,
}

impl<const LOW: u32, const N: usize> Histogram<LOW, N> {
    /// Counts `value`, adding by `add`.
    #[inline]
    pub(super) fn observe(&self, add: impl Fn(&AtomicU64, u64), value: u64) {
        // Bounds are inclusive: 2^k belongs below 2^k, hence the subtraction.
        let bits = u64::BITS - value.saturating_sub(1).leading_zeros();
        let index = (bits.saturating_sub(LOW) as usize).min(N - 1);
        add(&self.buckets[index], 1);
        add(&self.sum, value);
    }
}

impl<const LOW: u32, const N: usize> Default for Histogram<LOW, N> {
    fn default() -> Self {
        Self { buckets: array::from_fn(|_| AtomicU64::new(0)), sum: AtomicU64::new(0) }
    }
}

/// Seconds a batch took: bounds from 1.024 µs, about one query, to 67 ms.
pub(super) type BatchSeconds = Histogram<10, 18>;

/// Queries in a batch: bounds from 1 to 128.
pub(super) type BatchQueries = Histogram<0, 9>;

//----------- WorkerCounters ---------------------------------------------------

/// What one UDP worker counts. Aligned to 128 octets, because the prefetcher of x86 fetches cache lines in pairs
/// and another worker's block must be in neither.
#[derive(Default)]
#[repr(align(128))]
pub struct WorkerCounters {
    pub(super) replies: ReplyCounters,
    pub(super) batch_seconds: BatchSeconds,
    pub(super) batch_queries: BatchQueries,
    pub(super) kernel_drops: AtomicU64,
    pub(super) send_errors: AtomicU64,
    pub(super) oversized: AtomicU64,
    pub(super) shed: AtomicU64,
    pub(super) restarts: AtomicU64,
}

impl WorkerCounters {
    /// Counts one reply, silence included.
    #[inline]
    pub fn record(&self, transport: Transport, reply: &Reply) {
        self.replies.record(add_alone, transport, reply);
    }

    /// Counts a batch of `queries` that took `elapsed` from its receipt to the sending of its last response.
    #[inline]
    pub fn observe_batch(&self, queries: u64, elapsed: Duration) {
        self.batch_seconds.observe(add_alone, nanoseconds(elapsed));
        self.batch_queries.observe(add_alone, queries);
    }

    /// Counts datagrams that the kernel dropped because the receive buffer was full.
    pub fn add_kernel_drops(&self, n: u64) {
        add_alone(&self.kernel_drops, n);
    }

    /// Counts responses that could not be sent.
    pub fn add_send_errors(&self, n: u64) {
        add_alone(&self.send_errors, n);
    }

    /// Counts datagrams dropped because they were larger than a receive buffer.
    pub fn add_oversized(&self, n: u64) {
        add_alone(&self.oversized, n);
    }

    /// Counts queries for the cold side that found its queue full.
    pub fn add_shed(&self, n: u64) {
        add_alone(&self.shed, n);
    }

    /// Counts panics after which the worker went on.
    pub fn add_restarts(&self, n: u64) {
        add_alone(&self.restarts, n);
    }
}

//----------- SharedCounters ---------------------------------------------------

/// What all connections together count.
#[derive(Default)]
pub struct SharedCounters {
    pub(super) replies: ReplyCounters,
}

impl SharedCounters {
    /// Counts one reply, silence included.
    #[inline]
    pub fn record(&self, transport: Transport, reply: &Reply) {
        self.replies.record(fetch_add, transport, reply);
    }
}

//----------- DeferredCounters -------------------------------------------------

/// What became of the queries that were left to the cold side.
#[derive(Default)]
pub struct DeferredCounters {
    pub(super) responses: [AtomicU64; TRANSPORTS.len()],
    pub(super) octets: [AtomicU64; TRANSPORTS.len()],
    pub(super) unsent: [AtomicU64; TRANSPORTS.len()],
}

impl DeferredCounters {
    /// Counts a message of `octets` octets that was sent.
    pub fn responded(&self, transport: Transport, octets: usize) {
        fetch_add(&self.responses[transport_index(transport)], 1);
        fetch_add(&self.octets[transport_index(transport)], octets as u64);
    }

    /// Counts a message that could not be sent.
    pub fn unsent(&self, transport: Transport) {
        fetch_add(&self.unsent[transport_index(transport)], 1);
    }
}

//----------- TcpCounters ------------------------------------------------------

/// Why a connection was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Too many connections in all, and none idle enough to be closed for it.
    Total,
    /// Too many connections from this client.
    Client,
}

/// Why a connection was closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Close {
    /// It was silent for too long.
    Idle,
    /// The client closed it.
    Client,
    /// It failed.
    Error,
    /// It was the one idle for longest when another needed its place.
    Limit,
    /// Its octets made no sense.
    Malformed,
    /// The server stops.
    Shutdown,
}

/// Every refusal at its index, with its label.
pub(super) const REFUSALS: [(Refusal, &str); 2] = [(Refusal::Total, "total"), (Refusal::Client, "client")];

/// Every reason to close at its index, with its label.
pub(super) const CLOSES: [(Close, &str); 6] = [
    (Close::Idle, "idle"),
    (Close::Client, "client"),
    (Close::Error, "error"),
    (Close::Limit, "limit"),
    (Close::Malformed, "malformed"),
    (Close::Shutdown, "shutdown"),
];

/// What is counted of connections themselves. An accepted connection is open until it is closed; a refused one
/// was never accepted.
#[derive(Default)]
pub struct TcpCounters {
    pub(super) accepted: AtomicU64,
    pub(super) refused: [AtomicU64; REFUSALS.len()],
    pub(super) closed: [AtomicU64; CLOSES.len()],
}

impl TcpCounters {
    /// A connection was accepted: it is open now.
    pub fn accepted(&self) {
        fetch_add(&self.accepted, 1);
    }

    /// A connection was refused.
    pub fn refused(&self, reason: Refusal) {
        fetch_add(&self.refused[reason as usize], 1);
    }

    /// An accepted connection was closed.
    pub fn closed(&self, reason: Close) {
        fetch_add(&self.closed[reason as usize], 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_are_in_the_order_of_their_indices() {
        assert!(TRANSPORTS.iter().enumerate().all(|(i, (t, _))| transport_index(*t) == i));
        assert!(QUERY_TYPES.iter().enumerate().all(|(i, (t, _))| query_type_index(*t) == i));
        assert!(OUTCOMES.iter().enumerate().all(|(i, (o, _))| outcome_index(*o) == i));
        assert!(REFUSALS.iter().enumerate().all(|(i, (r, _))| *r as usize == i));
        assert!(CLOSES.iter().enumerate().all(|(i, (c, _))| *c as usize == i));
    }

    #[test]
    fn bounds_are_inclusive_powers_of_two() {
        let histogram = Histogram::<2, 4>::default(); // up to 4, 8, 16, and above
        for value in [0, 1, 4, 5, 8, 9, 16, 17, u64::MAX >> 1] {
            histogram.observe(add_alone, value);
        }
        let counts: Vec<u64> = histogram.buckets.iter().map(|bucket| bucket.load(Relaxed)).collect();
        assert_eq!(counts, [3, 2, 2, 2]);
    }

    #[test]
    fn blocks_of_two_workers_share_no_pair_of_cache_lines() {
        assert_eq!(align_of::<WorkerCounters>(), 128);
        assert_eq!(size_of::<WorkerCounters>() % 128, 0);
    }
}
