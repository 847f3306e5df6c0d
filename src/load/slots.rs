//! The queries of one socket that wait for their answers.
//!
//! A ring: ids are given in order, so that the oldest query is at the tail, and an id leads to its slot by its lower bits.
//! Upon these a salt lies, so that ids do not tell their order. An id is given again as late as may be: when the head comes
//! to its slot the next time.
//!
//! ```text
//!        tail                    head
//!  ┌──┬──┬▼─┬──┬──┬──┬──┬──┬──┬──▼──┐
//!  │  │  │ ?│ok│ ?│ok│ok│ ?│ ?│     │   ? waits, ok was answered
//!  └──┴──┴──┴──┴──┴──┴──┴──┴──┴─────┘
//! ```
//!
//! A query that waits when the head comes around is passed over, and goes on waiting: one that was lost takes one slot, and
//! holds up no other. The tail meets it again once what lies before it in the ring was answered, or given up, so that it is
//! given up that much later.

use super::mix::Kind;
use super::questions::Question;

/// Ids there are, and so the most slots.
const IDS: usize = 1 << 16;
/// The fewest slots.
const FEWEST: usize = 256;

/// A query that was sent. Times are nanoseconds since the step began.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Asked {
    /// What was asked.
    pub(super) question: Question,
    /// When it was due.
    pub(super) due: u64,
    /// When it was sent.
    pub(super) sent: u64,
}

#[derive(Clone, Copy)]
struct Slot {
    due: u64,
    sent: u64,
    number: u32,
    /// Where the head was, modulo 2^16.
    turn: u16,
    kind: Kind,
    waits: bool,
}

/// The queries of one socket.
pub(super) struct Slots {
    ring: Box<[Slot]>,
    head: u32,
    tail: u32,
    salt: u16,
    waiting: u32,
}

impl Slots {
    /// Room for at least `wanted` queries, up to 2^16.
    pub(super) fn new(wanted: usize, salt: u16) -> Self {
        let empty = Slot { due: 0, sent: 0, number: 0, turn: 0, kind: Kind::A, waits: false };
        let ring = vec![empty; wanted.clamp(FEWEST, IDS).next_power_of_two()].into();
        Self { ring, head: 0, tail: 0, salt, waiting: 0 }
    }

    /// How many queries wait.
    pub(super) fn waiting(&self) -> usize {
        self.waiting as usize
    }

    /// How many more there is room for.
    #[inline]
    pub(super) fn room(&self) -> usize {
        self.ring.len() - self.waiting()
    }

    #[inline]
    fn slot(&mut self, turn: u32) -> Option<&mut Slot> {
        let index = turn as usize & (self.ring.len() - 1);
        self.ring.get_mut(index)
    }

    /// Takes a slot, for which there must be room; the id of the query.
    #[inline]
    pub(super) fn put(&mut self, asked: Asked) -> u16 {
        debug_assert!(self.room() > 0);
        while self.room() > 0 && self.slot(self.head).is_some_and(|slot| slot.waits) {
            self.head = self.head.wrapping_add(1);
        }
        let turn = self.head;
        if let Some(slot) = self.slot(turn) {
            let Asked { question: Question { kind, number }, due, sent } = asked;
            *slot = Slot { due, sent, number, turn: turn as u16, kind, waits: true };
        }
        self.head = turn.wrapping_add(1);
        self.waiting += 1;
        if self.head.wrapping_sub(self.tail) as usize > self.ring.len() {
            self.tail = self.head.wrapping_sub(self.ring.len() as u32);
        }
        turn as u16 ^ self.salt
    }

    /// Gives back the slots of the last `count` queries, which were to be sent at `sent`, and were not.
    pub(super) fn take_back(&mut self, count: usize, sent: u64) {
        let mut left = count.min(self.waiting());
        while left > 0 && self.head != self.tail {
            self.head = self.head.wrapping_sub(1);
            // Another time is that of a query which was passed over.
            if let Some(slot) = self.slot(self.head).filter(|slot| slot.waits && slot.sent == sent) {
                slot.waits = false;
                self.waiting -= 1;
                left -= 1;
            }
        }
    }

    /// The query of this id, which goes on waiting; `None` if none waits.
    #[inline]
    pub(super) fn get(&mut self, id: u16) -> Option<Asked> {
        let turn = id ^ self.salt;
        let slot = self.slot(turn.into()).filter(|slot| slot.waits && slot.turn == turn)?;
        Some(Asked { question: Question { kind: slot.kind, number: slot.number }, due: slot.due, sent: slot.sent })
    }

