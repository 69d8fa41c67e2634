//! The other end of multichannel, for tests and load generation: builds requests, and hears what a server says.
//!
//! Written against guide 4, apart from `decode` and `encode`, so that a mistake there is not repeated here.
//! Must not know frames or sockets.

use serde::Deserialize;
use serde_json::{Value, json};

/// The path of an agent's WebSocket.
pub fn path(cs_id: &str) -> String {
    format!("/ws/cs/{cs_id}")
}

/// `{"type":"ping"}`.
pub fn ping() -> String {
    json!({ "type": "ping" }).to_string()
}

/// `bind_session`.
pub fn bind_session(session_id: &str) -> String {
    json!({ "type": "bind_session", "sessionId": session_id }).to_string()
}

/// Extension `sync`.
pub fn sync(session_id: &str, after_seq: u64, limit: u32) -> String {
    json!({ "type": "sync", "sessionId": session_id, "after_seq": after_seq, "limit": limit }).to_string()
}

/// Extension `typing`.
pub fn typing(session_id: &str) -> String {
    json!({ "type": "typing", "sessionId": session_id }).to_string()
}

/// Extension `read`.
pub fn read(session_id: &str, msg_ids: &[&str]) -> String {
    json!({ "type": "read", "sessionId": session_id, "msgIds": msg_ids }).to_string()
}

/// The body of an accept.
pub fn accept(cs_id: &str) -> String {
    json!({ "csId": cs_id }).to_string()
}

/// The body of a send; `client_msg_id` is an extension.
pub fn message(content: &str, client_msg_id: Option<&str>) -> String {
    let mut body = json!({ "content": content });
    if let Some(id) = client_msg_id {
        body["client_msg_id"] = id.into();
    }
    body.to_string()
}

/// What a server said on the WebSocket.
#[derive(Clone, Debug, PartialEq)]
pub enum Heard {
    /// A message.
    NewMessage {
        /// In which session.
        session_id: String,
        /// What.
        data: NewMessage,
    },
    /// Another frame: a push of the guide, or an extension's.
    Other {
        /// Its `type`.
        kind: String,
        /// Its session.
        session_id: String,
        /// `null` if there is none.
        data: Value,
    },
    /// An error.
    Error {
        /// As an HTTP status.
        code: u16,
        /// The text.
        message: String,
    },
    /// A heartbeat's answer, `pong` or `{"type":"pong"}`.
    Pong,
}

/// `data` of `new_message`.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
#[allow(missing_docs)] // The fields are the guide's.
pub struct NewMessage {
    pub msg_id: String,
    pub content: String,
    pub sender_type: String,
    pub sender_id: String,
    pub msg_type: String,
    pub created_at: String,
    /// Extension.
    pub seq: Option<u64>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Frame {
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    session_id: String,
    #[serde(default)]
    data: Value,
    code: Option<u16>,
    message: Option<String>,
}

/// Understands a text message of the server; `None` if it is none of the guide's.
pub fn heard(text: &str) -> Option<Heard> {
    if text == "pong" {
        return Some(Heard::Pong);
    }
    let Frame { kind, session_id, data, code, message } = serde_json::from_str(text).ok()?;
    Some(match kind.as_str() {
        "pong" => Heard::Pong,
        "error" => Heard::Error { code: code?, message: message? },
        "new_message" => Heard::NewMessage { session_id, data: serde_json::from_value(data).ok()? },
        _ => Heard::Other { kind, session_id, data },
    })
}
