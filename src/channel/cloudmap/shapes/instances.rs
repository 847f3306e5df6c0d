//! Instances and what is known of their health.

use serde::Serialize;

use super::member::{List, shape};
use super::paging::{HEALTH, INSTANCES, NextToken};
use super::pairs::{InstanceAttributes, Map};
use super::texts::{InstanceId, MaxResults, NewInstanceId, RequestId, ServiceId};
use super::words::{self, CustomHealthStatus};
use crate::model::HealthStatus;

shape! { 'a;
    /// Registers an instance, or replaces it.
    RegisterInstance<'a> {
        /// Its service.
        service_id: ServiceId<'a> = "ServiceId",
        /// Its id.
        instance_id: NewInstanceId<'a> = "InstanceId",
        /// Tells a repeated request from a new one.
        creator_request_id: Option<RequestId<'a>> = "CreatorRequestId",
        /// Its attributes. What the records of its service need is not known here.
        attributes: InstanceAttributes<'a> = "Attributes",
    }

    /// Removes an instance.
    DeregisterInstance<'a> {
        /// Its service.
        service_id: ServiceId<'a> = "ServiceId",
        /// Its id.
        instance_id: InstanceId<'a> = "InstanceId",
    }

    /// Asks for an instance.
    GetInstance<'a> {
        /// Its service.
        service_id: ServiceId<'a> = "ServiceId",
        /// Its id.
        instance_id: InstanceId<'a> = "InstanceId",
    }

    /// Asks for all instances of a service.
    ListInstances<'a> {
        /// The service.
        service_id: ServiceId<'a> = "ServiceId",
        /// Where the page begins.
        next_token: Option<NextToken<INSTANCES>> = "NextToken",
        /// How long it is.
        max_results: Option<MaxResults> = "MaxResults",
    }

    /// Asks for the health of instances of a service.
    GetInstancesHealthStatus<'a> {
        /// The service.
        service_id: ServiceId<'a> = "ServiceId",
        /// Which instances; all where absent.
        instances: Option<List<InstanceId<'a>, 1>> = "Instances",
        /// How long the page is.
        max_results: Option<MaxResults> = "MaxResults",
        /// Where it begins.
        next_token: Option<NextToken<HEALTH>> = "NextToken",
    }

    /// Says how an instance is.
    UpdateInstanceCustomHealthStatus<'a> {
        /// Its service.
        service_id: ServiceId<'a> = "ServiceId",
        /// Its id.
        instance_id: InstanceId<'a> = "InstanceId",
        /// Its health.
        status: CustomHealthStatus = "Status",
    }
}

//--- Outputs

/// An instance; in a list ([`ListInstancesOutput`]) without the creator's request id. `I` iterates over its pairs.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "PascalCase", bound = "Map<I>: Serialize")]
pub struct Instance<'a, I> {
    /// The id.
    pub id: &'a str,
    /// By which request it was registered.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub creator_request_id: Option<&'a str>,
    /// The attributes, byte for byte.
    pub attributes: Map<I>,
    /// By which account it was registered.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub created_by_account: Option<&'a str>,
}

/// One instance.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "PascalCase", bound = "Map<I>: Serialize")]
pub struct GetInstanceOutput<'a, I> {
    /// The account.
    pub resource_owner: &'a str,
    /// It.
    pub instance: Instance<'a, I>,
}

/// A page of instances.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "PascalCase", bound = "Map<I>: Serialize")]
pub struct ListInstancesOutput<'a, I> {
    /// The account.
    pub resource_owner: &'a str,
    /// The instances.
    pub instances: Vec<Instance<'a, I>>,
    /// Asks for the next page.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_token: Option<NextToken<INSTANCES>>,
}

/// A page of instances' health; `I` iterates over ids with [`Health`].
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "PascalCase", bound = "Map<I>: Serialize")]
pub struct GetInstancesHealthStatusOutput<I> {
    /// By id.
    pub status: Map<I>,
    /// Asks for the next page.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_token: Option<NextToken<HEALTH>>,
}

/// How an instance is.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Health(#[serde(serialize_with = "words::word")] pub HealthStatus);
