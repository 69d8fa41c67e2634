//! A result's directory: `result.json`, `METRIC.hlog`, `report.html`. Knows no format of theirs.

use std::collections::BTreeSet;
use std::fs;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use serde::Deserialize;
use thiserror::Error;

use crate::report::{hlog, html};
use crate::result::{FORMAT, RunResult};

/// The name of the file that everything else can be made of.
pub const RESULT_FILE: &str = "result.json";
/// The page for people.
pub const REPORT_FILE: &str = "report.html";

/// Why results could not be kept or read.
#[derive(Debug, Error)]
pub enum FilesError {
    /// The file system said no.
    #[error("{path}: {error}", path = path.display())]
    Io {
        /// Where.
        path: PathBuf,
        /// What it said.
        error: io::Error,
    },
    /// Not a result.
    #[error("{path}: no result of `loadtest run`: {error}", path = path.display())]
    Json {
        /// Where.
        path: PathBuf,
        /// What is wrong with it.
        error: serde_json::Error,
    },
    /// A result of another version.
    #[error("{path}: result format {found}, this version reads {FORMAT} only", path = path.display())]
    Format {
        /// Where.
        path: PathBuf,
        /// Its number.
        found: u32,
    },
    /// A directory without results.
    #[error("{path}: neither {RESULT_FILE} nor directories that hold one", path = path.display())]
    Nothing {
        /// Where.
        path: PathBuf,
    },
}

/// A result and where it came from.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// As given, or the directory below it.
    pub path: PathBuf,
    /// What was there.
    pub result: RunResult,
}

impl Loaded {
    /// What a report calls it: the directory's name.
    pub fn label(&self) -> String {
        let named = if self.path.is_dir() { Some(self.path.as_path()) } else { self.path.parent() };
        let name = named.and_then(Path::file_name).map(|name| name.to_string_lossy().into_owned());
        name.unwrap_or_else(|| self.path.display().to_string())
    }
}

/// Writes everything a run leaves behind into a directory, which is made if it is not there. Each file is complete or
/// not there: it is renamed into its place.
pub fn write_all(dir: &Path, result: &RunResult) -> Result<(), FilesError> {
    fs::create_dir_all(dir).map_err(|error| FilesError::Io { path: dir.to_owned(), error })?;
    // JSON has no NaN: it would be written as null, and the result could not be read again.
    let mut kept = result.clone();
    kept.figures.retain(|_, value| value.is_finite());
    write_file(&dir.join(RESULT_FILE), |to| {
        serde_json::to_writer_pretty(&mut *to, &kept)?;
        to.write_all(b"\n")
    })?;
    let metrics: BTreeSet<&str> = result.series.iter().map(|entry| entry.metric.as_str()).collect();
    for metric in metrics {
        write_file(&dir.join(format!("{metric}.hlog")), |mut to| hlog::write(result, metric, &mut to))?;
    }
    let label = dir.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    write_report(&dir.join(REPORT_FILE), &[(label, result)])
}

/// Writes the page of one or several runs.
pub fn write_report(path: &Path, runs: &[(String, &RunResult)]) -> Result<(), FilesError> {
    write_file(path, |to| to.write_all(html::page(runs).as_bytes()))
}

/// Reads one result: a `result.json`, or the directory that holds it.
pub fn load(path: &Path) -> Result<RunResult, FilesError> {
    let path = if path.is_dir() { path.join(RESULT_FILE) } else { path.to_owned() };
    let text = fs::read(&path).map_err(|error| FilesError::Io { path: path.clone(), error })?;
    let json = |error| FilesError::Json { path: path.clone(), error };
    let found = serde_json::from_slice::<Head>(&text).map_err(json)?.format;
    if found != FORMAT {
        return Err(FilesError::Format { path, found });
    }
    serde_json::from_slice(&text).map_err(json)
}

/// Reads a result, or those of a directory of repeated runs in the order of their names.
pub fn load_all(path: &Path) -> Result<Vec<Loaded>, FilesError> {
    if !path.is_dir() || path.join(RESULT_FILE).is_file() {
        return Ok(vec![Loaded { path: path.to_owned(), result: load(path)? }]);
    }
    let io = |error| FilesError::Io { path: path.to_owned(), error };
    let mut dirs = Vec::new();
    for entry in fs::read_dir(path).map_err(io)? {
        let inner = entry.map_err(io)?.path();
        if inner.join(RESULT_FILE).is_file() {
            dirs.push(inner);
        }
    }
    if dirs.is_empty() {
        return Err(FilesError::Nothing { path: path.to_owned() });
    }
    dirs.sort();
    dirs.into_iter().map(|path| load(&path).map(|result| Loaded { path, result })).collect()
}

/// Only what tells whether the rest can be read.
#[derive(Deserialize)]
struct Head {
    format: u32,
}

fn write_file(path: &Path, write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> Result<(), FilesError> {
    let mut part = path.as_os_str().to_owned();
    part.push(".part");
    let attempt = || {
        let mut to = BufWriter::new(fs::File::create(&part)?);
        write(&mut to)?;
        to.flush()?;
        fs::rename(&part, path)
    };
    attempt().map_err(|error| FilesError::Io { path: path.to_owned(), error })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::result_samples::chat;

    #[test]
    fn what_is_written_is_read() {
        let dir = tempfile::tempdir().expect("a directory");
        let mut result = chat();
        result.figures.insert("slope_bytes".to_owned(), f64::NAN);
        for name in ["b", "a"] {
            write_all(&dir.path().join(name), &result).expect("written");
        }
        let back = load(&dir.path().join("a")).expect("read");
        // Floats may come back a last digit off; histograms are exact.
        assert!(back.latencies["push"].histogram == result.latencies["push"].histogram);
        assert!(
            back.series
                .iter()
                .zip(&result.series)
                .all(|(back, entry)| back.latency.histogram == entry.latency.histogram)
        );
        assert_eq!((back.series.len(), back.verdict.word()), (result.series.len(), "KEPT"));
        assert_eq!(back.figures.len(), 1);
        assert_eq!(load(&dir.path().join("a/result.json")).expect("read").accounts, result.accounts);
        let mut names: Vec<String> = fs::read_dir(dir.path().join("a"))
            .expect("listed")
            .map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned())
            .collect();
        names.sort();
        assert_eq!(names, ["push.hlog", "report.html", "result.json"]);
        let all = load_all(dir.path()).expect("both");
        assert_eq!(all.iter().map(Loaded::label).collect::<Vec<_>>(), ["a", "b"]);
        assert_eq!(load_all(&dir.path().join("b")).expect("one").len(), 1);
    }

    #[test]
    fn what_is_no_result_is_refused() {
        let dir = tempfile::tempdir().expect("a directory");
        assert!(matches!(load_all(dir.path()), Err(FilesError::Nothing { .. })));
        assert!(matches!(load(dir.path()), Err(FilesError::Io { .. })));
        let path = dir.path().join(RESULT_FILE);
        fs::write(&path, "{}").expect("written");
        assert!(matches!(load(&path), Err(FilesError::Json { .. })));
        // A later format may have other fields: its number is looked at first.
        fs::write(&path, r#"{"format": 2, "shape": "other"}"#).expect("written");
        let error = load(&path).expect_err("refused");
        assert!(matches!(error, FilesError::Format { found: 2, .. }), "{error}");
    }
}
