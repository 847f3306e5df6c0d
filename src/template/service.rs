//! The properties of `AWS::ServiceDiscovery::Service`.

use super::properties::{description, generated, literal, map, parsed, tags, target, whole};
use super::resource::{Placed, Service, Target};
use super::token::Text;
use crate::channel::file::Position;
use crate::channel::file::reader::{Reader, Trail};
use crate::channel::file::yaml::Node;
use crate::model::validate::{Violation, attributes, names, records};
use crate::model::{DnsRecord, HealthCheck, Probe, RecordType, RoutingPolicy};

/// Reads the evaluated properties of a service of the resource `logical_id`, which stands at `at`.
pub(super) fn read(
    reader: &mut Reader,
    node: &Node,
    trail: &Trail<'_>,
    (stack, logical_id, at): (&str, &str, Position),
) -> Option<Service> {
    let keys = [
        "Name",
        "NamespaceId",
        "Description",
        "DnsConfig",
        "HealthCheckConfig",
        "HealthCheckCustomConfig",
        "ServiceAttributes",
        "Tags",
        "Type",
    ];
    let [name, namespace, about, dns, probe, custom, own, tagged, kind] = reader.fields(node, trail, keys)?;
    let before = reader.faults.len();
    let config = dns.and_then(|node| dns_config(reader, node, &trail.key("DnsConfig")));
    let (dns_records, records_at) = match &config {
        Some(config) => (config.records.clone(), config.records_at),
        None => (Vec::new(), at),
    };
    if let Some(kind) = parsed(reader, kind, &trail.key("Type"), service_type)
        && dns.is_some()
    {
        let message = "HTTP is for services without DNS records; allowed are Type or DnsConfig";
        reader.fault(kind.at, &trail.key("Type"), message);
    }
    let health_check =
        health(reader, probe, custom, trail, &dns_records).unwrap_or(Placed { value: HealthCheck::None, at });
    let attributes =
        own.map(|node| service_attributes(reader, node, &trail.key("ServiceAttributes"))).unwrap_or_default();
    let description = description(reader, about, trail);
    let tags = tags(reader, tagged, trail);
    let name = match name {
        None => Some(generated(stack, logical_id, at)),
        name => parsed(reader, name, &trail.key("Name"), |text| names::service_name(text).map(|()| text.into())),
    };
    let namespace = namespace.and_then(|node| target(reader, node, &trail.key("NamespaceId")));
    let namespace = match (namespace, config.as_ref().and_then(|config| config.namespace.clone())) {
        (Some(one), Some(other)) if one.value != other.value => {
            let trail = trail.key("DnsConfig");
            let message = "it differs from the NamespaceId of the service; allowed are one of the two, or equal ones";
            reader.fault(other.at, &trail.key("NamespaceId"), message);
            None
        }
        (one, other) => one.or(other),
    };
    if namespace.is_none() && reader.faults.len() == before {
        reader.fault(node.at, trail, "NamespaceId is missing");
    }
    let (namespace, name) = (namespace?, name?);
    let routing_policy = config.map(|config| config.policy).unwrap_or_default();
    Some(Service {
        name,
        namespace,
        description,
        dns_records,
        records_at,
        routing_policy,
        health_check,
        attributes,
        tags,
    })
}

/// `DnsConfig`.
struct DnsConfig {
    records: Vec<DnsRecord>,
    records_at: Position,
    policy: RoutingPolicy,
    namespace: Option<Placed<Target>>,
}

/// Reads `DnsConfig`.
fn dns_config(reader: &mut Reader, node: &Node, trail: &Trail<'_>) -> Option<DnsConfig> {
    let keys = ["DnsRecords", "NamespaceId", "RoutingPolicy"];
    let [list, namespace, policy] = reader.fields(node, trail, keys)?;
    let namespace = namespace.and_then(|node| target(reader, node, &trail.key("NamespaceId")));
    let before = reader.faults.len();
    let policy = parsed(reader, policy, &trail.key("RoutingPolicy"), records::routing_policy);
    let policy = policy.map(|policy| policy.value).unwrap_or_default();
    let list = reader.required(list, node.at, trail, "DnsRecords")?;
    let trail = trail.key("DnsRecords");
    let items = reader.items(list, &trail)?.iter().enumerate();
    let records: Vec<_> = items.filter_map(|(index, node)| record(reader, node, &trail.index(index))).collect();
    if reader.faults.len() == before {
        let combination = match records.is_empty() {
            true => Err(Violation::new("the list is empty; allowed are A, AAAA, SRV and CNAME")),
            false => records::combination(&records, policy),
        };
        reader.checked(list.at, &trail, combination);
    }
    Some(DnsConfig { records, records_at: list.at, policy, namespace })
}

