//! The life of a service, command by command.

use std::fs;
use std::process::Command;

use hickory_proto::rr::RecordType;
use serde_json::{Value, json};

use super::{Ran, command, run, server, server_with_api};
use crate::support::{Server, Udp, addresses, have_tool, query};

/// The addresses that DNS has for `name`, in order.
fn resolve(server: &Server, name: &str) -> Vec<String> {
    let response = Udp::connect(server.address()).ask(&query(name, RecordType::A));
    let mut found: Vec<String> = addresses(&response).iter().map(ToString::to_string).collect();
    found.sort();
    found
}

/// A table's cells: lines of columns, which are separated by at least three blanks.
fn cells(table: &str) -> Vec<Vec<&str>> {
    table.lines().map(|line| line.split("   ").map(str::trim).filter(|cell| !cell.is_empty()).collect()).collect()
}

#[test]
fn a_service_lives_from_create_to_delete() {
    let server = server();
    let none = run(&server, "get namespaces");
    assert_eq!((none.code, &*none.out), (Some(0), ""));
    assert_eq!(none.err, "no namespaces yet; `fingerpost create namespace production.local` makes one\n");
    let created = run(&server, "create namespace production.local --vpc vpc-0abc123def456789 --soa-ttl 15").out();
    let id = created.strip_prefix("created namespace production.local (").unwrap().trim_end_matches(")\n");
    assert!(id.starts_with("ns-"), "{created}");
    let namespaces = run(&server, "get namespaces --output wide").out();
    let header = ["NAME", "TYPE", "SERVICES", "ID", "SOA TTL", "HTTP NAME", "AGE", "DESCRIPTION"];
    let row = ["production.local", "DNS_PRIVATE", "0", id, "15", "production.local"];
    assert_eq!(cells(&namespaces)[0], header);
    assert_eq!(cells(&namespaces)[1][..6], row);

    let created = run(&server, &format!("create service api --namespace {id} --record A:10 --custom-health")).out();
    let id = created.strip_prefix("created service api.production.local (").unwrap().trim_end_matches(")\n");
    let services = run(&server, "get services").out();
    assert_eq!(cells(&services)[0], ["SERVICE", "RECORDS", "HEALTH CHECK", "INSTANCES", "ID"]);
    assert_eq!(cells(&services)[1], ["api.production.local", "A:10", "custom", "0", id]);

    let done = run(&server, "register api.production.local --id task-1 --ip 10.0.1.11 --port 8080").out();
    assert_eq!(done, "registered task-1 at 10.0.1.11:8080 in api.production.local\n");
    let done = run(&server, &format!("register {id} --id task-2 --ip 10.0.1.12 -a version=2 --unhealthy")).out();
    assert_eq!(done, "registered task-2 at 10.0.1.12 in api.production.local\n");
    // What is registered is in DNS, without a pause.
    assert_eq!(resolve(&server, "api.production.local."), ["10.0.1.11"]);
    let instances = run(&server, "get instances api.production.local -o wide").out();
    let expected = "\
ID       ENDPOINT         HEALTH      ATTRIBUTES
task-1   10.0.1.11:8080   HEALTHY     -
task-2   10.0.1.12        UNHEALTHY   version=2
";
    assert_eq!(instances, expected);
    let found = run(&server, "discover api.production.local").out();
    assert_eq!(found, "ID       ENDPOINT         HEALTH\ntask-1   10.0.1.11:8080   HEALTHY\n");

    let done = run(&server, "health api.production.local task-2 healthy").out();
    assert_eq!(done, "task-2 in api.production.local is HEALTHY\n");
    assert_eq!(resolve(&server, "api.production.local."), ["10.0.1.11", "10.0.1.12"]);
    let done = run(&server, "deregister api.production.local task-1 task-2").out();
    assert_eq!(done, "deregistered task-1 from api.production.local\nderegistered task-2 from api.production.local\n");
    assert_eq!(resolve(&server, "api.production.local."), [""; 0]);
    run(&server, "delete service api.production.local").out();
    run(&server, "delete namespace production.local").out();
    assert_eq!(run(&server, "get namespaces --output json").json(), json!([]));
}

