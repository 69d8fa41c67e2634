//! What can be wrong with a request, and the status that says so.
//!
//! It must not know routes: what a handler refuses is the handler's business.

use crate::model::limits::{HTTP_BODY_MAX_BYTES, HTTP_HEAD_MAX_BYTES, HTTP_HEADERS_MAX};

/// A request refused before any handler saw it. The connection closes after the answer: where the next
/// request would begin is unknown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HttpError {
    /// The request line is not `METHOD target HTTP/1.1`.
    #[error("malformed request line")]
    RequestLine,
    /// The target is neither a path nor an absolute http URL.
    #[error("the request target must be a path or an absolute http URL")]
    Target,
    /// A header is malformed: a space before the colon, a folded line, a forbidden byte.
    #[error("malformed header")]
    Header,
    /// A line ends without CR.
    #[error("lines of the head must end with CR LF")]
    BareLineFeed,
    /// `%` without two hexadecimal digits, or what they say is not UTF-8.
    #[error("malformed percent-encoding")]
    PercentEncoding,
    /// HTTP/1.1 without `Host`.
    #[error("the Host header is missing")]
    HostMissing,
    /// More than one `Host`.
    #[error("more than one Host header")]
    HostRepeated,
    /// `Content-Length` is no decimal number.
    #[error("malformed Content-Length")]
    ContentLength,
    /// More than one `Content-Length`, equal or not.
    #[error("more than one Content-Length")]
    ContentLengthRepeated,
    /// `Content-Length` beside `Transfer-Encoding`.
    #[error("Content-Length together with Transfer-Encoding")]
    LengthAndEncoding,
    /// `Transfer-Encoding` in HTTP/1.0, which has none.
    #[error("Transfer-Encoding in HTTP/1.0")]
    EncodingInHttp10,
    /// A chunk's size or border is malformed.
    #[error("malformed chunked body")]
    Chunk,
    /// Body above `HTTP_BODY_MAX_BYTES`.
    #[error("the body is larger than {HTTP_BODY_MAX_BYTES} bytes")]
    BodyTooLarge,
    /// Head, or chunk extensions and trailers, above `HTTP_HEAD_MAX_BYTES`.
    #[error("the head is larger than {HTTP_HEAD_MAX_BYTES} bytes")]
    HeadTooLarge,
    /// More than `HTTP_HEADERS_MAX` headers.
    #[error("more than {HTTP_HEADERS_MAX} headers")]
    TooManyHeaders,
    /// A method that no route has.
    #[error("unknown method")]
    Method,
    /// A transfer coding other than `chunked`.
    #[error("the only Transfer-Encoding understood is chunked")]
    TransferEncoding,
    /// Neither HTTP/1.0 nor HTTP/1.1.
    #[error("only HTTP/1.0 and HTTP/1.1 are spoken here")]
    Version,
}

impl HttpError {
    /// The status of the answer.
    pub const fn status(self) -> u16 {
        match self {
            Self::RequestLine
            | Self::Target
            | Self::Header
            | Self::BareLineFeed
            | Self::PercentEncoding
            | Self::HostMissing
            | Self::HostRepeated
            | Self::ContentLength
            | Self::ContentLengthRepeated
            | Self::LengthAndEncoding
            | Self::EncodingInHttp10
            | Self::Chunk => 400,
            Self::BodyTooLarge => 413,
            Self::HeadTooLarge | Self::TooManyHeaders => 431,
            Self::Method | Self::TransferEncoding => 501,
            Self::Version => 505,
        }
    }
}
