//! The additional section: addresses of the names that records name.

use super::Ctx;
use super::positive::{self, FIXED_LENGTH, POINTER_MOST, Place};
use super::response::{Response, Section};
use crate::table::{Flags, Node, RrSet, Snapshot};
use crate::wire::types::rtype;

/// Records of one response whose targets are looked up at most; an RRset of thousands would cost too much.
const TARGETS_MOST: usize = 32;

/// Whether records of this set may have addresses added (RFC 1035 §3.3, RFC 2782, RFC 9460 §4.1). Sets made from
/// services bring their own.
#[inline]
pub(super) fn is_wanted(qtype: u16, set: RrSet<'_>) -> bool {
    has_targets(qtype) && matches!(set, RrSet::Records(_))
}

/// Whether records of this type name others.
#[inline]
pub(super) fn has_targets(qtype: u16) -> bool {
    target_offset(qtype).is_some()
}

/// Where in the RDATA of such a record the target's name begins.
#[inline]
fn target_offset(rtype: u16) -> Option<usize> {
    match rtype {
        rtype::NS => Some(0),
        rtype::MX | rtype::SVCB | rtype::HTTPS => Some(2),
        rtype::SRV => Some(6),
        _ => None,
    }
}

/// Adds the addresses of the targets of the records of type `qtype` that were written from `start` on, as far as there
/// is room and they are ours to give: glue is for NS records only.
#[inline(never)]
pub(super) fn write(snapshot: &Snapshot, ctx: &mut Ctx, qtype: u16, start: usize, response: &mut Response<'_>) {
    let hidden = Flags(Flags::OCCLUDED.0 | Flags::CUT.0);
    let visible = |node: Node<'_>| qtype == rtype::NS || !node.flags().has(hidden);
    write_addresses(snapshot, ctx, qtype, start, visible, |_| false, response);
}

/// Adds the addresses of the name servers of the cut `cut`, whose records were written from `start` on. They may lie
/// below the cut or below another of the zone (RFC 9471 §2).
pub(super) fn write_glue(snapshot: &Snapshot, ctx: &mut Ctx, cut: Node<'_>, start: usize, response: &mut Response<'_>) {
    let apex = cut.name().get(cut.apex_offset()..);
    let in_zone = |node: Node<'_>| node.name().get(node.apex_offset()..) == apex;
    // Without the addresses of servers inside the delegated zone nobody gets there: TC says that they are missing
    // (RFC 9471 §3.1). A label boundary need not be checked: a wrong guess costs a retry over TCP.
    let is_needed = |node: Node<'_>| node.name().ends_with(cut.name());
    write_addresses(snapshot, ctx, rtype::NS, start, in_zone, is_needed, response);
}

/// Adds the addresses of those targets whose node `wanted` lets through, and sets TC where there is no room for those
/// of a target that is `needed`.
fn write_addresses(
    snapshot: &Snapshot,
    ctx: &mut Ctx,
    rtype: u16,
    start: usize,
    wanted: impl Fn(Node<'_>) -> bool,
    needed: impl Fn(Node<'_>) -> bool,
    response: &mut Response<'_>,
) {
    let Some(skipped) = target_offset(rtype) else { return };
    let end = response.writer.length();
    let mut at = start;
    for _ in 0..TARGETS_MOST {
        if at >= end {
            return;
        }
        let record = response.writer.written(at);
        let Some(&[high, low]) = record.get(10..).and_then(|rest| rest.first_chunk()) else { return };
        let target = at + FIXED_LENGTH + skipped;
        at += FIXED_LENGTH + usize::from(u16::from_be_bytes([high, low]));
        if target > POINTER_MOST || ctx.suffix.fill_from(response.writer.written(target)).is_none() {
            continue;
        }
        if is_repeated(start, target, skipped, response) {
            continue;
        }
        let mut room = std::mem::take(&mut ctx.room);
        if let Some(node) = snapshot.find_or_make(&ctx.suffix, &mut room).filter(|node| wanted(*node)) {
            for set in [rtype::A, rtype::AAAA].into_iter().filter_map(|rtype| node.set(rtype)) {
                let written = write_whole(node, set, Place::new(Section::Additional, target), ctx, response);
                response.truncated |= !written && needed(node);
            }
        }
        ctx.room = room;
    }
}

/// Whether a record before the one whose target lies at `target` names the same (in the same octets).
fn is_repeated(start: usize, target: usize, skipped: usize, response: &Response<'_>) -> bool {
    let mut at = start;
    let name = |offset: usize| {
        let record = offset - FIXED_LENGTH - skipped;
        let octets = response.writer.written(record);
        let &[high, low] = octets.get(10..)?.first_chunk()?;
        let length = usize::from(u16::from_be_bytes([high, low]));
        octets.get(FIXED_LENGTH + skipped..FIXED_LENGTH + length)
    };
    let own = name(target);
    while at + FIXED_LENGTH + skipped < target {
        let other = at + FIXED_LENGTH + skipped;
        let Some(&[high, low]) = response.writer.written(at).get(10..).and_then(|rest| rest.first_chunk()) else {
            return false;
        };
        if own.is_some() && name(other) == own {
            return true;
        }
        at += FIXED_LENGTH + usize::from(u16::from_be_bytes([high, low]));
    }
    false
}

/// Writes a set of addresses as a whole or not at all, and returns false where there is no room for it.
fn write_whole(node: Node<'_>, set: RrSet<'_>, place: Place, ctx: &mut Ctx, response: &mut Response<'_>) -> bool {
    let length = match set {
        RrSet::V4(set) => set.shown() * (FIXED_LENGTH + 4),
        RrSet::V6(set) => set.shown() * (FIXED_LENGTH + 16),
        RrSet::Records(set) => set.octets().len(),
        RrSet::Services(_) | RrSet::Aliases(_) => 0,
    };
    if length > response.writer.space() {
        return false;
    }
    if length > 0 {
        positive::write(node, set, place, &mut ctx.sampler, response);
    }
    true
}
