//! Who answers: [`dns`], or what tests put in its place.

use crate::dns::{self, Ahead, Ctx, Reply, Transport};
use crate::table::{Seen, Snapshot};

/// A short name for the shape of `dns::answer_in_views`, so that tests can put another function in its place.
///
/// Workers and connections are generic over it; as `dns::answer_in_views` is a type of its own to the compiler, the call
/// stays direct and can be inlined, and where there is one table, `dns::answer` is all that is left of it.
pub(super) trait Responder:
    Fn(Seen<'_>, &mut Ctx, Transport, &mut [u8], usize) -> Reply + Copy + Send + Sync + 'static
{
}

impl<F> Responder for F where
    F: Fn(Seen<'_>, &mut Ctx, Transport, &mut [u8], usize) -> Reply + Copy + Send + Sync + 'static
{
}

/// How a worker answers: what [`Responder`] does for one query, and for many whose names it looks up side by side.
pub(super) trait BatchResponder: Copy + Send + 'static {
    /// What was found for queries that are looked up side by side.
    type Ahead<'s>;

    /// Looks up the names of `queries`, [`dns::AHEAD`] of them at most.
    fn look_ahead<'s, 'q>(
        self,
        snapshot: &'s Snapshot,
        ctx: &mut Ctx,
        queries: impl Iterator<Item = &'q [u8]>,
    ) -> Self::Ahead<'s>;

    /// Answers query number `at` of them, if it is of the kind that nearly all are.
    fn answer_usual(
        self,
        ahead: &Self::Ahead<'_>,
        at: usize,
        ctx: &mut Ctx,
        buffer: &mut [u8],
        received: usize,
    ) -> Option<Reply>;

    /// Answers query number `at` of them.
    fn answer_ahead(
        self,
        ahead: &Self::Ahead<'_>,
        at: usize,
        ctx: &mut Ctx,
        buffer: &mut [u8],
        received: usize,
    ) -> Reply;

    /// Answers one by itself.
    fn answer(self, seen: Seen<'_>, ctx: &mut Ctx, buffer: &mut [u8], received: usize) -> Reply;
}

/// The answers of [`dns`].
#[derive(Clone, Copy)]
pub(super) struct Dns;

impl BatchResponder for Dns {
    type Ahead<'s> = Ahead<'s>;

    #[inline(always)]
    fn look_ahead<'s, 'q>(
        self,
        snapshot: &'s Snapshot,
        ctx: &mut Ctx,
        queries: impl Iterator<Item = &'q [u8]>,
    ) -> Ahead<'s> {
        dns::look_ahead(snapshot, ctx, queries)
    }

    #[inline(always)]
    fn answer_usual(
        self,
        ahead: &Ahead<'_>,
        at: usize,
        ctx: &mut Ctx,
        buffer: &mut [u8],
        received: usize,
    ) -> Option<Reply> {
        ahead.answer_v4(at, ctx, buffer, received)
    }

    #[inline]
    fn answer_ahead(self, ahead: &Ahead<'_>, at: usize, ctx: &mut Ctx, buffer: &mut [u8], received: usize) -> Reply {
        ahead.answer(at, ctx, buffer, received)
    }

    #[inline]
    fn answer(self, seen: Seen<'_>, ctx: &mut Ctx, buffer: &mut [u8], received: usize) -> Reply {
        dns::answer_in_views(seen, ctx, Transport::Udp, buffer, received)
    }
}
