//! Commands that make, change and take away services, and their attributes and tags.

use super::command::{CreateService, Outcome, Refusal, Resource, UpdateService};
use super::draft::Draft;
use super::entry::{NamespaceEntry, Owner, ServiceEntry};
use super::operation::Operation;
use crate::model::validate::{names, probe_in_namespace, records};
use crate::model::{Attributes, HealthCheck, HealthStatus, RecordType, RoutingPolicy, Service, ServiceId};

/// Tags of a resource (developer guide, quotas).
const TAGS_MAX: usize = 50;
/// Attributes of a service (API model `ServiceAttributesMap`).
const ATTRIBUTES_MAX: usize = 30;

impl Draft<'_> {
    /// Makes a service.
    pub(super) fn create_service(&mut self, create: CreateService) -> Result<Outcome, Refusal> {
        let namespace = self
            .namespace(create.namespace)
            .cloned()
            .ok_or_else(|| Refusal::NoNamespace(create.namespace.to_string()))?;
        let service = Service {
            routing_policy: create.routing_policy.unwrap_or(RoutingPolicy::Multivalue),
            dns_records: create.dns_records,
            health_check: create.health_check,
            description: create.description,
            tags: create.tags,
            ..Service::default()
        };
        let key = namespace.service_key(&create.name);
        if let Some(same) = self.service_named(namespace.id, &key).and_then(|id| self.service(id)) {
            return replayed(same, &create.name, &create.creator_request_id, &service);
        }
        fits_namespace(&namespace, &create.name, &service, create.api_only)?;
        few_tags(&service.tags, &create.name)?;
        self.claim_service(&namespace, &create.name, &service)?;
        let id = ServiceId::random(fastrand::u128(..));
        self.put_service(ServiceEntry {
            id,
            namespace: namespace.id,
            name: create.name,
            service,
            creator_request_id: create.creator_request_id,
            created: self.now,
            instances_revision: 0,
            owner: Owner::Api,
        });
        Ok(Outcome::Service(id))
    }

    /// Takes the owner name of a service that has records.
    pub(super) fn claim_service(
        &mut self,
        namespace: &NamespaceEntry,
        name: &str,
        service: &Service,
    ) -> Result<(), Refusal> {
        let Some((view, apex)) = self.settings.zone(namespace) else { return Ok(()) };
        if service.dns_records.is_empty() {
            return Ok(());
        }
        if name != "." {
            let owner = apex.child(name).map_err(|fault| Refusal::Name { namespace: name.into(), fault })?;
            return self.claim(view, &apex, &owner, &format!("service {name}"));
        }
        // The apex is its namespace's; static records may stand there, too.
        let node = self.tables.get(view).and_then(|table| table.find_name(&apex));
        let taken = |record_type: RecordType| node.is_some_and(|node| node.set(record_type.number()).is_some());
        match service.dns_records.iter().find(|record| taken(record.record_type)) {
            Some(_) => Err(Refusal::Invalid(format!("records of these types stand at {apex} already"))),
            None => Ok(()),
        }
    }

    /// Changes a service. Records and probe that are not given go.
    pub(super) fn update_service(
        &mut self,
        update: UpdateService,
        mut operation: Option<Operation>,
    ) -> Result<Outcome, Refusal> {
        let entry = self.service(update.id).ok_or_else(|| Refusal::NoService(update.id.to_string()))?;
        Self::may_change_service(entry)?;
        let namespace = self.namespace(entry.namespace).ok_or_else(|| Refusal::NoService(update.id.to_string()))?;
        operation.iter_mut().for_each(|operation| operation.namespace = Some(namespace.id));
        let invalid = |text: String| Err(Refusal::Invalid(text));
        if !namespace.namespace_type.has_zone() {
            return invalid(format!("service {} is in an HTTP namespace; its services cannot be updated", entry.name));
        }
        let before = &entry.service;
        if let Some(records) = &update.dns_records {
            let types = |records: &[crate::model::DnsRecord]| {
                let mut types: Vec<_> = records.iter().map(|record| record.record_type).collect();
                types.sort_unstable();
                types
            };
            if types(records) != types(&before.dns_records) {
                let has: Vec<_> = before.dns_records.iter().map(|record| records::name(record.record_type)).collect();
                let has = if has.is_empty() { "none".to_owned() } else { has.join(", ") };
                return invalid(format!(
                    "the record types of service {} cannot be changed; it has {has}: allowed are new TTLs for these",
                    entry.name
                ));
            }
        }
        let health_check = match (&before.health_check, &update.probe) {
            (HealthCheck::Custom, Some(_)) => {
                return invalid("HealthCheckConfig cannot be added to a service with HealthCheckCustomConfig".into());
            }
            (HealthCheck::Custom, None) => HealthCheck::Custom,
            (HealthCheck::Probe(old), Some(new)) if old.probe_type != new.probe_type => {
                return invalid("the Type of HealthCheckConfig cannot be changed; create another service".into());
            }
            (_, Some(new)) => HealthCheck::Probe(new.clone()),
            (_, None) => HealthCheck::None,
        };
        let is_added = matches!(health_check, HealthCheck::Probe(_)) && before.health_check == HealthCheck::None;
        if let Some(instance) = before.instances.iter().find(|one| is_added && one.port().is_none()) {
            return invalid(format!(
                "AWS_INSTANCE_PORT of instance {} is missing; HealthCheckConfig needs it",
                instance.id()
            ));
        }
        let reset = before.health_check != health_check;
        let after = Service { health_check, ..before.clone() };
        probe_in_namespace(namespace.namespace_type, &after)
            .map_err(|violation| Refusal::Invalid(violation.to_string()))?;
        let mut statuses = Vec::new();
        if let Some(entry) = self.edit_service(update.id) {
            entry.service.description = update.description.or_else(|| entry.service.description.take());
            entry.service.dns_records = update.dns_records.unwrap_or_default();
            entry.service.health_check = after.health_check;
            if reset {
                let all: Vec<_> = entry.service.instances.iter().cloned().collect();
                for instance in all.into_iter().filter(|one| one.status != HealthStatus::Unknown) {
                    let instance = std::sync::Arc::new((*instance).clone().with_status(HealthStatus::Unknown));
                    statuses.push(instance.clone());
                    entry.service.instances.insert(instance);
                }
            }
        }
        for instance in statuses.iter().filter(|one| !one.declared) {
            self.write_instance(update.id, instance);
        }
        Ok(self.done(operation))
    }

    /// Takes away a service without instances.
    pub(super) fn delete_service(&mut self, id: ServiceId) -> Result<Outcome, Refusal> {
        let entry = self.service(id).ok_or_else(|| Refusal::NoService(id.to_string()))?;
        Self::may_change_service(entry)?;
        let instances = entry.service.instances.len();
        if instances > 0 {
            let text = format!("service {} has {instances} instances; deregister them before deleting it", entry.name);
            return Err(Refusal::InUse(text));
        }
        self.remove_service(id);
        Ok(Outcome::Done)
    }

    /// Puts attributes of a service.
    pub(super) fn put_service_attributes(&mut self, id: ServiceId, put: &Attributes) -> Result<Outcome, Refusal> {
        let entry = self.service(id).ok_or_else(|| Refusal::NoService(id.to_string()))?;
        Self::may_change_service(entry)?;
        let merged = entry.service.attributes.merged(put.iter());
        let count = merged.iter().count();
        if count > ATTRIBUTES_MAX {
            return Err(Refusal::TooManyAttributes(count));
        }
        if let Some(entry) = self.edit_service(id) {
            entry.service.attributes = merged;
        }
        Ok(Outcome::Done)
    }

    /// Takes away attributes of a service.
    pub(super) fn remove_service_attributes(&mut self, id: ServiceId, keys: &[String]) -> Result<Outcome, Refusal> {
        let entry = self.service(id).ok_or_else(|| Refusal::NoService(id.to_string()))?;
        Self::may_change_service(entry)?;
        if let Some(entry) = self.edit_service(id) {
            entry.service.attributes = entry.service.attributes.without(keys);
        }
        Ok(Outcome::Done)
    }

    //--- Tags

    /// Changes the tags of a resource, which `change` makes of those before.
    pub(super) fn change_tags(
        &mut self,
        resource: Resource,
        change: impl FnOnce(&Attributes) -> Attributes,
    ) -> Result<Outcome, Refusal> {
        let (name, tags) = match resource {
            Resource::Namespace(id) => {
                let entry = self.namespace(id).ok_or(Refusal::NoResource)?;
                Self::may_change_namespace(entry)?;
                (entry.name.clone(), change(&entry.tags))
            }
            Resource::Service(id) => {
                let entry = self.service(id).ok_or(Refusal::NoResource)?;
                Self::may_change_service(entry)?;
                (entry.name.clone(), change(&entry.service.tags))
            }
        };
        few_tags(&tags, &name)?;
        match resource {
            Resource::Namespace(id) => self.edit_namespace(id).map(|entry| entry.tags = tags),
            Resource::Service(id) => self.edit_service(id).map(|entry| entry.service.tags = tags),
        };
        Ok(Outcome::Done)
    }
}

