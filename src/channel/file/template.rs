//! A CloudFormation template as a declaration: from what [`crate::template`] evaluates to a [`Fragment`].
//!
//! Parameters have their defaults, the stack is called like the file, and the region and the account are those that a
//! server has by default. A service must be in a namespace of the same template, an instance in a service of it: ids of
//! what exists elsewhere mean nothing in a file.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use super::fault::{Fault, Position};
use super::fragment::{DeclaredNamespace, DeclaredService, Fragment, Given, Label};
use super::yaml::Document;
use crate::model::{Attributes, Instance, NamespaceId, NamespaceType, Service, ServiceId, hosted_zone_id};
use crate::template::{self, Kind, Purpose, REF, Resource, Settings, Target, Text};

/// The region of a server that is told none.
const REGION: &str = "us-east-1";
/// The account of a server that is told none.
const ACCOUNT: &str = "000000000000";

/// Reads a template. The fragment is complete if there are no faults.
pub(super) fn read(file: &Arc<Path>, document: &Document) -> (Fragment, Vec<Fault>) {
    let stem = file.file_stem().unwrap_or_default().to_string_lossy();
    let settings = Settings {
        stack: Settings::stack_of(&stem),
        region: REGION.into(),
        account_id: ACCOUNT.into(),
        given: BTreeMap::new(),
        purpose: Purpose::Declare,
    };
    let evaluated = match template::of_document(file, document, &settings) {
        Ok(evaluated) => evaluated,
        Err(faults) => return (Fragment::unreadable(file), faults),
    };
    let mut declarer = Declarer { file, resources: &evaluated.resources, faults: Vec::new() };
    let namespaces = declarer.namespaces();
    let mut faults = declarer.faults;
    for fault in &mut faults {
        fault.message = evaluated.covered(&fault.message).into();
    }
    faults.sort();
    (Fragment { file: Arc::clone(file), readable: true, namespaces }, faults)
}

/// Where the ids of instances stand, and their indices.
type Places = Vec<(Position, usize)>;
/// The logical ids of instances, by index.
type LogicalIds = Box<[Box<str>]>;

/// Makes a fragment of resources.
struct Declarer<'t> {
    /// The template.
    file: &'t Arc<Path>,
    /// Its resources.
    resources: &'t [Resource],
    /// What was found so far.
    faults: Vec<Fault>,
}

impl<'t> Declarer<'t> {
    /// Notes a fault at a property of a resource.
    fn fault(&mut self, resource: &Resource, property: &str, at: Position, message: &str) {
        let text = format!("Resources.{}.Properties.{property}: {message}", resource.logical_id);
        self.faults.push(Fault::new(self.file, at, text));
    }

    /// The namespaces with all that is in them.
    fn namespaces(&mut self) -> Vec<DeclaredNamespace> {
        let resources = self.resources;
        for resource in resources {
            let (property, at, what) = match &resource.kind {
                Kind::Service(service) if matches!(service.namespace.value, Target::Id(_)) => {
                    ("NamespaceId", service.namespace.at, "the namespace")
                }
                Kind::Instance(instance) if matches!(instance.service.value, Target::Id(_)) => {
                    ("ServiceId", instance.service.at, "the service")
                }
                _ => continue,
            };
            let message = format!(
                "in a declared template {what} must be a resource of the same template; allowed is a !Ref to one"
            );
            self.fault(resource, property, at, &message);
        }
        let mut found = Vec::new();
        for resource in resources {
            let Kind::Namespace(namespace) = &resource.kind else { continue };
            let given = |text: &Option<template::Placed<Box<str>>>| {
                text.as_ref().map_or(Given::Absent, |text| Given::Value(text.value.clone(), text.at))
            };
            let description = match &namespace.description {
                None => Given::Absent,
                Some(text) => match self.text(resource, "Description", text.at, &text.value) {
                    Some(value) => Given::Value(value.into(), text.at),
                    None => Given::Faulty,
                },
            };
            found.push(DeclaredNamespace {
                name: namespace.name.value.clone(),
                at: namespace.name.at,
                label: Label::Resource(resource.logical_id.clone()),
                kind: Given::Value(namespace.namespace_type, resource.at),
                vpc: given(&namespace.vpc),
                soa_ttl: namespace.soa_ttl.as_ref().map_or(Given::Absent, |ttl| Given::Value(ttl.value, ttl.at)),
                id: Given::Absent,
                description,
                tags: self.pairs(resource, "Tags", resource.at, namespace.tags.iter().map(|(key, text)| (key, text))),
                records: Vec::new(),
                records_at: resource.at,
                services: self.services(resource),
            });
        }
        found
    }

