//! One turn of a TCP connection: read what is there, answer every complete query, write all responses at once.
//!
//! However many queries a client has sent, a turn is one read and, while their responses fit the buffer, one write:
//! the system calls, which cost more than the answers, are shared by all of them.
//!
//! A turn never waits, so its buffers are needed only while it runs. They are lent from a pool that grows to the
//! number of threads that take turns, and a connection that waits owns nothing but the part of a query that has
//! arrived.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};

use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags, recv, send};
use tokio::io::{AsyncRead, ReadBuf};
use tokio::net::TcpStream;

use super::Responder;
use super::connections::Connection;
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

/// What is kept of a connection from one turn to the next.
pub(super) struct Session {
    /// The number of its client's view.
    view: usize,
    /// What has been read and not used: the first octets of a query, or queries that wait for room.
    partial: Vec<u8>,
    /// Nobody has read from it yet.
    is_new: bool,
}

/// What a turn leaves to be done.
#[derive(Debug, Default)]
pub(super) struct Turn {
    /// Complete queries that were answered, be it by silence.
    pub(super) queries: usize,
    /// The first octets of a query have arrived, and before this turn there were none.
    pub(super) has_begun: bool,
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
    /// The connection has to make room for another one.
    Evicted,
}

impl Exchange {
    /// An exchange with an empty pool.
    pub(super) fn new(views: Views, settings: Arc<Settings>, counters: Arc<SharedCounters>) -> Self {
        Self { views, settings, counters, pool: Mutex::default() }
    }

    /// A session of a connection just accepted. Where there is one view, nobody asks who its client is.
    pub(super) fn session(&self, stream: &TcpStream) -> io::Result<Session> {
        let view = if self.views.is_single() { 0 } else { self.views.view_of(stream.peer_addr()?.ip()) };
        Ok(Session { view, partial: Vec::new(), is_new: true })
    }

    /// Takes one turn on `stream` as soon as its client has sent something: pending until then. The connection becomes
    /// busy. At most `room` queries are left to the cold side, and behind them none is looked at.
    pub(super) fn poll_turn(
        &self,
        context: &mut Context<'_>,
        stream: &mut TcpStream,
        session: &mut Session,
        connection: &Connection,
        room: usize,
        answer: impl Responder,
    ) -> Poll<Turn> {
        // A complete query is left only where there was no room for more deferred ones, or where the client has not
        // taken the responses before it: read no more until it is answered, so that a client which does not read its
        // responses cannot make us buffer its queries.
        let wants_more = matches!(split_frame(&session.partial), Split::Partial);
        // The runtime has not heard of a new socket yet, whose client most likely has sent its query with the last
        // segment of the handshake, or soon behind it.
        if wants_more && !session.is_new && ready!(stream.poll_read_ready(context)).is_err() {
            return Poll::Ready(Turn { end: Some(End::Failed), ..Turn::default() });
        }
        let mut workspace = self.take();
        let kept = session.partial.len();
        workspace.input[..kept].copy_from_slice(&session.partial);
        let read = match wants_more {
            true => read(context, stream, &mut workspace.input[kept..], &mut session.is_new),
            false => Poll::Ready(Ok(None)),
        };
        let turn = read.map(|read| match connection.begin() {
            // Should `answer` panic, the workspace is gone, and with it any half-made state.
            true => self.turn(&mut workspace, read, stream, session, room, answer),
            false => Turn { end: Some(End::Evicted), ..Turn::default() },
        });
        self.give_back(workspace);
        turn
    }

