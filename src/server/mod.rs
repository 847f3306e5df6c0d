//! One server's life: bind every socket, start workers and tasks, wait for signals, join in order.
//!
//! The order is the point. Nothing runs before all sockets are bound; `ready` is said when all of them answer;
//! on the way down probes learn it first, then what takes queries stops, then what changes answers, and the admin
//! endpoints last, so that the end can be watched.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::Context;
use tokio::runtime::{self, Runtime};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tracing::{error, info, warn};

use crate::admin::{self, Admin, Readiness};
use crate::channel::cloudmap::actions::Actions;
use crate::channel::grpc::Parts;
use crate::config::{Config, LogFormat};
use crate::dns;
use crate::explain::Explainer;
use crate::health::Prober;
use crate::metrics::Metrics;
use crate::net::udp::{self, Worker};
use crate::net::{self, Endpoint, deferred as left, tcp};
use crate::table::Views;

use self::api::Api;
use self::declarations::Declarations;
use self::deferred::Answerers;
use self::grpc::Grpc;

mod access;
mod api;
mod declarations;
mod deferred;
mod forward;
mod grpc;
mod limits;
mod state;
mod transfers;
mod vpcs;

/// Target of the events that say which sockets answer; logs let it pass at every level.
pub const STARTED: &str = "fingerpost::started";

/// How long a stop waits for files that are being read.
const GRACE: Duration = Duration::from_secs(1);

/// Serves as `config` says until a signal ends it. An error that is [`crate::config::Faults`] means that a
/// declaration is to blame.
pub fn run(config: Config) -> anyhow::Result<()> {
    report(&config);
    let credentials = access::load(&config)?;
    access::report(&config, credentials.as_deref());
    let api = Api::load(&config, credentials.clone())?;
    let grpc = Grpc::load(&config, credentials)?;
    let keys = transfers::keys(&config)?;
    let sockets = Sockets::bind(&config)?;
    let listening = sockets.lines(api.scheme(), grpc.scheme())?;
    let listening_on: Vec<SocketAddr> = sockets.dns.iter().map(|endpoint| endpoint.address).collect();

    let runtime = cold_runtime(&config)?;
    let mut signals = Signals::new(&runtime).context("cannot listen for signals")?;
    let metrics = Arc::new(Metrics::new());
    let readiness = Arc::<Readiness>::default();
    let state = admin::State { metrics: Arc::clone(&metrics), readiness: Arc::clone(&readiness) };
    let admin = Admin::start(sockets.admin, state).context("cannot start the admin endpoints")?;

    let mut registry = state::open(&config, &metrics, &readiness)?;
    let declarations = Declarations::load(&config, &mut registry)?;
    let views = vpcs::views(&config, &registry);
    let transfers = transfers::load(&config, keys, &views, &registry, &metrics)?;
    let (catalog, running, store) = (registry.catalog(), registry.running(), registry.store());
    let (history, visibility) = (registry.history(), registry.visibility());
    let (sender, registry) = registry.spawn().context("cannot start the registry")?;
    let actions = Actions::new(sender.clone(), catalog.clone(), running, store, &config.account_id, config.quotas);
    metrics.show_state(catalog.clone(), visibility.clone());
    let reload_declarations = declarations.follow(&runtime, sender.clone(), &metrics, &readiness);

    let stop = Stop::default();
    let forwarder = forward::start(&config, &listening_on, &views, &metrics)?;
    let answerers = Answerers {
        forwarder: forwarder.clone().map(|forwarder| forwarder as _),
        transfers: transfers.clone().map(|transfers| transfers as _),
    };
    let plane = DataPlane::start(&config, sockets.dns, &views, answerers, &metrics, &stop, &runtime)?;
    let actions = Arc::new(actions);
    let handler = move |request| {
        let actions = Arc::clone(&actions);
        async move { actions.handle(request).await }
    };
    let mut requests = JoinSet::new();
    let prober = Prober::new(catalog.clone(), sender.clone(), config.probe_interval);
    requests.spawn_on(prober.run(stop.receiver()), runtime.handle());
    let of_api =
        sockets.api.map(|listener| api.serve(listener, handler, &metrics, stop.receiver(), &mut requests, &runtime));
    let of_grpc = sockets.grpc.map(|listener| {
        let parts = Parts {
            sender: sender.clone(),
            catalog: catalog.clone(),
            history,
            visibility,
            explainer: Explainer {
                views: views.clone(),
                vpcs: config.vpcs.iter().map(|vpc| vpc.id.clone()).collect(),
                catalog: catalog.clone(),
                settings: Arc::new(config.answers.clone()),
            },
            followers: Arc::default(),
            readiness: Arc::clone(&readiness),
            counters: metrics.grpc(),
            tcp: metrics.grpc_tcp(),
        };
        grpc.serve(listener, parts, stop.receiver(), &mut requests, &runtime)
    });
    let reload_certificates = [of_api, of_grpc];
    // Secondaries ask at once: they must find us answering.
    transfers.map(|transfers| requests.spawn_on(transfers.run(stop.receiver()), runtime.handle()));
    if let Some(forwarder) = &forwarder {
        // Our own sockets answer now, so that a loop is found.
        let _guard = runtime.enter();
        forwarder.start();
    }
    announce(&config, &listening);
    readiness.set_ready();

    runtime.block_on(async {
        while let Wish::Reload = signals.next().await {
            reload(&config);
            if let Some(credentials) = access::reload(&config) {
                api.replace(credentials.clone());
                grpc.replace(credentials);
            }
            reload_certificates.iter().flatten().for_each(|reload| reload.notify_one());
            reload_declarations.notify_one();
        }
    });

    info!("stopping");
    readiness.set_stopping();
    stop.stop();
    plane.join(&runtime);
    runtime.block_on(requests.join_all());
    // What still runs there waits for files only, and is cut off: a file system may take for ever.
    runtime.shutdown_timeout(GRACE);
    drop(sender);
    let ended = registry.join();
    admin.stop();
    anyhow::ensure!(ended.is_ok(), "the registry panicked");
    if let Some(fault) = readiness.store_fault() {
        anyhow::bail!("the store had failed: {fault}");
    }
    info!("stopped");
    Ok(())
}

