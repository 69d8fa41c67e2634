//! Whether the cluster answers, as tries of statements tell. Must not know what is tried.

use std::cell::{Cell, RefCell};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// A cluster that has failed every try for so long is away: single tries fail whenever a node dies.
const AWAY_AFTER: Duration = Duration::from_millis(1000);
/// How often the log says that it still is.
const LOG_INTERVAL: Duration = Duration::from_secs(5);

/// What was seen of the cluster.
#[derive(Debug)]
pub(super) struct Health {
    away: Arc<AtomicBool>,
    failing_since: Cell<Option<Instant>>,
    logged: Cell<Option<Instant>>,
    last_error: RefCell<String>,
}

impl Health {
    /// `away` is shown to whoever asks from other threads.
    pub(super) fn new(away: Arc<AtomicBool>) -> Self {
        Self { away, failing_since: Cell::default(), logged: Cell::default(), last_error: RefCell::default() }
    }

    /// A try succeeded.
    pub(super) fn worked(&self) {
        if let Some(since) = self.failing_since.take()
            && self.away.swap(false, Ordering::AcqRel)
        {
            tracing::info!(after = ?since.elapsed(), "the cluster answers again");
            self.logged.set(None);
        }
    }

    /// A try failed.
    pub(super) fn failed(&self, error: &dyn std::fmt::Display) {
        if self.failing_since.get().is_none() {
            self.failing_since.set(Some(Instant::now()));
        }
        *self.last_error.borrow_mut() = error.to_string();
        self.look();
    }

    /// Looks at the time.
    pub(super) fn look(&self) {
        let Some(since) = self.failing_since.get().filter(|since| since.elapsed() >= AWAY_AFTER) else { return };
        self.away.store(true, Ordering::Release);
        if self.logged.get().is_none_or(|at| at.elapsed() >= LOG_INTERVAL) {
            self.logged.set(Some(Instant::now()));
            let error = &*self.last_error.borrow();
            tracing::warn!(since = ?since.elapsed(), error, "the cluster does not carry out statements; writes wait");
        }
    }
}
