//! The readiness of all sockets of a generator: one epoll set, edge-triggered, so that a socket is looked at once for
//! each piece of news and not again at the next wait (measured: ops/decisions/0009-a-light-generator.md). Knows no client.

use std::io;
use std::os::fd::{AsFd, OwnedFd};

use rustix::buffer::spare_capacity;
use rustix::event::{Timespec, epoll};

/// News of one socket.
#[derive(Clone, Copy, Debug)]
pub struct Ready {
    /// The number it was added with.
    pub token: u64,
    /// There is something to read, or its end.
    pub readable: bool,
    /// The peer will send no more: read on until its end is seen.
    pub ended: bool,
    /// There is room to send, or the connect has ended.
    pub writable: bool,
}

/// What a socket is watched for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Interest {
    /// Errors only: a reader that does not read.
    Nothing,
    /// Input.
    Read,
    /// Room to send and input.
    ReadWrite,
}

impl Interest {
    fn flags(self) -> epoll::EventFlags {
        match self {
            Self::Nothing => epoll::EventFlags::empty(),
            Self::Read => epoll::EventFlags::IN | epoll::EventFlags::RDHUP,
            Self::ReadWrite => epoll::EventFlags::IN | epoll::EventFlags::RDHUP | epoll::EventFlags::OUT,
        }
        .union(epoll::EventFlags::ET)
    }
}

/// The set.
pub struct Poll {
    epoll: OwnedFd,
    events: Vec<epoll::Event>,
}

impl Poll {
    /// An empty set that gives the news of at most `batch` sockets at a time.
    pub fn new(batch: usize) -> io::Result<Self> {
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        Ok(Self { epoll, events: Vec::with_capacity(batch) })
    }

    /// Begins to watch; closing the socket ends it.
    pub fn add(&self, socket: impl AsFd, token: u64, interest: Interest) -> io::Result<()> {
        Ok(epoll::add(&self.epoll, socket, epoll::EventData::new_u64(token), interest.flags())?)
    }

    /// Changes what is watched for.
    pub fn modify(&self, socket: impl AsFd, token: u64, interest: Interest) -> io::Result<()> {
        Ok(epoll::modify(&self.epoll, socket, epoll::EventData::new_u64(token), interest.flags())?)
    }

    /// Waits at most `timeout_ns` and replaces `ready` with the news. An interruption by a signal is no news.
    pub fn wait(&mut self, ready: &mut Vec<Ready>, timeout_ns: u64) -> io::Result<()> {
        ready.clear();
        self.events.clear();
        let timeout = Timespec {
            tv_sec: i64::try_from(timeout_ns / 1_000_000_000).unwrap_or(i64::MAX),
            tv_nsec: (timeout_ns % 1_000_000_000) as _,
        };
        match epoll::wait(&self.epoll, spare_capacity(&mut self.events), Some(&timeout)) {
            Ok(_) => {}
            Err(rustix::io::Errno::INTR) => return Ok(()),
            Err(error) => return Err(error.into()),
        }
        let ended = epoll::EventFlags::HUP | epoll::EventFlags::ERR | epoll::EventFlags::RDHUP;
        ready.extend(self.events.drain(..).map(|event| {
            // Read as a copy: the kernel's struct is packed.
            let (flags, data) = (event.flags, event.data);
            Ready {
                token: data.u64(),
                readable: flags.intersects(epoll::EventFlags::IN | ended),
                ended: flags.intersects(ended),
                writable: flags.intersects(epoll::EventFlags::OUT | ended),
            }
        }));
        Ok(())
    }
}
