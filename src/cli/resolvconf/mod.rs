//! `fingerpost resolvconf`: takes a task's resolv.conf over, and gives it back.
//!
//! `text` says what the file becomes, `replace` how it is written.

mod replace;
mod text;

use std::fs;
use std::io::{self, ErrorKind, Write};
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context;
use clap::Args;
use fingerpost::wire::Name;

use self::replace::{How, replace, with_suffix};
use self::text::{Wish, is_ours, take_over};

/// The port that resolv.conf means.
const PORT: u16 = 53;

/// How long we wait for a sign of life of the nameserver.
const PROBE_PATIENCE: Duration = Duration::from_millis(500);

/// `fingerpost resolvconf …`
#[derive(Args)]
pub(crate) struct Resolvconf {
    /// Write the file, instead of printing what it would become
    #[arg(long)]
    write: bool,

    /// Put back the file from before, and remove the backup
    #[arg(long, conflicts_with_all = ["write", "search", "ndots", "no_fallback"])]
    undo: bool,

    /// The file
    #[arg(long, value_name = "FILE", default_value = "/etc/resolv.conf")]
    path: PathBuf,

    /// Where the file from before is kept [default: the file's name with .before-fingerpost at its end]
    #[arg(long, value_name = "FILE")]
    backup: Option<PathBuf>,

    /// The nameserver to put first: where Fingerpost answers DNS
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1")]
    nameserver: IpAddr,

    /// A domain in which to look for short names, before those of the file; repeat it
    #[arg(long, value_name = "DOMAIN", value_parser = domain)]
    search: Vec<String>,

    /// Dots from which on a name is tried as it is first
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(0..=15))]
    ndots: Option<u8>,

    /// Do not keep the other nameservers as a fallback: programs with musl (Alpine) ask all at once
    #[arg(long)]
    no_fallback: bool,

    /// Where Fingerpost listens, to warn where that is no port 53; `fingerpost serve` reads the same variable
    #[arg(long, value_name = "ADDR:PORT", env = "FINGERPOST_DNS", hide_env_values = true, value_delimiter = ',')]
    dns: Vec<SocketAddr>,
}

pub(crate) const EXAMPLES: &str = "\
Ours becomes the first nameserver; the others stay as a fallback for when it is gone, and \"timeout:1 attempts:2\" makes \
programs fall back after a second, unless the file has these options. Doing it again changes nothing.

Examples:
  fingerpost resolvconf --search production.local
  fingerpost resolvconf --write --search production.local --ndots 1
  fingerpost resolvconf --undo";

impl Resolvconf {
    /// Takes the file over or gives it back; warnings go to standard error.
    pub(crate) fn run(self) -> anyhow::Result<()> {
        let backup = self.backup.clone().unwrap_or_else(|| with_suffix(&self.path, ".before-fingerpost"));
        if self.undo {
            return undo(&self.path, &backup);
        }
        let before = read(&self.path)?;
        let taken = take_over(
            &before,
            &Wish {
                nameserver: self.nameserver,
                search: self.search.clone(),
                ndots: self.ndots,
                fallback: !self.no_fallback,
                backup: backup.display().to_string(),
            },
        );
        for warning in taken.warnings.into_iter().chain(self.port_warning()) {
            eprintln!("fingerpost: warning: {warning}");
        }
        if !self.write {
            return Ok(io::stdout().write_all(taken.text.as_bytes())?);
        }
        let mut output = io::stdout().lock();
        if taken.text == before {
            return Ok(writeln!(output, "{} is as it should be", self.path.display())?);
        }
        // A file of ours is not what was before.
        if !is_ours(&before) {
            fs::write(&backup, &before).with_context(|| {
                format!("cannot keep {} as {}; --backup says where else", self.path.display(), backup.display())
            })?;
        }
        let how = replace(&self.path, &taken.text).with_context(|| format!("cannot write {}", self.path.display()))?;
        let how = describe(how);
        writeln!(output, "{}: {} is the first nameserver{how}", self.path.display(), self.nameserver)?;
        Ok(writeln!(output, "{} has what was before: fingerpost resolvconf --undo", backup.display())?)
    }

