//! The binary `loadtest`.

use std::process::ExitCode;

use clap::Parser;
use switchboard_loadtest::cli::Cli;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args_os().map(|argument| argument.to_string_lossy().into_owned()).collect();
    Cli::parse().execute(&arguments)
}
