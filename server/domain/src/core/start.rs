//! The state is rebuilt from storage before the first input.

use std::ops::Range;
use std::sync::Arc;

use switchboard_protocol::model::{AgentId, AgentProfile, AgentRef, Conversation, Party, Timestamp, VShard};

use super::{Core, Slot};
use crate::conversation::Live;
use crate::{Effect, Timer};

/// What storage knows at the start. Every shard is given all of it and takes what is its own.
#[derive(Clone, Debug, Default)]
pub struct Start {
    /// All agents; `None` for deleted ones.
    pub agents: Vec<(AgentId, Option<AgentProfile>)>,
    /// All open conversations.
    pub open: Vec<Conversation>,
    /// A fresh block of ids for every virtual shard.
    pub leases: Vec<(VShard, Range<u64>)>,
}

impl Core {
    /// Takes what is this shard's own. All agents are taken to have gone just now.
    pub fn start(&mut self, now: Timestamp, start: &Start, effects: &mut Vec<Effect>) {
        self.hands.begin(now, effects);
        for (id, profile) in &start.agents {
            match profile {
                Some(profile) => self.hands.directory.learn(Arc::new(profile.clone())),
                None => self.hands.directory.delete(*id),
            }
            if let Some(desk) = &mut self.desk {
                desk.restore_agent(now, *id, profile.clone());
            }
        }
        for (vshard, block) in &start.leases {
            if self.hands.placement.shard_of(*vshard) == self.hands.shard {
                self.hands.ids.lease(*vshard, block.clone());
            }
        }
        for header in &start.open {
            if self.hands.placement.owner(header.id) == self.hands.shard {
                self.open.entry(header.customer.clone()).or_default().push(header.id);
                if !matches!(header.customer, Party::User(_)) {
                    self.numbers.insert(header.customer_number, header.customer.clone());
                }
                let agent = header.agent.map(AgentRef::Id);
                let lost = agent.is_some_and(|agent| self.hands.directory.find(&agent).is_none());
                let mut slot = Slot { live: Some(Live::stored(header.clone())), ..Slot::default() };
                if lost {
                    // Its agent was deleted, or never durably made, and a crash came between: it waits, at
                    // the desk as well.
                    slot.assigned(&mut self.hands, None, None);
                }
                self.conversations.insert(header.id, slot);
            }
        }
        self.restore_desk(now, start);
        self.arm_token_sweep();
        self.arm_answer_sweep();
        self.hands.end(effects);
    }

    fn restore_desk(&mut self, now: Timestamp, start: &Start) {
        let Some(desk) = &mut self.desk else { return };
        let mut waiting: Vec<_> = start.open.iter().collect();
        waiting.sort_by_key(|header| (header.queued_at, header.id));
        for header in waiting {
            desk.restore_conversation(now, header);
        }
        let graces: Vec<_> = desk.restored_graces().collect();
        let named: Vec<_> = desk.restored_named().collect();
        for (agent, at) in graces {
            self.hands.arm(Timer::AgentGrace(agent), at);
        }
        for (conversation, until) in named {
            self.hands.arm(Timer::NamedGrace(conversation), until);
        }
    }
}
