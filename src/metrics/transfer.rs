//! Counters of zone transfers, of signed queries, and of notifications.

use std::array;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use prometheus::proto::{MetricFamily, MetricType};

use super::counters::{Histogram, fetch_add, nanoseconds};
use super::families::{counter, family, gauge, histogram};

/// What a transfer gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TransferKind {
    /// AXFR: all records.
    Full,
    /// IXFR: what changed.
    Incremental,
    /// IXFR for a serial that is not known any more: all records.
    Fallback,
    /// IXFR that ends with one SOA record: nothing is newer, or it does not fit into a datagram.
    Soa,
}

/// Why a transfer is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TransferRefusal {
    /// The zone is there, and not for this client or key.
    Prohibited,
    /// There is no such zone.
    NotAuthoritative,
    /// Not a sound query of its kind, or AXFR over UDP.
    Malformed,
    /// As many run as may.
    Busy,
}

/// What became of a query's signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signature {
    /// Sound.
    Accepted,
    /// BADKEY.
    UnknownKey,
    /// BADSIG.
    Wrong,
    /// BADTIME.
    OutOfTime,
    /// BADTRUNC.
    Truncated,
    /// It cannot be read.
    Malformed,
}

/// What became of a notification.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Notified {
    /// The secondary said that it heard.
    Acknowledged,
    /// The secondary answered with an error.
    Refused,
    /// The secondary never answered.
    GivenUp,
}

const KINDS: [&str; 4] = ["axfr", "ixfr", "ixfr_full", "ixfr_soa"];
const REFUSALS: [&str; 4] = ["prohibited", "not_authoritative", "malformed", "busy"];
const SIGNATURES: [&str; 6] = ["accepted", "bad_key", "bad_signature", "bad_time", "bad_truncation", "malformed"];
const NOTIFIED: [&str; 3] = ["acknowledged", "refused", "given_up"];

/// Seconds a transfer took: bounds from 66 µs to 275 s.
type TransferSeconds = Histogram<16, 24>;

/// What transfers and notifications count.
pub struct TransferCounters {
    transfers: [AtomicU64; KINDS.len()],
    records: [AtomicU64; KINDS.len()],
    aborted: AtomicU64,
    running: AtomicU64,
    refused: [AtomicU64; REFUSALS.len()],
    seconds: TransferSeconds,
    signatures: [AtomicU64; SIGNATURES.len()],
    notify_messages: AtomicU64,
    notified: [AtomicU64; NOTIFIED.len()],
    journal: AtomicU64,
}

impl Default for TransferCounters {
    fn default() -> Self {
        let zero = |_| AtomicU64::new(0);
        Self {
            transfers: array::from_fn(zero),
            records: array::from_fn(zero),
            aborted: AtomicU64::new(0),
            running: AtomicU64::new(0),
            refused: array::from_fn(zero),
            seconds: Histogram::default(),
            signatures: array::from_fn(zero),
            notify_messages: AtomicU64::new(0),
            notified: array::from_fn(zero),
            journal: AtomicU64::new(0),
        }
    }
}

impl TransferCounters {
    /// A transfer begins.
    pub fn begin(&self) {
        fetch_add(&self.running, 1);
    }

    /// A transfer that began has sent `records` records within `elapsed`: all of them if it is `whole`.
    pub fn end(&self, kind: TransferKind, whole: bool, records: u64, elapsed: Duration) {
        self.running.fetch_sub(1, Relaxed);
        fetch_add(&self.records[kind as usize], records);
        if whole {
            fetch_add(&self.transfers[kind as usize], 1);
            self.seconds.observe(fetch_add, nanoseconds(elapsed));
        } else {
            fetch_add(&self.aborted, 1);
        }
    }

    /// A transfer was refused.
    pub fn refuse(&self, refusal: TransferRefusal) {
        fetch_add(&self.refused[refusal as usize], 1);
    }

    /// A signed query came.
    pub fn sign(&self, signature: Signature) {
        fetch_add(&self.signatures[signature as usize], 1);
    }

    /// A notification was sent, for the first time or again.
    pub fn notify(&self) {
        fetch_add(&self.notify_messages, 1);
    }

