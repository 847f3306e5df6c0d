//! Writes the records that answer.

use super::response::{Response, Section};
use super::select::{MOST, Sampler};
use crate::table::{Addresses, Aliases, Node, Records, RrSet, ServiceTarget, Services};
use crate::wire::types::rtype;
use crate::wire::{Full, HEADER_LENGTH};

/// Largest offset a compression pointer can name.
pub(super) const POINTER_MOST: usize = 0x3fff;
/// TTL of the answer to ANY in seconds. It says nothing that could change.
const ANY_TTL: u32 = 3600;
/// Octets of a record before its RDATA, with a pointer for an owner.
pub(super) const FIXED_LENGTH: usize = 12;

/// Where records go, and whose they are.
#[derive(Clone, Copy)]
pub(super) struct Place {
    pub(super) section: Section,
    /// A compression pointer to the owner's name (RFC 1035 §4.1.4).
    owner: [u8; 2],
}

impl Place {
    /// The answer section, for the name in the question.
    pub(super) const QUESTION: Self = Self { section: Section::Answer, owner: [0xc0, HEADER_LENGTH as u8] };

    /// A section, for the name that lies at `offset` of the message. Offsets beyond [`POINTER_MOST`] cannot be named.
    #[inline]
    pub(super) fn new(section: Section, offset: usize) -> Self {
        Self { section, owner: (offset as u16 | 0xc000).to_be_bytes() }
    }
}

/// Writes `set`, which lies at `node`. Returns false, and writes nothing, where the set is empty.
///
/// Of sets that are sampled as many items are drawn as fit the client; only where not one fits is TC set.
#[inline]
pub(super) fn write(
    node: Node<'_>,
    set: RrSet<'_>,
    place: Place,
    sampler: &mut Sampler,
    response: &mut Response<'_>,
) -> bool {
    match set {
        RrSet::V4(set) => write_v4(set, place, sampler, response),
        RrSet::V6(set) => write_v6(set, place, sampler, response),
        RrSet::Services(set) => write_services(node, set, place, sampler, response),
        RrSet::Aliases(set) => write_alias(set, place, sampler, response),
        RrSet::Records(set) => write_records(set, place, response),
    }
}

/// Owner, type, class, TTL and RDATA length.
#[inline]
fn fixed_fields(owner: [u8; 2], rtype: u16, ttl: u32, rdata_length: u16) -> [u8; FIXED_LENGTH] {
    let [pointer_high, pointer_low] = owner;
    let [type_high, type_low] = rtype.to_be_bytes();
    let [t0, t1, t2, t3] = ttl.to_be_bytes();
    let [length_high, length_low] = rdata_length.to_be_bytes();
    [pointer_high, pointer_low, type_high, type_low, 0, 1, t0, t1, t2, t3, length_high, length_low]
}

/// Writes A records.
#[inline]
fn write_v4(set: Addresses<'_, 4>, place: Place, sampler: &mut Sampler, response: &mut Response<'_>) -> bool {
    let addresses = set.all();
    let [a, b, c, d, e, f, g, h, i, j, k, l] = fixed_fields(place.owner, rtype::A, set.ttl(), 4);
    let template = u128::from_le_bytes([a, b, c, d, e, f, g, h, i, j, k, l, 0, 0, 0, 0]);
    let records = response.writer.put_items::<16>(set.shown().min(MOST));
    sampler.draw_into(addresses.len(), records, |record, index| {
        let address = addresses.get(index).copied().unwrap_or_default();
        *record = (template | u128::from(u32::from_le_bytes(address)) << 96).to_le_bytes();
    });
    let written = records.len();
    response.count(place.section, written);
    written > 0 || cut_off(addresses.len(), response)
}

/// Writes AAAA records.
#[inline]
fn write_v6(set: Addresses<'_, 16>, place: Place, sampler: &mut Sampler, response: &mut Response<'_>) -> bool {
    let addresses = set.all();
    let fixed = fixed_fields(place.owner, rtype::AAAA, set.ttl(), 16);
    let records = response.writer.put_items::<28>(set.shown().min(MOST));
    sampler.draw_into(addresses.len(), records, |record, index| {
        if let Some((head, tail)) = record.split_first_chunk_mut::<FIXED_LENGTH>() {
            *head = fixed;
            tail.copy_from_slice(addresses.get(index).unwrap_or(&[0; 16]));
        }
    });
    let written = records.len();
    response.count(place.section, written);
    written > 0 || cut_off(addresses.len(), response)
}

/// Where items exist and none was written, none fits: says so by TC.
#[inline]
fn cut_off(items: usize, response: &mut Response<'_>) -> bool {
    response.truncated |= items > 0;
    items > 0
}

