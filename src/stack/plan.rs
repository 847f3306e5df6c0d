//! What is to be done, so that what is there becomes what is wished.

use std::cmp::Reverse;
use std::collections::BTreeSet;

use super::StackError;
use super::act::Status;
use super::mark;
use super::survey::{Existing, Order, Present, Sort};
use super::wish::{self, Known, Properties, SOA_TTL};
use crate::template::{Kind, REF, Resource, Text};

/// What is shown for a value that is not known yet.
pub const UNKNOWN: &str = "(known after apply)";

/// What is done with a resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// It is made.
    Create,
    /// It is changed as it is.
    Update,
    /// It is deleted and made anew.
    Replace,
    /// It is deleted.
    Delete,
    /// It stays.
    Unchanged,
}

impl Action {
    /// How it is written: a sign and a word.
    pub fn words(self) -> (&'static str, &'static str) {
        match self {
            Self::Create => ("+", "create"),
            Self::Update => ("~", "update"),
            Self::Replace => ("-/+", "replace"),
            Self::Delete => ("-", "delete"),
            Self::Unchanged => ("=", "unchanged"),
        }
    }
}

/// A property that changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// Its name.
    pub property: String,
    /// What it is; `None` where there is nothing.
    pub old: Option<String>,
    /// What it becomes.
    pub new: Option<String>,
    /// Whether it can only be had by a replacement.
    pub replaces: bool,
}

/// What is done with one resource.
#[derive(Clone, Debug)]
pub struct Step {
    /// Its logical id.
    pub logical_id: String,
    /// Its type in templates.
    pub type_name: &'static str,
    /// Its name, or the id of an instance.
    pub name: String,
    /// What is done.
    pub action: Action,
    /// What changes.
    pub changes: Vec<Change>,
    /// How far it is.
    pub status: Status,
    /// What is wished.
    pub(super) resource: Option<Resource>,
    /// What is there.
    pub(super) existing: Option<Existing>,
}

/// What is done with a stack.
#[derive(Debug)]
pub struct Plan {
    /// The steps: resources as they are made, then those that are deleted.
    pub steps: Vec<Step>,
    /// The name of the stack.
    pub(super) stack: String,
    /// What is known of the resources that are there and stay.
    pub(super) known: Known,
}

impl Plan {
    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.steps.iter().all(|step| step.action == Action::Unchanged)
    }

    /// How many steps have this action.
    pub fn count(&self, action: Action) -> usize {
        self.steps.iter().filter(|step| step.action == action).count()
    }

    /// The steps that delete, in the order in which they do.
    pub(super) fn deletions(&self) -> Vec<usize> {
        let deletes = |step: &Step| matches!(step.action, Action::Delete | Action::Replace);
        let mut found: Vec<_> = self
            .steps
            .iter()
            .enumerate()
            .filter(|(_, step)| deletes(step))
            .filter_map(|(index, step)| {
                // Those that are deleted stand in their order already, the others in that of their creation.
                let place = if step.action == Action::Delete { index } else { usize::MAX - index };
                Some((Reverse(rank(step.existing.as_ref()?.sort)), place, index))
            })
            .collect();
        found.sort_unstable();
        found.into_iter().map(|(.., index)| index).collect()
    }

    /// A text of the template with all references resolved, as far as they are known.
    pub fn resolve(&self, text: &Text) -> Option<String> {
        self.known.resolve(text)
    }
}

/// What is in what: instances are in services, these in namespaces.
fn rank(sort: Sort) -> u8 {
    match sort {
        Sort::Namespace(_) => 0,
        Sort::Service => 1,
        Sort::Instance => 2,
    }
}

/// What a resource is.
fn sort(resource: &Resource) -> Sort {
    match &resource.kind {
        Kind::Namespace(namespace) => Sort::Namespace(Order::of(namespace.namespace_type)),
        Kind::Service(_) => Sort::Service,
        Kind::Instance(_) => Sort::Instance,
    }
}

