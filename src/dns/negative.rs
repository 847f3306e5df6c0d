//! Answers that say no: the zone's SOA in the authority section (RFC 2308).

use super::Ctx;
use super::response::{Response, Section};
use crate::table::{Flags, Node, RrSet, Snapshot};
use crate::wire::HEADER_LENGTH;
use crate::wire::types::rtype;

/// Writes the SOA of the zone whose apex lies at octet `apex` of the name asked for.
///
/// Its TTL is the lesser of the SOA's own and its last field (RFC 2308 §3 and §5), or `ttl` where that is less yet.
/// The SOA is required in a negative answer (RFC 2308 §3), so that a response without room for it sets TC
/// (RFC 2181 §9); it takes an apex of more than 200 octets and a client without EDNS to come to that.
pub(super) fn write(snapshot: &Snapshot, ctx: &mut Ctx, apex: usize, ttl: Option<u32>, response: &mut Response<'_>) {
    ctx.suffix.fill_suffix(&ctx.key, apex);
    let Some(RrSet::Records(set)) = snapshot.find(&ctx.suffix).and_then(|node| node.set(rtype::SOA)) else {
        return;
    };
    let record = set.octets();
    let minimum = record.last_chunk().map_or(0, |minimum| u32::from_be_bytes(*minimum));
    let start = response.writer.length();
    if response.writer.put(record).is_err() {
        response.truncated = true;
        return;
    }
    // Apexes begin before offset 12 + 255, which a pointer can name.
    let pointer = ((HEADER_LENGTH + apex) as u16 | 0xc000).to_be_bytes();
    response.writer.patch(start, pointer);
    let ttl = set.ttl().min(minimum).min(ttl.unwrap_or(u32::MAX));
    response.writer.patch(start + 6, ttl.to_be_bytes());
    response.count(Section::Authority, 1);
}

/// Whether AWS would have no such name: a service without instances has no records there, and its name exists only
/// if one below it does.
pub(super) fn absent_on_aws(node: Node<'_>) -> bool {
    node.flags().has(Flags::NO_INSTANCES) && !node.flags().has(Flags::APEX) && node.children() == 0
}
