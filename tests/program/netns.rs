//! A network of its own for a test: loopback, where port 53 is free, and files in /etc that only its programs see.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::fd::AsFd;
use std::panic::resume_unwind;
use std::path::{Path, PathBuf};
use std::process::{self, Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use crate::support::{Launch, PATIENCE, Server, have_tool, skip};

/// Held while one is made or removed: what ip(8) and we do for the first and the last one must not overlap.
static CHANGING: Mutex<()> = Mutex::new(());

/// A network namespace; dropping it removes it.
pub(crate) struct Netns {
    name: String,
    files: PathBuf,
}

impl Netns {
    /// Makes one. `None`, and a word about it, where that cannot be done.
    #[track_caller]
    pub(crate) fn new() -> Option<Self> {
        static NEXT: AtomicU32 = AtomicU32::new(1);
        if !rustix::process::geteuid().is_root() {
            skip("network namespaces need root");
            return None;
        }
        if !have_tool("ip") {
            return None;
        }
        let changing = CHANGING.lock().unwrap_or_else(PoisonError::into_inner);
        let name = format!("fingerpost-{}-{}", process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let files = Path::new("/etc/netns").join(&name);
        if let Err(error) = ip(["netns", "add", &name]) {
            skip(&format!("network namespaces cannot be made: {error}"));
            return None;
        }
        fs::create_dir_all(&files).unwrap();
        let netns = Self { name, files };
        drop(changing);
        // From here on, dropping it cleans up.
        ip(["-n", &netns.name, "link", "set", "lo", "up"]).unwrap();
        netns.put("resolv.conf", "nameserver 127.0.0.1\nsearch production.local\n");
        // Without detours such as multicast DNS, which claims `.local` for itself.
        netns.put("nsswitch.conf", "passwd: files\ngroup: files\nhosts: files dns\n");
        netns.put("hosts", "127.0.0.1 localhost\n");
        Some(netns)
    }

    /// Puts a file over the one in /etc; one that is not there cannot be covered.
    fn put(&self, name: &str, text: &str) {
        if Path::new("/etc").join(name).exists() {
            fs::write(self.files.join(name), text).unwrap();
        }
    }

    /// Starts a server on port 53 in it.
    #[track_caller]
    pub(crate) fn serve(&self, declaration: &Path) -> Server {
        self.start(Launch::serve(declaration))
    }

    /// Starts a server in it, on port 53.
    #[track_caller]
    pub(crate) fn start(&self, launch: Launch) -> Server {
        self.start_at(launch, &["127.0.0.1:53"])
    }

    /// Starts a server in it, at these addresses.
    #[track_caller]
    pub(crate) fn start_at(&self, launch: Launch, addresses: &[&str]) -> Server {
        let launch = addresses.iter().fold(launch, |launch, address| launch.dns(address));
        launch.through(self.prefix()).start()
    }

    /// Gives it a link beside loopback, which leads nowhere, with this address.
    #[track_caller]
    pub(crate) fn add_link(&self, address: &str) {
        ip(["-n", &self.name, "link", "add", "out", "type", "veth", "peer", "name", "in"]).unwrap();
        ip(["-n", &self.name, "address", "add", address, "dev", "out"]).unwrap();
        for end in ["out", "in"] {
            ip(["-n", &self.name, "link", "set", end, "up"]).unwrap();
        }
    }

    /// Does `work` in a thread that has moved into it: sockets made there are its own. Files are the machine's.
    pub(crate) fn inside<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        let enter = || {
            let link = fs::File::open(Path::new("/var/run/netns").join(&self.name)).unwrap();
            move_into_link_name_space(link.as_fd(), Some(LinkNameSpaceType::Network)).unwrap();
            work()
        };
        thread::scope(|scope| scope.spawn(enter).join()).unwrap_or_else(|panic| resume_unwind(panic))
    }

    /// A program in it, with its standard streams closed or captured.
    pub(crate) fn command<S: AsRef<OsStr>>(&self, program: &str, arguments: impl IntoIterator<Item = S>) -> Command {
        let mut words = self.prefix().into_iter();
        let mut command = Command::new(words.next().unwrap_or_default());
        command.args(words).arg(program).args(arguments).stdin(Stdio::null());
        command
    }

    /// What a program in it prints. It fails the test if it fails, or takes too long.
    #[track_caller]
    pub(crate) fn run<S: AsRef<OsStr>>(&self, program: &str, arguments: impl IntoIterator<Item = S>) -> String {
        let seconds = PATIENCE.as_secs().to_string();
        let arguments: Vec<OsString> = arguments.into_iter().map(|word| word.as_ref().to_owned()).collect();
        let words =
            [OsStr::new(&seconds), OsStr::new(program)].into_iter().chain(arguments.iter().map(OsString::as_os_str));
        let output = self.command("timeout", words).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{program} {arguments:?}: {}: {said}", output.status);
        String::from_utf8(output.stdout).unwrap()
    }

    /// The words that run the words behind them in it.
    fn prefix(&self) -> [OsString; 4] {
        ["ip", "netns", "exec", &self.name].map(OsString::from)
    }
}

impl Drop for Netns {
    fn drop(&mut self) {
        let _changing = CHANGING.lock().unwrap_or_else(PoisonError::into_inner);
        // As much as can be removed; the folder only if no other run needs it.
        let _ = ip(["netns", "del", &self.name]);
        let _ = fs::remove_dir_all(&self.files);
        let _ = fs::remove_dir("/etc/netns");
    }
}

/// Runs ip(8).
fn ip<const N: usize>(arguments: [&str; N]) -> Result<(), String> {
    let output = Command::new("ip").args(arguments).output().map_err(|error| error.to_string())?;
    if output.status.success() { Ok(()) } else { Err(String::from_utf8_lossy(&output.stderr).trim().to_owned()) }
}

/// A child process that does not outlive its test.
pub(crate) struct Daemon(pub(crate) Child);

impl Drop for Daemon {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
