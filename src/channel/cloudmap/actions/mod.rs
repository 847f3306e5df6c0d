//! What each of the 30 actions does: from a checked request to a command or a lookup, and from there to the reply.
//!
//! Changes go to the registry and are answered once they are durable and in DNS; reads come from its catalog, and
//! operations from its store. The files divide by subject.

use std::sync::Arc;

use super::shapes::arn::Kind;
use super::shapes::operations::{EmptyOutput, StartedOutput};
use super::shapes::{self, Request as Checked};
use super::{ApiError, Protocol, Request};
use crate::model::{NamespaceId, ServiceId};
use crate::registry::store::Store;
use crate::registry::{Command, Outcome, Quotas, Reader, Refusal, Running, Sender};

mod discovery;
mod instances;
mod merge;
mod namespaces;
mod operations;
mod services;
mod tags;
#[cfg(test)]
mod tests;
mod throttle;

use throttle::Throttle;

/// Everything the actions need.
pub struct Actions {
    sender: Sender,
    catalog: Reader,
    running: Arc<Running>,
    store: Arc<dyn Store>,
    account: Box<str>,
    discoveries: Throttle,
    revisions: Throttle,
}

impl Actions {
    /// The actions on one registry, whose resources belong to `account`.
    pub fn new(
        sender: Sender,
        catalog: Reader,
        running: Arc<Running>,
        store: Arc<dyn Store>,
        account: &str,
        quotas: Quotas,
    ) -> Self {
        Self {
            sender,
            catalog,
            running,
            store,
            account: account.into(),
            discoveries: Throttle::new(quotas.discover_rate),
            revisions: Throttle::new(quotas.discover_revision_rate),
        }
    }

    /// Answers a request with the body of its reply.
    pub async fn handle(&self, request: Request) -> Result<Vec<u8>, ApiError> {
        let Request { action, protocol, caller, body } = request;
        let call = Call { actions: self, protocol, region: &caller.region };
        match Checked::decode(action, (protocol, &*body))? {
            Checked::CreateHttpNamespace(input) => call.create_http_namespace(input).await,
            Checked::CreatePrivateDnsNamespace(input) => call.create_private_dns_namespace(input).await,
            Checked::CreatePublicDnsNamespace(input) => call.create_public_dns_namespace(input).await,
            Checked::GetNamespace(input) => call.get_namespace(&input),
            Checked::ListNamespaces(input) => call.list_namespaces(&input),
            Checked::UpdateHttpNamespace(input) => call.update_http_namespace(input).await,
            Checked::UpdatePrivateDnsNamespace(input) => call.update_private_dns_namespace(input).await,
            Checked::UpdatePublicDnsNamespace(input) => call.update_public_dns_namespace(input).await,
            Checked::DeleteNamespace(input) => call.delete_namespace(&input).await,

            Checked::CreateService(input) => call.create_service(input).await,
            Checked::GetService(input) => call.get_service(&input),
            Checked::ListServices(input) => call.list_services(&input),
            Checked::UpdateService(input) => call.update_service(input).await,
            Checked::DeleteService(input) => call.delete_service(&input).await,
            Checked::GetServiceAttributes(input) => call.get_service_attributes(&input),
            Checked::UpdateServiceAttributes(input) => call.update_service_attributes(&input).await,
            Checked::DeleteServiceAttributes(input) => call.delete_service_attributes(input).await,

            Checked::RegisterInstance(input) => call.register_instance(&input).await,
            Checked::DeregisterInstance(input) => call.deregister_instance(&input).await,
            Checked::GetInstance(input) => call.get_instance(&input),
            Checked::ListInstances(input) => call.list_instances(&input),
            Checked::GetInstancesHealthStatus(input) => call.get_instances_health_status(&input),
            Checked::UpdateInstanceCustomHealthStatus(input) => call.update_custom_health(&input).await,

            Checked::DiscoverInstances(input) => call.discover_instances(&input),
            Checked::DiscoverInstancesRevision(input) => call.discover_instances_revision(&input),

            Checked::GetOperation(input) => call.get_operation(&input),
            Checked::ListOperations(input) => call.list_operations(&input),

            Checked::ListTagsForResource(input) => call.list_tags(&input),
            Checked::TagResource(input) => call.tag(&input).await,
            Checked::UntagResource(input) => call.untag(&input).await,
        }
    }
}

/// One request on its way.
#[derive(Clone, Copy)]
struct Call<'a> {
    actions: &'a Actions,
    protocol: Protocol,
    /// In the ARNs of the reply.
    region: &'a str,
}

