//! gdnsd, by Brandon Black: no changes but by zone files.

use std::fs;
use std::os::unix::fs::symlink;

use anyhow::Result;

use super::{Part, Peer, Place};

pub(super) const PEER: Peer = Peer {
    name: "gdnsd",
    title: "gdnsd",
    program: || "gdnsd".into(),
    // It has no option for it, and says it with its usage.
    version: &["-h"],
    configuration: Some(("config", include_str!("../configuration/gdnsd.conf"))),
    prepare,
    arguments: |place| vec!["-c".into(), place.folder.clone().into(), "start".into()],
    variables: &[],
    part: Part::Whole,
};

/// Links the zone file where it looks for zones, under the zone's name.
fn prepare(place: &Place) -> Result<()> {
    for folder in ["zones", "run", "state"] {
        fs::create_dir_all(place.folder.join(folder))?;
    }
    Ok(symlink(&place.files.zone, place.folder.join("zones").join(&place.files.apex))?)
}
