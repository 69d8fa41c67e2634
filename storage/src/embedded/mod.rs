//! The embedded engine: a journal of our own, one fdatasync per group, and fjall's tables behind it. Must not know
//! threads and queues of those who ask (that is `Threaded`) or the bytes of a record (that is `record`).

mod answers;
mod customers;
mod group;
mod journal;
mod keys;
mod listing;
mod pending;
mod read;
mod room;
mod scan;
#[cfg(test)]
mod tests;

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use fjall::{Database, Keyspace, KeyspaceCreateOptions, PersistMode};
use switchboard_protocol::model::limits::{
    STORE_CACHE_BYTES, STORE_JOURNALS_MAX_BYTES, STORE_MEMTABLE_MAX_BYTES, STORE_WORKERS_NICE,
};
use switchboard_protocol::model::{Condition, Found, Read, Write};

use crate::{Engine, Outcome, StoreError};
use group::Group;
use journal::{Durable, Journal, Recycler, TablesLog};
use pending::{Pending, Synced};
use room::Room;

/// A store in one directory of this machine.
pub struct Embedded {
    room: Room,
    spaces: Spaces,
    pending: Arc<Pending>,
    durable: Arc<Durable>,
    writer: Mutex<Writer>,
    /// `None` once they were joined.
    threads: Option<(JoinHandle<()>, Recycler)>,
}

/// What commits groups.
struct Writer {
    group: Group,
    journal: Journal,
}

/// A store whose journal was replayed; nothing runs yet.
struct Opened {
    spaces: Spaces,
    journal: journal::Found,
    log: TablesLog,
    /// All up to this group is durable in the tables.
    last_group: u64,
}

/// The keyspaces; `keys` says what is in each.
#[derive(Clone)]
struct Spaces {
    database: Database,
    messages: Keyspace,
    lookups: Keyspace,
    conversations: Keyspace,
    directory: Keyspace,
    customers: Keyspace,
    answers: Keyspace,
}

/// How many keyspaces there are, and the places they have in `Spaces::all`, in groups and in the journal: for ever.
const SPACES: usize = 6;
const MESSAGES: usize = 0;
const LOOKUPS: usize = 1;
const CONVERSATIONS: usize = 2;
const DIRECTORY: usize = 3;
const CUSTOMERS: usize = 4;
const ANSWERS: usize = 5;

impl Spaces {
    const fn all(&self) -> [&Keyspace; SPACES] {
        [&self.messages, &self.lookups, &self.conversations, &self.directory, &self.customers, &self.answers]
    }
}

impl Embedded {
    /// Opens the store in `dir`, creating it if needed, and replays what was synced before a crash.
    ///
    /// Fails with `Locked` if another process has the directory (after trying for 0.3 s), with `Corrupt` if what was
    /// synced is missing or damaged, with `Io` if it cannot be read or written or holds something else.
    pub fn open(dir: &Path) -> Result<Self, StoreError> {
        Opened::open(dir)?.start(dir)
    }

    /// Takes nothing new while less than this is free on the directory's file system, instead of
    /// `STORE_MIN_FREE_BYTES`; 0 never looks.
    #[must_use]
    pub fn keep_free(mut self, bytes: u64) -> Self {
        self.room.keep_free(bytes);
        self
    }
}

impl Opened {
    fn open(dir: &Path) -> Result<Self, StoreError> {
        let found = journal::find(dir)?;
        let spaces = Spaces::open(dir)?;
        let marked = spaces.directory.get(keys::JOURNAL).map_err(read::failed)?.is_some();
        let journal = match found {
            Some(found) => found,
            None if marked => {
                let what = format!("the journal of {} is missing; restore it from a backup", dir.display());
                return Err(StoreError::corrupt(what));
            }
            None => {
                spaces.sync()?;
                journal::create(dir)?
            }
        };
        let log = journal::tables_log(dir)?;
        let last_group = journal.replay(&log, |record| pending::apply_record(&spaces, record))?;
        if !marked {
            let marked = spaces.directory.insert(keys::JOURNAL, []);
            marked.map_err(|error| StoreError::io("marking the data directory", error))?;
        }
        listing::complete(&spaces)?;
        spaces.sync()?;
        Ok(Self { spaces, journal, log, last_group })
    }

    fn start(self, dir: &Path) -> Result<Embedded, StoreError> {
        let applied_log = self.log.clone();
        let (journal, recycler, durable) = self.journal.start(self.last_group, self.log)?;
        let pending = Arc::new(Pending::new(self.last_group, durable.clone()));
        let (spaces, shared) = (self.spaces.clone(), pending.clone());
        let applier = std::thread::Builder::new().name("store-apply".into()).spawn(move || {
            shared.run(&spaces, applied_log);
        });
        let applier = applier.map_err(|error| StoreError::io("starting a storage thread", error))?;
        let group = Group::new(self.spaces.clone(), pending.clone());
        Ok(Embedded {
            room: Room::new(dir),
            spaces: self.spaces,
            pending,
            durable,
            writer: Mutex::new(Writer { group, journal }),
            threads: Some((applier, recycler)),
        })
    }
}

