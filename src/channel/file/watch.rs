//! When to load again.
//!
//! # Mechanism
//!
//! One inotify instance watches directories, never single files: a watch on a file would stay with the old inode
//! when a new file is renamed over it. Watched are the directories of the declared files and folders, the folders
//! themselves, and the directory of every symbolic link on the way ([`Places`]); they are looked up anew before
//! every load, so that the watches follow a swapped link.
//!
//! An event on a name that matters makes a load *due*. It happens when
//! * no file that matters is *being written*: written to (`MODIFY`), or created empty, and not closed since
//!   (`CLOSE_WRITE`). The mark moves along when the file is renamed. A file that nobody touches for
//!   [`STALLED`] loses its mark, because truncate(2) writes without ever closing; and
//! * nothing happened for [`QUIET`], so that an editor's steps (move away, write anew, set the mode) and a
//!   deployment's files are taken together. When whole files are renamed into place all the time, [`BREATH`] is
//!   enough once the first has waited for [`PATIENCE`]. A file that is written in place again and again is
//!   complete only in its pauses.
//!
//! After the load the event queue is drained, which holds everything that happened up to then. If a name that
//! matters was touched meanwhile, the load may have seen half of a change: it is *disturbed*, its result is thrown
//! away, and a load is due again. The same if a file was changed just before it was read without an event that
//! says so: the kernel shows new content a moment before it queues the event, and the writer may be interrupted in
//! between. A reload asked for from outside (SIGHUP) is a due load without an event.
//!
//! inotify is read directly and not through a library's thread, because only then is "the queue holds nothing
//! more" known after a load.

use std::collections::HashMap;
use std::ffi::{CStr, OsStr, OsString};
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rustix::fs::inotify::{self, CreateFlags, ReadFlags, Reader, WatchFlags};
use rustix::io::Errno;
use tokio::io::unix::AsyncFd;
use tokio::sync::Notify;
use tokio::time::Instant;

use super::places::Places;

/// Quiet time after the last event. The steps of an editor follow each other within a few milliseconds; together
/// with the load this stays well inside the 200 ms in which a change must show.
const QUIET: Duration = Duration::from_millis(40);
/// A change by whole files waits no longer than this for quiet.
const PATIENCE: Duration = Duration::from_millis(100);
/// Quiet time after that: more than an editor needs between moving a file away and creating the new one.
const BREATH: Duration = Duration::from_millis(1);
/// A file open for writing that nobody touches for this long counts as complete.
const STALLED: Duration = Duration::from_secs(60);
/// Changes that came by whole files are loaded after this even if others come during every load.
const OVERDUE: Duration = Duration::from_secs(2);
/// Loads in a row that are thrown away for files that seem to have changed just now. More would wait for ever where
/// the clock of a file server is ahead of ours.
const FRESH_MAX: u32 = 3;
/// Files being written that are remembered though they do not matter (yet): they may be renamed to one that does.
const STRANGERS_MAX: usize = 4096;

/// What is asked of a directory.
const MASK: WatchFlags = WatchFlags::MODIFY
    .union(WatchFlags::CLOSE_WRITE)
    .union(WatchFlags::ATTRIB)
    .union(WatchFlags::CREATE)
    .union(WatchFlags::DELETE)
    .union(WatchFlags::MOVED_FROM)
    .union(WatchFlags::MOVED_TO)
    .union(WatchFlags::DELETE_SELF)
    .union(WatchFlags::MOVE_SELF)
    .union(WatchFlags::ONLYDIR);

/// Watches the declared paths and tells when to load.
///
/// The owner loops: [`due`](Self::due), [`begin`](Self::begin), load, [`undisturbed`](Self::undisturbed).
#[derive(Debug)]
pub(super) struct Watcher {
    /// Files and folders, as given.
    paths: Arc<[PathBuf]>,
    /// Requests from outside.
    reload: Arc<Notify>,
    /// The inotify instance, unless there can be none.
    queue: Option<AsyncFd<OwnedFd>>,
    /// Directories by watch.
    watched: HashMap<i32, Vec<PathBuf>>,
    /// What matters.
    places: Places,
    /// When each file being written was touched last.
    writing: HashMap<PathBuf, Instant>,
    /// The rename whose first half was seen: its cookie, and the mark of the file.
    moved: (u32, Option<Instant>),
    /// Whether a load is due.
    wanted: bool,
    /// When the last event came.
    last: Option<Instant>,
    /// Since when a complete change waits.
    since: Option<Instant>,
    /// Whether something was touched since [`Self::begin`].
    touched: bool,
    /// Whether a file was written in place or went away since then.
    torn: bool,
    /// The same since the last load that held.
    torn_before: bool,
    /// Loads in a row thrown away because a file had just changed.
    fresh: u32,
    /// Whether a failure was logged.
    warned: bool,
}

