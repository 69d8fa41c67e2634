//! The three system calls of epoll, and nothing around them: the floor must not pay for a library.
#![allow(unsafe_code)]

use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};

/// Events taken by one `epoll_wait`; uSockets takes as many.
const EVENTS: usize = 1024;

/// An epoll set, edge-triggered: what is ready is told once, which saves the kernel a second look at each socket. Who is
/// told reads until less comes than there was room for. The token of a socket is its descriptor.
pub struct Epoll {
    set: OwnedFd,
    events: Vec<libc::epoll_event>,
}

/// What to wait for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Interest {
    /// Until there is something to read
    Read,
    /// Until the kernel takes bytes again
    Write,
}

impl Interest {
    fn bits(self) -> u32 {
        // The constants are bits of a signed type, EPOLLET its sign.
        let bits = match self {
            Self::Read => libc::EPOLLIN | libc::EPOLLRDHUP,
            Self::Write => libc::EPOLLOUT,
        };
        (bits | libc::EPOLLET) as u32
    }
}

impl Epoll {
    /// An empty set.
    pub fn new() -> io::Result<Self> {
        // SAFETY: the call takes no pointer.
        let set = unsafe { libc::epoll_create1(libc::EPOLL_CLOEXEC) };
        if set < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: the kernel has just made this descriptor and nobody else has it.
        let set = unsafe { OwnedFd::from_raw_fd(set) };
        Ok(Self { set, events: vec![libc::epoll_event { events: 0, u64: 0 }; EVENTS] })
    }

    /// Adds a descriptor; closing it takes it out again.
    pub fn add(&self, fd: RawFd, interest: Interest) -> io::Result<()> {
        self.control(libc::EPOLL_CTL_ADD, fd, interest)
    }

    /// Waits for something else of a descriptor that was added; what is ready already is told again.
    pub fn change(&self, fd: RawFd, interest: Interest) -> io::Result<()> {
        self.control(libc::EPOLL_CTL_MOD, fd, interest)
    }

    /// Blocks until something is ready; how many are.
    pub fn wait(&mut self) -> io::Result<usize> {
        // SAFETY: the pointer and the length are those of one vector, which lives through the call.
        let ready = unsafe { libc::epoll_wait(self.set.as_raw_fd(), self.events.as_mut_ptr(), EVENTS as i32, -1) };
        match usize::try_from(ready) {
            Ok(ready) => Ok(ready),
            Err(_) if io::Error::last_os_error().kind() == io::ErrorKind::Interrupted => Ok(0),
            Err(_) => Err(io::Error::last_os_error()),
        }
    }

    /// The descriptor of the event at `index` of the last [`Self::wait`], and whether the other end sends no more: that
    /// is told with the last bytes, so who sees it reads until the end of the stream.
    pub fn ready(&self, index: usize) -> (RawFd, bool) {
        let ended = (libc::EPOLLRDHUP | libc::EPOLLHUP | libc::EPOLLERR) as u32;
        let event = self.events[index];
        (event.u64 as RawFd, event.events & ended != 0)
    }

    fn control(&self, what: i32, fd: RawFd, interest: Interest) -> io::Result<()> {
        let mut event = libc::epoll_event { events: interest.bits(), u64: fd as u64 };
        // SAFETY: the event is read during the call only; a wrong descriptor is an error of the kernel's.
        match unsafe { libc::epoll_ctl(self.set.as_raw_fd(), what, fd, &raw mut event) } {
            0 => Ok(()),
            _ => Err(io::Error::last_os_error()),
        }
    }
}
