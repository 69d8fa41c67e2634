//! The pure core: conversations, the desk, delivery.
//!
//! Every shard has one [`Core`]. It is handed the time and an [`Input`] and says, as [`Effect`]s, what it
//! wants done; nothing else happens here. Invariants (architecture.md): one writer per conversation,
//! party and desk; nothing is answered or pushed before the write it tells of was confirmed; `seq` is
//! dense; a retry stores nothing new.
//!
//! This crate must not know sockets, clocks, threads, random sources, files, logs, metrics or dialects.

mod asker;
pub mod conversation;
mod core;
mod delivery;
pub mod desk;
mod directory;
mod effect;
mod ids;
mod input;
mod letter;
mod placement;
mod session;
mod timers;

pub use self::core::{Core, Figures, Settings, Start, Windows};
pub use effect::{Effect, Listeners};
pub use input::{ConnectionId, Input, Origin, Outcome, Request};
pub use letter::{DeskAsk, DeskTell, Letter, Seen, Spared, Transferred};
pub use placement::{Placement, ShardId};
pub use session::{Login, Session};
pub use timers::Timer;
