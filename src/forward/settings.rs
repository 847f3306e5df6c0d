//! What the forwarder may be told, and which upstreams that makes.

use std::collections::HashMap;
use std::fs;
use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::time::Duration;

use tokio_rustls::rustls::pki_types::ServerName;

use super::exchange::{Channel, Tls, client_config};
use super::group::Group;
use super::server::{Server, of_resolv_conf};
use super::upstream::Upstream;
use crate::config::Faults;
use crate::metrics::ForwardCounters;
use crate::model::Network;
use crate::wire::Name;

/// Where the machine's own name servers are named.
const RESOLV_CONF: &str = "/etc/resolv.conf";

/// Upstreams by domain, longest names first.
pub(super) type Groups = Vec<(Name, Group)>;

/// The settings of forwarding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Who is asked for names that no rule is for; with none, they are refused.
    pub upstreams: Vec<Server>,
    /// Who is asked for names in these domains; the longest that fits counts.
    pub rules: Vec<(Name, Vec<Server>)>,
    /// Clients that may ask.
    pub allow: Vec<Network>,
    /// Domains in which single labels are looked for, in this order.
    pub search: Vec<Name>,
    /// Answers kept at most.
    pub cache_entries: usize,
    /// Octets that they may take.
    pub cache_octets: usize,
    /// How long an answer is kept beyond its TTL, for when no upstream answers.
    pub max_stale: Duration,
    /// Queries that may wait for upstreams; the next is shed.
    pub in_flight: usize,
    /// How long an upstream, or several in turn, may take to answer.
    pub timeout: Duration,
}

impl Settings {
    /// Whether there is anything to be done.
    pub fn is_on(&self) -> bool {
        !(self.upstreams.is_empty() && self.rules.is_empty() && self.search.is_empty())
    }

    /// The upstreams by domain, longest names first, and what counts them. This server listens on `own`: an upstream
    /// there would forward to itself.
    pub(super) fn groups(&self, own: &[SocketAddr]) -> Result<(Groups, Arc<ForwardCounters>), Faults> {
        let root = Name::parse(".").map_err(|fault| Faults::of([fault]))?;
        let default = (!self.upstreams.is_empty()).then_some((root, &self.upstreams));
        let mut wanted: Vec<_> =
            default.into_iter().chain(self.rules.iter().map(|(domain, servers)| (domain.clone(), servers))).collect();
        wanted.sort_by_key(|(domain, _)| std::cmp::Reverse(domain.as_wire().len()));
        let mut faults = Vec::new();
        let mut known: HashMap<Server, (usize, Name)> = HashMap::new();
        let mut order: Vec<Server> = Vec::new();
        let mut groups = Vec::new();
        for (domain, servers) in &wanted {
            let mut members = Vec::new();
            for server in servers.iter().flat_map(|server| expand(server, own, &mut faults)) {
                let next = known.len();
                // What is asked for a shorter name can be asked for a longer one: probes use the shortest, which is last.
                let (index, probed) = known.entry(server.clone()).or_insert_with(|| {
                    order.push(server);
                    (next, domain.clone())
                });
                *probed = domain.clone();
                if !members.contains(index) {
                    members.push(*index);
                }
            }
            groups.push((domain.clone(), members));
        }
        if !faults.is_empty() {
            return Err(Faults(faults));
        }
        let counters = Arc::new(ForwardCounters::new(order.iter().map(label)));
        let mut upstreams = Vec::new();
        for (index, server) in order.iter().enumerate() {
            let Some((_, domain)) = known.get(server) else { continue };
            upstreams.push(Arc::new(upstream(server, domain.clone(), index, &counters)?));
        }
        let group = |members: Vec<usize>| Group(members.iter().filter_map(|at| upstreams.get(*at).cloned()).collect());
        Ok((groups.into_iter().map(|(domain, members)| (domain, group(members))).collect(), counters))
    }
}

/// What stands for an upstream in metrics.
fn label(server: &Server) -> String {
    match server {
        Server::System => "system".to_owned(),
        Server::Plain(address) => address.to_string(),
        Server::Tls(address, _) => format!("tls://{address}"),
    }
}

