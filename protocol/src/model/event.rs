//! What a peer is told without having asked: one closed enum, free of any dialect.

use super::{
    AgentCode, AgentId, AgentStatus, Channel, ConversationId, CustomerNumber, Group, Message, MessageId, Party, Side,
    Timestamp,
};

/// The parties of the conversation an event happened in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scene {
    /// Which conversation.
    pub conversation: ConversationId,
    /// The customer's side.
    pub customer: Party,
    /// The channel of a customer of a channel; `None` for all others.
    pub channel: Option<Channel>,
    /// The integer shown for the customer.
    pub customer_number: CustomerNumber,
    /// The agent that has it, if any.
    pub agent: Option<AgentId>,
}

impl Scene {
    /// The channel shown for the customer: a user comes by the integrator's app, a visitor by a page (dialects.md).
    pub fn channel(&self) -> Channel {
        match &self.customer {
            Party::User(_) => Channel::App,
            Party::Visitor(_) | Party::Agent(_) => Channel::Web,
            Party::Customer(_) => self.channel.unwrap_or(Channel::Web),
        }
    }

    /// The integer shown for a side; `None` for the agent's side while there is no agent.
    pub fn number(&self, side: Side) -> Option<u64> {
        match side {
            Side::Customer => Some(self.customer_number.get()),
            Side::Agent => self.agent.map(AgentId::get),
        }
    }
}

/// What a peer is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A message was stored.
    Message {
        /// Where.
        scene: Scene,
        /// The message.
        message: Message,
        /// The author's code, if an agent wrote it.
        author: Option<AgentCode>,
    },
    /// A message was stored in a conversation that the listener watches and is no party of.
    Overheard {
        /// Where.
        scene: Scene,
        /// The message.
        message: Message,
        /// The author's code, if an agent wrote it.
        author: Option<AgentCode>,
    },
    /// A conversation begins to wait: it is offered to the agents of its group.
    Waiting {
        /// Where.
        scene: Scene,
        /// Whose agents may have it.
        group: Group,
        /// Who gave it away, if somebody did: it and the customer are told too.
        former: Option<AgentId>,
        /// The hearer sees it no more: an agent that gave it away, or could have had it, and is not of that group.
        elsewhere: bool,
        /// When.
        at: Timestamp,
    },
    /// A conversation was ended.
    Ended {
        /// Where.
        scene: Scene,
        /// Which side ended it.
        by: Side,
        /// When.
        at: Timestamp,
    },
    /// A conversation has an agent, `scene.agent`, that it did not have before.
    Assigned {
        /// Where.
        scene: Scene,
        /// The agent's code.
        code: Option<AgentCode>,
        /// Who had it before, if it was given away: it is told too.
        former: Option<AgentId>,
        /// When.
        at: Timestamp,
    },
    /// One side has read messages of the other.
    Read {
        /// Where.
        scene: Scene,
        /// The side that wrote them.
        of: Side,
        /// Those that were not marked before.
        messages: Vec<MessageId>,
        /// When.
        at: Timestamp,
    },
    /// One side is typing.
    Typing {
        /// Where.
        scene: Scene,
        /// Which side.
        by: Side,
        /// When.
        at: Timestamp,
    },
    /// A message was edited or recalled.
    Revised {
        /// Where.
        scene: Scene,
        /// The message as it is now; `message.revised` says what was done.
        message: Message,
    },
    /// An agent has another status in effect.
    AgentStatus {
        /// Which agent.
        agent: AgentId,
        /// Which status.
        status: AgentStatus,
        /// When.
        at: Timestamp,
    },
}

impl Event {
    /// Where it happened, if it happened in a conversation.
    pub const fn scene(&self) -> Option<&Scene> {
        match self {
            Self::Message { scene, .. }
            | Self::Overheard { scene, .. }
            | Self::Waiting { scene, .. }
            | Self::Ended { scene, .. }
            | Self::Assigned { scene, .. }
            | Self::Read { scene, .. }
            | Self::Typing { scene, .. }
            | Self::Revised { scene, .. } => Some(scene),
            Self::AgentStatus { .. } => None,
        }
    }
}
