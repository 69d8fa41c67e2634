//! Request heads: the grammar by `httparse`, and the rules that keep two readers of the same bytes from
//! seeing different requests (RFC 9112 sections 3.2, 6.3, 11.2).
//!
//! It must not know routes or who asks.

use smallvec::SmallVec;

use super::{HttpError, Query};
use crate::model::limits::{HTTP_BODY_MAX_BYTES, HTTP_HEAD_MAX_BYTES, HTTP_HEADERS_MAX};

/// The methods that a route can have; any other is answered 501.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Method {
    /// GET
    Get,
    /// HEAD
    Head,
    /// POST
    Post,
    /// PUT
    Put,
    /// PATCH
    Patch,
    /// DELETE
    Delete,
    /// OPTIONS
    Options,
}

impl Method {
    /// As it stands on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Head => "HEAD",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Patch => "PATCH",
            Self::Delete => "DELETE",
            Self::Options => "OPTIONS",
        }
    }

    fn parse(name: &str) -> Option<Self> {
        [Self::Get, Self::Head, Self::Post, Self::Put, Self::Patch, Self::Delete, Self::Options]
            .into_iter()
            .find(|method| method.as_str() == name)
    }
}

/// How the body's end is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyFraming {
    /// There is none.
    None,
    /// So many bytes, at most `HTTP_BODY_MAX_BYTES`.
    Length(usize),
    /// `Transfer-Encoding: chunked`.
    Chunked,
}

/// A request's head, borrowed from the buffer it was read from.
#[derive(Clone, Debug)]
pub struct Request<'b> {
    /// What is asked.
    pub method: Method,
    /// The path, percent-encoded as it came; begins with `/`, or is `*`.
    pub path: &'b str,
    /// What stands behind `?`, raw; empty if nothing.
    pub raw_query: &'b str,
    /// HTTP/1.1, else HTTP/1.0.
    pub is_http11: bool,
    /// Bytes of the head with its blank line; the body begins there.
    pub head_len: usize,
    /// How the body's end is found.
    pub body: BodyFraming,
    headers: SmallVec<[httparse::Header<'b>; 16]>,
}

/// How far the search for the blank line got, so that a head that arrives byte by byte is read once.
/// Belongs to one buffer that only grows; it starts anew after each complete head.
#[derive(Clone, Copy, Debug, Default)]
pub struct HeadScan {
    searched: usize,
    /// Where the line begins in which the search stopped.
    line_start: usize,
    /// A line that is not empty was seen (empty ones before the request line are skipped).
    started: bool,
}

/// Reads a request head from the start of `buf`, which may end anywhere: `None` if more bytes are needed.
pub fn parse_request<'b>(buf: &'b [u8], scan: &mut HeadScan) -> Result<Option<Request<'b>>, HttpError> {
    let Some(head_len) = scan.find_end(buf)? else {
        return Ok(None);
    };
    *scan = HeadScan::default();
    parse_head(&buf[..head_len]).map(Some)
}

impl HeadScan {
    /// The head's length once its blank line is there.
    fn find_end(&mut self, buf: &[u8]) -> Result<Option<usize>, HttpError> {
        let window = &buf[..buf.len().min(HTTP_HEAD_MAX_BYTES)];
        while let Some(found) = window[self.searched..].iter().position(|byte| *byte == b'\n') {
            let line_end = self.searched + found;
            let line = window[self.line_start..line_end].strip_suffix(b"\r").ok_or(HttpError::BareLineFeed)?;
            self.searched = line_end + 1;
            self.line_start = self.searched;
            if let Some(first) = line.first() {
                if !self.started && !is_token_byte(*first) {
                    return Err(HttpError::RequestLine);
                }
                self.started = true;
            } else if self.started {
                return Ok(Some(self.searched));
            }
        }
        self.searched = window.len();
        // What is no HTTP at all (a TLS hello, say) need not be waited for.
        if !self.started && window.get(self.line_start).is_some_and(|byte| !is_token_byte(*byte) && *byte != b'\r') {
            return Err(HttpError::RequestLine);
        }
        if buf.len() >= HTTP_HEAD_MAX_BYTES {
            return Err(HttpError::HeadTooLarge);
        }
        Ok(None)
    }
}

fn is_token_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

fn parse_head(head: &[u8]) -> Result<Request<'_>, HttpError> {
    let mut storage = [httparse::EMPTY_HEADER; HTTP_HEADERS_MAX];
    let mut parsed = httparse::Request::new(&mut storage);
    match parsed.parse(head) {
        Ok(httparse::Status::Complete(len)) if len == head.len() => {}
        Ok(_) => return Err(HttpError::Header),
        Err(error) => return Err(map_error(error, head)),
    }
    let (Some(method), Some(target), Some(version)) = (parsed.method, parsed.path, parsed.version) else {
        return Err(HttpError::RequestLine);
    };
    let is_http11 = version == 1;
    let headers: SmallVec<[httparse::Header<'_>; 16]> = SmallVec::from_slice(parsed.headers);
    check_host(&headers, is_http11)?;
    let body = body_framing(&headers, is_http11)?;
    let method = Method::parse(method).ok_or(HttpError::Method)?;
    let (path, raw_query) = split_target(method, target)?;
    Ok(Request { method, path, raw_query, is_http11, head_len: head.len(), body, headers })
}

