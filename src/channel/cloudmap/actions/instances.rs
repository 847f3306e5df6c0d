//! Instances and their health.

use super::{Call, service_id};
use crate::channel::cloudmap::ApiError;
use crate::channel::cloudmap::shapes::instances::*;
use crate::channel::cloudmap::shapes::paging::{NextToken, Page};
use crate::channel::cloudmap::shapes::pairs::Map;
use crate::channel::cloudmap::shapes::words::CustomHealthStatus;
use crate::model::validate::Shown;
use crate::model::{self, Attributes, HealthCheck, HealthStatus};
use crate::registry::{self, Command, ServiceEntry};

impl Call<'_> {
    pub(super) async fn register_instance(&self, input: &RegisterInstance<'_>) -> Result<Vec<u8>, ApiError> {
        self.start(Command::RegisterInstance(registry::RegisterInstance {
            service: service_id(&input.service_id)?,
            id: (&*input.instance_id).into(),
            creator_request_id: input.creator_request_id.as_deref().map(Box::from),
            attributes: Attributes::from_pairs(input.attributes.0.iter()),
        }))
        .await
    }

    pub(super) async fn deregister_instance(&self, input: &DeregisterInstance<'_>) -> Result<Vec<u8>, ApiError> {
        let service = service_id(&input.service_id)?;
        self.start(Command::DeregisterInstance(service, (&*input.instance_id).into())).await
    }

    pub(super) fn get_instance(&self, input: &GetInstance<'_>) -> Result<Vec<u8>, ApiError> {
        let entry = self.service(service_id(&input.service_id)?)?;
        let instance = entry.service.instances.get(&input.instance_id).ok_or_else(|| not_found(&input.instance_id))?;
        let instance = Instance { creator_request_id: instance.creator_request_id(), ..self.shown_instance(instance) };
        self.reply(&GetInstanceOutput { resource_owner: &self.actions.account, instance })
    }

    pub(super) fn list_instances(&self, input: &ListInstances<'_>) -> Result<Vec<u8>, ApiError> {
        let entry = self.service(service_id(&input.service_id)?)?;
        let page = Page::of(input.max_results, &input.next_token);
        let rest = entry.service.instances.after(std::str::from_utf8(page.after).unwrap_or_default());
        let shown = rest.clone().take(page.limit);
        let last = shown.clone().last().filter(|_| rest.len() > shown.len());
        self.reply(&ListInstancesOutput {
            resource_owner: &self.actions.account,
            instances: shown.map(|instance| self.shown_instance(instance)).collect(),
            next_token: last.map(|instance| NextToken(instance.id().as_bytes().into())),
        })
    }

    pub(super) fn get_instances_health_status(
        &self,
        input: &GetInstancesHealthStatus<'_>,
    ) -> Result<Vec<u8>, ApiError> {
        let entry = self.service(service_id(&input.service_id)?)?;
        let page = Page::of(input.max_results, &input.next_token);
        let mut ids: Vec<&str> = match &input.instances {
            None => entry.service.instances.ids().collect(),
            Some(ids) => ids.0.iter().map(|id| &**id).collect(),
        };
        ids.sort_unstable();
        ids.dedup();
        if let Some(unknown) = ids.iter().find(|id| !entry.service.instances.contains(id)) {
            return Err(not_found(unknown));
        }
        let after = std::str::from_utf8(page.after).unwrap_or_default();
        let rest = ids.get(ids.partition_point(|id| *id <= after)..).unwrap_or_default();
        let shown = rest.get(..page.limit).unwrap_or(rest);
        let last = shown.last().filter(|_| rest.len() > shown.len());
        let status = shown.iter().filter_map(|id| {
            let instance = entry.service.instances.get(id)?;
            Some((*id, Health(shown_health(&entry, instance))))
        });
        self.reply(&GetInstancesHealthStatusOutput {
            status: Map(status),
            next_token: last.map(|id| NextToken(id.as_bytes().into())),
        })
    }

    pub(super) async fn update_custom_health(
        &self,
        input: &UpdateInstanceCustomHealthStatus<'_>,
    ) -> Result<Vec<u8>, ApiError> {
        let status = match input.status {
            CustomHealthStatus::Healthy => HealthStatus::Healthy,
            CustomHealthStatus::Unhealthy => HealthStatus::Unhealthy,
        };
        let service = service_id(&input.service_id)?;
        self.done(Command::SetCustomHealth(service, (&*input.instance_id).into(), status)).await
    }

    /// An instance as lists show it.
    fn shown_instance<'e>(
        &'e self,
        instance: &'e model::Instance,
    ) -> Instance<'e, impl Iterator<Item = (&'e str, &'e str)> + Clone> {
        Instance {
            id: instance.id(),
            creator_request_id: None,
            attributes: Map(instance.attributes().iter()),
            created_by_account: Some(&self.actions.account),
        }
    }
}

/// The health of an instance as the API tells it: nobody knows it where nothing checks.
pub(super) fn shown_health(entry: &ServiceEntry, instance: &model::Instance) -> HealthStatus {
    if entry.service.health_check == HealthCheck::None { HealthStatus::Unknown } else { instance.status }
}

/// There is no instance of this id.
fn not_found(id: &str) -> ApiError {
    ApiError::new("InstanceNotFound", format!("the service has no instance {}", Shown(id)))
}
