//! The other end of multichannel, for tests and load generation: builds requests, and hears what a server says.
//!
//! Written against guide 4, apart from `decode` and `encode`, so that a mistake there is not repeated here.
//! Must not know frames or sockets.

use serde::Deserialize;
use serde_json::value::RawValue;
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

/// What a load generator wants to know of a frame, borrowed from it: hearing costs it as little as the server spends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Glimpse<'a> {
    /// A heartbeat's answer.
    Pong,
    /// `new_message`.
    NewMessage {
        /// In which session.
        session_id: &'a str,
        /// Its place there; 0 if the frame does not name it.
        seq: u64,
        /// Whether a customer wrote it.
        by_customer: bool,
        /// The content as JSON has it between the quotes; escapes are left alone.
        content: &'a str,
    },
    /// `session_accepted`.
    Accepted {
        /// Which session.
        session_id: &'a str,
        /// Its agent.
        cs_id: Option<&'a str>,
    },
    /// `session_closed`.
    Closed {
        /// Which session.
        session_id: &'a str,
    },
    /// A push that is known and not looked into.
    Other,
}

/// Everything that [`glimpse`] looks at.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Seen<'a> {
    #[serde(rename = "type")]
    kind: &'a str,
    session_id: Option<&'a str>,
    #[serde(borrow)]
    data: Option<SeenData<'a>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct SeenData<'a> {
    #[serde(borrow)]
    content: Option<&'a RawValue>,
    sender_type: Option<&'a str>,
    manual_cs_id: Option<&'a str>,
    seq: Option<u64>,
}

/// Looks at what a server said in a text message, as [`heard`] understands it, but without copying anything; `None` if
/// it is no push: an error, or none of the guide's.
pub fn glimpse(text: &str) -> Option<Glimpse<'_>> {
    if text == "pong" {
        return Some(Glimpse::Pong);
    }
    let Seen { kind, session_id, data } = serde_json::from_str(text).ok()?;
    Some(match kind {
        "pong" => Glimpse::Pong,
        "error" => return None,
        "new_message" => {
            let data = data?;
            Glimpse::NewMessage {
                session_id: session_id?,
                seq: data.seq.unwrap_or(0),
                by_customer: data.sender_type? == "customer",
                content: data.content?.get().strip_prefix('"')?.strip_suffix('"')?,
            }
        }
        "session_accepted" => {
            Glimpse::Accepted { session_id: session_id?, cs_id: data.and_then(|data| data.manual_cs_id) }
        }
        "session_closed" => Glimpse::Closed { session_id: session_id? },
        _ => Glimpse::Other,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_glimpse_sees_what_is_heard() {
        let message = include_str!("fixtures/push_new_message.json");
        let Some(Heard::NewMessage { session_id, data }) = heard(message) else { panic!("no message") };
        let seen = Glimpse::NewMessage {
            session_id: &session_id,
            seq: 0,
            by_customer: data.sender_type == "customer",
            content: &data.content,
        };
        assert_eq!(glimpse(message), Some(seen));
        let accepted = r#"{"type":"session_accepted","sessionId":"5","data":{"manualCsId":"wang"}}"#;
        assert_eq!(glimpse(accepted), Some(Glimpse::Accepted { session_id: "5", cs_id: Some("wang") }));
        assert_eq!(glimpse("pong"), Some(Glimpse::Pong));
        assert_eq!(glimpse(r#"{"type":"error","code":404,"message":"会话不存在"}"#), None);
    }
}