impl Call<'_> {
    /// The reply.
    fn reply(&self, output: &impl serde::Serialize) -> Result<Vec<u8>, ApiError> {
        Ok(self.protocol.encode(output))
    }

    /// Sends a command whose outcome is an operation.
    async fn start(&self, command: Command) -> Result<Vec<u8>, ApiError> {
        match self.send(command).await? {
            Outcome::Operation(id) => self.reply(&StartedOutput { operation_id: &id.to_string() }),
            Outcome::Done | Outcome::Service(_) => Err(ApiError::internal("the command made no operation")),
        }
    }

    /// Sends a command with nothing to tell of.
    async fn done(&self, command: Command) -> Result<Vec<u8>, ApiError> {
        self.send(command).await?;
        self.reply(&EmptyOutput {})
    }

    /// Sends a command.
    async fn send(&self, command: Command) -> Result<Outcome, ApiError> {
        let result = self.actions.sender.send(command).await;
        result.map(|change| change.outcome).map_err(|refusal| self.error(refusal))
    }

    /// The ARN of a namespace or a service.
    fn arn(&self, kind: Kind, id: &impl std::fmt::Display) -> String {
        let kind = match kind {
            Kind::Namespace => "namespace",
            Kind::Service => "service",
        };
        format!("arn:aws:servicediscovery:{}:{}:{kind}/{id}", self.region, self.actions.account)
    }

    /// What a client is told of a refusal.
    fn error(&self, refusal: Refusal) -> ApiError {
        let message = refusal.to_string();
        let token = |token: Option<Box<str>>| token.map_or_else(String::new, String::from);
        match refusal {
            Refusal::Invalid(_) | Refusal::Declared { .. } | Refusal::Name { .. } => ApiError::invalid_input(message),
            Refusal::NoNamespace(_) => ApiError::new("NamespaceNotFound", message),
            Refusal::NoService(_) | Refusal::NoServiceNamed(_) => ApiError::new("ServiceNotFound", message),
            Refusal::NoInstance(_) => ApiError::new("InstanceNotFound", message),
            Refusal::NoCustomHealth(_) => ApiError::new("CustomHealthNotFound", message),
            Refusal::NoResource => ApiError::new("ResourceNotFoundException", message),
            Refusal::NamespaceExists { id, creator_request_id, .. } => ApiError::new("NamespaceAlreadyExists", message)
                .with("CreatorRequestId", token(creator_request_id))
                .with("NamespaceId", id.to_string()),
            Refusal::ServiceExists { id, creator_request_id, .. } => ApiError::new("ServiceAlreadyExists", message)
                .with("CreatorRequestId", token(creator_request_id))
                .with("ServiceId", id.to_string())
                .with("ServiceArn", self.arn(Kind::Service, &id)),
            Refusal::InUse(_) => ApiError::new("ResourceInUse", message),
            Refusal::Quota(_) => ApiError::new("ResourceLimitExceeded", message),
            Refusal::TooManyTags { resource, .. } => {
                ApiError::new("TooManyTagsException", message).with("ResourceName", resource)
            }
            Refusal::TooManyAttributes(_) => ApiError::new("ServiceAttributesLimitExceededException", message),
            Refusal::Duplicate(id) => {
                ApiError::new("DuplicateRequest", message).with("DuplicateOperationId", id.to_string())
            }
            Refusal::NoRecords { .. } | Refusal::Diverged { .. } | Refusal::Store(_) | Refusal::Stopped => {
                ApiError::internal(message)
            }
        }
    }
}

/// The id of a namespace that may exist.
fn namespace_id(text: &str) -> Result<NamespaceId, ApiError> {
    NamespaceId::parse(text).ok_or_else(|| {
        let text = crate::model::validate::Shown(text);
        ApiError::new("NamespaceNotFound", format!("no namespace has the id {text}"))
    })
}

/// The id of a service that may exist.
fn service_id(text: &str) -> Result<ServiceId, ApiError> {
    ServiceId::parse(text).ok_or_else(|| {
        let text = crate::model::validate::Shown(text);
        ApiError::new("ServiceNotFound", format!("no service has the id {text}"))
    })
}

/// Tags as the registry keeps them; of a repeated key the last value counts.
fn tags(tags: Option<&shapes::tags::TagList<'_>>) -> Result<crate::model::Attributes, ApiError> {
    let tags = tags.map_or(&[][..], |tags| &tags.0);
    for tag in tags {
        if !crate::model::fits(&tag.key) || !crate::model::fits(&tag.value) {
            return Err(ApiError::invalid_input("Tags: the control characters U+001E and U+001F are not allowed"));
        }
    }
    Ok(crate::model::Attributes::default().merged(tags.iter().map(|tag| (&*tag.key, &*tag.value))))
}
