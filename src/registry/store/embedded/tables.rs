//! The tables that the journal has been brought into, compared with their checksums.
//!
//! `fjall` compares the blocks of a table when it reads them, but neither the list of the tables, which it could read
//! short, nor what it does not read. Damage is to be told when the registry starts and not in the midst of its work.

use std::fs::{self, File};
use std::io::{self, ErrorKind, Read};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use fjall::{AbstractTree, Keyspace};
use xxhash_rust::xxh3::{Xxh3, xxh3_128};

use super::super::StoreError;
use super::{corrupt, io_fault};
use crate::threads::at_once;

/// What is read at once.
const BUFFER: usize = 128 << 10;

/// Compares the list of tables of every tree in `folder` with its checksum, before it is opened. The file `current`
/// holds the number of the list (8 octets), the xxh3 of it (16) and 0.
pub(super) fn check_lists(folder: &Path) -> Result<(), StoreError> {
    let mut count = 0;
    for tree in fs::read_dir(folder).map_err(|error| fault(folder, &error))? {
        let tree = tree.map_err(|error| fault(folder, &error))?.path();
        count += 1;
        let path = tree.join("current");
        let current = fs::read(&path).map_err(|error| fault(&path, &error))?;
        let (Some((number, checksum)), 25) = (current.split_first_chunk(), current.len()) else {
            return Err(corrupt(&path, "it is too short"));
        };
        let list = tree.join(format!("v{}", u64::from_le_bytes(*number)));
        let octets = fs::read(&list).map_err(|error| fault(&list, &error))?;
        if !checksum.starts_with(&xxh3_128(&octets).to_le_bytes()) {
            return Err(corrupt(&list, "its checksum is another"));
        }
    }
    // Its own, and ours; it would be made anew, as if nothing had been in it.
    if count < 2 { Err(corrupt(folder, "a folder is missing")) } else { Ok(()) }
}

/// What cannot be read; what is missing is damage.
fn fault(path: &Path, error: &io::Error) -> StoreError {
    if error.kind() == ErrorKind::NotFound {
        return corrupt(path, "it is missing");
    }
    io_fault(path, "read it", error)
}

/// Compares every table of `rows` with its checksum, with all cores.
pub(super) fn check_tables(rows: &Keyspace) -> Result<(), StoreError> {
    // Holds its tables, whatever is merged meanwhile.
    let version = rows.tree.current_version();
    let folder = rows.path().join("tables");
    let tables = version.iter_tables().map(|table| (folder.join(table.id().to_string()), table.checksum().into_u128()));
    let tables: Vec<(PathBuf, u128)> = tables.collect();
    let next = AtomicUsize::new(0);
    let check = || {
        let mut buffer = vec![0; BUFFER];
        while let Some((path, checksum)) = tables.get(next.fetch_add(1, Ordering::Relaxed)) {
            check_table(path, *checksum, &mut buffer)?;
        }
        Ok(())
    };
    let threads = thread::available_parallelism().map_or(1, usize::from).min(tables.len());
    // All are waited for, also where one has found a fault.
    at_once((0..threads).map(|_| &check)).into_iter().fold(Ok(()), Result::and)
}

/// Compares the table in the file `path` with its checksum.
fn check_table(path: &Path, checksum: u128, buffer: &mut [u8]) -> Result<(), StoreError> {
    let fault = |error| fault(path, &error);
    let mut file = File::open(path).map_err(fault)?;
    let mut hash = Xxh3::new();
    loop {
        match file.read(buffer).map_err(fault)? {
            0 => break,
            read => hash.update(&buffer[..read]),
        }
    }
    if hash.digest128() == checksum { Ok(()) } else { Err(corrupt(path, "its checksum is another")) }
}
