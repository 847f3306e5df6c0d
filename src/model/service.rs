//! A named thing in a namespace, and how DNS shows its instances.

use std::path::Path;
use std::sync::Arc;

use super::{Attributes, HealthStatus, Instance, Instances, ServiceId};
use crate::wire::types::rtype;

/// The record types a service can have (API model `RecordType`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum RecordType {
    /// IPv4 addresses.
    A,
    /// IPv6 addresses.
    Aaaa,
    /// Port and target.
    Srv,
    /// One canonical name.
    Cname,
}

impl RecordType {
    /// Its number in DNS.
    pub fn number(self) -> u16 {
        match self {
            Self::A => rtype::A,
            Self::Aaaa => rtype::AAAA,
            Self::Srv => rtype::SRV,
            Self::Cname => rtype::CNAME,
        }
    }
}

/// One record type of a service with its TTL in seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DnsRecord {
    /// The type.
    pub record_type: RecordType,
    /// Seconds, 0 to 2^31-1.
    pub ttl: u32,
}

/// How many instances an answer shows (API model `RoutingPolicy`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RoutingPolicy {
    /// Up to [`Service::limit`] instances, a fresh choice and order for each response.
    #[default]
    Multivalue,
    /// Exactly one, drawn anew for each response.
    Weighted,
}

/// Where health comes from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum HealthCheck {
    /// Nowhere: every instance counts as healthy.
    #[default]
    None,
    /// The registrant says (`HealthCheckCustomConfig`).
    Custom,
    /// This server looks (`HealthCheckConfig`).
    Probe(Probe),
}

impl HealthCheck {
    /// The status of an instance that has just come.
    pub fn initial_status(&self, instance: &Instance) -> HealthStatus {
        match self {
            Self::Custom => instance.initial_status().unwrap_or(HealthStatus::Healthy),
            // Until a probe knows better, which counts as healthy (Route 53 Developer Guide).
            Self::None | Self::Probe(_) => HealthStatus::Unknown,
        }
    }
}

/// What a probe asks (API model `HealthCheckType`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ProbeType {
    /// `GET` over HTTP.
    Http,
    /// `GET` over TLS; the certificate is not looked at.
    Https,
    /// A connection.
    Tcp,
}

/// How this server looks after an instance's health (API model `HealthCheckConfig`): as the client gave it, so that it
/// reads the same back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Probe {
    /// What it asks.
    pub probe_type: ProbeType,
    /// Path of the request; `None` means `/`.
    pub path: Option<Box<str>>,
    /// Equal results in a row that flip the status; `None` means 3.
    pub failure_threshold: Option<u8>,
}

/// A service; its name is the key under which its namespace holds it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Service {
    /// How many instances an answer shows.
    pub routing_policy: RoutingPolicy,
    /// The DNS records; empty for a service that only the API discovers.
    pub dns_records: Vec<DnsRecord>,
    /// Where health comes from.
    pub health_check: HealthCheck,
    /// Service attributes, Fingerpost's own settings among them.
    pub attributes: Attributes,
    /// Its id, where the file gives one; else it is made of the names.
    pub id: Option<ServiceId>,
    /// For people.
    pub description: Option<Box<str>>,
    /// Tags of the service.
    pub tags: Attributes,
    /// The file that declares it; `None` for one that the API made.
    pub source: Option<Arc<Path>>,
    /// The instances.
    pub instances: Instances,
}

impl Service {
    /// Answers a MULTIVALUE service shows at most: `FINGERPOST_LIMIT`, else Cloud Map's eight.
    /// `None` means all.
    pub fn limit(&self) -> Option<u32> {
        match self.attributes.get("FINGERPOST_LIMIT") {
            None => Some(8),
            Some("all") => None,
            Some(number) => Some(number.parse().unwrap_or(8).max(1)),
        }
    }

    /// The TTL of `record_type` where the service has that type.
    pub fn ttl(&self, record_type: RecordType) -> Option<u32> {
        self.dns_records.iter().find_map(|record| (record.record_type == record_type).then_some(record.ttl))
    }
}
