//! `loadtest compare`: whether two results differ beyond noise. Knows nothing of how that is found out.

use std::path::PathBuf;
use std::process::ExitCode;

use super::reading::{ReadError, load_all, results};
use crate::compare::compare;

/// Two sides: `compare A B`, or `compare --a DIR... --b DIR...`.
#[derive(Debug, clap::Args)]
pub struct CompareArgs {
    /// A and B: each the directory of a run, or a directory of repeated runs.
    #[arg(value_name = "DIR", num_args = 2, conflicts_with_all = ["a", "b"], required_unless_present_all = ["a", "b"])]
    sides: Vec<PathBuf>,
    /// The runs of A.
    #[arg(long, value_name = "DIR", num_args = 1.., requires = "b")]
    a: Vec<PathBuf>,
    /// The runs of B.
    #[arg(long, value_name = "DIR", num_args = 1.., requires = "a")]
    b: Vec<PathBuf>,
    /// Compare runs in which the generator was at fault, too.
    #[arg(long)]
    even_invalid: bool,
    /// End with 1 if anything is worse in B beyond noise.
    #[arg(long)]
    fail_if_worse: bool,
    /// Print JSON instead of a table.
    #[arg(long)]
    json: bool,
}

/// Compares and prints.
pub fn run(args: &CompareArgs) -> Result<ExitCode, ReadError> {
    let (a, b) = match args.sides.as_slice() {
        [a, b] => (std::slice::from_ref(a), std::slice::from_ref(b)),
        _ => (args.a.as_slice(), args.b.as_slice()),
    };
    let comparison = compare(&results(load_all(a)?), &results(load_all(b)?), args.even_invalid)?;
    if args.json {
        println!("{}", serde_json::to_string_pretty(&comparison).map_err(std::io::Error::from)?);
    } else {
        print!("{comparison}");
    }
    let is_failure = args.fail_if_worse && comparison.is_worse();
    Ok(ExitCode::from(u8::from(is_failure)))
}
