//! Services as users name them: `api.production.local`, which is the service `api` of the namespace
//! `production.local`, or an id.

use std::cmp::Reverse;

use anyhow::bail;
use fingerpost::channel::cloudmap::Action;
use fingerpost::client::Client;
use serde_json::{Value, json};

use super::namespace::{Namespace, is_id, those};
use super::text;

/// A service as the API has it, with its namespace.
#[derive(Clone, Debug)]
pub(super) struct Service {
    /// What `GetService` or `ListServices` says.
    pub(super) value: Value,
    /// Its namespace.
    pub(super) namespace: Namespace,
}

impl Service {
    /// The id.
    pub(super) fn id(&self) -> &str {
        text(&self.value, "Id")
    }

    /// The name in its namespace.
    pub(super) fn name(&self) -> &str {
        text(&self.value, "Name")
    }

    /// The name that users say, and for DNS namespaces the name of its records.
    pub(super) fn full_name(&self) -> String {
        match self.name() {
            "." => self.namespace.name().to_owned(),
            name => format!("{name}.{}", self.namespace.name()),
        }
    }

    /// Whether its instances' health can change.
    pub(super) fn has_health(&self) -> bool {
        ["HealthCheckConfig", "HealthCheckCustomConfig"].iter().any(|member| self.value.get(*member).is_some())
    }

    /// The services of a namespace.
    pub(super) fn all_of(client: &Client, namespace: &Namespace) -> anyhow::Result<Vec<Self>> {
        let input = json!({"Filters": [{"Name": "NAMESPACE_ID", "Values": [namespace.id()]}]});
        let pages = client.pages(Action::ListServices, input, "Services");
        let service = |value| Self { value, namespace: namespace.clone() };
        Ok(pages.map(|item| item.map(service)).collect::<Result<_, _>>()?)
    }

    /// The service that a user calls `name`.
    pub(super) fn find(client: &Client, name: &str) -> anyhow::Result<Self> {
        if is_id(name, "srv-") {
            let mut answer = client.call(Action::GetService, &json!({"Id": name}))?;
            let value = answer.get_mut("Service").map(Value::take).unwrap_or_default();
            let namespace = Namespace::get(client, text(&value, "NamespaceId"))?;
            return Ok(Self { value, namespace });
        }
        let all = Namespace::all(client)?;
        let mut splits: Vec<(&str, &Namespace)> =
            all.iter().filter_map(|namespace| Some((split(name, namespace)?, namespace))).collect();
        // The service `api.eu` of `production.local` may be meant where there is `eu.production.local`, too.
        splits.sort_by_key(|(_, namespace)| Reverse(namespace.name().len()));
        let mut found: Vec<Self> = Vec::new();
        for (service, namespace) in &splits {
            if found.first().is_some_and(|first| first.namespace.name().len() > namespace.name().len()) {
                break;
            }
            let services = Self::all_of(client, namespace)?;
            found.extend(services.into_iter().filter(|one| namespace.same(one.name(), service)));
        }
        match (found.pop(), &found[..]) {
            (Some(service), []) => Ok(service),
            (Some(service), others) => bail!(
                "{} services are called {name}; say which by its id: {}",
                others.len() + 1,
                others.iter().chain([&service]).map(Self::id).collect::<Vec<_>>().join(", ")
            ),
            (None, _) => bail!("{}", missing(name, &splits, &all)),
        }
    }
}

/// The part of `name` that is a service's name if the rest is the namespace.
fn split<'a>(name: &'a str, namespace: &Namespace) -> Option<&'a str> {
    let name = if namespace.is_dns() { name.strip_suffix('.').unwrap_or(name) } else { name };
    if namespace.same(name, namespace.name()) {
        return Some(".");
    }
    let at = name.len().checked_sub(namespace.name().len())?;
    let (service, rest) = name.split_at_checked(at)?;
    let service = service.strip_suffix('.').filter(|service| !service.is_empty())?;
    namespace.same(rest, namespace.name()).then_some(service)
}

/// Why there is no service of this name.
fn missing(name: &str, splits: &[(&str, &Namespace)], all: &[Namespace]) -> String {
    match splits.first() {
        Some((".", namespace)) => format!(
            "{name} is a namespace, and SERVICE.{name} is asked for; `fingerpost get services --namespace {}` lists \
             its services",
            namespace.name()
        ),
        Some((service, namespace)) => format!(
            "there is no service {service} in namespace {ns}; `fingerpost get services --namespace {ns}` lists those \
             that are there",
            ns = namespace.name()
        ),
        None => format!(
            "{name} is in no namespace: a service is called SERVICE.NAMESPACE, as in api.production.local, or by its id \
             srv-…; {}",
            those(all)
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_split_where_a_namespace_begins() {
        let namespace = |kind: &str, name: &str| Namespace(json!({"Type": kind, "Name": name}));
        let dns = namespace("DNS_PRIVATE", "production.local");
        for (name, service) in [
            ("api.production.local", Some("api")),
            ("API.Production.LOCAL.", Some("API")),
            ("api.eu.production.local", Some("api.eu")),
            ("production.local", Some(".")),
            (".production.local", None),
            ("apiproduction.local", None),
            ("api.local", None),
            ("local", None),
            ("ä.local", None),
        ] {
            assert_eq!(split(name, &dns), service, "{name}");
        }
        let http = namespace("HTTP", "Shop");
        assert_eq!((split("api.Shop", &http), split("api.shop", &http)), (Some("api"), None));
    }
}
