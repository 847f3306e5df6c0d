//! As fast as servers answer, and what an answer costs at a rate that is the same for all.

use crate::generator::{Asking, Generator, Pace};
use crate::plan::Plan;
use crate::results::Results;
use crate::running::Running;

use super::interleave;

/// Queries under way in a closed loop: more than any server takes in one batch, fewer than its socket's buffer holds.
pub(crate) const OUTSTANDING: usize = 512;
/// Sockets of the generator over UDP, each with a port of its own.
pub(crate) const SOCKETS: usize = 64;

/// Measures both, over every way.
pub(crate) fn measure(generator: &Generator, servers: &[Running], plan: &Plan, results: &mut Results) {
    for way in generator.network.ways().iter().copied() {
        let kinds = [
            ("saturated", Pace::Outstanding(OUTSTANDING), plan.saturated),
            ("fixed", Pace::Rate(plan.rate), plan.fixed),
        ];
        for (subject, pace, duration) in kinds {
            println!("{subject} over {}", way.name());
            let asking = |_: &Running, repeat| {
                let (mix, transport, sockets) = ("a=100", "udp", SOCKETS);
                Some(Asking { subject, mix, transport, pace, sockets, duration, way, repeat })
            };
            interleave(generator, servers.iter(), plan.repeats, asking, results);
        }
    }
}
