//! The configuration file: TOML, versioned, read into [`Options`] or refused with every fault it has.
//!
//! Version 1 is [`Options`] itself, one key an option. The first version that differs gets a type and a
//! conversion of its own, beside a copy of version 1 as it was.

use std::fs::{self, File};
use std::io::Read;
use std::ops::Range;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use serde::de::DeserializeOwned;
use toml::Spanned;
use toml::de::{DeTable, DeValue, Deserializer, Error};

use super::{Faults, Options};

/// Reads the file at `path`.
pub fn read(path: &Path) -> Result<Options, Faults> {
    match fs::read_to_string(path) {
        Ok(text) => parse(&path.display().to_string(), &text),
        Err(error) => Err(Faults(vec![format!("{}: {error}", path.display())])),
    }
}

/// Opens a file of secrets at `path`, if only its owner can.
pub(crate) fn open_private(path: &Path) -> Result<File, Faults> {
    let name = path.display();
    let fault = |reason: &dyn std::fmt::Display| Faults(vec![format!("{name}: {reason}")]);
    let file = File::open(path).map_err(|error| fault(&error))?;
    // Of the open file, so that nobody can put another one in its place meanwhile.
    let mode = file.metadata().map_err(|error| fault(&error))?.permissions().mode() & 0o777;
    if mode & 0o077 != 0 {
        return Err(fault(&format!(
            "others than its owner have access to its secrets (mode {mode:o}): chmod 600 {name}"
        )));
    }
    Ok(file)
}

/// Reads a file of secrets at `path`, if only its owner can.
pub(crate) fn read_private(path: &Path) -> Result<String, Faults> {
    let mut text = String::new();
    let read = open_private(path)?.read_to_string(&mut text);
    read.map_err(|error| Faults(vec![format!("{}: {error}", path.display())]))?;
    Ok(text)
}

/// Parses `text`, which came from the file called `name`.
pub fn parse(name: &str, text: &str) -> Result<Options, Faults> {
    parse_as(name, text)
}

/// The same for any kind of file whose format has the version 1.
pub(crate) fn parse_as<T: DeserializeOwned>(name: &str, text: &str) -> Result<T, Faults> {
    let (mut table, errors) = DeTable::parse_recoverable(text);
    let place = |span: Option<Range<usize>>, reason: &str| {
        let (line, column) = position(text, span.map_or(0, |span| span.start));
        format!("{name}:{line}:{column}: {}", reason.trim_end().replace('\n', "; "))
    };
    if !errors.is_empty() {
        let faults = errors.iter().map(|error| place(error.span(), error.message()));
        return Err(Faults(faults.collect()));
    }
    if let Err((span, reason)) = take_version(table.get_mut()) {
        return Err(Faults(vec![place(span, &reason)]));
    }

    // Serde stops at the first fault; the entry that caused it is taken out and the rest tried again, until
    // every fault is known.
    let mut faults: Vec<(usize, String)> = Vec::new();
    loop {
        match T::deserialize(Deserializer::from(table.clone())) {
            Ok(value) if faults.is_empty() => return Ok(value),
            Ok(_) => break,
            Err(error) => {
                let key = take_culprit(table.get_mut(), &error);
                let reason = match &key {
                    Some(key) if !error.message().contains(&format!("`{key}`")) => {
                        format!("{key}: {}", error.message())
                    }
                    _ => error.message().to_owned(),
                };
                let start = error.span().map_or(0, |span| span.start);
                faults.push((start, place(error.span(), &reason)));
                if key.is_none() {
                    break;
                }
            }
        }
    }
    faults.sort();
    Err(Faults(faults.into_iter().map(|(_, fault)| fault).collect()))
}

/// Takes `version` out of the table; an error is where and why it is not one this program reads.
fn take_version(table: &mut DeTable<'_>) -> Result<(), (Option<Range<usize>>, String)> {
    let value = table
        .remove("version")
        .ok_or_else(|| (None, "the key `version` is missing; write `version = 1`".to_owned()))?;
    let is_one = |integer: &str| integer.parse() == Ok(1);
    match value.get_ref() {
        DeValue::Integer(integer) if integer.radix() == 10 && is_one(integer.as_str()) => Ok(()),
        _ => Err((Some(value.span()), "version: this program reads version 1 only; write `version = 1`".to_owned())),
    }
}

