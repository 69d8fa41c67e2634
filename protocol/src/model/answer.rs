//! What the asker is told when its command succeeded.

use super::{AgentView, AvailableAgent, Conversation, ConversationId, Message, Sent, Seq};

/// The success of a command; its variants mirror [`super::Command`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// The open conversation.
    Conversation(Box<Conversation>),
    /// Part of a history, ascending by seq.
    History(Vec<Message>),
    /// What a resuming peer missed.
    Synced {
        /// Ascending by seq, from the first missed one.
        messages: Vec<Message>,
        /// What to ask after next time.
        next_seq: Seq,
        /// Nothing newer is stored.
        complete: bool,
    },
    /// A message is stored, now or at an earlier try.
    Sent(Sent),
    /// Messages are marked.
    Read {
        /// How many were not marked before.
        changed: u32,
    },
    /// The conversation is ended, now or earlier.
    Ended(ConversationId),
    /// The other side was told.
    Typing,
    /// An agent.
    Agent(Box<AgentView>),
    /// A page of agents.
    Agents {
        /// By ascending id.
        agents: Vec<AgentView>,
        /// Whether more follow.
        more: bool,
    },
    /// An agent is gone.
    AgentDeleted,
    /// Agents to choose from.
    Available(Vec<AvailableAgent>),
}
