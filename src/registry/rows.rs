//! What is written into the store: namespaces, services, instances and operations as octets.
//!
//! A value is a postcard encoding (variable-length integers, strings with their lengths) of one of the structures
//! here, which are the format: a field more, or in another place, is another format version of the store. Ids are the
//! keys, and do not stand in the values.

use serde::{Deserialize, Serialize};

use super::entry::{NamespaceEntry, Owner, ServiceEntry};
use super::operation::{Operation, OperationStatus, OperationType};
use super::store::{StoreError, Table};
use crate::model::{
    self, Attributes, DnsRecord, HealthCheck, HealthStatus, Instance, NamespaceId, NamespaceType, OperationId, Probe,
    ProbeType, RecordType, RoutingPolicy, Service, ServiceId,
};

/// Octets of a service id in the key of an instance.
const SERVICE_KEY: usize = 16;

/// The key of an instance: those of one service lie together, in the order of their ids.
pub(super) fn instance_key(service: ServiceId, id: &str) -> Box<[u8]> {
    [service.as_bytes().as_slice(), id.as_bytes()].concat().into()
}

/// The key of an operation: by age.
pub(super) fn operation_key(id: OperationId) -> Box<[u8]> {
    id.0.to_be_bytes().into()
}

//----------- Structures -------------------------------------------------------------------------------------

/// Pairs of a map, in order.
type Pairs<'a> = Vec<(&'a str, &'a str)>;

/// A namespace.
#[derive(Serialize, Deserialize)]
struct NamespaceRow<'a> {
    name: &'a str,
    http_name: &'a str,
    namespace_type: u8,
    vpc: Option<&'a str>,
    soa_ttl: Option<u32>,
    description: Option<&'a str>,
    #[serde(borrow)]
    tags: Pairs<'a>,
    creator_request_id: Option<&'a str>,
    created: u64,
    operation: u64,
    updater: Option<(&'a str, u64)>,
    kept: bool,
}

/// A service, without its instances.
#[derive(Serialize, Deserialize)]
struct ServiceRow<'a> {
    namespace: [u8; SERVICE_KEY],
    name: &'a str,
    routing_policy: u8,
    dns_records: Vec<(u8, u32)>,
    #[serde(borrow)]
    health_check: HealthCheckRow<'a>,
    #[serde(borrow)]
    attributes: Pairs<'a>,
    description: Option<&'a str>,
    tags: Pairs<'a>,
    creator_request_id: Option<&'a str>,
    created: u64,
    instances_revision: u64,
    kept: bool,
}

/// Where health comes from.
#[derive(Serialize, Deserialize)]
enum HealthCheckRow<'a> {
    None,
    Custom,
    Probe(u8, Option<&'a str>, Option<u8>),
}

/// An instance: creator request id and attributes as they lie in memory. Behind it may stand one more number: the
/// instances revision of its service with which it was registered, so that to register one writes one row.
#[derive(Serialize, Deserialize)]
struct InstanceRow<'a> {
    creator_length: u16,
    packed: &'a str,
    /// The number of the status, and [`DRAINING`].
    status: u8,
    status_due: u64,
    operation: u64,
}

/// An operation that is done.
#[derive(Serialize, Deserialize)]
struct OperationRow<'a> {
    operation_type: u8,
    failed: bool,
    updated: u64,
    namespace: Option<[u8; SERVICE_KEY]>,
    service: Option<[u8; SERVICE_KEY]>,
    instance: Option<&'a str>,
    error: Option<(&'a str, &'a str)>,
}

//----------- Numbers ----------------------------------------------------------------------------------------

