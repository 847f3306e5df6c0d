//! `fingerpost resolvconf` where it matters: over a file that is a mount of its own, as containers have it, with
//! programs that resolve by it while our server is there, hangs and is gone.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::netns::Netns;
use crate::support::{Launch, have_tool};

/// What the task's resolv.conf says at first: the nameserver that is there for all other names.
const BEFORE: &str = "# by the container runtime\nnameserver 127.0.0.2\nsearch example.internal\n";

/// A task: a network of its own, and a folder that it has for /etc, in which resolv.conf is a mount.
struct Task {
    netns: Netns,
    folder: tempfile::TempDir,
}

impl Task {
    #[track_caller]
    fn new() -> Option<Self> {
        let netns = have_tool("getent").then(Netns::new).flatten()?;
        // Without an address beside loopback's, getent asks for none.
        netns.add_link("10.0.0.1/24");
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("etc")).unwrap();
        for (name, text) in [
            ("etc/nsswitch.conf", "hosts: files dns\n"),
            ("etc/hosts", ""),
            ("etc/resolv.conf", ""),
            ("mounted", BEFORE),
        ] {
            fs::write(folder.path().join(name), text).unwrap();
        }
        Some(Self { netns, folder })
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The text of its resolv.conf.
    fn resolv_conf(&self) -> String {
        fs::read_to_string(self.file("mounted")).unwrap()
    }

    /// Runs a program in it.
    fn run(&self, program: &str, arguments: &[&str]) -> Output {
        let folder = self.folder.path().to_str().unwrap();
        // What is mounted is gone with the shell's mount namespace, which `ip netns exec` makes.
        let script = "mount --bind $0/etc /etc && mount --bind $0/mounted /etc/resolv.conf && exec timeout 20 \"$@\"";
        let words = ["-c", script, folder, program].into_iter().chain(arguments.iter().copied());
        self.netns.command("sh", words).output().unwrap()
    }

    /// Runs `fingerpost resolvconf`; what it prints to both streams.
    #[track_caller]
    fn resolvconf(&self, arguments: &[&str]) -> (String, String) {
        let arguments: Vec<&str> = ["resolvconf"].iter().chain(arguments).copied().collect();
        let output = self.run(env!("CARGO_BIN_EXE_fingerpost"), &arguments);
        let text = |octets: Vec<u8>| String::from_utf8(octets).unwrap();
        let (printed, said) = (text(output.stdout), text(output.stderr));
        assert!(output.status.success(), "{arguments:?}: {said}");
        (printed, said)
    }

    /// The addresses that getaddrinfo finds.
    fn resolve(&self, name: &str) -> Vec<String> {
        let output = self.run("getent", &["ahostsv4", name]);
        let text = String::from_utf8(output.stdout).unwrap();
        let streams = text.lines().filter(|line| line.contains("STREAM"));
        streams.filter_map(|line| line.split(' ').next()).map(str::to_owned).collect()
    }
}

/// A declaration in which `api.production.internal` and a name of its own have this address.
fn declare(folder: &Path, name: &str, address: &str) -> PathBuf {
    let path = folder.join(format!("{name}.yaml"));
    let mut text = "version: 1\nnamespaces:\n  - name: production.internal\n    services:\n".to_owned();
    for service in ["api", name] {
        text += &format!(
            "      - name: {service}\n        dns_records: [{{type: A, ttl: 1}}]\n        \
             instances: [{{id: one, attributes: {{AWS_INSTANCE_IPV4: {address}}}}}]\n"
        );
    }
    fs::write(&path, text).unwrap();
    path
}

