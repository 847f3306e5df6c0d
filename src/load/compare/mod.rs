//! Whether one run is better than another: a verdict for every figure.
//!
//! Each side may be several runs of the same. Their median counts, and how far they lie apart says how sure it is:
//!
//! | verdict | when |
//! |---|---|
//! | better, worse | the change is larger than the tolerance, and larger than the noise |
//! | same | whatever noise did, the change is within the tolerance |
//! | cannot tell | neither: more runs, longer runs, or a quieter machine will tell |
//!
//! Of one run on each side no noise is known, and the tolerance alone decides: it must be larger than the noise then.
//!
//! Steps are compared with those of the same rate. Runs that asked for other things are not compared.

mod sample;

use std::collections::BTreeMap;

use serde::Serialize;

use super::report::{Checks, Report, Step};
use super::table;
pub use sample::{Sample, Verdict};

/// Change of the share of lost queries that is of no interest: one in a thousand.
const LOSS_TOLERANCE: f64 = 0.001;

//----------- Comparison -------------------------------------------------------

/// What came of comparing.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Comparison {
    /// Of all figures: worse if one is; else cannot tell if one is; else better if one is; else same.
    pub verdict: Verdict,
    /// Change of a figure that is of no interest, as a share of it.
    pub tolerance: f64,
    /// In what the runs differ that must be the same; if there is anything, the verdicts mean little.
    pub differences: Vec<String>,
    /// What is to be known about single runs, such as a generator that did not keep up.
    pub doubts: Vec<String>,
    /// Steps that only one side has, or only some of its runs.
    pub unmatched: Vec<String>,
    /// Steps that both sides have.
    pub steps: Vec<Compared>,
}

/// A step that both sides have.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Compared {
    /// Its rate, as [`table::rate`] has it.
    pub rate: String,
    /// Its figures.
    pub figures: Vec<Figure>,
}

/// One figure of a step.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Figure {
    /// Which.
    pub name: &'static str,
    /// What its numbers are: `ns`, `1/s` or `share`.
    pub unit: &'static str,
    /// The older runs.
    pub old: Sample,
    /// The newer runs.
    pub new: Sample,
    /// From the old median to the new: as a share of the old one, or of shares their difference.
    pub change: f64,
    /// How much of that can be chance; `None` where there are too few runs to know.
    pub noise: Option<f64>,
    /// The verdict.
    pub verdict: Verdict,
}

impl Comparison {
    /// Compares runs with others. `tolerance` is a share: 0.05 for 5 %.
    pub fn of(old: &[Report], new: &[Report], tolerance: f64) -> Self {
        let (old_steps, new_steps) = (by_rate(old), by_rate(new));
        let mut unmatched = Vec::new();
        for (steps, others, side) in [(&old_steps, &new_steps, "old"), (&new_steps, &old_steps, "new")] {
            let alone = steps.iter().filter(|(key, _)| !others.contains_key(key));
            unmatched.extend(alone.map(|(_, steps)| format!("{}: only in the {side} runs", rate_of(steps))));
        }
        for (steps, others, reports, side) in
            [(&old_steps, &new_steps, old, "old"), (&new_steps, &old_steps, new, "new")]
        {
            for (key, steps) in steps.iter().filter(|(key, _)| others.contains_key(key)) {
                let having =
                    reports.iter().filter(|report| report.steps.iter().any(|step| key_of(step) == *key)).count();
                if having < reports.len() {
                    unmatched.push(format!("{}: only in {having} of {} {side} runs", rate_of(steps), reports.len()));
                }
            }
        }
        let pairs = old_steps.iter().filter_map(|(key, old)| Some((old, new_steps.get(key)?)));
        let steps: Vec<Compared> =
            pairs.map(|(old, new)| Compared { rate: rate_of(old), figures: figures(old, new, tolerance) }).collect();
        let verdicts = || steps.iter().flat_map(|step| &step.figures).map(|figure| figure.verdict);
        let has = |verdict| verdicts().any(|other| other == verdict);
        let verdict = [Verdict::Worse, Verdict::CannotTell, Verdict::Better].into_iter().find(|verdict| has(*verdict));
        let nothing = if steps.is_empty() { Verdict::CannotTell } else { Verdict::Same };
        let verdict = match verdict.unwrap_or(nothing) {
            // What broke at a rate that was not reached shows nowhere else.
            Verdict::Same | Verdict::Better if !unmatched.is_empty() => Verdict::CannotTell,
            verdict => verdict,
        };
        let doubts = [("old", old), ("new", new)].into_iter().flat_map(|(side, reports)| {
            let doubts = reports.iter().flat_map(table::doubts);
            doubts.map(move |doubt| format!("{side}: {doubt}"))
        });
        Self { verdict, tolerance, differences: differences(old, new), doubts: doubts.collect(), unmatched, steps }
    }
}

