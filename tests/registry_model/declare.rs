//! Declarations beside what the API made, and starts from the store.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use fingerpost::model::{self, HealthStatus, NamespaceId, OperationId, ServiceId, State, validate};
use fingerpost::registry::Command;

use super::World;
use super::ops::{DeclaredNamespace, DeclaredService, Pairs};
use super::reference::{Class, Expected, Instance, Namespace, Owner, Reference, Service};
use super::steps::{attributes, dns_records, health_check, policy};

/// The file that declares everything.
pub(crate) const FILE: &str = "declared.yaml";

impl World {
    /// Declares, where a file channel could send this.
    pub(crate) fn declare(&mut self, declared: &[DeclaredNamespace]) {
        let Some(state) = state(declared) else { return };
        let after = self.reference.declared(declared);
        let expected = after.as_ref().map(|_| Expected::Done).map_err(|class| *class);
        if self.send(Command::Declare(state), expected).is_some()
            && let Ok(after) = after
        {
            self.reference = after;
            self.declared = declared.to_vec();
            self.moves = true;
        }
    }

    /// Starts anew from the store, then declares what was declared, or nothing, as the server does.
    pub(crate) fn restart(&mut self, declares: bool) {
        let before = self.revision();
        self.open();
        assert!(self.revision() >= before, "the revision went from {before} back to {}", self.revision());
        self.reference.forget_declared();
        self.check_entries(true);
        let declared = if declares { self.declared.clone() } else { Vec::new() };
        self.declare(&declared);
        assert_eq!(self.declared, declared, "what was accepted before is accepted again");
    }
}

/// The state of a declaration; `None` where it breaks a rule that the file channel looks after.
fn state(declared: &[DeclaredNamespace]) -> Option<State> {
    let file: Arc<Path> = Path::new(FILE).into();
    let service = |service: &DeclaredService| {
        let instances = service.instances.iter().map(|(id, pairs)| {
            let pairs = pairs.iter().map(|(key, value)| (&**key, &**value));
            model::Instance::new(id, None, pairs)
        });
        let after = model::Service {
            routing_policy: policy(&service.records),
            dns_records: dns_records(&service.records),
            health_check: health_check(service.check),
            attributes: attributes(&limit(service)),
            source: Some(Arc::clone(&file)),
            instances: instances.collect(),
            ..model::Service::default()
        };
        (service.name.into(), after)
    };
    let namespace = |namespace: &DeclaredNamespace| {
        let after = model::Namespace {
            namespace_type: namespace.kind,
            vpc: namespace.vpc.map(Box::from),
            soa_ttl: namespace.soa_ttl,
            source: Some(Arc::clone(&file)),
            services: namespace.services.iter().map(service).collect(),
            ..model::Namespace::default()
        };
        (namespace.name.into(), after)
    };
    let state = State { namespaces: declared.iter().map(namespace).collect(), ..State::default() };
    let is_alone = Reference::default().declared(declared).is_ok();
    (is_alone && validate::state(&state).is_empty()).then_some(state)
}

fn limit(service: &DeclaredService) -> Pairs {
    service.limit.map(|limit| ("FINGERPOST_LIMIT".to_owned(), limit.to_owned())).into_iter().collect()
}

/// The id that a declared namespace always has.
fn namespace_id(namespace: &DeclaredNamespace) -> NamespaceId {
    NamespaceId::of_name(&[namespace.name, namespace.vpc.unwrap_or_default()])
}

/// The id that a declared service always has.
fn service_id(namespace: &DeclaredNamespace, name: &str) -> ServiceId {
    let is_http = namespace.kind == model::NamespaceType::Http;
    let key = if is_http { name.to_owned() } else { name.to_ascii_lowercase() };
    ServiceId::of_name(&[&namespace_id(namespace).to_string(), &key])
}

impl Reference {
    /// What is there after a start from the store, before anything is declared.
    fn forget_declared(&mut self) {
        let ids: Vec<_> = self.services.keys().copied().collect();
        ids.into_iter().for_each(|id| self.undeclare(id, true));
        let kept: Vec<_> = self.services.values().map(|one| one.namespace).collect();
        self.namespaces.retain(|id, one| one.owner != Owner::File || kept.contains(id));
        self.namespaces.values_mut().filter(|one| one.owner == Owner::File).for_each(|one| one.owner = Owner::Kept);
    }

    /// Takes from a service what is declared, and the service too where nothing is left of it. One that was kept and
    /// has nothing stays where `keeps`.
    fn undeclare(&mut self, id: ServiceId, keeps: bool) {
        let Some(service) = self.services.get_mut(&id).filter(|service| service.owner != Owner::Api) else { return };
        service.instances.retain(|_, instance| !instance.declared);
        if service.instances.is_empty() && !(keeps && service.owner == Owner::Kept) {
            self.services.remove(&id);
        } else {
            service.owner = Owner::Kept;
        }
    }