/// Refused where a resource would have too many tags.
pub(super) fn few_tags(tags: &Attributes, resource: &str) -> Result<(), Refusal> {
    let count = tags.iter().count();
    if count <= TAGS_MAX { Ok(()) } else { Err(Refusal::TooManyTags { count, resource: resource.to_owned() }) }
}

/// The answer to a request for a service that is there: that service where it is the same request.
fn replayed(
    same: &ServiceEntry,
    name: &str,
    creator_request_id: &Option<Box<str>>,
    service: &Service,
) -> Result<Outcome, Refusal> {
    let is_same = creator_request_id.is_some()
        && same.creator_request_id == *creator_request_id
        && *same.name == *name
        && same.service.routing_policy == service.routing_policy
        && same.service.dns_records == service.dns_records
        && same.service.health_check == service.health_check
        && same.service.description == service.description;
    if is_same {
        return Ok(Outcome::Service(same.id));
    }
    let creator_request_id = same.creator_request_id.clone();
    Err(Refusal::ServiceExists { name: same.name.clone(), id: same.id, creator_request_id })
}

/// The rules that tie a new service to its namespace.
fn fits_namespace(namespace: &NamespaceEntry, name: &str, service: &Service, api_only: bool) -> Result<(), Refusal> {
    let invalid = |text: String| Err(Refusal::Invalid(text));
    probe_in_namespace(namespace.namespace_type, service)
        .map_err(|violation| Refusal::Invalid(violation.to_string()))?;
    if !namespace.namespace_type.has_zone() {
        if service.dns_records.is_empty() {
            return Ok(());
        }
        return invalid(format!("namespace {} is an HTTP namespace, whose services have no DnsConfig", namespace.name));
    }
    if api_only && !service.dns_records.is_empty() {
        return invalid("Type HTTP and DnsConfig exclude each other; leave one of them out".into());
    }
    if service.dns_records.is_empty() {
        return Ok(());
    }
    names::service_owner(name, &namespace.name).map_err(|violation| Refusal::Invalid(violation.to_string()))?;
    if name == "." && service.ttl(RecordType::Cname).is_some() {
        let text = "CNAME is not possible at the apex, which has SOA and NS records (RFC 1034 §3.6.2); allowed are A, \
                    AAAA and SRV";
        return invalid(text.into());
    }
    Ok(())
}
