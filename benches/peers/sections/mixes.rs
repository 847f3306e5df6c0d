//! Other questions, and TCP.

use crate::generator::{Asking, Generator, OUTSTANDING, Pace, SOCKETS};
use crate::plan::Plan;
use crate::results::Results;
use crate::running::Running;
use crate::servers::Part;

use super::interleave;

/// Name, mix, transport, sockets or connections, queries under way.
const MIXES: [(&str, &str, &str, usize, usize); 6] = [
    ("NXDOMAIN", "nxdomain=1", "udp", SOCKETS, OUTSTANDING),
    ("NODATA", "nodata=1", "udp", SOCKETS, OUTSTANDING),
    ("SRV", "srv=1", "udp", SOCKETS, OUTSTANDING),
    ("mixed", "a=80,srv=5,nodata=10,nxdomain=5", "udp", SOCKETS, OUTSTANDING),
    ("TCP, persistent", "a=1", "tcp", 32, OUTSTANDING),
    ("TCP, connection per query", "a=1", "tcp-connect", 32, 32),
];

/// Measures each as fast as it goes, over loopback.
pub(crate) fn measure(generator: &Generator, servers: &[Running], plan: &Plan, results: &mut Results) {
    for (subject, mix, transport, sockets, outstanding) in MIXES {
        println!("{subject}");
        let asking = |server: &Running, repeat| {
            let is_part = server.peer.part == Part::Whole;
            let pace = Pace::Outstanding(outstanding);
            is_part.then(|| Asking { mix, transport, pace, sockets, ..Asking::new(subject, plan.mix, repeat) })
        };
        interleave(generator, servers.iter(), plan.few, asking, results);
    }
}
