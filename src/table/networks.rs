//! From a client's address to the number of its view.
//!
//! Networks nest, and the longest prefix decides. They are laid out flat once: as the addresses at which the view
//! changes, in order, so that a lookup is one binary search over a few kilobytes, without allocation.
//!
//! ```text
//! 10.0.0.0/8 → 1, 10.1.0.0/16 → 2        begins   10.0.0.0  10.1.0.0  10.2.0.0  11.0.0.0
//!                                         view            1         2         1         0
//! ```

use std::net::IpAddr;

use crate::model::Network;

/// Which addresses belong to which view. View 0, everybody's, has the addresses that no network has.
#[derive(Clone, Debug, Default)]
pub struct Networks {
    v4: Ranges<u32>,
    v6: Ranges<u128>,
}

impl Networks {
    /// The networks and their views. A network that is given twice has one of its views.
    pub fn new(networks: impl IntoIterator<Item = (Network, usize)>) -> Self {
        let (mut v4, mut v6) = (Vec::new(), Vec::new());
        for (network, view) in networks {
            match (network.first(), network.last()) {
                (IpAddr::V4(first), IpAddr::V4(last)) => v4.push((first.to_bits(), last.to_bits(), view)),
                (IpAddr::V6(first), IpAddr::V6(last)) => v6.push((first.to_bits(), last.to_bits(), view)),
                _ => {}
            }
        }
        Self { v4: Ranges::new(v4, |last| last.checked_add(1)), v6: Ranges::new(v6, |last| last.checked_add(1)) }
    }

    /// The view of a client. An IPv4 address in its IPv6 form (RFC 4291 §2.5.5.2) is an IPv4 address.
    #[inline]
    pub fn view_of(&self, client: IpAddr) -> usize {
        match client.to_canonical() {
            IpAddr::V4(address) => self.v4.view_at(address.to_bits()),
            IpAddr::V6(address) => self.v6.view_at(address.to_bits()),
        }
    }
}

/// The addresses of one family, cut into ranges. Both lists are of one length; `begins` is in order, each once.
#[derive(Clone, Debug, Default)]
struct Ranges<A> {
    begins: Box<[A]>,
    views: Box<[usize]>,
}

impl<A: Copy + Ord> Ranges<A> {
    /// Lays networks, each its first and last address and its view, out flat. `after` is the next address, if any.
    fn new(mut networks: Vec<(A, A, usize)>, after: impl Fn(A) -> Option<A>) -> Self {
        // A network comes before those within it.
        networks.sort_unstable_by(|a, b| a.0.cmp(&b.0).then(b.1.cmp(&a.1)));
        let mut ranges: Vec<(A, usize)> = Vec::new();
        // The networks around the place we are at, with where they end.
        let mut around: Vec<(Option<A>, usize)> = Vec::new();
        let mut begin = |at: A, view: usize| {
            if ranges.last().is_some_and(|last| last.0 == at) {
                ranges.pop();
            }
            if ranges.last().map_or(0, |last| last.1) != view {
                ranges.push((at, view));
            }
        };
        let view_around = |around: &[(Option<A>, usize)]| around.last().map_or(0, |outer| outer.1);
        for (first, last, view) in networks {
            while let Some(&(Some(end), _)) = around.last()
                && end <= first
            {
                around.pop();
                begin(end, view_around(&around));
            }
            begin(first, view);
            around.push((after(last), view));
        }
        while let Some((end, _)) = around.pop() {
            if let Some(end) = end {
                begin(end, view_around(&around));
            }
        }
        let (begins, views): (Vec<_>, Vec<_>) = ranges.into_iter().unzip();
        Self { begins: begins.into(), views: views.into() }
    }

    /// The view of `address`.
    #[inline]
    fn view_at(&self, address: A) -> usize {
        let after = self.begins.partition_point(|begin| *begin <= address);
        after.checked_sub(1).and_then(|at| self.views.get(at)).copied().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::net::{Ipv4Addr, Ipv6Addr};

    fn networks(list: &[(&str, usize)]) -> Networks {
        Networks::new(list.iter().map(|(text, view)| (text.parse().unwrap(), *view)))
    }

    fn view(networks: &Networks, client: &str) -> usize {
        networks.view_of(client.parse().unwrap())
    }

    #[test]
    fn the_longest_prefix_decides() {
        let networks = networks(&[
            ("10.1.0.0/16", 2),
            ("10.0.0.0/8", 1),
            ("10.1.255.255/32", 3),
            ("255.255.255.255/32", 4),
            ("fd00::/8", 1),
            ("fd00::/64", 2),
        ]);
        for (client, expected) in [
            ("9.255.255.255", 0),
            ("10.0.0.0", 1),
            ("10.1.0.0", 2),
            ("10.1.255.254", 2),
            ("10.1.255.255", 3),
            ("10.2.0.0", 1),
            ("10.255.255.255", 1),
            ("11.0.0.0", 0),
            ("255.255.255.255", 4),
            ("::ffff:10.1.2.3", 2),
            ("::10.1.2.3", 0),
            ("fd00::ffff:ffff:ffff:ffff", 2),
            ("fd00:0:0:1::", 1),
            ("fe00::", 0),
        ] {
            assert_eq!(view(&networks, client), expected, "{client}");
        }
    }

    #[test]
    fn all_addresses_and_none() {
        assert_eq!(view(&Networks::default(), "10.0.0.1"), 0);
        let all = networks(&[("0.0.0.0/0", 1), ("::/0", 2)]);
        for (client, expected) in [("0.0.0.0", 1), ("255.255.255.255", 1), ("::", 2), ("::ffff:1.2.3.4", 1)] {
            assert_eq!(view(&all, client), expected, "{client}");
        }
    }

    /// An address of either family near one of a few places, so that networks nest and meet.
    fn address() -> impl Strategy<Value = IpAddr> {
        let places = prop_oneof![Just(0_u32), Just(0x0a00_0000), Just(0x0a01_0000), Just(u32::MAX - 0x1ff)];
        (places, 0_u32..0x200, any::<bool>()).prop_map(|(place, offset, v6)| match v6 {
            false => Ipv4Addr::from_bits(place + offset).into(),
            true => Ipv6Addr::from_bits(u128::from(place) << 96 | u128::from(offset)).into(),
        })
    }

    proptest! {
        #[test]
        fn a_lookup_finds_what_a_scan_finds(
            blocks in prop::collection::vec((address(), 0_u8..=128), 0..40),
            clients in prop::collection::vec(address(), 50),
        ) {
            let mut blocks: Vec<_> = blocks
                .into_iter()
                .filter_map(|(address, bits)| Some((Network::of(address, if address.is_ipv4() { bits % 33 } else { bits })?, bits)))
                .collect();
            blocks.sort();
            blocks.dedup_by_key(|block| block.0);
            let numbered: Vec<_> = blocks.iter().enumerate().map(|(at, block)| (block.0, at + 1)).collect();
            let networks = Networks::new(numbered.iter().copied());
            let edges = numbered.iter().flat_map(|(network, _)| [network.first(), network.last()]);
            for client in clients.into_iter().chain(edges).map(|client| client.to_canonical()) {
                let holding = numbered.iter().filter(|(network, _)| network.contains(client));
                // The shortest range has the longest prefix.
                let longest = holding.min_by(|(a, _), (b, _)| b.first().cmp(&a.first()).then(a.last().cmp(&b.last())));
                prop_assert_eq!(networks.view_of(client), longest.map_or(0, |(_, view)| *view), "{}", client);
            }
        }
    }
}
