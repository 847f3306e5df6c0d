//! The lookup of an authoritative server: RFC 1034 §4.3.2 with the wildcards of RFC 4592, the DNAMEs of RFC 6672 and
//! the referrals of RFC 1034 §4.2.1, over all zones at once.
//!
//! The name asked for is nearly always there with the type asked for: [`answer`] tries that first, and leaves all else
//! to [`follow`], which goes from name to name as CNAMEs and DNAMEs lead.

use super::plain::NOT_PLAIN;
use super::positive::{self, POINTER_MOST, Place};
use super::response::{Outcome, Response, Section};
use super::{Ctx, Defer, EmptyService, additional, negative};
use crate::table::{Flags, Node, RrSet, Snapshot};
use crate::wire::types::rtype;
use crate::wire::{HEADER_LENGTH, NameKey};

/// Names one response goes through at most; a longer chain ends there, and the client asks on.
const HOPS_MOST: usize = 16;
/// Answers a query of class IN for `ctx.key`. If that is [`Outcome::Refused`], or [`Outcome::Deferred`] of an empty
/// response, nothing was written, and `ctx.key` is as it was: another table may be tried.
#[inline]
pub(super) fn answer(snapshot: &Snapshot, ctx: &mut Ctx, qtype: u16, response: &mut Response<'_>) -> Outcome {
    let node = snapshot.find(&ctx.key);
    answer_at(snapshot, ctx, node, qtype, response)
}

/// [`answer`] where the node of `ctx.key` has been looked for.
#[inline]
pub(super) fn answer_at(
    snapshot: &Snapshot,
    ctx: &mut Ctx,
    node: Option<Node<'_>>,
    qtype: u16,
    response: &mut Response<'_>,
) -> Outcome {
    if let Some(node) = node
        && !node.flags().has(NOT_PLAIN)
        && let Some(set) = node.set(qtype)
    {
        let start = response.writer.length();
        if positive::write(node, set, Place::QUESTION, &mut ctx.sampler, response) {
            if additional::is_wanted(qtype, set) {
                additional::write(snapshot, ctx, qtype, start, response);
            }
            return Outcome::Answer;
        }
    }
    follow(snapshot, ctx, node, qtype, response)
}

