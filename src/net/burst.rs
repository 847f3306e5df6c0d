//! Bursts of datagrams for a client that asks as fast as it can: the sockets of the load harness, never the server's.
//!
//! # Design
//!
//! [`Outgoing`] gathers datagrams in one piece of memory. Over a connected socket one system call sends them all; where
//! neighbours have one length and the kernel can (UDP_SEGMENT), they go through its stack as one message and are cut at
//! the far end of it. Whoever receives them gets the same datagrams as without.
//!
//! ```text
//! octets    [query 0][query 1][query 2][longer query 3]
//! messages  └─────── one message ─────┘└─ another one ─┘      without UDP_SEGMENT: four messages
//! ```
//!
//! [`Incoming`] receives what has arrived, as [`mmsg`](super::mmsg) does, without the peers' names: the socket is
//! connected. It takes apart again what the kernel has gathered (UDP_GRO, [`gather`]): datagrams that came through its
//! stack as one message, be it that a device put them together or that their sender's kernel has not yet cut them.
//!
//! # Safety
//!
//! Headers are made for each send from memory that the call borrows. `Incoming`'s memory is allocated once, never moves,
//! is only reached through one raw pointer, and nobody holds a reference into it while the kernel runs.

#![allow(unsafe_code)]

mod incoming;
mod outgoing;

pub use incoming::Incoming;
pub use outgoing::{Outgoing, Sent};

use std::ffi::c_int;
use std::io;
use std::mem::size_of_val;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::time::Duration;

/// Datagrams in a burst: also what UDP_SEGMENT takes at most in a message, in kernels up to 6.9.
pub const BURST: usize = 64;

/// Octets of the longest datagram, out or in: what we say in EDNS, and more than answers over UDP have.
pub const DATAGRAM: usize = 2048;

//----------- Options of sockets -----------------------------------------------

/// Lets the kernel hand over datagrams of one length and sender as one message (UDP_GRO, Linux 5.0), which [`Incoming`]
/// takes apart.
pub fn gather(socket: BorrowedFd<'_>) -> io::Result<()> {
    set(socket, libc::UDP_GRO, 1)
}

/// Has the kernel cut whatever is sent over the socket into datagrams of `length` octets (UDP_SEGMENT, Linux 4.18); the
/// last one may be shorter. [`Outgoing`] says it for each message instead.
pub fn cut(socket: BorrowedFd<'_>, length: u16) -> io::Result<()> {
    set(socket, libc::UDP_SEGMENT, length.into())
}

/// Sets an option of UDP.
fn set(socket: BorrowedFd<'_>, option: c_int, value: c_int) -> io::Result<()> {
    let length = size_of_val(&value) as libc::socklen_t;
    // SAFETY: the kernel reads `length` octets of the integer, which outlives the call.
    let result = unsafe {
        libc::setsockopt(socket.as_raw_fd(), libc::SOL_UDP, option, std::ptr::from_ref(&value).cast(), length)
    };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

//----------- Times ------------------------------------------------------------

/// How long the calling thread has run so far: in user mode, and in the kernel.
pub fn thread_times() -> io::Result<(Duration, Duration)> {
    // SAFETY: all of it may be zero.
    let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
    // SAFETY: the kernel writes to the struct, which outlives the call.
    if unsafe { libc::getrusage(libc::RUSAGE_THREAD, &raw mut usage) } != 0 {
        return Err(io::Error::last_os_error());
    }
    let duration = |time: libc::timeval| {
        Duration::from_secs(time.tv_sec.unsigned_abs()) + Duration::from_micros(time.tv_usec.unsigned_abs())
    };
    Ok((duration(usage.ru_utime), duration(usage.ru_stime)))
}

#[cfg(test)]
#[path = "burst_tests.rs"]
mod tests;
