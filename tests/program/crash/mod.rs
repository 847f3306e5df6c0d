//! The server killed at random moments, under load and while it starts: everything acknowledged is there afterwards,
//! nothing is half-done, and no number goes back. And the data folders that a server must not touch.

mod client;

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use hickory_proto::op::ResponseCode;
use hickory_proto::rr::{RData, RecordType};
use rustix::process::Signal;
use serde_json::{Value, json};

use self::client::Api;
use crate::support::{Launch, Server, Udp, addresses, query};

/// Clients at once, each with instances of its own.
const CLIENTS: u32 = 8;
/// Instances of each.
const IDS: u32 = 6;
/// Kills under load.
const ROUNDS: u32 = 10;

/// Instances by id: the version of the attributes, if it is registered.
type Instances = BTreeMap<String, Option<u32>>;

/// What one client knows when the server is gone.
#[derive(Default)]
struct Known {
    /// As acknowledged.
    instances: Instances,
    /// The request without a reply, if there is one: it may have been done.
    unanswered: Option<(String, Option<u32>)>,
    /// Operations that were acknowledged.
    operations: Vec<String>,
    /// The last version in use.
    version: u32,
}

/// The numbers that must never go back, as last seen.
#[derive(Default)]
struct Marks {
    serial: AtomicU64,
    revision: AtomicU64,
}

/// Attributes of a version; the address tells it.
fn attributes(version: u32) -> Value {
    json!({
        "AWS_INSTANCE_IPV4": address(version).to_string(),
        "AWS_INSTANCE_PORT": "80",
        "version": version.to_string(),
    })
}

fn address(version: u32) -> Ipv4Addr {
    Ipv4Addr::from(0x0a00_0000 | version)
}

impl Known {
    /// Registers, registers again and deregisters until the server is gone.
    fn work(&mut self, number: u32, api: SocketAddr, service: &str, marks: &Marks) {
        let mut rng = fastrand::Rng::new();
        let Ok(mut api) = Api::connect(api) else { return };
        loop {
            let id = format!("c{number}-{}", rng.u32(..IDS));
            let is_there = self.instances.get(&id).is_some_and(Option::is_some);
            let (action, version) = if is_there && rng.u8(..3) == 0 {
                ("DeregisterInstance", None)
            } else {
                self.version += 1;
                ("RegisterInstance", Some(self.version))
            };
            let mut input = json!({ "ServiceId": service, "InstanceId": id });
            if let Some(version) = version {
                input["Attributes"] = attributes(version);
            }
            self.unanswered = Some((id.clone(), version));
            let Ok(reply) = api.call(action, &input) else { return };
            self.unanswered = None;
            let reply = reply.unwrap_or_else(|code| panic!("{action} {input}: {code}"));
            self.operations.push(reply["OperationId"].as_str().unwrap().to_owned());
            self.instances.insert(id, version);
            if rng.u8(..8) == 0 {
                let input = json!({ "NamespaceName": "z.test", "ServiceName": "s" });
                let Ok(Ok(reply)) = api.call("DiscoverInstancesRevision", &input) else { return };
                marks.revision.fetch_max(reply["InstancesRevision"].as_u64().unwrap(), Ordering::Relaxed);
            }
        }
    }

    /// Compares what is there with what was acknowledged, and goes on from there.
    fn compare(&mut self, number: u32, found: &Instances) {
        for id in (0..IDS).map(|id| format!("c{number}-{id}")) {
            let is = found.get(&id).copied().flatten();
            let acknowledged = self.instances.get(&id).copied().flatten();
            let unanswered = self.unanswered.as_ref().filter(|(other, _)| *other == id).map(|(_, version)| *version);
            assert!(
                is == acknowledged || unanswered == Some(is),
                "{id} is {is:?}; acknowledged was {acknowledged:?}, and on the way {unanswered:?}"
            );
            self.instances.insert(id, is);
        }
        self.unanswered = None;
    }
}

/// A namespace and a service of A and SRV records, all of whose instances DNS shows.
fn set_up(server: &Server) -> String {
    let mut api = Api::connect(server.api.unwrap()).unwrap();
    let started = api.must("CreatePrivateDnsNamespace", &json!({ "Name": "z.test", "Vpc": "vpc-1" }));
    let operation = api.must("GetOperation", &json!({ "OperationId": started["OperationId"] }));
    let namespace = &operation["Operation"]["Targets"]["NAMESPACE"];
    let records = json!([{ "Type": "A", "TTL": 1 }, { "Type": "SRV", "TTL": 1 }]);
    let input = json!({ "Name": "s", "NamespaceId": namespace, "DnsConfig": { "DnsRecords": records } });
    let service = api.must("CreateService", &input)["Service"]["Id"].as_str().unwrap().to_owned();
    let limit = json!({ "ServiceId": service, "Attributes": { "FINGERPOST_LIMIT": "all" } });
    api.must("UpdateServiceAttributes", &limit);
    service
}

