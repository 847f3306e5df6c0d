//! Zones: the static records of zone files and of `records:`, one source for each apex.
//!
//! Records are many and short-lived: parsed, judged, handed on in the state of a load, and forgotten when that state
//! answers. What stays of a zone is its digest, which tells a later load that nothing is to be done. Where records
//! are needed that were forgotten, their file is parsed again: for a zone that did not come to answer, and for one
//! that shares its name with a namespace whose services changed.

use std::collections::hash_map::DefaultHasher;
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::hash::{Hash, Hasher};
use std::io;
use std::path::Path;
use std::sync::Arc;

use super::conflict::{self, Piece};
use super::fault::{Fault, Position};
use super::fragment::{Fragment, Given};
use super::listing::Fingerprint;
use super::master::{self, Included, Master};
use crate::model::validate::Shown;
use crate::model::{NamespaceType, State, ZoneSource};
use crate::wire::Name;
use crate::zone::{self, Place, Record, Records, Zone};

/// What is known of a zone file after it was read.
#[derive(Debug)]
pub(super) struct ZoneFile {
    /// The zone's name and the place of its SOA record; nothing where there is a fault.
    pub(super) apex: Option<(Name, Place)>,
    /// A number that changes with the file, or with one that it includes.
    pub(super) digest: u64,
    /// The file and those it includes.
    files: Vec<Arc<Path>>,
    /// The files it includes.
    pub(super) included: Vec<Included>,
    /// Records, until a load has passed.
    records: Option<Records>,
}

impl ZoneFile {
    /// What stays of `master`, beside its faults.
    pub(super) fn new(master: Master) -> (Self, Vec<Fault>) {
        let Master { apex, records, files, included, digest, faults, .. } = master;
        let sound = faults.is_empty();
        let apex = apex.filter(|_| sound);
        (Self { apex, digest, files, included, records: Some(records).filter(|_| sound) }, faults)
    }

    /// Whether the files it includes are as they were.
    pub(super) fn is_current(&self) -> bool {
        self.included.iter().all(Included::is_current)
    }

    /// Forgets the records.
    pub(super) fn forget(&mut self) {
        self.records = None;
    }

    /// The records, from the file where they were forgotten.
    fn records(&mut self, print: &Fingerprint) -> io::Result<Records> {
        if let Some(records) = self.records.take() {
            return Ok(records);
        }
        let changed = || io::Error::other("it changes while it is read");
        let path = self.files.first().ok_or_else(changed)?;
        let master = master::read_file(path, print)?.filter(|master| master.digest == self.digest);
        Ok(master.ok_or_else(changed)?.records)
    }
}

/// A file of a load, as far as zones have to do with it.
pub(super) struct Source<'c> {
    /// Its identity and times, if it is a file.
    pub(super) print: Option<Fingerprint>,
    /// The number of its parsing.
    pub(super) number: u64,
    /// What it declares.
    pub(super) fragment: &'c Fragment,
    /// What is known of it as a zone file.
    pub(super) zone: Option<&'c mut ZoneFile>,
}

/// What was found out about the zone of one name.
#[derive(Debug)]
struct Verdict {
    /// What it was found of.
    key: Key,
    /// The zone and the number of its records, or what is wrong with it.
    result: Result<(ZoneSource, usize), Vec<Fault>>,
}

/// Everything that a verdict depends on.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Key {
    /// Of the records.
    digest: u64,
    /// Numbers of the declarations that hold a part of the namespace.
    pieces: Vec<u64>,
}

/// The sources of one zone.
#[derive(Default)]
struct Parts<'c> {
    /// Index of the zone file.
    file: Option<usize>,
    /// The parts of the namespace, each with the number of its file's parsing.
    pieces: Vec<(u64, Piece<'c>)>,
}

/// Keeps what was found out about zones from load to load.
#[derive(Debug, Default)]
pub(super) struct Zones {
    verdicts: BTreeMap<Name, Verdict>,
    /// Digests of the zones that answer.
    applied: BTreeMap<Name, u64>,
}

impl Zones {
    /// Takes note that the zones of these digests answer, and forgets their records.
    pub(super) fn applied(&mut self, digests: &BTreeMap<Name, u64>) {
        self.applied.clone_from(digests);
        for Verdict { result, .. } in self.verdicts.values_mut() {
            if let Ok((source, _)) = result {
                source.zone = None;
            }
        }
    }

