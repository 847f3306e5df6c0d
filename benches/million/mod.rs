//! The real program with one million instances: what is stored, how it is started, and what DNS says.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::{self, OpenOptions};
use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use fingerpost::model::{
    DnsRecord, HealthCheck, HealthStatus, Instance, Namespace, NamespaceId, RecordType, Service, ServiceId, State,
};
use fingerpost::registry::store::Embedded;
use fingerpost::registry::{Command as RegistryCommand, Registry, Settings};
use fingerpost::wire::Name;

/// The namespace of all services.
pub(crate) const NAMESPACE: &str = "production.local";
/// Instances of a service.
pub(crate) const INSTANCES: u32 = 8;
/// After this the program is taken not to answer.
const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) fn service_name(number: u32) -> String {
    format!("service-{number:06}")
}

pub(crate) fn service_id(number: u32) -> ServiceId {
    ServiceId::of_name(&[NAMESPACE, &service_name(number)])
}

/// As long as the ids of tasks.
pub(crate) fn instance_id(service: u32, instance: u32) -> String {
    format!("{:032x}", u128::from(service) << 32 | u128::from(instance))
}

pub(crate) fn address(number: u32) -> Ipv4Addr {
    Ipv4Addr::from(0x0a00_0000 + number)
}

/// What ECS sets.
pub(crate) fn attributes(address: Ipv4Addr) -> [(&'static str, String); 8] {
    [
        ("AWS_INSTANCE_IPV4", address.to_string()),
        ("AWS_INSTANCE_PORT", "8080".to_owned()),
        ("AVAILABILITY_ZONE", "eu-central-1a".to_owned()),
        ("REGION", "eu-central-1".to_owned()),
        ("ECS_SERVICE_NAME", "checkout".to_owned()),
        ("ECS_CLUSTER_NAME", "production".to_owned()),
        ("ECS_TASK_DEFINITION_FAMILY", "checkout".to_owned()),
        ("AWS_INIT_HEALTH_STATUS", "HEALTHY".to_owned()),
    ]
}

/// Stores `services` services with A records.
pub(crate) fn fill(folder: &Path, services: u32) {
    fill_with(folder, services, &[RecordType::A], instance_id);
}

/// Stores `services` services with records of these types, and instances with these ids.
pub(crate) fn fill_with(folder: &Path, services: u32, types: &[RecordType], instance_id: fn(u32, u32) -> String) {
    let mut namespace = Namespace { id: Some(NamespaceId::of_name(&[NAMESPACE])), ..Namespace::default() };
    for number in 0..services {
        let instance = |instance: u32| {
            let attributes = attributes(address(number * INSTANCES + instance));
            let pairs = attributes.iter().map(|(key, value)| (*key, &**value));
            Instance::new(&instance_id(number, instance), None, pairs).with_status(HealthStatus::Healthy)
        };
        let service = Service {
            id: Some(service_id(number)),
            dns_records: types.iter().map(|one| DnsRecord { record_type: *one, ttl: 10 }).collect(),
            health_check: HealthCheck::Custom,
            instances: (0..INSTANCES).map(instance).collect(),
            ..Service::default()
        };
        namespace.services.insert(service_name(number).into(), service);
    }
    let state = State { namespaces: [(NAMESPACE.into(), namespace)].into(), ..State::default() };
    let store = Arc::new(Embedded::open(folder).expect("a store"));
    let mut registry = Registry::open(Settings::default(), store).expect("an empty registry");
    registry.apply(RegistryCommand::Import(state)).expect("a sound state");
}

/// The program: the one that was built with the benchmark, or another that it is to be compared with.
fn program() -> OsString {
    std::env::var_os("FINGERPOST_PROGRAM").unwrap_or_else(|| env!("CARGO_BIN_EXE_fingerpost").into())
}

//----------- The disk ---------------------------------------------------------

/// How often a second a page appended to a file in `folder` can be brought to disk, one after the other: more single
/// durable changes than that there cannot be.
#[allow(dead_code, reason = "not every benchmark compares itself with the disk")]
pub(crate) fn syncs(folder: &Path) -> f64 {
    let path = folder.join("syncs");
    let mut file = OpenOptions::new().create(true).append(true).open(&path).expect("a file");
    let (begun, mut count) = (Instant::now(), 0);
    while begun.elapsed() < Duration::from_secs(3) {
        file.write_all(&[0x5a; 4096]).expect("a page");
        file.sync_data().expect("a disk");
        count += 1;
    }
    let rate = f64::from(count) / begun.elapsed().as_secs_f64();
    fs::remove_file(path).expect("a file that goes");
    rate
}

//----------- Server -----------------------------------------------------------

/// The program.
pub(crate) struct Server {
    child: Child,
    /// Where it answers DNS.
    pub(crate) dns: SocketAddr,
    /// Its other channel: the AWS API, or gRPC.
    pub(crate) channel: SocketAddr,
}

impl Server {
    /// Starts it with one channel (`api` or `grpc`) and waits until it says that it is ready.
    pub(crate) fn start(folder: &Path, channel: &str) -> Self {
        let other = if channel == "api" { "--grpc" } else { "--api" };
        let keys = [("FINGERPOST_ACCESS_KEY_ID", "bench"), ("FINGERPOST_SECRET_ACCESS_KEY", "secret")];
        let keys = if channel == "api" { &keys[..] } else { &[] };
        let mut command = Command::new(program());
        command
            .args(["serve", "--dns", "127.0.0.1:0", "--admin", "127.0.0.1:0", other, "off"])
            .args([&format!("--{channel}"), "127.0.0.1:0", "--log-level", "error", "--data-dir"])
            .arg(folder)
            // Keys of the API alone would close the other channel.
            .envs(keys.iter().copied());
        Self::spawn(command, channel)
    }

    /// Starts one that follows `primary`, and keeps the state in `folder`.
    #[allow(dead_code, reason = "not every benchmark has followers")]
    pub(crate) fn follow(folder: &Path, primary: SocketAddr) -> Self {
        let mut command = Command::new(program());
        command
            .args(["serve", "--dns", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--log-level", "error"])
            .args(["--follow", &format!("http://{primary}"), "--data-dir"])
            .arg(folder);
        Self::spawn(command, "dns")
    }

    fn spawn(mut command: Command, channel: &str) -> Self {
        let mut child = command.stderr(Stdio::piped()).spawn().expect("the program");
        let (mut dns, mut at) = (None, None);
        let lines = BufReader::new(child.stderr.take().expect("standard error")).lines();
        for line in lines.map_while(Result::ok).take_while(|line| line != "ready") {
            if let Some(address) = line.strip_prefix("listening on dns udp+tcp ") {
                dns = address.parse().ok();
            } else if let Some(address) = line.strip_prefix(&format!("listening on {channel} http ")) {
                at = address.parse().ok();
            }
        }
        let dns = dns.expect("where DNS is answered");
        Self { child, dns, channel: if channel == "dns" { dns } else { at.expect("where the channel is") } }
    }

    /// Asks for a service until all of its instances are the answer.
    pub(crate) fn wait_for_answer(&self, service: u32) {
        let begun = Instant::now();
        while self.addresses(service).len() != INSTANCES as usize {
            assert!(begun.elapsed() < PATIENCE, "no right answer");
        }
    }

    /// The addresses of a service in DNS; more than eight do not fit an answer.
    pub(crate) fn addresses(&self, service: u32) -> Vec<u32> {
        let socket = UdpSocket::bind("127.0.0.1:0").expect("a socket");
        socket.set_read_timeout(Some(Duration::from_millis(500))).expect("a timeout");
        let mut packet = vec![0x12, 0x34, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
        let name = Name::parse(&format!("{}.{NAMESPACE}", service_name(service))).expect("a name");
        packet.extend_from_slice(name.as_wire());
        packet.extend_from_slice(&[0, 1, 0, 1]);
        socket.send_to(&packet, self.dns).expect("a query");
        let mut response = [0; 1500];
        let Ok(length) = socket.recv(&mut response) else { return Vec::new() };
        let records = response[packet.len()..length].chunks_exact(16);
        records.map(|record| u32::from_be_bytes(record[12..].try_into().expect("four octets"))).collect()
    }

    /// The time that each kind of its threads has used so far, by name.
    #[allow(dead_code, reason = "not every benchmark looks at the threads")]
    pub(crate) fn processor(&self) -> BTreeMap<String, Duration> {
        times_of(self.child.id())
    }

    /// A line of its status in MB.
    pub(crate) fn resident(&self, key: &str) -> u64 {
        self.memory("status", key)
    }

    /// A line of one of its files of memory (`status`, `smaps_rollup`) in MB.
    pub(crate) fn memory(&self, file: &str, key: &str) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/{file}", self.child.id())).expect("its status");
        let line = status.lines().find_map(|line| line.strip_prefix(key)).expect("the line");
        line.split_whitespace().find_map(|word| word.parse::<u64>().ok()).expect("a number") / 1000
    }
}

impl Server {
    /// Has it end in order, and waits for that.
    #[allow(dead_code, reason = "not every benchmark stops it in order")]
    pub(crate) fn stop(mut self) {
        let id = self.child.id().to_string();
        Command::new("kill").arg(id).status().expect("a signal");
        self.child.wait().expect("its end");
    }
}

/// The time that each kind of threads of a process has used so far, by name.
#[allow(dead_code, reason = "not every benchmark looks at the threads")]
pub(crate) fn times_of(process: u32) -> BTreeMap<String, Duration> {
    let mut times = BTreeMap::new();
    let tasks = fs::read_dir(format!("/proc/{process}/task")).expect("its threads");
    for task in tasks.map(|task| task.expect("a thread").path()) {
        // One that has just ended has told nobody.
        let Ok(text) = fs::read_to_string(task.join("stat")) else { continue };
        let (Some(start), Some(end)) = (text.find('('), text.rfind(')')) else { continue };
        let ticks =
            text[end + 1..].split_whitespace().skip(11).take(2).map(|ticks| ticks.parse::<u64>().expect("ticks"));
        // A hundred ticks a second, as every Linux tells.
        *times.entry(text[start + 1..end].to_owned()).or_default() += Duration::from_millis(ticks.sum::<u64>() * 10);
    }
    times
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
