//! What our own zones say, for the forwarder: it joins it with what upstreams say, and never asks those for it.

use std::net::IpAddr;
use std::sync::Arc;

use super::message::{Message, Record, Section};
use crate::dns::{self, Ctx, Outcome, Transport};
use crate::net::deferred::Deferred;
use crate::table::Views;
use crate::wire::types::{class, rcode, rtype};

/// Octets of the longest message.
const LONGEST: usize = 65_535;

/// Our zones, as clients see them.
pub(super) struct Own {
    views: Views,
    /// Defers nothing.
    settings: Arc<dns::Settings>,
}

impl Own {
    /// The zones of `views`, answered for as `settings` say.
    pub(super) fn new(views: Views, settings: dns::Settings) -> Self {
        let settings = Arc::new(dns::Settings { defer: dns::Defer::default(), ..settings });
        Self { views, settings }
    }

    /// Largest UDP response in octets.
    pub(super) fn udp_payload(&self) -> u16 {
        self.settings.udp_payload
    }

    /// What a client is told if nobody else is asked: of a name outside, REFUSED.
    pub(super) fn respond(&self, deferred: &Deferred) -> Option<Vec<u8>> {
        let view = self.view_of(deferred.client.ip());
        let mut buffer = vec![0; LONGEST];
        let received = deferred.query.len();
        buffer.get_mut(..received)?.copy_from_slice(&deferred.query);
        let (length, _) = self.answer(view, deferred.transport, &mut buffer, received);
        buffer.truncate(length);
        Some(buffer).filter(|response| !response.is_empty())
    }

    /// The number of a client's view.
    pub(super) fn view_of(&self, client: IpAddr) -> usize {
        self.views.view_of(client)
    }

    /// What our zones say of `name`, an uncompressed one; `None` if it is in none of them.
    pub(super) fn look_up(&self, view: usize, name: &[u8], qtype: u16) -> Option<Message> {
        let mut query = vec![0, 0, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
        query.extend_from_slice(name);
        query.extend_from_slice(&qtype.to_be_bytes());
        query.extend_from_slice(&class::IN.to_be_bytes());
        let received = query.len();
        query.resize(LONGEST, 0);
        let (length, outcome) = self.answer(view, Transport::Tcp, &mut query, received);
        if outcome == Outcome::Refused { None } else { Message::read(query.get(..length)?).ok() }
    }

    fn answer(&self, view: usize, transport: Transport, buffer: &mut [u8], received: usize) -> (usize, Outcome) {
        let loaded = self.views.load(view);
        let mut ctx = Ctx::new(Arc::clone(&self.settings), fastrand::u64(..));
        let buffer = match transport {
            Transport::Udp => buffer.get_mut(..dns::MAX_UDP_PAYLOAD.max(received)).unwrap_or_default(),
            Transport::Tcp => buffer,
        };
        let reply = dns::answer_in_views(loaded.seen(), &mut ctx, transport, buffer, received);
        (reply.length, reply.outcome)
    }

    /// Where the answer of others leads into our zones: what comes before, with the CNAME, and its target.
    pub(super) fn cut(&self, view: usize, message: &Message) -> Option<(Section, Vec<u8>)> {
        let qtype = message.question.1;
        if matches!(qtype, rtype::CNAME | rtype::ANY) {
            return None;
        }
        let mut kept = Section::default();
        for record in message.answer.iter() {
            kept.push(record);
            if record.rtype == rtype::CNAME {
                let target = record.rdata.to_ascii_lowercase();
                if self.look_up(view, &target, qtype).is_some() {
                    return Some((kept, target));
                }
            }
        }
        None
    }
}

/// Where a chain of CNAMEs ends that leads out of our zones: in a name whose records are not in the answer.
pub(super) fn way_out(message: &Message) -> Option<Vec<u8>> {
    let qtype = message.question.1;
    let last = message.answer.iter().last()?;
    let leads_on = last.rtype == rtype::CNAME && !matches!(qtype, rtype::CNAME | rtype::ANY);
    // A negative end has the SOA of its zone, a delegation its name servers.
    let is_end = message.authority.count > 0 || message.rcode != u16::from(rcode::NOERROR);
    (leads_on && !is_end).then(|| last.rdata.to_ascii_lowercase())
}

/// The CNAME by which `short` stands for `full` in a search domain; it lives as long as what it leads to.
pub(super) fn alias(short: &[u8], full: &[u8], found: &Message) -> Section {
    let ttl = found.answer.least_ttl().or_else(|| found.lifetime()).unwrap_or(0);
    let mut section = Section::default();
    section.push(Record { owner: short, rtype: rtype::CNAME, rclass: class::IN, ttl, rdata: full });
    section
}
