//! What a run asks for: namespaces, services and instances as a function of a short text.
//!
//! Nothing is stored: the name of a service and the addresses of its instances follow from their numbers, so that data of
//! millions costs no memory and every answer can be checked.
//!
//! The instances of a service have consecutive addresses, and no two instances share one: whose an address is costs a
//! subtraction. A seed moves them all, so that a server with other data is noticed.

mod text;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

pub use text::BadData;

/// The first of the 2^24 IPv4 addresses in 10.0.0.0/8.
const FIRST_V4: u32 = 0x0a00_0000;
/// How many there are, which bounds services times instances.
const ADDRESSES: u32 = 1 << 24;
/// Upper 96 bits of IPv6 addresses, of the block for documentation (RFC 3849).
const PREFIX_V6: u128 = 0x2001_0db8_u128 << 96;
/// Odd, and without pattern: the fractional part of the golden ratio. Seeds next to each other move addresses far apart.
const SPREAD: u64 = 0x9e37_79b9_7f4a_7c15;

//----------- Data -------------------------------------------------------------

/// A specification such as `namespaces=1,services=10000,instances=8,ttl=10,seed=1,records=a+srv,limit=8`; each member
/// may be left out. Its text, [`Display`](std::fmt::Display), has them all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Data {
    /// Namespaces.
    pub namespaces: u32,
    /// Services in all, spread over the namespaces: service n lies in namespace n modulo their number.
    pub services: u32,
    /// Instances of each service.
    pub instances: u32,
    /// TTL of all records in seconds but of NS; also the negative TTL.
    pub ttl: u32,
    /// What addresses follow from, and the order of queries. Seed 1 has the addresses from 10.0.0.0 on.
    pub seed: u64,
    /// The records of each service.
    pub records: Records,
    /// Records of one type in a response at most; `None` for all.
    pub limit: Option<u32>,
}

impl Default for Data {
    fn default() -> Self {
        Self {
            namespaces: 1,
            services: 10_000,
            instances: 8,
            ttl: 10,
            seed: 1,
            records: Records::default(),
            limit: Some(Self::DEFAULT_LIMIT),
        }
    }
}

//--- Names

impl Data {
    /// Instances in a response where nothing else is said, as on AWS.
    pub const DEFAULT_LIMIT: u32 = 8;

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

    /// The instance with this id; `None` where a service has none such.
    pub fn instance_of_id(&self, id: &[u8]) -> Option<u32> {
        let digits = id.strip_prefix(b"i").or_else(|| id.strip_prefix(b"I"))?;
        let leads = digits.starts_with(b"0") && digits.len() > 1;
        let number = std::str::from_utf8(digits).ok()?.parse().ok()?;
        (number < self.instances && !leads && !digits.starts_with(b"+")).then_some(number)
    }

    /// The services of a namespace, by number.
    pub fn services_of(&self, namespace: u32) -> impl Iterator<Item = u32> + use<> {
        (namespace..self.services).step_by(self.namespaces.max(1) as usize)
    }
}

//--- Addresses and ports

impl Data {
    /// Instances in all.
    pub fn total(&self) -> u64 {
        u64::from(self.services) * u64::from(self.instances)
    }

    /// The number of the first instance's address: seed 1 has 0, others what leaves room for all.
    fn first(&self) -> u32 {
        let room = u64::from(ADDRESSES).saturating_sub(self.total()) + 1;
        // Below 2^24 + 1.
        (self.seed.wrapping_sub(1).wrapping_mul(SPREAD) % room) as u32
    }

    /// IPv4 address of an instance: its service's number times the instances of a service, plus its own, plus what the
    /// seed adds, in 10.0.0.0/8.
    pub fn v4(&self, service: u32, instance: u32) -> Ipv4Addr {
        Ipv4Addr::from_bits(FIRST_V4 + self.first() + service * self.instances + instance)
    }

    /// IPv6 address of an instance: `2001:db8::` and the octets of [`Self::v4`] at the end.
    pub fn v6(&self, service: u32, instance: u32) -> Ipv6Addr {
        let v4 = self.v4(service, instance).to_bits();
        Ipv6Addr::from_bits(PREFIX_V6 | u128::from(v4))
    }

    /// Port of an instance in SRV records.
    pub fn port(&self, instance: u32) -> u16 {
        8000 + (instance % 1000) as u16
    }

    /// The instance of `service` that has this address; `None` for the address of anyone else.
    pub fn instance_of(&self, service: u32, address: IpAddr) -> Option<u32> {
        let bits = match address {
            IpAddr::V4(v4) if self.has_v4() => v4.to_bits(),
            IpAddr::V6(v6) if self.has_v6() && v6.to_bits() & !u128::from(u32::MAX) == PREFIX_V6 => v6.to_bits() as u32,
            _ => return None,
        };
        let instance = bits.wrapping_sub(self.v4(service, 0).to_bits());
        (instance < self.instances).then_some(instance)
    }

    /// Whether an instance of `service` has this address.
    pub fn owns(&self, service: u32, address: IpAddr) -> bool {
        self.instance_of(service, address).is_some()
    }
}

//--- Answers

impl Data {
    /// Whether instances have IPv4 addresses: where services have A records, or SRV records alone.
    pub fn has_v4(&self) -> bool {
        self.records.a || !self.records.aaaa
    }

    /// Whether instances have IPv6 addresses: where services have AAAA records.
    pub fn has_v6(&self) -> bool {
        self.records.aaaa
    }

