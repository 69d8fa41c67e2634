//! Pull: an agent picks a waiting conversation instead of being given one, and what makes an agent one that picks.

use switchboard_protocol::model::{Accept, AgentId, AgentRef, AgentStatus, ConversationId, Refusal, Timestamp};

use super::{At, Decision, Desk, Why};

impl Desk {
    /// Gives a waiting conversation to the agent that picks it, wherever it stands in line. The agent must serve the
    /// conversation's group (or be the one it waits for by name) and have room; it need not be online: who picks is
    /// there. One that is offline has its grace from now; then says
    /// when that is over.
    pub fn accept(
        &mut self,
        now: Timestamp,
        conversation: ConversationId,
        name: &AgentRef,
    ) -> Result<(AgentId, Option<Timestamp>), Refusal> {
        let agent = self.find(name)?;
        let place = *self.places.get(&conversation).ok_or(Refusal::WrongState)?;
        let named = match place.at {
            At::Agent(_) => return Err(Refusal::WrongState),
            At::Queue(_) => false,
            At::Named { agent: named, .. } => named == agent,
        };
        let state = &self.agents[&agent];
        if !named && !state.groups.contains(&place.group) {
            return Err(Refusal::NotInGroup);
        }
        if !state.has_room() {
            return Err(Refusal::NoRoom);
        }
        self.assign(now, conversation, agent, Why::Accepted);
        self.check(place.group);
        let grace = self.defaults.grace_millis;
        let state = self.agents.get_mut(&agent).expect("just found");
        if state.status() != AgentStatus::Offline {
            return Ok((agent, None));
        }
        state.gone_since = Some(now);
        Ok((agent, Some(now.plus_millis(grace))))
    }

    /// What an agent's connections make it, for the moment it comes online; a change while it is online is
    /// [`Desk::agent_accepts`].
    pub fn set_accept(&mut self, agent: AgentId, accept: Accept) {
        if let Some(state) = self.agents.get_mut(&agent) {
            state.picks = accept == Accept::Manual;
        }
    }

    /// What an agent's connections make it has changed: one that is assigned to from now on gets what waits at once.
    pub fn agent_accepts(&mut self, now: Timestamp, agent: AgentId, accept: Accept, decisions: &mut Vec<Decision>) {
        self.set_accept(agent, accept);
        self.status_changed(now, agent, decisions);
    }
}
