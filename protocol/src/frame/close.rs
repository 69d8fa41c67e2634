//! Close codes (RFC 6455 section 7.4 and the IANA registry) and the close frame's body.
//!
//! It must not know who closes or why: a `Violation` carries code and text to whoever closes.

use std::fmt;

/// A close code that may stand in a close frame.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CloseCode(u16);

impl CloseCode {
    /// 1000: done.
    pub const NORMAL: Self = Self(1000);
    /// 1001: the endpoint goes away.
    pub const GOING_AWAY: Self = Self(1001);
    /// 1002: the peer broke RFC 6455.
    pub const PROTOCOL_ERROR: Self = Self(1002);
    /// 1003: a kind of data that is not accepted here.
    pub const UNSUPPORTED_DATA: Self = Self(1003);
    /// 1007: text that is not UTF-8.
    pub const INVALID_PAYLOAD: Self = Self(1007);
    /// 1008: against our policy.
    pub const POLICY_VIOLATION: Self = Self(1008);
    /// 1009: the message is too big.
    pub const MESSAGE_TOO_BIG: Self = Self(1009);
    /// 1010: the client needs an extension.
    pub const MANDATORY_EXTENSION: Self = Self(1010);
    /// 1011: we failed.
    pub const INTERNAL_ERROR: Self = Self(1011);
    /// 1012: the service restarts.
    pub const SERVICE_RESTART: Self = Self(1012);
    /// 1013: try again later.
    pub const TRY_AGAIN_LATER: Self = Self(1013);
    /// 1014: a gateway got a bad answer.
    pub const BAD_GATEWAY: Self = Self(1014);

    /// The code, if an endpoint may send it: 1000-1003, 1007-1014 and 3000-4999. 1004, 1005, 1006 and
    /// 1015 are reserved and never on the wire.
    pub const fn new(code: u16) -> Option<Self> {
        match code {
            1000..=1003 | 1007..=1014 | 3000..=4999 => Some(Self(code)),
            _ => None,
        }
    }

    /// The number.
    pub const fn get(self) -> u16 {
        self.0
    }
}

impl fmt::Debug for CloseCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CloseCode({})", self.0)
    }
}

impl fmt::Display for CloseCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The body of a close frame that has one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CloseFrame<'a> {
    /// Why.
    pub code: CloseCode,
    /// For people, up to 123 bytes.
    pub reason: &'a str,
}

/// The peer broke a rule: close the connection with this code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{code}: {reason}")]
pub struct Violation {
    /// The close code to send.
    pub code: CloseCode,
    /// The reason to send with it.
    pub reason: &'static str,
}

/// Reads a close frame's unmasked body: empty, or a code and a reason (section 5.5.1).
pub(super) fn parse_body(body: &[u8]) -> Result<Option<CloseFrame<'_>>, Violation> {
    let refuse = |code, reason| Err(Violation { code, reason });
    let Some((code, reason)) = body.split_first_chunk::<2>() else {
        return match body {
            [] => Ok(None),
            _ => refuse(CloseCode::PROTOCOL_ERROR, "close frame of one byte"),
        };
    };
    let Some(code) = CloseCode::new(u16::from_be_bytes(*code)) else {
        return refuse(CloseCode::PROTOCOL_ERROR, "close code that must not be sent");
    };
    match simdutf8::basic::from_utf8(reason) {
        Ok(reason) => Ok(Some(CloseFrame { code, reason })),
        Err(_) => refuse(CloseCode::INVALID_PAYLOAD, "close reason is not UTF-8"),
    }
}
