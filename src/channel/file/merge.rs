//! From the fragments of all files to one state.
//!
//! A namespace may be split over files; a service may not. Here are the rules that need more than one file,
//! and those that need the type of a namespace, which one file gives for all.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::Path;
use std::sync::Arc;

use super::fault::{Fault, Position};
use super::fragment::{DeclaredNamespace, DeclaredService, Fragment, Given};
use crate::model::validate::{self, Owners, Part, Shown, Violation, names};
use crate::model::{Attributes, Namespace, NamespaceType, Service, State};

/// A part of a namespace and the file it stands in.
type Piece<'a> = (&'a Arc<Path>, &'a DeclaredNamespace);

/// Merges `fragments` in their order. The state is complete if there are no faults.
pub(super) fn merge<'a>(fragments: impl Iterator<Item = &'a Fragment> + Clone) -> (State, Vec<Fault>) {
    // A file that could not be read may hold the type that others leave out.
    let all_readable = fragments.clone().all(|fragment| fragment.readable);
    let pieces = fragments.flat_map(|fragment| fragment.namespaces.iter().map(move |piece| (&fragment.file, piece)));
    let http: HashSet<&str> = pieces
        .clone()
        .filter(|(_, piece)| matches!(piece.kind, Given::Value(NamespaceType::Http, _)))
        .map(|(_, piece)| &*piece.name)
        .collect();
    // DNS names compare without regard to case (RFC 4343), names of HTTP namespaces exactly.
    let mut groups: BTreeMap<Box<str>, Vec<Piece<'a>>> = BTreeMap::new();
    for (file, piece) in pieces {
        let name =
            if http.contains(&*piece.name) { piece.name.clone() } else { piece.name.to_ascii_lowercase().into() };
        groups.entry(name).or_default().push((file, piece));
    }
    let mut merger = Merger { faults: Vec::new() };
    let mut state = State::default();
    for (name, pieces) in groups {
        let namespace = merger.namespace(&name, &pieces, all_readable);
        state.namespaces.insert(name, namespace);
    }
    (state, merger.faults)
}

/// Collects the faults.
struct Merger {
    /// What was found so far.
    faults: Vec<Fault>,
}

impl Merger {
    /// Notes a fault in `piece` at the value of `key`.
    fn fault(&mut self, (file, piece): Piece<'_>, at: Position, key: &str, message: impl std::fmt::Display) {
        self.fault_at(file, at, piece.path(key), message);
    }

    /// Notes a fault at a path.
    fn fault_at(&mut self, file: &Arc<Path>, at: Position, path: String, message: impl std::fmt::Display) {
        self.faults.push(Fault::new(file, at, format!("{path}: {message}")));
    }

