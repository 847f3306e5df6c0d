//! The servers: how each is configured and started. A file each; their configuration is in `configuration/`.

mod bind;
mod echo;
mod fingerpost;
mod gdnsd;
mod hickory;
mod knot;
mod nsd;
mod pdns;
mod unbound;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use regex::Regex;

use crate::data::Files;

pub(crate) use fingerpost::{follower, stored};

/// A server to measure.
pub(crate) struct Peer {
    /// What `--only` and the results call it.
    pub(crate) name: &'static str,
    /// What people call it.
    pub(crate) title: &'static str,
    /// Its program: a name to be looked for, or a path.
    program: fn() -> PathBuf,
    /// The arguments that make it tell its version.
    version: &'static [&'static str],
    /// The name of its configuration file and its template.
    configuration: Option<(&'static str, &'static str)>,
    /// Writes what it needs beside that.
    prepare: fn(&Place) -> Result<()>,
    /// Its arguments.
    arguments: fn(&Place) -> Vec<OsString>,
    /// Further variables of the template.
    variables: &'static [(&'static str, &'static str)],
    /// How it takes part.
    pub(crate) part: Part,
}

/// How a server takes part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    /// In everything.
    Whole,
    /// Only in throughput and CPU time: it is another configuration of a server that takes part in the rest.
    Brief,
    /// Only as the ceiling: it answers nothing that could be checked.
    Ceiling,
}

/// Where a server listens and works.
pub(crate) struct Place {
    /// Its address.
    pub(crate) address: Ipv4Addr,
    /// Its port, of UDP and TCP.
    pub(crate) port: u16,
    /// A folder of its own.
    pub(crate) folder: PathBuf,
    /// The core that it runs on, for the servers that want to know.
    pub(crate) core: usize,
    /// What it serves.
    pub(crate) files: Files,
}

impl Place {
    /// Its address and port.
    pub(crate) fn socket(&self) -> SocketAddr {
        (self.address, self.port).into()
    }
}

/// All of them, ours first.
pub(crate) fn all() -> Vec<Peer> {
    vec![
        fingerpost::PEER,
        nsd::PEER,
        knot::PEER,
        bind::PEER,
        pdns::PEER,
        pdns::UNCACHED,
        gdnsd::PEER,
        unbound::PEER,
        hickory::PEER,
        echo::PEER,
    ]
}

impl Peer {
    /// Its program's path; `None` where it is not installed.
    pub(crate) fn path(&self) -> Option<PathBuf> {
        let program = (self.program)();
        if program.is_absolute() {
            return program.is_file().then_some(program);
        }
        let folders = std::env::var_os("PATH").unwrap_or_default();
        let folders = std::env::split_paths(&folders).chain(["/usr/sbin", "/sbin"].map(PathBuf::from));
        folders.map(|folder| folder.join(&program)).find(|path| path.is_file())
    }

    /// What it says of its version.
    pub(crate) fn version(&self) -> String {
        if self.version.is_empty() {
            return env!("CARGO_PKG_VERSION").into();
        }
        let Some(path) = self.path() else { return "missing".into() };
        let Ok(output) = Command::new(path).args(self.version).output() else { return "unknown".into() };
        let text = [output.stdout, output.stderr].concat();
        let text = String::from_utf8_lossy(&text).into_owned();
        let number =
            Regex::new(r"\d+\.\d+(\.\d+)?").ok().and_then(|number| Some(number.find(&text)?.as_str().to_owned()));
        number.unwrap_or_else(|| "unknown".into())
    }

    /// Writes its files and returns the words of its command, program first.
    pub(crate) fn command(&self, place: &Place) -> Result<Vec<OsString>> {
        fs::create_dir_all(&place.folder)?;
        if let Some((name, template)) = self.configuration {
            let text = fill(template, place, self.variables);
            fs::write(place.folder.join(name), text).with_context(|| format!("the configuration of {}", self.title))?;
        }
        (self.prepare)(place)?;
        let path = self.path().with_context(|| format!("{} is not installed", self.title))?;
        Ok([vec![path.into_os_string()], (self.arguments)(place)].concat())
    }

    /// Its configuration, with the variables left as they are: what a reader wants to see.
    pub(crate) fn template(&self) -> Option<(&'static str, &'static str)> {
        self.configuration
    }

    /// The words of its command in a place of no meaning, for people.
    pub(crate) fn usage(&self) -> String {
        let place = Place {
            address: Ipv4Addr::LOCALHOST,
            port: 53,
            folder: "FOLDER".into(),
            core: 0,
            files: Files::at(Path::new("DATA"), &fingerpost::any_data()),
        };
        let name = (self.program)().file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let words = (self.arguments)(&place).into_iter().map(|word| word.to_string_lossy().into_owned());
        std::iter::once(name).chain(words).collect::<Vec<_>>().join(" ")
    }
}

/// A template with its variables replaced.
fn fill(template: &str, place: &Place, more: &[(&'static str, &'static str)]) -> String {
    let mut values: BTreeMap<&str, String> = [
        ("address", place.address.to_string()),
        ("port", place.port.to_string()),
        ("folder", place.folder.display().to_string()),
        ("zone", place.files.apex.clone()),
        ("zone_file", place.files.zone.display().to_string()),
    ]
    .into();
    values.extend(more.iter().map(|(name, value)| (*name, (*value).to_owned())));
    values.iter().fold(template.to_owned(), |text, (name, value)| text.replace(&format!("{{{name}}}"), value))
}

/// For servers that need nothing but their configuration.
fn nothing(_place: &Place) -> Result<()> {
    Ok(())
}

/// Words of a command.
fn words<const N: usize>(words: [&str; N]) -> Vec<OsString> {
    words.map(OsString::from).into()
}
