//! Makes segments free: syncs the tables' own journal behind the writer's back, on a thread of its own, and says up to
//! which group nothing must be replayed. Must not know records or tables.

use std::fs;
use std::path::PathBuf;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use super::checkpoint::Checkpoints;
use super::tables_log::{Position, TablesLog};
use crate::StoreError;

/// What the threads tell each other.
#[derive(Debug)]
pub(in crate::embedded) struct Durable {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug)]
struct State {
    /// All up to this group is in the tables' journal, which was written up to there; not synced yet.
    applied: Option<(u64, Position)>,
    /// All up to this group is durable without our journal, and a checkpoint says so.
    group: u64,
    /// Groups with a file of their own.
    large: Vec<(u64, PathBuf)>,
    closing: bool,
    failed: Option<String>,
}

impl Durable {
    pub(super) fn new(group: u64) -> Self {
        let state = State { applied: None, group, large: Vec::new(), closing: false, failed: None };
        Self { state: Mutex::new(state), changed: Condvar::new() }
    }

    /// All up to `group` is in the tables' journal, which ends at `position`. Only the newest report counts.
    pub fn applied(&self, group: u64, position: Position) {
        self.state().applied = Some((group, position));
        self.changed.notify_all();
    }

    /// Waits until `group` is durable in the tables. An error is fatal.
    pub(super) fn wait_for(&self, group: u64) -> Result<(), StoreError> {
        self.wait_until(|state| state.group >= group)
    }

    /// Waits until no group has a file of its own. An error is fatal.
    pub(super) fn wait_for_larges(&self) -> Result<(), StoreError> {
        self.wait_until(|state| state.large.is_empty())
    }

    /// An error too if there is nothing to wait for.
    fn wait_until(&self, reached: impl Fn(&State) -> bool) -> Result<(), StoreError> {
        let mut state = self.state();
        loop {
            if let Some(failure) = &state.failed {
                return Err(StoreError::Engine(failure.clone().into()));
            }
            if reached(&state) {
                return Ok(());
            }
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// The file of a group, to be removed when the group is durable in the tables.
    pub(super) fn remove_later(&self, group: u64, file: PathBuf) {
        self.state().large.push((group, file));
    }

    /// Nothing can be promised any more: whoever waits is told.
    pub fn fail(&self, why: &str) {
        self.state().failed.get_or_insert_with(|| why.to_owned());
        self.changed.notify_all();
    }

    /// Lets the thread end.
    pub fn close(&self) {
        self.state().closing = true;
        self.changed.notify_all();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn next(&self) -> Option<(u64, Position)> {
        let mut state = self.state();
        loop {
            if state.closing || state.failed.is_some() {
                return None;
            }
            if let Some(applied) = state.applied.take() {
                return Some(applied);
            }
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn reached(&self, group: u64) -> Vec<PathBuf> {
        let mut state = self.state();
        state.group = group;
        let done = state.large.extract_if(.., |(of, _)| *of <= group).map(|(_, path)| path).collect();
        drop(state);
        self.changed.notify_all();
        done
    }
}

/// The thread's body; gives the checkpoints back when it is closed, and `None` if it has failed and said so: after a
/// failed sync a later one that succeeds says nothing.
pub(super) fn run(durable: &Durable, log: &TablesLog, mut checkpoints: Checkpoints) -> Option<Checkpoints> {
    while let Some((group, position)) = durable.next() {
        if let Err(error) = log.sync(position).and_then(|()| checkpoints.write(group, Some(position))) {
            durable.fail(&format!("making the tables' journal durable failed: {error}"));
            return None;
        }
        for file in durable.reached(group) {
            if let Err(error) = fs::remove_file(&file) {
                tracing::warn!(%error, file = %file.display(), "a used file of the journal stays; the next start removes it");
            }
        }
    }
    Some(checkpoints)
}
