//! Services and their attributes: what is answered.

use serde::Serialize;

use super::paging::{NextToken, SERVICES};
use super::pairs::Map;
use super::timestamp::Timestamp;
use super::words::{self, ServiceType};
use crate::model::{self, ProbeType, RecordType, RoutingPolicy};

/// A service; in a list ([`ListServicesOutput`]) without its namespace's id and the creator's request id.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Service<'a> {
    /// The id.
    pub id: &'a str,
    /// The ARN.
    pub arn: String,
    /// The account.
    pub resource_owner: &'a str,
    /// The name.
    pub name: &'a str,
    /// The namespace's id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub namespace_id: Option<&'a str>,
    /// For people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<&'a str>,
    /// How many instances it has.
    pub instance_count: u32,
    /// Its records.
    pub dns_config: DnsConfigOutput<'a>,
    /// How it can be discovered.
    #[serde(serialize_with = "words::word")]
    pub r#type: ServiceType,
    /// Health from probes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub health_check_config: Option<HealthCheckConfigOutput<'a>>,
    /// Health from the registrant.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub health_check_custom_config: Option<HealthCheckCustomConfigOutput>,
    /// When it was created.
    pub create_date: Timestamp,
    /// By which request.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub creator_request_id: Option<&'a str>,
    /// By which account.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub created_by_account: Option<&'a str>,
}

/// The records of a service; of an HTTP service there is nothing in it.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct DnsConfigOutput<'a> {
    /// The namespace's id, as clients read it once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub namespace_id: Option<&'a str>,
    /// How many instances an answer shows.
    #[serde(serialize_with = "words::some_word", skip_serializing_if = "Option::is_none")]
    pub routing_policy: Option<RoutingPolicy>,
    /// One for each type, in the order in which they were given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dns_records: Option<Vec<DnsRecord>>,
}

impl<'a> DnsConfigOutput<'a> {
    /// Of a service in the namespace of this id.
    pub fn of(namespace_id: &'a str, routing_policy: RoutingPolicy, dns_records: &[model::DnsRecord]) -> Self {
        let record = |record: &model::DnsRecord| DnsRecord { r#type: record.record_type, ttl: record.ttl };
        let dns_records = dns_records.iter().map(record).collect();
        Self { namespace_id: Some(namespace_id), routing_policy: Some(routing_policy), dns_records: Some(dns_records) }
    }
}

/// One type of record of a service.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct DnsRecord {
    /// The type.
    #[serde(serialize_with = "words::word")]
    pub r#type: RecordType,
    /// The TTL.
    #[serde(rename = "TTL")]
    pub ttl: u32,
}

/// Health from probes, as it was given.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct HealthCheckConfigOutput<'a> {
    /// How to probe.
    #[serde(serialize_with = "words::word")]
    pub r#type: ProbeType,
    /// Where.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resource_path: Option<&'a str>,
    /// How often in a row.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failure_threshold: Option<u32>,
}

/// Health from the registrant.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct HealthCheckCustomConfigOutput {
    /// 1, whatever was given.
    pub failure_threshold: u32,
}

impl Default for HealthCheckCustomConfigOutput {
    fn default() -> Self {
        Self { failure_threshold: 1 }
    }
}

/// One service.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct CreateServiceOutput<'a> {
    /// It.
    pub service: Service<'a>,
}

/// One service.
pub type GetServiceOutput<'a> = CreateServiceOutput<'a>;

/// A page of services.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct ListServicesOutput<'a> {
    /// The services.
    pub services: Vec<Service<'a>>,
    /// Asks for the next page.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_token: Option<NextToken<SERVICES>>,
}

/// The attributes of one service; `I` iterates over its pairs.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "PascalCase", bound = "Map<I>: Serialize")]
pub struct GetServiceAttributesOutput<'a, I> {
    /// They.
    pub service_attributes: ServiceAttributesOutput<'a, I>,
}

/// The attributes of a service.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "PascalCase", bound = "Map<I>: Serialize")]
pub struct ServiceAttributesOutput<'a, I> {
    /// The service's ARN.
    pub service_arn: String,
    /// The account.
    pub resource_owner: &'a str,
    /// The pairs.
    pub attributes: Map<I>,
}
