//! The tables that the journal has been brought into, compared with their checksums.
//!
//! `fjall` compares the blocks of a table when it reads them, but neither the list of the tables, which it could read
//! short, nor what it does not read. Damage is to be told when the registry starts and not in the midst of its work.

use std::fs::{self, File};
use std::io::{self, ErrorKind, Read};
use std::path::Path;

use fjall::{AbstractTree, Keyspace};
use xxhash_rust::xxh3::{Xxh3, xxh3_128};

use super::super::StoreError;
use super::{corrupt, io_fault};

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

/// Compares every table of `rows` with its checksum.
pub(super) fn check_tables(rows: &Keyspace) -> Result<(), StoreError> {
    let mut buffer = vec![0; BUFFER];
    // Holds its tables, whatever is merged meanwhile.
    let version = rows.tree.current_version();
    for table in version.iter_tables() {
        let path = rows.path().join("tables").join(table.id().to_string());
        let fault = |error| fault(&path, &error);
        let mut file = File::open(&path).map_err(fault)?;
        let mut hash = Xxh3::new();
        loop {
            match file.read(&mut buffer).map_err(fault)? {
                0 => break,
                read => hash.update(&buffer[..read]),
            }
        }
        if hash.digest128() != table.checksum().into_u128() {
            return Err(corrupt(&path, "its checksum is another"));
        }
    }
    Ok(())
}
