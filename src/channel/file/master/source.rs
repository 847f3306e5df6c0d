//! Files of a zone: reading them in blocks on several threads, and `$INCLUDE`.

use std::collections::hash_map::DefaultHasher;
use std::ffi::OsStr;
use std::fs::File;
use std::hash::Hasher;
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;

use super::super::listing::Fingerprint;
use super::context::Context;
use super::cut::Cutter;
use super::entry::{self, Part, Reading};
use crate::threads::at_once;

/// Bounds of reading. The defaults are far beyond any zone that people write.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Octets of a block.
    pub block: usize,
    /// `$INCLUDE` directives carried out for one zone.
    pub includes: usize,
    /// Records that `$GENERATE` makes for one zone.
    pub generated: usize,
    /// Threads at most.
    pub threads: usize,
}

impl Default for Limits {
    fn default() -> Self {
        // Blocks of a megabyte fit the caches of a core, and a zone of three million records has a hundred and fifty.
        Self { block: 1 << 20, includes: 1000, generated: 1 << 24, threads: 8 }
    }
}

/// Levels of `$INCLUDE`.
const DEPTH_MAX: usize = 8;

/// A file that a zone includes.
#[derive(Clone, Debug)]
pub(in crate::channel::file) struct Included {
    /// Its path as reached from the file that includes it.
    pub(in crate::channel::file) path: PathBuf,
    /// What was there when it was read; `None`: nothing.
    pub(in crate::channel::file) print: Option<Fingerprint>,
    /// Hash of its content.
    content: u64,
}

impl Included {
    /// Whether the file is still the one that was read.
    pub(in crate::channel::file) fn is_current(&self) -> bool {
        self.print == self.path.metadata().ok().map(|metadata| Fingerprint::of(&metadata))
    }
}

/// What the threads that read a zone share.
pub(super) struct Shared {
    limits: Limits,
    /// The folder in which included files must lie, without symbolic links; `None` forbids them.
    root: Option<PathBuf>,
    /// The files that were included.
    included: Mutex<Vec<Included>>,
    /// `$INCLUDE` directives carried out.
    includes: AtomicUsize,
    /// Records made by `$GENERATE`.
    generated: AtomicUsize,
}

