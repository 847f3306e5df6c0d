//! Active health checks: probes of the instances whose services have a `HealthCheckConfig`.
//!
//! ```text
//! catalog ─▶ Prober (which instances, how) ─▶ a task an instance: probe, wait, probe … ─▶ Threshold ─▶ Command ─▶ registry
//! ```
//!
//! Route 53 looks every 30 seconds from many places and asks that a share of them agree; this server is one place, and
//! counts equal results in a row. An instance nobody has reached yet counts as healthy (Route 53 Developer Guide, "How
//! Amazon Route 53 determines whether a health check is healthy").

#![forbid(unsafe_code)]

pub(crate) mod probe;
mod threshold;

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering::Relaxed};
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::{Instant, sleep, sleep_until};
use tracing::warn;

use self::probe::Target;
use self::threshold::Threshold;
use crate::model::{HealthCheck, HealthStatus, OperationId, Probe, Revision, ServiceId};
use crate::net::accept::stopped;
use crate::registry::{Catalog, Command, NamespaceEntry, Reader, Refusal, Sender, ServiceEntry};

/// How often the catalog is looked at for instances that came or went.
const LOOK: Duration = Duration::from_millis(250);
/// Equal results in a row that flip a status, where the service does not say (Route 53's default).
const FAILURE_THRESHOLD: u8 = 3;

/// An instance under watch.
type Key = (ServiceId, Box<str>);

/// What a watch is of: with another, it begins anew. The probe is here as it was given, because the registry takes
/// every other one, were it to ask the same, as a reason to forget the status.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Watched {
    target: Target,
    probe: Probe,
    registered: OperationId,
}

/// A watch at work.
struct Watch {
    watched: Watched,
    told: Told,
    task: AbortHandle,
}

/// The status that a watch believes the catalog to have. It is set before the registry is told: who reads the catalog
/// afterwards and finds another status there knows that it is not the watch's, or not yet.
#[derive(Clone, Debug)]
struct Told(Arc<AtomicU8>);

impl Told {
    /// At first, `status` is what the catalog has.
    fn new(status: HealthStatus) -> Self {
        Self(Arc::new(AtomicU8::new(status as u8)))
    }

    /// Notes what is told. The channel to the registry, and the catalog's lock behind it, order this.
    fn set(&self, status: HealthStatus) {
        self.0.store(status as u8, Relaxed);
    }

    /// Whether it is `status`.
    fn is(&self, status: HealthStatus) -> bool {
        self.0.load(Relaxed) == status as u8
    }
}

impl Watch {
    /// Whether it goes on, where this is wanted. A status that it did not tell, because the registry began anew
    /// meanwhile, is not one from which it could go on.
    fn stays(&self, wanted: Option<&(Watched, HealthStatus)>) -> bool {
        wanted.is_some_and(|(watched, status)| *watched == self.watched && self.told.is(*status))
    }
}

/// Watches all instances that are to be watched.
pub struct Prober {
    catalog: Reader,
    sender: Sender,
    interval: Duration,
}

impl Prober {
    /// A prober of what is in `catalog`, each instance once in `interval`.
    pub fn new(catalog: Reader, sender: Sender, interval: Duration) -> Self {
        Self { catalog, sender, interval }
    }

    /// Probes until `stop` is true.
    pub async fn run(self, mut stop: watch::Receiver<bool>) {
        let mut watches: HashMap<Key, Watch> = HashMap::new();
        let mut tasks = JoinSet::new();
        let mut seen: Option<Revision> = None;
        loop {
            let services = {
                let catalog = self.catalog.read();
                let changed = seen.replace(catalog.revision()) != Some(catalog.revision());
                changed.then(|| probed(&catalog))
            };
            if let Some(services) = services {
                let wanted = wanted(&services);
                watches.retain(|key, watch| {
                    let stays = watch.stays(wanted.get(key));
                    if !stays {
                        watch.task.abort();
                    }
                    stays
                });
                for (key, (watched, status)) in wanted {
                    watches.entry(key).or_insert_with_key(|key| {
                        let told = Told::new(status);
                        let threshold = watched.probe.failure_threshold.unwrap_or(FAILURE_THRESHOLD);
                        let threshold = Threshold::new(status, threshold);
                        let (sender, target) = (self.sender.clone(), watched.target.clone());
                        let watch = watch_instance(sender, key.clone(), target, threshold, told.clone(), self.interval);
                        Watch { watched, told, task: tasks.spawn(watch) }
                    });
                }
            }
            // Those that were told to end.
            while tasks.try_join_next().is_some() {}
            tokio::select! {
                () = sleep(LOOK) => {}
                () = stopped(&mut stop) => return,
            }
        }
    }
}

/// A service whose instances are probed, with its namespace.
type Probed = (Arc<ServiceEntry>, Option<Arc<NamespaceEntry>>);

