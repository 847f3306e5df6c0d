//! From sockets to `dns::answer` and back.
//!
//! What lives where:
//!
//! - [`bind`](mod@bind): the sockets of one address. One UDP socket a worker, one TCP listener, all on the same port.
//! - [`mmsg`]: batches of datagrams through recvmmsg and sendmmsg. The server's only unsafe code.
//! - [`burst`]: bursts of datagrams for a client: the load harness. The rest of the unsafe code.
//! - [`udp`]: the worker, a pinned thread with the one loop of the hot side.
//! - [`accept`](mod@accept): the loop that accepts connections, of DNS and of others.
//! - [`tcp`]: DNS connections as tokio tasks, with their timeouts.
//! - `responder`: who answers, for one query and for many.
//! - `exchange`: one turn of a connection: framing, pipelining, and the buffers lent for it.
//! - [`deferred`]: queries left to the cold side, and whoever answers them there.
//! - [`connections`]: how many there may be, and which one is closed when there are too many.
//!
//! # The one loop
//!
//! ```text
//!         ┌──────────────────────────────────────────────────────────────────────────┐
//!         ▼                                                                          │
//!     receive ─▶ views.revalidate() ─▶ answer each in its slot ──▶ send ──▶ sweep ────┘
//!     1…64, or nothing after           swaps silent ones out       one      once a second:
//!     the idle timeout                 of the way                  syscall  the kernel's drops
//! ```
//!
//! Names are looked up for sixteen queries at once before the first of them is answered (`dns::look_ahead`), so that
//! waits for memory overlap; of clients of VPCs, whose tables differ, one by one. A transport is these four verbs, and the memory they share: `receive` fills slots, `answer_each` turns each
//! query into its response where it lies, `send` hands the slots back, `sweep` is the periodic upkeep.
//! [`mmsg::Batch`] is the only transport today and therefore a plain type. An AF_XDP one has the same verbs with
//! frames for slots; once it exists, the verbs become a trait and the loop in [`udp`] stays as it is.
//!
//! # Invariants
//!
//! - A worker takes one snapshot of each table a batch, and one after each idle timeout, so that it never pins an old
//!   one.
//! - Without VPCs nobody looks at a client's address to answer it.
//! - Between receive and send a worker neither allocates, locks, logs nor waits; a query that it leaves to the cold side
//!   it copies, and offers to a queue that it does not wait for.
//! - One faulty datagram, in or out, costs itself only: it is counted and the rest of its batch goes on.
//! - A TCP connection that waits owns no buffer, and no task keeps a snapshot while it waits for a client.
//! - A connection with a response still to be written is never closed to make room for another one.

pub mod accept;
pub mod bind;
pub mod burst;
pub mod connections;
pub mod deferred;
mod exchange;
pub mod mmsg;
mod responder;
pub mod tcp;
pub mod udp;

pub use bind::{Endpoint, bind};
use responder::{BatchResponder, Dns, Responder};

#[cfg(test)]
mod testing {
    //! What the tests of several files share.

    use super::*;
    use crate::dns::{Ctx, Outcome, QueryType, Reply, Transport};
    use crate::table::{Seen, Snapshot};

    /// A responder that sends the query back with QR set; silent when the query already has it.
    pub(super) fn echo(_: Seen<'_>, _: &mut Ctx, _: Transport, buffer: &mut [u8], received: usize) -> Reply {
        let silent = received < 12 || buffer[2] & 0x80 != 0;
        buffer[2] |= 0x80;
        Reply {
            length: if silent { 0 } else { received },
            outcome: Outcome::Answer,
            query_type: QueryType::Other,
            truncated: false,
        }
    }

    /// A responder that looks nothing up.
    #[derive(Clone, Copy)]
    pub(super) struct Alone<F>(pub(super) F);

    impl<F: Responder> BatchResponder for Alone<F> {
        type Ahead<'s> = &'s Snapshot;

        fn look_ahead<'s, 'q>(
            self,
            snapshot: &'s Snapshot,
            _: &mut Ctx,
            _: impl Iterator<Item = &'q [u8]>,
        ) -> &'s Snapshot {
            snapshot
        }

        fn answer_usual(self, _: &&Snapshot, _: usize, _: &mut Ctx, _: &mut [u8], _: usize) -> Option<Reply> {
            None
        }

        fn answer_ahead(self, ahead: &&Snapshot, _: usize, ctx: &mut Ctx, buffer: &mut [u8], received: usize) -> Reply {
            self.answer((*ahead).into(), ctx, buffer, received)
        }

        fn answer(self, seen: Seen<'_>, ctx: &mut Ctx, buffer: &mut [u8], received: usize) -> Reply {
            self.0(seen, ctx, Transport::Udp, buffer, received)
        }
    }

    /// A query of `length` octets that can be told from others by its id.
    pub(super) fn query(id: u16, length: usize) -> Vec<u8> {
        let mut query = vec![b'q'; length];
        query[..2].copy_from_slice(&id.to_be_bytes());
        query[2] = 0;
        query
    }

    /// What [`echo`] answers to [`query`].
    pub(super) fn response(id: u16, length: usize) -> Vec<u8> {
        let mut response = query(id, length);
        response[2] = 0x80;
        response
    }
}