    /// Merges the pieces of one namespace.
    fn namespace<'a>(&mut self, name: &str, pieces: &[Piece<'a>], all_readable: bool) -> Namespace {
        let mut seen: HashMap<&Arc<Path>, Position> = HashMap::new();
        for &(file, piece) in pieces {
            let first = *seen.entry(file).or_insert(piece.at);
            if first != piece.at {
                let text = format!(
                    "namespace {} stands there twice, first on line {}; allowed is once in a file",
                    Shown(&piece.name),
                    first.line
                );
                self.fault((file, piece), piece.at, "name", text);
            }
        }
        let kind = self.agreed(pieces, "type", |piece| &piece.kind);
        let vpc = self.agreed(pieces, "vpc", |piece| &piece.vpc);
        let soa_ttl = self.agreed(pieces, "soa_ttl", |piece| &piece.soa_ttl);
        let id = self.agreed(pieces, "id", |piece| &piece.id);
        let description = self.agreed(pieces, "description", |piece| &piece.description);
        let faulty = pieces.iter().any(|(_, piece)| matches!(piece.kind, Given::Faulty));
        let known = match kind {
            Some(kind) => Some(*kind),
            None if faulty || !all_readable => None,
            None => Some(NamespaceType::default()),
        };
        if let Some(kind) = known {
            self.names_and_options(kind, name, pieces);
        }
        let mut namespace = Namespace {
            namespace_type: known.unwrap_or_default(),
            vpc: vpc.cloned(),
            soa_ttl: soa_ttl.copied().unwrap_or(Namespace::DEFAULT_SOA_TTL),
            id: id.copied(),
            description: description.cloned(),
            tags: pieces.iter().fold(Attributes::default(), |all, (_, piece)| {
                if piece.tags.is_empty() { all } else { all.merged(piece.tags.iter()) }
            }),
            source: pieces.first().map(|(file, _)| Arc::clone(file)),
            ..Namespace::default()
        };
        self.services(known, name, pieces, &mut namespace);
        namespace
    }

    /// The one value the pieces give, if any. The first is taken, and others that differ are faults.
    fn agreed<'a, T: PartialEq>(
        &mut self,
        pieces: &[Piece<'a>],
        key: &str,
        of: impl Fn(&'a DeclaredNamespace) -> &'a Given<T>,
    ) -> Option<&'a T> {
        let mut first: Option<(&T, Piece<'a>, Position)> = None;
        for &(file, piece) in pieces {
            let Given::Value(value, at) = of(piece) else { continue };
            match &first {
                None => first = Some((value, (file, piece), *at)),
                Some((taken, (other, _), place)) if *taken != value => {
                    let text = format!(
                        "the value differs from the one at {}:{}:{} for the same namespace; allowed is one",
                        other.display(),
                        place.line,
                        place.column
                    );
                    self.fault((file, piece), *at, key, text);
                }
                Some(_) => {}
            }
        }
        first.map(|(value, ..)| value)
    }

    /// Checks names and options against the type of the namespace.
    fn names_and_options(&mut self, kind: NamespaceType, name: &str, pieces: &[Piece<'_>]) {
        for &(file, piece) in pieces {
            let at = (file, piece);
            if let Err(violation) = names::namespace_name(kind, &piece.name) {
                self.fault(at, piece.at, "name", violation);
            } else if kind == NamespaceType::Http && *piece.name != *name {
                let text = format!(
                    "{} is not {}, which is an HTTP namespace; allowed are names that differ in more than case, or its own type",
                    Shown(&piece.name),
                    Shown(name)
                );
                self.fault(at, piece.at, "name", text);
            }
            if let Given::Value(vpc, place) = &piece.vpc
                && let Err(violation) = names::vpc(kind, vpc)
            {
                self.fault(at, *place, "vpc", violation);
            }
            if let Given::Value(ttl, place) = &piece.soa_ttl
                && kind == NamespaceType::Http
            {
                let text = format!("{ttl} cannot be given here; an HTTP namespace has no SOA record");
                self.fault(at, *place, "soa_ttl", text);
            }
        }
    }

    /// Merges the services, and checks them against each other and against the type of the namespace.
    fn services<'a>(
        &mut self,
        kind: Option<NamespaceType>,
        name: &str,
        pieces: &[Piece<'a>],
        namespace: &mut Namespace,
    ) {
        let mut places: HashMap<&str, (Piece<'a>, &DeclaredService)> = HashMap::new();
        let mut owners = Owners::default();
        for &piece in pieces {
            for declared in &piece.1.services {
                if let Some(((file, _), first)) = places.get(&*declared.name) {
                    let text = format!(
                        "service {} is declared twice, first at {}:{}:{}; allowed is once",
                        Shown(&declared.name),
                        file.display(),
                        first.at.line,
                        first.at.column
                    );
                    self.fault_at(piece.0, declared.at, piece.1.service_path(declared, "name"), text);
                    continue;
                }
                places.insert(&declared.name, (piece, declared));
                let mut found: Vec<(Part<'a>, String)> = Vec::new();
                if let Some(kind) = kind {
                    let tied = validate::service_in_namespace(kind, name, &declared.name, &declared.service);
                    found.extend(tied.into_iter().map(|(part, violation)| (part, violation.to_string())));
                }
                if kind.is_some_and(|kind| kind != NamespaceType::Http) {
                    found.extend(
                        owners
                            .take_all(&declared.name, &declared.service)
                            .map(|(part, taken, violation)| (part, first_at(&places, taken, &violation))),
                    );
                }
                self.service_faults(piece, declared, found);
                let service = Service { source: Some(Arc::clone(piece.0)), ..declared.service.clone() };
                namespace.services.insert(declared.name.clone(), service);
            }
        }
    }

    /// Notes faults of a service at the places of its parts.
    fn service_faults(&mut self, piece: Piece<'_>, declared: &DeclaredService, found: Vec<(Part<'_>, String)>) {
        if found.is_empty() {
            return;
        }
        let places: HashMap<&str, (Position, usize)> =
            declared.service.instances.ids().zip(declared.instances.iter().copied()).collect();
        let (file, namespace) = piece;
        for (part, message) in found {
            let (at, path) = match part {
                Part::Name => (declared.at, namespace.service_path(declared, "name")),
                Part::DnsRecords => (declared.records_at, namespace.service_path(declared, "dns_records")),
                Part::Instance(id) => {
                    let (at, index) = places.get(id).copied().unwrap_or((declared.at, 0));
                    (at, namespace.instance_path(declared, index))
                }
            };
            self.fault_at(file, at, path, message);
        }
    }
}

/// A clash of owner names with the place of the one that was first.
fn first_at(
    places: &HashMap<&str, (Piece<'_>, &DeclaredService)>,
    taken: validate::Owner<'_>,
    violation: &Violation,
) -> String {
    let Some(((file, _), first)) = places.get(taken.service) else {
        return violation.to_string();
    };
    let instance = taken.instance.and_then(|id| first.service.instances.ids().position(|known| known == id));
    let at = instance.and_then(|index| first.instances.get(index)).map_or(first.at, |(at, _)| *at);
    format!("{violation} (the other is at {}:{}:{})", file.display(), at.line, at.column)
}
