//! Zone transfer out (AXFR, RFC 5936; IXFR, RFC 1995), for the DNS servers that people already run.
//!
//! ```text
//! hot side ──▶ Deferred ──▶ Transfers ──▶ signature? ──▶ transfer? ──▶ allowed? ──▶ a thread that streams
//!              (AXFR, IXFR, signed)         └▶ error        └▶ dns::answer, signed      ▲ tables and differences
//! published tables ──▶ Journal ─────────────────────────────────────────────────────────┘
//!                         └▶ Notifier ──▶ NOTIFY to secondaries (RFC 1996)
//! ```
//!
//! - [`tsig`]: signatures (RFC 8945); `keys` reads the file of secrets.
//! - [`records`]: a zone's records, read back from the table; `messages` cuts them into messages; [`text`] writes them.
//! - [`journal`]: what changed, as far as it is known.
//! - [`rules`]: who may.
//! - `serve`: one transfer; `notify`: who is told of changes.
//!
//! Refused by default: without a configured transfer, nothing here runs, and the hot side refuses.

#![forbid(unsafe_code)]

pub mod journal;
pub mod keys;
mod messages;
mod notify;
pub mod records;
pub mod rules;
mod serve;
pub mod text;
pub mod tsig;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::sync::Semaphore;
use tokio::sync::mpsc::Sender;

use self::journal::Journal;
use self::keys::Keys;
use self::messages::head_of_response;
use self::rules::Rules;
use self::tsig::{Rejection, Session, Tsig};
use crate::config::Faults;
use crate::dns::{self, Ctx, Defer, MAX_UDP_PAYLOAD, Settings, Transport};
use crate::metrics::{Signature, TransferCounters, TransferRefusal};
use crate::net::deferred::{Answerer, Answering, Deferred};
use crate::table::{Handle, Views};
use crate::wire::types::{class, rcode, rtype};
use crate::wire::{Edns, Name, NameKey, Query};

/// Octets of changes that are kept for incremental transfers, of all zones.
const JOURNAL_MOST: usize = 64 << 20;
/// Smallest limit of a response over UDP, in octets (RFC 1035 §4.2.1).
const UDP_LEAST: u16 = 512;

/// Codes of extended errors (RFC 8914 §4).
mod extended {
    pub(super) const OTHER: u16 = 0;
    pub(super) const NOT_READY: u16 = 14;
    pub(super) const PROHIBITED: u16 = 18;
    pub(super) const NOT_AUTHORITATIVE: u16 = 20;
}

/// What transfers may take.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Transfers that run at once; others wait.
    pub concurrent: usize,
    /// How long they wait for their turn.
    pub turn: Duration,
    /// How long a client may take to make room for one more message.
    pub write: Duration,
    /// How long one transfer may take, since it holds on to what is published no more.
    pub whole: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            concurrent: 8,
            turn: Duration::from_secs(10),
            write: Duration::from_secs(30),
            whole: Duration::from_secs(15 * 60),
        }
    }
}

/// Answers transfers and signed queries, and notifies secondaries.
pub struct Transfers {
    rules: Rules,
    keys: Keys,
    views: Views,
    /// What is published, view by view.
    handles: Vec<Handle>,
    journal: Mutex<Journal>,
    limits: Limits,
    settings: Arc<Settings>,
    permits: Arc<Semaphore>,
    counters: Arc<TransferCounters>,
}

