//! From a query's octets to its response's octets.
//!
//! [`answer`] is the one door between the transports and the protocol. It is total: it returns the length of a
//! response or silence, and cannot fail, block, allocate, log or panic. Randomness and scratch space come in through
//! [`Ctx`], data through the snapshot. [`answer_in_views`] is the same door for clients who see two tables, and
//! [`look_ahead`] for many queries at once, as workers have them. What takes waiting, such as a name of others or a zone's transfer, is deferred: the query stays where it lies, for the cold side.
//!
//! The response is written where the query lies: header and question stay in place, so that the question comes back
//! octet for octet, and the records follow. `ahead` looks up the names of many queries side by side, `plain` answers the
//! usual query without what all others need, `lookup` is the algorithm of RFC 1034 §4.3.2, `select` draws who answers,
//! `positive`, `negative` and `additional` write records, `zone_version` tells of which version of a zone they are, and
//! `chaos` names the server.

#![forbid(unsafe_code)]
#![deny(clippy::indexing_slicing)]

mod additional;
mod ahead;
mod chaos;
mod lookup;
mod negative;
mod plain;
mod positive;
mod response;
mod select;
mod settings;
mod zone_version;

use std::sync::Arc;

pub use self::ahead::{AHEAD, Ahead, look_ahead};
pub use self::response::{Outcome, QueryType, Reply};
use self::response::{Response, answer_fault};
use self::select::Sampler;
pub use self::settings::{Defer, EmptyService, MAX_UDP_PAYLOAD, Settings, Stale};
use self::zone_version::ZoneVersion;
use crate::table::{InstanceRoom, Seen, Snapshot};
use crate::wire::types::class;
use crate::wire::{Fault, NameKey, Query, ShortKey};

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
    /// The names of plain queries.
    keys: [ShortKey; AHEAD],
    /// Where the node of an instance is made.
    room: InstanceRoom,
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
            keys: [ShortKey::new(); AHEAD],
            room: InstanceRoom::new(),
        }
    }
}

/// Answers the query in `buffer[..received]` in place.
///
/// `buffer` holds at least [`MAX_UDP_PAYLOAD`] octets for UDP and 65,535 for TCP; the response starts where the query
/// did. A shorter buffer bounds the response.
#[inline]
pub fn answer(snapshot: &Snapshot, ctx: &mut Ctx, transport: Transport, buffer: &mut [u8], received: usize) -> Reply {
    let Some(found) = plain::look_up(snapshot, ctx, buffer) else {
        return answer_any(snapshot, ctx, transport, buffer, received);
    };
    if let Some(reply) = plain::answer_v4(found, ctx, buffer, received) {
        return reply;
    }
    answer_found(snapshot, ctx, transport, buffer, received, found, 0)
}

/// Answers a query whose name has been looked up.
#[inline(never)]
fn answer_found(
    snapshot: &Snapshot,
    ctx: &mut Ctx,
    transport: Transport,
    buffer: &mut [u8],
    received: usize,
    found: plain::Found<'_>,
    at: usize,
) -> Reply {
    if let Some(reply) = plain::answer_others(found, ctx, buffer, received) {
        return reply;
    }
    let (question, node) = found;
    let Ctx { keys, key, .. } = ctx;
    if let Some(short) = keys.get(at) {
        key.fill_short(short);
    }
    // A name that was found is sound.
    let is_sound = node.is_some() || key.is_sound();
    let query = buffer.first_chunk().filter(|_| is_sound).and_then(|buffer| question.query(buffer, received));
    let Some(query) = query else { return answer_any(snapshot, ctx, transport, buffer, received) };
    let mut response = Response::new(buffer, &query, transport, &ctx.settings);
    let outcome = lookup::answer_at(snapshot, ctx, node, query.qtype, &mut response);
    if outcome == Outcome::Deferred {
        return response.give_back(&query);
    }
    response.finish(&query, &ctx.settings, outcome, move |name, qtype| zone_version::find(snapshot, name, qtype))
}

