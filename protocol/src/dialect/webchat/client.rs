//! The other end of webchat, for tests and load generation: builds messages, and hears what a server says.
//!
//! Written against guide 3, apart from `decode` and `encode`, so that a mistake there is not repeated here.
//! Must not know frames or sockets.

use serde::Deserialize;
use serde_json::value::RawValue;
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

/// What a load generator wants to know of a frame, borrowed from it: hearing costs it as little as the server spends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Glimpse<'a> {
    /// A heartbeat's answer.
    Pong,
    /// A message.
    Message {
        /// In which conversation.
        conversation_id: &'a str,
        /// Its place there; 0 if the frame does not name it.
        seq: u64,
        /// `customer` or `agent`; empty if the frame does not say.
        sender_type: &'a str,
        /// The content as JSON has it between the quotes; escapes are left alone.
        content: &'a str,
    },
    /// Extension: a message that had this `client_msg_id` is stored.
    Ack {
        /// The id.
        client_msg_id: &'a str,
        /// The conversation.
        conversation_id: &'a str,
    },
    /// Something was wrong, with the message of this `client_msg_id` if it had one.
    Error {
        /// The id.
        client_msg_id: Option<&'a str>,
    },
    /// Extension: anything else that is about a conversation.
    Notice {
        /// Its `type`.
        kind: &'a str,
        /// Which; empty for the answer to a sync.
        conversation_id: &'a str,
        /// The conversation's agent, if it has one and the frame says so.
        agent_id: Option<&'a str>,
    },
}

/// Everything that [`glimpse`] looks at.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Seen<'a> {
    r#type: Option<&'a str>,
    conversation_id: Option<&'a str>,
    seq: Option<u64>,
    sender_type: Option<&'a str>,
    #[serde(borrow)]
    content: Option<&'a RawValue>,
    #[serde(rename = "client_msg_id")]
    client_msg_id: Option<&'a str>,
    agent_id: Option<&'a str>,
}

/// Looks at what a server said in a text message, as [`hear`] understands it, but without copying anything; `None` if
/// it is none of the guide's and its extensions'.
pub fn glimpse(text: &str) -> Option<Glimpse<'_>> {
    if text == "pong" {
        return Some(Glimpse::Pong);
    }
    let seen: Seen<'_> = serde_json::from_str(text).ok()?;
    Some(match seen.r#type {
        None => Glimpse::Message {
            conversation_id: seen.conversation_id?,
            seq: seen.seq.unwrap_or(0),
            sender_type: seen.sender_type.unwrap_or_default(),
            content: seen.content?.get().strip_prefix('"')?.strip_suffix('"')?,
        },
        Some("pong") => Glimpse::Pong,
        Some("ack") => Glimpse::Ack { client_msg_id: seen.client_msg_id?, conversation_id: seen.conversation_id? },
        Some("error") => Glimpse::Error { client_msg_id: seen.client_msg_id },
        Some(kind) => {
            Glimpse::Notice { kind, conversation_id: seen.conversation_id.unwrap_or_default(), agent_id: seen.agent_id }
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_glimpse_sees_what_hear_hears() {
        let text = include_str!("fixtures/server_message.json");
        let Heard::Message(said) = hear(text).unwrap() else { panic!("no message") };
        let seen = Glimpse::Message {
            conversation_id: &said.conversation_id,
            seq: 0,
            sender_type: "",
            content: &said.content,
        };
        assert_eq!(glimpse(text), Some(seen));
        assert_eq!(glimpse("pong"), Some(Glimpse::Pong));
        assert_eq!(glimpse(r#"{"type":"pong"}"#), Some(Glimpse::Pong));
        let error = r#"{"type":"error","code":409,"message":"x","client_msg_id":"a"}"#;
        assert_eq!(glimpse(error), Some(Glimpse::Error { client_msg_id: Some("a") }));
        assert_eq!(glimpse("{}"), None);
    }
}
