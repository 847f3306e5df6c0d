//! Fingerpost beside NSD and Knot: the same random zones, the same random queries, the same answers.
//!
//! * `name`, `generate`: zones that like corners, and questions about them, all from one seed.
//! * `servers`: the three servers as child processes on one folder of zone files.
//! * `response`: responses as sets of records, without what order, case and compression make of them.
//! * `compare`: what has to be equal, and the table of the differences that are right.
//!
//! It runs for `FINGERPOST_DIFFERENTIAL_SECONDS` (20 by default). A failure tells the seed of its batch;
//! `FINGERPOST_DIFFERENTIAL_SEED` repeats it.

#![allow(clippy::unwrap_used, reason = "in a test, a panic with its place is the message")]

mod compare;
mod generate;
mod name;
mod response;
mod servers;
#[path = "../program/support/mod.rs"]
#[allow(dead_code, unused_imports, reason = "the tests of the program use more of it")]
mod support;

use std::collections::BTreeMap;
use std::env;
use std::io::{self, Write};
use std::str::FromStr;
use std::time::{Duration, Instant};

use fastrand::Rng;

use compare::Verdict;
use servers::Trio;

/// Groups of zones that are served at once.
const GROUPS: usize = 200;
/// Queries for each group.
const QUERIES: usize = 60;
/// Batches that may always end because a server of others gave no answer: Knot of Debian 12 does so now and then.
const SILENT_MOST: usize = 3;
/// Differences shown before the test gives up.
const SHOWN: usize = 10;

/// The number in an environment variable.
fn variable<T: FromStr>(name: &str) -> Option<T> {
    env::var(name).ok()?.parse().ok()
}

#[test]
fn answers_as_nsd_and_knot_do() {
    // Every one, so that both are named where both are missing.
    if !["nsd", "knotd"].map(support::have_tool).into_iter().all(|found| found) {
        return;
    }
    let given: Option<u64> = variable("FINGERPOST_DIFFERENTIAL_SEED");
    let time = Duration::from_secs(variable("FINGERPOST_DIFFERENTIAL_SECONDS").unwrap_or(20));
    let begun = Instant::now();
    let mut tally = Tally::default();
    let mut seed = given.unwrap_or_else(|| fastrand::u64(..));
    while begun.elapsed() < time {
        run_batch(seed, begun + time, &mut tally);
        assert!(
            tally.differences.is_empty(),
            "seed {seed} (FINGERPOST_DIFFERENTIAL_SEED={seed} repeats this):\n\n{}",
            tally.differences.join("\n")
        );
        tally.batches += 1;
        // A few prove nothing; one in four would leave too little to compare.
        let most = SILENT_MOST + tally.batches / 4;
        assert!(tally.silent.values().all(|silent| *silent <= most), "{tally}");
        if given.is_some() {
            break;
        }
        seed = seed.wrapping_add(1);
    }
    // Not by `println!`, which the harness hides for tests that pass.
    let _ = writeln!(io::stderr(), "differential: last seed {seed}, {tally}");
}

/// What has been seen.
#[derive(Default)]
struct Tally {
    batches: usize,
    zones: usize,
    queries: usize,
    /// How often each known difference was met.
    known: BTreeMap<String, usize>,
    differences: Vec<String>,
    /// Batches that ended because a server of others gave no answer: it has crashed, or hangs.
    silent: BTreeMap<&'static str, usize>,
}

impl std::fmt::Display for Tally {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} zones, {} queries", self.zones, self.queries)?;
        self.silent.iter().try_for_each(|(name, count)| write!(f, "\n  {count} × {name} gave no answer"))?;
        self.known.iter().try_for_each(|(class, count)| write!(f, "\n  {count} × {class}"))
    }
}

/// Serves the zones that follow from `seed` and asks about them, until `end` at most.
fn run_batch(seed: u64, end: Instant, tally: &mut Tally) {
    let mut rng = Rng::with_seed(seed);
    let groups: Vec<generate::Group> = (0..GROUPS).map(|number| generate::group(&mut rng, number)).collect();
    let trio = Trio::start(groups.iter().flat_map(|group| &group.zones));
    tally.zones += groups.iter().map(|group| group.zones.len()).sum::<usize>();
    for group in &groups {
        for _ in 0..QUERIES {
            let query = generate::query(&mut rng, group);
            tally.queries += 1;
            match compare::ask(&trio, group, &query) {
                Verdict::Equal => {}
                Verdict::Known(classes) => {
                    classes.into_iter().for_each(|class| *tally.known.entry(class).or_default() += 1)
                }
                Verdict::Different(text) => {
                    tally.differences.push(text);
                    // One of a group: others are likely the same.
                    break;
                }
                Verdict::Silent(name) => {
                    assert!(name != "fingerpost", "seed {seed}: no answer to {} TYPE{}", query.name, query.qtype);
                    *tally.silent.entry(name).or_default() += 1;
                    return;
                }
            }
        }
        if tally.differences.len() >= SHOWN || Instant::now() > end {
            return;
        }
    }
}