    /// The query of this id waits no longer.
    #[inline]
    pub(super) fn close(&mut self, id: u16) {
        let turn = id ^ self.salt;
        let Some(slot) = self.slot(turn.into()).filter(|slot| slot.waits && slot.turn == turn) else { return };
        slot.waits = false;
        self.waiting -= 1;
        self.pass(0);
    }

    /// Gives up queries that were sent before `then`; how many.
    pub(super) fn expire(&mut self, then: u64) -> u64 {
        self.pass(then)
    }

    /// Moves the tail over what no longer waits, and what was sent before `then`; how many of the latter there were.
    #[inline]
    fn pass(&mut self, then: u64) -> u64 {
        let mut expired = 0;
        while self.tail != self.head {
            let Some(slot) = self.slot(self.tail) else { break };
            if slot.waits {
                if slot.sent >= then {
                    break;
                }
                slot.waits = false;
                self.waiting -= 1;
                expired += 1;
            }
            self.tail = self.tail.wrapping_add(1);
        }
        expired
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(number: u32) -> Asked {
        Asked { question: Question { kind: Kind::A, number }, due: u64::from(number), sent: u64::from(number) }
    }

    #[test]
    fn an_answer_finds_its_query_once_through_many_turns_of_ids() {
        let mut slots = Slots::new(300, 0xbeef);
        assert_eq!(slots.room(), 512);
        for round in 0..1000 {
            let ids: Vec<u16> = (0..200).map(|n| slots.put(asked(round * 200 + n))).collect();
            for (n, &id) in (0_u32..200).zip(&ids).rev() {
                assert_eq!(slots.get(id), Some(asked(round * 200 + n)));
                slots.close(id);
                assert_eq!(slots.get(id), None);
                slots.close(id);
            }
            assert_eq!((slots.waiting(), slots.room()), (0, 512));
        }
    }

    #[test]
    fn what_is_old_is_given_up_in_order() {
        let mut slots = Slots::new(256, 0);
        let ids: Vec<u16> = (0..100).map(|n| slots.put(asked(n))).collect();
        slots.close(ids[10]);
        assert_eq!(slots.expire(50), 49);
        assert_eq!((slots.waiting(), slots.room()), (50, 206));
        assert_eq!(slots.get(ids[49]), None);
        assert_eq!(slots.get(ids[50]), Some(asked(50)));
        assert_eq!(slots.expire(u64::MAX), 50);
        assert_eq!((slots.waiting(), slots.room()), (0, 256));
    }

    #[test]
    fn what_was_not_sent_is_taken_back_and_nothing_else() {
        let mut slots = Slots::new(256, 0);
        let old = slots.put(asked(1));
        for _ in 0..300 {
            let id = slots.put(asked(2));
            slots.close(id);
        }
        // The head comes to the old one and passes it over.
        let ids: Vec<u16> = (0..230).map(|_| slots.put(asked(3))).collect();
        slots.take_back(225, 3);
        assert_eq!((slots.waiting(), slots.get(old)), (6, Some(asked(1))));
        assert_eq!((slots.get(ids[4]), slots.get(ids[5])), (Some(asked(3)), None));
        assert_eq!(slots.put(asked(4)), ids[5]);
    }

    #[test]
    fn one_that_is_lost_holds_up_no_other() {
        let mut slots = Slots::new(256, 0xbeef);
        let lost = slots.put(asked(7));
        // Many times all ids, with some under way.
        let mut under_way = std::collections::VecDeque::new();
        for number in 1000..201_000 {
            assert!(slots.room() >= 245, "{number}: {}", slots.room());
            let id = slots.put(asked(number));
            assert_ne!(id, lost);
            under_way.push_back((id, number));
            if under_way.len() > 10 {
                let (id, number) = under_way.pop_front().unwrap();
                assert_eq!(slots.get(id), Some(asked(number)));
                slots.close(id);
            }
        }
        assert_eq!((slots.waiting(), slots.get(lost)), (11, Some(asked(7))));
        // What is under way lies before it at times, and then it is given up with that.
        for (id, _) in under_way {
            slots.close(id);
        }
        assert_eq!((slots.expire(7), slots.expire(8)), (0, 1));
        assert_eq!((slots.waiting(), slots.room()), (0, 256));
    }

    #[test]
    fn a_full_ring_has_no_room() {
        let mut slots = Slots::new(1 << 20, 7);
        assert_eq!(slots.room(), IDS);
        let first = slots.put(asked(0));
        (1..IDS as u32).for_each(|n| _ = slots.put(asked(n)));
        assert_eq!((slots.room(), slots.get(first)), (0, Some(asked(0))));
        slots.close(first);
        assert_eq!(slots.room(), 1);
    }
}