// A variant's number is its place; they are only ever added at the end.
const NAMESPACE_TYPES: [NamespaceType; 3] = [NamespaceType::DnsPrivate, NamespaceType::DnsPublic, NamespaceType::Http];
const POLICIES: [RoutingPolicy; 2] = [RoutingPolicy::Multivalue, RoutingPolicy::Weighted];
const RECORD_TYPES: [RecordType; 4] = [RecordType::A, RecordType::Aaaa, RecordType::Srv, RecordType::Cname];
const PROBE_TYPES: [ProbeType; 3] = [ProbeType::Http, ProbeType::Https, ProbeType::Tcp];
const STATUSES: [HealthStatus; 3] = [HealthStatus::Healthy, HealthStatus::Unhealthy, HealthStatus::Unknown];
const OPERATION_TYPES: [OperationType; 6] = [
    OperationType::CreateNamespace,
    OperationType::DeleteNamespace,
    OperationType::UpdateNamespace,
    OperationType::UpdateService,
    OperationType::RegisterInstance,
    OperationType::DeregisterInstance,
];

/// What is added to the status of an instance that drains.
const DRAINING: u8 = 0x80;

/// The number of a variant.
fn number<T: PartialEq>(all: &[T], one: &T) -> u8 {
    all.iter().position(|other| other == one).unwrap_or_default() as u8
}

/// The variant of a number.
fn variant<T: Copy>(all: &[T], number: u8) -> Option<T> {
    all.get(usize::from(number)).copied()
}

//----------- Encoding ---------------------------------------------------------------------------------------

/// The value of a namespace's row.
pub(super) fn encode_namespace(entry: &NamespaceEntry) -> Box<[u8]> {
    encode(&NamespaceRow {
        name: &entry.name,
        http_name: &entry.http_name,
        namespace_type: number(&NAMESPACE_TYPES, &entry.namespace_type),
        vpc: entry.vpc.as_deref(),
        soa_ttl: entry.soa_ttl,
        description: entry.description.as_deref(),
        tags: entry.tags.iter().collect(),
        creator_request_id: entry.creator_request_id.as_deref(),
        created: entry.created,
        operation: entry.operation.0,
        updater: entry.updater.as_ref().map(|(token, id)| (&**token, id.0)),
        kept: entry.owner != Owner::Api,
    })
}

/// The value of a service's row.
pub(super) fn encode_service(entry: &ServiceEntry) -> Box<[u8]> {
    let service = &entry.service;
    encode(&ServiceRow {
        namespace: *entry.namespace.as_bytes(),
        name: &entry.name,
        routing_policy: number(&POLICIES, &service.routing_policy),
        dns_records: service.dns_records.iter().map(|one| (number(&RECORD_TYPES, &one.record_type), one.ttl)).collect(),
        health_check: match &service.health_check {
            HealthCheck::None => HealthCheckRow::None,
            HealthCheck::Custom => HealthCheckRow::Custom,
            HealthCheck::Probe(probe) => HealthCheckRow::Probe(
                number(&PROBE_TYPES, &probe.probe_type),
                probe.path.as_deref(),
                probe.failure_threshold,
            ),
        },
        attributes: service.attributes.iter().collect(),
        description: service.description.as_deref(),
        tags: service.tags.iter().collect(),
        creator_request_id: entry.creator_request_id.as_deref(),
        created: entry.created,
        instances_revision: entry.instances_revision,
        kept: entry.owner != Owner::Api,
    })
}

/// The value of an instance's row, with the instances revision of its registration where its service's row may not say
/// it.
pub(super) fn encode_instance(instance: &Instance, revision: Option<u64>) -> Box<[u8]> {
    instance.with_packed(|packed, creator_length| {
        let row = InstanceRow {
            creator_length,
            packed,
            status: number(&STATUSES, &instance.status) | if instance.draining { DRAINING } else { 0 },
            status_due: instance.status_due,
            operation: instance.operation.0,
        };
        let numbers = [u64::from(creator_length), packed.len() as u64, row.status_due, row.operation];
        let numbers = numbers.into_iter().chain(revision);
        let length = 1 + packed.len() + numbers.map(varint_length).sum::<usize>();
        // There are many of them: one allocation each, and of the right size.
        let octets = postcard::to_extend(&row, Vec::with_capacity(length)).unwrap_or_default();
        let octets = match revision {
            Some(revision) => postcard::to_extend(&revision, octets).unwrap_or_default(),
            None => octets,
        };
        octets.into()
    })
}