/// Answers whatever the query is.
#[inline(never)]
fn answer_any(snapshot: &Snapshot, ctx: &mut Ctx, transport: Transport, buffer: &mut [u8], received: usize) -> Reply {
    let look_up = |ctx: &mut Ctx, qtype, response: &mut Response<'_>| lookup::answer(snapshot, ctx, qtype, response);
    respond(ctx, transport, buffer, received, look_up, move |name, qtype| zone_version::find(snapshot, name, qtype))
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
        Some(private) => {
            let found = plain::look_up(private, ctx, buffer);
            found
                .and_then(|found| plain::answer_v4(found, ctx, buffer, received))
                .unwrap_or_else(|| answer_in_both(private, seen.common, ctx, transport, buffer, received))
        }
    }
}

/// Answers from the first of two tables that has a zone for the name.
#[inline(never)]
fn answer_in_both(
    private: &Snapshot,
    common: &Snapshot,
    ctx: &mut Ctx,
    transport: Transport,
    buffer: &mut [u8],
    received: usize,
) -> Reply {
    let look_up =
        |ctx: &mut Ctx, qtype, response: &mut Response<'_>| match lookup::answer(private, ctx, qtype, response) {
            // Refused before anything was written and before another name was looked for: the first name is in none of its
            // zones, or the type is refused anywhere.
            Outcome::Refused => lookup::answer(common, ctx, qtype, response),
            Outcome::Deferred if response.is_empty() => lookup::answer(common, ctx, qtype, response),
            outcome => outcome,
        };
    respond(ctx, transport, buffer, received, look_up, move |name, qtype| {
        zone_version::find(private, name, qtype).or_else(|| zone_version::find(common, name, qtype))
    })
}

/// Parses the query, has `look_up` answer it if it is of class IN, and completes the response; `zone_version` finds the
/// version of the zone that answers for a name and a type.
#[inline]
fn respond(
    ctx: &mut Ctx,
    transport: Transport,
    buffer: &mut [u8],
    received: usize,
    look_up: impl FnOnce(&mut Ctx, u16, &mut Response<'_>) -> Outcome,
    zone_version: impl FnOnce(&[u8], u16) -> Option<ZoneVersion>,
) -> Reply {
    let query = match Query::parse_in(buffer, received, &mut ctx.key) {
        Ok(query) => query,
        Err(Fault::Signed(query)) if ctx.settings.defer.transfers => return deferred(&query),
        // We check no signatures, and have never refused those who sign.
        Err(Fault::Signed(query)) => query,
        Err(fault) => return answer_fault(fault, buffer),
    };
    let mut response = Response::new(buffer, &query, transport, &ctx.settings);
    let outcome = match query.edns {
        Some(edns) if edns.version > 0 => Outcome::BadVers,
        _ if query.qclass == class::IN => look_up(ctx, query.qtype, &mut response),
        _ => chaos::answer(&ctx.settings, &ctx.key, &query, &mut response),
    };
    // On the way of a plain hit the outcome is known, and the comparison is none.
    if outcome == Outcome::Deferred {
        return response.give_back(&query);
    }
    response.finish(&query, &ctx.settings, outcome, zone_version)
}

/// A query that nobody has touched yet.
#[cold]
fn deferred(query: &Query) -> Reply {
    let query_type = QueryType::from(query.qtype);
    Reply { length: 0, outcome: Outcome::Deferred, query_type, truncated: false }
}

/// Answers the query in `buffer[..received]`, which was [deferred](Outcome::Deferred), by SERVFAIL: those it was left to
/// have too much to do.
#[cold]
#[inline(never)]
pub fn fail(ctx: &mut Ctx, transport: Transport, buffer: &mut [u8], received: usize) -> Reply {
    let query = match Query::parse_in(buffer, received, &mut ctx.key) {
        Ok(query) | Err(Fault::Signed(query)) => query,
        Err(fault) => return answer_fault(fault, buffer),
    };
    Response::new(buffer, &query, transport, &ctx.settings)
        .finish(&query, &ctx.settings, Outcome::ServFail, |_, _| None)
}