/// All instances as `ListInstances` has them; each is as `GetInstance` and DNS have it.
fn read_all(server: &Server, service: &str) -> Instances {
    let mut api = Api::connect(server.api.unwrap()).unwrap();
    let mut found = Instances::new();
    let mut token = Value::Null;
    loop {
        let page = api.must("ListInstances", &json!({ "ServiceId": service, "MaxResults": 20, "NextToken": token }));
        for instance in page["Instances"].as_array().unwrap() {
            let id = instance["Id"].as_str().unwrap().to_owned();
            let version = instance["Attributes"]["version"].as_str().unwrap().parse().unwrap();
            assert_eq!(instance["Attributes"], attributes(version), "{id}");
            assert!(found.insert(id, Some(version)).is_none());
        }
        token = page["NextToken"].clone();
        if token.is_null() {
            break;
        }
    }
    let dns = Udp::connect(server.address());
    for id in (0..CLIENTS).flat_map(|client| (0..IDS).map(move |id| format!("c{client}-{id}"))) {
        let one = api.call("GetInstance", &json!({ "ServiceId": service, "InstanceId": id })).unwrap();
        let response = dns.ask(&query(&format!("{id}.s.z.test."), RecordType::A));
        match found.get(&id).copied().flatten() {
            Some(version) => {
                assert_eq!(one.unwrap()["Instance"]["Attributes"], attributes(version), "{id}");
                assert_eq!(addresses(&response), [IpAddr::V4(address(version))], "{id}");
            }
            None => {
                assert_eq!(one.unwrap_err(), "InstanceNotFound");
                assert_eq!(response.metadata.response_code, ResponseCode::NXDomain, "{id}: {response:?}");
            }
        }
    }
    let mut shown = addresses(&crate::support::Tcp::connect(server.address()).ask(&query("s.z.test.", RecordType::A)));
    let mut expected: Vec<IpAddr> = found.values().flatten().map(|version| address(*version).into()).collect();
    shown.sort_unstable();
    expected.sort_unstable();
    expected.dedup();
    assert_eq!(shown, expected, "all answer");
    found
}

/// Looks at the numbers; none is less than it was.
fn check_marks(server: &Server, marks: &Marks) {
    let soa = Udp::connect(server.address()).ask(&query("z.test.", RecordType::SOA));
    let serial = soa.answers.iter().find_map(|record| match &record.data {
        RData::SOA(soa) => Some(u64::from(soa.serial)),
        _ => None,
    });
    let input = json!({ "NamespaceName": "z.test", "ServiceName": "s" });
    let reply = Api::connect(server.api.unwrap()).unwrap().must("DiscoverInstancesRevision", &input);
    for (mark, is) in [(&marks.serial, serial), (&marks.revision, reply["InstancesRevision"].as_u64())] {
        let is = is.expect("a number");
        let was = mark.fetch_max(is, Ordering::Relaxed);
        assert!(is >= was, "{is} after {was}");
    }
}

#[test]
fn what_is_acknowledged_outlives_kills() {
    let launch = Launch::serve_nothing();
    let mut server = launch.clone().start();
    let service = set_up(&server);
    let marks = Marks::default();
    let mut clients: Vec<Known> =
        (0..CLIENTS).map(|client| Known { version: client << 20, ..Known::default() }).collect();
    let mut count = 0;
    for round in 0..ROUNDS {
        let api = server.api.unwrap();
        thread::scope(|scope| {
            for (number, client) in (0..).zip(&mut clients) {
                let (service, marks) = (&service, &marks);
                scope.spawn(move || client.work(number, api, service, marks));
            }
            thread::sleep(Duration::from_millis(fastrand::u64(1..600)));
            let soa = Udp::connect(server.address()).ask(&query("z.test.", RecordType::SOA));
            if let Some(RData::SOA(soa)) = soa.answers.first().map(|record| &record.data) {
                marks.serial.fetch_max(soa.serial.into(), Ordering::Relaxed);
            }
            server.signal(Signal::KILL);
            server.wait();
        });
        if round % 2 == 1 {
            // Once more, while it starts.
            launch.kill_after(Duration::from_millis(fastrand::u64(1..80)));
        }
        server = launch.clone().start();
        check_marks(&server, &marks);
        let found = read_all(&server, &service);
        let mut api = Api::connect(server.api.unwrap()).unwrap();
        for (number, client) in (0..).zip(&mut clients) {
            client.compare(number, &found);
            count += client.operations.len();
            // The last ones are those that a kill would take.
            let last = client.operations.len().saturating_sub(50);
            for id in client.operations.drain(..).skip(last) {
                let operation = api.must("GetOperation", &json!({ "OperationId": id }));
                assert_eq!(operation["Operation"]["Status"], "SUCCESS", "{operation}");
            }
        }
    }
    assert!(count > 100, "only {count} requests were acknowledged");
}

#[test]
fn a_second_server_is_refused() {
    let launch = Launch::serve_nothing();
    let server = launch.clone().start();
    let second = launch.dns("127.0.0.1:0").run();
    let text = String::from_utf8_lossy(&second.stderr);
    assert_eq!(second.status.code(), Some(78), "{text}");
    assert!(text.contains("has the registry in this folder open"), "{text}");
    assert!(server.try_get("/readyz").is_some_and(|(status, _)| status == 200));
}

#[test]
fn a_folder_of_a_newer_format_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let rows = folder.path().join("registry-v999");
    std::fs::write(&rows, "rows").unwrap();
    let refused = Launch::serve_nothing().flag("--data-dir", folder.path()).dns("127.0.0.1:0").run();
    let text = String::from_utf8_lossy(&refused.stderr);
    assert_eq!(refused.status.code(), Some(78), "{text}");
    assert!(text.contains("format 999"), "{text}");
    assert_eq!(std::fs::read(&rows).unwrap(), b"rows");
}

#[test]
fn a_folder_of_the_older_format_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let rows = folder.path().join("registry-v1.redb");
    std::fs::write(&rows, "rows").unwrap();
    let refused = Launch::serve_nothing().flag("--data-dir", folder.path()).dns("127.0.0.1:0").run();
    let text = String::from_utf8_lossy(&refused.stderr);
    assert_eq!(refused.status.code(), Some(78), "{text}");
    assert!(text.contains(rows.to_str().unwrap()), "{text}");
    assert!(text.contains("`fingerpost export` of the version that wrote it"), "{text}");
    assert!(text.contains("`fingerpost import`"), "{text}");
    assert_eq!(std::fs::read(&rows).unwrap(), b"rows");
    assert!(!folder.path().join("registry-v2").exists());
}
