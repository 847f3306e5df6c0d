//! Forwarding: names outside our zones, asked of upstreams for clients that may.
//!
//! ```text
//!   deferred query ─▶ may the client? ─▶ single label? ──▶ our zones ─▶ cache ─▶ in flight? ─▶ upstreams
//!                     no: REFUSED        search domains    (CNAMEs       fresh    wait for it    in turn
//!                                                          lead out      or stale
//!                                                          and in)
//! ```
//!
//! All of this is on the cold side, behind [`crate::net::deferred`]: whatever upstreams do, an authoritative answer waits
//! for none of it. Our own zones are never forwarded and never cached: a name is looked for there first, also behind a
//! CNAME of others.
//!
//! `name` and `message` read what upstreams write, and write what clients read; `exchange` is one query to one upstream,
//! `upstream` knows how that upstream fares, `group` goes from one to the next; `flight` joins equal queries, `cache`
//! remembers; `own` asks our zones; `server` and `settings` say who the upstreams are.
//!
//! # Loops
//!
//! An upstream that is this server's own address is refused at start. One that forwards to us is found out by a probe, at
//! start and whenever it stops answering, and is asked no more. Until then a query that comes back to us is equal to the
//! one in flight, waits with it, and makes no third.

#![forbid(unsafe_code)]
#![deny(clippy::indexing_slicing)]

mod cache;
mod exchange;
mod flight;
mod group;
mod message;
mod name;
mod own;
mod server;
mod settings;
mod upstream;

use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::mpsc::Sender;
use tokio::sync::{Semaphore, TryAcquireError};
use tokio::time::timeout;

use self::cache::{Cache, Hit, Key};
use self::flight::{Boarding, Flights, Landed};
use self::group::{Failure, Group};
use self::message::{Asked, Message, Note, Section};
use self::own::Own;
pub use self::server::Server;
pub use self::settings::Settings;
use self::upstream::Upstream;
use crate::config::Faults;
use crate::dns;
use crate::metrics::{ForwardCounters, Forwarded};
use crate::model::Network;
use crate::net::deferred::{Answerer, Answering, Deferred};
use crate::table::Views;
use crate::wire::types::rcode;
use crate::wire::{Fault, Name, NameKey, Query};

/// Zones and upstreams that one answer may pass through.
const HOPS: usize = 8;

/// How long a client waits where a stale answer is at hand, and the TTL of that answer (RFC 8767 §5).
const STALE_AFTER: Duration = Duration::from_millis(1800);
const STALE_TTL: u32 = 30;

/// How soon after the start upstreams are probed for the first time.
const FIRST_PROBE: Duration = Duration::from_millis(100);

/// Extended errors (RFC 8914 §4; the last two with words, as they have no code of their own).
const STALE: (u16, &str) = (3, "");
const STALE_NXDOMAIN: (u16, &str) = (19, "");
const UNREACHABLE: (u16, &str) = (22, "no upstream answers");
const LOOP: (u16, &str) = (0, "forwarding loop");
const SHED: (u16, &str) = (0, "too many queries in flight");
const TOO_LONG: (u16, &str) = (0, "too long a chain of CNAMEs");

//----------- Forwarder -----------------------------------------------------

/// Answers queries for names outside our zones.
pub struct Forwarder {
    own: Own,
    allow: Vec<Network>,
    search: Vec<Name>,
    /// Longest domains first.
    groups: Vec<(Name, Arc<Group>)>,
    cache: Mutex<Cache>,
    flights: Arc<Flights>,
    /// One for each client that waits.
    permits: Semaphore,
    in_flight: usize,
    timeout: Duration,
    counters: Arc<ForwardCounters>,
}

/// What came of forwarding one name.
struct Reached {
    message: Arc<Message>,
    note: Note,
    end: Forwarded,
}

