//! boto3: "every operation, success and each modelled error, responses checked against the model's shapes".
//!
//! The scripts in `python/` do the asking. `cloudmap.py` checks each reply, as it has come over the wire, against the
//! model inside botocore: required members, types, enums, patterns, limits, and no member that the model does not know.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use rustix::process::Signal;

use crate::support::{Launch, have_module, have_tool};
use crate::{launch, python, url};

/// What the scripts need.
#[track_caller]
fn have_boto3() -> bool {
    have_tool("python3") && have_tool("dig") && have_module("boto3")
}

/// Runs a script against a server of its own, once over JSON and once over CBOR.
#[track_caller]
fn over_both_protocols(script: &str) {
    if !have_boto3() {
        return;
    }
    for protocol in ["json", "cbor"] {
        let server = launch().start();
        python(&server, script, [url(&server), server.address().to_string(), protocol.into()]);
    }
}

/// All 30 operations succeed with the right contents and effects in DNS, and requests repeated with their token are
/// the same requests.
#[test]
fn every_operation_succeeds() {
    over_both_protocols("life.py");
}

/// Every rule of the model for every member of every request is checked by the server: `InvalidInput` from all 30
/// operations, and nothing changed.
#[test]
fn every_constraint_of_the_model_is_checked() {
    over_both_protocols("constraints.py");
}

/// Pagination with a stable order, through boto3's paginators, and every filter with every condition.
#[test]
fn lists_are_paged_and_filtered() {
    over_both_protocols("lists.py");
}

/// Discovery with query and optional parameters, and all four health filters.
#[test]
fn instances_are_discovered() {
    over_both_protocols("discovery.py");
}

/// Every other error of the model, with its members, from every operation that has it and can have a reason for it
/// here; the quotas of the options are on in a second server.
#[test]
fn every_error_comes_with_its_members() {
    if !have_boto3() {
        return;
    }
    let quotas = [
        ("--quota-namespaces", "1"),
        ("--quota-instances-per-namespace", "2"),
        ("--quota-instances-per-service", "1"),
        ("--quota-discover-rate", "1"),
        ("--quota-discover-revision-rate", "1"),
    ];
    for protocol in ["json", "cbor"] {
        let server = launch().start();
        let limited = quotas.iter().fold(launch(), |launch, (flag, value)| launch.flag(flag, value)).start();
        let arguments = [url(&server), server.address().to_string(), url(&limited), protocol.into()];
        python(&server, "errors.py", arguments);
    }
}

/// Everything acknowledged is there after a restart, and reads the same; after kill -9, too.
#[test]
fn a_restart_changes_no_reply() {
    if !have_boto3() {
        return;
    }
    for signal in [Signal::TERM, Signal::KILL] {
        let folder = tempfile::tempdir().unwrap();
        let replies = folder.path().join("replies.json");
        let launch = launch().flag("--data-dir", folder.path().join("data"));
        for phase in ["before", "after"] {
            let mut server = launch.clone().start();
            let words = [&url(&server), &server.address().to_string(), phase, replies.to_str().unwrap()];
            python(&server, "restart.py", words);
            server.signal(signal);
            server.wait();
        }
    }
}

/// With credentials configured, signatures count: a wrong secret, an unknown key and a wrong token are refused, and a
/// read-only key reads everything and changes nothing.
#[test]
fn keys_are_asked_for() {
    if !have_boto3() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("credentials.toml");
    let key = |id: &str, more: &str| {
        format!("[[credential]]\naccess-key-id = \"{id}\"\nsecret-access-key = \"secret\"\n{more}\n")
    };
    let keys = [
        key("AKIDWRITE", ""),
        key("AKIDREAD", "access = \"read-only\""),
        key("AKIDTOKEN", "session-token = \"token\""),
    ];
    fs::write(&path, format!("version = 1\n{}", keys.concat())).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    let server = Launch::serve_nothing().flag("--credentials", &path).start();
    python(&server, "access.py", [url(&server)]);
}
