//! Carrying out a plan: deletions first, from the inside out, then creations and updates in the order of the template.

use std::time::Duration;

use serde_json::{Map, Value, json};

use super::StackError;
use super::mark;
use super::plan::{Action as Deed, Plan, Step};
use super::survey::{Existing, Order, Sort, text};
use super::wish::{self, Known, Properties, SOA_TTL};
use crate::channel::cloudmap::Action;
use crate::client::{Client, ClientError};
use crate::template::{Kind, Resource};

/// How far a step is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Status {
    /// Nothing is done yet.
    Planned,
    /// It is deleted, and not made anew yet.
    Deleted,
    /// It is done.
    Done,
    /// It failed.
    Failed,
}

/// Carries out `plan` and tells of each step that is done. At the first failure it stops; what is done stays done, and the
/// steps say what that is.
pub fn apply(
    client: &Client,
    plan: &mut Plan,
    patience: Duration,
    mut told: impl FnMut(&Step),
) -> Result<(), StackError> {
    for index in plan.deletions() {
        let Some(step) = plan.steps.get_mut(index) else { continue };
        let Some(existing) = &step.existing else { continue };
        if let Err(error) = delete(client, existing, patience) {
            step.status = Status::Failed;
            return Err(error.into());
        }
        step.status = if step.action == Deed::Delete { Status::Done } else { Status::Deleted };
        if step.status == Status::Done {
            told(step);
        }
    }
    let Plan { steps, stack, known } = plan;
    for step in steps {
        let Some(resource) = &step.resource else { continue };
        let done = match (step.action, &step.existing) {
            (Deed::Create | Deed::Replace, _) => create(client, stack, resource, known, patience),
            (Deed::Update, Some(existing)) => {
                let changed: Vec<_> = step.changes.iter().map(|change| &*change.property).collect();
                update(client, stack, resource, existing, known, &changed, patience)
            }
            _ => {
                step.status = Status::Done;
                continue;
            }
        };
        if let Err(error) = done {
            step.status = Status::Failed;
            return Err(error);
        }
        step.status = Status::Done;
        told(step);
    }
    Ok(())
}

//--- Deletion

/// Deletes a resource; one that is gone already is deleted.
fn delete(client: &Client, existing: &Existing, patience: Duration) -> Result<(), ClientError> {
    let (gone, deleted) = match existing.sort {
        Sort::Instance => {
            let input = json!({"ServiceId": existing.parent, "InstanceId": existing.id});
            ("InstanceNotFound", operate(client, Action::DeregisterInstance, &input, patience))
        }
        Sort::Service => ("ServiceNotFound", client.call(Action::DeleteService, &json!({"Id": existing.id}))),
        Sort::Namespace(_) => {
            let input = json!({"Id": existing.id});
            ("NamespaceNotFound", operate(client, Action::DeleteNamespace, &input, patience))
        }
    };
    match deleted {
        Err(error) if error.code() == Some(gone) => Ok(()),
        deleted => deleted.map(drop),
    }
}

/// Starts an operation and waits for it.
fn operate(client: &Client, action: Action, input: &Value, patience: Duration) -> Result<Value, ClientError> {
    let operation = client.start(action, input)?;
    client.wait(&operation, patience)
}

//--- Creation

/// The value of a property, which must be known by now.
fn value(properties: &Properties, name: &str) -> Option<String> {
    properties.get(name).cloned().flatten()
}

/// The properties below `prefix`, as an object.
fn below(properties: &Properties, prefix: &str) -> Map<String, Value> {
    let pairs = properties.iter().filter_map(|(name, value)| Some((name.strip_prefix(prefix)?, value.as_ref()?)));
    pairs.map(|(key, value)| (key.to_owned(), Value::from(value.as_str()))).collect()
}

/// An object as a list of tags.
fn tag_list(tags: Map<String, Value>) -> Vec<Value> {
    tags.into_iter().map(|(key, value)| json!({"Key": key, "Value": value})).collect()
}

