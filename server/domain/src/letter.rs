//! What one core writes to another: the pure part of the mail. One closed enum; local letters take the
//! same way without leaving the core.

use std::sync::Arc;

use switchboard_protocol::model::{
    Accept, AgentChange, AgentId, AgentProfile, AgentRef, Answer, ConversationId, Event, Group, Party, Refusal,
    Timestamp, Transfer,
};

use crate::{ConnectionId, Origin, Request, ShardId};

/// A letter.
#[derive(Clone, Debug)]
pub enum Letter {
    /// A request on its way to whoever owns what it is about.
    Request(Box<Request>),
    /// The answer on its way back.
    Answer {
        /// The request's origin.
        origin: Origin,
        /// What it is told.
        result: Box<Result<Answer, Refusal>>,
    },
    /// Tell all devices of a party.
    Deliver {
        /// Whose.
        party: Party,
        /// What.
        event: Arc<Event>,
        /// But not this connection, which gets the answer instead.
        except: Option<(ShardId, ConnectionId)>,
    },
    /// Tell the connections that are offered conversations, of the agents of a group.
    Offer {
        /// Whose agents.
        group: Group,
        /// What.
        event: Arc<Event>,
    },
    /// A shard has connections that are offered conversations, or has none any more.
    Offered {
        /// Which shard.
        shard: ShardId,
        /// Whether it has any.
        any: bool,
    },
    /// A shard has connections that hear of agents' statuses, or has none any more; to the desk.
    HearsStatuses {
        /// Which shard.
        shard: ShardId,
        /// Whether it has any.
        any: bool,
    },
    /// The desk tells of an agent's status.
    Status {
        /// What.
        event: Arc<Event>,
        /// The agent's groups, whose agents hear it.
        groups: Arc<[Group]>,
        /// The agent's conversations that are the receiver's, whose customers hear it.
        conversations: Vec<ConversationId>,
        /// Who is not told, though it could hear.
        spared: Spared,
    },
    /// Tell one connection of the receiver.
    Whisper {
        /// Which.
        connection: ConnectionId,
        /// What.
        event: Arc<Event>,
    },
    /// A connection that watched a conversation of the receiver is gone.
    Unwatch {
        /// The conversation.
        conversation: ConversationId,
        /// Where the connection was.
        shard: ShardId,
        /// Which it was.
        connection: ConnectionId,
    },
    /// Somebody asks the desk.
    ToDesk(DeskAsk),
    /// The desk tells a conversation's owner.
    FromDesk(DeskTell),
    /// The desk tells every shard about an agent: new, or changed.
    AgentKnown(Arc<AgentProfile>),
    /// The desk has told this visitor's home all it knows of agents.
    CaughtUp(Party),
    /// The desk tells every shard that an agent was deleted.
    AgentDeleted(AgentId),
}

/// Who is not told of a status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Spared {
    /// All are.
    Nobody,
    /// The agent itself: it has just come, or is gone.
    Agent(AgentId),
    /// The connection that gets the answer instead.
    Connection(ShardId, ConnectionId),
}

/// What the desk is asked.
#[derive(Clone, Debug)]
pub enum DeskAsk {
    /// Find an agent for a new conversation; answered by `DeskTell::Placed`.
    Place {
        /// Which conversation.
        conversation: ConversationId,
        /// Whose agents may have it.
        group: Group,
        /// The agent the visitor asked for.
        named: Option<AgentId>,
        /// Since when it waits.
        queued_at: Timestamp,
    },
    /// A conversation is closed: its slot, or its place in the queue, is free.
    Released(ConversationId),
    /// The first device of an agent is here.
    AgentUp {
        /// Which agent.
        agent: AgentId,
        /// What its connections make it.
        accept: Accept,
        /// What its token claims; used if the agent is not known.
        claims: Option<Box<AgentChange>>,
    },
    /// What an agent's connections make it has changed.
    AgentAccepts(AgentId, Accept),
    /// An agent picks a waiting conversation; answered by `DeskTell::Accepted`.
    Accept {
        /// Which conversation.
        conversation: ConversationId,
        /// Which agent.
        agent: AgentRef,
        /// Who is to be answered.
        origin: Origin,
    },
    /// A conversation is to go to another; answered by `DeskTell::Transferred`.
    Transfer {
        /// Which conversation.
        conversation: ConversationId,
        /// To whom.
        to: Transfer,
        /// Where the asker's right comes from; it is gone if the desk has moved the conversation since. `None` for who
        /// may always.
        seen: Option<Seen>,
        /// Who is to be answered.
        origin: Origin,
    },
    /// The last device of an agent is gone.
    AgentDown(AgentId),
    /// A visitor names an agent that its home does not know; answered by `Letter::CaughtUp`, behind
    /// everything the desk has told that shard of agents.
    CatchUp(Party),
}

/// Where a conversation was when its owner looked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// Who had it.
    pub agent: Option<AgentId>,
    /// In which group.
    pub group: Group,
}

/// What the desk tells a conversation's owner.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DeskTell {
    /// The answer to `DeskAsk::Place`: the agent, or nobody yet.
    Placed {
        /// Which conversation.
        conversation: ConversationId,
        /// Who has it.
        agent: Option<AgentId>,
    },
    /// It changed later: another agent, or none any more (back to the head of the queue).
    Assigned {
        /// Which conversation.
        conversation: ConversationId,
        /// Who has it.
        agent: Option<AgentId>,
    },
    /// The answer to `DeskAsk::Accept`: the agent, which has it now, or why not.
    Accepted {
        /// Which conversation.
        conversation: ConversationId,
        /// Who has it.
        result: Result<AgentId, Refusal>,
        /// Who is to be answered.
        origin: Origin,
    },
    /// The answer to `DeskAsk::Transfer`: where it is now, or why not.
    Transferred {
        /// Which conversation.
        conversation: ConversationId,
        /// Where it is.
        result: Result<Transferred, Refusal>,
        /// Who is to be answered.
        origin: Origin,
    },
}

/// Where a conversation went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Transferred {
    /// To this agent.
    Agent(AgentId),
    /// Into a queue; `DeskTell::Assigned` follows if somebody of the group is free.
    Group {
        /// Of which group.
        group: Group,
        /// Since when it waits there.
        queued_at: Timestamp,
    },
}

impl DeskTell {
    /// The conversation meant.
    pub const fn conversation(&self) -> ConversationId {
        match self {
            Self::Placed { conversation, .. }
            | Self::Assigned { conversation, .. }
            | Self::Accepted { conversation, .. }
            | Self::Transferred { conversation, .. } => *conversation,
        }
    }
}
