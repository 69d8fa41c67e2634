//! One WebSocket of one party, whatever it speaks: frames go out as JSON, and what comes in is kept until somebody
//! waits for it, in the order it came.

use std::time::{Duration, Instant};

use serde_json::Value;

use crate::harness::{Lost, PATIENCE, Peer, Server};

/// A connection.
pub struct Line {
    peer: Peer,
    name: String,
    heard: Vec<Value>,
    next_op: u64,
}

impl Line {
    /// Connects to a path.
    #[track_caller]
    pub fn connect(server: &Server, path: &str, name: &str) -> Self {
        let peer = Peer::connect(server.address, path, name);
        let peer = peer.unwrap_or_else(|lost| panic!("{name} cannot connect to {path}: {lost:?}"));
        Self { peer, name: name.to_owned(), heard: Vec::new(), next_op: 1 }
    }

    /// A number that this connection has not used yet.
    pub fn op(&mut self) -> u64 {
        self.next_op += 1;
        self.next_op - 1
    }

    /// Sends a frame.
    #[track_caller]
    pub fn send(&mut self, frame: &Value) {
        self.peer.text(&frame.to_string());
    }

    /// The first frame that fits, of those that came and those that will come; the others stay.
    #[track_caller]
    pub fn wait(&mut self, what: &str, fits: impl Fn(&Value) -> bool) -> Value {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(at) = self.heard.iter().position(&fits) {
                return self.heard.remove(at);
            }
            if let Err(lost) = self.take_in(deadline.saturating_duration_since(Instant::now())) {
                panic!("{}: {lost:?} while waiting for {what}; it heard {:?}", self.name, self.heard);
            }
        }
    }

    /// Everything that came and nobody waited for, after `wait` of silence.
    pub fn leftovers(&mut self, wait: Duration) -> Vec<Value> {
        while self.take_in(wait).is_ok() {}
        std::mem::take(&mut self.heard)
    }

    fn take_in(&mut self, wait: Duration) -> Result<(), Lost> {
        let text = self.peer.try_hear(wait)?;
        self.heard.push(serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}: {text}", self.name)));
        Ok(())
    }
}