/// Where a name leads.
enum Found<'s> {
    /// To a node, its own or that of a wildcard.
    Node(Node<'s>),
    /// To an instance, whose node was made.
    Instance,
    /// To the name servers of others, whose zone begins at this offset of the name.
    Cut(Node<'s>, usize),
    /// To elsewhere, by the DNAME at this offset of the name.
    Dname(Node<'s>, usize),
    /// Nowhere: the closest encloser, whose name begins at this offset of the name, has nothing to offer.
    Nothing(Node<'s>, usize),
    /// Into a zone, or into all that there could be, whose answers are withheld.
    Withheld,
    /// Out of our zones.
    Foreign,
}

/// Answers whatever is not a plain hit. `own` is the node of the name asked for.
#[inline(never)]
fn follow<'s>(
    snapshot: &'s Snapshot,
    ctx: &mut Ctx,
    mut own: Option<Node<'s>>,
    qtype: u16,
    response: &mut Response<'_>,
) -> Outcome {
    if let Some(outcome) = meta_type(qtype, ctx.settings.defer) {
        return outcome;
    }
    // Where the name looked for lies in the message, and the hashes of the names before it.
    let mut name = HEADER_LENGTH;
    let mut before = [0; HOPS_MOST];
    // The hashes of the names of DNAMEs that have been written.
    let mut dnames = [0; HOPS_MOST];
    for hop in 0..HOPS_MOST {
        let place = Place::new(Section::Answer, name);
        let start = response.writer.length();
        match locate(snapshot, ctx, own, qtype) {
            Found::Node(node) => match node.set(rtype::CNAME) {
                Some(alias) if alias.count() > 0 && qtype != rtype::CNAME => {
                    // RFC 1034 §4.3.2 step 3a: a CNAME answers for every type.
                    positive::write(node, alias, place, &mut ctx.sampler, response);
                }
                // It led here, and is in the response.
                _ if qtype == rtype::DNAME && is_among(&dnames, hop, snapshot.hash(&ctx.key)) => {
                    return Outcome::Answer;
                }
                _ => return finish(snapshot, ctx, node, qtype, name, hop, response),
            },
            Found::Instance => return finish_at_instance(snapshot, ctx, qtype, name, hop, response),
            Found::Dname(node, offset) => {
                let hash = snapshot.hash(&ctx.suffix);
                let is_new = !is_among(&dnames, hop, hash);
                if let Some(written) = dnames.get_mut(hop) {
                    *written = hash;
                }
                match redirect(ctx, node, name, offset, is_new, response) {
                    // The record made from the DNAME is what was asked for.
                    None if qtype == rtype::CNAME => return Outcome::Answer,
                    None => {}
                    Some(outcome) => return outcome,
                }
            }
            Found::Cut(node, offset) => {
                return refer(snapshot, ctx, node, name + offset, hop, response);
            }
            Found::Nothing(encloser, offset) => {
                negative::write(snapshot, ctx, encloser, name + offset, None, response);
                // After a CNAME, too (RFC 6604 §3).
                return Outcome::NxDomain;
            }
            Found::Withheld => return if hop == 0 { Outcome::Withheld } else { Outcome::Answer },
            Found::Foreign => return leave(ctx.settings.defer, hop, response),
        }
        // On with the target, which ends the record just written; it begins where it was put.
        let Some(target) = last_target(start, response) else { return Outcome::Answer };
        if let Some(hash) = before.get_mut(hop) {
            *hash = snapshot.hash(&ctx.key);
        }
        name = target;
        if name > POINTER_MOST || ctx.key.fill_from(response.writer.written(name)).is_none() {
            return Outcome::Answer;
        }
        if is_among(&before, hop + 1, snapshot.hash(&ctx.key)) {
            return Outcome::Answer;
        }
        own = snapshot.find(&ctx.key);
    }
    Outcome::Answer
}

/// Ends where the name looked for is out of our zones, after `hop` others.
#[cold]
fn leave(defer: Defer, hop: usize, response: &Response<'_>) -> Outcome {
    match hop {
        _ if defer.outside && response.desires_recursion() => Outcome::Deferred,
        0 => Outcome::Refused,
        // What it leads to, others know.
        _ => Outcome::Answer,
    }
}

/// Whether `hash` is among the first `count` hashes.
fn is_among(hashes: &[u64; HOPS_MOST], count: usize, hash: u64) -> bool {
    hashes.iter().take(count).any(|other| *other == hash)
}

/// Finds out where `ctx.key`, whose node is `own`, leads.
fn locate<'s>(snapshot: &'s Snapshot, ctx: &mut Ctx, own: Option<Node<'s>>, qtype: u16) -> Found<'s> {
    if let Some(node) = own {
        return match node.flags() {
            flags if flags.has(Flags::OCCLUDED) => topmost_end(snapshot, ctx, 0),
            flags if flags.has(Flags::WITHHELD) => Found::Withheld,
            // The DS record lies above the cut (RFC 4035 §3.1.4.1).
            flags if flags.has(Flags::CUT) && qtype != rtype::DS => Found::Cut(node, 0),
            _ => Found::Node(node),
        };
    }
    let Some((encloser, offset)) = closest_encloser(snapshot, ctx) else { return Found::Foreign };
    let flags = encloser.flags();
    if flags.has(Flags::OCCLUDED) {
        return topmost_end(snapshot, ctx, offset);
    }
    if flags.has(Flags::WITHHELD) {
        return Found::Withheld;
    }
    if flags.has(Flags::CUT) {
        return Found::Cut(encloser, offset);
    }
    if flags.has(Flags::REDIRECTED) {
        return Found::Dname(encloser, offset);
    }
    if flags.has(Flags::INSTANCES_BELOW) && encloser.make_instance(&ctx.key, offset, &mut ctx.room) {
        return Found::Instance;
    }
    if flags.has(Flags::WILDCARD_BELOW) {
        // `ctx.suffix` is the encloser's name still.
        let Ctx { suffix, wildcard, .. } = ctx;
        if let Some(node) = wildcard.fill_wildcard(suffix).and_then(|()| snapshot.find(wildcard)) {
            return Found::Node(node);
        }
    }
    Found::Nothing(encloser, offset)
}

/// The closest ancestor of `ctx.key` that has a node (RFC 4592 §3.3.1), and the offset of its name there. Leaves its
/// name in `ctx.suffix`.
#[inline]
fn closest_encloser<'s>(snapshot: &'s Snapshot, ctx: &mut Ctx) -> Option<(Node<'s>, usize)> {
    let mut offset = 0;
    loop {
        offset = next_label(&ctx.key, offset)?;
        ctx.suffix.fill_suffix(&ctx.key, offset);
        if let Some(node) = snapshot.find(&ctx.suffix) {
            return Some((node, offset));
        }
    }
}

/// The cut or DNAME above the name at `offset` of `ctx.key`, which is occluded: the one that nothing occludes.
fn topmost_end<'s>(snapshot: &'s Snapshot, ctx: &mut Ctx, mut offset: usize) -> Found<'s> {
    while let Some(next) = next_label(&ctx.key, offset) {
        offset = next;
        ctx.suffix.fill_suffix(&ctx.key, offset);
        let Some(node) = snapshot.find(&ctx.suffix) else { continue };
        match node.flags() {
            flags if flags.has(Flags::OCCLUDED) => {}
            flags if flags.has(Flags::CUT) => return Found::Cut(node, offset),
            flags if flags.has(Flags::REDIRECTED) => return Found::Dname(node, offset),
            _ => {}
        }
    }
    Found::Foreign
}

