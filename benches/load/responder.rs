//! The other end: answers right, and costs as little as an answer can, so that the generator is the limit.
//!
//! It looks again and again rather than waits, so that no generator pays for waking it. What came in one piece (UDP_GRO)
//! is answered in one piece (UDP_SEGMENT), unless it is told to answer each query by itself, as servers do; what came by
//! itself is answered by itself, at once.

use std::io::ErrorKind;
use std::net::{SocketAddr, UdpSocket};
use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use fingerpost::load::data::Data;
use fingerpost::net::burst::{cut, gather};
use rustix::thread::{CpuSet, sched_setaffinity};
use socket2::SockRef;

/// Octets of a query for a service's A records without EDNS: header, name, type, class.
const QUERY: usize = 12 + NAME + 4;
/// Octets of a name: `service-000000.load.test`, with the lengths of its labels.
const NAME: usize = 1 + 14 + 1 + 4 + 1 + 4 + 1;
/// Where the service's number is.
const NUMBER: std::ops::Range<usize> = 12 + 9..12 + 15;
/// Octets of a record whose name is a pointer.
const RECORD: usize = 16;
/// Octets of a socket's buffers; the kernel may allow less.
const BUFFER: usize = 4 << 20;
/// Answers of a message that is cut: as many as the kernel gathers queries.
const MOST: usize = 128;

/// Answers until dropped.
pub(crate) struct Responder {
    pub(crate) address: SocketAddr,
    counters: Arc<Counters>,
    thread: Option<JoinHandle<()>>,
}

/// What it has done.
#[derive(Default)]
struct Counters {
    stop: AtomicBool,
    /// Whether each answer goes by itself.
    apart: AtomicBool,
    answered: AtomicU64,
    unsent: AtomicU64,
    idle: AtomicU64,
}

/// What it had done at a moment.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Seen {
    /// Answers that were sent.
    pub(crate) answered: u64,
    /// Answers that the kernel did not take.
    pub(crate) unsent: u64,
    /// How long it had nothing to do.
    pub(crate) idle: Duration,
}

impl Responder {
    /// Answers for `data` from a thread on `core`.
    pub(crate) fn start(data: &Data, core: usize) -> Result<Self> {
        let socket = UdpSocket::bind("127.0.0.1:0")?;
        socket.set_nonblocking(true)?;
        let _ = SockRef::from(&socket).set_recv_buffer_size(BUFFER);
        let _ = SockRef::from(&socket).set_send_buffer_size(BUFFER);
        let answer = QUERY + data.shown() as usize * RECORD;
        gather(socket.as_fd()).context("UDP_GRO")?;
        cut(socket.as_fd(), answer as u16).context("UDP_SEGMENT")?;
        let address = socket.local_addr()?;
        let counters = Arc::new(Counters::default());
        let thread = thread::spawn({
            let (data, counters) = (data.clone(), Arc::clone(&counters));
            move || {
                let mut set = CpuSet::new();
                set.set(core);
                sched_setaffinity(None, &set).expect("a core");
                run(&socket, &data, &counters);
            }
        });
        Ok(Self { address, counters, thread: Some(thread) })
    }

    /// Whether each answer goes by itself from now on.
    pub(crate) fn answer_apart(&self, apart: bool) {
        self.counters.apart.store(apart, Ordering::Relaxed);
    }

    /// What it has done so far.
    pub(crate) fn seen(&self) -> Seen {
        let of = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let Counters { answered, unsent, idle, .. } = &*self.counters;
        Seen { answered: of(answered), unsent: of(unsent), idle: Duration::from_nanos(of(idle)) }
    }
}

impl Drop for Responder {
    fn drop(&mut self) {
        self.counters.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Answers what comes.
fn run(socket: &UdpSocket, data: &Data, counters: &Counters) {
    let (mut queries, mut answers) = (vec![0; 1 << 16], vec![0; MOST * (QUERY + data.shown() as usize * RECORD)]);
    let mut idle: Option<Instant> = None;
    while !counters.stop.load(Ordering::Relaxed) {
        let (length, peer) = match socket.recv_from(&mut queries) {
            Ok(received) => received,
            Err(error) => {
                if error.kind() == ErrorKind::WouldBlock {
                    idle.get_or_insert_with(Instant::now);
                }
                continue;
            }
        };
        if let Some(idle) = idle.take() {
            counters.idle.fetch_add(idle.elapsed().as_nanos() as u64, Ordering::Relaxed);
        }
        let (mut filled, mut count) = (0, 0);
        for query in queries[..length].chunks_exact(QUERY).take(MOST) {
            if let Some(written) = answer(query, data, &mut answers[filled..]) {
                filled += written;
                count += 1;
            }
        }
        let apart = counters.apart.load(Ordering::Relaxed);
        let (length, each) = if apart { (filled / count.max(1), 1) } else { (filled, count) };
        for answers in answers[..filled].chunks(length.max(1)) {
            let sent = socket.send_to(answers, peer);
            let counter = if sent.is_ok() { &counters.answered } else { &counters.unsent };
            counter.fetch_add(each as u64, Ordering::Relaxed);
        }
    }
}

/// Writes the right answer to a query for a service's addresses; its length. `None` for anything else.
fn answer(query: &[u8], data: &Data, space: &mut [u8]) -> Option<usize> {
    let service = std::str::from_utf8(&query[NUMBER]).ok()?.parse().ok()?;
    let first = data.v4(service, 0).to_bits();
    let (head, records) = space.split_at_mut(QUERY);
    head.copy_from_slice(query);
    // QR and AA; RD as it was (RFC 1035 §4.1.1).
    head[2] = 0x84 | (query[2] & 1);
    (head[6], head[7]) = (0, data.shown() as u8);
    let fixed = [0xc0, 12, 0, 1, 0, 1, 0, 0, 0, data.ttl as u8, 0, 4];
    for (address, record) in (first..first + data.shown()).zip(records.as_chunks_mut::<RECORD>().0) {
        record[..12].copy_from_slice(&fixed);
        record[12..].copy_from_slice(&address.to_be_bytes());
    }
    Some(QUERY + data.shown() as usize * RECORD)
}
