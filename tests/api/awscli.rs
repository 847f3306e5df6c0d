//! The AWS CLI: "`aws servicediscovery create-private-dns-namespace --name production.local …` and the rest of the
//! life of a service with the AWS CLI, through `dig` seeing the registered instances, and clean deletion".

use serde_json::{Value, json};

use crate::support::{Server, eventually, have_tool};
use crate::{client, dig, launch, run};

/// What `aws servicediscovery …` prints.
#[track_caller]
fn aws(server: &Server, arguments: &[&str]) -> Value {
    let mut command = client("aws", server);
    // Or discovery would ask `data-127.0.0.1`.
    command.env("AWS_DISABLE_HOST_PREFIX_INJECTION", "true").env("AWS_PAGER", "");
    let text = run(command.arg("servicediscovery").args(arguments).args(["--output", "json"]));
    if text.trim().is_empty() { Value::Null } else { serde_json::from_str(&text).unwrap() }
}

/// Polls an operation, as the documentation teaches, until it has succeeded; returns its targets.
#[track_caller]
fn succeed(server: &Server, started: &Value) -> Value {
    let mut operation = Value::Null;
    eventually("SUCCESS", || {
        let id = started["OperationId"].as_str().unwrap();
        operation = aws(server, &["get-operation", "--operation-id", id])["Operation"].take();
        operation["Status"] == "SUCCESS"
    });
    operation["Targets"].take()
}

/// The first example, from beginning to end.
#[test]
fn the_classic_example_runs() {
    if !have_tool("aws") || !have_tool("dig") {
        return;
    }
    let server = launch().start();
    let aws = |arguments: &[&str]| aws(&server, arguments);
    let started = aws(&[
        "create-private-dns-namespace",
        "--name",
        "production.local",
        "--vpc",
        "vpc-0abc123def456789",
        "--description",
        "Service discovery namespace for production microservices",
    ]);
    let targets = succeed(&server, &started);
    let namespace = targets["NAMESPACE"].as_str().unwrap();
    let found = &aws(&["list-namespaces", "--filters", "Name=NAME,Values=production.local"])["Namespaces"][0];
    assert_eq!((&found["Id"], &found["Type"]), (&json!(namespace), &json!("DNS_PRIVATE")));

    let made = aws(&[
        "create-service",
        "--name",
        "api",
        "--namespace-id",
        namespace,
        "--dns-config",
        "RoutingPolicy=MULTIVALUE,DnsRecords=[{Type=A,TTL=10}]",
        "--health-check-custom-config",
        "FailureThreshold=1",
    ]);
    let service = made["Service"]["Id"].as_str().unwrap();
    assert_eq!(made["Service"]["DnsConfig"]["DnsRecords"], json!([{"Type": "A", "TTL": 10}]));

    let mut registered = Vec::new();
    for number in 1..=3 {
        let attributes = format!("AWS_INSTANCE_IPV4=10.0.1.{number},AWS_INSTANCE_PORT=8080");
        let instance = format!("task-{number}");
        let words = ["--service-id", service, "--instance-id", &instance, "--attributes", &attributes];
        registered.push(aws(&[&["register-instance"], &words[..]].concat()));
    }
    // One look at the last is enough: they are done in their order.
    let targets = succeed(&server, &registered[2]);
    assert_eq!(targets, json!({"INSTANCE": "task-3", "SERVICE": service}));
    let addresses = ["10 10.0.1.1", "10 10.0.1.2", "10 10.0.1.3"];
    assert_eq!(dig(&server, "api.production.local", "A"), addresses);

    let listed = aws(&["list-instances", "--service-id", service]);
    assert_eq!(listed["Instances"].as_array().unwrap().len(), 3);
    let found = aws(&["get-service", "--id", service]);
    assert_eq!(found["Service"]["InstanceCount"], 3);
    let discover = ["discover-instances", "--namespace-name", "production.local", "--service-name", "api"];
    let found = aws(&discover);
    assert_eq!(found["Instances"].as_array().unwrap().len(), 3, "{found}");
    assert_eq!(found["InstancesRevision"], 3);

    let of_first = ["--service-id", service, "--instance-id", "task-1"];
    aws(&[&["update-instance-custom-health-status", "--status", "UNHEALTHY"], &of_first[..]].concat());
    assert_eq!(dig(&server, "api.production.local", "A"), addresses[1..]);
    assert_eq!(aws(&discover)["Instances"].as_array().unwrap().len(), 2);
    let status = aws(&["get-instances-health-status", "--service-id", service]);
    assert_eq!(status["Status"], json!({"task-1": "UNHEALTHY", "task-2": "HEALTHY", "task-3": "HEALTHY"}));

    for instance in ["task-1", "task-2", "task-3"] {
        let started = aws(&["deregister-instance", "--service-id", service, "--instance-id", instance]);
        assert!(started["OperationId"].is_string(), "{started}");
    }
    aws(&["delete-service", "--id", service]);
    succeed(&server, &aws(&["delete-namespace", "--id", namespace]));
    assert_eq!(aws(&["list-namespaces"])["Namespaces"], json!([]));
    assert!(dig(&server, "production.local", "SOA").is_empty(), "nothing is left");
}
