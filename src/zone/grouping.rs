//! A zone's records grouped by owner name, and the rules they must keep.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use super::records::{Place, Record, Records, Slot};
use crate::wire::Name;
use crate::wire::types::rtype;

/// What is wrong with a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The record.
    pub place: Place,
    /// The record it does not agree with.
    pub other: Option<Place>,
    /// What is wrong and what is allowed.
    pub message: String,
}

/// The records of one zone by owner, with the empty non-terminals between them and the apex.
#[derive(Debug)]
pub struct Zone {
    apex: Name,
    records: Records,
    /// The records' slots, owner by owner, in each by type and then in the order of the files, without doubles.
    slots: Vec<Slot>,
    /// Owners and empty non-terminals; the apex first.
    nodes: Vec<ZoneNode>,
}

/// One name of a zone.
#[derive(Clone, Copy, Debug)]
struct ZoneNode {
    /// The name, as part of some record's owner.
    name: Slot,
    /// First of its slots.
    start: u32,
    /// Number of its slots.
    count: u32,
    /// Names one label below.
    children: u32,
    marks: Marks,
}

/// What a name is beside its records.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Marks {
    /// NS records below the apex: the zone ends here (RFC 1034 §4.2.1).
    pub cut: bool,
    /// Below a zone cut or a DNAME: not part of the zone, at best glue.
    pub occluded: bool,
    /// There is a wildcard one label below.
    pub wildcard_below: bool,
}

/// A name of a zone, to be read.
#[derive(Clone, Copy, Debug)]
pub struct Owner<'z> {
    zone: &'z Zone,
    node: &'z ZoneNode,
}

impl Zone {
    /// Groups `records` as the zone at `apex`, or tells all that is wrong with them.
    pub fn new(apex: Name, records: Records) -> Result<Self, Vec<Fault>> {
        Self::beside(apex, records, true, &[])
    }

    /// As [`Self::new`], for records of a namespace's zone, which has an SOA record without them. There is one record
    /// at least.
    pub fn part(apex: Name, records: Records) -> Result<Self, Vec<Fault>> {
        Self::beside(apex, records, false, &[])
    }

    /// As [`Self::new`] or, where no SOA record is needed, [`Self::part`], with other zones of ours inside: what lies in
    /// one of `inner` is that zone's, and is left out here.
    pub fn beside(apex: Name, records: Records, needs_soa: bool, inner: &[Name]) -> Result<Self, Vec<Fault>> {
        let mut grouping =
            Grouping { apex: &apex, inner, index: HashMap::new(), nodes: Vec::new(), faults: Vec::new() };
        let node_of = grouping.assign(&records);
        let Grouping { index, mut nodes, mut faults, .. } = grouping;
        let slots = order(&records, &node_of, &mut nodes, &mut faults);
        drop(node_of);
        check_soa(&records, &slots, &nodes, needs_soa, &mut faults);
        mark_occluded(&index, &mut nodes, &apex, &records);
        drop(index);
        if !faults.is_empty() {
            faults.sort_by_key(|fault| fault.place);
            return Err(faults);
        }
        Ok(Self { apex, records, slots, nodes })
    }

    /// The apex.
    pub fn apex(&self) -> &Name {
        &self.apex
    }

    /// RDATA and TTL of the SOA record, which a part of a namespace's zone may not have.
    pub fn soa(&self) -> Option<(&[u8], u32)> {
        let soa = self.owner(0).records().find(|record| record.rtype == rtype::SOA);
        soa.map(|record| (record.rdata, record.ttl))
    }

    /// Number of names.
    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    /// Whether there is no name, which no sound zone is.
    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    /// Number of records.
    pub fn record_count(&self) -> usize {
        self.slots.len()
    }

    /// Name number `index`, less than [`Self::len`]; 0 is the apex.
    pub fn owner(&self, index: usize) -> Owner<'_> {
        Owner { zone: self, node: &self.nodes[index] }
    }

    /// All names.
    pub fn owners(&self) -> impl Iterator<Item = Owner<'_>> {
        self.nodes.iter().map(|node| Owner { zone: self, node })
    }
}

