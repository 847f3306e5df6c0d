//! What a client is told when its request fails.

use std::borrow::Cow;

/// An error in AWS's shape: a code, a message, and for some codes members of their own.
///
/// The codes are the API model's, and those that every AWS service has ("Common Errors" of the API reference). All go
/// out with status 400, as AWS does, except [`Self::internal`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{code}: {message}")]
pub struct ApiError {
    /// The name that clients dispatch on, as in `__type`.
    pub code: &'static str,
    /// For people.
    pub message: Cow<'static, str>,
    /// Members beside the message, such as `NamespaceId` of `NamespaceAlreadyExists`.
    pub members: Vec<(&'static str, String)>,
}

impl ApiError {
    /// An error of one code without members of its own.
    pub fn new(code: &'static str, message: impl Into<Cow<'static, str>>) -> Self {
        Self { code, message: message.into(), members: Vec::new() }
    }

    /// The same with a member more.
    #[must_use]
    pub fn with(mut self, member: &'static str, value: impl Into<String>) -> Self {
        self.members.push((member, value.into()));
        self
    }

    /// A value that breaks a rule of the API model.
    pub fn invalid_input(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new("InvalidInput", message)
    }

    /// A body that is not what its protocol says.
    pub fn serialization(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new("SerializationException", message)
    }

    /// Our own failure; the only one with status 500.
    pub fn internal(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new("InternalFailure", message)
    }

    /// The HTTP status.
    pub fn status(&self) -> u16 {
        if self.code == "InternalFailure" { 500 } else { 400 }
    }
}
