//! The schema of a declaration file: from bytes to a [`Fragment`], collecting every fault.
//!
//! ```yaml
//! version: 1
//! namespaces:
//!   - name: production.local
//!     type: DNS_PRIVATE                 # DNS_PRIVATE (default), DNS_PUBLIC, HTTP
//!     vpc: vpc-0abc123def456789         # optional, for DNS_PRIVATE
//!     soa_ttl: 15                       # optional, the negative TTL
//!     id: ns-k3l8x0q2m5v7b9d1           # optional; else made of the name
//!     description: ours                 # optional, as tags
//!     tags: {team: core}
//!     records:                          # optional, static records beside the services
//!       - {name: www, type: CNAME, ttl: 60, data: web.example.org.}
//!     services:
//!       - name: api
//!         routing_policy: MULTIVALUE    # default; or WEIGHTED
//!         dns_records: [{type: A, ttl: 10}]
//!         health_check_custom_config: {}  # or health_check_config: {type: HTTP, resource_path: /, failure_threshold: 3}
//!         id: srv-k3l8x0q2m5v7b9d1      # optional, as description and tags
//!         attributes: {FINGERPOST_LIMIT: "8"}
//!         instances:
//!           - id: task-1
//!             attributes: {AWS_INSTANCE_IPV4: 10.0.1.11}
//!             health_status: HEALTHY    # optional, where the service has a health check
//! ```
//!
//! A file that is a CloudFormation template is left to [`super::template`]. A declaration is checked here as far as it can be alone. What depends on the type of a namespace waits for
//! [`super::merge`], because another file may give the type.

use std::path::Path;
use std::sync::Arc;

use super::fault::{Fault, Position};
use super::fragment::{DeclaredNamespace, DeclaredService, Fragment, Given, Label};
use super::reader::{Reader, Trail, key_text};
use super::records as static_records;
use super::template;
use super::yaml::{self, Document, Node};
use crate::model::validate::{Violation, attributes, names, records as rules};
use crate::model::{Attributes, DnsRecord, HealthCheck, Instance, NamespaceType, Probe, RoutingPolicy, Service};
use crate::template::is_template;
use crate::wire::Name;

/// Reads a declaration. The fragment holds what could be understood, and is complete if there are no faults.
pub(super) fn read(file: &Arc<Path>, bytes: &[u8]) -> (Fragment, Vec<Fault>) {
    let mut fragment = Fragment::unreadable(file);
    let document = match yaml::parse_tagged(bytes) {
        Ok(document) if is_template(&document.root) => return template::read(file, &document),
        Ok(Document { tagged: Some(trouble), .. }) | Err(trouble) => {
            return (fragment, vec![Fault::new(file, trouble.at, trouble.message)]);
        }
        Ok(document) => document,
    };
    let mut reader = Reader::new(file);
    reader.faults.extend(document.troubles.into_iter().map(|trouble| Fault::new(file, trouble.at, trouble.message)));
    if let Some(namespaces) = top(&mut reader, &document.root) {
        fragment.readable = true;
        fragment.namespaces = namespaces;
    }
    reader.faults.sort();
    (fragment, reader.faults)
}

/// The document: version and namespaces.
fn top(reader: &mut Reader, root: &Node) -> Option<Vec<DeclaredNamespace>> {
    let top = Trail::Top;
    let [version, namespaces] = reader.fields(root, &top, ["version", "namespaces"])?;
    let version = reader.required(version, root.at, &top, "version")?;
    let trail = top.key("version");
    let number = reader.text(version, &trail)?;
    if number != "1" {
        reader.fault(version.at, &trail, Violation::not(number, "a version of this format", "1"));
        return None;
    }
    let namespaces = reader.required(namespaces, root.at, &top, "namespaces")?;
    let trail = top.key("namespaces");
    let items = reader.items(namespaces, &trail)?;
    let read = items.iter().enumerate().filter_map(|(index, node)| namespace(reader, node, &trail.index(index), index));
    Some(read.collect())
}