/// Writes SRV records, and the addresses of their targets as far as there is room.
fn write_services(
    node: Node<'_>,
    set: Services<'_>,
    place: Place,
    sampler: &mut Sampler,
    response: &mut Response<'_>,
) -> bool {
    let service = node.name();
    let drawn = sampler.draw(set.count(), set.shown());
    let first = response.writer.length();
    let mut written = 0;
    for index in drawn {
        if write_service(service, set, *index as usize, place, response).is_err() {
            break;
        }
        written += 1;
    }
    response.count(place.section, written);
    let mut record = first;
    for index in drawn.iter().take(written) {
        let target = set.target(*index as usize);
        // Behind owner, fixed fields, priority, weight and port.
        let name = record + FIXED_LENGTH + 6;
        record = name + target.labels.len() + service.len();
        if write_target_addresses(target, set.ttl(), name, response).is_err() {
            break;
        }
    }
    written > 0 || cut_off(set.count(), response)
}

/// Writes one SRV record. Its target is not compressed (RFC 2782).
#[inline]
fn write_service(
    service: &[u8],
    set: Services<'_>,
    index: usize,
    place: Place,
    response: &mut Response<'_>,
) -> Result<(), Full> {
    let target = set.target(index);
    let rdata_length = 6 + target.labels.len() + service.len();
    if FIXED_LENGTH + rdata_length > response.writer.space() {
        return Err(Full);
    }
    let [port_high, port_low] = target.port;
    response.writer.put_array(fixed_fields(place.owner, rtype::SRV, set.ttl(), rdata_length as u16))?;
    response.writer.put_array([0, 1, 0, 1, port_high, port_low])?;
    response.writer.put(target.labels)?;
    response.writer.put(service)
}

/// Writes the addresses of one target, whose name lies at offset `name`, into the additional section: all or none.
#[inline]
fn write_target_addresses(
    target: ServiceTarget<'_>,
    ttl: u32,
    name: usize,
    response: &mut Response<'_>,
) -> Result<(), Full> {
    let needed = target.v4.map_or(0, |_| FIXED_LENGTH + 4) + target.v6.map_or(0, |_| FIXED_LENGTH + 16);
    if name > POINTER_MOST || needed > response.writer.space() {
        return Err(Full);
    }
    let place = Place::new(Section::Additional, name);
    let mut put = |rtype: u16, address: &[u8]| {
        response.writer.put_array(fixed_fields(place.owner, rtype, ttl, address.len() as u16))?;
        response.writer.put(address)?;
        response.count(place.section, 1);
        Ok(())
    };
    target.v4.map_or(Ok(()), |address| put(rtype::A, address))?;
    target.v6.map_or(Ok(()), |address| put(rtype::AAAA, address))
}

/// Writes one CNAME record.
fn write_alias(set: Aliases<'_>, place: Place, sampler: &mut Sampler, response: &mut Response<'_>) -> bool {
    if set.count() == 0 {
        return false;
    }
    let target = set.target(sampler.draw_one(set.count()));
    if write_cname(place, set.ttl(), &[target], response).is_err() {
        response.truncated = true;
    }
    true
}

/// Writes a CNAME record, its target given in pieces.
pub(super) fn write_cname(place: Place, ttl: u32, target: &[&[u8]], response: &mut Response<'_>) -> Result<(), Full> {
    let length = target.iter().map(|piece| piece.len()).sum::<usize>();
    if FIXED_LENGTH + length > response.writer.space() {
        return Err(Full);
    }
    response.writer.put_array(fixed_fields(place.owner, rtype::CNAME, ttl, length as u16))?;
    target.iter().try_for_each(|piece| response.writer.put(piece))?;
    response.count(place.section, 1);
    Ok(())
}

/// Writes a whole set, or as many whole records of it as fit, and TC: a client without TCP lives on those (RFC 2181
/// §9 lets it).
#[inline]
fn write_records(set: Records<'_>, place: Place, response: &mut Response<'_>) -> bool {
    if place.owner == Place::QUESTION.owner && response.writer.put(set.octets()).is_ok() {
        response.count(place.section, set.count());
        return set.count() > 0;
    }
    write_each_record(set, place, response)
}

/// Writes the records of a set one by one: they have another owner, or do not all fit.
#[cold]
#[inline(never)]
fn write_each_record(set: Records<'_>, place: Place, response: &mut Response<'_>) -> bool {
    for record in set.iter() {
        let at = response.writer.length();
        if response.writer.put(record).is_err() {
            response.truncated = true;
            break;
        }
        response.writer.patch(at, place.owner);
        response.count(place.section, 1);
    }
    true
}

/// The answer to ANY: a HINFO record that says why there is no more (RFC 8482 §4.2).
pub(super) fn write_minimal_any(place: Place, response: &mut Response<'_>) {
    const RDATA: &[u8] = b"\x07RFC8482\x00";
    let written = response
        .writer
        .put_array(fixed_fields(place.owner, rtype::HINFO, ANY_TTL, RDATA.len() as u16))
        .and_then(|()| response.writer.put(RDATA));
    response.count(place.section, usize::from(written.is_ok()));
}
