//! The generator: one thread, one epoll set, an open-loop schedule. It does what the scenario says when it is due,
//! never later because an answer is late, and watches whether it was late itself.
//!
//! `clock` and `schedule` say when, `poll` and `socket` carry bytes, `client` and `pending` are what is remembered,
//! `stage` is what a scenario acts through, `enter` how a client gets in, `line` what it says over HTTP, `drive` the loop.

mod client;
pub mod clock;
mod drive;
mod enter;
mod line;
mod pending;
mod poll;
pub mod schedule;
mod socket;
mod stage;

pub use client::{Client, Progress};
pub use drive::{Drive, Elapsed, Stop, Watch};
pub use pending::Asked;
pub use stage::{Ground, Stage};
