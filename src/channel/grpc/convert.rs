//! From a command as it came to one that the registry takes: every value is checked on its own here, what depends on
//! others by the registry.

use super::proto::{self, FaultCode};
use super::scope::Scope;
use crate::model::validate::{Shown, Violation, attributes, names, records};
use crate::model::{
    Attributes, DnsRecord, HealthCheck, HealthStatus, Instance, NamespaceId, NamespaceType, RecordType, RoutingPolicy,
    ServiceId,
};
use crate::registry::{self, Push, Refusal, ServiceName};

/// Why a command cannot be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Bad {
    pub(super) code: FaultCode,
    pub(super) message: String,
}

impl Bad {
    /// With a message of its own.
    pub(super) fn new(code: FaultCode, message: impl Into<String>) -> Self {
        Self { code, message: message.into() }
    }

    /// As the fault of the command at `index`.
    pub(super) fn fault(self, index: u32) -> proto::Fault {
        proto::Fault { index, code: self.code.into(), message: self.message }
    }
}

impl From<Violation> for Bad {
    fn from(violation: Violation) -> Self {
        Self::new(FaultCode::Invalid, violation.to_string())
    }
}

impl From<Refusal> for Bad {
    fn from(refusal: Refusal) -> Self {
        let code = match &refusal {
            Refusal::NoNamespace(_)
            | Refusal::NoService(_)
            | Refusal::NoServiceNamed(_)
            | Refusal::NoInstance(_)
            | Refusal::NoResource => FaultCode::NotFound,
            Refusal::Declared { .. } => FaultCode::Declared,
            Refusal::NamespaceExists { .. }
            | Refusal::ServiceExists { .. }
            | Refusal::InUse(_)
            | Refusal::Duplicate(_) => FaultCode::Conflict,
            Refusal::Quota(_) | Refusal::TooManyTags { .. } => FaultCode::Quota,
            _ => FaultCode::Invalid,
        };
        Self::new(code, refusal.to_string())
    }
}

/// Checks and converts one command of a caller with this scope.
pub(super) fn command(command: proto::Command, scope: &Scope<'_>) -> Result<Push, Bad> {
    use proto::command::Command;
    let Some(command) = command.command else {
        return Err(Bad::new(FaultCode::Invalid, "the command is empty, or of a later version of the protocol"));
    };
    Ok(match command {
        Command::PutInstance(put) => put_instance(put, scope)?,
        Command::RenewLease(renew) => {
            let (service, id) = instance(renew.service, renew.id, scope)?;
            Push::Renew(service, id)
        }
        Command::SetHealth(set) => {
            let status = match set.status() {
                proto::HealthStatus::Healthy => HealthStatus::Healthy,
                proto::HealthStatus::Unhealthy => HealthStatus::Unhealthy,
                _ => return Err(Bad::new(FaultCode::Invalid, "status: allowed are HEALTHY and UNHEALTHY")),
            };
            let (service, id) = instance(set.service, set.id, scope)?;
            Push::SetHealth(service, id, status)
        }
        Command::RemoveInstance(remove) => {
            let (service, id) = instance(remove.service, remove.id, scope)?;
            Push::RemoveInstance(service, id)
        }
        Command::PutService(put) => put_service(put, scope)?,
        Command::RemoveService(remove) => Push::RemoveService(service_name(remove.service, scope)?),
        Command::PutNamespace(put) => put_namespace(put, scope)?,
        Command::RemoveNamespace(remove) => {
            namespace_text(&remove.namespace)?;
            scope.check_namespace(&remove.namespace)?;
            Push::RemoveNamespace(remove.namespace.into())
        }
    })
}

/// A service by its name, as it is named in every message that has one.
pub(super) fn service_name(name: Option<proto::ServiceName>, scope: &Scope<'_>) -> Result<ServiceName, Bad> {
    let Some(proto::ServiceName { service, namespace }) = name else {
        return Err(Bad::new(FaultCode::Invalid, "service is missing"));
    };
    if ServiceId::parse(&service).is_none() {
        if namespace.is_empty() {
            names::domain_name(&service)?;
        } else {
            names::service_name(&service)?;
        }
    }
    if !namespace.is_empty() {
        namespace_text(&namespace)?;
    }
    scope.check_service(ServiceName { service: service.into(), namespace: namespace.into() })
}

/// An instance of a service.
pub(super) fn instance(
    service: Option<proto::ServiceName>,
    id: String,
    scope: &Scope<'_>,
) -> Result<(ServiceName, Box<str>), Bad> {
    names::instance_id(&id)?;
    Ok((service_name(service, scope)?, id.into()))
}

//----------- Each of the larger ones ------------------------------------------

fn put_instance(put: proto::PutInstance, scope: &Scope<'_>) -> Result<Push, Bad> {
    let (service, id) = instance(put.service, put.id, scope)?;
    let pairs = put.attributes.pairs();
    first_fault(attributes::instance(&pairs, &[]))?;
    Ok(Push::PutInstance { service, instance: Instance::new(&id, None, pairs.iter().copied()) })
}

