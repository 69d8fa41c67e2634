//! The conformance suite over each engine, and what only tests of one part can show. Must not know the server.

mod cluster;
mod conformance;
mod connect;
mod customers;
mod embedded;
mod faults;
mod ghosts;
mod large;
mod script;
mod speed;
mod threaded;
