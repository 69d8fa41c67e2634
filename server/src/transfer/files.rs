//! Files that hold what people wrote (mode 0600), and are durable when that is said. Must not know what is in them.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::TransferError;

/// Names the file of an error.
pub(super) fn at<T>(path: &Path, result: io::Result<T>) -> Result<T, TransferError> {
    result.map_err(|error| TransferError::File { path: path.to_owned(), error })
}

/// `path` with something behind its name.
pub(super) fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

/// Opens a file to write from its beginning or its end on.
pub(super) fn create(path: &Path, anew: bool) -> io::Result<File> {
    OpenOptions::new().read(true).write(true).create(true).truncate(anew).mode(0o600).open(path)
}

/// Makes names in the directory of `path` durable.
pub(super) fn sync_directory(path: &Path) -> io::Result<()> {
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    File::open(parent.unwrap_or(Path::new(".")))?.sync_all()
}

/// Replaces a note as a whole.
pub(super) fn write_note(path: &Path, note: &impl Serialize) -> Result<(), TransferError> {
    let bytes = serde_json::to_vec(note).expect("plain values become JSON");
    let new = beside(path, ".new");
    let written = create(&new, true).and_then(|mut file| {
        file.write_all(&bytes)?;
        file.sync_data()
    });
    at(&new, written)?;
    at(path, std::fs::rename(&new, path))
}

/// A note, if there is one.
pub(super) fn read_note<T: DeserializeOwned>(path: &Path) -> Result<Option<T>, TransferError> {
    match std::fs::read(path) {
        Ok(bytes) => {
            let why = "it is no note of this program's version";
            serde_json::from_slice(&bytes).map(Some).map_err(|_| TransferError::Resume { path: path.to_owned(), why })
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => at(path, Err(error)),
    }
}

/// Removes a note that is needed no more.
pub(super) fn remove_note(path: &Path) -> Result<(), TransferError> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => at(path, Err(error)),
        Ok(()) | Err(_) => Ok(()),
    }
}
