//! How a webchat connection begins and is kept: the token at the upgrade (guide 3, "WebSocket 端点"), heartbeats. Must
//! not know sockets or timers.

use crate::dialect::{Begins, CloseWith, Seat, Session};
use crate::model::Accept;

/// How connections begin.
pub const SESSION: Session = Session {
    path: "/ws/chat",
    begins: Begins::ByToken,
    seats: &[Seat::Customer, Seat::Agent],
    accept: Accept::Auto,
    statuses: false,
    login_failed: CloseWith { code: 4401, reason: "login failed" },
};

/// What customers' tokens begin with (guide 3, Q4); an agent's is a plain UUID.
pub const CUSTOMER_TOKEN_PREFIX: &str = "cust_";

/// The plain text heartbeat.
pub(super) const PING_TEXT: &[u8] = b"ping";
/// Its answer.
pub(super) const PONG_TEXT: &[u8] = b"pong";
/// The answer to `{"type":"ping"}`.
pub(super) const PONG_TYPED: &[u8] = br#"{"type":"pong"}"#;
