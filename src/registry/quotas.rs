//! Limits an operator may set; Cloud Map has them by default, this server has not.

use super::command::Refusal;
use super::draft::Draft;
use super::entry::ServiceEntry;

/// Most there may be of something; `None`: no limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Quotas {
    /// Namespaces.
    pub namespaces: Option<u32>,
    /// Instances in all services of a namespace.
    pub instances_per_namespace: Option<u32>,
    /// Instances of a service.
    pub instances_per_service: Option<u32>,
    /// `DiscoverInstances` requests a second.
    pub discover_rate: Option<u32>,
    /// `DiscoverInstancesRevision` requests a second.
    pub discover_revision_rate: Option<u32>,
}

/// Refused where there are as many namespaces as there may be.
pub(super) fn namespaces(draft: &Draft<'_>) -> Result<(), Refusal> {
    let Some(quota) = draft.settings.quotas.namespaces else { return Ok(()) };
    let mut count = draft.catalog.namespaces.len();
    for (id, entry) in &draft.namespaces {
        let was = draft.catalog.namespaces.contains_key(id);
        count = count + usize::from(entry.is_some()) - usize::from(was);
    }
    within(count, quota, "namespaces")
}

/// Refused where the service, or its namespace, has as many instances as it may have.
pub(super) fn instances(draft: &Draft<'_>, service: &ServiceEntry) -> Result<(), Refusal> {
    if let Some(quota) = draft.settings.quotas.instances_per_service {
        within(service.service.instances.len(), quota, "instances of a service")?;
    }
    if let Some(quota) = draft.settings.quotas.instances_per_namespace {
        let services = draft.services_of(service.namespace);
        let count = services.iter().filter_map(|id| draft.service(*id)).map(|entry| entry.service.instances.len());
        within(count.sum(), quota, "instances of a namespace")?;
    }
    Ok(())
}

/// Refused where `count` leaves no room for one more.
fn within(count: usize, quota: u32, what: &str) -> Result<(), Refusal> {
    if count < quota as usize {
        return Ok(());
    }
    Err(Refusal::Quota(format!("the quota of {quota} {what} is used up")))
}
