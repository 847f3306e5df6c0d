//! One query at a time: whether a server answers yet, and what.

use std::collections::BTreeSet;
use std::net::{SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use hickory_proto::op::{Edns, Message, MessageType, OpCode, Query};
use hickory_proto::rr::{Name, Record, RecordType};

/// How long to wait for one answer before asking again.
const WAIT: Duration = Duration::from_millis(500);

/// Asks a server, again and again where it must be.
pub(crate) struct Client {
    socket: UdpSocket,
    buffer: Vec<u8>,
}

/// What a response says, without the order of its records.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Said {
    /// RCODE and the bits AA and TC.
    pub(crate) header: String,
    /// Records of the answer section.
    pub(crate) answers: BTreeSet<String>,
    /// Records of the authority section.
    pub(crate) authorities: BTreeSet<String>,
    /// Records of the additional section but OPT.
    pub(crate) additionals: BTreeSet<String>,
    /// Octets of the message.
    pub(crate) length: usize,
}

impl Client {
    /// A client of the server at `address`.
    pub(crate) fn new(address: SocketAddr) -> Result<Self> {
        let any = if address.is_ipv6() { "[::]:0" } else { "0.0.0.0:0" };
        let socket = UdpSocket::bind(any)?;
        socket.connect(address)?;
        Ok(Self { socket, buffer: vec![0; 65_535] })
    }

    /// Sends a query and returns the octets of its response; `None` where there is none in time.
    fn exchange(&mut self, query: &[u8], wait: Duration) -> Option<&[u8]> {
        let end = Instant::now() + wait;
        // Refused while nothing listens there.
        self.socket.send(query).ok()?;
        loop {
            let left = end.checked_duration_since(Instant::now())?.max(Duration::from_micros(1));
            self.socket.set_read_timeout(Some(left)).ok()?;
            let length = self.socket.recv(&mut self.buffer).ok()?;
            if self.buffer.get(..2) == query.get(..2) {
                return self.buffer.get(..length);
            }
        }
    }

    /// Asks up to three times, for a datagram may be lost.
    pub(crate) fn ask(&mut self, name: &str, rtype: RecordType) -> Result<Said> {
        let query = query(name, rtype, true)?;
        let octets = (0..3).find_map(|_| self.exchange(&query, WAIT).map(<[u8]>::to_vec)).context("no answer")?;
        let message = Message::from_vec(&octets).context("an answer that cannot be read")?;
        let (code, meta) = (message.metadata.response_code, message.metadata);
        let lines = |records: &[Record]| records.iter().map(|record| record.to_string().to_lowercase()).collect();
        Ok(Said {
            header: format!("{code:?} aa={} tc={}", meta.authoritative, meta.truncation),
            answers: lines(&message.answers),
            authorities: lines(&message.authorities),
            additionals: lines(&message.additionals),
            length: octets.len(),
        })
    }

    /// Asks for A records until there are `count` of them, for `patience` at most and as long as `alive` agrees.
    pub(crate) fn until(
        &mut self,
        name: &str,
        count: u16,
        patience: Duration,
        mut alive: impl FnMut() -> Result<()>,
    ) -> Result<Duration> {
        let (begun, query) = (Instant::now(), query(name, RecordType::A, false)?);
        while begun.elapsed() < patience {
            let response = self.exchange(&query, Duration::from_millis(20));
            if response.and_then(|response| response.get(6..8)) == Some(&count.to_be_bytes()[..]) {
                return Ok(begun.elapsed());
            }
            // Where nothing listens, the answer comes at once; the server wants its core for itself.
            std::thread::sleep(Duration::from_millis(1));
            alive()?;
        }
        ensure!(false, "no right answer within {patience:?}");
        Ok(patience)
    }

    /// Asks as often as it goes until the A record of `name` is there; `None` if it does not come in `patience`.
    pub(crate) fn visible(&mut self, query: &[u8], patience: Duration) -> Option<()> {
        let begun = Instant::now();
        while begun.elapsed() < patience {
            let response = self.exchange(query, Duration::from_millis(20));
            if response.and_then(|response| response.get(6..8)).is_some_and(|count| count != [0, 0]) {
                return Some(());
            }
        }
        None
    }
}

/// A query, with EDNS or without.
pub(crate) fn query(name: &str, rtype: RecordType, edns: bool) -> Result<Vec<u8>> {
    let mut message = Message::new(fastrand::u16(..), MessageType::Query, OpCode::Query);
    message.add_query(Query::query(Name::from_ascii(format!("{}.", name.trim_end_matches('.')))?, rtype));
    if edns {
        let mut edns = Edns::new();
        edns.set_max_payload(1232);
        message.set_edns(edns);
    }
    Ok(message.to_vec()?)
}
