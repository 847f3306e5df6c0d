//! NSD and Knot as secondaries of a namespace that changes, through a restart of ours: in the end they have what
//! `fingerpost export --zone` writes, octet for octet.

use std::fs;
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use super::{KEY, SECRET, ZONE, dig, keys, populate, records, serial, serve};
use crate::client::run;
use crate::support::{Launch, Server, have_tool};

/// How long a secondary may take to follow: NSD looks at its files before it shows what came.
const PATIENCE: Duration = Duration::from_secs(30);

/// An address that UDP and TCP both have free.
fn free_address() -> SocketAddr {
    loop {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        if UdpSocket::bind(address).is_ok() {
            return address;
        }
    }
}

/// A server of others. Dropping it ends it, and shows its log if the test is failing.
struct Secondary {
    name: &'static str,
    address: SocketAddr,
    child: Child,
    log: std::path::PathBuf,
}

impl Secondary {
    /// Starts the program `name` in a folder of its own.
    fn start(name: &'static str, arguments: &[&str], address: SocketAddr, configuration: &str, folder: &Path) -> Self {
        fs::write(folder.join("configuration"), configuration).unwrap();
        let path = std::env::var("PATH").unwrap_or_default() + ":/usr/sbin:/sbin";
        let log = folder.join("log");
        let output = fs::File::create(&log).unwrap();
        let child = Command::new(name)
            .env("PATH", path)
            .args(arguments)
            .arg("configuration")
            .current_dir(folder)
            .stdin(Stdio::null())
            .stdout(output.try_clone().unwrap())
            .stderr(output)
            .spawn()
            .unwrap();
        Self { name, address, child, log }
    }

    /// NSD.
    fn nsd(address: SocketAddr, primary: SocketAddr, folder: &Path) -> Self {
        let (path, port, from) = (folder.display(), address.port(), primary.port());
        let configuration = format!(
            "server:
  server-count: 1
  ip-address: 127.0.0.1@{port}
  do-ip6: no
  zonesdir: \"{path}\"
  pidfile: \"{path}/nsd.pid\"
  xfrdfile: \"{path}/xfrd\"
  xfrdir: \"{path}\"
  zonelistfile: \"{path}/zonelist\"
  database: \"\"
  username: \"\"
  rrl-ratelimit: 0
  xfrd-reload-timeout: 0
  verbosity: 2
remote-control:
  control-enable: no
key:
  name: {KEY}
  algorithm: hmac-sha256
  secret: \"{SECRET}\"
zone:
  name: {ZONE}
  zonefile: secondary.zone
  request-xfr: 127.0.0.1@{from} {KEY}
  allow-notify: 127.0.0.1 {KEY}
  provide-xfr: 127.0.0.1 NOKEY
"
        );
        Self::start("nsd", &["-d", "-c"], address, &configuration, folder)
    }

    /// Knot.
    fn knot(address: SocketAddr, primary: SocketAddr, folder: &Path) -> Self {
        let (path, port, from) = (folder.display(), address.port(), primary.port());
        let configuration = format!(
            "server:
    listen: 127.0.0.1@{port}
    rundir: \"{path}\"
    udp-workers: 1
    tcp-workers: 1
    background-workers: 1
database:
    storage: \"{path}/db\"
log:
  - target: stderr
    any: info
key:
  - id: {KEY}
    algorithm: hmac-sha256
    secret: {SECRET}
remote:
  - id: primary
    address: 127.0.0.1@{from}
    key: {KEY}
acl:
  - id: notify
    address: 127.0.0.1
    key: {KEY}
    action: notify
  - id: all
    address: 127.0.0.1
    action: transfer
template:
  - id: default
    storage: \"{path}\"
zone:
  - domain: {ZONE}
    master: primary
    acl: [notify, all]
"
        );
        Self::start("knotd", &["-c"], address, &configuration, folder)
    }

