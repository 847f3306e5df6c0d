//! Rows in a folder on disk, by the crate `fjall`: the store of a registry that stands alone.
//!
//! # Why `fjall`
//!
//! `cargo bench --bench store` sets this store beside `redb` 4.6, a B-tree in one file, with as much checked when it is
//! opened: 1,000,000 instance rows with as many operation rows and 125,000 service rows, then durable commits of random
//! instance rows with an operation row each. Both on two virtual cores with three times as much other work as they can
//! do, so that times of a clock are long, and those of the processors tell more:
//!
//! | | `redb` 4.6 | this store, on `fjall` 3.1 |
//! |---|---|---|
//! | filled in commits of 10,000, by the clock / the processors | 22.7 s / 8.8 s | 13.6 s / 7.2 s |
//! | opened and loaded, closed before, by the clock / the processors | 1.7 s / 0.85 s | 0.5-0.9 s / 0.41 s |
//! | the same, killed amid commits of 1000 | 2.2-2.5 s / 1.03 s | 1.0-3.0 s / 0.95-1.1 s |
//! | commit of 1: half within | 4.0 ms | 0.14-4.0 ms |
//! | commit of 1000: instances a second, half within | 9,100, 101 ms | 33,800-94,000, 8-12 ms |
//! | the same at worst | 221 ms | 138-871 ms |
//! | disk after the fill | 591 MB | 358 MB |
//! | most memory, loading / committing | 12 MB / 8 MB | 13 MB / 28 MB |
//!
//! On the same machine at rest, the bare crates committed 3,800, 23,700 and 33,900 instances a second (`redb`) and 6,500,
//! 195,100 and 303,700 (`fjall`), by 1, 64 and 1000: more than 30,000 are wanted, which leaves `redb` no room.
//!
//! A commit of `redb` rewrites pages all over its tree, and one of `fjall` appends to a journal; the rest is done in the
//! background, with longer writes. That costs a thread, more memory, and about twenty more crates; and commits of many
//! rows wait at times until the background has made room for them, the longer the more other work the machine has.
//!
//! A journal takes longer to read than tables do, and `fjall` keeps up to 64 MB of it: when the store is closed, all of
//! it is brought into tables, and the journal is emptied.
//!
//! # What is done about damage
//!
//! `fjall` alone opens a journal with a damaged place in it silently, and without the acknowledged batches behind it; and
//! it does not open one whose last batch is torn so that its end is on disk and something before it is not, which a loss
//! of power may well leave. It has no option for either. So its files are read before it reads them:
//!
//! - Each batch has a number. `journal` follows them, cuts off the last one if it is torn, and refuses everything else
//!   that cannot be read or does not follow.
//! - `acknowledged` knows the number of the last acknowledged batch, so that a journal that has lost its end is told, too.
//! - `tables` compares the lists of tables and the tables with their checksums.
//!
//! What is not told: acknowledged batches missing at the very end after a loss of power, if also the number of the last
//! one had not come to disk, which the kernel sees to within half a minute. A disk that keeps what it has been told to
//! keep does not lose them. Neither is the oldest of several journals, taken away as a whole by hand.
//!
//! What a commit waits for is looked at here (`Embedded::wait`) rather than in `fjall`, which would wait forever if the
//! background had failed, as when the disk is full.

mod acknowledged;
mod folder;
mod journal;
mod tables;

use std::fs;
use std::io;
use std::ops::Bound;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::thread::sleep;
use std::time::{Duration, Instant};

use fjall::compaction::Leveled;
use fjall::config::{BlockSizePolicy, FilterPolicy};
use fjall::{AbstractTree, Database, Keyspace, KeyspaceCreateOptions, PersistMode};
use rustix::process::{Pid, getpriority_process, setpriority_process};

use self::acknowledged::Acknowledged;
use self::folder::Folder;
use super::{Each, Keys, Row, Store, StoreError, Table, Write};

/// The memory for blocks. The registry holds the model itself and reads each row once, at the start.
const CACHE: u64 = 2 << 20;
/// The memory for rows that are in the journal only; there are up to four times as many while tables are written.
const MEMTABLE: u64 = 16 << 20;
/// The length of a table on disk.
const TABLE: u64 = 64 << 20;
/// Young tables that are merged at once. With [`TABLE`], all the others of a million instances and more are one level:
/// a row is written about five times until it rests, where it was fifteen times with tables of 8 MB in levels.
const YOUNG: u8 = 8;
/// How much what is done in the background gives way to answers and commits.
const NICE: i32 = 3;
/// Octets of rows that are read and compared as one.
const BLOCK: u32 = 16 << 10;
/// Full memtables from which on commits wait, and young tables. `fjall` itself waits at 4 and at 30, but for a tenth of
/// a second and without end if the disk has failed.
const WAITING: (usize, usize) = (3, 18);
/// How long until the wait for them is looked at again.
const PAUSE: Duration = Duration::from_micros(500);
/// How long the last rows may take into tables when the store is closed.
const CLOSING: Duration = Duration::from_secs(5);
/// How long a child process that is just being started may hold a lock it has inherited.
const INHERITED: Duration = Duration::from_secs(2);

