//! What the core is handed: one closed enum of everything that can happen to a shard's part of the world.

use switchboard_protocol::model::{Accept, Actor, AgentChange, Command, Condition, Found, Party, Written};

use crate::{Letter, ShardId, Timer};

/// A connection of a shard. The generation tells a reused slot from its former holder.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ConnectionId {
    /// Its slot in the shard's table.
    pub slot: u32,
    /// How often the slot had been taken before.
    pub generation: u32,
}

/// Where a request came from and where its one answer goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Origin {
    /// The shard that holds the connection.
    pub shard: ShardId,
    /// The connection there; it does not hear the pushes that its own request causes.
    pub connection: ConnectionId,
    /// The shard's own key of the pending answer; opaque to the core.
    pub reply: u32,
}

/// Somebody asks for something. Each request is answered exactly once.
#[derive(Clone, Debug)]
pub struct Request {
    /// Where the answer goes.
    pub origin: Origin,
    /// Who asks.
    pub actor: Actor,
    /// For what.
    pub command: Command,
}

/// What storage told. A failed write never comes back: the process ends (architecture.md, "Storage").
#[derive(Clone, Debug)]
pub enum Outcome {
    /// A write is durable.
    Written(Written),
    /// A question is answered.
    Found(Found),
    /// A question could not be answered now.
    Unavailable,
}

/// What can happen.
#[derive(Clone, Debug)]
pub enum Input {
    /// A peer of this shard asks for something.
    Request(Request),
    /// A connection of a party whose home this is has arrived (logged in, bound, or handed over).
    Arrived {
        /// The connection, from now on to be told what the party is told.
        connection: ConnectionId,
        /// The party.
        party: Party,
        /// What it makes of an agent that came online by nothing else: one that is assigned to, or one that picks.
        accept: Accept,
        /// It hears of agents' statuses, if it is an agent's.
        statuses: bool,
        /// What an agent's token claims about it; used if the agent is not known yet.
        claims: Option<Box<AgentChange>>,
    },
    /// A connection that had arrived is gone.
    Left {
        /// The connection.
        connection: ConnectionId,
        /// Its party.
        party: Party,
    },
    /// Another shard's core wrote.
    Letter(Letter),
    /// Storage has done what `Effect::Write` or `Effect::Read` asked.
    Stored {
        /// The ticket of that effect.
        ticket: u32,
        /// What it told.
        outcome: Outcome,
    },
    /// Storage can write, or cannot, from now on. Until the first of these it can.
    Storage(Condition),
    /// A timer that `Effect::Arm` set has come.
    Timer(Timer),
}