    /// Waits until it has the zone with `wanted` for its serial.
    #[track_caller]
    fn wait_for(&self, wanted: u32) {
        let begun = Instant::now();
        let mut found = None;
        while begun.elapsed() < PATIENCE {
            found = serial(self.address);
            if found == Some(wanted) {
                return;
            }
            sleep(Duration::from_millis(50));
        }
        panic!("{} has {found:?} and not {wanted}", self.name);
    }

    /// Its records.
    fn zone(&self) -> Vec<String> {
        records(&dig(self.address, &["AXFR", ZONE, "+onesoa"]))
    }
}

impl Drop for Secondary {
    fn drop(&mut self) {
        // A plain kill would leave the processes that NSD has started.
        let _ = kill_process(Pid::from_child(&self.child), Signal::TERM);
        let begun = Instant::now();
        while begun.elapsed() < PATIENCE && matches!(self.child.try_wait(), Ok(None)) {
            sleep(Duration::from_millis(5));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("the log of {}:\n{}", self.name, fs::read_to_string(&self.log).unwrap_or_default());
        }
    }
}

/// Instances that come, go, and change their health.
fn churn(server: &Server, from: u32, to: u32) {
    for number in from..to {
        let (id, ip) = (number % 40, number % 250 + 1);
        match number % 5 {
            0 => run(server, &format!("register web.{ZONE} --id w{id} --ip 10.0.2.{ip} --port {}", 1000 + number)),
            1 => run(server, &format!("health api.{ZONE} t{} unhealthy", number % 12 + 1)),
            2 => run(server, &format!("health api.{ZONE} t{} healthy", number % 12 + 1)),
            3 => run(server, &format!("deregister web.{ZONE} w{}", (number - 3) % 40)),
            _ => run(server, &format!("register web.{ZONE} --id x{id} --ip 10.0.3.{ip} --port 80")),
        }
        .out();
    }
}

#[test]
fn secondaries_follow_and_end_equal() {
    if !["dig", "nsd", "knotd"].into_iter().all(have_tool) {
        return;
    }
    let folder = TempDir::new().unwrap();
    let [data, nsd, knot] = ["data", "nsd", "knot"].map(|name| folder.path().join(name));
    [&nsd, &knot].into_iter().for_each(|folder| fs::create_dir(folder).unwrap());
    let [primary, nsd_address, knot_address] = [(); 3].map(|()| free_address());
    let rule = format!("allow=127.0.0.0/8,keys={KEY},notify={nsd_address},{knot_address}");
    let launch = serve(&rule, &keys(folder.path())).flag("--data-dir", &data).dns(&primary.to_string());
    let mut server = launch.start_as_is();
    populate(&server);
    let secondaries = [Secondary::nsd(nsd_address, primary, &nsd), Secondary::knot(knot_address, primary, &knot)];
    let followed = |server: &Server| {
        let wanted = serial(server.address()).unwrap();
        secondaries.iter().for_each(|secondary| secondary.wait_for(wanted));
        wanted
    };
    followed(&server);
    churn(&server, 0, 100);
    let before = followed(&server);
    let metrics = server.metrics();
    let kinds = metrics.family("fingerpost_transfers_total");
    assert!(kinds[r#"kind="ixfr""#] >= 4, "{kinds:?}");
    let notified = metrics.family("fingerpost_notifies_total");
    assert!(notified[r#"result="acknowledged""#] >= 4, "{notified:?}");

    // They ask the new one for what they missed, whose serial does not go back.
    server.signal(Signal::TERM);
    assert!(server.wait().success());
    server = launch.start_as_is();
    assert!(serial(server.address()).unwrap() >= before);
    churn(&server, 100, 150);
    assert!(followed(&server) > before);
    server.signal(Signal::TERM);
    assert!(server.wait().success());

    let output = Launch::of(["export", "--zone", ZONE]).flag("--data-dir", &data).run();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let mut lines: Vec<String> = String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect();
    lines.sort();
    assert!(lines.len() > 20, "{lines:?}");
    for secondary in &secondaries {
        assert_eq!(secondary.zone().join("\n"), lines.join("\n"), "{}", secondary.name);
    }
}
