//! The agents' directory: made, shown, changed, deleted; and rebuilt at start.

use smallvec::SmallVec;
use switchboard_protocol::model::{
    AgentChange, AgentCode, AgentDraft, AgentId, AgentProfile, AgentRef, AgentStatus, AgentView, AvailableAgent,
    Conversation, ConversationId, Noun, Refusal, Timestamp, limits,
};

use super::agents::Agent;
use super::queue::GroupIndex;
use super::{At, Decision, Desk, Place, Waiting};
use crate::directory::decimal;

/// What a change of an agent led to.
#[derive(Debug)]
pub(crate) struct RosterChange {
    /// The agent as it is now.
    pub(crate) view: AgentView,
    /// What the desk decided because of it.
    pub(crate) decisions: Vec<Decision>,
    /// When its grace is over, if it became offline with conversations.
    pub(crate) grace: Option<Timestamp>,
}

impl Desk {
    /// Learns an agent from storage; `None` for a deleted one.
    pub fn restore_agent(&mut self, now: Timestamp, id: AgentId, profile: Option<AgentProfile>) {
        self.ids.insert(id);
        if let Some(profile) = profile {
            self.insert(profile);
            let agent = self.agents.get_mut(&id).expect("just inserted");
            agent.gone_since = Some(now);
        }
    }

    /// Learns an open conversation from storage. Agents come first. Conversations are to come in the
    /// order of `(queued_at, id)`.
    pub fn restore_conversation(&mut self, now: Timestamp, header: &Conversation) {
        let group = self.queues.group(&header.group);
        if let Some(agent) = header.agent.filter(|agent| self.agents.contains_key(agent)) {
            let state = self.agents.get_mut(&agent).expect("just looked up");
            state.conversations.insert(header.id);
            self.places.insert(header.id, Place { group, queued_at: header.queued_at, at: At::Agent(agent) });
            self.figures.assigned += 1;
            return;
        }
        let waiting = Waiting {
            conversation: header.id,
            group: header.group.clone(),
            // Once it was given to a group it does not wait for the agent its visitor named.
            named: header.named.filter(|_| header.queued_at == header.created_at),
            queued_at: header.queued_at,
            // An agent that is not known any more has lost it.
            returned: header.returned || header.agent.is_some(),
        };
        let until = self.named_until(&waiting);
        self.place(now, &waiting, until);
    }

    /// Until when a conversation waits for the agent its visitor named.
    pub fn named_until(&self, waiting: &Waiting) -> Timestamp {
        waiting.queued_at.plus_millis(self.defaults.grace_millis)
    }

