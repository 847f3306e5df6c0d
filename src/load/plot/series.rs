//! From reports to lines.

use std::collections::BTreeMap;

use super::axis::{Scale, Unit};
use super::chart::{Chart, Plan, Series};
use crate::load::compare::Sample;
use crate::load::report::{Report, Second, Step};
use crate::load::table;

/// Steps of one report that are drawn at most, spread evenly.
const STEPS_MOST: usize = 7;

/// Reports of one label: repeats of each other.
pub(super) struct Group<'r> {
    label: String,
    reports: Vec<&'r Report>,
}

/// Reports by label, in the order they come. Without a label, the server is one.
pub(super) fn groups(reports: &[Report]) -> Vec<Group<'_>> {
    let mut groups: Vec<Group<'_>> = Vec::new();
    for report in reports {
        let label = if report.label.is_empty() { &report.server } else { &report.label };
        match groups.iter_mut().find(|group| group.label == *label) {
            Some(group) => group.reports.push(report),
            None => groups.push(Group { label: label.clone(), reports: vec![report] }),
        }
    }
    groups
}

impl Group<'_> {
    /// The steps by what they asked for, as whole numbers, each with its repeats.
    fn steps(&self) -> BTreeMap<(u64, usize), Vec<&Step>> {
        let mut steps: BTreeMap<_, Vec<&Step>> = BTreeMap::new();
        for step in self.reports.iter().flat_map(|report| &report.steps) {
            let key = (step.rate.unwrap_or_default().round() as u64, step.outstanding.unwrap_or_default());
            steps.entry(key).or_default().push(step);
        }
        steps
    }
}

//----------- Percentiles ------------------------------------------------------

/// Latency by percentile: of one group all steps, of several the highest rate that all have, or else the last of each.
pub(super) fn percentiles(groups: &[Group<'_>]) -> Option<Chart> {
    let mut series = Vec::new();
    let mut at = String::new();
    if let [group] = groups {
        let steps: Vec<_> = group.steps().into_values().collect();
        let count = steps.len();
        let step_by = |index: usize| index * (count.max(2) - 1) / (STEPS_MOST - 1);
        let chosen: Vec<usize> =
            if count <= STEPS_MOST { (0..count).collect() } else { (0..STEPS_MOST).map(step_by).collect() };
        for (look, repeats) in chosen.into_iter().filter_map(|index| steps.get(index)).enumerate() {
            let name = repeats.first().map(|step| table::rate(step)).unwrap_or_default();
            series.push(Series { name, look, points: distribution(repeats), ..Series::default() });
        }
        at = format!(", {}", group.label);
    } else {
        let all: Vec<_> = groups.iter().map(Group::steps).collect();
        let mut shared = all.first()?.keys().rev().filter(|key| all.iter().all(|steps| steps.contains_key(key)));
        let key = shared.next();
        for (look, (group, steps)) in groups.iter().zip(&all).enumerate() {
            let Some(repeats) = key.and_then(|key| steps.get(key)).or_else(|| steps.values().next_back()) else {
                continue;
            };
            let rate = repeats.first().map(|step| table::rate(step)).unwrap_or_default();
            let name = if key.is_some() { group.label.clone() } else { format!("{} {rate}", group.label) };
            if key.is_some() {
                at = format!(" at {rate}");
            }
            series.push(Series { name, look, points: distribution(repeats), ..Series::default() });
        }
    }
    series.retain(|series| !series.points.is_empty());
    Some(Chart {
        title: format!("Latency by percentile{at}"),
        x: Plan { name: "share of answers that took no longer", scale: Scale::Nines, unit: Unit::Share },
        y: Plan { name: "latency", scale: Scale::Logarithmic, unit: Unit::Time },
        series,
        ideal: false,
    })
}

/// (share, latency) of all answers of these steps.
fn distribution(steps: &[&Step]) -> Vec<(f64, f64)> {
    let mut counts: BTreeMap<u64, u64> = BTreeMap::new();
    for (time, count) in steps.iter().flat_map(|step| &step.latency.histogram) {
        *counts.entry(*time).or_default() += count;
    }
    let total: u64 = counts.values().sum();
    let mut points = Vec::new();
    let mut before = 0;
    for (time, count) in counts {
        points.push((before as f64 / total as f64, time as f64));
        before += count;
        // The last answer of all is the longest of `total`: half a one is left beyond it.
        let share = before as f64 / total as f64;
        points.push((share.min(1.0 - 0.5 / total as f64), time as f64));
    }
    points
}

//----------- Rates ------------------------------------------------------------

/// Answers a second, and p99, by the rate that was asked for.
pub(super) fn rates(groups: &[Group<'_>]) -> [Chart; 2] {
    let x = Plan { name: "queries asked a second", scale: Scale::Linear, unit: Unit::Amount };
    let lines = |value: fn(&Step) -> Option<f64>| {
        let line = |(look, group): (usize, &Group<'_>)| {
            let mut series = Series { name: group.label.clone(), look, marked: true, ..Series::default() };
            for ((rate, _), repeats) in group.steps().into_iter().filter(|((rate, _), _)| *rate > 0) {
                let Some(sample) = Sample::of(repeats.iter().filter_map(|step| value(step)).collect()) else {
                    continue;
                };
                series.points.push((rate as f64, sample.median));
                if sample.runs > 1 {
                    series.bars.push((rate as f64, sample.min, sample.max));
                }
            }
            series
        };
        groups.iter().enumerate().map(line).collect()
    };
    [
        Chart {
            title: "Throughput: queries answered of those asked".into(),
            x,
            y: Plan { name: "answers a second", scale: Scale::Linear, unit: Unit::Amount },
            series: lines(|step| Some(step.answer_rate)),
            ideal: true,
        },
        Chart {
            title: "p99 latency by rate".into(),
            x,
            y: Plan { name: "99 % of answers within", scale: Scale::Logarithmic, unit: Unit::Time },
            series: lines(|step| (step.latency.count > 0).then_some(step.latency.p99 as f64)),
            ideal: false,
        },
    ]
}

//----------- Timeline ---------------------------------------------------------

/// Answers, and p99, of each second; steps follow each other. Of repeats, the first.
pub(super) fn timeline(groups: &[Group<'_>]) -> [Chart; 2] {
    let x = Plan { name: "seconds", scale: Scale::Linear, unit: Unit::Amount };
    let lines = |value: fn(&Second) -> Option<f64>| {
        let line = |(look, group): (usize, &Group<'_>)| {
            let mut points = Vec::new();
            let mut begun = 0.0;
            for step in group.reports.first().into_iter().flat_map(|report| &report.steps) {
                let seconds = step.timeline.iter();
                points.extend(seconds.filter_map(|second| Some((begun + f64::from(second.at), value(second)?))));
                begun += step.seconds;
            }
            Series { name: group.label.clone(), look, points, ..Series::default() }
        };
        groups.iter().enumerate().map(line).collect()
    };
    [
        Chart {
            title: "Answers in each second".into(),
            x,
            y: Plan { name: "answers a second", scale: Scale::Linear, unit: Unit::Amount },
            series: lines(|second| Some(second.answered as f64)),
            ideal: false,
        },
        Chart {
            title: "p99 latency in each second".into(),
            x,
            y: Plan { name: "99 % of answers within", scale: Scale::Logarithmic, unit: Unit::Time },
            series: lines(|second| (second.answered > 0).then_some(second.p99 as f64)),
            ideal: false,
        },
    ]
}
