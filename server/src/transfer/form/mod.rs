//! The form of an export, version 1: lines of JSON, documented in `ops/export-format.md`. A line is read by parsing every
//! id in it. Must not know files, engines or how far an export is.
//!
//! A version that was released never changes: a change is a new version, and the old one stays readable.

mod line;
pub(super) mod record;
#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};
use switchboard_protocol::model::{
    AgentId, AgentProfile, Conversation, CustomerView, KeptAnswer, KeyName, Message, SentKey, StoredToken, VShard,
};

use line::Line;

/// The version that is written, and the only one that is read.
pub const VERSION: u32 = 1;

/// A record of a store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Record {
    /// The next counter of a virtual shard to lease.
    Lease(VShard, u64),
    /// An agent.
    Agent(AgentProfile),
    /// An agent that was deleted: its id is never minted again.
    DeletedAgent(AgentId),
    /// A customer; they come in the order in which they were made.
    Customer(Box<CustomerView>),
    /// An opaque token.
    Token(StoredToken),
    /// The answer kept under an `Idempotency-Key`.
    Answer(KeyName, KeptAnswer),
    /// A header; its messages and dedup keys follow at once.
    Conversation(Box<Conversation>),
    /// A message; `seq` 1, 2, 3 … behind its header.
    Message(Message),
    /// A dedup key, behind the messages of its conversation.
    Sent(SentKey),
}

/// The first line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Header {
    /// The version of the form.
    pub switchboard_export: u32,
    /// When the export began: milliseconds since the Unix epoch.
    pub made_at: u64,
    /// The version of the program that wrote it.
    pub program: String,
}

/// How many records there are of each type.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Counts {
    /// Virtual shards that ids were leased of.
    pub leases: u64,
    /// Agents.
    pub agents: u64,
    /// Agents that were deleted.
    pub deleted_agents: u64,
    /// Customers with a record.
    pub customers: u64,
    /// Opaque tokens.
    pub tokens: u64,
    /// Kept answers.
    pub answers: u64,
    /// Conversations.
    pub conversations: u64,
    /// Messages.
    pub messages: u64,
    /// Dedup keys.
    pub sent: u64,
}

/// The last line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct End {
    /// Of the records before it.
    pub counts: Counts,
    /// All lines, the first and this one included.
    pub lines: u64,
    /// SHA-256 of all bytes before this line, in hexadecimal digits.
    pub sha256: String,
}

/// A line behind the first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Parsed {
    /// A record.
    Record(Record),
    /// The last line.
    End(End),
}

/// What is wrong with a line; continues "line 7". Never says what is in a message.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LineError {
    /// Not JSON, or not of this form.
    #[error("is no line of an export: {0}")]
    Json(String),
    /// A file of something else.
    #[error("is not the first line of an export: it must begin {{\"switchboard_export\":1,…")]
    NoExport,
    /// A later program's.
    #[error("says that this is version {0} of the form; this program reads version {VERSION}")]
    Version(u64),
    /// A value that its field cannot have.
    #[error("has a `{0}` that is no valid one")]
    Field(&'static str),
}

impl Counts {
    /// Counts a record.
    pub const fn add(&mut self, record: &Record) {
        let count = match record {
            Record::Lease(..) => &mut self.leases,
            Record::Agent(_) => &mut self.agents,
            Record::DeletedAgent(_) => &mut self.deleted_agents,
            Record::Customer(_) => &mut self.customers,
            Record::Token(_) => &mut self.tokens,
            Record::Answer(..) => &mut self.answers,
            Record::Conversation(_) => &mut self.conversations,
            Record::Message(_) => &mut self.messages,
            Record::Sent(_) => &mut self.sent,
        };
        *count += 1;
    }
}

impl std::fmt::Display for Counts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "{} messages in {} conversations, {} customers, {} agents ({} deleted), {} tokens, {} kept answers",
            self.messages,
            self.conversations,
            self.customers,
            self.agents + self.deleted_agents,
            self.deleted_agents,
            self.tokens,
            self.answers
        )
    }
}

/// Writes a record as one line behind what is in `out`.
pub fn write_record(record: &Record, out: &mut Vec<u8>) {
    write(&Line::of(record), out);
}

/// Writes the first line.
pub fn write_header(header: &Header, out: &mut Vec<u8>) {
    write(header, out);
}

/// Writes the last line.
pub fn write_end(end: End, out: &mut Vec<u8>) {
    write(&Line::End(end), out);
}

fn write(line: &impl Serialize, out: &mut Vec<u8>) {
    serde_json::to_writer(&mut *out, line).expect("plain values become JSON, and memory takes it");
    out.push(b'\n');
}

/// Reads a line behind the first, without its line feed.
pub fn parse(line: &[u8]) -> Result<Parsed, LineError> {
    match serde_json::from_slice(line).map_err(|error| LineError::Json(said(&error)))? {
        Line::End(end) => Ok(Parsed::End(end)),
        line => line.record().map(Parsed::Record),
    }
}

/// Reads the first line.
pub fn parse_header(line: &[u8]) -> Result<Header, LineError> {
    #[derive(Deserialize)]
    struct Version {
        switchboard_export: u64,
    }
    let version: Version = serde_json::from_slice(line).map_err(|_| LineError::NoExport)?;
    if version.switchboard_export != u64::from(VERSION) {
        return Err(LineError::Version(version.switchboard_export));
    }
    serde_json::from_slice(line).map_err(|error| LineError::Json(said(&error)))
}

/// What the parser says, unless it might repeat what somebody wrote.
fn said(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let names = ["unknown variant", "unknown field", "missing field", "duplicate field"];
    if error.is_data() && !names.iter().any(|name| text.starts_with(name)) {
        return "a value is of another kind than its field's".to_owned();
    }
    text
}
