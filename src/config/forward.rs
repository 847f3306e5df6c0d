//! Which upstreams are asked for which domain: `corp.example=10.0.0.2,10.0.0.3` as a flag or variable, a table in the
//! file; and the other options of forwarding, made into what the forwarder takes.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::de::Error;
use serde::{Deserialize, Deserializer};

use super::values::{ClientNetwork, Domain};
use super::{Options, list, number};
use crate::forward::{Server, Settings};
use crate::model::Network;

/// Clients that may ask, unless it is said otherwise: this machine, and networks that are nobody's in the Internet
/// (RFC 1918, RFC 3927, RFC 4193, RFC 4291 §2.5.6).
const ALLOW: [&str; 8] = [
    "127.0.0.0/8",
    "::1/128",
    "10.0.0.0/8",
    "172.16.0.0/12",
    "192.168.0.0/16",
    "169.254.0.0/16",
    "fc00::/7",
    "fe80::/10",
];

/// A domain and its upstreams.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    domain: Domain,
    /// At least one.
    upstreams: Vec<Server>,
}

impl Rule {
    fn new<'t>(domain: &str, upstreams: impl IntoIterator<Item = &'t str>) -> Result<Self, String> {
        let fault = |fault: String| format!("{domain}: {fault}");
        let name = domain.parse().map_err(fault)?;
        let upstreams: Vec<_> = upstreams.into_iter().map(str::parse).collect::<Result<_, _>>().map_err(fault)?;
        if upstreams.is_empty() {
            return Err(format!("{domain}: at least one upstream is needed, such as 10.0.0.2"));
        }
        Ok(Self { domain: name, upstreams })
    }
}

impl FromStr for Rule {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let Some((domain, upstreams)) = text.split_once('=') else {
            return Err(format!("\"{text}\" is not DOMAIN=ADDR[,ADDR…], such as corp.example=10.0.0.2"));
        };
        Self::new(domain.trim(), upstreams.split(',').map(str::trim))
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}={}", self.domain, list(&self.upstreams))
    }
}

/// Reads the table `[forward-rules]` of the configuration file.
pub(super) fn table<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Vec<Rule>>, D::Error> {
    let table: BTreeMap<String, Vec<String>> = Deserialize::deserialize(deserializer)?;
    let rule = |(domain, upstreams): (String, Vec<String>)| Rule::new(&domain, upstreams.iter().map(String::as_str));
    table.into_iter().map(rule).collect::<Result<_, _>>().map(Some).map_err(D::Error::custom)
}

/// The options of forwarding, `given` over `file` over the defaults.
pub(super) fn settings(given: &Options, file: &Options) -> Settings {
    let upstreams = given.forward.as_ref().or(file.forward.as_ref()).cloned().unwrap_or_default();
    let rules = given.forward_rules.as_ref().or(file.forward_rules.as_ref()).cloned().unwrap_or_default();
    let allow = given.forward_allow.as_ref().or(file.forward_allow.as_ref());
    let search = given.search.as_ref().or(file.search.as_ref()).into_iter().flatten();
    let max_stale: u32 = given.forward_max_stale.or(file.forward_max_stale).map_or(86_400, number);
    Settings {
        upstreams,
        rules: rules.into_iter().map(|rule| (rule.domain.0, rule.upstreams)).collect(),
        allow: match allow {
            Some(networks) => networks.iter().map(|ClientNetwork(network)| *network).collect(),
            None => default_networks(),
        },
        search: search.map(|domain| domain.0.clone()).collect(),
        cache_entries: given.forward_cache_entries.or(file.forward_cache_entries).map_or(10_000, number),
        cache_octets: given.forward_cache_size.or(file.forward_cache_size).map_or(4 << 20, number),
        max_stale: Duration::from_secs(max_stale.into()),
        in_flight: given.forward_in_flight.or(file.forward_in_flight).map_or(1024, number),
        timeout: Duration::from_secs(given.forward_timeout.or(file.forward_timeout).map_or(5, number)),
    }
}

/// The networks of [`ALLOW`].
fn default_networks() -> Vec<Network> {
    ALLOW.iter().filter_map(|network| network.parse().ok()).collect()
}

/// The options with their effective values, in the order of the list of options.
pub(super) fn shown(settings: &Settings) -> [(&'static str, String); 9] {
    let or_none = |text: String| if text.is_empty() { "none".to_owned() } else { text };
    let rules = settings.rules.iter().map(|(domain, upstreams)| {
        let rule = Rule { domain: Domain(domain.clone()), upstreams: upstreams.clone() };
        rule.to_string()
    });
    [
        ("forward", or_none(list(&settings.upstreams))),
        ("forward-rules", or_none(rules.collect::<Vec<_>>().join(";"))),
        ("forward-allow", or_none(list(&settings.allow))),
        ("forward-cache-entries", settings.cache_entries.to_string()),
        ("forward-cache-size", settings.cache_octets.to_string()),
        ("forward-max-stale", settings.max_stale.as_secs().to_string()),
        ("forward-in-flight", settings.in_flight.to_string()),
        ("forward-timeout", settings.timeout.as_secs().to_string()),
        ("search", or_none(list(settings.search.iter().map(|domain| Domain(domain.clone()))))),
    ]
}

/// What is wrong between rules: a domain given twice.
pub(super) fn faults(settings: &Settings) -> Vec<String> {
    let twice = settings
        .rules
        .iter()
        .enumerate()
        .filter(|(at, (domain, _))| settings.rules.iter().take(*at).any(|(other, _)| other == domain));
    twice.map(|(_, (domain, _))| format!("forward-rules: {} is listed twice", Domain(domain.clone()))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_is_a_domain_and_upstreams() {
        let rule: Rule = " corp.example = 10.0.0.2 , tls://10.0.0.3#dns.corp.example".parse().unwrap();
        assert_eq!(rule.to_string(), "corp.example=10.0.0.2:53,tls://10.0.0.3:853#dns.corp.example");
        for (text, expected) in [
            ("corp.example", "is not DOMAIN=ADDR"),
            ("a..b=10.0.0.2", "a..b: not a domain name"),
            ("corp.example=", "corp.example: \"\" is no upstream"),
        ] {
            let fault = text.parse::<Rule>().unwrap_err();
            assert!(fault.contains(expected), "{text}: {fault}");
        }
    }

    #[test]
    fn all_networks_of_the_default_are_networks() {
        assert_eq!(default_networks().len(), ALLOW.len());
    }
}
