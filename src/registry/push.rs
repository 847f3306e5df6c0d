//! Commands of the gRPC channel: they say what shall be, and come by the thousand.
//!
//! Each puts or takes away one thing, whether or not it is there already: to send a batch again does no harm. They name
//! things by name or id, which is resolved in the batch, so that one batch can make a namespace, a service in it and
//! instances of that. They come without operations: the reply of the stream says what an operation would.

use super::command::{Outcome, Refusal, UpdateNamespace, UpdateService};
use super::draft::Draft;
use super::entry::{NamespaceEntry, Owner};
use super::{CreateService, quotas};
use crate::model::{
    Attributes, DnsRecord, HealthCheck, HealthStatus, Instance, NamespaceId, NamespaceType, OperationId, Revision,
    RoutingPolicy, ServiceId,
};
use crate::wire::Name;

/// One of them. Values have been checked on their own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Push {
    /// Makes a namespace, or changes the one of the name.
    PutNamespace(PutNamespace),
    /// Takes away a namespace without services, of this name or id.
    RemoveNamespace(Box<str>),
    /// Makes a service, or changes the one of the name.
    PutService(PutService),
    /// Takes away a service without instances.
    RemoveService(ServiceName),
    /// Puts an instance, in place of the one of its id.
    PutInstance {
        /// Of which service.
        service: ServiceName,
        /// As it shall be; its health is the registry's to tell.
        instance: Instance,
    },
    /// Takes away an instance.
    RemoveInstance(ServiceName, Box<str>),
    /// What the registrant says of an instance's health; renews its lease, too.
    SetHealth(ServiceName, Box<str>, HealthStatus),
    /// An instance is still there.
    Renew(ServiceName, Box<str>),
    /// Takes an instance out of all answers.
    Drain(ServiceName, Box<str>),
}

/// A namespace as it shall be.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PutNamespace {
    /// As written.
    pub name: Box<str>,
    /// Its type, which does not change.
    pub namespace_type: NamespaceType,
    /// For people; `None`: as it is.
    pub description: Option<Box<str>>,
    /// TTL of the SOA record in seconds; `None`: as it is.
    pub soa_ttl: Option<u32>,
    /// Of a private namespace.
    pub vpc: Option<Box<str>>,
}

/// A service as it shall be.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PutService {
    /// Which.
    pub service: ServiceName,
    /// Its records; their types do not change.
    pub dns_records: Vec<DnsRecord>,
    /// How many instances an answer shows; does not change.
    pub routing_policy: RoutingPolicy,
    /// Where health comes from; does not change.
    pub health_check: HealthCheck,
    /// For people; `None`: as it is.
    pub description: Option<Box<str>>,
    /// Attributes to put; others stay.
    pub attributes: Attributes,
}

/// How a service is named.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServiceName {
    /// Its id or its name; a full DNS name where the namespace is empty.
    pub service: Box<str>,
    /// The namespace's id or name; empty if the service's says all.
    pub namespace: Box<str>,
}

/// What came of a batch.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pushed {
    /// The revision that shows all of it.
    pub revision: Revision,
    /// The places of commands that were refused, and why.
    pub refusals: Vec<(usize, Refusal)>,
}

