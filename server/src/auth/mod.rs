//! Who somebody is: the signing key, JSON Web Tokens, opaque tokens, who is believed to be a channel's customer, how
//! often an address may ask, and which pages may speak to the server.
//!
//! Knows no socket, no shard and no clock: the time is handed in.

pub mod jwt;
pub mod key;
pub mod opaque;
pub mod origin;
pub mod rate;
pub mod signed;