/// The tags of a resource to be: its own and our marks.
fn tags(stack: &str, resource: &Resource, properties: &Properties) -> Vec<Value> {
    let mut tags = below(properties, "Tags.");
    tags.insert(mark::STACK.into(), stack.into());
    tags.insert(mark::LOGICAL_ID.into(), (&*resource.logical_id).into());
    if let Some(vpc) = value(properties, "Vpc") {
        tags.insert(mark::VPC.into(), vpc.into());
    }
    tag_list(tags)
}

/// The properties with everything known; what is not is the fault of what it refers to, which was not made.
fn known_properties(resource: &Resource, known: &Known) -> Result<Properties, StackError> {
    let properties = wish::properties(resource, known);
    match properties.iter().find(|(_, value)| value.is_none()) {
        Some((name, _)) => Err(StackError::Conflict(format!(
            "{name} of {} cannot be told: what it refers to is not there",
            resource.logical_id
        ))),
        None => Ok(properties),
    }
}

/// Makes a resource and notes what others may refer to.
fn create(
    client: &Client,
    stack: &str,
    resource: &Resource,
    known: &mut Known,
    patience: Duration,
) -> Result<(), StackError> {
    let properties = known_properties(resource, known)?;
    let id = &*resource.logical_id;
    match &resource.kind {
        Kind::Namespace(namespace) => {
            let action = match Order::of(namespace.namespace_type) {
                Order::Http => Action::CreateHttpNamespace,
                Order::Private => Action::CreatePrivateDnsNamespace,
                Order::Public => Action::CreatePublicDnsNamespace,
            };
            let mut input = json!({"Name": &*namespace.name.value, "Tags": tags(stack, resource, &properties)});
            if let Some(text) = value(&properties, "Description") {
                input["Description"] = text.into();
            }
            if let Some(vpc) = &namespace.vpc {
                input["Vpc"] = (&*vpc.value).into();
            }
            if let Some(ttl) = &namespace.soa_ttl {
                input["Properties"] = soa(ttl.value);
            }
            let operation = operate(client, action, &input, patience)?;
            let answer = client.call(Action::GetNamespace, &json!({"Id": text(&operation, "/Targets/NAMESPACE")}))?;
            let made = answer.get("Namespace").cloned().unwrap_or_default();
            known.put_id(id, &text(&made, "/Id"));
            known.put(id, "Arn", &text(&made, "/Arn"));
            known.put(id, "HostedZoneId", &text(&made, "/Properties/DnsProperties/HostedZoneId"));
        }
        Kind::Service(_) => {
            let mut input = service(&properties);
            input["Name"] = value(&properties, "Name").into();
            input["NamespaceId"] = value(&properties, "NamespaceId").into();
            input["Tags"] = tags(stack, resource, &properties).into();
            if let Some(policy) = value(&properties, "DnsConfig.RoutingPolicy") {
                input["DnsConfig"]["RoutingPolicy"] = policy.into();
            } else {
                input["Type"] = "HTTP".into();
            }
            if properties.contains_key("HealthCheckCustomConfig") {
                input["HealthCheckCustomConfig"] = json!({"FailureThreshold": 1});
            }
            let answer = client.call(Action::CreateService, &input)?;
            let made = text(&answer, "/Service/Id");
            known.put_id(id, &made);
            known.put(id, "Arn", &text(&answer, "/Service/Arn"));
            put_attributes(client, &made, below(&properties, "ServiceAttributes."))?;
        }
        Kind::Instance(_) => register(client, stack, resource, &properties, patience)?,
    }
    Ok(())
}

/// The properties of a namespace with a TTL of its SOA record.
fn soa(ttl: u32) -> Value {
    json!({"DnsProperties": {"SOA": {"TTL": ttl}}})
}

/// What creation and update of a service share.
fn service(properties: &Properties) -> Value {
    let mut input = json!({"Description": value(properties, "Description").unwrap_or_default()});
    let number = |text: &Value| text.as_str().and_then(|text| text.parse::<u32>().ok());
    let records: Vec<_> = below(properties, "DnsConfig.DnsRecords.")
        .iter()
        .map(|(kind, ttl)| json!({"Type": kind, "TTL": number(ttl)}))
        .collect();
    if !records.is_empty() {
        input["DnsConfig"] = json!({"DnsRecords": records});
    }
    let mut probe = below(properties, "HealthCheckConfig.");
    if !probe.is_empty() {
        if let Some(threshold) = probe.get("FailureThreshold").and_then(number) {
            probe.insert("FailureThreshold".into(), threshold.into());
        }
        input["HealthCheckConfig"] = probe.into();
    }
    input
}

