//! The desk: assigns conversations to agents. Pure; owned by one shard.
//!
//! Invariant 5 (fair desk): nobody beyond capacity, never two agents at once, FIFO in a queue, and
//! work-conserving: no free eligible agent while someone waits in its queue. Every slot that becomes
//! free is filled in the same call, never on a timer. `Figures::violations` counts breaches; it stays 0.

mod accept;
mod agents;
mod presence;
mod queue;
mod roster;
mod routing;
#[cfg(test)]
mod tests;
mod transfer;

use std::collections::{BTreeSet, HashMap};

use switchboard_protocol::model::{AgentCode, AgentId, ConversationId, Group, Timestamp};

use agents::Agent;
pub use presence::Defaults;
use queue::{Queues, WaitKey};
pub(crate) use roster::RosterChange;

/// The desk.
#[derive(Debug)]
pub struct Desk {
    defaults: Defaults,
    agents: HashMap<AgentId, Agent>,
    /// Every id that ever was an agent's here, deleted ones too.
    ids: BTreeSet<AgentId>,
    codes: HashMap<AgentCode, AgentId>,
    queues: Queues,
    places: HashMap<ConversationId, Place>,
    figures: Figures,
}

/// Where a conversation is, as the desk sees it.
#[derive(Clone, Copy, Debug)]
struct Place {
    group: queue::GroupIndex,
    /// Since when it waits, or waited when it was last assigned.
    queued_at: Timestamp,
    at: At,
}

#[derive(Clone, Copy, Debug)]
enum At {
    /// An agent has it.
    Agent(AgentId),
    /// It waits in its group's queue.
    Queue(WaitKey),
    /// It waits for the agent its visitor named, until then.
    Named { agent: AgentId, key: WaitKey, until: Timestamp },
}

/// A decision: who has a conversation from now on, and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decision {
    /// Which conversation.
    pub conversation: ConversationId,
    /// Who has it; `None`: it waits.
    pub agent: Option<AgentId>,
    /// Why.
    pub why: Why,
}

/// Why a decision was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// The visitor asked for this agent, and it has room.
    Named,
    /// Of the free agents it had the fewest conversations (this many), or won the tie.
    Fewest(u32),
    /// It has a free slot, and the conversation was first in line.
    FirstInLine,
    /// Nobody of the group has room.
    NobodyFree,
    /// The named agent is full or away.
    NamedNotFree,
    /// It picked the conversation.
    Accepted,
    /// The conversation was given to it.
    Transferred,
}

/// A conversation to place.
#[derive(Clone, Debug)]
pub struct Waiting {
    /// Which.
    pub conversation: ConversationId,
    /// Whose agents may have it.
    pub group: Group,
    /// The agent its visitor asked for.
    pub named: Option<AgentId>,
    /// Since when it waits.
    pub queued_at: Timestamp,
    /// It lost its agent: to the head of the queue.
    pub returned: bool,
}

/// Plain numbers about the desk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Figures {
    /// Conversations that wait.
    pub waiting: u64,
    /// Conversations with an agent.
    pub assigned: u64,
    /// Agents that are connected.
    pub agents_connected: u64,
    /// Assignments ever made.
    pub assignments: u64,
    /// Times an invariant of the desk was found broken. Always 0.
    pub violations: u64,
}

impl Desk {
    /// A desk without agents.
    pub fn new(defaults: Defaults) -> Self {
        Self {
            defaults,
            agents: HashMap::new(),
            ids: BTreeSet::new(),
            codes: HashMap::new(),
            queues: Queues::default(),
            places: HashMap::new(),
            figures: Figures::default(),
        }
    }

    /// Plain numbers about the desk.
    pub fn figures(&self) -> Figures {
        self.figures
    }

    /// How many conversations an agent has now, and of how many at most; `None` if it is not known.
    pub fn load(&self, agent: AgentId) -> Option<(u32, u32)> {
        self.agents.get(&agent).map(|agent| (agent.current(), agent.profile.max_concurrent))
    }
}
