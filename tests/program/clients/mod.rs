//! Programs of others that find their services through us: each in a network namespace of its own, where port 53 of
//! loopback is ours and `resolv.conf` says so.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::netns::Netns;
use crate::support::{example, have_module, have_tool};

/// The healthy addresses of `api` in the example.
const HEALTHY: [&str; 3] = ["10.0.1.11", "10.0.1.12", "10.0.1.13"];

/// A script beside this file.
fn script(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/program/clients").join(name)
}

/// The strings in a JSON array, in order.
#[track_caller]
fn strings(value: &Value) -> Vec<&str> {
    value.as_array().unwrap().iter().map(|item| item.as_str().unwrap()).collect()
}

/// Checks that every draw is all of `expected`, and that the order differs between them.
#[track_caller]
fn assert_shuffled(draws: &[Vec<&str>], expected: &[&str]) {
    for draw in draws {
        let mut sorted = draw.clone();
        sorted.sort_unstable();
        assert_eq!(sorted, expected);
    }
    // Thirty draws of three that all begin alike come once in 3^29 times.
    let first: BTreeSet<&str> = draws.iter().map(|draw| draw[0]).collect();
    assert!(draws.len() >= 30 && first.len() > 1, "always the same order: {draws:?}");
}

//----------- Resolvers --------------------------------------------------------

#[test]
fn dig_resolves_a_service() {
    let Some(netns) = have_tool("dig").then(Netns::new).flatten() else { return };
    let _server = netns.serve(&example());
    for transport in ["+notcp", "+tcp"] {
        let answer = netns.run("dig", ["api.production.local", transport]);
        for part in ["status: NOERROR", "flags: qr aa rd;", "ANSWER: 3, AUTHORITY: 0", "SERVER: 127.0.0.1#53"] {
            assert!(answer.contains(part), "{part} is not in: {answer}");
        }
        // It asks for recursion, which is not for us to give, and knows what else uses `.local`. It has nothing to
        // say against the response.
        let known = ["recursion requested but not available", ".local is reserved for Multicast DNS"];
        for line in answer.lines().filter(|line| line.to_lowercase().contains("warning")) {
            assert!(known.iter().any(|known| line.ends_with(known)), "{answer}");
        }
    }
    // ZONEVERSION (RFC 9660): the serial of the zone's SOA. Newer ones know it by its name.
    let soa = netns.run("dig", ["+short", "production.local", "SOA"]);
    let serial: u32 = soa.split(' ').nth(2).unwrap().parse().unwrap();
    let octets: Vec<String> = serial.to_be_bytes().iter().map(|octet| format!("{octet:02x}")).collect();
    let answer = netns.run("dig", ["+ednsopt=19", "api.production.local"]);
    let told = [format!("OPT=19: 02 00 {}", octets.join(" ")), format!("serial: {serial}")];
    assert!(told.iter().any(|told| answer.to_lowercase().contains(&told.to_lowercase())), "{answer}");
    let short = |arguments: &[&str]| -> Vec<String> {
        let answer = netns.run("dig", ["+short"].iter().chain(arguments));
        answer.lines().map(str::to_owned).collect()
    };
    let draws: Vec<Vec<String>> = (0..30).map(|_| short(&["api.production.local"])).collect();
    assert_shuffled(&draws.iter().map(|draw| draw.iter().map(String::as_str).collect()).collect::<Vec<_>>(), &HEALTHY);
    let mut targets = short(&["grpc-api.production.local", "SRV"]);
    targets.sort();
    assert_eq!(targets, [1, 2].map(|n| format!("1 1 50051 grpc-{n}.grpc-api.production.local.")));
    assert_eq!(short(&["docs.production.local", "CNAME"]), ["docs.example.org."]);
    assert!(netns.run("dig", ["nobody.production.local"]).contains("status: NXDOMAIN"));
    assert!(netns.run("dig", ["example.com"]).contains("status: REFUSED"));
}

