//! `fingerpost apply`, and templates under `--declare`.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Output;

use fingerpost::channel::cloudmap::Action;
use fingerpost::client::{Client, ClientOptions};
use hickory_proto::op::ResponseCode;
use hickory_proto::rr::RecordType;
use serde_json::{Value, json};

use crate::support::{Launch, Udp, addresses, query};

/// A template of `examples/`.
fn template(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/cloudformation").join(name)
}

/// Runs `apply` against `api`.
fn apply<S: AsRef<std::ffi::OsStr>>(api: SocketAddr, words: impl IntoIterator<Item = S>) -> Output {
    let words: Vec<_> = words.into_iter().map(|word| word.as_ref().to_owned()).collect();
    let all = std::iter::once("apply".into()).chain(words);
    Launch::of(all).variable("FINGERPOST_ENDPOINT", format!("http://{api}")).run()
}

/// What `apply` says with these words, when it succeeds.
#[track_caller]
fn applied(api: SocketAddr, words: &[&str]) -> String {
    let output = apply(api, words);
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// A client of `api`.
fn client(api: SocketAddr) -> Client {
    Client::new(&ClientOptions { endpoint: Some(format!("http://{api}")), ..ClientOptions::default() }).unwrap()
}

/// The items of a list.
fn list(client: &Client, action: Action, member: &'static str) -> Vec<Value> {
    client.pages(action, json!({}), member).map(Result::unwrap).collect()
}

#[test]
fn a_stack_lives_from_dry_run_to_deletion() {
    let server = Launch::serve_nothing().start();
    let (api, dns) = (server.api.unwrap(), Udp::connect(server.address()));
    let client = client(api);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("shop.yaml");
    let file = path.to_str().unwrap();
    let text = fs::read_to_string(template("shop.yaml")).unwrap();
    fs::write(&path, &text).unwrap();

    let dry = applied(api, &[file, "--dry-run"]);
    assert!(dry.contains("  + create     Grpc       Service              grpc\n"), "{dry}");
    assert!(dry.contains("Plan: 6 to create, 0 to update, 0 to replace, 0 to delete, 0 unchanged\n"), "{dry}");
    assert_eq!(list(&client, Action::ListNamespaces, "Namespaces"), Vec::<Value>::new());

    applied(api, &[file]);
    let srv = query("grpc.test.shop.local.", RecordType::SRV);
    let response = dns.ask(&srv);
    assert_eq!((response.answers.len(), response.answers[0].ttl), (2, 30));
    let one = dns.ask(&query("one.grpc.test.shop.local.", RecordType::A));
    assert_eq!(addresses(&one), ["10.0.2.21".parse::<std::net::IpAddr>().unwrap()]);
    let again = applied(api, &[file]);
    assert!(again.contains("6 unchanged\nNothing to do.\n"), "{again}");

    // TTL, description, and an instance less; the first two need no word, the third does.
    let text = text.replace("gRPC of", "All gRPC of").replace("    DependsOn: GrpcOne\n", "");
    let start = text.find("  GrpcOne:").unwrap();
    let end = text.find("  GrpcTwo:").unwrap();
    fs::write(&path, [&text[..start], &text[end..]].concat()).unwrap();
    let words = [file, "--parameters", "Ttl=40"];
    let refused = apply(api, words);
    assert_eq!(refused.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("confirm it with --yes"), "{refused:?}");
    let changed = applied(api, &[&words[..], &["--yes"]].concat());
    assert!(changed.contains("    DnsConfig.DnsRecords.SRV: \"30\" -> \"40\"\n"), "{changed}");
    assert!(changed.contains("    Description: \"gRPC of test\" -> \"All gRPC of test\"\n"), "{changed}");
    assert!(changed.contains("deleted  GrpcOne (Instance one)\n"), "{changed}");
    let response = dns.ask(&srv);
    assert_eq!((response.answers.len(), response.answers[0].ttl), (1, 40));
    let services = list(&client, Action::ListServices, "Services");
    assert!(services.iter().any(|service| service["Description"] == "All gRPC of test"), "{services:#?}");

    // Another name is another namespace, and everything in it.
    let replaced = applied(api, &[&words[..], &["Stage=production", "--yes", "--output", "json"]].concat());
    let replaced: Value = serde_json::from_str(&replaced).unwrap();
    let actions: Vec<_> = replaced["resources"].as_array().unwrap().iter().map(|one| &one["action"]).collect();
    assert_eq!(actions, ["replace", "replace", "replace", "delete", "delete"]);
    assert_eq!(dns.ask(&srv).metadata.response_code, ResponseCode::Refused);
    assert_eq!(dns.ask(&query("grpc.production.shop.local.", RecordType::SRV)).answers.len(), 1);

    applied(api, &["--delete", "--stack", "shop"]);
    assert_eq!(list(&client, Action::ListServices, "Services"), Vec::<Value>::new());
    assert_eq!(list(&client, Action::ListNamespaces, "Namespaces"), Vec::<Value>::new());
}

#[test]
fn a_run_that_failed_is_continued() {
    let server = Launch::serve_nothing().start();
    let api = server.api.unwrap();
    let client = client(api);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("t.yaml");
    let file = path.to_str().unwrap();
    let text = "Resources:\n  First: {Type: AWS::ServiceDiscovery::HttpNamespace, Properties: {Name: first}}\n  \
                Second: {Type: AWS::ServiceDiscovery::HttpNamespace, Properties: {Name: second}}\n  \
                Queue: {Type: AWS::ServiceDiscovery::Service, Properties: {Name: queue, Description: old, NamespaceId: !Ref \
                Second}}\n";
    fs::write(&path, text).unwrap();
    // Somebody else has the name of the second.
    let operation = client.start(Action::CreateHttpNamespace, &json!({"Name": "second"})).unwrap();
    let target = client.wait(&operation, crate::support::PATIENCE).unwrap()["Targets"]["NAMESPACE"].clone();
    let failed = apply(api, [file]);
    let stderr = String::from_utf8_lossy(&failed.stderr).into_owned();
    assert_eq!(failed.status.code(), Some(1));
    assert!(stderr.starts_with("fingerpost: failed: create Second: "), "{stderr}");
    assert!(stderr.contains("\nfingerpost: not done: create Queue\n"), "{stderr}");
    client.start(Action::DeleteNamespace, &json!({"Id": target})).unwrap();
    let done = applied(api, &[file]);
    assert!(done.contains("Plan: 2 to create, 0 to update, 0 to replace, 0 to delete, 1 unchanged\n"), "{done}");
    // Services of HTTP namespaces cannot be updated.
    fs::write(&path, text.replace("old", "new")).unwrap();
    let done = applied(api, &[file, "--yes"]);
    assert!(done.contains("    Description: \"old\" -> \"new\"  (replaces)\n"), "{done}");
    assert!(applied(api, &[file]).contains("Nothing to do."));
    // What others registered is not taken away with the service.
    let service = list(&client, Action::ListServices, "Services")[0]["Id"].clone();
    let input = json!({"ServiceId": service, "InstanceId": "theirs", "Attributes": {"a": "b"}});
    let operation = client.start(Action::RegisterInstance, &input).unwrap();
    client.wait(&operation, crate::support::PATIENCE).unwrap();
    let refused = apply(api, ["--delete", "--stack", "t"]);
    assert_eq!(refused.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("such as theirs; deregister them first"), "{refused:?}");
    assert_eq!(list(&client, Action::ListServices, "Services").len(), 1);
}

#[test]
fn a_declared_template_answers() {
    let server = Launch::serve(&template("shop.yaml")).start();
    let dns = Udp::connect(server.address());
    assert_eq!(dns.ask(&query("grpc.test.shop.local.", RecordType::SRV)).answers.len(), 2);
    let server = Launch::serve(&template("two-services.yaml")).start();
    let soa = Udp::connect(server.address()).ask(&query("app.local.", RecordType::SOA));
    assert_eq!(soa.answers.len(), 1);
}

#[test]
fn faults_have_places_in_check_and_apply() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("t.template");
    fs::write(
        &path,
        "Resources:\n  Space: {Type: AWS::ServiceDiscovery::HttpNamespace, Properties: {Nam: a, Name: !Ref Nothing}}\n",
    )
    .unwrap();
    let checked = Launch::of(["check".as_ref(), path.as_os_str()]).run();
    assert_eq!(checked.status.code(), Some(1));
    let stderr = String::from_utf8(checked.stderr).unwrap();
    let expected =
        format!("{}:2:82: Resources.Space.Properties.Name: Nothing is not a parameter or a ", path.display());
    assert!(stderr.starts_with(&expected), "{stderr}");
    let applied = apply(SocketAddr::from(([127, 0, 0, 1], 1)), [path.as_os_str()]);
    assert_eq!(applied.status.code(), Some(78));
    assert!(String::from_utf8_lossy(&applied.stderr).contains(&expected), "{applied:?}");
    let valid = Launch::of(["check".as_ref(), template("shop.yaml").as_os_str()]).run();
    assert!(valid.status.success(), "{valid:?}");
}
