//! The frame of a response: header, counts, OPT record; and what is told about it.

use super::zone_version::{OPTION_LENGTH as ZONE_VERSION_LENGTH, ZoneVersion};
use super::{Settings, Transport};
use crate::wire::types::{class, extended_error, option, rcode, rtype};
use crate::wire::{Edns, Fault, Full, HEADER_LENGTH, OPT_LENGTH, Options, Query, Writer};

/// Smallest limit of a UDP response (RFC 1035 §4.2.1), in octets.
pub(super) const UDP_LEAST: u16 = 512;
/// Limit of a TCP response: what its length field can say.
const TCP_MOST: usize = 65_535;

/// How a query ended; a metric label, and the response's code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Positive answer.
    Answer,
    /// The name exists, the type does not.
    NoData,
    /// The name does not exist.
    NxDomain,
    /// The name lies in a zone delegated to others: their name servers.
    Referral,
    /// A DNAME leads to too long a name.
    YxDomain,
    /// Outside our zones, or not allowed.
    Refused,
    /// Malformed.
    FormErr,
    /// An opcode or a meta type we do not serve.
    NotImp,
    /// EDNS version above 0.
    BadVers,
    /// Nobody was there to find the answer out.
    ServFail,
    /// In a zone of ours, or in what may be one, whose state is too old to be told.
    Withheld,
    /// Silence: shorter than a header.
    Runt,
    /// Silence: a response (QR=1).
    NotAQuery,
    /// Not for the hot side: the query is in the buffer still, or one that means the same, and whoever asked for the
    /// answer has it made elsewhere. Only where [`Settings::defer`] says so.
    Deferred,
}

impl Outcome {
    /// The code in the header; BADVERS shows only in the OPT record.
    #[inline]
    pub fn rcode(self) -> u8 {
        match self {
            Self::Answer
            | Self::NoData
            | Self::Referral
            | Self::BadVers
            | Self::Runt
            | Self::NotAQuery
            | Self::Deferred => rcode::NOERROR,
            Self::ServFail | Self::Withheld => rcode::SERVFAIL,
            Self::YxDomain => rcode::YXDOMAIN,
            Self::NxDomain => rcode::NXDOMAIN,
            Self::Refused => rcode::REFUSED,
            Self::FormErr => rcode::FORMERR,
            Self::NotImp => rcode::NOTIMP,
        }
    }

    /// Whether the answer speaks for a zone of ours.
    #[inline]
    fn is_authoritative(self) -> bool {
        matches!(self, Self::Answer | Self::NoData | Self::NxDomain | Self::YxDomain)
    }

    /// Whether what is said, authoritative or not, comes from a zone of ours: a referral comes from the one above the cut.
    fn speaks_for_a_zone(self) -> bool {
        self.is_authoritative() || self == Self::Referral
    }
}

/// Query types told apart in metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QueryType {
    /// A.
    A,
    /// AAAA.
    Aaaa,
    /// SRV.
    Srv,
    /// CNAME.
    Cname,
    /// SOA.
    Soa,
    /// NS.
    Ns,
    /// ANY.
    Any,
    /// All others, and none.
    Other,
}

impl From<u16> for QueryType {
    #[inline]
    fn from(qtype: u16) -> Self {
        match qtype {
            rtype::A => Self::A,
            rtype::AAAA => Self::Aaaa,
            rtype::SRV => Self::Srv,
            rtype::CNAME => Self::Cname,
            rtype::SOA => Self::Soa,
            rtype::NS => Self::Ns,
            rtype::ANY => Self::Any,
            _ => Self::Other,
        }
    }
}

/// What became of a query.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reply {
    /// Octets of the response at the start of the buffer; 0 is silence.
    pub length: usize,
    /// How the query ended.
    pub outcome: Outcome,
    /// The question's type.
    pub query_type: QueryType,
    /// Whether TC is set.
    pub truncated: bool,
}

//----------- Response ---------------------------------------------------------------------------------------

