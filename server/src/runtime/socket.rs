//! Sockets as the pump uses them: calls that never block, on descriptors that close themselves. Must not
//! know frames, buffers' owners or the readiness set; would-block is an `io::ErrorKind::WouldBlock`.
#![allow(unsafe_code)]

use std::fs::File;
use std::io::{self, IoSlice};
use std::net::{IpAddr, Shutdown, SocketAddr};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

use rustix::io::retry_on_intr;
use rustix::net::{RecvFlags, SendFlags};
use socket2::{Domain, Protocol, SockAddr, SockRef, Type};
use switchboard_protocol::model::limits::ACCEPT_BACKLOG_CONNECTIONS;

/// Buffers one `sendmsg` takes at most (Linux: UIO_MAXIOV).
pub const SEND_MAX_BUFFERS: usize = 1024;

const SEND_FLAGS: libc::c_int = libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL;

/// A connected stream socket, non-blocking. It can go to another shard: it belongs to no executor.
#[derive(Debug)]
pub struct Socket(OwnedFd);

impl Socket {
    /// Reads what is there, up to the buffer's length. `Ok(0)` (for a non-empty buffer) is the end of the stream.
    pub fn recv(&self, buffer: &mut [u8]) -> io::Result<usize> {
        // The bare call, because libc's is a cancellation point that costs 40 ns.
        Ok(retry_on_intr(|| rustix::net::recv(&self.0, &mut *buffer, RecvFlags::DONTWAIT))?.1)
    }

    /// Sends from one buffer and returns the bytes taken. A peer that is gone is an error, never a signal.
    pub fn send(&self, buffer: &[u8]) -> io::Result<usize> {
        Ok(retry_on_intr(|| rustix::net::send(&self.0, buffer, SendFlags::DONTWAIT | SendFlags::NOSIGNAL))?)
    }

    /// Sends from all buffers in one call and returns the bytes taken, which may end within any of them. Only the first
    /// [`SEND_MAX_BUFFERS`] are looked at. A peer that is gone is an error, never a signal.
    pub fn send_vectored(&self, buffers: &[IoSlice<'_>]) -> io::Result<usize> {
        // SAFETY: all-zero is a valid msghdr: no name, no control data, no buffers.
        let mut message: libc::msghdr = unsafe { std::mem::zeroed() };
        // IoSlice has the layout of iovec; the kernel only reads.
        message.msg_iov = buffers.as_ptr().cast_mut().cast();
        message.msg_iovlen = buffers.len().min(SEND_MAX_BUFFERS) as _;
        retry(|| {
            // SAFETY: `message` names buffers that are borrowed for the call, and nothing else.
            unsafe { libc::sendmsg(self.0.as_raw_fd(), &raw const message, SEND_FLAGS) }
        })
    }

    /// Sends small writes at once (TCP_NODELAY): the pump gathers by itself.
    pub fn set_nodelay(&self) -> io::Result<()> {
        SockRef::from(&self.0).set_tcp_nodelay(true)
    }

    /// The other end's address; `None` if it is gone or has none.
    pub fn peer_address(&self) -> Option<IpAddr> {
        let address = SockRef::from(&self.0).peer_addr().ok()?;
        address.as_socket().map(|address| address.ip())
    }

    /// Ends one or both directions; the descriptor closes on drop.
    pub fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        SockRef::from(&self.0).shutdown(how)
    }
}

impl From<OwnedFd> for Socket {
    /// Takes a connected stream socket over; the calls above do not block even if it is a blocking one.
    fn from(fd: OwnedFd) -> Self {
        Self(fd)
    }
}

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// What one try to accept came to.
#[derive(Debug)]
pub enum Accepted {
    /// A connection and its peer.
    Connection(Socket, SocketAddr),
    /// Nobody waits.
    Empty,
    /// Descriptors or kernel memory ran out. If there was one to spare, one waiting connection was
    /// accepted and closed, so that its peer learns of it. Leave the listener alone for
    /// [`ACCEPT_BACKOFF_MS`](switchboard_protocol::model::limits::ACCEPT_BACKOFF_MS).
    Exhausted {
        /// Whether a connection was turned away.
        shed: bool,
    },
}