/// One namespace.
fn namespace(reader: &mut Reader, node: &Node, trail: &Trail<'_>, index: usize) -> Option<DeclaredNamespace> {
    let keys = ["name", "type", "vpc", "soa_ttl", "id", "description", "tags", "records", "services"];
    let [name, kind, vpc, soa_ttl, id, about, tags, records, services] = reader.fields(node, trail, keys)?;
    let kind = given(reader, kind, &trail.key("type"), |text| match text {
        "DNS_PRIVATE" => Ok(NamespaceType::DnsPrivate),
        "DNS_PUBLIC" => Ok(NamespaceType::DnsPublic),
        "HTTP" => Ok(NamespaceType::Http),
        _ => Err(Violation::not(text, "the type of a namespace", "DNS_PRIVATE, DNS_PUBLIC and HTTP")),
    });
    let vpc = given(reader, vpc, &trail.key("vpc"), |text| {
        names::vpc(NamespaceType::DnsPrivate, text).map(|()| Box::from(text))
    });
    let soa_ttl = given(reader, soa_ttl, &trail.key("soa_ttl"), rules::ttl);
    let id = given(reader, id, &trail.key("id"), names::namespace_id);
    let description =
        given(reader, about, &trail.key("description"), |text| names::description(text).map(|()| Box::from(text)));
    let tags =
        tags.and_then(|node| attribute_map(reader, node, &trail.key("tags"), attributes::tags)).unwrap_or_default();
    let mut found = Vec::new();
    if let Some(services) = services {
        let trail = trail.key("services");
        let items = reader.items(services, &trail).unwrap_or_default();
        found.extend(
            items.iter().enumerate().filter_map(|(index, node)| service(reader, node, &trail.index(index), index)),
        );
    }
    let name = reader.required(name, node.at, trail, "name")?;
    let text = reader.text(name, &trail.key("name"))?;
    let records_at = records.map_or(node.at, |records| records.at);
    // Without a name to which they are relative, records have no meaning; that the name is none is told elsewhere.
    let records = records
        .zip(Name::parse(text).ok())
        .map(|(node, apex)| static_records::records(reader, node, &trail.key("records"), &apex))
        .unwrap_or_default();
    let name_at = name.at;
    let services = found;
    let name = text.into();
    Some(DeclaredNamespace {
        name,
        at: name_at,
        label: Label::Index(index),
        kind,
        vpc,
        soa_ttl,
        id,
        description,
        tags,
        records,
        records_at,
        services,
    })
}

/// An optional value that several files may give.
fn given<T>(
    reader: &mut Reader,
    node: Option<&Node>,
    trail: &Trail<'_>,
    parse: impl FnOnce(&str) -> Result<T, Violation>,
) -> Given<T> {
    let Some(node) = node else { return Given::Absent };
    let value = reader.text(node, trail).and_then(|text| reader.checked(node.at, trail, parse(text)));
    value.map_or(Given::Faulty, |value| Given::Value(value, node.at))
}

