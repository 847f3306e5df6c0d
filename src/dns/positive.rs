//! Writes the records that answer.

use super::response::{Response, Section};
use super::select::Sampler;
use crate::table::{Addresses, Aliases, Node, Records, RrSet, Services};
use crate::wire::types::rtype;
use crate::wire::{Full, HEADER_LENGTH};

/// The owner of every answer: a compression pointer to the question's name (RFC 1035 §4.1.4).
const QUESTION_POINTER: [u8; 2] = [0xc0, HEADER_LENGTH as u8];
/// Largest offset a compression pointer can name.
const POINTER_MOST: usize = 0x3fff;
/// TTL of the answer to ANY in seconds. It says nothing that could change.
const ANY_TTL: u32 = 3600;

/// Writes `set`, which lies at `node`. Returns false, and writes nothing, where the set is empty.
///
/// Of sets that are sampled as many items are drawn as fit the client; only where not one fits is TC set.
#[inline]
pub(super) fn write(node: Node<'_>, set: RrSet<'_>, sampler: &mut Sampler, response: &mut Response<'_>) -> bool {
    match set {
        RrSet::V4(set) => write_v4(set, sampler, response),
        RrSet::V6(set) => write_v6(set, sampler, response),
        RrSet::Services(set) => write_services(node, set, sampler, response),
        RrSet::Aliases(set) => write_alias(set, sampler, response),
        RrSet::Records(set) => write_records(set, response),
    }
}

/// Type, class, TTL and RDATA length behind the owner.
#[inline]
fn fixed_fields(rtype: u16, ttl: u32, rdata_length: u16) -> [u8; 12] {
    let [pointer_high, pointer_low] = QUESTION_POINTER;
    let [type_high, type_low] = rtype.to_be_bytes();
    let [t0, t1, t2, t3] = ttl.to_be_bytes();
    let [length_high, length_low] = rdata_length.to_be_bytes();
    [pointer_high, pointer_low, type_high, type_low, 0, 1, t0, t1, t2, t3, length_high, length_low]
}

/// Writes A records.
#[inline]
fn write_v4(set: Addresses<'_, 4>, sampler: &mut Sampler, response: &mut Response<'_>) -> bool {
    let addresses = set.all();
    let drawn = sampler.draw(addresses.len(), set.shown().min(response.writer.space() / 16));
    let [a, b, c, d, e, f, g, h, i, j, k, l] = fixed_fields(rtype::A, set.ttl(), 4);
    let template = u128::from_le_bytes([a, b, c, d, e, f, g, h, i, j, k, l, 0, 0, 0, 0]);
    let records = response.writer.put_items::<16>(drawn.len());
    for (record, index) in records.iter_mut().zip(drawn) {
        let address = addresses.get(*index as usize).copied().unwrap_or_default();
        *record = (template | u128::from(u32::from_le_bytes(address)) << 96).to_le_bytes();
    }
    let written = records.len();
    response.count(Section::Answer, written);
    written > 0 || cut_off(addresses.len(), response)
}

/// Writes AAAA records.
#[inline]
fn write_v6(set: Addresses<'_, 16>, sampler: &mut Sampler, response: &mut Response<'_>) -> bool {
    let addresses = set.all();
    let drawn = sampler.draw(addresses.len(), set.shown().min(response.writer.space() / 28));
    let fixed = fixed_fields(rtype::AAAA, set.ttl(), 16);
    let records = response.writer.put_items::<28>(drawn.len());
    for (record, index) in records.iter_mut().zip(drawn) {
        if let Some((head, tail)) = record.split_first_chunk_mut::<12>() {
            *head = fixed;
            tail.copy_from_slice(addresses.get(*index as usize).unwrap_or(&[0; 16]));
        }
    }
    let written = records.len();
    response.count(Section::Answer, written);
    written > 0 || cut_off(addresses.len(), response)
}

/// Where items exist and none was written, none fits: says so by TC.
#[inline]
fn cut_off(items: usize, response: &mut Response<'_>) -> bool {
    response.truncated |= items > 0;
    items > 0
}

