//! `pending`: it waits for an agent. Messages are taken and stored meanwhile.

use switchboard_protocol::model::{AgentId, Conversation, Seq, State, Timestamp};

use super::Opening;

/// A conversation begins by waiting; the desk may end that in the same turn.
pub(crate) fn open(opening: Opening, now: Timestamp) -> Conversation {
    Conversation {
        id: opening.id,
        customer: opening.customer,
        channel: opening.channel,
        customer_number: opening.customer_number,
        named: opening.named,
        agent: None,
        group: opening.group,
        state: State::Pending,
        last_seq: Seq::ZERO,
        last_message_at: None,
        customer_unread: 0,
        agent_unread: 0,
        created_at: now,
        updated_at: now,
        queued_at: now,
        returned: false,
    }
}

/// `pending -> active`, or from one agent to another.
pub(crate) fn assign(header: &mut Conversation, agent: AgentId, now: Timestamp) {
    header.agent = Some(agent);
    header.state = State::Active;
    header.returned = false;
    header.updated_at = now;
}
