//! Tells secondaries that a zone changed (NOTIFY, RFC 1996).
//!
//! Every zone and secondary have a task, which ends when there is nothing to tell for a while. It sends one message a
//! second at most, says what the zone's SOA is at that moment, and repeats it with growing pauses until it is
//! acknowledged or given up. Changes meanwhile need no message of their own.

use std::collections::{HashMap, HashSet};
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use tokio::net::UdpSocket;
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until, timeout_at};
use tracing::{info, warn};

use super::journal::ZoneKey;
use super::records::Soa;
use super::tsig::Session;
use super::{Transfers, now};
use crate::metrics::Notified;
use crate::wire::types::{class, rtype};
use crate::wire::{HEADER_LENGTH, Name};

/// How often we look for changes: bursts within it are one.
const PERIOD: Duration = Duration::from_millis(100);
/// A secondary hears of a zone no more often.
const PAUSE: Duration = Duration::from_secs(1);
/// How long the first message waits for an answer; each after it waits twice as long.
const FIRST_WAIT: Duration = Duration::from_secs(1);
/// Messages until a notification is given up: a minute (RFC 1996 §3.6 leaves it to us).
const ATTEMPTS: u32 = 6;
/// After this long without a change a task ends.
const IDLE: Duration = Duration::from_secs(60);
/// Messages to one secondary that wait for an answer at once: one that is away keeps the others from nothing.
const CONCURRENT: usize = 16;
/// NOTIFY, with AA (RFC 1996 §3.4, §3.7), as it lies in the third octet of a header.
const NOTIFY_AA: u8 = 4 << 3 | 4;

/// A zone and a secondary of it.
type Target = (ZoneKey, SocketAddr);

impl Transfers {
    /// Follows the published tables and notifies secondaries, until `stop` is true. At its start it notifies all of
    /// every zone: they may have missed something meanwhile.
    pub async fn run(self: Arc<Self>, mut stop: watch::Receiver<bool>) {
        let follow = async {
            let mut permits: HashMap<SocketAddr, Arc<Semaphore>> = HashMap::new();
            // Dropped with the future, and all tasks with it.
            let mut tasks = JoinSet::new();
            let mut targets: HashMap<Target, watch::Sender<()>> = HashMap::new();
            let mut zones = self.blocking(|transfers| transfers.journal().zones()).await;
            loop {
                for target in zones.into_iter().flat_map(|zone| self.targets(zone)) {
                    let is_told = targets.get(&target).is_some_and(|changes| changes.send(()).is_ok());
                    if !is_told {
                        let (sender, changes) = watch::channel(());
                        let permits = permits.entry(target.1).or_insert_with(|| Arc::new(Semaphore::new(CONCURRENT)));
                        tasks.spawn(Arc::clone(&self).notify(target.clone(), changes, Arc::clone(permits)));
                        targets.insert(target, sender);
                    }
                }
                while tasks.try_join_next().is_some() {}
                targets.retain(|_, changes| !changes.is_closed());
                sleep(PERIOD).await;
                zones = self.changes().await;
            }
        };
        tokio::select! {
            // An error is a server that is gone.
            _ = stop.wait_for(|stop| *stop) => {}
            () = follow => {}
        }
    }

    /// The zones that changed.
    async fn changes(self: &Arc<Self>) -> HashSet<ZoneKey> {
        // Busy is whoever will tell us of a change soon.
        if !self.journal.try_lock().is_ok_and(|journal| journal.has_news()) {
            return HashSet::new();
        }
        self.blocking(|transfers| {
            let mut journal = transfers.journal();
            journal.catch_up();
            transfers.counters.set_journal(journal.octets());
            journal.take_changed()
        })
        .await
    }

