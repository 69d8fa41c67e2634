//! What an operator sees: metrics, log lines, health, and what is printed at the start.
//!
//! Knows no socket and no shard; those count here. Contents of messages and tokens never come here, except
//! the tokens that the first run prints.

pub mod firstrun;
pub mod health;
pub mod metrics;
mod process;
pub mod trace;
