//! Counters: those of a worker have one writer each, those of TCP are shared; a scrape sums them.

use crate::dns::{Reply, Transport};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

/// One UDP worker's counters: written by that worker alone, so a load and a store suffice.
#[derive(Default)]
#[repr(align(128))]
pub struct WorkerCounters {
    queries: AtomicU64,
    responses: AtomicU64,
    nanoseconds: AtomicU64,
    kernel_drops: AtomicU64,
    send_errors: AtomicU64,
    oversized: AtomicU64,
    restarts: AtomicU64,
}

impl WorkerCounters {
    /// Counts one query and what became of it.
    pub fn record(&self, transport: Transport, reply: &Reply) {
        debug_assert_eq!(transport, Transport::Udp);
        bump(&self.responses, u64::from(reply.length > 0));
    }

    /// Counts a batch and the time from its arrival to its last response.
    pub fn observe_batch(&self, queries: u64, elapsed: Duration) {
        bump(&self.queries, queries);
        bump(&self.nanoseconds, elapsed.as_nanos() as u64);
    }

    /// Counts datagrams the kernel had no room for.
    pub fn add_kernel_drops(&self, n: u64) {
        bump(&self.kernel_drops, n);
    }

    /// Counts responses the kernel refused to send.
    pub fn add_send_errors(&self, n: u64) {
        bump(&self.send_errors, n);
    }

    /// Counts datagrams longer than a slot.
    pub fn add_oversized(&self, n: u64) {
        bump(&self.oversized, n);
    }

    /// Counts panics after which the worker went on.
    pub fn add_restarts(&self, n: u64) {
        bump(&self.restarts, n);
    }
}

/// Adds to a counter that has one writer.
fn bump(counter: &AtomicU64, n: u64) {
    counter.store(counter.load(Relaxed) + n, Relaxed);
}

/// The counters of queries that many tasks answer.
#[derive(Default)]
pub struct SharedCounters {
    responses: AtomicU64,
}

impl SharedCounters {
    /// Counts one query and what became of it.
    pub fn record(&self, transport: Transport, reply: &Reply) {
        debug_assert_eq!(transport, Transport::Tcp);
        self.responses.fetch_add(u64::from(reply.length > 0), Relaxed);
    }
}

/// Why a TCP connection was not admitted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// As many connections as allowed, and all of them busy.
    Total,
    /// As many of this client's connections as allowed, and all of them busy.
    Client,
}

/// Why a TCP connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Close {
    /// No complete query for as long as the idle timeout.
    Idle,
    /// The client closed it.
    Client,
    /// Reading or writing failed, or the client did not read its responses.
    Error,
    /// It had been idle longest when another one came and the limit was reached.
    Limit,
    /// A frame too short for a DNS header.
    Malformed,
    /// The server stops.
    Shutdown,
}

/// The life of TCP connections.
#[derive(Default)]
pub struct TcpCounters {
    accepted: AtomicU64,
    refused: [AtomicU64; 2],
    closed: [AtomicU64; 6],
    open: AtomicU64,
}

impl TcpCounters {
    /// Counts an admitted connection, which is open from now on.
    pub fn accepted(&self) {
        self.accepted.fetch_add(1, Relaxed);
        self.open.fetch_add(1, Relaxed);
    }

    /// Counts a connection that was not admitted.
    pub fn refused(&self, reason: Refusal) {
        self.refused[reason as usize].fetch_add(1, Relaxed);
    }

    /// Counts the end of an admitted connection.
    pub fn closed(&self, reason: Close) {
        self.closed[reason as usize].fetch_add(1, Relaxed);
        self.open.fetch_sub(1, Relaxed);
    }
}
