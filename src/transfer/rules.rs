//! Who may transfer which zone.

use std::net::IpAddr;

use crate::config::Transfer;
use crate::wire::Name;

/// The configured transfers.
#[derive(Clone, Debug, Default)]
pub struct Rules(Vec<Transfer>);

impl Rules {
    /// Those of the configuration, which lists no zone twice.
    pub fn new(transfers: Vec<Transfer>) -> Self {
        Self(transfers)
    }

    /// What is configured for the zone at `apex`: its own entry, or the one for all zones.
    pub fn of(&self, apex: &[u8]) -> Option<&Transfer> {
        let own = |transfer: &&Transfer| transfer.zone.as_ref().is_some_and(|zone| zone.as_wire() == apex);
        self.0.iter().find(own).or_else(|| self.0.iter().find(|transfer| transfer.zone.is_none()))
    }

    /// Whether a client may transfer the zone, whose query was signed with `key`, if at all.
    pub fn allow(&self, apex: &Name, client: IpAddr, key: Option<&Name>) -> bool {
        let client = client.to_canonical();
        self.of(apex.as_wire()).is_some_and(|Transfer { allow, keys, .. }| {
            (allow.is_empty() || allow.iter().any(|network| network.contains(client)))
                && (keys.is_empty() || key.is_some_and(|key| keys.contains(key)))
        })
    }

    /// The names of all keys.
    pub fn keys(&self) -> impl Iterator<Item = &Name> {
        self.0.iter().flat_map(|transfer| &transfer.keys)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> Name {
        Name::parse(text).unwrap()
    }

    #[test]
    fn a_zones_own_entry_comes_before_that_of_all() {
        let texts = ["zone=*,allow=10.0.0.0/8", "zone=a,keys=one", "zone=b,allow=fd00::/8,192.0.2.1/32,keys=one,two"];
        let rules = Rules::new(texts.iter().map(|text| text.parse().unwrap()).collect());
        let allow = |zone: &str, client: &str, key: Option<&str>| {
            rules.allow(&name(zone), client.parse().unwrap(), key.map(name).as_ref())
        };
        assert!(allow("c", "10.1.2.3", None) && allow("c", "::ffff:10.1.2.3", Some("one")));
        assert!(!allow("c", "192.0.2.1", Some("one")));
        assert!(allow("a", "192.0.2.1", Some("one")));
        assert!(!allow("a", "10.1.2.3", None) && !allow("a", "10.1.2.3", Some("two")));
        assert!(allow("b", "fd00::1", Some("two")) && allow("b", "192.0.2.1", Some("one")));
        assert!(!allow("b", "fd00::1", None) && !allow("b", "10.1.2.3", Some("one")));
        assert!(!Rules::default().allow(&name("a"), [127, 0, 0, 1].into(), None), "refused by default");
    }
}
