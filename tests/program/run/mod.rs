//! `fingerpost run`: real commands, a real server, over gRPC and over the AWS API.
//!
//! [`register`] is about when an instance is there, [`stop`] about how it goes and what the command sees of it,
//! [`outage`] about a registry that is away, [`rolling`] about clients who must not notice.

mod outage;
mod register;
mod rolling;
mod stop;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{self, Child};
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};
use std::thread::{self, sleep};
use std::time::{Duration, Instant};

use hickory_proto::rr::RecordType;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::TempDir;

use crate::client;
use crate::support::{Launch, PATIENCE, Server, Udp, addresses, query};

/// The port of every task: each has an address of its own.
const PORT: u16 = 18_080;

/// The service's name in DNS.
const NAME: &str = "api.production.local.";

//----------- The registry -----------------------------------------------------

/// Both ways into the registry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Grpc,
    Aws,
}

impl Way {
    const BOTH: [Self; 2] = [Self::Grpc, Self::Aws];

    /// The flag that says so.
    fn flag(self, server: &Server) -> [String; 2] {
        match self {
            Self::Grpc => ["--endpoint".into(), format!("http://{}", server.grpc.unwrap())],
            Self::Aws => ["--aws-endpoint".into(), format!("http://{}", server.api.unwrap())],
        }
    }
}

/// A server with the service `api.production.local`, whose records have this TTL.
fn server(ttl: u32, custom_health: bool) -> Server {
    let server = Launch::serve_nothing().flag("--custom-health-delay", "0").start();
    create(&server, ttl, custom_health);
    server
}

/// Makes the service.
fn create(server: &Server, ttl: u32, custom_health: bool) {
    client::run(server, "create namespace production.local").out();
    let custom = if custom_health { "--custom-health" } else { "" };
    client::run(server, &format!("create service api -n production.local --record A:{ttl} {custom}")).out();
}

/// What DNS has of the service.
fn found(server: &Server) -> Vec<IpAddr> {
    addresses(&Udp::connect(server.address()).ask(&query(NAME, RecordType::A)))
}

/// What the API has of it.
fn listed(server: &Server) -> Vec<Value> {
    serde_json::from_str(&client::run(server, "get instances api.production.local -o json").out()).unwrap()
}

//----------- Agents -----------------------------------------------------------

/// `fingerpost run` with these words; what follows `--` is the command.
fn agent(words: &[&str], command: &[&str]) -> Launch {
    let service = ["run", "--service", "api.production.local", "--verbose"];
    Launch::of(service.iter().chain(words).chain(&["--"]).chain(command))
        .variable("ECS_CONTAINER_METADATA_URI_V4", "")
        .variable("AWS_ACCESS_KEY_ID", "")
        .variable("AWS_SECRET_ACCESS_KEY", "")
        .variable("HOME", "/nonexistent")
}

/// An agent that runs.
struct Agent {
    child: Child,
    out: Receiver<String>,
    err: Arc<Mutex<Vec<String>>>,
}

impl Agent {
    fn start(launch: &Launch) -> Self {
        let mut child = launch.spawn();
        let (sender, out) = channel();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        thread::spawn(move || lines.map_while(Result::ok).try_for_each(|line| sender.send(line)));
        let lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let err = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&err);
        thread::spawn(move || lines.map_while(Result::ok).for_each(|line| log.lock().unwrap().push(line)));
        Self { child, out, err }
    }

    /// The next line of the command's standard output.
    #[track_caller]
    fn line(&self) -> String {
        self.out.recv_timeout(PATIENCE).expect("no line")
    }

    /// Whether it has said this on standard error.
    fn said(&self, text: &str) -> bool {
        self.err.lock().unwrap().iter().any(|line| line.starts_with("fingerpost run: ") && line.contains(text))
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// Its exit code once it has ended.
    #[track_caller]
    fn wait(&mut self) -> Option<i32> {
        let begun = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                assert_eq!(status.signal(), None);
                return status.code();
            }
            assert!(begun.elapsed() < PATIENCE, "it does not end");
            sleep(Duration::from_millis(1));
        }
    }

    fn has_ended(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        if thread::panicking() {
            eprintln!("the agent said:\n  {}", self.err.lock().unwrap().join("\n  "));
        }
        // Told twice, it passes the signal on at once; the commands of these tests end by it.
        for _ in 0..20 {
            if self.has_ended() {
                return;
            }
            self.signal(Signal::TERM);
            sleep(Duration::from_millis(50));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

//----------- Tasks ------------------------------------------------------------

/// A task with an address of its own on loopback, ready when it is told to be.
struct Task {
    address: Ipv4Addr,
    folder: Arc<TempDir>,
    name: String,
}

impl Task {
    fn new(folder: &Arc<TempDir>) -> Self {
        static NEXT: AtomicU16 = AtomicU16::new(1);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let [high, low] = number.to_be_bytes();
        let address = Ipv4Addr::new(127, 10 + (process::id() % 200) as u8, high, low);
        Self { address, folder: Arc::clone(folder), name: format!("task-{number}") }
    }

    /// The file that makes it ready.
    fn ready_file(&self) -> PathBuf {
        self.folder.path().join(&self.name)
    }

    fn set_ready(&self, ready: bool) {
        if ready { std::fs::write(self.ready_file(), "") } else { std::fs::remove_file(self.ready_file()) }.unwrap();
    }

    /// The agent that runs it, with these further words.
    fn agent(&self, server: &Server, way: Way, more: &str) -> Launch {
        let flag = way.flag(server);
        let (address, port, ready) = (self.address.to_string(), PORT.to_string(), self.ready_file());
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/program/run/serve.py");
        let mut words = vec![&*flag[0], &flag[1], "--id", &self.name, "--address", &address, "--port", &port];
        words.extend(["--health-interval", "100ms", "--health", "http:/ready"]);
        words.extend(more.split_whitespace());
        let command = ["python3", "-S", script.to_str().unwrap(), &address, &port, ready.to_str().unwrap()];
        agent(&words, &command)
    }

    /// Asks it something; whether it answers.
    fn answers(&self) -> bool {
        answers(self.address.into())
    }
}

/// Makes a request of a task; whether it is answered.
fn answers(address: IpAddr) -> bool {
    let ask = || -> std::io::Result<String> {
        let mut stream = TcpStream::connect_timeout(&SocketAddr::new(address, PORT), Duration::from_secs(5))?;
        stream.set_read_timeout(Some(Duration::from_secs(5)))?;
        stream.write_all(b"GET / HTTP/1.1\r\nhost: api\r\n\r\n")?;
        let mut text = String::new();
        stream.read_to_string(&mut text)?;
        Ok(text)
    };
    ask().is_ok_and(|text| text.starts_with("HTTP/1.1 200 "))
}

/// Asserts that something stays as it is.
#[track_caller]
fn stays(what: &str, time: Duration, mut holds: impl FnMut() -> bool) {
    let begun = Instant::now();
    while begun.elapsed() < time {
        assert!(holds(), "{what}");
        sleep(Duration::from_millis(10));
    }
}