/// What a report says of itself.
type Said = fn(&Report) -> String;

/// In what runs differ that must be the same.
fn differences(old: &[Report], new: &[Report]) -> Vec<String> {
    let asked: [(&str, Said); 6] = [
        ("transport", |report| report.transport.clone()),
        ("mode", |report| report.mode.clone()),
        ("data", |report| report.data.clone()),
        ("mix", |report| report.mix.clone()),
        ("threads", |report| report.threads.to_string()),
        ("sockets", |report| report.sockets.to_string()),
    ];
    let mut differences = Vec::new();
    for (name, value) in asked {
        let mut values: Vec<String> = Vec::new();
        for value in old.iter().chain(new).map(value) {
            if !values.contains(&value) {
                values.push(value);
            }
        }
        if values.len() > 1 {
            let values: Vec<String> = values.iter().map(|value| format!("{value:?}")).collect();
            differences.push(format!("{name}: {}", values.join(", ")));
        }
    }
    differences
}

/// The steps of all runs by what they asked for: rates and outstanding queries as whole numbers.
fn by_rate(reports: &[Report]) -> BTreeMap<(u64, usize), Vec<&Step>> {
    let mut steps: BTreeMap<_, Vec<&Step>> = BTreeMap::new();
    for step in reports.iter().flat_map(|report| &report.steps) {
        steps.entry(key_of(step)).or_default().push(step);
    }
    steps
}

/// What a step asked for.
fn key_of(step: &Step) -> (u64, usize) {
    // Rates are whole numbers in fact; a rounding error must not part them.
    (step.rate.unwrap_or_default().round() as u64, step.outstanding.unwrap_or_default())
}

/// The rate of steps that have the same.
fn rate_of(steps: &[&Step]) -> String {
    steps.first().map(|step| table::rate(step)).unwrap_or_default()
}

//----------- Figures ----------------------------------------------------------

/// The figures of steps of one rate.
fn figures(old: &[&Step], new: &[&Step], tolerance: f64) -> Vec<Figure> {
    let mut figures = Vec::new();
    let mut add = |name, unit, higher_is_better, value: &dyn Fn(&Step) -> Option<f64>| {
        let values = |steps: &[&Step]| Sample::of(steps.iter().filter_map(|step| value(step)).collect());
        if let (Some(old), Some(new)) = (values(old), values(new)) {
            let is_share = unit == "share";
            let tolerance = if is_share { LOSS_TOLERANCE } else { tolerance };
            let judged = sample::judge(&old, &new, tolerance, is_share, higher_is_better);
            let (change, noise, verdict) = judged;
            figures.push(Figure { name, unit, old, new, change, noise, verdict });
        }
    };
    let answered = |step: &Step| step.latency.count > 0;
    add("answered", "1/s", true, &|step| Some(step.answer_rate));
    add("p50", "ns", false, &|step| answered(step).then_some(step.latency.p50 as f64));
    add("p99", "ns", false, &|step| answered(step).then_some(step.latency.p99 as f64));
    add("p99.9", "ns", false, &|step| answered(step).then_some(step.latency.p99_9 as f64));
    add("lost", "share", false, &|step| (step.sent > 0).then(|| step.lost as f64 / step.sent as f64));
    let shown =
        |step: &Step| step.churn.as_ref().filter(|churn| churn.visible.count > 0).map(|churn| churn.visible.p99);
    add("visible p99", "ns", false, &|step| shown(step).map(|time| time as f64));
    figures.extend(wrong_answers(old, new));
    figures
}

/// Wrong answers of those that were looked at. No tolerance: an answer is right or wrong.
fn wrong_answers(old: &[&Step], new: &[&Step]) -> Option<Figure> {
    let values = |steps: &[&Step]| {
        let checked = steps.iter().filter(|step| step.checks.checked > 0);
        Sample::of(checked.map(|step| wrong(&step.checks) as f64 / step.checks.checked as f64).collect())
    };
    let (old, new) = (values(old)?, values(new)?);
    // The worst of them, as a median would hide the one run in which something went wrong.
    let change = new.max - old.max;
    let verdict = match change {
        ..0.0 => Verdict::Better,
        0.0 => Verdict::Same,
        _ => Verdict::Worse,
    };
    Some(Figure { name: "wrong", unit: "share", old, new, change, noise: None, verdict })
}

/// Faults found in answers. An answer may have several, and counts for each.
pub fn wrong(checks: &Checks) -> u64 {
    let Checks { wrong_rcode, wrong_record, wrong_count, wrong_ttl, duplicate, stale, malformed, .. } = checks;
    wrong_rcode + wrong_record + wrong_count + wrong_ttl + duplicate + stale + malformed
}

#[cfg(test)]
mod tests;
