//! `fingerpost get operations`

use clap::Args;
use fingerpost::channel::cloudmap::Action;
use fingerpost::client::{Client, ClientError};
use serde_json::{Value, json};

use super::{Common, age};
use crate::cli::namespace::Namespace;
use crate::cli::service::Service;
use crate::cli::table::{Cell, Table};
use crate::cli::text;

/// The flags.
#[derive(Args)]
pub(super) struct Operations {
    /// Only these, by their ids
    #[arg(value_name = "ID", conflicts_with_all = ["namespace", "service", "status", "limit"])]
    ids: Vec<String>,

    /// Only those on this namespace
    #[arg(short, long, value_name = "NAME|ID")]
    namespace: Option<String>,

    /// Only those on this service
    #[arg(short, long, value_name = "SERVICE")]
    service: Option<String>,

    /// Only those that are SUBMITTED, PENDING, SUCCESS or FAIL
    #[arg(long, value_name = "STATUS")]
    status: Option<String>,

    /// How many at most
    #[arg(long, value_name = "N", default_value_t = 100)]
    limit: usize,

    #[command(flatten)]
    common: Common,
}

pub(super) const EXAMPLES: &str = "\
Output json is an array of the API's Operation: Id, Type, Status, Targets, CreateDate, UpdateDate, and ErrorCode and \
ErrorMessage where it failed.

Examples:
  fingerpost get operations --status FAIL
  fingerpost get operations --service api.production.local
  fingerpost get operations 1a203fb005800003";

impl Operations {
    /// Lists them, newest first.
    pub(super) fn run(self) -> anyhow::Result<()> {
        let client = self.common.connect()?;
        let mut all = Vec::new();
        if self.ids.is_empty() {
            let list = client.pages(Action::ListOperations, self.filters(&client)?, "Operations").take(self.limit);
            for summary in list.collect::<Result<Vec<_>, _>>()? {
                match operation(&client, text(&summary, "Id")) {
                    // It was forgotten in between.
                    Err(error) if error.code() == Some("OperationNotFound") => {}
                    found => all.push(found?),
                }
            }
            let date = |value: &Value| value.get("CreateDate").and_then(Value::as_f64).unwrap_or_default();
            all.sort_by(|a, b| date(b).total_cmp(&date(a)));
        } else {
            for id in &self.ids {
                all.push(operation(&client, id)?);
            }
        }
        Ok(self.common.output.print(&all, |wide| table(&all, wide), || "no operations".into())?)
    }

    /// The input of `ListOperations`.
    fn filters(&self, client: &Client) -> anyhow::Result<Value> {
        let mut filters = Vec::new();
        if let Some(name) = &self.namespace {
            let namespace = Namespace::find(client, name)?;
            filters.push(json!({"Name": "NAMESPACE_ID", "Values": [namespace.id()]}));
        }
        if let Some(name) = &self.service {
            let service = Service::find(client, name)?;
            filters.push(json!({"Name": "SERVICE_ID", "Values": [service.id()]}));
        }
        if let Some(status) = &self.status {
            filters.push(json!({"Name": "STATUS", "Values": [status.to_ascii_uppercase()]}));
        }
        Ok(if filters.is_empty() { json!({}) } else { json!({"Filters": filters}) })
    }
}

/// An operation in full.
fn operation(client: &Client, id: &str) -> Result<Value, ClientError> {
    let mut answer = client.call(Action::GetOperation, &json!({"OperationId": id}))?;
    Ok(answer.get_mut("Operation").map(Value::take).unwrap_or_default())
}

/// The operations as a table.
fn table(all: &[Value], wide: bool) -> Table {
    let mut header = vec!["ID", "TYPE", "STATUS", "AGE", "TARGETS"];
    if wide || all.iter().any(|operation| text(operation, "Status") == "FAIL") {
        header.push("ERROR");
    }
    let errors = header.len() > 5;
    let mut table = Table::new(header);
    for operation in all {
        let targets = operation.get("Targets").and_then(Value::as_object);
        let targets = targets.map(|targets| targets.values().filter_map(Value::as_str).collect::<Vec<_>>().join(" "));
        let mut cells = vec![
            text(operation, "Id").into(),
            text(operation, "Type").into(),
            Cell::status(text(operation, "Status")),
            Cell::or_dash(age(operation.get("CreateDate"))),
            Cell::or_dash(targets.unwrap_or_default()),
        ];
        if errors {
            let error = format!("{} {}", text(operation, "ErrorCode"), text(operation, "ErrorMessage"));
            cells.push(Cell::or_dash(error.trim()));
        }
        table.row(cells);
    }
    table
}