    /// Puts the zones of `sources` into `state`, and returns the number of their records. `sound` says that the
    /// namespaces in `state` are complete; without that, zones they share are left out.
    pub(super) fn put(
        &mut self,
        sources: &mut [Source<'_>],
        state: &mut State,
        sound: bool,
    ) -> Result<usize, Vec<Fault>> {
        let mut faults = Vec::new();
        let mut before = std::mem::take(&mut self.verdicts);
        let mut count = 0;
        let zones = collect(sources, &mut faults);
        let inner = inner_zones(&zones, state);
        for (_, piece) in pieces(sources) {
            if let Some((apex, inner)) =
                Name::parse(&piece.namespace.name).ok().and_then(|apex| inner.get_key_value(&apex))
            {
                faults.extend(conflict::shadowed(apex, piece, inner));
            }
        }
        let mut files: Vec<_> = sources.iter_mut().map(|source| (source.print, source.zone.as_deref_mut())).collect();
        for (apex, parts) in zones {
            let namespace =
                parts.pieces.first().and_then(|_| state.namespaces.get(apex.to_string().trim_end_matches('.')));
            if !parts.pieces.is_empty() && !sound {
                self.verdicts.extend(before.remove_entry(&apex));
                continue;
            }
            let digest = parts.file.and_then(|file| files.get(file)?.1.as_ref()).map(|zone| zone.digest);
            let inner = inner.get(&apex).map_or(&[][..], Vec::as_slice);
            let key = Key {
                digest: parts.digest(digest, inner),
                pieces: parts.pieces.iter().map(|(number, _)| *number).collect(),
            };
            let is_applied = self.applied.get(&apex) == Some(&key.digest);
            let enough = |verdict: &Verdict| {
                let known = verdict.result.as_ref().map_or(true, |(source, _)| source.zone.is_some());
                verdict.key == key && (known || is_applied)
            };
            let verdict = before.remove(&apex).filter(enough).unwrap_or_else(|| {
                let file = parts.file.and_then(|file| files.get_mut(file));
                let file = file.and_then(|(print, zone)| Some((print.as_ref()?, &mut **zone.as_mut()?)));
                let result = parts.judge(&apex, key.digest, file, namespace, inner);
                Verdict { key, result }
            });
            match &verdict.result {
                Ok((source, records)) => {
                    count += records;
                    let mut source = source.clone();
                    if is_applied {
                        source.zone = None;
                    }
                    state.zones.insert(apex.clone(), source);
                }
                Err(found) => faults.extend(found.iter().cloned()),
            }
            self.verdicts.insert(apex, verdict);
        }
        if faults.is_empty() { Ok(count) } else { Err(faults) }
    }
}

/// The zones there are, each with its sources.
fn collect<'c>(sources: &[Source<'c>], faults: &mut Vec<Fault>) -> BTreeMap<Name, Parts<'c>> {
    let mut zones: BTreeMap<Name, Parts<'c>> = BTreeMap::new();
    for (index, source) in sources.iter().enumerate() {
        let Some(ZoneFile { apex: Some((apex, place)), files, .. }) = source.zone.as_deref() else { continue };
        let parts = zones.entry(apex.clone()).or_default();
        match parts.file.and_then(|first| sources.get(first)?.zone.as_deref()) {
            None => parts.file = Some(index),
            Some(first) => {
                let other = first.apex.as_ref().map(|(_, place)| shown_place(&first.files, *place));
                let message = format!(
                    "the zone {apex} is declared twice, first at {}; allowed is once",
                    other.unwrap_or_default()
                );
                faults.extend(fault_at(files, *place, message));
            }
        }
    }
    for (_, piece) in pieces(sources).filter(|(_, piece)| !piece.namespace.records.is_empty()) {
        zones.extend(
            Name::parse(&piece.namespace.name)
                .ok()
                .filter(|apex| !zones.contains_key(apex))
                .map(|apex| (apex, Parts::default())),
        );
    }
    for (number, piece) in pieces(sources) {
        if let Some(parts) = Name::parse(&piece.namespace.name).ok().and_then(|apex| zones.get_mut(&apex)) {
            parts.pieces.push((number, piece));
        }
    }
    zones
}

/// The parts of namespaces in all files, each with the number of its file's parsing.
fn pieces<'s, 'c>(sources: &'s [Source<'c>]) -> impl Iterator<Item = (u64, Piece<'c>)> + use<'s, 'c> {
    sources.iter().flat_map(|source| {
        let file = &source.fragment.file;
        source.fragment.namespaces.iter().map(move |namespace| (source.number, Piece { file, namespace }))
    })
}

/// For each zone with others inside, those: of namespaces and of static records alike.
fn inner_zones(zones: &BTreeMap<Name, Parts<'_>>, state: &State) -> BTreeMap<Name, Vec<Name>> {
    let with_zone = state.namespaces.iter().filter(|(_, namespace)| namespace.namespace_type != NamespaceType::Http);
    let mut apexes: BTreeSet<Name> = with_zone.filter_map(|(name, _)| Name::parse(name).ok()).collect();
    apexes.extend(zones.keys().cloned());
    let mut inner: BTreeMap<Name, Vec<Name>> = BTreeMap::new();
    for apex in &apexes {
        for outer in std::iter::successors(apex.parent(), Name::parent).filter(|outer| apexes.contains(outer)) {
            inner.entry(outer).or_default().push(apex.clone());
        }
    }
    inner
}

