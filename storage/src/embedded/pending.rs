//! Groups that are synced in the journal and on their way into the tables: a thread applies them in order, so that who
//! waits for a write does not wait for what the tables do meanwhile. Readers wait until what was acknowledged is
//! applied. Must not know where the journal is or what is stored.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use fjall::{OwnedWriteBatch, PersistMode, Slice};
use switchboard_protocol::model::limits::{STORE_APPLY_DELAY_MS, STORE_CHECKPOINT_BYTES, STORE_GROUP_WRITES};

use super::journal::{Durable, Entry, Record, TablesLog};
use super::{SPACES, Spaces};
use crate::StoreError;

/// What a group puts (`None`: removes), by keyspace.
pub(super) type Entries = [HashMap<Slice, Option<Slice>>; SPACES];

/// Emptied `Entries` kept for their memory: as many groups as are on their way in a busy moment.
const SPARES_MAX: usize = 8;

/// A group that is synced.
pub(super) struct Synced {
    pub group: u64,
    /// What it takes of the journal.
    pub journal_bytes: u64,
    pub entries: Entries,
}

/// The groups on their way, oldest first.
pub(super) struct Pending {
    state: Mutex<State>,
    /// There is something to apply, or nothing will come any more.
    work: Condvar,
    /// Something was applied, or nothing will be any more.
    progress: Condvar,
    /// The last group that was synced, and the last one that readers see.
    synced: AtomicU64,
    applied: AtomicU64,
    durable: Arc<Durable>,
}

#[derive(Default)]
struct State {
    groups: VecDeque<Arc<Synced>>,
    spares: Vec<Entries>,
    /// Whether the applying thread sleeps, and how many readers do: nobody else is woken, which would be a system call
    /// for each group.
    idle: bool,
    readers: usize,
    closing: bool,
    failed: Option<String>,
}

/// The entries of a group as the journal keeps them.
pub(super) fn listed(entries: &Entries) -> impl Iterator<Item = Entry<'_>> {
    entries.iter().zip(0..).flat_map(|(of_space, space)| {
        of_space.iter().map(move |(key, value)| Entry { space, key, value: value.as_deref() })
    })
}

/// Puts a record of the journal into the tables, unsynced. Fails with `Corrupt` if a later version wrote it.
pub(super) fn apply_record(spaces: &Spaces, record: &Record<'_>) -> Result<(), StoreError> {
    let unknown = || StoreError::corrupt(format!("group {} of the journal is of a later version", record.number));
    let entries = record.entries().ok_or_else(unknown)?;
    let mut batch = OwnedWriteBatch::with_capacity(spaces.database.clone(), entries.len());
    for entry in entries {
        let space = spaces.all().get(usize::from(entry.space)).copied().ok_or_else(unknown)?;
        match entry.value {
            Some(value) => batch.insert(space, entry.key, value),
            None => batch.remove(space, entry.key),
        }
    }
    batch.commit().map_err(|error| StoreError::io("replaying the journal", error))
}

impl Pending {
    /// Everything up to `group` is applied.
    pub fn new(group: u64, durable: Arc<Durable>) -> Self {
        Self {
            state: Mutex::default(),
            work: Condvar::new(),
            progress: Condvar::new(),
            synced: AtomicU64::new(group),
            applied: AtomicU64::new(group),
            durable,
        }
    }

    /// Takes a group to be applied; afterwards it may be acknowledged.
    pub fn push(&self, synced: Synced) {
        // Before readers can hear of it.
        self.synced.store(synced.group, Ordering::Release);
        let mut state = self.state();
        state.groups.push_back(Arc::new(synced));
        let idle = state.idle;
        drop(state);
        if idle {
            self.work.notify_one();
        }
    }

    /// Empty entries for the next group.
    pub fn spare(&self) -> Entries {
        self.state().spares.pop().unwrap_or_default()
    }

    /// What the newest group on its way says of a key. A key that none names is in the tables as it is.
    pub fn get(&self, space: usize, key: &[u8]) -> Option<Option<Slice>> {
        let state = self.state();
        state.groups.iter().rev().find_map(|synced| synced.entries[space].get(key).cloned())
    }

