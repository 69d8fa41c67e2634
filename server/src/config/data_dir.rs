//! The data directory: made if absent, and tried before anything relies on it.
//!
//! Knows nothing of what is kept there.

use std::fs::{DirBuilder, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// Why a data directory cannot be used; one line each.
#[derive(Debug, thiserror::Error)]
pub enum DataDirError {
    /// Something else has the name.
    #[error("the data directory {0} is not a directory")]
    NotADirectory(PathBuf),
    /// It is absent and cannot be made.
    #[error("the data directory {path} cannot be made: {error}")]
    Create {
        /// The directory.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// It is there, and a file in it cannot be written.
    #[error("the data directory {path} cannot be written to: {error}")]
    Write {
        /// The directory.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
}

/// Makes the directory (mode 0700: it holds the signing key and what people wrote) and proves it writable
/// by writing a file.
pub fn prepare_data_dir(path: &Path) -> Result<(), DataDirError> {
    if path.exists() && !path.is_dir() {
        return Err(DataDirError::NotADirectory(path.to_owned()));
    }
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .map_err(|error| DataDirError::Create { path: path.to_owned(), error })?;
    let probe = path.join(format!(".probe.{}", std::process::id()));
    let written = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&probe)
        .and_then(|mut file| file.write_all(b"probe"));
    // Removed in either case; the write's own error is the one to tell.
    let removed = std::fs::remove_file(&probe);
    written.and(removed).map_err(|error| DataDirError::Write { path: path.to_owned(), error })
}
