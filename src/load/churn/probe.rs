//! Looks for changes in DNS.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::sync::atomic::AtomicBool;
use std::sync::mpsc::Receiver;
use std::thread::sleep;
use std::time::{Duration, Instant};

use super::versions::Versions;
use super::{Change, ChurnError, go_on};
use crate::load::mix::{Kind, Mix};
use crate::load::popularity::Popularity;
use crate::load::questions::{LONGEST, Question, Questions};
use crate::load::tally::Clock;
use crate::wire::types::rtype;
use crate::wire::{Reader, Short};

/// How long a change may take to be shown.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long an answer may take.
const TIMEOUT: Duration = Duration::from_millis(500);
/// Between two questions for what is being prepared.
const PAUSE: Duration = Duration::from_millis(5);
/// A change that has waited longer for its turn is not looked for: it may be shown long since.
const FRESH: u64 = 1_000_000;
/// Half of the versions that an address tells.
const HALF: u32 = 1 << 18;

/// A change that was looked for.
pub(super) struct Seen {
    pub(super) change: Change,
    /// When it was shown; `None`: not in time.
    pub(super) at: Option<u64>,
}

/// A socket to the server.
pub(super) struct Probe {
    server: SocketAddr,
    socket: UdpSocket,
    questions: Questions,
}

impl Probe {
    /// A socket to `server`.
    pub(super) fn new(server: SocketAddr) -> Result<Self, ChurnError> {
        let any: SocketAddr = match server {
            SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
            SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
        };
        let socket = UdpSocket::bind(any)?;
        socket.connect(server)?;
        socket.set_read_timeout(Some(TIMEOUT))?;
        let questions = Questions::of_data(&Default::default(), &Mix::default(), Popularity::Uniform, 1, true);
        Ok(Self { server, socket, questions })
    }

    /// Waits until all instances of every service are shown.
    pub(super) fn wait_for_all(&self, services: u32, stop: &AtomicBool) -> Result<(), ChurnError> {
        let begun = Instant::now();
        for service in 0..services {
            while !self.shows(service, |shown| shown.len() == super::versions::INSTANCES as usize) {
                go_on(stop)?;
                if begun.elapsed() > PATIENCE {
                    return Err(ChurnError::NotShown(self.server, service));
                }
                sleep(PAUSE);
            }
        }
        Ok(())
    }

    /// Looks for changes as they come, one at a time.
    pub(super) fn look(&self, wanted: &Receiver<(Change, u64)>, clock: Clock) -> Vec<Seen> {
        let mut seen = Vec::new();
        while let Ok((change, handed)) = wanted.recv() {
            let begun = clock.now();
            if begun.saturating_sub(handed) > FRESH {
                continue;
            }
            let address = Versions::address(change.service, change.instance, change.version).to_bits();
            // It, or a later version of the same instance.
            let is_shown = |shown: &[u32]| shown.iter().any(|one| one.wrapping_sub(address) < HALF);
            let at = loop {
                if self.shows(change.service, is_shown) {
                    break Some(clock.now());
                }
                if clock.now() - begun > PATIENCE.as_nanos() as u64 {
                    break None;
                }
            };
            seen.push(Seen { change, at });
        }
        seen
    }

    /// Whether the answer for a service is as wanted; not, if there is none.
    fn shows(&self, service: u32, is_wanted: impl Fn(&[u32]) -> bool) -> bool {
        let (mut query, mut response, id) = ([0; LONGEST], [0; 2048], fastrand::u16(..));
        let length = self.questions.write(Question { kind: Kind::Churn, number: service }, id, &mut query);
        if self.socket.send(query.get(..length).unwrap_or_default()).is_err() {
            return false;
        }
        // What an earlier question was answered too late is passed over.
        while let Ok(length) = self.socket.recv(&mut response) {
            let message = response.get(..length).unwrap_or_default();
            if message.starts_with(&id.to_be_bytes()) {
                return addresses(message).is_ok_and(|addresses| is_wanted(&addresses));
            }
        }
        false
    }
}

/// The IPv4 addresses in an answer.
fn addresses(message: &[u8]) -> Result<Vec<u32>, Short> {
    let mut reader = Reader::new(message);
    reader.take(6)?;
    let answers = reader.u16()?;
    reader.take(4)?;
    reader.skip_name()?;
    reader.take(4)?;
    let mut addresses = Vec::new();
    for _ in 0..answers {
        reader.skip_name()?;
        let rtype = reader.u16()?;
        reader.take(6)?;
        let length = reader.u16()?;
        let rdata = reader.take(length.into())?;
        if let (rtype::A, Ok(octets)) = (rtype, <[u8; 4]>::try_from(rdata)) {
            addresses.push(u32::from_be_bytes(octets));
        }
    }
    Ok(addresses)
}
