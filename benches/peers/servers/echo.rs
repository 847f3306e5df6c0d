//! The ceiling: `cargo bench --bench echo`, which is part of this program, so that it needs no path.

use std::ffi::OsString;

use super::{Part, Peer, Place, nothing, words};

pub(super) const PEER: Peer = Peer {
    name: "echo",
    title: "bare echo",
    program: || std::env::current_exe().unwrap_or_default(),
    version: &[],
    configuration: None,
    prepare: nothing,
    arguments,
    variables: &[],
    part: Part::Ceiling,
};

/// It ends by itself after an hour, should nobody end it.
fn arguments(place: &Place) -> Vec<OsString> {
    let (listen, core) = (place.socket().to_string(), place.core.to_string());
    words(["--listen", &listen, "--seconds", "3600", "--batch", "64", "--core", &core])
}
