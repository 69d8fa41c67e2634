//! How a kefu connection begins and is kept: the upgrade, login tries, heartbeats (guide 2, "连接要求" and
//! "WebSocket连接管理"). Must not know sockets or timers.
//!
//! The upgrade needs no token: a user or agent sends `login`, a visitor binds or just sends.

use crate::dialect::{Begins, CloseWith, Seat, Session};
use crate::model::Accept;

/// How connections begin.
pub const SESSION: Session = Session {
    path: "/ws",
    begins: Begins::ByMessage,
    seats: &[Seat::User, Seat::Visitor, Seat::Agent],
    accept: Accept::Auto,
    statuses: false,
    login_failed: CloseWith { code: 4401, reason: "login failed" },
};

/// The plain text heartbeat.
pub(super) const PING_TEXT: &[u8] = b"ping";
/// Its answer.
pub(super) const PONG_TEXT: &[u8] = b"pong";
/// The answer to `{"type":"ping"}`.
pub(super) const PONG_TYPED: &[u8] = br#"{"type":"pong"}"#;