impl Transfers {
    /// Answers from what is published through `handles`, one a view, as `rules` allow. A rule with a key that is not
    /// among `keys` is a fault.
    pub fn new(
        rules: Rules,
        keys: Keys,
        views: Views,
        handles: Vec<Handle>,
        limits: Limits,
        settings: &Settings,
        counters: Arc<TransferCounters>,
    ) -> Result<Arc<Self>, Faults> {
        let unknown = rules.keys().filter(|name| keys.find(name).is_none());
        let faults: Vec<_> = unknown.map(|name| format!("transfer: the file of tsig-keys has no key {name}")).collect();
        if !faults.is_empty() {
            return Err(Faults(faults));
        }
        let wanted = rules.clone();
        let journal = Journal::new(handles.clone(), JOURNAL_MOST, move |apex| wanted.of(apex).is_some());
        // What comes here is not left to others again.
        let settings = Arc::new(Settings { defer: Defer::default(), ..settings.clone() });
        let permits = Arc::new(Semaphore::new(limits.concurrent));
        let journal = Mutex::new(journal);
        Ok(Arc::new(Self { rules, keys, views, handles, journal, limits, settings, permits, counters }))
    }

    /// The journal, for threads that may wait: it is held while somebody catches up.
    fn journal(&self) -> MutexGuard<'_, Journal> {
        self.journal.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Answers one query.
    async fn respond(self: Arc<Self>, query: Deferred, responses: Sender<Vec<u8>>) {
        let Deferred { query: message, client, transport } = query;
        let (message, session) = match Tsig::find(&message) {
            Ok(None) => (message, None),
            Ok(Some(tsig)) => match self.verify(&message, &tsig) {
                Ok(session) => (tsig.strip(&message), Some(session)),
                Err(response) => return send(&responses, response).await,
            },
            Err(_) => {
                self.counters.sign(Signature::Malformed);
                let Some(response) = error(&message, rcode::FORMERR, extended::OTHER, &self.settings) else { return };
                return send(&responses, response).await;
            }
        };
        let mut key = NameKey::new();
        let query = Query::parse(&message, &mut key).ok().filter(|query| {
            // Other versions, other classes and other faults are answered as ever.
            let is_transfer = matches!(query.qtype, rtype::AXFR | rtype::IXFR) && query.qclass == class::IN;
            is_transfer && query.edns.is_none_or(|edns| edns.version == 0)
        });
        let Some(query) = query else {
            return self.answer_signed(message, session, client.ip(), transport, &responses).await;
        };
        let zone = Name::from_lower(key.as_wire());
        let request = serve::Request { message, query, zone, session, client: client.ip(), transport };
        self.transfer(request, responses).await;
    }

    /// Verifies a query's signature; the error is the response.
    fn verify(&self, message: &[u8], tsig: &Tsig<'_>) -> Result<Session, Vec<u8>> {
        let now = now();
        let (rejection, session) = match tsig::verify(self.keys.iter(), message, tsig, now) {
            Ok(session) => {
                self.counters.sign(Signature::Accepted);
                return Ok(session);
            }
            Err(rejected) => rejected,
        };
        let (signature, rcode) = match rejection {
            Rejection::Key => (Signature::UnknownKey, rcode::NOTAUTH),
            Rejection::Signature => (Signature::Wrong, rcode::NOTAUTH),
            Rejection::Time => (Signature::OutOfTime, rcode::NOTAUTH),
            Rejection::Truncated => (Signature::Truncated, rcode::NOTAUTH),
            Rejection::Malformed => (Signature::Malformed, rcode::FORMERR),
        };
        self.counters.sign(signature);
        let stripped = tsig.strip(message);
        let mut response = error(&stripped, rcode, extended::OTHER, &self.settings).unwrap_or_default();
        // The client knows its query by the id it was sent with.
        if let (Some(id), Some(sent)) = (response.first_chunk_mut::<2>(), message.first_chunk()) {
            *id = *sent;
        }
        tsig::put_rejection(&mut response, tsig, rejection, session, now);
        Err(response)
    }

