//! What a peer is told without having asked: one closed enum, free of any dialect.

use super::{AgentId, ConversationId, CustomerNumber, Message, MessageId, Party, Side, Timestamp};

/// The parties of the conversation an event happened in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scene {
    /// Which conversation.
    pub conversation: ConversationId,
    /// The customer's side.
    pub customer: Party,
    /// The integer shown for the customer.
    pub customer_number: CustomerNumber,
    /// The agent that has it, if any.
    pub agent: Option<AgentId>,
}

impl Scene {
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
}

impl Event {
    /// Where it happened.
    pub const fn scene(&self) -> &Scene {
        match self {
            Self::Message { scene, .. }
            | Self::Ended { scene, .. }
            | Self::Assigned { scene, .. }
            | Self::Read { scene, .. }
            | Self::Typing { scene, .. } => scene,
        }
    }
}
