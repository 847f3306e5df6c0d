//! A network of our own: the servers' namespace, where this program moves, and the clients', joined by a veth pair.
//!
//! The program starts itself again through unshare(1), in namespaces of processes and of the network. So the kernel
//! ends and removes all that was started, however we end. Without root there is loopback alone.

use std::fs;
use std::net::Ipv4Addr;
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

/// Where servers listen: reached through loopback in their own namespace, through the veth pair from the clients'.
const SERVERS: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 1);
/// Set for the second start.
const INSIDE: &str = "FINGERPOST_PEERS_INSIDE";

/// Ways from the generator to a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Way {
    /// Through the loopback interface.
    Loopback,
    /// Through a veth pair between two network namespaces.
    Veth,
}

impl Way {
    /// What the results call it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Loopback => "loopback",
            Self::Veth => "veth",
        }
    }
}

/// The networks. Dropping it removes them.
pub(crate) struct Network {
    /// Where servers listen.
    pub(crate) address: Ipv4Addr,
    /// A process that holds the clients' namespace; `None` where there is none.
    clients: Option<Child>,
}

/// Starts this program again in namespaces of its own, and ends with what it says. Returns where it is there already,
/// or cannot go there.
pub(crate) fn isolate() -> Result<()> {
    if std::env::var_os(INSIDE).is_some() {
        return Ok(());
    }
    if !rustix::process::geteuid().is_root() {
        println!("not root: no namespaces, and so nothing over veth");
        return Ok(());
    }
    // Ours ends, say by Ctrl-C: so does unshare(1), and with it the first process of the namespace, and so all.
    let words = ["--pdeathsig", "KILL", "unshare", "--net", "--pid", "--fork", "--mount-proc", "--kill-child"];
    let status = Command::new("setpriv")
        .args(words)
        .arg(std::env::current_exe()?)
        .args(std::env::args_os().skip(1))
        .env(INSIDE, "1")
        .status()
        .context("setpriv and unshare, of util-linux")?;
    std::process::exit(status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or_default()));
}

impl Network {
    /// Sets addresses and links up.
    pub(crate) fn new() -> Result<Self> {
        if std::env::var_os(INSIDE).is_none() {
            return Ok(Self { address: Ipv4Addr::LOCALHOST, clients: None });
        }
        ip("link set lo up")?;
        let holder = Command::new("unshare").args(["--net", "sleep", "infinity"]).stdin(Stdio::null()).spawn()?;
        let pid = holder.id();
        let network = Self { address: SERVERS, clients: Some(holder) };
        // It is born in ours, and moves.
        let space = |pid: &str| fs::read_link(format!("/proc/{pid}/ns/net")).ok();
        let begun = Instant::now();
        while space("self") == space(&pid.to_string()) {
            ensure!(begun.elapsed() < Duration::from_secs(5), "no namespace for the clients");
            std::thread::sleep(Duration::from_millis(2));
        }
        ip(&format!("link add servers type veth peer name clients netns {pid}"))?;
        ip(&format!("address add {SERVERS}/24 dev servers"))?;
        ip("link set servers up")?;
        let inside = network.prefix(Way::Veth).join(" ");
        run(&format!("{inside} ip link set lo up"))?;
        run(&format!("{inside} ip address add 10.77.0.2/24 dev clients"))?;
        run(&format!("{inside} ip link set clients up"))?;
        Ok(network)
    }

    /// The ways there are.
    pub(crate) fn ways(&self) -> &'static [Way] {
        if self.clients.is_some() { &[Way::Loopback, Way::Veth] } else { &[Way::Loopback] }
    }

    /// The words before a generator's command.
    pub(crate) fn prefix(&self, way: Way) -> Vec<String> {
        match (way, &self.clients) {
            (Way::Veth, Some(holder)) => {
                ["nsenter", "--target", &holder.id().to_string(), "--net"].map(str::to_owned).into()
            }
            _ => Vec::new(),
        }
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        if let Some(holder) = &mut self.clients {
            let _ = holder.kill();
            let _ = holder.wait();
        }
    }
}

/// Runs ip(8).
fn ip(words: &str) -> Result<()> {
    run(&format!("ip {words}"))
}

/// Runs a command without blanks in its words.
fn run(command: &str) -> Result<()> {
    let mut words = command.split(' ');
    let output = Command::new(words.next().unwrap_or_default())
        .args(words)
        .stdin(Stdio::null())
        .output()
        .with_context(|| command.to_owned())?;
    if !output.status.success() {
        bail!("{command}: {}", String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(())
}
