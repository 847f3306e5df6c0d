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
//! connected.
//!
//! # Safety
//!
//! Headers are made for each send from memory that the call borrows. `Incoming`'s memory is allocated once, never moves,
//! is only reached through one raw pointer, and nobody holds a reference into it while the kernel runs.

#![allow(unsafe_code)]

use std::alloc::{Layout, alloc_zeroed, dealloc, handle_alloc_error};
use std::io;
use std::mem::{MaybeUninit, size_of};
use std::os::fd::{AsRawFd, BorrowedFd};
use std::ptr::{NonNull, null_mut};
use std::time::Duration;

/// Datagrams in a burst: also what UDP_SEGMENT takes at most in a message, in kernels up to 6.9.
pub const BURST: usize = 64;

/// Octets of the longest datagram, out or in: what we say in EDNS, and more than answers over UDP have.
pub const DATAGRAM: usize = 2048;

/// Octets between two received datagrams that stay unused, so that they do not all begin in the same set of the cache.
const GAP: usize = 3 * 64;

/// Octets of a message of many datagrams at most, which is one packet until it is cut.
const LARGEST: usize = 60_000;

/// How often a send is tried again after an error that an earlier datagram has left behind (ICMP, port unreachable).
const RETRIES: usize = 8;

//----------- Outgoing ---------------------------------------------------------

/// Datagrams on their way out, up to [`BURST`].
pub struct Outgoing {
    octets: Box<[u8]>,
    /// The end of each datagram in `octets`.
    ends: [usize; BURST],
    count: usize,
    /// Whether neighbours of one length go as one message.
    offload: bool,
}

/// What became of a burst.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sent {
    /// How many of the first datagrams the kernel took; the others are not sent.
    pub count: usize,
    /// Whether it took no more because the send buffer is full, rather than for an error.
    pub is_full: bool,
    /// Errors that were met: most often, that nobody listens there.
    pub errors: usize,
}