impl Forwarder {
    /// A forwarder for a server that listens on `listening`, shows `views`, and answers as `answers` say otherwise. Faults
    /// are those of the upstreams.
    pub fn new(
        settings: &Settings,
        listening: &[SocketAddr],
        views: Views,
        answers: dns::Settings,
    ) -> Result<Arc<Self>, Faults> {
        let (groups, counters) = settings.groups(listening)?;
        Ok(Arc::new(Self {
            own: Own::new(views, answers),
            allow: settings.allow.clone(),
            search: settings.search.clone(),
            groups: groups.into_iter().map(|(domain, group)| (domain, Arc::new(group))).collect(),
            cache: Mutex::new(Cache::new(settings.cache_entries, settings.cache_octets, settings.max_stale)),
            flights: Arc::default(),
            permits: Semaphore::new(settings.in_flight),
            in_flight: settings.in_flight,
            timeout: settings.timeout,
            counters,
        }))
    }

    /// What it counts.
    pub fn counters(&self) -> &Arc<ForwardCounters> {
        &self.counters
    }

    /// Begins to look after the upstreams, on the runtime that this is called in. Our own sockets have to answer, so that
    /// a loop is found.
    pub fn start(&self) {
        self.upstreams().for_each(|upstream| upstream.watch(FIRST_PROBE));
    }

    /// All upstreams; those of several rules several times.
    fn upstreams(&self) -> impl Iterator<Item = &Arc<Upstream>> {
        self.groups.iter().flat_map(|(_, group)| &group.0)
    }

    /// Whether a client may ask.
    fn allows(&self, client: IpAddr) -> bool {
        let client = client.to_canonical();
        self.allow.iter().any(|network| network.contains(client))
    }

    /// The response to a query, if there is one, and how it ended.
    async fn respond(self: &Arc<Self>, deferred: &Deferred) -> Option<(Vec<u8>, Forwarded)> {
        let mut key = NameKey::new();
        let (Ok(query) | Err(Fault::Signed(query))) = Query::parse(&deferred.query, &mut key) else { return None };
        let name = key.as_wire();
        if self.upstreams().any(|upstream| upstream.is_probe(name)) {
            return Some((self.own.respond(deferred)?, Forwarded::Loop));
        }
        if !self.allows(deferred.client.ip()) {
            return Some((self.own.respond(deferred)?, Forwarded::Refused));
        }
        let asked = Asked { octets: &deferred.query, query, transport: deferred.transport };
        let view = self.own.view_of(deferred.client.ip());
        let (begun, name) = match self.in_search_domains(view, &asked, name) {
            Some((alias, full)) => (alias, full),
            None => (Section::default(), name.to_vec()),
        };
        match self.resolve(view, &asked, begun, name).await {
            Some(Reached { message, note, end }) => Some((asked.respond(&message, note, self.own.udp_payload()), end)),
            None => Some((self.own.respond(deferred)?, Forwarded::Refused)),
        }
    }

    /// The first search domain in which a single label is a name of ours: a CNAME that leads there, and the whole name.
    fn in_search_domains(&self, view: usize, asked: &Asked<'_>, name: &[u8]) -> Option<(Section, Vec<u8>)> {
        let (&length, rest) = name.split_first()?;
        let is_single = length > 0 && rest.get(usize::from(length)..) == Some(&[0]);
        let label = name.split_last().filter(|_| is_single)?.1;
        self.search.iter().find_map(|domain| {
            let full = [label, domain.as_wire()].concat();
            // The longest name of a domain may have no room for the label.
            let found = if full.len() <= 255 { self.own.look_up(view, &full, asked.query.qtype) } else { None }?;
            let exists = found.rcode == u16::from(rcode::NOERROR);
            exists.then(|| (own::alias(asked.name(), &full, &found), full))
        })
    }