/// The name of the keyspace that has all rows: a key in it is the number of its table, then the row's own.
///
/// One for all tables, so that all rows of a batch are brought from the journal into tables together.
const ROWS: &str = "rows";
/// The key of the row that every batch writes: its number, in big-endian order.
const NUMBER: [u8; 1] = [0xff];

/// A store in a folder, which this process alone has open.
pub struct Embedded {
    rows: Keyspace,
    database: Database,
    /// The number of the last batch.
    last: Mutex<u64>,
    acknowledged: Acknowledged,
    /// Where the rows are, for messages.
    place: PathBuf,
    /// Why a commit failed; nothing is done any more.
    failed: OnceLock<Box<str>>,
    /// Behind the rows, so that it comes when they are closed.
    close: Close,
    /// Let go of last.
    _folder: Folder,
}

/// What is left to do when the rows are closed.
#[derive(Debug, Default)]
struct Close {
    /// The folder whose journal is emptied: all of it is in tables.
    emptied: Option<PathBuf>,
}

impl Drop for Close {
    fn drop(&mut self) {
        self.emptied.iter().for_each(|rows| journal::empty(rows));
    }
}

impl Drop for Embedded {
    fn drop(&mut self) {
        // The journal has to be read when the store is opened, which takes longer than what is done here.
        if self.failed.get().is_none() && self.bring_into_tables().is_ok() {
            self.close.emptied = Some(self.place.clone());
        }
    }
}

impl std::fmt::Debug for Embedded {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Embedded").field("place", &self.place).finish_non_exhaustive()
    }
}

impl Embedded {
    /// Opens the store in the folder `dir`, or makes both.
    ///
    /// What an acknowledged commit wrote is there, whatever became of the process or the machine since, and all or
    /// nothing of a commit that was cut short. All of it is compared with its checksums, so that damage is told here and
    /// not met later.
    ///
    /// # Errors
    ///
    /// [`StoreError::NewerFormat`] before anything is touched, [`StoreError::Locked`] while another has it open,
    /// [`StoreError::Corrupt`] if what was acknowledged cannot be read, and [`StoreError::Io`].
    pub fn open(dir: &Path) -> Result<Self, StoreError> {
        let folder = Folder::open(dir)?;
        let place = folder.rows();
        if !folder.has_rows()? {
            let new = folder.new_rows()?;
            // Closed again before it gets its name: `fjall` keeps paths.
            let database = database(&new).map_err(|error| fault(&place, "make the files", error))?;
            drop(database);
            folder.keep_new_rows()?;
        }
        let opened = catch_unwind(AssertUnwindSafe(|| open(&place)));
        // So `fjall` meets some of what it does not expect in its files.
        let opened = opened.unwrap_or_else(|_| Err(corrupt(&place, "it holds what it cannot hold")));
        let (database, rows, acknowledged, last) = opened?;
        Ok(Self {
            rows,
            database,
            last: Mutex::new(last),
            acknowledged,
            place,
            failed: OnceLock::new(),
            close: Close::default(),
            _folder: folder,
        })
    }

    /// Brings all rows from the journal into tables.
    pub(super) fn bring_into_tables(&self) -> Result<(), StoreError> {
        let begun = Instant::now();
        self.rows.rotate_memtable().map_err(|error| self.fault("write", error))?;
        self.wait(|| self.rows.tree.sealed_memtable_count() > 0 && begun.elapsed() < CLOSING)?;
        if self.rows.tree.sealed_memtable_count() > 0 {
            return Err(io_fault(&self.place, "write", &io::ErrorKind::TimedOut.into()));
        }
        Ok(())
    }

    /// Refuses if a commit has failed.
    fn usable(&self) -> Result<(), StoreError> {
        let Some(cause) = self.failed.get() else { return Ok(()) };
        Err(StoreError::Io(format!(
            "{}: an earlier write failed, and what is on disk is not known until the registry is started anew: {cause}",
            self.place.display()
        )))
    }

