//! Request bodies, by length or chunked (RFC 9112 section 7.1), as they arrive.
//!
//! Bounded by `HTTP_BODY_MAX_BYTES`; chunk extensions and trailers are skipped within
//! `HTTP_HEAD_MAX_BYTES`. It must not know what a body means.

use super::{BodyFraming, HttpError};
use crate::model::limits::{HTTP_BODY_MAX_BYTES, HTTP_HEAD_MAX_BYTES};

/// Collects one body. Its buffer grows with what was received.
#[derive(Debug)]
pub struct BodyReader {
    body: Vec<u8>,
    state: State,
    /// Bytes of chunk extensions and trailers so far.
    skipped: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Length {
        remaining: usize,
    },
    /// In the hexadecimal size, with so many digits seen.
    Size {
        value: usize,
        digits: u8,
    },
    Extension {
        value: usize,
    },
    /// Behind the CR that ends the size line.
    SizeEnd {
        value: usize,
    },
    Data {
        remaining: usize,
    },
    DataCr,
    DataLf,
    /// In a trailer line that is empty so far, or not.
    Trailer {
        empty: bool,
    },
    TrailerLf {
        empty: bool,
    },
    Done,
}

/// Digits of a chunk size: leading zeros are no way to send endless bytes.
const SIZE_DIGITS_MAX: u8 = 16;

impl BodyReader {
    /// A reader for the body that follows a head.
    pub fn new(framing: BodyFraming) -> Self {
        let state = match framing {
            BodyFraming::None | BodyFraming::Length(0) => State::Done,
            BodyFraming::Length(remaining) => State::Length { remaining },
            BodyFraming::Chunked => State::Size { value: 0, digits: 0 },
        };
        Self { body: Vec::new(), state, skipped: 0 }
    }

    /// Takes bytes; returns how many belonged to the body (what follows is the next request).
    pub fn feed(&mut self, input: &[u8]) -> Result<usize, HttpError> {
        let mut used = 0;
        while used < input.len() && self.state != State::Done {
            used += match self.state {
                State::Length { remaining } | State::Data { remaining } => self.take(remaining, &input[used..])?,
                _ => {
                    self.state = self.next(input[used])?;
                    1
                }
            };
        }
        Ok(used)
    }

    /// The body is complete.
    pub fn is_done(&self) -> bool {
        self.state == State::Done
    }

    /// The bytes so far; all of them once it is done.
    pub fn into_bytes(self) -> Vec<u8> {
        self.body
    }

    fn take(&mut self, remaining: usize, input: &[u8]) -> Result<usize, HttpError> {
        let take = remaining.min(input.len());
        if self.body.len() + take > HTTP_BODY_MAX_BYTES {
            return Err(HttpError::BodyTooLarge);
        }
        self.body.extend_from_slice(&input[..take]);
        let left = remaining - take;
        self.state = match (self.state, left) {
            (State::Length { .. }, 0) => State::Done,
            (State::Length { .. }, left) => State::Length { remaining: left },
            (_, 0) => State::DataCr,
            (_, left) => State::Data { remaining: left },
        };
        Ok(take)
    }

    /// The state after one byte of a chunked body's framing.
    fn next(&mut self, byte: u8) -> Result<State, HttpError> {
        match (self.state, byte) {
            (State::Size { value, digits }, b'\r') if digits > 0 => Ok(State::SizeEnd { value }),
            (State::Size { value, digits }, b';' | b' ' | b'\t') if digits > 0 => Ok(State::Extension { value }),
            (State::Size { value, digits }, byte) if digits < SIZE_DIGITS_MAX => {
                let digit = char::from(byte).to_digit(16).ok_or(HttpError::Chunk)?;
                let value = value * 16 + digit as usize;
                if self.body.len() + value > HTTP_BODY_MAX_BYTES {
                    return Err(HttpError::BodyTooLarge);
                }
                Ok(State::Size { value, digits: digits + 1 })
            }
            (State::Extension { value }, b'\r') => Ok(State::SizeEnd { value }),
            (State::Extension { .. }, b'\n') => Err(HttpError::Chunk),
            (State::Extension { value }, _) => self.skip(State::Extension { value }),
            (State::SizeEnd { value: 0 }, b'\n') => Ok(State::Trailer { empty: true }),
            (State::SizeEnd { value }, b'\n') => Ok(State::Data { remaining: value }),
            (State::DataCr, b'\r') => Ok(State::DataLf),
            (State::DataLf, b'\n') => Ok(State::Size { value: 0, digits: 0 }),
            (State::Trailer { empty }, b'\r') => Ok(State::TrailerLf { empty }),
            (State::Trailer { .. }, b'\n') => Err(HttpError::Chunk),
            (State::Trailer { .. }, _) => self.skip(State::Trailer { empty: false }),
            (State::TrailerLf { empty: true }, b'\n') => Ok(State::Done),
            (State::TrailerLf { empty: false }, b'\n') => self.skip(State::Trailer { empty: true }),
            (
                State::Size { .. } | State::SizeEnd { .. } | State::DataCr | State::DataLf | State::TrailerLf { .. },
                _,
            ) => Err(HttpError::Chunk),
            (State::Length { .. } | State::Data { .. } | State::Done, _) => {
                unreachable!("payload bytes do not come one at a time")
            }
        }
    }

    fn skip(&mut self, state: State) -> Result<State, HttpError> {
        self.skipped += 1;
        if self.skipped > HTTP_HEAD_MAX_BYTES {
            return Err(HttpError::HeadTooLarge);
        }
        Ok(state)
    }
}
