//! What sending and receiving share in one thread, whatever carries the messages: questions go out over it, and answers
//! come back to it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::check::Checker;
use super::pace::{Pace, Schedule};
use super::plan::Plan;
use super::questions::{Draw, LONGEST, Questions};
use super::slots::{Asked, Slots};
use super::tally::{Clock, Tally};
use crate::wire::HEADER_LENGTH;

/// How long a generator that lags may go on sending what was due, in nanoseconds.
const OVERTIME: u64 = 500_000_000;

//----------- Turnstile --------------------------------------------------------

/// Says how many queries a thread may send by now, and when each was due.
pub(super) struct Turnstile {
    way: Way,
    /// When the step began.
    begin: u64,
    /// How long it lasts.
    duration: u64,
    sent: u64,
    stop: Arc<AtomicBool>,
}

enum Way {
    Open(Schedule),
    Closed { most: usize },
}

impl Turnstile {
    /// That of thread `index`.
    pub(super) fn new(plan: &Plan, pace: Pace, index: usize, begin: u64) -> Self {
        let threads = plan.threads.max(1);
        let way = match pace {
            Pace::Open { rate } => Way::Open(Schedule::new(rate, plan.duration, index, threads)),
            Pace::Closed { outstanding } => {
                // Threads share them, the first ones the rest.
                let most = outstanding / threads + usize::from(index < outstanding % threads);
                Way::Closed { most }
            }
        };
        Self { way, begin, duration: plan.duration.as_nanos() as u64, sent: 0, stop: Arc::clone(&plan.stop) }
    }

    /// How many may be sent, with so many waiting for answers.
    #[inline]
    pub(super) fn wanted(&self, now: u64, waiting: usize) -> usize {
        match &self.way {
            Way::Open(schedule) => schedule.count(now.saturating_sub(self.begin)).saturating_sub(self.sent) as usize,
            Way::Closed { most } => most.saturating_sub(waiting),
        }
    }

    /// When the next query is due; `now` in a closed loop.
    #[inline]
    pub(super) fn next(&mut self, now: u64) -> u64 {
        let due = match &self.way {
            Way::Open(schedule) => self.begin + schedule.due(self.sent),
            Way::Closed { .. } => now,
        };
        self.sent += 1;
        due
    }

    /// How long until a query is due; `None` in a closed loop, where only an answer makes room.
    #[inline]
    pub(super) fn idle(&self, now: u64) -> Option<u64> {
        match &self.way {
            Way::Open(schedule) => Some((self.begin + schedule.due(self.sent)).saturating_sub(now)),
            Way::Closed { .. } => None,
        }
    }

    /// `count` queries were not sent after all: they are still due.
    pub(super) fn take_back(&mut self, count: usize) {
        self.sent -= count as u64;
    }

    /// Whether no more are sent.
    #[inline]
    pub(super) fn is_over(&self, now: u64) -> bool {
        let is_done = match &self.way {
            Way::Open(schedule) => {
                now >= self.begin + self.duration
                    && (self.sent >= schedule.count(u64::MAX) || now >= self.begin + self.duration + OVERTIME)
            }
            Way::Closed { .. } => now >= self.begin + self.duration,
        };
        is_done || self.stop.load(Ordering::Relaxed)
    }

    /// How many were due by `ended`, when sending ended, and never sent.
    pub(super) fn unsent(&self, ended: u64) -> u64 {
        match &self.way {
            Way::Open(schedule) => schedule.count(ended.saturating_sub(self.begin)).saturating_sub(self.sent),
            Way::Closed { .. } => 0,
        }
    }
}

/// Slots that a socket needs so that `pace` finds room while queries wait for their answers up to the timeout.
pub(super) fn slots_needed(plan: &Plan, pace: Pace) -> usize {
    let sockets = plan.sockets.max(1);
    match pace {
        Pace::Open { rate } => (rate * plan.timeout.as_secs_f64() * 1.3 / sockets as f64) as usize + super::BURST,
        // All of them may be under way on one socket. As many again, so that a free one is not far.
        Pace::Closed { outstanding } => 2 * outstanding + super::BURST,
    }
}