/// The servers that `server` stands for: itself, or those of the machine.
fn expand(server: &Server, own: &[SocketAddr], faults: &mut Vec<String>) -> Vec<Server> {
    match server {
        Server::System => {
            let text = fs::read_to_string(RESOLV_CONF).unwrap_or_default();
            let found = of_resolv_conf(&text);
            let (ours, others): (Vec<_>, Vec<_>) = found.into_iter().partition(|address| is_own(*address, own));
            for address in ours {
                tracing::info!("forward: {RESOLV_CONF} names this server, {address}, which is passed over");
            }
            if others.is_empty() {
                faults.push(format!(
                    "forward: system: {RESOLV_CONF} names no name server but this one; add another, or name an upstream"
                ));
            }
            others.into_iter().map(Server::Plain).collect()
        }
        Server::Plain(address) | Server::Tls(address, _) if is_own(*address, own) => {
            faults.push(format!("forward: {address} is this server itself; name another upstream"));
            Vec::new()
        }
        server => vec![server.clone()],
    }
}

/// Whether somebody who asks `address` asks one of `own`, the addresses this server listens on.
fn is_own(address: SocketAddr, own: &[SocketAddr]) -> bool {
    own.iter().any(|listening| {
        listening.port() == address.port()
            && (listening.ip() == address.ip()
                || listening.ip().is_unspecified() && listening.is_ipv4() == address.is_ipv4() && is_local(address))
    })
}

/// Whether the address is one of this machine's: others cannot be bound.
fn is_local(address: SocketAddr) -> bool {
    UdpSocket::bind(SocketAddr::new(address.ip(), 0)).is_ok()
}

/// The upstream at `server`, which is not [`Server::System`].
fn upstream(server: &Server, domain: Name, index: usize, counters: &Arc<ForwardCounters>) -> Result<Upstream, Faults> {
    let (address, channel) = match server {
        Server::System => return Err(Faults::of(["forward: system stands for others"])),
        Server::Plain(address) => (*address, Channel::Plain),
        Server::Tls(address, name) => {
            let config = client_config().map_err(|error| Faults::of([format!("forward: {server}: {error}")]))?;
            let name = ServerName::try_from(name.to_string());
            let name = name.map_err(|error| Faults::of([format!("forward: {server}: {error}")]))?;
            (*address, Channel::Tls(Box::new(Tls::new(name, config))))
        }
    };
    Ok(Upstream::new(address, channel, domain, index, Arc::clone(counters)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(upstreams: &[&str], rules: &[(&str, &[&str])]) -> Settings {
        let servers = |texts: &[&str]| texts.iter().map(|text| text.parse().unwrap()).collect::<Vec<Server>>();
        Settings {
            upstreams: servers(upstreams),
            rules: rules.iter().map(|(domain, texts)| (Name::parse(domain).unwrap(), servers(texts))).collect(),
            allow: Vec::new(),
            search: Vec::new(),
            cache_entries: 0,
            cache_octets: 0,
            max_stale: Duration::ZERO,
            in_flight: 1,
            timeout: Duration::from_secs(1),
        }
    }

    #[test]
    fn the_longest_domain_comes_first_and_a_server_is_one_upstream() {
        let settings = settings(
            &["10.0.0.1", "10.0.0.2"],
            &[("corp.test", &["10.0.0.3", "10.0.0.1"]), ("a.corp.test", &["10.0.0.3"])],
        );
        let (groups, _) = settings.groups(&[]).unwrap();
        let domains: Vec<String> = groups.iter().map(|(domain, _)| domain.to_string()).collect();
        assert_eq!(domains, ["a.corp.test.", "corp.test.", "."]);
        assert_eq!(groups.iter().map(|(_, group)| group.0.len()).collect::<Vec<_>>(), [1, 2, 2]);
        assert!(Arc::ptr_eq(&groups[0].1.0[0], &groups[1].1.0[0]));
        assert!(Arc::ptr_eq(&groups[1].1.0[1], &groups[2].1.0[0]));
    }

    #[test]
    fn nobody_forwards_to_itself() {
        let settings = settings(&["127.0.0.1:5300", "10.255.255.254:5300"], &[]);
        for own in ["127.0.0.1:5300", "0.0.0.0:5300"] {
            let faults = settings.groups(&[own.parse().unwrap()]).err().unwrap().0;
            assert_eq!(faults, ["forward: 127.0.0.1:5300 is this server itself; name another upstream"]);
        }
        for own in ["127.0.0.1:5301", "127.0.0.2:5300", "[::]:5300"] {
            assert!(settings.groups(&[own.parse().unwrap()]).is_ok(), "{own}");
        }
    }
}
