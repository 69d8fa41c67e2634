//! bytedesk, the dialect of guide 1, as far as agents go: `/api/v1/agents[/{id}]`.
//!
//! Must not know HTTP heads, tokens or who asks.

pub mod decode;
pub mod encode;
#[cfg(test)]
mod tests;
mod wire;
