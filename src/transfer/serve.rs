//! One transfer: from a query to the messages of its response.
//!
//! It runs on a thread that may wait for the client, and holds one table for as long as it takes. A message that the
//! client does not take in time ends it.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::runtime::Handle;
use tokio::sync::mpsc::Sender;
use tokio::time::timeout;
use tracing::{debug, warn};

use super::journal::Difference;
use super::messages::Messages;
use super::records::{self, Packed, Record, Soa, is_later};
use super::tsig::Session;
use super::{Transfers, now, opt, send};
use crate::dns::Transport;
use crate::metrics::{TransferKind, TransferRefusal};
use crate::table::Snapshot;
use crate::wire::types::rtype;
use crate::wire::{HEADER_LENGTH, Name, Query, Reader, Short};

/// A query for a transfer, verified if it was signed.
pub(super) struct Request {
    /// Without its signature.
    pub(super) message: Vec<u8>,
    pub(super) query: Query,
    /// The name asked for.
    pub(super) zone: Name,
    pub(super) session: Option<Session>,
    pub(super) client: IpAddr,
    pub(super) transport: Transport,
}

/// What a transfer shows, as of one moment.
struct Content {
    table: Arc<Snapshot>,
    soa: Soa,
    kind: TransferKind,
    /// For [`TransferKind::Incremental`].
    difference: Option<Difference>,
}

/// The client went away, or takes too long.
struct Gone;

impl Transfers {
    /// Answers a query for a transfer.
    pub(super) async fn transfer(self: Arc<Self>, request: Request, responses: Sender<Vec<u8>>) {
        if let Some(refusal) = self.refusal(&request) {
            let Request { message, zone, session, client, .. } = request;
            debug!("transfer of {zone} to {client} refused: {refusal:?}");
            if let Some(response) = self.refuse(&message, refusal, session) {
                send(&responses, response).await;
            }
            return;
        }
        let turn = timeout(self.limits.turn, Arc::clone(&self.permits).acquire_owned()).await;
        let Ok(Ok(permit)) = turn else {
            if let Some(response) = self.refuse(&request.message, TransferRefusal::Busy, request.session) {
                send(&responses, response).await;
            }
            return;
        };
        let runtime = Handle::current();
        // The thread ends by itself, also where nobody waits for it any more: its messages have nowhere to go then.
        let _ = tokio::task::spawn_blocking(move || {
            self.stream(request, responses, runtime);
            drop(permit);
        })
        .await;
    }

    /// Why a transfer is refused, if it is.
    fn refusal(&self, request: &Request) -> Option<TransferRefusal> {
        let Request { message, query, zone, session, client, transport } = request;
        let key = session.as_ref().map(|session| session.key().name());
        if !self.views.load(self.views.view_of(*client)).seen().has_zone(zone) {
            return Some(TransferRefusal::NotAuthoritative);
        }
        if !self.rules.allow(zone, *client, key) {
            return Some(TransferRefusal::Prohibited);
        }
        let is_sound = match query.qtype {
            // RFC 5936 §4.2: undefined over UDP.
            rtype::AXFR => *transport == Transport::Tcp,
            _ => serial(message).is_ok(),
        };
        (!is_sound).then_some(TransferRefusal::Malformed)
    }

    /// Sends all messages, and waits for the client where it has to.
    fn stream(&self, request: Request, responses: Sender<Vec<u8>>, runtime: Handle) {
        let Some(content) = self.content(&request) else {
            // Gone since we looked.
            let refused = self.refuse(&request.message, TransferRefusal::NotAuthoritative, request.session);
            let _ = refused.map(|response| runtime.block_on(send(&responses, response)));
            return;
        };
        let begun = Instant::now();
        self.counters.begin();
        let (kind, serial) = (content.kind, content.soa.serial);
        let Request { message, query, zone, session, client, transport } = request;
        let head = message.get(..query.question_end).unwrap_or_default();
        let opt = query.edns.map(|edns| opt(edns, &self.settings, 0));
        let until = (begun + self.limits.whole, self.limits.write);
        let messages = Messages::new(head, opt);
        let mut stream = Stream { messages, records: 0, session, responses, runtime, until };
        let sent = match transport {
            Transport::Tcp => content.write(&zone, &mut |record| stream.put(record)).and_then(|()| stream.finish()),
            Transport::Udp => stream.datagram(&content, &zone, self.udp_limit(query.edns)),
        };
        let (elapsed, (whole, records)) = match sent {
            Ok(records) => (begun.elapsed(), (true, records)),
            Err((Gone, records)) => (begun.elapsed(), (false, records)),
        };
        self.counters.end(kind, whole, records, elapsed);
        if whole {
            debug!("transfer of {zone} {serial} to {client}: {kind:?}, {records} records in {elapsed:?}");
        } else {
            warn!(
                "transfer of {zone} {serial} to {client} ended after {records} records: the client went away, or reads too slowly"
            );
        }
    }

