//! Services and their attributes: what is asked.

use super::filters::{Filters, ServiceProperty};
use super::member::{List, Path, shape};
use super::paging::{NextToken, SERVICES};
use super::pairs::ServiceAttributes;
use super::tags::TagList;
use super::texts::{
    Description, DnsConfigNamespaceId, FailureThreshold, MaxResults, NamespaceId, RequestId, ResourcePath,
    ServiceAttributeKey, ServiceId, ServiceName, Ttl,
};
use super::words::ServiceTypeOption;
use crate::channel::cloudmap::ApiError;
use crate::model::validate::{Shown, records};
use crate::model::{DnsRecord, ProbeType, RecordType, RoutingPolicy};

shape! { 'a;
    /// Creates a service.
    CreateService<'a> {
        /// The name.
        name: ServiceName<'a> = "Name",
        /// Its namespace: here or in [`DnsConfig`], see [`Self::namespace`].
        namespace_id: Option<NamespaceId<'a>> = "NamespaceId",
        /// Tells a repeated request from a new one.
        creator_request_id: Option<RequestId<'a>> = "CreatorRequestId",
        /// For people.
        description: Option<Description<'a>> = "Description",
        /// Its records.
        dns_config: Option<DnsConfig<'a>> = "DnsConfig",
        /// Health from probes.
        health_check_config: Option<HealthCheckConfig<'a>> = "HealthCheckConfig",
        /// Health from the registrant.
        health_check_custom_config: Option<HealthCheckCustomConfig> = "HealthCheckCustomConfig",
        /// Its tags.
        tags: Option<TagList<'a>> = "Tags",
        /// Whether the API alone discovers it, though its namespace has a zone.
        service_type: Option<ServiceTypeOption> = "Type",
    } => new_service;

    /// The records of a service to be.
    DnsConfig<'a> {
        /// The namespace, as clients said it once.
        namespace_id: Option<DnsConfigNamespaceId<'a>> = "NamespaceId",
        /// How many instances an answer shows.
        routing_policy: Option<RoutingPolicy> = "RoutingPolicy",
        /// One for each type.
        dns_records: DnsRecords = "DnsRecords",
    } => new_records;

    /// One type of record of a service.
    NewDnsRecord {
        /// The type.
        record_type: RecordType = "Type",
        /// The TTL.
        ttl: Ttl = "TTL",
    }

    /// Health from probes.
    HealthCheckConfig<'a> {
        /// How to probe.
        check_type: ProbeType = "Type",
        /// Where.
        resource_path: Option<ResourcePath<'a>> = "ResourcePath",
        /// How often in a row.
        failure_threshold: Option<FailureThreshold> = "FailureThreshold",
    } => probe;

    /// Health from the registrant.
    HealthCheckCustomConfig {
        /// Of no effect any more: taken as 1.
        failure_threshold: Option<FailureThreshold> = "FailureThreshold",
    }

    /// Asks for a service.
    GetService<'a> {
        /// Its id.
        id: ServiceId<'a> = "Id",
    }

    /// Asks for all services.
    ListServices<'a> {
        /// Where the page begins.
        next_token: Option<NextToken<SERVICES>> = "NextToken",
        /// How long it is.
        max_results: Option<MaxResults> = "MaxResults",
        /// Which of them.
        filters: Option<Filters<'a, ServiceProperty>> = "Filters",
    }

    /// Changes a service.
    UpdateService<'a> {
        /// Its id.
        id: ServiceId<'a> = "Id",
        /// What changes.
        service: ServiceChange<'a> = "Service",
    }

    /// What may change of a service. A configuration that is absent is removed.
    ServiceChange<'a> {
        /// For people.
        description: Option<Description<'a>> = "Description",
        /// Its records.
        dns_config: Option<DnsConfigChange> = "DnsConfig",
        /// Health from probes.
        health_check_config: Option<HealthCheckConfig<'a>> = "HealthCheckConfig",
    } => changed_service;

    /// The records of a service that changes.
    DnsConfigChange {
        /// One for each type.
        dns_records: DnsRecords = "DnsRecords",
    } => changed_records;

    /// Deletes a service.
    DeleteService<'a> {
        /// Its id.
        id: ServiceId<'a> = "Id",
    }

    /// Asks for the attributes of a service.
    GetServiceAttributes<'a> {
        /// Its id.
        service_id: ServiceId<'a> = "ServiceId",
    }

    /// Sets attributes of a service.
    UpdateServiceAttributes<'a> {
        /// Its id.
        service_id: ServiceId<'a> = "ServiceId",
        /// The attributes.
        attributes: ServiceAttributes<'a> = "Attributes",
    }

    /// Removes attributes of a service.
    DeleteServiceAttributes<'a> {
        /// Its id.
        service_id: ServiceId<'a> = "ServiceId",
        /// Their keys.
        attributes: List<ServiceAttributeKey<'a>, 1, 30> = "Attributes",
    }
}

