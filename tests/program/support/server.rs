//! The program as a child process: started, watched through its standard error, stopped, and never left behind.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle, sleep};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::TempDir;

use super::PATIENCE;

//----------- Launch -----------------------------------------------------------

/// How to start the program. The environment's own `FINGERPOST_…` variables do not reach it.
#[derive(Clone, Default)]
pub(crate) struct Launch {
    prefix: Vec<OsString>,
    arguments: Vec<OsString>,
    variables: Vec<(String, OsString)>,
    dns: Vec<String>,
    /// Where it keeps its state, unless it is told another place: removed with the last that uses it.
    data: Option<Arc<TempDir>>,
}

impl Launch {
    /// The program with these arguments.
    pub(crate) fn of<S: AsRef<OsStr>>(arguments: impl IntoIterator<Item = S>) -> Self {
        let arguments = arguments.into_iter().map(|argument| argument.as_ref().to_owned()).collect();
        Self { arguments, data: Some(Arc::new(TempDir::new().unwrap())), ..Self::default() }
    }

    /// `fingerpost serve` of what `path` declares, with two workers and free ports.
    pub(crate) fn serve(path: &Path) -> Self {
        Self::serve_nothing().flag("--declare", path)
    }

    /// `fingerpost serve` without a declaration.
    pub(crate) fn serve_nothing() -> Self {
        Self::of(["serve", "--admin", "127.0.0.1:0", "--workers", "2"])
    }

    /// Adds a flag with its value.
    pub(crate) fn flag(mut self, flag: &str, value: impl AsRef<OsStr>) -> Self {
        self.arguments.extend([flag.into(), value.as_ref().to_owned()]);
        self
    }

    /// Answers DNS here; 127.0.0.1:0 unless this is called.
    pub(crate) fn dns(mut self, address: &str) -> Self {
        self.dns.push(address.to_owned());
        self
    }

    /// Sets an environment variable.
    pub(crate) fn variable(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.variables.push((name.to_owned(), value.as_ref().to_owned()));
        self
    }

    /// Starts it through another program, which replaces itself by it.
    pub(crate) fn through<S: AsRef<OsStr>>(mut self, prefix: impl IntoIterator<Item = S>) -> Self {
        self.prefix = prefix.into_iter().map(|word| word.as_ref().to_owned()).collect();
        self
    }

    /// The command that does all this.
    fn command(&self) -> Command {
        let words = self.prefix.iter().map(OsString::as_os_str).chain([OsStr::new(env!("CARGO_BIN_EXE_fingerpost"))]);
        let mut words = words.chain(self.arguments.iter().map(OsString::as_os_str));
        let mut command = Command::new(words.next().unwrap());
        command.args(words);
        for address in &self.dns {
            command.args(["--dns", address]);
        }
        for (name, _) in std::env::vars_os().filter(|(name, _)| name.as_encoded_bytes().starts_with(b"FINGERPOST_")) {
            command.env_remove(name);
        }
        // The defaults would be taken by the first of the tests that run at once.
        command.env("FINGERPOST_API", "127.0.0.1:0").env("FINGERPOST_GRPC", "127.0.0.1:0");
        if let Some(data) = &self.data {
            command.env("FINGERPOST_DATA_DIR", data.path());
        }
        command.envs(self.variables.iter().map(|(name, value)| (name, value)));
        command.stdin(Stdio::null());
        command
    }

    /// Runs it to its end.
    pub(crate) fn run(&self) -> Output {
        self.command().output().unwrap()
    }

    /// Starts it, for a test that reads its output.
    pub(crate) fn spawn(&self) -> Child {
        self.command().stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    }

    /// Starts it on a free port, and kills it a moment later.
    pub(crate) fn kill_after(&self, moment: Duration) {
        let mut child = self.clone().dns("127.0.0.1:0").command().stderr(Stdio::null()).spawn().unwrap();
        sleep(moment);
        child.kill().unwrap();
        child.wait().unwrap();
    }

    /// Starts it, on a free port of 127.0.0.1 if no other address was given, and waits until it is ready.
    #[track_caller]
    pub(crate) fn start(self) -> Server {
        if self.dns.is_empty() { self.dns("127.0.0.1:0").start_as_is() } else { self.start_as_is() }
    }

    /// Starts it with no address but those given, and waits until it is ready.
    #[track_caller]
    pub(crate) fn start_as_is(&self) -> Server {
        let mut child = self.command().stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let log = Arc::new(Mutex::new(Vec::new()));
        let lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let reader = thread::spawn({
            let log = Arc::clone(&log);
            move || lines.map_while(Result::ok).for_each(|line| log.lock().unwrap().push(line))
        });
        let mut server = Server {
            child,
            log,
            reader: Some(reader),
            dns: Vec::new(),
            api: None,
            grpc: None,
            admin: SocketAddr::from(([0; 4], 0)),
            _data: self.data.clone(),
        };
        server.wait_until_ready();
        server
    }
}

//----------- Server -----------------------------------------------------------

