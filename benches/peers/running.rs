//! A server of the comparison while it runs.

use std::net::Ipv4Addr;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use crate::ask::Client;
use crate::data::Files;
use crate::process::Process;
use crate::servers::{Part, Peer, Place};

/// A server, where it is, and its processes.
pub(crate) struct Running<'p> {
    pub(crate) peer: &'p Peer,
    pub(crate) place: Place,
    pub(crate) process: Process,
    /// From its program's start to its first right answer.
    pub(crate) started: Duration,
}

/// What is the same for all servers of a run.
pub(crate) struct Ground<'g> {
    /// Where they listen.
    pub(crate) address: Ipv4Addr,
    /// Their core.
    pub(crate) core: usize,
    /// Where their folders are made.
    pub(crate) folder: &'g Path,
}

impl<'p> Running<'p> {
    /// Starts a server of `files` on `port` and waits until it answers for the last service; then it is paused.
    pub(crate) fn start(peer: &'p Peer, ground: &Ground, port: u16, files: &Files, patience: Duration) -> Result<Self> {
        Self::start_through(peer, ground, port, files, patience, &[])
    }

    /// The same, through another program, such as valgrind.
    pub(crate) fn start_through(
        peer: &'p Peer,
        ground: &Ground,
        port: u16,
        files: &Files,
        patience: Duration,
        through: &[String],
    ) -> Result<Self> {
        let folder = ground.folder.join(format!("{}-{port}", peer.name));
        let place = Place { address: ground.address, port, folder, core: ground.core, files: files.clone() };
        let words = peer.command(&place)?;
        let words: Vec<_> = through.iter().map(Into::into).chain(words).collect();
        let begun = Instant::now();
        let mut process = Process::start(&words, ground.core, &place.folder)?;
        if peer.part != Part::Ceiling {
            let last = files.data.service_name(files.data.services - 1);
            // Of more than eight, ours shows eight; those of others, all, which here nobody asks for.
            let count = files.data.instances.min(8) as u16;
            let mut client = Client::new(place.socket())?;
            client
                .until(&last, count, patience, || process.check())
                .with_context(|| format!("{}: {}", peer.title, process.said()))?;
        } else {
            std::thread::sleep(Duration::from_millis(100));
            process.check()?;
        }
        let started = begun.elapsed();
        process.pause();
        Ok(Self { peer, place, process, started })
    }
}