#[test]
fn pythons_getaddrinfo_resolves_a_service() {
    let Some(netns) = have_tool("python3").then(Netns::new).flatten() else { return };
    let _server = netns.serve(&example());
    let text = netns.run("python3", [script("resolve.py")]);
    let found: Value = serde_json::from_str(&text).unwrap();
    let draws: Vec<Vec<&str>> = found["api"].as_array().unwrap().iter().map(strings).collect();
    assert_shuffled(&draws, &HEALTHY);
    assert_eq!(found["search"], json!(HEALTHY), "by its short name, through the search list");
    assert_eq!(found["both families"], json!(["10.0.3.31", "10.0.3.32", "2001:db8:3::31"]));
    assert_eq!(found["IPv6 only"], json!(["2001:db8:3::31"]));
    assert_eq!(found["nobody"], "EAI_NONAME");
    assert_eq!(found["other type"], "EAI_NODATA");
}

#[test]
fn node_resolves_a_service() {
    let Some(netns) = have_tool("node").then(Netns::new).flatten() else { return };
    let _server = netns.serve(&example());
    let text = netns.run("node", [script("resolve.js")]);
    let found: Value = serde_json::from_str(&text).unwrap();
    for way in ["lookup", "resolve4"] {
        let draws: Vec<Vec<&str>> = found[way].as_array().unwrap().iter().map(strings).collect();
        assert_shuffled(&draws, &HEALTHY);
    }
    assert!(HEALTHY.contains(&found["lookup one"].as_str().unwrap()), "{found}");
    assert_eq!(found["resolve6"], json!(["2001:db8:3::31"]));
    let target = |n| {
        let name = format!("grpc-{n}.grpc-api.production.local");
        json!({"name": name, "port": 50051, "priority": 1, "weight": 1})
    };
    assert_eq!(found["resolveSrv"], json!([target(1), target(2)]));
    assert_eq!(found["resolveCname"], json!(["docs.example.org"]));
    assert_eq!(found["nobody"], "ENOTFOUND");
    assert_eq!(found["other type"], "ENODATA");
}

//----------- gRPC -------------------------------------------------------------

/// Two instances at addresses and ports where gRPC servers will be, found by their addresses or by SRV.
fn grpc_declaration(folder: &Path) -> PathBuf {
    let path = folder.join("grpc.yaml");
    let text = "\
version: 1
namespaces:
  - name: production.local
    services:
      - name: orders
        dns_records: [{type: A, ttl: 1}]
        instances:
          - {id: one, attributes: {AWS_INSTANCE_IPV4: 127.0.0.21, AWS_INSTANCE_PORT: 50051}}
          - {id: two, attributes: {AWS_INSTANCE_IPV4: 127.0.0.22, AWS_INSTANCE_PORT: 50051}}
      - name: billing
        dns_records: [{type: SRV, ttl: 1}]
        instances:
          - {id: one, attributes: {AWS_INSTANCE_IPV4: 127.0.0.23, AWS_INSTANCE_PORT: 50052}}
          - {id: two, attributes: {AWS_INSTANCE_IPV4: 127.0.0.24, AWS_INSTANCE_PORT: 50053}}
";
    fs::write(&path, text).unwrap();
    path
}

/// Runs the gRPC script, which serves and asks: which servers were reached.
fn reach(how: &str, resolver: &str) -> Option<BTreeSet<String>> {
    let netns = (have_tool("python3") && have_module("grpc") && (how != "srv" || have_module("dns.resolver")))
        .then(Netns::new)
        .flatten()?;
    let folder = tempfile::tempdir().unwrap();
    let _server = netns.serve(&grpc_declaration(folder.path()));
    let text =
        netns.run("env", [&format!("GRPC_DNS_RESOLVER={resolver}"), "python3", script("call.py").to_str()?, how]);
    serde_json::from_str(&text).unwrap()
}

#[test]
fn a_grpc_client_finds_all_servers_through_a_records() {
    for resolver in ["ares", "native"] {
        let Some(reached) = reach("a", resolver) else { return };
        assert_eq!(reached, ["127.0.0.21:50051", "127.0.0.22:50051"].map(String::from).into());
    }
}

#[test]
fn a_grpc_client_finds_its_servers_through_srv_records() {
    let Some(reached) = reach("srv", "native") else { return };
    assert_eq!(reached, ["127.0.0.23:50052", "127.0.0.24:50053"].map(String::from).into());
}
