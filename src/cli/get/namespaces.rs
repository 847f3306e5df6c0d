//! `fingerpost get namespaces`

use clap::Args;
use serde_json::Value;

use super::{Common, age, number};
use crate::cli::namespace::Namespace;
use crate::cli::table::{Cell, Table};
use crate::cli::text;

/// The flags.
#[derive(Args)]
pub(super) struct Namespaces {
    #[command(flatten)]
    common: Common,
}

pub(super) const EXAMPLES: &str = "\
Output json is an array of the API's NamespaceSummary: Id, Arn, Name, Type, ServiceCount, Properties, CreateDate, and \
Description where there is one.

Examples:
  fingerpost get namespaces
  fingerpost get namespaces --output json | jq -r '.[].Name'";

impl Namespaces {
    /// Lists them, by name.
    pub(super) fn run(self) -> anyhow::Result<()> {
        let client = self.common.connect()?;
        let mut all: Vec<Value> = Namespace::all(&client)?.into_iter().map(|namespace| namespace.0).collect();
        all.sort_by(|a, b| (text(a, "Name"), text(a, "Id")).cmp(&(text(b, "Name"), text(b, "Id"))));
        let none = || "no namespaces yet; `fingerpost create namespace production.local` makes one".into();
        Ok(self.common.output.print(&all, |wide| table(&all, wide), none)?)
    }
}

/// The namespaces as a table.
fn table(all: &[Value], wide: bool) -> Table {
    let mut header = vec!["NAME", "TYPE", "SERVICES", "ID"];
    if wide {
        header.extend(["SOA TTL", "HTTP NAME", "AGE", "DESCRIPTION"]);
    }
    let mut table = Table::new(header);
    for value in all {
        let namespace = Namespace(value.clone());
        let mut cells = vec![
            namespace.name().into(),
            text(value, "Type").into(),
            Cell::or_dash(number(value.get("ServiceCount"))),
            namespace.id().into(),
        ];
        if wide {
            cells.push(Cell::or_dash(number(value.pointer("/Properties/DnsProperties/SOA/TTL"))));
            cells.push(namespace.http_name().into());
            cells.push(Cell::or_dash(age(value.get("CreateDate"))));
            cells.push(Cell::or_dash(text(value, "Description")));
        }
        table.row(cells);
    }
    table
}