    /// The answer for `name`, from our zones and from upstreams, as CNAMEs lead from one to another; `begun` is what has
    /// led here. `None`: the name is nobody's to be asked for.
    async fn resolve(
        self: &Arc<Self>,
        view: usize,
        asked: &Asked<'_>,
        begun: Section,
        mut name: Vec<u8>,
    ) -> Option<Reached> {
        let qtype = asked.query.qtype;
        let mut joined = Message::empty(rcode::NOERROR.into());
        joined.question.1 = qtype;
        joined.authoritative = begun.count > 0;
        joined.answer = begun;
        let (mut note, mut end) = (Note::default(), Forwarded::Own);
        for hop in 0..HOPS {
            if let Some(mut message) = self.own.look_up(view, &name, qtype) {
                joined.authoritative |= hop == 0;
                let next = own::way_out(&message);
                message.answer.iter().for_each(|record| joined.answer.push(record));
                if let Some(target) = next {
                    name = target;
                    continue;
                }
                joined.rcode = message.rcode;
                joined.authority = std::mem::take(&mut message.authority);
                joined.additional = std::mem::take(&mut message.additional);
                return Some(Reached { message: Arc::new(joined), note, end });
            }
            let Some(group) = self.group(&name) else {
                // What we know is all there is, if it is anything.
                return (joined.answer.count > 0).then(|| Reached { message: Arc::new(joined), note, end });
            };
            let key = Key {
                name: name.as_slice().into(),
                qtype,
                dnssec_ok: asked.dnssec_ok(),
                checking_disabled: asked.checking_disabled(),
            };
            let reached = self.forward(Arc::new(key), group).await;
            end = reached.end;
            if reached.message.has_failed() {
                return Some(reached);
            }
            let cut = self.own.cut(view, &reached.message);
            if cut.is_none() && joined.answer.count == 0 {
                return Some(reached);
            }
            note.error = note.error.or(reached.note.error);
            let (kept, target) = match &cut {
                Some((kept, target)) => (kept, Some(target.clone())),
                None => (&reached.message.answer, None),
            };
            reached.note.apply(kept, &mut joined.answer);
            match target {
                Some(target) => name = target,
                None => {
                    joined.rcode = reached.message.rcode;
                    reached.note.apply(&reached.message.authority, &mut joined.authority);
                    reached.note.apply(&reached.message.additional, &mut joined.additional);
                    return Some(Reached { message: Arc::new(joined), note, end });
                }
            }
        }
        Some(failed(TOO_LONG, Forwarded::Failed))
    }

    /// Who is asked for `name`.
    fn group(&self, name: &[u8]) -> Option<&Arc<Group>> {
        let is_within = |domain: &Name| {
            let mut rest = name;
            loop {
                if rest == domain.as_wire() {
                    return true;
                }
                match rest.split_first() {
                    Some((&length, tail)) if length > 0 => rest = tail.get(usize::from(length)..).unwrap_or_default(),
                    _ => return false,
                }
            }
        };
        self.groups.iter().find(|(domain, _)| is_within(domain)).map(|(_, group)| group)
    }

    /// The answer of the upstreams to `key`, from the cache or from them.
    async fn forward(self: &Arc<Self>, key: Arc<Key>, group: &Arc<Group>) -> Reached {
        let hit = self.cache().get(&key, Instant::now());
        let stale = match hit {
            Some(hit) if !hit.is_stale => return reached(hit),
            Some(hit) if hit.has_failed => return reached(hit),
            hit => hit,
        };
        // Whoever comes when all places are taken is the newest, and is sent away.
        let _permit = match self.permits.try_acquire() {
            Ok(permit) => permit,
            Err(TryAcquireError::NoPermits | TryAcquireError::Closed) => return shed(stale),
        };
        self.counters.set_in_flight(self.in_flight.saturating_sub(self.permits.available_permits()));
        let (waiter, end) = match self.flights.board(&key, self.in_flight) {
            Boarding::Merged(waiter) => (waiter, Forwarded::Merged),
            Boarding::First(flight, waiter) => {
                let (forwarder, group, key) = (Arc::clone(self), Arc::clone(group), Arc::clone(&key));
                // Goes on if the client leaves: others may wait, and the answer is worth keeping.
                tokio::spawn(async move {
                    let asked = group.ask(&key, forwarder.timeout).await;
                    flight.land(forwarder.keep(&key, asked));
                });
                (waiter, Forwarded::Upstream)
            }
            Boarding::Full => return shed(stale),
        };
        let landed = match &stale {
            None => Some(waiter.landed().await),
            Some(_) => timeout(STALE_AFTER, waiter.landed()).await.ok(),
        };
        let in_flight = self.in_flight.saturating_sub(self.permits.available_permits());
        self.counters.set_in_flight(in_flight.saturating_sub(1));
        match (landed, stale) {
            (Some(Ok(message)), stale) => match stale {
                Some(stale) if message.has_failed() => reached(stale),
                _ => Reached { message, note: Note::default(), end },
            },
            (_, Some(stale)) => reached(stale),
            (Some(Err(Failure::Loop)), None) => failed(LOOP, Forwarded::Loop),
            (_, None) => failed(UNREACHABLE, Forwarded::Failed),
        }
    }

