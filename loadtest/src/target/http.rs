//! One small GET with an end: `/readyz`, `/metrics`. HTTP/1.0 (RFC 1945), so the answer ends with the connection and
//! is never chunked. Knows nothing of what it fetches.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

/// An answer larger than this is none that the harness understands.
const BODY_MAX_BYTES: usize = 4 * 1024 * 1024;

/// An answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// The status code.
    pub status: u16,
    /// The body; what is not UTF-8 is replaced.
    pub body: String,
}

/// Fetches `path`. The whole exchange takes at most `patience` and a little: whatever the other side does.
pub fn get(address: SocketAddr, host: &str, path: &str, patience: Duration) -> io::Result<Reply> {
    let deadline = Instant::now() + patience;
    let mut stream = TcpStream::connect_timeout(&address, patience)?;
    stream.set_nodelay(true)?;
    stream.set_write_timeout(Some(patience))?;
    stream.write_all(format!("GET {path} HTTP/1.0\r\nHost: {host}\r\nConnection: close\r\n\r\n").as_bytes())?;
    let mut bytes = Vec::new();
    let mut chunk = [0; 16 * 1024];
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        stream.set_read_timeout(Some(left))?;
        match stream.read(&mut chunk) {
            Ok(0) => return parse(&bytes),
            Ok(n) => bytes.extend_from_slice(&chunk[..n]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
        if bytes.len() > BODY_MAX_BYTES {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "the answer is too large"));
        }
    }
}

fn parse(bytes: &[u8]) -> io::Result<Reply> {
    let text = String::from_utf8_lossy(bytes);
    let bad = || io::Error::new(io::ErrorKind::InvalidData, "the answer is not HTTP");
    let (head, body) = text.split_once("\r\n\r\n").ok_or_else(bad)?;
    let status = head.strip_prefix("HTTP/1.").and_then(|rest| rest.split(' ').nth(1)).ok_or_else(bad)?;
    Ok(Reply { status: status.parse().map_err(|_| bad())?, body: body.to_owned() })
}

/// A stand-in for a server's health and metrics, for the tests of this folder.
#[cfg(test)]
pub mod stand_in {
    use std::io::{BufRead, BufReader, Write};
    use std::net::{SocketAddr, TcpListener};

    /// Answers every GET with what `answer` makes of the path; `None` never answers. Ends with the process.
    pub fn serve(answer: impl Fn(&str) -> Option<String> + Send + 'static) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        std::thread::spawn(move || {
            let mut silent = Vec::new();
            for stream in listener.incoming().map_while(Result::ok) {
                let mut lines = BufReader::new(&stream).lines().map_while(Result::ok);
                let Some(path) = lines.next().and_then(|line| Some(line.split(' ').nth(1)?.to_owned())) else {
                    continue;
                };
                let _ = lines.find(String::is_empty);
                match answer(&path) {
                    Some(body) => drop((&stream).write_all(format!("HTTP/1.1 200 OK\r\n\r\n{body}").as_bytes())),
                    None => silent.push(stream),
                }
            }
        });
        address
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_fetched() {
        let address = stand_in::serve(|path| Some(format!("you asked for {path}")));
        let reply = get(address, "localhost", "/readyz", Duration::from_secs(5)).unwrap();
        assert_eq!(reply, Reply { status: 200, body: "you asked for /readyz".to_owned() });
    }

    #[test]
    fn silence_ends_in_time() {
        let address = stand_in::serve(|_| None);
        let started = Instant::now();
        assert!(get(address, "localhost", "/", Duration::from_millis(100)).is_err());
        assert!(started.elapsed() < Duration::from_secs(5));
    }

    #[test]
    fn what_is_not_http_is_an_error() {
        for bytes in [&b""[..], b"HTTP/1.1 200 OK", b"SSH-2.0\r\n\r\n", b"HTTP/1.1 ok\r\n\r\n"] {
            assert!(parse(bytes).is_err(), "{bytes:?}");
        }
    }
}