/// The record types of a service: at least one, and `records::combination` knows how many there can be.
type DnsRecords = List<NewDnsRecord, 1>;

/// The records as the model has them.
fn plain(dns_records: &[NewDnsRecord]) -> Vec<DnsRecord> {
    dns_records.iter().map(|record| DnsRecord { record_type: record.record_type, ttl: record.ttl.0 }).collect()
}

impl DnsConfig<'_> {
    /// How many instances an answer shows.
    pub fn policy(&self) -> RoutingPolicy {
        self.routing_policy.unwrap_or_default()
    }

    /// The records as the model has them.
    pub fn records(&self) -> Vec<DnsRecord> {
        plain(&self.dns_records)
    }
}

impl DnsConfigChange {
    /// The records as the model has them.
    pub fn records(&self) -> Vec<DnsRecord> {
        plain(&self.dns_records)
    }
}

impl CreateService<'_> {
    /// The id of its namespace.
    pub fn namespace(&self) -> &str {
        let of_dns = || self.dns_config.as_ref().and_then(|config| config.namespace_id.as_deref());
        self.namespace_id.as_deref().or_else(of_dns).unwrap_or_default()
    }
}

//--- Rules that tie members

/// API model, `CreateService`.
fn new_service(service: &CreateService<'_>, at: &Path<'_>) -> Result<(), ApiError> {
    let of_dns = service.dns_config.as_ref().and_then(|config| config.namespace_id.as_deref());
    match (service.namespace_id.as_deref(), of_dns) {
        (None, None) => return Err(ApiError::invalid_input("NamespaceId is missing; it is required")),
        (Some(one), Some(other)) if one != other => {
            let text = format!("{} differs from NamespaceId; allowed are equal ids or one of the two", Shown(other));
            return Err(at.member("DnsConfig").member("NamespaceId").refuse(text));
        }
        _ => {}
    }
    if service.service_type.is_some() && service.dns_config.is_some() {
        let text = "HTTP is for services without DNS records; allowed are Type or DnsConfig";
        return Err(at.member("Type").refuse(text));
    }
    if service.health_check_config.is_some() && service.health_check_custom_config.is_some() {
        let text = "it is given beside HealthCheckConfig; allowed is one of the two";
        return Err(at.member("HealthCheckCustomConfig").refuse(text));
    }
    let dns_records = service.dns_config.as_ref().map_or(&[][..], |config| &config.dns_records);
    no_probe_of_cname(service.health_check_config.as_ref(), dns_records, at)
}

/// API model, `UpdateService`.
fn changed_service(change: &ServiceChange<'_>, at: &Path<'_>) -> Result<(), ApiError> {
    let dns_records = change.dns_config.as_ref().map_or(&[][..], |config| &config.dns_records);
    no_probe_of_cname(change.health_check_config.as_ref(), dns_records, at)
}

/// API model, `HealthCheckConfig`: not for CNAME.
fn no_probe_of_cname(
    config: Option<&HealthCheckConfig<'_>>,
    dns_records: &[NewDnsRecord],
    at: &Path<'_>,
) -> Result<(), ApiError> {
    let cname = dns_records.iter().any(|record| record.record_type == RecordType::Cname);
    if config.is_some() && cname {
        let text = "a service with CNAME records has no probes; allowed are A, AAAA and SRV";
        return Err(at.member("HealthCheckConfig").refuse(text));
    }
    Ok(())
}

/// The types of records go together.
fn new_records(config: &DnsConfig<'_>, at: &Path<'_>) -> Result<(), ApiError> {
    let combination = records::combination(&config.records(), config.policy());
    combination.map_err(|violation| at.member("DnsRecords").refuse(violation))
}

/// The types of records go together; the policy stays as it is, which is not known here.
fn changed_records(config: &DnsConfigChange, at: &Path<'_>) -> Result<(), ApiError> {
    let combination = records::combination(&config.records(), RoutingPolicy::Weighted);
    combination.map_err(|violation| at.member("DnsRecords").refuse(violation))
}

/// API model, `HealthCheckConfig$ResourcePath`.
fn probe(config: &HealthCheckConfig<'_>, at: &Path<'_>) -> Result<(), ApiError> {
    match &config.resource_path {
        Some(path) if config.check_type == ProbeType::Tcp => {
            let text = format!("{} is given for TCP; allowed are HTTP and HTTPS", Shown(path));
            Err(at.member("ResourcePath").refuse(text))
        }
        _ => Ok(()),
    }
}
