//! Enumerations of the API model.

use serde::Serializer;

use crate::model::validate::{Violation, records};
use crate::model::{HealthStatus, NamespaceType, ProbeType, RecordType, RoutingPolicy};
use crate::registry::{OperationStatus, OperationType};

/// A type whose values the API spells as words.
pub trait Word: Copy + PartialEq + 'static {
    /// What such a value is, for messages.
    const WHAT: &'static str;
    /// Every value with its word.
    const WORDS: &'static [(Self, &'static str)];

    /// The word.
    fn word(self) -> &'static str {
        Self::WORDS.iter().find(|(value, _)| *value == self).map_or("", |(_, word)| *word)
    }

    /// The value of a word.
    fn parse(text: &str) -> Result<Self, Violation> {
        let found = Self::WORDS.iter().find(|(_, word)| *word == text);
        found.map(|(value, _)| *value).ok_or_else(|| {
            let words: Vec<_> = Self::WORDS.iter().map(|(_, word)| *word).collect();
            let allowed = match words.split_last() {
                Some((only, [])) => (*only).to_owned(),
                Some((last, others)) => format!("{} and {last}", others.join(", ")),
                None => String::new(),
            };
            Violation::not(text, Self::WHAT, &allowed)
        })
    }
}

/// Lets types with words be members: `TYPE parse FUNCTION`.
macro_rules! members {
    ($($type:ty = $parse:expr;)*) => { $(
        impl<'a> super::member::Member<'a> for $type {
            type Raw = super::member::Text<'a>;

            fn check(raw: Self::Raw, at: &super::member::Path<'_>) -> Result<Self, crate::channel::cloudmap::ApiError> {
                $parse(&raw).map_err(|violation| at.refuse(violation))
            }
        }
    )* };
}

/// Declares enumerations: what a value is, and each value's word.
macro_rules! words {
    ($($(#[$meta:meta])* $name:ident $what:literal {
        $($(#[$value_meta:meta])* $value:ident = $word:literal,)*
    })*) => { $(
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum $name { $($(#[$value_meta])* $value,)* }

        impl Word for $name {
            const WHAT: &'static str = $what;
            const WORDS: &'static [(Self, &'static str)] = &[$((Self::$value, $word),)*];
        }

        members! { $name = $name::parse; }
    )* };
}

words! {
    /// What a service of a DNS namespace can be made into.
    ServiceTypeOption "a type that a service can be given" {
        /// Discovered by the API alone.
        Http = "HTTP",
    }
    /// How a service can be discovered.
    ServiceType "a type of service" {
        /// By the API alone.
        Http = "HTTP",
        /// By DNS and the API.
        DnsHttp = "DNS_HTTP",
    }
    /// What a registrant may say of an instance's health.
    CustomHealthStatus "a custom health status" {
        /// Answers queries.
        Healthy = "HEALTHY",
        /// Does not while another does.
        Unhealthy = "UNHEALTHY",
    }
    /// Which instances a discovery wants.
    HealthStatusFilter "a filter of health status" {
        /// Healthy ones.
        Healthy = "HEALTHY",
        /// Unhealthy ones.
        Unhealthy = "UNHEALTHY",
        /// All.
        All = "ALL",
        /// Healthy ones, or all where none is.
        HealthyOrElseAll = "HEALTHY_OR_ELSE_ALL",
    }
    /// What an operation works on.
    OperationTargetType "a type of target" {
        /// A namespace.
        Namespace = "NAMESPACE",
        /// A service.
        Service = "SERVICE",
        /// An instance.
        Instance = "INSTANCE",
    }
    /// Whose a resource is.
    ResourceOwner "a resource owner" {
        /// The caller's.
        SelfOwned = "SELF",
        /// Somebody else's, shared with the caller.
        OtherAccounts = "OTHER_ACCOUNTS",
    }
    /// How a filter compares.
    Condition "a condition of a filter" {
        /// Equal to the one value; the default.
        Eq = "EQ",
        /// Equal to one of the values.
        In = "IN",
        /// From the first value to the second.
        Between = "BETWEEN",
        /// Starts with the one value.
        BeginsWith = "BEGINS_WITH",
    }
}

members! {
    ProbeType = ProbeType::parse;
    RecordType = records::record_type;
    RoutingPolicy = records::routing_policy;
}

impl Word for RecordType {
    const WHAT: &'static str = "a record type";
    const WORDS: &'static [(Self, &'static str)] =
        &[(Self::A, "A"), (Self::Aaaa, "AAAA"), (Self::Srv, "SRV"), (Self::Cname, "CNAME")];
}

impl Word for RoutingPolicy {
    const WHAT: &'static str = "a routing policy";
    const WORDS: &'static [(Self, &'static str)] = &[(Self::Multivalue, "MULTIVALUE"), (Self::Weighted, "WEIGHTED")];
}

impl Word for NamespaceType {
    const WHAT: &'static str = "a type of namespace";
    const WORDS: &'static [(Self, &'static str)] =
        &[(Self::Http, "HTTP"), (Self::DnsPublic, "DNS_PUBLIC"), (Self::DnsPrivate, "DNS_PRIVATE")];
}

impl Word for ProbeType {
    const WHAT: &'static str = "a type of health check";
    const WORDS: &'static [(Self, &'static str)] = &[(Self::Http, "HTTP"), (Self::Https, "HTTPS"), (Self::Tcp, "TCP")];
}

impl Word for OperationType {
    const WHAT: &'static str = "a type of operation";
    const WORDS: &'static [(Self, &'static str)] = &[
        (Self::CreateNamespace, "CREATE_NAMESPACE"),
        (Self::DeleteNamespace, "DELETE_NAMESPACE"),
        (Self::UpdateNamespace, "UPDATE_NAMESPACE"),
        (Self::UpdateService, "UPDATE_SERVICE"),
        (Self::RegisterInstance, "REGISTER_INSTANCE"),
        (Self::DeregisterInstance, "DEREGISTER_INSTANCE"),
    ];
}

impl Word for OperationStatus {
    const WHAT: &'static str = "a status of an operation";
    const WORDS: &'static [(Self, &'static str)] =
        &[(Self::Submitted, "SUBMITTED"), (Self::Pending, "PENDING"), (Self::Success, "SUCCESS"), (Self::Fail, "FAIL")];
}

impl Word for HealthStatus {
    const WHAT: &'static str = "a health status";
    const WORDS: &'static [(Self, &'static str)] =
        &[(Self::Healthy, "HEALTHY"), (Self::Unhealthy, "UNHEALTHY"), (Self::Unknown, "UNKNOWN")];
}

//--- In outputs

/// Serializes a value as its word.
pub(super) fn word<W: Word, S: Serializer>(value: &W, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(value.word())
}

/// Serializes a value that is there as its word.
pub(super) fn some_word<W: Word, S: Serializer>(value: &Option<W>, serializer: S) -> Result<S::Ok, S::Error> {
    match value {
        Some(value) => word(value, serializer),
        None => serializer.serialize_none(),
    }
}