impl Outgoing {
    /// None yet. `offload` lets the kernel treat neighbours of one length as one message.
    pub fn new(offload: bool) -> Self {
        Self { octets: vec![0; BURST * DATAGRAM].into(), ends: [0; BURST], count: 0, offload }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.count
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Whether neighbours of one length go as one message: not after the kernel has refused it.
    pub fn is_offloading(&self) -> bool {
        self.offload
    }

    /// Adds a datagram that `write` writes, whose length it returns. Does nothing where there are [`BURST`] already.
    #[inline]
    pub fn push(&mut self, write: impl FnOnce(&mut [u8]) -> usize) {
        let begin = self.end(self.count);
        let Some(space) = self.octets.get_mut(begin..begin + DATAGRAM) else { return };
        let Some(end) = self.ends.get_mut(self.count) else { return };
        *end = begin + write(space).min(DATAGRAM);
        self.count += 1;
    }

    /// Where the first `count` datagrams end.
    fn end(&self, count: usize) -> usize {
        count.checked_sub(1).and_then(|last| self.ends.get(last)).copied().unwrap_or_default()
    }

    /// Sends them over a connected socket that does not block, and forgets them all.
    pub fn send(&mut self, socket: BorrowedFd<'_>) -> Sent {
        let mut sent = Sent { count: 0, is_full: false, errors: 0 };
        while sent.count < self.count {
            match self.send_from(sent.count, socket) {
                Ok(count) => sent.count += count,
                Err(error) => match error.raw_os_error() {
                    Some(libc::EINTR) => {}
                    Some(libc::EAGAIN | libc::ENOBUFS) => {
                        sent.is_full = true;
                        break;
                    }
                    // A device without checksums of its own, or a kernel without segments.
                    Some(libc::EIO | libc::EINVAL | libc::EMSGSIZE | libc::ENOPROTOOPT) if self.offload => {
                        self.offload = false;
                    }
                    _ => {
                        sent.errors += 1;
                        if sent.errors > RETRIES {
                            break;
                        }
                    }
                },
            }
        }
        self.count = 0;
        sent
    }

    /// Sends those from `first` on in one call; how many of them the kernel took.
    fn send_from(&self, first: usize, socket: BorrowedFd<'_>) -> io::Result<usize> {
        let mut headers = [const { MaybeUninit::<libc::mmsghdr>::uninit() }; BURST];
        let mut iovecs = [const { MaybeUninit::<libc::iovec>::uninit() }; BURST];
        let mut controls = [const { MaybeUninit::<Control>::uninit() }; BURST];
        // Datagrams up to the end of each message.
        let mut taken = [0_usize; BURST];
        let mut messages = 0;
        let mut next = first;
        let (all, _) = self.ends.split_at(self.count.min(BURST));
        for (((header, iovec), control), taken) in
            headers.iter_mut().zip(&mut iovecs).zip(&mut controls).zip(&mut taken)
        {
            if next >= self.count {
                break;
            }
            let begin = self.end(next);
            let length = self.end(next + 1) - begin;
            let mut end = begin + length;
            next += 1;
            // The last of a message may be shorter, but then it is the last.
            while self.offload
                && let Some(&following) = all.get(next)
                && following - end <= length
                && following > end
                && following - begin <= LARGEST
            {
                let is_shorter = following - end < length;
                end = following;
                next += 1;
                if is_shorter {
                    break;
                }
            }
            let base = self.octets.as_ptr().wrapping_add(begin).cast_mut().cast();
            let iovec: *mut libc::iovec = iovec.write(libc::iovec { iov_base: base, iov_len: end - begin });
            // SAFETY: all of it may be zero.
            let header = header.write(unsafe { std::mem::zeroed() });
            header.msg_hdr.msg_iov = iovec;
            header.msg_hdr.msg_iovlen = 1;
            if end - begin > length {
                let control: *mut Control = control.write(Control::segments(length as u16));
                header.msg_hdr.msg_control = control.cast();
                header.msg_hdr.msg_controllen = size_of::<Control>() as _;
            }
            *taken = next - first;
            messages += 1;
        }
        // SAFETY: the first `messages` headers were written above; each leads to an iovec and perhaps a control message
        // on this stack, and through the iovec to octets of `self` in its bounds. The kernel only reads them.
        let sent = unsafe {
            libc::sendmmsg(socket.as_raw_fd(), headers.as_mut_ptr().cast(), messages as _, libc::MSG_DONTWAIT as _)
        };
        match usize::try_from(sent) {
            Ok(sent) if sent > 0 => Ok(taken.get(sent - 1).copied().unwrap_or_default()),
            _ => Err(io::Error::last_os_error()),
        }
    }
}

/// The control message that says how long the segments of a message are, padded as the kernel wants.
#[derive(Clone, Copy)]
#[repr(C)]
struct Control {
    header: libc::cmsghdr,
    length: u16,
    padding: [u8; size_of::<usize>() - 2],
}

impl Control {
    /// Segments of `length` octets.
    fn segments(length: u16) -> Self {
        // SAFETY: all of it may be zero.
        let mut control: Self = unsafe { std::mem::zeroed() };
        // SAFETY: arithmetic only.
        control.header.cmsg_len = unsafe { libc::CMSG_LEN(2) } as _;
        control.header.cmsg_level = libc::SOL_UDP;
        control.header.cmsg_type = libc::UDP_SEGMENT;
        control.length = length;
        control
    }
}

// The struct above lays the control message out as the CMSG macros would.
const _: () = {
    // SAFETY: arithmetic only.
    let (data, space) = unsafe { (libc::CMSG_LEN(0) as usize, libc::CMSG_SPACE(2) as usize) };
    assert!(std::mem::offset_of!(Control, length) == data && size_of::<Control>() == space);
};

//----------- Incoming ---------------------------------------------------------

/// Datagrams that came in, up to [`BURST`].
pub struct Incoming {
    /// See the module's safety section.
    memory: NonNull<Memory>,
    received: usize,
}

/// What the kernel writes to. All of it may be zero, and has no destructor.
#[repr(C)]
struct Memory {
    headers: [libc::mmsghdr; BURST],
    iovecs: [libc::iovec; BURST],
    slots: [Slot; BURST],
}

/// The octets of one datagram.
#[repr(C, align(64))]
struct Slot {
    octets: [u8; DATAGRAM],
    gap: [u8; GAP],
}

// SAFETY: the memory is its own, and nothing in it belongs to a thread.
unsafe impl Send for Incoming {}

impl Incoming {
    /// None yet.
    pub fn new() -> Self {
        let layout = Layout::new::<Memory>();
        // SAFETY: the layout is not empty.
        let memory = unsafe { alloc_zeroed(layout) }.cast::<Memory>();
        let Some(memory) = NonNull::new(memory) else { handle_alloc_error(layout) };
        for index in 0..BURST {
            // SAFETY: in bounds of live memory, which is zeroed and nobody else's; the pointers made are to it, too.
            unsafe {
                let iovec = &raw mut (*memory.as_ptr()).iovecs[index];
                (*iovec).iov_base = (&raw mut (*memory.as_ptr()).slots[index].octets).cast();
                (*iovec).iov_len = DATAGRAM;
                let header = &raw mut (*memory.as_ptr()).headers[index].msg_hdr;
                (*header).msg_iov = iovec;
                (*header).msg_iovlen = 1;
            }
        }
        Self { memory, received: 0 }
    }

    /// Receives what has arrived, up to [`BURST`] datagrams, without waiting; how many there are.
    ///
    /// An error that a datagram of ours has left behind (ICMP, port unreachable) is an error here.
    pub fn receive(&mut self, socket: BorrowedFd<'_>) -> io::Result<usize> {
        self.received = 0;
        // SAFETY: BURST headers begin there, all of them lead to live memory with its true lengths, which no receive
        // changes as there is neither a name nor a control buffer; no reference into that memory exists.
        let received = unsafe {
            let headers = (&raw mut (*self.memory.as_ptr()).headers).cast();
            libc::recvmmsg(socket.as_raw_fd(), headers, BURST as _, libc::MSG_DONTWAIT as _, null_mut())
        };
        match usize::try_from(received) {
            Ok(received) => {
                self.received = received.min(BURST);
                Ok(self.received)
            }
            Err(_) => match io::Error::last_os_error() {
                error if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => Ok(0),
                error => Err(error),
            },
        }
    }

    /// The datagrams of the last receive. One longer than [`DATAGRAM`] is cut.
    pub fn datagrams(&self) -> impl Iterator<Item = &[u8]> {
        // SAFETY: the memory lives as long as `self`, is initialized (zeroed at first), and only `receive` and `drop`
        // write to it, which need `self` alone.
        let Memory { headers, slots, .. } = unsafe { self.memory.as_ref() };
        let received = headers.iter().zip(slots).take(self.received);
        received.map(|(header, slot)| slot.octets.get(..header.msg_len as usize).unwrap_or(&slot.octets))
    }
}

impl Default for Incoming {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for Incoming {
    fn drop(&mut self) {
        // SAFETY: allocated in `new` with this layout, and freed only here; nothing in it needs dropping.
        unsafe { dealloc(self.memory.as_ptr().cast(), Layout::new::<Memory>()) };
    }
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
