//! The queues: per group, the conversations that wait and the agents that are free, both in order.

use std::collections::{BTreeSet, HashMap};

use switchboard_protocol::model::{AgentId, ConversationId, Group, Timestamp};

/// A group, by the order in which the desk met it.
pub(super) type GroupIndex = u32;

/// A place in line: returned conversations first, then by waiting time, then by arrival at the desk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct WaitKey {
    pub(super) fresh: bool,
    pub(super) queued_at: Timestamp,
    pub(super) arrival: u64,
    pub(super) conversation: ConversationId,
}

/// An agent's place among the free: fewest conversations, then the smallest share of its capacity, then
/// the longest idle, then the id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct LoadKey {
    pub(super) current: u32,
    /// At equal `current` the larger capacity has the smaller share.
    pub(super) max: std::cmp::Reverse<u32>,
    pub(super) idle_since: Timestamp,
    pub(super) agent: AgentId,
}

/// All groups.
#[derive(Debug, Default)]
pub(super) struct Queues {
    groups: Vec<GroupQueue>,
    by_name: HashMap<Group, GroupIndex>,
    arrivals: u64,
}

#[derive(Debug, Default)]
struct GroupQueue {
    waiting: BTreeSet<WaitKey>,
    free: BTreeSet<LoadKey>,
}

impl Queues {
    /// The index of a group; groups are made by being named.
    pub(super) fn group(&mut self, name: &Group) -> GroupIndex {
        if let Some(index) = self.by_name.get(name) {
            return *index;
        }
        let index = GroupIndex::try_from(self.groups.len()).expect("fewer than 2^32 groups are ever named");
        self.groups.push(GroupQueue::default());
        self.by_name.insert(name.clone(), index);
        index
    }

    /// A place in line for a conversation that arrives at the desk now.
    pub(super) fn key(&mut self, conversation: ConversationId, queued_at: Timestamp, returned: bool) -> WaitKey {
        self.arrivals += 1;
        WaitKey { fresh: !returned, queued_at, arrival: self.arrivals, conversation }
    }

    pub(super) fn wait(&mut self, group: GroupIndex, key: WaitKey) {
        self.groups[group as usize].waiting.insert(key);
    }

    pub(super) fn leave(&mut self, group: GroupIndex, key: &WaitKey) {
        self.groups[group as usize].waiting.remove(key);
    }

    pub(super) fn first_waiting(&self, group: GroupIndex) -> Option<WaitKey> {
        self.groups[group as usize].waiting.first().copied()
    }

    pub(super) fn first_free(&self, group: GroupIndex) -> Option<LoadKey> {
        self.groups[group as usize].free.first().copied()
    }

    pub(super) fn set_free(&mut self, group: GroupIndex, old: Option<LoadKey>, new: Option<LoadKey>) {
        let free = &mut self.groups[group as usize].free;
        if let Some(old) = old {
            free.remove(&old);
        }
        if let Some(new) = new {
            free.insert(new);
        }
    }

    /// Whether a group is served as it must be: nobody waits while somebody is free.
    pub(super) fn is_conserving(&self, group: GroupIndex) -> bool {
        let group = &self.groups[group as usize];
        group.waiting.is_empty() || group.free.is_empty()
    }
}