    /// Turns a fault of `fjall` into ours.
    fn fault(&self, doing: &str, error: fjall::Error) -> StoreError {
        fault(&self.place, doing, error)
    }

    /// Writes a batch, the next after number `last`, with one fsync.
    fn write(&self, writes: &[Write], last: &mut u64) -> Result<(), StoreError> {
        let fault = |error| self.fault("write", error);
        // In the order of the keys; the sort keeps the order of the writes of one key.
        let mut writes: Vec<&Write> = writes.iter().collect();
        writes.sort_by(|left, right| (left.table, &left.key).cmp(&(right.table, &right.key)));
        let mut batch = self.database.batch().durability(Some(PersistMode::SyncData));
        batch.insert(&self.rows, NUMBER, (*last + 1).to_be_bytes());
        // Of the writes of one key only the last counts.
        let same = |left: &&Write, right: &&Write| (left.table, &left.key) == (right.table, &right.key);
        for write in writes.chunk_by(same).filter_map(|same| same.last()) {
            let key = key(write.table, &write.key);
            // Its length is written in 16 bits.
            if key.len() > usize::from(u16::MAX) {
                return Err(io_fault(&self.place, "write", &io::ErrorKind::InvalidInput.into()));
            }
            match &write.value {
                Some(value) => batch.insert(&self.rows, key, &**value),
                None => batch.remove(&self.rows, key),
            }
        }
        let tree = &self.rows.tree;
        // The background would do it too, but after all that it has begun, while the memtable grows.
        if tree.active_memtable().size() >= MEMTABLE {
            self.rows.rotate_memtable().map_err(fault)?;
        }
        self.wait(|| tree.sealed_memtable_count() >= WAITING.0 || tree.l0_run_count() >= WAITING.1)?;
        batch.commit().map_err(fault)?;
        *last += 1;
        self.acknowledged.set(*last).map_err(|error| fault(error.into()))
    }

    /// Waits for the background as long as `busy`.
    fn wait(&self, busy: impl Fn() -> bool) -> Result<(), StoreError> {
        while busy() {
            // Fails once the background has.
            self.database.persist(PersistMode::Buffer).map_err(|error| self.fault("write", error))?;
            sleep(PAUSE);
        }
        Ok(())
    }

    /// The rows of `table` within `bounds`.
    fn range(&self, table: Table, keys: Keys<'_>) -> Result<fjall::Iter, StoreError> {
        self.usable()?;
        let start = match keys.0 {
            Bound::Unbounded => Bound::Included(key(table, &[])),
            bound => bound.map(|first| key(table, first)),
        };
        let end = match keys.1 {
            Bound::Unbounded => Bound::Excluded(vec![table as u8 + 1]),
            bound => bound.map(|last| key(table, last)),
        };
        Ok(self.rows.range((start, end)))
    }
}

impl Store for Embedded {
    fn load_part(&self, table: Table, keys: Keys<'_>, each: &mut Each<'_>) -> Result<(), StoreError> {
        for row in self.range(table, keys)? {
            let (key, value) = row.into_inner().map_err(|error| self.fault("read", error))?;
            each(&key[1..], &value)?;
        }
        Ok(())
    }

    fn get(&self, table: Table, row: &[u8]) -> Result<Option<Box<[u8]>>, StoreError> {
        self.usable()?;
        let value = self.rows.get(key(table, row)).map_err(|error| self.fault("read", error))?;
        Ok(value.map(|value| (*value).into()))
    }

    fn scan(&self, table: Table, after: &[u8], backwards: bool, limit: usize) -> Result<Vec<Row>, StoreError> {
        let mut rows = self.range(table, super::bounds(after, backwards))?;
        let next = || if backwards { rows.next_back() } else { rows.next() };
        let copied = std::iter::from_fn(next).take(limit).map(|row| {
            let (key, value) = row.into_inner().map_err(|error| self.fault("read", error))?;
            Ok((key[1..].into(), (*value).into()))
        });
        copied.collect()
    }

    fn commit(&self, writes: &[Write]) -> Result<(), StoreError> {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        self.usable()?;
        if writes.is_empty() {
            return Ok(());
        }
        self.write(writes, &mut last).inspect_err(|fault| {
            let _ = self.failed.set(fault.to_string().into());
        })
    }
}

/// The key of a row.
fn key(table: Table, key: &[u8]) -> Vec<u8> {
    let mut octets = Vec::with_capacity(1 + key.len());
    octets.push(table as u8);
    octets.extend_from_slice(key);
    octets
}

