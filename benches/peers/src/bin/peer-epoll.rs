//! The floor: epoll, one `recv`, the mask taken off in place, one `send`. Knows nothing else of RFC 6455: no UTF-8,
//! no fragments, no opcodes (each frame goes back as it came: pings, pongs and closes too), no pings of its own, no
//! timers. Who ends a connection is the client.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::{AsRawFd, RawFd};

use switchboard_peers::epoll::{Epoll, Interest};
use switchboard_peers::{Mode, Upgrade, start, upgrade};

/// What one `recv` may bring, in bytes; uSockets has the same.
const RECEIVE_BYTES: usize = 512 * 1024;
/// Unsent bytes of a subscriber that does not read; beyond it is closed.
const UNSENT_MAX_BYTES: usize = 16 * 1024 * 1024;
/// FIN and the opcode of a text frame (RFC 6455 section 5.2).
const WHOLE_TEXT: u8 = 0x81;

fn main() -> io::Result<()> {
    let (listener, mode) = start(&[Mode::Echo, Mode::Publish])?;
    let epoll = Epoll::new()?;
    epoll.add(listener.as_raw_fd(), Interest::Read)?;
    let mut peer = Peer { epoll, sockets: Vec::new(), members: Vec::new(), mode };
    let mut buffer = vec![0; RECEIVE_BYTES];
    loop {
        for index in 0..peer.epoll.wait()? {
            let (fd, ended) = peer.epoll.ready(index);
            if fd == listener.as_raw_fd() {
                peer.accept(&listener)?;
            } else if peer.turn(fd, ended, &mut buffer).is_err() {
                peer.close(fd);
            }
        }
    }
}

struct Peer {
    epoll: Epoll,
    /// By descriptor.
    sockets: Vec<Option<Socket>>,
    /// The descriptors of open WebSockets, in no order; kept in publish mode only.
    members: Vec<RawFd>,
    mode: Mode,
}

struct Socket {
    stream: TcpStream,
    open: bool,
    /// Where [`Peer::members`] has it.
    member: usize,
    /// Received, but not yet a whole frame or request.
    rest: Vec<u8>,
    /// Not taken by the kernel yet. While there is any, nothing is read.
    unsent: Vec<u8>,
}

impl Peer {
    fn accept(&mut self, listener: &TcpListener) -> io::Result<()> {
        loop {
            let stream = match listener.accept() {
                Ok((stream, _)) => stream,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == ErrorKind::ConnectionAborted => continue,
                // No descriptors left, for instance: a measurement beyond the limit must not look like one within.
                Err(error) => return Err(error),
            };
            stream.set_nonblocking(true)?;
            stream.set_nodelay(true)?;
            let fd = stream.as_raw_fd();
            self.epoll.add(fd, Interest::Read)?;
            let at = slot(fd);
            if self.sockets.len() <= at {
                self.sockets.resize_with(at + 1, || None);
            }
            self.sockets[at] = Some(Socket { stream, open: false, member: 0, rest: Vec::new(), unsent: Vec::new() });
        }
    }

    /// Something is ready. An error means that this socket is to be closed.
    fn turn(&mut self, fd: RawFd, ended: bool, buffer: &mut [u8]) -> io::Result<()> {
        loop {
            // A publish of this very batch may have closed it.
            let Some(socket) = self.sockets.get_mut(slot(fd)).and_then(Option::as_mut) else { return Ok(()) };
            if !socket.unsent.is_empty() {
                return socket.send(&self.epoll, &[]);
            }
            let received = match socket.stream.read(buffer) {
                Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
                Ok(received) => received,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            };
            self.take(fd, &mut buffer[..received])?;
            // Less than there was room for: the kernel has no more (epoll(7)).
            if received < buffer.len() && !ended {
                return Ok(());
            }
        }
    }

    /// What one `recv` has brought.
    fn take(&mut self, fd: RawFd, received: &mut [u8]) -> io::Result<()> {
        let socket = self.sockets[slot(fd)].as_mut().expect("the socket that was just read");
        if socket.open && socket.rest.is_empty() {
            let (taken, answers) = unmask_frames(received, self.mode)?;
            socket.rest.extend_from_slice(&received[taken..]);
            return self.answer(fd, &received[..answers]);
        }
        let mut rest = std::mem::take(&mut socket.rest);
        rest.extend_from_slice(received);
        if !socket.open {
            return self.handshake(fd, rest);
        }
        let (taken, answers) = unmask_frames(&mut rest, self.mode)?;
        self.answer(fd, &rest[..answers])?;
        rest.drain(..taken);
        self.keep(fd, rest);
        Ok(())
    }

