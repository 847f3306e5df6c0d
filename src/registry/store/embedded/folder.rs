//! The folder of the embedded store: its format, its lock, and how its rows come to be. Those are `fjall`'s.
//!
//! | entry | is |
//! |---|---|
//! | `registry-v2/` | the rows; the number is the format's |
//! | `registry-v2/acknowledged` | the number of the last batch that was acknowledged |
//! | `registry-v2.new/` | the rows on their way to be, left by a crash; it holds nothing acknowledged |
//! | `lock` | locked by the process that has the store open, whose number it holds |
//!
//! The format stands in the name, so that it is known before anything is opened, cannot be torn, and is never without
//! its rows. Everything else in the folder is left alone.

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use super::super::StoreError;
use super::io_fault;

/// The format this program writes, and the newest it reads.
pub(super) const FORMAT: u32 = 2;
/// The name of the folder of rows, before its format.
const NAME: &str = "registry-v";
/// The rows of format 1, which was in no release.
const OLD: &str = "registry-v1.redb";
/// The name of the lock.
const LOCK: &str = "lock";

/// A folder this process alone has open.
#[derive(Debug)]
pub(super) struct Folder {
    path: PathBuf,
    /// Locked; the lock ends with the process, if not before.
    lock: File,
}

impl Folder {
    /// Opens the folder at `path`, or makes it, and locks it.
    pub(super) fn open(path: &Path) -> Result<Self, StoreError> {
        refuse_newer(path)?;
        make(path).map_err(|error| io_fault(path, "make the folder", &error))?;
        let lock = lock(path)?;
        // Again: who held the lock may have left a newer format.
        refuse_newer(path)?;
        Ok(Self { path: path.to_owned(), lock })
    }

    /// Whether there are rows.
    pub(super) fn has_rows(&self) -> Result<bool, StoreError> {
        let path = self.rows();
        let there = path.try_exists().map_err(|error| io_fault(&path, "read the folder", &error))?;
        let old = self.path.join(OLD);
        if !there && old.exists() {
            // They would seem to be gone.
            return Err(StoreError::OlderFormat(format!(
                "{}: the registry has format 1, and this program reads format {FORMAT} only. Nothing was changed: run \
                 `fingerpost export` of the version that wrote it, and `fingerpost import` of this one into another \
                 folder",
                old.display()
            )));
        }
        Ok(there)
    }

    /// The place of rows that are to be made; nothing is there.
    pub(super) fn new_rows(&self) -> Result<PathBuf, StoreError> {
        let path = self.new_path();
        let made = match fs::remove_dir_all(&path) {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
            // Only the owner reads it, even if the folder is open to others.
            _ => DirBuilder::new().mode(0o700).create(&path),
        };
        made.map_err(|error| io_fault(&path, "make the folder", &error))?;
        Ok(path)
    }

    /// Makes the new rows the rows. From here on what is in them counts.
    pub(super) fn keep_new_rows(&self) -> Result<(), StoreError> {
        let kept = sync_all(&self.new_path()).and_then(|()| fs::rename(self.new_path(), self.rows()));
        let kept = kept.and_then(|()| sync(&self.path));
        kept.map_err(|error| io_fault(&self.path, "keep the new folder", &error))
    }

    /// Where the rows are.
    pub(super) fn rows(&self) -> PathBuf {
        self.path.join(format!("{NAME}{FORMAT}"))
    }

    /// Where they are made.
    fn new_path(&self) -> PathBuf {
        self.rows().with_extension("new")
    }
}

/// Where the number of the last acknowledged batch of the rows in `rows` is.
pub(super) fn acknowledged(rows: &Path) -> PathBuf {
    rows.join("acknowledged")
}

impl Drop for Folder {
    fn drop(&mut self) {
        // To close the file is not enough while a process that is just being started has inherited it.
        let _ = self.lock.unlock();
    }
}

/// Refuses a folder with rows of a format newer than [`FORMAT`]. Reads names only.
fn refuse_newer(path: &Path) -> Result<(), StoreError> {
    let entries = match fs::read_dir(path) {
        Ok(entries) => entries,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(io_fault(path, "read the folder", &error)),
    };
    let mut newest = FORMAT;
    for entry in entries {
        let name = entry.map_err(|error| io_fault(path, "read the folder", &error))?.file_name();
        let format = name.to_str().and_then(|name| name.strip_prefix(NAME)?.parse().ok());
        newest = newest.max(format.unwrap_or(0));
    }
    if newest > FORMAT {
        return Err(StoreError::NewerFormat(format!(
            "{}: the registry has format {newest}, and this program reads up to format {FORMAT}. Nothing was changed: \
             run the program that wrote it, or one newer than that; to go back to this one, export the registry with \
             that program and import it here into another folder",
            path.display()
        )));
    }
    Ok(())
}

/// Makes the folder and those above it, for its owner alone. One that is there stays as it is.
fn make(path: &Path) -> io::Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    DirBuilder::new().recursive(true).mode(0o700).create(path)?;
    // The folder's own entry is as durable as what will be in it.
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).map_or(Ok(()), sync)
}

/// Locks the folder against every other opening of it, in this process, too. The kernel lifts the lock when the file is
/// closed, however the process ends.
fn lock(folder: &Path) -> Result<File, StoreError> {
    let path = folder.join(LOCK);
    let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(&path);
    let mut file = file.map_err(|error| io_fault(&path, "open the lock", &error))?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let mut holder = String::new();
            let _ = file.read_to_string(&mut holder);
            let holder = holder.trim().parse::<u32>().map_or(String::new(), |holder| format!(" (process {holder})"));
            return Err(StoreError::Locked(format!(
                "{}: another Fingerpost{holder} has the registry in this folder open: stop it first, or give each its \
                 own folder",
                folder.display()
            )));
        }
        Err(TryLockError::Error(error)) => return Err(io_fault(&path, "lock the folder", &error)),
    }
    // For the message above only, so that it need not be durable.
    let written = file.set_len(0).and_then(|()| writeln!(file, "{}", std::process::id()));
    written.map_err(|error| io_fault(&path, "write the lock", &error))?;
    Ok(file)
}

/// Makes the entries of a folder durable.
fn sync(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

/// Makes a folder and all in it durable.
fn sync_all(folder: &Path) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() { sync_all(&path)? } else { File::open(&path)?.sync_all()? }
    }
    sync(folder)
}
