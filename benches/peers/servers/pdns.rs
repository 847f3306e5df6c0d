//! The PowerDNS authoritative server with its bind backend, which takes no changes; with its caches and without.

use std::ffi::OsString;
use std::fs;

use anyhow::Result;

use super::{Part, Peer, Place};

pub(super) const PEER: Peer = Peer {
    name: "pdns",
    title: "PowerDNS",
    program: || "pdns_server".into(),
    version: &["--version"],
    configuration: Some(("pdns.conf", include_str!("../configuration/pdns.conf"))),
    prepare,
    arguments,
    // An hour, so that no entry expires while we measure.
    variables: &[("cache_ttl", "3600")],
    part: Part::Whole,
};

/// What it does by itself.
pub(super) const UNCACHED: Peer = Peer {
    name: "pdns-uncached",
    title: "PowerDNS, no cache",
    variables: &[("cache_ttl", "0")],
    part: Part::Brief,
    ..PEER
};

/// Writes the list of zones.
fn prepare(place: &Place) -> Result<()> {
    let (apex, file) = (&place.files.apex, place.files.zone.display());
    let text = format!("zone \"{apex}\" {{ type native; file \"{file}\"; }};\n");
    Ok(fs::write(place.folder.join("named.conf"), text)?)
}

fn arguments(place: &Place) -> Vec<OsString> {
    vec![format!("--config-dir={}", place.folder.display()).into()]
}