    fn handshake(&mut self, fd: RawFd, request: Vec<u8>) -> io::Result<()> {
        match upgrade(&request) {
            Upgrade::Partial => self.keep(fd, request),
            Upgrade::Refused => return Err(ErrorKind::InvalidData.into()),
            // RFC 6455 section 4.1: a client sends nothing before it has the answer.
            Upgrade::Accepted { head_bytes, .. } if head_bytes < request.len() => {
                return Err(ErrorKind::InvalidData.into());
            }
            Upgrade::Accepted { answer, .. } => {
                if let Some(socket) = &mut self.sockets[slot(fd)] {
                    socket.open = true;
                    socket.send(&self.epoll, answer.as_bytes())?;
                    if self.mode == Mode::Publish {
                        socket.member = self.members.len();
                        self.members.push(fd);
                    }
                }
            }
        }
        Ok(())
    }

    fn keep(&mut self, fd: RawFd, rest: Vec<u8>) {
        if let Some(socket) = &mut self.sockets[slot(fd)] {
            socket.rest = rest;
        }
    }

    /// All answers of one read, in one `send`: to the sender, or to all the others.
    fn answer(&mut self, fd: RawFd, answers: &[u8]) -> io::Result<()> {
        if answers.is_empty() {
            return Ok(());
        }
        if self.mode == Mode::Echo {
            let socket = self.sockets[slot(fd)].as_mut().expect("the socket that was just read");
            return socket.send(&self.epoll, answers);
        }
        let mut failed = Vec::new();
        for member in self.members.iter().copied().filter(|member| *member != fd) {
            let socket = self.sockets[slot(member)].as_mut().expect("close() takes a socket out of the members");
            if socket.unsent.len() > UNSENT_MAX_BYTES || socket.send(&self.epoll, answers).is_err() {
                failed.push(member);
            }
        }
        failed.into_iter().for_each(|member| self.close(member));
        Ok(())
    }

    fn close(&mut self, fd: RawFd) {
        let Some(socket) = self.sockets[slot(fd)].take() else { return };
        if socket.open && self.mode == Mode::Publish {
            self.members.swap_remove(socket.member);
            if let Some(moved) = self.members.get(socket.member) {
                let moved = self.sockets[slot(*moved)].as_mut().expect("close() takes a socket out of the members");
                moved.member = socket.member;
            }
        }
    }
}

impl Socket {
    /// Sends what was left over before and then `bytes`; keeps what the kernel does not take.
    fn send(&mut self, epoll: &Epoll, bytes: &[u8]) -> io::Result<()> {
        let fd = self.stream.as_raw_fd();
        if self.unsent.is_empty() {
            let sent = taken(self.stream.write(bytes))?;
            if sent < bytes.len() {
                self.unsent.extend_from_slice(&bytes[sent..]);
                epoll.change(fd, Interest::Write)?;
            }
            return Ok(());
        }
        self.unsent.extend_from_slice(bytes);
        let sent = taken(self.stream.write(&self.unsent))?;
        self.unsent.drain(..sent);
        if self.unsent.is_empty() {
            self.unsent = Vec::new();
            epoll.change(fd, Interest::Read)?;
        }
        Ok(())
    }
}

/// A kernel that takes nothing now is no error.
fn taken(written: io::Result<usize>) -> io::Result<usize> {
    match written {
        Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(0),
        written => written,
    }
}

/// Turns each whole masked frame at the front of `bytes` into the same frame without its mask. The new frames lie at
/// the front, one after the other: `(bytes of input taken, bytes of answers)`. A frame only gets shorter (by the four
/// bytes of the key), so the answers never reach what is still to be read. In publish mode only whole text frames
/// are answered. An unmasked frame is an error (RFC 6455 section 5.1).
fn unmask_frames(bytes: &mut [u8], mode: Mode) -> io::Result<(usize, usize)> {
    let (mut from, mut to) = (0, 0);
    while let Some(frame) = head(&bytes[from..])? {
        let (first, payload) = (bytes[from], from + frame.head_bytes);
        if payload + frame.payload_bytes > bytes.len() {
            break;
        }
        from = payload + frame.payload_bytes;
        if mode == Mode::Echo || first == WHOLE_TEXT {
            to = put_head(bytes, to, first, frame.payload_bytes);
            unmask(bytes, payload, to, frame.payload_bytes, frame.key);
            to += frame.payload_bytes;
        }
    }
    Ok((from, to))
}

struct Head {
    head_bytes: usize,
    payload_bytes: usize,
    key: [u8; 4],
}