    /// Keeps what upstreams have said, as long as they allow.
    fn keep(&self, key: &Arc<Key>, asked: Result<Message, Failure>) -> Landed {
        let mut cache = self.cache();
        let now = Instant::now();
        let landed = asked.map(Arc::new);
        match &landed {
            Ok(message) if message.has_failed() => cache.note_failure(key, message, now),
            Ok(message) => cache.insert(key, message, now),
            Err(Failure::Unreachable) => {
                cache.note_failure(key, &Arc::new(Message::empty(rcode::SERVFAIL.into())), now);
            }
            // It costs nothing to find this again.
            Err(Failure::Loop) => {}
        }
        self.counters.set_cache(cache.size());
        landed
    }

    /// The cache; nobody who holds the lock panics between two changes that belong together.
    fn cache(&self) -> MutexGuard<'_, Cache> {
        self.cache.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What was in the cache.
fn reached(hit: Hit) -> Reached {
    let Hit { message, age, is_stale, .. } = hit;
    if message.has_failed() {
        let note = Note { error: Some(UNREACHABLE), ..Note::default() };
        return Reached { message, note, end: Forwarded::Failed };
    }
    if !is_stale {
        return Reached { message, note: Note { age, ..Note::default() }, end: Forwarded::Hit };
    }
    let error = if message.rcode == u16::from(rcode::NXDOMAIN) { STALE_NXDOMAIN } else { STALE };
    let note = Note { error: Some(error), stale_ttl: Some(STALE_TTL), age };
    Reached { message, note, end: Forwarded::Stale }
}

/// A query for which there was no place: something old is better than nothing.
fn shed(stale: Option<Hit>) -> Reached {
    stale.map_or_else(|| failed(SHED, Forwarded::Shed), reached)
}

/// SERVFAIL, and why.
fn failed(error: (u16, &'static str), end: Forwarded) -> Reached {
    let note = Note { error: Some(error), ..Note::default() };
    Reached { message: Arc::new(Message::empty(rcode::SERVFAIL.into())), note, end }
}

/// An upstream's response, read and written again as the response over TCP to `query`; `None` if either is malformed. What
/// the fuzzer looks at.
pub fn rewrite(query: &[u8], response: &[u8]) -> Option<Vec<u8>> {
    let message = Message::read(response).ok()?;
    let (Ok(parsed) | Err(Fault::Signed(parsed))) = Query::parse(query, &mut NameKey::new()) else { return None };
    let asked = Asked { octets: query, query: parsed, transport: dns::Transport::Tcp };
    Some(asked.respond(&message, Note::default(), 1232))
}

impl Answerer for Forwarder {
    fn answer(self: Arc<Self>, query: Deferred, responses: Sender<Vec<u8>>) -> Answering {
        Box::pin(async move {
            let begun = Instant::now();
            if let Some((response, end)) = self.respond(&query).await {
                self.counters.ended(end, begun.elapsed());
                // The client may have gone.
                drop(responses.send(response).await);
            }
        })
    }
}

#[cfg(test)]
mod tests;
