//! One registered endpoint of a service.

use std::net::{Ipv4Addr, Ipv6Addr};

use super::Attributes;

/// What is known of an instance's health (API model `HealthStatus`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum HealthStatus {
    /// Answers queries.
    Healthy,
    /// Left out of answers while another instance is healthy.
    Unhealthy,
    /// The service has no health check: answers queries.
    #[default]
    Unknown,
}

/// An instance; its id is the key under which its service holds it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Instance {
    /// The attributes as registered, byte for byte.
    pub attributes: Attributes,
    /// Current health.
    pub status: HealthStatus,
}

impl Instance {
    /// `AWS_INSTANCE_IPV4`.
    pub fn ipv4(&self) -> Option<Ipv4Addr> {
        self.attributes.get("AWS_INSTANCE_IPV4")?.parse().ok()
    }

    /// `AWS_INSTANCE_IPV6`.
    pub fn ipv6(&self) -> Option<Ipv6Addr> {
        self.attributes.get("AWS_INSTANCE_IPV6")?.parse().ok()
    }

    /// `AWS_INSTANCE_PORT`.
    pub fn port(&self) -> Option<u16> {
        self.attributes.get("AWS_INSTANCE_PORT")?.parse().ok()
    }

    /// `AWS_INSTANCE_CNAME`, in presentation format.
    pub fn cname(&self) -> Option<&str> {
        self.attributes.get("AWS_INSTANCE_CNAME")
    }
}
