//! A named thing in a namespace, and how DNS shows its instances.

use std::collections::BTreeMap;

use super::{Attributes, Instance};

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
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum HealthCheck {
    /// Nowhere: every instance counts as healthy.
    #[default]
    None,
    /// The registrant says (`HealthCheckCustomConfig`).
    Custom,
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
    /// Instances by id.
    pub instances: BTreeMap<Box<str>, Instance>,
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