/// A section behind the question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Section {
    Answer,
    Authority,
    Additional,
}

/// A response under construction.
pub(super) struct Response<'b> {
    pub(super) writer: Writer<'b>,
    /// Records in the answer, authority and additional sections: 16 bits each, the first highest.
    counts: u64,
    pub(super) truncated: bool,
    /// Octets the OPT record and its options will take.
    opt_length: usize,
    transport: Transport,
}

impl<'b> Response<'b> {
    /// A response without records, which begins behind the question and leaves room for the OPT record.
    #[inline]
    pub(super) fn new(buffer: &'b mut [u8], query: &Query, transport: Transport, settings: &Settings) -> Self {
        let limit = match (transport, query.edns) {
            (Transport::Tcp, _) => TCP_MOST,
            (Transport::Udp, None) => usize::from(UDP_LEAST),
            // A payload below 512 means 512 (RFC 6891 §6.2.3).
            (Transport::Udp, Some(edns)) => usize::from(edns.payload.min(settings.udp_payload).max(UDP_LEAST)),
        };
        let opt_length = match query.edns {
            None => 0,
            Some(edns) if edns.options.is_empty() => OPT_LENGTH,
            Some(edns) => {
                let space = limit.min(buffer.len()).saturating_sub(query.question_end);
                opt_length(edns, transport, settings, space)
            }
        };
        let mut writer = Writer::new(buffer, query.question_end, limit);
        writer.reserve(opt_length);
        Self { writer, counts: 0, truncated: false, opt_length, transport }
    }

    /// Whether no record has been written.
    pub(super) fn is_empty(&self) -> bool {
        self.counts == 0
    }

    /// Whether the client wants what other servers know, too: RD is set.
    pub(super) fn desires_recursion(&self) -> bool {
        let [flags] = self.writer.peek(2);
        flags & 1 != 0
    }

    /// Counts `records` in `section`.
    #[inline]
    pub(super) fn count(&mut self, section: Section, records: usize) {
        let shift = match section {
            Section::Answer => 32,
            Section::Authority => 16,
            Section::Additional => 0,
        };
        self.counts += (records as u64) << shift;
    }

    /// Counts an answer of one record that was written, or says by TC that it does not fit.
    pub(super) fn count_or_truncate(&mut self, written: Result<(), Full>) {
        self.truncated |= written.is_err();
        self.count(Section::Answer, usize::from(written.is_ok()));
    }

    /// Writes OPT record and header. `zone_version` finds the version of the zone that answers for the name at the start
    /// of some octets, and for a type; only who asks for it pays for that.
    #[inline]
    pub(super) fn finish(
        &mut self,
        query: &Query,
        settings: &Settings,
        outcome: Outcome,
        zone_version: impl FnOnce(&[u8], u16) -> Option<ZoneVersion>,
    ) -> Reply {
        if let Some(edns) = query.edns {
            self.writer.release();
            let opt = self.writer.length();
            // The room was reserved, so this cannot fail; a response without OPT would still be sound.
            let written = if self.opt_length == OPT_LENGTH {
                self.write_opt(edns, settings, outcome, 0)
            } else {
                let class_and_type = (query.qclass, query.qtype);
                self.write_opt_and_options(edns, settings, outcome, class_and_type, zone_version)
            };
            if written.is_ok() {
                self.count(Section::Additional, 1);
                if outcome == Outcome::Withheld || settings.stale.is_set() {
                    self.put_extended_error(opt, outcome);
                }
            }
        }
        // QDCOUNT is 1 in the query and stays.
        self.writer.patch(4, (1 << 48 | self.counts).to_be_bytes());
        patch_flags(&mut self.writer, outcome, self.truncated);
        Reply {
            length: self.writer.length(),
            outcome,
            query_type: QueryType::from(query.qtype),
            truncated: self.truncated,
        }
    }

