//! A zone in presentation format (RFC 1035 §5.1), one record a line, in one form that can be compared.
//!
//! Owner, TTL, class, type and data stand behind each other with a tab between, as `dig +nosplit` has them but for the
//! number of tabs. The SOA comes first, as servers expect it, then names in canonical order (RFC 4034 §6.1), then
//! types by number and data by their octets.

use std::cmp::Ordering;
use std::fmt::Write as _;
use std::io::{self, Write};
use std::net::{Ipv4Addr, Ipv6Addr};

use bytes::Bytes;
use domain::base::iana::Rtype;
use domain::base::zonefile_fmt::{DisplayKind, ZonefileFmt};
use domain::base::{ParseRecordData, ParsedName};
use domain::rdata::ZoneRecordData;

use super::records::{self, Packed, Record, Soa};
use crate::table::Snapshot;
use crate::wire::types::rtype;
use crate::wire::{Name, Reader, Short, name_length};

/// Writes the zone at `apex`; returns how many records it has. Without a SOA record there is no zone, and nothing is
/// written.
pub fn write(table: &Snapshot, apex: &Name, output: &mut impl Write) -> io::Result<usize> {
    let Some(soa) = Soa::of(table, apex) else { return Ok(0) };
    let mut all: Vec<Packed> = records::nodes(table, apex).flat_map(|node| records::packed(Some(node))).collect();
    all.sort_unstable_by(|a, b| order(&a.record(), &b.record()));
    for record in [&soa.record].into_iter().chain(&all) {
        writeln!(output, "{}", line(&record.record()))?;
    }
    Ok(all.len() + 1)
}

/// The order of records: by owner, type, data.
fn order(a: &Record<'_>, b: &Record<'_>) -> Ordering {
    let labels = |record: &Record<'_>| {
        let mut labels: Vec<Vec<u8>> = labels_of(record.owner).map(<[u8]>::to_vec).collect();
        labels.reverse();
        labels
    };
    let owners = if a.owner == b.owner { Ordering::Equal } else { labels(a).cmp(&labels(b)) };
    owners.then_with(|| (a.rtype, a.rdata).cmp(&(b.rtype, b.rdata)))
}

/// A record as one line.
pub fn line(record: &Record<'_>) -> String {
    let mut line = String::new();
    name(record.owner, &mut line);
    // Writing to a string cannot fail.
    let _ = write!(line, "\t{}\tIN\t{}\t", record.ttl, Rtype::from_int(record.rtype));
    let known = line.len();
    if known_data(record, &mut line).is_err() {
        line.truncate(known);
        if !foreign_data(record, &mut line) {
            // RFC 3597 §5.
            let _ = write!(line, "\\# {} ", record.rdata.len());
            for octet in record.rdata {
                let _ = write!(line, "{octet:02X}");
            }
        }
    }
    line
}

/// Appends data of the types that every zone has.
fn known_data(record: &Record<'_>, line: &mut String) -> Result<(), Short> {
    let mut reader = Reader::new(record.rdata);
    let put_name = |reader: &mut Reader<'_>, line: &mut String| {
        name(reader.take(name_length(reader.rest()).ok_or(Short)?)?, line);
        Ok(())
    };
    match record.rtype {
        rtype::A => line.push_str(&Ipv4Addr::from(reader.take_array()?).to_string()),
        rtype::AAAA => line.push_str(&Ipv6Addr::from(reader.take_array::<16>()?).to_string()),
        rtype::NS | rtype::CNAME | rtype::DNAME | rtype::PTR => put_name(&mut reader, line)?,
        rtype::SOA => {
            put_name(&mut reader, line)?;
            line.push(' ');
            put_name(&mut reader, line)?;
            for _ in 0..5 {
                let _ = write!(line, " {}", u32::from_be_bytes(reader.take_array()?));
            }
        }
        rtype::MX | rtype::SRV => {
            for _ in 0..if record.rtype == rtype::MX { 1 } else { 3 } {
                let _ = write!(line, "{} ", reader.u16()?);
            }
            put_name(&mut reader, line)?;
        }
        rtype::TXT => {
            while !reader.is_empty() {
                let length = reader.u8()?;
                line.push_str(if line.ends_with('"') { " \"" } else { "\"" });
                reader.take(length.into())?.iter().for_each(|octet| escaped(*octet, b"\"\\", b' ', line));
                line.push('"');
            }
        }
        _ => return Err(Short),
    }
    if reader.is_empty() { Ok(()) } else { Err(Short) }
}

