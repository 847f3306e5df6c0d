//! Rows in a folder on disk, in a file of the crate `redb`: the store of a registry that stands alone.
//!
//! # Why `redb`
//!
//! `cargo bench --bench store` sets it beside `fjall`, tuned for the same use: 1,000,000 instance rows with as many
//! operation rows, durable commits of random instance rows with an operation row each, on two virtual cores:
//!
//! | | `redb` 4.6 | `fjall` 3.1 |
//! |---|---|---|
//! | filled in commits of 10,000 | 5.7 s | 4.7 s |
//! | opened and loaded, 2.0 to 2.4 million rows | 0.50-0.56 s, all pages checked | 0.53-1.0 s |
//! | commit of 1: instances a second | 3,789 | 6,469 |
//! | commit of 64: instances a second | 23,669 | 195,055 |
//! | commit of 1000: instances a second | 33,850 | 303,747 |
//! | commits at worst | 4-37 ms | 4-75 ms |
//! | disk after the fill, at the end | 561 MB, 618 MB | 356 MB, 423 MB |
//! | most memory, loading / committing | 7 MB / 8 MB | 115 MB / 116 MB |
//!
//! `fjall` is the faster one, by far at large commits, and the smaller on disk. `redb` won all the same:
//!
//! - Damage. `fjall` takes whatever it cannot decode for the end of its journal: with one batch of twenty overwritten it
//!   opened without a word and without the fifteen acknowledged batches behind it. A last batch whose end is on disk and
//!   something before it is not, which a loss of power may leave, it does not open at all. It has no option for either;
//!   to be honest about both, its files have to be read before it reads them. `redb` checks every page, and says that
//!   the file is damaged.
//! - It takes files behind a trait, so that a loss of power and every failing write can be tested.
//! - Its memory does not depend on what is written, it starts no threads, and brings no other crates along, against
//!   about twenty.
//! - Twice the registrations that come through the API at its fastest fit into what it commits.
//!
//! Where more than 30,000 changes a second are wanted, `fjall` with such a look at its journal is the way.
//!
//! Without the check of all pages `redb` opens and loads the same rows in about 0.3 s.

mod folder;

use std::io::ErrorKind;
use std::ops::Bound;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use redb::backends::FileBackend;
use redb::{Builder, Database, ReadOnlyTable, ReadableDatabase, StorageBackend, TableDefinition};

use self::folder::Folder;
use super::{Each, Row, Store, StoreError, Table, Write};

/// The memory for pages. The registry holds the model itself and reads each row once, at the start; a larger cache has
/// been measured to make that slower and commits no faster.
const CACHE: usize = 4 << 20;

/// A store in a folder, which this process alone has open.
#[derive(Debug)]
pub struct Embedded {
    database: Database,
    /// Where the rows are, for messages.
    place: PathBuf,
    /// Why a commit failed; nothing is done any more.
    failed: OnceLock<Box<str>>,
    /// Let go of last.
    _folder: Option<Folder>,
}

impl Embedded {
    /// Opens the store in the folder `dir`, or makes both.
    ///
    /// What an acknowledged commit wrote is there, whatever became of the process or the machine since, and all or
    /// nothing of a commit that was cut short. Every page is checked, so that damage is told here and not met later.
    ///
    /// # Errors
    ///
    /// [`StoreError::NewerFormat`] before anything is touched, [`StoreError::Locked`] while another has it open,
    /// [`StoreError::Corrupt`] if what was acknowledged cannot be read, and [`StoreError::Io`].
    pub fn open(dir: &Path) -> Result<Self, StoreError> {
        let folder = Folder::open(dir)?;
        let place = folder.rows_path();
        let backend = |file| FileBackend::new(file).map_err(|error| fault(&place, "open the file", error));
        let database = if let Some(file) = folder.rows()? {
            open(backend(file)?, &place)?
        } else {
            let database = make(backend(folder.new_rows()?)?, &place)?;
            folder.keep_new_rows()?;
            database
        };
        Ok(Self { database, place, failed: OnceLock::new(), _folder: Some(folder) })
    }

    /// A store on something that behaves like a file, which is empty or holds one.
    #[cfg(test)]
    pub(super) fn on(backend: impl StorageBackend, empty: bool) -> Result<Self, StoreError> {
        let place = PathBuf::from("test");
        let database = if empty { make(backend, &place)? } else { open(backend, &place)? };
        Ok(Self { database, place, failed: OnceLock::new(), _folder: None })
    }

    /// Refuses if a commit has failed.
    fn usable(&self) -> Result<(), StoreError> {
        let Some(cause) = self.failed.get() else { return Ok(()) };
        Err(StoreError::Io(format!(
            "{}: an earlier write failed, and what is on disk is not known until the registry is started anew: {cause}",
            self.place.display()
        )))
    }

    /// Turns a fault of `redb` into ours.
    fn fault(&self, doing: &str, error: impl Into<redb::Error>) -> StoreError {
        fault(&self.place, doing, error)
    }

    /// The rows of `table` as they are now.
    fn rows(&self, table: Table) -> Result<ReadOnlyTable<&'static [u8], &'static [u8]>, StoreError> {
        self.usable()?;
        let transaction = self.database.begin_read().map_err(|error| self.fault("read", error))?;
        transaction.open_table(definition(table)).map_err(|error| self.fault("read", error))
    }

