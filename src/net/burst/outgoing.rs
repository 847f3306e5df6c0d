//! Datagrams on their way out.

use std::io;
use std::mem::{MaybeUninit, size_of};
use std::os::fd::{AsRawFd, BorrowedFd};

use super::{BURST, DATAGRAM};

/// Octets of a message of many datagrams at most, which is one packet until it is cut.
const LARGEST: usize = 60_000;

/// How often a send is tried again after an error that an earlier datagram has left behind (ICMP, port unreachable).
const RETRIES: usize = 8;

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
