//! From the configured VPCs to the registry's views and to who sees them.

use crate::config::Config;
use crate::registry::{Registry, Settings};
use crate::table::{Networks, Views};

/// The registry's settings: view n is that of the n-th VPC.
pub(super) fn settings(config: &Config) -> Settings {
    Settings {
        name_servers: config.name_servers.clone(),
        vpcs: config.vpcs.iter().map(|vpc| vpc.id.clone()).collect(),
        ..Settings::default()
    }
}

/// What the data plane answers from.
pub(super) fn views(config: &Config, registry: &Registry) -> Views {
    let numbered = config.vpcs.iter().zip(1..);
    let networks = numbered.flat_map(|(vpc, view)| vpc.networks.iter().map(move |network| (*network, view)));
    Views::new(registry.handle(), registry.handles().into_iter().skip(1), Networks::new(networks))
}
