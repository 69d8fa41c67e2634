//! Counting on the hot path, and `/metrics`.
//!
//! Each shard counts in its own [`ShardFigures`]: plain relaxed atomics on cache lines of their own, written
//! by that shard alone, so counting is a load, an addition and a store, without a lock, a label look-up or
//! an allocation. Everything else happens when somebody asks for `/metrics`.

mod figures;
mod render;

use std::sync::{Arc, OnceLock};

pub use figures::{BadInput, DeskFigures, ShardFigures, StorageFigures};

/// `Content-Type` of [`Metrics::render`]'s text (OpenMetrics, which Prometheus reads).
pub const METRICS_CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Reads the storage engine's own counters.
pub type StorageSource = Box<dyn Fn() -> StorageFigures + Send + Sync>;

/// Everything that is counted in this process.
pub struct Metrics {
    shards: Box<[Arc<ShardFigures>]>,
    desk: Arc<DeskFigures>,
    storage: OnceLock<StorageSource>,
}

impl Metrics {
    /// Figures for `shards` shards, all zero.
    pub fn new(shards: usize) -> Arc<Self> {
        Arc::new(Self {
            shards: (0..shards).map(|_| Arc::default()).collect(),
            desk: Arc::default(),
            storage: OnceLock::new(),
        })
    }

    /// The figures of a shard, for that shard to count in.
    ///
    /// # Panics
    /// If `shard` is not below the number given to [`Metrics::new`].
    pub fn shard(&self, shard: usize) -> Arc<ShardFigures> {
        Arc::clone(&self.shards[shard])
    }

    /// The desk's figures, for its owner shard to count in.
    pub fn desk(&self) -> Arc<DeskFigures> {
        Arc::clone(&self.desk)
    }

    /// Where the storage engine's figures come from; the first call counts. Called for every `/metrics`,
    /// so it reads counters and nothing else.
    pub fn set_storage(&self, source: StorageSource) {
        let _ = self.storage.set(source);
    }

    /// Connections open now, on all shards.
    pub fn connections(&self) -> u64 {
        self.shards.iter().map(|shard| shard.connections.get()).sum()
    }

    /// The text of `/metrics`. Reads a few files of /proc: about a tenth of a millisecond.
    pub fn render(self: &Arc<Self>) -> String {
        render::render(self)
    }
}

impl std::fmt::Debug for Metrics {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Metrics").field("shards", &self.shards.len()).finish()
    }
}