    /// What is wrong with the nameserver's port, which resolv.conf cannot name.
    fn port_warning(&self) -> Option<String> {
        let fitting = |dns: &SocketAddr| {
            let everywhere = dns.ip().is_unspecified() && dns.is_ipv4() == self.nameserver.is_ipv4();
            dns.port() == PORT && (dns.ip() == self.nameserver || everywhere)
        };
        let nameserver = SocketAddr::new(self.nameserver, PORT);
        if !self.dns.is_empty() && !self.dns.iter().any(fitting) {
            let listed: Vec<String> = self.dns.iter().map(SocketAddr::to_string).collect();
            return Some(format!(
                "Fingerpost listens on {}, but resolv.conf has no ports: let it listen on --dns {nameserver}, too",
                listed.join(", ")
            ));
        }
        let silent = !answers(nameserver);
        silent.then(|| format!("nobody answers at {nameserver}: start fingerpost serve --dns {nameserver} first"))
    }
}

/// Reads a resolv.conf.
fn read(path: &Path) -> anyhow::Result<String> {
    fs::read_to_string(path).with_context(|| format!("cannot read {}; --path FILE names another file", path.display()))
}

/// How it was written, where that matters.
fn describe(how: How) -> &'static str {
    match how {
        How::Renamed => "",
        How::InPlace => " (written in place: it is a mount of its own, or nothing can be made beside it)",
    }
}

/// Puts `backup` back to `path`. Doing it again does nothing.
fn undo(path: &Path, backup: &Path) -> anyhow::Result<()> {
    let now = read(path)?;
    let mut output = io::stdout().lock();
    let before = match fs::read_to_string(backup) {
        Ok(before) => before,
        Err(error) if error.kind() == ErrorKind::NotFound && !is_ours(&now) => {
            return Ok(writeln!(output, "{} was not taken over", path.display())?);
        }
        Err(error) => return Err(error).with_context(|| format!("cannot read {}", backup.display())),
    };
    anyhow::ensure!(
        is_ours(&now),
        "{} was written by others since it was taken over; it stays as it is, and {} has what was before",
        path.display(),
        backup.display()
    );
    let how = replace(path, &before).with_context(|| format!("cannot write {}", path.display()))?;
    fs::remove_file(backup).with_context(|| format!("cannot remove {}", backup.display()))?;
    Ok(writeln!(output, "{} is as it was before{}", path.display(), describe(how))?)
}

/// A domain to search in, without a dot at its end.
fn domain(text: &str) -> Result<String, String> {
    let domain = text.trim_end_matches('.');
    match Name::parse(domain) {
        Ok(name) if name.as_wire().len() > 1 && !domain.contains(char::is_whitespace) => Ok(domain.to_owned()),
        Ok(_) => Err("allowed are domains such as production.local".into()),
        Err(error) => Err(error.to_string()),
    }
}

/// Whether a name server answers there: anything at all, to a query for the root's SOA.
fn answers(nameserver: SocketAddr) -> bool {
    let local = SocketAddr::new(if nameserver.is_ipv4() { [0; 4].into() } else { [0; 16].into() }, 0);
    let query = *b"FP\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\x00\x06\x00\x01";
    let ask = || {
        let socket = UdpSocket::bind(local)?;
        socket.set_read_timeout(Some(PROBE_PATIENCE))?;
        socket.connect(nameserver)?;
        socket.send(&query)?;
        socket.recv(&mut [0; 512])
    };
    ask().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn search_domains_are_names() {
        assert_eq!(domain("production.local."), Ok("production.local".into()));
        for bad in ["", ".", "a b", "a..b"] {
            assert!(domain(bad).is_err(), "{bad}");
        }
    }
}
