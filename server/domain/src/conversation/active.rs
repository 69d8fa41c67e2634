//! `active`: an agent has it.

use switchboard_protocol::model::{Conversation, Side, State, Timestamp};

/// `active -> pending`: its agent is gone and nobody else has room. It goes to the head of the queue.
pub(crate) fn unassign(header: &mut Conversation, now: Timestamp) {
    header.agent = None;
    header.state = State::Pending;
    header.returned = true;
    header.updated_at = now;
}

/// The reader of messages written by `of` has none left unread, even if it named only some of them
/// (dialects.md, kefu, "Read").
pub(crate) fn mark_read(header: &mut Conversation, of: Side, now: Timestamp) {
    match of {
        Side::Customer => header.agent_unread = 0,
        Side::Agent => header.customer_unread = 0,
    }
    header.updated_at = now;
}
