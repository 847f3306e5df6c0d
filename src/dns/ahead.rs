//! The names of many queries, looked up side by side.
//!
//! A lookup waits for memory three times, one wait behind the other: for the head of a shard, for its index, for the
//! node. Behind a system call, which has filled the caches with other things, that is more time than all else that a
//! query costs. Each step is therefore done for all queries before the next one is done for any, so that the processor
//! waits for many at once (docs/performance.md has what that brings).

use super::response::Reply;
use super::{Ctx, Transport, answer_any, answer_found, plain};
use crate::table::{Node, Place, Snapshot};
use crate::wire::{PlainQuestion, ShortKey};

/// Queries looked up side by side at most: about as many lines as a core can wait for at once. A power of two.
pub const AHEAD: usize = 16;

/// What the names of up to [`AHEAD`] queries have in a table.
pub struct Ahead<'s> {
    snapshot: &'s Snapshot,
    nodes: [Option<Node<'s>>; AHEAD],
}

/// Looks up the names that `queries` ask for, [`AHEAD`] of them at most; each lies at the front of its buffer.
#[inline(always)]
pub fn look_ahead<'s, 'q>(snapshot: &'s Snapshot, ctx: &mut Ctx, queries: impl Iterator<Item = &'q [u8]>) -> Ahead<'s> {
    let mut places = [Place::default(); AHEAD];
    let mut nodes = [None; AHEAD];
    if ctx.settings.stale.is_set() {
        // Then no answer is plain.
        ctx.keys.iter_mut().for_each(ShortKey::clear);
        return Ahead { snapshot, nodes };
    }
    let mut count = 0;
    for ((key, place), query) in ctx.keys.iter_mut().zip(&mut places).zip(queries) {
        *place = match query.first_chunk().and_then(|query| PlainQuestion::read_half(query, key)) {
            Some(half) => snapshot.place_of_half(half, key.length()),
            None => place_of_other(snapshot, key, query),
        };
        count += 1;
    }
    let places = places.get(..count).unwrap_or_default();
    places.iter().for_each(Place::touch);
    for ((node, place), key) in nodes.iter_mut().zip(places).zip(&ctx.keys) {
        *node = place.find(key);
    }
    Ahead { snapshot, nodes }
}

/// The place of a name that is not short; of none, of which no table has a node, where the question is not plain.
#[inline(never)]
fn place_of_other<'s>(snapshot: &'s Snapshot, key: &mut ShortKey, query: &[u8]) -> Place<'s> {
    if query.first_chunk().and_then(|query| PlainQuestion::read_long(query, key)).is_none() {
        key.clear();
    }
    snapshot.place(key)
}

impl Ahead<'_> {
    /// Answers query number `at` of those that were looked up, which lies in `buffer[..received]`, if it is one for A records
    /// and all is plain.
    #[inline(always)]
    pub fn answer_v4(&self, at: usize, ctx: &mut Ctx, buffer: &mut [u8], received: usize) -> Option<Reply> {
        let question = PlainQuestion::of(ctx.keys.get(at % AHEAD)?)?;
        plain::answer_v4((question, *self.nodes.get(at % AHEAD)?), ctx, buffer, received)
    }

    /// Answers query number `at` of those that were looked up, whatever it is.
    #[inline(never)]
    pub fn answer(&self, at: usize, ctx: &mut Ctx, buffer: &mut [u8], received: usize) -> Reply {
        let question = ctx.keys.get(at % AHEAD).and_then(PlainQuestion::of);
        let (Some(question), Some(node)) = (question, self.nodes.get(at % AHEAD)) else {
            return answer_any(self.snapshot, ctx, Transport::Udp, buffer, received);
        };
        answer_found(self.snapshot, ctx, Transport::Udp, buffer, received, (question, *node), at % AHEAD)
    }
}
