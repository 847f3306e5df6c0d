//! A server as processes: started on its core, stopped and continued, measured, and ended.

use std::ffi::OsString;
use std::fs::{self, File};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process};

/// How long a server may take to end before it is killed.
const PATIENCE: Duration = Duration::from_secs(5);

/// A server that runs. Dropping it ends it and what it has started.
pub(crate) struct Process {
    child: Child,
    log: PathBuf,
}

/// CPU time of a server's processes since they started.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct CpuTime {
    /// Nanoseconds on a core, exactly (`/proc/PID/task/TID/schedstat`).
    pub(crate) total: u64,
    /// The kernel's ticks of them in user mode (`/proc/PID/stat`); it takes samples, 250 a second here.
    pub(crate) user: u64,
    /// The same in the kernel.
    pub(crate) system: u64,
}

/// Memory of a server's processes in bytes.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Memory {
    /// Pages divided by who shares them (`smaps_rollup`): what several processes share counts once.
    pub(crate) pss: u64,
    /// The most that was resident, of the largest process (`VmHWM`).
    pub(crate) peak: u64,
}

impl Process {
    /// Starts `words` on `core`, with its output in a file of `folder`.
    pub(crate) fn start(words: &[OsString], core: usize, folder: &std::path::Path) -> Result<Self> {
        let log = folder.join("output");
        let output = File::create(&log)?;
        let child = Command::new("taskset")
            .args(["--cpu-list", &core.to_string()])
            .args(words)
            .current_dir(folder)
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output)
            .spawn()
            .with_context(|| format!("taskset {words:?}"))?;
        Ok(Self { child, log })
    }

    /// The last of what it printed.
    pub(crate) fn said(&self) -> String {
        let text = fs::read(&self.log).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        let lines: Vec<&str> = text.lines().collect();
        lines.get(lines.len().saturating_sub(5)..).unwrap_or_default().join("\n")
    }

    /// Fails if it has ended by itself.
    pub(crate) fn check(&mut self) -> Result<()> {
        if let Some(status) = self.child.try_wait()? {
            bail!("it ended, {status}: {}", self.said());
        }
        Ok(())
    }

    /// It and all that descend from it.
    pub(crate) fn processes(&self) -> Vec<u32> {
        let mut found = vec![self.child.id()];
        let mut next = 0;
        while let Some(pid) = found.get(next).copied() {
            for task in tasks(pid) {
                let children = fs::read_to_string(format!("/proc/{pid}/task/{task}/children")).unwrap_or_default();
                found.extend(children.split_whitespace().filter_map(|child| child.parse::<u32>().ok()));
            }
            next += 1;
        }
        found
    }

    /// Its CPU time.
    pub(crate) fn cpu_time(&self) -> CpuTime {
        let mut time = CpuTime::default();
        for pid in self.processes() {
            for task in tasks(pid) {
                let text = fs::read_to_string(format!("/proc/{pid}/task/{task}/schedstat")).unwrap_or_default();
                time.total += text.split_whitespace().next().and_then(|word| word.parse::<u64>().ok()).unwrap_or(0);
            }
            let text = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
            // Behind the name, which may have blanks, the 12th and the 13th word.
            let behind = text.rsplit_once(')').map_or("", |(_, behind)| behind);
            let words: Vec<&str> = behind.split_whitespace().collect();
            let number = |place: usize| words.get(place).and_then(|word| word.parse::<u64>().ok()).unwrap_or(0);
            time.user += number(11);
            time.system += number(12);
        }
        time
    }

    /// Its memory.
    pub(crate) fn memory(&self) -> Memory {
        let kilobytes = |path: String, key: &str| {
            let text = fs::read_to_string(path).unwrap_or_default();
            let line = text.lines().find_map(|line| line.strip_prefix(key)).unwrap_or_default().to_owned();
            line.split_whitespace().next().and_then(|word| word.parse::<u64>().ok()).unwrap_or(0) * 1024
        };
        let mut memory = Memory::default();
        for pid in self.processes() {
            memory.pss += kilobytes(format!("/proc/{pid}/smaps_rollup"), "Pss:");
            memory.peak = memory.peak.max(kilobytes(format!("/proc/{pid}/status"), "VmHWM:"));
        }
        memory
    }

    /// Stops it where it is, so that it takes nothing from another one's core.
    pub(crate) fn pause(&self) {
        self.signal(Signal::STOP);
    }

    /// Lets it go on.
    pub(crate) fn resume(&self) {
        self.signal(Signal::CONT);
    }

    fn signal(&self, signal: Signal) {
        for pid in self.processes() {
            if let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) {
                let _ = kill_process(pid, signal);
            }
        }
    }
}

impl CpuTime {
    /// What was added since `earlier`.
    pub(crate) fn since(self, earlier: Self) -> Self {
        Self {
            total: self.total.saturating_sub(earlier.total),
            user: self.user.saturating_sub(earlier.user),
            system: self.system.saturating_sub(earlier.system),
        }
    }

    /// Nanoseconds in user mode: the exact total, divided as the samples are.
    pub(crate) fn user_nanoseconds(self) -> f64 {
        self.total as f64 * self.user as f64 / (self.user + self.system).max(1) as f64
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // A plain kill of the first would leave those that it has started.
        let all = self.processes();
        self.resume();
        let _ = kill_process(Pid::from_child(&self.child), Signal::TERM);
        let begun = Instant::now();
        while begun.elapsed() < PATIENCE && matches!(self.child.try_wait(), Ok(None)) {
            sleep(Duration::from_millis(5));
        }
        for pid in all {
            if let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) {
                let _ = kill_process(pid, Signal::KILL);
            }
        }
        let _ = self.child.wait();
    }
}

/// The threads of a process.
fn tasks(pid: u32) -> Vec<u32> {
    let Ok(entries) = fs::read_dir(format!("/proc/{pid}/task")) else { return Vec::new() };
    entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok()).collect()
}
