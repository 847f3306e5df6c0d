//! Queries over UDP: one thread with its sockets, which sends what is due, takes what has come, and never waits for one
//! while the other could be done.
//!
//! A burst is what is due and goes out of one socket; the next one goes out of the next. So under light load every query
//! leaves when it is due, and the more there are, the less each one costs.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::os::fd::AsFd;

use socket2::{Domain, Protocol, Socket, Type};

use super::desk::{Desk, Turnstile, slots_needed};
use super::pace::Pace;
use super::plan::{LoadError, Plan};
use super::poll::Poll;
use super::slots::Slots;
use crate::net::burst::{BURST, Incoming, Outgoing};
use crate::net::mmsg::kernel_drops;

/// Octets of a socket's buffers; the kernel may allow less.
const BUFFER: usize = 4 << 20;
/// How often queries are given up, in nanoseconds.
const SWEEP: u64 = 5_000_000;
/// How long to wait at most without looking at the time, in nanoseconds.
const LONGEST_WAIT: u64 = 5_000_000;
/// Errors that are read from a socket in a row; each read takes one away (ICMP, port unreachable).
const MOST_ERRORS: u64 = 64;

/// A socket and its queries.
struct Lane {
    socket: UdpSocket,
    slots: Slots,
}

/// The sockets of one thread.
pub(super) struct Udp {
    lanes: Vec<Lane>,
    poll: Poll,
}

impl Udp {
    /// Makes the sockets of thread `index`.
    pub(super) fn new(plan: &Plan, pace: Pace, index: usize) -> Result<Self, LoadError> {
        let count = plan.sockets_of(index);
        let poll = Poll::new().map_err(LoadError::of("epoll"))?;
        let mut lanes = Vec::with_capacity(count);
        for number in 0..count {
            let socket = open(plan.server).map_err(LoadError::of(format!("a UDP socket to {}", plan.server)))?;
            poll.add_once(&socket, number).map_err(LoadError::of("epoll"))?;
            lanes.push(Lane { socket, slots: Slots::new(slots_needed(plan, pace), fastrand::u16(..)) });
        }
        Ok(Self { lanes, poll })
    }

    /// Sends and receives until all is said and answered, or given up.
    pub(super) fn run(mut self, plan: &Plan, desk: &mut Desk, mut turnstile: Turnstile) {
        let mut outgoing = Outgoing::new(plan.offload);
        let mut incoming = Incoming::new();
        let (mut turn, mut waiting, mut swept) = (0, 0_usize, 0);
        loop {
            let (now, is_over) = desk.begin_turn(&turnstile);
            let wanted = if is_over { 0 } else { turnstile.wanted(now, waiting).min(BURST) };
            let sent =
                if wanted > 0 { self.send(wanted, now, &mut turn, desk, &mut turnstile, &mut outgoing) } else { 0 };
            waiting += sent;
            let pause = if sent > 0 || (is_over && waiting == 0) { 0 } else { pause(is_over, now, &turnstile) };
            waiting -= self.receive(pause, desk, &mut incoming).min(waiting);
            if now >= swept + SWEEP || sent < wanted {
                swept = now;
                self.lanes.iter_mut().for_each(|lane| desk.expire(&mut lane.slots, now));
                waiting = self.lanes.iter().map(|lane| lane.slots.waiting()).sum();
            }
            if is_over && waiting == 0 {
                break;
            }
        }
        desk.tally.unsent += turnstile.unsent(desk.clock.now());
        for lane in &self.lanes {
            desk.tally.dropped_here += u64::from(kernel_drops(lane.socket.as_fd()).unwrap_or_default());
        }
    }

    /// Sends a burst out of the next socket with room; how many were sent.
    #[inline]
    fn send(
        &mut self,
        wanted: usize,
        now: u64,
        turn: &mut usize,
        desk: &mut Desk,
        turnstile: &mut Turnstile,
        outgoing: &mut Outgoing,
    ) -> usize {
        *turn = if *turn + 1 < self.lanes.len() { *turn + 1 } else { 0 };
        let Some(lane) = self.lanes.get_mut(*turn) else { return 0 };
        let wanted = wanted.min(lane.slots.room());
        for _ in 0..wanted {
            let due = turnstile.next(now);
            outgoing.push(|space| desk.ask(&mut lane.slots, due, now, space));
            desk.sent(due, now);
        }
        let sent = outgoing.send(lane.socket.as_fd());
        desk.tally.errors += sent.errors as u64;
        desk.tally.sent += sent.count as u64;
        let unsent = wanted - sent.count;
        if unsent > 0 {
            lane.slots.take_back(unsent);
            if sent.is_full {
                turnstile.take_back(unsent);
            } else {
                desk.tally.unsent += unsent as u64;
            }
        }
        sent.count
    }

    /// Receives what has come, after a wait of at most `pause` nanoseconds; how many queries were answered.
    #[inline]
    fn receive(&mut self, pause: u64, desk: &mut Desk, incoming: &mut Incoming) -> usize {
        let mut answered = 0;
        let lanes = &mut self.lanes;
        self.poll.wait(pause, |number, _| {
            let Some(lane) = lanes.get_mut(number) else { return };
            let mut errors = 0;
            while errors < MOST_ERRORS {
                match incoming.receive(lane.socket.as_fd()) {
                    Ok(received) => {
                        let now = desk.clock.now();
                        for message in incoming.datagrams() {
                            answered += usize::from(desk.take(&mut lane.slots, message, now));
                        }
                        if received < BURST {
                            break;
                        }
                    }
                    Err(_) => errors += 1,
                }
            }
            desk.tally.errors += errors;
        });
        answered
    }
}

/// How long a thread may wait for answers with nothing to send, in nanoseconds.
pub(super) fn pause(is_over: bool, now: u64, turnstile: &Turnstile) -> u64 {
    match turnstile.idle(now) {
        Some(idle) if !is_over => idle.min(LONGEST_WAIT),
        _ => LONGEST_WAIT,
    }
}

/// A socket of any port, connected to `server`, that does not block.
fn open(server: SocketAddr) -> std::io::Result<UdpSocket> {
    let socket = Socket::new(Domain::for_address(server), Type::DGRAM, Some(Protocol::UDP))?;
    socket.set_nonblocking(true)?;
    // As much as the kernel lets us: what does not fit is counted as dropped here.
    let _ = socket.set_recv_buffer_size(BUFFER);
    let _ = socket.set_send_buffer_size(BUFFER);
    let any: SocketAddr = match server {
        SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
        SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
    };
    socket.bind(&any.into())?;
    socket.connect(&server.into())?;
    Ok(socket.into())
}
