//! `fingerpost get services`

use clap::Args;
use serde_json::Value;

use super::{Common, age, number};
use crate::cli::namespace::Namespace;
use crate::cli::service::Service;
use crate::cli::table::{Cell, Table};
use crate::cli::text;

/// The flags.
#[derive(Args)]
pub(super) struct Services {
    /// Only those of this namespace
    #[arg(short, long, value_name = "NAME|ID")]
    namespace: Option<String>,

    #[command(flatten)]
    common: Common,
}

pub(super) const EXAMPLES: &str = "\
The first column is what the other commands take as SERVICE.

Output json is an array of the API's ServiceSummary (Id, Arn, Name, InstanceCount, DnsConfig, CreateDate, …), with \
NamespaceId and NamespaceName beside.

Examples:
  fingerpost get services
  fingerpost get services --namespace production.local --output wide";

impl Services {
    /// Lists them, by namespace and name.
    pub(super) fn run(self) -> anyhow::Result<()> {
        let client = self.common.connect()?;
        let namespaces = match &self.namespace {
            Some(name) => vec![Namespace::find(&client, name)?],
            None => Namespace::all(&client)?,
        };
        let mut all = Vec::new();
        for namespace in &namespaces {
            all.extend(Service::all_of(&client, namespace)?);
        }
        let key = |service: &Service| (service.namespace.name().to_owned(), service.name().to_owned());
        all.sort_by_cached_key(key);
        let values: Vec<Value> = all.iter().map(value).collect();
        let none =
            || "no services yet; `fingerpost create service api --namespace NAME --record A:10` makes one".into();
        Ok(self.common.output.print(&values, |wide| table(&all, wide), none)?)
    }
}

/// A service for programs.
fn value(service: &Service) -> Value {
    let mut value = service.value.clone();
    value["NamespaceId"] = service.namespace.id().into();
    value["NamespaceName"] = service.namespace.name().into();
    value
}

/// The services as a table.
fn table(all: &[Service], wide: bool) -> Table {
    let mut header = vec!["SERVICE", "RECORDS", "HEALTH CHECK", "INSTANCES", "ID"];
    if wide {
        header.extend(["ROUTING", "AGE", "DESCRIPTION"]);
    }
    let mut table = Table::new(header);
    for service in all {
        let value = &service.value;
        let mut cells = vec![
            service.full_name().into(),
            Cell::or_dash(records(value)),
            Cell::or_dash(health_check(value)),
            Cell::or_dash(number(value.get("InstanceCount"))),
            service.id().into(),
        ];
        if wide {
            let routing = value.pointer("/DnsConfig/RoutingPolicy").and_then(Value::as_str);
            cells.push(Cell::or_dash(routing.unwrap_or_default()));
            cells.push(Cell::or_dash(age(value.get("CreateDate"))));
            cells.push(Cell::or_dash(text(value, "Description")));
        }
        table.row(cells);
    }
    table
}

/// Types and TTLs of the records, as `create service --record` takes them.
fn records(service: &Value) -> String {
    let records = service.pointer("/DnsConfig/DnsRecords").and_then(Value::as_array);
    let record = |record: &Value| format!("{}:{}", text(record, "Type"), number(record.get("TTL")));
    records.map(|records| records.iter().map(record).collect::<Vec<_>>().join(" ")).unwrap_or_default()
}

/// Who decides on health: a probe, or whoever says so.
fn health_check(service: &Value) -> String {
    match (service.get("HealthCheckConfig"), service.get("HealthCheckCustomConfig")) {
        (Some(probe), _) => format!("{} {}", text(probe, "Type"), text(probe, "ResourcePath")).trim_end().to_owned(),
        (None, Some(_)) => "custom".into(),
        (None, None) => String::new(),
    }
}