impl Spaces {
    fn open(dir: &Path) -> Result<Self, StoreError> {
        let failed = |error| not_opened(dir, error);
        let builder =
            Database::builder(dir).cache_size(STORE_CACHE_BYTES).max_journaling_size(STORE_JOURNALS_MAX_BYTES);
        let database = match behind_the_others(|| builder.open()) {
            Ok(opened) => opened.map_err(failed)?,
            // A damaged length trips over an assertion of fjall's, in builds that have them.
            Err(StoreError::Panicked) => return Err(damaged(dir, "the tables' journals N.jnl", "fjall panicked")),
            Err(error) => return Err(error),
        };
        let options = || KeyspaceCreateOptions::default().max_memtable_size(STORE_MEMTABLE_MAX_BYTES);
        let space = |name| database.keyspace(name, options).map_err(failed);
        Ok(Self {
            messages: space("messages")?,
            lookups: space("lookups")?,
            conversations: space("conversations")?,
            directory: space("directory")?,
            customers: space("customers")?,
            answers: space("answers")?,
            database: database.clone(),
        })
    }

    fn sync(&self) -> Result<(), StoreError> {
        self.database
            .persist(PersistMode::SyncAll)
            .map_err(|error| StoreError::io("syncing the tables' journal", error))
    }
}

impl Drop for Embedded {
    /// Leaves tables that need no journal, if nothing failed.
    fn drop(&mut self) {
        let Some((applier, recycler)) = self.threads.take() else { return };
        self.pending.close();
        // A panic in it was told to whoever waited.
        let _ = applier.join();
        self.durable.close();
        let synced = self.pending.all_applied().filter(|_| match self.spaces.sync() {
            Ok(()) => true,
            Err(error) => {
                tracing::error!(%error, "the next start replays the journal");
                false
            }
        });
        if let Err(error) = recycler.close(synced) {
            tracing::error!(%error, "the next start replays the journal");
        }
    }
}

/// Why the tables do not open, and who is to blame.
fn not_opened(dir: &Path, error: fjall::Error) -> StoreError {
    match error {
        fjall::Error::Locked => StoreError::Locked { dir: dir.into() },
        fjall::Error::JournalRecovery(_)
        | fjall::Error::InvalidTrailer
        | fjall::Error::InvalidTag(_)
        | fjall::Error::Decompress(_) => damaged(dir, "the tables' journals N.jnl", &error.to_string()),
        fjall::Error::Storage(fjall::LsmError::Io(_)) => {
            StoreError::io(format!("opening the data directory {}", dir.display()), error)
        }
        fjall::Error::Storage(_) | fjall::Error::Unrecoverable => damaged(dir, "the tables", &error.to_string()),
        error => StoreError::io(format!("opening the data directory {}", dir.display()), error),
    }
}

fn damaged(dir: &Path, what: &str, why: &str) -> StoreError {
    let dir = dir.display();
    StoreError::corrupt(format!("{what} of {dir} are damaged ({why}); restore the data directory from a backup"))
}

/// Runs `start` on a thread that yields to others, as the threads it starts will: the engine's flushes and compactions
/// take a CPU for tens of milliseconds, and at equal rights a shard or the writer beside them waited 4 ms for it.
fn behind_the_others<T: Send>(start: impl FnOnce() -> T + Send) -> Result<T, StoreError> {
    let body = || {
        if let Err(error) = rustix::process::nice(STORE_WORKERS_NICE) {
            tracing::warn!(%error, "the storage engine's workers run at the priority of all others");
        }
        start()
    };
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().name("store-open".into()).spawn_scoped(scope, body);
        let thread = thread.map_err(|error| StoreError::io("starting a storage thread", error))?;
        thread.join().map_err(|_| StoreError::Panicked)
    })
}

impl Engine for Embedded {
    fn commit(&self, writes: &[Write]) -> Result<Vec<Outcome>, StoreError> {
        // After a panic in here the group may be half staged; the process is then told to end.
        let mut writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        let outcomes = writes.iter().map(|write| writer.group.stage(write)).collect();
        if let Some(entries) = writer.group.take() {
            // Synced before readers or askers can see it.
            let (group, journal_bytes) = writer.journal.append(pending::listed(&entries))?;
            self.pending.push(Synced { group, journal_bytes, entries });
        }
        Ok(outcomes)
    }

    fn condition(&self) -> Condition {
        self.room.look()
    }

    fn read(&self, read: &Read) -> Result<Found, StoreError> {
        self.pending.wait_applied()?;
        read::answer(&self.spaces, read)
    }
}