/// The offset one label after `offset`; `None` at the root.
#[inline]
pub(super) fn next_label(key: &NameKey, offset: usize) -> Option<usize> {
    match usize::from(*key.as_wire().get(offset)?) {
        0 => None,
        length => Some(offset + length + 1),
    }
}

/// Where the target of the CNAME record that ends the response begins, if one was written since `start`.
fn last_target(start: usize, response: &Response<'_>) -> Option<usize> {
    let mut at = start;
    let mut target = None;
    // After a DNAME, two records were written.
    while let Some(&[high, low]) = response.writer.written(at).get(10..).and_then(|rest| rest.first_chunk()) {
        target = Some(at + positive::FIXED_LENGTH);
        at += positive::FIXED_LENGTH + usize::from(u16::from_be_bytes([high, low]));
    }
    target.filter(|_| !response.truncated)
}

/// Answers at the end of the chain, with what the instance has whose node was made.
#[cold]
#[inline(never)]
fn finish_at_instance(
    snapshot: &Snapshot,
    ctx: &mut Ctx,
    qtype: u16,
    name: usize,
    hop: usize,
    response: &mut Response<'_>,
) -> Outcome {
    let room = std::mem::take(&mut ctx.room);
    let made = room.node().map(|node| finish(snapshot, ctx, node, qtype, name, hop, response));
    ctx.room = room;
    made.unwrap_or(Outcome::ServFail)
}