/// Logs the effective settings, what is odd about them, and the kernel limits that will hurt.
fn report(config: &Config) {
    let version = env!("CARGO_PKG_VERSION");
    let settings = config.settings();
    let settings: Vec<String> = settings.iter().map(|(key, value)| format!("{key}={value:?}")).collect();
    info!("fingerpost {version} starts with {}", settings.join(" "));
    for warning in &config.warnings {
        warn!("{warning}");
    }
    limits::check(config);
}

/// The runtime of connections, files and signals. Workers are no part of it.
fn cold_runtime(config: &Config) -> anyhow::Result<Runtime> {
    runtime::Builder::new_multi_thread()
        .worker_threads(config.workers)
        .thread_name("cold")
        .enable_all()
        .build()
        .context("cannot start the runtime")
}

//----------- Sockets ----------------------------------------------------------

/// Every socket of a server. A taken address ends the program here, and not half of it later.
struct Sockets {
    /// One for each DNS address, in the order of the configuration.
    dns: Vec<Endpoint>,
    /// The AWS API's, unless it is off.
    api: Option<TcpListener>,
    /// The gRPC channel's, unless it is off.
    grpc: Option<TcpListener>,
    /// The admin endpoints'.
    admin: TcpListener,
}

impl Sockets {
    /// Binds all that `config` asks for, or nothing.
    fn bind(config: &Config) -> anyhow::Result<Self> {
        let endpoint =
            |&address: &SocketAddr| net::bind(address, config.workers).with_context(|| failure("dns", address));
        let listener = |name: &str, address: Option<SocketAddr>| {
            let bound = address.map(|address| TcpListener::bind(address).with_context(|| failure(name, address)));
            bound.transpose()
        };
        Ok(Self {
            dns: config.dns.iter().map(endpoint).collect::<anyhow::Result<_>>()?,
            api: listener("api", config.api)?,
            grpc: listener("grpc", config.grpc)?,
            admin: TcpListener::bind(config.admin).with_context(|| failure("admin", config.admin))?,
        })
    }

    /// A line for each socket, for when it answers, with what the API and gRPC speak.
    fn lines(&self, api_scheme: &str, grpc_scheme: &str) -> io::Result<Vec<String>> {
        let dns = self.dns.iter().map(|endpoint| format!("listening on dns udp+tcp {}", endpoint.address));
        let admin = format!("listening on admin http {}", self.admin.local_addr()?);
        let line = |name: &str, scheme: &str, listener: &Option<TcpListener>| {
            let address = listener.as_ref().map(TcpListener::local_addr).transpose()?;
            io::Result::Ok(address.map(|address| format!("listening on {name} {scheme} {address}")))
        };
        let api = line("api", api_scheme, &self.api)?;
        let grpc = line("grpc", grpc_scheme, &self.grpc)?;
        Ok(dns.chain(api).chain(grpc).chain([admin]).collect())
    }
}

/// What could not be done, and a hint where there is one.
fn failure(what: &str, address: SocketAddr) -> String {
    let hint = match address.port() {
        1..1024 => " (a port below 1024 needs root or CAP_NET_BIND_SERVICE)",
        _ => "",
    };
    format!("cannot listen on {what} {address}{hint}")
}

//----------- DataPlane --------------------------------------------------------

/// What answers: a worker for each UDP socket, a task for each listener.
struct DataPlane {
    workers: Vec<JoinHandle<()>>,
    listeners: JoinSet<()>,
}

