//! Following the declared files: load, watch, load again.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::SystemTime;

use tokio::sync::{Notify, watch};

use super::fault::Fault;
use super::folder::{Contents, Loaded, Loader, Summary};
use super::watch::Watcher;
use crate::model::State;

/// Faults logged of one load; `fingerpost check` prints all.
const LOGGED_MAX: usize = 50;

/// How the channel is doing, for operators.
#[derive(Clone, Debug)]
pub struct FileStatus {
    /// When the state that answers was loaded.
    pub last_good: SystemTime,
    /// That state in numbers.
    pub summary: Summary,
    /// What is wrong with the files as they are now; empty if the state is theirs.
    pub faults: Arc<[Fault]>,
    /// Loads that changed the state, the first included.
    pub loads: u64,
    /// Loads that found faults and changed nothing.
    pub failed_loads: u64,
    /// Whether changes are seen by themselves; if not, SIGHUP loads.
    pub watching: bool,
}

/// Why a state does not come to answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unapplied {
    /// What is wrong with it; where that is a file's, the text begins with it.
    Refused(String),
    /// Nobody takes states any longer.
    Stopped,
}

/// Follows declared files after their first load.
#[derive(Debug)]
pub struct Follower {
    /// Loads.
    loader: Loader,
    /// What was applied last.
    applied: Contents,
    /// Told after every load.
    status: watch::Sender<FileStatus>,
}

impl Follower {
    /// Loads `paths` for the first time. Blocks on files. The state must come to answer before [`Self::run`]: its
    /// records are handed out only here.
    pub fn start(paths: impl Into<Vec<PathBuf>>) -> Result<(Self, State), Vec<Fault>> {
        let mut loader = Loader::new(paths);
        let Loaded { state, summary, contents } = loader.load()?;
        loader.applied(&contents);
        let status = FileStatus {
            last_good: SystemTime::now(),
            summary,
            faults: Arc::new([]),
            loads: 1,
            failed_loads: 0,
            watching: false,
        };
        let status = watch::Sender::new(status);
        Ok((Self { loader, applied: contents, status }, state))
    }

    /// The status now and from now on.
    pub fn status(&self) -> watch::Receiver<FileStatus> {
        self.status.subscribe()
    }

    /// Follows the files until `apply` says that it has stopped, and hands every new state to it, on a thread that may
    /// block. The state answers when it returns.
    ///
    /// A load with faults changes nothing: the faults are logged once and stand in the status until a load is
    /// good again. A refused state is such a fault, and every load tries it again: what it conflicts with may have
    /// gone. `reload` asks for a load, as for SIGHUP; a file being written is waited for all the same.
    pub async fn run(self, reload: Arc<Notify>, apply: impl FnMut(State) -> Result<(), Unapplied> + Send + 'static) {
        let Self { mut loader, mut applied, status } = self;
        let mut watcher = Watcher::new(loader.paths(), reload);
        // Taken along into the blocking threads and back.
        let mut apply = Box::new(apply);
        // What changed between the first load and the first watch is to be seen; nearly always, nothing did.
        let mut is_first = true;
        loop {
            watcher.due().await;
            watcher.begin(loader.included()).await;
            let loading = tokio::task::spawn_blocking(move || {
                let result = if is_first && loader.is_current() { None } else { Some(loader.load()) };
                (loader, result)
            });
            // Fails only if the load panicked or the runtime ends; going on without a loader is not possible.
            let Ok((back, result)) = loading.await else {
                tracing::error!("the loader of declarations is lost; they are not followed any longer");
                return;
            };
            loader = back;
            if !watcher.undisturbed(loader.settled(), &loader.included()) {
                continue;
            }
            is_first = false;
            let watching = watcher.works();
            let Some(result) = result else {
                status.send_modify(|status| status.watching = watching);
                continue;
            };
            match result {
                Ok(Loaded { state, summary, contents }) => {
                    let changed = contents != applied;
                    if changed {
                        let applying = tokio::task::spawn_blocking(move || {
                            let result = apply(state);
                            (apply, result)
                        });
                        let Ok((back, result)) = applying.await else {
                            tracing::error!("applying declarations failed; they are not followed any longer");
                            return;
                        };
                        apply = back;
                        match result {
                            Ok(()) => {
                                applied = contents;
                                loader.applied(&applied);
                            }
                            Err(Unapplied::Refused(text)) => {
                                let faults = vec![contents.fault(&text)];
                                status.send_modify(|status| bad(status, faults, watching));
                                continue;
                            }
                            Err(Unapplied::Stopped) => return,
                        }
                    }
                    status.send_modify(|status| good(status, summary, changed, watching));
                }
                Err(faults) => status.send_modify(|status| bad(status, faults, watching)),
            }
        }
    }
}

/// Notes a load without faults.
fn good(status: &mut FileStatus, summary: Summary, changed: bool, watching: bool) {
    status.watching = watching;
    if changed {
        status.last_good = SystemTime::now();
        status.loads += 1;
        status.summary = summary;
        let Summary { files, namespaces, services, instances, zones, records, .. } = summary;
        tracing::info!(files, namespaces, services, instances, zones, records, "declarations loaded");
    } else if !status.faults.is_empty() {
        tracing::info!("the declarations are again those that answer");
    }
    status.faults = Arc::new([]);
}

/// Notes a load with faults, and logs those that are new.
fn bad(status: &mut FileStatus, faults: Vec<Fault>, watching: bool) {
    status.watching = watching;
    status.failed_loads += 1;
    if *status.faults == *faults {
        return;
    }
    tracing::error!(faults = faults.len(), "the declarations have faults; the last good state goes on answering");
    for fault in faults.iter().take(LOGGED_MAX) {
        tracing::error!("{fault}");
    }
    if faults.len() > LOGGED_MAX {
        tracing::error!("… and {} more; `fingerpost check` lists all", faults.len() - LOGGED_MAX);
    }
    status.faults = faults.into();
}
