//! How far an import is, noted beside its file for `--resume`. Must not know what is brought in.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use switchboard_protocol::model::limits::TRANSFER_NOTE_MS;

use super::super::files::{beside, read_note, remove_note, write_note};
use super::super::form::Counts;
use super::{Import, Onto, TransferError};

/// A place between two lines of a file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Mark {
    /// Bytes before it.
    pub bytes: u64,
    /// Lines before it.
    pub line: u64,
    /// Records before it.
    pub counts: Counts,
}

/// What is noted: all before the mark is durable in the store.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Note {
    switchboard_import_note: u32,
    /// Into which store.
    into: String,
    /// The digest in the file's last line.
    sha256: String,
    mark: Mark,
}

const NOTE_VERSION: u32 = 1;

/// Notes now and then.
pub(super) struct Notes {
    /// `None`: nothing is noted, of a pipe or a merge.
    file: Option<(PathBuf, Note)>,
    noted: Instant,
}

impl Notes {
    /// Of what cannot be resumed.
    pub(super) fn none() -> Self {
        Self { file: None, noted: Instant::now() }
    }

    /// Begins a note, or finds the one that is there; and where to begin.
    pub(super) fn open(options: &Import, into: String, sha256: String) -> Result<(Self, Mark), TransferError> {
        let path = beside(&options.from, ".import-note");
        let mark = match options.onto {
            Onto::Whatever => return Ok((Self::none(), Mark::default())),
            Onto::Nothing => Mark::default(),
            Onto::Interrupted => {
                let refuse = |why| TransferError::Resume { path: path.clone(), why };
                let note: Option<Note> = read_note(&path)?;
                let note = note.ok_or_else(|| refuse("it is not there: no import of this file was interrupted"))?;
                if note.switchboard_import_note != NOTE_VERSION {
                    return Err(refuse("it is of another version of the program"));
                }
                if note.into != into {
                    return Err(refuse("it is of an import into another store"));
                }
                if note.sha256 != sha256 {
                    return Err(refuse("the file is another one since"));
                }
                note.mark
            }
        };
        let note = Note { switchboard_import_note: NOTE_VERSION, into, sha256, mark };
        // Before the first write: from then on the store is not empty.
        write_note(&path, &note)?;
        Ok((Self { file: Some((path, note)), noted: Instant::now() }, mark))
    }

    pub(super) fn is_due(&self) -> bool {
        self.file.is_some() && self.noted.elapsed() >= Duration::from_millis(TRANSFER_NOTE_MS)
    }

    pub(super) fn write(&mut self, mark: Mark) -> Result<(), TransferError> {
        self.noted = Instant::now();
        let Some((path, note)) = &mut self.file else { return Ok(()) };
        note.mark = mark;
        write_note(path, note)
    }

    /// All is in the store.
    pub(super) fn done(self) -> Result<(), TransferError> {
        self.file.map_or(Ok(()), |(path, _)| remove_note(&path))
    }
}
