//! The folder of the embedded store: its format, its lock, and how its file comes to be. The file itself is `redb`'s.
//!
//! | file | is |
//! |---|---|
//! | `registry-v1.redb` | the rows; the number is the format's |
//! | `registry-v1.redb.new` | the same on its way to be, left by a crash; it holds nothing acknowledged |
//! | `lock` | locked by the process that has the store open, whose number it holds |
//!
//! The format stands in the name, so that it is known before anything is opened, cannot be torn, and is never without
//! its file. Everything else in the folder is left alone.

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use super::super::StoreError;

/// The format this program writes, and the newest it reads.
pub(super) const FORMAT: u32 = 1;
/// The name of the file of rows, before and after its format.
const NAME: (&str, &str) = ("registry-v", ".redb");
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
        make(path).map_err(|error| fault(path, "make the folder", &error))?;
        let lock = lock(path)?;
        // Again: who held the lock may have left a newer format.
        refuse_newer(path)?;
        Ok(Self { path: path.to_owned(), lock })
    }

    /// The file of rows; `None` while there is none.
    pub(super) fn rows(&self) -> Result<Option<File>, StoreError> {
        let path = self.rows_path();
        match OpenOptions::new().read(true).write(true).open(&path) {
            Ok(file) => Ok(Some(file)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(fault(&path, "open the file", &error)),
        }
    }

    /// An empty file that is to become the file of rows.
    pub(super) fn new_rows(&self) -> Result<File, StoreError> {
        let path = self.new_rows_path();
        // Only the owner reads it, even if the folder is open to others.
        let file = OpenOptions::new().read(true).write(true).create(true).truncate(true).mode(0o600).open(&path);
        file.map_err(|error| fault(&path, "make the file", &error))
    }

    /// Makes the new file the file of rows. From here on what it holds counts.
    pub(super) fn keep_new_rows(&self) -> Result<(), StoreError> {
        let renamed = fs::rename(self.new_rows_path(), self.rows_path()).and_then(|()| sync(&self.path));
        renamed.map_err(|error| fault(&self.path, "keep the new file", &error))
    }

    /// Where the file of rows is.
    pub(super) fn rows_path(&self) -> PathBuf {
        self.path.join(format!("{}{FORMAT}{}", NAME.0, NAME.1))
    }

    /// Where it is made.
    fn new_rows_path(&self) -> PathBuf {
        self.rows_path().with_extension("redb.new")
    }
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
        Err(error) => return Err(fault(path, "read the folder", &error)),
    };
    let mut newest = FORMAT;
    for entry in entries {
        let name = entry.map_err(|error| fault(path, "read the folder", &error))?.file_name();
        let format = name.to_str().and_then(|name| name.strip_prefix(NAME.0)?.strip_suffix(NAME.1)?.parse().ok());
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
    let mut file = file.map_err(|error| fault(&path, "open the lock", &error))?;
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
        Err(TryLockError::Error(error)) => return Err(fault(&path, "lock the folder", &error)),
    }
    // For the message above only, so that it need not be durable.
    let written = file.set_len(0).and_then(|()| writeln!(file, "{}", std::process::id()));
    written.map_err(|error| fault(&path, "write the lock", &error))?;
    Ok(file)
}

/// Makes the entries of a folder durable.
fn sync(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

/// What could not be done, where, and why.
fn fault(path: &Path, doing: &str, error: &io::Error) -> StoreError {
    StoreError::Io(format!("{}: cannot {doing}: {error}", path.display()))
}
