//! The readiness set of a shard: one epoll descriptor for all its sockets, watched by glommio with one poll. Must
//! not know what a token stands for, and must not read or write a socket.
//!
//! Why not a glommio stream per socket: each reactor turn would walk the polls of all idle sockets. How one
//! poll does it: glommio's stream arms a POLL_ADD for the epoll descriptor when it is made; its first read waits for
//! that poll and then fails with ENOTSOCK, which happens exactly when the set has something to say. That way into
//! sleep costs some 15 us, so a shard first dozes in `epoll_wait` itself
//! (ops/decisions/0006-doze-before-parking.md).
//!
//! Level or edge: listeners are level-triggered, so a turn may leave some for the next. Connections are
//! edge-triggered ([`Interest::on_edge`]): the kernel asks each once per event instead of twice. The shard's bell and
//! alarm are edge-triggered, so nobody reads them.
#![allow(unsafe_code)]

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, IntoRawFd, OwnedFd};

use futures_lite::AsyncReadExt;
use glommio::net::TcpStream;
use switchboard_protocol::model::limits::READY_BATCH_EVENTS;

use super::alarm::Alarm;
use super::wake::{Wake, Waker};

/// What a descriptor is watched for. Errors and a full hang-up are always told, even with [`Interest::NOTHING`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Interest(u32);

impl Interest {
    /// Only errors and hang-ups: for a peer whose input has to wait.
    pub const NOTHING: Self = Self(0);
    /// Input, or the peer's end of stream.
    pub const READ: Self = Self((libc::EPOLLIN | libc::EPOLLRDHUP) as u32);
    /// Room to send, without input.
    pub const WRITE: Self = Self(libc::EPOLLOUT as u32);
    /// Input, and room to send: while an outbox could not be emptied.
    pub const READ_WRITE: Self = Self(Self::READ.0 | Self::WRITE.0);

    /// The same, told once for each arrival instead of as long as it is so (EPOLLET). Whoever leaves input unread
    /// (a `recv` that filled its buffer, say) or stops reading calls [`Readiness::modify`] to be told again.
    pub const fn on_edge(self) -> Self {
        Self(self.0 | libc::EPOLLET as u32)
    }
}

/// One descriptor's news.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ready {
    /// The number it was registered with.
    pub token: u64,
    /// `recv` or `accept` will not block; also set at the end of the stream.
    pub readable: bool,
    /// `send` will not block.
    pub writable: bool,
    /// The peer closed its sending half or the whole connection; unread input may be left.
    pub hangup: bool,
    /// The socket has failed; `recv` tells how.
    pub error: bool,
}

/// The set. A registered socket costs kernel memory only.
#[derive(Debug)]
pub struct Readiness {
    epoll: OwnedFd,
    /// A second descriptor of the set, kept so that parking never needs a new one (the process may have none).
    watch: Option<OwnedFd>,
    wake: Wake,
    batch: Vec<libc::epoll_event>,
    turns: u32,
}

impl Readiness {
    /// Tokens from here on belong to the set itself; `register` refuses them.
    pub const RESERVED_TOKENS: u64 = u64::MAX - 1;
    const WAKE_TOKEN: u64 = u64::MAX;
    const ALARM_TOKEN: u64 = u64::MAX - 1;

    /// An empty set that `wake` can interrupt. Fails with the kernel's error.
    pub fn new(wake: Wake) -> io::Result<Self> {
        // SAFETY: epoll_create1 takes no pointers; the result is checked before use.
        let raw = unsafe { libc::epoll_create1(libc::EPOLL_CLOEXEC) };
        if raw < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: `raw` is a fresh descriptor that nobody else owns.
        let epoll = unsafe { OwnedFd::from_raw_fd(raw) };
        let watch = Some(epoll.try_clone()?);
        let batch = Vec::with_capacity(READY_BATCH_EVENTS);
        let set = Self { epoll, watch, wake, batch, turns: 0 };
        set.control(libc::EPOLL_CTL_ADD, set.wake.as_fd(), Self::WAKE_TOKEN, EDGE_READ)?;
        Ok(set)
    }

    /// An end of the bell this set listens to.
    pub fn waker(&self) -> Waker {
        self.wake.waker()
    }

    /// Lets the alarm end this shard's waits.
    pub fn watch_alarm(&self, alarm: &Alarm) -> io::Result<()> {
        self.control(libc::EPOLL_CTL_ADD, alarm.as_fd(), Self::ALARM_TOKEN, EDGE_READ)
    }

    /// Begins to watch `fd`, level-triggered, under `token`. Closing the last copy of `fd` ends it, too.
    ///
    /// Fails when it is registered already (EEXIST), when the kernel's watch limit is reached (ENOSPC), or
    /// when the token is one of the set's own (EINVAL).
    pub fn register(&self, fd: BorrowedFd<'_>, token: u64, interest: Interest) -> io::Result<()> {
        if token >= Self::RESERVED_TOKENS {
            return Err(io::Error::from_raw_os_error(libc::EINVAL));
        }
        self.control(libc::EPOLL_CTL_ADD, fd, token, interest.0)
    }

    /// Changes token or interest of a watched `fd`. ENOENT when it is not watched.
    pub fn modify(&self, fd: BorrowedFd<'_>, token: u64, interest: Interest) -> io::Result<()> {
        self.control(libc::EPOLL_CTL_MOD, fd, token, interest.0)
    }

