//! The three servers, on one folder of zone files.

use std::fmt::Write as _;
use std::io::{Read, Write as _};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use std::{env, fs};

use tempfile::TempDir;

use super::generate::{Query, Zone};
use super::response::Response;
use super::support::{Launch, PATIENCE, Server, free_address};

/// Octets of a response over UDP, with EDNS; all three servers are told so.
pub(crate) const EDNS_PAYLOAD: u16 = 1232;

/// Fingerpost, NSD and Knot with the same zones.
pub(crate) struct Trio {
    pub(crate) fingerpost: Peer,
    pub(crate) nsd: Peer,
    pub(crate) knot: Peer,
    // Behind the peers, since they are dropped in this order.
    _server: Server,
    _folder: TempDir,
}

impl Trio {
    /// Starts all three and waits until they answer for the last zone.
    pub(crate) fn start<'z>(zones: impl Iterator<Item = &'z Zone>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let files = folder.path().join("zones");
        fs::create_dir(&files).unwrap();
        let zones: Vec<&Zone> = zones.collect();
        for (number, zone) in zones.iter().enumerate() {
            fs::write(files.join(format!("{number}.zone")), &zone.text).unwrap();
        }
        // They write their own files beside the zones.
        let nsd = Peer::start("nsd", &["-d", "-c"], nsd_configuration, folder.path(), &zones);
        let knot = Peer::start("knotd", &["-c"], knot_configuration, folder.path(), &zones);
        let server = Launch::serve(&files).start();
        let fingerpost = Peer::at("fingerpost", server.address());
        let trio = Self { fingerpost, nsd, knot, _server: server, _folder: folder };
        for peer in [&trio.nsd, &trio.knot, &trio.fingerpost] {
            for zone in &zones {
                peer.wait_for(zone);
            }
        }
        trio
    }
}

/// A server that can be asked. Dropping it ends it.
pub(crate) struct Peer {
    pub(crate) name: &'static str,
    address: SocketAddr,
    socket: UdpSocket,
    child: Option<Child>,
    /// Its log, if it has a file for it.
    log: Option<PathBuf>,
}

impl Peer {
    /// The server at `address`.
    fn at(name: &'static str, address: SocketAddr) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(2))).unwrap();
        socket.connect(address).unwrap();
        Self { name, address, socket, child: None, log: None }
    }

    /// Starts the program `name` in a folder of its own.
    fn start(
        name: &'static str,
        arguments: &[&str],
        configuration: fn(SocketAddr, &Path, &[&Zone]) -> String,
        folder: &Path,
        zones: &[&Zone],
    ) -> Self {
        let own = folder.join(name);
        fs::create_dir(&own).unwrap();
        let address = free_address();
        fs::write(own.join("configuration"), configuration(address, &own, zones)).unwrap();
        let path = env::var("PATH").unwrap_or_default() + ":/usr/sbin:/sbin";
        let log = fs::File::create(own.join("log")).unwrap();
        let child = Command::new(name)
            .env("PATH", path)
            .args(arguments)
            .arg("configuration")
            .current_dir(&own)
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        let mut peer = Self::at(name, address);
        (peer.child, peer.log) = (Some(child), Some(own.join("log")));
        peer
    }