/// Sets attributes of a service.
fn put_attributes(client: &Client, service: &str, attributes: Map<String, Value>) -> Result<(), ClientError> {
    if attributes.is_empty() {
        return Ok(());
    }
    client.call(Action::UpdateServiceAttributes, &json!({"ServiceId": service, "Attributes": attributes})).map(drop)
}

/// Registers an instance, or registers it again.
fn register(
    client: &Client,
    stack: &str,
    resource: &Resource,
    properties: &Properties,
    patience: Duration,
) -> Result<(), ClientError> {
    let input = json!({
        "ServiceId": value(properties, "ServiceId"),
        "InstanceId": value(properties, "InstanceId"),
        "CreatorRequestId": mark::request_id(stack, &resource.logical_id),
        "Attributes": below(properties, "InstanceAttributes."),
    });
    operate(client, Action::RegisterInstance, &input, patience).map(drop)
}

//--- Update

/// Updates a resource in the properties `changed`.
fn update(
    client: &Client,
    stack: &str,
    resource: &Resource,
    existing: &Existing,
    known: &Known,
    changed: &[&str],
    patience: Duration,
) -> Result<(), StackError> {
    let properties = known_properties(resource, known)?;
    let any = |prefixes: &[&str]| changed.iter().any(|name| prefixes.iter().any(|prefix| name.starts_with(prefix)));
    match &resource.kind {
        Kind::Instance(_) => return Ok(register(client, stack, resource, &properties, patience)?),
        Kind::Namespace(namespace) => {
            if any(&["Description", SOA_TTL]) {
                let mut change = json!({"Description": value(&properties, "Description").unwrap_or_default()});
                if let Some(ttl) = &namespace.soa_ttl {
                    change["Properties"] = soa(ttl.value);
                }
                let action = match Order::of(namespace.namespace_type) {
                    Order::Http => Action::UpdateHttpNamespace,
                    Order::Private => Action::UpdatePrivateDnsNamespace,
                    Order::Public => Action::UpdatePublicDnsNamespace,
                };
                operate(client, action, &json!({"Id": existing.id, "Namespace": change}), patience)?;
            }
        }
        Kind::Service(_) => {
            if any(&["Description", "DnsConfig.", "HealthCheckConfig."]) {
                let input = json!({"Id": existing.id, "Service": service(&properties)});
                operate(client, Action::UpdateService, &input, patience)?;
            }
            let (put, removed) = split(changed, "ServiceAttributes.", &properties);
            if !removed.is_empty() {
                let input = json!({"ServiceId": existing.id, "Attributes": removed});
                client.call(Action::DeleteServiceAttributes, &input)?;
            }
            put_attributes(client, &existing.id, put)?;
        }
    }
    let (put, removed) = split(changed, "Tags.", &properties);
    if !removed.is_empty() {
        client.call(Action::UntagResource, &json!({"ResourceARN": existing.arn, "TagKeys": removed}))?;
    }
    if !put.is_empty() {
        client.call(Action::TagResource, &json!({"ResourceARN": existing.arn, "Tags": tag_list(put)}))?;
    }
    Ok(())
}

/// Of the changed properties below `prefix`: those that are there now, and the keys of those that are not.
fn split(changed: &[&str], prefix: &str, properties: &Properties) -> (Map<String, Value>, Vec<String>) {
    let all = below(properties, prefix);
    let (mut put, mut removed) = (Map::new(), Vec::new());
    for key in changed.iter().filter_map(|name| name.strip_prefix(prefix)) {
        match all.get(key) {
            Some(value) => drop(put.insert(key.to_owned(), value.clone())),
            None => removed.push(key.to_owned()),
        }
    }
    (put, removed)
}
