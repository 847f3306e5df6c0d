//! The gRPC channel as its clients meet it: the built binary, and gRPC's own implementation for Python with modules made
//! of the protocol's file.
//!
//! The scripts in `python/` do the asking; `registry.py` holds what they share, a follower among it that checks what
//! every message promises. A test that needs an outside program says that it is skipped where the program is missing;
//! with `FINGERPOST_REQUIRE_TOOLS=1` it fails instead.

#![allow(clippy::unwrap_used, reason = "in a test, a panic with its place is the message")]

mod access;
#[path = "../program/support/mod.rs"]
#[allow(dead_code, unused_imports, reason = "each test binary uses a part of it")]
mod support;

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use support::{Launch, Server, have_module};

/// No script takes longer, unless something hangs.
const PATIENCE: Duration = Duration::from_secs(120);

/// What the scripts need.
#[track_caller]
fn have_grpc() -> bool {
    ["grpc", "grpc_tools", "grpc_health", "grpc_reflection", "dns.resolver"].into_iter().all(have_module)
}

/// A server without a declaration.
fn launch() -> Launch {
    Launch::serve_nothing()
}

/// Where it serves gRPC.
fn address(server: &Server) -> String {
    server.grpc.unwrap().to_string()
}

/// A script, not started yet.
fn script(name: &str, arguments: &[&str]) -> Command {
    let path: PathBuf = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/grpc/python").join(name);
    let mut command = Command::new("python3");
    command.arg(path).args(arguments).env("PYTHONDONTWRITEBYTECODE", "1").env("GRPC_VERBOSITY", "NONE");
    command
}

/// A script that is running; it ends with this.
struct Script(Child);

impl Script {
    /// Starts it and waits until it says `ready`.
    #[track_caller]
    fn start(mut command: Command) -> Self {
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let script = Self(child);
        assert_eq!(line, "ready\n");
        script
    }

    /// Waits for its good end.
    #[track_caller]
    fn succeed(&mut self) {
        let begun = Instant::now();
        loop {
            if let Some(status) = self.0.try_wait().unwrap() {
                assert!(status.success(), "{status}");
                return;
            }
            assert!(begun.elapsed() < PATIENCE, "the script does not end");
            thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for Script {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Runs a script to its good end.
#[track_caller]
fn run(name: &str, arguments: &[&str]) {
    Script(script(name, arguments).stdin(Stdio::null()).spawn().unwrap()).succeed();
}

/// Good commands are done and bad ones told apart, in the order of the requests, and what is acknowledged is answered.
#[test]
fn batches_are_applied_in_order() {
    if have_grpc() {
        let server = launch().start();
        run("apply.py", &[&address(&server), &server.address().to_string()]);
        let metrics = server.metrics();
        assert!(metrics.get("fingerpost_grpc_commands_total") > 1000.0);
        assert!(metrics.get("fingerpost_grpc_faults_total") >= 6.0);
        let calls = metrics.family("fingerpost_grpc_requests_total");
        assert_eq!(calls[r#"method="Apply",code="INVALID_ARGUMENT""#], 1, "{calls:?}");
        assert_eq!(calls[r#"method="Explain",code="UNIMPLEMENTED""#], 1, "{calls:?}");
    }
}

/// A follower holds what the server holds, whatever it asked for and wherever it begins, and is waited for.
#[test]
fn followers_hold_what_the_server_holds() {
    if have_grpc() {
        let server = launch().start();
        run("follow.py", &[&address(&server), &server.address().to_string()]);
        let resyncs = server.metrics();
        assert_eq!(resyncs.get(r#"fingerpost_grpc_resyncs_total{reason="behind"}"#), 2.0);
        assert_eq!(resyncs.get(r#"fingerpost_grpc_resyncs_total{reason="slow"}"#), 0.0);
        support::eventually("all followers are gone", || server.metrics().get("fingerpost_grpc_followers") == 0.0);
    }
}

/// A follower that does not read costs next to nothing, and is sent everything once it reads again.
#[test]
fn a_slow_follower_is_bounded_in_memory() {
    if have_grpc() {
        let server = launch().flag("--data-dir", "none").start();
        run("slow.py", &[&address(&server), &server.id().to_string()]);
        assert_eq!(server.metrics().get(r#"fingerpost_grpc_resyncs_total{reason="slow"}"#), 5.0);
    }
}

/// After the first reply no answer has the instance; the time after which no client has it either is the right one.
#[test]
fn draining_is_proven() {
    if have_grpc() {
        let server = launch().start();
        run("drain.py", &[&address(&server), &server.address().to_string()]);
    }
}

/// Health checking and reflection work with gRPC's own packages; a stop is told, and takes no longer than it has to.
#[test]
fn health_and_protocol_are_told() {
    if have_grpc() {
        let mut server = launch().start();
        let mut watching = Script::start(script("about.py", &[&address(&server)]));
        let begun = Instant::now();
        server.signal(Signal::TERM);
        assert!(server.wait().success());
        assert!(begun.elapsed() < Duration::from_secs(4), "{:?}", begun.elapsed());
        watching.succeed();
    }
}