/// Octets of a number in postcard: seven bits each.
fn varint_length(number: u64) -> usize {
    (u64::BITS - (number | 1).leading_zeros()).div_ceil(7) as usize
}

/// The value of an operation's row.
pub(super) fn encode_operation(operation: &Operation) -> Box<[u8]> {
    encode(&OperationRow {
        operation_type: number(&OPERATION_TYPES, &operation.operation_type),
        failed: operation.status == OperationStatus::Fail,
        updated: operation.updated,
        namespace: operation.namespace.map(|id| *id.as_bytes()),
        service: operation.service.map(|id| *id.as_bytes()),
        instance: operation.instance.as_deref(),
        error: operation.error.as_ref().map(|(code, text)| (&**code, &**text)),
    })
}

/// A row's octets.
fn encode(row: &impl Serialize) -> Box<[u8]> {
    // Into memory, and of types that postcard knows: it cannot fail.
    postcard::to_allocvec(row).unwrap_or_default().into()
}

//----------- Decoding ---------------------------------------------------------------------------------------

/// A row that cannot be read.
fn corrupt(table: Table, key: &[u8]) -> StoreError {
    StoreError::Corrupt(format!(
        "a row of {table:?} cannot be read (key {}); restore the data folder from a copy, or start with an empty one",
        key.escape_ascii()
    ))
}

/// The namespace in a row.
pub(super) fn decode_namespace(key: &[u8], value: &[u8]) -> Result<NamespaceEntry, StoreError> {
    namespace(key, value).ok_or_else(|| corrupt(Table::Namespaces, key))
}

fn namespace(key: &[u8], value: &[u8]) -> Option<NamespaceEntry> {
    let row: NamespaceRow<'_> = postcard::from_bytes(value).ok()?;
    Some(NamespaceEntry {
        id: NamespaceId::from_bytes(key)?,
        name: row.name.into(),
        http_name: row.http_name.into(),
        namespace_type: variant(&NAMESPACE_TYPES, row.namespace_type)?,
        vpc: row.vpc.map(Box::from),
        soa_ttl: row.soa_ttl,
        description: row.description.map(Box::from),
        tags: attributes(row.tags)?,
        creator_request_id: row.creator_request_id.map(Box::from),
        created: row.created,
        operation: OperationId(row.operation),
        updater: row.updater.map(|(token, id)| (token.into(), OperationId(id))),
        owner: if row.kept { Owner::Kept } else { Owner::Api },
    })
}

/// The service in a row, without its instances.
pub(super) fn decode_service(key: &[u8], value: &[u8]) -> Result<ServiceEntry, StoreError> {
    service(key, value).ok_or_else(|| corrupt(Table::Services, key))
}

fn service(key: &[u8], value: &[u8]) -> Option<ServiceEntry> {
    let row: ServiceRow<'_> = postcard::from_bytes(value).ok()?;
    let dns_records = row.dns_records.iter().map(|(kind, ttl)| {
        let record_type = variant(&RECORD_TYPES, *kind)?;
        Some(DnsRecord { record_type, ttl: *ttl })
    });
    let service = Service {
        routing_policy: variant(&POLICIES, row.routing_policy)?,
        dns_records: dns_records.collect::<Option<_>>()?,
        health_check: match row.health_check {
            HealthCheckRow::None => HealthCheck::None,
            HealthCheckRow::Custom => HealthCheck::Custom,
            HealthCheckRow::Probe(kind, path, failure_threshold) => HealthCheck::Probe(Probe {
                probe_type: variant(&PROBE_TYPES, kind)?,
                path: path.map(Box::from),
                failure_threshold,
            }),
        },
        attributes: attributes(row.attributes)?,
        description: row.description.map(Box::from),
        tags: attributes(row.tags)?,
        ..Service::default()
    };
    Some(ServiceEntry {
        id: ServiceId::from_bytes(key)?,
        namespace: NamespaceId::from_bytes(&row.namespace)?,
        name: row.name.into(),
        service,
        creator_request_id: row.creator_request_id.map(Box::from),
        created: row.created,
        instances_revision: row.instances_revision,
        owner: if row.kept { Owner::Kept } else { Owner::Api },
    })
}

