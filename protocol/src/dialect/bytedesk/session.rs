//! How a bytedesk connection begins and is kept: the token at the upgrade, heartbeats (guide 1, section 2.1). Must not
//! know sockets or timers.
//!
//! kefu lives at the same path; an upgrade with a `token` in its query is bytedesk's (dialects.md).

use crate::dialect::{Begins, CloseWith, Seat, Session};
use crate::model::Accept;

/// How connections begin.
pub const SESSION: Session = Session {
    path: "/ws",
    begins: Begins::ByToken,
    seats: &[Seat::User, Seat::Agent],
    accept: Accept::Auto,
    statuses: true,
    login_failed: CloseWith { code: 4401, reason: "login failed" },
};

/// The plain text heartbeat.
pub(super) const PING_TEXT: &[u8] = b"ping";
/// Its answer.
pub(super) const PONG_TEXT: &[u8] = b"pong";
/// The guide's heartbeat as programs write it; with blanks it is left to the parser, and answered the same.
pub(super) const PING_TYPED: &[u8] = br#"{"type":"ping"}"#;
/// Its answer.
pub(super) const PONG_TYPED: &[u8] = br#"{"type":"pong"}"#;
