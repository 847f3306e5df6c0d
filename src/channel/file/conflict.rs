//! Static records against the services of the same zone: one name may have both, where DNS lets them stand together.

use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::sync::Arc;

use super::fault::{Fault, Position};
use super::fragment::{DeclaredNamespace, DeclaredService};
use super::zones::shown_place;
use crate::model::validate::Owner;
use crate::model::{Instance, RecordType};
use crate::wire::Name;
use crate::wire::types::rtype;
use crate::zone::{Place, Record, Records};

/// A part of a namespace and the file it stands in.
#[derive(Clone, Copy)]
pub(super) struct Piece<'c> {
    /// The file.
    pub(super) file: &'c Arc<Path>,
    /// The part.
    pub(super) namespace: &'c DeclaredNamespace,
}

/// A name that a service, or an instance as target of its SRV record, has data at.
#[derive(Clone, Copy)]
struct Claim<'c> {
    piece: Piece<'c>,
    service: &'c DeclaredService,
    /// The instance's id and its place among the service's instances.
    instance: Option<(&'c str, usize)>,
}

/// What is wrong between `records`, which stand in `files`, and the services in `pieces` of the zone at `apex`.
pub(super) fn faults(apex: &Name, pieces: &[Piece<'_>], records: &Records, files: &[Arc<Path>]) -> Vec<Fault> {
    let claims = claims(apex, pieces);
    if claims.is_empty() {
        return Vec::new();
    }
    let mut found = Vec::new();
    // Names below which there is nothing of the zone, and whether by a DNAME.
    let mut ends: HashMap<&[u8], (bool, Place)> = HashMap::new();
    // Of an RRset one record is told.
    let mut told = HashSet::new();
    for record in records.iter() {
        let is_cut = record.rtype == rtype::NS && record.owner != apex.as_wire();
        if is_cut || record.rtype == rtype::DNAME {
            ends.entry(record.owner).or_insert((!is_cut, record.place));
        }
        if let Some(claim) = claims.get(record.owner)
            && let Some(why) = claim.clash(record, is_cut)
            && told.insert((record.owner, record.rtype))
        {
            let other = shown_place(files, record.place);
            found.push(claim.fault(format!("{} and the record at {other} {why}", claim.owner())));
        }
    }
    if !ends.is_empty() {
        for (name, claim) in &claims {
            if let Some((by_dname, place)) = ancestors(name, apex).find_map(|name| ends.get(name)) {
                let what = if *by_dname { "the DNAME record" } else { "the delegation" };
                let other = shown_place(files, *place);
                let message = format!("{} lies below {what} at {other}; allowed are names beside it", claim.owner());
                found.push(claim.fault(message));
            }
        }
    }
    found
}

/// The services and instances of `piece`, a part of the namespace at `apex`, whose names lie in one of the zones
/// `inner`: a query for them goes to that zone.
pub(super) fn shadowed(apex: &Name, piece: Piece<'_>, inner: &[Name]) -> Vec<Fault> {
    let claims = claims(apex, &[piece]);
    let shadowed = claims.iter().filter_map(|(name, claim)| {
        let mut names = std::iter::once(&**name).chain(ancestors(name, apex));
        let zone = names.find_map(|name| inner.iter().find(|zone| zone.as_wire() == name))?;
        Some(claim.fault(format!(
            "{} lies in the zone {zone}, which is declared, too; allowed are names outside",
            claim.owner()
        )))
    });
    shadowed.collect()
}

/// The names above `name`, up to the apex.
fn ancestors<'n>(name: &'n [u8], apex: &Name) -> impl Iterator<Item = &'n [u8]> {
    let least = apex.as_wire().len();
    let up = |name: &&'n [u8]| name.get(1 + usize::from(*name.first()?)..);
    std::iter::successors(Some(name), up).skip(1).take_while(move |name| name.len() >= least)
}

/// The names that services have data at.
fn claims<'c>(apex: &Name, pieces: &[Piece<'c>]) -> HashMap<Vec<u8>, Claim<'c>> {
    let mut claims = HashMap::new();
    for piece in pieces {
        for service in piece.namespace.services.iter().filter(|service| !service.service.dns_records.is_empty()) {
            // Names that are none have been told of.
            let Ok(owner) = apex.child(&service.name) else { continue };
            if service.service.ttl(RecordType::Srv).is_some() {
                for (index, id) in service.service.instances.ids().enumerate() {
                    if let Ok(name) = owner.child(id) {
                        let claim = Claim { piece: *piece, service, instance: Some((id, index)) };
                        claims.insert(name.as_wire().to_vec(), claim);
                    }
                }
            }
            claims.insert(owner.as_wire().to_vec(), Claim { piece: *piece, service, instance: None });
        }
    }
    claims
}

impl<'c> Claim<'c> {
    /// Why a static record cannot stand at the same name.
    fn clash(&self, record: Record<'_>, is_cut: bool) -> Option<String> {
        if is_cut {
            return Some("cannot share a name, which is a delegation there; allowed is one of the two".to_owned());
        }
        let types = self.types();
        if record.rtype == rtype::CNAME || types.contains(&rtype::CNAME) {
            let rule = "cannot share a name: beside a CNAME no other record may stand; allowed is one of the two";
            return Some(rule.to_owned());
        }
        let same = types.contains(&record.rtype);
        same.then(|| {
            let name = domain::base::iana::Rtype::from_int(record.rtype);
            format!("both give {name} records of one name; allowed is one of the two")
        })
    }

    /// The types that the service gives the name.
    fn types(&self) -> Vec<u16> {
        let Some((id, _)) = self.instance else {
            let records = self.service.service.dns_records.iter();
            return records.map(|record| record.record_type.number()).collect();
        };
        let instance = self.service.service.instances.get(id);
        let has = |of: fn(&Instance) -> bool, rtype| instance.is_some_and(|instance| of(instance)).then_some(rtype);
        [has(|one| one.ipv4().is_some(), rtype::A), has(|one| one.ipv6().is_some(), rtype::AAAA)]
            .into_iter()
            .flatten()
            .collect()
    }

    /// Who has the name.
    fn owner(&self) -> Owner<'c> {
        Owner { service: &self.service.name, instance: self.instance.map(|(id, _)| id) }
    }

    /// A fault at its place.
    fn fault(&self, message: String) -> Fault {
        let Piece { file, namespace } = self.piece;
        let instance = self.instance.and_then(|(_, index)| self.service.instances.get(index));
        let (at, path) = match instance {
            Some((at, index)) => (*at, namespace.instance_path(self.service, *index)),
            None => (self.place(), namespace.service_path(self.service, "name")),
        };
        Fault::new(file, at, format!("{path}: {message}"))
    }

    /// Where the service's name stands.
    fn place(&self) -> Position {
        self.service.at
    }
}
