//! What the Rust peers share: the command line, the listening socket, the answer to an upgrade, and epoll.
//! Knows nothing of Switchboard: a peer that shared code with the product would hide the product's own costs.

pub mod epoll;

use std::io::{self, Write};
use std::net::{SocketAddr, TcpListener};

use clap::{Parser, ValueEnum};
use socket2::{Domain, Protocol, Socket, Type};
use tungstenite::handshake::derive_accept_key;

/// Connections the kernel holds until they are accepted; the kernel cuts it to `net.core.somaxconn`.
const BACKLOG_CONNECTIONS: i32 = 4096;
/// Header fields of a request that are looked at; browsers send about 15.
const REQUEST_FIELDS: usize = 64;
/// The largest request head that is waited for, in bytes.
pub const REQUEST_MAX_BYTES: usize = 16 * 1024;

/// The command line of every peer.
#[derive(Debug, Parser)]
pub struct Options {
    /// Where to listen; port 0 picks a free one
    #[arg(long, value_name = "ADDR:PORT", default_value = "127.0.0.1:0")]
    pub listen: SocketAddr,
    /// What is done with a text message
    #[arg(long, value_enum, default_value = "echo")]
    pub mode: Mode,
}

/// What a peer does with a text message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Mode {
    /// It goes back to its sender
    Echo,
    /// It goes to every other connection (not to its sender, as with uWebSockets' `publish`)
    Publish,
}

/// Reads the command line, raises the limit of open files to the hard one, binds, and prints
/// `listening on http://ADDR:PORT` as the first line. `modes` are those the peer can do; another one ends the process
/// with the code 2.
pub fn start(modes: &[Mode]) -> io::Result<(TcpListener, Mode)> {
    let options = Options::parse();
    if !modes.contains(&options.mode) {
        eprintln!("this peer has no --mode {:?}", options.mode);
        std::process::exit(2);
    }
    rlimit::increase_nofile_limit(u64::MAX)?;
    let domain = Domain::for_address(options.listen);
    let socket = Socket::new(domain, Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    socket.bind(&options.listen.into())?;
    socket.listen(BACKLOG_CONNECTIONS)?;
    socket.set_nonblocking(true)?;
    let listener = TcpListener::from(socket);
    println!("listening on http://{}", listener.local_addr()?);
    io::stdout().flush()?;
    Ok((listener, options.mode))
}

/// What the bytes of an upgrade request came to.
#[derive(Debug, PartialEq, Eq)]
pub enum Upgrade {
    /// The head has not ended yet
    Partial,
    /// Not a request for a WebSocket, or one beyond [`REQUEST_MAX_BYTES`]
    Refused,
    /// The head took so many bytes; send this answer (101, RFC 6455 section 4.2.2)
    Accepted {
        /// Bytes of the request, its empty line included
        head_bytes: usize,
        /// The whole answer
        answer: String,
    },
}

/// Reads a request as little as honesty allows: any path, and of the fields only `Sec-WebSocket-Key`.
pub fn upgrade(received: &[u8]) -> Upgrade {
    let mut fields = [httparse::EMPTY_HEADER; REQUEST_FIELDS];
    let mut request = httparse::Request::new(&mut fields);
    let head_bytes = match request.parse(received) {
        Ok(httparse::Status::Complete(head_bytes)) => head_bytes,
        Ok(httparse::Status::Partial) if received.len() < REQUEST_MAX_BYTES => return Upgrade::Partial,
        Ok(httparse::Status::Partial) | Err(_) => return Upgrade::Refused,
    };
    let key = request.headers.iter().find(|field| field.name.eq_ignore_ascii_case("Sec-WebSocket-Key"));
    let Some(key) = key else { return Upgrade::Refused };
    let answer = format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {}\r\n\r\n",
        derive_accept_key(key.value)
    );
    Upgrade::Accepted { head_bytes, answer }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of RFC 6455 section 1.3, cut at every byte.
    #[test]
    fn the_example_of_the_standard() {
        let request = "GET /chat HTTP/1.1\r\nHost: a\r\nsec-websocket-KEY: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
        for cut in 0..request.len() {
            assert_eq!(upgrade(&request.as_bytes()[..cut]), Upgrade::Partial, "cut at {cut}");
        }
        let Upgrade::Accepted { head_bytes, answer } = upgrade(format!("{request}more").as_bytes()) else {
            panic!("refused")
        };
        assert_eq!(head_bytes, request.len());
        assert!(answer.contains("\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"), "{answer}");
        assert_eq!(upgrade(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"), Upgrade::Refused);
    }
}
