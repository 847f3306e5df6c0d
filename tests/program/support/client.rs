//! A DNS client that hides nothing: it never asks twice, and takes an answer only to its question.

use std::io::{self, Read, Write};
use std::net::{IpAddr, Shutdown, SocketAddr, TcpStream, UdpSocket};
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

use hickory_proto::op::{Edns, Message, MessageType, OpCode, Query};
use hickory_proto::rr::{Name, RData, RecordType};
use socket2::{Domain, Socket, Type};

use super::PATIENCE;

//----------- Queries ----------------------------------------------------------

/// A query without EDNS, with an id that no other query of a while has.
pub(crate) fn query(name: &str, qtype: RecordType) -> Message {
    static NEXT: AtomicU16 = AtomicU16::new(1);
    let mut message = Message::new(NEXT.fetch_add(1, Ordering::Relaxed), MessageType::Query, OpCode::Query);
    message.add_query(Query::query(Name::from_ascii(name).unwrap(), qtype));
    message
}

/// A query with EDNS.
pub(crate) fn query_with(name: &str, qtype: RecordType, edns: Edns) -> Message {
    let mut message = query(name, qtype);
    message.set_edns(edns);
    message
}

/// The addresses in the answer section, in their order.
pub(crate) fn addresses(response: &Message) -> Vec<IpAddr> {
    let address = |data: &RData| match data {
        RData::A(address) => Some(IpAddr::V4(address.0)),
        RData::AAAA(address) => Some(IpAddr::V6(address.0)),
        _ => None,
    };
    response.answers.iter().filter_map(|record| address(&record.data)).collect()
}

/// Reads the response to `query`.
#[track_caller]
fn read(query: &Message, octets: &[u8]) -> Message {
    let response = Message::from_vec(octets).unwrap();
    assert_eq!(response.metadata.id, query.metadata.id, "{response:?}");
    assert_eq!(response.metadata.message_type, MessageType::Response);
    assert_eq!(response.queries, query.queries);
    response
}

//----------- Udp --------------------------------------------------------------

/// A connected UDP socket: what comes from another address than the one asked does not arrive.
pub(crate) struct Udp(UdpSocket);

impl Udp {
    /// Prepares to ask `server`.
    pub(crate) fn connect(server: SocketAddr) -> Self {
        Self::connect_from(if server.is_ipv6() { "::" } else { "0.0.0.0" }, server)
    }

    /// Prepares to ask as the client at `local`.
    pub(crate) fn connect_from(local: &str, server: SocketAddr) -> Self {
        let socket = UdpSocket::bind((local, 0)).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        socket.connect(server).unwrap();
        Self(socket)
    }

    /// Sends octets.
    pub(crate) fn send(&self, octets: &[u8]) {
        self.0.send(octets).unwrap();
    }

    /// The next datagram.
    pub(crate) fn receive(&self) -> io::Result<Vec<u8>> {
        let mut buffer = [0; 4096];
        self.0.recv(&mut buffer).map(|length| buffer[..length].to_vec())
    }

    /// Sends octets and returns those that come back.
    #[track_caller]
    pub(crate) fn exchange(&self, octets: &[u8]) -> Vec<u8> {
        self.send(octets);
        self.receive().expect("no response")
    }

    /// Asks once.
    #[track_caller]
    pub(crate) fn ask(&self, query: &Message) -> Message {
        read(query, &self.exchange(&query.to_vec().unwrap()))
    }

    /// Asks once, of a server that may be gone.
    pub(crate) fn try_ask(&self, query: &Message) -> io::Result<Message> {
        self.0.send(&query.to_vec().unwrap())?;
        self.read(query)
    }

    /// The response to a query that has been sent.
    pub(crate) fn read(&self, query: &Message) -> io::Result<Message> {
        self.receive().map(|octets| read(query, &octets))
    }

    /// Waits at most this long for a datagram from now on.
    pub(crate) fn set_patience(&self, patience: Duration) {
        self.0.set_read_timeout(Some(patience)).unwrap();
    }
}

