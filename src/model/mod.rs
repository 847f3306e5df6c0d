//! Namespaces, services and instances: plain data, no input or output.
//!
//! The words and the limits are Cloud Map's (API model `servicediscovery/2017-03-14`). A value of these
//! types has been validated by the channel that made it ([`validate`] holds the rules); the registry owns
//! the only mutable copy.

#![forbid(unsafe_code)]

mod attributes;
mod dictionary;
mod id;
mod instance;
mod instances;
mod namespace;
mod network;
mod selection;
mod service;
pub mod validate;

pub use attributes::{Attributes, Pairs, fits, fits_pair};
pub use id::{NamespaceId, OperationId, ServiceId};
pub use instance::{HealthStatus, Instance, KnownAttribute};
pub use instances::{Glance, Instances};
pub use namespace::{Namespace, NamespaceType, State, ZoneSource, hosted_zone_id};
pub use network::{Network, NetworkFault};
pub use selection::Selection;
pub use service::{DnsRecord, HealthCheck, Probe, ProbeType, RecordType, RoutingPolicy, Service};

/// Monotonic number of a registry state; the first published state has revision 1.
pub type Revision = u64;
