//! Records of a zone, read back from the answers that a table has prepared.
//!
//! Answers show a sample of a service's instances; a transfer shows all that may answer. A service whose instances are
//! aliases answers with one CNAME record drawn for each query, and a name can have no more than one (RFC 2181 §10.1):
//! the first in the order of their octets is transferred, whatever the weights.

use std::fmt;

use crate::table::{Node, RrSet, Services, Snapshot};
use crate::wire::types::{class, rtype};
use crate::wire::{Name, Reader, name_length};

/// Octets of type, class, TTL and RDATA length.
const FIXED_LENGTH: usize = 10;

//----------- Record -----------------------------------------------------------------------------------------

/// A record of class IN.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record<'r> {
    /// Owner in wire form and lower case.
    pub owner: &'r [u8],
    /// Type.
    pub rtype: u16,
    /// Seconds.
    pub ttl: u32,
    /// RDATA in wire form, names uncompressed.
    pub rdata: &'r [u8],
}

impl<'r> Record<'r> {
    /// Appends the record to a message, behind its owner.
    pub fn write_behind_owner(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.rtype.to_be_bytes());
        out.extend_from_slice(&class::IN.to_be_bytes());
        out.extend_from_slice(&self.ttl.to_be_bytes());
        out.extend_from_slice(&(self.rdata.len() as u16).to_be_bytes());
        out.extend_from_slice(self.rdata);
    }

    /// The record as it stands in messages without compression.
    pub fn to_wire(self) -> Packed {
        let mut wire = Vec::with_capacity(self.owner.len() + FIXED_LENGTH + self.rdata.len());
        wire.extend_from_slice(self.owner);
        self.write_behind_owner(&mut wire);
        Packed(wire.into())
    }
}

/// An owned record in one allocation: as it stands in messages without compression.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Packed(Box<[u8]>);

impl Packed {
    /// Octets of it.
    pub fn length(&self) -> usize {
        self.0.len()
    }

    /// The record.
    pub fn record(&self) -> Record<'_> {
        self.parse().unwrap_or(Record { owner: &[0], rtype: 0, ttl: 0, rdata: &[] })
    }

    /// The record: always some, since only records are packed.
    fn parse(&self) -> Option<Record<'_>> {
        let mut reader = Reader::new(&self.0);
        let owner = reader.take(name_length(&self.0)?).ok()?;
        let (rtype, _class) = (reader.u16().ok()?, reader.u16().ok()?);
        let ttl = u32::from_be_bytes(reader.take_array().ok()?);
        reader.u16().ok()?;
        Some(Record { owner, rtype, ttl, rdata: reader.rest() })
    }
}

impl fmt::Debug for Packed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Record { owner, rtype, ttl, rdata } = self.record();
        write!(f, "{} {ttl} {rtype} {rdata:02x?}", Name::from_lower(owner))
    }
}

//----------- Nodes ------------------------------------------------------------------------------------------

/// Calls `each` with the records of `node`, set by set, and with those of instances whose names have no nodes.
pub fn of_node<E>(node: Node<'_>, mut each: impl FnMut(Record<'_>) -> Result<(), E>) -> Result<(), E> {
    let owner = node.name();
    for (rtype, set) in node.sets() {
        match set {
            RrSet::V4(set) => {
                set.all().iter().try_for_each(|address| each(record(owner, rtype, set.ttl(), address)))?
            }
            RrSet::V6(set) => {
                set.all().iter().try_for_each(|address| each(record(owner, rtype, set.ttl(), address)))?
            }
            RrSet::Services(set) => {
                let mut rdata = Vec::new();
                for index in 0..set.count() {
                    let target = set.target(index);
                    rdata.clear();
                    // Priority and weight, which are the same for all.
                    rdata.extend_from_slice(&[0, 1, 0, 1]);
                    rdata.extend_from_slice(&target.port);
                    rdata.extend_from_slice(target.labels);
                    rdata.extend_from_slice(owner);
                    each(record(owner, rtype, set.ttl(), &rdata))?;
                }
            }
            RrSet::Aliases(set) => {
                let first = (0..set.count()).map(|index| set.target(index)).min();
                first.map_or(Ok(()), |target| each(record(owner, rtype, set.ttl(), target)))?;
            }
            RrSet::Records(set) => {
                for octets in set.iter() {
                    // Behind the pointer that stands for the owner and the fixed fields.
                    each(record(owner, rtype, set.ttl(), octets.get(2 + FIXED_LENGTH..).unwrap_or_default()))?;
                }
            }
        }
    }
    node.instances_below().map_or(Ok(()), |set| of_instances(owner, set, each))
}

/// Calls `each` with the addresses of the instances in `set`, whose service is called `service`.
fn of_instances<E>(
    service: &[u8],
    set: Services<'_>,
    mut each: impl FnMut(Record<'_>) -> Result<(), E>,
) -> Result<(), E> {
    let mut owner = Vec::new();
    for target in set.named() {
        owner.clear();
        owner.extend(target.labels.iter().map(u8::to_ascii_lowercase));
        owner.extend_from_slice(service);
        target.v4.map_or(Ok(()), |address| each(record(&owner, rtype::A, set.ttl(), address)))?;
        target.v6.map_or(Ok(()), |address| each(record(&owner, rtype::AAAA, set.ttl(), address)))?;
    }
    Ok(())
}

/// A record by its parts.
fn record<'r>(owner: &'r [u8], rtype: u16, ttl: u32, rdata: &'r [u8]) -> Record<'r> {
    Record { owner, rtype, ttl, rdata }
}

/// The records of `node` but for a SOA record, packed and in order.
pub fn packed(node: Option<Node<'_>>) -> Vec<Packed> {
    let mut all = Vec::new();
    if let Some(node) = node {
        let _: Result<(), std::convert::Infallible> = of_node(node, |record| {
            if record.rtype != rtype::SOA {
                all.push(record.to_wire());
            }
            Ok(())
        });
    }
    all.sort_unstable();
    all.dedup();
    all
}

//----------- Zones ------------------------------------------------------------------------------------------

/// The SOA record of a zone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Soa {
    /// The record.
    pub record: Packed,
    /// Its serial.
    pub serial: u32,
}

impl Soa {
    /// The SOA record of the zone at `apex`, if `table` has one there.
    pub fn of(table: &Snapshot, apex: &Name) -> Option<Self> {
        let node = table.find_name(apex).filter(|node| node.is_apex())?;
        let Some(RrSet::Records(set)) = node.set(rtype::SOA) else { return None };
        let rdata = set.iter().next()?.get(2 + FIXED_LENGTH..)?;
        // Five numbers end the RDATA, the serial first.
        let serial = rdata.len().checked_sub(20).and_then(|at| rdata.get(at..)?.first_chunk())?;
        let record = Record { owner: node.name(), rtype: rtype::SOA, ttl: set.ttl(), rdata };
        Some(Self { record: record.to_wire(), serial: u32::from_be_bytes(*serial) })
    }
}

/// Whether serial `a` comes after serial `b` (RFC 1982 §3.2).
pub fn is_later(a: u32, b: u32) -> bool {
    a.wrapping_sub(b).cast_signed() > 0
}

/// The nodes of the zone at `apex`, in no particular order.
///
/// It looks at every node of the table, for some tens of nanoseconds each, so that a table of a million names costs what transferring a
/// few ten thousand records costs, on a thread of its own; and nothing has to be kept per zone for it.
pub fn nodes<'s>(table: &'s Snapshot, apex: &Name) -> impl Iterator<Item = Node<'s>> {
    table.nodes().filter(move |node| node.name().get(node.apex_offset()..) == Some(apex.as_wire()))
}
