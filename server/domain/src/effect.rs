//! What the core wants done: one closed enum. `server/src/shard/effects.rs` is where it happens.

use std::sync::Arc;

use smallvec::SmallVec;
use switchboard_protocol::model::{Answer, Event, Read, Refusal, Timestamp, Write};

use crate::{ConnectionId, Letter, Origin, ShardId, Timer};

/// Connections of this shard that are to be told something.
pub type Listeners = SmallVec<[ConnectionId; 2]>;

/// A deed.
// `Write` is much the largest and much the most frequent: boxing it would cost an allocation a message.
#[allow(clippy::large_enum_variant)]
#[derive(Clone, Debug)]
pub enum Effect {
    /// Answer a request of a connection of this shard.
    Answer {
        /// The request's origin; its shard is this one.
        origin: Origin,
        /// What it is told.
        result: Result<Answer, Refusal>,
    },
    /// Tell connections of this shard something they did not ask for.
    Tell {
        /// Which connections; never empty.
        to: Listeners,
        /// What.
        event: Arc<Event>,
    },
    /// Hand a letter to another shard's core. Letters of one pair of shards arrive in order.
    Mail {
        /// The other shard.
        to: ShardId,
        /// The letter.
        letter: Letter,
    },
    /// Make something durable; `Input::Stored` follows when it is. Writes of a shard about one thing (`Write` says what
    /// one is) are applied and confirmed in order, those about different things in any.
    Write {
        /// Comes back with the outcome.
        ticket: u32,
        /// What.
        write: Write,
    },
    /// Ask storage; `Input::Stored` follows.
    Read {
        /// Comes back with the outcome.
        ticket: u32,
        /// What.
        read: Read,
    },
    /// Wake the core with `Input::Timer`. Timers are not cancelled; the core knows a stale one.
    Arm {
        /// Which.
        timer: Timer,
        /// Not before.
        at: Timestamp,
    },
    /// Close these connections: their party may not be here any more.
    Expel {
        /// Which connections; never empty.
        connections: Listeners,
    },
}