/// Plans how `present` becomes `resources`.
pub(super) fn plan(resources: &[Resource], present: Present) -> Result<Plan, StackError> {
    let Present { stack, mut existing, foreign, http_namespaces } = present;
    let mut known = Known::default();
    let mut steps = Vec::new();
    for resource in resources {
        let request_id = mark::request_id(&stack, &resource.logical_id);
        let is_this = |one: &Existing| {
            rank(one.sort) == rank(sort(resource))
                && match one.sort {
                    Sort::Instance => Some(&*one.logical_id) == mark::logical_id(&stack, &request_id),
                    _ => *one.logical_id == *resource.logical_id,
                }
        };
        let mut found = existing.iter().position(is_this).map(|place| existing.remove(place));
        let wished = wish::properties(resource, &known);
        let (action, changes) = match &mut found {
            None => (Action::Create, created(&wished)),
            Some(found) => {
                found.logical_id = resource.logical_id.to_string();
                let is_http = http_namespaces.contains(&found.parent);
                compare(found, sort(resource), &wished, is_http)
            }
        };
        known.put(&resource.logical_id, "Name", wish::name(resource));
        if let Kind::Instance(instance) = &resource.kind {
            known.put(&resource.logical_id, REF, &instance.id.value);
            let service = wished.get("ServiceId").cloned().flatten().unwrap_or_default();
            let taken = foreign.iter().any(|(other, id)| *other == service && **id == *instance.id.value);
            if taken && matches!(action, Action::Create | Action::Replace) {
                return Err(StackError::Conflict(format!(
                    "instance {} of service {service} was registered by somebody else than stack {stack}; deregister it \
                     there, or give {} another InstanceId",
                    instance.id.value, resource.logical_id
                )));
            }
        }
        if let (Some(found), Action::Update | Action::Unchanged) = (&found, action) {
            found.tell(&mut known);
        }
        steps.push(Step {
            logical_id: resource.logical_id.to_string(),
            type_name: resource.kind.name(),
            name: wish::name(resource).to_owned(),
            action,
            changes,
            status: Status::Planned,
            resource: Some(resource.clone()),
            existing: found,
        });
    }
    existing.sort_by_key(|one| Reverse(rank(one.sort)));
    steps.extend(existing.into_iter().map(|one| Step {
        logical_id: one.logical_id.clone(),
        type_name: one.type_name,
        name: one.name.clone(),
        action: Action::Delete,
        changes: Vec::new(),
        status: Status::Planned,
        resource: None,
        existing: Some(one),
    }));
    for step in steps.iter().filter(|step| matches!(step.action, Action::Delete | Action::Replace)) {
        let Some(service) = step.existing.as_ref().filter(|one| one.sort == Sort::Service) else { continue };
        let others: Vec<_> = foreign.iter().filter(|(id, _)| *id == service.id).map(|(_, id)| &**id).collect();
        if let Some(first) = others.first() {
            return Err(StackError::Conflict(format!(
                "service {} must be deleted, and {} of its instances are not of stack {stack}, such as {first}; deregister \
                 them first",
                service.name,
                others.len()
            )));
        }
    }
    Ok(Plan { steps, stack, known })
}

/// The properties of a resource to be.
fn created(wished: &Properties) -> Vec<Change> {
    let change = |(property, value): (&String, &Option<String>)| Change {
        property: property.clone(),
        old: None,
        new: Some(value.clone().unwrap_or_else(|| UNKNOWN.to_owned())),
        replaces: false,
    };
    wished.iter().map(change).collect()
}

/// What is done with a resource that is there, and what changes.
fn compare(found: &Existing, sort: Sort, wished: &Properties, is_http: bool) -> (Action, Vec<Change>) {
    let names: BTreeSet<&String> = found.properties.keys().chain(wished.keys()).collect();
    let mut changes = Vec::new();
    for name in names {
        let old = found.properties.get(name).cloned().flatten();
        let new = wished.get(name).map(|value| value.clone().unwrap_or_else(|| UNKNOWN.to_owned()));
        // A TTL cannot be taken back, and a VPC is known only from our own mark.
        let is_silent = (name == SOA_TTL && new.is_none()) || (name == "Vpc" && old.is_none());
        if old != new && !is_silent {
            let replaces = replaces(name, old.is_some() && new.is_some(), is_http);
            changes.push(Change { property: name.clone(), old, new, replaces });
        }
    }
    if found.sort != sort {
        let new = Some("another type of namespace".to_owned());
        changes.push(Change { property: "Type".into(), old: Some(found.type_name.into()), new, replaces: true });
    }
    let action = match (changes.is_empty(), changes.iter().any(|change| change.replaces)) {
        (true, _) => Action::Unchanged,
        (false, true) => Action::Replace,
        (false, false) => Action::Update,
    };
    (action, changes)
}