    /// Gives the query back.
    ///
    /// Where no record was written, it is there, octet for octet. Where some were, they cover what stood behind the
    /// question, which is written anew: an OPT record with all that we read of the client's. Other records are gone;
    /// a query has none, and a signature, which needs its octets, is deferred before there is a response.
    #[cold]
    #[inline(never)]
    pub(super) fn give_back(mut self, query: &Query) -> Reply {
        if !self.is_empty() {
            self.writer.release();
            self.writer.rewind(query.question_end);
            let written = query.edns.is_some_and(|edns| self.put_query_opt(edns).is_ok());
            self.writer.patch(4, (1_u64 << 48 | u64::from(written)).to_be_bytes());
        }
        Reply { length: 0, outcome: Outcome::Deferred, query_type: QueryType::from(query.qtype), truncated: false }
    }

    /// Appends an OPT record that says what `edns` says.
    fn put_query_opt(&mut self, edns: Edns) -> Result<(), Full> {
        let asked = [
            (Options::NSID, option::NSID),
            (Options::KEEPALIVE, option::TCP_KEEPALIVE),
            (Options::ZONE_VERSION, option::ZONE_VERSION),
        ];
        let asked = asked.into_iter().filter_map(|(asked, code)| edns.options.has(asked).then_some(code));
        let [payload_high, payload_low] = edns.payload.to_be_bytes();
        let flags = u8::from(edns.dnssec_ok) << 7;
        let length = 4 * asked.clone().count() as u8;
        self.writer.put_array([0, 0, 41, payload_high, payload_low, 0, edns.version, flags, 0, 0, length])?;
        asked.into_iter().try_for_each(|code| {
            let [high, low] = code.to_be_bytes();
            self.writer.put_array([high, low, 0, 0])
        })
    }

    /// Appends the OPT record (RFC 6891 §6.1.2), behind which options of `length` octets follow.
    #[inline]
    fn write_opt(&mut self, edns: Edns, settings: &Settings, outcome: Outcome, length: usize) -> Result<(), Full> {
        let [payload_high, payload_low] = settings.udp_payload.to_be_bytes();
        // BADVERS is 16: its upper eight bits are 1 (RFC 6891 §9).
        let extended_rcode = u8::from(outcome == Outcome::BadVers);
        let flags = u8::from(edns.dnssec_ok) << 7;
        let [length_high, length_low] = (length as u16).to_be_bytes();
        let opt = [0, 0, 41, payload_high, payload_low, extended_rcode, 0, flags, 0, length_high, length_low];
        self.writer.put_array(opt)
    }

    /// Adds to the OPT record at `opt`, which is the last that was written, why the answer is not as it should be
    /// (RFC 8914): nobody asks for that. Where there is no room, it is left out.
    #[cold]
    #[inline(never)]
    fn put_extended_error(&mut self, opt: usize, outcome: Outcome) {
        let code = match outcome {
            Outcome::Withheld => extended_error::NO_REACHABLE_AUTHORITY,
            Outcome::Referral => extended_error::STALE_ANSWER,
            _ if outcome.is_authoritative() => extended_error::STALE_ANSWER,
            _ => return,
        };
        let [[high, low], [code_high, code_low]] = [option::EXTENDED_ERROR, code].map(u16::to_be_bytes);
        if self.writer.put_array([high, low, 0, 2, code_high, code_low]).is_ok() {
            let length = u16::from_be_bytes(self.writer.peek(opt + OPT_LENGTH - 2));
            self.writer.patch(opt + OPT_LENGTH - 2, (length + 6).to_be_bytes());
        }
    }

