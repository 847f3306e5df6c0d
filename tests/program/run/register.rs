//! When an instance is there, and as what.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{IpAddr, TcpListener};
use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use rustix::process::Signal;
use serde_json::json;
use tempfile::TempDir;

use super::{Agent, Task, Way, agent, found, listed, server, stays};
use crate::client;
use crate::support::{Launch, eventually, example};

/// An instance that is always healthy, beside which an unhealthy one is not answered.
const OTHER: &str = "register api.production.local --id other --ip 127.9.9.9";

#[test]
fn it_is_registered_while_it_is_healthy() {
    let server = server(1, true);
    client::run(&server, OTHER).out();
    for way in Way::BOTH {
        let task = Task::new(&Arc::new(TempDir::new().unwrap()));
        let here = || found(&server).contains(&IpAddr::V4(task.address));
        let agent = Agent::start(&task.agent(&server, way, "--lease 20s --attribute version=2 --no-drain"));
        assert_eq!(agent.line(), "serving");
        stays("it is registered before it is ready", Duration::from_millis(500), || listed(&server).len() == 1);
        task.set_ready(true);
        eventually("it is registered once it is ready", here);
        let instances = listed(&server);
        let instance = instances.iter().find(|one| one["Id"] == *task.name).unwrap();
        let attributes = &instance["Attributes"];
        assert_eq!(instance["HealthStatus"], "HEALTHY");
        assert_eq!((&attributes["FINGERPOST_LEASE"], &attributes["version"]), (&json!("20"), &json!("2")));
        assert_eq!(attributes["AWS_INSTANCE_PORT"], super::PORT.to_string());
        task.set_ready(false);
        eventually("it is told to be unhealthy", || !here());
        assert_eq!(listed(&server).len(), 2, "and stays registered");
        task.set_ready(true);
        eventually("it is told to be healthy", here);
        agent.signal(Signal::TERM);
        eventually("it is deregistered", || listed(&server).len() == 1);
    }
}

#[test]
fn a_service_without_custom_health_has_only_healthy_instances() {
    let server = server(1, false);
    for way in Way::BOTH {
        let task = Task::new(&Arc::new(TempDir::new().unwrap()));
        let _agent = Agent::start(&task.agent(&server, way, "--no-drain"));
        task.set_ready(true);
        eventually("it is registered", || listed(&server).len() == 1);
        task.set_ready(false);
        eventually("it is deregistered", || listed(&server).is_empty());
        task.set_ready(true);
        eventually("it is registered again", || listed(&server).len() == 1);
    }
}

#[test]
fn a_killed_agent_leaves_its_instance_to_the_lease() {
    for (way, custom_health) in [(Way::Grpc, true), (Way::Aws, true), (Way::Aws, false)] {
        let server = server(1, custom_health);
        let task = Task::new(&Arc::new(TempDir::new().unwrap()));
        task.set_ready(true);
        let mut agent = Agent::start(&task.agent(&server, way, "--lease 2s"));
        eventually("it is registered", || !found(&server).is_empty());
        stays("the lease is renewed", Duration::from_secs(4), || !found(&server).is_empty());
        agent.child.kill().unwrap();
        agent.child.wait().unwrap();
        eventually("the lease runs out", || found(&server).is_empty());
    }
}

#[test]
fn a_shell_line_can_be_the_check() {
    let server = server(1, true);
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("ready");
    let [flag, url] = Way::Grpc.flag(&server);
    let check = format!("cmd:test -e {}", file.display());
    let words = [&*flag, &url, "--address", "127.9.9.8", "--id", "x", "--health", &check, "--health-interval", "50ms"];
    let _agent = Agent::start(&agent(&words, &["sleep", "60"]));
    stays("it is registered too early", Duration::from_millis(300), || listed(&server).is_empty());
    fs::write(&file, "").unwrap();
    eventually("it is registered", || listed(&server).len() == 1);
}

