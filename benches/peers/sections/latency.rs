//! How long answers take at half and at four fifths of what a server reaches.

use crate::generator::{Asking, Generator, Pace};
use crate::network::Way;
use crate::plan::Plan;
use crate::results::Results;
use crate::running::Running;
use crate::servers::Part;

use super::interleave;

/// Measures over loopback, where nothing but the two programs takes time.
pub(crate) fn measure(generator: &Generator, servers: &[Running], plan: &Plan, results: &mut Results) {
    let way = Way::Loopback;
    for (subject, share) in [("latency at 50 %", 0.5), ("latency at 80 %", 0.8)] {
        println!("{subject}");
        let most: Vec<(&str, f64)> = servers
            .iter()
            .filter(|server| server.peer.part != Part::Brief)
            .filter_map(|server| {
                Some((server.peer.name, results.median(server.peer.name, "saturated", way, |run| run.answer_rate)?))
            })
            .collect();
        let asking = |server: &Running, repeat| {
            let (_, most) = most.iter().find(|(name, _)| *name == server.peer.name)?;
            let pace = Pace::Rate(most * share);
            Some(Asking { pace, ..Asking::new(subject, plan.latency, repeat) })
        };
        interleave(generator, servers.iter(), plan.few, asking, results);
    }
}
