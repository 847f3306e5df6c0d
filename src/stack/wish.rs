//! What a template wishes, as properties by name: the form in which it is compared with what is there.

use std::collections::BTreeMap;

use crate::model::validate::records;
use crate::model::{HealthCheck, Probe, ProbeType, RoutingPolicy};
use crate::template::{Kind, REF, Resource, Target, Text};

/// Properties by name, such as `DnsConfig.DnsRecords.A`; the value is `None` as long as it is not known.
pub(super) type Properties = BTreeMap<String, Option<String>>;

/// The name of the property of the SOA record's TTL.
pub(super) const SOA_TTL: &str = "Properties.DnsProperties.SOA.TTL";

/// What is known of resources that are there.
#[derive(Clone, Debug, Default)]
pub(super) struct Known(BTreeMap<(String, String), String>);

impl Known {
    /// Notes an attribute of a resource.
    pub(super) fn put(&mut self, resource: &str, attribute: &str, value: &str) {
        self.0.insert((resource.to_owned(), attribute.to_owned()), value.to_owned());
    }

    /// Notes the id, which is also what `Ref` yields.
    pub(super) fn put_id(&mut self, resource: &str, id: &str) {
        self.put(resource, "Id", id);
        self.put(resource, REF, id);
    }

    /// An attribute of a resource.
    pub(super) fn get(&self, resource: &str, attribute: &str) -> Option<String> {
        self.0.get(&(resource.to_owned(), attribute.to_owned())).cloned()
    }

    /// A text with its references resolved, if all of them are known.
    pub(super) fn resolve(&self, text: &Text) -> Option<String> {
        text.resolve(|resource, attribute| self.get(resource, attribute).ok_or(())).ok()
    }

    /// The id of a target.
    pub(super) fn target(&self, target: &Target) -> Option<String> {
        match target {
            Target::Resource(resource) => self.get(resource, REF),
            Target::Id(id) => Some(id.rsplit('/').next().unwrap_or_default().to_owned()),
        }
    }
}

/// The name of a resource, for people.
pub(super) fn name(resource: &Resource) -> &str {
    match &resource.kind {
        Kind::Namespace(namespace) => &namespace.name.value,
        Kind::Service(service) => &service.name.value,
        Kind::Instance(instance) => &instance.id.value,
    }
}

/// The properties that a template wishes of a resource.
pub(super) fn properties(resource: &Resource, known: &Known) -> Properties {
    let mut all = Properties::new();
    let mut put = |name: &str, value: Option<String>| {
        all.insert(name.to_owned(), value);
    };
    match &resource.kind {
        Kind::Namespace(namespace) => {
            put("Name", Some(namespace.name.value.to_string()));
            if let Some(vpc) = &namespace.vpc {
                put("Vpc", Some(vpc.value.to_string()));
            }
            if let Some(text) = &namespace.description {
                put("Description", known.resolve(&text.value));
            }
            if let Some(ttl) = &namespace.soa_ttl {
                put(SOA_TTL, Some(ttl.value.to_string()));
            }
            for (key, text) in &namespace.tags {
                put(&format!("Tags.{key}"), known.resolve(text));
            }
        }
        Kind::Service(service) => {
            put("Name", Some(service.name.value.to_string()));
            put("NamespaceId", known.target(&service.namespace.value));
            if let Some(text) = &service.description {
                put("Description", known.resolve(&text.value));
            }
            if !service.dns_records.is_empty() {
                put("DnsConfig.RoutingPolicy", Some(policy(service.routing_policy).to_owned()));
            }
            for record in &service.dns_records {
                let name = format!("DnsConfig.DnsRecords.{}", records::name(record.record_type));
                put(&name, Some(record.ttl.to_string()));
            }
            match &service.health_check.value {
                HealthCheck::None => {}
                HealthCheck::Custom => put("HealthCheckCustomConfig", Some("{}".to_owned())),
                HealthCheck::Probe(probe) => {
                    for (name, value) in probe_properties(probe) {
                        put(&format!("HealthCheckConfig.{name}"), Some(value));
                    }
                }
            }
            for (key, text) in &service.attributes {
                put(&format!("ServiceAttributes.{key}"), known.resolve(text));
            }
            for (key, text) in &service.tags {
                put(&format!("Tags.{key}"), known.resolve(text));
            }
        }
        Kind::Instance(instance) => {
            put("InstanceId", Some(instance.id.value.to_string()));
            put("ServiceId", known.target(&instance.service.value));
            for (key, text) in &instance.attributes {
                put(&format!("InstanceAttributes.{key}"), known.resolve(&text.value));
            }
        }
    }
    // Nothing is what there is where nothing is said.
    if all.get("Description").is_some_and(|text| text.as_deref() == Some("")) {
        all.remove("Description");
    }
    all
}

/// The name of a routing policy.
pub(super) fn policy(policy: RoutingPolicy) -> &'static str {
    match policy {
        RoutingPolicy::Multivalue => "MULTIVALUE",
        RoutingPolicy::Weighted => "WEIGHTED",
    }
}

/// The members of `HealthCheckConfig` that are given.
fn probe_properties(probe: &Probe) -> Vec<(&'static str, String)> {
    let kind = match probe.probe_type {
        ProbeType::Http => "HTTP",
        ProbeType::Https => "HTTPS",
        ProbeType::Tcp => "TCP",
    };
    let mut all = vec![("Type", kind.to_owned())];
    all.extend(probe.path.as_ref().map(|path| ("ResourcePath", path.to_string())));
    all.extend(probe.failure_threshold.map(|threshold| ("FailureThreshold", threshold.to_string())));
    all
}
