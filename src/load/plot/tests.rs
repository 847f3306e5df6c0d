use super::*;
use crate::load::report::{Latency, Second, Step};

/// A run at these rates: latencies that grow with the rate, and a tail.
pub(crate) fn run(label: &str, rates: &[f64], most: f64) -> Report {
    let step = |rate: f64| {
        let busy = (rate / most).min(1.2);
        let middle = 20_000.0 + 30_000.0 * busy.powi(6);
        let histogram: Vec<(u64, u64)> = (0..60)
            .map(|bucket| ((middle * 1.12_f64.powi(bucket)) as u64, (1_000_000.0 * 0.75_f64.powi(bucket)) as u64))
            .filter(|(_, count)| *count > 0)
            .collect();
        let p99 = (middle * 6.1) as u64;
        let second = |at: u32| Second {
            at,
            answered: rate.min(most) as u64,
            p99: p99 + u64::from(at % 3) * 9000,
            ..Second::default()
        };
        Step {
            rate: Some(rate),
            seconds: 10.0,
            sent: rate as u64 * 10,
            answer_rate: rate.min(most),
            latency: Latency { count: 1_000_000, p99, histogram, ..Latency::default() },
            timeline: (0..10).map(second).collect(),
            ..Step::default()
        }
    };
    Report {
        label: label.into(),
        server: "127.0.0.1:53".into(),
        steps: rates.iter().copied().map(step).collect(),
        ..Report::default()
    }
}

const RATES: [f64; 6] = [20e3, 40e3, 60e3, 80e3, 100e3, 120e3];

/// Coordinates in a picture: none may be missing or outside.
fn sound(svg: &str) {
    assert!(!svg.contains("NaN") && !svg.contains("inf"), "{svg}");
    assert_eq!(svg.matches("<svg").count(), 1);
    for attribute in ["x=\"", "y=\"", "x1=\"", "y2=\"", "cx=\""] {
        for value in svg.split(&format!(" {attribute}")).skip(1) {
            let value: f64 = value.split('"').next().unwrap().parse().unwrap();
            assert!((0.0..4000.0).contains(&value), "{attribute}{value}");
        }
    }
}

#[test]
fn stepped_runs_have_three_charts_and_repeats_are_one_line() {
    let reports = [run("ours", &RATES, 110e3), run("ours", &RATES, 105e3), run("theirs", &RATES, 70e3)];
    let svg = plot(&reports, &[], "Ours & <theirs>").unwrap();
    sound(&svg);
    assert!(svg.contains("<title>Ours &amp; &lt;theirs&gt;</title>"));
    for title in ["Latency by percentile at 120k/s", "Throughput", "p99 latency by rate"] {
        assert!(svg.contains(title), "{title}");
    }
    assert_eq!(svg.matches("class=\"frame\"").count(), 3);
    // Two labels in each of three charts.
    assert_eq!(svg.matches("<polyline").count(), 6);
    assert_eq!(svg.matches(">ours<").count(), 3);
    // Repeats differ in the throughput at 110k/s and above, and in all latencies.
    assert_eq!(svg.matches("class=\"bar\"").count(), 12);
    assert_eq!(plot(&reports, &[], "Ours & <theirs>").unwrap(), svg);
}

#[test]
fn a_single_run_has_its_percentiles_and_its_timeline() {
    let svg = plot(&[run("", &[50e3], 80e3)], &[], "").unwrap();
    sound(&svg);
    assert_eq!(svg.matches("class=\"frame\"").count(), 3);
    assert!(svg.contains("Latency by percentile, 127.0.0.1:53") && svg.contains("Answers in each second"));
    let svg = plot(&[run("a", &RATES, 80e3)], &[Kind::Timeline], "").unwrap();
    assert_eq!(svg.matches("class=\"frame\"").count(), 2);
    assert!(svg.contains(">60<"), "steps follow each other: {svg}");
}

#[test]
fn nothing_gives_no_picture() {
    assert_eq!(plot(&[], &[], "x"), None);
    assert_eq!(plot(&[Report::default()], &[Kind::Percentiles, Kind::Rates, Kind::Timeline], "x"), None);
    let unanswered = Report { steps: vec![Step { rate: Some(5.0), ..Step::default() }], ..Report::default() };
    assert_eq!(plot(&[unanswered], &[Kind::Percentiles], ""), None);
}

#[test]
fn percentiles_are_where_the_histogram_has_them() {
    let latency = Latency { count: 1000, histogram: vec![(1000, 990), (100_000, 10)], ..Latency::default() };
    let report = Report {
        label: "x".into(),
        steps: vec![Step { rate: Some(1.0), latency, ..Step::default() }],
        ..Report::default()
    };
    let groups = series::groups(std::slice::from_ref(&report));
    let chart = series::percentiles(&groups).unwrap();
    let points = &chart.series[0].points;
    assert_eq!(points[..3], [(0.0, 1000.0), (0.99, 1000.0), (0.99, 100_000.0)]);
    assert!(points[3].0 > 0.999 && points[3].0 < 1.0);
}
