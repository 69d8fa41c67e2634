//! Who gets what: placing a conversation, filling a free slot, releasing.

use switchboard_protocol::model::{AgentId, ConversationId, Timestamp};

use super::queue::{GroupIndex, WaitKey};
use super::{At, Decision, Desk, Place, Waiting, Why};

impl Desk {
    /// Places a new conversation: with an agent at once, or in a queue. A named agent that is full or
    /// away is waited for until `named_until`, then anybody of the group may have it
    /// ([`Desk::named_grace_over`]).
    pub fn place(&mut self, now: Timestamp, waiting: &Waiting, named_until: Timestamp) -> Decision {
        if let Some(place) = self.places.get(&waiting.conversation) {
            // The desk was asked twice (a restart in between): say again what it decided.
            let agent = match place.at {
                At::Agent(agent) => Some(agent),
                At::Queue(_) | At::Named { .. } => None,
            };
            return Decision { conversation: waiting.conversation, agent, why: Why::FirstInLine };
        }
        let group = self.queues.group(&waiting.group);
        let key = self.queues.key(waiting.conversation, waiting.queued_at, waiting.returned);
        let named = waiting.named.filter(|agent| self.agents.contains_key(agent));
        self.figures.waiting += 1;
        match named {
            Some(agent) if named_until > now => self.wait_for(agent, group, key, named_until),
            Some(_) | None => self.wait_in(group, key),
        }
        let decided = match named {
            Some(agent) if self.agents[&agent].is_free() && self.agents[&agent].named.first() == Some(&key) => {
                Some((agent, Why::Named))
            }
            Some(_) if named_until > now => None,
            // The group's queue was empty or nobody is free: whoever is first in line gets the first free.
            Some(_) | None => match (self.queues.first_waiting(group), self.queues.first_free(group)) {
                (Some(first), Some(free)) if first == key => Some((free.agent, Why::Fewest(free.current))),
                (None | Some(_), None | Some(_)) => None,
            },
        };
        let decision = match decided {
            Some((agent, why)) => self.assign(now, waiting.conversation, agent, why),
            None => {
                let why = if named.is_some() { Why::NamedNotFree } else { Why::NobodyFree };
                Decision { conversation: waiting.conversation, agent: None, why }
            }
        };
        self.check(group);
        decision
    }

    /// Whether a conversation waits for an agent by name, and until when.
    pub fn waits_for_named(&self, conversation: ConversationId) -> Option<Timestamp> {
        match self.places.get(&conversation)?.at {
            At::Named { until, .. } => Some(until),
            At::Agent(_) | At::Queue(_) => None,
        }
    }

    /// A conversation is closed; the slot it had goes to the first in line.
    pub fn release(&mut self, now: Timestamp, conversation: ConversationId, decisions: &mut Vec<Decision>) {
        let Some(place) = self.places.remove(&conversation) else {
            return;
        };
        match place.at {
            At::Agent(agent) => {
                self.take_from(now, agent, conversation);
                self.fill(now, agent, decisions);
            }
            At::Queue(key) => {
                self.queues.leave(place.group, &key);
                self.figures.waiting -= 1;
            }
            At::Named { agent, key, .. } => {
                if let Some(agent) = self.agents.get_mut(&agent) {
                    agent.named.remove(&key);
                }
                self.figures.waiting -= 1;
            }
        }
        self.check(place.group);
    }

    /// The wait for a named agent is over: any agent of the group may have it, in its old place in line.
    pub fn named_grace_over(&mut self, now: Timestamp, conversation: ConversationId, decisions: &mut Vec<Decision>) {
        let Some(place) = self.places.get(&conversation).copied() else {
            return;
        };
        match place.at {
            At::Named { agent, key, until } if until <= now => {
                if let Some(agent) = self.agents.get_mut(&agent) {
                    agent.named.remove(&key);
                }
                self.wait_in(place.group, key);
                self.serve(now, place.group, decisions);
            }
            At::Named { .. } | At::Agent(_) | At::Queue(_) => {}
        }
    }

