//! From paths to a state: listing folders, reading files once, and merging what they declare.
//!
//! A path is a file, or a folder whose files count where they lie directly in it and carry a known extension.
//! Names that begin with a dot are skipped: editors keep temporary files there, and Kubernetes the folders
//! behind a mounted config map, whose files are symbolic links through `..data`.

use std::collections::hash_map::DefaultHasher;
use std::collections::{BTreeMap, HashSet};
use std::fmt;
use std::fs::File;
use std::hash::Hasher;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::declaration;
use super::fault::{Fault, Position};
use super::fragment::Fragment;
use super::listing::{Fingerprint, Format, Listing};
use super::merge::merge;
use crate::model::State;

/// Times to begin anew when files change while they are read.
const ATTEMPTS: usize = 5;
/// Pause before that.
const PAUSE: Duration = Duration::from_millis(10);
/// What was loaded, in numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Files read.
    pub files: usize,
    /// Their size in octets.
    pub bytes: u64,
    /// Namespaces declared.
    pub namespaces: usize,
    /// Services declared.
    pub services: usize,
    /// Instances declared.
    pub instances: usize,
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { files, namespaces, services, instances, .. } = self;
        write!(f, "files={files} namespaces={namespaces} services={services} instances={instances}")
    }
}

/// A load without faults.
#[derive(Debug)]
pub struct Loaded {
    /// Everything declared.
    pub state: State,
    /// The same in numbers.
    pub summary: Summary,
    /// What the files held; equal for two loads of the same content.
    pub(super) contents: Contents,
}

/// The files of a load, each with the number of its parsing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Contents(Vec<(Arc<Path>, u64)>);

/// Loads declarations, and keeps what each file held so that an unchanged file is not parsed again.
#[derive(Debug)]
pub struct Loader {
    /// Files and folders, as given.
    paths: Vec<PathBuf>,
    /// What each file held.
    cache: BTreeMap<Arc<Path>, Cached>,
    /// Files parsed so far.
    parsed: u64,
}

/// What a file held when it was read last.
#[derive(Debug)]
struct Cached {
    /// The file's identity and times then.
    print: Fingerprint,
    /// Whether `print` would differ after any later change.
    settled: bool,
    /// Size and hash of the content.
    content: (u64, u64),
    /// The number of this parsing.
    number: u64,
    /// What it declares.
    fragment: Fragment,
    /// What is wrong with it alone.
    faults: Vec<Fault>,
}

impl Cached {
    /// The number of a file that was not read. It is tried again at every load.
    const UNREADABLE: u64 = 0;

    /// A file that is there and does not let itself be read.
    fn unreadable(path: &Arc<Path>, print: &Fingerprint, error: &io::Error) -> Self {
        let fault = Fault::new(path, Position::WHOLE, format!("the file cannot be read: {error}"));
        Self {
            print: *print,
            settled: print.settled(SystemTime::now()),
            content: (u64::MAX, 0),
            number: Self::UNREADABLE,
            fragment: Fragment::unreadable(path),
            faults: vec![fault],
        }
    }
}

impl Loader {
    /// A loader of `paths`, each a file or a folder. Nothing is read yet.
    pub fn new(paths: impl Into<Vec<PathBuf>>) -> Self {
        Self { paths: paths.into(), cache: BTreeMap::new(), parsed: 0 }
    }

    /// The files and folders, as given.
    pub fn paths(&self) -> &[PathBuf] {
        &self.paths
    }

    /// Whether no file had changed just before it was read last.
    pub(super) fn settled(&self) -> bool {
        self.cache.values().all(|cached| cached.settled)
    }

