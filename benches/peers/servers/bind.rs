//! BIND, by ISC.

use std::fs;

use anyhow::Result;

use super::{Part, Peer, Place, words};

pub(super) const PEER: Peer = Peer {
    name: "bind",
    title: "BIND",
    program: || "named".into(),
    version: &["-v"],
    configuration: Some(("named.conf", include_str!("../configuration/bind.conf"))),
    prepare,
    // In the foreground, IPv4, one thread.
    arguments: |place| [words(["-f", "-4", "-n", "1", "-c"]), vec![place.folder.join("named.conf").into()]].concat(),
    variables: &[],
    part: Part::Whole,
};

/// Links the zone file into its folder: should it write the zone anew, the others' file stays as it is.
fn prepare(place: &Place) -> Result<()> {
    Ok(fs::hard_link(&place.files.zone, place.folder.join("zone"))?)
}
