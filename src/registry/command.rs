//! What channels wish for, and why it may be refused.

use super::push::Push;
use super::replicate::Replica;
use super::withhold::Withhold;
use crate::model::{
    Attributes, DnsRecord, HealthCheck, HealthStatus, NamespaceId, NamespaceType, OperationId, Probe, RoutingPolicy,
    ServiceId, State,
};
use crate::wire::{Name, NameError};

/// A wish sent to the registry. Its values have been checked on their own (`model::validate`); what depends on others
/// the registry checks.
#[derive(Debug)]
pub enum Command {
    /// What the declaration files say, all of it: it takes the place of what they said before.
    Declare(State),
    /// Makes everything a declaration holds, as if through the API.
    Import(State),
    /// Makes a namespace.
    CreateNamespace(CreateNamespace),
    /// Changes a namespace.
    UpdateNamespace(UpdateNamespace),
    /// Takes away a namespace without services.
    DeleteNamespace(NamespaceId),
    /// Makes a service.
    CreateService(CreateService),
    /// Changes a service.
    UpdateService(UpdateService),
    /// Takes away a service without instances.
    DeleteService(ServiceId),
    /// Puts attributes of a service; those it has keep their place.
    PutServiceAttributes(ServiceId, Attributes),
    /// Takes away attributes of a service.
    RemoveServiceAttributes(ServiceId, Vec<String>),
    /// Puts an instance, in place of the one of its id.
    RegisterInstance(RegisterInstance),
    /// Takes away an instance.
    DeregisterInstance(ServiceId, Box<str>),
    /// What the registrant says of an instance's health.
    SetCustomHealth(ServiceId, Box<str>, HealthStatus),
    /// What a probe found of an instance's health.
    SetProbedHealth(ServiceId, Box<str>, HealthStatus),
    /// Puts tags.
    Tag(Resource, Attributes),
    /// Takes away tags.
    Untag(Resource, Vec<String>),
    /// One of the gRPC channel's.
    Push(Push),
    /// What another node changed, which this one follows.
    Replicate(Box<Replica>),
    /// Which answers are held back from now on.
    Withhold(Withhold),
}

impl Command {
    /// Whether it is a batch of its own: as one that brings many things at once is.
    pub(super) fn is_declaration(&self) -> bool {
        matches!(self, Self::Declare(_) | Self::Import(_) | Self::Replicate(_) | Self::Withhold(_))
    }
}

/// What can have tags.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resource {
    /// A namespace.
    Namespace(NamespaceId),
    /// A service.
    Service(ServiceId),
}

/// `CreateHttpNamespace`, `CreatePrivateDnsNamespace`, `CreatePublicDnsNamespace`.
#[derive(Clone, Debug, Default)]
pub struct CreateNamespace {
    /// As written.
    pub name: Box<str>,
    /// Which of the three.
    pub namespace_type: NamespaceType,
    /// Of a private namespace.
    pub vpc: Option<Box<str>>,
    /// TTL of the SOA record in seconds.
    pub soa_ttl: Option<u32>,
    /// For people.
    pub description: Option<Box<str>>,
    /// What the client calls its request.
    pub creator_request_id: Option<Box<str>>,
    /// Tags.
    pub tags: Attributes,
}

/// `UpdateHttpNamespace`, `UpdatePrivateDnsNamespace`, `UpdatePublicDnsNamespace`.
#[derive(Clone, Debug)]
pub struct UpdateNamespace {
    /// Which.
    pub id: NamespaceId,
    /// The type it must have.
    pub namespace_type: NamespaceType,
    /// Replaces the description, where given.
    pub description: Option<Box<str>>,
    /// Replaces the TTL of the SOA record, where given.
    pub soa_ttl: Option<u32>,
    /// What the client calls its request.
    pub updater_request_id: Option<Box<str>>,
}

/// `CreateService`.
#[derive(Clone, Debug)]
pub struct CreateService {
    /// The namespace.
    pub namespace: NamespaceId,
    /// As written.
    pub name: Box<str>,
    /// How many instances an answer shows; `None`: the client said nothing.
    pub routing_policy: Option<RoutingPolicy>,
    /// Empty for a service that only the API discovers.
    pub dns_records: Vec<DnsRecord>,
    /// Whether the client said that only the API discovers it.
    pub api_only: bool,
    /// Where health comes from.
    pub health_check: HealthCheck,
    /// For people.
    pub description: Option<Box<str>>,
    /// What the client calls its request.
    pub creator_request_id: Option<Box<str>>,
    /// Tags.
    pub tags: Attributes,
}

