//! A client's TCP socket: made, bound, connected and used without ever blocking.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

use rustix::net::{RecvFlags, SendFlags};
use socket2::{Domain, Protocol, Type};

/// A connected or connecting socket; closed when dropped.
#[derive(Debug)]
pub struct Socket(socket2::Socket);

impl Socket {
    /// Begins to connect, from `source` if given. `receive_bytes` bounds the kernel's receive buffer.
    pub fn connect(to: SocketAddr, source: Option<IpAddr>, receive_bytes: Option<usize>) -> io::Result<Self> {
        let socket = socket2::Socket::new(Domain::for_address(to), Type::STREAM.nonblocking(), Some(Protocol::TCP))?;
        socket.set_tcp_nodelay(true)?;
        if let Some(bytes) = receive_bytes {
            socket.set_recv_buffer_size(bytes)?;
        }
        if let Some(source) = source {
            socket.bind(&SocketAddr::new(source, 0).into())?;
        }
        match socket.connect(&to.into()) {
            Ok(()) => {}
            Err(error) if error.raw_os_error() == Some(rustix::io::Errno::INPROGRESS.raw_os_error()) => {}
            Err(error) => return Err(error),
        }
        Ok(Self(socket))
    }

    /// How the connect ended; asking takes the error away.
    pub fn connected(&self) -> io::Result<()> {
        self.0.take_error()?.map_or(Ok(()), Err)
    }

    /// Reads what is there.
    pub fn receive(&self, buffer: &mut [u8]) -> io::Result<usize> {
        let (count, _) = rustix::net::recv(&self.0, buffer, RecvFlags::DONTWAIT)?;
        Ok(count)
    }

    /// Sends what there is room for.
    pub fn send(&self, bytes: &[u8]) -> io::Result<usize> {
        Ok(rustix::net::send(&self.0, bytes, SendFlags::DONTWAIT | SendFlags::NOSIGNAL)?)
    }

    /// Makes the close a reset, which leaves no TIME_WAIT behind on this side.
    pub fn reset_on_close(&self) {
        // If it fails the socket is closed in the ordinary way.
        let _ = self.0.set_linger(Some(Duration::ZERO));
    }
}

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}
