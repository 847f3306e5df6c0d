//! Services and their attributes.

use std::ops::Bound;
use std::sync::Arc;

use super::{Call, namespace_id, service_id, tags};
use crate::channel::cloudmap::ApiError;
use crate::channel::cloudmap::shapes::arn::Kind;
use crate::channel::cloudmap::shapes::filters::{Filter, ServiceProperty, Test};
use crate::channel::cloudmap::shapes::paging::{NextToken, Page};
use crate::channel::cloudmap::shapes::pairs::Map;
use crate::channel::cloudmap::shapes::service_outputs::*;
use crate::channel::cloudmap::shapes::services::*;
use crate::channel::cloudmap::shapes::timestamp::Timestamp;
use crate::channel::cloudmap::shapes::words::ServiceType;
use crate::model::{Attributes, HealthCheck, NamespaceId, Probe, ServiceId};
use crate::registry::{self, Catalog, Command, Outcome, ServiceEntry};

impl Call<'_> {
    pub(super) async fn create_service(&self, input: CreateService<'_>) -> Result<Vec<u8>, ApiError> {
        let create = registry::CreateService {
            namespace: namespace_id(input.namespace())?,
            name: (&*input.name).into(),
            routing_policy: input.dns_config.as_ref().map(DnsConfig::policy),
            dns_records: input.dns_config.as_ref().map_or_else(Vec::new, DnsConfig::records),
            api_only: input.service_type.is_some(),
            health_check: match (&input.health_check_config, &input.health_check_custom_config) {
                (Some(config), _) => HealthCheck::Probe(probe(config)),
                (None, Some(_)) => HealthCheck::Custom,
                (None, None) => HealthCheck::None,
            },
            description: input.description.as_deref().map(Box::from),
            creator_request_id: input.creator_request_id.as_deref().map(Box::from),
            tags: tags(input.tags.as_ref())?,
        };
        let Outcome::Service(id) = self.send(Command::CreateService(create)).await? else {
            return Err(ApiError::internal("the command made no service"));
        };
        self.show_service(id)
    }

    pub(super) fn get_service(&self, input: &GetService<'_>) -> Result<Vec<u8>, ApiError> {
        self.show_service(service_id(&input.id)?)
    }

    /// The reply with one service.
    fn show_service(&self, id: ServiceId) -> Result<Vec<u8>, ApiError> {
        let entry = self.service(id)?;
        let (id, namespace) = (entry.id.to_string(), entry.namespace.to_string());
        let service = Service {
            namespace_id: Some(&namespace),
            creator_request_id: entry.creator_request_id.as_deref(),
            ..self.shown_service(&entry, &id, &namespace)
        };
        self.reply(&GetServiceOutput { service })
    }

    pub(super) fn list_services(&self, input: &ListServices<'_>) -> Result<Vec<u8>, ApiError> {
        let page = Page::of(input.max_results, &input.next_token);
        let filters = input.filters.as_ref().map_or(&[][..], |filters| &filters.0);
        let mut found = services(&self.actions.catalog.read(), filters, page);
        let more = found.len() > page.limit;
        found.truncate(page.limit);
        let next_token = found.last().filter(|_| more).map(|entry| NextToken(entry.id.as_bytes().as_slice().into()));
        let ids: Vec<_> = found.iter().map(|entry| (entry.id.to_string(), entry.namespace.to_string())).collect();
        let all = found.iter().zip(&ids);
        let services = all.map(|(entry, (id, namespace))| self.shown_service(entry, id, namespace)).collect();
        self.reply(&ListServicesOutput { services, next_token })
    }

    pub(super) async fn update_service(&self, input: UpdateService<'_>) -> Result<Vec<u8>, ApiError> {
        self.start(Command::UpdateService(registry::UpdateService {
            id: service_id(&input.id)?,
            description: input.service.description.as_deref().map(Box::from),
            dns_records: input.service.dns_config.as_ref().map(DnsConfigChange::records),
            probe: input.service.health_check_config.as_ref().map(probe),
        }))
        .await
    }

    pub(super) async fn delete_service(&self, input: &DeleteService<'_>) -> Result<Vec<u8>, ApiError> {
        self.done(Command::DeleteService(service_id(&input.id)?)).await
    }

    pub(super) fn get_service_attributes(&self, input: &GetServiceAttributes<'_>) -> Result<Vec<u8>, ApiError> {
        let entry = self.service(service_id(&input.service_id)?)?;
        self.reply(&GetServiceAttributesOutput {
            service_attributes: ServiceAttributesOutput {
                service_arn: self.arn(Kind::Service, &entry.id),
                resource_owner: &self.actions.account,
                attributes: Map(entry.service.attributes.pairs().iter()),
            },
        })
    }

    pub(super) async fn update_service_attributes(
        &self,
        input: &UpdateServiceAttributes<'_>,
    ) -> Result<Vec<u8>, ApiError> {
        let attributes = Attributes::from_pairs(input.attributes.0.iter());
        self.done(Command::PutServiceAttributes(service_id(&input.service_id)?, attributes)).await
    }

    pub(super) async fn delete_service_attributes(
        &self,
        input: DeleteServiceAttributes<'_>,
    ) -> Result<Vec<u8>, ApiError> {
        let keys = input.attributes.0.iter().map(|key| key.to_string()).collect();
        self.done(Command::RemoveServiceAttributes(service_id(&input.service_id)?, keys)).await
    }

    /// A service that exists.
    pub(super) fn service(&self, id: ServiceId) -> Result<Arc<ServiceEntry>, ApiError> {
        let entry = self.actions.catalog.read().service(id).cloned();
        entry.ok_or_else(|| ApiError::new("ServiceNotFound", format!("no service has the id {id}")))
    }

    /// A service as lists show it.
    fn shown_service<'e>(&'e self, entry: &'e ServiceEntry, id: &'e str, namespace: &'e str) -> Service<'e> {
        let service = &entry.service;
        let (health_check_config, health_check_custom_config) = match &service.health_check {
            HealthCheck::None => (None, None),
            HealthCheck::Custom => (None, Some(HealthCheckCustomConfigOutput::default())),
            HealthCheck::Probe(probe) => {
                let config = HealthCheckConfigOutput {
                    r#type: probe.probe_type,
                    resource_path: probe.path.as_deref(),
                    failure_threshold: probe.failure_threshold.map(u32::from),
                };
                (Some(config), None)
            }
        };
        let (dns_config, service_type) = if service.dns_records.is_empty() {
            (DnsConfigOutput::default(), ServiceType::Http)
        } else {
            (DnsConfigOutput::of(namespace, service.routing_policy, &service.dns_records), ServiceType::DnsHttp)
        };
        Service {
            id,
            arn: self.arn(Kind::Service, &entry.id),
            resource_owner: &self.actions.account,
            name: &entry.name,
            namespace_id: None,
            description: service.description.as_deref(),
            instance_count: service.instances.len() as u32,
            dns_config,
            r#type: service_type,
            health_check_config,
            health_check_custom_config,
            create_date: Timestamp(entry.created),
            creator_request_id: None,
            created_by_account: Some(&self.actions.account),
        }
    }
}

