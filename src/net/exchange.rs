//! One turn of a TCP connection: read what is there, answer every complete query, write all responses at once.
//!
//! A turn never waits, so its buffers are needed only while it runs. They are lent from a pool that grows to the
//! number of threads that take turns, and a connection that waits owns nothing but the part of a query that has
//! arrived.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};

use tokio::io::{AsyncRead, ReadBuf};
use tokio::net::TcpStream;

use super::Responder;
use crate::dns::{Ctx, Outcome, Settings, Transport};
use crate::metrics::SharedCounters;
use crate::table::Views;

/// Octets of a DNS header; no shorter frame can be a message.
const HEADER: usize = 12;

/// Octets of the longest message (its length has two octets) and of the longest frame.
const MAX_MESSAGE: usize = u16::MAX as usize;
const MAX_FRAME: usize = 2 + MAX_MESSAGE;

/// Octets of the response buffer: while the responses fill less than half of it, another one fits surely.
const RESPONSES: usize = 2 * MAX_FRAME;

//----------- Exchange ------------------------------------------------------

/// What turns need, of all connections.
pub(super) struct Exchange {
    views: Views,
    settings: Arc<Settings>,
    counters: Arc<SharedCounters>,
    /// Workspaces that nobody uses; the lock is held for a push or a pop.
    pool: Mutex<Vec<Workspace>>,
}

/// What a turn leaves to be done.
#[derive(Debug, Default)]
pub(super) struct Turn {
    /// Complete queries that were answered, be it by silence.
    pub(super) queries: usize,
    /// Octets of responses that the client has not taken yet; almost always none.
    pub(super) unsent: Vec<u8>,
    /// Complete queries that are left to the cold side, as they came.
    pub(super) deferred: Vec<Vec<u8>>,
    /// Nothing more can be done until the client sends more.
    pub(super) drained: bool,
    /// Why the connection cannot go on.
    pub(super) end: Option<End>,
}

/// Why a connection cannot go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// The client sends no more.
    Client,
    /// The client sent a frame that cannot be a message.
    Malformed,
    /// The socket has failed.
    Failed,
}

impl Exchange {
    /// An exchange with an empty pool.
    pub(super) fn new(views: Views, settings: Arc<Settings>, counters: Arc<SharedCounters>) -> Self {
        Self { views, settings, counters, pool: Mutex::default() }
    }

    /// The number of the view of a connection's client. Where there is one view, nobody asks who it is.
    pub(super) fn view_of(&self, stream: &TcpStream) -> io::Result<usize> {
        if self.views.is_single() {
            return Ok(0);
        }
        stream.peer_addr().map(|peer| self.views.view_of(peer.ip()))
    }

    /// Takes one turn on `stream`, whose client has view number `view`. `partial` is what earlier turns have read and not
    /// used, and becomes what this one leaves. At most `room` queries are left to the cold side, and behind them none is
    /// looked at.
    pub(super) fn turn(
        &self,
        stream: &mut TcpStream,
        view: usize,
        partial: &mut Vec<u8>,
        room: usize,
        answer: impl Responder,
    ) -> Turn {
        let mut workspace = self.take();
        let turn = self.turn_in(&mut workspace, stream, view, partial, room, answer);
        self.give_back(workspace);
        turn
    }

    /// The same, with a workspace. Should `answer` panic, the workspace is gone, and with it any half-made state.
    fn turn_in(
        &self,
        workspace: &mut Workspace,
        stream: &mut TcpStream,
        view: usize,
        partial: &mut Vec<u8>,
        room: usize,
        answer: impl Responder,
    ) -> Turn {
        let Workspace { input, output, ctx, .. } = workspace;
        let mut turn = Turn::default();
        let kept = partial.len();
        input[..kept].copy_from_slice(partial);
        let mut filled = kept;
        // A complete query is left only where the responses before it filled the buffer, or where there was no room
        // for more deferred ones: read no more until it is answered, so that a client which does not read its responses cannot make us buffer its queries.
        if matches!(split_frame(partial), Split::Partial) {
            match read(stream, &mut input[kept..]) {
                Ok(Read::Octets(count)) => {
                    filled += count;
                    turn.drained = filled < input.len();
                }
                Ok(Read::Nothing) => turn.drained = true,
                Ok(Read::End) => turn.end = Some(End::Client),
                Err(_) => turn.end = Some(End::Failed),
            }
        }
        let mut rest = &input[..filled];
        let mut used = 0;
        {
            let loaded = self.views.load(view);
            loop {
                match split_frame(rest) {
                    Split::Frame(query, after) => {
                        if RESPONSES - used < MAX_FRAME || turn.deferred.len() >= room {
                            turn.drained = false;
                            break;
                        }
                        let (prefix, message) = output[used..].split_at_mut(2);
                        message[..query.len()].copy_from_slice(query);
                        let buffer = &mut message[..MAX_MESSAGE];
                        let reply = answer(loaded.seen(), ctx, Transport::Tcp, buffer, query.len());
                        self.counters.record(Transport::Tcp, &reply);
                        if reply.length > 0 {
                            let length = reply.length.min(MAX_MESSAGE);
                            prefix.copy_from_slice(&(length as u16).to_be_bytes());
                            used += 2 + length;
                        } else if reply.outcome == Outcome::Deferred {
                            turn.deferred.push(query.to_vec());
                        }
                        turn.queries += 1;
                        rest = after;
                    }
                    Split::Partial => break,
                    Split::Malformed => {
                        turn.end = Some(End::Malformed);
                        break;
                    }
                }
            }
        }
        // Assigning a new vector, rather than refilling the old one, frees its memory where nothing is left.
        *partial = rest.to_vec();
        if used > 0 {
            match stream.try_write(&output[..used]) {
                Ok(written) => turn.unsent = output[written..used].to_vec(),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => turn.unsent = output[..used].to_vec(),
                Err(_) => turn.end = Some(End::Failed),
            }
        }
        turn
    }

