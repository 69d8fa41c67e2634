//! What the asker is told when its command succeeded.

use super::{
    AgentId, AgentStatus, AgentView, AvailableAgent, Conversation, ConversationId, ConversationQuery, ConversationView,
    CustomerAnswer, KeyAnswer, Line, Message, NewToken, Party, Sent, Seq, Timestamp, Window,
};

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
    /// Part of a history with everybody's names, ascending by seq.
    Transcript {
        /// Of which conversation.
        conversation: ConversationId,
        /// The customer's side.
        customer: Party,
        /// The messages.
        lines: Vec<Line>,
        /// What to ask for to go on, if there is more.
        next: Option<Window>,
    },
    /// A page of conversations, newest first.
    Conversations {
        /// The page.
        conversations: Vec<ConversationView>,
        /// What to ask for to go on, if there is more.
        next: Option<Box<ConversationQuery>>,
    },
    /// A conversation.
    Shown(Box<ConversationView>),
    /// The agent has the conversation.
    Accepted(ConversationId),
    /// The connection hears the conversation's messages from now on.
    Watched(ConversationId),
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
    /// An agent has this status in effect.
    AgentStatus {
        /// Which agent.
        agent: AgentId,
        /// Which status.
        status: AgentStatus,
        /// Since when.
        at: Timestamp,
    },
    /// A message as it is now.
    Message(Box<Message>),
    /// Agents to choose from.
    Available(Vec<AvailableAgent>),
    /// Who the asker is.
    Bearer(Party),
    /// An agent has a token.
    AgentToken(Box<NewToken>),
    /// About customers.
    Customers(Box<CustomerAnswer>),
    /// About a key.
    Key(Box<KeyAnswer>),
}
