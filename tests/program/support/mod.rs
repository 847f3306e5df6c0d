//! What all tests of the program share: a server as a child process, a DNS client, outside programs.

mod client;
mod server;
mod tools;

use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::{Duration, Instant};

pub(crate) use client::{Tcp, Udp, addresses, frame, query, query_with};
pub(crate) use server::{Launch, Server};
pub(crate) use tools::{have_module, have_tool, skip};

/// No wait of a test takes longer, unless something hangs.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// The declaration that the documentation begins with.
pub(crate) fn example() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/production.yaml")
}

/// An address of this machine whose port is free over UDP and TCP. It is below those that sockets get by themselves
/// (`ip_local_port_range`), so that no other test has it by chance before it is used, or used again.
pub(crate) fn free_address() -> SocketAddr {
    loop {
        let address = SocketAddr::from(([127, 0, 0, 1], fastrand::u16(10_000..32_000)));
        if TcpListener::bind(address).is_ok() && UdpSocket::bind(address).is_ok() {
            return address;
        }
    }
}

/// Waits until `holds`; fails with `what` if it never does.
#[track_caller]
pub(crate) fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < PATIENCE, "never happened: {what}");
        sleep(Duration::from_millis(1));
    }
}
