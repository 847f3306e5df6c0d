//! Keeps the state file, at a cost that does not grow with the number of changes.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::watch;
use tokio::task::spawn_blocking;
use tracing::{info, warn};

use super::file;
use super::status::Status;
use super::stream::held;
use crate::channel::grpc::follow::Full;
use crate::registry::{Catalog, Reader, Registry};

/// How often it is looked whether the state has changed.
const INTERVAL: Duration = Duration::from_secs(5);
/// What writing may take of a processor's time at most: one part of so many.
const SHARE: u32 = 50;
/// How often the file is told that the state is still true, at most.
const TOUCH: Duration = Duration::from_secs(60);

/// Writes the state file.
pub struct Keeper {
    folder: PathBuf,
    catalog: Reader,
    status: Arc<Status>,
    touch: Duration,
    /// What the file holds.
    kept: Option<Mark>,
    /// Why the last attempt to write failed: the same again is no news.
    fault: Option<String>,
}

/// Tells states apart whose answers differ.
type Mark = (u64, u64);

fn mark(catalog: &Catalog) -> Mark {
    let serials = catalog.namespaces_after(None).map(|entry| u64::from(catalog.serial(entry.id)));
    (held(catalog).1, serials.fold(0, u64::wrapping_add))
}

impl Keeper {
    /// Keeps in `folder` what `registry` has. `max_stale` says how exact the time of the file has to be.
    pub fn new(folder: PathBuf, registry: &Registry, status: Arc<Status>, max_stale: Duration) -> Self {
        let catalog = registry.catalog();
        // What is there at the start came from the file.
        let kept = status.age().map(|_| mark(&catalog.read()));
        Self { folder, catalog, status, touch: TOUCH.min(max_stale / 4), kept, fault: None }
    }

    /// Keeps the file until `stop` says so, and once more then.
    pub async fn run(mut self, mut stop: watch::Receiver<bool>) {
        let mut touched = Instant::now();
        let mut pause = INTERVAL.min(self.touch.max(Duration::from_secs(1)));
        let shortest = pause;
        loop {
            let stopped = tokio::time::timeout(pause, stop.wait_for(|stop| *stop)).await.is_ok();
            let begun = Instant::now();
            let is_due = stopped || touched.elapsed() >= self.touch;
            if !is_due && !self.is_behind() {
                continue;
            }
            let mut keeper = self;
            // A disk may take its time, and others wait for this thread.
            let work = spawn_blocking(move || {
                let is_saved = keeper.save();
                if is_due || is_saved {
                    keeper.touch();
                }
                (keeper, is_saved)
            });
            let Ok((keeper, is_saved)) = work.await else { return };
            self = keeper;
            if is_due || is_saved {
                touched = begun;
            }
            if stopped {
                return;
            }
            pause = shortest.max(begun.elapsed() * SHARE);
        }
    }

    /// Whether the state is another than the file's.
    fn is_behind(&self) -> bool {
        self.status.age().is_some() && self.kept != Some(mark(&self.catalog.read()))
    }

    /// Writes the state if it is another than the file's; returns whether it was.
    fn save(&mut self) -> bool {
        if self.status.age().is_none() {
            return false;
        }
        let (state, now) = {
            let catalog = self.catalog.read();
            let now = mark(&catalog);
            if self.kept == Some(now) {
                return false;
            }
            (Full::all(&catalog), now)
        };
        let result = file::save(&self.folder, state);
        self.status.count_save(result.is_ok());
        match result {
            Ok(()) => {
                if self.kept.is_none() {
                    info!("keeps the state in {}", self.folder.display());
                }
                self.kept = Some(now);
                self.fault = None;
                true
            }
            Err(error) => {
                let fault = Some(error.to_string());
                if self.fault != fault {
                    warn!("cannot keep the state in {}: {error}", self.folder.display());
                    self.fault = fault;
                }
                false
            }
        }
    }

    /// Notes in the file how old the state is. Without one there is nothing to note.
    fn touch(&self) {
        if let (Some(age), Some(_)) = (self.status.age(), self.kept) {
            let _ = file::touch(&self.folder, age);
        }
    }
}
