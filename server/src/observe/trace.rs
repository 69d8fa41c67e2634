//! Log lines, to standard error. Standard output belongs to what people and scripts read.
//!
//! House rule: no line per message, and never contents, tokens or visitor ids.

use std::io::IsTerminal;

use tracing_subscriber::filter::EnvFilter;

use crate::config::LogFormat;
use crate::runtime::EXECUTOR_LOG_TARGET;

/// The log could not be set up: the directives are malformed, or it was set up before.
#[derive(Debug, thiserror::Error)]
#[error("the log cannot be set up: {0}")]
pub struct TraceError(String);

/// What the storage engine and the executor tell of their inner life is for who asks for it by name in `log.level`.
const QUIET: &str = "fjall=warn,lsm_tree=warn";

/// Sets up the process's log. `level` is what `log.level` takes.
pub fn init(format: LogFormat, level: &str) -> Result<(), TraceError> {
    let filter = EnvFilter::try_new(format!("{QUIET},{EXECUTOR_LOG_TARGET}=error,{level}"))
        .map_err(|error| TraceError(error.to_string()))?;
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal());
    let done = match format {
        LogFormat::Text => builder.try_init(),
        LogFormat::Json => builder.json().flatten_event(true).try_init(),
    };
    done.map_err(|error| TraceError(error.to_string()))
}
