//! The command as a child process, and everybody else's orphans.
//!
//! As the first process of a container we are the parent of every process whose own parent ends: whoever has ended is
//! reaped here, whether or not we started it. Children are started and reaped by one task only, so that none is reaped
//! before anybody knows that it is ours.

use std::ffi::OsString;
use std::io::{self, ErrorKind, IsTerminal};
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

use rustix::process::{Pid, Signal, WaitOptions, getpgrp, kill_process, kill_process_group, wait};
use rustix::termios::{tcgetpgrp, tcsetpgrp};

/// Variables that are ours alone: the command needs none of our secrets.
const SECRETS: [&str; 2] = ["FINGERPOST_TOKEN", "FINGERPOST_RUN_TOKEN_FILE"];

/// The exit code where there is no such command, and that of one that cannot be started, as shells have them.
pub(super) const NOT_FOUND: u8 = 127;
pub(super) const NOT_STARTED: u8 = 126;
/// What a shell adds to the number of the signal that ended a command.
const BY_SIGNAL: i32 = 128;

/// A child that has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Reaped {
    pub(super) pid: Pid,
    /// Its exit code, or 128 and the number of the signal that killed it.
    pub(super) code: u8,
}

/// Starts the command in a process group of its own, which gets the terminal if we had it.
pub(super) fn start(words: &[OsString]) -> io::Result<Pid> {
    let (program, arguments) = words.split_first().ok_or(ErrorKind::InvalidInput)?;
    let mut command = Command::new(program);
    SECRETS.iter().for_each(|name| _ = command.env_remove(name));
    let child = command.args(arguments).process_group(0).spawn()?;
    let pid = Pid::from_child(&child);
    give_terminal(pid);
    Ok(pid)
}

/// Starts `sh -c` of a line, whose output nobody reads.
pub(super) fn start_check(line: &str) -> io::Result<Pid> {
    let mut command = Command::new("sh");
    SECRETS.iter().for_each(|name| _ = command.env_remove(name));
    command.args(["-c", line]).process_group(0);
    let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
    Ok(Pid::from_child(&child))
}

/// Makes `group` the one that reads the terminal, if that was ours.
fn give_terminal(group: Pid) {
    let terminal = io::stdin();
    if !terminal.is_terminal() || tcgetpgrp(&terminal).ok() != Some(getpgrp()) {
        return;
    }
    // It may have read too early, and have been stopped for it.
    if tcsetpgrp(&terminal, group).is_ok() {
        let _ = kill_process_group(group, Signal::CONT);
    }
}

/// The next child that has ended, if there is one.
pub(super) fn reap() -> Option<Reaped> {
    loop {
        match wait(WaitOptions::NOHANG) {
            Ok(Some((pid, status))) => {
                let killed = status.terminating_signal().map(|signal| BY_SIGNAL + signal);
                let code = status.exit_status().or(killed)?;
                return Some(Reaped { pid, code: code as u8 });
            }
            Err(rustix::io::Errno::INTR) => {}
            // Nobody has ended, or there are no children.
            Ok(None) | Err(_) => return None,
        }
    }
}

/// Sends a signal to one process, which may be gone already.
pub(super) fn signal(pid: Pid, signal: Signal) {
    let _ = kill_process(pid, signal);
}

/// Kills a process and all of its group.
pub(super) fn kill(pid: Pid) {
    let _ = kill_process_group(pid, Signal::KILL);
}
