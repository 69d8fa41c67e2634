//! A conversation as it is stored and shown: its header, without its messages.

use super::{AgentId, Channel, ConversationId, CustomerNumber, Group, Party, Seq, Timestamp};

/// Where a conversation stands: `robot -> pending -> active -> closed`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum State {
    /// A robot answers.
    Robot,
    /// Waits for an agent.
    Pending,
    /// An agent has it.
    Active,
    /// Ended; takes no more messages.
    Closed,
}

/// The header of a conversation (会话).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Conversation {
    /// Its id; names the owner shard too.
    pub id: ConversationId,
    /// The customer's side: a user, a visitor or a customer of a channel, never an agent.
    pub customer: Party,
    /// The channel of a customer of a channel; `None` for all others.
    pub channel: Option<Channel>,
    /// The integer shown for the customer.
    pub customer_number: CustomerNumber,
    /// The agent a visitor asked for by name, if it did; it stays what it was at reassignment.
    pub named: Option<AgentId>,
    /// The agent that has it now.
    pub agent: Option<AgentId>,
    /// The group whose agents may have it.
    pub group: Group,
    /// Where it stands.
    pub state: State,
    /// The seq of its newest message; `Seq::ZERO` while it has none.
    pub last_seq: Seq,
    /// When its newest message was accepted.
    pub last_message_at: Option<Timestamp>,
    /// Agent messages the customer has not read (kefu's `unread_count`).
    pub customer_unread: u32,
    /// Customer messages the agent has not read (kefu's `kefu_unread_count`).
    pub agent_unread: u32,
    /// When it was opened.
    pub created_at: Timestamp,
    /// When anything of this header last changed.
    pub updated_at: Timestamp,
    /// Since when it waits, or waited when it was last assigned: its place in the queue.
    pub queued_at: Timestamp,
    /// It lost its agent and goes to the head of the queue.
    pub returned: bool,
}

impl Conversation {
    /// Whether messages may still be sent into it.
    pub const fn is_open(&self) -> bool {
        !matches!(self.state, State::Closed)
    }
}
