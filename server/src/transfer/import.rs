//! Out of a file into a store. A file is checked as a whole before anything of it is written; a pipe is believed line by
//! line. Writes go into the store many at once; all of them may be done again, so an interruption costs only what was not
//! noted yet. Must not know the lines (`form`).

mod lines;
mod note;
mod records;

use std::fs::File;
use std::io::{BufRead, BufReader, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};

use switchboard_protocol::model::{CustomerQuery, Found, Read, Scan, Scanned};

use super::files::at;
use super::form::{Counts, End, Parsed, parse, parse_header};
use super::progress::Progress;
use super::{TransferError, is_standard, open, read, scan, target};
use crate::config::{Config, prepare_data_dir};
use crate::store::{AskError, Asker};
use lines::Lines;
use note::{Mark, Notes};
use records::Importer;

/// What is to be imported.
#[derive(Clone, Debug)]
pub struct Import {
    /// The file, or `-`.
    pub from: PathBuf,
    /// Onto what.
    pub onto: Onto,
}

/// What may be in the store before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Onto {
    /// Nothing but leases of ids, as a server that nobody used leaves it.
    Nothing,
    /// Anything: the file's records replace those of the same name.
    Whatever,
    /// What an import of this file wrote that was interrupted.
    Interrupted,
}

/// Brings all of a file into the store of `config`; it is durable when this returns `Ok`.
pub fn import(config: &Config, options: &Import) -> Result<(), TransferError> {
    let target = target(config)?;
    let pipe = is_standard(&options.from);
    if pipe && options.onto == Onto::Interrupted {
        return Err(TransferError::ResumePipe);
    }
    let checked = if pipe { None } else { Some(check_file(&options.from)?) };
    prepare_data_dir(&config.data_dir)?;
    let mut asker = open(config)?;
    let result = bring(&mut asker, options, checked, target);
    asker.close();
    result
}

fn bring(
    asker: &mut Asker,
    options: &Import,
    checked: Option<(End, u64)>,
    target: String,
) -> Result<(), TransferError> {
    if options.onto == Onto::Nothing && !is_empty(asker)? {
        return Err(TransferError::NotEmpty);
    }
    let path = &options.from;
    let Some((end, bytes)) = checked else {
        let progress = Progress::new("import", None, Counts::default());
        let mut lines = Lines::new(std::io::stdin().lock(), path);
        return records(asker, options, &mut lines, Notes::none(), progress);
    };
    let (notes, mark) = Notes::open(options, target, end.sha256)?;
    // What was noted is in the store, unless this is another store at the same place.
    let mark = if mark.counts != Counts::default() && is_empty(asker)? { Mark::default() } else { mark };
    let mut file = at(path, File::open(path))?;
    at(path, file.seek(SeekFrom::Start(mark.bytes)))?;
    let progress = Progress::new("import", Some(bytes), mark.counts);
    let mut lines = Lines::resumed(buffered(file), path, &mark);
    records(asker, options, &mut lines, notes, progress)
}

/// Brings in the lines that are left, and ends when all is durable.
fn records(
    asker: &mut Asker,
    options: &Import,
    lines: &mut Lines<'_, impl BufRead>,
    notes: Notes,
    mut progress: Progress,
) -> Result<(), TransferError> {
    let mut importer = Importer::new(asker, options.onto == Onto::Whatever, notes, lines.mark());
    while let Some(record) = lines.record()? {
        importer.take(record, lines.before())?;
        progress.tell(&importer.counts(), lines.mark().bytes);
    }
    let counts = importer.finish(lines.mark().line)?;
    progress.finish(&counts, lines.mark().bytes);
    Ok(())
}

/// Looks through a whole file: that it is one, complete and undamaged. Its last line and how long it is.
fn check_file(path: &Path) -> Result<(End, u64), TransferError> {
    let file = at(path, File::open(path))?;
    let bytes = at(path, file.metadata())?.len();
    let mut lines = Lines::new(buffered(file), path);
    match lines.skim() {
        Ok(end) => Ok((end, bytes)),
        // Which line it is.
        Err(error) => {
            let mut lines = Lines::new(buffered(at(path, File::open(path))?), path);
            while lines.record()?.is_some() {}
            Err(error)
        }
    }
}

fn buffered(file: File) -> BufReader<File> {
    BufReader::with_capacity(256 * 1024, file)
}

/// Whether there is nothing but leases, which a server makes at its first start.
fn is_empty(asker: &mut Asker) -> Result<bool, TransferError> {
    let Found::Agents(agents) = read(asker, Read::Agents { after: None, limit: 1 })? else {
        return Err(AskError::Else("agents").into());
    };
    let query = CustomerQuery { size: 1, ..CustomerQuery::default() };
    let Found::Customers { total, .. } = read(asker, Read::Customers(query))? else {
        return Err(AskError::Else("customers").into());
    };
    if !agents.is_empty() || total > 0 {
        return Ok(false);
    }
    let scans: [fn(_) -> Scan; 3] = [
        |after| Scan::Conversations { after, limit: 1 },
        |after| Scan::Tokens { after, limit: 1 },
        |after| Scan::Answers { after, limit: 1 },
    ];
    for ask in scans {
        let mut after = None;
        loop {
            let (rows, next) = match scan(asker, ask(after))? {
                Scanned::Conversations(page) => (page.rows.len(), page.next),
                Scanned::Tokens(page) => (page.rows.len(), page.next),
                Scanned::Answers(page) => (page.rows.len(), page.next),
                Scanned::Leases(_) | Scanned::SentKeys(_) => return Err(AskError::Else("what was asked for").into()),
            };
            if rows > 0 {
                return Ok(false);
            }
            if next.is_none() {
                break;
            }
            after = next;
        }
    }
    Ok(true)
}
