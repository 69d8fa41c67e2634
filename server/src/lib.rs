//! Switchboard's server: everything between the pure core and the machine.
//!
//! `runtime` alone names glommio; `shard` turns what wakes a CPU into inputs of the core and the core's
//! effects into deeds; `connection` and `http` carry bytes in and out; `auth`, `config`, `cli` and
//! `observe` are what their names say. `store` opens the storage; `transfer` carries all of it out into a file and back.

pub mod auth;
pub mod boot;
pub mod cli;
pub mod config;
mod connection;
pub mod http;
pub mod observe;
pub mod runtime;
pub mod shard;
pub mod store;
pub mod transfer;

/// What `benches/` measures of a connection's insides. No part of the library: it changes as they do.
#[doc(hidden)]
pub mod measured {
    pub use crate::connection::{Outbox, Spares};
}
