//! Namespaces.

use serde::Serialize;

use super::filters::{Filters, NamespaceProperty};
use super::member::shape;
use super::paging::{NAMESPACES, NextToken};
use super::tags::TagList;
use super::texts::{
    Description, HttpNamespaceName, MaxResults, NamespaceId, PrivateNamespaceName, PublicNamespaceName, RequestId, Ttl,
    Vpc,
};
use super::timestamp::Timestamp;
use super::words;
use crate::model::NamespaceType;

shape! { 'a;
    /// Creates a namespace without a zone.
    CreateHttpNamespace<'a> {
        /// The name.
        name: HttpNamespaceName<'a> = "Name",
        /// Tells a repeated request from a new one.
        creator_request_id: Option<RequestId<'a>> = "CreatorRequestId",
        /// For people.
        description: Option<Description<'a>> = "Description",
        /// Its tags.
        tags: Option<TagList<'a>> = "Tags",
    }

    /// Creates a namespace with a zone for one VPC.
    CreatePrivateDnsNamespace<'a> {
        /// The name, which is the zone's.
        name: PrivateNamespaceName<'a> = "Name",
        /// Tells a repeated request from a new one.
        creator_request_id: Option<RequestId<'a>> = "CreatorRequestId",
        /// For people.
        description: Option<Description<'a>> = "Description",
        /// The VPC.
        vpc: Vpc<'a> = "Vpc",
        /// Its tags.
        tags: Option<TagList<'a>> = "Tags",
        /// Of its zone.
        properties: Option<NewProperties> = "Properties",
    }

    /// Creates a namespace with a zone for everybody.
    CreatePublicDnsNamespace<'a> {
        /// The name, which is the zone's.
        name: PublicNamespaceName<'a> = "Name",
        /// Tells a repeated request from a new one.
        creator_request_id: Option<RequestId<'a>> = "CreatorRequestId",
        /// For people.
        description: Option<Description<'a>> = "Description",
        /// Its tags.
        tags: Option<TagList<'a>> = "Tags",
        /// Of its zone.
        properties: Option<NewProperties> = "Properties",
    }

    /// Properties to be (API model `…NamespaceProperties` and `…NamespacePropertiesChange`).
    NewProperties {
        /// Those of the zone.
        dns_properties: NewDnsProperties = "DnsProperties",
    }

    /// Properties of a zone to be.
    NewDnsProperties {
        /// The SOA record.
        soa: NewSoa = "SOA",
    }

    /// An SOA record to be.
    NewSoa {
        /// Its TTL, which bounds negative answers.
        ttl: Ttl = "TTL",
    }

    /// Asks for a namespace.
    GetNamespace<'a> {
        /// Its id.
        id: NamespaceId<'a> = "Id",
    }

    /// Asks for all namespaces.
    ListNamespaces<'a> {
        /// Where the page begins.
        next_token: Option<NextToken<NAMESPACES>> = "NextToken",
        /// How long it is.
        max_results: Option<MaxResults> = "MaxResults",
        /// Which of them.
        filters: Option<Filters<'a, NamespaceProperty>> = "Filters",
    }

    /// Changes an HTTP namespace.
    UpdateHttpNamespace<'a> {
        /// Its id.
        id: NamespaceId<'a> = "Id",
        /// Tells a repeated request from a new one.
        updater_request_id: Option<RequestId<'a>> = "UpdaterRequestId",
        /// What changes.
        namespace: HttpNamespaceChange<'a> = "Namespace",
    }

    /// What may change of an HTTP namespace.
    HttpNamespaceChange<'a> {
        /// For people.
        description: Description<'a> = "Description",
    }

    /// Changes a private DNS namespace.
    UpdatePrivateDnsNamespace<'a> {
        /// Its id.
        id: NamespaceId<'a> = "Id",
        /// Tells a repeated request from a new one.
        updater_request_id: Option<RequestId<'a>> = "UpdaterRequestId",
        /// What changes.
        namespace: DnsNamespaceChange<'a> = "Namespace",
    }

    /// Changes a public DNS namespace.
    UpdatePublicDnsNamespace<'a> {
        /// Its id.
        id: NamespaceId<'a> = "Id",
        /// Tells a repeated request from a new one.
        updater_request_id: Option<RequestId<'a>> = "UpdaterRequestId",
        /// What changes.
        namespace: DnsNamespaceChange<'a> = "Namespace",
    }

    /// What may change of a DNS namespace; what is absent stays.
    DnsNamespaceChange<'a> {
        /// For people.
        description: Option<Description<'a>> = "Description",
        /// Of its zone.
        properties: Option<NewProperties> = "Properties",
    }

    /// Deletes a namespace.
    DeleteNamespace<'a> {
        /// Its id.
        id: NamespaceId<'a> = "Id",
    }
}

