//! The write-ahead journal of group commits: one write and one `fdatasync` a group. The tables (fjall) come behind it,
//! unsynced; what they would lose is replayed from here. Must not know what is stored or who waits for it.
//!
//! | file of `group-journal/` | what |
//! | --- | --- |
//! | `N.log` | segments, written in turn, a record a group (`record`); overwritten when all in it is durable in the tables |
//! | `large-GROUP.log` | the one record of a group that fits no segment; removed when the group is durable in the tables |
//! | `checkpoint` | up to which group the tables are durable, and up to where their own journal was synced |
//!
//! A start: the tables' own journal is cut where the checkpoint says it was synced; the tables open; the groups behind
//! the checkpoint are replayed (`replay`); the tables are synced; a new checkpoint.
//!
//! `ops/decisions/0011-a-journal-of-our-own.md` says why, and how each file is covered after a loss of power.

mod checkpoint;
mod files;
mod record;
mod recycle;
mod replay;
mod tables_log;

use std::fs::File;
use std::io::{self, Write};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;
use std::thread::JoinHandle;

use switchboard_protocol::model::limits::{STORE_JOURNAL_SEGMENT_BYTES, STORE_WORKERS_NICE};

use crate::StoreError;
use checkpoint::Checkpoints;
use files::{Folder, Segment};

pub(super) use record::{Entry, Record};
pub(super) use recycle::Durable;
pub(super) use tables_log::TablesLog;

/// A journal that was there at the start: locked, and not replayed yet.
#[derive(Debug)]
pub(super) struct Found {
    folder: Folder,
    segments: Vec<Segment>,
    checkpoints: Checkpoints,
}

/// The end that is written, by one thread.
#[derive(Debug)]
pub(super) struct Journal {
    folder: Folder,
    seed: u64,
    segments: Vec<Segment>,
    current: usize,
    /// Where the next record goes in the current segment, in bytes.
    at: usize,
    last_group: u64,
    durable: Arc<Durable>,
    /// The record being written; kept for its memory.
    bytes: Vec<u8>,
}

/// The end that makes segments free.
#[derive(Debug)]
pub(super) struct Recycler(JoinHandle<Option<Checkpoints>>);

/// Finds the journal of `dir`, which the tables have not opened yet, locks it and cuts the tables' own journal back to
/// what was synced. `None` in a data directory that has none yet.
///
/// Fails with `Locked` if another process has it, with `Corrupt` if a file is missing or damaged.
pub(super) fn find(dir: &Path) -> Result<Option<Found>, StoreError> {
    let folder = Folder::of(dir);
    if !folder.exists()? {
        return Ok(None);
    }
    let checkpoints = Checkpoints::open(&folder.checkpoint(), dir)?;
    let segments = folder.open_segments()?;
    if let Some(position) = checkpoints.last().log {
        tables_log(dir)?.cut(position)?;
    }
    Ok(Some(Found { folder, segments, checkpoints }))
}

/// Makes the journal of `dir`, whose tables are durable and locked.
pub(super) fn create(dir: &Path) -> Result<Found, StoreError> {
    let seed = getrandom::u64().map_err(|error| StoreError::io("asking for random bytes", error))?;
    Folder::of(dir).create(seed, 0)?;
    find(dir)?.ok_or_else(|| StoreError::corrupt("the journal that was made is gone"))
}

/// Where the tables' own journal is.
pub(super) fn tables_log(dir: &Path) -> Result<TablesLog, StoreError> {
    TablesLog::new(dir).map_err(|error| StoreError::io(format!("opening {}", dir.display()), error))
}

