//! What the ECS agent tells a task of itself: the task metadata endpoint, version 4.
//!
//! `ECS_CONTAINER_METADATA_URI_V4` is the URL of the container, and `/task` below it that of its task (Amazon ECS
//! Developer Guide, "Task metadata endpoint version 4"). The attributes are those with which ECS itself registers a task.

use std::net::IpAddr;
use std::time::Duration;

use serde_json::Value;
use ureq::Agent;

/// The variable with the URL.
pub const VARIABLE: &str = "ECS_CONTAINER_METADATA_URI_V4";

/// How long an answer may take; the endpoint is on this machine.
const PATIENCE: Duration = Duration::from_secs(3);
/// The largest answer that is read.
const LARGEST: u64 = 1 << 20;

/// A task.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Task {
    /// Its id, the last part of its ARN.
    pub(super) id: Option<String>,
    /// Addresses of the container, or else of the task, in their order.
    pub(super) addresses: Vec<IpAddr>,
    /// Attributes as ECS sets them.
    pub(super) attributes: Vec<(&'static str, String)>,
}

/// Asks the endpoint at `url`. Blocks.
pub(super) fn ask(url: &str) -> Result<Task, String> {
    let config = Agent::config_builder().timeout_global(Some(PATIENCE)).proxy(None).build();
    let agent = Agent::from(config);
    let get = |url: &str| -> Result<Value, String> {
        let fault = |error: &dyn std::fmt::Display| format!("{url} ({VARIABLE}): {error}");
        let mut answer = agent.get(url).call().map_err(|error| fault(&error))?;
        let body = answer.body_mut().with_config().limit(LARGEST).read_to_vec().map_err(|error| fault(&error))?;
        serde_json::from_slice(&body).map_err(|error| fault(&error))
    };
    let url = url.trim_end_matches('/');
    Ok(read(&get(url)?, &get(&format!("{url}/task"))?))
}

/// Reads the two answers.
fn read(container: &Value, task: &Value) -> Task {
    let text = |member: &str| task.get(member).and_then(Value::as_str).filter(|text| !text.is_empty());
    let arn = text("TaskARN").unwrap_or_default();
    let last = |name: &str| name.rsplit('/').next().unwrap_or_default().to_owned();
    let region = arn.split(':').nth(3).filter(|region| !region.is_empty());
    let attributes = [
        ("AVAILABILITY_ZONE", text("AvailabilityZone").map(str::to_owned)),
        ("REGION", region.map(str::to_owned)),
        ("ECS_CLUSTER_NAME", text("Cluster").map(last)),
        ("ECS_SERVICE_NAME", text("ServiceName").map(str::to_owned)),
        ("ECS_TASK_DEFINITION_FAMILY", text("Family").map(str::to_owned)),
    ];
    let own = addresses(container);
    let others = || task.get("Containers").and_then(Value::as_array).into_iter().flatten().flat_map(addresses);
    Task {
        id: Some(last(arn)).filter(|id| !id.is_empty()),
        addresses: if own.is_empty() { others().collect() } else { own },
        attributes: attributes.into_iter().filter_map(|(key, value)| Some((key, value?))).collect(),
    }
}

/// The addresses of a container.
fn addresses(container: &Value) -> Vec<IpAddr> {
    let networks = container.get("Networks").and_then(Value::as_array).into_iter().flatten();
    let of = |network: &Value| -> Vec<IpAddr> {
        let lists = ["IPv4Addresses", "IPv6Addresses"].into_iter().filter_map(|member| network.get(member)?.as_array());
        lists.flatten().filter_map(|address| address.as_str()?.parse().ok()).collect()
    };
    networks.flat_map(of).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_task_is_read() {
        let container = json!({"Networks": [{
            "NetworkMode": "awsvpc", "IPv4Addresses": ["10.0.2.106"], "IPv6Addresses": ["fd00::106"],
        }]});
        let task = json!({
            "Cluster": "arn:aws:ecs:us-west-2:111122223333:cluster/default",
            "TaskARN": "arn:aws:ecs:us-west-2:111122223333:task/default/158d1c8083dd49d6b527399fd6414f5c",
            "Family": "curltest", "Revision": "26", "ServiceName": "MyService", "AvailabilityZone": "us-west-2d",
            "Containers": [container],
        });
        let read_task = read(&container, &task);
        assert_eq!(read_task.id.as_deref(), Some("158d1c8083dd49d6b527399fd6414f5c"));
        assert_eq!(read_task.addresses, ["10.0.2.106".parse::<IpAddr>().unwrap(), "fd00::106".parse().unwrap()]);
        let expected = [
            ("AVAILABILITY_ZONE", "us-west-2d"),
            ("REGION", "us-west-2"),
            ("ECS_CLUSTER_NAME", "default"),
            ("ECS_SERVICE_NAME", "MyService"),
            ("ECS_TASK_DEFINITION_FAMILY", "curltest"),
        ];
        assert_eq!(read_task.attributes, expected.map(|(key, value)| (key, value.to_owned())));
        // The container's own entry may be without networks; then those of the task are.
        assert_eq!(read(&json!({}), &task).addresses, read_task.addresses);
        assert_eq!(
            read(&json!({}), &json!({"Cluster": "default", "TaskARN": ""})),
            Task { attributes: vec![("ECS_CLUSTER_NAME", "default".into())], ..Task::default() }
        );
    }
}
