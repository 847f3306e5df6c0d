//! Namespaces.

use super::{Call, namespace_id, tags};
use crate::channel::cloudmap::ApiError;
use crate::channel::cloudmap::shapes::arn::Kind;
use crate::channel::cloudmap::shapes::filters::{Filter, NamespaceProperty};
use crate::channel::cloudmap::shapes::namespaces::*;
use crate::channel::cloudmap::shapes::paging::{NextToken, Page};
use crate::channel::cloudmap::shapes::timestamp::Timestamp;
use crate::channel::cloudmap::shapes::words::Word;
use crate::model::{NamespaceId, NamespaceType, hosted_zone_id};
use crate::registry::{Command, CreateNamespace, NamespaceEntry, UpdateNamespace};

impl Call<'_> {
    pub(super) async fn create_http_namespace(&self, input: CreateHttpNamespace<'_>) -> Result<Vec<u8>, ApiError> {
        self.start(Command::CreateNamespace(CreateNamespace {
            name: (&*input.name).into(),
            namespace_type: NamespaceType::Http,
            description: input.description.as_deref().map(Box::from),
            creator_request_id: input.creator_request_id.as_deref().map(Box::from),
            tags: tags(input.tags.as_ref())?,
            ..CreateNamespace::default()
        }))
        .await
    }

    pub(super) async fn create_private_dns_namespace(
        &self,
        input: CreatePrivateDnsNamespace<'_>,
    ) -> Result<Vec<u8>, ApiError> {
        self.start(Command::CreateNamespace(CreateNamespace {
            name: (&*input.name).into(),
            namespace_type: NamespaceType::DnsPrivate,
            vpc: Some((&*input.vpc).into()),
            soa_ttl: input.properties.as_ref().map(NewProperties::soa_ttl),
            description: input.description.as_deref().map(Box::from),
            creator_request_id: input.creator_request_id.as_deref().map(Box::from),
            tags: tags(input.tags.as_ref())?,
        }))
        .await
    }

    pub(super) async fn create_public_dns_namespace(
        &self,
        input: CreatePublicDnsNamespace<'_>,
    ) -> Result<Vec<u8>, ApiError> {
        self.start(Command::CreateNamespace(CreateNamespace {
            name: (&*input.name).into(),
            namespace_type: NamespaceType::DnsPublic,
            vpc: None,
            soa_ttl: input.properties.as_ref().map(NewProperties::soa_ttl),
            description: input.description.as_deref().map(Box::from),
            creator_request_id: input.creator_request_id.as_deref().map(Box::from),
            tags: tags(input.tags.as_ref())?,
        }))
        .await
    }

    pub(super) async fn update_http_namespace(&self, input: UpdateHttpNamespace<'_>) -> Result<Vec<u8>, ApiError> {
        self.start(Command::UpdateNamespace(UpdateNamespace {
            id: namespace_id(&input.id)?,
            namespace_type: NamespaceType::Http,
            description: Some((&*input.namespace.description).into()),
            soa_ttl: None,
            updater_request_id: input.updater_request_id.as_deref().map(Box::from),
        }))
        .await
    }

    pub(super) async fn update_private_dns_namespace(
        &self,
        input: UpdatePrivateDnsNamespace<'_>,
    ) -> Result<Vec<u8>, ApiError> {
        let token = input.updater_request_id.as_deref();
        self.update_dns_namespace(&input.id, NamespaceType::DnsPrivate, token, &input.namespace).await
    }

    pub(super) async fn update_public_dns_namespace(
        &self,
        input: UpdatePublicDnsNamespace<'_>,
    ) -> Result<Vec<u8>, ApiError> {
        let token = input.updater_request_id.as_deref();
        self.update_dns_namespace(&input.id, NamespaceType::DnsPublic, token, &input.namespace).await
    }

    async fn update_dns_namespace(
        &self,
        id: &str,
        namespace_type: NamespaceType,
        updater_request_id: Option<&str>,
        change: &DnsNamespaceChange<'_>,
    ) -> Result<Vec<u8>, ApiError> {
        self.start(Command::UpdateNamespace(UpdateNamespace {
            id: namespace_id(id)?,
            namespace_type,
            description: change.description.as_deref().map(Box::from),
            soa_ttl: change.properties.as_ref().map(NewProperties::soa_ttl),
            updater_request_id: updater_request_id.map(Box::from),
        }))
        .await
    }

    pub(super) async fn delete_namespace(&self, input: &DeleteNamespace<'_>) -> Result<Vec<u8>, ApiError> {
        self.start(Command::DeleteNamespace(namespace_id(&input.id)?)).await
    }

    pub(super) fn get_namespace(&self, input: &GetNamespace<'_>) -> Result<Vec<u8>, ApiError> {
        let id = namespace_id(&input.id)?;
        let (entry, services) = {
            let catalog = self.actions.catalog.read();
            (catalog.namespace(id).cloned(), catalog.service_count(id))
        };
        let entry = entry
            .ok_or_else(|| ApiError::new("NamespaceNotFound", format!("no namespace has the id {}", &*input.id)))?;
        let names = Names::of(&entry);
        let namespace = Namespace {
            creator_request_id: entry.creator_request_id.as_deref(),
            ..self.shown_namespace(&entry, &names, services)
        };
        self.reply(&GetNamespaceOutput { namespace })
    }

    pub(super) fn list_namespaces(&self, input: &ListNamespaces<'_>) -> Result<Vec<u8>, ApiError> {
        let page = Page::of(input.max_results, &input.next_token);
        let filters = input.filters.as_ref().map_or(&[][..], |filters| &filters.0);
        let mut found: Vec<_> = {
            let catalog = self.actions.catalog.read();
            let all = catalog.namespaces_after(NamespaceId::from_bytes(page.after));
            let all = all.filter(|entry| filters.iter().all(|filter| passes(filter, entry)));
            all.take(page.limit + 1).map(|entry| (entry.clone(), catalog.service_count(entry.id))).collect()
        };
        let more = found.len() > page.limit;
        found.truncate(page.limit);
        let last = found.last().filter(|_| more);
        let next_token = last.map(|(entry, _)| NextToken(entry.id.as_bytes().as_slice().into()));
        let names: Vec<_> = found.iter().map(|(entry, _)| Names::of(entry)).collect();
        let all = found.iter().zip(&names);
        let namespaces = all.map(|((entry, services), names)| self.shown_namespace(entry, names, *services)).collect();
        self.reply(&ListNamespacesOutput { namespaces, next_token })
    }

    /// A namespace as lists show it.
    fn shown_namespace<'e>(&'e self, entry: &'e NamespaceEntry, names: &'e Names, services: usize) -> Namespace<'e> {
        let properties = match entry.namespace_type {
            NamespaceType::Http => NamespaceProperties::http(&entry.http_name),
            NamespaceType::DnsPrivate | NamespaceType::DnsPublic => {
                NamespaceProperties::dns(&entry.http_name, &names.zone, entry.soa_ttl)
            }
        };
        Namespace {
            id: &names.id,
            arn: self.arn(Kind::Namespace, &entry.id),
            resource_owner: &self.actions.account,
            name: &entry.name,
            r#type: entry.namespace_type,
            description: entry.description.as_deref(),
            service_count: services as u32,
            properties,
            create_date: Timestamp(entry.created),
            creator_request_id: None,
        }
    }
}

/// The names that AWS makes of an id.
struct Names {
    id: String,
    zone: String,
}

impl Names {
    fn of(entry: &NamespaceEntry) -> Self {
        Self { id: entry.id.to_string(), zone: hosted_zone_id(&entry.id) }
    }
}

/// Whether a namespace passes a filter.
fn passes(filter: &Filter<'_, NamespaceProperty>, entry: &NamespaceEntry) -> bool {
    match filter.name {
        NamespaceProperty::Type => filter.test.holds(entry.namespace_type.word()),
        NamespaceProperty::Name => filter.test.holds(&entry.name),
        NamespaceProperty::HttpName => filter.test.holds(&entry.http_name),
        NamespaceProperty::ResourceOwner => filter.test.holds("SELF"),
    }
}
