//! A resolver as a process in a network namespace, and what its configuration needs beside the documented text.

use std::fs;
use std::io::{ErrorKind, Write as _};
use std::net::SocketAddr;
use std::path::Path;
use std::process::Stdio;
use std::thread::sleep;
use std::time::{Duration, Instant};

use hickory_proto::rr::RecordType;

use super::recursive;
use crate::netns::{Daemon, Netns};
use crate::support::{PATIENCE, Udp, have_tool, skip};

//----------- Kind -------------------------------------------------------------

/// A program that resolves.
pub(super) struct Kind {
    /// Its file, in one of these places.
    paths: &'static [&'static str],
    /// Where it answers.
    address: &'static str,
    /// Its arguments; `{}` is the folder with the file `configuration`.
    arguments: &'static [&'static str],
    /// Its configuration: `{}` is the folder, `{0}`, `{1}` are the documented pieces.
    configuration: &'static str,
}

/// Unbound, validating.
pub(super) const UNBOUND: Kind = Kind {
    paths: &["/usr/sbin/unbound", "/sbin/unbound", "/usr/bin/unbound"],
    address: "127.0.0.1:53",
    arguments: &["-d", "-c", "{}/configuration"],
    // With the key-signing key of the root.
    configuration: "server:\n  interface: 127.0.0.1\n  do-daemonize: no\n  use-syslog: no\n  username: \"\"\n  \
        chroot: \"\"\n  directory: \"{}\"\n  pidfile: \"\"\n  num-threads: 1\n  trust-anchor: \". DS 20326 8 2 \
        E06D44B80B8F1D39A95C0B0D7C65D08458E880409BBC683457104237C7F8EC8D\"\n\
        remote-control:\n  control-enable: no\n{0}{1}",
};

/// BIND, validating.
pub(super) const NAMED: Kind = Kind {
    paths: &["/usr/sbin/named", "/sbin/named", "/usr/bin/named"],
    address: "127.0.0.1:53",
    arguments: &["-g", "-n", "1", "-c", "{}/configuration"],
    configuration: "options {\n  directory \"{}\";\n  pid-file none;\n  session-keyfile none;\n  lock-file none;\n  \
        listen-on { 127.0.0.1; };\n  listen-on-v6 { none; };\n  recursion yes;\n  dnssec-validation auto;\n{0}};\n\
        controls { };\n{1}",
};

/// dnsmasq.
pub(super) const DNSMASQ: Kind = Kind {
    paths: &["/usr/sbin/dnsmasq", "/sbin/dnsmasq", "/usr/bin/dnsmasq"],
    address: "127.0.0.1:53",
    arguments: &["--keep-in-foreground", "--conf-file={}/configuration"],
    configuration: "user=root\nno-resolv\nno-hosts\npid-file\nlisten-address=127.0.0.1\nbind-interfaces\n\
        stop-dns-rebind\n{0}",
};

/// systemd-resolved, without a systemd around it.
pub(super) const RESOLVED: Kind = Kind {
    paths: &["/lib/systemd/systemd-resolved", "/usr/lib/systemd/systemd-resolved"],
    address: "127.0.0.53:53",
    // Its files have fixed places, which are covered for it alone.
    arguments: &[
        "--mount",
        "sh",
        "-c",
        "mount -t tmpfs none /run/systemd && mkdir /run/systemd/resolved.conf.d && \
         cp {}/configuration /run/systemd/resolved.conf.d/documented.conf && exec \"$0\"",
    ],
    configuration: "{0}",
};

impl Kind {
    /// Whether it is there; skips the test if not.
    #[track_caller]
    pub(super) fn is_installed(&self) -> bool {
        let found = self.paths.iter().any(|path| Path::new(path).is_file());
        if !found && self.is_wrapped() {
            // Not for CI to install: it takes the machine's own resolv.conf over.
            let _ = writeln!(std::io::stderr(), "skipped: {} is not installed", self.paths[0]);
        } else if !found {
            skip(&format!("{} is not installed", self.paths[0]));
        }
        found && (!self.is_wrapped() || have_tool("unshare"))
    }

    /// Whether it runs in a mount namespace of its own.
    fn is_wrapped(&self) -> bool {
        self.arguments[0] == "--mount"
    }

    /// The configuration around the documented pieces; the folder is left open.
    pub(super) fn configuration(&self, pieces: &[String]) -> String {
        let piece = |n: usize| pieces.get(n).map_or("", String::as_str);
        self.configuration.replace("{0}", piece(0)).replace("{1}", piece(1))
    }
}

//----------- Resolver ---------------------------------------------------------

/// A running resolver; dropping it kills it.
pub(super) struct Resolver {
    kind: &'static Kind,
    _daemon: Daemon,
}

impl Resolver {
    /// Starts it with `configuration` in a folder of its own below `folder`, and waits until it answers.
    #[track_caller]
    pub(super) fn start(kind: &'static Kind, netns: &Netns, folder: &Path, configuration: &str) -> Self {
        let folder = folder.join("resolver");
        fs::create_dir(&folder).unwrap();
        let home = folder.to_str().unwrap();
        fs::write(folder.join("configuration"), configuration.replace("{}", home)).unwrap();
        let program = kind.paths.iter().find(|path| Path::new(path).is_file()).unwrap();
        let mut arguments: Vec<String> = kind.arguments.iter().map(|word| word.replace("{}", home)).collect();
        let mut command = if kind.is_wrapped() {
            arguments.push((*program).to_owned());
            netns.command("unshare", arguments)
        } else {
            netns.command(program, arguments)
        };
        let log = folder.join("log");
        let output = fs::File::create(&log).unwrap();
        command.stdout(Stdio::null()).stderr(output);
        let mut daemon = Daemon(command.spawn().unwrap());
        let begun = Instant::now();
        netns.inside(|| {
            let query = recursive("nobody-asks-for-this", RecordType::TXT);
            let client = Udp::connect(kind.address.parse().unwrap());
            client.set_patience(Duration::from_secs(2));
            while let Err(error) = client.try_ask(&query) {
                let log = || fs::read_to_string(&log).unwrap_or_default();
                assert!(begun.elapsed() < PATIENCE, "it does not become ready: {error}\n{}", log());
                assert!(daemon.0.try_wait().unwrap().is_none(), "it has ended:\n{}", log());
                if error.kind() == ErrorKind::ConnectionRefused {
                    sleep(Duration::from_millis(20));
                }
            }
        });
        Self { kind, _daemon: daemon }
    }

    /// Where it answers.
    pub(super) fn address(&self) -> SocketAddr {
        self.kind.address.parse().unwrap()
    }
}
