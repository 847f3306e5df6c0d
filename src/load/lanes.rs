//! The loop of transports whose sockets stay: what is due goes out, what has come is taken, and neither waits while the
//! other could be done.

use super::desk::{Desk, Turnstile};
use super::slots::Slots;
use crate::net::burst::BURST;

/// How often queries are given up, in nanoseconds.
pub(super) const SWEEP: u64 = 5_000_000;
/// How long to wait at most without looking at the time, in nanoseconds.
const LONGEST_WAIT: u64 = 5_000_000;

/// Sockets that stay, each with its queries.
pub(super) trait Lanes {
    /// Sends up to `wanted` queries out of the next socket; how many.
    fn send(&mut self, wanted: usize, now: u64, desk: &mut Desk, turnstile: &mut Turnstile) -> usize;

    /// Takes what has come, after a wait of at most `pause` nanoseconds; how many queries wait no longer.
    fn receive(&mut self, pause: u64, desk: &mut Desk) -> usize;

    /// The queries of each socket.
    fn slots(&mut self) -> impl Iterator<Item = &mut Slots>;
}

/// Sends and receives until all is said and answered, or given up.
#[inline]
pub(super) fn run(lanes: &mut impl Lanes, desk: &mut Desk, mut turnstile: Turnstile) {
    let (mut waiting, mut swept) = (0_usize, 0);
    loop {
        let (now, is_over) = desk.begin_turn(&turnstile);
        let wanted = if is_over { 0 } else { turnstile.wanted(now, waiting).min(BURST) };
        let sent = if wanted > 0 { lanes.send(wanted, now, desk, &mut turnstile) } else { 0 };
        waiting += sent;
        let pause = if sent > 0 || (is_over && waiting == 0) { 0 } else { pause(is_over, now, &turnstile) };
        waiting -= lanes.receive(pause, desk).min(waiting);
        if now >= swept + SWEEP || sent < wanted {
            swept = now;
            lanes.slots().for_each(|slots| desk.expire(slots, now));
            waiting = lanes.slots().map(|slots| slots.waiting()).sum();
        }
        if is_over && waiting == 0 {
            break;
        }
    }
    desk.tally.unsent += turnstile.unsent(desk.tally.ended);
}

/// How long a thread may wait for answers with nothing to send, in nanoseconds.
pub(super) fn pause(is_over: bool, now: u64, turnstile: &Turnstile) -> u64 {
    match turnstile.idle(now) {
        Some(idle) if !is_over => idle.min(LONGEST_WAIT),
        _ => LONGEST_WAIT,
    }
}
