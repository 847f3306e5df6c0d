//! Tags of namespaces and services.

use super::{Call, tags};
use crate::channel::cloudmap::ApiError;
use crate::channel::cloudmap::shapes::arn::{Kind, ResourceArn};
use crate::channel::cloudmap::shapes::tags::*;
use crate::model::{Attributes, NamespaceId, ServiceId};
use crate::registry::{Command, Refusal, Resource};

impl Call<'_> {
    pub(super) fn list_tags(&self, input: &ListTagsForResource<'_>) -> Result<Vec<u8>, ApiError> {
        let resource = self.resource(&input.resource_arn)?;
        let tags: Option<Attributes> = {
            let catalog = self.actions.catalog.read();
            match resource {
                Resource::Namespace(id) => catalog.namespace(id).map(|entry| entry.tags.clone()),
                Resource::Service(id) => catalog.service(id).map(|entry| entry.service.tags.clone()),
            }
        };
        let tags = tags.ok_or_else(|| self.error(Refusal::NoResource))?;
        let tags = tags.pairs().iter().map(|(key, value)| Tag { key, value }).collect();
        self.reply(&ListTagsForResourceOutput { tags })
    }

    pub(super) async fn tag(&self, input: &TagResource<'_>) -> Result<Vec<u8>, ApiError> {
        let resource = self.resource(&input.resource_arn)?;
        self.done(Command::Tag(resource, tags(Some(&input.tags))?)).await
    }

    pub(super) async fn untag(&self, input: &UntagResource<'_>) -> Result<Vec<u8>, ApiError> {
        let resource = self.resource(&input.resource_arn)?;
        let keys = input.tag_keys.0.iter().map(|key| key.to_string()).collect();
        self.done(Command::Untag(resource, keys)).await
    }

    /// What an ARN names, if it can exist.
    fn resource(&self, arn: &ResourceArn<'_>) -> Result<Resource, ApiError> {
        let found = arn.resource().and_then(|(kind, id)| match kind {
            Kind::Namespace => NamespaceId::parse(id).map(Resource::Namespace),
            Kind::Service => ServiceId::parse(id).map(Resource::Service),
        });
        found.ok_or_else(|| self.error(Refusal::NoResource))
    }
}