    /// What a client gets; `None` if the zone is not there any more.
    fn content(&self, request: &Request) -> Option<Content> {
        let Request { message, query, zone, client, transport, .. } = request;
        let own = self.views.view_of(*client);
        let mut journal = self.journal();
        journal.catch_up();
        self.counters.set_journal(journal.octets());
        let views = [own, 0].into_iter();
        let mut found = views.filter_map(|view| journal.table(view).map(|table| (view, table)));
        let (view, table, soa) = found.find_map(|(view, table)| Some((view, table, Soa::of(table, zone)?)))?;
        let table = Arc::clone(table);
        if query.qtype == rtype::AXFR {
            return Some(Content { table, soa, kind: TransferKind::Full, difference: None });
        }
        let serial = serial(message).ok()?;
        let (kind, difference) = if !is_later(soa.serial, serial) {
            (TransferKind::Soa, None)
        } else {
            match journal.since(&(view, zone.clone()), serial) {
                Some(difference) => (TransferKind::Incremental, Some(difference)),
                None if *transport == Transport::Udp => (TransferKind::Soa, None),
                None => (TransferKind::Fallback, None),
            }
        };
        Some(Content { table, soa, kind, difference })
    }
}

impl Content {
    /// Puts all records in their order.
    fn write<E>(&self, zone: &Name, put: &mut impl FnMut(Record<'_>) -> Result<(), E>) -> Result<(), E> {
        let soa = self.soa.record.record();
        put(soa)?;
        match (self.kind, &self.difference) {
            (TransferKind::Soa, _) => return Ok(()),
            (TransferKind::Incremental, Some(Difference { before, deleted, added })) => {
                put(before.record.record())?;
                deleted.iter().map(Packed::record).try_for_each(&mut *put)?;
                put(soa)?;
                added.iter().map(Packed::record).try_for_each(&mut *put)?;
            }
            _ => {
                for node in records::nodes(&self.table, zone) {
                    let is_soa = |record: &Record<'_>| record.rtype == rtype::SOA;
                    records::of_node(node, |record| if is_soa(&record) { Ok(()) } else { put(record) })?;
                }
            }
        }
        put(soa)
    }
}

//----------- Stream ---------------------------------------------------------------------------------------------

/// Messages on their way to one client.
struct Stream {
    messages: Messages,
    records: u64,
    session: Option<Session>,
    responses: Sender<Vec<u8>>,
    runtime: Handle,
    /// When all has to be sent, and how long one message may wait.
    until: (Instant, Duration),
}

impl Stream {
    /// Appends a record, and sends the message before if that is full. An error has the number of records so far.
    fn put(&mut self, record: Record<'_>) -> Result<(), (Gone, u64)> {
        self.records += 1;
        match self.messages.put(record) {
            Some(message) => self.send(message),
            None => Ok(()),
        }
    }

    /// Sends the last message. Returns the number of records.
    fn finish(mut self) -> Result<u64, (Gone, u64)> {
        let last = std::mem::replace(&mut self.messages, Messages::new(&[], None)).finish();
        self.send(last).map(|()| self.records)
    }

    /// Sends all in one message of at most `limit` octets, or the SOA record alone.
    fn datagram(mut self, content: &Content, zone: &Name, limit: usize) -> Result<u64, (Gone, u64)> {
        let limit = limit - self.session.as_ref().map_or(0, |session| session.key().record_length()).min(limit);
        let empty = self.messages.clone();
        let fits = content.write(zone, &mut |record| {
            self.records += 1;
            if self.messages.put(record).is_some() || self.messages.length() > limit { Err(Gone) } else { Ok(()) }
        });
        if fits.is_err() {
            self.messages = empty;
            self.records = 0;
            self.put(content.soa.record.record())?;
        }
        self.finish()
    }

    /// Signs and sends a message.
    fn send(&mut self, mut message: Vec<u8>) -> Result<(), (Gone, u64)> {
        if let Some(session) = &mut self.session {
            session.sign(&mut message, now());
        }
        let (until, most) = self.until;
        let most = most.min(until.saturating_duration_since(Instant::now()));
        let sent = async {
            // No message can be longer: a record that long is none that we can send.
            match message.len() <= usize::from(u16::MAX) {
                true => timeout(most, self.responses.send(message)).await.is_ok_and(|sent| sent.is_ok()),
                false => false,
            }
        };
        if self.runtime.block_on(sent) { Ok(()) } else { Err((Gone, self.records)) }
    }
}

/// The serial of an IXFR query: that of the SOA record in its authority section (RFC 1995 §3).
fn serial(message: &[u8]) -> Result<u32, Short> {
    let mut reader = Reader::new(message);
    let header = reader.take_array::<HEADER_LENGTH>()?;
    // One question, which has been read before, no answer, one authority.
    if header[4..10] != [0, 1, 0, 0, 0, 1] {
        return Err(Short);
    }
    reader.skip_name()?;
    reader.take(4)?;
    reader.skip_name()?;
    if reader.u16()? != rtype::SOA {
        return Err(Short);
    }
    reader.take(8)?;
    reader.skip_name()?;
    reader.skip_name()?;
    reader.take_array().map(u32::from_be_bytes)
}