    /// Waits until all that was acknowledged before can be read. Fails with `Io` if it never will be.
    pub fn wait_applied(&self) -> Result<(), StoreError> {
        let wanted = self.synced.load(Ordering::Acquire);
        if self.applied.load(Ordering::Acquire) >= wanted {
            return Ok(());
        }
        let mut state = self.state();
        while self.applied.load(Ordering::Acquire) < wanted {
            if let Some(failure) = &state.failed {
                return Err(StoreError::io("reading stored data", failure.clone()));
            }
            state.readers += 1;
            self.work.notify_one();
            state = self.progress.wait(state).unwrap_or_else(PoisonError::into_inner);
            state.readers -= 1;
        }
        Ok(())
    }

    /// Lets the thread end when all is applied.
    pub fn close(&self) {
        self.state().closing = true;
        self.work.notify_one();
    }

    /// The last group, if all were applied.
    pub fn all_applied(&self) -> Option<u64> {
        let applied = self.applied.load(Ordering::Acquire);
        (applied == self.synced.load(Ordering::Acquire)).then_some(applied)
    }

    /// The thread's body: applies until closed. A failure is told to readers and to the next write.
    pub fn run(&self, spaces: &Spaces, mut log: TablesLog) {
        let _guard = PanicGuard(self);
        let mut unreported_bytes = 0;
        while let Some(groups) = self.next() {
            unreported_bytes += groups.iter().map(|synced| synced.journal_bytes).sum::<u64>();
            let last = groups.last().map_or(0, |synced| synced.group);
            let result = apply(spaces, &groups).and_then(|()| {
                if unreported_bytes < STORE_CHECKPOINT_BYTES {
                    return Ok(());
                }
                unreported_bytes = 0;
                self.durable.applied(last, log.position()?);
                Ok(())
            });
            match result {
                Ok(()) => self.done(groups),
                Err(error) => return self.fail(&format!("the tables took no more: {error}")),
            }
        }
    }

    /// What is to be applied together: unless somebody waits to read, what comes within a moment.
    fn next(&self) -> Option<Vec<Arc<Synced>>> {
        let mut state = self.state();
        while state.groups.is_empty() {
            if state.closing {
                return None;
            }
            state.idle = true;
            state = self.work.wait(state).unwrap_or_else(PoisonError::into_inner);
            state.idle = false;
        }
        if state.readers == 0 && !state.closing {
            state = self
                .work
                .wait_timeout(state, Duration::from_millis(STORE_APPLY_DELAY_MS))
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
        Some(state.groups.iter().cloned().collect())
    }

    fn done(&self, groups: Vec<Arc<Synced>>) {
        let mut state = self.state();
        state.groups.drain(..groups.len());
        if let Some(last) = groups.last() {
            self.applied.store(last.group, Ordering::Release);
        }
        if state.readers > 0 {
            self.progress.notify_all();
        }
        drop(state);
        // What was in them is freed before anybody is kept waiting for the lock.
        let cleared = groups.into_iter().filter_map(Arc::into_inner).map(|Synced { mut entries, .. }| {
            entries.iter_mut().for_each(HashMap::clear);
            entries
        });
        let cleared: Vec<Entries> = cleared.collect();
        let mut state = self.state();
        let room = SPARES_MAX - state.spares.len();
        state.spares.extend(cleared.into_iter().take(room));
    }

    fn fail(&self, why: &str) {
        self.state().failed.get_or_insert_with(|| why.to_owned());
        self.progress.notify_all();
        self.durable.fail(why);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Puts groups into the tables, unsynced and all or none, and lets readers see them.
fn apply(spaces: &Spaces, groups: &[Arc<Synced>]) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let batch = OwnedWriteBatch::with_capacity(spaces.database.clone(), groups.len() * STORE_GROUP_WRITES);
    // `Buffer`: all of it is with the kernel before anybody asks how far the tables' journal was written.
    let mut batch = batch.durability(Some(PersistMode::Buffer));
    let mut newer = HashSet::new();
    for (number, space) in spaces.all().into_iter().enumerate() {
        newer.clear();
        for synced in groups.iter().rev() {
            for (key, value) in &synced.entries[number] {
                // Of a key that several groups write, the tables need the newest, and take one in a batch.
                if groups.len() > 1 && !newer.insert(key) {
                    continue;
                }
                match value {
                    Some(value) => batch.insert(space, key.clone(), value.clone()),
                    None => batch.remove(space, key.clone()),
                }
            }
        }
    }
    Ok(batch.commit()?)
}

/// A thread that panicked applies nothing more.
struct PanicGuard<'a>(&'a Pending);

impl Drop for PanicGuard<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.fail("the thread that applies groups panicked");
        }
    }
}