impl Found {
    /// Gives all groups that the tables may lack to `apply`, in order; returns the last group there is.
    /// The tables are open and nobody reads or writes.
    pub fn replay(
        &self,
        log: &TablesLog,
        mut apply: impl FnMut(&Record<'_>) -> Result<(), StoreError>,
    ) -> Result<u64, StoreError> {
        let checkpoint = self.checkpoints.last();
        if let Some(position) = checkpoint.log {
            log.check(position)?;
        }
        let contents = self.folder.contents()?;
        let groups = replay::groups(&contents, checkpoint.seed, checkpoint.group)?;
        for group in &groups {
            apply(group)?;
        }
        Ok(groups.last().map_or(checkpoint.group, |group| group.number))
    }

    /// Goes on behind `group`, the last one, up to which the tables and their journal are durable.
    pub fn start(mut self, group: u64, mut log: TablesLog) -> Result<(Journal, Recycler, Arc<Durable>), StoreError> {
        let failed = |error| StoreError::io(format!("writing {}", self.folder.checkpoint().display()), error);
        let position = log.position().map_err(failed)?;
        self.checkpoints.write(group, Some(position)).map_err(failed)?;
        self.folder.remove_larges()?;
        let durable = Arc::new(Durable::new(group));
        let journal = Journal {
            seed: self.checkpoints.last().seed,
            folder: self.folder,
            segments: self.segments,
            current: 0,
            at: 0,
            last_group: group,
            durable: durable.clone(),
            bytes: Vec::new(),
        };
        let (shared, checkpoints) = (durable.clone(), self.checkpoints);
        let thread = std::thread::Builder::new().name("store-recycle".into()).spawn(move || {
            // It waits for the disk most of the time, and is never in a hurry.
            let _ = rustix::process::nice(STORE_WORKERS_NICE);
            recycle::run(&shared, &log, checkpoints)
        });
        let thread = thread.map_err(|error| StoreError::io("starting a storage thread", error))?;
        Ok((journal, Recycler(thread), durable))
    }
}

impl Journal {
    /// Makes a group durable; returns its number and its bytes here. An error is fatal.
    pub fn append<'a>(&mut self, entries: impl Iterator<Item = Entry<'a>>) -> Result<(u64, u64), StoreError> {
        // Does not wait, but tells of a failure behind the journal.
        self.durable.wait_for(0)?;
        let group = self.last_group + 1;
        record::encode(group, self.seed, entries, &mut self.bytes);
        let bytes = self.bytes.len();
        if bytes > STORE_JOURNAL_SEGMENT_BYTES {
            self.write_large(group)?;
        } else {
            if self.at + bytes > STORE_JOURNAL_SEGMENT_BYTES {
                let next = (self.current + 1) % self.segments.len();
                self.durable.wait_for(self.segments[next].last_group)?;
                (self.current, self.at) = (next, 0);
            }
            let segment = &mut self.segments[self.current];
            let written = segment.file.write_all_at(&self.bytes, self.at as u64);
            written.and_then(|()| segment.file.sync_data()).map_err(fatal)?;
            segment.last_group = group;
            self.at += bytes;
        }
        self.last_group = group;
        Ok((group, bytes as u64))
    }

    /// A group above the size of a segment has a file of its own. Such ones wait for each other: they are held in
    /// memory until they are applied, and only the segments bound that.
    fn write_large(&mut self, group: u64) -> Result<(), StoreError> {
        self.durable.wait_for_larges()?;
        let path = self.folder.large(group);
        let write = || -> io::Result<()> {
            let mut file = File::create(&path)?;
            file.write_all(&self.bytes)?;
            file.sync_all()?;
            files::sync_folder(self.folder.path())
        };
        write().map_err(fatal)?;
        self.durable.remove_later(group, path);
        self.bytes = Vec::new();
        Ok(())
    }
}

impl Recycler {
    /// After `Durable::close`: waits for the thread, and if `synced` says that the tables and their journal are durable
    /// as a whole up to a group, leaves a checkpoint after which nothing is cut or replayed.
    pub fn close(self, synced: Option<u64>) -> io::Result<()> {
        let checkpoints = self.0.join().map_err(|_| io::Error::other("the thread panicked"))?;
        match (checkpoints, synced) {
            (Some(mut checkpoints), Some(group)) => checkpoints.write(group, None),
            (None, _) | (_, None) => Ok(()),
        }
    }
}

fn fatal(error: io::Error) -> StoreError {
    StoreError::Engine(Box::new(error))
}
