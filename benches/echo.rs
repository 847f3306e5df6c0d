//! The ceiling: what the batches of `net::mmsg` reach when answering costs nothing.
//!
//! ```text
//! cargo bench --bench echo -- --listen 127.0.0.1:5301 --seconds 10
//! ```
//!
//! listens on one socket with one thread and sends every datagram back as a response of 169 octets (eight A records
//! of a name of usual length): QR set, the query kept, the rest left as it is. Any DNS load generator can ask it. At
//! the end it prints responses a second while there were any, the mean batch, and the CPU time of a response, which
//! says more than the rate where the generator is the slower one. `--batch 1` shows what batching is worth, `--core`
//! pins the thread, and without `--listen`, as `cargo bench` runs it among others, it ends at once.

use std::net::SocketAddr;
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use anyhow::Context;
use clap::Parser;
use fingerpost::net::bind;
use fingerpost::net::mmsg::Batch;
use rustix::thread::{CpuSet, sched_setaffinity};

/// Octets of a response.
const RESPONSE: usize = 169;

/// The bare echo server.
#[derive(Parser)]
struct Arguments {
    /// The address to listen on.
    #[arg(long)]
    listen: Option<SocketAddr>,
    /// How long to run.
    #[arg(long, default_value_t = 10.0)]
    seconds: f64,
    /// Messages in a batch: 1, 8, 16, 32, 64 or 128.
    #[arg(long, default_value_t = 64)]
    batch: usize,
    /// The core to run on.
    #[arg(long)]
    core: Option<usize>,
    /// What `cargo bench` passes to every benchmark.
    #[arg(long, hide = true)]
    bench: bool,
}

pub(crate) fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let Some(address) = arguments.listen else {
        println!("nothing to do without --listen");
        return Ok(());
    };
    if let Some(core) = arguments.core {
        let mut set = CpuSet::new();
        set.set(core);
        sched_setaffinity(None, &set)?;
    }
    match arguments.batch {
        1 => echo::<1>(address, arguments.seconds),
        8 => echo::<8>(address, arguments.seconds),
        16 => echo::<16>(address, arguments.seconds),
        32 => echo::<32>(address, arguments.seconds),
        64 => echo::<64>(address, arguments.seconds),
        128 => echo::<128>(address, arguments.seconds),
        other => anyhow::bail!("no batch of {other} was compiled"),
    }
}

/// Nanoseconds this process, which has one thread, has run on a core.
fn cpu_time() -> anyhow::Result<u64> {
    let text = std::fs::read_to_string("/proc/self/schedstat")?;
    let first = text.split_whitespace().next().context("an empty schedstat")?;
    Ok(first.parse()?)
}

/// Echoes for some seconds and prints how it went.
fn echo<const WIDTH: usize>(address: SocketAddr, seconds: f64) -> anyhow::Result<()> {
    let endpoint = bind(address, 1)?;
    let socket = endpoint.udp[0].as_fd();
    let mut batch = Batch::<WIDTH>::new(address.ip().is_unspecified());
    let end = Instant::now() + Duration::from_secs_f64(seconds);
    let (mut responses, mut batches, mut unsent) = (0_usize, 0_usize, 0_usize);
    let mut first = None;
    let mut last = Instant::now();
    println!("listening on {}", endpoint.address);
    while last < end {
        let received = batch.receive(socket)?;
        if received == 0 {
            if Instant::now() > end {
                break;
            }
            continue;
        }
        responses += batch
            .answer_each(|slot, received, _| {
                if received < 12 || slot[2] & 0x80 != 0 {
                    return 0;
                }
                slot[2] |= 0x80;
                RESPONSE
            })
            .responses;
        unsent += batch.send(socket);
        batches += 1;
        last = Instant::now();
        first.get_or_insert(last);
    }
    let cpu = cpu_time()? as f64 / responses.max(1) as f64;
    let busy = first.map_or(0.0, |first| (last - first).as_secs_f64());
    println!(
        "{responses} responses in {busy:.3} s: {:.0}/s, {:.1} a batch, {cpu:.0} ns of CPU each, {unsent} not sent",
        responses as f64 / busy.max(1e-9),
        responses as f64 / batches.max(1) as f64,
    );
    Ok(())
}
