//! NSD, by NLnet Labs: no changes but by zone files and transfers.

use super::{Part, Peer, nothing};

pub(super) const PEER: Peer = Peer {
    name: "nsd",
    title: "NSD",
    program: || "nsd".into(),
    version: &["-v"],
    configuration: Some(("nsd.conf", include_str!("../configuration/nsd.conf"))),
    prepare: nothing,
    arguments: |place| vec!["-d".into(), "-c".into(), place.folder.join("nsd.conf").into()],
    variables: &[],
    part: Part::Whole,
};
