//! What the commands that read results (`compare`, `report`, `merge`, `plan`) have in common: their errors, and how
//! directories become results. Knows nothing of runs.

use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error;

use crate::compare::CompareError;
use crate::merge::MergeError;
use crate::plan::PlanError;
use crate::report::files::{self, FilesError, Loaded};
use crate::result::RunResult;

/// Why results could not be read as asked.
#[derive(Debug, Error)]
pub enum ReadError {
    /// A file or directory.
    #[error(transparent)]
    Files(#[from] FilesError),
    /// Not comparable.
    #[error(transparent)]
    Compare(#[from] CompareError),
    /// Not to be merged.
    #[error(transparent)]
    Merge(#[from] MergeError),
    /// No plan.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// The arguments do not say what to read.
    #[error("{0}")]
    Usage(&'static str),
    /// Standard output.
    #[error("cannot print: {0}")]
    Print(#[from] io::Error),
}

impl ReadError {
    /// What the process ends with: 3 if the results are INVALID, else 2, as something else has to be given.
    pub const fn exit_code(&self) -> u8 {
        match self {
            Self::Compare(CompareError::Invalid { .. }) => 3,
            Self::Files(_) | Self::Compare(_) | Self::Merge(_) | Self::Plan(_) | Self::Usage(_) | Self::Print(_) => 2,
        }
    }
}

/// All results of some paths, each a result, its directory, or a directory of such.
pub fn load_all(paths: &[PathBuf]) -> Result<Vec<Loaded>, ReadError> {
    let mut loaded = Vec::new();
    for path in paths {
        loaded.extend(files::load_all(path)?);
    }
    Ok(loaded)
}

/// The results without where they came from.
pub fn results(loaded: Vec<Loaded>) -> Vec<RunResult> {
    loaded.into_iter().map(|loaded| loaded.result).collect()
}

/// What reports call the runs: their directories' names, or where these are the same, their paths.
pub fn labels(loaded: &[Loaded]) -> Vec<String> {
    let names: Vec<String> = loaded.iter().map(Loaded::label).collect();
    let is_unique = |name: &String| names.iter().filter(|other| *other == name).count() == 1;
    let path = |loaded: &Loaded| Path::display(&loaded.path).to_string();
    names.iter().zip(loaded).map(|(name, run)| if is_unique(name) { name.clone() } else { path(run) }).collect()
}

#[cfg(test)]
#[path = "reading_tests.rs"]
mod tests;
