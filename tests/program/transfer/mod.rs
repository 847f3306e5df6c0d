//! Zone transfer: who gets what ([`access`]), how changes are told ([`notify`]), and the servers of others that follow us
//! ([`secondaries`]).

mod access;
mod notify;
mod secondaries;

use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::client::run;
use crate::support::{Launch, Server};

const ZONE: &str = "production.local";
const KEY: &str = "transfer.key";
const SECRET: &str = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=";

/// A file with the key.
fn keys(folder: &Path) -> std::path::PathBuf {
    let path = folder.join("keys.toml");
    fs::write(&path, format!("version = 1\n[[key]]\nname = \"{KEY}\"\nsecret = \"{SECRET}\"\n")).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    path
}

/// A server whose zone clients may transfer as `rule` says.
fn serve(rule: &str, keys: &Path) -> Launch {
    let rule = format!("zone={ZONE},{rule}");
    Launch::serve_nothing().flag("--transfer", rule).flag("--tsig-keys", keys).flag("--custom-health-delay", "0")
}

/// A namespace with a service of each kind.
fn populate(server: &Server) {
    for words in [
        &*format!("create namespace {ZONE}"),
        &format!("create service api --namespace {ZONE} --record A:10 --custom-health"),
        &format!("create service web --namespace {ZONE} --record SRV:15 --record A:15"),
        &format!("create service old --namespace {ZONE} --record CNAME:20"),
        &format!("register web.{ZONE} --id w1 --ip 10.0.2.1 --port 8080"),
    ] {
        run(server, words).out();
    }
    for last in 1..=12 {
        run(server, &format!("register api.{ZONE} --id t{last} --ip 10.0.1.{last}")).out();
    }
}

/// What `dig` says about a question to `server`.
fn dig(server: SocketAddr, arguments: &[&str]) -> String {
    let address = format!("@{}", server.ip());
    let output = Command::new("dig")
        .args([&*address, "-p", &server.port().to_string(), "+time=5", "+tries=2", "+nosplit", "+nocookie"])
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    String::from_utf8(output.stdout).unwrap()
}

/// The arguments of `dig` that sign with the key.
fn signature(secret: &str) -> String {
    format!("hmac-sha256:{KEY}:{secret}")
}

/// The records in what `dig` says, with tabs between owner, TTL, class, type and data, in the order of their octets.
fn records(text: &str) -> Vec<String> {
    let lines = text.lines().filter(|line| !line.starts_with(';') && !line.is_empty() && !line.contains("TSIG"));
    let mut all: Vec<String> = lines.map(|line| tabbed(line)).collect();
    all.sort();
    all
}

/// A record with one tab between its fields.
fn tabbed(line: &str) -> String {
    let words: Vec<&str> = line.split_whitespace().collect();
    let (fields, data) = words.split_at(4);
    format!("{}\t{}", fields.join("\t"), data.join(" "))
}

/// The serial of the zone at `server`, if it has it.
fn serial(server: SocketAddr) -> Option<u32> {
    let text = dig(server, &["+short", "SOA", ZONE]);
    text.split_whitespace().nth(2)?.parse().ok()
}
