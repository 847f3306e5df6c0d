//! `fingerpost watch`: every change is a line, and an outage is none.

use std::io::{BufRead, BufReader, Read};
use std::process::Child;
use std::sync::mpsc::{Receiver, channel};
use std::thread;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use super::{asking, run, server_with_api};
use crate::support::{Launch, PATIENCE, Server, free_address};

/// A watch that runs; killed with the test.
struct Watch {
    child: Child,
    out: Receiver<String>,
    err: Receiver<String>,
}

impl Watch {
    /// Watches with these further words.
    fn start(server: &Server, words: &str) -> Self {
        let words = format!("watch api.production.local --interval 20ms {words}");
        let mut child = asking(server.api.unwrap(), &words).spawn();
        let (out, err) = (lines(child.stdout.take().unwrap()), lines(child.stderr.take().unwrap()));
        Self { child, out, err }
    }

    /// The next line.
    #[track_caller]
    fn next(&self) -> String {
        self.out.recv_timeout(PATIENCE).expect("no line")
    }

    /// Ends it by a signal; the exit code.
    fn end(&mut self, signal: Signal) -> Option<i32> {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
        self.child.wait().unwrap().code()
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Lines as they come.
fn lines(stream: impl Read + Send + 'static) -> Receiver<String> {
    let (sender, receiver) = channel();
    thread::spawn(move || BufReader::new(stream).lines().map_while(Result::ok).try_for_each(|line| sender.send(line)));
    receiver
}

#[test]
fn changes_are_lines() {
    let server = server_with_api();
    run(&server, "register api.production.local --id task-1 --ip 10.0.1.11 --port 8080").out();
    let mut watch = Watch::start(&server, "");
    assert_eq!(watch.next(), "+ task-1 10.0.1.11:8080 HEALTHY");
    run(&server, "register api.production.local --id task-3 --ip 10.0.1.13 --port 8080").out();
    assert_eq!(watch.next(), "+ task-3 10.0.1.13:8080 HEALTHY");
    run(&server, "health api.production.local task-3 unhealthy").out();
    assert_eq!(watch.next(), "~ task-3 10.0.1.13:8080 HEALTHY -> UNHEALTHY");
    run(&server, "register api.production.local --id task-3 --ip 10.0.1.14 --port 8080 -a version=2").out();
    assert_eq!(watch.next(), "~ task-3 10.0.1.13:8080 -> 10.0.1.14:8080 UNHEALTHY -> HEALTHY version: (none) -> 2");
    run(&server, "deregister api.production.local task-1").out();
    assert_eq!(watch.next(), "- task-1 10.0.1.11:8080");
    assert_eq!(watch.end(Signal::INT), Some(0));
    assert!(watch.err.recv().is_err(), "it complained");
}

#[test]
fn programs_get_a_line_of_json_each() {
    let server = server_with_api();
    run(&server, "register api.production.local --id a --ip 10.0.1.11").out();
    let mut watch = Watch::start(&server, "--output json");
    let value: Value = serde_json::from_str(&watch.next()).unwrap();
    assert_eq!((&value["Change"], &value["InstanceId"]), (&"registered".into(), &"a".into()));
    assert_eq!((&value["ServiceName"], &value["NamespaceName"]), (&"api".into(), &"production.local".into()));
    assert!(value["Time"].as_f64().unwrap() > 1.7e9);
    run(&server, "health api.production.local a unhealthy").out();
    let value: Value = serde_json::from_str(&watch.next()).unwrap();
    assert_eq!((&value["Change"], &value["HealthStatus"]), (&"changed".into(), &"UNHEALTHY".into()));
    assert_eq!(value["Before"]["HealthStatus"], "HEALTHY");
    assert_eq!(watch.end(Signal::TERM), Some(0));
}

#[test]
fn a_restart_of_the_server_is_no_change() {
    let folder = tempfile::tempdir().unwrap();
    let start = |api: &str| {
        Launch::serve_nothing()
            .flag("--custom-health-delay", "0")
            .flag("--data-dir", folder.path())
            .flag("--api", api)
            .start()
    };
    let mut server = start(&free_address().to_string());
    let api = server.api.unwrap();
    run(&server, "create namespace production.local").out();
    run(&server, "create service api -n production.local --record A:10").out();
    run(&server, "register api.production.local --id a --ip 10.0.1.11").out();
    let mut watch = Watch::start(&server, "");
    assert_eq!(watch.next(), "+ a 10.0.1.11 UNKNOWN");
    server.signal(Signal::TERM);
    server.wait();
    let complaint = watch.err.recv_timeout(PATIENCE).unwrap();
    assert!(complaint.starts_with(&format!("watch: http://{api} ")), "{complaint}");
    assert!(complaint.contains("; trying again in 0.02 s"), "{complaint}");
    let server = start(&api.to_string());
    let back = format!("watch: http://{api} answers again");
    while watch.err.recv_timeout(PATIENCE).unwrap() != back {}
    run(&server, "register api.production.local --id b --ip 10.0.1.12").out();
    assert_eq!(watch.next(), "+ b 10.0.1.12 UNKNOWN");
    assert_eq!(watch.end(Signal::INT), Some(0));
}

#[test]
fn it_ends_when_nobody_reads_any_more_and_does_not_begin_without_a_server() {
    let server = server_with_api();
    let words = "watch api.production.local --interval 20ms";
    let mut child = asking(server.api.unwrap(), words).spawn();
    drop(child.stdout.take());
    run(&server, "register api.production.local --id a --ip 10.0.1.11").out();
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), &*output.stderr), (Some(0), &b""[..]));

    let api = server.api.unwrap();
    drop(server);
    let refusal = super::Ran::of(&asking(api, words)).refusal(1);
    assert!(refusal.starts_with(&format!("http://{api} refuses connections; ")), "{refusal}");
}