/// Appends data of a type that the `domain` crate knows; returns whether it does.
fn foreign_data(record: &Record<'_>, line: &mut String) -> bool {
    let octets = Bytes::copy_from_slice(record.rdata);
    let mut parser = domain::dep::octseq::Parser::from_ref(&octets);
    let data = ZoneRecordData::<Bytes, ParsedName<Bytes>>::parse_rdata(Rtype::from_int(record.rtype), &mut parser);
    match data {
        Ok(Some(data)) if parser.remaining() == 0 && !matches!(data, ZoneRecordData::Unknown(_)) => {
            write!(line, "{}", data.display_zonefile(DisplayKind::Simple)).is_ok()
        }
        _ => false,
    }
}

/// Appends a name in wire form.
fn name(wire: &[u8], line: &mut String) {
    for label in labels_of(wire) {
        label.iter().for_each(|octet| escaped(*octet, b"\"().;\\@$", b'!', line));
        line.push('.');
    }
    if wire == [0] {
        line.push('.');
    }
}

/// The labels of a name in wire form, without the root.
fn labels_of(wire: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut reader = Reader::new(wire);
    std::iter::from_fn(move || {
        let length = reader.u8().ok().filter(|length| *length > 0)?;
        reader.take(length.into()).ok()
    })
}

/// Appends an octet: behind a backslash if it is `special`, as a number if it is not printable, where `first` is the
/// first that is.
fn escaped(octet: u8, special: &[u8], first: u8, line: &mut String) {
    if special.contains(&octet) {
        line.push('\\');
    }
    if (first..=b'~').contains(&octet) {
        line.push(octet.into());
    } else {
        let _ = write!(line, "\\{octet:03}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_look_as_dig_shows_them() {
        let shown = |owner: &[u8], rtype, rdata: &[u8]| line(&Record { owner, rtype, ttl: 7, rdata });
        let owner = b"\x04a.;b\x01z\x00";
        assert_eq!(shown(owner, 1, &[10, 0, 0, 1]), "a\\.\\;b.z.\t7\tIN\tA\t10.0.0.1");
        assert_eq!(shown(b"\x00", 33, b"\x00\x01\x00\x02\x00\x50\x02_X\x00"), ".\t7\tIN\tSRV\t1 2 80 _X.");
        let soa = [b"\x01n\x00\x01h\x00".as_slice(), &[0, 0, 0, 9].repeat(5)].concat();
        assert_eq!(shown(b"\x01z\x00", 6, &soa), "z.\t7\tIN\tSOA\tn. h. 9 9 9 9 9");
        assert_eq!(shown(b"\x01z\x00", 16, b"\x03a b\x02\"\x07"), "z.\t7\tIN\tTXT\t\"a b\" \"\\\"\\007\"");
        assert_eq!(shown(b"\x01z\x00", 43, b"\x15\x26\x0f\x02\xde\xad"), "z.\t7\tIN\tDS\t5414 15 2 DEAD");
        assert_eq!(shown(b"\x01z\x00", 65280, b"\xde\xad"), "z.\t7\tIN\tTYPE65280\t\\# 2 DEAD");
        // A record whose data is none of its type.
        assert_eq!(shown(b"\x01z\x00", 1, b"\x01"), "z.\t7\tIN\tA\t\\# 1 01");
    }

    #[test]
    fn names_are_in_canonical_order() {
        let record = |owner: &'static [u8]| Record { owner, rtype: 1, ttl: 0, rdata: &[] };
        let names: [&[u8]; 5] =
            [b"\x01z\x00", b"\x01a\x01z\x00", b"\x01b\x01a\x01z\x00", b"\x02aa\x01z\x00", b"\x01b\x01z\x00"];
        let mut sorted = names;
        sorted.reverse();
        sorted.sort_by(|a, b| order(&record(a), &record(b)));
        assert_eq!(sorted, names);
    }
}
