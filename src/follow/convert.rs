//! From messages to what the registry holds: each value is checked, because nobody says that a primary is one.

use std::fmt;

use crate::channel::grpc::proto;
use crate::model::validate::names;
use crate::model::{
    Attributes, DnsRecord, HealthStatus, Instance, NamespaceId, NamespaceType, RecordType, RoutingPolicy, Service,
    ServiceId, fits,
};
use crate::registry::{NamespaceEntry, Owner, ServiceEntry};
use crate::wire::Name;

/// Largest key or value of an attribute in octets: those of Cloud Map are shorter.
const LARGEST_ATTRIBUTE: usize = 4096;
/// Most attributes that one thing can have.
const MOST_ATTRIBUTES: usize = 128;
/// Largest TTL (RFC 2181 §8).
const LARGEST_TTL: u32 = i32::MAX as u32;

/// What is wrong with a message.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Bad(String);

impl Bad {
    /// In these words.
    pub(super) fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }
}

impl From<&str> for Bad {
    fn from(text: &str) -> Self {
        Self::new(text)
    }
}

impl fmt::Display for Bad {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The id of a namespace.
pub(super) fn namespace_id(octets: &[u8]) -> Result<NamespaceId, Bad> {
    NamespaceId::from_bytes(octets).ok_or_else(|| Bad::new(format!("{} is no id of a namespace", shown(octets))))
}

/// The id of a service.
pub(super) fn service_id(octets: &[u8]) -> Result<ServiceId, Bad> {
    ServiceId::from_bytes(octets).ok_or_else(|| Bad::new(format!("{} is no id of a service", shown(octets))))
}

fn shown(octets: &[u8]) -> String {
    let start = octets.get(..32).unwrap_or(octets);
    format!("{:?}", String::from_utf8_lossy(start))
}

/// A namespace, without its serial.
pub(super) fn namespace(message: proto::Namespace) -> Result<NamespaceEntry, Bad> {
    let id = namespace_id(&message.id)?;
    let namespace_type = match message.r#type() {
        proto::NamespaceType::DnsPrivate => NamespaceType::DnsPrivate,
        proto::NamespaceType::DnsPublic => NamespaceType::DnsPublic,
        proto::NamespaceType::Http => NamespaceType::Http,
        proto::NamespaceType::Unspecified => {
            return Err(Bad::new(format!("namespace {id}: no type that is known: {}", message.r#type)));
        }
    };
    if namespace_type.has_zone() {
        let fault = |fault| Bad::new(format!("namespace {id}: {:?}: {fault}", message.name));
        Name::parse(&message.name).map_err(fault)?;
    }
    if message.name.is_empty() || message.name.len() > 1024 || message.vpc.len() > 64 {
        return Err(Bad::new(format!("namespace {id}: its name or VPC is empty or too long")));
    }
    if message.soa_ttl.is_some_and(|ttl| ttl > LARGEST_TTL) {
        return Err(Bad::new(format!("namespace {id}: soa_ttl is greater than {LARGEST_TTL}")));
    }
    let name: Box<str> = message.name.into();
    Ok(NamespaceEntry {
        id,
        http_name: name.clone(),
        name,
        namespace_type,
        vpc: Some(message.vpc).filter(|vpc| !vpc.is_empty()).map(Box::from),
        soa_ttl: message.soa_ttl,
        description: None,
        tags: Attributes::default(),
        creator_request_id: None,
        created: 0,
        operation: Default::default(),
        updater: None,
        // Static records may stand beside what is in it.
        owner: Owner::Kept,
    })
}

/// A service without instances.
pub(super) fn service(message: proto::Service) -> Result<ServiceEntry, Bad> {
    let id = service_id(&message.id)?;
    let within = |fault: &str| Bad::new(format!("service {id}: {fault}"));
    if message.name.is_empty() || message.name.len() > 1024 {
        return Err(within("its name is empty or too long"));
    }
    let routing_policy = match message.routing_policy() {
        proto::RoutingPolicy::Weighted => RoutingPolicy::Weighted,
        proto::RoutingPolicy::Multivalue => RoutingPolicy::Multivalue,
        proto::RoutingPolicy::Unspecified => return Err(within("no routing policy that is known")),
    };
    let mut dns_records: Vec<DnsRecord> = Vec::with_capacity(message.dns_records.len().min(4));
    for record in &message.dns_records {
        let record = dns_record(record).map_err(within)?;
        if dns_records.iter().any(|known| known.record_type == record.record_type) {
            return Err(within("two records of one type"));
        }
        dns_records.push(record);
    }
    let attributes = Attributes::from_pairs(pairs(&message.attributes).map_err(within)?);
    let namespace = namespace_id(&message.namespace)?;
    Ok(ServiceEntry {
        id,
        namespace,
        name: message.name.into(),
        service: Service { dns_records, routing_policy, attributes, ..Service::default() },
        creator_request_id: None,
        created: 0,
        instances_revision: 0,
        owner: Owner::Kept,
    })
}

fn dns_record(record: &proto::DnsRecord) -> Result<DnsRecord, &'static str> {
    let record_type = match record.r#type() {
        proto::RecordType::A => RecordType::A,
        proto::RecordType::Aaaa => RecordType::Aaaa,
        proto::RecordType::Srv => RecordType::Srv,
        proto::RecordType::Cname => RecordType::Cname,
        proto::RecordType::Unspecified => return Err("a record of no type that is known"),
    };
    match record.ttl {
        ttl @ ..=LARGEST_TTL => Ok(DnsRecord { record_type, ttl }),
        _ => Err("a TTL above 2147483647"),
    }
}

/// An instance, and its service.
pub(super) fn instance(message: proto::Instance) -> Result<(ServiceId, Instance), Bad> {
    let service = service_id(&message.service)?;
    names::instance_id(&message.id).map_err(|fault| Bad::new(format!("an instance of service {service}: {fault}")))?;
    let within = |fault: &str| Bad::new(format!("instance {} of service {service}: {fault}", message.id));
    let pairs = pairs(&message.attributes).map_err(within)?;
    let mut instance = Instance::new(&message.id, None, pairs);
    instance.status = match message.status() {
        proto::HealthStatus::Healthy => HealthStatus::Healthy,
        proto::HealthStatus::Unhealthy => HealthStatus::Unhealthy,
        proto::HealthStatus::Unknown => HealthStatus::Unknown,
        proto::HealthStatus::Unspecified => return Err(within("no health status that is known")),
    };
    instance.draining = message.draining;
    Ok((service, instance))
}

/// Names and values, which come in turn.
fn pairs(texts: &[String]) -> Result<Vec<(&str, &str)>, &'static str> {
    let (pairs, rest) = texts.as_chunks::<2>();
    if !rest.is_empty() {
        return Err("an attribute without a value");
    }
    let pairs: Vec<(&str, &str)> = pairs.iter().map(|[key, value]| (key.as_str(), value.as_str())).collect();
    check(&pairs)?;
    Ok(pairs)
}

/// Whether attributes can be held.
fn check(pairs: &[(&str, &str)]) -> Result<(), &'static str> {
    if pairs.len() > MOST_ATTRIBUTES {
        return Err("more than 128 attributes");
    }
    let fits = |text: &str| text.len() <= LARGEST_ATTRIBUTE && fits(text);
    if pairs.iter().all(|(key, value)| !key.is_empty() && fits(key) && fits(value)) {
        Ok(())
    } else {
        Err("an attribute that is too long, or has control characters")
    }
}