    /// The services of a namespace.
    fn services(&mut self, namespace: &Resource) -> Vec<DeclaredService> {
        let mut found = Vec::new();
        for resource in self.resources {
            let Kind::Service(service) = &resource.kind else { continue };
            if service.namespace.value != Target::Resource(namespace.logical_id.clone()) {
                continue;
            }
            let description = service.description.as_ref();
            let description = description.and_then(|text| self.text(resource, "Description", text.at, &text.value));
            let mut declared = Service {
                routing_policy: service.routing_policy,
                dns_records: service.dns_records.clone(),
                health_check: service.health_check.value.clone(),
                attributes: self.pairs(
                    resource,
                    "ServiceAttributes",
                    resource.at,
                    service.attributes.iter().map(|(key, text)| (key, text)),
                ),
                description: description.map(Box::from),
                tags: self.pairs(resource, "Tags", resource.at, service.tags.iter().map(|(key, text)| (key, text))),
                ..Service::default()
            };
            let (instances, resources) = self.instances(resource, &mut declared);
            found.push(DeclaredService {
                name: service.name.value.clone(),
                at: service.name.at,
                label: Label::Resource(resource.logical_id.clone()),
                records_at: service.records_at,
                service: declared,
                instances,
                resources,
            });
        }
        found
    }

    /// Puts the instances into a service; returns their places and indices, and their logical ids by index.
    fn instances(&mut self, of: &Resource, service: &mut Service) -> (Places, LogicalIds) {
        let mut found: Vec<(Position, Instance, &Resource)> = Vec::new();
        for resource in self.resources {
            let Kind::Instance(instance) = &resource.kind else { continue };
            if instance.service.value != Target::Resource(of.logical_id.clone()) {
                continue;
            }
            let pairs = instance.attributes.iter().map(|(key, text)| (key, &text.value));
            let attributes = self.pairs(resource, "InstanceAttributes", instance.attributes_at, pairs);
            let mut made = Instance::new(&instance.id.value, None, attributes.iter());
            made.status = service.health_check.initial_status(&made);
            found.push((instance.id.at, made, resource));
        }
        found.sort_by(|a, b| a.1.id().cmp(b.1.id()).then(a.0.cmp(&b.0)));
        let mut before: Option<(&str, Position)> = None;
        for (at, instance, resource) in &found {
            match before {
                Some((id, first)) if id == instance.id() => {
                    let text =
                        format!("instance {id} stands there twice, first on line {}; allowed is once", first.line);
                    self.fault(resource, "InstanceId", *at, &text);
                }
                _ => before = Some((instance.id(), *at)),
            }
        }
        found.dedup_by(|next, first| next.1.id() == first.1.id());
        let places = found.iter().enumerate().map(|(index, (at, ..))| (*at, index)).collect();
        let names = found.iter().map(|(.., resource)| resource.logical_id.clone()).collect();
        service.instances = found.into_iter().map(|(_, instance, _)| instance).collect();
        (places, names)
    }

    /// A map of texts whose references are resolved.
    fn pairs<'a>(
        &mut self,
        resource: &Resource,
        property: &str,
        at: Position,
        pairs: impl Iterator<Item = (&'a Box<str>, &'a Text)>,
    ) -> Attributes {
        let pairs = pairs.filter_map(|(key, text)| Some((key, self.text(resource, property, at, text)?)));
        let pairs: Vec<_> = pairs.collect();
        Attributes::from_pairs(pairs.iter().map(|(key, value)| (&***key, value.as_str())))
    }

    /// A text whose references are resolved.
    fn text(&mut self, resource: &Resource, property: &str, at: Position, text: &Text) -> Option<String> {
        let resolved =
            text.resolve(|id, attribute| self.attribute(id, attribute).ok_or_else(|| format!("{id}.{attribute}")));
        match resolved {
            Ok(text) => Some(text),
            Err(name) => {
                let message =
                    format!("{name} is not known in a declared template; allowed are Ref, Id, HostedZoneId and Name");
                self.fault(resource, property, at, &message);
                None
            }
        }
    }

    /// What is known of a resource: ids of what is declared are made of names.
    fn attribute(&self, id: &str, attribute: &str) -> Option<String> {
        let find = |id: &str| self.resources.iter().find(|one| *one.logical_id == *id);
        let namespace_id = |namespace: &template::Namespace| {
            let lower = namespace.name.value.to_ascii_lowercase();
            let name = if namespace.namespace_type == NamespaceType::Http { &*namespace.name.value } else { &*lower };
            NamespaceId::of_name(&[name, namespace.vpc.as_ref().map_or("", |vpc| &vpc.value)])
        };
        match (&find(id)?.kind, attribute) {
            (Kind::Namespace(namespace), "Name") => Some(namespace.name.value.to_string()),
            (Kind::Namespace(namespace), REF | "Id") => Some(namespace_id(namespace).to_string()),
            (Kind::Namespace(namespace), "HostedZoneId") => Some(hosted_zone_id(&namespace_id(namespace))),
            (Kind::Service(service), "Name") => Some(service.name.value.to_string()),
            (Kind::Service(service), REF | "Id") => {
                let Target::Resource(id) = &service.namespace.value else { return None };
                let Kind::Namespace(namespace) = &find(id)?.kind else { return None };
                let is_http = namespace.namespace_type == NamespaceType::Http;
                let lower = service.name.value.to_ascii_lowercase();
                let key = if is_http { &*service.name.value } else { &*lower };
                Some(ServiceId::of_name(&[&namespace_id(namespace).to_string(), key]).to_string())
            }
            (Kind::Instance(instance), REF) => Some(instance.id.value.to_string()),
            _ => None,
        }
    }
}