impl DataPlane {
    /// Starts to answer on `endpoints`.
    fn start(
        config: &Config,
        endpoints: Vec<Endpoint>,
        views: &Views,
        answerers: Answerers,
        metrics: &Metrics,
        stop: &Stop,
        runtime: &Runtime,
    ) -> anyhow::Result<Self> {
        let settings = Arc::new(dns::Settings { defer: answerers.defer(), ..config.answers.clone() });
        let answerer = answerers.answerer();
        let cores = udp::cores(config.workers);
        let connections = tcp::Service::new(
            views.clone(),
            Arc::clone(&settings),
            config.tcp,
            metrics.tcp(),
            metrics.shared(),
            answerer.clone(),
            metrics.deferred(),
        );
        let mut workers = Vec::new();
        let mut listeners = JoinSet::new();
        for endpoint in endpoints {
            // Each address has a worker on every core: whichever is asked may use the whole machine.
            for (socket, core) in endpoint.udp.into_iter().zip(&cores) {
                let deferred = answerer.clone().map(|answerer| left::queue(&socket, answerer, metrics.deferred()));
                let deferred = match deferred.transpose().context("cannot share a socket")? {
                    Some((queue, attendant)) => {
                        listeners.spawn_on(attendant.attend(), runtime.handle());
                        Some(queue)
                    }
                    None => None,
                };
                let worker = Worker {
                    index: workers.len(),
                    socket,
                    views: views.clone(),
                    settings: Arc::clone(&settings),
                    deferred,
                    counters: metrics.worker(),
                    core: *core,
                    stop: stop.flag(),
                };
                workers.push(worker.spawn().context("cannot start a worker")?);
            }
            let serve = Arc::clone(&connections).serve(endpoint.tcp, stop.receiver());
            let serve = async move {
                if let Err(error) = serve.await {
                    error!("no TCP on {}: {error}", endpoint.address);
                }
            };
            listeners.spawn_on(serve, runtime.handle());
        }
        Ok(Self { workers, listeners })
    }

    /// Waits until the last query at hand is answered; the stop has been told.
    fn join(self, runtime: &Runtime) {
        for worker in self.workers {
            if worker.join().is_err() {
                error!("a worker panicked");
            }
        }
        runtime.block_on(self.listeners.join_all());
    }
}

//----------- What standard error promises -------------------------------------

/// Says on standard error which sockets answer, then `ready`. People and scripts get bare lines; whoever asked
/// for JSON gets nothing else.
fn announce(config: &Config, listening: &[String]) {
    for line in listening.iter().map(String::as_str).chain(["ready"]) {
        match config.log_format {
            LogFormat::Human => eprintln!("{line}"),
            LogFormat::Json => info!(target: STARTED, "{line}"),
        }
    }
}

/// Reads the configuration again and says what of it needs a restart; a fault changes nothing.
fn reload(config: &Config) {
    match config.reload() {
        Ok(new) => {
            let changed = config.differences(&new);
            if changed.is_empty() {
                info!("reload: the configuration is unchanged");
            } else {
                warn!("reload: changed options take effect at the next start: {}", changed.join(", "));
            }
        }
        Err(faults) => faults.0.iter().for_each(|fault| error!("reload: {fault}")),
    }
}

//----------- Stop -------------------------------------------------------------

/// Tells workers, which poll a flag, and tasks, which wait, that it is over.
struct Stop {
    flag: Arc<AtomicBool>,
    sender: watch::Sender<bool>,
}

impl Default for Stop {
    fn default() -> Self {
        Self { flag: Arc::default(), sender: watch::Sender::new(false) }
    }
}

impl Stop {
    /// For a worker: true once it should end.
    fn flag(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.flag)
    }

    /// For a task: turns true once it should end.
    fn receiver(&self) -> watch::Receiver<bool> {
        self.sender.subscribe()
    }

    /// Tells all.
    fn stop(&self) {
        self.flag.store(true, Ordering::Release);
        self.sender.send_replace(true);
    }
}

//----------- Signals ----------------------------------------------------------

/// What a signal wishes for.
enum Wish {
    /// SIGHUP.
    Reload,
    /// SIGTERM or SIGINT.
    Stop,
}

/// The signals this server understands. Caught from the moment this exists, so that none in the middle of the
/// start ends the process by its default action.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hang_up: Signal,
}

impl Signals {
    /// Starts to catch them.
    fn new(runtime: &Runtime) -> io::Result<Self> {
        let _guard = runtime.enter();
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hang_up: signal(SignalKind::hangup())?,
        })
    }

    /// The next wish.
    async fn next(&mut self) -> Wish {
        tokio::select! {
            biased;
            _ = self.terminate.recv() => Wish::Stop,
            _ = self.interrupt.recv() => Wish::Stop,
            _ = self.hang_up.recv() => Wish::Reload,
        }
    }
}
