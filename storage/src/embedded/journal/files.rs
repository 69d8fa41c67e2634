//! The journal's files: made once with all their blocks written, then overwritten in place for ever, so that syncing
//! one changes nothing a filesystem keeps a journal of. Must not know records.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use switchboard_protocol::model::limits::{STORE_JOURNAL_SEGMENT_BYTES, STORE_JOURNAL_SEGMENTS};

use super::checkpoint;
use super::replay::Content;
use crate::StoreError;

/// The journal's folder in the data directory.
const FOLDER: &str = "group-journal";
/// What it is called until it is whole.
const UNFINISHED: &str = "group-journal.new";
const LARGE_PREFIX: &str = "large-";
static ZEROS: [u8; 64 * 1024] = [0; 64 * 1024];

/// Where the journal of a data directory is.
#[derive(Clone, Debug)]
pub(super) struct Folder {
    data_dir: PathBuf,
    path: PathBuf,
}

/// A segment, open for writing.
#[derive(Debug)]
pub(super) struct Segment {
    pub file: File,
    /// The last group in it that may still be needed.
    pub last_group: u64,
}

impl Folder {
    pub fn of(data_dir: &Path) -> Self {
        Self { data_dir: data_dir.into(), path: data_dir.join(FOLDER) }
    }

    /// Fails with `Io` if that cannot be told.
    pub fn exists(&self) -> Result<bool, StoreError> {
        self.path.try_exists().map_err(|error| self.failed("looking for", error))
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    pub fn checkpoint(&self) -> PathBuf {
        self.path.join("checkpoint")
    }

    /// The file of a group that fits no segment.
    pub fn large(&self, group: u64) -> PathBuf {
        self.path.join(format!("{LARGE_PREFIX}{group}.log"))
    }

    /// Makes all files, durably and all or none: it has its name only when it is whole.
    pub fn create(&self, seed: u64, group: u64) -> Result<(), StoreError> {
        self.make(seed, group).map_err(|error| {
            let bytes = STORE_JOURNAL_SEGMENTS * STORE_JOURNAL_SEGMENT_BYTES;
            self.failed(&format!("making the journal of {} MiB,", bytes / (1024 * 1024)), error)
        })
    }

    fn make(&self, seed: u64, group: u64) -> io::Result<()> {
        let unfinished = self.data_dir.join(UNFINISHED);
        if unfinished.try_exists()? {
            fs::remove_dir_all(&unfinished)?;
        }
        fs::create_dir(&unfinished)?;
        for number in 0..STORE_JOURNAL_SEGMENTS {
            let mut file = File::create_new(unfinished.join(segment_name(number)))?;
            for _ in 0..STORE_JOURNAL_SEGMENT_BYTES / ZEROS.len() {
                file.write_all(&ZEROS)?;
            }
            file.sync_all()?;
        }
        let mut file = File::create_new(unfinished.join("checkpoint"))?;
        file.write_all(&checkpoint::first(seed, group))?;
        file.sync_all()?;
        sync_folder(&unfinished)?;
        fs::rename(&unfinished, &self.path)?;
        sync_folder(&self.data_dir)
    }

    /// Opens all segments for writing. Fails with `Corrupt` if one is missing or has another length.
    pub fn open_segments(&self) -> Result<Vec<Segment>, StoreError> {
        let mut segments = Vec::with_capacity(STORE_JOURNAL_SEGMENTS);
        for path in self.segments() {
            let damaged = |what: &str| {
                StoreError::corrupt(format!(
                    "the journal {} {what}; restore the data directory from a backup",
                    path.display()
                ))
            };
            let file = match OpenOptions::new().write(true).open(&path) {
                Ok(file) => file,
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(damaged("is missing")),
                Err(error) => return Err(self.failed("opening", error)),
            };
            let bytes = file.metadata().map_err(|error| self.failed("reading", error))?.len();
            if bytes != STORE_JOURNAL_SEGMENT_BYTES as u64 {
                return Err(damaged(&format!("has {bytes} bytes instead of {STORE_JOURNAL_SEGMENT_BYTES}")));
            }
            segments.push(Segment { file, last_group: 0 });
        }
        Ok(segments)
    }

    /// Reads all that was written.
    pub fn contents(&self) -> Result<Vec<Content>, StoreError> {
        let paths = self.segments().into_iter().chain(self.larges()?);
        let read = |path: PathBuf| fs::read(&path).map(|bytes| Content { path, bytes });
        paths.map(read).collect::<io::Result<_>>().map_err(|error| self.failed("reading", error))
    }

    /// Removes the files of single groups, which are no longer needed.
    pub fn remove_larges(&self) -> Result<(), StoreError> {
        let remove = |path: PathBuf| fs::remove_file(path).map_err(|error| self.failed("clearing", error));
        self.larges()?.into_iter().try_for_each(remove)
    }

    fn segments(&self) -> Vec<PathBuf> {
        (0..STORE_JOURNAL_SEGMENTS).map(|number| self.path.join(segment_name(number))).collect()
    }

    fn larges(&self) -> Result<Vec<PathBuf>, StoreError> {
        let mut larges = Vec::new();
        for entry in fs::read_dir(&self.path).map_err(|error| self.failed("reading", error))? {
            let entry = entry.map_err(|error| self.failed("reading", error))?;
            if entry.file_name().to_string_lossy().starts_with(LARGE_PREFIX) {
                larges.push(entry.path());
            }
        }
        Ok(larges)
    }

    fn failed(&self, doing: &str, error: io::Error) -> StoreError {
        StoreError::io(format!("{doing} {}", self.path.display()), error)
    }
}

/// Makes the names in a folder durable.
pub(super) fn sync_folder(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

fn segment_name(number: usize) -> String {
    format!("{number}.log")
}
