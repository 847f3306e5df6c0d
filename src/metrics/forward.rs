//! Counters of forwarding: how queries for names of others end, and how upstreams fare.

use std::array;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use prometheus::proto::{MetricFamily, MetricType};

use super::counters::{Histogram, fetch_add, nanoseconds};
use super::families::{counter, family, gauge, histogram};

/// How a query that was left to the forwarder ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Forwarded {
    /// An upstream was asked for it.
    Upstream,
    /// Another query for the same was in flight, and its answer did for both.
    Merged,
    /// The answer was in the cache.
    Hit,
    /// The answer was in the cache and too old, but nobody had a newer one.
    Stale,
    /// Own zones sufficed: behind a search domain, or a CNAME.
    Own,
    /// The client may not ask for names of others, or they are nobody's to ask for.
    Refused,
    /// Too many were in flight.
    Shed,
    /// No upstream answered.
    Failed,
    /// It came back to us, or would have.
    Loop,
}

/// Every end at its index, with its label.
const ENDS: [(Forwarded, &str); 9] = [
    (Forwarded::Upstream, "upstream"),
    (Forwarded::Merged, "merged"),
    (Forwarded::Hit, "hit"),
    (Forwarded::Stale, "stale"),
    (Forwarded::Own, "own"),
    (Forwarded::Refused, "refused"),
    (Forwarded::Shed, "shed"),
    (Forwarded::Failed, "failed"),
    (Forwarded::Loop, "loop"),
];

/// How an upstream fares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum UpstreamState {
    /// It does not answer.
    Down = 0,
    /// It answers, or nothing else is known.
    Up = 1,
    /// It forwards to us.
    Loop = 2,
}

impl From<u8> for UpstreamState {
    /// The state with this number; what has none is down.
    fn from(number: u8) -> Self {
        match number {
            1 => Self::Up,
            2 => Self::Loop,
            _ => Self::Down,
        }
    }
}

/// Every state at its number, with its label.
const STATES: [(UpstreamState, &str); 3] =
    [(UpstreamState::Down, "down"), (UpstreamState::Up, "up"), (UpstreamState::Loop, "loop")];

/// Seconds a forwarded query took: bounds from 16 µs, which a hit takes, to 17 s.
type ForwardSeconds = Histogram<14, 22>;

/// What the forwarder counts.
pub struct ForwardCounters {
    ends: [AtomicU64; ENDS.len()],
    seconds: ForwardSeconds,
    in_flight: AtomicU64,
    entries: AtomicU64,
    octets: AtomicU64,
    upstreams: Vec<UpstreamCounters>,
}

/// What is counted of one upstream.
struct UpstreamCounters {
    label: String,
    state: AtomicU64,
    asked: AtomicU64,
    failed: AtomicU64,
}

impl ForwardCounters {
    /// Everything at zero, of upstreams that are called so and are up.
    pub fn new(upstreams: impl IntoIterator<Item = String>) -> Self {
        let upstream = |label| UpstreamCounters {
            label,
            state: AtomicU64::new(UpstreamState::Up as u64),
            asked: AtomicU64::default(),
            failed: AtomicU64::default(),
        };
        Self {
            ends: array::from_fn(|_| AtomicU64::default()),
            seconds: ForwardSeconds::default(),
            in_flight: AtomicU64::default(),
            entries: AtomicU64::default(),
            octets: AtomicU64::default(),
            upstreams: upstreams.into_iter().map(upstream).collect(),
        }
    }

    /// Counts a query that ended so, `elapsed` after it was taken up.
    pub fn ended(&self, end: Forwarded, elapsed: Duration) {
        fetch_add(&self.ends[end as usize], 1);
        self.seconds.observe(fetch_add, nanoseconds(elapsed));
    }

    /// So many queries are in flight.
    pub fn set_in_flight(&self, queries: usize) {
        self.in_flight.store(queries as u64, Relaxed);
    }

    /// The cache has so many entries, which take so many octets.
    pub fn set_cache(&self, (entries, octets): (usize, usize)) {
        self.entries.store(entries as u64, Relaxed);
        self.octets.store(octets as u64, Relaxed);
    }

    /// The upstream with this number was sent a query.
    pub fn asked(&self, upstream: usize) {
        if let Some(upstream) = self.upstreams.get(upstream) {
            fetch_add(&upstream.asked, 1);
        }
    }

