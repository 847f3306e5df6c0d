//! Forwarding resolvers of others in front of us: the real programs, each in a network namespace of its own, with the
//! very text of `docs/resolvers.md` in its configuration.
//!
//! * `daemon`: a resolver as a process, and what its configuration needs beside that text.
//! * `documentation`: the blocks of the page.
//!
//! Each is asked for what there is, what there is not, what needs TCP, and what changes while it remembers.

mod daemon;
mod documentation;

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::{Duration, Instant};

use hickory_proto::op::{Edns, Message, ResponseCode};
use hickory_proto::rr::{RData, RecordType};

use crate::netns::Netns;
use crate::support::{Launch, Server, Tcp, Udp, addresses, eventually, query};
use daemon::{DNSMASQ, Kind, NAMED, RESOLVED, Resolver, UNBOUND};
use documentation::block;

/// Where we are, in the documentation and here.
const ADDRESS: &str = "10.0.0.53";
/// What is forwarded to us there.
const ZONE: &str = "production.internal";
/// Seconds for which a resolver may remember what changes here, and that a name does not exist.
const TTL: Duration = Duration::from_secs(3);
/// How much longer it may take on a busy machine; resolvers count in whole seconds.
const SLACK: Duration = Duration::from_secs(3);
/// Records of the names whose answers are too long for a datagram. BIND takes no RRset of more
/// than 100 (`max-records-per-type`).
const CROWD: usize = 90;

//----------- Stage ------------------------------------------------------------

/// A declaration in which `changing` has one instance at `address`.
fn declaration(address: &str) -> String {
    let seconds = TTL.as_secs();
    let mut text = format!(
        "\
version: 1
namespaces:
  - name: {ZONE}
    soa_ttl: {seconds}
    services:
      - name: api
        dns_records: [{{type: A, ttl: 30}}]
        instances:
          - {{id: one, attributes: {{AWS_INSTANCE_IPV4: 10.0.1.11}}}}
          - {{id: two, attributes: {{AWS_INSTANCE_IPV4: 10.0.1.12}}}}
      - name: ports
        dns_records: [{{type: SRV, ttl: 30}}]
        instances: [{{id: one, attributes: {{AWS_INSTANCE_IPV4: 10.0.2.21, AWS_INSTANCE_PORT: 50051}}}}]
      - name: changing
        dns_records: [{{type: A, ttl: {seconds}}}]
        instances: [{{id: one, attributes: {{AWS_INSTANCE_IPV4: {address}}}}}]
"
    );
    // Static records: of a service's instances as many are given as fit, without a word.
    text.push_str("    records:\n");
    for n in 1..=CROWD {
        writeln!(text, "      - {{name: crowd, type: A, data: 10.1.0.{n}}}").unwrap();
        writeln!(text, "      - {{name: many-ports, type: SRV, data: 1 1 {n} api}}").unwrap();
    }
    text
}

/// A network with our server in it, and a resolver in front.
struct Stage {
    /// Kept for the server's and the resolver's time; dropped after them.
    server: Server,
    resolver: Resolver,
    declared: PathBuf,
    netns: Netns,
    _folder: tempfile::TempDir,
}

impl Stage {
    /// Starts both, the resolver with `text` in its configuration. `None` where something is missing for that.
    #[track_caller]
    fn set(kind: &'static Kind, text: &str) -> Option<Self> {
        let netns = kind.is_installed().then(Netns::new).flatten()?;
        netns.add_link(&format!("{ADDRESS}/24"));
        let folder = tempfile::tempdir().unwrap();
        let declared = folder.path().join("d.yaml");
        fs::write(&declared, declaration("10.0.1.1")).unwrap();
        let launch = Launch::serve(&declared);
        let server = netns.start_at(launch, &[&format!("{ADDRESS}:53"), &format!("{ADDRESS}:5300")]);
        let resolver = Resolver::start(kind, &netns, folder.path(), text);
        Some(Self { server, resolver, declared, netns, _folder: folder })
    }

    /// Asks the resolver over UDP, with EDNS.
    #[track_caller]
    fn ask(&self, name: &str, qtype: RecordType) -> Message {
        let mut query = recursive(name, qtype);
        query.set_edns(Edns::new());
        Udp::connect(self.resolver.address()).ask(&query)
    }

    /// The code of the resolver's response, and the addresses in it in order.
    #[track_caller]
    fn addresses(&self, name: &str) -> (ResponseCode, Vec<IpAddr>) {
        let response = self.ask(name, RecordType::A);
        let mut found = addresses(&response);
        found.sort_unstable();
        (response.metadata.response_code, found)
    }

