//! Whether the file system of a data directory has room: what the tables need for flushing and compacting must be there
//! before new writes are taken, or one of those fails in the middle. Must not know what is written.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use switchboard_protocol::model::limits::{STORE_MIN_FREE_BYTES, STORE_ROOM_AGAIN_DIVISOR};
use switchboard_protocol::model::{Condition, Why};

/// Watches the room of one directory.
#[derive(Debug)]
pub(super) struct Room {
    dir: PathBuf,
    min_free_bytes: u64,
    full: AtomicBool,
}

impl Room {
    pub fn new(dir: &Path) -> Self {
        Self { dir: dir.into(), min_free_bytes: STORE_MIN_FREE_BYTES, full: AtomicBool::new(false) }
    }

    /// So much must be free; 0 asks nobody.
    pub fn keep_free(&mut self, bytes: u64) {
        self.min_free_bytes = bytes;
    }

    /// Asks the file system.
    pub fn look(&self) -> Condition {
        if self.min_free_bytes == 0 {
            return Condition::Writable;
        }
        match rustix::fs::statvfs(&self.dir) {
            Ok(found) => self.judge(found.f_bavail.saturating_mul(found.f_frsize)),
            Err(error) => {
                // Whoever writes will meet it, if it is more than this question.
                tracing::warn!(%error, dir = %self.dir.display(), "the free space is not known");
                Condition::Writable
            }
        }
    }

    /// Full below the limit, and then until there is an eighth more: a flush that ends gives back what it took, and must
    /// not let in what the next one lacks.
    fn judge(&self, free_bytes: u64) -> Condition {
        let was_full = self.full.load(Ordering::Relaxed);
        let limit_bytes = self.min_free_bytes;
        let wanted_bytes =
            if was_full { limit_bytes.saturating_add(limit_bytes / STORE_ROOM_AGAIN_DIVISOR) } else { limit_bytes };
        let full = free_bytes < wanted_bytes;
        if full != was_full {
            self.full.store(full, Ordering::Relaxed);
            let dir = self.dir.display();
            if full {
                tracing::error!(%dir, free_bytes, limit_bytes, "the disk is full: what would write is refused until there is room");
            } else {
                tracing::info!(%dir, free_bytes, limit_bytes, "the disk has room again");
            }
        }
        if full { Condition::Unwritable(Why::DiskFull) } else { Condition::Writable }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FULL: Condition = Condition::Unwritable(Why::DiskFull);

    #[test]
    fn full_below_the_limit_and_until_there_is_an_eighth_more() {
        let mut room = Room::new(Path::new("/"));
        room.keep_free(800);
        let told: Vec<_> = [800, 799, 800, 899, 900, 800, 799].map(|free| room.judge(free)).into();
        let writable = Condition::Writable;
        assert_eq!(told, [writable, FULL, FULL, FULL, writable, writable, FULL]);
    }

    #[test]
    fn the_file_system_is_asked() {
        let dir = tempfile::tempdir().unwrap();
        let mut room = Room::new(dir.path());
        room.keep_free(1);
        assert_eq!(room.look(), Condition::Writable);
        room.keep_free(u64::MAX);
        assert_eq!(room.look(), FULL, "no disk has so much");
        room.keep_free(0);
        assert_eq!(room.look(), Condition::Writable);
    }
}
