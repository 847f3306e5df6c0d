//! The options of a node that follows another one.

use std::fs;
use std::time::Duration;

use super::values::Switch;
use super::{Faults, Options, number};
use crate::follow::{Settings, TlsFiles, WhenStale};

/// How old a state may be, and what becomes of answers then, where nothing is said.
pub(super) const STALE: (Duration, WhenStale) = (Duration::from_secs(86_400), WhenStale::ServFail);

/// Longest name of a node.
const LONGEST_NODE: usize = 64;

/// Whom to follow, if anybody. Options that only a follower has, and those that it cannot have, are faults.
pub(super) fn resolve(given: &Options, file: &Options) -> Result<Option<Settings>, Faults> {
    let primaries = given.follow.as_ref().or(file.follow.as_ref()).cloned().unwrap_or_default();
    let namespaces = given.namespaces.as_ref().or(file.namespaces.as_ref()).cloned().unwrap_or_default();
    let authorities = given.follow_ca.as_ref().or(file.follow_ca.as_ref()).cloned();
    let certificate = given.follow_cert.as_ref().or(file.follow_cert.as_ref()).cloned();
    let key = given.follow_key.as_ref().or(file.follow_key.as_ref()).cloned();
    let token = given.follow_token_file.as_ref().or(file.follow_token_file.as_ref()).cloned();
    let max_stale = given.max_stale.or(file.max_stale);
    let when_stale = given.when_stale.or(file.when_stale);
    let mut faults = Vec::new();
    if primaries.is_empty() {
        let set = [
            ("namespaces", !namespaces.is_empty()),
            ("follow-ca", authorities.is_some()),
            ("follow-cert", certificate.is_some()),
            ("follow-key", key.is_some()),
            ("follow-token-file", token.is_some()),
            ("max-stale", max_stale.is_some()),
            ("when-stale", when_stale.is_some()),
        ];
        let alone = set.iter().filter(|(_, is_set)| *is_set);
        faults.extend(alone.map(|(name, _)| format!("{name}: has no effect without follow")));
        return if faults.is_empty() { Ok(None) } else { Err(Faults(faults)) };
    }
    let identity = match (certificate, key) {
        (Some(certificate), Some(key)) => Some((certificate, key)),
        (None, None) => None,
        (Some(_), None) => {
            faults.push("follow-cert: follow-key is missing beside it".to_owned());
            None
        }
        (None, Some(_)) => {
            faults.push("follow-key: follow-cert is missing beside it".to_owned());
            None
        }
    };
    for (index, primary) in primaries.iter().enumerate() {
        if primaries.iter().take(index).any(|other| other == primary) {
            faults.push(format!("follow: {primary} is listed twice"));
        }
    }
    if namespaces.iter().any(|name| name.trim().is_empty()) {
        faults.push("namespaces: a name is empty".to_owned());
    }
    let refused =
        |name: &str| format!("{name}: a server that follows another one changes nothing itself: leave it out");
    if given.declare.as_ref().or(file.declare.as_ref()).is_some_and(|paths| !paths.is_empty()) {
        faults.push(refused("declare"));
    }
    if given.api.or(file.api).is_some_and(|Switch(api)| api.is_some()) {
        faults.push(refused("api"));
    }
    if given.grpc.or(file.grpc).is_some_and(|Switch(grpc)| grpc.is_some()) {
        faults.push(refused("grpc"));
    }
    if !faults.is_empty() {
        return Err(Faults(faults));
    }
    Ok(Some(Settings {
        primaries,
        namespaces,
        tls: TlsFiles { authorities, identity },
        token,
        max_stale: max_stale.map_or(STALE.0, |seconds| Duration::from_secs(number(seconds))),
        when_stale: when_stale.unwrap_or(STALE.1),
        node: node(),
    }))
}

/// What is valid but will surprise.
pub(super) fn warnings(given: &Options, file: &Options) -> Vec<String> {
    let primaries = given.follow.as_ref().or(file.follow.as_ref()).map(Vec::as_slice).unwrap_or_default();
    let mut warnings = Vec::new();
    if given.follow_token_file.as_ref().or(file.follow_token_file.as_ref()).is_some() {
        let plain = primaries.iter().filter(|primary| !primary.is_https() && !primary.is_loopback());
        warnings.extend(plain.map(|primary| format!("follow: the token goes to {primary} without TLS")));
    }
    if !primaries.is_empty() && given.name_server.as_ref().or(file.name_server.as_ref()).is_some() {
        warnings.push("name-server has no effect on a server that follows another one, whose names it has".to_owned());
    }
    warnings
}

/// What this machine calls itself, as far as that can stand in logs.
fn node() -> String {
    let name = fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    name.chars().filter(char::is_ascii_graphic).take(LONGEST_NODE).collect()
}
