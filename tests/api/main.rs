//! The AWS API as its real clients meet it: the built binary on free ports, and the clients that people have.
//!
//! * `boto3`: every operation and every error of the API model, pages, filters, restarts, keys, both protocols.
//! * `awscli`: the first example that people run, from the creation of a namespace to its deletion.
//! * `terraform`: `examples/terraform`, with the real binary and the real AWS provider where they are installed.
//! * `ecs`: `examples/ecs`, which does what ECS does.
//! * `reach`: HTTP clients that find three servers, registered through the API, in a network namespace.
//!
//! A test that needs an outside program says that it is skipped where the program is missing; with
//! `FINGERPOST_REQUIRE_TOOLS=1` it fails instead. Only `terraform` is skipped even then, and says so: no package registry
//! has the binary and its AWS provider, so that CI cannot install them by name. Run it where both are installed.

#![allow(clippy::unwrap_used, reason = "in a test, a panic with its place is the message")]

mod awscli;
mod boto3;
mod ecs;
#[path = "../program/netns.rs"]
#[allow(dead_code, reason = "each test binary uses a part of it")]
mod netns;
mod reach;
#[path = "../program/support/mod.rs"]
#[allow(dead_code, unused_imports, reason = "each test binary uses a part of it")]
mod support;
mod terraform;

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use support::{Launch, Server};

/// A file of the repository.
fn file(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// A server without a declaration, whose health statuses change at once.
fn launch() -> Launch {
    Launch::serve_nothing().flag("--custom-health-delay", "0")
}

/// The URL of a server's API.
fn url(server: &Server) -> String {
    format!("http://{}", server.api.unwrap())
}

/// A command that knows the server as an AWS client does, and nothing of its surroundings.
fn client(program: &str, server: &Server) -> Command {
    let mut command = Command::new(program);
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.as_encoded_bytes().starts_with(b"AWS_")) {
        command.env_remove(name);
    }
    command
        .env("AWS_ACCESS_KEY_ID", "any")
        .env("AWS_SECRET_ACCESS_KEY", "any")
        .env("AWS_DEFAULT_REGION", "us-east-1")
        .env("AWS_CONFIG_FILE", "/dev/null")
        .env("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .env("AWS_ENDPOINT_URL_SERVICEDISCOVERY", url(server))
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .stdin(Stdio::null());
    command
}

/// Runs a command to its good end and returns what it prints.
#[track_caller]
fn run(command: &mut Command) -> String {
    let output = command.output().unwrap();
    let [said, printed] = [&output.stderr, &output.stdout].map(|octets| String::from_utf8_lossy(octets));
    assert!(output.status.success(), "{command:?}: {}:\n{printed}\n{said}", output.status);
    printed.into_owned()
}

/// Runs a Python script of `tests/api/python`.
#[track_caller]
fn python<S: AsRef<OsStr>>(server: &Server, script: &str, arguments: impl IntoIterator<Item = S>) -> String {
    run(client("python3", server).arg(file("tests/api/python").join(script)).args(arguments))
}

/// What dig finds: the lines of its answer section, as TTL and data, in the order of the alphabet.
#[track_caller]
fn dig(server: &Server, name: &str, qtype: &str) -> Vec<String> {
    let address = server.address();
    let mut command = Command::new("dig");
    command.args([&format!("@{}", address.ip()), "-p", &address.port().to_string(), name, qtype]);
    let text = run(command.args(["+norecurse", "+noall", "+answer", "+tries=1", "+time=5"]));
    let mut found: Vec<String> = text
        .lines()
        .map(|line| line.split_whitespace().collect::<Vec<_>>())
        .filter(|words| words.get(3) == Some(&qtype))
        .map(|words| format!("{} {}", words[1], words[4..].join(" ")))
        .collect();
    found.sort();
    found
}