/// Answers at the end of the chain, with what `node` has.
#[inline(always)]
fn finish(
    snapshot: &Snapshot,
    ctx: &mut Ctx,
    node: Node<'_>,
    qtype: u16,
    name: usize,
    hop: usize,
    response: &mut Response<'_>,
) -> Outcome {
    let place = Place::new(Section::Answer, name);
    let start = response.writer.length();
    let set = node.set(qtype);
    if let Some(set) = set
        && positive::write(node, set, place, &mut ctx.sampler, response)
    {
        if additional::is_wanted(qtype, set) {
            additional::write(snapshot, ctx, qtype, start, response);
        }
        return Outcome::Answer;
    }
    if qtype == rtype::ANY && node.sets().any(|(_, set)| set.count() > 0) {
        positive::write_minimal_any(place, response);
        return Outcome::Answer;
    }
    // An empty set of CNAME would answer for every type, and ANY asks for every set there is.
    let has_type =
        set.is_some() || node.set(rtype::CNAME).is_some() || qtype == rtype::ANY && node.sets().next().is_some();
    let (outcome, ttl) = match ctx.settings.empty_service {
        EmptyService::NxDomain if negative::absent_on_aws(node) => (Outcome::NxDomain, None),
        EmptyService::NoData { ttl } if has_type => (Outcome::NoData, Some(ttl)),
        _ => (Outcome::NoData, None),
    };
    // The parent's side of a cut says that there is no DS record, if that is ours, too (RFC 4035 §3.1.4.1).
    if qtype == rtype::DS
        && node.is_apex()
        && let Some((encloser, offset)) = closest_encloser(snapshot, ctx)
    {
        negative::write(snapshot, ctx, encloser, name + offset, None, response);
        return Outcome::NoData;
    }
    // The node may be a wildcard's: its name and the one it stands for have the zone's name as their end.
    let own = (name + ctx.key.length()).saturating_sub(node.name().len());
    negative::write(snapshot, ctx, node, own, ttl, response);
    if hop > 0 && outcome == Outcome::NoData { Outcome::Answer } else { outcome }
}

/// Writes the DNAME at `offset` of the name, which lies at `name` of the message, if it `is_new` to the response, and
/// the CNAME that follows from it (RFC 6672 §3.2). An outcome ends the chain.
fn redirect(
    ctx: &mut Ctx,
    node: Node<'_>,
    name: usize,
    offset: usize,
    is_new: bool,
    response: &mut Response<'_>,
) -> Option<Outcome> {
    let Some(RrSet::Records(set)) = node.set(rtype::DNAME) else { return Some(Outcome::Answer) };
    let target = set.iter().next().and_then(|record| record.get(positive::FIXED_LENGTH..)).unwrap_or_default();
    // A chain may come by again; an RRset stands in a response once.
    if is_new {
        let owner = Place::new(Section::Answer, name + offset);
        positive::write(node, RrSet::Records(set), owner, &mut ctx.sampler, response);
    }
    if response.truncated {
        return Some(Outcome::Answer);
    }
    if offset + target.len() > 255 {
        return Some(Outcome::YxDomain);
    }
    // The labels before the DNAME's owner, as the client wrote them.
    let mut labels = [0; 255];
    let labels = labels.get_mut(..offset)?;
    labels.copy_from_slice(response.writer.written(name).get(..offset)?);
    let place = Place::new(Section::Answer, name);
    if positive::write_cname(place, set.ttl(), &[labels, target], response).is_err() {
        response.truncated = true;
        return Some(Outcome::Answer);
    }
    None
}

/// Refers to the name servers at the cut `node`, whose name lies at `owner` of the message.
fn refer(
    snapshot: &Snapshot,
    ctx: &mut Ctx,
    node: Node<'_>,
    owner: usize,
    hop: usize,
    response: &mut Response<'_>,
) -> Outcome {
    let start = response.writer.length();
    if let Some(set) = node.set(rtype::NS) {
        positive::write(node, set, Place::new(Section::Authority, owner), &mut ctx.sampler, response);
        additional::write_glue(snapshot, ctx, node, start, response);
    }
    if hop == 0 { Outcome::Referral } else { Outcome::Answer }
}

/// The outcome of types that no record has (RFC 6895 §3.1); `None` for ANY and for types of data.
#[inline]
fn meta_type(qtype: u16, defer: Defer) -> Option<Outcome> {
    match qtype {
        // Most of them, at one comparison.
        1..rtype::OPT => None,
        rtype::META_FIRST..rtype::IXFR | 253..rtype::ANY | 0 | rtype::OPT => Some(Outcome::NotImp),
        rtype::IXFR | rtype::AXFR if defer.transfers => Some(Outcome::Deferred),
        rtype::IXFR | rtype::AXFR => Some(Outcome::Refused),
        _ => None,
    }
}
