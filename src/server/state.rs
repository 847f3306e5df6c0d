//! Opens the registry over its store, as the configuration says.

use std::sync::Arc;

use crate::admin::Readiness;
use crate::config::{Config, Faults};
use crate::metrics::Metrics;
use crate::registry::store::{Embedded, Memory, Store};
use crate::registry::{Registry, Settings};

/// The registry with all that the data folder holds. What cannot be used of it is a [`Faults`] error.
pub(super) fn open(config: &Config, metrics: &Arc<Metrics>, readiness: &Arc<Readiness>) -> Result<Registry, Faults> {
    let store: Arc<dyn Store> = match &config.data_dir {
        Some(folder) => Arc::new(Embedded::open(folder).map_err(|error| Faults::of([error]))?),
        None => Arc::new(Memory::default()),
    };
    open_over(config, store, metrics, readiness)
}

/// The registry with all that `store` holds.
pub(super) fn open_over(
    config: &Config,
    store: Arc<dyn Store>,
    metrics: &Arc<Metrics>,
    readiness: &Arc<Readiness>,
) -> Result<Registry, Faults> {
    let settings = Settings {
        name_servers: config.name_servers.clone(),
        vpcs: config.vpcs.iter().map(|vpc| vpc.id.clone()).collect(),
        quotas: config.quotas,
        custom_health_delay: config.custom_health_delay,
        operation_retention: config.operation_retention,
    };
    let mut registry = Registry::open(settings, store).map_err(|error| Faults::of([error]))?;
    let metrics = Arc::clone(metrics);
    registry.observe(move |change| {
        let (names, instances) = (change.names as u64, change.instances as u64);
        metrics.published(change.revision, names, instances, change.elapsed);
    });
    let readiness = Arc::clone(readiness);
    registry.observe_failure(move |reason| readiness.set_store_fault(reason));
    Ok(registry)
}
