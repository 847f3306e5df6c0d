//! Upstreams: Unbound with records of its own, dnsmasq, and a stand-in that counts and may keep silent.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::fs;
use std::net::{SocketAddr, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{JoinHandle, sleep, spawn};
use std::time::{Duration, Instant};

use hickory_proto::op::{Message, MessageType};
use hickory_proto::rr::rdata::A;
use hickory_proto::rr::{RData, Record, RecordType};
use tempfile::TempDir;

use crate::support::{PATIENCE, Udp, free_address, query};

//----------- Daemons ----------------------------------------------------------

/// A name server of others; dropping it kills it.
pub(crate) struct Daemon {
    child: Child,
    pub(crate) address: SocketAddr,
    _folder: TempDir,
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Where `name` is, which need not be on the path.
fn program(name: &str) -> PathBuf {
    let paths = ["/usr/sbin", "/sbin"].map(|folder| Path::new(folder).join(name));
    paths.into_iter().find(|path| path.is_file()).unwrap_or_else(|| name.into())
}

/// Starts `command` and waits until it answers at `address`, over whatever it speaks there.
#[track_caller]
fn start(mut command: Command, address: SocketAddr, folder: TempDir, probe: impl Fn() -> bool) -> Daemon {
    let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let mut daemon = Daemon { child, address, _folder: folder };
    let begun = Instant::now();
    while !probe() {
        assert!(begun.elapsed() < PATIENCE, "the upstream does not become ready");
        assert!(daemon.child.try_wait().unwrap().is_none(), "the upstream has ended");
        sleep(Duration::from_millis(10));
    }
    daemon
}

/// Whether somebody answers DNS over UDP at `address`.
fn answers(address: SocketAddr) -> bool {
    let udp = Udp::connect(address);
    udp.set_patience(Duration::from_millis(200));
    udp.try_ask(&query("ready.test.", RecordType::A)).is_ok()
}

/// Unbound with `records` in zones of its own, and with further lines for its `server:` clause.
#[track_caller]
pub(crate) fn unbound(address: SocketAddr, records: &[&str], server: &str, probe: Option<&dyn Fn() -> bool>) -> Daemon {
    let folder = tempfile::tempdir().unwrap();
    let mut text = format!(
        "server:\n  interface: {ip}@{port}\n  port: {port}\n  do-daemonize: no\n  use-syslog: no\n  username: \"\"\n  \
         chroot: \"\"\n  directory: {folder:?}\n  pidfile: \"\"\n  module-config: \"iterator\"\n  minimal-responses: no\n  \
         local-zone: \"test.\" static\n  local-data: \"test. 60 SOA ns.test. host.test. 1 2 3 4 60\"\n  \
         local-zone: \"example.org.\" static\n{server}",
        ip = address.ip(),
        port = address.port(),
        folder = folder.path(),
    );
    for record in records {
        writeln!(text, "  local-data: '{record}'").unwrap();
    }
    text += "remote-control:\n  control-enable: no\n";
    let configuration = folder.path().join("unbound.conf");
    fs::write(&configuration, text).unwrap();
    let mut command = Command::new(program("unbound"));
    command.arg("-d").arg("-c").arg(configuration);
    start(command, address, folder, || probe.map_or_else(|| answers(address), |probe| probe()))
}

/// dnsmasq that forwards everything to `upstream`.
#[track_caller]
pub(crate) fn dnsmasq(upstream: SocketAddr) -> Daemon {
    let folder = tempfile::tempdir().unwrap();
    let address = free_address();
    let mut command = Command::new(program("dnsmasq"));
    let user = if rustix::process::geteuid().is_root() { "--user=root" } else { "--bind-interfaces" };
    command.args(["--keep-in-foreground", "--conf-file=/dev/null", "--no-resolv", "--no-hosts", "--bind-interfaces"]);
    command.args(["--listen-address=127.0.0.1", "--pid-file=", "--address=/ready.test/127.0.0.9", user]);
    command.arg(format!("--port={}", address.port()));
    command.arg(format!("--server={}#{}", upstream.ip(), upstream.port()));
    start(command, address, folder, || answers(address))
}

//----------- StandIn ----------------------------------------------------------

/// An upstream in this process: it answers every A query alike, late, and not at all while it is silent.
pub(crate) struct StandIn {
    pub(crate) address: SocketAddr,
    silent: Arc<AtomicBool>,
    stop: Arc<AtomicBool>,
    asked: Arc<Mutex<HashMap<String, usize>>>,
    thread: Option<JoinHandle<()>>,
}

impl StandIn {
    /// One that waits for `delay` before it answers 192.0.2.7, for `ttl` seconds.
    pub(crate) fn start(delay: Duration, ttl: u32) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let address = socket.local_addr().unwrap();
        let (silent, stop) = (Arc::<AtomicBool>::default(), Arc::<AtomicBool>::default());
        let asked = Arc::<Mutex<HashMap<String, usize>>>::default();
        socket.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
        let thread = spawn({
            let (silent, stop, asked) = (Arc::clone(&silent), Arc::clone(&stop), Arc::clone(&asked));
            move || {
                let mut buffer = [0; 4096];
                while !stop.load(Ordering::Relaxed) {
                    let Ok((received, client)) = socket.recv_from(&mut buffer) else { continue };
                    let mut message = Message::from_vec(&buffer[..received]).unwrap();
                    let name = message.queries[0].name().to_string();
                    // Probes are not what tests count.
                    if name != "." && !name.contains("fingerpost-probe") {
                        *asked.lock().unwrap().entry(name).or_default() += 1;
                    }
                    if silent.load(Ordering::Relaxed) {
                        continue;
                    }
                    message.metadata.message_type = MessageType::Response;
                    let owner = message.queries[0].name().clone();
                    message.add_answer(Record::from_rdata(owner, ttl, RData::A(A::new(192, 0, 2, 7))));
                    let (socket, response) = (socket.try_clone().unwrap(), message.to_vec().unwrap());
                    if delay.is_zero() {
                        socket.send_to(&response, client).unwrap();
                    } else {
                        spawn(move || {
                            sleep(delay);
                            socket.send_to(&response, client).unwrap();
                        });
                    }
                }
            }
        });
        Self { address, silent, stop, asked, thread: Some(thread) }
    }

    /// Answers no more, or again.
    pub(crate) fn set_silent(&self, silent: bool) {
        self.silent.store(silent, Ordering::Relaxed);
    }

    /// How often it was asked for `name`.
    pub(crate) fn asked(&self, name: &str) -> usize {
        self.asked.lock().unwrap().get(name).copied().unwrap_or(0)
    }

    /// How often it was asked at all.
    pub(crate) fn asked_in_all(&self) -> usize {
        self.asked.lock().unwrap().values().sum()
    }
}

impl Drop for StandIn {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
