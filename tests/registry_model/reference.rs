//! What the registry should hold: plain maps, and the rules of Cloud Map written a second time.
//!
//! Namespaces and services have numbers here; what the registry calls them is remembered beside. Names of DNS are
//! lower-case text. There is one view.

use std::collections::BTreeMap;

use fingerpost::model::{HealthStatus, NamespaceId, NamespaceType, OperationId, RecordType, ServiceId};

use super::ops::{Check, Pairs, Records};

/// To whom something belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Owner {
    Api,
    File,
    Kept,
}

#[derive(Clone, Debug)]
pub(crate) struct Namespace {
    pub(crate) id: NamespaceId,
    pub(crate) name: String,
    /// Under which it is discovered; the registry chooses it where the name is taken.
    pub(crate) http_name: String,
    pub(crate) kind: NamespaceType,
    pub(crate) vpc: Option<String>,
    pub(crate) soa_ttl: Option<u32>,
    pub(crate) description: Option<String>,
    pub(crate) tags: Pairs,
    pub(crate) token: Option<String>,
    pub(crate) operation: OperationId,
    pub(crate) updater: Option<(String, OperationId)>,
    pub(crate) owner: Owner,
}

#[derive(Clone, Debug)]
pub(crate) struct Service {
    pub(crate) id: ServiceId,
    pub(crate) namespace: NamespaceId,
    pub(crate) name: String,
    pub(crate) records: Records,
    pub(crate) check: Check,
    pub(crate) description: Option<String>,
    pub(crate) tags: Pairs,
    pub(crate) attributes: Pairs,
    pub(crate) token: Option<String>,
    pub(crate) owner: Owner,
    /// What the instances revision is at least; exactly that for what only the API touches.
    pub(crate) revision: u64,
    pub(crate) instances: BTreeMap<String, Instance>,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Instance {
    pub(crate) attributes: Pairs,
    pub(crate) token: Option<String>,
    pub(crate) operation: OperationId,
    pub(crate) health: HealthStatus,
    pub(crate) declared: bool,
}

/// Producers by owner name, each with the apex of the zone in which it belongs.
pub(crate) type Owners<'r> = BTreeMap<String, Vec<(String, Producer<'r>)>>;

/// All of it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Reference {
    pub(crate) namespaces: BTreeMap<NamespaceId, Namespace>,
    pub(crate) services: BTreeMap<ServiceId, Service>,
}

/// Why a command is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Class {
    Invalid,
    Declared,
    NoNamespace,
    NoService,
    NoInstance,
    NoCustomHealth,
    NoResource,
    NamespaceExists,
    ServiceExists,
    InUse,
    TooManyTags,
    TooManyAttributes,
}

/// What comes of a command that is accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Expected {
    /// It is done.
    Done,
    /// A new operation, which succeeds.
    Operation,
    /// A new operation, which fails.
    Failure,
    /// The operation of the same request before.
    Replay(OperationId),
    /// A new service.
    Service,
    /// The service of the same request before.
    Same(ServiceId),
}

/// What produces an owner name.
#[derive(Clone, Copy)]
pub(crate) enum Producer<'r> {
    Service(&'r Service),
    Instance(&'r Service, &'r Instance),
}

impl Namespace {
    pub(crate) fn has_zone(&self) -> bool {
        self.kind != NamespaceType::Http
    }

    pub(crate) fn apex(&self) -> String {
        self.name.to_ascii_lowercase()
    }

    /// Whether two names of services are one.
    pub(crate) fn is_same_name(&self, a: &str, b: &str) -> bool {
        if self.has_zone() { a.eq_ignore_ascii_case(b) } else { a == b }
    }
}

impl Service {
    pub(crate) fn ttl(&self, wanted: RecordType) -> Option<u32> {
        self.records.types.iter().find(|(one, _)| *one == wanted).map(|(_, ttl)| *ttl)
    }

    /// The health of an instance that has just come.
    pub(crate) fn initial_health(&self, attributes: &Pairs) -> HealthStatus {
        match (self.check, get(attributes, "AWS_INIT_HEALTH_STATUS")) {
            (Check::Custom, Some("UNHEALTHY")) => HealthStatus::Unhealthy,
            (Check::Custom, _) => HealthStatus::Healthy,
            _ => HealthStatus::Unknown,
        }
    }

