//! Waiting for many sockets, to the microsecond where something is due.

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};

use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

/// Sockets that are told at a time.
const EVENTS: usize = 64;
/// What a sleep may take longer than it should, in nanoseconds: the end of a wait is spent looking again and again.
const SLACK: u64 = 100_000;

/// The sockets of one thread.
pub(super) struct Poll {
    epoll: OwnedFd,
}

impl Poll {
    /// None yet.
    pub(super) fn new() -> io::Result<Self> {
        Ok(Self { epoll: epoll::create(CreateFlags::CLOEXEC)? })
    }

    /// Adds a socket under a number. It is told as long as there is something to read, or room to write if asked for.
    pub(super) fn add(&self, socket: impl AsFd, number: usize, writable: bool) -> io::Result<()> {
        Ok(epoll::add(&self.epoll, socket, EventData::new_u64(number as u64), flags(writable))?)
    }

    /// Adds a socket under a number, to be told when something has come since it was told last: what has come must be read
    /// to its end.
    pub(super) fn add_once(&self, socket: impl AsFd, number: usize) -> io::Result<()> {
        Ok(epoll::add(&self.epoll, socket, EventData::new_u64(number as u64), EventFlags::IN | EventFlags::ET)?)
    }

    /// Changes whether room to write is asked for.
    pub(super) fn change(&self, socket: impl AsFd, number: usize, writable: bool) -> io::Result<()> {
        Ok(epoll::modify(&self.epoll, socket, EventData::new_u64(number as u64), flags(writable))?)
    }

    /// Calls `ready` with the number of each socket that is, and whether it can be read from; waits for the first at most
    /// `nanoseconds`.
    #[inline]
    pub(super) fn wait(&self, nanoseconds: u64, mut ready: impl FnMut(usize, bool)) {
        if nanoseconds > SLACK {
            let nanoseconds = nanoseconds - SLACK;
            let time =
                Timespec { tv_sec: (nanoseconds / 1_000_000_000) as _, tv_nsec: (nanoseconds % 1_000_000_000) as _ };
            // An epoll descriptor is readable when one of its sockets is. A signal ends the wait early, which is no harm.
            let _ = poll(&mut [PollFd::new(&self.epoll, PollFlags::IN)], Some(&time));
        }
        let now = Timespec { tv_sec: 0, tv_nsec: 0 };
        let mut space = [const { MaybeUninit::<Event>::uninit() }; EVENTS];
        let Ok((events, _)) = epoll::wait(&self.epoll, &mut space, Some(&now)) else { return };
        for event in events {
            let flags = event.flags;
            let data = event.data;
            let readable = flags.intersects(EventFlags::IN | EventFlags::HUP | EventFlags::ERR);
            ready(data.u64() as usize, readable);
        }
    }
}

/// What is asked for.
fn flags(writable: bool) -> EventFlags {
    if writable { EventFlags::IN | EventFlags::OUT } else { EventFlags::IN }
}
