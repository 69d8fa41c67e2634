//! Why a command did not succeed: who is to blame, and what follows. Each dialect has one table from
//! refusal to its own answer.

use super::{CustomerId, Seq};

/// What was not found or is not allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Noun {
    /// A conversation.
    Conversation,
    /// An agent.
    Agent,
    /// A message.
    Message,
    /// A customer.
    Customer,
}

/// Why not.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The asker: it names nothing of its own. What exists for others is not told apart from what does not.
    #[error("{0:?} not found or no permission")]
    NotFound(Noun),
    /// The asker: its role may not do this.
    #[error("not allowed for this role")]
    Forbidden,
    /// The asker: it must log in first.
    #[error("login required")]
    LoginRequired,
    /// The asker: this connection is already somebody else's.
    #[error("this connection belongs to another party")]
    OtherParty,
    /// The asker: the conversation takes no more messages.
    #[error("the conversation has ended")]
    Ended,
    /// The asker: what it wants is not possible in the conversation's state.
    #[error("the conversation is in another state")]
    WrongState,
    /// The asker: the agent does not serve the conversation's group.
    #[error("the agent is not of the conversation's group")]
    NotInGroup,
    /// The asker: the agent is not there, and cannot be given a conversation.
    #[error("the agent is offline")]
    AgentOffline,
    /// The asker: the time in which the message could be edited or recalled is over.
    #[error("too late")]
    TooLate,
    /// The asker: the message was recalled, and there is nothing left to edit.
    #[error("the message was recalled")]
    Recalled,
    /// The asker: the agent has as many conversations as it may.
    #[error("the agent has no room")]
    NoRoom,
    /// The asker: a conversation with a visitor takes text only.
    #[error("only text messages")]
    TextOnly,
    /// The asker: the agent's id or code is taken.
    #[error("{0} is taken")]
    Taken(&'static str),
    /// The asker: another customer is known by this identity.
    #[error("{field} is taken by {by}")]
    TakenBy {
        /// Which field.
        field: &'static str,
        /// By whom.
        by: CustomerId,
    },
    /// The asker: what it changes has been changed since it looked.
    #[error("changed meanwhile")]
    Stale,
    /// The asker: the agent still has conversations.
    #[error("the agent has conversations")]
    AgentHasConversations,
    /// The asker: its seq is beyond the newest; what it has is not from this conversation's present history.
    #[error("gap: the newest seq is {}", newest.get())]
    Gap {
        /// The newest seq there is.
        newest: Seq,
    },
    /// The asker: what it named as `Idempotency-Key` is none.
    #[error("malformed key")]
    KeyMalformed,
    /// The asker: it has used the key for another request.
    #[error("the key was used for another request")]
    KeyReused,
    /// Nobody: the first request under this key is still being carried out.
    #[error("the first request under this key is in progress")]
    KeyInProgress,
    /// Nobody: a bound was reached (which one); the asker may retry after a moment.
    #[error("busy: {0}")]
    Busy(&'static str),
}