impl<'z> Owner<'z> {
    /// The name in wire form and lower case.
    pub fn name(self) -> &'z [u8] {
        self.zone.records.owner(self.node.name)
    }

    /// Names one label below.
    pub fn children(self) -> u32 {
        self.node.children
    }

    /// What the name is beside its records.
    pub fn marks(self) -> Marks {
        self.node.marks
    }

    /// Its records by type.
    pub fn records(self) -> impl Iterator<Item = Record<'z>> + Clone {
        let start = self.node.start as usize;
        let slots = &self.zone.slots[start..start + self.node.count as usize];
        slots.iter().map(|slot| self.zone.records.record(*slot))
    }
}

//----------- Grouping ---------------------------------------------------------------------------------------

/// The names of a zone while they are found.
struct Grouping<'r> {
    apex: &'r Name,
    /// Zones inside this one.
    inner: &'r [Name],
    /// Numbers of names.
    index: HashMap<&'r [u8], u32>,
    nodes: Vec<ZoneNode>,
    faults: Vec<Fault>,
}

impl<'r> Grouping<'r> {
    /// The number of each record's name; names and empty non-terminals get their numbers as they occur.
    fn assign(&mut self, records: &'r Records) -> Vec<u32> {
        let mut node_of = Vec::with_capacity(records.len());
        // The apex is the first of all names, whatever comes first in the file.
        for (slot, record) in records.slots() {
            if is_below(record.owner, self.apex.as_wire()) {
                let label_octets = record.owner.len() - self.apex.as_wire().len();
                self.add(&record.owner[label_octets..], slot.suffix(label_octets));
                break;
            }
        }
        let mut last: (&[u8], u32) = (&[], u32::MAX);
        for (slot, record) in records.slots() {
            if record.owner != last.0 {
                last = (record.owner, self.number(record, slot));
            }
            node_of.push(last.1);
        }
        node_of
    }

    /// The number of a record's owner, `u32::MAX` where it lies outside the zone or in a zone inside.
    fn number(&mut self, record: Record<'r>, slot: Slot) -> u32 {
        if let Some(number) = self.index.get(record.owner) {
            return *number;
        }
        if !is_below(record.owner, self.apex.as_wire()) {
            let name = Name::from_lower(record.owner);
            let message = format!("{name} lies outside the zone {}", self.apex);
            self.faults.push(Fault { place: record.place, other: None, message });
            return u32::MAX;
        }
        if let Some(inner) = self.inner.iter().find(|inner| is_below(record.owner, inner.as_wire())) {
            // The names between the two zones are empty non-terminals of this one (RFC 8020).
            let offset = record.owner.len() - inner.as_wire().len();
            let above = offset + usize::from(record.owner[offset]) + 1;
            self.add(&record.owner[above..], slot.suffix(above));
            return u32::MAX;
        }
        self.add(record.owner, slot)
    }

    /// Adds a name, and those between it and the apex, and counts it at its parent.
    fn add(&mut self, name: &'r [u8], slot: Slot) -> u32 {
        let number = self.nodes.len() as u32;
        match self.index.entry(name) {
            Entry::Occupied(known) => return *known.get(),
            Entry::Vacant(vacant) => vacant.insert(number),
        };
        self.nodes.push(ZoneNode { name: slot, start: 0, count: 0, children: 0, marks: Marks::default() });
        if name.len() > self.apex.as_wire().len() {
            let label = usize::from(name[0]) + 1;
            let parent = self.add(&name[label..], slot.suffix(label));
            let parent = &mut self.nodes[parent as usize];
            parent.children += 1;
            parent.marks.wildcard_below |= name.starts_with(b"\x01*");
        }
        number
    }
}

/// Whether `name` is `apex` or lies below it.
fn is_below(name: &[u8], apex: &[u8]) -> bool {
    let mut rest = name;
    while rest.len() > apex.len() {
        rest = &rest[usize::from(rest[0]) + 1..];
    }
    rest == apex
}

/// Sorts slots by name and type, drops doubles, and checks each name's records against one another.
fn order(records: &Records, node_of: &[u32], nodes: &mut [ZoneNode], faults: &mut Vec<Fault>) -> Vec<Slot> {
    for number in node_of {
        if let Some(node) = nodes.get_mut(*number as usize) {
            node.count += 1;
        }
    }
    let mut start = 0;
    for node in nodes.iter_mut() {
        node.start = start;
        start += std::mem::take(&mut node.count);
    }
    let mut slots = vec![Slot::default(); start as usize];
    for ((slot, _), number) in records.slots().zip(node_of) {
        if let Some(node) = nodes.get_mut(*number as usize) {
            slots[(node.start + node.count) as usize] = slot;
            node.count += 1;
        }
    }
    // Doubles leave gaps between names: nodes say which slots are theirs.
    for (number, node) in nodes.iter_mut().enumerate() {
        let own = &mut slots[node.start as usize..(node.start + node.count) as usize];
        own.sort_by_key(|slot| records.record(*slot).rtype);
        node.count = drop_doubles(records, own) as u32;
        let own = &own[..node.count as usize];
        check_name(records, own, faults);
        node.marks.cut = number > 0 && own.iter().any(|slot| records.record(*slot).rtype == rtype::NS);
    }
    slots
}

