//! The structures of the API model, with its constraints.
//!
//! A [`Request`] is decoded and checked in one go: one exists only if it follows every rule that needs no registry.
//! Inputs borrow from the body where they can. They are named like their actions; outputs have `Output` at the end,
//! borrow from the registry, and leave out what is absent.
//!
//! [`member`] holds how inputs are made, [`words`], [`texts`], [`arn`] and [`pairs`] the types of their members;
//! [`filters`] and [`paging`] are the list actions' own. The other files hold the structures by subject. Rules that
//! every channel shares are [`crate::model::validate`]'s.

pub mod arn;
pub mod discovery;
pub mod filters;
pub mod instances;
pub mod member;
pub mod namespaces;
pub mod operations;
pub mod paging;
pub mod pairs;
pub mod service_outputs;
pub mod services;
pub mod tags;
#[cfg(test)]
mod tests;
pub mod texts;
pub mod timestamp;
pub mod words;

use serde::Deserialize;

use super::{Action, ApiError};
use discovery::*;
use instances::*;
use member::{Member, Path};
use namespaces::*;
use operations::*;
use services::*;
use tags::*;

/// A body with its protocol.
///
/// What is decoded may borrow from the body. ciborium's reader only yields what borrows nothing; CBOR goes through
/// [`ciborium::Value::deserialized`].
pub trait Body<'a> {
    /// Decodes it; the error is a `SerializationException`.
    fn decode<T: Deserialize<'a>>(self) -> Result<T, ApiError>;
}

/// Decodes and checks one input.
pub fn input<'a, T: Member<'a>>(body: impl Body<'a>) -> Result<T, ApiError> {
    T::check(body.decode()?, &Path::ROOT)
}

/// Lists the actions, each of which has an input of its name.
macro_rules! requests {
    ($($action:ident,)*) => {
        /// What a client asks for: an action with its input.
        // One lives at a time, and not for long.
        #[allow(clippy::large_enum_variant, missing_docs)]
        #[derive(Clone, Debug, PartialEq)]
        pub enum Request<'a> { $($action($action<'a>),)* }

        impl<'a> Request<'a> {
            /// Decodes and checks the input of `action`.
            pub fn decode(action: Action, body: impl Body<'a>) -> Result<Self, ApiError> {
                match action { $(Action::$action => input(body).map(Self::$action),)* }
            }

            /// The action.
            pub fn action(&self) -> Action {
                match self { $(Self::$action(_) => Action::$action,)* }
            }
        }
    };
}

requests! {
    CreateHttpNamespace,
    CreatePrivateDnsNamespace,
    CreatePublicDnsNamespace,
    CreateService,
    DeleteNamespace,
    DeleteService,
    DeleteServiceAttributes,
    DeregisterInstance,
    DiscoverInstances,
    DiscoverInstancesRevision,
    GetInstance,
    GetInstancesHealthStatus,
    GetNamespace,
    GetOperation,
    GetService,
    GetServiceAttributes,
    ListInstances,
    ListNamespaces,
    ListOperations,
    ListServices,
    ListTagsForResource,
    RegisterInstance,
    TagResource,
    UntagResource,
    UpdateHttpNamespace,
    UpdateInstanceCustomHealthStatus,
    UpdatePrivateDnsNamespace,
    UpdatePublicDnsNamespace,
    UpdateService,
    UpdateServiceAttributes,
}
