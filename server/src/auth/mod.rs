//! Who somebody is: the signing key, JSON Web Tokens, and which pages may speak to the server.
//!
//! Knows no socket, no shard and no clock: the time is handed in.

pub mod jwt;
pub mod key;
pub mod origin;