/// A listening socket of one shard; the kernel spreads connections over all that share the address.
#[derive(Debug)]
pub struct Listener {
    socket: OwnedFd,
    local: SocketAddr,
    /// Given up to accept-and-close one connection when descriptors run out.
    spare: Option<OwnedFd>,
}

impl Listener {
    /// One listener a shard, all on `address`. With port 0 the first picks a free one and the others follow.
    pub fn bind_all(address: SocketAddr, shards: usize) -> io::Result<Vec<Self>> {
        if address.port() != 0 {
            Self::refuse_taken(address)?;
        }
        let mut listeners: Vec<Self> = Vec::with_capacity(shards);
        for _ in 0..shards {
            let address = listeners.first().map_or(address, Self::local_addr);
            listeners.push(Self::bind(address)?);
        }
        Ok(listeners)
    }

    /// Sharing the port among our shards would share it with a second server of the same user too, and
    /// connections would go to either. A socket that does not share finds out (EADDRINUSE).
    fn refuse_taken(address: SocketAddr) -> io::Result<()> {
        let probe = socket2::Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
        probe.set_reuse_address(true)?;
        probe.bind(&address.into())?;
        probe.listen(1)
    }

    fn bind(address: SocketAddr) -> io::Result<Self> {
        let socket =
            socket2::Socket::new(Domain::for_address(address), Type::STREAM.nonblocking(), Some(Protocol::TCP))?;
        socket.set_reuse_address(true)?;
        socket.set_reuse_port(true)?;
        socket.bind(&address.into())?;
        socket.listen(ACCEPT_BACKLOG_CONNECTIONS)?;
        let local = socket.local_addr()?.as_socket().ok_or(io::ErrorKind::AddrNotAvailable)?;
        Ok(Self { socket: socket.into(), local, spare: Some(spare()?) })
    }

    /// The address it listens on, with the real port.
    pub fn local_addr(&self) -> SocketAddr {
        self.local
    }

    /// Takes one waiting connection, non-blocking and closed on exec. Connections that died while they waited are
    /// passed over. An error is one of the listener itself.
    pub fn accept(&mut self) -> io::Result<Accepted> {
        loop {
            let error = match self.accept4() {
                Ok((fd, peer)) => match peer.as_socket() {
                    Some(peer) => return Ok(Accepted::Connection(Socket(fd), peer)),
                    None => return Err(io::ErrorKind::AddrNotAvailable.into()),
                },
                Err(error) => error,
            };
            match error.raw_os_error() {
                Some(libc::EAGAIN) => return Ok(Accepted::Empty),
                // accept(2): pending errors of the new connection come back here and mean "try again".
                Some(
                    libc::EINTR
                    | libc::ECONNABORTED
                    | libc::ENETDOWN
                    | libc::EPROTO
                    | libc::ENOPROTOOPT
                    | libc::EHOSTDOWN
                    | libc::ENONET
                    | libc::EHOSTUNREACH
                    | libc::ENETUNREACH
                    | libc::EPERM,
                ) => {}
                Some(libc::EMFILE | libc::ENFILE) => return Ok(Accepted::Exhausted { shed: self.shed() }),
                Some(libc::ENOBUFS | libc::ENOMEM) => return Ok(Accepted::Exhausted { shed: false }),
                _ => return Err(error),
            }
        }
    }

    fn accept4(&self) -> io::Result<(OwnedFd, SockAddr)> {
        // SAFETY: try_init hands in room for any address and its length; accept4 fills both in, and on success
        // returns a fresh descriptor that nobody else owns.
        unsafe {
            SockAddr::try_init(|storage, length| {
                let flags = libc::SOCK_NONBLOCK | libc::SOCK_CLOEXEC;
                let raw = libc::accept4(self.socket.as_raw_fd(), storage.cast(), length, flags);
                if raw < 0 { Err(io::Error::last_os_error()) } else { Ok(OwnedFd::from_raw_fd(raw)) }
            })
        }
    }

