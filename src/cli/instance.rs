//! Instances: how they look, and all of a service.

use std::collections::HashMap;

use fingerpost::channel::cloudmap::Action;
use fingerpost::client::{Client, ClientError};
use serde_json::{Map, Value, json};

use super::service::Service;
use super::table::{Cell, Table, printable};
use super::text;

/// How attributes begin that mean something to Cloud Map.
const RESERVED: &str = "AWS_";

/// An instance as a user sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Instance {
    /// The id in its service.
    pub(super) id: String,
    /// HEALTHY, UNHEALTHY or UNKNOWN.
    pub(super) health: String,
    /// All attributes.
    pub(super) attributes: Map<String, Value>,
}

impl Instance {
    /// An instance of the API, from a list or from discovery.
    pub(super) fn of(value: &Value) -> Self {
        let id = if value.get("InstanceId").is_some() { "InstanceId" } else { "Id" };
        let attributes = value.get("Attributes").and_then(Value::as_object).cloned();
        Self {
            id: printable(text(value, id)),
            health: printable(text(value, "HealthStatus")),
            attributes: attributes.unwrap_or_default(),
        }
    }

    /// Where it is: `10.0.1.13:8080`, addresses separated by commas, a name; a dash for nowhere.
    pub(super) fn endpoint(&self) -> String {
        endpoint(&self.attributes)
    }

    /// The attributes that are the user's own, as `KEY=VALUE`.
    pub(super) fn own_attributes(&self) -> String {
        let own = self.attributes.iter().filter(|(key, _)| !key.starts_with(RESERVED));
        own.map(|(key, value)| format!("{key}={}", value.as_str().unwrap_or_default())).collect::<Vec<_>>().join(" ")
    }
}

/// Where attributes say that an instance is.
pub(super) fn endpoint(attributes: &Map<String, Value>) -> String {
    let of = |key: &str| attributes.get(key).and_then(Value::as_str).filter(|value| !value.is_empty());
    let port = of("AWS_INSTANCE_PORT").map(|port| format!(":{port}")).unwrap_or_default();
    let v4 = of("AWS_INSTANCE_IPV4").map(|address| format!("{address}{port}"));
    let v6 = of("AWS_INSTANCE_IPV6").map(|address| match port.is_empty() {
        true => address.to_owned(),
        false => format!("[{address}]{port}"),
    });
    let names = ["AWS_INSTANCE_CNAME", "AWS_ALIAS_DNS_NAME", "AWS_EC2_INSTANCE_ID"].into_iter().filter_map(of);
    let places: Vec<String> = v4.into_iter().chain(v6).chain(names.map(|name| format!("{name}{port}"))).collect();
    match (&places[..], port.is_empty()) {
        ([], true) => "-".into(),
        ([], false) => printable(&port),
        (places, _) => printable(&places.join(",")),
    }
}

/// Every instance of a service with its health, in the order of their ids, as objects of the API with `HealthStatus`,
/// `ServiceId`, `ServiceName` and `NamespaceName` beside.
pub(super) fn all(client: &Client, service: &Service) -> Result<Vec<Value>, ClientError> {
    let input = json!({"ServiceId": service.id()});
    let pages = client.pages(Action::ListInstances, input.clone(), "Instances");
    let mut instances = pages.collect::<Result<Vec<_>, _>>()?;
    let mut health: HashMap<String, Value> = HashMap::new();
    if !instances.is_empty() {
        for answer in client.answers(Action::GetInstancesHealthStatus, input) {
            match answer.map(|mut answer| answer.get_mut("Status").map(Value::take)) {
                Ok(Some(Value::Object(page))) => health.extend(page),
                Ok(_) => {}
                // The last one went in between.
                Err(error) if error.code() == Some("InstanceNotFound") => break,
                Err(error) => return Err(error),
            }
        }
    }
    instances.sort_by(|a, b| text(a, "Id").cmp(text(b, "Id")));
    for instance in &mut instances {
        instance["HealthStatus"] = health.remove(text(instance, "Id")).unwrap_or_else(|| "UNKNOWN".into());
        instance["ServiceId"] = service.id().into();
        instance["ServiceName"] = service.name().into();
        instance["NamespaceName"] = service.namespace.name().into();
    }
    Ok(instances)
}

/// The instances as a table.
pub(super) fn table(items: &[Value], wide: bool) -> Table {
    let mut table = Table::new(["ID", "ENDPOINT", "HEALTH", "ATTRIBUTES"][..if wide { 4 } else { 3 }].to_vec());
    for instance in items.iter().map(Instance::of) {
        let mut cells =
            vec![Cell::or_dash(instance.id.as_str()), Cell::from(instance.endpoint()), Cell::status(&instance.health)];
        if wide {
            cells.push(Cell::or_dash(instance.own_attributes()));
        }
        table.row(cells);
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endpoints_are_addresses_or_names() {
        let of = |attributes: Value| endpoint(attributes.as_object().unwrap());
        let (v4, v6) = ("AWS_INSTANCE_IPV4", "AWS_INSTANCE_IPV6");
        assert_eq!(of(json!({v4: "10.0.1.13", "AWS_INSTANCE_PORT": "8080"})), "10.0.1.13:8080");
        assert_eq!(of(json!({v4: "10.0.1.13", v6: "fd00::1"})), "10.0.1.13,fd00::1");
        assert_eq!(of(json!({v6: "fd00::1", "AWS_INSTANCE_PORT": "80"})), "[fd00::1]:80");
        assert_eq!(of(json!({"AWS_INSTANCE_CNAME": "x.example"})), "x.example");
        assert_eq!(of(json!({"AWS_INSTANCE_PORT": "80"})), ":80");
        assert_eq!(of(json!({"url": "http://x"})), "-");
    }
}
