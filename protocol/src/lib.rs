//! Bytes to typed values and back, and nothing else.
//!
//! `model` is the one vocabulary every other part of Switchboard speaks; `frame` is RFC 6455; `http`
//! is HTTP/1.1 as values; `dialect` holds the wire dialects, one folder of one shape each.
//!
//! This crate must not know sockets, clocks, threads, random sources, files, logs or metrics: what it
//! needs of the outside (the time, say) is handed to it as a value.

pub mod dialect;
pub mod frame;
pub mod http;
pub mod model;
