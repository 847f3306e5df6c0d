//! What the registry holds, as of the scrape: whether nodes hold the same can be read off their metrics.

use std::sync::OnceLock;

use prometheus::proto::{MetricFamily, MetricType};

use super::families::{family, gauge};
use crate::registry::{Catalog, Reader, Visibility};

/// Namespaces with series of their own; where there are more, only the sums are shown.
const NAMESPACES: usize = 1000;

/// The part of a hash that a metric can hold exactly: its lowest 48 bits.
const SHOWN: u64 = 0xffff_ffff_ffff;

/// Access to the registry, once there is one.
#[derive(Default)]
pub(super) struct StateGauges(OnceLock<(Reader, Visibility)>);

impl StateGauges {
    /// From now on this registry is shown.
    pub(super) fn show(&self, catalog: Reader, visibility: Visibility) {
        let _ = self.0.set((catalog, visibility));
    }

    /// The state, at this moment.
    pub(super) fn families(&self) -> Vec<MetricFamily> {
        let Some((catalog, visibility)) = self.0.get() else { return Vec::new() };
        let catalog = catalog.read();
        let visible = gauge(visibility.visible() as f64, &[]);
        let sum =
            catalog.namespaces_after(None).fold(0, |sum: u64, entry| sum.wrapping_add(catalog.state_hash(entry.id)));
        let sum = gauge((sum & SHOWN) as f64, &[]);
        let mut families = vec![
            family(
                "fingerpost_visible_revision",
                "Registry revision that every worker has reached.",
                MetricType::GAUGE,
                vec![visible],
            ),
            family(
                "fingerpost_state_hash",
                "Hash of all namespaces, its lowest 48 bits: equal on nodes that hold the same.",
                MetricType::GAUGE,
                vec![sum],
            ),
        ];
        // A family without a series cannot be written.
        if (1..=NAMESPACES).contains(&catalog.namespaces_after(None).take(NAMESPACES + 1).count()) {
            families.extend(by_namespace(&catalog));
        }
        families
    }
}

/// A series for each namespace.
fn by_namespace(catalog: &Catalog) -> [MetricFamily; 2] {
    let (mut hashes, mut serials) = (Vec::new(), Vec::new());
    for entry in catalog.namespaces_after(None) {
        let id = entry.id.to_string();
        let labels = [("namespace", &*entry.name), ("id", &*id)];
        hashes.push(gauge((catalog.state_hash(entry.id) & SHOWN) as f64, &labels));
        serials.push(gauge(f64::from(catalog.serial(entry.id)), &labels));
    }
    [
        family(
            "fingerpost_namespace_state_hash",
            "Hash of what DNS shows of a namespace, its lowest 48 bits: equal on nodes that hold the same.",
            MetricType::GAUGE,
            hashes,
        ),
        family("fingerpost_namespace_serial", "SOA serial of a namespace's zone.", MetricType::GAUGE, serials),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_registry_without_namespaces_can_be_shown() {
        let gauges = StateGauges::default();
        gauges.show(Reader::default(), Visibility::default());
        let text = prometheus::TextEncoder::new().encode_to_string(&gauges.families()).unwrap();
        assert!(text.lines().any(|line| line == "fingerpost_state_hash 0"), "{text}");
    }
}