    /// Writes a batch in one transaction.
    fn write(&self, writes: &[Write]) -> Result<(), StoreError> {
        let fault = |error: redb::Error| self.fault("write", error);
        // In the order of the keys, so that neighbours meet while their page is at hand; the sort keeps the order of the
        // writes of one key.
        let mut writes: Vec<&Write> = writes.iter().collect();
        writes.sort_by(|left, right| (left.table, &left.key).cmp(&(right.table, &right.key)));
        // The default durability: one fsync, in `commit`, and one more in the rare case that the file grows.
        let transaction = self.database.begin_write().map_err(|error| fault(error.into()))?;
        for writes in writes.chunk_by(|left, right| left.table == right.table) {
            let mut rows = transaction.open_table(definition(writes[0].table)).map_err(|error| fault(error.into()))?;
            // Of the writes of one key only the last counts.
            for write in writes.chunk_by(|left, right| left.key == right.key).filter_map(|same| same.last()) {
                let written = match &write.value {
                    Some(value) => rows.insert(&*write.key, &**value),
                    None => rows.remove(&*write.key),
                };
                written.map_err(|error| fault(error.into()))?;
            }
        }
        transaction.commit().map_err(|error| fault(error.into()))
    }
}

impl Store for Embedded {
    fn load(&self, table: Table, each: &mut Each<'_>) -> Result<(), StoreError> {
        let rows = self.rows(table)?;
        for row in rows.range::<&[u8]>(..).map_err(|error| self.fault("read", error))? {
            let (key, value) = row.map_err(|error| self.fault("read", error))?;
            each(key.value(), value.value())?;
        }
        Ok(())
    }

    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Box<[u8]>>, StoreError> {
        let value = self.rows(table)?.get(key).map_err(|error| self.fault("read", error))?;
        Ok(value.map(|value| value.value().into()))
    }

    fn scan(&self, table: Table, after: &[u8], backwards: bool, limit: usize) -> Result<Vec<Row>, StoreError> {
        let bounds: (Bound<&[u8]>, Bound<&[u8]>) = super::bounds(after, backwards);
        let rows = self.rows(table)?;
        let mut rows = rows.range::<&[u8]>(bounds).map_err(|error| self.fault("read", error))?;
        let next = || if backwards { rows.next_back() } else { rows.next() };
        let copied = std::iter::from_fn(next).take(limit).map(|row| {
            let (key, value) = row.map_err(|error| self.fault("read", error))?;
            Ok((key.value().into(), value.value().into()))
        });
        copied.collect()
    }

    fn commit(&self, writes: &[Write]) -> Result<(), StoreError> {
        self.usable()?;
        if writes.is_empty() {
            return Ok(());
        }
        self.write(writes).inspect_err(|fault| {
            let _ = self.failed.set(fault.to_string().into());
        })
    }
}

/// How a table is called in the file.
fn definition(table: Table) -> TableDefinition<'static, &'static [u8], &'static [u8]> {
    TableDefinition::new(match table {
        Table::Namespaces => "namespaces",
        Table::Services => "services",
        Table::Instances => "instances",
        Table::Operations => "operations",
        Table::Meta => "meta",
    })
}

/// A new database with empty tables.
fn make(backend: impl StorageBackend, place: &Path) -> Result<Database, StoreError> {
    let fault = |error: redb::Error| fault(place, "make the file", error);
    let database = builder().create_with_backend(backend).map_err(|error| fault(error.into()))?;
    let transaction = database.begin_write().map_err(|error| fault(error.into()))?;
    for table in Table::ALL {
        transaction.open_table(definition(table)).map_err(|error| fault(error.into()))?;
    }
    transaction.commit().map_err(|error| fault(error.into()))?;
    Ok(database)
}

/// The database there is, brought back to its last commit and checked.
fn open(backend: impl StorageBackend, place: &Path) -> Result<Database, StoreError> {
    let fault = |error: redb::Error| fault(place, "open the file", error);
    let length = backend.len().map_err(|error| fault(error.into()))?;
    if length == 0 {
        // It would be made anew, as if nothing had been in it.
        return Err(corrupt(place, "the file is empty"));
    }
    let database = builder().set_check_integrity_on_open(true).create_with_backend(backend);
    let database = database.map_err(|error| fault(error.into()))?;
    let transaction = database.begin_read().map_err(|error| fault(error.into()))?;
    for table in Table::ALL {
        transaction.open_table(definition(table)).map_err(|error| fault(error.into()))?;
    }
    Ok(database)
}

/// How databases are opened.
fn builder() -> Builder {
    let mut builder = Builder::new();
    builder.set_cache_size(CACHE);
    builder
}

/// Tells damage and a lock from what else can be wrong with a disk.
fn fault(place: &Path, doing: &str, error: impl Into<redb::Error>) -> StoreError {
    match error.into() {
        redb::Error::DatabaseAlreadyOpen | redb::Error::LockProtocolMismatch => StoreError::Locked(format!(
            "{}: another program has this file open: stop it first, or use another folder",
            place.display()
        )),
        // So `redb` tells a file that is none of its own, or that ends too early.
        redb::Error::Io(error) if matches!(error.kind(), ErrorKind::InvalidData | ErrorKind::UnexpectedEof) => {
            corrupt(place, &error.to_string())
        }
        error @ (redb::Error::Corrupted(_)
        | redb::Error::TableDoesNotExist(_)
        | redb::Error::TableTypeMismatch { .. }
        | redb::Error::TableIsMultimap(_)
        | redb::Error::UpgradeRequired(_)) => corrupt(place, &error.to_string()),
        error => StoreError::Io(format!("{}: cannot {doing}: {error}", place.display())),
    }
}

/// What to do about damage.
fn corrupt(place: &Path, detail: &str) -> StoreError {
    StoreError::Corrupt(format!(
        "{}: the file is damaged ({detail}): put back a copy of it, or move it away and import an exported registry",
        place.display()
    ))
}
