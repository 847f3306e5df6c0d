//! Signals: which ones we pass on, and how they come.
//!
//! Everything that a process can catch and that is meant for the command is passed on. What the kernel sends for a fault
//! of our own (SIGSEGV and its kind), what comes from a terminal to who may not use it (SIGTTIN, SIGTTOU), SIGPIPE and
//! SIGCHLD are ours. Real-time signals are not caught.

use std::fs;
use std::io;

use rustix::process::Signal;
use tokio::signal::unix::{self, SignalKind};
use tokio::sync::mpsc::UnboundedSender;

/// What is passed on.
const FORWARDED: [(&str, Signal); 18] = [
    ("HUP", Signal::HUP),
    ("INT", Signal::INT),
    ("QUIT", Signal::QUIT),
    ("USR1", Signal::USR1),
    ("USR2", Signal::USR2),
    ("ALRM", Signal::ALARM),
    ("TERM", Signal::TERM),
    ("STKFLT", Signal::STKFLT),
    ("CONT", Signal::CONT),
    ("TSTP", Signal::TSTP),
    ("URG", Signal::URG),
    ("XCPU", Signal::XCPU),
    ("XFSZ", Signal::XFSZ),
    ("VTALRM", Signal::VTALARM),
    ("PROF", Signal::PROF),
    ("WINCH", Signal::WINCH),
    ("IO", Signal::IO),
    ("PWR", Signal::POWER),
];

/// The signal of a name such as `QUIT` or `SIGQUIT`.
pub fn named(name: &str) -> Result<Signal, String> {
    let name = name.to_ascii_uppercase();
    let short = name.strip_prefix("SIG").unwrap_or(&name);
    let found = FORWARDED.iter().find(|(known, _)| *known == short);
    found.map(|(_, signal)| *signal).ok_or_else(|| {
        let all: Vec<_> = FORWARDED.iter().map(|(known, _)| *known).collect();
        format!("allowed are {}", all.join(", "))
    })
}

/// What [`catch`] hears.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Heard {
    /// A signal for the command.
    Signal(Signal),
    /// A child of ours has ended, or several.
    Child,
}

/// Catches what is passed on, and the ends of children, from now on. Signals that whoever started us had us ignore
/// (`nohup`) stay ignored, and the command will ignore them, too.
pub(super) fn catch(heard: &UnboundedSender<Heard>) -> io::Result<()> {
    let ignored = ignored();
    let forwarded = FORWARDED.iter().filter(|(_, signal)| ignored & (1 << (signal.as_raw() - 1)) == 0);
    let forwarded = forwarded.map(|(_, signal)| (SignalKind::from_raw(signal.as_raw()), Heard::Signal(*signal)));
    for (kind, what) in forwarded.chain([(SignalKind::child(), Heard::Child)]) {
        let mut stream = unix::signal(kind)?;
        let heard = heard.clone();
        tokio::spawn(async move {
            while stream.recv().await.is_some() {
                if heard.send(what).is_err() {
                    return;
                }
            }
        });
    }
    Ok(())
}

/// The signals that are ignored, a bit each, from SIGHUP in the lowest one on (proc_pid_status(5)).
fn ignored() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signals_have_names() {
        assert_eq!(named("TERM"), Ok(Signal::TERM));
        assert_eq!(named("sigquit"), Ok(Signal::QUIT));
        assert!(named("KILL").unwrap_err().starts_with("allowed are HUP, INT, QUIT,"));
    }
}
