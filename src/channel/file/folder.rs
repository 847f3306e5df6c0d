//! From paths to a state: listing folders, reading files once, and merging what they declare.
//!
//! A path is a file, or a folder whose files count where they lie directly in it and carry a known extension.
//! Names that begin with a dot are skipped: editors keep temporary files there, and Kubernetes the folders
//! behind a mounted config map, whose files are symbolic links through `..data`.

use std::collections::hash_map::DefaultHasher;
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::fmt;
use std::fs::File;
use std::hash::Hasher;
use std::io::{self, Read};
use std::panic::AssertUnwindSafe;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::declaration;
use super::fault::{Fault, Position};
use super::fragment::Fragment;
use super::listing::{Fingerprint, Format, Listing};
use super::master;
use super::merge::merge;
use super::zones::{self, Source, ZoneFile, Zones};
use crate::model::State;
use crate::wire::Name;

/// Times to begin anew when files change while they are read.
const ATTEMPTS: usize = 5;
/// Pause before that.
const PAUSE: Duration = Duration::from_millis(10);
/// What was loaded, in numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Files read, without those that zone files include.
    pub files: usize,
    /// Their size in octets.
    pub bytes: u64,
    /// Namespaces declared.
    pub namespaces: usize,
    /// Services declared.
    pub services: usize,
    /// Instances declared.
    pub instances: usize,
    /// Zones with static records.
    pub zones: usize,
    /// Static records.
    pub records: usize,
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { files, namespaces, services, instances, zones, records, .. } = self;
        write!(f, "files={files} namespaces={namespaces} services={services} instances={instances}")?;
        write!(f, " zones={zones} records={records}")
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

/// The files of a load, each with the number of its parsing, and the digests of its zones.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Contents {
    files: Vec<(Arc<Path>, u64)>,
    zones: BTreeMap<Name, u64>,
}

impl Contents {
    /// The fault that `text` tells of; it begins with one of the files, if it is that file's.
    pub(super) fn fault(&self, text: &str) -> Fault {
        let message = |file: &Path| text.strip_prefix(&*file.to_string_lossy())?.strip_prefix(": ");
        let found = self.files.iter().find_map(|(file, _)| Some((file, message(file)?)));
        match found {
            Some((file, message)) => Fault::new(file, Position::WHOLE, message),
            None => Fault::new(&Path::new("").into(), Position::WHOLE, text),
        }
    }
}

/// Loads declarations, and keeps what each file held so that an unchanged file is not parsed again.
///
/// The records of zones are not kept: a load hands them on in its state, once, if it is told that the state came to
/// answer (`applied`).
#[derive(Debug)]
pub struct Loader {
    /// Files and folders, as given.
    paths: Vec<PathBuf>,
    /// What each file held.
    cache: BTreeMap<Arc<Path>, Cached>,
    /// What is known of zones.
    zones: Zones,
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
    /// What is known of it as a zone file.
    zone: Option<ZoneFile>,
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
            zone: None,
            faults: vec![fault],
        }
    }

    /// Whether the file with `print`, and those it includes, are the ones that were read.
    fn is_current(&self, print: &Fingerprint) -> bool {
        self.settled && self.print == *print && self.zone.as_ref().is_none_or(ZoneFile::is_current)
    }
}

impl Loader {
    /// A loader of `paths`, each a file or a folder. Nothing is read yet.
    pub fn new(paths: impl Into<Vec<PathBuf>>) -> Self {
        Self { paths: paths.into(), cache: BTreeMap::new(), zones: Zones::default(), parsed: 0 }
    }

    /// The files and folders, as given.
    pub fn paths(&self) -> &[PathBuf] {
        &self.paths
    }

    /// The files that zone files include, or would, if they were there.
    pub(super) fn included(&self) -> BTreeSet<PathBuf> {
        let zones = self.cache.values().filter_map(|cached| cached.zone.as_ref());
        zones.flat_map(|zone| zone.included.iter().map(|included| included.path.clone())).collect()
    }

