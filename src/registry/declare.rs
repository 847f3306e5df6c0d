//! What files declare, beside what the API made.
//!
//! A declared namespace or service is the file's: nobody else changes it. The API may put services and instances into
//! it, which are the API's own and outlive the declaration: what a file no longer declares stays, as
//! [`Owner::Kept`], for as long as something of the API's is in it. The ids of what is declared are made of names, so
//! that they are the same after every start.

use std::collections::{BTreeMap, HashSet};
use std::path::Path;
use std::sync::Arc;

use super::command::{Outcome, Refusal};
use super::draft::Draft;
use super::entry::{NamespaceEntry, Owner, ServiceEntry};
use crate::model::{
    HealthCheck, Instance, Instances, Namespace, NamespaceId, NamespaceType, OperationId, RecordType, Service,
    ServiceId, State,
};
use crate::wire::Name;

impl Draft<'_> {
    /// Puts `state` in the place of everything that is declared.
    pub(super) fn declare(&mut self, state: State) -> Result<Outcome, Refusal> {
        let State { namespaces, zones } = state;
        if zones != self.catalog.zones {
            self.zones = Some(zones);
        }
        let mut declared = HashSet::new();
        for (name, namespace) in namespaces {
            let id = self.declare_namespace(&name, &namespace)?;
            declared.insert(id);
            self.declare_services(id, namespace)?;
        }
        let gone = |entry: &&Arc<NamespaceEntry>| entry.owner != Owner::Api && !declared.contains(&entry.id);
        let gone: Vec<_> = self.catalog.namespaces.values().filter(gone).map(|entry| entry.id).collect();
        for id in gone {
            self.undeclare_services(id, &HashSet::new());
            if self.services_of(id).is_empty() {
                self.remove_namespace(id);
            } else if let Some(entry) = self.edit_namespace(id) {
                entry.owner = Owner::Kept;
            }
        }
        Ok(Outcome::Done)
    }

    /// Puts a declared namespace.
    fn declare_namespace(&mut self, name: &str, declared: &Namespace) -> Result<NamespaceId, Refusal> {
        let kind = declared.namespace_type;
        let file: Arc<Path> = declared.source.clone().unwrap_or_else(|| Path::new("").into());
        let of_name = || NamespaceId::of_name(&[name, declared.vpc.as_deref().unwrap_or_default()]);
        let id = declared.id.unwrap_or_else(of_name);
        let view = self
            .settings
            .view(kind, declared.vpc.as_deref())
            .map_err(|refusal| Refusal::Invalid(format!("{}: namespace {name}: {refusal}", file.display())))?;
        let taken = |draft: &Self, other: NamespaceId| {
            let other = draft.namespace(other)?;
            // What was declared before may be on its way out; what the API made is not.
            (other.id != id && other.owner == Owner::Api).then(|| {
                Refusal::Invalid(format!(
                    "{}: namespace {name} conflicts with {} ({}), which was made through the API; delete it there, or do not \
                     declare this one",
                    file.display(),
                    other.name,
                    other.id
                ))
            })
        };
        let clash = if kind == NamespaceType::Http {
            self.discovered(name).and_then(|other| taken(self, other))
        } else {
            let fault = |fault| Refusal::Name { namespace: name.into(), fault };
            let apex = Name::parse(name).map_err(fault)?;
            // The zone itself, or the one in which a name of the API's stands there.
            let node = self.tables.get(view).and_then(|table| table.find_name(&apex));
            let zone = node.and_then(|node| Some(Name::from_lower(node.name().get(node.apex_offset()..)?)));
            self.namespace_at(view, zone.as_ref().unwrap_or(&apex)).and_then(|other| taken(self, other))
        };
        if let Some(clash) = clash {
            return Err(clash);
        }
        let before = self.namespace(id);
        if let Some(before) = before.filter(|before| before.owner == Owner::Api || *before.name != *name) {
            return Err(Refusal::Invalid(format!(
                "{}: namespace {name} has the id of namespace {}: {id}; allowed are ids that nothing else has",
                file.display(),
                before.name
            )));
        }
        let http_name = before.map_or_else(|| self.free_http_name(name, id), |before| before.http_name.clone());
        let entry = NamespaceEntry {
            id,
            name: name.into(),
            http_name,
            namespace_type: kind,
            vpc: declared.vpc.clone(),
            soa_ttl: Some(declared.soa_ttl).filter(|_| kind != NamespaceType::Http),
            description: declared.description.clone(),
            tags: declared.tags.clone(),
            creator_request_id: None,
            created: before.map_or(self.now, |before| before.created),
            operation: OperationId::default(),
            updater: None,
            owner: Owner::File(file),
        };
        if before != Some(&entry) {
            if before.is_some() {
                // It may have changed its type, and with it the names under which it is found.
                self.remove_namespace(id);
            }
            self.put_namespace(entry);
        }
        Ok(id)
    }

    /// Puts the declared services of a namespace, and takes those away that are declared no more.
    fn declare_services(&mut self, namespace: NamespaceId, declared: Namespace) -> Result<(), Refusal> {
        let mut ids = HashSet::new();
        for (name, service) in declared.services {
            ids.insert(self.declare_service(namespace, &name, service)?);
        }
        self.undeclare_services(namespace, &ids);
        Ok(())
    }

    /// Puts a declared service. Instances that the API registered in it stay.
    fn declare_service(
        &mut self,
        namespace: NamespaceId,
        name: &str,
        mut service: Service,
    ) -> Result<ServiceId, Refusal> {
        let file: Arc<Path> = service.source.clone().unwrap_or_else(|| Path::new("").into());
        let Some(owner) = self.namespace(namespace) else { return Err(Refusal::NoNamespace(namespace.to_string())) };
        let key = owner.service_key(name);
        let id = service.id.unwrap_or_else(|| ServiceId::of_name(&[&namespace.to_string(), &key]));
        if let Some(other) = self.service_named(namespace, &key).filter(|other| *other != id) {
            return Err(Refusal::Invalid(format!(
                "{}: service {name} was made through the API already ({other}); delete it there, or do not declare it",
                file.display()
            )));
        }
        let known = self.service(id).map(|before| (&before.service.health_check, &before.service.instances));
        // What a probe has found stays found.
        let known = known.filter(|(check, _)| **check == service.health_check);
        let known = known.filter(|(check, _)| matches!(check, HealthCheck::Probe(_))).map(|(_, instances)| instances);
        let with_status = |one: &Instance| {
            let before = known.and_then(|known| known.get(one.id()));
            let before = before.filter(|before| before.attributes() == one.attributes());
            before.map_or_else(|| one.clone(), |before| one.clone().with_status(before.status))
        };
        service.instances = service.instances.iter().map(|one| declared(&with_status(one))).collect();
        if let Some(before) = self.service(id) {
            let is_other = before.owner == Owner::Api
                || before.namespace != namespace
                || owner.service_key(&before.name) != key && self.services.contains_key(&id);
            if is_other {
                return Err(Refusal::Invalid(format!(
                    "{}: service {name} has the id of service {}: {id}; allowed are ids that nothing else has",
                    file.display(),
                    before.name
                )));
            }
            if owner.service_key(&before.name) != key {
                // It is called otherwise now.
                self.remove_service(id);
            }
        }
        let before = self.service(id);
        if let Some(before) = before {
            service.instances = joined(&before.service.instances, &service.instances).map_err(|instance| {
                Refusal::Invalid(format!(
                    "{}: instance {instance} of service {name} was registered through the API already; deregister it \
                     there, or do not declare it",
                    file.display()
                ))
            })?;
        }
        let is_same = before.is_some_and(|before| {
            before.service == service && before.owner == Owner::File(Arc::clone(&file)) && *before.name == *name
        });
        if is_same {
            return Ok(id);
        }
        let moved = before.is_none_or(|before| before.service.instances != service.instances);
        let revision = before.map_or(0, |before| before.instances_revision);
        let entry = ServiceEntry {
            id,
            namespace,
            name: name.into(),
            creator_request_id: None,
            created: before.map_or(self.now, |before| before.created),
            // Nothing durable counts it: the registry's revision goes only up, so this does, too.
            instances_revision: if moved { (revision + 1).max(self.catalog.revision + 1) } else { revision },
            owner: Owner::File(Arc::clone(&file)),
            service,
        };
        if let Some(clash) = self.clash(namespace, &entry) {
            return Err(Refusal::Invalid(format!("{}: {clash}", file.display())));
        }
        self.put_service(entry);
        Ok(id)
    }

    /// Which owner name of a declared service is that of something the API made. What the files declare has been held
    /// against itself.
    fn clash(&self, namespace: NamespaceId, declared: &ServiceEntry) -> Option<String> {
        let key = declared.name.to_ascii_lowercase();
        // `i.s` is also instance i of service s.
        for (dot, _) in key.match_indices('.') {
            let (instance, service) = (key.get(..dot)?, key.get(dot + 1..)?);
            let Some(other) = self.service_named(namespace, service).and_then(|id| self.service(id)) else { continue };
            let mut registered = other.service.instances.iter().filter(|one| !one.declared);
            if other.service.ttl(RecordType::Srv).is_some()
                && registered.any(|one| one.id().eq_ignore_ascii_case(instance))
            {
                return Some(format!(
                    "service {} has the DNS name of instance {instance} of service {}, which was registered through the \
                     API; deregister it there, or call the service otherwise",
                    declared.name, other.name
                ));
            }
        }
        let targets = declared.service.instances.iter().filter(|one| one.declared);
        let targets = targets.filter(|_| declared.service.ttl(RecordType::Srv).is_some());
        for instance in targets.filter(|_| self.catalog.names.contains_key(&namespace)) {
            let name = match &*key {
                "." => instance.id().to_ascii_lowercase(),
                key => format!("{}.{key}", instance.id().to_ascii_lowercase()),
            };
            let other = self.service_named(namespace, &name).and_then(|id| self.service(id));
            if let Some(other) = other.filter(|other| other.owner == Owner::Api) {
                return Some(format!(
                    "instance {} of service {} has the DNS name of service {}, which was made through the API; delete \
                     it there, or call the instance otherwise",
                    instance.id(),
                    declared.name,
                    other.name
                ));
            }
        }
        None
    }

    /// Takes away the services of a namespace that were declared and are not in `declared`, but for what the API
    /// registered in them.
    fn undeclare_services(&mut self, namespace: NamespaceId, declared: &HashSet<ServiceId>) {
        for id in self.services_of(namespace) {
            let Some(entry) = self.service(id) else { continue };
            if entry.owner == Owner::Api || declared.contains(&id) {
                continue;
            }
            let kept: Instances =
                entry.service.instances.iter().filter(|one| !one.declared).map(|one| (**one).clone()).collect();
            if kept.is_empty() {
                self.remove_service(id);
                continue;
            }
            let gone = entry.service.instances.len() - kept.len();
            if (entry.owner != Owner::Kept || gone > 0)
                && let Some(entry) = self.edit_service(id)
            {
                entry.owner = Owner::Kept;
                entry.service.source = None;
                entry.instances_revision += u64::from(gone > 0);
                entry.service.instances = kept;
            }
        }
    }
}

/// The instance, known to be declared.
fn declared(instance: &Instance) -> Instance {
    let mut instance = instance.clone();
    instance.declared = true;
    instance
}

/// The declared instances and those of `before` that the API registered; the id of one that is both is an error. What
/// did not change is shared with `before`.
fn joined(before: &Instances, declared: &Instances) -> Result<Instances, String> {
    let mut all = Instances::default();
    let mut api: BTreeMap<&str, _> =
        before.iter().filter(|one| !one.declared).map(|one| (one.id(), Arc::clone(one))).collect();
    if let Some(id) = declared.ids().find(|id| api.contains_key(id)) {
        return Err(id.to_owned());
    }
    let mut merged: Vec<_> = declared
        .iter()
        .map(|new| match before.get(new.id()) {
            Some(old) if **old == **new => Arc::clone(old),
            _ => Arc::clone(new),
        })
        .collect();
    merged.extend(std::mem::take(&mut api).into_values());
    merged.sort_unstable_by(|a, b| a.id().cmp(b.id()));
    for instance in merged {
        all.insert(instance);
    }
    Ok(all)
}
