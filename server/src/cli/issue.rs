//! Asking a running server for an agent's token: one HTTP request, as an admin. Knows nothing of how it is issued.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::time::Duration;

use serde::Deserialize;

/// How long a server may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// Nobody's answer is longer.
const ANSWER_MAX_BYTES: u64 = 64 * 1024;

/// Why there is no token.
#[derive(Debug, thiserror::Error)]
pub enum IssueError {
    /// The URL.
    #[error("--server is a URL such as http://127.0.0.1:8080 (http:// only: ask beside the server)")]
    Url,
    /// The server is not there, or not to be understood.
    #[error("{server} does not answer: {error}")]
    Io {
        /// As it was typed.
        server: String,
        /// Why.
        error: io::Error,
    },
    /// It said no.
    #[error("{server} answered {status}: {message}")]
    Refused {
        /// As it was typed.
        server: String,
        /// The HTTP status.
        status: u16,
        /// Its words.
        message: String,
    },
}

#[derive(Deserialize)]
struct Answer {
    message: Option<String>,
    data: Option<Data>,
}

#[derive(Deserialize)]
struct Data {
    token: String,
}

/// The token of `POST /api/v1/agents/{id}/token` at `server`.
pub(super) fn agent_token(server: &str, agent: u64, admin: &str) -> Result<String, IssueError> {
    let host = server.strip_prefix("http://").ok_or(IssueError::Url)?.trim_end_matches('/');
    if host.is_empty() || host.contains(['/', '?', '#', '@', ' ']) {
        return Err(IssueError::Url);
    }
    let (status, body) = post(host, &format!("/api/v1/agents/{agent}/token"), admin)
        .map_err(|error| IssueError::Io { server: server.to_owned(), error })?;
    let answer: Option<Answer> = serde_json::from_slice(&body).ok();
    let (message, data) = answer.map_or((None, None), |answer| (answer.message, answer.data));
    match data {
        Some(Data { token }) if status == 200 => Ok(token),
        _ => Err(IssueError::Refused {
            server: server.to_owned(),
            status,
            message: message.unwrap_or_else(|| "it is no Switchboard that issues tokens".to_owned()),
        }),
    }
}

fn post(host: &str, path: &str, bearer: &str) -> io::Result<(u16, Vec<u8>)> {
    let with_port = if host.rsplit(']').next().is_some_and(|rest| rest.contains(':')) {
        host.to_owned()
    } else {
        format!("{host}:80")
    };
    let mut stream = connect(with_port.to_socket_addrs()?)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let head = format!(
        "POST {path} HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {bearer}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    );
    stream.write_all(head.as_bytes())?;
    let mut answer = Vec::new();
    stream.take(ANSWER_MAX_BYTES).read_to_end(&mut answer)?;
    parse(&answer).ok_or_else(|| io::Error::other("that was no HTTP"))
}

/// To the first address that takes the connection; the error is the last one's.
fn connect(addresses: impl IntoIterator<Item = SocketAddr>) -> io::Result<TcpStream> {
    let mut refused = io::Error::other("no such host");
    for address in addresses {
        match TcpStream::connect_timeout(&address, PATIENCE) {
            Ok(stream) => return Ok(stream),
            Err(error) => refused = error,
        }
    }
    Err(refused)
}

/// Status and body of a whole answer, whose end is the connection's.
fn parse(answer: &[u8]) -> Option<(u16, Vec<u8>)> {
    let end = answer.windows(4).position(|four| four == b"\r\n\r\n")?;
    let head = std::str::from_utf8(&answer[..end]).ok()?;
    let status = head.strip_prefix("HTTP/1.1 ")?.get(..3)?.parse().ok()?;
    Some((status, answer[end + 4..].to_vec()))
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn answers_are_read_whole() {
        assert_eq!(parse(b"HTTP/1.1 404 Not Found\r\nX: y\r\n\r\n{}"), Some((404, b"{}".to_vec())));
        assert_eq!(parse(b"SSH-2.0\r\n\r\n"), None);
        assert_eq!(parse(b""), None);
    }

    /// "localhost" may be ::1 first, where nobody listens.
    #[test]
    fn every_address_of_a_host_is_tried() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let open = listener.local_addr().unwrap();
        let closed = TcpListener::bind("127.0.0.2:0").unwrap().local_addr().unwrap();
        assert_eq!(connect([closed, open]).unwrap().peer_addr().unwrap(), open);
        assert_eq!(connect([open, closed]).unwrap().peer_addr().unwrap(), open);
        assert_eq!(connect([closed, closed]).unwrap_err().kind(), io::ErrorKind::ConnectionRefused);
        assert!(connect([]).unwrap_err().to_string().contains("no such host"));
    }

    #[test]
    fn only_plain_urls_are_asked() {
        for url in ["127.0.0.1:8080", "https://x", "http://", "http://x/y", "http://a@b"] {
            assert!(matches!(agent_token(url, 1, "x"), Err(IssueError::Url)), "{url}");
        }
    }
}
