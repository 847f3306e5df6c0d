//! Queries of class CHAOS that ask who the server is (RFC 4892).

use super::Settings;
use super::response::{Outcome, Response};
use crate::wire::types::{class, rtype};
use crate::wire::{NameKey, Query};

/// Answers a query of a class other than IN: a TXT record where the operator set one, else REFUSED.
#[cold]
#[inline(never)]
pub(super) fn answer(settings: &Settings, key: &NameKey, query: &Query, response: &mut Response<'_>) -> Outcome {
    let text = match key.as_wire() {
        b"\x07version\x04bind\x00" | b"\x07version\x06server\x00" => &settings.version,
        b"\x02id\x06server\x00" | b"\x08hostname\x04bind\x00" => &settings.id_server,
        _ => &None,
    };
    let Some(text) = text.as_deref().filter(|_| query.qclass == class::CH) else {
        return Outcome::Refused;
    };
    if query.qtype != rtype::TXT && query.qtype != rtype::ANY {
        return Outcome::Refused;
    }
    // One character-string holds 255 octets (RFC 1035 §3.3).
    let text = text.as_bytes().get(..text.len().min(255)).unwrap_or_default();
    let length = text.len() as u8;
    let fixed = [0xc0, 12, 0, rtype::TXT as u8, 0, class::CH as u8, 0, 0, 0, 0];
    let [length_high, length_low] = (u16::from(length) + 1).to_be_bytes();
    let lengths = [length_high, length_low, length];
    let written = response.writer.put_parts([&fixed, &lengths, text]);
    response.count_or_truncate(written);
    Outcome::Answer
}