    /// Gives an agent what waits for it, as long as it is free.
    pub(super) fn fill(&mut self, now: Timestamp, agent: AgentId, decisions: &mut Vec<Decision>) {
        while let Some(key) = self.first_for(agent) {
            decisions.push(self.assign(now, key.conversation, agent, Why::FirstInLine));
        }
    }

    /// Gives what waits in a group to its free agents, until one of both is none.
    pub(super) fn serve(&mut self, now: Timestamp, group: GroupIndex, decisions: &mut Vec<Decision>) {
        while let (Some(key), Some(free)) = (self.queues.first_waiting(group), self.queues.first_free(group)) {
            decisions.push(self.assign(now, key.conversation, free.agent, Why::Fewest(free.current)));
        }
        self.check(group);
    }

    /// Takes a conversation off an agent.
    pub(super) fn take_from(&mut self, now: Timestamp, agent: AgentId, conversation: ConversationId) {
        let agent_state = self.agents.get_mut(&agent).expect("an agent with conversations is not deleted");
        agent_state.conversations.remove(&conversation);
        agent_state.idle_since = now;
        self.figures.assigned -= 1;
        self.reindex(agent);
    }

    /// Puts an agent in its right place among the free of its groups.
    pub(super) fn reindex(&mut self, agent: AgentId) {
        let Some(state) = self.agents.get_mut(&agent) else {
            return;
        };
        let new = state.load_key();
        let old = std::mem::replace(&mut state.key, new);
        if old != new {
            for group in &state.groups {
                self.queues.set_free(*group, old, new);
            }
        }
    }

    pub(super) fn wait_in(&mut self, group: GroupIndex, key: WaitKey) {
        self.queues.wait(group, key);
        self.places.insert(key.conversation, Place { group, queued_at: key.queued_at, at: At::Queue(key) });
    }

    fn wait_for(&mut self, agent: AgentId, group: GroupIndex, key: WaitKey, until: Timestamp) {
        self.agents.get_mut(&agent).expect("the caller has looked it up").named.insert(key);
        self.places
            .insert(key.conversation, Place { group, queued_at: key.queued_at, at: At::Named { agent, key, until } });
    }

    /// The first in line for a free agent: of those that wait for it by name and of its groups' queues.
    fn first_for(&self, agent: AgentId) -> Option<WaitKey> {
        let state = self.agents.get(&agent)?;
        if !state.is_free() {
            return None;
        }
        let queued = state.groups.iter().filter_map(|group| self.queues.first_waiting(*group));
        queued.chain(state.named.first().copied()).min()
    }

    /// Moves a waiting conversation to an agent that is free, or to one with room that picked it.
    pub(super) fn assign(
        &mut self,
        now: Timestamp,
        conversation: ConversationId,
        agent: AgentId,
        why: Why,
    ) -> Decision {
        let place = self.places.get_mut(&conversation).expect("what is assigned was waiting");
        let was = std::mem::replace(&mut place.at, At::Agent(agent));
        let group = place.group;
        match was {
            At::Queue(key) => self.queues.leave(group, &key),
            At::Named { agent: named, key, .. } => {
                if let Some(named) = self.agents.get_mut(&named) {
                    named.named.remove(&key);
                }
            }
            At::Agent(_) => self.figures.violations += 1,
        }
        let state = self.agents.get_mut(&agent).expect("only known agents are given conversations");
        let by_people = matches!(why, Why::Accepted | Why::Transferred);
        let fit = if by_people { state.has_room() } else { state.is_free() };
        if !fit {
            self.figures.violations += 1;
        }
        state.conversations.insert(conversation);
        state.idle_since = now;
        self.figures.waiting -= 1;
        self.figures.assigned += 1;
        self.figures.assignments += 1;
        self.reindex(agent);
        Decision { conversation, agent: Some(agent), why }
    }

    /// Counts a group that is not served as it must be (invariant 5).
    pub(super) fn check(&mut self, group: GroupIndex) {
        if !self.queues.is_conserving(group) {
            self.figures.violations += 1;
        }
    }
}
