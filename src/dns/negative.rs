//! Answers that say no: the zone's SOA in the authority section (RFC 2308).

use super::Ctx;
use super::response::{Response, Section};
use crate::table::{Flags, Node, RrSet, Snapshot};
use crate::wire::types::rtype;

/// Writes the SOA of the zone in which `node` lies. `name` is the offset in the message at which the node's name
/// begins, or would begin, were it to end where the name looked for ends.
///
/// Its TTL is the lesser of the SOA's own and its last field (RFC 2308 §3 and §5), or `ttl` where that is less yet.
/// The SOA is required in a negative answer (RFC 2308 §3), so that a response without room for it sets TC
/// (RFC 2181 §9); it takes an apex of more than 200 octets and a client without EDNS to come to that.
pub(super) fn write(
    snapshot: &Snapshot,
    ctx: &mut Ctx,
    node: Node<'_>,
    name: usize,
    ttl: Option<u32>,
    response: &mut Response<'_>,
) {
    let Some(RrSet::Records(set)) = soa(snapshot, ctx, node) else { return };
    let record = set.octets();
    let minimum = record.last_chunk().map_or(0, |minimum| u32::from_be_bytes(*minimum));
    let start = response.writer.length();
    if response.writer.put(record).is_err() {
        response.truncated = true;
        return;
    }
    response.writer.patch(start, ((name + node.apex_offset()) as u16 | 0xc000).to_be_bytes());
    let ttl = set.ttl().min(minimum).min(ttl.unwrap_or(u32::MAX));
    response.writer.patch(start + 6, ttl.to_be_bytes());
    response.count(Section::Authority, 1);
}

/// The SOA of the zone in which `node` lies.
#[inline]
fn soa<'s>(snapshot: &'s Snapshot, ctx: &mut Ctx, node: Node<'s>) -> Option<RrSet<'s>> {
    if node.is_apex() {
        return node.set(rtype::SOA);
    }
    let apex = node.name().get(node.apex_offset()..)?;
    ctx.suffix.fill(apex, apex.len());
    snapshot.find(&ctx.suffix)?.set(rtype::SOA)
}

/// Whether AWS would have no such name: a service without instances has no records there, and its name exists only
/// if one below it does.
pub(super) fn absent_on_aws(node: Node<'_>) -> bool {
    let flags = node.flags();
    flags.has(Flags::NO_INSTANCES) && !flags.has(Flags::INSTANCES_BELOW) && !node.is_apex() && node.children() == 0
}
