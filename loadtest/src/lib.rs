//! The load-test harness: a generator that keeps an open-loop schedule, what it measures, and how results are read.
//!
//! A run goes `cli` -> `settings` -> `run`, which drives an `engine` (sockets, schedule, its own lag) through a
//! `scenario` (what peers do) in a `wire` (how they say it), samples the `target`, and makes a `result` of it all.
//! `report`, `compare`, `merge`, `plan` and `slo` read results only. Nothing here knows the server's inside.

pub mod compare;
pub mod measure;
pub mod merge;
pub mod report;
pub mod result;
#[cfg(test)]
mod result_samples;
pub mod slo;
pub mod stats;
pub mod target;