/// One service.
fn service(reader: &mut Reader, node: &Node, trail: &Trail<'_>, index: usize) -> Option<DeclaredService> {
    let keys = [
        "name",
        "routing_policy",
        "dns_records",
        "health_check_custom_config",
        "health_check_config",
        "attributes",
        "id",
        "description",
        "tags",
        "instances",
    ];
    let [name, policy, records, custom, probing, attributes, id, about, tags, instances] =
        reader.fields(node, trail, keys)?;
    let before = reader.faults.len();
    let mut service = Service::default();
    if let Some(node) = id {
        let trail = trail.key("id");
        let text = reader.text(node, &trail);
        service.id = text.and_then(|text| reader.checked(node.at, &trail, names::service_id(text)));
    }
    if let Some(node) = about {
        let trail = trail.key("description");
        let text = reader.text(node, &trail);
        let text = text.and_then(|text| reader.checked(node.at, &trail, names::description(text).map(|()| text)));
        service.description = text.map(Box::from);
    }
    if let Some(node) = tags {
        service.tags = attribute_map(reader, node, &trail.key("tags"), attributes::tags).unwrap_or_default();
    }
    if let Some(node) = policy {
        let trail = trail.key("routing_policy");
        let value = reader.text(node, &trail);
        let value = value.and_then(|text| reader.checked(node.at, &trail, rules::routing_policy(text)));
        service.routing_policy = value.unwrap_or(RoutingPolicy::Multivalue);
    }
    let records_at = records.map_or(node.at, |records| records.at);
    if let Some(node) = records {
        let trail = trail.key("dns_records");
        let items = reader.items(node, &trail).unwrap_or_default();
        let found = items.iter().enumerate().filter_map(|(index, node)| record(reader, node, &trail.index(index)));
        service.dns_records = found.collect();
        // With a fault in the parts, one in the whole would be a guess.
        if reader.faults.len() == before {
            reader.checked(node.at, &trail, rules::combination(&service.dns_records, service.routing_policy));
        }
    }
    let records_known = reader.faults.len() == before;
    if let Some(node) = custom {
        service.health_check = HealthCheck::Custom;
        custom_config(reader, node, &trail.key("health_check_custom_config"));
    }
    if let Some(node) = probing {
        let trail = trail.key("health_check_config");
        if custom.is_some() {
            let text = "it stands beside health_check_custom_config; allowed is one of the two";
            reader.fault(node.at, &trail, text);
        } else if let Some(probe) = probe(reader, node, &trail) {
            service.health_check = HealthCheck::Probe(probe);
        }
    }
    if let Some(node) = attributes {
        let check = |pairs: &[(&str, &str)]| attributes::service(pairs);
        service.attributes = attribute_map(reader, node, &trail.key("attributes"), check).unwrap_or_default();
    }
    let mut places = Vec::new();
    if let Some(node) = instances {
        let trail = trail.key("instances");
        let items = reader.items(node, &trail).unwrap_or_default();
        let known = records_known.then_some(&*service.dns_records);
        let mut found: Vec<_> = items
            .iter()
            .enumerate()
            .filter_map(|(index, node)| {
                let (at, instance) = instance(reader, node, &trail.index(index), known, &service.health_check)?;
                Some(((at, index), instance))
            })
            .collect();
        found.sort_by(|a, b| a.1.id().cmp(b.1.id()).then(a.0.cmp(&b.0)));
        found.dedup_by(|next, first| {
            let twice = next.1.id() == first.1.id();
            if twice {
                let (at, index) = next.0;
                let text = format!(
                    "instance {} stands there twice, first on line {}; allowed is once",
                    next.1.id(),
                    first.0.0.line
                );
                reader.fault(at, &trail.index(index).key("id"), text);
            }
            twice
        });
        places = found.iter().map(|(place, _)| *place).collect();
        service.instances = found.into_iter().map(|(_, instance)| instance).collect();
    }
    let name = reader.required(name, node.at, trail, "name")?;
    let text = reader.text(name, &trail.key("name"))?;
    reader.checked(name.at, &trail.key("name"), names::service_name(text))?;
    let (name, at, label) = (text.into(), name.at, Label::Index(index));
    Some(DeclaredService { name, at, label, records_at, service, instances: places, resources: [].into() })
}

/// One DNS record of a service.
fn record(reader: &mut Reader, node: &Node, trail: &Trail<'_>) -> Option<DnsRecord> {
    let [kind, ttl] = reader.fields(node, trail, ["type", "ttl"])?;
    let record_type = reader.required(kind, node.at, trail, "type").and_then(|node| {
        let trail = trail.key("type");
        let text = reader.text(node, &trail)?;
        reader.checked(node.at, &trail, rules::record_type(text))
    });
    let ttl = reader.required(ttl, node.at, trail, "ttl").and_then(|node| {
        let trail = trail.key("ttl");
        let text = reader.text(node, &trail)?;
        reader.checked(node.at, &trail, rules::ttl(text))
    });
    Some(DnsRecord { record_type: record_type?, ttl: ttl? })
}

