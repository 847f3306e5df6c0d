//! hickory-dns, a server of the same language. Debian has no package of it:
//!
//! ```text
//! cargo install hickory-dns --version 0.26.3 --locked --no-default-features --features jemalloc --root target/peers
//! ```
//!
//! Set `CARGO_PROFILE_RELEASE_LTO=fat` and `CARGO_PROFILE_RELEASE_CODEGEN_UNITS=1` for a program optimized as ours is.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use super::{Part, Peer, Place, nothing, words};

pub(super) const PEER: Peer = Peer {
    name: "hickory",
    title: "hickory-dns",
    program,
    version: &["--version"],
    configuration: Some(("hickory.toml", include_str!("../configuration/hickory.toml"))),
    prepare: nothing,
    arguments,
    variables: &[],
    part: Part::Whole,
};

/// The one that was installed below `target`, or any other.
fn program() -> PathBuf {
    let ours = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/peers/bin/hickory-dns");
    if ours.is_file() { ours } else { "hickory-dns".into() }
}

fn arguments(place: &Place) -> Vec<OsString> {
    [words(["--quiet", "--workers", "1", "--config"]), vec![place.folder.join("hickory.toml").into()]].concat()
}
