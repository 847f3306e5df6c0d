//! Batches of datagrams through recvmmsg and sendmmsg.
//!
//! This file owns all unsafe code of the crate: the memory that the kernel writes to, the system calls, and the two
//! socket options that no safe crate offers. It knows nothing of DNS but the size of a slot.
//!
//! # Design
//!
//! Every message has a *slot* for its octets, a name (the peer's address) and, on wildcard sockets, a control
//! buffer. Headers are pointed at these once; a receive only resets the three lengths that the kernel or a
//! response has changed. A response is written over its query, so its header already names the right peer.
//!
//! ```text
//! headers  [0]──┐ [1]──┐ [2]──┐        Silence swaps headers, not octets: after
//! slots      [0]◀┘  [1]◀┘  [2]◀┘       answering 0 and 2 only, header 1 points to slot 2.
//! ```
//!
//! sendmmsg takes a contiguous run of headers. Without the swap, every silent message would split the run and cost
//! a system call, which would let a flood of garbage make the good answers dearer.
//!
//! # Safety
//!
//! `Memory` is allocated once, never moves, and is only reached through one raw pointer. A header's pointers
//! always lead to a slot, name, control buffer and iovec of the same `Memory`, no two headers share any of
//! them, and nobody holds a reference into the memory while the kernel runs.

#![allow(unsafe_code)]

use std::alloc::{Layout, alloc_zeroed, dealloc, handle_alloc_error};
use std::io;
use std::mem::{offset_of, size_of, size_of_val};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6};
use std::ops::Range;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::ptr::{NonNull, null_mut};

use crate::dns::MAX_UDP_PAYLOAD;

/// Messages in a batch.
///
/// A batch divides the cost of two system calls by the messages in it, so the gain of each doubling halves, and a
/// wide batch makes its first query wait for its last one and pushes the slots out of the second-level cache. Over
/// loopback the bare echo (`benches/echo.rs`) takes 4.1 to 4.9 µs of CPU a response one by one, and 3.5 to 4.1 µs with
/// any width from 16 to 128: the kernel's own work is most of it, and the widths differ by less than the machine's
/// noise. 64 leaves room where a driver delivers bursts. gdnsd has 16, Knot DNS 10, NSD 100. Under light load the
/// width does not matter: a batch is what has arrived, and nothing waits for it to fill.
pub const BATCH: usize = 64;

/// Octets of a message's buffer.
pub const SLOT: usize = MAX_UDP_PAYLOAD;

/// Unused octets between slots.
///
/// Slots at a distance of exactly one page would all begin in the same set of the first-level cache, and eight of
/// them would fill it. A distance of 67 cache lines spreads the first three lines of 64 slots evenly over all
/// sets.
const GAP: usize = 3 * 64;

//----------- Batch ---------------------------------------------------------

/// A batch of datagrams that are received, answered in place, and sent.
pub struct Batch<const WIDTH: usize = BATCH> {
    /// See the module's safety section.
    memory: NonNull<Memory<WIDTH>>,
    /// Whether responses must be told which address to leave from.
    with_packet_info: bool,
    /// Messages of the last receive; only their headers have changed.
    received: usize,
    /// Responses ready to be sent, in the first headers.
    responses: usize,
}

/// What [`Batch::answer_each`] saw.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answered {
    /// Responses that wait to be sent.
    pub responses: usize,
    /// Datagrams that were longer than a slot and therefore left unanswered.
    pub oversized: usize,
}

impl<const WIDTH: usize> Batch<WIDTH> {
    /// Allocates the memory of a batch and points the headers at it.
    ///
    /// `with_packet_info` is for sockets prepared with [`enable_packet_info`]: their responses leave from the
    /// address that was asked. Others pay nothing for it.
    pub fn new(with_packet_info: bool) -> Self {
        const { assert!(WIDTH > 0) };
        let layout = Layout::new::<Memory<WIDTH>>();
        // SAFETY: the layout is not empty, since WIDTH is not 0.
        let memory = unsafe { alloc_zeroed(layout) }.cast::<Memory<WIDTH>>();
        let Some(memory) = NonNull::new(memory) else { handle_alloc_error(layout) };
        let mut batch = Self { memory, with_packet_info, received: 0, responses: 0 };
        for index in 0..WIDTH {
            batch.point(index);
        }
        batch
    }