    /// The same, asked of us.
    #[track_caller]
    fn own_addresses(&self, name: &str) -> Vec<IpAddr> {
        addresses(&Udp::connect(self.server.address()).ask(&recursive(name, RecordType::A)))
    }

    /// Our responses so far over `transport`.
    fn responses(&self, transport: &str) -> u64 {
        let metrics = self.server.metrics();
        let samples = metrics.family("fingerpost_dns_responses_total");
        samples.into_iter().filter(|(labels, _)| labels.contains(transport)).map(|(_, count)| count).sum()
    }

    /// Runs `fingerpost` as a client of our server.
    #[track_caller]
    fn command(&self, arguments: &[&str]) {
        let endpoint = format!("http://{}", self.server.api.unwrap());
        self.netns.run(env!("CARGO_BIN_EXE_fingerpost"), arguments.iter().copied().chain(["--endpoint", &endpoint]));
    }
}

/// A query with RD: what a resolver needs to ask others for us.
fn recursive(name: &str, qtype: RecordType) -> Message {
    let mut query = query(&format!("{name}.{ZONE}."), qtype);
    query.metadata.recursion_desired = true;
    query
}

/// Addresses of a response without fault.
fn found(addresses: &[&str]) -> (ResponseCode, Vec<IpAddr>) {
    (ResponseCode::NoError, addresses.iter().map(|address| address.parse().unwrap()).collect())
}

//----------- Scenes -----------------------------------------------------------

/// All of them behind one resolver, which is configured by the blocks `names` of the documentation.
#[track_caller]
fn play(kind: &'static Kind, names: &[&str]) {
    let text: Vec<String> = names.iter().map(|name| block(name)).collect();
    let Some(stage) = Stage::set(kind, &kind.configuration(&text)) else { return };
    stage.netns.inside(|| {
        positive(&stage);
        negative(&stage);
        truncated(&stage);
        changed(&stage);
        begun(&stage);
    });
}

/// What there is, from us and then from the resolver's memory.
fn positive(stage: &Stage) {
    assert_eq!(stage.addresses("api"), found(&["10.0.1.11", "10.0.1.12"]));
    let response = stage.ask("ports", RecordType::SRV);
    let [record] = &*response.answers else { panic!("{response:?}") };
    let RData::SRV(data) = &record.data else { panic!("{response:?}") };
    assert_eq!((data.port, data.target.to_ascii()), (50051, format!("one.ports.{ZONE}.")));
    assert_eq!(stage.addresses("one.ports"), found(&["10.0.2.21"]));

    let before = stage.responses("udp");
    for _ in 0..5 {
        let response = stage.ask("api", RecordType::A);
        assert_eq!(addresses(&response).len(), 2);
        assert!(response.answers.iter().all(|record| record.ttl <= 30), "{response:?}");
    }
    assert_eq!(stage.responses("udp"), before, "it asks again for what it knows");
}

/// What there is not: the name, or the type; told by the resolver for no longer than we say.
fn negative(stage: &Stage) {
    for (name, qtype, code) in [
        ("nobody", RecordType::A, ResponseCode::NXDomain),
        ("api", RecordType::AAAA, ResponseCode::NoError),
        ("api", RecordType::SRV, ResponseCode::NoError),
    ] {
        let response = stage.ask(name, qtype);
        assert_eq!((response.metadata.response_code, response.answers.len()), (code, 0), "{response:?}");
        // Not every resolver passes the SOA on.
        for record in response.authorities.iter().filter(|record| record.record_type() == RecordType::SOA) {
            assert!(u64::from(record.ttl) <= TTL.as_secs(), "{response:?}");
        }
    }
}

/// What does not fit: the resolver asks us again over TCP, and so does its client the resolver.
fn truncated(stage: &Stage) {
    for (name, qtype) in [("crowd", RecordType::A), ("many-ports", RecordType::SRV)] {
        let before = stage.responses("tcp");
        let query = recursive(name, qtype);
        let response = Udp::connect(stage.resolver.address()).ask(&query);
        let (code, count) = (response.metadata.response_code, response.answers.len());
        assert!(response.metadata.truncation, "{name}: {code} with {count} records is not truncated");
        let response = Tcp::connect(stage.resolver.address()).ask(&query);
        assert!(!response.metadata.truncation, "{name} does not fit");
        let datas: BTreeSet<String> = response.answers.iter().map(|record| record.data.to_string()).collect();
        assert_eq!(datas.len(), CROWD, "{name}");
        eventually("the resolver asks us over TCP", || stage.responses("tcp") > before);
    }
}

/// A change of a file: the resolver tells it once it may not remember the former answer any more.
fn changed(stage: &Stage) {
    let (old, new) = (found(&["10.0.1.1"]), found(&["10.0.1.2"]));
    follow(stage, "changing", &old, &new, || {
        fs::write(&stage.declared, declaration("10.0.1.2")).unwrap();
        eventually("we answer anew", || stage.own_addresses("changing") == new.1);
    });
}

