//! Plugs zone transfer into a server: who may, with which keys, from which tables.

use std::sync::Arc;

use crate::config::{Config, Faults};
use crate::metrics::Metrics;
use crate::registry::Registry;
use crate::table::Views;
use crate::transfer::keys::Keys;
use crate::transfer::rules::Rules;
use crate::transfer::{Limits, Transfers};

/// The keys that the configuration names.
pub(super) fn keys(config: &Config) -> Result<Keys, Faults> {
    config.tsig_keys.as_deref().map_or_else(|| Ok(Keys::default()), Keys::load)
}

/// What answers transfers; `None` where none is configured. A key that is not there is a fault.
pub(super) fn load(
    config: &Config,
    keys: Keys,
    views: &Views,
    registry: &Registry,
    metrics: &Metrics,
) -> Result<Option<Arc<Transfers>>, Faults> {
    if config.transfers.is_empty() {
        return Ok(None);
    }
    let rules = Rules::new(config.transfers.clone());
    let (views, handles) = (views.clone(), registry.handles());
    Transfers::new(rules, keys, views, handles, Limits::default(), &config.answers, metrics.transfers()).map(Some)
}