    /// Answers a query that is no transfer, and signs the response.
    async fn answer_signed(
        &self,
        mut message: Vec<u8>,
        session: Option<Session>,
        client: std::net::IpAddr,
        transport: Transport,
        responses: &Sender<Vec<u8>>,
    ) {
        let received = message.len();
        let reserved = session.as_ref().map_or(0, |session| session.key().record_length());
        let most = match transport {
            Transport::Tcp => usize::from(u16::MAX),
            Transport::Udp => {
                let edns = Query::parse(&message, &mut NameKey::new()).ok().and_then(|query| query.edns);
                self.udp_limit(edns).max(received).min(MAX_UDP_PAYLOAD)
            }
        };
        message.resize(most.saturating_sub(reserved).max(received), 0);
        let response = {
            let loaded = self.views.load(self.views.view_of(client));
            let mut ctx = Ctx::new(Arc::clone(&self.settings), fastrand::u64(..));
            let reply = dns::answer_in_views(loaded.seen(), &mut ctx, transport, &mut message, received);
            message.truncate(reply.length);
            message
        };
        if response.is_empty() {
            return;
        }
        send(responses, signed(response, session)).await;
    }

    /// Octets of the largest response over UDP to a client.
    fn udp_limit(&self, edns: Option<Edns>) -> usize {
        let payload = edns.map_or(UDP_LEAST, |edns| edns.payload.min(self.settings.udp_payload));
        usize::from(payload.max(UDP_LEAST))
    }

    /// Counts a refused transfer and makes the response.
    fn refuse(&self, message: &[u8], refusal: TransferRefusal, session: Option<Session>) -> Option<Vec<u8>> {
        self.counters.refuse(refusal);
        let (rcode, code) = match refusal {
            TransferRefusal::Prohibited => (rcode::REFUSED, extended::PROHIBITED),
            TransferRefusal::NotAuthoritative => (rcode::REFUSED, extended::NOT_AUTHORITATIVE),
            TransferRefusal::Malformed => (rcode::FORMERR, extended::OTHER),
            TransferRefusal::Busy => (rcode::SERVFAIL, extended::NOT_READY),
        };
        error(message, rcode, code, &self.settings).map(|response| signed(response, session))
    }
}

impl Answerer for Transfers {
    fn answer(self: Arc<Self>, query: Deferred, responses: Sender<Vec<u8>>) -> Answering {
        Box::pin(self.respond(query, responses))
    }
}

/// Sends one message; whoever went away has no need of it.
async fn send(responses: &Sender<Vec<u8>>, message: Vec<u8>) {
    let _ = responses.send(message).await;
}

/// The message, signed if there is a session.
fn signed(mut message: Vec<u8>, session: Option<Session>) -> Vec<u8> {
    if let Some(mut session) = session {
        session.sign(&mut message, now());
    }
    message
}

/// An error response to `message`, which has no signature: with an extended code if there is one and the client knows
/// EDNS.
fn error(message: &[u8], rcode: u8, code: u16, settings: &Settings) -> Option<Vec<u8>> {
    let query = Query::parse(message, &mut NameKey::new()).ok();
    let end = query.map_or(crate::wire::HEADER_LENGTH, |query| query.question_end);
    let mut response = message.get(..end)?.to_vec();
    head_of_response(&mut response, rcode, false);
    if let Some(edns) = query.and_then(|query| query.edns) {
        let length = if code == extended::OTHER { 0 } else { 6 };
        response.extend_from_slice(&opt(edns, settings, length));
        if length > 0 {
            response.extend_from_slice(&crate::wire::types::option::EXTENDED_ERROR.to_be_bytes());
            response.extend_from_slice(&[0, 2]);
            response.extend_from_slice(&code.to_be_bytes());
        }
        if let Some(additionals) = response.get_mut(11) {
            *additionals = 1;
        }
    }
    Some(response)
}

/// Our OPT record (RFC 6891 §6.1.2) before `length` octets of options.
fn opt(edns: Edns, settings: &Settings, length: u8) -> [u8; 11] {
    let [high, low] = settings.udp_payload.to_be_bytes();
    [0, 0, rtype::OPT as u8, high, low, 0, 0, u8::from(edns.dnssec_ok) << 7, 0, 0, length]
}

/// Seconds since the epoch.
fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

#[cfg(test)]
mod tests;
