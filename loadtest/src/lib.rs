//! The load-test harness: a generator that keeps an open-loop schedule, what it measures, and how results are read.
//!
//! A run goes `cli` -> `settings` -> `run`, which drives an `engine` (sockets, schedule, its own lag) through a
//! `scenario` (what peers do) in a `wire` (how they say it), samples the `target`, and makes a `result` of it all.
//! `report`, `compare`, `merge`, `plan` and `slo` read results only. Nothing here knows the server's inside.

pub mod cli;
pub mod compare;
pub mod engine;
pub mod measure;
pub mod merge;
pub mod plan;
pub mod progress;
pub mod report;
pub mod result;
#[cfg(test)]
mod result_samples;
pub mod run;
pub mod scenario;
pub mod script;
pub mod search;
pub mod settings;
pub mod slo;
pub mod stats;
pub mod target;
pub mod values;
pub mod wire;