/// What of the catalog matters here, shared: the registry waits for as long as the catalog is read.
fn probed(catalog: &Catalog) -> Vec<Probed> {
    let services = catalog.probed_services();
    services.map(|entry| (Arc::clone(entry), catalog.namespace(entry.namespace).cloned())).collect()
}

/// Every instance that is to be watched, with its present status.
fn wanted(services: &[Probed]) -> HashMap<Key, (Watched, HealthStatus)> {
    let mut all = HashMap::new();
    for (entry, namespace) in services {
        let HealthCheck::Probe(probe) = &entry.service.health_check else { continue };
        let namespace = namespace.as_ref().map(|namespace| &*namespace.name).unwrap_or_default();
        let host: Arc<str> = match &*entry.name {
            "." => namespace.into(),
            name => format!("{name}.{namespace}").into(),
        };
        for instance in entry.service.instances.iter() {
            let address = instance.ipv4().map(IpAddr::V4).or_else(|| instance.ipv6().map(IpAddr::V6));
            let (Some(address), Some(port)) = (address, instance.port()) else { continue };
            let target = target(probe, SocketAddr::new(address, port), &host);
            let watched = Watched { target, probe: probe.clone(), registered: instance.operation };
            all.insert((entry.id, instance.id().into()), (watched, instance.status));
        }
    }
    all
}

/// What is asked of `address`.
fn target(probe: &Probe, address: SocketAddr, host: &Arc<str>) -> Target {
    let path = match probe.path.as_deref() {
        None | Some("") => "/".into(),
        Some(path) if path.starts_with('/') => path.into(),
        Some(path) => format!("/{path}").into(),
    };
    Target { probe_type: probe.probe_type, address, host: Arc::clone(host), path }
}

/// Probes one instance for ever, and tells the registry when its status flips.
async fn watch_instance(
    sender: Sender,
    (service, id): Key,
    target: Target,
    mut threshold: Threshold,
    told: Told,
    interval: Duration,
) {
    // Spread over the interval, so that a thousand instances that came at once are not probed at once.
    let mut next = Instant::now() + interval.mul_f64(fastrand::f64() * 0.1);
    loop {
        sleep_until(next).await;
        next = Instant::now() + interval;
        let passed = target.passes().await;
        let Some(status) = threshold.count(passed) else { continue };
        told.set(status);
        let command = Command::SetProbedHealth(service, id.clone(), status);
        match sender.send(command).await {
            Ok(_) | Err(Refusal::NoService(_) | Refusal::NoInstance(_)) => {}
            Err(refusal) => {
                warn!("the health of instance {id} of {service} could not be set: {refusal}");
                threshold.take_back();
                told.set(threshold.status());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Instance, ProbeType, Service};
    use crate::registry::Owner;

    fn service(name: &str, probe: Probe) -> ServiceEntry {
        ServiceEntry {
            id: ServiceId::of_name(&[name]),
            namespace: crate::model::NamespaceId::of_name(&["example.org"]),
            name: name.into(),
            service: Service { health_check: HealthCheck::Probe(probe), ..Service::default() },
            creator_request_id: None,
            created: 0,
            instances_revision: 0,
            owner: Owner::Api,
        }
    }

    fn watched(failure_threshold: Option<u8>) -> Watched {
        let probe = Probe { probe_type: ProbeType::Tcp, path: None, failure_threshold };
        let target = target(&probe, SocketAddr::from(([127, 0, 0, 1], 1)), &"api.example.org".into());
        Watched { target, probe, registered: OperationId::default() }
    }

    #[test]
    fn instances_are_wanted_without_the_catalog() {
        let probe = watched(None).probe;
        let mut entry = service("api", probe.clone());
        entry.service.instances = ["a", "b"]
            .map(|id| Instance::new(id, None, [("AWS_INSTANCE_IPV4", "127.0.0.1"), ("AWS_INSTANCE_PORT", "1")]))
            .into_iter()
            .collect();
        let wanted = wanted(&[(Arc::new(entry), None)]);
        assert_eq!(wanted.len(), 2);
        assert!(wanted.values().all(|(watched, status)| watched.probe == probe && *status == HealthStatus::Unknown));
    }

    #[tokio::test]
    async fn a_watch_begins_anew_with_a_status_that_it_did_not_tell() {
        let told = Told::new(HealthStatus::Unknown);
        let task = tokio::spawn(async {}).abort_handle();
        let watch = Watch { watched: watched(None), told: told.clone(), task };
        assert!(watch.stays(Some(&(watched(None), HealthStatus::Unknown))));
        told.set(HealthStatus::Unhealthy);
        assert!(watch.stays(Some(&(watched(None), HealthStatus::Unhealthy))));
        assert!(!watch.stays(Some(&(watched(None), HealthStatus::Unknown))), "its probe went and came back");
        assert!(!watch.stays(Some(&(watched(Some(3)), HealthStatus::Unhealthy))), "another probe, if it asks the same");
        assert!(!watch.stays(None));
    }
}
