//! Datagrams that came in.

use std::alloc::{Layout, alloc_zeroed, dealloc, handle_alloc_error};
use std::ffi::c_int;
use std::io;
use std::mem::size_of;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::ptr::{NonNull, null_mut};

use super::{BURST, DATAGRAM};

/// Octets of the longest message: what UDP carries, in which the kernel may have gathered many datagrams. Memory that
/// none has reached yet is not occupied.
const MESSAGE: usize = 1 << 16;

/// Octets between two messages that stay unused, so that they do not all begin in the same set of the cache.
const GAP: usize = 3 * 64;

/// Datagrams that came in, in up to [`BURST`] messages.
pub struct Incoming {
    /// See the safety section of [`super`].
    memory: NonNull<Memory>,
    received: usize,
}

/// What the kernel writes to. All of it may be zero, and has no destructor.
#[repr(C)]
struct Memory {
    headers: [libc::mmsghdr; BURST],
    iovecs: [libc::iovec; BURST],
    controls: [Control; BURST],
    slots: [Slot; BURST],
}

/// The octets of one message.
#[repr(C, align(64))]
struct Slot {
    octets: [u8; MESSAGE],
    gap: [u8; GAP],
}

/// The control message that says how long the datagrams of a message are, padded as the kernel does.
#[repr(C)]
struct Control {
    header: libc::cmsghdr,
    length: c_int,
    padding: [u8; size_of::<usize>() - size_of::<c_int>()],
}

// The struct above lays the control message out as the CMSG macros would.
const _: () = {
    // SAFETY: arithmetic only.
    let (data, space) = unsafe { (libc::CMSG_LEN(0) as usize, libc::CMSG_SPACE(size_of::<c_int>() as _) as usize) };
    assert!(std::mem::offset_of!(Control, length) == data && size_of::<Control>() == space);
};

// SAFETY: the memory is its own, and nothing in it belongs to a thread.
unsafe impl Send for Incoming {}

impl Incoming {
    /// None yet. `gathered` is for sockets prepared with [`super::gather`]; at others a message is a datagram, of
    /// [`DATAGRAM`] octets at most.
    pub fn new(gathered: bool) -> Self {
        let layout = Layout::new::<Memory>();
        // SAFETY: the layout is not empty.
        let memory = unsafe { alloc_zeroed(layout) }.cast::<Memory>();
        let Some(memory) = NonNull::new(memory) else { handle_alloc_error(layout) };
        for index in 0..BURST {
            // SAFETY: in bounds of live memory, which is zeroed and nobody else's; the pointers made are to it, too.
            unsafe {
                let iovec = &raw mut (*memory.as_ptr()).iovecs[index];
                (*iovec).iov_base = (&raw mut (*memory.as_ptr()).slots[index].octets).cast();
                (*iovec).iov_len = if gathered { MESSAGE } else { DATAGRAM };
                let header = &raw mut (*memory.as_ptr()).headers[index].msg_hdr;
                (*header).msg_iov = iovec;
                (*header).msg_iovlen = 1;
                if gathered {
                    (*header).msg_control = (&raw mut (*memory.as_ptr()).controls[index]).cast();
                }
            }
        }
        let mut incoming = Self { memory, received: BURST };
        incoming.reset();
        incoming
    }

    /// Receives what has arrived, up to [`BURST`] messages, without waiting; how many there are. Fewer than [`BURST`] are
    /// all.
    ///
    /// An error that a datagram of ours has left behind (ICMP, port unreachable) is an error here.
    pub fn receive(&mut self, socket: BorrowedFd<'_>) -> io::Result<usize> {
        self.reset();
        // SAFETY: BURST headers begin there, all of them lead to live memory with its true lengths (`reset`); no reference
        // into that memory exists.
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

    /// Restores what the last receive has changed: the lengths of control buffers, where there are any.
    fn reset(&mut self) {
        // SAFETY: the memory is live and initialized (zeroed at first), and `&mut self` makes this the only reference.
        let headers = unsafe { &mut (*self.memory.as_ptr()).headers };
        for header in headers.iter_mut().take(self.received).map(|header| &mut header.msg_hdr) {
            header.msg_controllen = if header.msg_control.is_null() { 0 } else { size_of::<Control>() as _ };
        }
        self.received = 0;
    }

    /// The datagrams of the last receive. One longer than [`DATAGRAM`] may be cut.
    pub fn datagrams(&self) -> impl Iterator<Item = &[u8]> {
        // SAFETY: the memory lives as long as `self`, is initialized (zeroed at first), and only `receive` and `drop`
        // write to it, which need `self` alone.
        let Memory { headers, controls, slots, .. } = unsafe { self.memory.as_ref() };
        let messages = headers.iter().zip(controls).zip(slots).take(self.received);
        messages.flat_map(|((header, control), slot)| {
            let message = slot.octets.get(..header.msg_len as usize).unwrap_or(&slot.octets);
            let length = control.of(&header.msg_hdr).unwrap_or(message.len());
            // An empty datagram is one, too.
            let is_empty = message.is_empty();
            message.chunks(length.max(1)).chain(is_empty.then_some(message))
        })
    }
}

impl Control {
    /// How long the datagrams of the message with this header are, where the kernel has gathered several.
    #[inline]
    fn of(&self, header: &libc::msghdr) -> Option<usize> {
        // Its type differs between C libraries.
        #[allow(clippy::unnecessary_cast)]
        let is_there = header.msg_controllen as usize >= std::mem::offset_of!(Self, padding)
            && (self.header.cmsg_level, self.header.cmsg_type) == (libc::SOL_UDP, libc::UDP_GRO);
        usize::try_from(self.length).ok().filter(|_| is_there)
    }
}

impl Drop for Incoming {
    fn drop(&mut self) {
        // SAFETY: allocated in `new` with this layout, and freed only here; nothing in it needs dropping.
        unsafe { dealloc(self.memory.as_ptr().cast(), Layout::new::<Memory>()) };
    }
}