    /// A workspace of the pool, or a new one.
    fn take(&self) -> Workspace {
        let pooled = self.pool.lock().unwrap_or_else(PoisonError::into_inner).pop();
        pooled.unwrap_or_else(|| Workspace {
            input: vec![0; MAX_FRAME].into(),
            output: vec![0; RESPONSES].into(),
            ctx: Box::new(Ctx::new(Arc::clone(&self.settings), fastrand::u64(..))),
        })
    }

    /// Returns a workspace to the pool.
    fn give_back(&self, workspace: Workspace) {
        self.pool.lock().unwrap_or_else(PoisonError::into_inner).push(workspace);
    }
}

/// The memory of a turn.
struct Workspace {
    /// Room for the longest frame.
    input: Box<[u8]>,
    /// The responses, framed; each is made where it is sent from.
    output: Box<[u8]>,
    /// Boxed, since it has scratch space and workspaces move in and out of the pool.
    ctx: Box<Ctx>,
}

//----------- Framing -------------------------------------------------------

/// What stands at the front of the octets of a stream.
#[derive(Debug, PartialEq, Eq)]
enum Split<'a> {
    /// A message and what follows it.
    Frame(&'a [u8], &'a [u8]),
    /// Not yet a complete frame.
    Partial,
    /// A length that no message can have.
    Malformed,
}

/// Splits the first frame off: a length of two octets and a message (RFC 1035 §4.2.2).
fn split_frame(octets: &[u8]) -> Split<'_> {
    let Some((length, rest)) = octets.split_first_chunk() else {
        return Split::Partial;
    };
    let length = usize::from(u16::from_be_bytes(*length));
    if length < HEADER {
        return Split::Malformed;
    }
    match rest.split_at_checked(length) {
        Some((message, after)) => Split::Frame(message, after),
        None => Split::Partial,
    }
}

/// What a read brought.
enum Read {
    /// That many octets, at least one.
    Octets(usize),
    /// The client has sent nothing new.
    Nothing,
    /// The client sends no more.
    End,
}

/// Reads what is there, without waiting.
///
/// `try_read` would do, but after a read that did not fill the buffer it still believes the socket readable, and
/// costs a second system call to learn that it is not. `poll_read` draws that conclusion by itself. It would wake
/// nobody here; the task waits with `readable`, which has a waker of its own.
fn read(stream: &mut TcpStream, buffer: &mut [u8]) -> io::Result<Read> {
    let mut buffer = ReadBuf::new(buffer);
    match Pin::new(stream).poll_read(&mut Context::from_waker(Waker::noop()), &mut buffer) {
        Poll::Pending => Ok(Read::Nothing),
        Poll::Ready(Ok(())) if buffer.filled().is_empty() => Ok(Read::End),
        Poll::Ready(Ok(())) => Ok(Read::Octets(buffer.filled().len())),
        Poll::Ready(Err(error)) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_split_at_any_octet() {
        let frame = [&[0, 12][..], &[7; 12], &[0, 13]].concat();
        for end in 0..14 {
            assert_eq!(split_frame(&frame[..end]), Split::Partial);
        }
        assert_eq!(split_frame(&frame), Split::Frame(&[7; 12], &[0, 13]));
        assert_eq!(split_frame(&[0, 11]), Split::Malformed);
        assert_eq!(split_frame(&[0, 0, 0, 12]), Split::Malformed);
    }
}
