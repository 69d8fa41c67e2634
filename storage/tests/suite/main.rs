//! The conformance suite over each engine, and what only tests of one part can show. Must not know the server.

mod cluster;
mod conformance;
mod customers;
mod embedded;
mod faults;
mod ghosts;
mod large;
mod secure;
mod speed;
mod threaded;
