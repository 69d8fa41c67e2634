//! HTTP/1.1 (RFC 9110, RFC 9112) as values: bytes to requests, responses to bytes.
//!
//! The way in: `parse_request` reads a head, `BodyReader` its body, `Response::write_to` answers.
//! Nothing here knows a socket, a clock or a route; `httparse` reads the grammar, the rules against
//! request smuggling are ours.

mod body;
mod error;
mod query;
mod request;
mod response;
#[cfg(test)]
mod tests;

pub use body::BodyReader;
pub use error::HttpError;
pub use query::{Query, percent_decode, percent_encode};
pub use request::{BodyFraming, HeadScan, Method, Request, parse_request};
pub use response::{CONTINUE, Response, problem, reason_phrase};
