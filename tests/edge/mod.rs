//! Bad input: each kind with the answer it gets. After each the server still serves others; at the end its
//! memory is back (architecture.md, invariant 10; issue 3, "Bad input"; facts.md, "Faults others shipped").

mod bytedesk;
mod echo;
mod frames;
mod http;
mod idempotency;
mod json;
mod resources;
mod tokens;
mod webchat;
mod workbench;

/// What a healthy process may keep of an attack: caches and the allocator's pages, KiB.
const SLACK_KIB: u64 = 24 * 1024;