/// The instance in a row, its service, and the instances revision of its registration, where the row tells it.
pub(super) fn decode_instance(key: &[u8], value: &[u8]) -> Result<(ServiceId, Instance, Option<u64>), StoreError> {
    instance(key, value).ok_or_else(|| corrupt(Table::Instances, key))
}

fn instance(key: &[u8], value: &[u8]) -> Option<(ServiceId, Instance, Option<u64>)> {
    let (service, id) = key.split_at_checked(SERVICE_KEY)?;
    let (row, rest): (InstanceRow<'_>, _) = postcard::take_from_bytes(value).ok()?;
    let revision = if rest.is_empty() { None } else { Some(postcard::from_bytes(rest).ok()?) };
    let mut instance = Instance::from_packed(std::str::from_utf8(id).ok()?, row.packed, row.creator_length)?;
    instance.status = variant(&STATUSES, row.status & !DRAINING)?;
    instance.draining = row.status & DRAINING != 0;
    instance.status_due = row.status_due;
    instance.operation = OperationId(row.operation);
    Some((ServiceId::from_bytes(service)?, instance, revision))
}

/// The operation in a row.
pub fn decode_operation(key: &[u8], value: &[u8]) -> Result<Operation, StoreError> {
    operation(key, value).ok_or_else(|| corrupt(Table::Operations, key))
}

fn operation(key: &[u8], value: &[u8]) -> Option<Operation> {
    let row: OperationRow<'_> = postcard::from_bytes(value).ok()?;
    Some(Operation {
        id: OperationId(u64::from_be_bytes(key.try_into().ok()?)),
        operation_type: variant(&OPERATION_TYPES, row.operation_type)?,
        status: if row.failed { OperationStatus::Fail } else { OperationStatus::Success },
        updated: row.updated,
        namespace: row.namespace.map(|id| NamespaceId::from_bytes(&id)).map_or(Some(None), |id| id.map(Some))?,
        service: row.service.map(|id| ServiceId::from_bytes(&id)).map_or(Some(None), |id| id.map(Some))?,
        instance: row.instance.map(Box::from),
        error: row.error.map(|(code, text)| (code.into(), text.into())),
    })
}

/// The map of pairs that can stand in one, also such as only former versions took.
fn attributes(pairs: Pairs<'_>) -> Option<Attributes> {
    let fit = pairs.iter().all(|(key, value)| model::fits_pair(key, value));
    fit.then(|| Attributes::from_pairs(pairs))
}

/// The value with which the meaning of a row is written by this version, for whoever wants to know whether it stays.
pub fn rewrite(table: Table, key: &[u8], value: &[u8]) -> Result<Box<[u8]>, StoreError> {
    Ok(match table {
        Table::Namespaces => encode_namespace(&decode_namespace(key, value)?),
        Table::Services => encode_service(&decode_service(key, value)?),
        Table::Instances => {
            let (_, instance, revision) = decode_instance(key, value)?;
            encode_instance(&instance, revision)
        }
        Table::Operations => encode_operation(&decode_operation(key, value)?),
        Table::Meta => value.into(),
    })
}

/// Reads a row of any table, for whoever wants to know whether it can be read.
pub fn check(table: Table, key: &[u8], value: &[u8]) -> Result<(), StoreError> {
    match table {
        Table::Namespaces => decode_namespace(key, value).map(drop),
        Table::Services => decode_service(key, value).map(drop),
        Table::Instances => decode_instance(key, value).map(drop),
        Table::Operations => decode_operation(key, value).map(drop),
        Table::Meta => Ok(()),
    }
}