    /// Turns one waiting connection away with the spare descriptor; false if another thread was quicker to take it.
    fn shed(&mut self) -> bool {
        self.spare = None;
        let shed = self.accept4().is_ok();
        self.spare = spare().ok();
        shed
    }
}

impl AsFd for Listener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

fn spare() -> io::Result<OwnedFd> {
    File::open("/dev/null").map(OwnedFd::from)
}

/// Runs a call that answers -1 on error until a signal does not interrupt it.
fn retry(mut call: impl FnMut() -> isize) -> io::Result<usize> {
    loop {
        match usize::try_from(call()) {
            Ok(count) => return Ok(count),
            Err(_) => match io::Error::last_os_error() {
                error if error.kind() == io::ErrorKind::Interrupted => {}
                error => return Err(error),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{Ipv4Addr, TcpStream};
    use std::os::unix::net::UnixStream;

    fn pair() -> (Socket, Socket) {
        let (a, b) = UnixStream::pair().unwrap();
        (Socket::from(OwnedFd::from(a)), Socket::from(OwnedFd::from(b)))
    }

    #[test]
    fn gathers_receives_and_never_blocks() {
        let (a, b) = pair();
        let mut buffer = [0; 16];
        assert_eq!(b.recv(&mut buffer).unwrap_err().kind(), io::ErrorKind::WouldBlock);
        assert_eq!(a.send_vectored(&[IoSlice::new(b"one "), IoSlice::new(b""), IoSlice::new(b"two")]).unwrap(), 7);
        assert_eq!(a.send(b" three").unwrap(), 6);
        assert_eq!(b.recv(&mut buffer).unwrap(), 13);
        assert_eq!(&buffer[..13], b"one two three");
        a.shutdown(Shutdown::Write).unwrap();
        assert_eq!(b.recv(&mut buffer).unwrap(), 0);
    }

    #[test]
    fn a_full_peer_would_block_and_a_gone_one_is_an_error() {
        let (a, b) = pair();
        let chunk = [7; 4096];
        let many = vec![IoSlice::new(&chunk); SEND_MAX_BUFFERS + 1];
        let full = loop {
            if let Err(error) = a.send_vectored(&many) {
                break error;
            }
        };
        assert_eq!(full.kind(), io::ErrorKind::WouldBlock);
        assert_eq!(a.send(&chunk).unwrap_err().kind(), io::ErrorKind::WouldBlock);
        drop(b);
        assert_eq!(a.send_vectored(&many).unwrap_err().kind(), io::ErrorKind::BrokenPipe);
        assert_eq!(a.send(&chunk).unwrap_err().kind(), io::ErrorKind::BrokenPipe);
    }

    #[test]
    fn a_taken_address_is_refused_though_shards_share_it() {
        let first = Listener::bind_all((Ipv4Addr::LOCALHOST, 0).into(), 2).unwrap();
        let taken = Listener::bind_all(first[0].local_addr(), 2);
        assert_eq!(taken.unwrap_err().kind(), io::ErrorKind::AddrInUse);
        let address = first[0].local_addr();
        drop(first);
        assert!(Listener::bind_all(address, 2).is_ok());
    }

    #[test]
    fn port_zero_is_the_same_port_for_all_shards() {
        let mut all = Listener::bind_all((Ipv4Addr::LOCALHOST, 0).into(), 3).unwrap();
        let address = all[0].local_addr();
        assert_ne!(address.port(), 0);
        assert!(all.iter().all(|listener| listener.local_addr() == address));
        assert!(matches!(all[0].accept().unwrap(), Accepted::Empty));
        let client = TcpStream::connect(address).unwrap();
        let peer = all.iter_mut().find_map(|listener| match listener.accept().unwrap() {
            Accepted::Connection(socket, peer) => {
                socket.set_nodelay().unwrap();
                Some(peer)
            }
            _ => None,
        });
        assert_eq!(peer, Some(client.local_addr().unwrap()));
    }
}
