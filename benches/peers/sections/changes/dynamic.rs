//! Changes by DNS UPDATE (RFC 2136) over one TCP connection.

use std::io::{Read, Write};
use std::net::TcpStream;

use anyhow::{Context, Result, ensure};
use fingerpost::wire::Name;

use super::{Channel, PATIENCE, address};
use crate::running::Running;

/// A connection to a server that takes updates from our address.
pub(super) struct Dynamic {
    stream: TcpStream,
    apex: String,
}

impl Dynamic {
    pub(super) fn new(server: &Running) -> Result<Self> {
        let stream = TcpStream::connect(server.place.socket())?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        Ok(Self { stream, apex: server.place.files.apex.clone() })
    }

    /// The message that adds `count` records.
    fn message(&self, first: u32, count: u32) -> Result<Vec<u8>> {
        let id = (first as u16).to_be_bytes();
        // RFC 2136 §2.2: opcode 5; a zone, nothing required, what is to be added.
        let mut message = vec![id[0], id[1], 0x28, 0, 0, 1, 0, 0];
        message.extend((count as u16).to_be_bytes());
        message.extend([0, 0]);
        let apex = Name::parse(&self.apex).ok().context("the zone's name")?;
        message.extend_from_slice(apex.as_wire());
        message.extend([0, 6, 0, 1]);
        for number in first..first + count {
            let label = label(number);
            message.push(label.len() as u8);
            message.extend_from_slice(label.as_bytes());
            // The zone's name is at octet 12; type A, class IN, TTL 10, four octets.
            message.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 10, 0, 4]);
            message.extend(address(number).octets());
        }
        Ok(message)
    }
}

/// The label of a new name.
fn label(number: u32) -> String {
    format!("new-{number}")
}

impl Channel for Dynamic {
    fn name(&self) -> &'static str {
        "DNS UPDATE over one connection"
    }

    fn is_durable(&self) -> bool {
        true
    }

    fn bulk(&self) -> u32 {
        500
    }

    fn added(&self, number: u32) -> String {
        format!("{}.{}", label(number), self.apex)
    }

    fn add(&mut self, first: u32, count: u32) -> Result<()> {
        let message = self.message(first, count)?;
        self.stream.write_all(&[&(message.len() as u16).to_be_bytes()[..], &message].concat())?;
        let mut length = [0; 2];
        self.stream.read_exact(&mut length).context("no reply to an update")?;
        let mut reply = vec![0; u16::from_be_bytes(length).into()];
        self.stream.read_exact(&mut reply)?;
        let rcode = reply.get(3).map(|octet| octet & 15);
        ensure!(rcode == Some(0), "an update was answered with RCODE {rcode:?}");
        Ok(())
    }
}
