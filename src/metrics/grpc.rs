//! Counters of the gRPC channel: calls by method and status, commands, followers.

use std::array;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;

use prometheus::proto::{MetricFamily, MetricType};
use tonic::Code;

use super::counters::fetch_add;
use super::families::{counter, family, gauge};
use crate::channel::grpc::Method;
use crate::model::Revision;

/// The statuses of gRPC in the order of their numbers.
const CODES: [&str; 17] = [
    "OK",
    "CANCELLED",
    "UNKNOWN",
    "INVALID_ARGUMENT",
    "DEADLINE_EXCEEDED",
    "NOT_FOUND",
    "ALREADY_EXISTS",
    "PERMISSION_DENIED",
    "RESOURCE_EXHAUSTED",
    "FAILED_PRECONDITION",
    "ABORTED",
    "OUT_OF_RANGE",
    "UNIMPLEMENTED",
    "INTERNAL",
    "UNAVAILABLE",
    "DATA_LOSS",
    "UNAUTHENTICATED",
];

/// Why a follower is sent a full state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resync {
    /// It holds none.
    New,
    /// It came back with one that cannot be gone on from.
    Behind,
    /// It was too slow for the change log.
    Slow,
}

impl Resync {
    const ALL: [Self; 3] = [Self::New, Self::Behind, Self::Slow];

    /// In a word.
    pub fn name(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Behind => "behind",
            Self::Slow => "slow",
        }
    }
}

/// What all connections of the channel count.
pub struct GrpcCounters {
    /// By method, in the order of [`Method::ALL`], and by status.
    calls: [[AtomicU64; CODES.len()]; Method::ALL.len()],
    /// Sent to the registry, and refused by it or before.
    commands: AtomicU64,
    faults: AtomicU64,
    resyncs: [AtomicU64; Resync::ALL.len()],
    followers: AtomicU64,
    lag: AtomicU64,
}

impl Default for GrpcCounters {
    fn default() -> Self {
        let zero = |_| AtomicU64::new(0);
        Self {
            calls: array::from_fn(|_| array::from_fn(zero)),
            commands: AtomicU64::new(0),
            faults: AtomicU64::new(0),
            resyncs: array::from_fn(zero),
            followers: AtomicU64::new(0),
            lag: AtomicU64::new(0),
        }
    }
}

impl GrpcCounters {
    /// Counts a call that has ended.
    pub fn ended(&self, method: Method, code: Code) {
        let of_method = self.calls.get(method as usize);
        if let Some(calls) = of_method.and_then(|calls| calls.get(code as usize)) {
            fetch_add(calls, 1);
        }
    }

    /// Counts a batch: commands sent to the registry, and those that were refused before.
    pub fn applied(&self, sent: usize, refused: usize) {
        fetch_add(&self.commands, (sent + refused) as u64);
        fetch_add(&self.faults, refused as u64);
    }

    /// Counts commands that the registry refused.
    pub fn refused(&self, count: usize) {
        fetch_add(&self.faults, count as u64);
    }

    /// Counts a full state.
    pub fn resynced(&self, reason: Resync) {
        if let Some(count) = self.resyncs.get(reason as usize) {
            fetch_add(count, 1);
        }
    }

    /// So many followers are connected, and the last of them lags behind by so many revisions.
    pub fn set_followers(&self, count: usize, lag: Revision) {
        self.followers.store(count as u64, Relaxed);
        self.lag.store(lag, Relaxed);
    }

    /// The families at scrape.
    pub(crate) fn families(&self) -> [MetricFamily; 6] {
        let load = |count: &AtomicU64| count.load(Relaxed) as f64;
        let calls = Method::ALL.iter().zip(&self.calls).flat_map(|(method, calls)| {
            let counted = CODES.iter().zip(calls).filter(|(code, count)| **code == "OK" || count.load(Relaxed) > 0);
            counted.map(move |(code, count)| counter(load(count), &[("method", method.name()), ("code", code)]))
        });
        let resyncs = Resync::ALL.iter().zip(&self.resyncs);
        [
            family(
                "fingerpost_grpc_requests_total",
                "Calls to the gRPC channel that have ended, by method and status.",
                MetricType::COUNTER,
                calls.collect(),
            ),
            family(
                "fingerpost_grpc_commands_total",
                "Commands that came over the gRPC channel.",
                MetricType::COUNTER,
                vec![counter(load(&self.commands), &[])],
            ),
            family(
                "fingerpost_grpc_faults_total",
                "Commands of the gRPC channel that were refused.",
                MetricType::COUNTER,
                vec![counter(load(&self.faults), &[])],
            ),
            family(
                "fingerpost_grpc_resyncs_total",
                "Full states that followers were sent, by the reason.",
                MetricType::COUNTER,
                resyncs.map(|(reason, count)| counter(load(count), &[("reason", reason.name())])).collect(),
            ),
            family(
                "fingerpost_grpc_followers",
                "Followers that are connected.",
                MetricType::GAUGE,
                vec![gauge(load(&self.followers), &[])],
            ),
            family(
                "fingerpost_grpc_follower_lag_revisions",
                "Revisions by which the last of the connected followers lags behind.",
                MetricType::GAUGE,
                vec![gauge(load(&self.lag), &[])],
            ),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn methods_codes_and_reasons_are_in_the_order_of_their_indices() {
        assert!(Method::ALL.iter().enumerate().all(|(index, method)| *method as usize == index));
        assert!(Resync::ALL.iter().enumerate().all(|(index, reason)| *reason as usize == index));
        assert_eq!((Code::Unauthenticated as usize, Code::NotFound as usize), (16, 5));
    }

    #[test]
    fn calls_and_commands_are_counted_by_name() {
        let counters = GrpcCounters::default();
        counters.ended(Method::Drain, Code::NotFound);
        counters.applied(7, 2);
        counters.refused(1);
        counters.resynced(Resync::Slow);
        counters.set_followers(3, 9);
        let text = prometheus::TextEncoder::new().encode_to_string(&counters.families()).unwrap();
        for line in [
            "fingerpost_grpc_requests_total{method=\"Drain\",code=\"NOT_FOUND\"} 1",
            "fingerpost_grpc_requests_total{method=\"Apply\",code=\"OK\"} 0",
            "fingerpost_grpc_commands_total 9",
            "fingerpost_grpc_faults_total 3",
            "fingerpost_grpc_resyncs_total{reason=\"slow\"} 1",
            "fingerpost_grpc_followers 3",
            "fingerpost_grpc_follower_lag_revisions 9",
        ] {
            assert!(text.lines().any(|found| found == line), "no line {line} in\n{text}");
        }
    }
}