impl NewProperties {
    /// The TTL of the SOA record.
    pub fn soa_ttl(&self) -> u32 {
        self.dns_properties.soa.ttl.0
    }
}

//--- Outputs

/// A namespace; in a list ([`ListNamespacesOutput`]) without the creator's request id.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Namespace<'a> {
    /// The id.
    pub id: &'a str,
    /// The ARN.
    pub arn: String,
    /// The account.
    pub resource_owner: &'a str,
    /// The name.
    pub name: &'a str,
    /// The kind.
    #[serde(serialize_with = "words::word")]
    pub r#type: NamespaceType,
    /// For people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<&'a str>,
    /// How many services it has.
    pub service_count: u32,
    /// What it has of its kind.
    pub properties: NamespaceProperties<'a>,
    /// When it was created.
    pub create_date: Timestamp,
    /// By which request.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub creator_request_id: Option<&'a str>,
}

/// What a namespace has of its kind.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct NamespaceProperties<'a> {
    /// The zone.
    pub dns_properties: DnsProperties<'a>,
    /// For discovery.
    pub http_properties: HttpProperties<'a>,
}

impl<'a> NamespaceProperties<'a> {
    /// Of an HTTP namespace, for which AWS shows an SOA record of nothing.
    pub fn http(http_name: &'a str) -> Self {
        let dns_properties = DnsProperties { hosted_zone_id: None, soa: Some(Soa { ttl: None }) };
        Self { dns_properties, http_properties: HttpProperties { http_name } }
    }

    /// Of a DNS namespace, which has an SOA record here if its TTL was given.
    pub fn dns(http_name: &'a str, hosted_zone_id: &'a str, soa_ttl: Option<u32>) -> Self {
        let soa = soa_ttl.map(|ttl| Soa { ttl: Some(ttl) });
        let dns_properties = DnsProperties { hosted_zone_id: Some(hosted_zone_id), soa };
        Self { dns_properties, http_properties: HttpProperties { http_name } }
    }
}

/// The zone of a namespace.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct DnsProperties<'a> {
    /// Its id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hosted_zone_id: Option<&'a str>,
    /// Its SOA record.
    #[serde(rename = "SOA", skip_serializing_if = "Option::is_none")]
    pub soa: Option<Soa>,
}

/// An SOA record.
#[derive(Clone, Debug, Serialize)]
pub struct Soa {
    /// Its TTL.
    #[serde(rename = "TTL", skip_serializing_if = "Option::is_none")]
    pub ttl: Option<u32>,
}

/// What discovery knows of a namespace.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct HttpProperties<'a> {
    /// The name that `DiscoverInstances` takes.
    pub http_name: &'a str,
}

/// One namespace.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct GetNamespaceOutput<'a> {
    /// It.
    pub namespace: Namespace<'a>,
}

/// A page of namespaces.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct ListNamespacesOutput<'a> {
    /// The namespaces.
    pub namespaces: Vec<Namespace<'a>>,
    /// Asks for the next page.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_token: Option<NextToken<NAMESPACES>>,
}
