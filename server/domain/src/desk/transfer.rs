//! A conversation is given away by people: to an agent that is there and has room, or to the end of a group's queue.
//! The slot it had is free, and filled, in the same call.

use switchboard_protocol::model::{AgentId, AgentRef, AgentStatus, ConversationId, Group, Refusal, Timestamp};

use super::{At, Decision, Desk, Place, Why};
use crate::Seen;

impl Desk {
    /// Gives a conversation to an agent, wherever it is now. The agent must not be offline and must have room; it may
    /// be busy, and of another group: who gives it knows why. Nothing happens if the agent has it already; else it must
    /// be where it was `seen`.
    pub fn transfer_to_agent(
        &mut self,
        now: Timestamp,
        conversation: ConversationId,
        name: &AgentRef,
        seen: Option<&Seen>,
        decisions: &mut Vec<Decision>,
    ) -> Result<AgentId, Refusal> {
        let agent = self.find(name)?;
        let place = *self.places.get(&conversation).ok_or(Refusal::Ended)?;
        let former = match place.at {
            At::Agent(has) if has == agent => return Ok(agent),
            At::Agent(has) => Some(has),
            At::Queue(_) | At::Named { .. } => None,
        };
        self.still(&place, seen)?;
        let state = &self.agents[&agent];
        if state.status() == AgentStatus::Offline {
            return Err(Refusal::AgentOffline);
        }
        if !state.has_room() {
            return Err(Refusal::NoRoom);
        }
        if let Some(former) = former {
            self.take_from(now, former, conversation);
            let key = self.queues.key(conversation, place.queued_at, true);
            self.figures.waiting += 1;
            self.wait_in(place.group, key);
        }
        self.assign(now, conversation, agent, Why::Transferred);
        if let Some(former) = former {
            self.fill(now, former, decisions);
        }
        self.check(place.group);
        Ok(agent)
    }

    /// Takes a conversation to the end of a group's queue. A free agent of that group gets it at once, as ever; that
    /// may be the one that gave it away, if it serves the group. It must be where it was `seen`.
    pub fn transfer_to_group(
        &mut self,
        now: Timestamp,
        conversation: ConversationId,
        group: &Group,
        seen: Option<&Seen>,
        decisions: &mut Vec<Decision>,
    ) -> Result<(), Refusal> {
        let place = *self.places.get(&conversation).ok_or(Refusal::Ended)?;
        self.still(&place, seen)?;
        let former = match place.at {
            At::Agent(agent) => {
                self.take_from(now, agent, conversation);
                self.figures.waiting += 1;
                Some(agent)
            }
            At::Queue(key) => {
                self.queues.leave(place.group, &key);
                None
            }
            At::Named { agent, key, .. } => {
                if let Some(agent) = self.agents.get_mut(&agent) {
                    agent.named.remove(&key);
                }
                None
            }
        };
        let to = self.queues.group(group);
        let key = self.queues.key(conversation, now, false);
        self.wait_in(to, key);
        if let Some(former) = former {
            self.fill(now, former, decisions);
        }
        self.serve(now, to, decisions);
        let Place { group: from, .. } = place;
        self.check(from);
        Ok(())
    }

    /// Whether a conversation is where its owner saw it: what it was given away by may have no right to it any more.
    fn still(&mut self, place: &Place, seen: Option<&Seen>) -> Result<(), Refusal> {
        let Some(Seen { agent, group }) = seen else { return Ok(()) };
        let has = match place.at {
            At::Agent(agent) => Some(agent),
            At::Queue(_) | At::Named { .. } => None,
        };
        let same = has == *agent && self.queues.group(group) == place.group;
        if same { Ok(()) } else { Err(Refusal::WrongState) }
    }

    /// The status in effect of an agent; `None` if it is not known.
    pub fn status(&self, agent: AgentId) -> Option<AgentStatus> {
        self.agents.get(&agent).map(|state| state.status())
    }

    /// What an agent has, ascending, and the groups it serves.
    pub fn watched_by(&self, agent: AgentId) -> Option<(impl Iterator<Item = ConversationId> + '_, &[Group])> {
        let state = self.agents.get(&agent)?;
        Some((state.conversations.iter().copied(), &state.profile.groups))
    }
}