    /// Waits until the zone's SOA comes back. A zone that a server does not take is a fault of the generator.
    fn wait_for(&self, zone: &Zone) {
        let query = Query { name: zone.apex.clone(), qtype: 6, edns: false };
        let begun = Instant::now();
        let mut response = None;
        while begun.elapsed() < PATIENCE {
            response = self.exchange(&query);
            if response.as_ref().is_some_and(|response| response.rcode == 0 && response.authoritative) {
                return;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        let log = self.log.as_ref().map(|log| fs::read_to_string(log).unwrap_or_default()).unwrap_or_default();
        panic!("{} does not serve this: {response:?}\n{}\n{log}", self.name, zone.text);
    }

    /// Asks over UDP. `None` where the server is silent, or answers nonsense.
    pub(crate) fn ask(&self, query: &Query) -> Option<Response> {
        // A datagram may be lost where the machine is busy.
        (0..3).find_map(|_| self.exchange(query))
    }

    /// Asks over UDP, once.
    fn exchange(&self, query: &Query) -> Option<Response> {
        let message = message(query);
        self.socket.send(&message).ok()?;
        let mut buffer = [0; 4096];
        loop {
            let length = self.socket.recv(&mut buffer).ok()?;
            if buffer[..2] == message[..2] {
                return Response::parse(&buffer[..length]);
            }
        }
    }

    /// Asks over TCP. `None` where the server is silent, or answers nonsense.
    pub(crate) fn ask_whole(&self, query: &Query) -> Option<Response> {
        let message = message(query);
        let mut stream = TcpStream::connect(self.address).ok()?;
        stream.set_read_timeout(Some(PATIENCE)).ok()?;
        stream.write_all(&[&(message.len() as u16).to_be_bytes()[..], &message].concat()).ok()?;
        let mut length = [0; 2];
        stream.read_exact(&mut length).ok()?;
        let mut response = vec![0; u16::from_be_bytes(length).into()];
        stream.read_exact(&mut response).ok()?;
        Response::parse(&response)
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            // A plain kill would leave the processes that NSD has started.
            if let Some(pid) = i32::try_from(child.id()).ok().and_then(rustix::process::Pid::from_raw) {
                let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
            }
            let begun = Instant::now();
            while begun.elapsed() < PATIENCE && matches!(child.try_wait(), Ok(None)) {
                std::thread::sleep(Duration::from_millis(5));
            }
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// The query's message, with a random id.
fn message(query: &Query) -> Vec<u8> {
    let mut message = fastrand::u16(..).to_be_bytes().to_vec();
    message.extend([0, 0, 0, 1, 0, 0, 0, 0, 0, u8::from(query.edns)]);
    message.extend(query.name.to_wire());
    message.extend(query.qtype.to_be_bytes());
    message.extend([0, 1]);
    if query.edns {
        message.extend([0, 0, 41]);
        message.extend(EDNS_PAYLOAD.to_be_bytes());
        message.extend([0; 6]);
    }
    message
}

/// NSD as a plain process in its folder.
fn nsd_configuration(address: SocketAddr, folder: &Path, zones: &[&Zone]) -> String {
    let (folder, ip, port) = (folder.display(), address.ip(), address.port());
    let mut text = format!(
        "server:
  server-count: 1
  ip-address: {ip}@{port}
  do-ip6: no
  zonesdir: \"{folder}\"
  pidfile: \"{folder}/nsd.pid\"
  xfrdfile: \"{folder}/xfrd\"
  xfrdir: \"{folder}\"
  zonelistfile: \"{folder}/zonelist\"
  database: \"\"
  username: \"\"
  rrl-ratelimit: 0
  ipv4-edns-size: {EDNS_PAYLOAD}
remote-control:
  control-enable: no
"
    );
    for (number, zone) in zones.iter().enumerate() {
        writeln!(text, "zone:\n  name: \"{}\"\n  zonefile: \"../zones/{number}.zone\"", zone.apex).unwrap();
    }
    text
}

/// Knot as a plain process in its folder.
fn knot_configuration(address: SocketAddr, folder: &Path, zones: &[&Zone]) -> String {
    let (folder, ip, port) = (folder.display(), address.ip(), address.port());
    let mut text = format!(
        "server:
    listen: {ip}@{port}
    rundir: \"{folder}\"
    udp-workers: 1
    tcp-workers: 1
    background-workers: 1
    udp-max-payload: {EDNS_PAYLOAD}
database:
    storage: \"{folder}/db\"
log:
  - target: stderr
    any: warning
template:
  - id: default
    storage: \"{folder}/../zones\"
    zonefile-sync: -1
    zonefile-load: whole
    journal-content: none
    semantic-checks: off
zone:
"
    );
    for (number, zone) in zones.iter().enumerate() {
        writeln!(text, "  - domain: {}\n    file: \"{number}.zone\"", zone.apex).unwrap();
    }
    text
}