    /// Records of each of the service's types in a response.
    pub fn shown(&self) -> u32 {
        self.limit.map_or(self.instances, |limit| limit.min(self.instances))
    }

    /// Records of type `rtype` (RFC 1035 §3.2.2) in the answer for a service's name; 0 is NODATA.
    pub fn service_answers(&self, rtype: u16) -> u32 {
        if self.records.has(rtype) { self.shown() } else { 0 }
    }

    /// Records of type `rtype` in the answer for an instance's own name: 1, 0 for NODATA, and `None` where such names do
    /// not exist, which is where services have no SRV records.
    pub fn instance_answers(&self, rtype: u16) -> Option<u32> {
        let has = (rtype == Records::A && self.has_v4()) || (rtype == Records::AAAA && self.has_v6());
        self.records.srv.then_some(u32::from(has))
    }
}

//----------- Records ----------------------------------------------------------

/// The types of a service's records: one of them at least.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Records {
    /// A.
    pub a: bool,
    /// AAAA.
    pub aaaa: bool,
    /// SRV, and names of their own for instances.
    pub srv: bool,
}

impl Default for Records {
    fn default() -> Self {
        Self { a: true, aaaa: false, srv: true }
    }
}

impl Records {
    /// Number of type A.
    pub const A: u16 = 1;
    /// Number of type AAAA.
    pub const AAAA: u16 = 28;
    /// Number of type SRV.
    pub const SRV: u16 = 33;

    /// Whether the type of this number is one of them.
    pub fn has(self, rtype: u16) -> bool {
        match rtype {
            Self::A => self.a,
            Self::AAAA => self.aaaa,
            Self::SRV => self.srv,
            _ => false,
        }
    }

    /// Numbers and names of those there are.
    pub fn types(self) -> impl Iterator<Item = (u16, &'static str)> {
        [(Self::A, "A"), (Self::AAAA, "AAAA"), (Self::SRV, "SRV")]
            .into_iter()
            .filter(move |(rtype, _)| self.has(*rtype))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    fn data(text: &str) -> Data {
        text.parse().unwrap()
    }

    #[test]
    fn every_instance_has_addresses_of_its_own() {
        for seed in [0, 1, 2, u64::MAX] {
            let data = data(&format!("services=300,instances=7,records=a+aaaa,seed={seed}"));
            let mut seen = HashSet::new();
            for (service, instance) in (0..300).flat_map(|service| (0..7).map(move |instance| (service, instance))) {
                let (v4, v6) = (data.v4(service, instance), data.v6(service, instance));
                assert_eq!(v4.octets()[0], 10);
                assert!(seen.insert(v4));
                for address in [v4.into(), v6.into()] {
                    assert_eq!(data.instance_of(service, address), Some(instance));
                    assert!(service == 0 || !data.owns(service - 1, address));
                    assert!(!data.owns(service + 1, address));
                }
            }
        }
        assert_ne!(data("seed=2").v4(0, 0), data("seed=1").v4(0, 0));
        assert_eq!(data("").v4(2, 3), Ipv4Addr::new(10, 0, 0, 19));
    }

    #[test]
    fn the_last_address_fits() {
        for seed in [1, 9] {
            let data = data(&format!("services=2097152,instances=8,seed={seed}"));
            assert_eq!(data.v4(2_097_151, 7), Ipv4Addr::new(10, 255, 255, 255));
        }
    }

    #[test]
    fn addresses_of_others_are_no_ones() {
        let data = data("services=10,instances=2");
        for address in ["9.255.255.255", "10.0.0.2", "11.0.0.0", "2001:db8::a00:0", "0.0.0.0"] {
            assert!(!data.owns(0, address.parse().unwrap()), "{address}");
        }
        assert!(!self::data("records=aaaa").owns(0, "10.0.0.0".parse().unwrap()));
        assert!(!self::data("records=aaaa").owns(0, "2001:db9::a00:0".parse().unwrap()));
        assert!(self::data("records=srv").owns(0, "10.0.0.0".parse().unwrap()));
    }

    #[test]
    fn ids_lead_back_to_instances() {
        let data = data("instances=12");
        for instance in 0..12 {
            assert_eq!(data.instance_of_id(data.instance_id(instance).as_bytes()), Some(instance));
        }
        for bad in ["i12", "i", "i01", "i+1", "7", "j1", "i-1", "i99999999999"] {
            assert_eq!(data.instance_of_id(bad.as_bytes()), None, "{bad}");
        }
    }

    #[test]
    fn every_service_is_in_one_namespace() {
        let data = data("namespaces=3,services=10");
        let mut seen: Vec<u32> = (0..3).flat_map(|namespace| data.services_of(namespace)).collect();
        assert_eq!(data.services_of(1).collect::<Vec<_>>(), [1, 4, 7]);
        seen.sort_unstable();
        assert_eq!(seen, (0..10).collect::<Vec<_>>());
        assert_eq!(data.service_name(4), "service-000004.n0001.load.test");
    }

    #[test]
    fn answers_have_as_many_records_as_the_limit_lets() {
        let few = data("instances=5,records=a+srv");
        assert_eq!([1, 28, 33, 16].map(|rtype| few.service_answers(rtype)), [5, 0, 5, 0]);
        assert_eq!([1, 28, 33].map(|rtype| few.instance_answers(rtype)), [Some(1), Some(0), Some(0)]);
        assert_eq!(data("instances=100").shown(), 8);
        assert_eq!(data("instances=100,limit=all").shown(), 100);
        assert_eq!(data("records=a").instance_answers(1), None);
    }
}
