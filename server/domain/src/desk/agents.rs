//! An agent as the desk sees it: the record, whether it is here, and what it has.

use std::collections::BTreeSet;

use smallvec::SmallVec;
use switchboard_protocol::model::{
    Accept, AgentProfile, AgentStatus, AgentView, AvailableAgent, ConversationId, Timestamp,
};

use super::queue::{GroupIndex, LoadKey, WaitKey};

/// An agent.
#[derive(Debug)]
pub(super) struct Agent {
    pub(super) profile: AgentProfile,
    /// Its groups, as the queues know them.
    pub(super) groups: SmallVec<[GroupIndex; 2]>,
    /// At least one of its connections is logged in.
    pub(super) connected: bool,
    /// All its connections offer it conversations and none takes what is assigned.
    pub(super) picks: bool,
    /// When it went away; it has a grace period from then.
    pub(super) gone_since: Option<Timestamp>,
    /// The last time its load changed, or it came online.
    pub(super) idle_since: Timestamp,
    /// The conversations it has.
    pub(super) conversations: BTreeSet<ConversationId>,
    /// The conversations that wait for it by name.
    pub(super) named: BTreeSet<WaitKey>,
    /// Where it stands among the free now.
    pub(super) key: Option<LoadKey>,
}

impl Agent {
    pub(super) fn new(profile: AgentProfile, groups: SmallVec<[GroupIndex; 2]>) -> Self {
        Self {
            profile,
            groups,
            connected: false,
            picks: false,
            gone_since: None,
            idle_since: Timestamp::default(),
            conversations: BTreeSet::new(),
            named: BTreeSet::new(),
            key: None,
        }
    }

    pub(super) fn current(&self) -> u32 {
        u32::try_from(self.conversations.len()).unwrap_or(u32::MAX)
    }

    /// The status in effect: what it set itself, and offline without a connection.
    pub(super) fn status(&self) -> AgentStatus {
        if self.connected { self.profile.status.unwrap_or(AgentStatus::Online) } else { AgentStatus::Offline }
    }

    /// Push or pull in effect: what it says itself, else what its connections make it.
    pub(super) fn accept(&self) -> Accept {
        self.profile.accept.unwrap_or(if self.picks { Accept::Manual } else { Accept::Auto })
    }

    /// Whether it may have another conversation at all.
    pub(super) fn has_room(&self) -> bool {
        self.current() < self.profile.max_concurrent
    }

    /// Whether the desk may give it another conversation.
    pub(super) fn is_free(&self) -> bool {
        self.status() == AgentStatus::Online && self.accept() == Accept::Auto && self.has_room()
    }

    /// Where it belongs among the free, if it is free.
    pub(super) fn load_key(&self) -> Option<LoadKey> {
        self.is_free().then(|| LoadKey {
            current: self.current(),
            max: std::cmp::Reverse(self.profile.max_concurrent),
            idle_since: self.idle_since,
            agent: self.profile.id,
        })
    }

    pub(super) fn view(&self) -> AgentView {
        AgentView {
            profile: self.profile.clone(),
            status: self.status(),
            accept: self.accept(),
            current_concurrent: self.current(),
        }
    }

    pub(super) fn available(&self) -> AvailableAgent {
        AvailableAgent {
            id: self.profile.id,
            name: self.profile.name.clone(),
            avatar: self.profile.avatar.clone(),
            available: self.is_free(),
        }
    }
}