    /// Stops watching `fd`. Events of the batch at hand may still name its token.
    pub fn deregister(&self, fd: BorrowedFd<'_>) -> io::Result<()> {
        self.control(libc::EPOLL_CTL_DEL, fd, 0, 0)
    }

    /// Replaces `events` with the next news, at most [`READY_BATCH_EVENTS`] (more stays for the next turn, in
    /// turns). Returns with none when the bell or the alarm rang or `has_work` is true: mail or other queues of
    /// this shard that are to be served in the same turn. Whoever feeds such a queue rings the [`Waker`] after it.
    ///
    /// Costs one `epoll_wait` a turn, whether the shard is busy or dozes. glommio's reactor runs only after
    /// [`DOZE_MS`] of silence and each [`YIELD_EVERY_TURNS`]: shards use the wheel and have no files.
    pub async fn wait(&mut self, events: &mut Vec<Ready>, mut has_work: impl FnMut() -> bool) -> io::Result<()> {
        events.clear();
        self.turns = self.turns.wrapping_add(1);
        if self.turns.is_multiple_of(YIELD_EVERY_TURNS) {
            glommio::executor().yield_now().await;
        }
        if has_work() {
            self.collect(events, 0)?;
            return Ok(());
        }
        self.wake.fall_asleep();
        let slept = if has_work() { Ok(()) } else { self.sleep(events).await };
        self.wake.stay_awake();
        slept
    }

    /// Dozes, then parks, until there is news.
    async fn sleep(&mut self, events: &mut Vec<Ready>) -> io::Result<()> {
        if self.collect(events, DOZE_MS)? == 0 {
            self.park().await?;
            self.collect(events, 0)?;
        }
        Ok(())
    }

    /// One `epoll_wait` that blocks for `timeout_ms` at most. Returns how many descriptors had news, the set's own
    /// included.
    fn collect(&mut self, events: &mut Vec<Ready>, timeout_ms: libc::c_int) -> io::Result<usize> {
        let room = READY_BATCH_EVENTS as libc::c_int;
        // SAFETY: the buffer has room for READY_BATCH_EVENTS events, which it was made with and never shrinks below.
        let count = unsafe { libc::epoll_wait(self.epoll.as_raw_fd(), self.batch.as_mut_ptr(), room, timeout_ms) };
        let count = match usize::try_from(count) {
            Ok(count) => count,
            Err(_) => match io::Error::last_os_error() {
                interrupted if interrupted.kind() == io::ErrorKind::Interrupted => 0,
                error => return Err(error),
            },
        };
        // SAFETY: the kernel has written the first `count` events, and `count` is at most the capacity.
        unsafe { self.batch.set_len(count) };
        events.extend(self.batch.iter().filter_map(|event| ready(event.u64, event.events)));
        Ok(count)
    }

    /// Sleeps until the set has something to say.
    async fn park(&mut self) -> io::Result<()> {
        let watch = match self.watch.take() {
            Some(watch) => watch,
            None => self.epoll.try_clone()?,
        };
        // SAFETY: the descriptor is ours and goes to the stream, which closes it if this future is dropped here.
        let mut stream = unsafe { TcpStream::from_raw_fd(watch.into_raw_fd()) };
        let result = stream.read(&mut [0; 1]).await;
        // The poll is over, so the stream holds nothing but the descriptor (and a weak count of the reactor). A
        // stream that has answered once would answer at once for ever; so the descriptor is taken back out of it.
        let raw = stream.as_raw_fd();
        std::mem::forget(stream);
        // SAFETY: the forgotten stream was its only owner.
        self.watch = Some(unsafe { OwnedFd::from_raw_fd(raw) });
        match result {
            Err(error) if error.raw_os_error() == Some(libc::ENOTSOCK) => Ok(()),
            Err(error) => Err(error),
            Ok(_) => Err(io::Error::other("an epoll descriptor was read like a socket")),
        }
    }

    fn control(&self, operation: libc::c_int, fd: BorrowedFd<'_>, token: u64, events: u32) -> io::Result<()> {
        let mut event = libc::epoll_event { events, u64: token };
        // SAFETY: `event` is valid for the call; both descriptors are open as long as they are borrowed.
        let result = unsafe { libc::epoll_ctl(self.epoll.as_raw_fd(), operation, fd.as_raw_fd(), &raw mut event) };
        if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
    }
}

/// A busy shard lets tasks beside the pump run this often: a yield costs two system calls.
const YIELD_EVERY_TURNS: u32 = 1024;
/// How long a shard with nothing to do waits in `epoll_wait` before it parks in glommio's io_uring.
const DOZE_MS: libc::c_int = 50;
const EDGE_READ: u32 = (libc::EPOLLIN | libc::EPOLLET) as u32;

/// An event as the pump sees it; `None` for the set's own tokens, whose only purpose is to end a wait.
fn ready(token: u64, events: u32) -> Option<Ready> {
    let has = |flags: libc::c_int| events & flags as u32 != 0;
    (token < Readiness::RESERVED_TOKENS).then(|| Ready {
        token,
        readable: has(libc::EPOLLIN | libc::EPOLLRDHUP | libc::EPOLLHUP),
        writable: has(libc::EPOLLOUT),
        hangup: has(libc::EPOLLRDHUP | libc::EPOLLHUP),
        error: has(libc::EPOLLERR),
    })
}