fn map_error(error: httparse::Error, head: &[u8]) -> HttpError {
    match error {
        httparse::Error::TooManyHeaders => HttpError::TooManyHeaders,
        httparse::Error::Version => {
            let line = head.trim_ascii_start().split(|byte| *byte == b'\r').next().unwrap_or_default();
            let version = line.rsplit(|byte| *byte == b' ').next().unwrap_or_default();
            if version.starts_with(b"HTTP/") { HttpError::Version } else { HttpError::RequestLine }
        }
        httparse::Error::Token | httparse::Error::Status => HttpError::RequestLine,
        httparse::Error::HeaderName | httparse::Error::HeaderValue | httparse::Error::NewLine => HttpError::Header,
    }
}

fn check_host(headers: &[httparse::Header<'_>], is_http11: bool) -> Result<(), HttpError> {
    match values_of(headers, "Host").count() {
        0 if is_http11 => Err(HttpError::HostMissing),
        0 | 1 => Ok(()),
        _ => Err(HttpError::HostRepeated),
    }
}

fn body_framing(headers: &[httparse::Header<'_>], is_http11: bool) -> Result<BodyFraming, HttpError> {
    let mut lengths = values_of(headers, "Content-Length");
    let length = lengths.next();
    if lengths.next().is_some() {
        return Err(HttpError::ContentLengthRepeated);
    }
    let mut codings = values_of(headers, "Transfer-Encoding");
    match (codings.next(), length) {
        (Some(_), Some(_)) => Err(HttpError::LengthAndEncoding),
        (Some(_), None) if !is_http11 => Err(HttpError::EncodingInHttp10),
        (Some(coding), None) if coding.eq_ignore_ascii_case(b"chunked") && codings.next().is_none() => {
            Ok(BodyFraming::Chunked)
        }
        (Some(_), None) => Err(HttpError::TransferEncoding),
        (None, Some(length)) => parse_length(length),
        (None, None) => Ok(BodyFraming::None),
    }
}

/// Digits and nothing else: no sign, no list (RFC 9110 section 8.6).
fn parse_length(value: &[u8]) -> Result<BodyFraming, HttpError> {
    if value.is_empty() || !value.iter().all(u8::is_ascii_digit) {
        return Err(HttpError::ContentLength);
    }
    value
        .iter()
        .try_fold(0usize, |sum, digit| sum.checked_mul(10)?.checked_add(usize::from(digit - b'0')))
        .filter(|length| *length <= HTTP_BODY_MAX_BYTES)
        .map(BodyFraming::Length)
        .ok_or(HttpError::BodyTooLarge)
}

/// Path and raw query of an origin-form, absolute-form or asterisk-form target (RFC 9112 section 3.2).
fn split_target(method: Method, target: &str) -> Result<(&str, &str), HttpError> {
    if target.contains('#') {
        return Err(HttpError::Target);
    }
    if target == "*" && method == Method::Options {
        return Ok(("*", ""));
    }
    let origin = match strip_scheme(target) {
        Some(rest) => &rest[rest.find(['/', '?']).unwrap_or(rest.len())..],
        None if target.starts_with('/') => target,
        None => return Err(HttpError::Target),
    };
    let (path, query) = origin.split_once('?').unwrap_or((origin, ""));
    Ok((if path.is_empty() { "/" } else { path }, query))
}

fn strip_scheme(target: &str) -> Option<&str> {
    ["http://", "https://"].into_iter().find_map(|scheme| {
        let (start, rest) = target.split_at_checked(scheme.len())?;
        start.eq_ignore_ascii_case(scheme).then_some(rest)
    })
}

fn values_of<'b>(headers: &[httparse::Header<'b>], name: &str) -> impl Iterator<Item = &'b [u8]> {
    headers.iter().filter(move |header| header.name.eq_ignore_ascii_case(name)).map(|header| header.value)
}

impl<'b> Request<'b> {
    /// The first header of this name, case-insensitive; one whose value is not UTF-8 counts as absent.
    pub fn header(&self, name: &str) -> Option<&'b str> {
        self.header_values(name).next()
    }

    /// All headers of this name, in order.
    pub fn header_values(&self, name: &str) -> impl Iterator<Item = &'b str> {
        values_of(&self.headers, name).filter_map(|value| std::str::from_utf8(value).ok())
    }

    /// Whether a comma-separated header contains this token, case-insensitive.
    pub fn has_token(&self, name: &str, token: &str) -> bool {
        self.header_values(name)
            .flat_map(|value| value.split(','))
            .any(|found| found.trim_matches([' ', '\t']).eq_ignore_ascii_case(token))
    }

    /// The decoded query.
    pub fn query(&self) -> Result<Query<'b>, HttpError> {
        Query::parse(self.raw_query)
    }

    /// The connection ends after the answer: `Connection: close`, or HTTP/1.0 without keep-alive.
    pub fn wants_close(&self) -> bool {
        self.has_token("Connection", "close") || (!self.is_http11 && !self.has_token("Connection", "keep-alive"))
    }

    /// The client asks for a WebSocket; `frame::handshake::check` judges how.
    pub fn is_upgrade(&self) -> bool {
        self.has_token("Upgrade", "websocket")
    }

    /// The client waits for `CONTINUE` before it sends the body (RFC 9110 section 10.1.1).
    pub fn expects_continue(&self) -> bool {
        self.is_http11 && self.has_token("Expect", "100-continue")
    }

    /// The token of `Authorization: Bearer TOKEN` (RFC 6750); `None` if absent, empty or of another scheme.
    pub fn bearer_token(&self) -> Option<&'b str> {
        let (scheme, token) = self.header("Authorization")?.split_once(' ')?;
        let token = token.trim_matches(' ');
        (scheme.eq_ignore_ascii_case("bearer") && !token.is_empty()).then_some(token)
    }
}