/// One of `DnsRecords`.
fn record(reader: &mut Reader, node: &Node, trail: &Trail<'_>) -> Option<DnsRecord> {
    let [kind, ttl] = reader.fields(node, trail, ["Type", "TTL"])?;
    reader.required(kind, node.at, trail, "Type");
    reader.required(ttl, node.at, trail, "TTL");
    let record_type = parsed(reader, kind, &trail.key("Type"), records::record_type);
    let ttl = parsed(reader, ttl, &trail.key("TTL"), |text| records::ttl(whole(text)));
    Some(DnsRecord { record_type: record_type?.value, ttl: ttl?.value })
}

/// `Type`.
fn service_type(text: &str) -> Result<(), Violation> {
    (text == "HTTP").then_some(()).ok_or_else(|| Violation::not(text, "a type of service", "HTTP"))
}

/// `HealthCheckConfig` and `HealthCheckCustomConfig`.
fn health(
    reader: &mut Reader,
    probe: Option<&Node>,
    custom: Option<&Node>,
    trail: &Trail<'_>,
    dns_records: &[DnsRecord],
) -> Option<Placed<HealthCheck>> {
    if let Some(node) = custom {
        let trail = trail.key("HealthCheckCustomConfig");
        let [threshold] = reader.fields(node, &trail, ["FailureThreshold"])?;
        // Deprecated: whatever it is, it means 1.
        parsed(reader, threshold, &trail.key("FailureThreshold"), |text| records::failure_threshold(whole(text)));
        if probe.is_some() {
            reader.fault(node.at, &trail, "it is given beside HealthCheckConfig; allowed is one of the two");
        }
        return Some(Placed { value: HealthCheck::Custom, at: node.at });
    }
    let node = probe?;
    let trail = trail.key("HealthCheckConfig");
    let [kind, path, threshold] = reader.fields(node, &trail, ["Type", "ResourcePath", "FailureThreshold"])?;
    reader.required(kind, node.at, &trail, "Type");
    let threshold =
        parsed(reader, threshold, &trail.key("FailureThreshold"), |text| records::failure_threshold(whole(text)));
    let path = path.and_then(|node| Some((literal(reader, node, &trail.key("ResourcePath"))?, node.at)));
    let kind = parsed(reader, kind, &trail.key("Type"), records::probe_type)?;
    if let Some((text, at)) = path {
        reader.checked(at, &trail.key("ResourcePath"), records::resource_path(Some(kind.value), text));
    }
    if dns_records.iter().any(|record| record.record_type == RecordType::Cname) {
        reader.fault(node.at, &trail, "a service with CNAME records has no probes; allowed are A, AAAA and SRV");
    }
    let failure_threshold = threshold.and_then(|threshold| u8::try_from(threshold.value).ok());
    let probe = Probe { probe_type: kind.value, path: path.map(|(text, _)| text.into()), failure_threshold };
    Some(Placed { value: HealthCheck::Probe(probe), at: node.at })
}

/// `ServiceAttributes`.
fn service_attributes(reader: &mut Reader, node: &Node, trail: &Trail<'_>) -> Vec<(Box<str>, Text)> {
    let pairs = map(reader, node, trail);
    let shown: Vec<_> = pairs.iter().map(|(key, text)| (key, text.value.to_string())).collect();
    let shown: Vec<(&str, &str)> = shown.iter().map(|(key, text)| (&***key, text.as_str())).collect();
    for fault in attributes::service(&shown) {
        match fault.index.and_then(|index| pairs.get(index)) {
            Some((key, text)) => reader.fault(text.at, &trail.key(key), fault.violation),
            None => reader.fault(node.at, trail, fault.violation),
        }
    }
    pairs.into_iter().map(|(key, text)| (key, text.value)).collect()
}
