//! A run from settings to result: one generator in this process (`single`) or several (`many`), the server sampled
//! beside it, and the verdict (`judge`). Prints nothing.

mod judge;
mod many;
mod single;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::engine::Stop;
use crate::merge::MergeError;
use crate::result::RunResult;
use crate::settings::Settings;
use crate::target::sample::{SampleTarget, Sampler};
use crate::target::token::TokenError;

pub use many::{WorkerError, work};

/// One second of a run, as it is shown.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Tick {
    /// Seconds since the start of the measured window; negative before it.
    pub at_s: f64,
    /// `ramp`, `warm-up`, or the phase's name.
    pub phase: String,
    /// Clients that may act.
    pub open: u64,
    /// Values of the scenario's metric in this second.
    pub rate: f64,
    /// Of this second.
    pub p50_ns: u64,
    /// Of this second.
    pub p99_ns: u64,
    /// Of this second.
    pub max_ns: u64,
    /// What went wrong so far: losses, refusals, doubles, orders.
    pub errors: u64,
    /// The generator's lag so far.
    pub lag_p99_ns: u64,
}

/// A finished run.
#[derive(Debug)]
pub struct Outcome {
    /// All of it.
    pub result: RunResult,
}

/// Why there is no result.
#[derive(Debug, Error)]
pub enum RunError {
    /// It did not come to its load.
    #[error(transparent)]
    Stop(#[from] Stop),
    /// The generator could not be set up.
    #[error("the generator could not be set up: {0}")]
    Generator(#[from] std::io::Error),
    /// A party has no token.
    #[error(transparent)]
    Token(#[from] TokenError),
    /// Another generator process failed.
    #[error(transparent)]
    Worker(#[from] WorkerError),
    /// The parts do not make a whole.
    #[error(transparent)]
    Merge(#[from] MergeError),
}

/// Runs; `progress` is called once a second. SIGINT and SIGTERM end the load early, and what was measured is told.
pub fn conduct(settings: &Settings, progress: &mut dyn FnMut(&Tick)) -> Result<Outcome, RunError> {
    let stop = Interrupt::watch()?;
    let sampler = Sampler::start(SampleTarget {
        pid: settings.server_pid,
        address: settings.target.address,
        host: settings.target.host.clone(),
    });
    let mut result = if settings.processes > 1 {
        many::generate(settings, &sampler, &stop, progress)?
    } else {
        single::generate(settings, Some(&sampler), &stop, || true, progress)?
    };
    result.machine.server = sampler.server_version();
    let mut server = sampler.finish();
    judge::server_figures(settings, &mut server, &mut result);
    result.server = Some(server);
    result.slos = settings.slos.iter().map(|slo| slo.judge(&result)).collect();
    result.verdict = judge::verdict(&result);
    Ok(Outcome { result })
}

/// The user's wish to end.
#[derive(Clone, Debug)]
struct Interrupt(Arc<AtomicBool>);

impl Interrupt {
    fn watch() -> std::io::Result<Self> {
        let flag = Arc::new(AtomicBool::new(false));
        for signal in [signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM] {
            // A second one ends the process at once.
            signal_hook::flag::register_conditional_shutdown(signal, 130, Arc::clone(&flag))?;
            signal_hook::flag::register(signal, Arc::clone(&flag))?;
        }
        Ok(Self(flag))
    }

    fn is_set(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}
