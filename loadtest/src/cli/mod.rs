//! The command line: what may be typed, and what the process ends with. Each command is one file. Knows nothing of
//! how a run is made or read.

mod compare;
mod list;
mod merge;
mod plan;
mod prepare;
mod problem;
mod reading;
mod report;
mod room;
mod run;
mod search;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

pub use problem::Problem;

/// Everything kept.
pub const KEPT: u8 = 0;
/// An objective was broken, or a message lost, doubled or out of order.
pub const BROKEN: u8 = 1;
/// What was typed cannot be done.
pub const USAGE: u8 = 2;
/// The run says nothing: the generator was late, or the run did not come about.
pub const INVALID: u8 = 3;

const EXAMPLES: &str = "\
Examples:
  loadtest list
  loadtest run heartbeat --spawn --connections 18000 --rate 600
  loadtest run chat --spawn --shards 2 --rate 2000 --duration 1m --slo 'p99(push)<5ms' --out chat
  loadtest run chat --target http://10.0.0.5:8080 --key-file jwt.key --processes 2 --rate 20000
  loadtest run loadtest/scripts/office-day.toml --target http://10.0.0.5:8080 --tokens tokens.txt
  loadtest search chat --spawn --shards 1 --slo 'p99(push)<5ms' --from 1000
  loadtest search heartbeat --by connections --spawn --slo 'p99(answer)<2ms'
  loadtest compare before after
  loadtest plan --sockets 10000000 --messages-per-second 100000 --from heartbeat chat

Exit codes: 0 kept, 1 an objective was broken or a message lost, 2 usage, 3 the run is invalid.";

/// The load-test harness for capacity planners: open-loop load in a desk's own dialect.
#[derive(Debug, Parser)]
#[command(name = "loadtest", version, about, after_help = EXAMPLES)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run a scenario once and say what came out.
    Run(Box<run::RunArgs>),
    /// Find the highest rate or number of sockets that keeps the objectives.
    Search(Box<search::SearchArgs>),
    /// Say whether two results, or two sets of repeated runs, differ beyond noise.
    Compare(compare::CompareArgs),
    /// Write the page of one run, or of several laid over each other.
    Report(report::ReportArgs),
    /// Make one result of runs that several hosts made at the same time.
    Merge(merge::MergeArgs),
    /// Turn measured costs into shards, memory and machines.
    Plan(Box<plan::PlanArgs>),
    /// Name the scenarios.
    List,
    /// A further generator process: settings on standard input, what it measures on standard output.
    #[command(hide = true)]
    Worker,
}

impl Cli {
    /// Does what was typed; `arguments` is that, for results.
    pub fn execute(&self, arguments: &[String]) -> ExitCode {
        let done = match &self.command {
            Command::Run(args) => run::run(args, arguments),
            Command::Search(args) => search::run(args, arguments),
            Command::Compare(args) => compare::run(args).map_err(Problem::from),
            Command::Report(args) => report::run(args).map_err(Problem::from),
            Command::Merge(args) => merge::run(args).map_err(Problem::from),
            Command::Plan(args) => plan::run(args).map_err(Problem::from),
            Command::List => list::run(),
            Command::Worker => run::worker(),
        };
        done.unwrap_or_else(|problem| {
            eprintln!("loadtest: {problem}");
            ExitCode::from(problem.exit_code())
        })
    }
}

#[cfg(test)]
#[path = "cli_tests.rs"]
mod tests;
