//! kill -9 at any moment: what was acknowledged is there, and no batch is there by half.

use std::env;
use std::io::{self, BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

use super::{Embedded, Store, batch, last_batch};

/// The folder that a process of [`child`] commits to.
const FOLDER: &str = "FINGERPOST_TEST_STORE";
/// What it prints before the number of each batch that was acknowledged.
const ACKNOWLEDGED: &str = "acknowledged ";

/// A process that commits batch after batch and tells of each.
pub(super) struct Committer {
    process: Child,
    output: BufReader<ChildStdout>,
    /// The last batch it has told of.
    last: u64,
}

/// Starts one on the store in `folder`.
pub(super) fn child(folder: &Path) -> Committer {
    // This very program, of which it runs one test only.
    let mut command = Command::new(env::current_exe().unwrap());
    command.args(["--exact", "registry::store::tests::crash::commit_forever", "--nocapture", "--test-threads=1"]);
    let process = command.env(FOLDER, folder).stdout(Stdio::piped()).stderr(Stdio::null()).spawn();
    let mut process = process.unwrap();
    let output = BufReader::new(process.stdout.take().unwrap());
    Committer { process, output, last: 0 }
}

impl Committer {
    /// The number of the next batch it has acknowledged; `None` once it has ended.
    pub(super) fn next_acknowledged(&mut self) -> Option<u64> {
        let mut line = String::new();
        while self.output.read_line(&mut line).unwrap() > 0 {
            // A line cut off by the kill acknowledges nothing.
            if let Some((_, number)) = line.strip_suffix('\n').and_then(|line| line.split_once(ACKNOWLEDGED)) {
                self.last = number.parse().unwrap();
                return Some(self.last);
            }
            line.clear();
        }
        None
    }

    /// Its process.
    pub(super) fn id(&self) -> u32 {
        self.process.id()
    }

    /// Kills it, and gives the number of the last batch that was acknowledged; 0 if none.
    pub(super) fn kill(mut self) -> u64 {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
        while self.next_acknowledged().is_some() {}
        self.last
    }
}

impl Drop for Committer {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// No test, but the process of [`child`]: commits until it is killed.
#[test]
fn commit_forever() {
    let Some(folder) = env::var_os(FOLDER) else { return };
    let store = Embedded::open(Path::new(&folder)).unwrap();
    let mut output = io::stdout();
    for number in last_batch(&store).unwrap() + 1.. {
        store.commit(&batch(number)).unwrap();
        writeln!(output, "{ACKNOWLEDGED}{number}").unwrap();
    }
}

#[test]
fn a_killed_process_loses_nothing_acknowledged_and_leaves_no_half_batch() {
    let parent = tempfile::tempdir().unwrap();
    let folder = parent.path().join("data");
    let mut last = 0;
    for round in 0..30 {
        let mut committer = child(&folder);
        // The first are killed while they make or open the store, the later while they commit.
        if round >= 8 {
            committer.next_acknowledged();
        }
        sleep(Duration::from_micros(fastrand::u64(..if round < 8 { 20_000 } else { 60_000 })));
        let acknowledged = committer.kill().max(last);
        let store = Embedded::open(&folder).unwrap();
        let found = last_batch(&store).unwrap();
        assert!((acknowledged..=acknowledged + 1).contains(&found), "{acknowledged} acknowledged, {found} found");
        last = found;
    }
    assert!(last > 30, "{last} batches are too few to tell");
}
