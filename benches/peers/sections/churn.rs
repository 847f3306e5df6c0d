//! Ours alone: ten thousand changes a second beside queries, and the same queries without them.

use anyhow::Result;

use crate::data::Files;
use crate::generator::{Asking, Generator, Pace};
use crate::plan::Plan;
use crate::results::Results;
use crate::running::{Ground, Running};
use crate::servers::stored;

use super::interleave;

/// Changes and queries a second.
const CHANGES: &str = "10k";
const QUERIES: f64 = 20_000.0;

/// Measures both in turns, over loopback. The load generator asks and changes, so that it is not the limit only while
/// both are far from what it can do.
pub(crate) fn measure(generator: &Generator, ground: &Ground, plan: &Plan, results: &mut Results) -> Result<()> {
    println!("changes beside queries");
    let files = Files::generate(ground.folder, if plan.is_large { 125_000 } else { 10_000 }, 8)?;
    let stored = stored();
    let server = Running::start(&stored, ground, 6600, &files, plan.patience)?;
    let grpc = format!("http://127.0.0.1:{}", server.place.port + 1);
    let kinds = [
        ("without changes", Vec::new()),
        ("beside changes", ["--churn", CHANGES, "--grpc", &grpc].map(str::to_owned).to_vec()),
    ];
    for repeat in 0..plan.few {
        for (subject, more) in &kinds {
            let asking = |_: &Running, _| {
                let pace = Pace::Rate(QUERIES);
                Some(Asking { pace, more: more.clone(), ..Asking::new(subject, plan.changes, repeat) })
            };
            interleave(generator, [&server].into_iter(), 1, asking, results);
        }
    }
    Ok(())
}
