//! What is registered: the instance's id, its addresses, its attributes.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use tokio::net::{UdpSocket, lookup_host};
use tokio::task::spawn_blocking;

use super::metadata::{self, Task};

/// Longest id that is also a label of DNS, as SRV records need it.
const LONGEST_ID: usize = 63;

/// What the user says about the instance. What is not said is found out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    /// Its id.
    pub id: Option<String>,
    /// Its addresses, one of a family; none: those found out.
    pub addresses: Vec<IpAddr>,
    /// Its port.
    pub port: Option<u16>,
    /// Attributes, which win over those found out.
    pub attributes: Vec<(String, String)>,
    /// The lease in seconds.
    pub lease: u64,
    /// The URL of the task metadata endpoint, if we are in an ECS task.
    pub metadata: Option<String>,
    /// Host and port of the registry: the way there begins at our address.
    pub registry: String,
}

/// An instance as it will be registered.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Identity {
    pub(super) id: String,
    pub(super) addresses: Vec<IpAddr>,
    pub(super) attributes: Vec<(String, String)>,
}

impl Wanted {
    /// Finds out what the user did not say. It may fail for a while: when the network is not there yet.
    pub(super) async fn find(&self) -> Result<Identity, String> {
        let task = match self.metadata.clone() {
            Some(url) => spawn_blocking(move || metadata::ask(&url)).await.map_err(|error| error.to_string())??,
            None => Task::default(),
        };
        let addresses = match (&self.addresses[..], &task.addresses[..]) {
            ([], []) => first_of_each_family(&own_addresses(&self.registry).await?),
            ([], found) => first_of_each_family(found),
            (said, _) => said.to_vec(),
        };
        Ok(self.identity(addresses, task))
    }

    /// Puts together what was said and found out.
    fn identity(&self, addresses: Vec<IpAddr>, task: Task) -> Identity {
        let mut attributes: Vec<(String, String)> = Vec::new();
        let mut put = |key: &str, value: String| {
            if !attributes.iter().any(|(known, _)| known == key) {
                attributes.push((key.to_owned(), value));
            }
        };
        self.attributes.iter().for_each(|(key, value)| put(key, value.clone()));
        for address in &addresses {
            put(if address.is_ipv4() { "AWS_INSTANCE_IPV4" } else { "AWS_INSTANCE_IPV6" }, address.to_string());
        }
        if let Some(port) = self.port {
            put("AWS_INSTANCE_PORT", port.to_string());
        }
        put("FINGERPOST_LEASE", self.lease.to_string());
        task.attributes.into_iter().for_each(|(key, value)| put(key, value));
        let id = self.id.clone().or(task.id).unwrap_or_else(|| default_id(&host_name(), self.port));
        Identity { id, addresses, attributes }
    }
}

/// The id of an instance that nobody named: the machine, and the port as it may have several. The same after a restart.
fn default_id(host: &str, port: Option<u16>) -> String {
    let port = port.map(|port| format!("-{port}")).unwrap_or_default();
    let host: String = host.chars().map(|c| if c.is_ascii_alphanumeric() || c == '-' { c } else { '-' }).collect();
    let host = host.get(..LONGEST_ID - port.len()).unwrap_or(&host);
    format!("{host}{port}")
}

/// The name of this machine or container.
fn host_name() -> String {
    let name = rustix::system::uname().nodename().to_string_lossy().into_owned();
    if name.is_empty() { "localhost".into() } else { name }
}

/// The addresses from which this machine would send to the registry, one for each family that it has.
async fn own_addresses(registry: &str) -> Result<Vec<IpAddr>, String> {
    let there = lookup_host(registry).await.map_err(|error| format!("{registry} has no address: {error}"))?;
    let mut found = Vec::new();
    for address in there {
        found.extend(source(address).await);
    }
    match found.is_empty() {
        true => Err(format!("there is no route to {registry}; say --address")),
        false => Ok(found),
    }
}

/// The address from which a datagram to `there` would go. None is sent: to connect a UDP socket is to look up its route.
async fn source(there: SocketAddr) -> Option<IpAddr> {
    let any: IpAddr = if there.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    let socket = UdpSocket::bind((any, 0)).await.ok()?;
    socket.connect(there).await.ok()?;
    socket.local_addr().ok().map(|address| address.ip())
}

/// The first address of each family: an instance has no more.
fn first_of_each_family(all: &[IpAddr]) -> Vec<IpAddr> {
    let v4 = all.iter().find(|address| address.is_ipv4());
    let v6 = all.iter().find(|address| address.is_ipv6());
    v4.into_iter().chain(v6).copied().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_wins_over_what_is_found() {
        let wanted = Wanted {
            port: Some(80),
            attributes: vec![("REGION".into(), "here".into())],
            lease: 15,
            ..Wanted::default()
        };
        let task = Task {
            id: Some("t".into()),
            attributes: vec![("REGION", "there".into()), ("AVAILABILITY_ZONE", "a".into())],
            ..Task::default()
        };
        let addresses = first_of_each_family(&["fd00::1", "10.0.0.1", "10.0.0.2"].map(|text| text.parse().unwrap()));
        let identity = wanted.identity(addresses, task);
        assert_eq!(identity.id, "t");
        let pairs: Vec<_> = identity.attributes.iter().map(|(key, value)| (&**key, &**value)).collect();
        let expected = [
            ("REGION", "here"),
            ("AWS_INSTANCE_IPV4", "10.0.0.1"),
            ("AWS_INSTANCE_IPV6", "fd00::1"),
            ("AWS_INSTANCE_PORT", "80"),
            ("FINGERPOST_LEASE", "15"),
            ("AVAILABILITY_ZONE", "a"),
        ];
        assert_eq!(pairs, expected);
    }

    #[test]
    fn an_id_without_a_name_is_a_label() {
        assert_eq!(default_id("web_1.example", Some(8080)), "web-1-example-8080");
        assert_eq!(default_id("h", None), "h");
        assert_eq!(default_id(&"x".repeat(64), Some(65535)).len(), LONGEST_ID);
        assert!(!host_name().is_empty());
    }

    #[tokio::test]
    async fn the_way_to_the_registry_begins_at_our_address() {
        let loopback = [IpAddr::V4(Ipv4Addr::LOCALHOST)];
        assert_eq!(own_addresses("127.0.0.1:8301").await.unwrap(), loopback);
        let error = own_addresses("no-such-host.invalid:1").await.unwrap_err();
        assert!(error.starts_with("no-such-host.invalid:1 has no address"), "{error}");
    }
}
