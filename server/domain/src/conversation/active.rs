//! `active`: an agent has it.

use switchboard_protocol::model::{Conversation, Group, Message, Side, State, Timestamp};

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

/// Any open state `-> pending`, in the queue of a group, at its end: it was given away.
pub(crate) fn requeue(header: &mut Conversation, group: Group, queued_at: Timestamp, now: Timestamp) {
    header.agent = None;
    header.state = State::Pending;
    header.returned = false;
    header.group = group;
    // Later than it was opened, by any clock: that is how a restart knows that it was given away.
    header.queued_at = queued_at.max(header.created_at.plus_millis(1));
    header.updated_at = now;
}

/// A message says nothing any more: if nobody has marked it read it does not count as unread either.
pub(crate) fn recall(header: &mut Conversation, message: &Message, now: Timestamp) {
    if message.read_at.is_none() {
        let unread = match message.sender.side {
            Side::Customer => &mut header.agent_unread,
            Side::Agent => &mut header.customer_unread,
        };
        *unread = unread.saturating_sub(1);
    }
    header.updated_at = now;
}