    /// Whether no file had changed just before it was read last.
    pub(super) fn settled(&self) -> bool {
        self.cache.values().all(|cached| cached.settled)
    }

    /// Whether another load would find what the last one did, which had no fault: all files are those that were read.
    pub(super) fn is_current(&self) -> bool {
        let Listing { files, faults } = Listing::of(&self.paths);
        let is_known = |(path, print): &(Arc<Path>, Fingerprint)| {
            self.cache.get(path).is_some_and(|cached| cached.is_current(print) && cached.faults.is_empty())
        };
        faults.is_empty() && files.len() == self.cache.len() && files.iter().all(is_known)
    }

    /// Takes note that the state of the load with these contents answers. Later loads leave out the records of zones
    /// that are in there.
    pub(super) fn applied(&mut self, contents: &Contents) {
        self.zones.applied(&contents.zones);
    }

    /// Loads everything. With a fault anywhere nothing is loaded, and all faults are returned.
    pub fn load(&mut self) -> Result<Loaded, Vec<Fault>> {
        let mut listing = Listing::of(&self.paths);
        for attempt in 1.. {
            let mut torn = self.refresh(&listing);
            // All files are as they were before the first was read, so what was read stood there at one time.
            let after = Listing::of(&self.paths);
            let changed =
                || self.cache.iter().find(|(_, cached)| !cached.zone.as_ref().is_none_or(ZoneFile::is_current));
            torn = torn.or_else(|| changed().map(|(path, _)| Arc::clone(path)));
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
        let loaded = self.merge(&files, &mut faults);
        self.cache.values_mut().filter_map(|cached| cached.zone.as_mut()).for_each(ZoneFile::forget);
        if !faults.is_empty() {
            faults.sort();
            faults.dedup();
            return Err(faults);
        }
        Ok(loaded)
    }

    /// Merges what `files` hold, which are in the cache. With faults the result is not complete.
    fn merge(&mut self, files: &[(Arc<Path>, Fingerprint)], faults: &mut Vec<Fault>) -> Loaded {
        let zones = self.cache.values().filter_map(|cached| Some((cached.print, cached.zone.as_ref()?)));
        let parts = zones::parts_of_others(zones);
        // In the order of `files`, which is the order in which they count.
        let mut by_path: BTreeMap<_, _> = self.cache.iter_mut().collect();
        let mut cached: Vec<&mut Cached> = files.iter().filter_map(|(path, _)| by_path.remove(path)).collect();
        let is_part = |cached: &Cached| cached.zone.is_some() && parts.contains(&cached.print.identity);
        cached.retain(|cached| !is_part(cached));

        let (mut state, merge_faults) = merge(cached.iter().map(|cached| &cached.fragment));
        faults.extend(cached.iter().flat_map(|cached| cached.faults.iter().cloned()));
        faults.extend(merge_faults);
        let sound = faults.is_empty();
        let contents = cached.iter().map(|cached| (Arc::clone(&cached.fragment.file), cached.number)).collect();
        let mut sources: Vec<_> = cached
            .into_iter()
            .map(|cached| {
                let Cached { print, number, fragment, zone, .. } = cached;
                Source { print: Some(*print), number: *number, fragment, zone: zone.as_mut() }
            })
            .collect();
        let records = self.zones.put(&mut sources, &mut state, sound).unwrap_or_else(|found| {
            faults.extend(found);
            0
        });
        let summary = Summary {
            files: files.len(),
            bytes: files.iter().map(|(_, print)| print.size).sum(),
            namespaces: state.namespaces.len(),
            services: state.namespaces.values().map(|namespace| namespace.services.len()).sum(),
            instances: state.instance_count(),
            zones: state.zones.len(),
            records,
        };
        let zones = state.zones.iter().map(|(apex, source)| (apex.clone(), source.digest)).collect();
        Loaded { state, summary, contents: Contents { files: contents, zones } }
    }

    /// Brings the cache up to `listing`, and returns a file that changed meanwhile.
    fn refresh(&mut self, listing: &Listing) -> Option<Arc<Path>> {
        for (path, print) in &listing.files {
            if self.cache.get(path).is_some_and(|cached| cached.is_current(print)) {
                continue;
            }
            let format = path.file_name().and_then(Format::of).unwrap_or(Format::Declaration);
            let read = match format {
                Format::Declaration => self.read_declaration(path, print),
                Format::Master => self.read_master(path, print),
            };
            match read {
                Ok(Some(())) => {}
                Ok(None) => return Some(Arc::clone(path)),
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Some(Arc::clone(path)),
                Err(error) => {
                    self.cache.insert(Arc::clone(path), Cached::unreadable(path, print, &error));
                }
            }
        }
        None
    }

    /// Reads a declaration, and parses it if its content is another. `None`: it changed meanwhile.
    fn read_declaration(&mut self, path: &Arc<Path>, print: &Fingerprint) -> io::Result<Option<()>> {
        let settled = print.settled(SystemTime::now());
        let Some(bytes) = read_whole(path, print)? else { return Ok(None) };
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
                let (fragment, faults) = unless_it_panics(path, || declaration::read(path, &bytes))
                    .unwrap_or_else(|fault| (Fragment::unreadable(path), vec![fault]));
                let number = self.parsed;
                let cached = Cached { print: *print, settled, content, number, fragment, zone: None, faults };
                self.cache.insert(Arc::clone(path), cached);
            }
        }
        Ok(Some(()))
    }

    /// Reads a zone file, which is parsed as it is read. `None`: it changed meanwhile.
    fn read_master(&mut self, path: &Arc<Path>, print: &Fingerprint) -> io::Result<Option<()>> {
        let now = SystemTime::now();
        let (zone, faults, content) = match unless_it_panics(path, || master::read_file(path, print)) {
            Ok(read) => {
                let Some(master) = read? else { return Ok(None) };
                let content = (master.size, master.digest);
                let (zone, faults) = ZoneFile::new(master);
                (Some(zone), faults, content)
            }
            Err(fault) => (None, vec![fault], (print.size, 0)),
        };
        let included = zone.iter().flat_map(|zone| &zone.included).filter_map(|included| included.print);
        let settled = print.settled(now) && included.into_iter().all(|print| print.settled(now));
        let same = self.cache.get(path).filter(|cached| cached.content == content && cached.faults == faults);
        let number = same.map(|cached| cached.number).unwrap_or_else(|| {
            self.parsed += 1;
            self.parsed
        });
        let fragment = Fragment { file: Arc::clone(path), readable: true, namespaces: Vec::new() };
        let cached = Cached { print: *print, settled, content, number, fragment, zone, faults };
        self.cache.insert(Arc::clone(path), cached);
        Ok(Some(()))
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

/// What `parse` returns. A panic in the parser must not end a server that answers well from its last good state.
fn unless_it_panics<T>(path: &Arc<Path>, parse: impl FnOnce() -> T) -> Result<T, Fault> {
    std::panic::catch_unwind(AssertUnwindSafe(parse))
        .map_err(|_| Fault::new(path, Position::WHOLE, "the parser fails on this file; please report it"))
}

/// Reads one declaration given as bytes, as if it were the only file: for tools, tests and fuzzing.
pub fn read(name: &Path, bytes: &[u8]) -> Result<State, Vec<Fault>> {
    let (fragment, mut faults) = declaration::read(&name.into(), bytes);
    let (mut state, merge_faults) = merge(std::iter::once(&fragment));
    faults.extend(merge_faults);
    let mut sources = [Source { print: None, number: 1, fragment: &fragment, zone: None }];
    faults.extend(Zones::default().put(&mut sources, &mut state, faults.is_empty()).err().into_iter().flatten());
    faults.sort();
    if faults.is_empty() { Ok(state) } else { Err(faults) }
}

/// Validates declarations and does nothing else.
pub fn check(paths: impl Into<Vec<PathBuf>>) -> Result<Summary, Vec<Fault>> {
    Loader::new(paths).load().map(|loaded| loaded.summary)
}