/// A running server. Dropping it kills it; if the test is failing, its log is shown.
pub(crate) struct Server {
    child: Child,
    log: Arc<Mutex<Vec<String>>>,
    reader: Option<JoinHandle<()>>,
    /// Where it answers DNS, in the order of its arguments.
    pub(crate) dns: Vec<SocketAddr>,
    /// Where it serves the AWS API, if it does.
    pub(crate) api: Option<SocketAddr>,
    /// Where it serves gRPC, if it does.
    pub(crate) grpc: Option<SocketAddr>,
    /// Where it serves `/metrics`, `/livez` and `/readyz`.
    pub(crate) admin: SocketAddr,
    /// Its state.
    _data: Option<Arc<TempDir>>,
}

impl Server {
    /// Waits for `ready` and reads where it listens.
    #[track_caller]
    fn wait_until_ready(&mut self) {
        let begun = Instant::now();
        while !self.messages().iter().any(|message| message == "ready") {
            let ended = self.child.try_wait().unwrap();
            assert!(ended.is_none(), "the server ended: {ended:?}");
            assert!(begun.elapsed() < PATIENCE, "the server does not become ready");
            sleep(Duration::from_millis(1));
        }
        for message in self.messages() {
            if let Some(address) = message.strip_prefix("listening on dns udp+tcp ") {
                self.dns.push(address.parse().unwrap());
            } else if let Some(address) = message.strip_prefix("listening on api http ") {
                self.api = Some(address.parse().unwrap());
            } else if let Some(line) = message.strip_prefix("listening on grpc ") {
                let address = line.split(' ').next_back().unwrap();
                self.grpc = Some(address.parse().unwrap());
            } else if let Some(address) = message.strip_prefix("listening on admin http ") {
                self.admin = address.parse().unwrap();
            }
        }
    }

    /// Its process.
    #[allow(dead_code, reason = "not every test program looks at it")]
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Where it answers DNS, if that is one place.
    pub(crate) fn address(&self) -> SocketAddr {
        self.dns[0]
    }

    /// Its log so far.
    pub(crate) fn log(&self) -> Vec<String> {
        self.log.lock().unwrap().clone()
    }

    /// How many lines of its log contain `text`.
    pub(crate) fn logged(&self, text: &str) -> usize {
        self.log.lock().unwrap().iter().filter(|line| line.contains(text)).count()
    }

    /// The messages of its log: lines, or what JSON lines have as their message.
    fn messages(&self) -> Vec<String> {
        let message = |line: &String| match serde_json::from_str::<Value>(line) {
            Ok(value) => value["fields"]["message"].as_str().unwrap_or_default().to_owned(),
            Err(_) => line.clone(),
        };
        self.log.lock().unwrap().iter().map(message).collect()
    }

    /// Sends a signal.
    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// Waits for its end, and until its log is complete.
    #[track_caller]
    pub(crate) fn wait(&mut self) -> ExitStatus {
        let begun = Instant::now();
        let status = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status;
            }
            assert!(begun.elapsed() < PATIENCE, "the server does not end");
            sleep(Duration::from_millis(1));
        };
        if let Some(reader) = self.reader.take() {
            reader.join().unwrap();
        }
        status
    }

    /// Status and body of `GET path`; `None` if nobody listens.
    pub(crate) fn try_get(&self, path: &str) -> Option<(u16, String)> {
        let mut stream = TcpStream::connect(self.admin).ok()?;
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        write!(stream, "GET {path} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n").ok()?;
        let mut text = String::new();
        stream.read_to_string(&mut text).ok()?;
        let (head, body) = text.split_once("\r\n\r\n")?;
        Some((head.split(' ').nth(1)?.parse().ok()?, body.to_owned()))
    }

    /// Status and body of `GET path`.
    #[track_caller]
    pub(crate) fn get(&self, path: &str) -> (u16, String) {
        self.try_get(path).expect("no answer over HTTP")
    }

    /// The body of `/readyz`.
    #[track_caller]
    pub(crate) fn readiness(&self) -> Value {
        serde_json::from_str(&self.get("/readyz").1).unwrap()
    }

    /// What `/metrics` says.
    #[track_caller]
    pub(crate) fn metrics(&self) -> Metrics {
        let (status, text) = self.get("/metrics");
        assert_eq!(status, 200);
        let samples = text.lines().filter(|line| !line.starts_with('#')).map(|line| {
            let (name, value) = line.rsplit_once(' ').unwrap();
            (name.to_owned(), value.parse().unwrap())
        });
        Metrics(samples.collect())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
        if thread::panicking() {
            eprintln!("the server's log:\n  {}", self.log().join("\n  "));
        }
    }
}

//----------- Metrics ----------------------------------------------------------

/// Samples by name and labels.
#[derive(Debug)]
pub(crate) struct Metrics(BTreeMap<String, f64>);

impl Metrics {
    /// One sample, such as `fingerpost_dns_responses_total{transport="udp",rcode="REFUSED"}`.
    #[track_caller]
    pub(crate) fn get(&self, name: &str) -> f64 {
        *self.0.get(name).unwrap_or_else(|| panic!("there is no {name}"))
    }

    /// The samples of a family that are not 0, without the family's name.
    pub(crate) fn family(&self, name: &str) -> BTreeMap<&str, u64> {
        let samples = self.0.iter().filter(|(_, value)| **value != 0.0);
        samples
            .filter_map(|(key, value)| Some((key.strip_prefix(name)?.strip_prefix('{')?, *value as u64)))
            .map(|(labels, value)| (labels.trim_end_matches('}'), value))
            .collect()
    }
}
