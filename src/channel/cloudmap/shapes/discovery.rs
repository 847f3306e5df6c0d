//! Discovery of instances.

use serde::Serialize;

use super::instances::Health;
use super::member::shape;
use super::pairs::{Map, QueryParameters};
use super::texts::{AccountId, DiscoverMaxResults, NamespaceName, ServiceName};
use super::words::HealthStatusFilter;

shape! { 'a;
    /// Asks for instances of a service by names.
    DiscoverInstances<'a> {
        /// The `HttpName` of the namespace.
        namespace_name: NamespaceName<'a> = "NamespaceName",
        /// The name of the service.
        service_name: ServiceName<'a> = "ServiceName",
        /// How many at most.
        max_results: Option<DiscoverMaxResults> = "MaxResults",
        /// Attributes they must have.
        query_parameters: Option<QueryParameters<'a>> = "QueryParameters",
        /// Attributes they must have as well, if any has.
        optional_parameters: Option<QueryParameters<'a>> = "OptionalParameters",
        /// Which of them by health.
        health_status: Option<HealthStatusFilter> = "HealthStatus",
        /// The account of the namespace.
        owner_account: Option<AccountId<'a>> = "OwnerAccount",
    }

    /// Asks whether instances came or went.
    DiscoverInstancesRevision<'a> {
        /// The `HttpName` of the namespace.
        namespace_name: NamespaceName<'a> = "NamespaceName",
        /// The name of the service.
        service_name: ServiceName<'a> = "ServiceName",
        /// The account of the namespace.
        owner_account: Option<AccountId<'a>> = "OwnerAccount",
    }
}

//--- Outputs

/// The instances found; `I` iterates over the pairs of one.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "PascalCase", bound = "Map<I>: Serialize")]
pub struct DiscoverInstancesOutput<'a, I> {
    /// They.
    pub instances: Vec<HttpInstanceSummary<'a, I>>,
    /// The revision that they are of.
    pub instances_revision: u64,
}

/// An instance found.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "PascalCase", bound = "Map<I>: Serialize")]
pub struct HttpInstanceSummary<'a, I> {
    /// The id.
    pub instance_id: &'a str,
    /// The `HttpName` of its namespace.
    pub namespace_name: &'a str,
    /// The name of its service.
    pub service_name: &'a str,
    /// How it is.
    pub health_status: Health,
    /// The attributes, byte for byte.
    pub attributes: Map<I>,
}

/// The revision of a service's instances.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct DiscoverInstancesRevisionOutput {
    /// It.
    pub instances_revision: u64,
}
