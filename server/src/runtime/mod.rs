//! What a shard stands on: a pinned executor, one readiness set, thin socket calls, a clock, a timer wheel
//! with its alarm, a slab, and the mail between shards.
//!
//! This is the only folder that names glommio (architecture.md, "Shards"). It must not know frames,
//! dialects, the domain or storage: tokens are plain numbers, mail and timers are generic.
//!
//! The turn of a shard, as these parts are meant to be used:
//!
//! ```text
//! loop {
//!     alarm.arm(wheel.next_deadline(), clock.now_ms())?;         // a syscall only for an earlier deadline
//!     readiness.wait(&mut events, || port.has_mail()).await?;    // parks only if there is nothing to do
//!     clock.turn();
//!     port.drain(MAIL_BATCH_MAX_MAILS, |mail| ...);
//!     for event in &events { ... }                               // recv, parse, queue answers
//!     wheel.advance(clock.now_ms(), |deadline| ...);
//!     ...                                                        // one gathered send per socket
//!     port.flush();                                              // overflow lines, then the bells
//! }
//! ```

pub mod alarm;
pub mod chunks;
pub mod clock;
pub mod executor;
pub mod mesh;
pub mod readiness;
pub mod socket;
pub mod wake;
pub mod wheel;

/// The target of the executor's own log lines.
pub const EXECUTOR_LOG_TARGET: &str = "glommio";

pub use alarm::Alarm;
pub use chunks::{Chunks, Key};
pub use clock::Clock;
pub use executor::{ShardSeat, Shards, StartError, StartWarning};
pub use mesh::{MeshPort, Sent};
pub use readiness::{Interest, Readiness, Ready};
pub use socket::{Accepted, Listener, Socket};
pub use wake::{Wake, Waker};
pub use wheel::{DeadlineKey, Wheel};
