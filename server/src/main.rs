//! `switchboard`: the command line to the deeds.

use std::process::ExitCode;

use clap::Parser;
use switchboard::boot::EXIT_STORAGE_FAILED;
use switchboard::cli::{self, Cli, Command};
use switchboard::runtime::Clock;
use switchboard::transfer::{self, TransferError};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Wrong usage or configuration; 1 is for what goes wrong afterwards.
const EXIT_USAGE: u8 = 2;

fn main() -> ExitCode {
    // Memory in pages of 4 KiB: what an idle server takes is what it uses, and not whole pieces of 2 MiB
    // (ops/decisions/0012-memory-that-stays.md). A kernel that knows no such pages refuses, and nothing is lost.
    let _ = rustix::thread::disable_transparent_huge_pages(true);
    let variables: Vec<_> = std::env::vars().collect();
    match Cli::parse().into_command() {
        Command::Serve(args) => match args.load(&variables) {
            Ok(config) => finish(switchboard::boot::serve(config).map_err(|error| format!("{error:?}"))),
            Err(problems) => usage(&problems),
        },
        Command::Token(args) => {
            finish(cli::token(&args, &variables, Clock::new().wall()).map(|token| println!("{token}")))
        }
        Command::Migrate(args) => finish(cli::migrate(&args, &variables).map(|told| print!("{told}"))),
        Command::CheckConfig(args) => match cli::check_config(&args) {
            Ok(effective) => {
                print!("{effective}");
                ExitCode::SUCCESS
            }
            Err(problems) => usage(&problems),
        },
        Command::Export(args) => match args.load(&variables) {
            Ok((config, export)) => transferred(transfer::export(&config, &export, Clock::new().wall())),
            Err(problems) => usage(&problems),
        },
        Command::Import(args) => match args.load(&variables) {
            Ok((config, import)) => transferred(transfer::import(&config, &import)),
            Err(problems) => usage(&problems),
        },
    }
}

fn finish(result: Result<(), impl std::fmt::Display>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("switchboard: {error}");
            ExitCode::FAILURE
        }
    }
}

fn transferred(result: Result<(), TransferError>) -> ExitCode {
    let failed = result.as_ref().is_err_and(TransferError::is_storage_failed);
    let code = finish(result);
    if failed { ExitCode::from(EXIT_STORAGE_FAILED as u8) } else { code }
}

fn usage(problems: &impl std::fmt::Display) -> ExitCode {
    eprintln!("{problems}");
    ExitCode::from(EXIT_USAGE)
}
