//! Every timer of the core, as one enum. A timer that comes when its reason is gone does nothing.

use switchboard_protocol::model::{AgentId, ConversationId};

/// What a timer is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Timer {
    /// An agent that has conversations is gone; when this comes it loses them, unless it came back.
    AgentGrace(AgentId),
    /// A conversation waits for the agent its visitor named; when this comes any agent of its group may have it.
    NamedGrace(ConversationId),
    /// It is time to look for tokens that have expired.
    TokenSweep,
    /// It is time to look for answers that are kept no longer.
    AnswerSweep,
    /// It is time to look for those who wait too long for a write.
    Overdue,
}