/// Moves each record that was not there before to the front (RFC 2181 §5: equal records are one).
fn drop_doubles(records: &Records, slots: &mut [Slot]) -> usize {
    let mut kept = 0;
    for at in 0..slots.len() {
        let record = records.record(slots[at]);
        // Sorted by type, so that doubles lie in the run of kept ones of this type. RRsets are small.
        let is_double = slots[..kept]
            .iter()
            .rev()
            .map(|slot| records.record(*slot))
            .take_while(|other| other.rtype == record.rtype)
            .any(|other| other.rdata == record.rdata);
        if !is_double {
            slots[kept] = slots[at];
            kept += 1;
        }
    }
    kept
}

/// Checks the records of one name against one another.
fn check_name(records: &Records, slots: &[Slot], faults: &mut Vec<Fault>) {
    let of_type =
        |rtype: u16| slots.iter().map(|slot| records.record(*slot)).filter(move |record| record.rtype == rtype);
    let mut fault = |record: Record<'_>, other: Record<'_>, message: &str| {
        let message = format!("{} {message}", Name::from_lower(record.owner));
        faults.push(Fault { place: record.place, other: Some(other.place), message });
    };
    if slots.len() < 2 {
        return;
    }
    if let Some(alias) = of_type(rtype::CNAME).next() {
        // RFC 1034 §3.6.2; RFC 4034 §2.4 makes an exception for what signs the CNAME.
        let other = slots
            .iter()
            .map(|slot| records.record(*slot))
            .find(|other| !matches!(other.rtype, rtype::RRSIG | rtype::NSEC) && other.place != alias.place);
        if let Some(other) = other {
            fault(alias, other, "has a CNAME record, beside which no other record may stand");
        }
    }
    for (rtype, message) in [
        (rtype::DNAME, "has more than one DNAME record; one is allowed (RFC 6672 section 2.4)"),
        (rtype::SOA, "has more than one SOA record; a zone has exactly one"),
    ] {
        if let (Some(first), Some(second)) = (of_type(rtype).next(), of_type(rtype).nth(1)) {
            fault(second, first, message);
        }
    }
}

/// The apex has an SOA record, and no other name has.
fn check_soa(records: &Records, slots: &[Slot], nodes: &[ZoneNode], needs_soa: bool, faults: &mut Vec<Fault>) {
    let soa = |node: &ZoneNode| {
        let own = &slots[node.start as usize..(node.start + node.count) as usize];
        own.iter().map(|slot| records.record(*slot)).find(|record| record.rtype == rtype::SOA)
    };
    let apex = nodes.first().and_then(soa);
    if apex.is_none() && needs_soa {
        let message = "the zone has no SOA record at its apex".to_owned();
        faults.push(Fault { place: Place::default(), other: None, message });
    }
    for record in nodes.iter().skip(1).filter_map(soa) {
        let message = format!("{} has an SOA record; only the apex has one", Name::from_lower(record.owner));
        faults.push(Fault { place: record.place, other: apex.map(|apex| apex.place), message });
    }
}

