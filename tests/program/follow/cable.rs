//! A cable between this machine and a network namespace, which can be cut: nothing says so to either end.

use std::net::Ipv4Addr;
use std::process;
use std::sync::atomic::{AtomicU8, Ordering};

use crate::netns::{Netns, ip};
use crate::support::skip;

/// A cable; dropping it, or the namespace, removes it.
pub(super) struct Cable {
    netns: String,
    outer: String,
    inner: String,
    /// The address of the end in the namespace.
    pub(super) inside: Ipv4Addr,
}

impl Cable {
    /// Lays one. `None`, and a word about it, where that cannot be done.
    pub(super) fn lay(netns: &Netns) -> Option<Self> {
        static NEXT: AtomicU8 = AtomicU8::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        // Networks for tests of devices (RFC 2544), of four addresses each.
        let block = (process::id() * 8 + u32::from(number)) % (1 << 15);
        let network = u32::from(Ipv4Addr::new(198, 18, 0, 0)) + 4 * block;
        let [outside, inside] = [1, 2].map(|host| Ipv4Addr::from(network + host));
        let outer = format!("fp{}-{number}", process::id());
        let inner = format!("{outer}i");
        if let Err(error) = ip(["link", "add", &outer, "type", "veth", "peer", "name", &inner, "netns", netns.name()]) {
            skip(&format!("pairs of network devices cannot be made: {error}"));
            return None;
        }
        let cable = Self { netns: netns.name().to_owned(), outer, inner, inside };
        ip(["addr", "add", &format!("{outside}/30"), "dev", &cable.outer]).unwrap();
        ip(["link", "set", &cable.outer, "up"]).unwrap();
        ip(["-n", netns.name(), "addr", "add", &format!("{inside}/30"), "dev", &cable.inner]).unwrap();
        ip(["-n", netns.name(), "link", "set", &cable.inner, "up"]).unwrap();
        Some(cable)
    }

    /// Cuts it at the far end: nothing that is sent arrives, and no connection is told.
    pub(super) fn cut(&self) {
        ip(["-n", &self.netns, "link", "set", &self.inner, "down"]).unwrap();
    }

    /// Mends it.
    pub(super) fn mend(&self) {
        ip(["-n", &self.netns, "link", "set", &self.inner, "up"]).unwrap();
    }
}

impl Drop for Cable {
    fn drop(&mut self) {
        // Gone already if the namespace is.
        let _ = ip(["link", "del", &self.outer]);
    }
}