    /// Receives what has arrived, at most a batch; waits for a first datagram until the socket's receive timeout.
    ///
    /// Returns how many there are; 0 after a timeout or a signal.
    pub fn receive(&mut self, socket: BorrowedFd<'_>) -> io::Result<usize> {
        for index in 0..self.received {
            self.reset(index);
        }
        self.received = 0;
        self.responses = 0;
        // SAFETY: WIDTH headers begin there; all lead to live memory with its true lengths (point and reset), and
        // no reference into that memory exists.
        let received = unsafe {
            libc::recvmmsg(socket.as_raw_fd(), self.first_header(), WIDTH as _, libc::MSG_WAITFORONE as _, null_mut())
        };
        match usize::try_from(received) {
            Ok(received) => {
                self.received = received.min(WIDTH);
                Ok(self.received)
            }
            Err(_) => match io::Error::last_os_error() {
                error if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => Ok(0),
                error => Err(error),
            },
        }
    }

    /// The slots of the messages received, from number `first` on, to be looked at.
    #[inline(always)]
    pub fn slots(&self, first: usize) -> impl Iterator<Item = &[u8]> {
        (first..self.received).map(|index| {
            // SAFETY: in bounds of live memory, which `received` is; a header's iovec points to a slot of SLOT initialized
            // octets of this memory, and nobody writes to it while `self` is borrowed.
            unsafe {
                let header = &*self.first_header().add(index);
                std::slice::from_raw_parts((*header.msg_hdr.msg_iov).iov_base.cast::<u8>(), SLOT)
            }
        })
    }

