//! Makes writes durable and answers reads: one trait, its engines, one conformance suite.
//!
//! The vocabulary is `switchboard_protocol::model` (`Write`, `Written`, `Read`, `Found`). The server knows
//! [`Store`] only; what an engine does beneath is its own affair. This crate must not know shards,
//! connections, dialects or why something is stored.

mod condition;
mod embedded;
mod error;
mod figures;
mod layout;
mod memory;
mod record;
mod scylla;
mod threaded;

pub mod conformance;

use std::path::Path;
use std::sync::Arc;

use switchboard_protocol::model::{Found, Read, Write, Written};

pub use condition::ConditionCell;
pub use embedded::Embedded;
pub use error::StoreError;
pub use figures::{LATENCY_BUCKETS_MICROS, LatencyFigures, StoreFigures};
pub use memory::{Faults, Memory, Tables};
pub use scylla::{Login, Migrated, QuorumOf, ScyllaSettings, TrialCluster, empty, migrate, open_scylla, schema};
pub use switchboard_protocol::model::{Condition, Why};
pub use threaded::{Engine, Outcome, Threaded};

/// Says whose operation a [`Done`] answers. The store gives it back as it came.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Ticket {
    /// The shard that asked.
    pub shard: u16,
    /// Its own number for the operation.
    pub number: u64,
}

/// What is asked of the store. Queued by value: a box for each write would cost more than the room.
#[expect(clippy::large_enum_variant, reason = "most operations are writes")]
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Op {
    /// A change.
    Write(Write),
    /// A question.
    Read(Read),
}

/// The answer to an [`Op`].
#[derive(Debug)]
pub enum Done {
    /// The write is durable.
    Written(Written),
    /// The read's answer.
    Found(Found),
    /// This operation alone failed and changed nothing; the store goes on.
    Failed(StoreError),
}

/// The op is handed back untaken: its queue is full, or the store is closed or has failed (then
/// `Completions::fatal` was called).
#[derive(Debug, thiserror::Error)]
#[error("the store takes no more operations now")]
pub struct Full(pub Op);

/// Hears of finished operations. Called on storage threads; must not block and must not panic.
pub trait Completions: Send + Sync + 'static {
    /// An operation is finished; a write is durable.
    fn done(&self, ticket: Ticket, done: Done);
    /// Called after the last `done` of a group: wake the shards once.
    fn wake(&self);
    /// `Store::condition` tells another thing than before: wake every shard to look at it.
    fn condition_changed(&self);
    /// The store can promise nothing any more (a failed sync, say): the process must end. Called once;
    /// nothing of the failing group was or will be `done`.
    fn fatal(&self, error: StoreError);
}

/// What the server knows of storage. No method but `close` blocks.
///
/// Writes that one submitter makes about one thing ([`Write`] says what one is) are applied and `done` in the order of
/// submission; about different things in any. A read submitted after a write was `done` sees it; reads and unconfirmed
/// writes have no order.
pub trait Store: Send + Sync + 'static {
    /// Takes an operation, to be answered by `Completions::done` under `ticket`.
    #[expect(clippy::result_large_err, reason = "the op comes back as it went, without an allocation")]
    fn submit(&self, ticket: Ticket, op: Op) -> Result<(), Full>;
    /// Takes no more operations, finishes those accepted, joins the storage threads and gives up the data
    /// directory. Blocks until then. A second call does nothing.
    fn close(&self);
    /// Whether writes would be durable soon: a load, so that shards may ask once a turn. Who submits one all the same
    /// (it was accepted before, or nobody asked for it) has it written when that is possible again.
    fn condition(&self) -> Condition;
    /// Numbers for `/metrics`; totals since the start.
    fn figures(&self) -> StoreFigures;
}

/// Opens the embedded engine in `dir`, which it creates if needed and which is wholly its own. It is unwritable while less
/// than `min_free_bytes` is free there.
///
/// Fails with `Locked` if another process has it, else as `Embedded::open`.
pub fn open_embedded(
    dir: &Path,
    min_free_bytes: u64,
    completions: Arc<dyn Completions>,
) -> Result<Arc<dyn Store>, StoreError> {
    Ok(Arc::new(Threaded::start(Embedded::open(dir)?.keep_free(min_free_bytes), completions)?))
}

/// Opens an empty store that lives in memory, with the faults asked for. Nothing survives `close`.
pub fn open_memory(faults: Faults, completions: Arc<dyn Completions>) -> Result<Arc<dyn Store>, StoreError> {
    Ok(Arc::new(Threaded::start(Memory::new(faults), completions)?))
}
