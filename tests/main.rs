//! The one test binary that stands outside: it starts the built server and speaks to it over sockets, as
//! the guides say, with peers that share no code with it. It must not know how the server works inside.
#![allow(clippy::unwrap_used, reason = "all of it is tests")]

mod edge;
mod harness;
mod journey;
mod matrix;
mod sim;
mod tidy;