/// The custom health check; its threshold is checked and means nothing, as on AWS, where it is always 1.
fn custom_config(reader: &mut Reader, node: &Node, trail: &Trail<'_>) {
    let threshold = reader.fields(node, trail, ["failure_threshold"]);
    if let Some([Some(node)]) = threshold {
        let trail = trail.key("failure_threshold");
        if let Some(text) = reader.text(node, &trail) {
            reader.checked(node.at, &trail, rules::failure_threshold(text));
        }
    }
}

/// The health check by probes.
fn probe(reader: &mut Reader, node: &Node, trail: &Trail<'_>) -> Option<Probe> {
    let [kind, path, threshold] = reader.fields(node, trail, ["type", "resource_path", "failure_threshold"])?;
    let kind = reader.required(kind, node.at, trail, "type").and_then(|node| {
        let trail = trail.key("type");
        let text = reader.text(node, &trail)?;
        reader.checked(node.at, &trail, rules::probe_type(text))
    });
    let path = path.and_then(|node| {
        let trail = trail.key("resource_path");
        let text = reader.text(node, &trail)?;
        reader.checked(node.at, &trail, rules::resource_path(kind, text).map(|()| Box::from(text)))
    });
    let failure_threshold = threshold.and_then(|node| {
        let trail = trail.key("failure_threshold");
        let text = reader.text(node, &trail)?;
        reader.checked(node.at, &trail, rules::failure_threshold(text)).map(|threshold| threshold as u8)
    });
    Some(Probe { probe_type: kind?, path, failure_threshold })
}

/// One instance with its id's place. Its attributes are held against `dns_records` where these are known.
fn instance(
    reader: &mut Reader,
    node: &Node,
    trail: &Trail<'_>,
    dns_records: Option<&[DnsRecord]>,
    health_check: &HealthCheck,
) -> Option<(Position, Instance)> {
    let [id, attributes, status] = reader.fields(node, trail, ["id", "attributes", "health_status"])?;
    let check = |pairs: &[(&str, &str)]| attributes::instance(pairs, dns_records.unwrap_or_default());
    let attributes = reader
        .required(attributes, node.at, trail, "attributes")
        .and_then(|node| attribute_map(reader, node, &trail.key("attributes"), check));
    let id = reader.required(id, node.at, trail, "id")?;
    let text = reader.text(id, &trail.key("id"))?;
    reader.checked(id.at, &trail.key("id"), names::instance_id(text))?;
    // With a fault in its attributes it is known all the same: another one of its id is a fault, too.
    let attributes = attributes.unwrap_or_default();
    let mut instance = Instance::new(text, None, attributes.iter());
    instance.status = health_check.initial_status(&instance);
    if let Some(node) = status {
        let trail = trail.key("health_status");
        let text = reader.text(node, &trail)?;
        if *health_check == HealthCheck::None {
            reader.fault(node.at, &trail, "the service has no health check; allowed is none here");
        } else {
            instance.status = reader.checked(node.at, &trail, rules::health_status(text)).unwrap_or_default();
        }
    }
    Some((id.at, instance))
}

/// A map of attributes. Any scalar is taken as the text it was written as: `8080` is "8080".
fn attribute_map(
    reader: &mut Reader,
    node: &Node,
    trail: &Trail<'_>,
    check: impl FnOnce(&[(&str, &str)]) -> Vec<attributes::AttributeFault>,
) -> Option<Attributes> {
    let nodes = reader.pairs(node, trail)?;
    let before = reader.faults.len();
    let pairs: Vec<_> = nodes
        .iter()
        .filter_map(|(key, value)| {
            let key = key_text(key);
            Some((key, reader.text(value, &trail.key(key))?))
        })
        .collect();
    if reader.faults.len() > before {
        return None;
    }
    for fault in check(&pairs) {
        match fault.index.and_then(|index| nodes.get(index)) {
            Some((key, value)) => reader.fault(value.at, &trail.key(key_text(key)), fault.violation),
            None => reader.fault(node.at, trail, fault.violation),
        }
    }
    (reader.faults.len() == before).then(|| Attributes::from_pairs(pairs))
}
