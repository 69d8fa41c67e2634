//! Up to where the tables are durable by themselves: a file of two slots, written in turn, so that one is always
//! whole. Its lock is the data directory's. Must not know what a group is.

use std::fs::{File, OpenOptions, TryLockError};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::Duration;

use switchboard_protocol::model::limits::STORE_JOURNAL_BLOCK_BYTES;
use xxhash_rust::xxh3::xxh3_64;

use super::record::integer;
use super::tables_log::Position;
use crate::StoreError;

const MAGIC: [u8; 8] = *b"sbcheck1";
const SLOTS: u64 = 2;
const SLOT_BYTES: usize = STORE_JOURNAL_BLOCK_BYTES;
const CONTENT_BYTES: usize = 56;
/// Stands for no position.
const NONE: u64 = u64::MAX;
/// As long as the engine below tries for its own lock.
const LOCK_TRIES: u32 = 4;
const LOCK_PAUSE: Duration = Duration::from_millis(100);

/// What one slot says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Checkpoint {
    sequence: u64,
    /// The secret of all records' checksums.
    pub seed: u64,
    /// The tables hold all groups up to this one, durably.
    pub group: u64,
    /// Where the tables' own journal ended then; what is behind it is not needed, and after a power loss perhaps
    /// damaged. `None`: the store was closed in order, all of it is good.
    pub log: Option<Position>,
}

/// The file, locked.
#[derive(Debug)]
pub(super) struct Checkpoints {
    file: File,
    last: Checkpoint,
}

/// The content of a new file.
pub(super) fn first(seed: u64, group: u64) -> Vec<u8> {
    let mut bytes = encode(&Checkpoint { sequence: 0, seed, group, log: None });
    bytes.resize(SLOTS as usize * SLOT_BYTES, 0);
    bytes
}

impl Checkpoints {
    /// Locks and reads it. Fails with `Locked` if another process has it, with `Corrupt` if no slot is whole.
    pub fn open(path: &Path, dir: &Path) -> Result<Self, StoreError> {
        let failed = |error| StoreError::io(format!("opening {}", path.display()), error);
        let file = OpenOptions::new().read(true).write(true).open(path).map_err(failed)?;
        if !lock(&file).map_err(failed)? {
            return Err(StoreError::Locked { dir: dir.into() });
        }
        let mut bytes = vec![0; SLOTS as usize * SLOT_BYTES];
        let length = file.metadata().map_err(failed)?.len();
        let last = if length == bytes.len() as u64 {
            file.read_exact_at(&mut bytes, 0).map_err(failed)?;
            bytes.chunks_exact(SLOT_BYTES).filter_map(decode).max_by_key(|slot| slot.sequence)
        } else {
            None
        };
        let last = last.ok_or_else(|| {
            StoreError::corrupt(format!(
                "{} is damaged, or of a later version; restore the data directory from a backup",
                path.display()
            ))
        })?;
        Ok(Self { file, last })
    }

    pub const fn last(&self) -> &Checkpoint {
        &self.last
    }

    /// Makes the next checkpoint durable.
    pub fn write(&mut self, group: u64, log: Option<Position>) -> std::io::Result<()> {
        let next = Checkpoint { sequence: self.last.sequence + 1, group, log, ..self.last };
        self.file.write_all_at(&encode(&next), next.sequence % SLOTS * SLOT_BYTES as u64)?;
        self.file.sync_data()?;
        self.last = next;
        Ok(())
    }
}

/// Whether it is ours now.
fn lock(file: &File) -> std::io::Result<bool> {
    for _ in 1..LOCK_TRIES {
        match file.try_lock() {
            Ok(()) => return Ok(true),
            Err(TryLockError::WouldBlock) => std::thread::sleep(LOCK_PAUSE),
            Err(TryLockError::Error(error)) => return Err(error),
        }
    }
    Ok(false)
}

fn encode(checkpoint: &Checkpoint) -> Vec<u8> {
    let log = checkpoint.log.unwrap_or(Position { id: NONE, offset: NONE });
    let mut bytes = Vec::with_capacity(SLOT_BYTES);
    bytes.extend_from_slice(&MAGIC);
    for integer in [checkpoint.sequence, checkpoint.seed, checkpoint.group, log.id, log.offset] {
        bytes.extend_from_slice(&integer.to_le_bytes());
    }
    bytes.extend_from_slice(&xxh3_64(&bytes).to_le_bytes());
    bytes.resize(SLOT_BYTES, 0);
    bytes
}

fn decode(bytes: &[u8]) -> Option<Checkpoint> {
    let content = bytes.get(..CONTENT_BYTES)?;
    let (said, checksum) = content.split_at(CONTENT_BYTES - 8);
    (said.starts_with(&MAGIC) && integer(checksum, 0)? == xxh3_64(said)).then_some(())?;
    let (id, offset) = (integer(said, 32)?, integer(said, 40)?);
    let log = (id != NONE).then_some(Position { id, offset });
    Some(Checkpoint { sequence: integer(said, 8)?, seed: integer(said, 16)?, group: integer(said, 24)?, log })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn opened(bytes: &[u8]) -> Result<Checkpoints, StoreError> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("checkpoint");
        std::fs::write(&path, bytes).unwrap();
        Checkpoints::open(&path, dir.path())
    }

    #[test]
    fn the_newest_whole_slot_counts() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("checkpoint");
        std::fs::write(&path, first(7, 3)).unwrap();
        let mut file = Checkpoints::open(&path, dir.path()).unwrap();
        assert_eq!((file.last().seed, file.last().group, file.last().log), (7, 3, None));
        let log = Some(Position { id: 2, offset: 99 });
        file.write(5, log).unwrap();
        file.write(8, log).unwrap();
        drop(file);
        let bytes = std::fs::read(&path).unwrap();
        let last = *opened(&bytes).unwrap().last();
        assert_eq!((last.seed, last.group, last.log), (7, 8, log));

        // The newest one, sequence 2, is in the first slot: torn at any byte, the one before counts.
        for torn in 0..CONTENT_BYTES {
            let mut bytes = bytes.clone();
            bytes[torn] ^= 0x55;
            assert_eq!(opened(&bytes).unwrap().last().group, 5, "torn at {torn}");
        }
    }

    #[test]
    fn a_file_without_a_whole_slot_is_refused() {
        for bytes in [vec![], vec![0; 2 * SLOT_BYTES], first(1, 1)[..SLOT_BYTES].to_vec()] {
            let error = opened(&bytes).unwrap_err();
            assert!(error.to_string().contains("checkpoint is damaged"), "{error}");
        }
    }
}
