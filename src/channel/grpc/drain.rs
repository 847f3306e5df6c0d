//! Taking an instance out of answers, and the moment after which nobody uses an old one any more.
//!
//! That moment is when the last worker, here and on the followers that were connected, had left the revision before,
//! plus the greatest TTL that an answer with the instance can have had. A follower that is not connected is not waited
//! for: it goes on serving its last state for as long as it was told to (`--max-stale`).

use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep, sleep_until, timeout};
use tokio_stream::Stream;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Status;

use super::auth::Caller;
use super::convert;
use super::proto::{DrainReply, DrainRequest, FaultCode};
use super::scope::Scope;
use super::server::{Parts, stopping};
use super::visible::shown;
use crate::model::{NamespaceId, Revision, ServiceId};
use crate::net::accept::stopped;
use crate::registry::{Push, Refusal, ServiceEntry, ServiceName};

/// How often a client hears of followers that are waited for.
const PERIOD: Duration = Duration::from_secs(1);

/// Takes the instance out; the replies tell how far it is.
pub(super) async fn drain(
    request: DrainRequest,
    caller: &Caller,
    parts: Arc<Parts>,
    stop: watch::Receiver<bool>,
) -> Result<impl Stream<Item = Result<DrainReply, Status>> + Send + 'static, Status> {
    let scope = Scope { namespaces: caller.namespaces(), catalog: &parts.catalog };
    let (service, id) = convert::instance(request.service, request.id, &scope).map_err(status)?;
    let before = ttl(&parts, &service);
    let push = match request.deregister {
        true => Push::RemoveInstance(service.clone(), id),
        false => Push::Drain(service.clone(), id),
    };
    let result = parts.sender.push(vec![push]).await.map_err(|refusal| refused(&refusal))?;
    let mut pushed = result.await.unwrap_or(Err(Refusal::Stopped)).map_err(|refusal| refused(&refusal))?;
    if let Some((_, refusal)) = pushed.refusals.pop() {
        return Err(refused(&refusal));
    }
    let revision = pushed.revision;
    // It may have been changed between the two looks.
    let ttl = before.max(ttl(&parts, &service));
    let among = parts.followers.present();
    let (sender, replies) = mpsc::channel(4);
    let names = caller.namespaces().is_none();
    tokio::spawn(async move {
        let waiting = Waiting { revision, ttl, among, names, parts, sender };
        waiting.run(stop).await;
    });
    Ok(ReceiverStream::new(replies))
}

/// A drain under way.
struct Waiting {
    revision: Revision,
    /// Seconds.
    ttl: u32,
    /// The followers that are waited for.
    among: HashSet<Arc<str>>,
    /// Whether the client may know their names.
    names: bool,
    parts: Arc<Parts>,
    sender: mpsc::Sender<Result<DrainReply, Status>>,
}

impl Waiting {
    async fn run(self, mut stop: watch::Receiver<bool>) {
        tokio::select! {
            biased;
            () = stopped(&mut stop) => {
                let _ = self.sender.try_send(Err(stopping()));
            }
            () = self.sender.closed() => {}
            () = self.tell() => {}
        }
    }

    /// Tells until it is safe.
    async fn tell(&self) {
        let lifetime = Duration::from_secs(self.ttl.into());
        // Most often, it shows at once.
        let mut is_visible = timeout(Duration::from_millis(20), self.shown()).await.is_ok();
        while !is_visible {
            self.send(false, now() + lifetime, false).await;
            is_visible = timeout(PERIOD, self.shown()).await.is_ok();
        }
        let (end, clock) = (Instant::now() + lifetime, now() + lifetime);
        if self.ttl > 0 {
            self.send(true, clock, false).await;
            sleep_until(end).await;
            // The clock that the client was told of may be behind.
            while now() < clock && now() + lifetime > clock {
                sleep(Duration::from_millis(1)).await;
            }
        }
        self.send(true, clock, true).await;
    }

    async fn shown(&self) {
        shown(&self.parts, self.revision, &self.among).await;
    }

    async fn send(&self, visible: bool, safe_at: Duration, safe: bool) {
        let (behind, _) = self.parts.followers.behind(&self.among, self.revision);
        let shown = behind.iter().filter(|_| self.names && !visible);
        let reply = DrainReply {
            revision: self.revision,
            visible,
            safe_to_stop_at: safe_at.as_millis() as u64,
            safe,
            ttl: self.ttl,
            waiting_for: shown.map(|node| node.to_string()).collect(),
        };
        // Who has gone hears nothing.
        let _ = self.sender.send(Ok(reply)).await;
    }
}

/// The greatest TTL in seconds of the records of every service that the name can mean; 0 where there is none.
fn ttl(parts: &Parts, name: &ServiceName) -> u32 {
    let catalog = parts.catalog.read();
    let of = |entry: &Arc<ServiceEntry>| Some(catalog.greatest_ttl(entry));
    if let Some(entry) = ServiceId::parse(&name.service).and_then(|id| catalog.service(id)) {
        return of(entry).unwrap_or_default();
    }
    let full = name.service.strip_suffix('.').unwrap_or(&name.service);
    let wanted = NamespaceId::parse(&name.namespace);
    let found = catalog.namespaces_after(None).filter_map(|entry| {
        let within = if name.namespace.is_empty() {
            let rest = full.len().checked_sub(entry.name.len())?;
            let tail = full.get(rest..).filter(|tail| tail.eq_ignore_ascii_case(&entry.name));
            tail.and_then(|_| full.get(..rest)).map(|head| head.strip_suffix('.').unwrap_or("."))?
        } else {
            let names = [&entry.name, &entry.http_name];
            let is_named = names.iter().any(|own| own.eq_ignore_ascii_case(&name.namespace));
            (is_named || wanted == Some(entry.id)).then_some(&*name.service)?
        };
        of(catalog.service_named(entry, within)?)
    });
    found.max().unwrap_or_default()
}

/// This moment, since the epoch.
fn now() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

/// Why nothing was drained.
fn refused(refusal: &Refusal) -> Status {
    match refusal {
        Refusal::Store(_) | Refusal::Stopped => Status::unavailable(refusal.to_string()),
        other => status(other.clone().into()),
    }
}

/// A fault of a request as the end of its call.
pub(super) fn status(bad: convert::Bad) -> Status {
    match bad.code {
        FaultCode::NotFound => Status::not_found(bad.message),
        FaultCode::Forbidden => Status::permission_denied(bad.message),
        FaultCode::Declared | FaultCode::Conflict => Status::failed_precondition(bad.message),
        FaultCode::Quota => Status::resource_exhausted(bad.message),
        FaultCode::Unspecified | FaultCode::Invalid => Status::invalid_argument(bad.message),
    }
}
