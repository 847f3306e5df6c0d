//! The data as files, so that any server can serve it.
//!
//! ```text
//! FOLDER/declaration.yaml        for `fingerpost serve --declare`
//! FOLDER/zones/load.test.zone    the same as a zone file (RFC 1035 §5), one for each namespace
//! FOLDER/zones.txt               a line for each: the zone's name, a tab, its file in this folder
//! FOLDER/queries.txt             a mix of queries as dnsperf and kxdpgun read them
//! FOLDER/queries/a.txt …         queries of one kind
//! ```
//!
//! A server of the one answers as a server of the other does, to the SOA's serial: the first revision of a registry. The
//! one difference is with services of more instances than [`Data::limit`]: a declaration's server draws so many for each
//! response, and a zone file has the first so many, for other servers do not draw.
//!
//! Everything is written as it is made, so that millions of instances take seconds and no memory.

mod declaration;
mod queries;
mod zone;

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::Path;

use super::data::Data;

/// The server that NS and SOA records name, as `fingerpost serve` does where nothing else is said.
pub const NAME_SERVER: &str = "ns.fingerpost.invalid";
/// TTL of NS records in seconds, as the server has it.
pub const NS_TTL: u32 = 172_800;
/// Serial, refresh, retry and expire of SOA records, as the server has them after its first declaration.
pub const SOA_NUMBERS: [u32; 4] = [1, 7_200, 900, 1_209_600];

/// Octets that are collected before they are written.
const BUFFER: usize = 1 << 18;

/// What was written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Generated {
    /// Files.
    pub files: usize,
    /// Octets in all of them.
    pub octets: u64,
    /// Records in zone files.
    pub records: u64,
}

/// Writes `data` into `folder`, which is made where it is missing; files of these names are replaced. `queries` lines go
/// into each file of queries. An error names the file.
pub fn generate(data: &Data, folder: &Path, queries: u32) -> io::Result<Generated> {
    let mut generated = Generated::default();
    for folder in [folder, &folder.join("zones"), &folder.join("queries")] {
        fs::create_dir_all(folder).map_err(|error| named(folder, "be made", &error))?;
    }
    generated.file(&folder.join("declaration.yaml"), |output| declaration::write(data, output))?;
    for namespace in 0..data.namespaces {
        let path = folder.join(file_of(data, namespace));
        generated.records += generated.file(&path, |output| zone::write(data, namespace, output))?;
    }
    generated.file(&folder.join("zones.txt"), |output| {
        (0..data.namespaces)
            .try_for_each(|namespace| writeln!(output, "{}\t{}", data.namespace(namespace), file_of(data, namespace)))
    })?;
    for kind in queries::Kind::all(data) {
        let path = folder.join("queries").join(format!("{}.txt", kind.name()));
        generated.file(&path, |output| queries::write(data, kind, queries, output))?;
    }
    generated.file(&folder.join("queries.txt"), |output| queries::write(data, queries::Kind::Mix, queries, output))?;
    Ok(generated)
}

/// A namespace's zone file, from the folder.
fn file_of(data: &Data, namespace: u32) -> String {
    format!("zones/{}.zone", data.namespace(namespace))
}

impl Generated {
    /// Writes one file.
    fn file<T>(&mut self, path: &Path, write: impl FnOnce(&mut BufWriter<File>) -> io::Result<T>) -> io::Result<T> {
        let written = || {
            let mut output = BufWriter::with_capacity(BUFFER, File::create(path)?);
            let result = write(&mut output)?;
            let file = output.into_inner().map_err(io::IntoInnerError::into_error)?;
            Ok((result, file.metadata()?.len()))
        };
        let (result, octets) = written().map_err(|error| named(path, "be written", &error))?;
        self.files += 1;
        self.octets += octets;
        Ok(result)
    }
}

/// The error, with the path it is about.
fn named(path: &Path, what: &str, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{} cannot {what}: {error}", path.display()))
}

#[cfg(test)]
mod tests;
