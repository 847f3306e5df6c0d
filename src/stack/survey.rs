//! What is there of a stack.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::StackError;
use super::mark;
use super::wish::{Known, Properties, SOA_TTL};
use crate::channel::cloudmap::Action;
use crate::client::{Client, ClientError};
use crate::model::NamespaceType;
use crate::template::{Kind, Resource, namespace_type_name};

/// Which of the three.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Sort {
    /// A namespace.
    Namespace(Order),
    /// A service.
    Service,
    /// An instance.
    Instance,
}

/// The type of a namespace, in an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Order {
    Http,
    Private,
    Public,
}

impl Order {
    /// Of a type of the model.
    pub(super) fn of(namespace_type: NamespaceType) -> Self {
        match namespace_type {
            NamespaceType::Http => Self::Http,
            NamespaceType::DnsPrivate => Self::Private,
            NamespaceType::DnsPublic => Self::Public,
        }
    }
}

/// A resource of the stack that is there.
#[derive(Clone, Debug)]
pub(super) struct Existing {
    /// Its logical id.
    pub(super) logical_id: String,
    /// What it is, and its type in templates.
    pub(super) sort: Sort,
    pub(super) type_name: &'static str,
    /// Its name, for people.
    pub(super) name: String,
    /// Its id in the API.
    pub(super) id: String,
    /// Its ARN; instances have none.
    pub(super) arn: String,
    /// The service of an instance, or the namespace of a service.
    pub(super) parent: String,
    /// Its properties.
    pub(super) properties: Properties,
    /// The hosted zone of a namespace.
    pub(super) hosted_zone: String,
}

impl Existing {
    /// Notes what others may refer to.
    pub(super) fn tell(&self, known: &mut Known) {
        known.put_id(&self.logical_id, &self.id);
        known.put(&self.logical_id, "Arn", &self.arn);
        known.put(&self.logical_id, "Name", &self.name);
        if !self.hosted_zone.is_empty() {
            known.put(&self.logical_id, "HostedZoneId", &self.hosted_zone);
        }
    }
}

/// What is there.
#[derive(Debug, Default)]
pub(super) struct Present {
    /// The name of the stack.
    pub(super) stack: String,
    /// Its resources.
    pub(super) existing: Vec<Existing>,
    /// Services and ids of instances that others registered.
    pub(super) foreign: Vec<(String, String)>,
    /// The ids of all HTTP namespaces, whose services cannot be updated.
    pub(super) http_namespaces: Vec<String>,
}

/// What stands where an instance was looked for.
enum Found {
    Nothing,
    Foreign,
    Ours(Box<Existing>),
}

impl Present {
    /// Takes in what stands where an instance was looked for.
    fn take(
        &mut self,
        service: &str,
        id: &str,
        look: impl FnOnce(&str) -> Result<Found, ClientError>,
    ) -> Result<(), ClientError> {
        match look(id)? {
            Found::Nothing => {}
            Found::Foreign => self.foreign.push((service.to_owned(), id.to_owned())),
            Found::Ours(found) => self.existing.push(*found),
        }
        Ok(())
    }
}

/// The text of a member.
pub(super) fn text(value: &Value, pointer: &str) -> String {
    match value.pointer(pointer) {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Number(number)) => number.to_string(),
        _ => String::new(),
    }
}

/// Puts a property that is there.
fn put(properties: &mut Properties, name: impl Into<String>, value: String) {
    if !value.is_empty() {
        properties.insert(name.into(), Some(value));
    }
}

/// Looks for all that has the marks of the stack, and for the instances that `resources` register elsewhere.
pub(super) fn survey(client: &Client, stack: &str, resources: &[Resource]) -> Result<Present, StackError> {
    let mut present = Present { stack: stack.to_owned(), ..Present::default() };
    for item in client.pages(Action::ListNamespaces, json!({}), "Namespaces") {
        let item = item?;
        if text(&item, "/Type") == "HTTP" {
            present.http_namespaces.push(text(&item, "/Id"));
        }
        if let Some(found) = namespace(client, stack, &item)? {
            present.existing.push(found);
        }
    }
    for item in client.pages(Action::ListServices, json!({}), "Services") {
        if let Some(found) = service(client, stack, &item?)? {
            present.existing.push(found);
        }
    }
    let services: Vec<String> =
        present.existing.iter().filter(|one| one.sort == Sort::Service).map(|one| one.id.clone()).collect();
    for service in &services {
        for item in client.pages(Action::ListInstances, json!({"ServiceId": service}), "Instances") {
            present.take(service, &text(&item?, "/Id"), |id| instance(client, stack, service, id))?;
        }
    }
    for resource in resources {
        let Kind::Instance(wished) = &resource.kind else { continue };
        let Some(service) = Known::default().target(&wished.service.value) else { continue };
        if services.contains(&service) {
            continue;
        }
        present.take(&service, &wished.id.value, |id| instance(client, stack, &service, id))?;
    }
    Ok(present)
}

/// The tags of a resource, if it is of the stack.
fn tags(client: &Client, stack: &str, arn: &str) -> Result<Option<BTreeMap<String, String>>, ClientError> {
    let answer = match client.call(Action::ListTagsForResource, &json!({"ResourceARN": arn})) {
        // It went meanwhile.
        Err(error) if error.code() == Some("ResourceNotFoundException") => return Ok(None),
        answer => answer?,
    };
    let tags = answer.get("Tags").and_then(Value::as_array).into_iter().flatten();
    let tags: BTreeMap<_, _> = tags.map(|tag| (text(tag, "/Key"), text(tag, "/Value"))).collect();
    Ok(tags.get(mark::STACK).is_some_and(|name| name == stack).then_some(tags))
}

