//! What one file declares, with the places that later faults must name.

use std::path::Path;
use std::sync::Arc;

use super::fault::Position;
use crate::model::{Attributes, NamespaceId, NamespaceType, Service};

/// The content of one declaration file.
#[derive(Clone, Debug)]
pub(super) struct Fragment {
    /// The file.
    pub(super) file: Arc<Path>,
    /// Whether the file could be understood as a declaration at all.
    pub(super) readable: bool,
    /// Its namespaces.
    pub(super) namespaces: Vec<DeclaredNamespace>,
}

impl Fragment {
    /// The fragment of a file that could not be understood.
    pub(super) fn unreadable(file: &Arc<Path>) -> Self {
        Self { file: Arc::clone(file), readable: false, namespaces: Vec::new() }
    }
}

/// A value that a file may give for a namespace, and another file, too.
#[derive(Clone, Debug)]
pub(super) enum Given<T> {
    /// Not given.
    Absent,
    /// Given, with a fault already noted.
    Faulty,
    /// Given at a place.
    Value(T, Position),
}

/// What faults call a namespace or a service.
#[derive(Clone, Debug)]
pub(super) enum Label {
    /// Its place in the list of a declaration.
    Index(usize),
    /// Its logical id in a template.
    Resource(Box<str>),
}

/// The property of a template that is the key of a declaration.
fn property(key: &str) -> &str {
    match key {
        "name" => "Name",
        "type" => "Type",
        "vpc" => "Vpc",
        "soa_ttl" => "Properties.DnsProperties.SOA.TTL",
        "description" => "Description",
        "dns_records" => "DnsConfig.DnsRecords",
        key => key,
    }
}

impl DeclaredNamespace {
    /// What faults call the value of `key`.
    pub(super) fn path(&self, key: &str) -> String {
        match &self.label {
            Label::Index(index) => format!("namespaces[{index}].{key}"),
            Label::Resource(id) if key == "type" => format!("Resources.{id}.Type"),
            Label::Resource(id) => format!("Resources.{id}.Properties.{}", property(key)),
        }
    }

    /// What faults call the value of `key` of a service in it.
    pub(super) fn service_path(&self, service: &DeclaredService, key: &str) -> String {
        match &service.label {
            Label::Index(index) => self.path(&format!("services[{index}].{key}")),
            Label::Resource(id) => format!("Resources.{id}.Properties.{}", property(key)),
        }
    }

    /// What faults call the id of the instance at `index` of a service in it.
    pub(super) fn instance_path(&self, service: &DeclaredService, index: usize) -> String {
        match service.resources.get(index) {
            Some(id) => format!("Resources.{id}.Properties.InstanceId"),
            None => self.service_path(service, &format!("instances[{index}].id")),
        }
    }
}

/// A namespace, or the part of it that one file declares.
#[derive(Clone, Debug)]
pub(super) struct DeclaredNamespace {
    /// Its name as written.
    pub(super) name: Box<str>,
    /// Where the name stands.
    pub(super) at: Position,
    /// What faults call it.
    pub(super) label: Label,
    /// `type`.
    pub(super) kind: Given<NamespaceType>,
    /// `vpc`.
    pub(super) vpc: Given<Box<str>>,
    /// `soa_ttl`.
    pub(super) soa_ttl: Given<u32>,
    /// `id`.
    pub(super) id: Given<NamespaceId>,
    /// For people.
    pub(super) description: Given<Box<str>>,
    /// Its tags.
    pub(super) tags: Attributes,
    /// Its static records in this file.
    pub(super) records: Vec<DeclaredRecord>,
    /// Where they stand.
    pub(super) records_at: Position,
    /// Its services in this file.
    pub(super) services: Vec<DeclaredService>,
}

/// A static record of a namespace.
#[derive(Clone, Debug)]
pub(super) struct DeclaredRecord {
    /// Owner in wire form and lower case.
    pub(super) owner: Box<[u8]>,
    /// Type.
    pub(super) rtype: u16,
    /// Seconds.
    pub(super) ttl: u32,
    /// RDATA in wire form.
    pub(super) rdata: Box<[u8]>,
    /// The line in which it begins.
    pub(super) line: u32,
}

/// A service, complete: it is never split.
#[derive(Clone, Debug)]
pub(super) struct DeclaredService {
    /// Its name as written.
    pub(super) name: Box<str>,
    /// Where the name stands.
    pub(super) at: Position,
    /// What faults call it.
    pub(super) label: Label,
    /// Where the DNS records stand.
    pub(super) records_at: Position,
    /// The service.
    pub(super) service: Service,
    /// Place and index of each instance's id, in the order of `service.instances`.
    pub(super) instances: Vec<(Position, usize)>,
    /// The logical ids of the instances in a template, by index.
    pub(super) resources: Box<[Box<str>]>,
}