#[test]
fn programs_get_arrays_of_the_apis_objects() {
    let server = server_with_api();
    run(&server, "register api.production.local --id a --ip 10.0.0.1 --ip fd00::1 --port 80 -a zone=x").out();
    run(&server, "register api.production.local --id b --ip 10.0.0.2 --unhealthy -a zone=y").out();
    let keys = |value: &Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>();

    let namespaces = run(&server, "get namespaces -o json").json();
    assert_eq!(namespaces[0]["Properties"]["HttpProperties"]["HttpName"], "production.local");
    let services = run(&server, "get services -n production.local -o json").json();
    assert_eq!(services[0]["NamespaceId"], namespaces[0]["Id"]);
    assert_eq!(services[0]["NamespaceName"], "production.local");
    assert_eq!(services[0]["InstanceCount"], 2);
    let instances = run(&server, "get instances api.production.local -o json").json();
    assert_eq!(
        keys(&instances[0]),
        ["Attributes", "CreatedByAccount", "HealthStatus", "Id", "NamespaceName", "ServiceId", "ServiceName"]
    );
    assert_eq!(instances[0]["Attributes"]["AWS_INSTANCE_IPV6"], "fd00::1");
    assert_eq!((&instances[1]["Id"], &instances[1]["HealthStatus"]), (&json!("b"), &json!("UNHEALTHY")));

    let found = run(&server, "discover api.production.local --health all --query zone=y -o json").json();
    assert_eq!(
        found,
        json!([{
            "InstanceId": "b",
            "NamespaceName": "production.local",
            "ServiceName": "api",
            "HealthStatus": "UNHEALTHY",
            "Attributes": {"AWS_INSTANCE_IPV4": "10.0.0.2", "AWS_INIT_HEALTH_STATUS": "UNHEALTHY", "zone": "y"},
        }])
    );
    let found = run(&server, "discover api.production.local --optional zone=nowhere --max 1 -o json").json();
    assert_eq!((found.as_array().unwrap().len(), &found[0]["InstanceId"]), (1, &json!("a")));
    let none = run(&server, "discover api.production.local --query zone=nowhere");
    assert_eq!(none.err, "api.production.local has no such instances; --health all asks for unhealthy ones, too\n");
}

#[test]
fn operations_can_be_left_alone_and_looked_up() {
    let server = server_with_api();
    let started = run(&server, "register api.production.local --id a --ip 10.0.0.1 --no-wait").out();
    let id = started.strip_prefix("registering a at 10.0.0.1 in api.production.local: operation ").unwrap().trim();
    let operations = run(&server, &format!("get operations {id} -o json")).json();
    assert_eq!((&operations[0]["Id"], &operations[0]["Targets"]["INSTANCE"]), (&json!(id), &json!("a")));

    // A second zone of one name fails, and is there to be read.
    let refusal = run(&server, "create namespace production.local").refusal(1);
    assert!(refusal.contains(" failed: ConflictingDomainExists: "), "{refusal}");
    let failed = run(&server, "get operations --status fail").out();
    assert_eq!(cells(&failed)[0], ["ID", "TYPE", "STATUS", "AGE", "TARGETS", "ERROR"]);
    assert_eq!(cells(&failed)[1][1..3], ["CREATE_NAMESPACE", "FAIL"]);
    assert_eq!(cells(&failed).len(), 2);
    let of_service = run(&server, "get operations --service api.production.local -o json").json();
    assert_eq!(of_service.as_array().unwrap().len(), 1);
}

#[test]
fn refusals_say_what_to_do() {
    let server = server_with_api();
    let refusal = |words: &str, code| run(&server, words).refusal(code);
    assert_eq!(
        refusal("register api.production.local --id a --ip 10.0.0.1 --ip 10.0.0.2", 64),
        "--ip: an instance has one IPv4 address; register 10.0.0.2 as another"
    );
    assert_eq!(
        refusal("register api.production.local --id a -a x=1 -a x=2", 64),
        "x is given twice; an attribute has one value"
    );
    assert!(refusal("register api.production.local --id a --port 80", 1).starts_with("AWS_INSTANCE_IPV4 is missing"));
    assert!(refusal("create service web -n production.local", 64).contains("--record A:10, or --no-records"));
    assert!(
        refusal("deregister api.production.local x", 1)
            .ends_with("`fingerpost get instances SERVICE` lists those that are there")
    );
    run(&server, "register api.production.local --id a --ip 10.0.0.1").out();
    // One that is not there does not keep the other.
    let both = run(&server, "deregister api.production.local x a");
    assert_eq!((both.code, &*both.out), (Some(1), "deregistered a from api.production.local\n"));
    assert!(both.err.starts_with("fingerpost: not deregistered, 1 of 2: x: "), "{both:?}");

    for words in
        ["get", "get instances", "register api", "health a b ill", "watch a --interval 1h", "discover a --max 0"]
    {
        let ran = Ran::of(&command(words));
        assert_eq!((ran.code, &*ran.out), (Some(64), ""), "{words}: {ran:?}");
    }
}

#[test]
fn shells_get_completions() {
    for shell in ["bash", "zsh", "fish"] {
        let script = Ran::of(&command(&format!("completions {shell}"))).out();
        assert!(script.contains("deregister") && script.contains("healthy-or-else-all"), "{shell}");
    }
    if have_tool("bash") {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("script");
        fs::write(&path, Ran::of(&command("completions bash")).out()).unwrap();
        assert!(Command::new("bash").arg("-n").arg(&path).status().unwrap().success());
    }
}
