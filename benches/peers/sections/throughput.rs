//! As fast as servers answer, and what an answer costs at a rate that is the same for all.

use crate::generator::{Asking, Generator, OUTSTANDING, Pace};
use crate::plan::Plan;
use crate::results::Results;
use crate::running::Running;

use super::interleave;

/// Measures both, over every way.
pub(crate) fn measure(generator: &Generator, servers: &[Running], plan: &Plan, results: &mut Results) {
    for way in generator.network.ways().iter().copied() {
        let kinds = [
            ("saturated", Pace::Outstanding(OUTSTANDING), plan.saturated),
            ("fixed", Pace::Rate(plan.rate), plan.fixed),
        ];
        for (subject, pace, duration) in kinds {
            println!("{subject} over {}", way.name());
            let asking = |_: &Running, repeat| Some(Asking { pace, way, ..Asking::new(subject, duration, repeat) });
            interleave(generator, servers.iter(), plan.repeats, asking, results);
        }
    }
}
