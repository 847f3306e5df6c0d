//! Discovery of instances by names.

use std::sync::Arc;

use super::Call;
use super::instances::shown_health;
use crate::channel::cloudmap::ApiError;
use crate::channel::cloudmap::shapes::discovery::*;
use crate::channel::cloudmap::shapes::instances::Health;
use crate::channel::cloudmap::shapes::pairs::{Map, QueryParameters};
use crate::channel::cloudmap::shapes::texts::AccountId;
use crate::channel::cloudmap::shapes::words::HealthStatusFilter;
use crate::model::{HealthCheck, HealthStatus, Instance};
use crate::registry::{NamespaceEntry, ServiceEntry};

impl Call<'_> {
    /// The instances that have the attributes asked for and the health asked for; of these those with the optional
    /// attributes, where there are any; of more than are wanted a random choice.
    pub(super) fn discover_instances(&self, input: &DiscoverInstances<'_>) -> Result<Vec<u8>, ApiError> {
        self.actions.discoveries.take()?;
        let (namespace, service) = self.found(&input.namespace_name, &input.service_name, &input.owner_account)?;
        let has = |one: &&Instance, wanted: &QueryParameters<'_>| {
            wanted.0.iter().all(|(key, value)| one.attributes().get(key) == Some(value))
        };
        let instances = service.service.instances.iter().map(|one| &**one);
        let mut found: Vec<&Instance> = instances.filter(|one| !one.draining).collect();
        if let Some(required) = &input.query_parameters {
            found.retain(|one| has(one, required));
        }
        // Without a check there is nothing to filter by (API model, `HealthStatus` of `DiscoverInstances`).
        if service.service.health_check != HealthCheck::None {
            let wanted = input.health_status.unwrap_or(HealthStatusFilter::Healthy);
            let healthy = |one: &&Instance| one.status != HealthStatus::Unhealthy;
            match wanted {
                HealthStatusFilter::Healthy => found.retain(healthy),
                HealthStatusFilter::Unhealthy => found.retain(|one| !healthy(one)),
                HealthStatusFilter::HealthyOrElseAll if found.iter().any(healthy) => found.retain(healthy),
                HealthStatusFilter::HealthyOrElseAll | HealthStatusFilter::All => {}
            }
        }
        if let Some(optional) = &input.optional_parameters
            && found.iter().any(|one| has(one, optional))
        {
            found.retain(|one| has(one, optional));
        }
        let most = input.max_results.unwrap_or_default().0 as usize;
        if found.len() > most {
            fastrand::shuffle(&mut found);
            found.truncate(most);
        }
        let shown = found.into_iter().map(|instance| HttpInstanceSummary {
            instance_id: instance.id(),
            namespace_name: &namespace.http_name,
            service_name: &service.name,
            health_status: Health(shown_health(&service, instance)),
            attributes: Map(instance.attributes().iter()),
        });
        let instances = shown.collect();
        self.reply(&DiscoverInstancesOutput { instances, instances_revision: service.instances_revision })
    }

    pub(super) fn discover_instances_revision(
        &self,
        input: &DiscoverInstancesRevision<'_>,
    ) -> Result<Vec<u8>, ApiError> {
        self.actions.revisions.take()?;
        let (_, service) = self.found(&input.namespace_name, &input.service_name, &input.owner_account)?;
        self.reply(&DiscoverInstancesRevisionOutput { instances_revision: service.instances_revision })
    }

    /// The service of two names. Another account has nothing here.
    fn found(
        &self,
        namespace: &str,
        service: &str,
        account: &Option<AccountId<'_>>,
    ) -> Result<(Arc<NamespaceEntry>, Arc<ServiceEntry>), ApiError> {
        let catalog = self.actions.catalog.read();
        let is_ours = account.as_deref().is_none_or(|account| account == &*self.actions.account);
        let entry = catalog
            .discovered_namespace(namespace)
            .filter(|_| is_ours)
            .ok_or_else(|| ApiError::new("NamespaceNotFound", format!("no namespace has the HttpName {namespace}")))?;
        let service = catalog.service_named(entry, service).ok_or_else(|| {
            ApiError::new("ServiceNotFound", format!("namespace {namespace} has no service {service}"))
        })?;
        Ok((Arc::clone(entry), Arc::clone(service)))
    }
}
