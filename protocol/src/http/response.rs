//! Responses as values, and their bytes (RFC 9110, RFC 9112); problem details (RFC 9457).
//!
//! It must not know dialects: their envelopes are bodies like any other. No `Date`: there is no clock
//! here; who has one adds the header.

use std::borrow::Cow;

use super::HttpError;

/// The interim answer to `Expect: 100-continue`.
pub const CONTINUE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";

/// An answer to one request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response {
    /// 200 to 599.
    pub status: u16,
    /// `Content-Type`; left out if there is none.
    pub content_type: Option<&'static str>,
    /// Further headers; `Content-Type`, `Content-Length` and `Connection` are written by `write_to`.
    pub headers: Vec<(&'static str, Cow<'static, str>)>,
    /// The body.
    pub body: Cow<'static, [u8]>,
}

impl Response {
    /// An answer without body.
    pub const fn empty(status: u16) -> Self {
        Self { status, content_type: None, headers: Vec::new(), body: Cow::Borrowed(&[]) }
    }

    /// JSON that is already serialised.
    pub fn json(status: u16, body: impl Into<Cow<'static, [u8]>>) -> Self {
        Self { content_type: Some("application/json"), body: body.into(), ..Self::empty(status) }
    }

    /// Plain text.
    pub fn text(status: u16, body: impl Into<Cow<'static, str>>) -> Self {
        let body = match body.into() {
            Cow::Borrowed(text) => Cow::Borrowed(text.as_bytes()),
            Cow::Owned(text) => Cow::Owned(text.into_bytes()),
        };
        Self { content_type: Some("text/plain; charset=utf-8"), body, ..Self::empty(status) }
    }

    /// The same with one more header. Control characters in `value` become spaces, so that no value can
    /// start a header of its own.
    #[must_use]
    pub fn with_header(mut self, name: &'static str, value: impl Into<Cow<'static, str>>) -> Self {
        let mut value = value.into();
        if value.contains(|c: char| c.is_control()) {
            value = Cow::Owned(value.replace(|c: char| c.is_control(), " "));
        }
        self.headers.push((name, value));
        self
    }

    /// Appends the response. `head_only` answers HEAD: the length without the body. With `keep_alive`
    /// false the client is told that the connection closes.
    pub fn write_to(&self, out: &mut Vec<u8>, keep_alive: bool, head_only: bool) {
        out.reserve(128 + self.body.len());
        let mut digits = itoa::Buffer::new();
        out.extend_from_slice(b"HTTP/1.1 ");
        out.extend_from_slice(digits.format(self.status).as_bytes());
        out.push(b' ');
        out.extend_from_slice(reason_phrase(self.status).as_bytes());
        out.extend_from_slice(b"\r\n");
        if let Some(content_type) = self.content_type {
            write_header(out, "Content-Type", content_type);
        }
        // RFC 9110 section 8.6: no Content-Length with 1xx and 204.
        let bodiless = matches!(self.status, 100..=199 | 204 | 304);
        if !bodiless {
            write_header(out, "Content-Length", digits.format(self.body.len()));
        }
        for (name, value) in &self.headers {
            write_header(out, name, value);
        }
        write_header(out, "Connection", if keep_alive { "keep-alive" } else { "close" });
        out.extend_from_slice(b"\r\n");
        if !head_only && !bodiless {
            out.extend_from_slice(&self.body);
        }
    }
}

impl From<HttpError> for Response {
    fn from(error: HttpError) -> Self {
        problem(error.status(), reason_phrase(error.status()), &error.to_string())
    }
}

/// An `application/problem+json` answer of type `about:blank`; an empty `detail` is left out.
pub fn problem(status: u16, title: &str, detail: &str) -> Response {
    let mut body = serde_json::json!({ "type": "about:blank", "title": title, "status": status });
    if !detail.is_empty() {
        body["detail"] = detail.into();
    }
    let body = Cow::Owned(body.to_string().into_bytes());
    Response { content_type: Some("application/problem+json"), body, ..Response::empty(status) }
}

/// The reason phrase of a status (RFC 9110 section 15, RFC 6585); "Unknown" for one we never send.
pub const fn reason_phrase(status: u16) -> &'static str {
    match status {
        101 => "Switching Protocols",
        200 => "OK",
        201 => "Created",
        202 => "Accepted",
        204 => "No Content",
        301 => "Moved Permanently",
        302 => "Found",
        304 => "Not Modified",
        307 => "Temporary Redirect",
        308 => "Permanent Redirect",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        406 => "Not Acceptable",
        408 => "Request Timeout",
        409 => "Conflict",
        410 => "Gone",
        411 => "Length Required",
        412 => "Precondition Failed",
        413 => "Content Too Large",
        414 => "URI Too Long",
        415 => "Unsupported Media Type",
        417 => "Expectation Failed",
        422 => "Unprocessable Content",
        426 => "Upgrade Required",
        429 => "Too Many Requests",
        431 => "Request Header Fields Too Large",
        500 => "Internal Server Error",
        501 => "Not Implemented",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        505 => "HTTP Version Not Supported",
        507 => "Insufficient Storage",
        _ => "Unknown",
    }
}

pub(crate) fn write_header(out: &mut Vec<u8>, name: &str, value: &str) {
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b": ");
    out.extend_from_slice(value.as_bytes());
    out.extend_from_slice(b"\r\n");
}
