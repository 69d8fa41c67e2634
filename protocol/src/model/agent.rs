//! Agents: the directory's record, what may be asked of it, and what is shown.

use super::{AgentCode, AgentId, Group};

/// Whether the desk assigns to an agent or the agent picks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Accept {
    /// The desk assigns (push).
    Auto,
    /// The agent picks (pull).
    Manual,
}

/// An agent's status. Offline is also what an agent without a logged-in connection is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AgentStatus {
    /// Takes conversations.
    Online,
    /// Connected, takes no new ones.
    Busy,
    /// Connected, not at the desk; takes no new ones.
    Away,
    /// Takes none.
    Offline,
}

/// The directory's record of an agent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AgentProfile {
    /// The integer id.
    pub id: AgentId,
    /// The unique code; unless given, the id in decimal.
    pub code: AgentCode,
    /// The name shown to customers.
    pub name: String,
    /// A URL of a picture, if any.
    pub avatar: Option<String>,
    /// At most this many conversations at once.
    pub max_concurrent: u32,
    /// The groups it serves; never empty.
    pub groups: Vec<Group>,
    /// Free words; kept and shown.
    pub skills: Vec<String>,
    /// Push or pull; `None` follows the dialect it came online through.
    pub accept: Option<Accept>,
    /// The status it set itself (or an admin set); `None` follows its connections.
    pub status: Option<AgentStatus>,
}

/// What an admin, or the claims of an agent's first token, say about an agent. Absent fields take the
/// defaults of the config.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AgentDraft {
    /// The id; minted by the desk if absent.
    pub id: Option<AgentId>,
    /// The code; the id in decimal if absent.
    pub code: Option<AgentCode>,
    /// See [`AgentChange`] for the rest.
    pub rest: AgentChange,
    /// It may have been made before by this same request: an agent that is as this says counts as made.
    pub again: bool,
}

/// The fields of an agent that may change; `None` leaves one as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AgentChange {
    /// The name shown to customers.
    pub name: Option<String>,
    /// A URL of a picture; `Some(None)` removes it.
    pub avatar: Option<Option<String>>,
    /// At most this many conversations at once, from 0.
    pub max_concurrent: Option<u32>,
    /// The groups it serves; not empty.
    pub groups: Option<Vec<Group>>,
    /// Free words.
    pub skills: Option<Vec<String>>,
    /// Push or pull; `Some(None)` follows the dialect again.
    pub accept: Option<Option<Accept>>,
    /// A status; `Online` clears what was set and follows the connections again.
    pub status: Option<AgentStatus>,
}

/// An agent as `/api/v1/agents` shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AgentView {
    /// The record.
    pub profile: AgentProfile,
    /// The status in effect.
    pub status: AgentStatus,
    /// Push or pull in effect.
    pub accept: Accept,
    /// Conversations it has now.
    pub current_concurrent: u32,
}

/// An agent as a visitor may choose it (`GET /api/kefu/agents/available`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AvailableAgent {
    /// The integer id.
    pub id: AgentId,
    /// The name.
    pub name: String,
    /// A URL of a picture.
    pub avatar: Option<String>,
    /// Online, `auto`, and with room.
    pub available: bool,
}
