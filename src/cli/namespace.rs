//! Namespaces as users name them.

use anyhow::bail;
use fingerpost::channel::cloudmap::Action;
use fingerpost::client::Client;
use serde_json::{Value, json};

use super::text;

/// A namespace as the API has it.
#[derive(Clone, Debug)]
pub(super) struct Namespace(pub(super) Value);

impl Namespace {
    /// The id.
    pub(super) fn id(&self) -> &str {
        text(&self.0, "Id")
    }

    /// The name.
    pub(super) fn name(&self) -> &str {
        text(&self.0, "Name")
    }

    /// The name for discovery, which differs from the name where that is not unique.
    pub(super) fn http_name(&self) -> &str {
        let name = self.0.pointer("/Properties/HttpProperties/HttpName").and_then(Value::as_str);
        name.unwrap_or_else(|| self.name())
    }

    /// Whether it is in DNS, where case does not matter.
    pub(super) fn is_dns(&self) -> bool {
        text(&self.0, "Type").starts_with("DNS_")
    }

    /// Whether two names are one here.
    pub(super) fn same(&self, one: &str, other: &str) -> bool {
        if self.is_dns() { one.eq_ignore_ascii_case(other) } else { one == other }
    }

    /// All namespaces.
    pub(super) fn all(client: &Client) -> anyhow::Result<Vec<Self>> {
        let pages = client.pages(Action::ListNamespaces, json!({}), "Namespaces");
        Ok(pages.map(|item| item.map(Self)).collect::<Result<_, _>>()?)
    }

    /// The namespace of an id.
    pub(super) fn get(client: &Client, id: &str) -> anyhow::Result<Self> {
        let mut answer = client.call(Action::GetNamespace, &json!({"Id": id}))?;
        Ok(Self(answer.get_mut("Namespace").map(Value::take).unwrap_or_default()))
    }

    /// The namespace that a user calls `name`: its id, its ARN, or its name with or without the dot at the end.
    pub(super) fn find(client: &Client, name: &str) -> anyhow::Result<Self> {
        if is_id(name, "ns-") {
            return Self::get(client, name);
        }
        let all = Self::all(client)?;
        let names = [name, name.trim_end_matches('.')];
        let is_it =
            |found: &&Self| names.iter().any(|name| found.same(found.name(), name) || found.http_name() == *name);
        match &all.iter().filter(is_it).collect::<Vec<_>>()[..] {
            [found] => Ok((*found).clone()),
            [] => bail!("there is no namespace {name}; {}", those(&all)),
            several => bail!(
                "{} namespaces are called {name}; say which by its id: {}",
                several.len(),
                several.iter().map(|found| found.id()).collect::<Vec<_>>().join(", ")
            ),
        }
    }
}

/// Whether a name is an id with this prefix, or an ARN.
pub(super) fn is_id(name: &str, prefix: &str) -> bool {
    let id = name.strip_prefix(prefix);
    name.starts_with("arn:") || id.is_some_and(|id| id.len() == 16 && id.bytes().all(|c| c.is_ascii_alphanumeric()))
}

/// Which namespaces there are, as the end of a message.
pub(super) fn those(all: &[Namespace]) -> String {
    let mut names: Vec<&str> = all.iter().map(Namespace::name).collect();
    names.sort_unstable();
    match &names[..] {
        [] => "there are no namespaces yet: `fingerpost create namespace` makes one".into(),
        [one] => format!("the only namespace is {one}"),
        few if few.len() <= 5 => format!("the namespaces are {}", few.join(", ")),
        _ => "`fingerpost get namespaces` lists those that are there".into(),
    }
}
