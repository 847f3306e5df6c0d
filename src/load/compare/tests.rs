use std::slice;

use super::*;
use crate::load::report::Latency;

/// A run at these rates, with this p99 in microseconds.
fn run(rates: &[f64], p99: u64) -> Report {
    let step = |rate: f64| Step {
        rate: Some(rate),
        sent: 1000,
        answered: 1000,
        answer_rate: rate,
        latency: Latency { count: 1000, p50: 20_000, p99: p99 * 1000, p99_9: 500_000, ..Latency::default() },
        checks: Checks { checked: 1000, ..Checks::default() },
        ..Step::default()
    };
    Report { transport: "udp".into(), steps: rates.iter().copied().map(step).collect(), ..Report::default() }
}

fn verdict(comparison: &Comparison, step: usize, name: &str) -> Verdict {
    comparison.steps[step].figures.iter().find(|figure| figure.name == name).unwrap().verdict
}

#[test]
fn each_figure_has_a_verdict_and_the_worst_counts() {
    let comparison = Comparison::of(&[run(&[1000.0, 2000.0], 100)], &[run(&[2000.4, 3000.0], 120)], 0.05);
    assert_eq!(comparison.verdict, Verdict::Worse);
    assert_eq!(comparison.unmatched, ["1.00k/s: only in the old runs", "3.00k/s: only in the new runs"]);
    assert_eq!(comparison.steps.len(), 1);
    assert_eq!(verdict(&comparison, 0, "p99"), Verdict::Worse);
    for same in ["answered", "p50", "p99.9", "lost", "wrong"] {
        assert_eq!(verdict(&comparison, 0, same), Verdict::Same, "{same}");
    }
    let better = Comparison::of(&[run(&[1000.0], 100)], &[run(&[1000.0], 80)], 0.05);
    assert_eq!(better.verdict, Verdict::Better);
    assert_eq!(Comparison::of(&[run(&[1000.0], 100)], &[run(&[1000.0], 80)], 0.3).verdict, Verdict::Same);
    assert_eq!(Comparison::of(&[run(&[1.0], 100)], &[run(&[2.0], 80)], 0.3).verdict, Verdict::CannotTell);
    let (whole, short) = (run(&[1.0, 2.0], 100), run(&[1.0], 100));
    let some = [whole.clone(), short.clone(), whole.clone()];
    let comparison = Comparison::of(slice::from_ref(&whole), &some, 0.3);
    assert_eq!(comparison.unmatched, ["2/s: only in 2 of 3 new runs"]);
    assert_eq!(comparison.verdict, Verdict::CannotTell);
    assert_eq!(Comparison::of(slice::from_ref(&whole), &[short], 0.3).verdict, Verdict::CannotTell);
    assert_eq!(Comparison::of(slice::from_ref(&whole), slice::from_ref(&whole), 0.3).verdict, Verdict::Same);
}

#[test]
fn loss_and_wrong_answers_count_by_themselves() {
    let mut new = run(&[1000.0], 100);
    new.steps[0].lost = 1;
    assert_eq!(Comparison::of(&[run(&[1000.0], 100)], &[new.clone()], 0.05).verdict, Verdict::Same);
    new.steps[0].lost = 2;
    let comparison = Comparison::of(&[run(&[1000.0], 100)], &[new.clone()], 0.05);
    assert_eq!(verdict(&comparison, 0, "lost"), Verdict::Worse);
    let mut new = run(&[1000.0], 100);
    new.steps[0].checks.stale = 1;
    // One wrong answer in one run of many is worse, whatever the median says.
    let good = run(&[1000.0], 100);
    let comparison = Comparison::of(slice::from_ref(&good), &[good.clone(), good.clone(), new], 0.05);
    assert_eq!(verdict(&comparison, 0, "wrong"), Verdict::Worse);
    let mut unchecked = good.clone();
    unchecked.steps[0].checks.checked = 0;
    let comparison = Comparison::of(&[good], &[unchecked], 0.05);
    assert!(comparison.steps[0].figures.iter().all(|figure| figure.name != "wrong"));
}

#[test]
fn a_server_that_answers_nothing_is_worse() {
    let mut dead = run(&[1000.0], 100);
    let step = &mut dead.steps[0];
    (step.answer_rate, step.lost, step.latency.count) = (0.0, 1000, 0);
    let comparison = Comparison::of(&[run(&[1000.0], 100)], &[dead], 0.05);
    assert_eq!(verdict(&comparison, 0, "answered"), Verdict::Worse);
    assert!(comparison.steps[0].figures.iter().all(|figure| figure.name != "p99"));
}

#[test]
fn runs_of_other_things_are_told_apart() {
    let (one, mut other) = (run(&[1000.0], 100), run(&[1000.0], 100));
    assert_eq!(Comparison::of(slice::from_ref(&one), slice::from_ref(&other), 0.05).differences, Vec::<String>::new());
    other.transport = "tcp".into();
    other.data = "services=5".into();
    let comparison = Comparison::of(slice::from_ref(&one), &[one.clone(), other], 0.05);
    assert_eq!(comparison.differences, ["transport: \"udp\", \"tcp\"", "data: \"\", \"services=5\""]);
    // The label and the server may differ: that is what is compared.
    let other = Report { label: "x".into(), server: "y".into(), ..one.clone() };
    assert!(Comparison::of(&[one], &[other], 0.05).differences.is_empty());
}
