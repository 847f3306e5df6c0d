//! Who may transfer which zone, and who is notified of its changes: `[[transfer]]` tables in the file,
//! `zone=…,allow=…,keys=…,notify=…` as a flag or variable.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

use serde::Deserialize;

use super::list;
use crate::model::Network;
use crate::wire::Name;

/// The port of DNS, where a server to notify has none.
const PORT: u16 = 53;

/// What secondaries of one zone, or of all, may do.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "TransferV1")]
pub struct Transfer {
    /// The zone; `None` stands for every zone without an entry of its own.
    pub zone: Option<Name>,
    /// Networks of clients that may transfer it; with none, clients anywhere, if they have a key.
    pub allow: Vec<Network>,
    /// Names of keys, one of which has to sign; with none, nothing need be signed.
    pub keys: Vec<Name>,
    /// Secondaries that are told of changes.
    pub notify: Vec<SocketAddr>,
}

/// Version 1 of a table in the file.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct TransferV1 {
    zone: String,
    #[serde(default)]
    allow: Vec<String>,
    #[serde(default)]
    keys: Vec<String>,
    #[serde(default)]
    notify: Vec<String>,
}

impl TryFrom<TransferV1> for Transfer {
    type Error = String;

    fn try_from(table: TransferV1) -> Result<Self, String> {
        let TransferV1 { zone, allow, keys, notify } = table;
        if allow.is_empty() && keys.is_empty() {
            return Err(format!("zone {zone}: allow (networks) or keys is needed; nobody may transfer it otherwise"));
        }
        let name = |text: &String| Name::parse(text).map_err(|fault| format!("\"{text}\" is not a name: {fault}"));
        let network = |text: &String| text.parse::<Network>().map_err(|fault| format!("allow: {fault}"));
        Ok(Self {
            zone: if zone == "*" { None } else { Some(name(&zone)?) },
            allow: allow.iter().map(network).collect::<Result<_, _>>()?,
            keys: keys.iter().map(name).collect::<Result<_, _>>()?,
            notify: notify.iter().map(|text| address(text)).collect::<Result<_, _>>()?,
        })
    }
}

/// Reads an address with or without a port.
fn address(text: &str) -> Result<SocketAddr, String> {
    let whole = text.parse::<SocketAddr>().ok();
    let bare = || text.parse::<IpAddr>().ok().map(|address| SocketAddr::new(address, PORT));
    let fault = || format!("notify: \"{text}\" is not ADDR or ADDR:PORT, such as 192.0.2.1 or [2001:db8::1]:53");
    whole.or_else(bare).ok_or_else(fault)
}

impl FromStr for Transfer {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut table = TransferV1::default();
        let mut last = None;
        for item in text.split(',').map(str::trim) {
            // An item without a word in front of it goes on with the list before.
            let (word, value) = match (item.split_once('='), last) {
                (Some((word, value)), _) => (word.trim(), value.trim()),
                (None, Some(word)) => (word, item),
                (None, None) => ("", item),
            };
            let known = match word {
                "zone" if last.is_none() => {
                    table.zone = value.to_owned();
                    last = Some("zone");
                    continue;
                }
                "allow" => (&mut table.allow, "allow"),
                "keys" => (&mut table.keys, "keys"),
                "notify" => (&mut table.notify, "notify"),
                _ => {
                    return Err(format!(
                        "\"{text}\" is not zone=ZONE[,allow=NETWORK,…][,keys=NAME,…][,notify=ADDR:PORT,…], such as \
                         zone=production.local,allow=10.0.0.0/8"
                    ));
                }
            };
            known.0.push(value.to_owned());
            last = Some(known.1);
        }
        Self::try_from(table)
    }
}

impl fmt::Display for Transfer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let undotted = |name: &Name| name.to_string().trim_end_matches('.').to_owned();
        write!(f, "zone={}", self.zone.as_ref().map_or_else(|| "*".to_owned(), undotted))?;
        let lists = [
            ("allow", list(&self.allow)),
            ("keys", list(self.keys.iter().map(undotted))),
            ("notify", list(&self.notify)),
        ];
        lists.iter().filter(|(_, list)| !list.is_empty()).try_for_each(|(word, list)| write!(f, ",{word}={list}"))
    }
}

/// All of them as one variable would set them.
pub(super) fn shown(transfers: &[Transfer]) -> String {
    match transfers {
        [] => "none".to_owned(),
        transfers => transfers.iter().map(Transfer::to_string).collect::<Vec<_>>().join(";"),
    }
}

/// What is wrong between them: a zone that is listed twice, keys without a file of keys.
pub(super) fn faults(transfers: &[Transfer], have_keys: bool) -> Vec<String> {
    let mut faults = Vec::new();
    for (at, transfer) in transfers.iter().enumerate() {
        if transfers.iter().take(at).any(|other| other.zone == transfer.zone) {
            faults.push(format!("transfer: {transfer}: the zone is listed twice"));
        }
        if !transfer.keys.is_empty() && !have_keys {
            faults.push(format!("transfer: {transfer}: it names keys, and tsig-keys names no file that has them"));
        }
    }
    faults
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(text: &str) -> String {
        text.parse::<Transfer>().unwrap_err()
    }

    #[test]
    fn a_transfer_is_a_zone_and_lists() {
        let text = "zone=Production.local., allow=10.0.0.0/8,fd00::/8,keys=One,two,notify=10.0.0.2,[fd00::1]:5300";
        let transfer: Transfer = text.parse().unwrap();
        let shown = "zone=production.local,allow=10.0.0.0/8,fd00::/8,keys=one,two,notify=10.0.0.2:53,[fd00::1]:5300";
        assert_eq!(transfer.to_string(), shown);
        assert_eq!("zone=*,keys=a".parse::<Transfer>().unwrap().zone, None);
        for (text, expected) in [
            ("production.local", "is not zone=ZONE"),
            ("allow=10.0.0.0/8,zone=a", "is not zone=ZONE"),
            ("zone=a,b", "is not zone=ZONE"),
            ("zone=a", "zone a: allow (networks) or keys is needed"),
            ("zone=a..b,keys=k", "\"a..b\" is not a name: an empty label"),
            ("zone=a,allow=10.0.0.1/8", "allow: \"10.0.0.1/8\" has bits behind its prefix"),
            ("zone=a,keys=k,notify=host:53", "notify: \"host:53\" is not ADDR"),
        ] {
            assert!(fault(text).contains(expected), "{text}: {}", fault(text));
        }
    }

    #[test]
    fn faults_between_them_are_found() {
        let all = ["zone=a,keys=k", "zone=A.,allow=10.0.0.0/8"].map(|text| text.parse().unwrap());
        let found = faults(&all, false);
        assert_eq!(found.len(), 2, "{found:?}");
        assert!(found[0].contains("tsig-keys") && found[1].contains("twice"), "{found:?}");
        assert_eq!(faults(&all[..1], true), [""; 0]);
    }
}
