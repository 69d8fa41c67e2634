//! How a multichannel connection begins and is kept: the upgrade names the agent, heartbeats (guide 4,
//! `x-websocket`; dialects.md, shared rules). Must not know sockets or timers.

use crate::dialect::{Begins, CloseWith, Seat, Session};
use crate::model::Accept;

/// How connections begin. There is no login by message that could fail.
pub const SESSION: Session = Session {
    path: "/ws/cs/{csId}",
    begins: Begins::ByPath,
    seats: &[Seat::Agent],
    accept: Accept::Manual,
    statuses: false,
    login_failed: CloseWith { code: 4401, reason: "login failed" },
};

/// The plain text heartbeat.
pub(super) const PING_TEXT: &[u8] = b"ping";
/// Its answer.
pub(super) const PONG_TEXT: &[u8] = b"pong";
/// The JSON heartbeat as programs write it; with blanks it is left to the parser, and answered the same.
pub(super) const PING_TYPED: &[u8] = br#"{"type":"ping"}"#;
/// Its answer.
pub(super) const PONG_TYPED: &[u8] = br#"{"type":"pong"}"#;