/// `UpdateService`: what is left out goes, as on AWS.
#[derive(Clone, Debug)]
pub struct UpdateService {
    /// Which.
    pub id: ServiceId,
    /// Replaces the description, where given.
    pub description: Option<Box<str>>,
    /// The DNS records with their TTLs, of the same types as before; `None` takes them away.
    pub dns_records: Option<Vec<DnsRecord>>,
    /// The health check by probes; `None` takes it away.
    pub probe: Option<Probe>,
}

/// `RegisterInstance`.
#[derive(Clone, Debug)]
pub struct RegisterInstance {
    /// The service.
    pub service: ServiceId,
    /// The instance id.
    pub id: Box<str>,
    /// What the client calls its request.
    pub creator_request_id: Option<Box<str>>,
    /// The attributes.
    pub attributes: Attributes,
}

/// What came of a command.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Outcome {
    /// Nothing to say but that it is done.
    #[default]
    Done,
    /// It is done, or has failed, as this operation tells.
    Operation(OperationId),
    /// The service that was made, or had been made by the same request before.
    Service(ServiceId),
}

/// Why a command was refused. Nothing has changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// A rule is broken that ties this to what the registry holds.
    #[error("{0}")]
    Invalid(String),
    /// A file owns what would change.
    #[error("{what} is declared in {file}; change it there")]
    Declared {
        /// What would change.
        what: String,
        /// The file.
        file: String,
    },
    /// No namespace has this id.
    #[error("no namespace has the id {0}")]
    NoNamespace(String),
    /// No service has this id.
    #[error("no service has the id {0}")]
    NoService(String),
    /// No service has this name.
    #[error("there is no service {0}")]
    NoServiceNamed(String),
    /// What is followed differs from what the other node has.
    #[error("the state hash is {found:016x} and should be {expected:016x}: the whole state is needed")]
    Diverged {
        /// What the other node said.
        expected: u64,
        /// What it came to.
        found: u64,
    },
    /// The service has no instance of this id.
    #[error("the service has no instance {0}")]
    NoInstance(String),
    /// The service has no custom health check.
    #[error("service {0} has no custom health check (HealthCheckCustomConfig)")]
    NoCustomHealth(ServiceId),
    /// There is no such resource.
    #[error("no resource has this ARN")]
    NoResource,
    /// A namespace of the same name exists.
    #[error("a namespace called {name} exists already: {id}")]
    NamespaceExists {
        /// The name.
        name: Box<str>,
        /// The one that exists.
        id: NamespaceId,
        /// What its creator called the request.
        creator_request_id: Option<Box<str>>,
    },
    /// A service of the same name exists in the namespace.
    #[error("a service called {name} exists already in the namespace: {id}")]
    ServiceExists {
        /// The name.
        name: Box<str>,
        /// The one that exists.
        id: ServiceId,
        /// What its creator called the request.
        creator_request_id: Option<Box<str>>,
    },
    /// Something is in it.
    #[error("{0}")]
    InUse(String),
    /// A quota is used up.
    #[error("{0}")]
    Quota(String),
    /// Too many tags.
    #[error("{count} tags are too many; allowed are 50")]
    TooManyTags {
        /// How many.
        count: usize,
        /// The name of what would have them.
        resource: String,
    },
    /// Too many attributes of a service.
    #[error("{0} attributes of a service are too many; allowed are 30")]
    TooManyAttributes(usize),
    /// The same is being done.
    #[error("another operation is in progress: {0}")]
    Duplicate(OperationId),
    /// A name cannot stand in DNS.
    #[error("namespace {namespace}: {fault}")]
    Name {
        /// The namespace.
        namespace: Box<str>,
        /// What is wrong.
        fault: NameError,
    },
    /// A zone is said to have changed, and its records are not at hand.
    #[error("zone {apex} comes without its records")]
    NoRecords {
        /// The zone.
        apex: Name,
    },
    /// The store failed: what it holds now is unknown, so nothing is written any more.
    #[error("the store failed, restart the server: {0}")]
    Store(String),
    /// The registry has ended.
    #[error("the registry has stopped")]
    Stopped,
}
