//! Fingerpost: declared data for everything but changes, and nothing switched on that the others have switched off.

use std::ffi::OsString;

use anyhow::{Context, Result, ensure};
use fingerpost::load::data::Data;

use super::{Part, Peer, Place, nothing, words};

/// The program that these benchmarks were built with.
const PROGRAM: &str = env!("CARGO_BIN_EXE_fingerpost");

pub(super) const PEER: Peer = Peer {
    name: "fingerpost",
    title: "Fingerpost",
    program: || PROGRAM.into(),
    version: &["--version"],
    configuration: None,
    prepare: nothing,
    arguments: declared,
    variables: &[],
    part: Part::Whole,
};

/// With its registry on disk and the gRPC channel, which listens one port above: what takes changes.
pub(crate) fn stored() -> Peer {
    Peer { name: "fingerpost-stored", title: "Fingerpost, registry on disk", prepare: import, arguments: kept, ..PEER }
}

/// A follower of the [`stored`] server two ports below, whose gRPC channel is one below.
pub(crate) fn follower() -> Peer {
    Peer { name: "fingerpost-follower", title: "Fingerpost, follower", arguments: following, ..PEER }
}

/// Any data, for examples of commands.
pub(super) fn any_data() -> Data {
    Data::default()
}

/// What all have in common.
fn common(place: &Place) -> Vec<OsString> {
    let dns = place.socket().to_string();
    words(["serve", "--workers", "1", "--api", "off", "--admin", "127.0.0.1:0", "--log-level", "error", "--dns", &dns])
}

fn declared(place: &Place) -> Vec<OsString> {
    let own =
        [words(["--grpc", "off", "--data-dir", "none", "--declare"]), vec![place.files.declaration.clone().into()]];
    [common(place), own.concat()].concat()
}

fn kept(place: &Place) -> Vec<OsString> {
    let grpc = format!("127.0.0.1:{}", place.port + 1);
    let own = [words(["--grpc", &grpc, "--data-dir"]), vec![place.folder.join("data").into()]];
    [common(place), own.concat()].concat()
}

fn following(place: &Place) -> Vec<OsString> {
    let followed = format!("http://127.0.0.1:{}", place.port - 1);
    let own = words(["--grpc", "off", "--follow", &followed, "--data-dir"]);
    [common(place), own, vec![place.folder.join("data").into()]].concat()
}

/// Puts what is declared into the registry on disk.
fn import(place: &Place) -> Result<()> {
    let data = place.folder.join("data");
    if data.exists() {
        return Ok(());
    }
    let output = std::process::Command::new(PROGRAM)
        .arg("import")
        .arg(&place.files.declaration)
        .arg("--data-dir")
        .arg(data)
        .output()
        .context("the import into the registry")?;
    ensure!(
        output.status.success(),
        "the import into the registry: {}",
        String::from_utf8_lossy(&output.stderr).trim()
    );
    Ok(())
}
