//! The server under load as it is seen from outside: who may log in there (`token`), where it is (`resolve`, `spawn`, `find`)
//! and what it costs (`sample`, `machine`). Knows no scenario and no dialect, and nothing of the server's inside but
//! what its command line, `/metrics` and `/proc` show.

pub mod cpus;
pub mod find;
pub mod http;
pub mod machine;
pub mod metrics;
pub mod resolve;
pub mod sample;
pub mod spawn;
pub mod token;
