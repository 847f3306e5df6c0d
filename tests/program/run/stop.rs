//! How an instance goes, and what the command sees of it.

use std::fs;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use super::{Agent, Task, Way, agent, found, listed, server};
use crate::support::{Launch, eventually, have_tool, skip};

/// An address at which nobody listens.
const NOBODY: [&str; 2] = ["--endpoint", "http://127.0.0.1:9"];

/// A command in a shell, of which the registry is away.
fn shell(words: &[&str], line: &str) -> Launch {
    agent(&[&NOBODY[..], words].concat(), &["sh", "-c", line])
}

#[test]
fn a_stop_takes_it_out_of_dns_waits_and_only_then_stops_the_command() {
    let server = server(2, true);
    for (way, wait) in [(Way::Grpc, 2.0), (Way::Aws, 3.0)] {
        let task = Task::new(&Arc::new(TempDir::new().unwrap()));
        task.set_ready(true);
        let mut agent = Agent::start(&task.agent(&server, way, "--lease 1s"));
        eventually("it is registered", || found(&server).contains(&IpAddr::V4(task.address)));
        let begun = Instant::now();
        agent.signal(Signal::TERM);
        eventually("it leaves DNS", || found(&server).is_empty());
        let gone = Instant::now();
        assert!(gone - begun < Duration::from_secs(1), "{way:?}: at once: {:?}", gone - begun);
        // Whoever still has its address is answered, until nobody can have it.
        while task.answers() {
            assert!(found(&server).is_empty(), "{way:?}");
            std::thread::sleep(Duration::from_millis(10));
        }
        let took = gone.elapsed().as_secs_f64();
        assert!(took > wait - 0.1 && took < wait + 2.0, "{way:?}: {took}");
        assert_eq!(agent.wait(), Some(0), "{way:?}: its own code after SIGTERM");
        assert!(listed(&server).is_empty(), "{way:?}");
    }
}

#[test]
fn a_command_that_ends_is_deregistered_and_its_code_is_the_agents() {
    let server = server(60, true);
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("end");
    for way in Way::BOTH {
        let [flag, url] = way.flag(&server);
        let line = format!("while [ ! -e {} ]; do sleep 0.05; done; exit 3", file.display());
        let words = [&*flag, &url, "--address", "127.9.9.6", "--id", "x"];
        let mut agent = Agent::start(&agent(&words, &["sh", "-c", &line]));
        eventually("it is registered", || listed(&server).len() == 1);
        fs::write(&file, "").unwrap();
        assert_eq!(agent.wait(), Some(3));
        assert!(listed(&server).is_empty(), "{way:?}");
        fs::remove_file(&file).unwrap();
    }
}

#[test]
fn exit_codes_are_those_of_shells() {
    let code = |command: &[&str]| agent(&NOBODY, command).run().status.code();
    assert_eq!(code(&["true"]), Some(0));
    assert_eq!(code(&["sh", "-c", "exit 42"]), Some(42));
    assert_eq!(code(&["sh", "-c", "kill -9 $$"]), Some(137));
    assert_eq!(code(&["/nonexistent/command"]), Some(127));
    assert_eq!(code(&["/etc/passwd"]), Some(126));
    for bad in [&["--lease", "1500ms"][..], &["--health", "tcp"], &["--endpoint", "127.0.0.1:1"], &["--health", "x"]] {
        assert_eq!(agent(bad, &["true"]).run().status.code(), Some(64), "{bad:?}");
    }
}

#[test]
fn output_is_the_commands_alone_and_secrets_are_not_its() {
    let line = "echo out; echo err >&2; echo \"[$FINGERPOST_TOKEN]\"";
    let launch = Launch::of(["run", "--service", "a.b", NOBODY[0], NOBODY[1], "--", "sh", "-c", line]);
    let output = launch.variable("FINGERPOST_TOKEN", "secret").run();
    assert_eq!(String::from_utf8(output.stdout).unwrap(), "out\n[]\n");
    let err = String::from_utf8(output.stderr).unwrap();
    assert!(
        err.lines().all(|line| line == "err" || line.starts_with("fingerpost run: registration failed: ")),
        "{err}"
    );
}

#[test]
fn signals_are_passed_on() {
    let traps = ["USR1", "USR2", "WINCH", "ALRM", "PROF"].map(|name| format!("trap 'echo {name}' {name}; "));
    let line = format!("{}trap 'echo TERM; exit 5' TERM; echo ready; while :; do sleep 0.02; done", traps.concat());
    let mut agent = Agent::start(&shell(&[], &line));
    assert_eq!(agent.line(), "ready");
    for (name, signal) in [
        ("USR1", Signal::USR1),
        ("USR2", Signal::USR2),
        ("WINCH", Signal::WINCH),
        ("ALRM", Signal::ALARM),
        ("PROF", Signal::PROF),
        ("TERM", Signal::TERM),
    ] {
        agent.signal(signal);
        assert_eq!(agent.line(), name);
    }
    assert_eq!(agent.wait(), Some(5));
}