/// An event, taken out of the queue.
struct Seen {
    watch: i32,
    flags: ReadFlags,
    cookie: u32,
    name: Option<OsString>,
}

impl Watcher {
    /// A watcher of `paths`; a first load is due at once. Must be called within a tokio runtime.
    pub(super) fn new(paths: &[PathBuf], reload: Arc<Notify>) -> Self {
        // Its successor is unsafe for the sake of types whose descriptor may change or close early; an `OwnedFd`
        // does neither, and unsafe code has no place in this file.
        #[expect(deprecated)]
        let register = AsyncFd::new;
        let queue = inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK);
        let queue = queue.map_err(std::io::Error::from).and_then(register);
        let mut watcher = Self {
            paths: paths.into(),
            reload,
            queue: None,
            watched: HashMap::new(),
            places: Places::default(),
            writing: HashMap::new(),
            moved: (0, None),
            wanted: true,
            last: None,
            since: None,
            touched: false,
            torn: false,
            torn_before: false,
            fresh: 0,
            warned: false,
        };
        match queue {
            Ok(queue) => watcher.queue = Some(queue),
            Err(error) => watcher.warn("no inotify instance", &error),
        }
        watcher
    }

    /// Whether changes are seen at all places.
    pub(super) fn works(&self) -> bool {
        self.queue.is_some() && !self.warned
    }

    /// Waits until a load is due. May be dropped and called again.
    pub(super) async fn due(&mut self) {
        loop {
            self.drain();
            let Some(at) = self.next(Instant::now()) else {
                self.event().await;
                continue;
            };
            if at <= Instant::now() {
                return;
            }
            // Running out of time is what is waited for.
            let _ = tokio::time::timeout_at(at, self.event()).await;
        }
    }

    /// Begins a load: looks up what to watch, and starts to note what disturbs it.
    pub(super) async fn begin(&mut self) {
        (self.wanted, self.touched, self.torn) = (false, false, false);
        let paths = Arc::clone(&self.paths);
        if let Ok(places) = tokio::task::spawn_blocking(move || Places::survey(&paths)).await {
            self.places = places;
        }
        self.watch();
    }

    /// Ends a load, and tells whether its result holds. If not, a load is due. `settled` says that no file had changed
    /// just before it was read.
    pub(super) fn undisturbed(&mut self, settled: bool) -> bool {
        self.drain();
        let now = Instant::now();
        // Files renamed into place may be as new as they like.
        if !self.touched && !settled && (self.torn_before || self.last.is_none_or(|last| now - last >= QUIET)) {
            self.fresh += 1;
            if self.fresh <= FRESH_MAX {
                (self.wanted, self.last) = (true, Some(now));
                return false;
            }
        }
        let overdue = self.since.is_some_and(|since| now - since > OVERDUE);
        let holds = !self.touched || (overdue && !self.torn && self.blocked().is_none());
        if holds {
            (self.since, self.torn_before, self.fresh) = (None, false, 0);
        }
        holds
    }

    /// When the next load is due, as things stand.
    fn next(&mut self, now: Instant) -> Option<Instant> {
        if !self.wanted {
            return None;
        }
        if let Some((path, touched)) = self.blocked() {
            let end = touched + STALLED;
            if end > now {
                return Some(end);
            }
            tracing::warn!(path = %path.display(), "the file has been open for writing without a change for a minute; reading it as it is");
            let path = path.to_owned();
            self.writing.remove(&path);
            return Some(now);
        }
        let since = *self.since.get_or_insert(now);
        let impatient = now - since >= PATIENCE && !self.torn_before;
        let quiet = if impatient { BREATH } else { QUIET };
        Some(self.last.map_or(now, |last| last + quiet))
    }

    /// A file that matters and is being written: of several, the one touched last.
    fn blocked(&self) -> Option<(&Path, Instant)> {
        let files = self.writing.iter().filter(|(path, _)| self.places.matter(path));
        files.max_by_key(|(_, touched)| **touched).map(|(path, touched)| (&**path, *touched))
    }

    /// Waits for an event in the queue, or for a request from outside.
    async fn event(&mut self) {
        let readable = async {
            match &self.queue {
                Some(queue) => queue.readable().await.map(|mut ready| ready.clear_ready()),
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            ready = readable => if let Err(error) = ready {
                self.queue = None;
                self.warn("the inotify instance is lost", &error);
            },
            () = self.reload.notified() => self.wanted = true,
        }
    }

    /// Brings the watches up to the places.
    fn watch(&mut self) {
        let Some(queue) = &self.queue else { return };
        let mut watched: HashMap<i32, Vec<PathBuf>> = HashMap::new();
        let mut failure = None;
        for directory in &self.places.directories {
            match inotify::add_watch(queue, directory, MASK) {
                // Two paths may lead to one directory, by bind mounts; they share a watch.
                Ok(watch) => watched.entry(watch).or_default().push(directory.clone()),
                // It went away since the survey, which is an event of its parent.
                Err(Errno::NOENT | Errno::NOTDIR) => {}
                Err(error) => failure = Some((directory.clone(), error)),
            }
        }
        for watch in self.watched.keys().filter(|watch| !watched.contains_key(watch)) {
            // The kernel has dropped it where the directory is gone.
            let _ = inotify::remove_watch(queue, *watch);
        }
        self.watched = watched;
        if let Some((directory, error)) = failure {
            self.warn(&format!("{} cannot be watched", directory.display()), &error.into());
        }
    }

    /// Logs the first failure.
    fn warn(&mut self, what: &str, error: &std::io::Error) {
        if !self.warned {
            tracing::warn!(%error, "{what}: changes of declarations may need a SIGHUP to be seen");
        }
        self.warned = true;
    }

    /// Takes every event out of the queue.
    fn drain(&mut self) {
        let Some(queue) = &self.queue else { return };
        let mut seen = Vec::new();
        let mut buffer = [MaybeUninit::uninit(); 16 * 1024];
        let mut reader = Reader::new(queue, &mut buffer);
        let failure = loop {
            match reader.next() {
                Ok(event) => seen.push(Seen {
                    watch: event.wd(),
                    flags: event.events(),
                    cookie: event.cookie(),
                    name: event.file_name().map(CStr::to_bytes).map(|name| OsStr::from_bytes(name).to_owned()),
                }),
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => break None,
                Err(error) => break Some(error),
            }
        };
        if let Some(error) = failure {
            self.warn("the inotify queue cannot be read", &error.into());
        }
        let now = Instant::now();
        seen.into_iter().for_each(|event| self.take(&event, now));
    }

    /// Takes one event into account.
    fn take(&mut self, event: &Seen, now: Instant) {
        let has = |flag| event.flags.contains(flag);
        if has(ReadFlags::QUEUE_OVERFLOW) {
            // Whatever was being written may have been closed.
            self.writing.clear();
            self.touch(now, true);
            return;
        }
        let directories = self.watched.get(&event.watch).cloned().unwrap_or_default();
        if event
            .flags
            .intersects(ReadFlags::IGNORED | ReadFlags::UNMOUNT | ReadFlags::DELETE_SELF | ReadFlags::MOVE_SELF)
        {
            // The next load looks for what is at the directory's path now. A watch that was given up says so, too.
            if !directories.is_empty() {
                self.touch(now, true);
            }
            if has(ReadFlags::IGNORED) {
                self.watched.remove(&event.watch);
            }
            return;
        }
        let Some(name) = &event.name else { return };
        for directory in directories {
            self.take_name(event, directory.join(name), now);
        }
    }

    /// Takes the event of one name into account.
    fn take_name(&mut self, event: &Seen, path: PathBuf, now: Instant) {
        let has = |flag| event.flags.contains(flag);
        let matters = self.places.matter(&path);
        let begun = has(ReadFlags::MODIFY) || (has(ReadFlags::CREATE) && is_empty_file(&path));
        let gone = event.flags.intersects(ReadFlags::DELETE | ReadFlags::MOVED_FROM);
        if matters {
            self.touch(now, begun || gone || has(ReadFlags::CREATE));
        }
        if begun {
            if matters || self.writing.len() < STRANGERS_MAX {
                self.writing.insert(path, now);
            }
        } else if has(ReadFlags::MOVED_FROM) {
            self.moved = (event.cookie, self.writing.remove(&path));
        } else if has(ReadFlags::MOVED_TO) {
            self.writing.remove(&path);
            if let (cookie, Some(touched)) = self.moved
                && cookie == event.cookie
            {
                self.writing.insert(path, touched);
            }
        } else if gone || has(ReadFlags::CLOSE_WRITE) {
            self.writing.remove(&path);
        }
    }

    /// Makes a load due. `torn` says that a load meanwhile may have seen half of the change.
    fn touch(&mut self, now: Instant, torn: bool) {
        (self.wanted, self.touched, self.last) = (true, true, Some(now));
        self.torn |= torn;
        self.torn_before |= torn;
    }
}

/// Whether a file has just been created and waits for its content. Links and directories come complete.
fn is_empty_file(path: &Path) -> bool {
    path.symlink_metadata().is_ok_and(|metadata| metadata.is_file() && metadata.len() == 0)
}
