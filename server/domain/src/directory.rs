//! Every shard's copy of the agents' directory; the desk owns the original and writes to all.

use std::collections::HashMap;
use std::sync::Arc;

use switchboard_protocol::model::{AgentCode, AgentId, AgentProfile, AgentRef, Group};

/// What a shard knows of the agents.
#[derive(Debug, Default)]
pub(crate) struct Directory {
    /// `None` for a deleted agent.
    agents: HashMap<AgentId, Option<Arc<AgentProfile>>>,
    codes: HashMap<AgentCode, AgentId>,
}

impl Directory {
    /// Learns of an agent, or of its change.
    pub(crate) fn learn(&mut self, profile: Arc<AgentProfile>) {
        self.forget_code(profile.id);
        self.codes.insert(profile.code.clone(), profile.id);
        self.agents.insert(profile.id, Some(profile));
    }

    /// Learns that an agent was deleted.
    pub(crate) fn delete(&mut self, agent: AgentId) {
        self.forget_code(agent);
        self.agents.insert(agent, None);
    }

    /// Whether an agent was deleted: its token opens nothing until an admin makes it anew.
    pub(crate) fn is_deleted(&self, agent: AgentId) -> bool {
        matches!(self.agents.get(&agent), Some(None))
    }

    /// The agent that a peer means.
    pub(crate) fn find(&self, name: &AgentRef) -> Option<&Arc<AgentProfile>> {
        let id = match name {
            AgentRef::Id(id) => id,
            AgentRef::Code(code) => match self.codes.get(code) {
                Some(id) => id,
                None => &decimal(code)?,
            },
        };
        self.agents.get(id)?.as_ref()
    }

    /// Whether an agent serves a group.
    pub(crate) fn serves(&self, agent: AgentId, group: &Group) -> bool {
        self.find(&AgentRef::Id(agent)).is_some_and(|profile| profile.groups.contains(group))
    }

    /// The code of an agent that is known.
    pub(crate) fn code(&self, agent: AgentId) -> Option<AgentCode> {
        self.find(&AgentRef::Id(agent)).map(|profile| profile.code.clone())
    }

    fn forget_code(&mut self, agent: AgentId) {
        if let Some(Some(old)) = self.agents.get(&agent) {
            self.codes.remove(&old.code);
        }
    }
}

/// The id that a code is in decimal: an agent with another code is found by its id too.
pub(crate) fn decimal(code: &AgentCode) -> Option<AgentId> {
    code.as_str().parse().ok().and_then(|id| AgentId::new(id).ok())
}
