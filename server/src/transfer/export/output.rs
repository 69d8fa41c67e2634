//! Where an export goes: `FILE.part`, which gets its name when it is whole and durable, or a pipe. A note beside it says
//! up to where it is good, for `--resume`. Must not know what a store is.

use std::fs::File;
use std::io::{BufWriter, Read as _, Seek as _, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use switchboard_protocol::model::limits::TRANSFER_NOTE_MS;

use super::super::files::{at, beside, create, read_note, remove_note, sync_directory, write_note};
use super::super::form::record::hex;
use super::super::form::{Counts, End, Header, Record, write_end, write_header, write_record};
use super::super::{TransferError, is_standard};
use super::{Export, Place};

/// What is noted: so much of the file is good, and what comes next.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Note {
    switchboard_export_note: u32,
    /// Out of which store.
    from: String,
    bytes: u64,
    lines: u64,
    /// Of these bytes.
    sha256: String,
    counts: Counts,
    pub place: Place,
    /// The digest of its leases when the export began.
    pub leases: String,
}

const NOTE_VERSION: u32 = 1;

/// The lines written so far.
pub(super) struct Output {
    writer: BufWriter<Box<dyn Write>>,
    /// `None` for a pipe.
    files: Option<Files>,
    hasher: Sha256,
    bytes: u64,
    lines: u64,
    counts: Counts,
    line: Vec<u8>,
    noted: Instant,
}

struct Files {
    part: File,
    part_path: PathBuf,
    path: PathBuf,
    note_path: PathBuf,
    from: String,
}

impl Output {
    /// Begins, or goes on where the note says.
    pub(super) fn open(options: &Export, from: &str) -> Result<(Self, Option<Note>), TransferError> {
        if is_standard(&options.out) {
            return match options.resume {
                true => Err(TransferError::ResumePipe),
                false => Ok((Self::new(Box::new(std::io::stdout()), None), None)),
            };
        }
        let path = options.out.clone();
        let (part_path, note_path) = (beside(&path, ".part"), beside(&path, ".export-note"));
        if path.exists() {
            return Err(TransferError::Exists(path));
        }
        let note: Option<Note> = if options.resume { read_note(&note_path)? } else { None };
        if !options.resume && part_path.exists() {
            return Err(TransferError::Unfinished(part_path));
        }
        let part = at(&part_path, create(&part_path, note.is_none()))?;
        let hasher = match &note {
            Some(note) => resumed(&part, note, from, &note_path)?,
            None => {
                remove_note(&note_path)?;
                Sha256::new()
            }
        };
        let writer = at(&part_path, part.try_clone())?;
        let files = Files { part, part_path, path, note_path, from: from.to_owned() };
        let mut output = Self::new(Box::new(writer), Some(files));
        if let Some(note) = &note {
            (output.hasher, output.bytes, output.lines, output.counts) = (hasher, note.bytes, note.lines, note.counts);
        }
        Ok((output, note))
    }

    fn new(writer: Box<dyn Write>, files: Option<Files>) -> Self {
        Self {
            writer: BufWriter::with_capacity(256 * 1024, writer),
            files,
            hasher: Sha256::new(),
            bytes: 0,
            lines: 0,
            counts: Counts::default(),
            line: Vec::new(),
            noted: Instant::now(),
        }
    }

    pub(super) const fn counts(&self) -> Counts {
        self.counts
    }

    pub(super) const fn bytes(&self) -> u64 {
        self.bytes
    }

    pub(super) fn header(&mut self, header: &Header) -> Result<(), TransferError> {
        write_header(header, &mut self.line);
        self.put_line()
    }

    pub(super) fn write(&mut self, record: &Record) -> Result<(), TransferError> {
        write_record(record, &mut self.line);
        self.counts.add(record);
        self.put_line()
    }

    /// Makes what is written durable and says so in the note, now and then.
    pub(super) fn note_if_due(&mut self, place: &Place, leases: &str) -> Result<(), TransferError> {
        if self.noted.elapsed() < Duration::from_millis(TRANSFER_NOTE_MS) {
            return Ok(());
        }
        self.flush()?;
        let Some(files) = &self.files else { return Ok(()) };
        at(&files.part_path, files.part.sync_data())?;
        let note = Note {
            switchboard_export_note: NOTE_VERSION,
            from: files.from.clone(),
            bytes: self.bytes,
            lines: self.lines,
            sha256: hex(&self.hasher.clone().finalize()),
            counts: self.counts,
            place: place.clone(),
            leases: leases.to_owned(),
        };
        write_note(&files.note_path, &note)?;
        self.noted = Instant::now();
        Ok(())
    }

    /// Writes the last line, makes the file durable and gives it its name.
    pub(super) fn finish(mut self) -> Result<(Counts, u64), TransferError> {
        let sha256 = hex(&self.hasher.clone().finalize());
        write_end(End { counts: self.counts, lines: self.lines + 1, sha256 }, &mut self.line);
        self.put_line()?;
        self.flush()?;
        if let Some(files) = &self.files {
            at(&files.part_path, files.part.sync_all())?;
            at(&files.path, std::fs::rename(&files.part_path, &files.path))?;
            remove_note(&files.note_path)?;
            at(&files.path, sync_directory(&files.path))?;
        }
        Ok((self.counts, self.bytes))
    }

    fn put_line(&mut self) -> Result<(), TransferError> {
        self.hasher.update(&self.line);
        self.bytes += self.line.len() as u64;
        self.lines += 1;
        let written = self.writer.write_all(&self.line);
        self.line.clear();
        at(&self.path(), written)
    }

    fn flush(&mut self) -> Result<(), TransferError> {
        let flushed = self.writer.flush();
        at(&self.path(), flushed)
    }

    fn path(&self) -> PathBuf {
        self.files.as_ref().map_or_else(|| "standard output".into(), |files| files.part_path.clone())
    }
}

/// Cuts the file where the note says that it is good, and stands there; the digest of all before.
fn resumed(mut part: &File, note: &Note, from: &str, note_path: &Path) -> Result<Sha256, TransferError> {
    let refuse = |why| Err(TransferError::Resume { path: note_path.to_owned(), why });
    if note.switchboard_export_note != NOTE_VERSION {
        return refuse("it is of another version of the program");
    }
    if note.from != from {
        return refuse("it is an export of another store");
    }
    let mut hasher = Sha256::new();
    let copied = std::io::copy(&mut part.take(note.bytes), &mut hasher);
    if at(note_path, copied)? != note.bytes || hex(&hasher.clone().finalize()) != note.sha256 {
        return refuse("what was written before is missing or damaged");
    }
    let cut = part.set_len(note.bytes).and_then(|()| part.seek(SeekFrom::Start(note.bytes)));
    at(note_path, cut)?;
    Ok(hasher)
}