/// What a mutex holds; a thread that panicked takes the whole reading with it anyway.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shared {
    /// For a zone file that may include files in `root`.
    pub(super) fn new(root: Option<&Path>, limits: Limits) -> Self {
        Self {
            limits,
            root: root.and_then(|root| root.canonicalize().ok()),
            included: Mutex::default(),
            includes: AtomicUsize::new(0),
            generated: AtomicUsize::new(0),
        }
    }

    /// The included files in the order of their indexes.
    pub(super) fn into_included(self) -> Vec<Included> {
        self.included.into_inner().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts `count` generated records, and tells whether they are allowed.
    pub(super) fn may_generate(&self, count: usize) -> bool {
        self.generated.fetch_add(count, Ordering::Relaxed).saturating_add(count) <= self.limits.generated
    }

    /// Reads `input`, at whose beginning `context` holds, and returns what is behind it.
    pub(super) fn read<R: Read + Send>(
        &self,
        input: R,
        size: u64,
        reading: &Reading<'_>,
        context: Context,
    ) -> io::Result<(Part, R)> {
        let block = self.limits.block;
        // A second thread is worth its start from two blocks on.
        let cores = if size < 2 * block as u64 { 1 } else { thread::available_parallelism().map_or(1, usize::from) };
        let cutter = Mutex::new(Cutter::new(input, block, context));
        let parts = Mutex::new(Vec::new());
        let work = || -> io::Result<()> {
            loop {
                let next = lock(&cutter).next()?;
                let Some(block) = next else { return Ok(()) };
                let part = entry::read(self, reading, &block);
                lock(&parts).push((block.number, part));
            }
        };
        let threads = cores.min(self.limits.threads).max(1);
        at_once((0..threads).map(|_| &work)).into_iter().fold(Ok(()), Result::and)?;
        let mut parts = parts.into_inner().unwrap_or_else(PoisonError::into_inner);
        parts.sort_unstable_by_key(|(number, _)| *number);
        let mut whole = Part::default();
        parts.into_iter().for_each(|(_, part)| whole.append(part));
        Ok((whole, cutter.into_inner().unwrap_or_else(PoisonError::into_inner).into_input()))
    }

    /// Reads the file called `name` in the middle of `from`.
    pub(super) fn include(&self, from: &Reading<'_>, name: &[u8], context: Context) -> Result<Part, String> {
        let candidate = candidate(from.path, name)?;
        let root = self.root.as_deref().ok_or("files cannot be included here")?;
        if self.includes.fetch_add(1, Ordering::Relaxed) >= self.limits.includes {
            return Err(format!("too many files are included; allowed are {} times", self.limits.includes));
        }
        let chain = std::iter::successors(Some(from), |reading| reading.from);
        if chain.clone().count() > DEPTH_MAX {
            return Err(format!("the files include each other more than {DEPTH_MAX} deep; allowed are {DEPTH_MAX}"));
        }
        // Noted also where it cannot be read, because that may change.
        let index = self.note(&candidate).ok_or("too many files are included; allowed are 65535")?;
        let failed = |error: io::Error| format!("{} cannot be read: {error}", candidate.display());
        let real = candidate.canonicalize();
        if let Ok(real) = &real
            && !real.starts_with(root)
        {
            return Err(format!(
                "{} lies outside of {}; allowed are files in there",
                candidate.display(),
                root.display()
            ));
        }
        if let Ok(real) = &real
            && chain.clone().any(|reading| reading.real == real)
        {
            return Err(format!("{} includes itself, directly or through others", candidate.display()));
        }
        let real = real.map_err(failed)?;
        if !real.metadata().map_err(failed)?.is_file() {
            return Err(format!("{} is not a file", candidate.display()));
        }
        let file = File::open(&real).map_err(failed)?;
        let print = Fingerprint::of(&file.metadata().map_err(failed)?);
        let reading = Reading { file: index, path: &candidate, real: &real, from: Some(from) };
        let (part, input) = self.read(Hashed::new(file), print.size, &reading, context).map_err(failed)?;
        let content = input.finish();
        if let Some(included) = lock(&self.included).get_mut(usize::from(index) - 1) {
            included.print = Some(print);
            included.content = content;
        }
        Ok(part)
    }

    /// The index of an included file, the zone file having 0.
    fn note(&self, path: &Path) -> Option<u16> {
        let mut included = lock(&self.included);
        let known = included.iter().position(|included| included.path == path);
        let index = known.unwrap_or_else(|| {
            let print = path.metadata().ok().map(|metadata| Fingerprint::of(&metadata));
            included.push(Included { path: path.to_owned(), print, content: 0 });
            included.len() - 1
        });
        u16::try_from(index + 1).ok()
    }
}

/// A number that changes with the content of any of `included`.
pub(super) fn digest(included: &[Included]) -> u64 {
    let mut sorted: Vec<_> = included.iter().map(|included| (&included.path, included.content)).collect();
    sorted.sort();
    let mut hasher = DefaultHasher::new();
    for (path, content) in sorted {
        hasher.write(path.as_os_str().as_bytes());
        hasher.write_u64(content);
    }
    hasher.finish()
}

/// Where the file called `name` in the file at `from` should be. Names are relative to that file's folder.
fn candidate(from: &Path, name: &[u8]) -> Result<PathBuf, String> {
    let name = Path::new(OsStr::from_bytes(name));
    if name.as_os_str().is_empty() || name.as_os_str().as_bytes().contains(&0) {
        return Err("this is not the name of a file".to_owned());
    }
    if name.components().any(|component| component == Component::ParentDir) {
        return Err(format!("{} has a .. in it; allowed are files in the declared folder", name.display()));
    }
    Ok(from.parent().unwrap_or_else(|| Path::new("")).join(name))
}

//----------- Hashed -----------------------------------------------------------------------------------------

/// A reader that hashes what it reads.
pub(super) struct Hashed<R> {
    input: R,
    hasher: DefaultHasher,
    /// Octets read.
    pub(super) size: u64,
}

impl<R> Hashed<R> {
    /// Reads `input`.
    pub(super) fn new(input: R) -> Self {
        Self { input, hasher: DefaultHasher::new(), size: 0 }
    }

    /// The hash of everything read.
    pub(super) fn finish(&self) -> u64 {
        self.hasher.finish()
    }

    /// What was read.
    pub(super) fn into_inner(self) -> R {
        self.input
    }
}

impl<R: Read> Read for Hashed<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.input.read(buffer)?;
        self.hasher.write(buffer.get(..read).unwrap_or_default());
        self.size += read as u64;
        Ok(read)
    }
}
