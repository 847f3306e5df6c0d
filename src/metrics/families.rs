//! Prometheus' families, built from plain numbers.

use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;

use prometheus::proto::{self, LabelPair, Metric, MetricFamily, MetricType};

use super::counters::Histogram;

/// The sum of counters that are being written.
pub(super) fn sum<'a>(counters: impl Iterator<Item = &'a AtomicU64>) -> u64 {
    counters.map(|counter| counter.load(Relaxed)).sum()
}

/// A family of `metrics`.
pub(super) fn family(name: &str, help: &str, kind: MetricType, metrics: Vec<Metric>) -> MetricFamily {
    let mut family = MetricFamily::default();
    family.set_name(name.to_owned());
    family.set_help(help.to_owned());
    family.set_field_type(kind);
    family.set_metric(metrics);
    family
}

/// A counter's value under `labels`.
pub(super) fn counter(value: f64, labels: &[(&str, &str)]) -> Metric {
    let mut counter = proto::Counter::default();
    counter.set_value(value);
    let mut metric = labelled(labels);
    metric.set_counter(counter);
    metric
}

/// A gauge's value under `labels`.
pub(super) fn gauge(value: f64, labels: &[(&str, &str)]) -> Metric {
    let mut gauge = proto::Gauge::default();
    gauge.set_value(value);
    let mut metric = labelled(labels);
    metric.set_gauge(gauge);
    metric
}

/// A metric with `labels` and no value yet.
fn labelled(labels: &[(&str, &str)]) -> Metric {
    let pairs = labels.iter().map(|(name, value)| {
        let mut pair = LabelPair::default();
        pair.set_name((*name).to_owned());
        pair.set_value((*value).to_owned());
        pair
    });
    Metric::from_label(pairs.collect())
}

/// The sum of `parts`, whose values are multiples of one `unit`th of the exposed unit.
pub(super) fn histogram<const LOW: u32, const N: usize>(
    name: &str,
    help: &str,
    parts: &[&Histogram<LOW, N>],
    unit: f64,
) -> MetricFamily {
    let mut cumulative = 0;
    let mut buckets = Vec::with_capacity(N - 1);
    for index in 0..N {
        cumulative += sum(parts.iter().map(|part| &part.buckets[index]));
        // The last bucket has no bound; the encoder writes it from the count of all.
        if index < N - 1 {
            let mut bucket = proto::Bucket::default();
            bucket.set_upper_bound((1_u64 << (LOW as usize + index)) as f64 / unit);
            bucket.set_cumulative_count(cumulative);
            buckets.push(bucket);
        }
    }
    let mut histogram = proto::Histogram::default();
    histogram.set_sample_count(cumulative);
    histogram.set_sample_sum(sum(parts.iter().map(|part| &part.sum)) as f64 / unit);
    histogram.set_bucket(buckets);
    let mut metric = Metric::default();
    metric.set_histogram(histogram);
    family(name, help, MetricType::HISTOGRAM, vec![metric])
}
