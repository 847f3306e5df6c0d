//! The life of a server that follows another one: the same sockets and workers, no store, no API, and as few threads as
//! do.

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::Context;
use tokio::runtime::{self, Runtime};
use tokio::task::JoinSet;
use tracing::{info, warn};

use super::deferred::Answerers;
use super::{DataPlane, GRACE, READY, Signals, Sockets, Stop, Wish, announce, cold_runtime, forward, reload, state};
use super::{transfers, vpcs};
use crate::admin::{self, Admin, Readiness};
use crate::config::{Config, Faults};
use crate::follow::{self, Follower, Freshness, Keeper, Settings, Status};
use crate::metrics::Metrics;
use crate::registry::store::Nothing;
use crate::registry::{Command, Registry};

/// Threads that wait for files, at most.
const FILE_THREADS: usize = 2;

/// Serves what another server has, until a signal ends it.
pub(super) fn run(config: &Config) -> anyhow::Result<()> {
    let Some(settings) = &config.follow else { return Ok(()) };
    follow::check(settings).map_err(|fault| Faults::of([fault]))?;
    let keys = transfers::keys(config)?;
    let sockets = Sockets::bind(config)?;
    let listening = sockets.lines("http", "http")?;
    let listening_on: Vec<SocketAddr> = sockets.dns.iter().map(|endpoint| endpoint.address).collect();

    // With one worker, there is little else to do, either.
    let runtime = if config.workers == 1 { small_runtime()? } else { cold_runtime(config)? };
    let mut signals = Signals::new(&runtime).context("cannot listen for signals")?;
    let metrics = Arc::new(Metrics::new());
    let readiness = Arc::<Readiness>::default();
    let status = Arc::<Status>::default();
    metrics.set_follow(Arc::clone(&status));
    let admin = admin::State { metrics: Arc::clone(&metrics), readiness: Arc::clone(&readiness) };
    let admin = Admin::start(sockets.admin, admin).context("cannot start the admin endpoints")?;

    let mut registry = state::open_over(config, Arc::new(Nothing), &metrics, &readiness)?;
    load(config, &mut registry, &status);
    let freshness = freshness(config, settings, &status);
    freshness.begin(&mut registry);
    let serving = status.serving();
    readiness.set_withheld(!*serving.borrow());
    let keeper = config.data_dir.clone();
    let keeper = keeper.map(|folder| Keeper::new(folder, &registry, Arc::clone(&status), settings.max_stale));
    let views = vpcs::views(config, &registry);
    let transfers = transfers::load(config, keys, &views, &registry, &metrics)?;
    let (catalog, visibility) = (registry.catalog(), registry.visibility());
    let (sender, registry) = registry.spawn().context("cannot start the registry")?;

    metrics.show_state(catalog.clone(), visibility.clone());

    let stop = Stop::default();
    let forwarder = forward::start(config, &listening_on, &views, &metrics)?;
    let answerers = Answerers {
        forwarder: forwarder.clone().map(|forwarder| forwarder as _),
        transfers: transfers.clone().map(|transfers| transfers as _),
    };
    let plane = DataPlane::start(config, sockets.dns, &views, answerers, &metrics, &stop, &runtime)?;
    let follower = Follower::new(settings.clone(), sender.clone(), catalog, visibility, status);
    let mut tasks = JoinSet::new();
    tasks.spawn_on(follower.run(stop.receiver()), runtime.handle());
    tasks.spawn_on(freshness.run(sender.clone(), stop.receiver()), runtime.handle());
    if let Some(keeper) = keeper {
        tasks.spawn_on(keeper.run(stop.receiver()), runtime.handle());
    }
    transfers.map(|transfers| tasks.spawn_on(transfers.run(stop.receiver()), runtime.handle()));
    if let Some(forwarder) = &forwarder {
        // Our own sockets answer now, so that a loop is found.
        let _guard = runtime.enter();
        forwarder.start();
    }
    announce(config, &listening);
    readiness.set_ready();

    runtime.block_on(serve(config, &mut signals, serving, &readiness));

    info!("stopping");
    readiness.set_stopping();
    stop.stop();
    plane.join(&runtime);
    runtime.block_on(tasks.join_all());
    runtime.shutdown_timeout(GRACE);
    drop(sender);
    let ended = registry.join();
    admin.stop();
    anyhow::ensure!(ended.is_ok(), "the registry panicked");
    info!("stopped");
    Ok(())
}

/// Passes on whether answers are as they should be, until a signal says that it is over.
async fn serve(
    config: &Config,
    signals: &mut Signals,
    mut serving: tokio::sync::watch::Receiver<bool>,
    readiness: &Readiness,
) {
    let mut is_announced = false;
    serving.mark_changed();
    loop {
        tokio::select! {
            wish = signals.next() => match wish {
                Wish::Stop => return,
                Wish::Reload => reload(config),
            },
            Ok(()) = serving.changed() => {
                let serves = *serving.borrow_and_update();
                readiness.set_withheld(!serves);
                if serves && !is_announced {
                    is_announced = true;
                    announce(config, &[READY.to_owned()]);
                }
            }
        }
    }
}

/// One thread for connections, files and signals: a follower is small.
fn small_runtime() -> anyhow::Result<Runtime> {
    runtime::Builder::new_current_thread()
        .max_blocking_threads(FILE_THREADS)
        .enable_all()
        .build()
        .context("cannot start the runtime")
}

/// Puts the last state into `registry`, if there is one that can be used.
fn load(config: &Config, registry: &mut Registry, status: &Status) {
    let Some(folder) = &config.data_dir else { return };
    let saved = match follow::load(folder) {
        Ok(Some(saved)) => saved,
        Ok(None) => return,
        Err(error) => {
            warn!("the state kept in {} cannot be used: {error}", folder.display());
            return;
        }
    };
    let revision = saved.replica.revision;
    match registry.apply(Command::Replicate(Box::new(saved.replica))) {
        Ok(change) => {
            status.set_state(saved.age);
            let (seconds, instances) = (saved.age.as_secs(), change.instances);
            info!("answers from the state kept {seconds} seconds ago: revision {revision}, {instances} instances");
        }
        Err(refusal) => warn!("the state kept in {} cannot be used: {refusal}", folder.display()),
    }
}

fn freshness(config: &Config, settings: &Settings, status: &Arc<Status>) -> Freshness {
    Freshness::new(settings.max_stale, settings.when_stale, config.answers.stale.clone(), Arc::clone(status))
}
