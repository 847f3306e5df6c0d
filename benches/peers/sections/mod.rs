//! The parts of a run. Each adds to the results; one that fails says so there and stops no other.

pub(crate) mod changes;
pub(crate) mod churn;
pub(crate) mod instructions;
pub(crate) mod latency;
pub(crate) mod mixes;
pub(crate) mod names;
pub(crate) mod sizes;
pub(crate) mod throughput;

use crate::generator::{Asking, Generator};
use crate::results::Results;
use crate::running::Running;

/// Asks each server once for each repeat, the servers taking turns: what the machine does meanwhile hits all alike.
fn interleave<'r, 'p: 'r>(
    generator: &Generator,
    servers: impl Iterator<Item = &'r Running<'p>> + Clone,
    repeats: usize,
    asking: impl Fn(&Running, usize) -> Option<Asking>,
    results: &mut Results,
) {
    for repeat in 0..repeats {
        for server in servers.clone() {
            let Some(asking) = asking(server, repeat) else { continue };
            match generator.ask(server, &asking) {
                Ok(run) => {
                    println!(
                        "  {:<15} {:<14} {:<8} {:>8.0}/s  {:>6.0} ns CPU  busy {:>3.0} %  p50 {:>5.0} µs  p99 {:>6.0} µs  lost {}  wrong {}",
                        run.server,
                        run.subject,
                        run.way,
                        run.answer_rate,
                        run.cpu_ns,
                        run.busy * 100.0,
                        run.p50 as f64 / 1e3,
                        run.p99 as f64 / 1e3,
                        run.lost,
                        run.wrong,
                    );
                    results.runs.push(run);
                }
                Err(error) => results.fail(format!("{error:#}")),
            }
        }
    }
}
