//! `closed`: the end. The header keeps its agent, whose history it remains.

use switchboard_protocol::model::{Conversation, State, Timestamp};

/// Any state `-> closed`.
pub(crate) fn close(header: &mut Conversation, now: Timestamp) {
    header.state = State::Closed;
    header.updated_at = now;
}