    /// All of it with `declared` in place of what was declared before.
    fn declared(&self, declared: &[DeclaredNamespace]) -> Result<Self, Class> {
        let mut after = self.clone();
        let ids: Vec<_> = declared.iter().map(namespace_id).collect();
        let services: Vec<_> = declared
            .iter()
            .flat_map(|one| one.services.iter().map(move |service| service_id(one, service.name)))
            .collect();
        let gone: Vec<_> = self.services.keys().copied().filter(|id| !services.contains(id)).collect();
        gone.into_iter().for_each(|id| after.undeclare(id, false));
        for id in self.namespaces.values().filter(|one| one.owner != Owner::Api).map(|one| one.id) {
            if ids.contains(&id) {
            } else if after.services_of(id).next().is_none() {
                after.namespaces.remove(&id);
            } else {
                after.namespaces.entry(id).and_modify(|one| one.owner = Owner::Kept);
            }
        }
        for one in declared {
            after.declare_namespace(one)?;
            for service in &one.services {
                after.declare_service(one, service)?;
            }
        }
        if after.is_sound() { Ok(after) } else { Err(Class::Invalid) }
    }

    fn declare_namespace(&mut self, declared: &DeclaredNamespace) -> Result<(), Class> {
        let id = namespace_id(declared);
        let is_http = declared.kind == model::NamespaceType::Http;
        let others = || self.namespaces.values().filter(|one| one.id != id && one.owner == Owner::Api);
        // A name under which the API made something else is its own.
        if is_http && others().any(|one| one.http_name == declared.name) {
            return Err(Class::Invalid);
        }
        let before = self.namespaces.get(&id);
        if let Some(before) = before
            && before.has_zone() == is_http
            && self
                .services_of(id)
                .any(|one| one.owner == Owner::Api || one.instances.values().any(|one| !one.declared))
        {
            return Err(Class::Invalid);
        }
        // Records of somebody's zone stand there.
        let cuts = |zone: &str, owner: &str| {
            let is_declared = self.namespaces.values().any(|one| one.apex() == zone && one.owner == Owner::File);
            super::reference::is_at_or_below(owner, declared.name)
                && super::reference::is_at_or_below(declared.name, zone)
                && zone != declared.name
                && !is_declared
        };
        let owners = self.owners();
        let mut producers = owners.iter().flat_map(|(owner, all)| all.iter().map(move |(zone, _)| (zone, owner)));
        if !is_http && producers.any(|(zone, owner)| cuts(zone, owner)) {
            return Err(Class::Invalid);
        }
        let after = Namespace {
            id,
            name: declared.name.into(),
            http_name: String::new(),
            kind: declared.kind,
            vpc: declared.vpc.map(String::from),
            soa_ttl: (!is_http).then_some(declared.soa_ttl),
            description: None,
            tags: Pairs::new(),
            token: None,
            operation: OperationId::default(),
            updater: None,
            owner: Owner::File,
        };
        self.namespaces.insert(id, after);
        Ok(())
    }

    fn declare_service(&mut self, namespace: &DeclaredNamespace, declared: &DeclaredService) -> Result<(), Class> {
        let id = service_id(namespace, declared.name);
        let owner = namespace_id(namespace);
        if self.namespace_named(owner, declared.name).is_some_and(|other| other.id != id) {
            return Err(Class::Invalid);
        }
        let mut before = self.services.remove(&id);
        let revision = before.as_ref().map_or(0, |one| one.revision);
        let check = before.as_ref().map(|one| one.check);
        if let Some(before) = &mut before {
            before.set_check(declared.check);
        }
        let before = before.map(|one| one.instances).unwrap_or_default();
        let mut instances: BTreeMap<_, _> = before.clone();
        instances.retain(|_, one| !one.declared);
        for (instance, pairs) in &declared.instances {
            if instances.contains_key(*instance) {
                return Err(Class::Invalid);
            }
            // What is known of its health stays, unless it is another.
            let same = before.get(*instance).filter(|one| one.attributes == *pairs && check == Some(declared.check));
            let health = same.map_or(HealthStatus::Unknown, |one| one.health);
            let (attributes, operation) = (pairs.clone(), OperationId::default());
            let instance = (*instance).to_owned();
            instances.insert(instance, Instance { attributes, token: None, operation, health, declared: true });
        }
        let attributes = |all: &BTreeMap<String, Instance>| -> Vec<_> {
            all.iter().map(|(id, one)| (id.clone(), one.attributes.clone())).collect()
        };
        let moved = attributes(&before) != attributes(&instances);
        let service = Service {
            id,
            namespace: owner,
            name: declared.name.into(),
            records: declared.records.clone(),
            check: declared.check,
            description: None,
            tags: Pairs::new(),
            attributes: limit(declared),
            token: None,
            owner: Owner::File,
            revision: revision + u64::from(moved),
            instances,
        };
        self.services.insert(id, service);
        Ok(())
    }
}