/// The head of a masked frame (RFC 6455 section 5.2), or none while it is incomplete.
fn head(bytes: &[u8]) -> io::Result<Option<Head>> {
    let &[_, second, ref more @ ..] = bytes else { return Ok(None) };
    if second & 0x80 == 0 {
        return Err(ErrorKind::InvalidData.into());
    }
    let (length_bytes, payload_bytes) = match second & 0x7f {
        126 => match more.first_chunk::<2>() {
            Some(length) => (2, u64::from(u16::from_be_bytes(*length))),
            None => return Ok(None),
        },
        127 => match more.first_chunk::<8>() {
            Some(length) => (8, u64::from_be_bytes(*length)),
            None => return Ok(None),
        },
        short => (0, u64::from(short)),
    };
    let Some(key) = more[length_bytes..].first_chunk::<4>() else { return Ok(None) };
    let payload_bytes = usize::try_from(payload_bytes).ok().filter(|bytes| *bytes <= UNSENT_MAX_BYTES);
    let payload_bytes = payload_bytes.ok_or(ErrorKind::InvalidData)?;
    Ok(Some(Head { head_bytes: 2 + length_bytes + 4, payload_bytes, key: *key }))
}

/// Writes the head of an unmasked frame at `to`; where its payload begins.
fn put_head(bytes: &mut [u8], to: usize, first: u8, payload_bytes: usize) -> usize {
    bytes[to] = first;
    match payload_bytes {
        0..126 => {
            bytes[to + 1] = payload_bytes as u8;
            to + 2
        }
        126..=0xffff => {
            bytes[to + 1] = 126;
            bytes[to + 2..to + 4].copy_from_slice(&(payload_bytes as u16).to_be_bytes());
            to + 4
        }
        _ => {
            bytes[to + 1] = 127;
            bytes[to + 2..to + 10].copy_from_slice(&(payload_bytes as u64).to_be_bytes());
            to + 10
        }
    }
}

/// Moves a payload from `from` to `to`, which lies at least four bytes before it, and takes the mask off on the way:
/// eight bytes at a time, each read before any byte of it is written over.
fn unmask(bytes: &mut [u8], from: usize, to: usize, length: usize, key: [u8; 4]) {
    let wide = u64::from(u32::from_ne_bytes(key)) * 0x1_0000_0001;
    let whole = length - length % 8;
    let window = &mut bytes[to..from + length];
    let ahead = from - to;
    for at in (0..whole).step_by(8) {
        let masked = window[at + ahead..].first_chunk::<8>().expect("a window as long as the payload");
        let plain = u64::from_ne_bytes(*masked) ^ wide;
        window[at..at + 8].copy_from_slice(&plain.to_ne_bytes());
    }
    for at in whole..length {
        window[at] = window[at + ahead] ^ key[at % 4];
    }
}

fn slot(fd: RawFd) -> usize {
    usize::try_from(fd).expect("the kernel's descriptors are not negative")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 6455 section 5.7: a masked "Hello".
    const HELLO: [u8; 11] = [0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58];

    fn masked(first: u8, payload: &[u8]) -> Vec<u8> {
        let mut frame = vec![0; 10];
        let length = put_head(&mut frame, 0, first, payload.len());
        frame.truncate(length);
        frame[1] |= 0x80;
        frame.extend_from_slice(&[1, 2, 3, 4]);
        frame.extend(payload.iter().zip([1, 2, 3, 4].iter().cycle()).map(|(byte, key)| byte ^ key));
        frame
    }

    #[test]
    fn frames_of_one_read_lose_their_masks_and_stay_in_order() {
        let mut bytes = [&HELLO[..], &HELLO, &HELLO[..5]].concat();
        assert_eq!(unmask_frames(&mut bytes, Mode::Echo).expect("whole frames"), (22, 14));
        assert_eq!(&bytes[..14], b"\x81\x05Hello\x81\x05Hello");
    }

    #[test]
    fn every_length_of_a_payload() {
        for length in (0..300).chain([0xffff, 0x10000, 100_003]) {
            let payload: Vec<u8> = (0..length).map(|at| (at % 251) as u8).collect();
            let mut bytes = masked(0x82, &payload);
            let (taken, answers) = unmask_frames(&mut bytes, Mode::Echo).expect("a whole frame");
            assert_eq!(taken, bytes.len());
            let plain = &bytes[..answers];
            assert_eq!(plain[0], 0x82);
            assert_eq!(&plain[answers - length..], payload, "{length} bytes");
            assert_eq!(answers, taken - 4);
        }
    }

    #[test]
    fn only_text_is_published() {
        let frames = [masked(0x82, b"binary"), masked(0x81, b"text"), masked(0x89, b"ping")].concat();
        let mut bytes = frames.clone();
        assert_eq!(unmask_frames(&mut bytes, Mode::Publish).expect("whole frames"), (frames.len(), 6));
        assert_eq!(&bytes[..6], b"\x81\x04text");
        assert!(unmask_frames(&mut [0x81, 0x00], Mode::Echo).is_err(), "unmasked");
    }
}
