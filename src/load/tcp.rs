//! Queries over TCP (RFC 7766): connections that stay, with many queries under way on each, or one connection for each
//! query. Each message has its length before it.

mod connect;
mod persistent;

pub(super) use connect::Connections;
pub(super) use persistent::Persistent;

use std::io::{self, ErrorKind, Read};
use std::net::{SocketAddr, TcpStream};

use socket2::{Domain, Protocol, Socket, Type};

/// Octets of a connection's buffer for what comes in: the longest message, its length, and more behind it.
const BUFFER: usize = 2 * (2 + 0xffff);

/// Begins a connection to `server` without waiting for it.
fn begin(server: SocketAddr) -> io::Result<TcpStream> {
    let socket = Socket::new(Domain::for_address(server), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_nonblocking(true)?;
    socket.set_tcp_nodelay(true)?;
    match socket.connect(&server.into()) {
        Err(error) if error.raw_os_error() != Some(rustix::io::Errno::INPROGRESS.raw_os_error()) => Err(error),
        _ => Ok(socket.into()),
    }
}

/// What came in over a connection, up to the end of a message that is not whole yet.
struct Inbox {
    octets: Vec<u8>,
    filled: usize,
}

impl Inbox {
    /// Nothing yet; `size` octets are kept at most.
    fn new(size: usize) -> Self {
        Self { octets: vec![0; size], filled: 0 }
    }

    /// Reads what has come and calls `message` with each whole message. An error, or `UnexpectedEof`, is the end.
    fn read(&mut self, mut stream: &TcpStream, mut message: impl FnMut(&[u8])) -> io::Result<()> {
        loop {
            let space = self.octets.get_mut(self.filled..).unwrap_or_default();
            let room = space.len();
            let read = match stream.read(space) {
                Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
                Ok(read) => read,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            self.filled += read;
            let mut rest = self.octets.get(..self.filled).unwrap_or_default();
            while let Some((length, behind)) = rest.split_first_chunk()
                && let Some((whole, behind)) = behind.split_at_checked(u16::from_be_bytes(*length).into())
            {
                message(whole);
                rest = behind;
            }
            let left = rest.len();
            let begin = self.filled - left;
            self.octets.copy_within(begin..self.filled, 0);
            self.filled = left;
            if read < room {
                return Ok(());
            }
        }
    }

    /// Forgets what is not whole.
    fn clear(&mut self) {
        self.filled = 0;
    }
}