#[test]
fn the_fallback_answers_when_the_first_nameserver_is_gone() {
    let Some(task) = Task::new() else { return };
    let folder = task.folder.path();
    let theirs = declare(folder, "theirs", "10.9.9.9");
    let elsewhere = fs::read_to_string(&theirs).unwrap().replace("production.internal", "elsewhere.internal");
    fs::write(folder.join("elsewhere.yaml"), elsewhere).unwrap();
    let fallback = Launch::serve(&theirs).flag("--declare", folder.join("elsewhere.yaml"));
    let _fallback = task.netns.start_at(fallback, &["127.0.0.2:53"]);
    let server = task.netns.start_at(Launch::serve(&declare(folder, "ours", "10.1.1.1")), &["127.0.0.1:53"]);
    let api = "api.production.internal";
    assert_eq!(task.resolve(api), ["10.9.9.9"], "before");

    // Without --write it only says what it would do.
    let wish = ["--search", "production.internal"];
    let (printed, said) = task.resolvconf(&wish);
    assert_eq!((said.as_str(), task.resolv_conf().as_str()), ("", BEFORE));
    let (said, _) = task.resolvconf(&[wish[0], wish[1], "--write"]);
    assert!(said.contains("127.0.0.1 is the first nameserver (written in place: it is a mount of its own"), "{said}");
    assert_eq!(task.resolv_conf(), printed);
    let expected = "\
# Fingerpost is the first nameserver; before it was: /etc/resolv.conf.before-fingerpost
nameserver 127.0.0.1
nameserver 127.0.0.2
search production.internal example.internal
options timeout:1 attempts:2
# by the container runtime
";
    assert_eq!(printed, expected);
    let backup = task.file("etc/resolv.conf.before-fingerpost");
    assert_eq!(fs::read_to_string(&backup).unwrap(), BEFORE);
    // Again changes nothing, the backup least of all.
    let (said, _) = task.resolvconf(&[wish[0], wish[1], "--write"]);
    assert_eq!(said, "/etc/resolv.conf is as it should be\n");
    assert_eq!((task.resolv_conf(), fs::read_to_string(&backup).unwrap()), (printed, BEFORE.to_owned()));

    assert_eq!(task.resolve(api), ["10.1.1.1"]);
    assert_eq!(task.resolve("ours"), ["10.1.1.1"], "by its short name");
    // A name server that knows that there is no such name is believed: the fallback is not asked.
    assert_eq!(task.resolve("theirs"), [""; 0]);
    // One that refuses is not.
    assert_eq!(task.resolve("api.elsewhere.internal"), ["10.9.9.9"]);

    // It hangs: its client gives up after the second that the options say, and not after glibc's five.
    server.signal(Signal::STOP);
    let begun = Instant::now();
    assert_eq!(task.resolve(api), ["10.9.9.9"]);
    let elapsed = begun.elapsed();
    assert!((Duration::from_millis(900)..Duration::from_secs(4)).contains(&elapsed), "{elapsed:?}");
    server.signal(Signal::CONT);
    assert_eq!(task.resolve(api), ["10.1.1.1"]);

    // It is gone: the kernel says so, and nobody waits. The quickest of some, for a busy machine.
    drop(server);
    let quickest = (0..5).map(|_| {
        let begun = Instant::now();
        assert_eq!(task.resolve(api), ["10.9.9.9"]);
        begun.elapsed()
    });
    let quickest = quickest.min().unwrap();
    assert!(quickest < Duration::from_millis(900), "{quickest:?}");

    let (said, _) = task.resolvconf(&["--undo"]);
    assert!(said.starts_with("/etc/resolv.conf is as it was before (written in place"), "{said}");
    assert_eq!(task.resolv_conf(), BEFORE);
    assert!(!backup.exists());
    assert_eq!(task.resolvconf(&["--undo"]).0, "/etc/resolv.conf was not taken over\n");
    assert_eq!(task.resolve("theirs"), [""; 0], "not in the former search domain");
}

/// A file of a test, outside of any namespace, and the program's words about it.
#[track_caller]
fn resolvconf(path: &Path, arguments: &[&str]) -> (Option<i32>, String, String) {
    let arguments = ["resolvconf", "--path", path.to_str().unwrap()].into_iter().chain(arguments.iter().copied());
    let output = Launch::of(arguments).run();
    let text = |octets: Vec<u8>| String::from_utf8(octets).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

#[test]
fn a_port_other_than_53_is_warned_of() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("resolv.conf");
    fs::write(&path, BEFORE).unwrap();
    let (code, _, said) = resolvconf(&path, &["--dns", "127.0.0.1:5300"]);
    let expected =
        "Fingerpost listens on 127.0.0.1:5300, but resolv.conf has no ports: let it listen on --dns 127.0.0.1:53";
    assert!(code == Some(0) && said.contains(expected), "{said}");
    // 127.0.0.66 is nobody's, and 0.0.0.0 takes it in.
    let (_, _, said) = resolvconf(&path, &["--nameserver", "127.0.0.66", "--dns", "0.0.0.0:53"]);
    assert!(said.contains("nobody answers at 127.0.0.66:53: start fingerpost serve --dns 127.0.0.66:53"), "{said}");
}

#[test]
fn what_others_wrote_since_stays() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("resolv.conf");
    fs::write(&path, BEFORE).unwrap();
    assert_eq!(resolvconf(&path, &["--write"]).0, Some(0));
    // The runtime writes it anew: undoing would bring the past back, taking over keeps what is there now.
    let anew = BEFORE.replace("127.0.0.2", "127.0.0.3");
    fs::write(&path, &anew).unwrap();
    let (code, _, said) = resolvconf(&path, &["--undo"]);
    assert!(code == Some(1) && said.contains("was written by others since it was taken over"), "{said}");
    assert_eq!(fs::read_to_string(&path).unwrap(), anew);
    assert_eq!(resolvconf(&path, &["--write"]).0, Some(0));
    assert_eq!(resolvconf(&path, &["--undo"]).0, Some(0));
    assert_eq!(fs::read_to_string(&path).unwrap(), anew);
}

#[test]
fn faults_name_the_file_and_the_way_out() {
    let folder = tempfile::tempdir().unwrap();
    let missing = folder.path().join("resolv.conf");
    let (code, _, said) = resolvconf(&missing, &["--write"]);
    let expected = format!("cannot read {}; --path FILE names another file", missing.display());
    assert!(code == Some(1) && said.contains(&expected), "{said}");
    for bad in [["--ndots", "16"], ["--search", "a..b"], ["--nameserver", "localhost"], ["--dns", "53"]] {
        assert_eq!(resolvconf(&missing, &bad).0, Some(64), "{bad:?}");
    }
    assert_eq!(resolvconf(&missing, &["--undo", "--write"]).0, Some(64));
}
