//! How upstreams are written, and which servers a machine has already: `1.1.1.1`, `[fd00::53]:5353`,
//! `tls://1.1.1.1#cloudflare-dns.com`, `system`.

use std::fmt;
use std::net::{IpAddr, SocketAddr, SocketAddrV6};
use std::str::FromStr;

use serde::Deserialize;
use tokio_rustls::rustls::pki_types::ServerName;

/// What listens to DNS, and what listens to it over TLS (RFC 7858).
const PORT: u16 = 53;
const TLS_PORT: u16 = 853;

/// An upstream as the configuration names it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Deserialize)]
#[serde(try_from = "String")]
pub enum Server {
    /// The name servers of this machine's resolver: those in `/etc/resolv.conf` when the server starts.
    System,
    /// One over UDP and TCP.
    Plain(SocketAddr),
    /// One over TLS, whose certificate has to be for this name.
    Tls(SocketAddr, Box<str>),
}

impl FromStr for Server {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let malformed = || {
            format!(
                "\"{text}\" is no upstream, such as 10.0.0.2, [fd00::2]:5353, tls://1.1.1.1#cloudflare-dns.com or system"
            )
        };
        if text == "system" {
            return Ok(Self::System);
        }
        let Some(rest) = text.strip_prefix("tls://") else {
            return address(text, PORT).map(Self::Plain).ok_or_else(malformed);
        };
        let (at, name) = rest.split_once('#').ok_or_else(|| {
            format!("\"{text}\" does not say whose certificate to expect: tls://ADDRESS#NAME, such as tls://1.1.1.1#cloudflare-dns.com")
        })?;
        ServerName::try_from(name).map_err(|_| malformed())?;
        Ok(Self::Tls(address(at, TLS_PORT).ok_or_else(malformed)?, name.into()))
    }
}

impl TryFrom<String> for Server {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::System => f.write_str("system"),
            Self::Plain(address) => write!(f, "{address}"),
            Self::Tls(address, name) => write!(f, "tls://{address}#{name}"),
        }
    }
}

/// An address with its port, or with `port`.
fn address(text: &str, port: u16) -> Option<SocketAddr> {
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    let address = text.parse().ok().or_else(|| bare.parse::<IpAddr>().ok().map(|ip| SocketAddr::new(ip, port)))?;
    (address.port() != 0 && !address.ip().is_unspecified()).then_some(address)
}

/// The name servers in the text of a `resolv.conf`, in their order. What is not one is passed over, as resolvers do.
pub(super) fn of_resolv_conf(text: &str) -> Vec<SocketAddr> {
    let servers = text.lines().filter_map(|line| {
        let mut words = line.split_whitespace();
        words.next().filter(|word| *word == "nameserver")?;
        let word = words.next()?;
        let (ip, zone) = word.split_once('%').map_or((word, None), |(ip, zone)| (ip, Some(zone)));
        match (ip.parse().ok()?, zone) {
            (IpAddr::V6(ip), Some(zone)) => Some(SocketAddrV6::new(ip, PORT, 0, scope(zone)?).into()),
            (ip, _) => Some(SocketAddr::new(ip, PORT)),
        }
    });
    servers.collect()
}

/// The number of an interface, which stands there as such or by its name.
fn scope(zone: &str) -> Option<u32> {
    zone.parse().ok().or_else(|| {
        let index = std::fs::read_to_string(format!("/sys/class/net/{zone}/ifindex")).ok()?;
        index.trim().parse().ok()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn upstreams_have_ports_and_names() {
        for (text, shown) in [
            ("10.0.0.2", "10.0.0.2:53"),
            ("10.0.0.2:5353", "10.0.0.2:5353"),
            ("fd00::2", "[fd00::2]:53"),
            ("[fd00::2]", "[fd00::2]:53"),
            ("[fd00::2]:5353", "[fd00::2]:5353"),
            ("tls://1.1.1.1#cloudflare-dns.com", "tls://1.1.1.1:853#cloudflare-dns.com"),
            ("tls://[fd00::2]:8853#dns.test", "tls://[fd00::2]:8853#dns.test"),
            ("system", "system"),
        ] {
            assert_eq!(text.parse::<Server>().unwrap().to_string(), shown);
        }
        for bad in [
            "",
            "dns.google",
            "10.0.0.2:0",
            "0.0.0.0",
            "tls://1.1.1.1#",
            "tls://dns.google#dns.google",
            "udp://1.1.1.1",
        ] {
            assert!(bad.parse::<Server>().unwrap_err().contains("is no upstream, such as 10.0.0.2"), "{bad}");
        }
        assert!("tls://1.1.1.1".parse::<Server>().unwrap_err().contains("whose certificate"));
    }

    #[test]
    fn the_machines_own_are_read() {
        let text = "# made by hand\nsearch example.com\nnameserver 10.0.0.2 # first\n nameserver\tfd00::2\n\
                    nameserver fe80::1%7\nnameserver nonsense\nnameserver\noptions edns0\n";
        let servers: Vec<String> = of_resolv_conf(text).iter().map(ToString::to_string).collect();
        assert_eq!(servers, ["10.0.0.2:53", "[fd00::2]:53", "[fe80::1%7]:53"]);
    }
}
