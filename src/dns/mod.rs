//! From a query's octets to its response's octets.
//!
//! [`answer`] is the one door between the transports and the protocol. It is total: it returns the length of a
//! response or silence, and cannot fail, block, allocate, log or panic. Randomness and scratch space come in through
//! [`Ctx`], data through the snapshot.
//!
//! The response is written where the query lies: header and question stay in place, so that the question comes back
//! octet for octet, and the records follow. `select` draws who answers; `positive` and `negative` write records; `chaos`
//! names the server.

#![forbid(unsafe_code)]
#![deny(clippy::indexing_slicing)]

mod chaos;
mod negative;
mod positive;
mod response;
mod select;
mod settings;

use std::sync::Arc;

pub use self::response::{Outcome, QueryType, Reply};
use self::response::{Response, answer_fault};
use self::select::Sampler;
pub use self::settings::{EmptyService, MAX_UDP_PAYLOAD, Settings};
use crate::table::{Node, Snapshot};
use crate::wire::types::{class, rtype};
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
    /// The name asked for.
    key: NameKey,
    /// A suffix of it.
    suffix: NameKey,
}

impl Ctx {
    /// A context whose random choices follow from `seed`.
    pub fn new(settings: Arc<Settings>, seed: u64) -> Self {
        Self { settings, sampler: Sampler::new(seed), key: NameKey::new(), suffix: NameKey::new() }
    }
}

/// Answers the query in `buffer[..received]` in place.
///
/// `buffer` holds at least [`MAX_UDP_PAYLOAD`] octets for UDP and 65,535 for TCP; the response starts where the query
/// did. A shorter buffer bounds the response.
#[inline]
pub fn answer(snapshot: &Snapshot, ctx: &mut Ctx, transport: Transport, buffer: &mut [u8], received: usize) -> Reply {
    let message = buffer.get(..received).unwrap_or_default();
    let query = match Query::parse(message, &mut ctx.key) {
        Ok(query) => query,
        Err(fault) => return answer_fault(fault, buffer),
    };
    let mut response = Response::new(buffer, &query, transport, &ctx.settings);
    let outcome = match query.edns {
        Some(edns) if edns.version > 0 => Outcome::BadVers,
        _ if query.qclass == class::IN => answer_internet(snapshot, ctx, &query, &mut response),
        _ => chaos::answer(&ctx.settings, &ctx.key, &query, &mut response),
    };
    response.finish(&query, &ctx.settings, outcome)
}

/// Answers a query of class IN.
#[inline]
fn answer_internet(snapshot: &Snapshot, ctx: &mut Ctx, query: &Query, response: &mut Response<'_>) -> Outcome {
    let Some(node) = snapshot.find(&ctx.key) else {
        return answer_missing(snapshot, ctx, query.qtype, response);
    };
    match node.set(query.qtype) {
        Some(set) if positive::write(node, set, &mut ctx.sampler, response) => Outcome::Answer,
        set => answer_other(snapshot, ctx, node, set.is_some(), query.qtype, response),
    }
}

/// Answers for a name without a node: it does not exist, if it is ours at all.
#[inline(never)]
fn answer_missing(snapshot: &Snapshot, ctx: &mut Ctx, qtype: u16, response: &mut Response<'_>) -> Outcome {
    if let Some(outcome) = meta_type(qtype) {
        return outcome;
    }
    let Some((encloser, offset)) = closest_encloser(snapshot, ctx) else { return Outcome::Refused };
    negative::write(snapshot, ctx, offset + encloser.apex_offset(), None, response);
    Outcome::NxDomain
}

/// Answers for a node that has no record of the type asked for, or none to give at present.
#[inline(never)]
fn answer_other(
    snapshot: &Snapshot,
    ctx: &mut Ctx,
    node: Node<'_>,
    has_type: bool,
    qtype: u16,
    response: &mut Response<'_>,
) -> Outcome {
    if let Some(outcome) = meta_type(qtype) {
        return outcome;
    }
    // RFC 1034 §4.3.2 step 3a: a CNAME answers for every type.
    if let Some(alias) = node.set(rtype::CNAME)
        && qtype != rtype::CNAME
        && positive::write(node, alias, &mut ctx.sampler, response)
    {
        return Outcome::Answer;
    }
    if qtype == rtype::ANY && node.sets().any(|(_, set)| set.count() > 0) {
        positive::write_minimal_any(response);
        return Outcome::Answer;
    }
    // An empty set of CNAME would answer for every type, and ANY asks for every set there is.
    let has_type = has_type || node.set(rtype::CNAME).is_some() || qtype == rtype::ANY && node.sets().next().is_some();
    let (outcome, ttl) = match ctx.settings.empty_service {
        EmptyService::NxDomain if negative::absent_on_aws(node) => (Outcome::NxDomain, None),
        EmptyService::NoData { ttl } if has_type => (Outcome::NoData, Some(ttl)),
        _ => (Outcome::NoData, None),
    };
    negative::write(snapshot, ctx, node.apex_offset(), ttl, response);
    outcome
}

/// The closest ancestor of the name asked for that has a node (RFC 4592 §3.3.1), and the offset of its name there.
#[inline]
fn closest_encloser<'s>(snapshot: &'s Snapshot, ctx: &mut Ctx) -> Option<(Node<'s>, usize)> {
    let mut offset = 0;
    loop {
        let label = usize::from(*ctx.key.as_wire().get(offset)?);
        if label == 0 {
            return None;
        }
        offset += label + 1;
        ctx.suffix.fill_suffix(&ctx.key, offset);
        if let Some(node) = snapshot.find(&ctx.suffix) {
            return Some((node, offset));
        }
    }
}

/// The outcome of types that no record has (RFC 6895 §3.1); `None` for ANY and for types of data.
#[inline]
fn meta_type(qtype: u16) -> Option<Outcome> {
    match qtype {
        rtype::META_FIRST..rtype::IXFR | 253..rtype::ANY | 0 | rtype::OPT => Some(Outcome::NotImp),
        rtype::IXFR | rtype::AXFR => Some(Outcome::Refused),
        _ => None,
    }
}
