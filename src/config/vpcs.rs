//! Which client networks belong to which VPC: `vpc-1=10.0.0.0/16,fd00::/8` as a flag or variable, a table in the file.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use serde::de::Error;
use serde::{Deserialize, Deserializer};

use super::list;
use crate::model::validate::names;
use crate::model::{NamespaceType, Network};

/// A VPC and the networks of its clients.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Vpc {
    /// Its id, as namespaces name it.
    pub id: Box<str>,
    /// At least one network.
    pub networks: Vec<Network>,
}

impl Vpc {
    /// A VPC with a sound id and with networks.
    fn new<'t>(id: &str, networks: impl IntoIterator<Item = &'t str>) -> Result<Self, String> {
        names::vpc(NamespaceType::DnsPrivate, id).map_err(|violation| violation.to_string())?;
        let network = |text: &str| text.parse().map_err(|fault| format!("{id}: {fault}"));
        let networks: Vec<_> = networks.into_iter().map(network).collect::<Result<_, _>>()?;
        if networks.is_empty() {
            return Err(format!("{id}: at least one network is needed, such as 10.0.0.0/16"));
        }
        Ok(Self { id: id.into(), networks })
    }
}

impl FromStr for Vpc {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let Some((id, networks)) = text.split_once('=') else {
            return Err(format!("\"{text}\" is not ID=NETWORK[,NETWORK…], such as vpc-1=10.0.0.0/16,fd00::/8"));
        };
        Self::new(id.trim(), networks.split(',').map(str::trim))
    }
}

impl fmt::Display for Vpc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}={}", self.id, list(&self.networks))
    }
}

/// The VPCs as one variable would set them.
pub(super) fn shown(vpcs: &[Vpc]) -> String {
    match vpcs {
        [] => "none".to_owned(),
        vpcs => vpcs.iter().map(Vpc::to_string).collect::<Vec<_>>().join(";"),
    }
}

/// Reads the table `[vpcs]` of the configuration file.
pub(super) fn table<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Vec<Vpc>>, D::Error> {
    let table: BTreeMap<String, Vec<String>> = Deserialize::deserialize(deserializer)?;
    let vpc = |(id, networks): (String, Vec<String>)| Vpc::new(&id, networks.iter().map(String::as_str));
    table.into_iter().map(vpc).collect::<Result<_, _>>().map(Some).map_err(D::Error::custom)
}

/// What is wrong between VPCs: an id given twice, or a network whose clients would be in two VPCs.
pub(super) fn faults(vpcs: &[Vpc]) -> Vec<String> {
    let mut faults = Vec::new();
    let mut networks: Vec<_> = vpcs.iter().flat_map(|vpc| vpc.networks.iter().map(move |one| (*one, vpc))).collect();
    for (at, vpc) in vpcs.iter().enumerate() {
        if vpcs.iter().take(at).any(|other| other.id == vpc.id) {
            faults.push(format!("vpcs: {} is listed twice", vpc.id));
        }
    }
    // In their order, a network overlaps with those behind it as long as they begin in it.
    networks.sort_by_key(|(network, _)| *network);
    for (at, (network, vpc)) in networks.iter().enumerate() {
        let behind = networks.iter().skip(at + 1).take_while(|(other, _)| network.overlaps(*other));
        for (other, second) in behind.filter(|(_, second)| second.id != vpc.id) {
            faults.push(format!("vpcs: {network} of {} and {other} of {} overlap", vpc.id, second.id));
        }
    }
    faults
}

#[cfg(test)]
mod tests {
    use super::*;

    fn vpcs(texts: &[&str]) -> Vec<Vpc> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    #[test]
    fn a_vpc_is_an_id_and_networks() {
        assert_eq!(vpcs(&[" vpc-1 = 10.0.0.0/16 , fd00::/8"])[0].to_string(), "vpc-1=10.0.0.0/16,fd00::/8");
        for (text, expected) in [
            ("vpc-1", "ID=NETWORK"),
            ("=10.0.0.0/8", "VPC id"),
            ("a b=10.0.0.0/8", "VPC id"),
            ("vpc-1=", "vpc-1: \"\" is not ADDRESS/BITS"),
            ("vpc-1=10.0.0.0/8,fd00::1/8", "vpc-1: \"fd00::1/8\" has bits behind its prefix; the network is fd00::/8"),
        ] {
            let fault = text.parse::<Vpc>().unwrap_err();
            assert!(fault.contains(expected), "{text}: {fault}");
        }
    }

    #[test]
    fn no_client_is_in_two_vpcs() {
        assert_eq!(faults(&vpcs(&["a=10.0.0.0/16,10.0.1.0/24", "b=10.1.0.0/16,fd00::/8"])), [""; 0]);
        assert_eq!(
            faults(&vpcs(&["a=10.0.0.0/8,fd00::/8", "b=fd01::/16,10.255.0.0/16", "c=fd00::/8", "c=11.0.0.0/8"])),
            [
                "vpcs: c is listed twice",
                "vpcs: 10.0.0.0/8 of a and 10.255.0.0/16 of b overlap",
                "vpcs: fd00::/8 of a and fd00::/8 of c overlap",
                "vpcs: fd00::/8 of a and fd01::/16 of b overlap",
                "vpcs: fd00::/8 of c and fd01::/16 of b overlap",
            ]
        );
    }
}