    /// Answers what lies in the workspace: what was kept, and behind it what was `read`, of which none is to be had
    /// where nobody tried.
    fn turn(
        &self,
        workspace: &mut Workspace,
        read: io::Result<Option<usize>>,
        stream: &TcpStream,
        session: &mut Session,
        room: usize,
        answer: impl Responder,
    ) -> Turn {
        let mut turn = Turn::default();
        let Workspace { input, output, ctx, .. } = workspace;
        let kept = session.partial.len();
        let mut filled = kept;
        match read {
            Ok(Some(0)) => turn.end = Some(End::Client),
            Ok(Some(count)) => {
                filled += count;
                turn.drained = filled < input.len();
            }
            Ok(None) => {}
            Err(_) => turn.end = Some(End::Failed),
        }
        let mut rest = &input[..filled];
        let mut used = 0;
        {
            let loaded = self.views.load(session.view);
            loop {
                match split_frame(rest) {
                    Split::Frame(query, after) => {
                        if turn.deferred.len() >= room {
                            turn.drained = false;
                            break;
                        }
                        if RESPONSES - used < MAX_FRAME {
                            write(stream, &output[..used], &mut turn);
                            used = 0;
                            if turn.is_stuck() {
                                turn.drained = false;
                                break;
                            }
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
        turn.has_begun = kept == 0 && !rest.is_empty();
        // Assigning a new vector, rather than refilling the old one, frees its memory where nothing is left.
        if kept > 0 || !rest.is_empty() {
            session.partial = rest.to_vec();
        }
        if used > 0 {
            write(stream, &output[..used], &mut turn);
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

//----------- Reading and writing ---------------------------------------------

/// Reads what is there: some octets, or 0 if the client sends no more; pending if there is nothing new.
///
/// `try_read` would do, but after a read that did not fill the buffer it still believes the socket readable, and
/// costs a second system call to learn that it is not. `poll_read` draws that conclusion by itself. Only a new socket,
/// which the runtime cannot know to be readable, is asked at once.
fn read(
    context: &mut Context<'_>,
    stream: &mut TcpStream,
    buffer: &mut [u8],
    is_new: &mut bool,
) -> Poll<io::Result<Option<usize>>> {
    if std::mem::take(is_new) {
        match recv(&*stream, &mut *buffer, RecvFlags::DONTWAIT) {
            Ok((count, _)) => return Poll::Ready(Ok(Some(count))),
            Err(Errno::AGAIN | Errno::INTR) => {}
            Err(error) => return Poll::Ready(Err(error.into())),
        }
    }
    let mut buffer = ReadBuf::new(buffer);
    ready!(Pin::new(stream).poll_read(context, &mut buffer))?;
    Poll::Ready(Ok(Some(buffer.filled().len())))
}

/// Writes `octets` without waiting, behind what `turn` has not been able to write already.
///
/// The socket is asked whether or not the runtime knows it to be writable, which of a new one it does not. Whoever
/// waits with what is left asks it again before it waits.
fn write(stream: &TcpStream, octets: &[u8], turn: &mut Turn) {
    match send(stream, octets, SendFlags::DONTWAIT | SendFlags::NOSIGNAL) {
        Ok(written) => turn.unsent = octets[written..].to_vec(),
        Err(Errno::AGAIN | Errno::INTR) => turn.unsent = octets.to_vec(),
        Err(_) => turn.end = Some(End::Failed),
    }
}

impl Turn {
    /// Whether nothing more can be written in this turn.
    fn is_stuck(&self) -> bool {
        !self.unsent.is_empty() || self.end == Some(End::Failed)
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use tokio::io::AsyncWriteExt;

    use super::*;
    use crate::metrics::TcpCounters;
    use crate::net::connections::{Connections, Limits};
    use crate::net::testing::{echo, query};
    use crate::table::{Publisher, Snapshot};

    #[tokio::test]
    async fn one_turn_answers_all_that_has_arrived() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        client.set_nodelay(true).unwrap();
        let (mut stream, peer) = listener.accept().await.unwrap();
        let connection =
            Connections::new(Limits::default(), Arc::<TcpCounters>::default()).admit(peer.ip()).ok().unwrap();
        let views = Publisher::new(Snapshot::default()).handle().into();
        let exchange = Exchange::new(views, Arc::default(), Arc::default());
        let mut session = exchange.session(&stream).unwrap();
        // As a new socket, which the runtime does not know to be readable, and as an old one.
        for count in [1, 500, 1000] {
            let queries: Vec<u8> = (0..count).flat_map(|id| [&[0, 40][..], &query(id, 40)].concat()).collect();
            client.write_all(&queries).await.unwrap();
            let turn = poll_fn(|context| exchange.poll_turn(context, &mut stream, &mut session, &connection, 64, echo));
            let turn = turn.await;
            assert_eq!(turn.queries, usize::from(count));
            assert!(turn.drained && turn.unsent.is_empty() && turn.end.is_none());
        }
        let idle = poll_fn(|context| {
            Poll::Ready(exchange.poll_turn(context, &mut stream, &mut session, &connection, 64, echo).is_pending())
        });
        assert!(idle.await);
    }

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
