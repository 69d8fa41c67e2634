//! The harness judged from outside: the built generator against the built server, with faults put in between on
//! purpose. What is asserted are accounts, verdicts and exit codes, never speed. Must not know the server's inside.
#![allow(clippy::unwrap_used, reason = "all of it is tests")]

mod dialects;
mod faults;
mod generator;
mod pauses;
mod relay;
mod scenarios;
mod server;
