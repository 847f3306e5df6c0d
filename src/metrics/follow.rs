//! How the following of another node fares, at scrape.

use prometheus::proto::{MetricFamily, MetricType};

use super::families::{counter, family, gauge};
use crate::follow::{FAILURES, Status};

/// The families of a follower.
pub(super) fn families(status: &Status) -> Vec<MetricFamily> {
    let one = |name: &str, help: &str, kind: MetricType, value: f64| {
        let metric = if kind == MetricType::COUNTER { counter(value, &[]) } else { gauge(value, &[]) };
        family(name, help, kind, vec![metric])
    };
    let failures = FAILURES.iter().zip(status.failures());
    let (connections, states) = status.connections();
    let (saves, failed_saves) = status.saves();
    let mut families = vec![
        one(
            "fingerpost_follow_connected",
            "1 while the state is that of a followed server, as its last message says.",
            MetricType::GAUGE,
            f64::from(u8::from(status.primary().is_some())),
        ),
        one(
            "fingerpost_follow_connections_total",
            "Times a followed server came to be in step.",
            MetricType::COUNTER,
            connections as f64,
        ),
        one(
            "fingerpost_follow_states_total",
            "Whole states taken over: at the first contact, and whenever changes alone would not do.",
            MetricType::COUNTER,
            states as f64,
        ),
        family(
            "fingerpost_follow_failures_total",
            "Streams of a followed server that ended or never began: connect (cannot be reached), refused (the call), \
             closed, silent (for too long), message (one that makes no sense), diverged (from the state hash).",
            MetricType::COUNTER,
            failures.map(|((_, reason), count)| counter(count as f64, &[("reason", reason)])).collect(),
        ),
        one(
            "fingerpost_follow_saves_total",
            "Times the state was written to its file.",
            MetricType::COUNTER,
            saves as f64,
        ),
        one(
            "fingerpost_follow_failed_saves_total",
            "Times it could not be written.",
            MetricType::COUNTER,
            failed_saves as f64,
        ),
        one(
            "fingerpost_follow_too_old",
            "1 while the state is older than max-stale, or there is none.",
            MetricType::GAUGE,
            f64::from(u8::from(status.is_too_old())),
        ),
    ];
    if let Some(age) = status.age() {
        families.push(one(
            "fingerpost_follow_stale_seconds",
            "Time since a followed server last vouched for the state.",
            MetricType::GAUGE,
            age.as_secs_f64(),
        ));
    }
    families
}