/// The probe of a request.
fn probe(config: &HealthCheckConfig<'_>) -> Probe {
    Probe {
        probe_type: config.check_type,
        path: config.resource_path.as_deref().map(Box::from),
        failure_threshold: config.failure_threshold.map(|threshold| threshold.0 as u8),
    }
}

/// A page of services that pass all filters, and one more where there is one, in the order of their ids.
fn services(catalog: &Catalog, filters: &[Filter<'_, ServiceProperty>], page: Page<'_>) -> Vec<Arc<ServiceEntry>> {
    let mut wanted: Option<NamespaceId> = None;
    for filter in filters {
        match filter.name {
            ServiceProperty::ResourceOwner if filter.test.holds("SELF") => {}
            ServiceProperty::ResourceOwner => return Vec::new(),
            ServiceProperty::NamespaceId => {
                let Test::OneOf(ids) = &filter.test else { return Vec::new() };
                let id = ids.first().and_then(|id| NamespaceId::parse(id));
                if id.is_none() || wanted.is_some_and(|other| Some(other) != id) {
                    return Vec::new();
                }
                wanted = id;
            }
        }
    }
    let after = ServiceId::from_bytes(page.after);
    let Some(namespace) = wanted else {
        return catalog.services_after(after).take(page.limit + 1).cloned().collect();
    };
    let mut all: Vec<_> = catalog.services_of(namespace).map(|entry| entry.id).collect();
    all.sort_unstable();
    let start = after.map_or(Bound::Unbounded, Bound::Excluded);
    let first = match start {
        Bound::Excluded(after) => all.partition_point(|id| *id <= after),
        _ => 0,
    };
    let ids = all.get(first..).unwrap_or_default().iter().take(page.limit + 1);
    ids.filter_map(|id| catalog.service(*id).cloned()).collect()
}
