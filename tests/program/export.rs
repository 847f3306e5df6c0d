//! `fingerpost export` and `import`: a registry moves from one data folder to another.

use std::fs;

use hickory_proto::rr::RecordType;
use rustix::process::Signal;
use tempfile::TempDir;

use crate::support::{Launch, Udp, addresses, query};

/// Runs a command against the API of `server`.
fn client(api: &str, arguments: &[&str]) -> String {
    let output = Launch::of(arguments).flag("--endpoint", api).run();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn a_registry_moves_as_a_declaration() {
    let folder = TempDir::new().unwrap();
    let (old, new, file) = (folder.path().join("old"), folder.path().join("new"), folder.path().join("registry.yaml"));
    let mut server = Launch::serve_nothing().flag("--data-dir", &old).start();
    let api = format!("http://{}", server.api.unwrap());
    client(&api, &["create", "namespace", "production.local"]);
    client(&api, &["create", "service", "api", "--namespace", "production.local", "--record", "A:10"]);
    for last in ["1", "2"] {
        let (id, ip) = (format!("task-{last}"), format!("10.0.1.{last}"));
        client(&api, &["register", "api.production.local", "--id", &id, "--ip", &ip]);
    }
    let services = client(&api, &["get", "services", "--output", "json"]);

    let refused = Launch::of(["export"]).flag("--data-dir", &old).run();
    assert_eq!(refused.status.code(), Some(78), "a server uses it");
    let message = String::from_utf8(refused.stderr).unwrap();
    assert!(message.contains("old"), "{message}");
    server.signal(Signal::TERM);
    assert!(server.wait().success());

    let output = Launch::of(["export"]).flag("--data-dir", &old).run();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    fs::write(&file, &output.stdout).unwrap();
    let checked = Launch::of(["check".as_ref(), file.as_os_str()]).run();
    assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stderr));
    let import = || Launch::of(["import".as_ref(), file.as_os_str()]).flag("--data-dir", &new).run();
    let imported = import();
    assert!(imported.status.success(), "{}", String::from_utf8_lossy(&imported.stderr));
    let said = String::from_utf8(imported.stdout).unwrap();
    assert!(said.ends_with("1 namespaces, 1 services, 2 instances\n"), "{said}");
    assert_eq!(import().status.code(), Some(1), "it is there already");

    let server = Launch::serve_nothing().flag("--data-dir", &new).start();
    let udp = Udp::connect(server.address());
    assert_eq!(addresses(&udp.ask(&query("api.production.local.", RecordType::A))).len(), 2);
    let api = format!("http://{}", server.api.unwrap());
    let ids = |text: &str| {
        let services: serde_json::Value = serde_json::from_str(text).unwrap();
        (services[0]["Id"].clone(), services[0]["Arn"].clone())
    };
    assert_eq!(ids(&client(&api, &["get", "services", "--output", "json"])), ids(&services), "ids last");
}

#[test]
fn namespaces_of_one_name_go_to_files_of_their_own() {
    let folder = TempDir::new().unwrap();
    let (old, new) = (folder.path().join("old"), folder.path().join("new"));
    let vpcs = |launch: Launch| launch.flag("--vpc", "vpc-1=10.1.0.0/16").flag("--vpc", "vpc-2=10.2.0.0/16");
    let mut server = vpcs(Launch::serve_nothing().flag("--data-dir", &old)).start();
    let api = format!("http://{}", server.api.unwrap());
    for vpc in ["vpc-1", "vpc-2"] {
        client(&api, &["create", "namespace", "production.local", "--vpc", vpc]);
    }
    client(&api, &["create", "namespace", "production.local", "--type", "http"]);
    let namespaces: serde_json::Value =
        serde_json::from_str(&client(&api, &["get", "namespaces", "--output", "json"])).unwrap();
    server.signal(Signal::TERM);
    assert!(server.wait().success());
    let refused = Launch::of(["export"]).flag("--data-dir", &old).run();
    let message = String::from_utf8(refused.stderr).unwrap();
    assert!(!refused.status.success() && message.contains("--namespace ID"), "{message}");
    for namespace in namespaces.as_array().unwrap() {
        let id = namespace["Id"].as_str().unwrap();
        let file = folder.path().join(format!("{id}.yaml"));
        let export = Launch::of(["export"]).flag("--data-dir", &old).flag("--namespace", id).flag("--output", &file);
        assert!(export.run().status.success());
        let import = Launch::of(["import".as_ref(), file.as_os_str()]).flag("--data-dir", &new).run();
        assert!(import.status.success(), "{}", String::from_utf8_lossy(&import.stderr));
    }
    let server = vpcs(Launch::serve_nothing().flag("--data-dir", &new)).start();
    let api = format!("http://{}", server.api.unwrap());
    let moved: serde_json::Value =
        serde_json::from_str(&client(&api, &["get", "namespaces", "--output", "json"])).unwrap();
    let ids = |all: &serde_json::Value| {
        let mut ids: Vec<_> = all.as_array().unwrap().iter().map(|one| one["Id"].to_string()).collect();
        ids.sort();
        ids
    };
    assert_eq!(ids(&moved), ids(&namespaces));
}

#[test]
fn nothing_is_kept_in_no_folder() {
    let server = Launch::serve_nothing().flag("--data-dir", "none").start();
    let api = format!("http://{}", server.api.unwrap());
    client(&api, &["create", "namespace", "production.local"]);
    assert_eq!(server.logged("what is registered is gone when the server stops"), 1);
    assert!(!std::path::Path::new("none").exists());
}
