//! Queries over UDP: one thread with its sockets.
//!
//! A burst is what is due and goes out of one socket; the next one goes out of the next. So under light load every query
//! leaves when it is due, and the more there are, the less each one costs.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::os::fd::AsFd;

use socket2::{Domain, Protocol, Socket, Type};

use super::desk::{Desk, Turnstile, slots_needed};
use super::lanes::{self, Lanes};
use super::pace::Pace;
use super::plan::{LoadError, Plan};
use super::poll::Poll;
use super::slots::Slots;
use crate::net::burst::{BURST, Incoming, Outgoing, gather};
use crate::net::mmsg::kernel_drops;

/// Octets of a socket's buffers; the kernel may allow less.
const BUFFER: usize = 4 << 20;
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
    /// The socket of the last burst.
    turn: usize,
    outgoing: Outgoing,
    incoming: Incoming,
}

impl Udp {
    /// Makes the sockets of thread `index`.
    pub(super) fn new(plan: &Plan, pace: Pace, index: usize) -> Result<Self, LoadError> {
        let count = plan.sockets_of(index);
        let poll = Poll::new().map_err(LoadError::of("epoll"))?;
        let mut lanes = Vec::with_capacity(count);
        for number in 0..count {
            let socket = open(plan.server).map_err(LoadError::of(format!("a UDP socket to {}", plan.server)))?;
            if plan.offload {
                // A kernel without it hands over each datagram by itself.
                let _ = gather(socket.as_fd());
            }
            poll.add_once(&socket, number).map_err(LoadError::of("epoll"))?;
            lanes.push(Lane { socket, slots: Slots::new(slots_needed(plan, pace), fastrand::u16(..)) });
        }
        let (outgoing, incoming) = (Outgoing::new(plan.offload), Incoming::new(plan.offload));
        Ok(Self { lanes, poll, turn: 0, outgoing, incoming })
    }

    /// Sends and receives until all is said and answered, or given up.
    pub(super) fn run(mut self, desk: &mut Desk, turnstile: Turnstile) {
        lanes::run(&mut self, desk, turnstile);
        for lane in &self.lanes {
            desk.tally.dropped_here += u64::from(kernel_drops(lane.socket.as_fd()).unwrap_or_default());
        }
    }
}

impl Lanes for Udp {
    /// Sends a burst out of the next socket with room; how many were sent.
    #[inline]
    fn send(&mut self, wanted: usize, now: u64, desk: &mut Desk, turnstile: &mut Turnstile) -> usize {
        self.turn = if self.turn + 1 < self.lanes.len() { self.turn + 1 } else { 0 };
        let Some(lane) = self.lanes.get_mut(self.turn) else { return 0 };
        let wanted = wanted.min(lane.slots.room());
        for _ in 0..wanted {
            let due = turnstile.next(now);
            self.outgoing.push(|space| desk.ask(&mut lane.slots, due, now, space));
            desk.sent(due, now);
        }
        let sent = self.outgoing.send(lane.socket.as_fd());
        desk.tally.errors += sent.errors as u64;
        desk.tally.sent += sent.count as u64;
        let unsent = wanted - sent.count;
        if unsent > 0 {
            lane.slots.take_back(unsent, now);
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
    fn receive(&mut self, pause: u64, desk: &mut Desk) -> usize {
        let mut answered = 0;
        let Self { lanes, poll, incoming, .. } = self;
        poll.wait(pause, |number, _| {
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

    fn slots(&mut self) -> impl Iterator<Item = &mut Slots> {
        self.lanes.iter_mut().map(|lane| &mut lane.slots)
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
