//! Plugs the file channel into a server: its states go to the registry, its status to metrics and probes.

use std::sync::Arc;

use tokio::runtime::Runtime;
use tokio::sync::{Notify, watch};

use crate::admin::Readiness;
use crate::channel::file::{FileStatus, Follower, Unapplied};
use crate::config::{Config, Faults};
use crate::metrics::Metrics;
use crate::model::State;
use crate::registry::{Command, Refusal, Registry, Sender};

/// The declared files after their first load.
pub(super) struct Declarations(Option<Follower>);

impl Declarations {
    /// Loads what `config` declares into `registry`. A fault is a [`Faults`] error.
    pub(super) fn load(config: &Config, registry: &mut Registry) -> anyhow::Result<Self> {
        let (follower, state) = if config.declare.is_empty() {
            // What was declared before is declared no more.
            (None, State::default())
        } else {
            let (follower, state) = Follower::start(config.declare.clone()).map_err(Faults::of)?;
            (Some(follower), state)
        };
        registry.apply(Command::Declare(state)).map_err(|refusal| Faults::of([refusal]))?;
        Ok(Self(follower))
    }

    /// Follows the files on `runtime` from now on. The result asks for a load, as SIGHUP does.
    pub(super) fn follow(
        self,
        runtime: &Runtime,
        sender: Sender,
        metrics: &Arc<Metrics>,
        readiness: &Arc<Readiness>,
    ) -> Arc<Notify> {
        let reload = Arc::new(Notify::new());
        let Some(follower) = self.0 else { return reload };
        let status = follower.status();
        // At once, so that whoever hears that we are ready finds the first load counted.
        show_status(&status.borrow(), metrics, readiness);
        runtime.spawn(tell(status, Arc::clone(metrics), Arc::clone(readiness)));
        let apply = move |state| match sender.send_blocking(Command::Declare(state)) {
            Ok(_) => Ok(()),
            // On the way down.
            Err(Refusal::Stopped) => Err(Unapplied::Stopped),
            Err(refusal) => Err(Unapplied::Refused(refusal.to_string())),
        };
        runtime.spawn(follower.run(Arc::clone(&reload), apply));
        reload
    }
}

/// Passes every status on.
async fn tell(mut status: watch::Receiver<FileStatus>, metrics: Arc<Metrics>, readiness: Arc<Readiness>) {
    loop {
        show_status(&status.borrow_and_update(), &metrics, &readiness);
        if status.changed().await.is_err() {
            return;
        }
    }
}

/// Shows how the files fare to whoever reads metrics, or probes.
fn show_status(status: &FileStatus, metrics: &Metrics, readiness: &Readiness) {
    metrics.set_declaration(status.loads, status.failed_loads, status.faults.len());
    readiness.set_faults(status.faults.iter().map(ToString::to_string).collect());
}
