//! A million names, and services of a hundred instances: what the amount of data costs an answer.

use anyhow::Result;

use crate::data::Files;
use crate::generator::{Asking, Generator, OUTSTANDING, Pace};
use crate::plan::Plan;
use crate::results::Results;
use crate::running::{Ground, Running};
use crate::servers::{Part, Peer};

use super::interleave;

/// Servers that are measured with a million names: those that are in reach.
const MILLION: [&str; 4] = ["fingerpost", "nsd", "knot", "gdnsd"];

/// Measures both, over loopback.
pub(crate) fn measure(
    generator: &Generator,
    ground: &Ground,
    peers: &[&Peer],
    plan: &Plan,
    results: &mut Results,
) -> Result<()> {
    let is_ours = |peer: &&Peer| peer.name == "fingerpost";
    let is_in_reach = |peer: &&Peer| MILLION.contains(&peer.name);
    println!("a hundred instances, and eight of them in an answer");
    let hundred = Files::generate(ground.folder, 1000, 100)?;
    compare(generator, ground, &[("8 of 100", &hundred)], peers.iter().copied().filter(is_ours), plan, results);
    println!("few and many names");
    let few = Files::generate(ground.folder, 10_000, 1)?;
    let many = Files::generate(ground.folder, if plan.is_large { 1_000_000 } else { 100_000 }, 1)?;
    let both = [("10,000 names", &few), ("1,000,000 names", &many)];
    compare(generator, ground, &both, peers.iter().copied().filter(is_in_reach), plan, results);
    Ok(())
}

/// Starts each server on each of the data, and asks them all in turns, at a fixed rate and as fast as it goes.
fn compare<'p>(
    generator: &Generator,
    ground: &Ground,
    data: &[(&'static str, &Files)],
    peers: impl Iterator<Item = &'p Peer>,
    plan: &Plan,
    results: &mut Results,
) {
    let mut servers = Vec::new();
    for (number, peer) in peers.filter(|peer| peer.part == Part::Whole).enumerate() {
        for (place, (subject, files)) in data.iter().enumerate() {
            let port = 6000 + 10 * number as u16 + 2 * place as u16;
            match Running::start(peer, ground, port, files, plan.patience) {
                Ok(server) => servers.push((*subject, server)),
                Err(error) => results.fail(format!("{subject}: {error:#}")),
            }
        }
    }
    for pace in [Pace::Outstanding(OUTSTANDING), Pace::Rate(plan.rate)] {
        let asking = |server: &Running, repeat| {
            let (subject, _) = servers.iter().find(|(_, known)| std::ptr::eq(known, server))?;
            Some(Asking { pace, ..Asking::new(subject, plan.fixed, repeat) })
        };
        interleave(generator, servers.iter().map(|(_, server)| server), plan.few, asking, results);
    }
}
