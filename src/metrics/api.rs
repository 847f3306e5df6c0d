//! Counters of the AWS API: requests by action, errors by code, and how long replies took.

use std::array;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use prometheus::proto::{MetricFamily, MetricType};

use super::counters::{Histogram, fetch_add, nanoseconds};
use super::families::{counter, family, histogram};
use crate::channel::cloudmap::Action;

/// The codes that are counted by name: the API model's, then those that any service has. The last stands for others.
const CODES: [&str; 26] = [
    "InvalidInput",
    "NamespaceNotFound",
    "ServiceNotFound",
    "InstanceNotFound",
    "OperationNotFound",
    "ResourceNotFoundException",
    "CustomHealthNotFound",
    "NamespaceAlreadyExists",
    "ServiceAlreadyExists",
    "DuplicateRequest",
    "ResourceInUse",
    "ResourceLimitExceeded",
    "RequestLimitExceeded",
    "TooManyTagsException",
    "ServiceAttributesLimitExceededException",
    "UnknownOperationException",
    "SerializationException",
    "MissingAuthenticationTokenException",
    "IncompleteSignatureException",
    "UnrecognizedClientException",
    "InvalidSignatureException",
    "ExpiredTokenException",
    "AccessDeniedException",
    "InternalFailure",
    "ServiceUnavailable",
    "other",
];

/// Seconds a request took: bounds from 16 µs to 17 s, which a write to a slow disk stays below.
type RequestSeconds = Histogram<14, 22>;

/// What all connections of the API count.
pub struct ApiCounters {
    /// By action, in the order of [`Action::ALL`]; the last is that of unknown ones.
    requests: [AtomicU64; Action::ALL.len() + 1],
    /// In the order of [`CODES`].
    errors: [AtomicU64; CODES.len()],
    seconds: RequestSeconds,
}

impl Default for ApiCounters {
    fn default() -> Self {
        let zero = |_| AtomicU64::new(0);
        Self { requests: array::from_fn(zero), errors: array::from_fn(zero), seconds: Histogram::default() }
    }
}

impl ApiCounters {
    /// Counts a request: its action if that is known, the code of its error if it got one, and how long it took from
    /// its head to its reply.
    pub fn record(&self, action: Option<Action>, error: Option<&str>, elapsed: Duration) {
        let index = action.map_or(Action::ALL.len(), |action| action as usize);
        if let Some(requests) = self.requests.get(index) {
            fetch_add(requests, 1);
        }
        if let Some(code) = error {
            let index = CODES.iter().position(|known| *known == code).unwrap_or(CODES.len() - 1);
            fetch_add(&self.errors[index], 1);
        }
        self.seconds.observe(fetch_add, nanoseconds(elapsed));
    }

    /// The families at scrape.
    pub(crate) fn families(&self) -> [MetricFamily; 3] {
        let names = Action::ALL.iter().map(|action| action.name()).chain(["unknown"]);
        let labelled =
            |label: &'static str, name: &str, count: &AtomicU64| counter(count.load(Relaxed) as f64, &[(label, name)]);
        [
            family(
                "fingerpost_api_requests_total",
                "Requests to the AWS API that got a reply, by action.",
                MetricType::COUNTER,
                names.zip(&self.requests).map(|(name, count)| labelled("action", name, count)).collect(),
            ),
            family(
                "fingerpost_api_errors_total",
                "Replies of the AWS API that are errors, by code.",
                MetricType::COUNTER,
                CODES.iter().zip(&self.errors).map(|(name, count)| labelled("code", name, count)).collect(),
            ),
            histogram(
                "fingerpost_api_request_seconds",
                "Time from the head of a request to the AWS API to its reply.",
                &[&self.seconds],
                1e9,
            ),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn actions_are_in_the_order_of_their_indices() {
        assert!(Action::ALL.iter().enumerate().all(|(index, action)| *action as usize == index));
    }

    #[test]
    fn requests_and_errors_are_counted_by_name() {
        let counters = ApiCounters::default();
        counters.record(Some(Action::UpdateServiceAttributes), None, Duration::ZERO);
        counters.record(Some(Action::GetInstance), Some("InstanceNotFound"), Duration::ZERO);
        counters.record(None, Some("UnknownOperationException"), Duration::ZERO);
        counters.record(None, Some("Unheard"), Duration::from_secs(1));
        let text = prometheus::TextEncoder::new().encode_to_string(&counters.families()).unwrap();
        for line in [
            "fingerpost_api_requests_total{action=\"UpdateServiceAttributes\"} 1",
            "fingerpost_api_requests_total{action=\"GetInstance\"} 1",
            "fingerpost_api_requests_total{action=\"CreateService\"} 0",
            "fingerpost_api_requests_total{action=\"unknown\"} 2",
            "fingerpost_api_errors_total{code=\"InstanceNotFound\"} 1",
            "fingerpost_api_errors_total{code=\"other\"} 1",
            "fingerpost_api_request_seconds_sum 1",
            "fingerpost_api_request_seconds_count 4",
        ] {
            assert!(text.lines().any(|found| found == line), "no line {line} in\n{text}");
        }
    }
}
