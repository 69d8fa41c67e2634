//! The other end of bytedesk, for tests and load generation: builds messages, and hears what a server says.
//!
//! Written against guide 1, apart from `decode` and `encode`, so that a mistake there is not repeated here. Must not know
//! frames or sockets.

use serde::Deserialize;
use serde_json::value::RawValue;
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
    /// Extension.
    pub sender_type: Option<String>,
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

/// What a load generator wants to know of a frame, borrowed from it: hearing costs it as little as the server spends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Glimpse<'a> {
    /// A heartbeat's answer.
    Pong,
    /// A message.
    Message {
        /// In which conversation; empty if the frame does not name it.
        conversation_id: &'a str,
        /// Its place there; 0 if the frame does not name it.
        seq: u64,
        /// `customer` or `agent`; empty if the frame does not say.
        sender_type: &'a str,
        /// The content as JSON has it between the quotes; escapes are left alone.
        content: &'a str,
    },
    /// The answer to a message of this connection.
    Ack {
        /// To which action.
        action: &'a str,
        /// The conversation; empty if it is about none.
        conversation_id: &'a str,
        /// The JSON of `data`.
        data: &'a str,
    },
    /// An error.
    Error {
        /// Of which action, if that was understood.
        action: Option<&'a str>,
    },
    /// An event: a status, or an extension's.
    Event {
        /// Which.
        action: &'a str,
        /// The conversation; empty if it is about none.
        conversation_id: &'a str,
        /// The agent, if the frame names one.
        agent_id: Option<&'a str>,
    },
}

#[derive(Deserialize)]
struct Seen<'a> {
    r#type: &'a str,
    action: Option<&'a str>,
    #[serde(borrow)]
    data: Option<&'a RawValue>,
}

/// Everything of `data` that [`glimpse`] looks at.
#[derive(Deserialize)]
struct SeenData<'a> {
    #[serde(default)]
    conversation_id: &'a str,
    #[serde(default)]
    seq: u64,
    #[serde(default)]
    sender_type: &'a str,
    #[serde(borrow)]
    content: Option<&'a RawValue>,
    agent_id: Option<&'a str>,
}

/// Looks at what a server said in a text message, as [`heard`] understands it, but without copying anything; `None` if
/// it is none of the guide's.
pub fn glimpse(text: &str) -> Option<Glimpse<'_>> {
    if text == "pong" {
        return Some(Glimpse::Pong);
    }
    let Seen { r#type, action, data } = serde_json::from_str(text).ok()?;
    if let "pong" | "error" = r#type {
        return Some(if r#type == "pong" { Glimpse::Pong } else { Glimpse::Error { action } });
    }
    let (action, data) = (action?, data?.get());
    let seen: SeenData<'_> = serde_json::from_str(data).ok()?;
    let conversation_id = seen.conversation_id;
    Some(match (r#type, action) {
        ("message", "send") => Glimpse::Message {
            conversation_id,
            seq: seen.seq,
            sender_type: seen.sender_type,
            content: seen.content?.get().strip_prefix('"')?.strip_suffix('"')?,
        },
        ("ack", _) => Glimpse::Ack { action, conversation_id, data },
        ("event", _) => Glimpse::Event { action, conversation_id, agent_id: seen.agent_id },
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_glimpse_sees_what_is_heard() {
        let sent = send(("5", "7"), "消息内容", 1_635_232_823, Some("8193"), None);
        let Some(Heard::Message(message)) = heard(&sent) else { panic!("no message") };
        let seen = Glimpse::Message { conversation_id: "8193", seq: 0, sender_type: "", content: &message.content };
        assert_eq!(glimpse(&sent), Some(seen));
        assert_eq!(glimpse("pong"), Some(Glimpse::Pong));
        assert_eq!(glimpse(r#"{"type":"pong"}"#), Some(Glimpse::Pong));
        let error = r#"{"type":"error","action":"send","code":403,"message":"x"}"#;
        assert_eq!(glimpse(error), Some(Glimpse::Error { action: Some("send") }));
        let event = status_change("7", "online", 1);
        let seen = Glimpse::Event { action: "status_change", conversation_id: "", agent_id: Some("7") };
        assert_eq!(glimpse(&event), Some(seen));
        assert_eq!(glimpse(r#"{"type":"x","action":"y","data":{}}"#), None);
    }
}
