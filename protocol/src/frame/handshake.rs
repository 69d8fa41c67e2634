//! The opening handshake, RFC 6455 section 4: both ends of it.
//!
//! It must not know paths, tokens or origins: whether the client may come in is decided elsewhere.

use tungstenite::handshake::derive_accept_key;

use crate::http::{BodyFraming, HttpError, Method, Request, Response, problem, reason_phrase};

/// Why an upgrade is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HandshakeError {
    /// Not GET.
    #[error("a WebSocket is opened with GET")]
    Method,
    /// HTTP/1.0.
    #[error("a WebSocket needs HTTP/1.1")]
    HttpVersion,
    /// No `Upgrade: websocket` with `Connection: Upgrade`.
    #[error("this address speaks WebSocket: Upgrade: websocket and Connection: Upgrade are needed")]
    NotUpgrade,
    /// Not `Sec-WebSocket-Version: 13`.
    #[error("only Sec-WebSocket-Version 13 is spoken here")]
    Version,
    /// `Sec-WebSocket-Key` is missing, repeated or not 16 bytes in base64.
    #[error("Sec-WebSocket-Key must be 16 bytes in base64")]
    Key,
    /// An upgrade with a body: where frames begin would be open to dispute.
    #[error("an upgrade must not have a body")]
    Body,
}

impl HandshakeError {
    /// The status of the answer.
    pub const fn status(self) -> u16 {
        match self {
            Self::Method => 405,
            Self::NotUpgrade | Self::Version => 426,
            Self::HttpVersion | Self::Key | Self::Body => 400,
        }
    }
}

impl From<HandshakeError> for Response {
    fn from(error: HandshakeError) -> Self {
        let status = error.status();
        let response = problem(status, reason_phrase(status), &error.to_string());
        match error {
            HandshakeError::Method => response.with_header("Allow", "GET"),
            HandshakeError::NotUpgrade => response.with_header("Upgrade", "websocket"),
            HandshakeError::Version => {
                response.with_header("Upgrade", "websocket").with_header("Sec-WebSocket-Version", "13")
            }
            HandshakeError::HttpVersion | HandshakeError::Key | HandshakeError::Body => response,
        }
    }
}

/// Judges an upgrade request; gives the `Sec-WebSocket-Accept` to answer with.
pub fn check(request: &Request<'_>) -> Result<String, HandshakeError> {
    if request.method != Method::Get {
        return Err(HandshakeError::Method);
    }
    if !request.is_http11 {
        return Err(HandshakeError::HttpVersion);
    }
    if !request.is_upgrade() || !request.has_token("Connection", "upgrade") {
        return Err(HandshakeError::NotUpgrade);
    }
    if !matches!(request.body, BodyFraming::None | BodyFraming::Length(0)) {
        return Err(HandshakeError::Body);
    }
    if only(request, "Sec-WebSocket-Version") != Some("13") {
        return Err(HandshakeError::Version);
    }
    let key = only(request, "Sec-WebSocket-Key").filter(|key| is_key(key)).ok_or(HandshakeError::Key)?;
    Ok(derive_accept_key(key.as_bytes()))
}

/// Appends the answer that opens the connection; no subprotocol and no extension is agreed on.
pub fn write_accept(out: &mut Vec<u8>, accept: &str) {
    out.extend_from_slice(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n");
    out.extend_from_slice(b"Sec-WebSocket-Accept: ");
    out.extend_from_slice(accept.as_bytes());
    out.extend_from_slice(b"\r\n\r\n");
}

/// Appends a client's upgrade request. `target` is path and query, `key` 16 bytes in base64; the caller
/// vouches that no value contains a line break.
pub fn write_request(out: &mut Vec<u8>, host: &str, target: &str, key: &str, headers: &[(&str, &str)]) {
    out.extend_from_slice(format!("GET {target} HTTP/1.1\r\nHost: {host}\r\n").as_bytes());
    out.extend_from_slice(b"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n");
    out.extend_from_slice(format!("Sec-WebSocket-Key: {key}\r\n").as_bytes());
    for (name, value) in headers {
        out.extend_from_slice(format!("{name}: {value}\r\n").as_bytes());
    }
    out.extend_from_slice(b"\r\n");
}

/// A client's look at the server's answer, which may still be incomplete.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// More bytes are needed.
    Incomplete,
    /// Open; frames begin behind so many bytes.
    Open(usize),
    /// Refused with this status.
    Refused(u16),
}

/// Judges the server's answer to an upgrade with `key` (section 4.1).
pub fn check_answer(buf: &[u8], key: &str) -> Result<Answer, HttpError> {
    let mut headers = [httparse::EMPTY_HEADER; crate::model::limits::HTTP_HEADERS_MAX];
    let mut parsed = httparse::Response::new(&mut headers);
    let head_len = match parsed.parse(buf).map_err(|_| HttpError::Header)? {
        httparse::Status::Partial if buf.len() > crate::model::limits::HTTP_HEAD_MAX_BYTES => {
            return Err(HttpError::HeadTooLarge);
        }
        httparse::Status::Partial => return Ok(Answer::Incomplete),
        httparse::Status::Complete(head_len) => head_len,
    };
    let status = parsed.code.ok_or(HttpError::RequestLine)?;
    if status != 101 {
        return Ok(Answer::Refused(status));
    }
    let accept = derive_accept_key(key.as_bytes());
    let value = |name: &str| parsed.headers.iter().find(|h| h.name.eq_ignore_ascii_case(name)).map(|h| h.value);
    let upgraded = value("Upgrade").is_some_and(|value| value.eq_ignore_ascii_case(b"websocket"));
    if upgraded && value("Sec-WebSocket-Accept") == Some(accept.as_bytes()) {
        Ok(Answer::Open(head_len))
    } else {
        Err(HttpError::Header)
    }
}

/// The header's value, if there is exactly one of this name.
fn only<'b>(request: &Request<'b>, name: &str) -> Option<&'b str> {
    let mut values = request.header_values(name);
    values.next().filter(|_| values.next().is_none())
}

/// 16 bytes in base64: 22 characters of the alphabet and two of padding.
fn is_key(key: &str) -> bool {
    key.len() == 24
        && key.ends_with("==")
        && key.as_bytes()[..22].iter().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/'))
}