/// Writes SRV records, and the addresses of their targets as far as there is room.
fn write_services(node: Node<'_>, set: Services<'_>, sampler: &mut Sampler, response: &mut Response<'_>) -> bool {
    let service = node.name();
    let drawn = sampler.draw(set.count(), set.shown());
    let first = response.writer.length();
    let mut written = 0;
    for index in drawn {
        if write_service(service, set, *index as usize, response).is_err() {
            break;
        }
        written += 1;
    }
    response.count(Section::Answer, written);
    let mut record = first;
    for index in drawn.iter().take(written) {
        let target = set.target(*index as usize);
        // Behind owner, fixed fields, priority, weight and port.
        let name = record + 18;
        record = name + target.labels.len() + service.len();
        if write_target_addresses(set, *index as usize, name, response).is_err() {
            break;
        }
    }
    written > 0 || cut_off(set.count(), response)
}

/// Writes one SRV record. Its target is not compressed (RFC 2782).
#[inline]
fn write_service(service: &[u8], set: Services<'_>, index: usize, response: &mut Response<'_>) -> Result<(), Full> {
    let target = set.target(index);
    let length = response.writer.length();
    let rdata_length = 6 + target.labels.len() + service.len();
    if 12 + rdata_length > response.writer.space() {
        return Err(Full);
    }
    let [port_high, port_low] = target.port;
    let parts = [&fixed_fields(rtype::SRV, set.ttl(), rdata_length as u16)[..], &[0, 1, 0, 1, port_high, port_low]];
    for part in parts.into_iter().chain([target.labels, service]) {
        response.writer.put(part).inspect_err(|_| response.writer.rewind(length))?;
    }
    Ok(())
}

/// Writes the addresses of one target, whose name lies at offset `name`, into the additional section: all or none.
#[inline]
fn write_target_addresses(
    set: Services<'_>,
    index: usize,
    name: usize,
    response: &mut Response<'_>,
) -> Result<(), Full> {
    let target = set.target(index);
    let needed = target.v4.map_or(0, |_| 16) + target.v6.map_or(0, |_| 28);
    if name > POINTER_MOST || needed > response.writer.space() {
        return Err(Full);
    }
    let pointer = (name as u16 | 0xc000).to_be_bytes();
    let mut put = |rtype: u16, address: &[u8]| {
        let mut fixed = fixed_fields(rtype, set.ttl(), address.len() as u16);
        if let Some(owner) = fixed.first_chunk_mut() {
            *owner = pointer;
        }
        response.writer.put_array(fixed)?;
        response.writer.put(address)?;
        response.count(Section::Additional, 1);
        Ok(())
    };
    target.v4.map_or(Ok(()), |address| put(rtype::A, address))?;
    target.v6.map_or(Ok(()), |address| put(rtype::AAAA, address))
}

/// Writes one CNAME record.
fn write_alias(set: Aliases<'_>, sampler: &mut Sampler, response: &mut Response<'_>) -> bool {
    if set.count() == 0 {
        return false;
    }
    let target = set.target(sampler.draw_one(set.count()));
    let fixed = fixed_fields(rtype::CNAME, set.ttl(), target.len() as u16);
    let written = response.writer.put_parts([&fixed, target]);
    response.count_or_truncate(written);
    true
}

/// Writes a whole set, or as many whole records of it as fit, and TC.
fn write_records(set: Records<'_>, response: &mut Response<'_>) -> bool {
    if response.writer.put(set.octets()).is_ok() {
        response.count(Section::Answer, set.count());
        return set.count() > 0;
    }
    response.truncated = true;
    for record in set.iter() {
        if response.writer.put(record).is_err() {
            break;
        }
        response.count(Section::Answer, 1);
    }
    true
}

/// The answer to ANY: a HINFO record that says why there is no more (RFC 8482 §4.2).
pub(super) fn write_minimal_any(response: &mut Response<'_>) {
    const RDATA: &[u8] = b"\x07RFC8482\x00";
    let fixed = fixed_fields(rtype::HINFO, ANY_TTL, RDATA.len() as u16);
    let written = response.writer.put_parts([&fixed, RDATA]);
    response.count_or_truncate(written);
}