    /// Loads everything. With a fault anywhere nothing is loaded, and all faults are returned.
    pub fn load(&mut self) -> Result<Loaded, Vec<Fault>> {
        let mut listing = Listing::of(&self.paths);
        for attempt in 1.. {
            let mut torn = self.refresh(&listing);
            // All files are as they were before the first was read, so what was read stood there at one time.
            let after = Listing::of(&self.paths);
            if torn.is_none() && after == listing {
                break;
            }
            if attempt == ATTEMPTS {
                let file = torn.take().or_else(|| listing.difference(&after)).unwrap_or_else(|| Path::new("").into());
                return Err(vec![Fault::new(&file, Position::WHOLE, "the file changes while it is read")]);
            }
            std::thread::sleep(PAUSE);
            listing = Listing::of(&self.paths);
        }
        let Listing { files, mut faults } = listing;
        let present: HashSet<&Arc<Path>> = files.iter().map(|(path, _)| path).collect();
        self.cache.retain(|path, _| present.contains(path));
        let cached = || files.iter().filter_map(|(path, _)| self.cache.get(path));
        let (state, merge_faults) = merge(cached().map(|cached| &cached.fragment));
        faults.extend(cached().flat_map(|cached| cached.faults.iter().cloned()));
        faults.extend(merge_faults);
        if !faults.is_empty() {
            faults.sort();
            faults.dedup();
            return Err(faults);
        }
        let summary = Summary {
            files: files.len(),
            bytes: files.iter().map(|(_, print)| print.size).sum(),
            namespaces: state.namespaces.len(),
            services: state.namespaces.values().map(|namespace| namespace.services.len()).sum(),
            instances: state.instance_count(),
        };
        let contents = Contents(cached().map(|cached| (Arc::clone(&cached.fragment.file), cached.number)).collect());
        Ok(Loaded { state, summary, contents })
    }

    /// Brings the cache up to `listing`, and returns a file that changed meanwhile.
    fn refresh(&mut self, listing: &Listing) -> Option<Arc<Path>> {
        for (path, print) in &listing.files {
            if self.cache.get(path).is_some_and(|cached| cached.settled && cached.print == *print) {
                continue;
            }
            let settled = print.settled(SystemTime::now());
            let bytes = match read_whole(path, print) {
                Ok(Some(bytes)) => bytes,
                Ok(None) => return Some(Arc::clone(path)),
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Some(Arc::clone(path)),
                Err(error) => {
                    self.cache.insert(Arc::clone(path), Cached::unreadable(path, print, &error));
                    continue;
                }
            };
            let mut hasher = DefaultHasher::new();
            hasher.write(&bytes);
            let content = (print.size, hasher.finish());
            match self.cache.get_mut(path) {
                Some(cached) if cached.content == content => {
                    cached.print = *print;
                    cached.settled = settled;
                }
                _ => {
                    self.parsed += 1;
                    let (fragment, faults) = parse(path, &bytes);
                    let number = self.parsed;
                    let cached = Cached { print: *print, settled, content, number, fragment, faults };
                    self.cache.insert(Arc::clone(path), cached);
                }
            }
        }
        None
    }
}

/// The content of a file, unless it is not, or does not stay, the one that `print` was taken of.
fn read_whole(path: &Path, print: &Fingerprint) -> io::Result<Option<Vec<u8>>> {
    let mut file = File::open(path)?;
    let mut bytes = Vec::with_capacity(usize::try_from(print.size).unwrap_or_default());
    file.read_to_end(&mut bytes)?;
    let whole = Fingerprint::of(&file.metadata()?) == *print && bytes.len() as u64 == print.size;
    Ok(whole.then_some(bytes))
}

/// Parses a file. A panic in the parser must not end a server that answers well from its last good state.
fn parse(path: &Arc<Path>, bytes: &[u8]) -> (Fragment, Vec<Fault>) {
    let format = path.file_name().and_then(Format::of).unwrap_or(Format::Declaration);
    std::panic::catch_unwind(|| format.read(path, bytes)).unwrap_or_else(|_| {
        (
            Fragment::unreadable(path),
            vec![Fault::new(path, Position::WHOLE, "the parser fails on this file; please report it")],
        )
    })
}

/// Reads one declaration given as bytes, as if it were the only file: for tools, tests and fuzzing.
pub fn read(name: &Path, bytes: &[u8]) -> Result<State, Vec<Fault>> {
    let (fragment, mut faults) = declaration::read(&name.into(), bytes);
    let (state, merge_faults) = merge(std::iter::once(&fragment));
    faults.extend(merge_faults);
    faults.sort();
    if faults.is_empty() { Ok(state) } else { Err(faults) }
}

/// Validates declarations and does nothing else.
pub fn check(paths: impl Into<Vec<PathBuf>>) -> Result<Summary, Vec<Fault>> {
    Loader::new(paths).load().map(|loaded| loaded.summary)
}