    /// Calls `answer` with the slot, the length and the peer of each message received.
    ///
    /// It writes its response over the message and returns its length; 0 is silence. What follows the message in
    /// the slot is left over from earlier ones.
    #[inline(always)]
    pub fn answer_each(&mut self, mut answer: impl FnMut(&mut [u8], usize, Peer<'_>) -> usize) -> Answered {
        self.responses = 0;
        self.answer_range(0..self.received, move |_, slot, length, peer| answer(slot, length, peer))
    }

    /// [`Self::answer_each`] of the messages of a range, the numbers of which come with them; ranges come in order.
    #[inline(always)]
    pub fn answer_range(
        &mut self,
        range: Range<usize>,
        mut answer: impl FnMut(usize, &mut [u8], usize, Peer<'_>) -> usize,
    ) -> Answered {
        let mut oversized = 0;
        for index in range.start..range.end.min(self.received) {
            // SAFETY: in bounds of live memory, which `received` is; nobody writes to the header, or to the name and the
            // control buffer it leads to, while the closure runs.
            let header = unsafe { &*self.first_header().add(index) };
            if header.msg_hdr.msg_flags & libc::MSG_TRUNC != 0 {
                oversized += 1;
                continue;
            }
            let received = header.msg_len as usize;
            let iovec = header.msg_hdr.msg_iov;
            let peer = Peer { header: &header.msg_hdr };
            // SAFETY: the iovec points to a slot of SLOT initialized octets (zeroed at first) of this memory, and
            // `&mut self` makes this the only reference to it.
            let slot = unsafe { std::slice::from_raw_parts_mut((*iovec).iov_base.cast::<u8>(), SLOT) };
            let length = answer(index, slot, received, peer);
            debug_assert!(length <= SLOT, "a response longer than its slot");
            if length == 0 {
                continue;
            }
            // SAFETY: the iovec lives in this memory, and no reference to it exists.
            unsafe { (*iovec).iov_len = length.min(SLOT) };
            if self.with_packet_info {
                self.turn_packet_info(index);
            }
            self.swap(self.responses, index);
            self.responses += 1;
        }
        Answered { responses: self.responses, oversized }
    }

    /// Sends the responses; returns how many the kernel did not take.
    ///
    /// An error belongs to one message (its peer is unreachable, a filter forbids it, its port is 0): that message
    /// is skipped, and the ones behind it are sent. Only a full send buffer ends the batch, since the next message
    /// would not fit either and waiting would let queries pile up.
    pub fn send(&mut self, socket: BorrowedFd<'_>) -> usize {
        let mut next = 0;
        let mut failed = 0;
        while next < self.responses {
            // SAFETY: the headers from `next` on are in bounds, `responses` of them lead to live memory with the
            // lengths that answer_each has set, and no reference into that memory exists.
            let sent = unsafe {
                libc::sendmmsg(socket.as_raw_fd(), self.first_header().add(next), (self.responses - next) as _, 0)
            };
            // The error of a message behind the first is not told; the next call begins with that message and
            // meets it again.
            match usize::try_from(sent) {
                Ok(sent) if sent > 0 => next += sent,
                _ => match io::Error::last_os_error().kind() {
                    io::ErrorKind::Interrupted => {}
                    io::ErrorKind::WouldBlock => {
                        failed += self.responses - next;
                        break;
                    }
                    _ => {
                        failed += 1;
                        next += 1;
                    }
                },
            }
        }
        self.responses = 0;
        failed
    }

    //--- Headers

    /// Points a header at the slot, name, control buffer and iovec with its own index.
    fn point(&mut self, index: usize) {
        assert!(index < WIDTH);
        let memory = self.memory.as_ptr();
        // SAFETY: the memory is live, the index in bounds; taking addresses makes no reference.
        let (iovec, name, control, slot) = unsafe {
            (
                &raw mut (*memory).iovecs[index],
                &raw mut (*memory).names[index],
                &raw mut (*memory).controls[index],
                &raw mut (*memory).slots[index].octets,
            )
        };
        // SAFETY: a live iovec to which no reference exists.
        unsafe { (*iovec).iov_base = slot.cast() };
        let with_packet_info = self.with_packet_info;
        let header = &mut self.header(index).msg_hdr;
        header.msg_iov = iovec;
        header.msg_iovlen = 1;
        header.msg_name = name.cast();
        if with_packet_info {
            header.msg_control = control.cast();
        }
        self.reset(index);
    }

    /// Restores the lengths that a receive or a response has changed.
    fn reset(&mut self, index: usize) {
        let control = if self.with_packet_info { size_of::<Control>() } else { 0 };
        let header = &mut self.header(index).msg_hdr;
        header.msg_namelen = size_of::<Name>() as _;
        header.msg_controllen = control as _;
        // SAFETY: a header's iovec lives in the same memory, and no reference to it exists.
        unsafe { (*header.msg_iov).iov_len = SLOT };
    }

    /// One header.
    #[inline]
    fn header(&mut self, index: usize) -> &mut libc::mmsghdr {
        assert!(index < WIDTH);
        // SAFETY: in bounds of live memory; the reference covers the header alone and borrows `self`.
        unsafe { &mut *self.first_header().add(index) }
    }

    /// Where the headers begin.
    fn first_header(&self) -> *mut libc::mmsghdr {
        // SAFETY: the memory is live; taking an address makes no reference.
        unsafe { (&raw mut (*self.memory.as_ptr()).headers).cast() }
    }

    /// Exchanges two headers with all they point to.
    #[inline]
    fn swap(&mut self, one: usize, other: usize) {
        if one != other {
            let kept = *self.header(one);
            *self.header(one) = *self.header(other);
            *self.header(other) = kept;
        }
    }

    /// Turns the control message that says which address was asked into one that says where to leave from.
    fn turn_packet_info(&mut self, index: usize) {
        let header = &mut self.header(index).msg_hdr;
        let control = header.msg_control.cast::<Control>();
        // Its type differs between C libraries.
        #[allow(clippy::unnecessary_cast)]
        let length = header.msg_controllen as usize;
        // SAFETY: a control buffer of live memory, to which no reference exists.
        header.msg_controllen = turn(unsafe { &mut *control }, length) as _;
    }
}

impl<const WIDTH: usize> Drop for Batch<WIDTH> {
    fn drop(&mut self) {
        // SAFETY: allocated in `new` with this layout, and freed only here; nothing in it needs dropping.
        unsafe { dealloc(self.memory.as_ptr().cast(), Layout::new::<Memory<WIDTH>>()) };
    }
}

//----------- Peer ----------------------------------------------------------

/// Who sent a message.
#[derive(Clone, Copy)]
pub struct Peer<'b> {
    /// Leads to a name and, on wildcard sockets, to a control buffer, both as the kernel wrote them.
    header: &'b libc::msghdr,
}

impl Peer<'_> {
    /// Its address, an IPv4 one perhaps in its IPv6 form; unspecified if the kernel told none, which it does for every
    /// datagram.
    #[inline]
    pub fn address(self) -> IpAddr {
        self.name().address(self.header.msg_namelen).ip()
    }

    /// The way back to it.
    pub fn route(self) -> Route {
        let control = self.header.msg_control.cast::<Control>();
        // Its type differs between C libraries.
        #[allow(clippy::unnecessary_cast)]
        let length = self.header.msg_controllen as usize;
        // SAFETY: it leads to an initialized control buffer (zeroed at first), or nowhere.
        let received = if control.is_null() { None } else { Some(unsafe { *control }) };
        let mut control = received.unwrap_or(Control { v6: EMPTY });
        let control_length = received.map_or(0, |_| turn(&mut control, length));
        Route { name: *self.name(), name_length: self.header.msg_namelen, control, control_length }
    }

