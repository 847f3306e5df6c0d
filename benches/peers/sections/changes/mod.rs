//! Changes: how many a second, and how soon DNS shows one.
//!
//! Each change adds an A record at a name that is new. One by one, the next is sent when the one before is
//! acknowledged; in bulk, as many at once as the server's own way allows. For a part of them DNS is asked, from the
//! moment that they are sent, until they are there.

mod dynamic;
mod grpc;
mod unbound;

use std::fs::File;
use std::io::Write;
use std::net::Ipv4Addr;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use hickory_proto::rr::RecordType;

use crate::ask::{Client, query};
use crate::data::Files;
use crate::plan::Plan;
use crate::results::{Changes, Results};
use crate::running::{Ground, Running};
use crate::servers::{Peer, stored};

/// Changes that are looked for in DNS at most.
const LOOKED_FOR: usize = 500;
/// How long a change may take until DNS shows it.
const PATIENCE: Duration = Duration::from_secs(5);

/// A way to change what a server says.
trait Channel {
    /// What the results call it.
    fn name(&self) -> &'static str;
    /// Whether what it acknowledges survives a crash.
    fn is_durable(&self) -> bool;
    /// Changes in one request of a bulk.
    fn bulk(&self) -> u32;
    /// The name that change `number` adds.
    fn added(&self, number: u32) -> String;
    /// Adds `count` names from `first` on, and returns when they are acknowledged.
    fn add(&mut self, first: u32, count: u32) -> Result<()>;
}

/// The address of what is added.
fn address(number: u32) -> Ipv4Addr {
    Ipv4Addr::from_bits(0x0b00_0000 + number)
}

/// Measures every server that can be changed, ours also with a million instances, and the disk.
pub(crate) fn measure(
    ground: &Ground,
    peers: &[&Peer],
    files: &Files,
    plan: &Plan,
    results: &mut Results,
) -> Result<()> {
    println!("changes");
    results.changes.push(disk(ground.folder, plan)?);
    let stored = stored();
    for peer in peers {
        let outcome = match peer.name {
            "fingerpost" => one(&stored, ground, files, plan, results, |server| Ok(Box::new(grpc::Grpc::new(server)?))),
            "knot" | "bind" => {
                one(peer, ground, files, plan, results, |server| Ok(Box::new(dynamic::Dynamic::new(server)?)))
            }
            "unbound" => one(peer, ground, files, plan, results, |server| Ok(Box::new(unbound::Control::new(server)))),
            _ => Ok(()),
        };
        if let Err(error) = outcome.with_context(|| format!("changes of {}", peer.title)) {
            results.fail(format!("{error:#}"));
        }
    }
    if plan.is_large {
        let files = Files::generate(ground.folder, 125_000, 8)?;
        one(&stored, ground, &files, plan, results, |server| Ok(Box::new(grpc::Grpc::new(server)?)))?;
    }
    Ok(())
}

/// How often a second the disk takes four kilobytes for good: no durable change after change can be faster.
fn disk(folder: &Path, plan: &Plan) -> Result<Changes> {
    let path = folder.join("disk");
    // As journals do, in a file whose size is there already.
    let mut file = File::create(&path)?;
    file.write_all(&vec![0; 4 << 20])?;
    file.sync_all()?;
    let (begun, mut count) = (Instant::now(), 0_u64);
    while begun.elapsed() < plan.changes {
        file.write_all_at(&[0; 4096], count % 1024 * 4096)?;
        file.sync_data()?;
        count += 1;
    }
    let per_second = count as f64 / begun.elapsed().as_secs_f64();
    std::fs::remove_file(path)?;
    println!("  the disk: {per_second:.0} times 4 KiB and fdatasync a second");
    Ok(Changes {
        server: "disk".into(),
        how: "4 KiB and fdatasync".into(),
        instances: 0,
        durable: true,
        count,
        per_second,
        shown_p50: None,
        shown_p99: None,
    })
}

/// Measures one server.
fn one(
    peer: &Peer,
    ground: &Ground,
    files: &Files,
    plan: &Plan,
    results: &mut Results,
    channel: impl FnOnce(&Running) -> Result<Box<dyn Channel>>,
) -> Result<()> {
    let port = if files.data.services < 100_000 { 6400 } else { 6500 };
    let server = Running::start(peer, ground, port, files, plan.patience)?;
    server.process.resume();
    let mut channel = channel(&server)?;
    let mut next = 0;
    // The first ones make what later ones find made.
    channel.add(next, 1)?;
    next += 1;
    let (begun, first) = (Instant::now(), next);
    while begun.elapsed() < plan.changes {
        channel.add(next, 1)?;
        next += 1;
    }
    let single = (next - first, begun.elapsed());
    let (begun, first) = (Instant::now(), next);
    while begun.elapsed() < plan.changes {
        channel.add(next, channel.bulk())?;
        next += channel.bulk();
    }
    let bulk = (next - first, begun.elapsed());
    let mut client = Client::new(server.place.socket())?;
    let (begun, mut times) = (Instant::now(), Vec::new());
    while begun.elapsed() < plan.changes && times.len() < LOOKED_FOR {
        let query = query(&channel.added(next), RecordType::A, false)?;
        let sent = Instant::now();
        channel.add(next, 1)?;
        client.visible(&query, PATIENCE).with_context(|| format!("a change was not shown within {PATIENCE:?}"))?;
        times.push(sent.elapsed().as_nanos() as u64);
        next += 1;
    }
    times.sort_unstable();
    let quantile = |share: f64| times.get(((times.len() as f64 * share) as usize).min(times.len().saturating_sub(1)));
    for (how, (count, elapsed), is_looked_for) in [("one by one", single, true), ("in bulk", bulk, false)] {
        let shown = |share| quantile(share).copied().filter(|_| is_looked_for);
        let changes = Changes {
            server: peer.name.into(),
            how: format!("{how}, {}", channel.name()),
            instances: files.data.total(),
            durable: channel.is_durable(),
            count: count.into(),
            per_second: f64::from(count) / elapsed.as_secs_f64(),
            shown_p50: shown(0.5),
            shown_p99: shown(0.99),
        };
        println!(
            "  {:<20} {:<32} {:>8.0}/s  {}",
            changes.server,
            changes.how,
            changes.per_second,
            changes.shown_p50.map(|time| format!("shown within {:.2} ms", time as f64 / 1e6)).unwrap_or_default()
        );
        results.changes.push(changes);
    }
    Ok(())
}
