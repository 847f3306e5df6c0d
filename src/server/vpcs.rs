//! From the configured VPCs to who sees which of the registry's views.

use crate::config::Config;
use crate::registry::Registry;
use crate::table::{Networks, Views};

/// What the data plane answers from.
pub(super) fn views(config: &Config, registry: &Registry) -> Views {
    let numbered = config.vpcs.iter().zip(1..);
    let networks = numbered.flat_map(|(vpc, view)| vpc.networks.iter().map(move |network| (*network, view)));
    Views::new(registry.handle(), registry.handles().into_iter().skip(1), Networks::new(networks))
}