    /// Appends the OPT record with the options asked for; room was reserved for all of them.
    #[cold]
    #[inline(never)]
    fn write_opt_and_options(
        &mut self,
        edns: Edns,
        settings: &Settings,
        outcome: Outcome,
        (qclass, qtype): (u16, u16),
        zone_version: impl FnOnce(&[u8], u16) -> Option<ZoneVersion>,
    ) -> Result<(), Full> {
        let is_asked = edns.options.has(Options::ZONE_VERSION);
        let speaks = is_asked && qclass == class::IN && outcome.speaks_for_a_zone();
        let zone_version = if speaks { zone_version(self.writer.written(HEADER_LENGTH), qtype) } else { None };
        let unused = if is_asked && zone_version.is_none() { ZONE_VERSION_LENGTH } else { 0 };
        self.write_opt(edns, settings, outcome, self.opt_length - OPT_LENGTH - unused)?;
        if let Some(nsid) = asked_nsid(edns, settings) {
            self.writer.put_array(option::NSID.to_be_bytes())?;
            self.writer.put_array((nsid.len() as u16).to_be_bytes())?;
            self.writer.put(nsid)?;
        }
        if wants_keepalive(edns, self.transport) {
            self.writer.put_array(option::TCP_KEEPALIVE.to_be_bytes())?;
            self.writer.put_array([0, 2])?;
            self.writer.put_array(settings.tcp_keepalive.to_be_bytes())?;
        }
        if let Some(version) = zone_version {
            self.writer.put_array(version.option())?;
        }
        Ok(())
    }
}

/// Octets of the OPT record for a client that sent options in `edns`, where `space` is left behind the question.
///
/// The longest NSID behind a long question can exceed 512 octets: OPT is a must, its options are not.
#[cold]
fn opt_length(edns: Edns, transport: Transport, settings: &Settings, space: usize) -> usize {
    let nsid = asked_nsid(edns, settings).map_or(0, |nsid| 4 + nsid.len());
    let keepalive = if wants_keepalive(edns, transport) { 6 } else { 0 };
    let zone_version = if edns.options.has(Options::ZONE_VERSION) { ZONE_VERSION_LENGTH } else { 0 };
    Some(OPT_LENGTH + nsid + keepalive + zone_version).filter(|length| *length <= space).unwrap_or(OPT_LENGTH)
}

/// Our NSID where it was asked for.
#[inline]
fn asked_nsid(edns: Edns, settings: &Settings) -> Option<&[u8]> {
    settings.nsid.as_deref().filter(|_| edns.options.has(Options::NSID))
}

/// Keepalive is for TCP and ignored on UDP (RFC 7828 §3.2.1).
#[inline]
fn wants_keepalive(edns: Edns, transport: Transport) -> bool {
    edns.options.has(Options::KEEPALIVE) && transport == Transport::Tcp
}

/// Makes the query's flags the response's: QR set, opcode, RD and CD kept, AA, TC and RCODE as given, the rest clear.
#[inline]
fn patch_flags(writer: &mut Writer<'_>, outcome: Outcome, truncated: bool) {
    let [high, low] = writer.peek(2);
    let authoritative = u8::from(outcome.is_authoritative()) << 2;
    let truncated = u8::from(truncated) << 1;
    writer.patch(2, [0x80 | authoritative | truncated | high & 0x79, low & 0x10 | outcome.rcode()]);
}

/// Answers a message that is no query we can answer: the header, and the question where it is sound.
#[cold]
#[inline(never)]
pub(super) fn answer_fault(fault: Fault, buffer: &mut [u8]) -> Reply {
    let (outcome, question_end) = match fault {
        Fault::Runt => (Outcome::Runt, None),
        Fault::Response => (Outcome::NotAQuery, None),
        Fault::Malformed { question_end } => (Outcome::FormErr, Some(question_end)),
        Fault::Opcode { question_end } => (Outcome::NotImp, Some(question_end)),
        // Comes here only from those who take no signed queries.
        Fault::Signed(query) => (Outcome::FormErr, Some(query.question_end)),
    };
    let length = question_end.map_or(0, |end| end.max(HEADER_LENGTH));
    if length > 0 {
        let mut writer = Writer::new(buffer, length, length);
        let questions = u8::from(length > HEADER_LENGTH);
        writer.patch(4, [0, questions, 0, 0, 0, 0, 0, 0]);
        patch_flags(&mut writer, outcome, false);
    }
    Reply { length, outcome, query_type: QueryType::Other, truncated: false }
}
