//! A connection for each query: opened when the query is due, and closed when it is answered.
//!
//! It is closed with a reset: the client's end of a connection that is closed in an orderly way keeps its port for a
//! minute, and there are not enough ports for that.

use std::io::Write;
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use socket2::SockRef;

use super::super::desk::{Desk, Turnstile};
use super::super::lanes::{SWEEP, pause};
use super::super::plan::{LoadError, Plan};
use super::super::poll::Poll;
use super::super::questions::LONGEST;
use super::super::slots::Slots;
use super::{BUFFER, Inbox, begin};

/// Connections opened in a row before answers have their turn.
const TURN: usize = 16;

/// A place for a connection with its query.
struct Place {
    stream: Option<TcpStream>,
    slots: Slots,
    inbox: Inbox,
    query: [u8; 2 + LONGEST],
    length: usize,
    is_asked: bool,
}

/// The places of one thread.
pub(crate) struct Connections {
    server: SocketAddr,
    places: Vec<Place>,
    free: Vec<usize>,
    poll: Poll,
}

impl Connections {
    /// Makes the places of thread `index`.
    pub(crate) fn new(plan: &Plan, index: usize) -> Result<Self, LoadError> {
        let count = plan.sockets_of(index);
        let place = |_| Place {
            stream: None,
            slots: Slots::new(0, fastrand::u16(..)),
            inbox: Inbox::new(BUFFER / 2),
            query: [0; 2 + LONGEST],
            length: 0,
            is_asked: false,
        };
        let poll = Poll::new().map_err(LoadError::of("epoll"))?;
        Ok(Self { server: plan.server, places: (0..count).map(place).collect(), free: (0..count).collect(), poll })
    }

    /// Asks until all is said and answered, or given up.
    pub(crate) fn run(mut self, desk: &mut Desk, mut turnstile: Turnstile) {
        let mut swept = 0;
        loop {
            let (now, is_over) = desk.begin_turn(&turnstile);
            let waiting = self.places.len() - self.free.len();
            let wanted = if is_over { 0 } else { turnstile.wanted(now, waiting).min(TURN) };
            let opened = (0..wanted).take_while(|_| self.open(now, desk, &mut turnstile)).count();
            let is_done = is_over && self.free.len() == self.places.len();
            self.receive(if opened > 0 || is_done { 0 } else { pause(is_over, now, &turnstile) }, desk);
            if now >= swept + SWEEP {
                swept = now;
                self.sweep(now, desk);
            }
            if is_done {
                break;
            }
        }
        desk.tally.unsent += turnstile.unsent(desk.tally.ended);
    }

    /// Opens a connection for the next query, if there is a place.
    fn open(&mut self, now: u64, desk: &mut Desk, turnstile: &mut Turnstile) -> bool {
        let Some(&number) = self.free.last() else { return false };
        let Some(place) = self.places.get_mut(number) else { return false };
        let Ok(stream) = begin(self.server) else {
            desk.tally.errors += 1;
            // Out of ports, or nobody listens: the query is not sent, and the next one waits for its turn.
            turnstile.next(now);
            desk.tally.unsent += 1;
            return false;
        };
        // Closed with a reset, see above.
        let _ = SockRef::from(&stream).set_linger(Some(Duration::ZERO));
        if self.poll.add(&stream, number, true).is_err() {
            desk.tally.errors += 1;
            return false;
        }
        let due = turnstile.next(now);
        let [high, low, query @ ..] = &mut place.query;
        let length = desk.ask(&mut place.slots, due, now, query);
        [*high, *low] = (length as u16).to_be_bytes();
        (place.length, place.is_asked, place.stream) = (2 + length, false, Some(stream));
        place.inbox.clear();
        desk.sent(due, now);
        desk.tally.sent += 1;
        self.free.pop();
        true
    }

    /// Goes on with the connections that can, after a wait of at most `pause` nanoseconds.
    fn receive(&mut self, pause: u64, desk: &mut Desk) {
        let Self { places, free, poll, .. } = self;
        let mut asked = Vec::new();
        poll.wait(pause, |number, readable| {
            let Some(place) = places.get_mut(number) else { return };
            let Some(mut stream) = place.stream.as_ref() else { return };
            if !place.is_asked {
                // A query is much shorter than an empty send buffer.
                let query = place.query.get(..place.length).unwrap_or_default();
                if stream.write_all(query).is_err() {
                    desk.tally.errors += 1;
                    desk.tally.lost += place.slots.expire(u64::MAX);
                    place.stream = None;
                    free.push(number);
                    return;
                }
                place.is_asked = true;
                asked.push(number);
            }
            if !readable {
                return;
            }
            let now = desk.clock.now();
            let slots = &mut place.slots;
            let read = place.inbox.read(stream, |message| {
                desk.take(slots, message, now);
            });
            if read.is_err() && place.slots.waiting() > 0 {
                desk.tally.errors += 1;
                desk.tally.lost += place.slots.expire(u64::MAX);
            }
            if place.slots.waiting() == 0 {
                place.stream = None;
                free.push(number);
            }
        });
        for number in asked {
            let stream = self.places.get(number).and_then(|place| place.stream.as_ref());
            if stream.is_some_and(|stream| self.poll.change(stream, number, false).is_err()) {
                desk.tally.errors += 1;
            }
        }
    }

    /// Gives up queries that have waited too long.
    fn sweep(&mut self, now: u64, desk: &mut Desk) {
        for (number, place) in self.places.iter_mut().enumerate().filter(|(_, place)| place.stream.is_some()) {
            desk.expire(&mut place.slots, now);
            if place.slots.waiting() == 0 {
                place.stream = None;
                self.free.push(number);
            }
        }
    }
}
