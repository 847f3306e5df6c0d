//! Operations.

use super::Call;
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
            Some(id) => self.operation(id).map_err(|error| ApiError::internal(error.to_string()))?,
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
        let mut found: Vec<Operation> = Vec::new();
        if page.after.is_empty() {
            found.extend(self.actions.running.list().into_iter().rev().filter(wanted).take(page.limit));
        }
        let mut after: Box<[u8]> = page.after.into();
        let mut looked_at = 0;
        let mut more = true;
        // A scan may wait for the disk.
        while more && found.len() < page.limit && looked_at < LOOKED_AT {
            let rows = tokio::task::block_in_place(|| self.rows(&after))?;
            more = !rows.is_empty();
            looked_at += rows.len();
            for (key, value) in rows {
                let operation =
                    decode_operation(&key, &value).map_err(|error| ApiError::internal(error.to_string()))?;
                after = key;
                if wanted(&operation) && !self.is_of_the_past(&operation) {
                    found.push(operation);
                    if found.len() == page.limit {
                        break;
                    }
                }
            }
        }
        let ids: Vec<_> = found.iter().map(|operation| (operation.id.to_string(), operation.status)).collect();
        self.reply(&ListOperationsOutput {
            operations: ids.iter().map(|(id, status)| OperationSummary { id, status: *status }).collect(),
            next_token: (more && !after.is_empty()).then_some(NextToken(after)),
        })
    }

    /// Stored operations before `after`, the latest first.
    fn rows(&self, after: &[u8]) -> Result<Vec<Row>, ApiError> {
        let rows = self.actions.store.scan(Table::Operations, after, true, 1000);
        rows.map_err(|error| ApiError::internal(error.to_string()))
    }

    /// Whether its namespace is gone: AWS lists these no more, and still gets them by id.
    fn is_of_the_past(&self, operation: &Operation) -> bool {
        let catalog = self.actions.catalog.read();
        let gone = operation.namespace.is_some_and(|id| catalog.namespace(id).is_none());
        gone && operation.status == OperationStatus::Success
    }
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