/// Whether a change of a property needs a replacement: those that are create-only, and those that no update carries.
fn replaces(property: &str, is_both: bool, is_http: bool) -> bool {
    match property {
        "Name"
        | "Vpc"
        | "NamespaceId"
        | "InstanceId"
        | "ServiceId"
        | "DnsConfig.RoutingPolicy"
        | "HealthCheckCustomConfig" => true,
        "HealthCheckConfig.Type" => is_both || is_http,
        "Description" => is_http,
        property if property.starts_with("HealthCheckConfig.") => is_http,
        property if property.starts_with("DnsConfig.DnsRecords.") => !is_both,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Properties of texts.
    fn properties(pairs: &[(&str, &str)]) -> Properties {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), Some((*value).to_owned()))).collect()
    }

    /// A service that is there.
    fn service(pairs: &[(&str, &str)]) -> Existing {
        Existing {
            logical_id: "Api".into(),
            sort: Sort::Service,
            type_name: "AWS::ServiceDiscovery::Service",
            name: "api".into(),
            id: "srv-1".into(),
            arn: String::new(),
            parent: "ns-1".into(),
            properties: properties(pairs),
            hosted_zone: String::new(),
        }
    }

    /// What is done when a property of a service changes.
    fn action(old: &[(&str, &str)], new: &[(&str, &str)], is_http: bool) -> Action {
        compare(&service(old), Sort::Service, &properties(new), is_http).0
    }

    #[test]
    fn create_only_properties_replace_and_others_update() {
        let a = ("DnsConfig.DnsRecords.A", "10");
        assert_eq!(action(&[a], &[a], false), Action::Unchanged);
        assert_eq!(action(&[a], &[("DnsConfig.DnsRecords.A", "20")], false), Action::Update);
        assert_eq!(action(&[a], &[a, ("DnsConfig.DnsRecords.AAAA", "10")], false), Action::Replace);
        let custom = ("HealthCheckCustomConfig", "{}");
        assert_eq!(action(&[], &[custom], false), Action::Replace);
        let (tcp, http) = (("HealthCheckConfig.Type", "TCP"), ("HealthCheckConfig.Type", "HTTP"));
        assert_eq!(action(&[tcp], &[http], false), Action::Replace);
        assert_eq!(action(&[], &[http], false), Action::Update);
        assert_eq!(action(&[("Description", "x")], &[], false), Action::Update);
        assert_eq!(action(&[("Description", "x")], &[], true), Action::Replace);
        assert_eq!(action(&[("Tags.a", "1")], &[("Tags.a", "2")], true), Action::Update);
    }

    #[test]
    fn what_is_not_known_yet_differs_from_what_is_there() {
        let wished = Properties::from([("NamespaceId".to_owned(), None)]);
        let (action, changes) = compare(&service(&[("NamespaceId", "ns-1")]), Sort::Service, &wished, false);
        assert_eq!(action, Action::Replace);
        assert_eq!((changes[0].old.as_deref(), changes[0].new.as_deref()), (Some("ns-1"), Some(UNKNOWN)));
    }

    #[test]
    fn a_ttl_or_a_vpc_that_cannot_be_told_is_no_change() {
        assert_eq!(action(&[(SOA_TTL, "15")], &[], false), Action::Unchanged);
        assert_eq!(action(&[], &[("Vpc", "vpc-1")], false), Action::Unchanged);
        assert_eq!(action(&[("Vpc", "vpc-1")], &[("Vpc", "vpc-2")], false), Action::Replace);
    }
}
