//! The embedded engine: fjall, one write batch and one fdatasync per group. Must not know threads and
//! queues (that is `Threaded`) or the bytes of a record (that is `record`).

mod group;
mod keys;
mod read;

use std::path::Path;
use std::sync::{Mutex, PoisonError};

use fjall::{Database, Keyspace, KeyspaceCreateOptions};
use switchboard_protocol::model::limits::{
    STORE_CACHE_BYTES, STORE_JOURNALS_MAX_BYTES, STORE_MEMTABLE_MAX_BYTES, STORE_WORKERS_NICE,
};
use switchboard_protocol::model::{Found, Read, Write};

use crate::{Engine, Outcome, StoreError};
use group::Group;

/// A store in one directory of this machine.
pub struct Embedded {
    spaces: Spaces,
    group: Mutex<Group>,
}

/// The keyspaces; `keys` says what is in each.
#[derive(Clone)]
struct Spaces {
    database: Database,
    messages: Keyspace,
    lookups: Keyspace,
    conversations: Keyspace,
    directory: Keyspace,
}

impl Embedded {
    /// Opens the store in `dir`, creating it if needed, and replays what was synced before a crash.
    ///
    /// Fails with `Locked` if another process has the directory (after trying for 0.3 s), with `Io` if it
    /// cannot be read or written or holds something else.
    pub fn open(dir: &Path) -> Result<Self, StoreError> {
        let failed = |error| match error {
            fjall::Error::Locked => StoreError::Locked { dir: dir.into() },
            error => StoreError::io(format!("opening the data directory {}", dir.display()), error),
        };
        let builder =
            Database::builder(dir).cache_size(STORE_CACHE_BYTES).max_journaling_size(STORE_JOURNALS_MAX_BYTES);
        let database = behind_the_others(|| builder.open())?.map_err(failed)?;
        let options = || KeyspaceCreateOptions::default().max_memtable_size(STORE_MEMTABLE_MAX_BYTES);
        let space = |name| database.keyspace(name, options).map_err(failed);
        let spaces = Spaces {
            messages: space("messages")?,
            lookups: space("lookups")?,
            conversations: space("conversations")?,
            directory: space("directory")?,
            database: database.clone(),
        };
        Ok(Self { group: Mutex::new(Group::new(spaces.clone())), spaces })
    }
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
        let mut group = self.group.lock().unwrap_or_else(PoisonError::into_inner);
        let outcomes = writes.iter().map(|write| group.stage(write)).collect();
        group.commit()?;
        Ok(outcomes)
    }

    fn read(&self, read: &Read) -> Result<Found, StoreError> {
        read::answer(&self.spaces, read)
    }
}

#[cfg(test)]
mod tests {
    use switchboard_protocol::model::{Side, Timestamp, Written};

    use super::*;
    use crate::conformance::samples;

    /// A damaged record costs those who ask for it, not the group it is asked in.
    #[test]
    fn a_damaged_record_fails_its_own_operation_only() {
        let dir = tempfile::tempdir().unwrap();
        let engine = Embedded::open(dir.path()).unwrap();
        let mut conversation = samples::conversation(1, samples::user(1));
        let mut append = |id| samples::append(&mut conversation, id, Side::Agent, None);
        let ((first, message), (second, _)) = (append(1), append(2));
        engine.commit(&[first]).unwrap();
        engine
            .spaces
            .messages
            .insert(keys::message(message.conversation, message.seq), [crate::record::VERSION, 1, 2])
            .unwrap();

        let mark = Write::MarkRead {
            conversation: samples::conversation(1, samples::user(2)),
            messages: vec![message.id],
            of: Side::Agent,
            at: Timestamp::from_millis(1),
        };
        let outcomes = engine.commit(&[mark, second]).unwrap();
        assert!(matches!(outcomes[..], [Err(StoreError::Corrupt { .. }), Ok(Written::Durable)]), "{outcomes:?}");
        let header = engine.read(&Read::Conversation(message.conversation)).unwrap();
        assert_eq!(header, Found::Conversation(Some(Box::new(conversation))), "the failed one changed nothing");
        let history = Read::History { conversation: message.conversation, from: message.seq, to: message.seq };
        assert!(matches!(engine.read(&history), Err(StoreError::Corrupt { .. })));
    }
}