#[test]
fn what_is_ignored_stays_so() {
    // As nohup(1) does it.
    let launch = shell(&[], "grep SigIgn: /proc/$$/status; while :; do sleep 0.02; done");
    let mut agent = Agent::start(&launch.through(["sh", "-c", "trap '' HUP; exec \"$@\"", "sh"]));
    let mask = agent.line().rsplit_once('\t').and_then(|(_, mask)| u64::from_str_radix(mask, 16).ok()).unwrap();
    assert_eq!(mask & 1, 1, "{mask:x}");
    agent.signal(Signal::HUP);
    agent.signal(Signal::TERM);
    assert_eq!(agent.wait(), Some(143), "not 129");
}

#[test]
fn a_command_that_does_not_stop_is_killed_with_all_that_it_started() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("pid");
    let line = format!("trap '' TERM; sleep 60 & echo $! > {}; echo ready; wait; wait; sleep 60", file.display());
    let mut agent = Agent::start(&shell(&["--grace", "300ms"], &line));
    assert_eq!(agent.line(), "ready");
    agent.signal(Signal::TERM);
    assert_eq!(agent.wait(), Some(137));
    assert!(agent.said("has not ended within --grace"));
    let child = fs::read_to_string(file).unwrap().trim().parse().ok().and_then(Pid::from_raw).unwrap();
    eventually("its child is gone", || {
        let status = fs::read_to_string(format!("/proc/{}/stat", child.as_raw_nonzero()));
        status.is_err() || status.is_ok_and(|text| text.contains(") Z "))
    });
}

/// Runs a program at a terminal, types `hello`, and Ctrl-C once that has been repeated.
const TERMINAL: &str = "
import os, pty, sys
pid, terminal = pty.fork()
if pid == 0:
    os.execv(sys.argv[1], sys.argv[1:])
os.write(terminal, b'hello\\n')
seen, typed = b'', False
while True:
    try:
        seen += os.read(terminal, 1024)
    except OSError:
        break
    if b'got hello' in seen and not typed:
        typed = True
        os.write(terminal, b'\\x03')
sys.stdout.buffer.write(seen)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
";

#[test]
fn the_terminal_is_the_commands() {
    let launch =
        shell(&[], "read x; echo \"got $x\"; read y").through(["timeout", "20", "python3", "-S", "-c", TERMINAL]);
    let output = launch.run();
    let out = String::from_utf8(output.stdout).unwrap();
    assert!(out.contains("got hello"), "{out}");
    assert_eq!(output.status.code(), Some(130), "Ctrl-C ends the command: {out}");
}

//----------- The first process of a container ---------------------------------

/// Has the agent be the first process of a namespace of its own; `None` where that cannot be.
fn first_process(launch: Launch) -> Option<Launch> {
    if !have_tool("unshare") {
        return None;
    }
    if !rustix::process::geteuid().is_root() {
        skip("namespaces of processes need root");
        return None;
    }
    Some(launch.through(["unshare", "--pid", "--fork", "--kill-child", "--mount-proc"]))
}

#[test]
fn the_first_process_reaps_orphans() {
    let zombies = "grep -l '^State:.*Z' /proc/[0-9]*/status 2>/dev/null | wc -l";
    let line = format!(
        "for i in 1 2 3 4 5; do (sh -c 'sleep 0.2; exit 9' & ) ; done; \
         orphans=$(grep -l '^PPid:.1$' /proc/[0-9]*/status | wc -l); sleep 0.6; \
         echo \"orphans $orphans zombies $({zombies})\"; exit 7"
    );
    let Some(launch) = first_process(shell(&[], &line)) else { return };
    let output = launch.run();
    let out = String::from_utf8(output.stdout).unwrap();
    // The command itself is a child of the first process, too.
    assert_eq!(out, "orphans 6 zombies 0\n", "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(output.status.code(), Some(7));
}

#[test]
fn the_first_process_hears_signals() {
    let line = "trap 'exit 6' TERM; echo ready; while :; do sleep 0.02; done";
    let Some(launch) = first_process(shell(&[], line)) else { return };
    let mut agent = Agent::start(&launch);
    assert_eq!(agent.line(), "ready");
    let outside = agent.child.id();
    let children = fs::read_to_string(format!("/proc/{outside}/task/{outside}/children")).unwrap();
    let first = children.split_whitespace().next().unwrap().parse().ok().and_then(Pid::from_raw).unwrap();
    kill_process(first, Signal::TERM).unwrap();
    assert_eq!(agent.wait(), Some(6));
}
