//! A peer that says exactly the bytes a test wants, right or wrong, and reads frames by hand.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Instant;

use super::steady::Steady;
use super::{PATIENCE, Reply};

/// Continuation, text, binary, close, ping, pong (RFC 6455, 5.2).
pub const TEXT: u8 = 0x1;
/// See [`TEXT`].
pub const BINARY: u8 = 0x2;
/// See [`TEXT`].
pub const CLOSE: u8 = 0x8;
/// See [`TEXT`].
pub const PING: u8 = 0x9;
/// See [`TEXT`].
pub const PONG: u8 = 0xa;
/// The bit of the last fragment.
pub const FIN: u8 = 0x80;

/// A TCP connection.
pub struct Raw {
    stream: Steady,
    unread: Vec<u8>,
}

impl Raw {
    /// Connects.
    pub fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect_timeout(&address, PATIENCE).expect("the server listens");
        stream.set_read_timeout(Some(PATIENCE)).expect("a socket takes a time-out");
        stream.set_write_timeout(Some(PATIENCE)).expect("a socket takes a time-out");
        stream.set_nodelay(true).expect("a socket takes nodelay");
        Self { stream: Steady(stream), unread: Vec::new() }
    }

    /// Connects and upgrades.
    #[track_caller]
    pub fn upgraded(address: SocketAddr, path: &str) -> Self {
        let mut raw = Self::connect(address);
        raw.send(upgrade(address, path, "").as_bytes());
        let reply = raw.reply().expect("the upgrade is answered");
        assert_eq!(reply.status, 101, "{}", reply.head);
        raw
    }

    /// Sends bytes; the server may have closed already, which later reads show.
    pub fn send(&mut self, bytes: &[u8]) -> bool {
        self.stream.write_all(bytes).is_ok()
    }

    /// The next HTTP reply, if one comes whole.
    pub fn reply(&mut self) -> Option<Reply> {
        // The reply to an upgrade may be followed by frames: read the head byte by byte.
        let mut one = OneByte(&mut self.stream);
        Reply::read(&mut one)
    }

    /// Nothing more comes: the server has closed.
    #[track_caller]
    pub fn assert_ended(&mut self) {
        let mut rest = [0; 4096];
        loop {
            match self.stream.read(&mut rest) {
                Ok(0) => return,
                Ok(_) => {}
                Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => return,
                Err(error) => panic!("the server did not close: {error}"),
            }
        }
    }

    /// The next frame: opcode and payload; `None` if the connection ends first.
    #[track_caller]
    pub fn frame(&mut self) -> Option<(u8, Vec<u8>)> {
        let deadline = Instant::now() + PATIENCE;
        let mut chunk = [0; 4096];
        loop {
            if let Some((frame, used)) = split_frame(&self.unread) {
                self.unread.drain(..used);
                return Some(frame);
            }
            assert!(Instant::now() < deadline, "no frame came");
            match self.stream.read(&mut chunk) {
                Ok(0) => return None,
                Ok(n) => self.unread.extend_from_slice(&chunk[..n]),
                Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => return None,
                Err(error) => panic!("no frame came: {error}"),
            }
        }
    }

    /// Reads on to the server's close frame; its code (1005 if it has none).
    #[track_caller]
    pub fn close_code(&mut self) -> u16 {
        loop {
            match self.frame() {
                Some((CLOSE, payload)) => {
                    return payload.first_chunk().map_or(1005, |code: &[u8; 2]| u16::from_be_bytes(*code));
                }
                Some(_) => {}
                None => panic!("the connection ended without a close frame"),
            }
        }
    }

    /// The socket itself.
    pub fn stream(&self) -> &TcpStream {
        &self.stream.0
    }
}

struct OneByte<'a>(&'a mut Steady);

impl Read for OneByte<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        self.0.read(&mut buffer[..1])
    }
}

/// An upgrade request with further header lines (each ended by CRLF).
pub fn upgrade(address: SocketAddr, path: &str, more: &str) -> String {
    format!(
        "GET {path} HTTP/1.1\r\nHost: {address}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n{more}\r\n"
    )
}

/// A masked frame: `first` is FIN, reserved bits and opcode.
pub fn masked(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = head(first, payload.len() as u64, true);
    let mask = [0x37, 0xfa, 0x21, 0x3d];
    frame.extend_from_slice(&mask);
    frame.extend(payload.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask));
    frame
}

/// A frame's first bytes, up to the mask, with the shortest form of the length.
pub fn head(first: u8, length: u64, mask: bool) -> Vec<u8> {
    let bit = if mask { 0x80 } else { 0 };
    let mut frame = vec![first];
    match length {
        0..=125 => frame.push(bit | length as u8),
        126..=0xffff => {
            frame.push(bit | 126);
            frame.extend_from_slice(&(length as u16).to_be_bytes());
        }
        _ => {
            frame.push(bit | 127);
            frame.extend_from_slice(&length.to_be_bytes());
        }
    }
    frame
}

fn split_frame(bytes: &[u8]) -> Option<((u8, Vec<u8>), usize)> {
    let first = *bytes.first()?;
    let short = *bytes.get(1)?;
    assert_eq!(short & 0x80, 0, "a server must not mask");
    let (length, at) = match short {
        126 => (u64::from(u16::from_be_bytes(*bytes.get(2..4)?.first_chunk()?)), 4),
        127 => (u64::from_be_bytes(*bytes.get(2..10)?.first_chunk()?), 10),
        short => (u64::from(short), 2),
    };
    let end = at + usize::try_from(length).expect("a length that fits");
    Some(((first & 0x0f, bytes.get(at..end)?.to_vec()), end))
}