/// Opens what is in the folder `place`: all that was acknowledged, and the number of the last batch.
fn open(place: &Path) -> Result<(Database, Keyspace, Acknowledged, u64), StoreError> {
    let path = folder::acknowledged(place);
    let acknowledged = Acknowledged::open(&path).map_err(|error| io_fault(&path, "open the file", &error))?;
    let (acknowledged, number) = acknowledged;
    if !place.join("version").exists() {
        // It would be made anew, as if nothing had been in it.
        return Err(corrupt(place, "a file is missing"));
    }
    let journal = journal::mend(place, number)?;
    tables::check_lists(&place.join("keyspaces"))?;
    let (database, rows) = database(place).map_err(|error| fault(place, "open the files", error))?;
    tables::check_tables(&rows)?;
    let last = rows.get(NUMBER).map_err(|error| fault(place, "open the files", error))?;
    let last = last.and_then(|last| (*last).try_into().ok()).map_or(0, u64::from_be_bytes);
    if last < number || journal.is_some_and(|journal| journal != last) {
        let expected = number.max(journal.unwrap_or(0));
        return Err(corrupt(place, &format!("its last batch is {last}, and not {expected}")));
    }
    Ok((database, rows, acknowledged, last))
}

/// Opens the database in the folder `path`, or makes it.
fn database(path: &Path) -> fjall::Result<(Database, Keyspace)> {
    let begun = Instant::now();
    let database = loop {
        // The least it takes for journals is the length of one; one thread, so that none waits for another by spinning.
        let builder = Database::builder(path).cache_size(CACHE).worker_threads(1).max_journaling_size(64 << 20);
        match builder.open() {
            Err(fjall::Error::Locked) if begun.elapsed() < INHERITED => {}
            other => break other?,
        }
    };
    let options = || {
        KeyspaceCreateOptions::default()
            .max_memtable_size(MEMTABLE)
            .data_block_size_policy(BlockSizePolicy::all(BLOCK))
            // Nearly all reads are of many rows.
            .filter_policy(FilterPolicy::disabled())
            .compaction_strategy(Arc::new(Leveled::default().with_l0_threshold(YOUNG).with_table_target_size(TABLE)))
    };
    let rows = database.keyspace(ROWS, options)?;
    give_way();
    Ok((database, rows))
}

/// Has the background give way. Where that is not allowed, it goes on as it is.
fn give_way() {
    // Its threads began as the caller is; those of another store may have given way before.
    let own = getpriority_process(None).unwrap_or_default();
    let tasks = fs::read_dir("/proc/self/task").into_iter().flatten().flatten();
    for task in tasks.map(|task| task.path()) {
        let is_background = fs::read_to_string(task.join("comm")).is_ok_and(|name| name.starts_with("fjall"));
        let id = task.file_name().and_then(|id| id.to_str()?.parse().ok()).and_then(Pid::from_raw);
        if let Some(id) = id.filter(|_| is_background) {
            let _ = setpriority_process(Some(id), NICE + own.max(0));
        }
    }
}

/// Tells damage and a lock from what else can be wrong with a disk.
fn fault(place: &Path, doing: &str, error: fjall::Error) -> StoreError {
    match error {
        fjall::Error::Locked => StoreError::Locked(format!(
            "{}: another program has this folder open: stop it first, or use another folder",
            place.display()
        )),
        // Also so it tells of a file that ends too early, even before the place it is to be read from, or is missing.
        fjall::Error::Io(error) | fjall::Error::Storage(fjall::LsmError::Io(error)) => match error.kind() {
            io::ErrorKind::InvalidData
            | io::ErrorKind::InvalidInput
            | io::ErrorKind::NotFound
            | io::ErrorKind::UnexpectedEof => corrupt(place, &error.to_string()),
            _ => io_fault(place, doing, &error),
        },
        fjall::Error::Poisoned => {
            StoreError::Io(format!("{}: cannot {doing}: writing in the background has failed", place.display()))
        }
        error => corrupt(place, &error.to_string()),
    }
}

/// What could not be done, where, and why.
fn io_fault(path: &Path, doing: &str, error: &io::Error) -> StoreError {
    StoreError::Io(format!("{}: cannot {doing}: {error}", path.display()))
}

/// What to do about damage.
fn corrupt(place: &Path, detail: &str) -> StoreError {
    StoreError::Corrupt(format!(
        "{}: the registry is damaged ({detail}): put back a copy of its folder, or move it away and import an exported \
         registry",
        place.display()
    ))
}
