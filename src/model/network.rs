//! A block of IP addresses, as a VPC's clients have them.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use thiserror::Error;

/// The addresses that share their first bits: `10.0.0.0/16`, `fd00::/8`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Network {
    first: IpAddr,
    prefix: u8,
}

/// Why a text is no network.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum NetworkFault {
    /// It does not look like one.
    #[error("\"{0}\" is not ADDRESS/BITS, such as 10.0.0.0/16 or fd00::/8")]
    Malformed(Box<str>),
    /// It names a host in a network, which may be a slip of either half.
    #[error("\"{0}\" has bits behind its prefix; the network is {1}")]
    HostBits(Box<str>, Network),
    /// It is IPv4 in disguise.
    #[error("\"{0}\" is made of IPv4 addresses in IPv6 form; write it as IPv4")]
    Mapped(Box<str>),
}

impl Network {
    /// The network of `address` whose addresses share its first `prefix` bits; `None` if it has fewer bits.
    pub fn of(address: IpAddr, prefix: u8) -> Option<Self> {
        let first = match address {
            IpAddr::V4(address) if prefix <= 32 => Ipv4Addr::from_bits(address.to_bits() & !hosts_v4(prefix)).into(),
            IpAddr::V6(address) if prefix <= 128 => Ipv6Addr::from_bits(address.to_bits() & !hosts_v6(prefix)).into(),
            _ => return None,
        };
        Some(Self { first, prefix })
    }

    /// Its first address.
    pub fn first(self) -> IpAddr {
        self.first
    }

    /// Its last address.
    pub fn last(self) -> IpAddr {
        match self.first {
            IpAddr::V4(first) => Ipv4Addr::from_bits(first.to_bits() | hosts_v4(self.prefix)).into(),
            IpAddr::V6(first) => Ipv6Addr::from_bits(first.to_bits() | hosts_v6(self.prefix)).into(),
        }
    }

    /// Whether an address, in its own form, is in it.
    pub fn contains(self, address: IpAddr) -> bool {
        address.is_ipv4() == self.first.is_ipv4() && (self.first..=self.last()).contains(&address)
    }

    /// Whether some address is in both, and therefore one in the other.
    pub fn overlaps(self, other: Self) -> bool {
        self.contains(other.first) || other.contains(self.first)
    }
}

/// The bits behind a prefix.
fn hosts_v4(prefix: u8) -> u32 {
    u32::MAX.checked_shr(prefix.into()).unwrap_or_default()
}

/// The bits behind a prefix.
fn hosts_v6(prefix: u8) -> u128 {
    u128::MAX.checked_shr(prefix.into()).unwrap_or_default()
}

impl FromStr for Network {
    type Err = NetworkFault;

    fn from_str(text: &str) -> Result<Self, NetworkFault> {
        let malformed = || NetworkFault::Malformed(text.into());
        let (address, prefix) = text.split_once('/').ok_or_else(malformed)?;
        let address: IpAddr = address.parse().map_err(|_| malformed())?;
        // Digits alone: `u8` would take a sign, too.
        let prefix = Some(prefix).filter(|digits| digits.bytes().all(|octet| octet.is_ascii_digit()));
        let prefix = prefix.and_then(|digits| digits.parse().ok()).ok_or_else(malformed)?;
        let network = Self::of(address, prefix).ok_or_else(malformed)?;
        if prefix >= 96 && network.first.to_canonical() != network.first {
            return Err(NetworkFault::Mapped(text.into()));
        }
        if network.first != address {
            return Err(NetworkFault::HostBits(text.into(), network));
        }
        Ok(network)
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.first, self.prefix)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn network(text: &str) -> Network {
        text.parse().unwrap()
    }

    #[test]
    fn networks_are_read_and_shown() {
        for text in ["0.0.0.0/0", "10.0.0.0/16", "127.0.0.1/32", "::/0", "fd00::/8", "2001:db8::1/128"] {
            assert_eq!(network(text).to_string(), text);
        }
    }

    #[test]
    fn faults_say_what_is_right() {
        for text in ["", "10.0.0.0", "10.0.0.0/", "10.0.0.0/33", "10.0.0/8", "::/129", "::/+8", "host/8", "10.0.0.0/8 "]
        {
            assert_eq!(text.parse::<Network>(), Err(NetworkFault::Malformed(text.into())), "{text}");
        }
        let fault = |text: &str| text.parse::<Network>().unwrap_err().to_string();
        assert!(fault("10.0.3.7/16").ends_with("the network is 10.0.0.0/16"));
        assert!(fault("fd12::/8").ends_with("the network is fd00::/8"));
        assert!(fault("::ffff:10.0.0.0/112").ends_with("write it as IPv4"));
    }

    #[test]
    fn a_network_ends_where_the_next_begins() {
        let address = |text: &str| text.parse::<IpAddr>().unwrap();
        assert_eq!(network("10.2.0.0/15").last(), address("10.3.255.255"));
        assert_eq!(network("0.0.0.0/0").last(), address("255.255.255.255"));
        assert_eq!(network("fd00::/8").last(), address("fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"));
        assert!(network("10.2.0.0/15").contains(address("10.3.0.0")));
        assert!(!network("10.2.0.0/15").contains(address("10.4.0.0")));
        assert!(!network("::/0").contains(address("10.4.0.0")));
        assert!(network("10.2.0.0/15").overlaps(network("10.3.1.0/24")));
        assert!(network("10.3.1.0/24").overlaps(network("10.2.0.0/15")));
        assert!(!network("10.3.1.0/24").overlaps(network("10.3.0.0/24")));
    }
}
