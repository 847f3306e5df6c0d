//! Operations.

use super::Call;
use super::merge::{Found, merge};
use crate::channel::cloudmap::ApiError;
use crate::channel::cloudmap::shapes::filters::{Filter, OperationProperty};
use crate::channel::cloudmap::shapes::operations::{
    GetOperation, GetOperationOutput, ListOperations, ListOperationsOutput, Operation as Shown, OperationSummary,
};
use crate::channel::cloudmap::shapes::paging::{NextToken, Page};
use crate::channel::cloudmap::shapes::timestamp::Timestamp;
use crate::channel::cloudmap::shapes::words::{OperationTargetType, Word};
use crate::model::{OperationId, validate};
use crate::registry::store::{Row, StoreError, Table};
use crate::registry::{Operation, OperationStatus, decode_operation};

/// Stored operations that one page looks at. Beyond it the page ends, with a token, however few have passed the
/// filters: so does AWS (API model, `ListOperations$NextToken`).
const LOOKED_AT: usize = 10_000;

impl Call<'_> {
    pub(super) fn get_operation(&self, input: &GetOperation<'_>) -> Result<Vec<u8>, ApiError> {
        let text = &*input.operation_id;
        let is_ours = input.owner_account.as_deref().is_none_or(|account| account == &*self.actions.account);
        let id = OperationId::parse(text).filter(|_| is_ours);
        let operation = match id {
            Some(id) => self.operation(id).map_err(internal)?,
            None => None,
        };
        let operation = operation.ok_or_else(|| {
            let text = validate::Shown(text);
            ApiError::new("OperationNotFound", format!("no operation has the id {text}"))
        })?;
        let (id, namespace, service) = (
            operation.id.to_string(),
            operation.namespace.map(|id| id.to_string()),
            operation.service.map(|id| id.to_string()),
        );
        let mut targets = Vec::new();
        if let Some(service) = &service {
            if let Some(instance) = &operation.instance {
                targets.push((OperationTargetType::Instance, &**instance));
            }
            targets.push((OperationTargetType::Service, &**service));
        } else if let Some(namespace) = &namespace {
            targets.push((OperationTargetType::Namespace, &**namespace));
        }
        self.reply(&GetOperationOutput {
            operation: Shown {
                id: &id,
                owner_account: Some(&self.actions.account),
                r#type: operation.operation_type,
                status: operation.status,
                error_message: operation.error.as_ref().map(|(_, message)| &**message),
                error_code: operation.error.as_ref().map(|(code, _)| &**code),
                create_date: Timestamp(operation.id.milliseconds()),
                update_date: Timestamp(operation.updated),
                targets,
            },
        })
    }

    /// The operation of an id: on its way, or stored.
    fn operation(&self, id: OperationId) -> Result<Option<Operation>, StoreError> {
        if let Some(running) = self.actions.running.find(id) {
            return Ok(Some(running));
        }
        let key = id.0.to_be_bytes();
        let value = self.actions.store.get(Table::Operations, &key)?;
        value.map(|value| decode_operation(&key, &value)).transpose()
    }

    /// Operations, the latest first.
    pub(super) fn list_operations(&self, input: &ListOperations<'_>) -> Result<Vec<u8>, ApiError> {
        let page = Page::of(input.max_results, &input.next_token);
        let filters = input.filters.as_ref().map_or(&[][..], |filters| &filters.0);
        let wanted = |operation: &Operation| filters.iter().all(|filter| passes(filter, operation));
        let show = |found| {
            let (operation, is_stored) = match found {
                Found::Running(operation) => (operation, false),
                Found::Stored((key, value)) => (decode_operation(&key, &value).map_err(internal)?, true),
            };
            let is_shown = wanted(&operation) && !(is_stored && self.is_of_the_past(&operation));
            Ok(is_shown.then(|| (operation.id.to_string(), operation.status)))
        };
        let running = self.actions.running.list();
        // A scan may wait for the disk.
        let rows = |after: &[u8]| tokio::task::block_in_place(|| self.rows(after));
        let (found, next) = merge(running, page, LOOKED_AT, rows, show)?;
        self.reply(&ListOperationsOutput {
            operations: found.iter().map(|(id, status)| OperationSummary { id, status: *status }).collect(),
            next_token: next.map(NextToken),
        })
    }

    /// Stored operations before `after`, the latest first.
    fn rows(&self, after: &[u8]) -> Result<Vec<Row>, ApiError> {
        self.actions.store.scan(Table::Operations, after, true, 1000).map_err(internal)
    }

    /// Whether its namespace is gone: AWS lists these no more, and still gets them by id.
    fn is_of_the_past(&self, operation: &Operation) -> bool {
        let catalog = self.actions.catalog.read();
        let gone = operation.namespace.is_some_and(|id| catalog.namespace(id).is_none());
        gone && operation.status == OperationStatus::Success
    }
}

/// What a client is told of a store that fails.
fn internal(error: StoreError) -> ApiError {
    ApiError::internal(error.to_string())
}

/// Whether an operation passes a filter.
fn passes(filter: &Filter<'_, OperationProperty>, operation: &Operation) -> bool {
    let holds = |id: Option<String>| id.is_some_and(|id| filter.test.holds(&id));
    match filter.name {
        OperationProperty::NamespaceId => holds(operation.namespace.map(|id| id.to_string())),
        OperationProperty::ServiceId => holds(operation.service.map(|id| id.to_string())),
        OperationProperty::Status => filter.test.holds(operation.status.word()),
        OperationProperty::Type => filter.test.holds(operation.operation_type.word()),
        OperationProperty::UpdateDate => filter.test.holds_at(operation.updated),
    }
}