//----------- Tcp --------------------------------------------------------------

/// A DNS connection.
pub(crate) struct Tcp(TcpStream);

impl Tcp {
    /// Connects.
    #[track_caller]
    pub(crate) fn connect(server: SocketAddr) -> Self {
        Self::from(TcpStream::connect(server).unwrap())
    }

    /// Connects as the client at `local`.
    #[track_caller]
    pub(crate) fn connect_from(local: &str, server: SocketAddr) -> Self {
        let local = SocketAddr::new(local.parse().unwrap(), 0);
        let socket = Socket::new(Domain::for_address(local), Type::STREAM, None).unwrap();
        socket.bind(&local.into()).unwrap();
        socket.connect(&server.into()).unwrap();
        Self::from(TcpStream::from(socket))
    }

    fn from(stream: TcpStream) -> Self {
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_nodelay(true).unwrap();
        Self(stream)
    }

    /// Sends octets as they are.
    pub(crate) fn send(&mut self, octets: &[u8]) -> io::Result<()> {
        self.0.write_all(octets)
    }

    /// Sends what the connection takes at once; returns how much that was.
    pub(crate) fn send_some(&mut self, octets: &[u8]) -> usize {
        self.0.set_nonblocking(true).unwrap();
        let sent = self.0.write(octets).unwrap_or(0);
        self.0.set_nonblocking(false).unwrap();
        sent
    }

    /// Says that no more will be sent.
    pub(crate) fn finish(&mut self) {
        self.0.shutdown(Shutdown::Write).unwrap();
    }

    /// The next message, without its length.
    pub(crate) fn receive(&mut self) -> io::Result<Vec<u8>> {
        let mut length = [0; 2];
        self.0.read_exact(&mut length)?;
        let mut message = vec![0; u16::from_be_bytes(length).into()];
        self.0.read_exact(&mut message)?;
        Ok(message)
    }

    /// Asks all `queries` in one segment; returns the responses in the order of the queries.
    #[track_caller]
    pub(crate) fn ask_all(&mut self, queries: &[Message]) -> Vec<Message> {
        let octets: Vec<u8> = queries.iter().flat_map(frame).collect();
        self.send(&octets).unwrap();
        self.responses(queries)
    }

    /// The responses to `queries`, which have been sent.
    #[track_caller]
    pub(crate) fn responses(&mut self, queries: &[Message]) -> Vec<Message> {
        let mut responses: Vec<Option<Message>> = vec![None; queries.len()];
        for _ in queries {
            // They may come in any order (RFC 7766 §6.2.1.1).
            let octets = self.receive().expect("no response");
            let id = u16::from_be_bytes([octets[0], octets[1]]);
            let index = queries.iter().position(|query| query.metadata.id == id).expect("nobody asked for this");
            assert!(responses[index].replace(read(&queries[index], &octets)).is_none(), "a second response");
        }
        responses.into_iter().flatten().collect()
    }

    /// Asks once.
    #[track_caller]
    pub(crate) fn ask(&mut self, query: &Message) -> Message {
        self.ask_all(std::slice::from_ref(query)).remove(0)
    }

    /// Expects the server to close, in order or by a reset, and to send nothing before.
    #[track_caller]
    pub(crate) fn expect_end(&mut self) {
        match self.0.read(&mut [0; 64]) {
            Ok(0) => {}
            Ok(octets) => panic!("{octets} octets and not the end"),
            Err(error) => assert_eq!(error.kind(), io::ErrorKind::ConnectionReset, "not the end"),
        }
    }
}

/// A message as it goes over a connection: its length in front (RFC 1035 §4.2.2).
pub(crate) fn frame(message: &Message) -> Vec<u8> {
    let octets = message.to_vec().unwrap();
    let length = u16::try_from(octets.len()).unwrap();
    [&length.to_be_bytes()[..], &octets].concat()
}
