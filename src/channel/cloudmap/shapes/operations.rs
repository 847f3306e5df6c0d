//! Operations: what runs after a request was answered.

use serde::{Serialize, Serializer};

use super::filters::{Filters, OperationProperty};
use super::member::shape;
use super::paging::{NextToken, OPERATIONS};
use super::texts::{AccountId, MaxResults, OperationId};
use super::timestamp::Timestamp;
use super::words::{self, OperationTargetType, Word};
use crate::registry::{OperationStatus, OperationType};

shape! { 'a;
    /// Asks for an operation.
    GetOperation<'a> {
        /// Its id.
        operation_id: OperationId<'a> = "OperationId",
        /// The account of the namespace.
        owner_account: Option<AccountId<'a>> = "OwnerAccount",
    }

    /// Asks for all operations.
    ListOperations<'a> {
        /// Where the page begins.
        next_token: Option<NextToken<OPERATIONS>> = "NextToken",
        /// How long it is.
        max_results: Option<MaxResults> = "MaxResults",
        /// Which of them.
        filters: Option<Filters<'a, OperationProperty>> = "Filters",
    }
}

//--- Outputs

/// The answer of every action that starts an operation.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct StartedOutput<'a> {
    /// The operation.
    pub operation_id: &'a str,
}

/// The answer of actions that have nothing to say.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct EmptyOutput {}

/// An operation.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Operation<'a> {
    /// The id.
    pub id: &'a str,
    /// The account.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub owner_account: Option<&'a str>,
    /// What it does.
    #[serde(serialize_with = "words::word")]
    pub r#type: OperationType,
    /// How far it is.
    #[serde(serialize_with = "words::word")]
    pub status: OperationStatus,
    /// Why it failed, for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error_message: Option<&'a str>,
    /// Why it failed, for programs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error_code: Option<&'a str>,
    /// When it was asked for.
    pub create_date: Timestamp,
    /// When the status last changed.
    pub update_date: Timestamp,
    /// What it works on, by id.
    #[serde(serialize_with = "targets")]
    pub targets: Vec<(OperationTargetType, &'a str)>,
}

/// Serializes targets as a map.
fn targets<S: Serializer>(targets: &[(OperationTargetType, &str)], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_map(targets.iter().map(|(target, id)| (target.word(), id)))
}

/// One operation.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct GetOperationOutput<'a> {
    /// It.
    pub operation: Operation<'a>,
}

/// An operation in a list.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct OperationSummary<'a> {
    /// The id.
    pub id: &'a str,
    /// How far it is.
    #[serde(serialize_with = "words::word")]
    pub status: OperationStatus,
}

/// A page of operations.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct ListOperationsOutput<'a> {
    /// The operations.
    pub operations: Vec<OperationSummary<'a>>,
    /// Asks for the next page.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_token: Option<NextToken<OPERATIONS>>,
}
