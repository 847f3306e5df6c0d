//! What files declare, beside what the API made.
//!
//! A declared namespace or service is the file's: nobody else changes it. The API may put services and instances into
//! it, which are the API's own and outlive the declaration: what a file no longer declares stays, as
//! [`Owner::Kept`], for as long as something of the API's is in it. The ids of what is declared are made of names, so
//! that they are the same after every start.

use std::collections::HashSet;
use std::path::Path;
use std::sync::Arc;

use super::command::{Outcome, Refusal};
use super::draft::Draft;
use super::entry::{NamespaceEntry, Owner, ServiceEntry, service_key};
use super::namespaces::{is_at_or_below, is_below};
use crate::model::{
    HealthCheck, Instance, Instances, Namespace, NamespaceId, NamespaceType, OperationId, RecordType, Service,
    ServiceId, State,
};
use crate::wire::Name;

impl Draft<'_> {
    /// Puts `state` in the place of everything that is declared.
    pub(super) fn declare(&mut self, state: State) -> Result<Outcome, Refusal> {
        let State { namespaces, zones } = state;
        self.declares = true;
        if zones != self.catalog.zones {
            self.zones = Some(zones);
        }
        let declared: HashSet<_> = namespaces.iter().map(|(name, namespace)| id_of(name, namespace)).collect();
        // What goes, goes first: something else may take over its names.
        let gone = |entry: &&Arc<NamespaceEntry>| entry.owner != Owner::Api && !declared.contains(&entry.id);
        let gone: Vec<_> = self.catalog.namespaces.values().filter(gone).map(|entry| entry.id).collect();
        for id in gone {
            self.undeclare_services(id, &HashSet::new());
            if self.services_of(id).is_empty() {
                self.remove_namespace(id);
            } else if self.namespace(id).is_some_and(|entry| entry.owner != Owner::Kept)
                && let Some(entry) = self.edit_namespace(id)
            {
                entry.owner = Owner::Kept;
            }
        }
        // So do the services that are declared no more in namespaces that stay.
        let services: Vec<_> = namespaces.iter().map(|(name, one)| service_ids(id_of(name, one), one)).collect();
        for ((name, namespace), ids) in namespaces.iter().zip(&services) {
            self.undeclare_services(id_of(name, namespace), &ids.iter().copied().collect());
        }
        for ((name, namespace), ids) in namespaces.into_iter().zip(services) {
            let owner = self.declare_namespace(&name, &namespace)?;
            for ((name, service), id) in namespace.services.into_iter().zip(ids) {
                self.declare_service(owner, id, &name, service)?;
            }
        }
        self.zone_clash().map_or(Ok(Outcome::Done), |clash| Err(Refusal::Invalid(clash)))
    }

    /// Which static zone that comes or changes would meet what the API made: a namespace of its name, records at or
    /// below a namespace's name, or a zone where a namespace's names stand.
    fn zone_clash(&self) -> Option<String> {
        if !self.catalog.namespaces.values().any(|entry| entry.owner == Owner::Api && entry.namespace_type.has_zone()) {
            return None;
        }
        let changed = self.zones.iter().flatten().filter(|(apex, new)| self.catalog.zones.get(*apex) != Some(*new));
        for (apex, source) in changed {
            let is_shared = |view: &usize| {
                let entry = self.namespace_at(*view, apex).and_then(|id| self.namespace(id));
                entry.is_some_and(|entry| entry.owner != Owner::Api)
            };
            let view = (0..self.tables.len()).find(is_shared).unwrap_or(0);
            for (other, id) in self.apexes(view) {
                let Some(entry) = self.namespace(id).filter(|entry| entry.owner == Owner::Api) else { continue };
                let records_there = || {
                    let mut owners = source.zone.iter().flat_map(|zone| zone.owners());
                    owners.any(|owner| is_at_or_below(owner.name(), other))
                };
                if other == apex
                    || is_below(other, apex) && records_there()
                    || is_below(apex, other) && self.stands_at(id, apex)
                {
                    return Some(format!(
                        "zone {apex} conflicts with namespace {} ({id}), which was made through the API; delete it \
                         there, or leave out the zone, or its records at and below that name",
                        entry.name
                    ));
                }
            }
        }
        None
    }

    /// Puts a declared namespace.
    fn declare_namespace(&mut self, name: &str, declared: &Namespace) -> Result<NamespaceId, Refusal> {
        let kind = declared.namespace_type;
        let file: Arc<Path> = declared.source.clone().unwrap_or_else(|| Path::new("").into());
        let id = id_of(name, declared);
        let view = self
            .settings
            .view(kind, declared.vpc.as_deref())
            .map_err(|refusal| Refusal::Invalid(format!("{}: namespace {name}: {refusal}", file.display())))?;
        let taken = |draft: &Self, other: NamespaceId, stands: bool| {
            let other = draft.namespace(other).filter(|other| other.id != id)?;
            let why = match other.owner {
                Owner::Api => "was made through the API",
                Owner::Kept => "was declared before and holds what the API made",
                Owner::File(_) if stands => "holds what the API made there",
                // It is declared as well, which the file channel has looked after.
                Owner::File(_) => return None,
            };
            Some(Refusal::Invalid(format!(
                "{}: namespace {name} conflicts with {} ({}), which {why}; delete it there, or do not declare this one",
                file.display(),
                other.name,
                other.id
            )))
        };
        let clash = if kind == NamespaceType::Http {
            let other =
                self.discovered(name).filter(|id| self.namespace(*id).is_some_and(|one| one.owner == Owner::Api));
            other.and_then(|other| taken(self, other, false))
        } else {
            let fault = |fault| Refusal::Name { namespace: name.into(), fault };
            let apex = Name::parse(name).map_err(fault)?;
            // The zone itself, or the one in which a name of the API's stands there.
            let zone = self.tables.get(view).and_then(|table| table.apex_at(&apex));
            let other = self.namespace_at(view, zone.as_ref().unwrap_or(&apex));
            // What only the table still has goes with this declaration.
            let stands = other.is_some_and(|other| self.stands_at(other, &apex));
            let other = other.filter(|other| stands || self.namespace_at(view, &apex) == Some(*other));
            other.and_then(|other| taken(self, other, stands))
        };
        if let Some(clash) = clash {
            return Err(clash);
        }
        let changes_type = |before: &NamespaceEntry| before.namespace_type.has_zone() != kind.has_zone();
        if self.namespace(id).is_some_and(changes_type) {
            if self.holds_others(id) {
                return Err(Refusal::Invalid(format!(
                    "{}: namespace {name} was of another type and holds what the API made; delete that first, or leave \
                     the type as it was",
                    file.display()
                )));
            }
            // Their names have other keys from now on.
            self.undeclare_services(id, &HashSet::new());
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

    /// Whether something in the zone of a namespace that the API made has its name at `apex` or below.
    fn stands_at(&self, namespace: NamespaceId, apex: &Name) -> bool {
        let Some((_, zone)) = self.namespace(namespace).and_then(|entry| self.settings.zone(entry)) else {
            return false;
        };
        let at = |name: &Name| is_at_or_below(name.as_wire(), apex);
        let services = self.services_of(namespace).into_iter().filter_map(|id| self.service(id));
        services.filter(|entry| !entry.service.dns_records.is_empty()).any(|entry| {
            let Ok(owner) = zone.child(&entry.name) else { return false };
            let mut targets = entry.service.instances.iter().filter(|one| !one.declared);
            !matches!(entry.owner, Owner::File(_)) && at(&owner)
                || entry.service.ttl(RecordType::Srv).is_some()
                    && targets.any(|one| owner.child(one.id()).is_ok_and(|name| at(&name)))
        })
    }

    /// Whether the API made a service of a namespace, or an instance in one.
    pub(super) fn holds_others(&self, namespace: NamespaceId) -> bool {
        let services = self.services_of(namespace);
        services
            .into_iter()
            .filter_map(|id| self.service(id))
            .any(|entry| entry.owner == Owner::Api || entry.service.instances.iter().any(|instance| !instance.declared))
    }

    /// Puts a declared service. Instances that the API registered in it stay.
    fn declare_service(
        &mut self,
        namespace: NamespaceId,
        id: ServiceId,
        name: &str,
        mut service: Service,
    ) -> Result<(), Refusal> {
        let file: Arc<Path> = service.source.clone().unwrap_or_else(|| Path::new("").into());
        let Some(owner) = self.namespace(namespace) else { return Err(Refusal::NoNamespace(namespace.to_string())) };
        let key = owner.service_key(name);
        if let Some(other) = self.service_named(namespace, &key).filter(|other| *other != id) {
            return Err(Refusal::Invalid(format!(
                "{}: service {name} was made through the API already ({other}); delete it there, or do not declare it",
                file.display()
            )));
        }
        service.instances = service.instances.iter().map(|one| declared(one)).collect();
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
            let begins_anew = service.health_check != before.service.health_check;
            service.instances = joined(before, &service, begins_anew).map_err(|instance| {
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
            return Ok(());
        }
        let moved = before.is_none_or(|before| !are_alike(&before.service.instances, &service.instances));
        let renewed = before.map(|before| Instances::differences(&before.service.instances, &service.instances));
        let renewed = renewed.into_iter().flatten().filter_map(|(_, after)| after.filter(|after| !after.declared));
        let renewed: Vec<_> = renewed.cloned().collect();
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
        for instance in renewed {
            self.write_instance(id, &instance);
        }
        Ok(())
    }

    /// Which owner name of a declared service is that of something the API made. What the files declare has been held
    /// against itself.
    fn clash(&self, namespace: NamespaceId, declared: &ServiceEntry) -> Option<String> {
        if declared.service.dns_records.is_empty() {
            return None;
        }
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
            if let Some(other) =
                other.filter(|other| other.owner == Owner::Api && !other.service.dns_records.is_empty())
            {
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

/// The id of a declared namespace.
fn id_of(name: &str, declared: &Namespace) -> NamespaceId {
    declared.id.unwrap_or_else(|| NamespaceId::of_name(&[name, declared.vpc.as_deref().unwrap_or_default()]))
}

/// The ids of a namespace's declared services, in the order of their names.
fn service_ids(namespace: NamespaceId, declared: &Namespace) -> Vec<ServiceId> {
    let namespace = namespace.to_string();
    let of_name = |name: &str| ServiceId::of_name(&[&namespace, &service_key(declared.namespace_type, name)]);
    declared.services.iter().map(|(name, service)| service.id.unwrap_or_else(|| of_name(name))).collect()
}

/// The instance, known to be declared.
fn declared(instance: &Instance) -> Instance {
    let mut instance = instance.clone();
    instance.declared = true;
    instance
}

/// Whether two lists are the same but for health.
fn are_alike(before: &Instances, after: &Instances) -> bool {
    let is_alike =
        |(a, b): (&Arc<Instance>, &Arc<Instance>)| Arc::ptr_eq(a, b) || a.declared == b.declared && a.is_alike(b);
    before.len() == after.len() && before.iter().zip(after.iter()).all(is_alike)
}

/// The declared instances and those that the API registered in the service before; the id of one that is both is an
/// error. What did not change is shared. With another health check, health `begins_anew`; what a probe has found stays
/// otherwise, and of a custom check the file says.
fn joined(before: &ServiceEntry, declared: &Service, begins_anew: bool) -> Result<Instances, String> {
    let (old, check) = (&before.service.instances, &declared.health_check);
    let is_known = |known: &Instance, new: &Instance| {
        let keeps = !begins_anew && matches!(check, HealthCheck::Probe(_));
        known == new || keeps && known.declared && known.is_alike(new)
    };
    let mut merged = Vec::with_capacity(declared.instances.len());
    for new in declared.instances.iter() {
        merged.push(match old.get(new.id()) {
            Some(known) if !known.declared => return Err(new.id().to_owned()),
            Some(known) if is_known(known, new) => Arc::clone(known),
            _ => Arc::clone(new),
        });
    }
    for registered in old.iter().filter(|one| !one.declared) {
        let status = if begins_anew { check.initial_status(registered) } else { registered.status };
        if begins_anew && (registered.status != status || registered.status_due != 0) {
            let mut renewed = Instance::clone(registered).with_status(status);
            renewed.status_due = 0;
            merged.push(Arc::new(renewed));
        } else {
            merged.push(Arc::clone(registered));
        }
    }
    merged.sort_unstable_by(|a, b| a.id().cmp(b.id()));
    let mut all = Instances::default();
    for instance in merged {
        all.insert(instance);
    }
    Ok(all)
}