    /// Its name.
    #[inline]
    fn name(&self) -> &Name {
        // SAFETY: a header's name lies in the same memory, is initialized (zeroed at first), and lives as long.
        unsafe { &*self.header.msg_name.cast::<Name>() }
    }
}

//----------- Route ---------------------------------------------------------

/// The way back to the sender of a datagram, by the address it was sent to.
#[derive(Clone, Copy)]
pub struct Route {
    name: Name,
    name_length: libc::socklen_t,
    /// Says which address to leave from, where it has a length.
    control: Control,
    control_length: usize,
}

impl Route {
    /// The sender's address, unspecified if the kernel told none.
    pub fn address(&self) -> SocketAddr {
        self.name.address(self.name_length)
    }

    /// Sends one datagram there, through the socket that the other one came from, or one that shares its port.
    ///
    /// Does not wait: where the send buffer is full, that is the error.
    pub fn send(&self, socket: BorrowedFd<'_>, octets: &[u8]) -> io::Result<()> {
        let mut iovec = libc::iovec { iov_base: octets.as_ptr().cast_mut().cast(), iov_len: octets.len() };
        // SAFETY: all of it may be zero.
        let mut header: libc::msghdr = unsafe { std::mem::zeroed() };
        header.msg_iov = &raw mut iovec;
        header.msg_iovlen = 1;
        header.msg_name = (&raw const self.name).cast_mut().cast();
        header.msg_namelen = self.name_length;
        if self.control_length > 0 {
            header.msg_control = (&raw const self.control).cast_mut().cast();
            header.msg_controllen = self.control_length as _;
        }
        // SAFETY: the header leads to live memory with its true lengths, which sendmsg only reads.
        let sent = unsafe { libc::sendmsg(socket.as_raw_fd(), &raw const header, libc::MSG_DONTWAIT) };
        if sent >= 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
    }
}

/// Turns the control message of `length` octets that says which address was asked into one that says where to leave
/// from; returns its length, 0 where it said nothing.
#[inline]
fn turn(control: &mut Control, length: usize) -> usize {
    match control_kind(control, length) {
        Some(Kind::V4) => {
            // SAFETY: control_kind has seen that this variant was written.
            let info = unsafe { &mut control.v4.info };
            // The interface would override routing, and the answer may have to leave through another one.
            info.ipi_ifindex = 0;
            if info.ipi_spec_dst.s_addr == 0 {
                info.ipi_spec_dst = info.ipi_addr;
            }
            size_of::<ControlV4>()
        }
        Some(Kind::V6) => {
            // SAFETY: as above.
            let info = unsafe { &mut control.v6.info };
            // A link-local address (fe80::/10) means nothing without its interface.
            let [first, second, ..] = info.ipi6_addr.s6_addr;
            if (first, second & 0xc0) != (0xfe, 0x80) {
                info.ipi6_ifindex = 0;
            }
            size_of::<ControlV6>()
        }
        None => 0,
    }
}

//----------- Memory --------------------------------------------------------

/// What the kernel reads and writes. All of it may be zero, and has no destructor.
#[repr(C)]
struct Memory<const WIDTH: usize> {
    headers: [libc::mmsghdr; WIDTH],
    iovecs: [libc::iovec; WIDTH],
    names: [Name; WIDTH],
    controls: [Control; WIDTH],
    slots: [Slot; WIDTH],
}

/// The octets of one message.
#[repr(C, align(64))]
struct Slot {
    octets: [u8; SLOT],
    gap: [u8; GAP],
}

/// Room for a peer's address of either family.
#[derive(Clone, Copy)]
#[repr(C)]
union Name {
    v4: libc::sockaddr_in,
    v6: libc::sockaddr_in6,
}

impl Name {
    /// The address in its first `length` octets; unspecified if it is of neither family.
    #[inline]
    fn address(&self, length: libc::socklen_t) -> SocketAddr {
        let length = length as usize;
        // SAFETY: every variant begins with the family, and all octets are initialized.
        let family = libc::c_int::from(unsafe { self.v4.sin_family });
        match family {
            libc::AF_INET if length >= size_of::<libc::sockaddr_in>() => {
                // SAFETY: the kernel wrote this variant.
                let name = unsafe { self.v4 };
                let address = Ipv4Addr::from_bits(u32::from_be(name.sin_addr.s_addr));
                (address, u16::from_be(name.sin_port)).into()
            }
            libc::AF_INET6 if length >= size_of::<libc::sockaddr_in6>() => {
                // SAFETY: the kernel wrote this variant.
                let name = unsafe { self.v6 };
                let address = Ipv6Addr::from(name.sin6_addr.s6_addr);
                let port = u16::from_be(name.sin6_port);
                SocketAddrV6::new(address, port, name.sin6_flowinfo, name.sin6_scope_id).into()
            }
            _ => (Ipv6Addr::UNSPECIFIED, 0).into(),
        }
    }
}

