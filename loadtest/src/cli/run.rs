//! `loadtest run`: one run, from what was typed to the exit code. Knows nothing of how load is made.

use std::process::ExitCode;

use clap::Args;

use super::prepare::{options, prepare};
use super::{KEPT, Problem};
use crate::progress::Progress;
use crate::report::files::write_all;
use crate::report::summary::summary;
use crate::result::RunResult;
use crate::run::{conduct, work};
use crate::script::Options;
use crate::settings::Settings;

/// What is run.
#[derive(Debug, Args)]
pub struct RunArgs {
    /// A scenario of `loadtest list`, or a TOML file: its keys are the options below with `_` for `-`, and phases.
    #[arg(value_name = "SCENARIO|FILE.toml")]
    scenario: String,
    #[command(flatten)]
    options: Options,
}

/// Runs it, writes the result, and says what came out.
pub fn run(args: &RunArgs, arguments: &[String]) -> Result<ExitCode, Problem> {
    let prepared = prepare(&options(&args.scenario, &args.options)?, arguments)?;
    let result = conduct_shown(&prepared.settings, prepared.settings.scenario.name(), prepared.quiet)?;
    // The server is gone before the result is written: nothing of it is measured any more.
    drop(prepared.server);
    write_all(&prepared.out, &result)?;
    print!("{}", summary(&result));
    println!("written to {}", prepared.out.display());
    Ok(ExitCode::from(result.verdict.exit_code()))
}

/// One generator process of several.
pub fn worker() -> Result<ExitCode, Problem> {
    work()?;
    Ok(ExitCode::from(KEPT))
}

/// A run with its progress on standard error.
pub fn conduct_shown(settings: &Settings, title: &str, quiet: bool) -> Result<RunResult, Problem> {
    let mut progress = Progress::start(settings, title, quiet);
    Ok(conduct(settings, &mut |tick| progress.show(tick))?.result)
}