/// Takes the entry that caused `error` out of the table and returns its key.
fn take_culprit(table: &mut DeTable<'_>, error: &Error) -> Option<String> {
    let span = error.span()?;
    let within = |outer: Range<usize>| outer.start <= span.start && span.end <= outer.end;
    let key = table
        .iter()
        .find(|(key, value)| within(Spanned::span(key)) || within(value.span()))
        .map(|(key, _)| key.get_ref().to_string())?;
    table.remove(key.as_str());
    Some(key)
}

/// Line and column, both from 1, of the octet at `offset`; columns count characters.
pub(crate) fn position(text: &str, offset: usize) -> (usize, usize) {
    let before = text.get(..offset).unwrap_or(text);
    let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
    let line = before.matches('\n').count() + 1;
    (line, before[line_start..].chars().count() + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faults(text: &str) -> Vec<String> {
        parse("f.toml", text).unwrap_err().0
    }

    #[test]
    fn every_fault_is_listed_with_its_place() {
        let text = "version = 1\nudp-payload = 99999\nworker = 2\n\ndns = [\"localhost:53\"]\n[logs]\nlevel = 1\n";
        let found = faults(text);
        assert_eq!(found.len(), 4, "{found:#?}");
        assert_eq!(found[0], "f.toml:2:15: udp-payload: 99999 is not in the range 512 to 4096");
        assert!(found[1].starts_with("f.toml:3:1: unknown field `worker`, expected one of `declare`"));
        assert!(found[2].starts_with("f.toml:5:7: dns: \"localhost:53\" is not ADDR:PORT"), "{}", found[2]);
        assert!(found[3].starts_with("f.toml:6:2: unknown field `logs`"), "{}", found[3]);
    }

    #[test]
    fn values_have_their_toml_type() {
        let found = faults("version = 1\nworkers = \"2\"\nnsid = 3\n");
        assert!(found[0].starts_with("f.toml:2:11: workers: invalid type: string"), "{}", found[0]);
        assert!(found[1].starts_with("f.toml:3:8: nsid: invalid type: integer"), "{}", found[1]);
    }

    #[test]
    fn faults_of_vpcs_are_told_with_the_others() {
        let text = "version = 1\nworkers = 0\n[vpcs]\nvpc-1 = [\"10.0.0.1/16\"]\n";
        let found = faults(text);
        assert_eq!(found.len(), 2, "{found:#?}");
        assert!(found[1].starts_with("f.toml:3:"), "{}", found[1]);
        assert!(
            found[1].ends_with("vpcs: vpc-1: \"10.0.0.1/16\" has bits behind its prefix; the network is 10.0.0.0/16")
        );
        assert!(faults("version = 1\n[vpcs]\nvpc-1 = []\n")[0].contains("at least one network"));
        assert!(faults("version = 1\nvpcs = [\"vpc-1\"]\n")[0].contains("expected a map"));
        let sound = parse("f.toml", "version = 1\n[vpcs]\nvpc-1 = [\"10.0.0.0/16\", \"fd00::/8\"]\n").unwrap();
        assert_eq!(sound.vpcs.unwrap()[0].to_string(), "vpc-1=10.0.0.0/16,fd00::/8");
    }

    #[test]
    fn the_version_is_required_and_known() {
        assert_eq!(faults(""), ["f.toml:1:1: the key `version` is missing; write `version = 1`"]);
        for bad in ["version = 2", "version = \"1\"", "version = 1.0"] {
            assert!(faults(bad)[0].starts_with("f.toml:1:11: version: this program reads version 1"), "{bad}");
        }
        assert_eq!(parse("f.toml", "version = 1").unwrap(), Options::default());
    }

    #[test]
    fn broken_toml_is_a_fault_with_its_place() {
        let found = faults("version = 1\nworkers =\n");
        assert!(found[0].starts_with("f.toml:2:"), "{}", found[0]);
    }

    #[test]
    fn the_file_cannot_name_another_file() {
        assert!(faults("version = 1\nconfig = \"b.toml\"")[0].contains("unknown field `config`"));
    }
}