    /// Whether an instance has what the records and the check need.
    pub(crate) fn takes(&self, attributes: &Pairs) -> bool {
        let has = |key: &str| get(attributes, key).is_some();
        let (v4, v6) = (has("AWS_INSTANCE_IPV4"), has("AWS_INSTANCE_IPV6"));
        let wants = |record_type| self.ttl(record_type).is_some();
        let addresses = match (wants(RecordType::A), wants(RecordType::Aaaa), wants(RecordType::Srv)) {
            (true, false, _) => v4,
            (false, true, _) => v6,
            (true, true, _) | (false, false, true) => v4 || v6,
            (false, false, false) => true,
        };
        let needs_port = wants(RecordType::Srv) || self.check == Check::Probe;
        addresses
            && (!needs_port || has("AWS_INSTANCE_PORT"))
            && (!wants(RecordType::Cname) || has("AWS_INSTANCE_CNAME"))
    }
}

impl Reference {
    pub(crate) fn namespace_named(&self, namespace: NamespaceId, name: &str) -> Option<&Service> {
        let owner = self.namespaces.get(&namespace)?;
        self.services.values().find(|one| one.namespace == namespace && owner.is_same_name(&one.name, name))
    }

    pub(crate) fn services_of(&self, namespace: NamespaceId) -> impl Iterator<Item = &Service> {
        self.services.values().filter(move |one| one.namespace == namespace)
    }

    /// Every owner name with its producers, and the apex of the zone in which it belongs.
    pub(crate) fn owners(&self) -> Owners<'_> {
        let mut all = Owners::new();
        for service in self.services.values().filter(|one| !one.records.types.is_empty()) {
            let namespace = &self.namespaces[&service.namespace];
            if !namespace.has_zone() {
                continue;
            }
            let owner = below(&service.name, &namespace.apex());
            all.entry(owner.clone()).or_default().push((namespace.apex(), Producer::Service(service)));
            if service.ttl(RecordType::Srv).is_some() {
                for (id, instance) in &service.instances {
                    let place = all.entry(below(id, &owner)).or_default();
                    place.push((namespace.apex(), Producer::Instance(service, instance)));
                }
            }
        }
        all
    }

    /// All apexes, once for each namespace.
    pub(crate) fn apexes(&self) -> Vec<String> {
        self.namespaces.values().filter(|one| one.has_zone()).map(Namespace::apex).collect()
    }

    /// The apex of the zone in which `name` lies.
    pub(crate) fn zone_of(&self, name: &str) -> Option<String> {
        self.apexes().into_iter().filter(|apex| is_at_or_below(name, apex)).max_by_key(String::len)
    }

    /// Whether every owner name is one and has one producer, in whose zone it lies, and every zone one namespace.
    pub(crate) fn is_sound(&self) -> bool {
        let mut apexes = self.apexes();
        apexes.sort_unstable();
        let count = apexes.len();
        apexes.dedup();
        let is_alone = |(owner, producers): (&String, &Vec<(String, Producer<'_>)>)| {
            let is_name = owner.split('.').all(|label| !label.is_empty());
            is_name && producers.len() == 1 && self.zone_of(owner).as_ref() == Some(&producers[0].0)
        };
        apexes.len() == count && self.owners().iter().all(is_alone)
    }
}

/// The value of a key.
pub(crate) fn get<'p>(pairs: &'p Pairs, key: &str) -> Option<&'p str> {
    pairs.iter().find(|(known, _)| known == key).map(|(_, value)| &**value)
}

/// Puts pairs; a known key keeps its place.
pub(crate) fn merge(before: &Pairs, put: &Pairs) -> Pairs {
    let mut all = before.clone();
    for (key, value) in put {
        match all.iter().position(|(known, _)| known == key) {
            Some(at) => all[at].1.clone_from(value),
            None => all.push((key.clone(), value.clone())),
        }
    }
    all
}

/// `name` below `parent`; the parent itself for `.`.
pub(crate) fn below(name: &str, parent: &str) -> String {
    if name == "." { parent.to_owned() } else { format!("{name}.{parent}").to_ascii_lowercase() }
}

pub(crate) fn is_at_or_below(name: &str, parent: &str) -> bool {
    name == parent || name.strip_suffix(parent).is_some_and(|rest| rest.ends_with('.'))
}