    /// It has not answered.
    pub fn failed(&self, upstream: usize) {
        if let Some(upstream) = self.upstreams.get(upstream) {
            fetch_add(&upstream.failed, 1);
        }
    }

    /// It fares so from now on.
    pub fn set_state(&self, upstream: usize, state: UpstreamState) {
        if let Some(upstream) = self.upstreams.get(upstream) {
            upstream.state.store(state as u64, Relaxed);
        }
    }

    /// The families at scrape.
    pub(super) fn families(&self) -> Vec<MetricFamily> {
        let load = |counter: &AtomicU64| counter.load(Relaxed) as f64;
        let one = |name, help, value: &AtomicU64| family(name, help, MetricType::GAUGE, vec![gauge(load(value), &[])]);
        let each = |value: fn(&UpstreamCounters) -> &AtomicU64| {
            let upstreams = self.upstreams.iter();
            upstreams.map(move |one| counter(load(value(one)), &[("upstream", &one.label)])).collect()
        };
        let state = |upstream: &UpstreamCounters| {
            let current = upstream.state.load(Relaxed);
            STATES.map(|(state, label)| {
                let holds = f64::from(u8::from(current == state as u64));
                gauge(holds, &[("upstream", &upstream.label), ("state", label)])
            })
        };
        let ends = ENDS.iter().zip(&self.ends);
        let mut families = vec![
            family(
                "fingerpost_forward_queries_total",
                "Queries for names outside our zones, by how they ended.",
                MetricType::COUNTER,
                ends.map(|((_, label), count)| counter(load(count), &[("end", label)])).collect(),
            ),
            histogram(
                "fingerpost_forward_seconds",
                "Time from taking up such a query to its response.",
                &[&self.seconds],
                1e9,
            ),
            one("fingerpost_forward_in_flight", "Queries that wait for an upstream.", &self.in_flight),
            one("fingerpost_forward_cache_entries", "Answers of upstreams in the cache.", &self.entries),
            one("fingerpost_forward_cache_bytes", "Octets that they take.", &self.octets),
        ];
        if !self.upstreams.is_empty() {
            families.extend([
                family(
                    "fingerpost_forward_upstream_state",
                    "1 for the state that an upstream is in: up, down, loop (it forwards to us).",
                    MetricType::GAUGE,
                    self.upstreams.iter().flat_map(state).collect(),
                ),
                family(
                    "fingerpost_forward_upstream_queries_total",
                    "Queries sent to an upstream.",
                    MetricType::COUNTER,
                    each(|upstream| &upstream.asked),
                ),
                family(
                    "fingerpost_forward_upstream_failures_total",
                    "Queries to an upstream that it did not answer.",
                    MetricType::COUNTER,
                    each(|upstream| &upstream.failed),
                ),
            ]);
        }
        families
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_are_in_the_order_of_their_indices() {
        assert!(ENDS.iter().enumerate().all(|(index, (end, _))| *end as usize == index));
        assert!(STATES.iter().enumerate().all(|(index, (state, _))| *state as usize == index));
        assert!(STATES.iter().all(|(state, _)| UpstreamState::from(*state as u8) == *state));
    }

    #[test]
    fn upstreams_are_told_apart() {
        let counters = ForwardCounters::new(["192.0.2.1:53".to_owned(), "tls://192.0.2.2:853".to_owned()]);
        counters.asked(1);
        counters.failed(1);
        counters.set_state(1, UpstreamState::Loop);
        counters.ended(Forwarded::Stale, Duration::from_secs(1));
        let text = prometheus::TextEncoder::new().encode_to_string(&counters.families()).unwrap();
        for line in [
            r#"fingerpost_forward_queries_total{end="stale"} 1"#,
            r#"fingerpost_forward_upstream_state{upstream="192.0.2.1:53",state="up"} 1"#,
            r#"fingerpost_forward_upstream_state{upstream="tls://192.0.2.2:853",state="up"} 0"#,
            r#"fingerpost_forward_upstream_state{upstream="tls://192.0.2.2:853",state="loop"} 1"#,
            r#"fingerpost_forward_upstream_queries_total{upstream="tls://192.0.2.2:853"} 1"#,
            r#"fingerpost_forward_upstream_failures_total{upstream="192.0.2.1:53"} 0"#,
            "fingerpost_forward_seconds_count 1",
        ] {
            assert!(text.lines().any(|found| found == line), "no line {line} in\n{text}");
        }
    }
}
