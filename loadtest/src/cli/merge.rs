//! `loadtest merge`: one result of runs that several hosts made at the same time. Knows nothing of how that is done.

use std::path::PathBuf;
use std::process::ExitCode;

use super::reading::{ReadError, load_all, results};
use crate::merge::{Parts, merge};
use crate::report::files::write_all;
use crate::report::summary::summary;

/// What to merge, and where to.
#[derive(Debug, clap::Args)]
pub struct MergeArgs {
    /// The runs: `result.json`, its directory, or a directory of such directories.
    #[arg(value_name = "DIR", required = true)]
    runs: Vec<PathBuf>,
    /// Where the merged result goes.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Lay the runs on each other by their starts although their clocks say that they were at different times.
    #[arg(long)]
    even_apart: bool,
}

/// Merges, writes, and prints the summary; ends as the merged run would have.
pub fn run(args: &MergeArgs) -> Result<ExitCode, ReadError> {
    let loaded = load_all(&args.runs)?;
    if loaded.len() < 2 {
        return Err(ReadError::Usage("merging takes at least two results"));
    }
    let parts = if args.even_apart { Parts::HostsApart } else { Parts::Hosts };
    let merged = merge(results(loaded), parts)?;
    write_all(&args.out, &merged)?;
    print!("{}", summary(&merged));
    println!("written to {}", args.out.display());
    Ok(ExitCode::from(merged.verdict.exit_code()))
}