fn put_service(put: proto::PutService, scope: &Scope<'_>) -> Result<Push, Bad> {
    let service = service_name(put.service.clone(), scope)?;
    let routing_policy = match put.routing_policy() {
        proto::RoutingPolicy::Weighted => RoutingPolicy::Weighted,
        proto::RoutingPolicy::Multivalue => RoutingPolicy::Multivalue,
        proto::RoutingPolicy::Unspecified => known(put.routing_policy, "routing_policy", RoutingPolicy::Multivalue)?,
    };
    let health_check = match put.health_check() {
        proto::HealthCheck::Custom => HealthCheck::Custom,
        proto::HealthCheck::None => known(put.health_check, "health_check", HealthCheck::None)?,
    };
    let dns_records: Vec<DnsRecord> = put.dns_records.iter().map(dns_record).collect::<Result<_, _>>()?;
    if !dns_records.is_empty() {
        records::combination(&dns_records, routing_policy)?;
    }
    let pairs = pairs(&put.attributes);
    first_fault(attributes::service(&pairs))?;
    Ok(Push::PutService(registry::PutService {
        service,
        dns_records,
        routing_policy,
        health_check,
        description: description(&put.description)?,
        attributes: Attributes::from_pairs(pairs),
    }))
}

fn put_namespace(put: proto::PutNamespace, scope: &Scope<'_>) -> Result<Push, Bad> {
    let namespace_type = match put.r#type() {
        proto::NamespaceType::DnsPrivate => NamespaceType::DnsPrivate,
        proto::NamespaceType::DnsPublic => NamespaceType::DnsPublic,
        proto::NamespaceType::Http => NamespaceType::Http,
        proto::NamespaceType::Unspecified => known(put.r#type, "type", NamespaceType::DnsPrivate)?,
    };
    names::namespace_name(namespace_type, &put.name)?;
    let vpc = Some(put.vpc).filter(|vpc| !vpc.is_empty());
    if let Some(vpc) = &vpc {
        names::vpc(namespace_type, vpc)?;
    }
    if put.soa_ttl != 0 {
        ttl("soa_ttl", put.soa_ttl)?;
    }
    scope.check_new_namespace(&put.name, namespace_type)?;
    Ok(Push::PutNamespace(registry::PutNamespace {
        name: put.name.into(),
        namespace_type,
        description: description(&put.description)?,
        soa_ttl: (put.soa_ttl != 0).then_some(put.soa_ttl),
        vpc: vpc.map(Box::from),
    }))
}

//----------- Values -----------------------------------------------------------

fn dns_record(record: &proto::DnsRecord) -> Result<DnsRecord, Bad> {
    let record_type = match record.r#type() {
        proto::RecordType::A => RecordType::A,
        proto::RecordType::Aaaa => RecordType::Aaaa,
        proto::RecordType::Srv => RecordType::Srv,
        proto::RecordType::Cname => RecordType::Cname,
        proto::RecordType::Unspecified => {
            return Err(Bad::new(FaultCode::Invalid, "dns_records: type: allowed are A, AAAA, SRV and CNAME"));
        }
    };
    ttl("dns_records: ttl", record.ttl)?;
    Ok(DnsRecord { record_type, ttl: record.ttl })
}

/// Whether a TTL is one (RFC 2181 §8).
fn ttl(what: &str, seconds: u32) -> Result<(), Bad> {
    records::ttl(&seconds.to_string()).map(|_| ()).map_err(|violation| {
        let Bad { code, message } = violation.into();
        Bad::new(code, format!("{what}: {message}"))
    })
}

/// The meaning of an enumeration's value that is not told, or a fault where it is one of a later version.
fn known<T>(number: i32, what: &str, default: T) -> Result<T, Bad> {
    match number {
        0 => Ok(default),
        _ => Err(Bad::new(FaultCode::Invalid, format!("{what}: {number} is not known to this version"))),
    }
}

/// A description; an empty one is none.
fn description(text: &str) -> Result<Option<Box<str>>, Bad> {
    names::description(text)?;
    Ok(Some(text).filter(|text| !text.is_empty()).map(Box::from))
}

/// The name or id of a namespace, of whatever type.
fn namespace_text(text: &str) -> Result<(), Bad> {
    if NamespaceId::parse(text).is_some() {
        return Ok(());
    }
    if text.is_empty() {
        return Err(Bad::new(FaultCode::Invalid, "namespace is missing"));
    }
    Ok(names::http_name(text)?)
}

/// The pairs of a map, in the order of their keys.
fn pairs(map: &std::collections::BTreeMap<String, String>) -> Vec<(&str, &str)> {
    map.iter().map(|(key, value)| (&**key, &**value)).collect()
}

/// The first broken rule of a map of attributes.
fn first_fault(faults: Vec<attributes::AttributeFault>) -> Result<(), Bad> {
    match faults.into_iter().next() {
        Some(fault) => Err(Bad::new(FaultCode::Invalid, format!("attributes: {}", fault.violation))),
        None => Ok(()),
    }
}

/// A status in the protocol's words.
pub(super) fn health_status(status: HealthStatus) -> proto::HealthStatus {
    match status {
        HealthStatus::Healthy => proto::HealthStatus::Healthy,
        HealthStatus::Unhealthy => proto::HealthStatus::Unhealthy,
        HealthStatus::Unknown => proto::HealthStatus::Unknown,
    }
}

/// What a node may be called: it stands in logs and metrics.
pub(super) fn node(name: &str) -> Result<(), Bad> {
    let fits = name.len() <= 64 && name.bytes().all(|octet| octet.is_ascii_graphic());
    let text = || format!("node: {} is not a name; allowed are up to 64 printable ASCII characters", Shown(name));
    if fits { Ok(()) } else { Err(Bad::new(FaultCode::Invalid, text())) }
}