/// The tags that are not ours, as properties.
fn put_tags(properties: &mut Properties, tags: &BTreeMap<String, String>) {
    for (key, value) in tags.iter().filter(|(key, _)| !key.starts_with(mark::PREFIX)) {
        properties.insert(format!("Tags.{key}"), Some(value.clone()));
    }
}

/// A namespace, if it is of the stack.
fn namespace(client: &Client, stack: &str, item: &Value) -> Result<Option<Existing>, ClientError> {
    let arn = text(item, "/Arn");
    let Some(tags) = tags(client, stack, &arn)? else { return Ok(None) };
    let namespace_type = match &*text(item, "/Type") {
        "HTTP" => NamespaceType::Http,
        "DNS_PUBLIC" => NamespaceType::DnsPublic,
        _ => NamespaceType::DnsPrivate,
    };
    let mut properties = Properties::new();
    put(&mut properties, "Name", text(item, "/Name"));
    put(&mut properties, "Description", text(item, "/Description"));
    put(&mut properties, SOA_TTL, text(item, "/Properties/DnsProperties/SOA/TTL"));
    if let Some(vpc) = tags.get(mark::VPC) {
        put(&mut properties, "Vpc", vpc.clone());
    }
    put_tags(&mut properties, &tags);
    Ok(Some(Existing {
        logical_id: tags.get(mark::LOGICAL_ID).cloned().unwrap_or_default(),
        sort: Sort::Namespace(Order::of(namespace_type)),
        type_name: namespace_type_name(namespace_type),
        name: text(item, "/Name"),
        id: text(item, "/Id"),
        arn,
        parent: String::new(),
        properties,
        hosted_zone: text(item, "/Properties/DnsProperties/HostedZoneId"),
    }))
}

/// A service, if it is of the stack.
fn service(client: &Client, stack: &str, item: &Value) -> Result<Option<Existing>, ClientError> {
    let arn = text(item, "/Arn");
    let Some(tags) = tags(client, stack, &arn)? else { return Ok(None) };
    let id = text(item, "/Id");
    let answer = client.call(Action::GetService, &json!({"Id": id}))?;
    let service = answer.get("Service").cloned().unwrap_or_default();
    let mut properties = Properties::new();
    for (name, pointer) in [
        ("Name", "/Name"),
        ("NamespaceId", "/NamespaceId"),
        ("Description", "/Description"),
        ("DnsConfig.RoutingPolicy", "/DnsConfig/RoutingPolicy"),
        ("HealthCheckConfig.Type", "/HealthCheckConfig/Type"),
        ("HealthCheckConfig.ResourcePath", "/HealthCheckConfig/ResourcePath"),
        ("HealthCheckConfig.FailureThreshold", "/HealthCheckConfig/FailureThreshold"),
    ] {
        put(&mut properties, name, text(&service, pointer));
    }
    if service.get("HealthCheckCustomConfig").is_some() {
        put(&mut properties, "HealthCheckCustomConfig", "{}".to_owned());
    }
    for record in service.pointer("/DnsConfig/DnsRecords").and_then(Value::as_array).into_iter().flatten() {
        put(&mut properties, format!("DnsConfig.DnsRecords.{}", text(record, "/Type")), text(record, "/TTL"));
    }
    let answer = client.call(Action::GetServiceAttributes, &json!({"ServiceId": id}))?;
    let attributes = answer.pointer("/ServiceAttributes/Attributes").and_then(Value::as_object);
    for (key, value) in attributes.into_iter().flatten() {
        let value = value.as_str().unwrap_or_default().to_owned();
        properties.insert(format!("ServiceAttributes.{key}"), Some(value));
    }
    put_tags(&mut properties, &tags);
    Ok(Some(Existing {
        logical_id: tags.get(mark::LOGICAL_ID).cloned().unwrap_or_default(),
        sort: Sort::Service,
        type_name: "AWS::ServiceDiscovery::Service",
        name: text(&service, "/Name"),
        id,
        arn,
        parent: text(&service, "/NamespaceId"),
        properties,
        hosted_zone: String::new(),
    }))
}

/// Looks for an instance.
fn instance(client: &Client, stack: &str, service: &str, id: &str) -> Result<Found, ClientError> {
    let answer = match client.call(Action::GetInstance, &json!({"ServiceId": service, "InstanceId": id})) {
        Err(error) if matches!(error.code(), Some("InstanceNotFound" | "ServiceNotFound")) => {
            return Ok(Found::Nothing);
        }
        answer => answer?,
    };
    let Some(logical_id) = answer
        .pointer("/Instance/CreatorRequestId")
        .and_then(Value::as_str)
        .and_then(|request_id| mark::logical_id(stack, request_id))
    else {
        return Ok(Found::Foreign);
    };
    let mut properties = Properties::new();
    put(&mut properties, "InstanceId", id.to_owned());
    put(&mut properties, "ServiceId", service.to_owned());
    let attributes = answer.pointer("/Instance/Attributes").and_then(Value::as_object);
    for (key, value) in attributes.into_iter().flatten() {
        let value = value.as_str().unwrap_or_default().to_owned();
        properties.insert(format!("InstanceAttributes.{key}"), Some(value));
    }
    Ok(Found::Ours(Box::new(Existing {
        logical_id: logical_id.to_owned(),
        sort: Sort::Instance,
        type_name: "AWS::ServiceDiscovery::Instance",
        name: id.to_owned(),
        id: id.to_owned(),
        arn: String::new(),
        parent: service.to_owned(),
        properties,
        hosted_zone: String::new(),
    })))
}
