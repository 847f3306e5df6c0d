//! From a query's octets to its response's octets.
//!
//! [`answer`] is the one door between the transports and the protocol. It is total: it returns the length of a
//! response or silence, and cannot fail, block, allocate, log or panic. Randomness and scratch space come in through
//! [`Ctx`], data through the snapshot. [`answer_in_views`] is the same door for clients who see two tables.
//!
//! The response is written where the query lies: header and question stay in place, so that the question comes back
//! octet for octet, and the records follow. `lookup` is the algorithm of RFC 1034 §4.3.2, `select` draws who answers,
//! `positive`, `negative` and `additional` write records, and `chaos` names the server.

#![forbid(unsafe_code)]
#![deny(clippy::indexing_slicing)]

mod additional;
mod chaos;
mod lookup;
mod negative;
mod positive;
mod response;
mod select;
mod settings;

use std::sync::Arc;

pub use self::response::{Outcome, QueryType, Reply};
use self::response::{Response, answer_fault};
use self::select::Sampler;
pub use self::settings::{EmptyService, MAX_UDP_PAYLOAD, Settings, Stale};
use crate::table::{Seen, Snapshot};
use crate::wire::types::class;
use crate::wire::{NameKey, Query};

/// How the query came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// One datagram.
    Udp,
    /// Over a stream, framed by a length.
    Tcp,
}

/// What one worker has beside the snapshot; used for one query at a time.
pub struct Ctx {
    settings: Arc<Settings>,
    sampler: Sampler,
    /// The name looked for: the one asked for, then those that CNAMEs lead to.
    key: NameKey,
    /// A suffix of it, or the name of something beside it.
    suffix: NameKey,
    /// A wildcard above it.
    wildcard: NameKey,
}

impl Ctx {
    /// A context whose random choices follow from `seed`.
    pub fn new(settings: Arc<Settings>, seed: u64) -> Self {
        Self {
            settings,
            sampler: Sampler::new(seed),
            key: NameKey::new(),
            suffix: NameKey::new(),
            wildcard: NameKey::new(),
        }
    }
}

/// Answers the query in `buffer[..received]` in place.
///
/// `buffer` holds at least [`MAX_UDP_PAYLOAD`] octets for UDP and 65,535 for TCP; the response starts where the query
/// did. A shorter buffer bounds the response.
#[inline]
pub fn answer(snapshot: &Snapshot, ctx: &mut Ctx, transport: Transport, buffer: &mut [u8], received: usize) -> Reply {
    respond(ctx, transport, buffer, received, |ctx, qtype, response| lookup::answer(snapshot, ctx, qtype, response))
}

/// Answers the query in `buffer[..received]` in place, as [`answer`] does, from what its client sees: from the private
/// zones of the client's VPC if one encloses the name, else from what everybody sees.
#[inline]
pub fn answer_in_views(
    seen: Seen<'_>,
    ctx: &mut Ctx,
    transport: Transport,
    buffer: &mut [u8],
    received: usize,
) -> Reply {
    match seen.private {
        None => answer(seen.common, ctx, transport, buffer, received),
        Some(private) => answer_in_both(private, seen.common, ctx, transport, buffer, received),
    }
}

/// Answers from the first of two tables that has a zone for the name.
fn answer_in_both(
    private: &Snapshot,
    common: &Snapshot,
    ctx: &mut Ctx,
    transport: Transport,
    buffer: &mut [u8],
    received: usize,
) -> Reply {
    respond(ctx, transport, buffer, received, |ctx, qtype, response| {
        match lookup::answer(private, ctx, qtype, response) {
            // Refused before anything was written and before another name was looked for: the first name is in none of
            // its zones, or the type is refused anywhere.
            Outcome::Refused => lookup::answer(common, ctx, qtype, response),
            outcome => outcome,
        }
    })
}

/// Parses the query, has `look_up` answer it if it is of class IN, and completes the response.
#[inline]
fn respond(
    ctx: &mut Ctx,
    transport: Transport,
    buffer: &mut [u8],
    received: usize,
    look_up: impl FnOnce(&mut Ctx, u16, &mut Response<'_>) -> Outcome,
) -> Reply {
    let query = match Query::parse_in(buffer, received, &mut ctx.key) {
        Ok(query) => query,
        Err(fault) => return answer_fault(fault, buffer),
    };
    let mut response = Response::new(buffer, &query, transport, &ctx.settings);
    let outcome = match query.edns {
        Some(edns) if edns.version > 0 => Outcome::BadVers,
        _ if query.qclass == class::IN => look_up(ctx, query.qtype, &mut response),
        _ => chaos::answer(&ctx.settings, &ctx.key, &query, &mut response),
    };
    response.finish(&query, &ctx.settings, outcome)
}
