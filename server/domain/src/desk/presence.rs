//! Who is here: agents come, go, and are gone too long.

use switchboard_protocol::model::{AgentId, AgentStatus, Group, Timestamp};

use super::queue::WaitKey;
use super::{At, Decision, Desk, Place, Why};

/// What an agent is that says nothing about itself, and how long it may be gone.
#[derive(Clone, Debug)]
pub struct Defaults {
    /// Conversations at once.
    pub max_concurrent: u32,
    /// The groups it serves.
    pub groups: Vec<Group>,
    /// How long an agent may be gone before it loses its conversations, in milliseconds; also how long a
    /// conversation waits for an agent named by its visitor.
    pub grace_millis: u64,
}

impl Desk {
    /// An agent's first device is here. Whatever waits for it, it gets at once.
    pub fn agent_up(&mut self, now: Timestamp, agent: AgentId, decisions: &mut Vec<Decision>) {
        let Some(state) = self.agents.get_mut(&agent) else {
            return;
        };
        if !state.connected {
            state.connected = true;
            state.idle_since = now;
            self.figures.agents_connected += 1;
        }
        self.status_changed(now, agent, decisions);
    }

    /// An agent's last device is gone. Says when its grace is over, if that matters.
    pub fn agent_down(&mut self, now: Timestamp, agent: AgentId) -> Option<Timestamp> {
        let state = self.agents.get_mut(&agent)?;
        if state.connected {
            state.connected = false;
            self.figures.agents_connected -= 1;
        }
        self.status_changed(now, agent, &mut Vec::new())
    }

    /// An agent's grace may be over: if it is still gone, its conversations go to others, or back to the
    /// head of the queue.
    pub fn grace_over(&mut self, now: Timestamp, agent: AgentId, decisions: &mut Vec<Decision>) {
        let Some(state) = self.agents.get_mut(&agent) else {
            return;
        };
        let over = state.gone_since.is_some_and(|since| since.plus_millis(self.defaults.grace_millis) <= now);
        if !over {
            return;
        }
        let lost: Vec<_> = state.conversations.iter().copied().collect();
        let mut groups = Vec::new();
        let mut waiting: Vec<WaitKey> = Vec::new();
        for conversation in lost {
            self.take_from(now, agent, conversation);
            let Place { group, queued_at, .. } = self.places[&conversation];
            let key = self.queues.key(conversation, queued_at, true);
            self.figures.waiting += 1;
            self.wait_in(group, key);
            waiting.push(key);
            groups.push(group);
        }
        groups.sort_unstable();
        groups.dedup();
        for group in groups {
            self.serve(now, group, decisions);
        }
        for key in waiting {
            if let Some(Place { at: At::Queue(_), .. }) = self.places.get(&key.conversation) {
                decisions.push(Decision { conversation: key.conversation, agent: None, why: Why::NobodyFree });
            }
        }
    }

    /// An agent's status in effect may have changed: its place among the free, its grace, its slots.
    /// Says when its grace is over, if it is gone and has something to lose.
    pub(super) fn status_changed(
        &mut self,
        now: Timestamp,
        agent: AgentId,
        decisions: &mut Vec<Decision>,
    ) -> Option<Timestamp> {
        let state = self.agents.get_mut(&agent)?;
        if state.status() == AgentStatus::Offline {
            state.gone_since.get_or_insert(now);
        } else {
            state.gone_since = None;
        }
        let gone_since = state.gone_since.filter(|_| !state.conversations.is_empty());
        self.reindex(agent);
        self.fill(now, agent, decisions);
        let groups = self.agents[&agent].groups.clone();
        for group in groups {
            self.check(group);
        }
        gone_since.map(|since| since.plus_millis(self.defaults.grace_millis))
    }
}
