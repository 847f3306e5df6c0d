//! Connections that stay. One that the server closes is opened again; what was under way on it is lost.

use std::io::{ErrorKind, Write};
use std::net::{SocketAddr, TcpStream};

use super::super::desk::{Desk, Turnstile, slots_needed};
use super::super::lanes::{self, Lanes};
use super::super::pace::Pace;
use super::super::plan::{LoadError, Plan};
use super::super::poll::Poll;
use super::super::questions::LONGEST;
use super::super::slots::Slots;
use super::{BUFFER, Inbox, begin};
use crate::net::burst::BURST;

/// Octets that wait to be written to a connection, at which no more are added.
const BACKLOG: usize = 64 << 10;

/// A connection and its queries.
struct Lane {
    stream: TcpStream,
    slots: Slots,
    outbox: Vec<u8>,
    inbox: Inbox,
    /// Whether the kernel did not take all of the outbox.
    is_blocked: bool,
}

/// The connections of one thread.
pub(crate) struct Persistent {
    server: SocketAddr,
    lanes: Vec<Lane>,
    poll: Poll,
    /// The connection of the last burst.
    turn: usize,
}

impl Persistent {
    /// Makes the connections of thread `index`.
    pub(crate) fn new(plan: &Plan, pace: Pace, index: usize) -> Result<Self, LoadError> {
        let count = plan.sockets_of(index);
        let poll = Poll::new().map_err(LoadError::of("epoll"))?;
        let mut lanes = Vec::with_capacity(count);
        for number in 0..count {
            let what = || format!("a TCP connection to {}", plan.server);
            let stream = TcpStream::connect(plan.server).map_err(LoadError::of(what()))?;
            stream.set_nonblocking(true).and_then(|()| stream.set_nodelay(true)).map_err(LoadError::of(what()))?;
            poll.add(&stream, number, false).map_err(LoadError::of("epoll"))?;
            let slots = Slots::new(slots_needed(plan, pace), fastrand::u16(..));
            let outbox = Vec::with_capacity(BACKLOG + BURST * (LONGEST + 2));
            lanes.push(Lane { stream, slots, outbox, inbox: Inbox::new(BUFFER), is_blocked: false });
        }
        Ok(Self { server: plan.server, lanes, poll, turn: 0 })
    }

    /// Sends and receives until all is said and answered, or given up.
    pub(crate) fn run(mut self, desk: &mut Desk, turnstile: Turnstile) {
        lanes::run(&mut self, desk, turnstile);
    }

    /// Writes what waits to be written to a connection.
    fn write(&mut self, number: usize, desk: &mut Desk) {
        let Some(lane) = self.lanes.get_mut(number) else { return };
        let mut written = 0;
        let is_broken = loop {
            let rest = lane.outbox.get(written..).unwrap_or_default();
            if rest.is_empty() {
                break false;
            }
            match (&lane.stream).write(rest) {
                Ok(count) => written += count,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => break error.kind() != ErrorKind::WouldBlock,
            }
        };
        lane.outbox.drain(..written);
        let is_blocked = !lane.outbox.is_empty();
        if is_blocked != lane.is_blocked && !is_broken {
            lane.is_blocked = is_blocked;
            if self.poll.change(&lane.stream, number, is_blocked).is_err() {
                desk.tally.errors += 1;
            }
        }
        if is_broken {
            self.reopen(number, desk);
        }
    }

    /// Opens a connection anew, which the server has closed; how many queries are lost with it.
    #[cold]
    fn reopen(&mut self, number: usize, desk: &mut Desk) -> usize {
        let Some(lane) = self.lanes.get_mut(number) else { return 0 };
        desk.tally.errors += 1;
        let lost = lane.slots.expire(u64::MAX);
        desk.tally.lost += lost;
        lane.outbox.clear();
        lane.inbox.clear();
        lane.is_blocked = false;
        if let Ok(stream) = begin(self.server) {
            // The old one leaves the set as it is closed.
            lane.stream = stream;
            if self.poll.add(&lane.stream, number, false).is_err() {
                desk.tally.errors += 1;
            }
        }
        lost as usize
    }
}

impl Lanes for Persistent {
    /// Writes a burst to the next connection; how many queries it has.
    fn send(&mut self, wanted: usize, now: u64, desk: &mut Desk, turnstile: &mut Turnstile) -> usize {
        self.turn = if self.turn + 1 < self.lanes.len() { self.turn + 1 } else { 0 };
        let Some(lane) = self.lanes.get_mut(self.turn) else { return 0 };
        if lane.outbox.len() >= BACKLOG {
            return 0;
        }
        let wanted = wanted.min(lane.slots.room());
        for _ in 0..wanted {
            let due = turnstile.next(now);
            let begin = lane.outbox.len();
            lane.outbox.resize(begin + 2 + LONGEST, 0);
            let length = match lane.outbox.get_mut(begin + 2..) {
                Some(space) => desk.ask(&mut lane.slots, due, now, space),
                None => 0,
            };
            if let Some(prefix) = lane.outbox.get_mut(begin..begin + 2) {
                prefix.copy_from_slice(&(length as u16).to_be_bytes());
            }
            lane.outbox.truncate(begin + 2 + length);
            desk.sent(due, now);
        }
        desk.tally.sent += wanted as u64;
        self.write(self.turn, desk);
        wanted
    }

    /// Reads what has come, after a wait of at most `pause` nanoseconds; how many queries were answered or lost.
    fn receive(&mut self, pause: u64, desk: &mut Desk) -> usize {
        let mut closed = 0;
        let lanes = &mut self.lanes;
        let (mut writable, mut broken) = (None, None);
        self.poll.wait(pause, |number, _| {
            let Some(lane) = lanes.get_mut(number) else { return };
            let now = desk.clock.now();
            let slots = &mut lane.slots;
            let read = lane.inbox.read(&lane.stream, |message| closed += usize::from(desk.take(slots, message, now)));
            if read.is_err() {
                broken = Some(number);
            } else if lane.is_blocked {
                writable = Some(number);
            }
        });
        // One a turn is enough: the others are told again.
        if let Some(number) = writable {
            self.write(number, desk);
        }
        if let Some(number) = broken {
            closed += self.reopen(number, desk);
        }
        closed
    }

    fn slots(&mut self) -> impl Iterator<Item = &mut Slots> {
        self.lanes.iter_mut().map(|lane| &mut lane.slots)
    }
}