    /// When the grace of an agent is over that was restored with conversations and did not come back.
    pub fn restored_graces(&self) -> impl Iterator<Item = (AgentId, Timestamp)> + '_ {
        self.agents.values().filter(|agent| !agent.conversations.is_empty()).filter_map(|agent| {
            let since = agent.gone_since?;
            Some((agent.profile.id, since.plus_millis(self.defaults.grace_millis)))
        })
    }

    /// Conversations that wait for an agent by name, and until when.
    pub fn restored_named(&self) -> impl Iterator<Item = (ConversationId, Timestamp)> + '_ {
        self.places.iter().filter_map(|(conversation, place)| match place.at {
            At::Named { until, .. } => Some((*conversation, until)),
            At::Agent(_) | At::Queue(_) => None,
        })
    }

    /// Makes an agent; its id is minted if absent, its code is the id in decimal if absent.
    pub(crate) fn create(&mut self, draft: AgentDraft) -> Result<AgentView, Refusal> {
        if let Some(made) = self.made_before(&draft) {
            return Ok(made);
        }
        let id = match draft.id {
            Some(id) if self.agents.contains_key(&id) => return Err(Refusal::Taken("id")),
            Some(id) => id,
            None => self.mint_id()?,
        };
        let code = match draft.code {
            Some(code) => code,
            None => decimal_code(id),
        };
        if self.codes.contains_key(&code) {
            return Err(Refusal::Taken("cs_id"));
        }
        let mut profile = AgentProfile {
            id,
            code,
            name: format!("Agent {id}"),
            avatar: None,
            max_concurrent: self.defaults.max_concurrent,
            groups: self.defaults.groups.clone(),
            skills: Vec::new(),
            accept: None,
            status: None,
        };
        apply(&mut profile, draft.rest);
        self.ids.insert(id);
        self.insert(profile);
        Ok(self.agents[&id].view())
    }

    /// Changes an agent.
    pub(crate) fn change(
        &mut self,
        now: Timestamp,
        name: &AgentRef,
        change: AgentChange,
    ) -> Result<RosterChange, Refusal> {
        let id = self.find(name)?;
        let old_key = self.agents[&id].key;
        let mut profile = self.agents[&id].profile.clone();
        apply(&mut profile, change);
        let groups = self.group_indexes(&profile);
        let state = self.agents.get_mut(&id).expect("just found");
        let old_groups = std::mem::replace(&mut state.groups, groups);
        state.profile = profile;
        state.key = None;
        for group in old_groups {
            self.queues.set_free(group, old_key, None);
        }
        let mut decisions = Vec::new();
        let grace = self.status_changed(now, id, &mut decisions);
        Ok(RosterChange { view: self.agents[&id].view(), decisions, grace })
    }

    /// Deletes an agent that has no conversations. What waits for it by name may go to anybody.
    pub(crate) fn delete(
        &mut self,
        now: Timestamp,
        name: &AgentRef,
        decisions: &mut Vec<Decision>,
    ) -> Result<AgentId, Refusal> {
        let id = self.find(name)?;
        if !self.agents[&id].conversations.is_empty() {
            return Err(Refusal::AgentHasConversations);
        }
        let state = self.agents.remove(&id).expect("just found");
        self.codes.remove(&state.profile.code);
        for group in &state.groups {
            self.queues.set_free(*group, state.key, None);
        }
        if state.connected {
            self.figures.agents_connected -= 1;
        }
        for key in state.named {
            let group = self.places[&key.conversation].group;
            self.wait_in(group, key);
            self.serve(now, group, decisions);
        }
        Ok(id)
    }

    /// The agent that is as a draft says which may have made it.
    fn made_before(&self, draft: &AgentDraft) -> Option<AgentView> {
        let id = draft.id.or_else(|| self.codes.get(draft.code.as_ref()?).copied()).filter(|_| draft.again)?;
        let agent = self.agents.get(&id)?;
        let mut profile = agent.profile.clone();
        profile.code = draft.code.clone().unwrap_or(profile.code);
        apply(&mut profile, draft.rest.clone());
        (profile == agent.profile).then(|| agent.view())
    }

    /// The agent a peer means.
    pub(crate) fn show(&self, name: &AgentRef) -> Result<AgentView, Refusal> {
        let id = self.find(name)?;
        Ok(self.agents[&id].view())
    }

    /// A page of the agents by ascending id, and whether more follow.
    pub(crate) fn list(&self, after: Option<AgentId>, limit: u32) -> (Vec<AgentView>, bool) {
        let from = match after {
            Some(id) => std::ops::Bound::Excluded(id),
            None => std::ops::Bound::Unbounded,
        };
        let mut known = self.ids.range((from, std::ops::Bound::Unbounded)).filter_map(|id| self.agents.get(id));
        let page: Vec<_> = known.by_ref().take(limit as usize).map(Agent::view).collect();
        (page, known.next().is_some())
    }

    /// The agents a visitor may choose from, available ones first, then by id.
    pub(crate) fn available(&self) -> Vec<AvailableAgent> {
        let known = || self.ids.iter().filter_map(|id| self.agents.get(id));
        let free = known().filter(|agent| agent.is_free());
        let rest = known().filter(|agent| !agent.is_free());
        free.chain(rest).take(limits::AVAILABLE_AGENTS_MAX).map(Agent::available).collect()
    }

    /// Whether an agent is known (and not deleted).
    pub fn knows(&self, agent: AgentId) -> bool {
        self.agents.contains_key(&agent)
    }

    pub(super) fn find(&self, name: &AgentRef) -> Result<AgentId, Refusal> {
        let id = match name {
            AgentRef::Id(id) => Some(*id),
            AgentRef::Code(code) => self.codes.get(code).copied().or_else(|| decimal(code)),
        };
        id.filter(|id| self.agents.contains_key(id)).ok_or(Refusal::NotFound(Noun::Agent))
    }

    fn insert(&mut self, profile: AgentProfile) {
        let groups = self.group_indexes(&profile);
        self.codes.insert(profile.code.clone(), profile.id);
        self.agents.insert(profile.id, Agent::new(profile, groups));
    }

    fn group_indexes(&mut self, profile: &AgentProfile) -> SmallVec<[GroupIndex; 2]> {
        let mut groups: SmallVec<[GroupIndex; 2]> = SmallVec::new();
        for group in &profile.groups {
            let index = self.queues.group(group);
            if !groups.contains(&index) {
                groups.push(index);
            }
        }
        groups
    }

    fn mint_id(&self) -> Result<AgentId, Refusal> {
        let last = self.ids.last().map_or(0, |id| id.get());
        AgentId::new(last + 1).map_err(|_| Refusal::Busy("no agent id is left"))
    }
}

fn decimal_code(id: AgentId) -> AgentCode {
    AgentCode::new(&id.to_string()).expect("16 digits are a valid code")
}

fn apply(profile: &mut AgentProfile, change: AgentChange) {
    let AgentChange { name, avatar, max_concurrent, groups, skills, accept, status } = change;
    if let Some(name) = name {
        profile.name = name;
    }
    if let Some(avatar) = avatar {
        profile.avatar = avatar;
    }
    if let Some(max_concurrent) = max_concurrent {
        profile.max_concurrent = max_concurrent;
    }
    if let Some(groups) = groups {
        profile.groups = groups;
    }
    if let Some(skills) = skills {
        profile.skills = skills;
    }
    if let Some(accept) = accept {
        profile.accept = accept;
    }
    if let Some(status) = status {
        profile.status = (status != AgentStatus::Online).then_some(status);
    }
}