/// A name that begins to exist, by the API: the resolver remembers that there was none for as long as the SOA says.
fn begun(stage: &Stage) {
    let (old, new) = ((ResponseCode::NXDomain, Vec::new()), found(&["10.0.4.1"]));
    follow(stage, "later", &old, &new, || {
        stage.command(&["create", "service", "later", "--namespace", ZONE, "--record", "A:3"]);
        stage.command(&["register", &format!("later.{ZONE}"), "--id", "one", "--ip", "10.0.4.1"]);
        // Our word that it is done means that it is in DNS.
        assert_eq!(stage.own_addresses("later"), new.1);
    });
}

/// Asks for `name`, has `change` replace `old` by `new`, and asks until the resolver says so: not before the TTL has
/// passed, and not much later.
#[track_caller]
fn follow(
    stage: &Stage,
    name: &str,
    old: &(ResponseCode, Vec<IpAddr>),
    new: &(ResponseCode, Vec<IpAddr>),
    change: impl FnOnce(),
) {
    let asked = Instant::now();
    assert_eq!(&stage.addresses(name), old, "before the change");
    let told = Instant::now();
    change();
    loop {
        let seen = stage.addresses(name);
        if &seen == new {
            break;
        }
        assert_eq!(&seen, old);
        assert!(told.elapsed() < TTL + SLACK, "{name}: remembered for too long");
        sleep(Duration::from_millis(50));
    }
    let after = asked.elapsed();
    assert!(after > TTL - Duration::from_secs(1), "{name}: not remembered, after {after:?}");
}

//----------- Resolvers --------------------------------------------------------

#[test]
fn unbound_with_a_forward_zone() {
    play(&UNBOUND, &["unbound-server", "unbound-forward"]);
}

#[test]
fn unbound_with_a_stub_zone() {
    play(&UNBOUND, &["unbound-server", "unbound-stub"]);
}

#[test]
fn bind_with_a_forward_zone() {
    play(&NAMED, &["bind-options", "bind-zone"]);
}

#[test]
fn dnsmasq_with_a_server_for_a_domain() {
    play(&DNSMASQ, &["dnsmasq"]);
}

#[test]
fn systemd_resolved_with_a_routing_domain() {
    play(&RESOLVED, &["resolved"]);
}

/// Each names another port in a way of its own.
#[test]
fn ports_other_than_53() {
    for (kind, names, port) in [
        (&UNBOUND, &["unbound-server", "unbound-forward"][..], "10.0.0.53@5300"),
        (&UNBOUND, &["unbound-server", "unbound-stub"], "10.0.0.53@5300"),
        (&NAMED, &["bind-options", "bind-zone"], "10.0.0.53 port 5300"),
        (&DNSMASQ, &["dnsmasq"], "10.0.0.53#5300"),
        (&RESOLVED, &["resolved"], "10.0.0.53:5300"),
    ] {
        assert!(documentation::page().contains(&format!("`{port}`")), "{port} is not documented");
        let text: Vec<String> = names.iter().map(|name| block(name).replace(ADDRESS, port)).collect();
        let Some(stage) = Stage::set(kind, &kind.configuration(&text)) else { continue };
        stage.netns.inside(|| assert_eq!(stage.addresses("api"), found(&["10.0.1.11", "10.0.1.12"]), "{port}"));
    }
}

/// A validating resolver cannot believe a zone without signatures in which the root's proofs leave no room; the
/// documentation's lines say that it need not.
#[test]
fn validating_resolvers_need_an_exception() {
    for (kind, names, exception) in [
        (&UNBOUND, &["unbound-server", "unbound-forward"][..], "domain-insecure"),
        (&NAMED, &["bind-options", "bind-zone"], "validate-except"),
    ] {
        let text: Vec<String> = names.iter().map(|name| block(name)).collect();
        let text = kind.configuration(&text);
        let without: String = text.split_inclusive('\n').filter(|line| !line.contains(exception)).collect();
        assert_ne!(text, without);
        let Some(stage) = Stage::set(kind, &without) else { continue };
        stage.netns.inside(|| assert_eq!(stage.addresses("api").0, ResponseCode::ServFail, "{exception}"));
    }
}

/// Every block of the documentation that says so is tested.
#[test]
fn no_block_is_left_untested() {
    let tested =
        ["unbound-server", "unbound-forward", "unbound-stub", "bind-options", "bind-zone", "dnsmasq", "resolved"];
    assert_eq!(documentation::names(), tested);
    assert!(Path::new(documentation::PATH).is_file());
}
