//! Whether the cluster answers, as tries of statements tell. Must not know what is tried.

use std::cell::{Cell, RefCell};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::store::Shared;
use crate::{Condition, Why};

/// A cluster that has failed every try for so long is away: single tries fail whenever a node dies.
const AWAY_AFTER: Duration = Duration::from_millis(1000);
/// How often the log says that it still is.
const LOG_INTERVAL: Duration = Duration::from_secs(5);

/// What was seen of the cluster.
pub(super) struct Health {
    shared: Arc<Shared>,
    away: Cell<bool>,
    failing_since: Cell<Option<Instant>>,
    logged: Cell<Option<Instant>>,
    last_error: RefCell<String>,
}

impl Health {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        let away = Cell::new(false);
        Self { shared, away, failing_since: Cell::default(), logged: Cell::default(), last_error: RefCell::default() }
    }

    /// A try succeeded.
    pub(super) fn worked(&self) {
        if let Some(since) = self.failing_since.take()
            && self.away.replace(false)
        {
            tracing::info!(after = ?since.elapsed(), "the cluster answers again");
            self.logged.set(None);
            self.say();
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

    /// Tells others how it is.
    fn say(&self) {
        self.shared.is(match (self.away.get(), self.shared.is_behind()) {
            (true, _) => Condition::Unwritable(Why::ClusterAway),
            (false, true) => Condition::Unwritable(Why::Behind),
            (false, false) => Condition::Writable,
        });
    }

    /// Looks at the time and at what waits.
    pub(super) fn look(&self) {
        self.say();
        let Some(since) = self.failing_since.get().filter(|since| since.elapsed() >= AWAY_AFTER) else { return };
        self.away.set(true);
        self.say();
        if self.logged.get().is_none_or(|at| at.elapsed() >= LOG_INTERVAL) {
            self.logged.set(Some(Instant::now()));
            let error = &*self.last_error.borrow();
            tracing::warn!(since = ?since.elapsed(), error, "the cluster does not carry out statements; writes wait");
        }
    }
}
