//! `loadtest report`: the page of a run again, or of several runs laid over each other. Knows nothing of its form.

use std::path::PathBuf;
use std::process::ExitCode;

use super::reading::{ReadError, labels, load_all};
use crate::report::files::{REPORT_FILE, write_report};
use crate::report::summary::summary;
use crate::result::RunResult;

/// What to report, and where to.
#[derive(Debug, clap::Args)]
pub struct ReportArgs {
    /// The runs: `result.json`, its directory, or a directory of such directories.
    #[arg(value_name = "DIR", required = true)]
    runs: Vec<PathBuf>,
    /// The page [default: report.html in the current directory; of one run, in its own].
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

/// Writes the page and prints the summaries. Reports on bad runs, too, so it ends with 0.
pub fn run(args: &ReportArgs) -> Result<ExitCode, ReadError> {
    let loaded = load_all(&args.runs)?;
    let runs: Vec<(String, &RunResult)> =
        labels(&loaded).into_iter().zip(&loaded).map(|(label, loaded)| (label, &loaded.result)).collect();
    let out = match (&args.out, loaded.as_slice()) {
        (Some(out), _) => out.clone(),
        (None, [only]) if only.path.is_dir() => only.path.join(REPORT_FILE),
        (None, _) => PathBuf::from(REPORT_FILE),
    };
    write_report(&out, &runs)?;
    for (label, run) in &runs {
        if runs.len() > 1 {
            println!("{label}");
        }
        println!("{}", summary(run));
    }
    println!("written to {}", out.display());
    Ok(ExitCode::SUCCESS)
}
