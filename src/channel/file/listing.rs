//! Which files there are, in what format, and how to tell that one changed.

use std::collections::HashSet;
use std::ffi::OsStr;
use std::fs::Metadata;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::fault::{Fault, Position};

/// A file changed less than this before it was read may change again without a new time stamp: stamps move with
/// the kernel's tick, at most 10 ms.
const TICK: Duration = Duration::from_millis(25);

/// How a file is read, by its extension. This is the one place that knows the extensions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    /// A declaration, or a CloudFormation template, in YAML or JSON.
    Declaration,
    /// A zone in a master file (RFC 1035 §5).
    Master,
}

impl Format {
    /// The extensions, for messages.
    const KNOWN: &str = ".yaml, .yml, .json, .template and .zone";

    /// The format of the file called `name`.
    pub(super) fn of(name: &OsStr) -> Option<Self> {
        match Path::new(name).extension()?.to_str()? {
            "yaml" | "yml" | "json" | "template" => Some(Self::Declaration),
            "zone" => Some(Self::Master),
            _ => None,
        }
    }
}

/// Whether a folder's file called `name` counts.
pub(super) fn counts(name: &OsStr) -> bool {
    !name.as_encoded_bytes().starts_with(b".") && Format::of(name).is_some()
}

/// What changes when a file does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Fingerprint {
    /// Device and inode.
    pub(super) identity: (u64, u64),
    /// Octets.
    pub(super) size: u64,
    /// Modification time in seconds and nanoseconds.
    modified: (i64, i64),
    /// Status change time, which no program can set back.
    changed: (i64, i64),
}

impl Fingerprint {
    /// The fingerprint in a file's metadata.
    pub(super) fn of(metadata: &Metadata) -> Self {
        Self {
            identity: (metadata.dev(), metadata.ino()),
            size: metadata.size(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        }
    }

    /// Whether the last change was at least [`TICK`] before `now`.
    pub(super) fn settled(&self, now: SystemTime) -> bool {
        let (seconds, nanos) = self.changed;
        let (Ok(seconds), Ok(nanos)) = (u64::try_from(seconds), u32::try_from(nanos)) else {
            return false;
        };
        now.duration_since(UNIX_EPOCH + Duration::new(seconds, nanos)).is_ok_and(|age| age >= TICK)
    }
}

/// The files there are, and the faults of paths that lead to none.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Listing {
    /// Files in the order they count.
    pub(super) files: Vec<(Arc<Path>, Fingerprint)>,
    /// Faults.
    pub(super) faults: Vec<Fault>,
}

impl Listing {
    /// Lists the files of `paths`.
    pub(super) fn of(paths: &[PathBuf]) -> Self {
        let mut listing = Self::default();
        // A file reached on two ways is one file; two declarations of everything in it would be faults.
        let mut seen = HashSet::new();
        for path in paths {
            match path.metadata() {
                Ok(metadata) if metadata.is_dir() => match names(path) {
                    Ok(names) => names.iter().for_each(|name| listing.add(&path.join(name), None, &mut seen)),
                    Err(error) => listing.fault(path, format!("the folder cannot be listed: {error}")),
                },
                metadata => listing.add(path, Some(metadata), &mut seen),
            }
        }
        listing
    }

    /// A file that is not the same in `other`.
    pub(super) fn difference(&self, other: &Self) -> Option<Arc<Path>> {
        let mut pairs = [(self, other), (other, self)].into_iter();
        pairs.find_map(|(one, other)| {
            let known: HashSet<_> = other.files.iter().collect();
            let changed = one.files.iter().find(|file| !known.contains(file))?;
            Some(Arc::clone(&changed.0))
        })
    }

    /// Notes a fault of a path.
    fn fault(&mut self, path: &Path, message: impl Into<String>) {
        self.faults.push(Fault::new(&path.into(), Position::WHOLE, message));
    }

    /// Adds the file at `path`. Given is the metadata of a path the user named; a folder's may be a folder itself.
    fn add(&mut self, path: &Path, given: Option<io::Result<Metadata>>, seen: &mut HashSet<(u64, u64)>) {
        let named = given.is_some();
        let metadata = match given.unwrap_or_else(|| path.metadata()) {
            Ok(metadata) => metadata,
            Err(error) => return self.fault(path, format!("the file cannot be read: {error}")),
        };
        if metadata.is_dir() && !named {
            return;
        }
        if !metadata.is_file() {
            return self.fault(path, "this is neither a file nor a folder");
        }
        if path.file_name().and_then(Format::of).is_none() {
            return self.fault(path, format!("the name does not tell the format; allowed are {}", Format::KNOWN));
        }
        let print = Fingerprint::of(&metadata);
        if seen.insert(print.identity) {
            self.files.push((path.into(), print));
        }
    }
}

/// The names in a folder that count, sorted.
fn names(folder: &Path) -> io::Result<Vec<std::ffi::OsString>> {
    let mut names = Vec::new();
    for entry in folder.read_dir()? {
        let name = entry?.file_name();
        if counts(&name) {
            names.push(name);
        }
    }
    names.sort();
    Ok(names)
}