#[test]
fn a_task_of_ecs_is_registered_as_ecs_does() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/v4/abc", listener.local_addr().unwrap());
    thread::spawn(move || {
        for mut stream in listener.incoming().map_while(Result::ok) {
            let lines = BufReader::new(stream.try_clone().unwrap()).lines().map_while(Result::ok);
            let head: Vec<_> = lines.take_while(|line| !line.is_empty()).collect();
            let container = json!({"Networks": [{"NetworkMode": "awsvpc", "IPv4Addresses": ["127.9.9.7"]}]});
            let task = json!({
                "Cluster": "default", "Family": "curltest", "AvailabilityZone": "us-west-2d", "Containers": [container],
                "TaskARN": "arn:aws:ecs:us-west-2:111122223333:task/default/158d1c8083dd49d6b527399fd6414f5c",
            });
            let body = match head.first().map(String::as_str) {
                Some("GET /v4/abc HTTP/1.1") => container.to_string(),
                Some("GET /v4/abc/task HTTP/1.1") => task.to_string(),
                other => panic!("{other:?}"),
            };
            let length = body.len();
            write!(stream, "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n{body}").unwrap();
        }
    });
    let server = server(1, true);
    let [flag, endpoint] = Way::Grpc.flag(&server);
    let launch = agent(&[&flag, &endpoint, "--port", "80", "--health", "none"], &["sleep", "60"]);
    let _agent = Agent::start(&launch.variable("ECS_CONTAINER_METADATA_URI_V4", &url));
    eventually("it is registered", || listed(&server).len() == 1);
    let instance = listed(&server).remove(0);
    assert_eq!(instance["Id"], "158d1c8083dd49d6b527399fd6414f5c");
    assert_eq!(
        instance["Attributes"],
        json!({
            "AWS_INSTANCE_IPV4": "127.9.9.7", "AWS_INSTANCE_PORT": "80", "FINGERPOST_LEASE": "15", "REGION": "us-west-2",
            "AVAILABILITY_ZONE": "us-west-2d", "ECS_CLUSTER_NAME": "default", "ECS_TASK_DEFINITION_FAMILY": "curltest",
        })
    );
}

#[test]
fn it_shows_a_token_that_may_change_and_trusts_by_file() {
    let folder = TempDir::new().unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    let (certificate, key, tokens, token) = (path("cert.pem"), path("key.pem"), path("tokens.toml"), path("token"));
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    fs::write(&certificate, made.cert.pem()).unwrap();
    fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    fs::write(&tokens, "version = 1\n[[token]]\nname = \"a\"\ntoken = \"right-0123456789abcdef\"\n").unwrap();
    fs::write(&token, "wrong-0123456789abcdef\n").unwrap();
    for secret in [&key, &tokens, &token] {
        fs::set_permissions(secret, fs::Permissions::from_mode(0o600)).unwrap();
    }
    let server = Launch::serve(&example()).flag("--credentials", &tokens);
    let server = server.flag("--grpc-tls-cert", &certificate).flag("--grpc-tls-key", &key).start();
    let url = format!("https://localhost:{}", server.grpc.unwrap().port());
    let words =
        ["--endpoint", &url, "--ca", &certificate, "--token-file", &token, "--id", "x", "--address", "127.9.9.5"];
    let agent = Agent::start(&agent(&words, &["sleep", "60"]));
    eventually("it is refused", || agent.said("the token is not known"));
    fs::write(&token, "right-0123456789abcdef\n").unwrap();
    eventually("it is registered", || found(&server).contains(&"127.9.9.5".parse().unwrap()));
}

#[test]
fn without_ecs_the_address_is_that_of_the_way_to_the_server() {
    let server = server(1, true);
    let [flag, endpoint] = Way::Grpc.flag(&server);
    let _agent = Agent::start(&agent(&[&flag, &endpoint], &["sleep", "60"]));
    eventually("it is registered", || found(&server) == ["127.0.0.1".parse::<IpAddr>().unwrap()]);
}
