//! The resources that a template yields, with types.

use super::token::Text;
use crate::channel::file::Position;
use crate::model::{DnsRecord, HealthCheck, NamespaceType, RoutingPolicy};

/// A value and its place in the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Placed<T> {
    /// The value.
    pub value: T,
    /// Where it stands.
    pub at: Position,
}

/// A resource of a template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resource {
    /// Its logical id.
    pub logical_id: Box<str>,
    /// Where that stands.
    pub at: Position,
    /// What it is.
    pub kind: Kind,
}

/// What a resource is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `AWS::ServiceDiscovery::HttpNamespace` and its sisters.
    Namespace(Namespace),
    /// `AWS::ServiceDiscovery::Service`.
    Service(Service),
    /// `AWS::ServiceDiscovery::Instance`.
    Instance(Instance),
}

impl Kind {
    /// The type in templates.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Namespace(namespace) => namespace_type_name(namespace.namespace_type),
            Self::Service(_) => "AWS::ServiceDiscovery::Service",
            Self::Instance(_) => "AWS::ServiceDiscovery::Instance",
        }
    }
}

/// The type of a namespace in templates.
pub fn namespace_type_name(namespace_type: NamespaceType) -> &'static str {
    match namespace_type {
        NamespaceType::Http => "AWS::ServiceDiscovery::HttpNamespace",
        NamespaceType::DnsPrivate => "AWS::ServiceDiscovery::PrivateDnsNamespace",
        NamespaceType::DnsPublic => "AWS::ServiceDiscovery::PublicDnsNamespace",
    }
}

/// A namespace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Namespace {
    /// Which of the three.
    pub namespace_type: NamespaceType,
    /// Its name.
    pub name: Placed<Box<str>>,
    /// The VPC of a private one.
    pub vpc: Option<Placed<Box<str>>>,
    /// For people.
    pub description: Option<Placed<Text>>,
    /// TTL of the SOA record.
    pub soa_ttl: Option<Placed<u32>>,
    /// Tags.
    pub tags: Vec<(Box<str>, Text)>,
}

/// The namespace of a service, or the service of an instance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// A resource of the same template, by its logical id.
    Resource(Box<str>),
    /// Something that is there already, by its id or ARN.
    Id(Box<str>),
}

/// A service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Service {
    /// Its name.
    pub name: Placed<Box<str>>,
    /// Its namespace.
    pub namespace: Placed<Target>,
    /// For people.
    pub description: Option<Placed<Text>>,
    /// Its records; none if it is discovered through the API only.
    pub dns_records: Vec<DnsRecord>,
    /// Where they stand.
    pub records_at: Position,
    /// How many instances an answer shows.
    pub routing_policy: RoutingPolicy,
    /// Where health comes from, and where that stands.
    pub health_check: Placed<HealthCheck>,
    /// `ServiceAttributes`.
    pub attributes: Vec<(Box<str>, Text)>,
    /// Tags.
    pub tags: Vec<(Box<str>, Text)>,
}

/// An instance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Instance {
    /// Its id.
    pub id: Placed<Box<str>>,
    /// Its service.
    pub service: Placed<Target>,
    /// Its attributes with the places of their values.
    pub attributes: Vec<(Box<str>, Placed<Text>)>,
    /// Where they stand as a whole.
    pub attributes_at: Position,
}

impl Resource {
    /// The resources of the template that it needs, by logical id: in its targets and in its texts.
    pub fn needs(&self) -> Vec<&str> {
        let (target, texts): (_, Vec<&Text>) = match &self.kind {
            Kind::Namespace(namespace) => {
                let description = namespace.description.iter().map(|text| &text.value);
                (None, description.chain(namespace.tags.iter().map(|(_, text)| text)).collect())
            }
            Kind::Service(service) => {
                let description = service.description.iter().map(|text| &text.value);
                let pairs = service.attributes.iter().chain(&service.tags);
                (Some(&service.namespace), description.chain(pairs.map(|(_, text)| text)).collect())
            }
            Kind::Instance(instance) => {
                (Some(&instance.service), instance.attributes.iter().map(|(_, text)| &text.value).collect())
            }
        };
        let target = target.and_then(|target| match &target.value {
            Target::Resource(id) => Some(&**id),
            Target::Id(_) => None,
        });
        target.into_iter().chain(texts.into_iter().flat_map(|text| text.references().map(|(id, _)| id))).collect()
    }
}
