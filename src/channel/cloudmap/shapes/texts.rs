//! Strings and numbers of the API model, with their rules.

use std::borrow::Cow;
use std::ops::Deref;

use super::arn::{self, Kind};
use super::member::{Member, Path, Text, length, numbers, texts};
use crate::channel::cloudmap::ApiError;
use crate::model::NamespaceType;
use crate::model::validate::{Violation, names, records};

texts! {
    /// The name of an HTTP namespace.
    HttpNamespaceName |text| names::namespace_name(NamespaceType::Http, text);
    /// The name of a private DNS namespace.
    PrivateNamespaceName |text| names::namespace_name(NamespaceType::DnsPrivate, text);
    /// The name of a public DNS namespace.
    PublicNamespaceName |text| names::namespace_name(NamespaceType::DnsPublic, text);
    /// The `HttpName` of any namespace, by which instances are discovered.
    NamespaceName names::http_name;
    /// The VPC of a private namespace.
    Vpc |text| names::vpc(NamespaceType::DnsPrivate, text);
    /// The name of a service.
    ServiceName names::service_name;
    /// The id of an instance to be.
    NewInstanceId names::instance_id;
    /// The id of an instance that may be there.
    InstanceId |text| length(text, "an instance id", 0, 64);
    /// What tells a repeated request from a new one.
    RequestId |text| length(text, "a request id", 0, 64);
    /// For people.
    Description |text| length(text, "a description", 0, 1024);
    /// Where a probe looks.
    ResourcePath |text| records::resource_path(None, text);
    /// An operation's id.
    OperationId |text| length(text, "an operation id", 0, 255);
    /// An AWS account.
    AccountId |text| length(text, "an AWS account id", 12, 12);
    /// The key of a service attribute that may be there.
    ServiceAttributeKey |text| length(text, "the key of a service attribute", 0, 255);
    /// The key of a tag that may be there.
    TagKey |text| length(text, "the key of a tag", 1, 128);
    /// The key of a tag to be.
    NewTagKey new_tag_key;
    /// The value of a tag.
    TagValue |text| length(text, "the value of a tag", 0, 256);
    /// One value of a filter.
    FilterValue |text| length(text, "the value of a filter", 1, 255);
}

/// The key of a tag, whose prefix `aws:` is AWS's own (developer guide, tags).
fn new_tag_key(text: &str) -> Result<(), Violation> {
    length(text, "the key of a tag", 1, 128)?;
    let reserved = text.get(..4).is_some_and(|start| start.eq_ignore_ascii_case("aws:"));
    (!reserved)
        .then_some(())
        .ok_or_else(|| Violation::not(text, "the key of a tag", "1 to 128 characters without \"aws:\" at the start"))
}

numbers! {
    /// A TTL in seconds.
    Ttl records::ttl;
    /// Consecutive probes that change the health status.
    FailureThreshold records::failure_threshold;
    /// How long a page is.
    MaxResults |text| results(text, 100);
    /// How many instances a discovery yields.
    DiscoverMaxResults |text| results(text, 1000);
}

/// A number of results.
fn results(text: &str, max: u32) -> Result<u32, Violation> {
    let number = text.parse().ok().filter(|number| (1..=max).contains(number));
    number.ok_or_else(|| Violation::not(text, "a number of results", &format!("1 to {max}")))
}

impl Default for MaxResults {
    fn default() -> Self {
        Self(100)
    }
}

impl Default for DiscoverMaxResults {
    fn default() -> Self {
        Self(100)
    }
}

//--- Ids

/// Declares ids of resources, which may be given as ARN, too: `NAME KIND LONGEST`.
macro_rules! ids {
    ($($(#[$meta:meta])* $name:ident $kind:expr, $max:literal;)*) => { $(
        $(#[$meta])*
        #[derive(Clone, Debug, PartialEq, Eq, Hash)]
        pub struct $name<'a>(Cow<'a, str>);

        impl<'a> $name<'a> {
            /// The bare id.
            pub fn into_text(self) -> Cow<'a, str> {
                self.0
            }
        }

        impl Deref for $name<'_> {
            type Target = str;

            fn deref(&self) -> &str {
                &self.0
            }
        }

        impl<'a> Member<'a> for $name<'a> {
            type Raw = Text<'a>;

            fn check(raw: Text<'a>, at: &Path<'_>) -> Result<Self, ApiError> {
                length(&raw, $kind.what(), 0, $max)
                    .and_then(|()| arn::id(raw.0, $kind))
                    .map(Self)
                    .map_err(|violation| at.refuse(violation))
            }
        }
    )* };
}

ids! {
    /// The id of a namespace, given as such or as ARN.
    NamespaceId Kind::Namespace, 255;
    /// The same at its older, deprecated place, which has room for fewer characters.
    DnsConfigNamespaceId Kind::Namespace, 64;
    /// The id of a service, given as such or as ARN.
    ServiceId Kind::Service, 255;
}