/// Room for the one control message we ask for; its size is a multiple of its alignment, as the kernel wants.
#[derive(Clone, Copy)]
#[repr(C)]
union Control {
    header: libc::cmsghdr,
    v4: ControlV4,
    v6: ControlV6,
}

/// The address an IPv4 datagram was sent to.
#[derive(Clone, Copy)]
#[repr(C)]
struct ControlV4 {
    header: libc::cmsghdr,
    info: libc::in_pktinfo,
}

/// The address an IPv6 datagram was sent to, or on a dual-stack socket an IPv4 one in its mapped form.
#[derive(Clone, Copy)]
#[repr(C)]
struct ControlV6 {
    header: libc::cmsghdr,
    info: libc::in6_pktinfo,
}

/// A control buffer in which nothing was written.
const EMPTY: ControlV6 = ControlV6 {
    header: libc::cmsghdr { cmsg_len: 0, cmsg_level: 0, cmsg_type: 0 },
    info: libc::in6_pktinfo { ipi6_addr: libc::in6_addr { s6_addr: [0; 16] }, ipi6_ifindex: 0 },
};

// The structs above lay control messages out as the CMSG macros would.
const _: () = {
    // SAFETY: arithmetic only.
    let (data, v4, v6) = unsafe {
        (
            libc::CMSG_LEN(0) as usize,
            libc::CMSG_SPACE(size_of::<libc::in_pktinfo>() as _) as usize,
            libc::CMSG_SPACE(size_of::<libc::in6_pktinfo>() as _) as usize,
        )
    };
    assert!(offset_of!(ControlV4, info) == data && offset_of!(ControlV6, info) == data);
    assert!(size_of::<ControlV4>() == v4 && size_of::<ControlV6>() == v6);
};

/// Which variant of [`Control`] the kernel has written.
#[derive(Clone, Copy)]
enum Kind {
    /// IP_PKTINFO.
    V4,
    /// IPV6_PKTINFO.
    V6,
}

/// Looks at the control message of `length` octets; `None` is anything but an address that was asked.
#[inline]
fn control_kind(control: &Control, length: usize) -> Option<Kind> {
    if length < size_of::<libc::cmsghdr>() {
        return None;
    }
    // SAFETY: every variant begins with a header, and all octets are initialized (zeroed at first).
    let header = unsafe { control.header };
    match (header.cmsg_level, header.cmsg_type) {
        (libc::IPPROTO_IP, libc::IP_PKTINFO) if length >= size_of::<ControlV4>() => Some(Kind::V4),
        (libc::IPPROTO_IPV6, libc::IPV6_PKTINFO) if length >= size_of::<ControlV6>() => Some(Kind::V6),
        _ => None,
    }
}

//----------- Socket options ------------------------------------------------

/// Asks the kernel to tell, with every datagram, the address it was sent to.
pub fn enable_packet_info(socket: BorrowedFd<'_>, ipv6: bool) -> io::Result<()> {
    let (level, option) =
        if ipv6 { (libc::IPPROTO_IPV6, libc::IPV6_RECVPKTINFO) } else { (libc::IPPROTO_IP, libc::IP_PKTINFO) };
    let on: libc::c_int = 1;
    // SAFETY: the option's value is an int that outlives the call.
    let result =
        unsafe { libc::setsockopt(socket.as_raw_fd(), level, option, (&raw const on).cast(), size_of_val(&on) as _) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Datagrams that the kernel has dropped on this socket since it exists, modulo 2³².
///
/// SO_RXQ_OVFL would tell the same in a control message of every datagram, once there was a first drop: extra work
/// just when there is too much of it already. Asking now and then costs one system call a second.
pub fn kernel_drops(socket: BorrowedFd<'_>) -> io::Result<u32> {
    let mut info = [0_u32; libc::SK_MEMINFO_DROPS as usize + 1];
    let mut length = size_of_val(&info) as libc::socklen_t;
    // SAFETY: the kernel writes at most `length` octets to the array, which outlives the call.
    let result = unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_MEMINFO,
            info.as_mut_ptr().cast(),
            &raw mut length,
        )
    };
    match info {
        [.., drops] if result == 0 => Ok(drops),
        _ => Err(io::Error::last_os_error()),
    }
}

#[cfg(test)]
#[path = "mmsg_tests.rs"]
mod tests;