impl Parts<'_> {
    /// A number that changes with the records, with whether there is a namespace, and with the zones inside. `file` is
    /// that of the zone file.
    fn digest(&self, file: Option<u64>, inner: &[Name]) -> u64 {
        let mut hasher = DefaultHasher::new();
        file.hash(&mut hasher);
        inner.hash(&mut hasher);
        self.pieces.is_empty().hash(&mut hasher);
        for record in self.pieces.iter().flat_map(|(_, piece)| &piece.namespace.records) {
            (&record.owner, record.rtype, record.ttl, &record.rdata).hash(&mut hasher);
        }
        hasher.finish()
    }

    /// Makes the zone, and holds it against its namespace.
    fn judge(
        &self,
        apex: &Name,
        digest: u64,
        file: Option<(&Fingerprint, &mut ZoneFile)>,
        namespace: Option<&crate::model::Namespace>,
        inner: &[Name],
    ) -> Result<(ZoneSource, usize), Vec<Fault>> {
        let mut faults = Vec::new();
        let (mut files, mut records) = (Vec::new(), Records::new());
        if let Some((print, zone)) = file {
            files.clone_from(&zone.files);
            self.check_file(zone, namespace.map(|namespace| namespace.namespace_type), &mut faults);
            records = zone.records(print).map_err(|error| {
                let path = files.first().cloned().unwrap_or_else(|| Path::new("").into());
                vec![Fault::new(&path, Position::WHOLE, format!("the file cannot be read: {error}"))]
            })?;
        }
        for (_, Piece { file, namespace: piece }) in &self.pieces {
            if piece.records.is_empty() {
                continue;
            }
            if namespace.is_none_or(|namespace| namespace.namespace_type == NamespaceType::Http) {
                let message = format!("{}: an HTTP namespace has no zone; allowed are none", piece.path("records"));
                faults.push(Fault::new(file, piece.records_at, message));
            }
            let number = files.len() as u16;
            files.push(Arc::clone(file));
            for record in &piece.records {
                let place = Place { file: number, line: record.line };
                let (rtype, ttl) = (record.rtype, record.ttl);
                records.push(Record { owner: &record.owner, rtype, ttl, rdata: &record.rdata, place });
            }
        }
        let pieces: Vec<_> = self.pieces.iter().map(|(_, piece)| *piece).collect();
        if !pieces.is_empty() {
            faults.extend(conflict::faults(apex, &pieces, &records, &files));
        }
        let count = records.len();
        match Zone::beside(apex.clone(), records, pieces.is_empty(), inner) {
            Ok(zone) if faults.is_empty() => Ok((ZoneSource::new(digest, Arc::new(zone)), count)),
            Ok(_) => Err(faults),
            Err(found) => {
                faults.extend(found.into_iter().filter_map(|fault| zone_fault(&files, fault)));
                Err(faults)
            }
        }
    }

    /// What a namespace says that has a zone file.
    fn check_file(&self, zone: &ZoneFile, kind: Option<NamespaceType>, faults: &mut Vec<Fault>) {
        let Some((apex, place)) = &zone.apex else { return };
        let soa = shown_place(&zone.files, *place);
        for (_, Piece { file, namespace }) in &self.pieces {
            if let Given::Value(ttl, at) = namespace.soa_ttl {
                let message = format!(
                    "{}: {ttl} cannot be given here; the zone file has the SOA record, at {soa}",
                    namespace.path("soa_ttl")
                );
                faults.push(Fault::new(file, at, message));
            }
            if kind == Some(NamespaceType::Http) {
                let message = format!(
                    "{}: {} is an HTTP namespace, which has no zone, and {apex} has a zone file, at {soa}",
                    namespace.path("name"),
                    Shown(&namespace.name)
                );
                faults.push(Fault::new(file, namespace.at, message));
            }
        }
    }
}

/// The zone files that others include: parts of those, and no zones of their own. Files that include each other in a
/// circle are no parts of anything; that is told of each.
pub(super) fn parts_of_others<'z>(
    zones: impl Iterator<Item = (Fingerprint, &'z ZoneFile)> + Clone,
) -> HashSet<(u64, u64)> {
    let parts = |zone: &'z ZoneFile| zone.included.iter().filter_map(|included| Some(included.print?.identity));
    let all: HashSet<_> = zones.clone().flat_map(|(_, zone)| parts(zone)).collect();
    zones.filter(|(print, _)| !all.contains(&print.identity)).flat_map(|(_, zone)| parts(zone)).collect()
}

/// A place as it is shown.
pub(super) fn shown_place(files: &[Arc<Path>], place: Place) -> String {
    let file = files.get(usize::from(place.file)).map(|file| file.display().to_string()).unwrap_or_default();
    format!("{file}:{}", place.line)
}

/// A fault of a line.
fn fault_at(files: &[Arc<Path>], place: Place, message: String) -> Option<Fault> {
    let file = files.get(usize::from(place.file))?;
    Some(Fault::new(file, Position { line: place.line, column: 0 }, message))
}

/// A fault of a zone as a whole or of a record in it.
fn zone_fault(files: &[Arc<Path>], fault: zone::Fault) -> Option<Fault> {
    let zone::Fault { place, other, message } = fault;
    let other = other.map(|other| format!(" (the other is at {})", shown_place(files, other)));
    fault_at(files, place, message + &other.unwrap_or_default())
}
