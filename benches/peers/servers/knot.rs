//! Knot DNS, by CZ.NIC.

use super::{Part, Peer, nothing};

pub(super) const PEER: Peer = Peer {
    name: "knot",
    title: "Knot DNS",
    program: || "knotd".into(),
    version: &["-V"],
    configuration: Some(("knot.conf", include_str!("../configuration/knot.conf"))),
    prepare: nothing,
    arguments: |place| vec!["-c".into(), place.folder.join("knot.conf").into()],
    variables: &[],
    part: Part::Whole,
};