    /// Runs `work` on a thread that may be busy for a while.
    async fn blocking<T: Send + Default + 'static>(self: &Arc<Self>, work: fn(&Self) -> T) -> T {
        let transfers = Arc::clone(self);
        tokio::task::spawn_blocking(move || work(&transfers)).await.unwrap_or_default()
    }

    /// The secondaries of a zone: those that can see it.
    fn targets(&self, zone: ZoneKey) -> Vec<Target> {
        let notify = self.rules.of(zone.1.as_wire()).map_or(&[][..], |rule| &rule.notify);
        let seen = notify.iter().filter(|address| zone.0 == 0 || self.views.view_of(address.ip()) == zone.0);
        seen.map(|address| (zone.clone(), *address)).collect()
    }

    /// Notifies one secondary of one zone whenever that changes.
    async fn notify(self: Arc<Self>, target: Target, mut changes: watch::Receiver<()>, permits: Arc<Semaphore>) {
        let ((view, zone), address) = &target;
        loop {
            changes.mark_unchanged();
            let begun = Instant::now();
            let Some(soa) = self.published(*view, zone) else { return };
            match self.persuade(&target, &permits).await {
                Notified::Acknowledged => {}
                Notified::Refused => warn!("{address} refuses to be notified of {zone} {}", soa.serial),
                Notified::GivenUp => info!("{address} does not answer to being notified of {zone} {}", soa.serial),
            }
            sleep_until(begun + PAUSE).await;
            let changed = tokio::time::timeout(IDLE, changes.changed()).await;
            if !matches!(changed, Ok(Ok(()))) {
                return;
            }
        }
    }

    /// Sends a notification until it is acknowledged, refused or given up, and counts what became of it.
    async fn persuade(&self, target: &Target, permits: &Semaphore) -> Notified {
        let ((view, zone), address) = target;
        let mut wait = FIRST_WAIT;
        let mut notified = Notified::GivenUp;
        for _ in 0..ATTEMPTS {
            let Ok(_permit) = permits.acquire().await else { break };
            let Some(soa) = self.published(*view, zone) else { break };
            let until = Instant::now() + wait;
            self.counters.notify();
            let asked = self.ask(&soa, zone.as_wire(), *address);
            match timeout_at(until, asked).await {
                Ok(Ok(rcode)) => {
                    notified = if rcode == 0 { Notified::Acknowledged } else { Notified::Refused };
                    break;
                }
                // Nobody listens there now.
                Ok(Err(_)) => sleep_until(until).await,
                Err(_) => {}
            }
            wait *= 2;
        }
        self.counters.notified(notified);
        notified
    }

    /// The SOA of a zone as it is published.
    fn published(&self, view: usize, zone: &Name) -> Option<Soa> {
        Soa::of(&self.handles.get(view)?.load(), zone)
    }

    /// Sends one message and waits for its response, whose rcode it returns.
    async fn ask(&self, soa: &Soa, zone: &[u8], address: SocketAddr) -> io::Result<u8> {
        let local: SocketAddr =
            if address.is_ipv4() { (Ipv4Addr::UNSPECIFIED, 0).into() } else { (Ipv6Addr::UNSPECIFIED, 0).into() };
        let socket = UdpSocket::bind(local).await?;
        // What others send does not arrive.
        socket.connect(address).await?;
        let mut message = message(fastrand::u16(..), soa, zone);
        let rule = self.rules.of(zone);
        let key = rule.and_then(|rule| rule.keys.first()).and_then(|name| self.keys.find(name));
        let session = key.map(|key| Session::begin(key, &mut message, now()));
        socket.send(&message).await?;
        let mut buffer = [0; 1232];
        loop {
            let length = socket.recv(&mut buffer).await?;
            let response = buffer.get(..length).unwrap_or_default();
            let Some([high, low, flags, code, ..]) = response.first_chunk::<HEADER_LENGTH>() else { continue };
            let is_response = message.starts_with(&[*high, *low]) && flags & 0xf8 == 0x80 | NOTIFY_AA & 0x78;
            if is_response && session.as_ref().is_none_or(|session| session.accepts(response, now())) {
                return Ok(code & 0xf);
            }
        }
    }
}

/// A notification: the zone as its question, its SOA as a hint in the answer section (RFC 1996 §3.7).
fn message(id: u16, soa: &Soa, zone: &[u8]) -> Vec<u8> {
    let mut message = id.to_be_bytes().to_vec();
    message.extend_from_slice(&[NOTIFY_AA, 0, 0, 1, 0, 1, 0, 0, 0, 0]);
    message.extend_from_slice(zone);
    message.extend_from_slice(&rtype::SOA.to_be_bytes());
    message.extend_from_slice(&class::IN.to_be_bytes());
    message.extend_from_slice(&[0xc0, HEADER_LENGTH as u8]);
    soa.record.record().write_behind_owner(&mut message);
    message
}