//----------- Desk -------------------------------------------------------------

/// Makes queries and takes answers.
pub(super) struct Desk {
    pub(super) questions: Arc<Questions>,
    pub(super) draw: Draw,
    pub(super) checker: Option<Checker>,
    pub(super) tally: Tally,
    pub(super) clock: Clock,
    /// Nanoseconds.
    pub(super) timeout: u64,
    pub(super) scratch: [u8; LONGEST],
}

impl Desk {
    /// Begins a turn of a thread's loop: the time, and whether no more queries are sent.
    #[inline]
    pub(super) fn begin_turn(&mut self, turnstile: &Turnstile) -> (u64, bool) {
        let now = self.clock.now();
        self.tally.tick(now);
        let is_over = turnstile.is_over(now);
        if !is_over {
            self.tally.ended = now;
        }
        (now, is_over)
    }

    /// Writes the next query, due at `due`, to `space`; its length. Its slot is taken.
    #[inline]
    pub(super) fn ask(&mut self, slots: &mut Slots, due: u64, now: u64, space: &mut [u8]) -> usize {
        let question = self.draw.next();
        let id = slots.put(Asked { question, due, sent: now });
        self.questions.write(question, id, space)
    }

    /// Queries were sent, due as said; counts how late they were.
    #[inline]
    pub(super) fn sent(&mut self, due: u64, now: u64) {
        self.tally.lag.saturating_record(now.saturating_sub(due));
    }

    /// Takes a message that came in at `now`; whether it answers a query that waits.
    #[inline]
    pub(super) fn take(&mut self, slots: &mut Slots, message: &[u8], now: u64) -> bool {
        let is_expected = self.answer(slots, message, now).is_some();
        if !is_expected {
            self.tally.unexpected += 1;
        }
        is_expected
    }

    fn answer(&mut self, slots: &mut Slots, message: &[u8], now: u64) -> Option<()> {
        let (&[id_high, id_low, flags, low, questions_high, questions_low], _) = message.split_first_chunk::<6>()?;
        let id = u16::from_be_bytes([id_high, id_low]);
        // One that comes too late is lost, though nobody has said so yet.
        let asked = slots.get(id).filter(|asked| now.saturating_sub(asked.sent) <= self.timeout)?;
        // An answer has QR set (RFC 1035 §4.1.1).
        if flags & 0x80 == 0 {
            return None;
        }
        let written = self.questions.write(asked.question, id, &mut self.scratch);
        let question = self.scratch.get(HEADER_LENGTH..written - self.questions.edns_length())?;
        let is_same = message.get(HEADER_LENGTH..HEADER_LENGTH + question.len()) == Some(question);
        // An error may come without the question that could not be read.
        let is_bare = [questions_high, questions_low] == [0, 0] && low & 0xf != 0;
        if !is_same && !is_bare {
            return None;
        }
        slots.close(id);
        self.tally.answer(now.saturating_sub(asked.due));
        self.tally.truncated += u64::from(flags & 0x02 != 0);
        if let Some(count) = self.tally.rcodes.get_mut(usize::from(low & 0xf)) {
            *count += 1;
        }
        if let Some(checker) = &self.checker {
            let found = checker.check(asked, message, if is_same { question.len() } else { 0 });
            let (questions, id) = (&self.questions, asked.question);
            self.tally.look(found, || questions.describe(id));
        }
        Some(())
    }

    /// Gives up queries that have waited too long.
    pub(super) fn expire(&mut self, slots: &mut Slots, now: u64) {
        if let Some(then) = now.checked_sub(self.timeout) {
            self.tally.lost += slots.expire(then);
        }
    }
}