impl Draft<'_> {
    /// Applies one.
    pub(super) fn push(&mut self, push: Push) -> Result<Outcome, Refusal> {
        match push {
            Push::PutNamespace(put) => self.put_pushed_namespace(put),
            Push::RemoveNamespace(name) => match self.find_namespace(&name) {
                Some(id) => self.delete_namespace(id, None),
                None => Ok(Outcome::Done),
            },
            Push::PutService(put) => self.put_pushed_service(put),
            Push::RemoveService(name) => match self.find_service(&name) {
                Some(id) => self.delete_service(id),
                None => Ok(Outcome::Done),
            },
            Push::PutInstance { service, instance } => {
                let service = self.pushed_service(&service)?;
                self.put_instance(service, instance)
            }
            Push::RemoveInstance(service, id) => match self.find_service(&service) {
                Some(service) if self.instance(service, &id).is_ok() => self.deregister_instance(service, &id, None),
                _ => Ok(Outcome::Done),
            },
            Push::SetHealth(service, id, status) => {
                let service = self.pushed_service(&service)?;
                self.set_custom_health(service, &id, status)
            }
            Push::Renew(service, id) => {
                let service = self.pushed_service(&service)?;
                let lease = self.instance(service, &id)?.1.lease();
                if lease.is_none() {
                    let text = format!("instance {id} has no lease (FINGERPOST_LEASE) that could be renewed");
                    return Err(Refusal::Invalid(text));
                }
                self.renew(service, &id, lease);
                Ok(Outcome::Done)
            }
            Push::Drain(service, id) => {
                let service = self.pushed_service(&service)?;
                self.drain_instance(service, &id)
            }
        }
    }

    //--- Names

    /// The namespace of an id, of the name under which it is discovered, or whose zone has the name.
    pub(super) fn find_namespace(&self, name: &str) -> Option<NamespaceId> {
        if let Some(id) = NamespaceId::parse(name).filter(|id| self.namespace(*id).is_some()) {
            return Some(id);
        }
        self.discovered(name).or_else(|| {
            let apex = Name::parse(name).ok()?;
            (0..self.tables.len()).find_map(|view| self.namespace_at(view, &apex))
        })
    }

    /// The service of a name.
    pub(super) fn find_service(&self, name: &ServiceName) -> Option<ServiceId> {
        let ServiceName { service, namespace } = name;
        if let Some(id) = ServiceId::parse(service).filter(|id| self.service(*id).is_some()) {
            return Some(id);
        }
        let within = |namespace: NamespaceId, service: &str| self.service_named(namespace, service);
        if !namespace.is_empty() {
            return within(self.find_namespace(namespace)?, service);
        }
        let full = service.strip_suffix('.').unwrap_or(service);
        let apex = self.find_namespace(full).and_then(|namespace| within(namespace, "."));
        let split = |(at, _)| within(self.find_namespace(full.get(at + 1..)?)?, full.get(..at)?);
        apex.or_else(|| full.match_indices('.').find_map(split))
    }

    /// The service of a name, which must be there.
    fn pushed_service(&self, name: &ServiceName) -> Result<ServiceId, Refusal> {
        self.find_service(name).ok_or_else(|| Refusal::NoServiceNamed(name.to_string()))
    }

    //--- Namespaces and services

    fn put_pushed_namespace(&mut self, put: PutNamespace) -> Result<Outcome, Refusal> {
        let view = self.settings.view(put.namespace_type, put.vpc.as_deref())?;
        let apex = match put.namespace_type.has_zone() {
            true => Some(Name::parse(&put.name).map_err(|fault| Refusal::Name { namespace: put.name.clone(), fault })?),
            false => None,
        };
        let known = match &apex {
            Some(apex) => self.namespace_at(view, apex),
            None => self.http_namespace(&put.name).map(|entry| entry.id),
        };
        if let Some(known) = known.and_then(|id| self.namespace(id)) {
            if known.namespace_type != put.namespace_type || known.vpc != put.vpc {
                return Err(Refusal::NamespaceExists {
                    name: known.name.clone(),
                    id: known.id,
                    creator_request_id: known.creator_request_id.clone(),
                });
            }
            let is_same = put.description.as_ref().is_none_or(|new| known.description.as_ref() == Some(new))
                && put.soa_ttl.is_none_or(|new| known.soa_ttl == Some(new));
            if is_same {
                return Ok(Outcome::Done);
            }
            let update = UpdateNamespace {
                id: known.id,
                namespace_type: put.namespace_type,
                description: put.description,
                soa_ttl: put.soa_ttl,
                updater_request_id: None,
            };
            return self.update_namespace(update, None);
        }
        if let Some(reason) = apex.and_then(|apex| self.conflict(view, &apex, put.namespace_type)) {
            return Err(Refusal::InUse(reason));
        }
        quotas::namespaces(self)?;
        let id = NamespaceId::random(fastrand::u128(..));
        self.put_namespace(NamespaceEntry {
            id,
            http_name: self.free_http_name(&put.name, id),
            name: put.name,
            namespace_type: put.namespace_type,
            vpc: put.vpc,
            soa_ttl: put.soa_ttl,
            description: put.description,
            tags: Attributes::default(),
            creator_request_id: None,
            created: self.now,
            operation: OperationId::default(),
            updater: None,
            owner: Owner::Api,
        });
        Ok(Outcome::Done)
    }

    fn put_pushed_service(&mut self, put: PutService) -> Result<Outcome, Refusal> {
        let id = match self.find_service(&put.service) {
            Some(id) => {
                self.update_pushed_service(id, &put)?;
                id
            }
            None => self.create_pushed_service(&put)?,
        };
        let is_put = |entry: &super::ServiceEntry| {
            put.attributes.iter().all(|(key, value)| entry.service.attributes.get(key) == Some(value))
        };
        if self.service(id).is_some_and(is_put) {
            return Ok(Outcome::Done);
        }
        self.put_service_attributes(id, &put.attributes)
    }

    fn update_pushed_service(&mut self, id: ServiceId, put: &PutService) -> Result<(), Refusal> {
        let Some(entry) = self.service(id) else { return Ok(()) };
        let service = &entry.service;
        let unchangeable = [
            (service.routing_policy != put.routing_policy, "routing policy"),
            (service.health_check != put.health_check, "health check"),
        ];
        if let Some((_, what)) = unchangeable.iter().find(|(differs, _)| *differs) {
            let text = format!("the {what} of service {} cannot change; remove it and put it anew", entry.name);
            return Err(Refusal::Invalid(text));
        }
        let is_same = service.dns_records == put.dns_records
            && put.description.as_ref().is_none_or(|new| service.description.as_ref() == Some(new));
        if is_same {
            return Ok(());
        }
        let update = UpdateService {
            id,
            description: put.description.clone(),
            dns_records: Some(put.dns_records.clone()),
            probe: None,
        };
        self.update_service(update, None).map(drop)
    }

    fn create_pushed_service(&mut self, put: &PutService) -> Result<ServiceId, Refusal> {
        let ServiceName { service, namespace } = &put.service;
        let (namespace, name) = if namespace.is_empty() {
            // The longest namespace that the name lies in, which is the zone that would answer.
            let full = service.strip_suffix('.').unwrap_or(service);
            let split = |(at, _)| Some((self.find_namespace(full.get(at + 1..)?)?, full.get(..at)?));
            full.match_indices('.').find_map(split)
        } else {
            self.find_namespace(namespace).map(|id| (id, &**service))
        }
        .ok_or_else(|| Refusal::NoNamespace(put.service.to_string()))?;
        let create = CreateService {
            namespace,
            name: name.into(),
            routing_policy: Some(put.routing_policy),
            dns_records: put.dns_records.clone(),
            api_only: put.dns_records.is_empty(),
            health_check: put.health_check.clone(),
            description: put.description.clone(),
            creator_request_id: None,
            tags: Attributes::default(),
        };
        match self.create_service(create)? {
            Outcome::Service(id) => Ok(id),
            Outcome::Done | Outcome::Operation(_) => Err(Refusal::Stopped),
        }
    }
}

impl std::fmt::Display for ServiceName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.service)?;
        if self.namespace.is_empty() { Ok(()) } else { write!(f, " in {}", self.namespace) }
    }
}