/// Marks the names below cuts and DNAMEs.
fn mark_occluded(index: &HashMap<&[u8], u32>, nodes: &mut [ZoneNode], apex: &Name, records: &Records) {
    // Few zones have either.
    let mut ends: Vec<bool> = nodes.iter().map(|node| node.marks.cut).collect();
    for record in records.iter().filter(|record| record.rtype == rtype::DNAME) {
        if let Some(number) = index.get(record.owner) {
            ends[*number as usize] = true;
        }
    }
    if !ends.contains(&true) {
        return;
    }
    for node in nodes.iter_mut() {
        let mut name = records.owner(node.name);
        while name.len() > apex.as_wire().len() {
            name = &name[usize::from(name[0]) + 1..];
            if index.get(name).is_some_and(|number| ends[*number as usize]) {
                node.marks.occluded = true;
                break;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A zone at `z.` of (owner, type, RDATA).
    fn zone(records: &[(&str, u16, &[u8])]) -> Result<Zone, Vec<Fault>> {
        let mut packed = Records::new();
        for (line, (owner, rtype, rdata)) in records.iter().enumerate() {
            let owner = Name::parse(owner).unwrap();
            let place = Place { file: 0, line: line as u32 + 1 };
            packed.push(Record { owner: owner.as_wire(), rtype: *rtype, ttl: 60, rdata, place });
        }
        Zone::new(Name::parse("z").unwrap(), packed)
    }

    fn owner<'z>(zone: &'z Zone, name: &str) -> Owner<'z> {
        let name = Name::parse(name).unwrap();
        zone.owners().find(|owner| owner.name() == name.as_wire()).unwrap()
    }

    #[test]
    fn groups_records_by_owner_and_finds_what_lies_between() {
        let zone = zone(&[
            ("b.a.z", rtype::A, b"1111"),
            ("z", rtype::SOA, b"soa"),
            ("*.a.z", rtype::A, b"2222"),
            ("b.a.z", rtype::TXT, b"t"),
            ("b.a.z", rtype::A, b"0000"),
            ("b.a.z", rtype::A, b"1111"),
        ])
        .unwrap();
        assert_eq!(zone.owner(0).name(), b"\x01z\x00");
        assert_eq!((zone.len(), zone.soa()), (4, Some((&b"soa"[..], 60))));
        assert_eq!(owner(&zone, "a.z").children(), 2);
        assert!(owner(&zone, "a.z").marks().wildcard_below);
        let rdata: Vec<&[u8]> = owner(&zone, "b.a.z").records().map(|record| record.rdata).collect();
        assert_eq!(rdata, [&b"1111"[..], b"0000", b"t"]);
    }

    #[test]
    fn marks_cuts_and_what_they_hide() {
        let zone = zone(&[
            ("z", rtype::SOA, b"soa"),
            ("z", rtype::NS, b"\x00"),
            ("c.z", rtype::NS, b"\x00"),
            ("ns.c.z", rtype::A, b"1111"),
            ("d.z", rtype::DNAME, b"\x00"),
            ("x.y.d.z", rtype::A, b"1111"),
        ])
        .unwrap();
        let marks = |name| {
            let marks = owner(&zone, name).marks();
            (marks.cut, marks.occluded)
        };
        assert_eq!(marks("z"), (false, false));
        assert_eq!(marks("c.z"), (true, false));
        assert_eq!(marks("ns.c.z"), (false, true));
        assert_eq!((marks("d.z"), marks("y.d.z"), marks("x.y.d.z")), ((false, false), (false, true), (false, true)));
    }

    #[test]
    fn leaves_out_what_is_another_zone() {
        let mut packed = Records::new();
        for (owner, rtype, rdata) in
            [("z", rtype::SOA, &b"soa"[..]), ("c.b.z", rtype::NS, b"\x00"), ("ns.c.b.z", rtype::A, b"1111")]
        {
            let owner = Name::parse(owner).unwrap();
            packed.push(Record { owner: owner.as_wire(), rtype, ttl: 60, rdata, place: Place::default() });
        }
        let inner = [Name::parse("c.b.z").unwrap()];
        let zone = Zone::beside(Name::parse("z").unwrap(), packed, true, &inner).unwrap();
        let names: Vec<&[u8]> = zone.owners().map(Owner::name).collect();
        assert_eq!(names, [&b"\x01z\x00"[..], b"\x01b\x01z\x00"]);
        assert_eq!(zone.owner(1).children(), 0);
    }

    #[test]
    fn tells_all_faults_with_their_places() {
        let faults = zone(&[
            ("a.z", rtype::CNAME, b"\x00"),
            ("a.z", rtype::A, b"1111"),
            ("q", rtype::A, b"1111"),
            ("d.z", rtype::DNAME, b"\x00"),
            ("d.z", rtype::DNAME, b"\x01a\x00"),
            ("e.z", rtype::SOA, b"soa"),
        ])
        .unwrap_err();
        let lines: Vec<_> =
            faults.iter().map(|fault| (fault.place.line, fault.other.map(|other| other.line))).collect();
        assert_eq!(lines, [(0, None), (1, Some(2)), (3, None), (5, Some(4)), (6, None)]);
    }
}