    /// A notification has come to its end.
    pub fn notified(&self, notified: Notified) {
        fetch_add(&self.notified[notified as usize], 1);
    }

    /// The journal takes `octets` octets.
    pub fn set_journal(&self, octets: usize) {
        self.journal.store(octets as u64, Relaxed);
    }

    /// The families at scrape.
    pub(super) fn families(&self) -> [MetricFamily; 9] {
        let labelled = |label: &'static str, names: &[&str], counts: &[AtomicU64]| {
            let pairs = names.iter().zip(counts);
            pairs.map(|(name, count)| counter(count.load(Relaxed) as f64, &[(label, name)])).collect()
        };
        let plain = |count: &AtomicU64| count.load(Relaxed) as f64;
        let of = |name, help, metrics| family(name, help, MetricType::COUNTER, metrics);
        [
            of(
                "fingerpost_transfers_total",
                "Zone transfers that were sent whole: axfr, ixfr (what changed), ixfr_full (all, because what changed \
                 is not known), ixfr_soa (nothing newer, or too much for a datagram).",
                labelled("kind", &KINDS, &self.transfers),
            ),
            of(
                "fingerpost_transfer_records_total",
                "Records sent in zone transfers.",
                labelled("kind", &KINDS, &self.records),
            ),
            of(
                "fingerpost_transfers_aborted_total",
                "Zone transfers whose client went away or read too slowly.",
                vec![counter(plain(&self.aborted), &[])],
            ),
            of(
                "fingerpost_transfers_refused_total",
                "Zone transfers refused, by reason.",
                labelled("reason", &REFUSALS, &self.refused),
            ),
            histogram("fingerpost_transfer_seconds", "Time of a whole zone transfer.", &[&self.seconds], 1e9),
            family(
                "fingerpost_transfers_running",
                "Zone transfers under way.",
                MetricType::GAUGE,
                vec![gauge(plain(&self.running), &[])],
            ),
            of(
                "fingerpost_tsig_queries_total",
                "Signed queries, by what became of their signature.",
                labelled("result", &SIGNATURES, &self.signatures),
            ),
            {
                let mut metrics: Vec<_> = labelled("result", &NOTIFIED, &self.notified);
                metrics.push(counter(plain(&self.notify_messages), &[("result", "sent")]));
                of(
                    "fingerpost_notifies_total",
                    "Notifications of secondaries: messages sent, retries included, and how notifications ended.",
                    metrics,
                )
            },
            family(
                "fingerpost_transfer_journal_bytes",
                "Octets of the changes that incremental transfers are made of.",
                MetricType::GAUGE,
                vec![gauge(plain(&self.journal), &[])],
            ),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_is_counted_under_its_label() {
        let counters = TransferCounters::default();
        counters.begin();
        counters.begin();
        counters.end(TransferKind::Fallback, true, 7, Duration::from_secs(1));
        counters.end(TransferKind::Soa, false, 0, Duration::from_secs(1));
        counters.refuse(TransferRefusal::Busy);
        counters.sign(Signature::Malformed);
        counters.notify();
        counters.notified(Notified::GivenUp);
        counters.set_journal(9);
        let text = prometheus::TextEncoder::new().encode_to_string(&counters.families()).unwrap();
        for line in [
            "fingerpost_transfers_total{kind=\"ixfr_full\"} 1",
            "fingerpost_transfers_total{kind=\"ixfr_soa\"} 0",
            "fingerpost_transfer_records_total{kind=\"ixfr_full\"} 7",
            "fingerpost_transfers_aborted_total 1",
            "fingerpost_transfers_refused_total{reason=\"busy\"} 1",
            "fingerpost_transfer_seconds_count 1",
            "fingerpost_transfers_running 0",
            "fingerpost_tsig_queries_total{result=\"malformed\"} 1",
            "fingerpost_notifies_total{result=\"given_up\"} 1",
            "fingerpost_notifies_total{result=\"sent\"} 1",
            "fingerpost_transfer_journal_bytes 9",
        ] {
            assert!(text.lines().any(|found| found == line), "no line {line} in\n{text}");
        }
    }
}
