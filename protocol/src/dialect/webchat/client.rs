//! The other end of webchat, for tests and load generation: builds messages, and hears what a server says.
//!
//! Written against guide 3, apart from `decode` and `encode`, so that a mistake there is not repeated here.
//! Must not know frames or sockets.

use serde::Deserialize;
use serde_json::{Value, json};

/// A message of a customer, or of an agent who names the conversation.
pub fn send(
    conversation: Option<&str>,
    content: &str,
    metadata: Option<&Value>,
    client_msg_id: Option<&str>,
) -> String {
    let mut message = json!({ "senderId": "somebody", "content": content });
    for (name, value) in [
        ("conversationId", conversation.map(Value::from)),
        ("metadata", metadata.cloned()),
        ("client_msg_id", client_msg_id.map(Value::from)),
    ] {
        if let Some(value) = value {
            message[name] = value;
        }
    }
    message.to_string()
}

/// Extension `sync`.
pub fn sync(conversation: &str, after_seq: u64, limit: u32) -> String {
    json!({ "type": "sync", "conversationId": conversation, "after_seq": after_seq, "limit": limit }).to_string()
}

/// Extension `typing`.
pub fn typing(conversation: &str) -> String {
    json!({ "type": "typing", "conversationId": conversation }).to_string()
}

/// Extension `end`.
pub fn end(conversation: &str) -> String {
    json!({ "type": "end", "conversationId": conversation }).to_string()
}

/// A message as the server shows it.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
#[allow(missing_docs)] // The fields are the guide's.
pub struct Said {
    /// Absent in the messages of a `sync`.
    pub channel: Option<String>,
    pub conversation_id: String,
    pub sender_id: String,
    pub content: String,
    pub timestamp: String,
    /// Extension.
    pub message_id: Option<String>,
    /// Extension.
    pub seq: Option<u64>,
    /// Extension.
    pub metadata: Option<Value>,
}

/// Extension: messages of the other side were seen.
pub fn read(conversation: &str, messages: &[&str]) -> String {
    json!({ "type": "read", "conversationId": conversation, "messageIds": messages }).to_string()
}

/// What a server said.
#[derive(Clone, Debug, PartialEq)]
pub enum Heard {
    /// A message.
    Message(Box<Said>),
    /// Extension: a message that had a `client_msg_id` is stored.
    Ack(Value),
    /// Something was wrong.
    Error {
        /// As an HTTP status.
        code: u64,
        /// The text.
        message: String,
    },
    /// Extension: anything else, by its `type`.
    Notice(String, Value),
    /// A heartbeat's answer, `pong` or `{"type":"pong"}`.
    Pong,
}

/// Understands what a server said in a text message. Fails on what guide 3 and its extensions do not know.
pub fn hear(text: &str) -> Result<Heard, serde_json::Error> {
    if text == "pong" {
        return Ok(Heard::Pong);
    }
    let value: Value = serde_json::from_str(text)?;
    match value["type"].as_str() {
        None => Ok(Heard::Message(Box::new(Said::deserialize(value)?))),
        Some("pong") => Ok(Heard::Pong),
        Some("ack") => Ok(Heard::Ack(value)),
        Some("error") => Ok(Heard::Error {
            code: value["code"].as_u64().unwrap_or(0),
            message: value["message"].as_str().unwrap_or_default().to_owned(),
        }),
        Some(other) => Ok(Heard::Notice(other.to_owned(), value.clone())),
    }
}
