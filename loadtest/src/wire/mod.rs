//! How peers say it: one file a dialect, one trait, one table. A wire writes what a client sends and hears what a
//! server says; it knows no socket, no clock and no scenario.

mod echo;
mod kefu;

use serde::{Deserialize, Serialize};

use crate::measure::Nanos;
use crate::settings::PingForm;

/// The dialects this harness speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "snake_case")]
pub enum Dialect {
    /// Guide 2.
    Kefu,
    /// No dialect: a bare WebSocket that gives every text back, or gives it to all others. For peers and floors.
    Echo,
}

impl Dialect {
    /// As results name it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Kefu => "kefu",
            Self::Echo => "echo",
        }
    }

    /// Its way of speaking.
    pub fn wire(self) -> &'static dyn Wire {
        match self {
            Self::Kefu => &kefu::Kefu,
            Self::Echo => &echo::Echo,
        }
    }
}

/// Who a socket is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// A known customer.
    User,
    /// A human agent.
    Agent,
}

/// Which side of a conversation wrote.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// The customer or visitor.
    Customer,
    /// The agent.
    Agent,
}

/// What a server said.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Heard<'a> {
    /// A heartbeat's answer.
    Pong,
    /// An answer.
    Answer {
        /// The number the request was sent with.
        op: u64,
        /// Whether it succeeded.
        success: bool,
        /// What it carries, for the wire's other methods.
        data: &'a str,
    },
    /// A message of a conversation.
    Message {
        /// The conversation's id; 0 if the dialect has none.
        conversation: u64,
        /// Its place there; 0 if the dialect has none.
        seq: u64,
        /// Who wrote it.
        by: Side,
        /// What was written.
        content: &'a str,
    },
    /// A conversation ended.
    Ended {
        /// Its id.
        conversation: u64,
    },
    /// A conversation was given to an agent.
    Assigned {
        /// Its id.
        conversation: u64,
        /// The agent's number; 0 for none.
        agent: u64,
    },
    /// Something that is not looked into.
    Other,
}

/// A customer's open conversation, as the dialect's opening shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Opened {
    /// Its id.
    pub conversation: u64,
    /// Its agent's number, if it has one.
    pub agent: Option<u64>,
}

/// One message of a sync.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Synced {
    /// Its place in the conversation.
    pub seq: u64,
    /// Who wrote it.
    pub by: Side,
    /// What was written.
    pub content: String,
}

/// A page of a sync.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SyncPage {
    /// In order.
    pub messages: Vec<Synced>,
    /// Where to ask on.
    pub next_seq: u64,
    /// Whether that was all.
    pub complete: bool,
}

/// A dialect's client end. What is written are payloads of text messages, appended.
pub trait Wire: Sync {
    /// Path and query of the WebSocket.
    fn path(&self) -> &'static str;

    /// Whether there are conversations, logins and agents.
    fn has_desk(&self) -> bool;

    /// Path and query of the HTTP request that opens a customer's conversation in `group`, sent with the customer's
    /// token before the upgrade.
    fn opening_path(&self, group: &str) -> Option<String>;

    /// Understands its answer's body.
    fn opened(&self, body: &[u8]) -> Option<Opened>;

    /// The first message of a connection; `false` if there is no login.
    fn login(&self, token: &str, op: u64, out: &mut Vec<u8>) -> bool;

    /// A heartbeat; `size` is the payload's, where the dialect leaves it open.
    fn ping(&self, form: PingForm, size: usize, out: &mut Vec<u8>);

    /// A message into a conversation.
    fn send(&self, conversation: u64, by: Side, content: &str, op: u64, out: &mut Vec<u8>);

    /// Marks what the other side wrote as read.
    fn read(&self, conversation: u64, by: Side, op: u64, out: &mut Vec<u8>);

    /// Ends a conversation.
    fn end(&self, conversation: u64, op: u64, out: &mut Vec<u8>);

    /// Asks for what came after `after_seq`.
    fn sync(&self, conversation: u64, after_seq: u64, op: u64, out: &mut Vec<u8>);

    /// Understands the `data` of a sync's answer.
    fn synced(&self, data: &str) -> Option<SyncPage>;

    /// Understands a text message of the server; `None` if that is none of the dialect's.
    fn hear<'a>(&self, text: &'a str) -> Option<Heard<'a>>;
}

/// Bytes that a content needs for its number and time.
pub const CONTENT_MIN_BYTES: usize = 32;

/// What is written into a message, so that whoever hears it knows which it is and when it was due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    /// The sender's messages of this conversation, counted from 1.
    pub number: u32,
    /// When it was to be sent.
    pub intended: Nanos,
}

impl Stamp {
    /// Appends the content: number, time, and filling up to `size` bytes.
    pub fn write(self, size: usize, out: &mut String) {
        use std::fmt::Write as _;
        let start = out.len();
        write!(out, "{}.{}.", self.number, self.intended).expect("a string takes everything");
        while out.len() - start < size {
            out.push('x');
        }
    }

    /// Reads it back; `None` for what this harness did not write.
    pub fn read(content: &str) -> Option<Self> {
        let (number, rest) = content.split_once('.')?;
        let (intended, _) = rest.split_once('.')?;
        Some(Self { number: number.parse().ok()?, intended: intended.parse().ok()? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stamp_survives_its_content() {
        for (number, intended) in [(1, 0), (u32::MAX, u64::MAX)] {
            let stamp = Stamp { number, intended };
            let mut content = String::new();
            stamp.write(CONTENT_MIN_BYTES, &mut content);
            assert!(content.len() >= CONTENT_MIN_BYTES && content.len() <= CONTENT_MIN_BYTES + 1);
            assert_eq!(Stamp::read(&content), Some(stamp));
        }
        for foreign in ["", "1", "1.2", "a.2.", "1.-2.", "99999999999.1."] {
            assert_eq!(Stamp::read(foreign), None, "{foreign}");
        }
    }
}
