//! Why a command could not be done, by who can mend it. Knows no command.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

use super::reading::ReadError;
use super::{INVALID, USAGE};
use crate::report::files::FilesError;
use crate::run::RunError;
use crate::script::ScriptError;
use crate::settings::SettingsError;
use crate::target::resolve::TargetError;
use crate::target::spawn::SpawnError;
use crate::target::token::TokenError;

/// Why a command could not be done.
#[derive(Debug, thiserror::Error)]
pub enum Problem {
    /// Neither a scenario nor a file.
    #[error("`{given}` is neither a scenario nor a file; {hint}")]
    Scenario {
        /// What was typed.
        given: String,
        /// The nearest scenario, or all.
        hint: String,
    },
    /// A scenario file.
    #[error(transparent)]
    Script(#[from] ScriptError),
    /// Settings that make no run.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// Where to.
    #[error(transparent)]
    Target(#[from] TargetError),
    /// Nothing said where the server is.
    #[error("where is the server? --target http://HOST:PORT, or --spawn to start one")]
    NoTarget,
    /// Nothing to log in with.
    #[error("what do peers log in with? --key-file FILE (the server's jwt.key), or --tokens FILE")]
    NoTokens,
    /// Both a key and tokens.
    #[error("--key-file and --tokens exclude each other")]
    KeyAndTokens,
    /// The key file cannot be read.
    #[error(transparent)]
    KeyFile(Box<SpawnError>),
    /// Nobody answers there.
    #[error("no server at {address}: {error}")]
    Unreachable {
        /// Where.
        address: SocketAddr,
        /// Why.
        error: io::Error,
    },
    /// Something for a spawned server, without one.
    #[error("--{0} is for a server started with --spawn")]
    OnlySpawned(&'static str),
    /// A phase that says both, or half.
    #[error("phase `{0}` needs either `rate`, or `rate_from` and `rate_to`")]
    PhaseRate(String),
    /// Nothing to search for.
    #[error("a search needs an objective to keep: --slo 'p99(push)<5ms'")]
    NoObjective,
    /// Bounds or precision of a search.
    #[error("a search goes from above 0 to more than that, with a precision above 1 (1.05 is five percent)")]
    SearchRange,
    /// Tokens that cannot be had.
    #[error(transparent)]
    Token(#[from] TokenError),
    /// The server could not be started.
    #[error(transparent)]
    Spawn(#[from] SpawnError),
    /// Threads could not be kept on CPUs.
    #[error("cannot stay on CPUs {cpus}: {error}")]
    Pin {
        /// Which.
        cpus: String,
        /// Why.
        error: io::Error,
    },
    /// The open-file limit could not be raised to what was found to be allowed.
    #[error("cannot raise the open-file limit to {needed}: {error}")]
    OpenFiles {
        /// To what.
        needed: u64,
        /// Why.
        error: io::Error,
    },
    /// A file or directory of results.
    #[error("cannot write {}: {error}", path.display())]
    Write {
        /// Which.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// Results that cannot be written or read.
    #[error(transparent)]
    Files(#[from] FilesError),
    /// Results that cannot be read as asked.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// A search that was told to end.
    #[error("interrupted: what was run so far is in the directory of results")]
    Interrupted,
    /// The run did not come about.
    #[error(transparent)]
    Run(#[from] RunError),
}

impl Problem {
    /// What the process ends with: 2 if typing something else mends it, else 3, as there is no result.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Scenario { .. }
            | Self::Script(_)
            | Self::Settings(_)
            | Self::Target(_)
            | Self::NoTarget
            | Self::NoTokens
            | Self::KeyAndTokens
            | Self::KeyFile(_)
            | Self::OnlySpawned(_)
            | Self::PhaseRate(_)
            | Self::NoObjective
            | Self::SearchRange
            | Self::Token(_)
            | Self::Run(RunError::Token(_))
            | Self::Pin { .. } => USAGE,
            Self::Read(error) => error.exit_code(),
            Self::Unreachable { .. }
            | Self::Spawn(_)
            | Self::OpenFiles { .. }
            | Self::Write { .. }
            | Self::Files(_)
            | Self::Interrupted
            | Self::Run(_) => INVALID,
        }
    }
}
