//! The lines of an export, one after another, each with its number and place. Must not know what becomes of them.

use std::io::{BufRead, Read as _};
use std::path::Path;

use sha2::{Digest, Sha256};
use switchboard_protocol::model::limits::EXPORT_LINE_MAX_BYTES;

use super::super::form::Record;
use super::super::form::record::hex;
use super::note::Mark;
use super::{End, Parsed, TransferError, at, parse, parse_header};

/// Reads lines.
pub(super) struct Lines<'a, R> {
    reader: R,
    path: &'a Path,
    line: Vec<u8>,
    /// Behind the last line that was read, and before it.
    mark: Mark,
    before: Mark,
    hasher: Sha256,
    /// The digest is of the whole file.
    whole: bool,
}

impl<'a, R: BufRead> Lines<'a, R> {
    /// From the first line on.
    pub(super) fn new(reader: R, path: &'a Path) -> Self {
        let (line, mark, before) = (Vec::new(), Mark::default(), Mark::default());
        Self { reader, path, line, mark, before, hasher: Sha256::new(), whole: true }
    }

    /// From a place on, where `reader` stands.
    pub(super) fn resumed(reader: R, path: &'a Path, mark: &Mark) -> Self {
        let whole = mark.line == 0;
        Self { mark: *mark, before: *mark, whole, ..Self::new(reader, path) }
    }

    /// How far it is, with what was read of each type.
    pub(super) const fn mark(&self) -> Mark {
        self.mark
    }

    /// Where the last line begins.
    pub(super) const fn before(&self) -> Mark {
        self.before
    }

    /// The next record; `None` at a last line that fits all before it.
    pub(super) fn record(&mut self) -> Result<Option<Record>, TransferError> {
        if self.mark.line == 0 {
            self.next_line()?;
            parse_header(&self.line).map_err(|error| TransferError::Line { line: 1, error })?;
            self.digest();
        }
        self.before = self.mark;
        self.next_line()?;
        let line = self.mark.line;
        match parse(&self.line).map_err(|error| TransferError::Line { line, error })? {
            Parsed::Record(record) => {
                self.digest();
                self.mark.counts.add(&record);
                Ok(Some(record))
            }
            Parsed::End(end) => {
                let hashed = !self.whole || hex(&self.hasher.clone().finalize()) == end.sha256;
                if !hashed || end.counts != self.mark.counts || end.lines != line {
                    return Err(TransferError::Checksum);
                }
                if self.read_line()? > 0 {
                    return Err(self.order("comes behind the last line of an export"));
                }
                Ok(None)
            }
        }
    }

    /// Reads to the end without looking at records; the last line, if it fits all before it.
    pub(super) fn skim(&mut self) -> Result<End, TransferError> {
        self.next_line()?;
        parse_header(&self.line).map_err(|error| TransferError::Line { line: 1, error })?;
        loop {
            self.digest();
            self.next_line()?;
            if !self.line.starts_with(br#"{"type":"end""#) {
                continue;
            }
            let Ok(Parsed::End(end)) = parse(&self.line) else { continue };
            let fits = hex(&self.hasher.clone().finalize()) == end.sha256 && end.lines == self.mark.line;
            let rest = self.read_line()?;
            return if fits && rest == 0 { Ok(end) } else { Err(TransferError::Checksum) };
        }
    }

    fn digest(&mut self) {
        self.hasher.update(&self.line);
        self.hasher.update(b"\n");
    }

    /// Reads a line that must be there, without its line feed.
    fn next_line(&mut self) -> Result<(), TransferError> {
        self.read_line()?;
        if self.line.pop_if(|byte| *byte == b'\n').is_some() {
            return Ok(());
        }
        if self.line.len() > EXPORT_LINE_MAX_BYTES {
            return Err(self.order("is longer than any line of an export"));
        }
        Err(TransferError::Truncated(self.mark.line))
    }

    fn read_line(&mut self) -> Result<usize, TransferError> {
        self.line.clear();
        let mut limited = (&mut self.reader).take(EXPORT_LINE_MAX_BYTES as u64 + 1);
        let read = at(self.path, limited.read_until(b'\n', &mut self.line))?;
        if read > 0 {
            self.mark.line += 1;
            self.mark.bytes += read as u64;
        }
        Ok(read)
    }

    fn order(&self, why: &str) -> TransferError {
        TransferError::Order { line: self.mark.line, why: why.to_owned() }
    }
}
