//! Backup and moving house: all that a store holds, out into a file (`export`) and into another store (`import`), whatever
//! engine is on either side. The form of the file is `form`; `ops/export-format.md` documents it.
//!
//! Both work while no server runs, in bounded memory, and go on after an interruption. Must not know how an engine keeps
//! what it holds, and starts no shard.

mod export;
mod files;
mod form;
mod import;
mod progress;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use signal_hook::consts::SIGXFSZ;
use switchboard_protocol::model::{Found, Read, Scan, Scanned};
use switchboard_storage::{Done, Op};

use crate::config::{Config, DataDirError, Engine};
use crate::store::{self, AskError, Asker, OpenError, store_dir};

pub use export::{Export, export};
pub use form::LineError;
pub use import::{Import, Onto, import};

/// The name of standard input or output.
const STANDARD: &str = "-";

/// Why an export or import ended before its end; one line each.
#[derive(Debug, thiserror::Error)]
pub enum TransferError {
    /// There is nothing to export.
    #[error("there is no store in {0}")]
    NoStore(PathBuf),
    /// `engine = "memory"`.
    #[error("the engine \"memory\" keeps nothing that could be exported or imported")]
    Memory,
    /// The data directory.
    #[error(transparent)]
    DataDir(#[from] DataDirError),
    /// The store.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The store did not answer.
    #[error(transparent)]
    Ask(#[from] AskError),
    /// A file.
    #[error("{path}: {error}")]
    File {
        /// Which.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// A finished export has this name.
    #[error("{0} is there already; choose another name, or remove it")]
    Exists(PathBuf),
    /// An unfinished export has this name.
    #[error("{0} is an export that was interrupted; go on with --resume, or remove it")]
    Unfinished(PathBuf),
    /// `--resume` with a pipe.
    #[error("--resume wants a file: what went through a pipe is gone")]
    ResumePipe,
    /// What was noted does not fit what is there.
    #[error("{path} cannot be resumed: {why}")]
    Resume {
        /// The note.
        path: PathBuf,
        /// What does not fit.
        why: &'static str,
    },
    /// Somebody wrote meanwhile.
    #[error("the store was written to since the export began; begin again, with no server running")]
    Moved,
    /// What is stored contradicts itself.
    #[error("stored data is damaged: {0}")]
    Damaged(String),
    /// A line of a file.
    #[error("line {line} {error}")]
    Line {
        /// Counted from 1.
        line: u64,
        /// What is wrong with it.
        error: LineError,
    },
    /// A line at this place.
    #[error("line {line} {why}")]
    Order {
        /// Counted from 1.
        line: u64,
        /// What is wrong.
        why: String,
    },
    /// The last line is missing.
    #[error("the file is not whole: it ends with line {0} and without the last line of an export")]
    Truncated(u64),
    /// The checksum.
    #[error("the file is damaged: its lines can be read, and their checksum or number is not what its last line says")]
    Checksum,
    /// There is something in the store.
    #[error(
        "the store is not empty; --merge adds to what is there, --resume goes on with an import that was interrupted"
    )]
    NotEmpty,
}

impl TransferError {
    /// Whether storage failed, so that nobody knows what of the last writes is durable; they may be repeated.
    pub const fn is_storage_failed(&self) -> bool {
        matches!(self, Self::Open(OpenError::Store(error)) | Self::Ask(AskError::Store(error)) if error.is_fatal())
    }
}

/// Whether a path is standard input or output.
fn is_standard(path: &Path) -> bool {
    path.as_os_str() == STANDARD
}

/// Opens the store of a configuration for one that asks.
fn open(config: &Config) -> Result<Asker, TransferError> {
    // A file-size limit shall fail a write, which is reported, and not kill the process.
    let _ = signal_hook::flag::register(SIGXFSZ, Arc::default());
    let (answers, ears) = store::answers();
    Ok(Asker::new(store::open(config, Arc::new(answers))?, ears))
}

/// Names the store of a configuration in a note, so that another one is not taken for it.
fn target(config: &Config) -> Result<String, TransferError> {
    match config.engine {
        Engine::Embedded => {
            let dir = store_dir(config);
            let whole = std::path::absolute(&dir).map_err(|error| TransferError::File { path: dir, error })?;
            Ok(format!("embedded:{}", whole.display()))
        }
        Engine::Scylla => Ok(format!("scylla:{}", config.scylla.keyspace)),
        Engine::Memory => Err(TransferError::Memory),
    }
}

/// The answer to a read.
fn found(done: Done) -> Result<Found, AskError> {
    match done {
        Done::Found(found) => Ok(found),
        Done::Written(_) => Err(AskError::Else("what was asked for")),
        Done::Failed(error) => Err(error.into()),
    }
}

fn read(asker: &mut Asker, read: Read) -> Result<Found, AskError> {
    found(asker.ask(Op::Read(read))?)
}

fn scan(asker: &mut Asker, scan: Scan) -> Result<Scanned, AskError> {
    let Found::Scanned(scanned) = read(asker, Read::Scan(scan))? else { return Err(AskError::Else("rows of a kind")) };
    Ok(scanned)
}
