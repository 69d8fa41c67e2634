//! The other end of bytedesk, for tests and load generation: builds messages, and hears what a server says.
//!
//! Written against guide 1, apart from `decode` and `encode`, so that a mistake there is not repeated here. Must not know
//! frames or sockets.

use serde::Deserialize;
use serde_json::{Value, json};

/// The path of the WebSocket with a token.
pub fn path(token: &str) -> String {
    format!("/ws?token={token}")
}

/// `{"type":"ping"}`.
pub fn ping() -> String {
    json!({ "type": "ping" }).to_string()
}

/// A message as the guide shows it; `conversation` and `client_msg_id` are extensions.
pub fn send(
    (from, to): (&str, &str),
    content: &str,
    timestamp: u64,
    conversation: Option<&str>,
    client_msg_id: Option<&str>,
) -> String {
    let mut data = json!({ "from": from, "to": to, "content": content, "timestamp": timestamp });
    if let Some(id) = conversation {
        data["conversation_id"] = id.into();
    }
    if let Some(id) = client_msg_id {
        data["client_msg_id"] = id.into();
    }
    json!({ "type": "message", "action": "send", "data": data }).to_string()
}

/// An agent's own status, as the guide shows it.
pub fn status_change(agent_id: &str, status: &str, timestamp: u64) -> String {
    let data = json!({ "agent_id": agent_id, "status": status, "timestamp": timestamp });
    json!({ "type": "event", "action": "status_change", "data": data }).to_string()
}

/// Extension `sync`.
pub fn sync(conversation: &str, after_seq: u64, limit: u32) -> String {
    let data = json!({ "conversation_id": conversation, "after_seq": after_seq, "limit": limit });
    json!({ "type": "message", "action": "sync", "data": data }).to_string()
}

/// Extension `read`.
pub fn read(conversation: &str, message_ids: &[&str]) -> String {
    let data = json!({ "conversation_id": conversation, "message_ids": message_ids });
    json!({ "type": "message", "action": "read", "data": data }).to_string()
}

/// Extension `typing` or `end`.
pub fn about(action: &str, conversation: &str) -> String {
    json!({ "type": "message", "action": action, "data": { "conversation_id": conversation } }).to_string()
}

/// What a server said on the WebSocket.
#[derive(Clone, Debug, PartialEq)]
pub enum Heard {
    /// A message.
    Message(Message),
    /// An event: a status, or an extension's.
    Event {
        /// Which.
        action: String,
        /// About what.
        data: Value,
    },
    /// The answer to a message of this connection.
    Ack {
        /// To which action.
        action: String,
        /// What came of it.
        data: Value,
    },
    /// An error.
    Error {
        /// As an HTTP status.
        code: u16,
        /// The text.
        message: String,
        /// Of which action, if that was understood.
        action: Option<String>,
        /// Of which send.
        client_msg_id: Option<String>,
    },
    /// A heartbeat's answer, `pong` or `{"type":"pong"}`.
    Pong,
}

/// `data` of a message.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[allow(missing_docs)] // The fields are the guide's.
pub struct Message {
    pub from: String,
    pub to: String,
    pub content: String,
    pub timestamp: u64,
    /// Extension.
    pub message_id: Option<String>,
    /// Extension.
    pub conversation_id: Option<String>,
    /// Extension.
    pub seq: Option<u64>,
}

#[derive(Deserialize)]
struct Frame {
    r#type: String,
    action: Option<String>,
    #[serde(default)]
    data: Value,
    code: Option<u16>,
    message: Option<String>,
    client_msg_id: Option<String>,
}

/// Understands a text message of the server; `None` if it is none of the guide's.
pub fn heard(text: &str) -> Option<Heard> {
    if text == "pong" {
        return Some(Heard::Pong);
    }
    let Frame { r#type, action, data, code, message, client_msg_id } = serde_json::from_str(text).ok()?;
    Some(match r#type.as_str() {
        "pong" => Heard::Pong,
        "message" if action.as_deref() == Some("send") => Heard::Message(serde_json::from_value(data).ok()?),
        "event" => Heard::Event { action: action?, data },
        "ack" => Heard::Ack { action: action?, data },
        "error" => Heard::Error { code: code?, message: message?, action, client_msg_id },
        _ => return None,
    })
}
