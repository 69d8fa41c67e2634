//! The other end of kefu, for tests and load generation: builds requests, and hears what a server says.
//!
//! Written against guide 2, apart from `decode` and `encode`, so that a mistake there is not repeated here.
//! Must not know frames or sockets.

use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};

/// One request: an action, its `data`, and an `op_id` of any JSON.
fn request(action: &str, data: Value, op_id: &Value) -> String {
    json!({ "action": action, "data": data, "op_id": op_id }).to_string()
}

/// What a send may say besides its content; [`Default`] is a plain text.
#[derive(Clone, Copy, Debug, Default)]
pub struct SendOptions<'a> {
    /// 1 text (the default), 2 picture, 3 file.
    pub message_type: Option<u8>,
    /// For pictures and files.
    pub file_url: Option<&'a str>,
    /// 2 for an agent.
    pub sender_type: Option<u8>,
    /// Extension: makes a retry harmless.
    pub client_msg_id: Option<&'a str>,
}

impl SendOptions<'_> {
    fn add_to(self, mut data: Value) -> Value {
        let fields = [
            ("message_type", self.message_type.map(Value::from)),
            ("file_url", self.file_url.map(Value::from)),
            ("sender_type", self.sender_type.map(Value::from)),
            ("client_msg_id", self.client_msg_id.map(Value::from)),
        ];
        for (name, value) in fields {
            if let Some(value) = value {
                data[name] = value;
            }
        }
        data
    }
}

/// `login`.
pub fn login(token: &str, op_id: &Value) -> String {
    request("login", json!({ "token": token }), op_id)
}

/// `{"action":"ping"}`.
pub fn ping(op_id: &Value) -> String {
    json!({ "action": "ping", "op_id": op_id }).to_string()
}

/// `kefu_message_send`.
pub fn send(conversation_id: u64, content: &str, options: SendOptions<'_>, op_id: &Value) -> String {
    let data = json!({ "conversation_id": conversation_id, "content": content });
    request("kefu_message_send", options.add_to(data), op_id)
}

/// `kefu_message_read`; `sender_type` is who wrote the messages.
pub fn read(conversation_id: u64, message_ids: &[u64], sender_type: u8, op_id: &Value) -> String {
    let data = json!({ "conversation_id": conversation_id, "message_ids": message_ids, "sender_type": sender_type });
    request("kefu_message_read", data, op_id)
}

/// `kefu_message_end`.
pub fn end(conversation_id: u64, op_id: &Value) -> String {
    request("kefu_message_end", json!({ "conversation_id": conversation_id }), op_id)
}

/// `kefu_message_visitor_bind_fd`.
pub fn visitor_bind(visitor_id: &str, op_id: &Value) -> String {
    request("kefu_message_visitor_bind_fd", json!({ "bind_key": visitor_id }), op_id)
}

/// `kefu_message_visitor_send`.
pub fn visitor_send(visitor_id: &str, kefu_id: &str, content: &str, options: SendOptions<'_>, op_id: &Value) -> String {
    let data = json!({ "visitor_id": visitor_id, "kefu_id": kefu_id, "content": content });
    request("kefu_message_visitor_send", options.add_to(data), op_id)
}

/// `kefu_message_visitor_end`; an agent says `sender_type` 2.
pub fn visitor_end(visitor_id: &str, kefu_id: &str, sender_type: Option<u8>, op_id: &Value) -> String {
    let options = SendOptions { sender_type, ..SendOptions::default() };
    let data = options.add_to(json!({ "visitor_id": visitor_id, "kefu_id": kefu_id }));
    request("kefu_message_visitor_end", data, op_id)
}

/// Extension `kefu_message_sync`.
pub fn sync(conversation_id: u64, after_seq: u64, limit: u32, op_id: &Value) -> String {
    let data = json!({ "conversation_id": conversation_id, "after_seq": after_seq, "limit": limit });
    request("kefu_message_sync", data, op_id)
}

/// Extension `kefu_message_typing`.
pub fn typing(conversation_id: u64, op_id: &Value) -> String {
    request("kefu_message_typing", json!({ "conversation_id": conversation_id }), op_id)
}

/// What a server said.
#[derive(Clone, Debug, PartialEq)]
pub enum Heard {
    /// The answer to a request.
    Answer {
        /// Whether it succeeded.
        success: bool,
        /// The text.
        message: String,
        /// `null` if there is none.
        data: Value,
        /// As it was sent.
        op_id: Value,
    },
    /// A push.
    Push(Push),
    /// A heartbeat's answer, `pong` or `{"type":"pong"}`.
    Pong,
}

/// A push. Times of day stay text; `timestamp` is in Unix seconds.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(tag = "action")]
#[allow(missing_docs)] // The fields are the guide's.
pub enum Push {
    /// A message in a user's conversation.
    #[serde(rename = "kefu_message")]
    Message {
        conversation_id: u64,
        message_id: u64,
        sender_id: u64,
        sender_type: u8,
        from_uid: u64,
        to_uid: Option<u64>,
        content: String,
        message_type: u8,
        file_url: Option<String>,
        created_at: String,
        timestamp: u64,
        /// Extension.
        seq: Option<u64>,
    },
    /// The end of a user's conversation.
    #[serde(rename = "kefu_message_end")]
    Ended {
        conversation_id: u64,
        operator_id: Option<u64>,
        operator_type: u8,
        from_uid: Option<u64>,
        to_uid: Vec<u64>,
        timestamp: u64,
    },
    /// A message in a visitor's conversation.
    #[serde(rename = "kefu_visitor_message")]
    VisitorMessage {
        visitor_id: String,
        kefu_id: String,
        message_id: u64,
        content: String,
        sender_type: u8,
        created_at: String,
        timestamp: u64,
        /// Extension.
        conversation_id: Option<u64>,
        /// Extension.
        seq: Option<u64>,
    },
    /// The end of a visitor's conversation.
    #[serde(rename = "kefu_visitor_conversation_end")]
    VisitorEnded {
        visitor_id: String,
        kefu_id: String,
        sender_type: u8,
        timestamp: u64,
        /// Extension.
        conversation_id: Option<u64>,
    },
    /// Extension: a conversation has another agent.
    #[serde(rename = "kefu_message_assigned")]
    Assigned {
        conversation_id: u64,
        kefu_id: Option<u64>,
        user_id: Option<u64>,
        visitor_id: Option<String>,
        timestamp: u64,
    },
    /// Extension: messages written by `sender_type` were read.
    #[serde(rename = "kefu_message_read")]
    Read {
        conversation_id: u64,
        visitor_id: Option<String>,
        message_ids: Vec<u64>,
        sender_type: u8,
        from_uid: Option<u64>,
        to_uid: Option<u64>,
        timestamp: u64,
    },
    /// Extension: `sender_type` is typing.
    #[serde(rename = "kefu_message_typing")]
    Typing {
        conversation_id: u64,
        visitor_id: Option<String>,
        sender_type: u8,
        from_uid: Option<u64>,
        to_uid: Option<u64>,
        timestamp: u64,
    },
}

/// What was said is none of what guide 2 and its extensions know.
#[derive(Debug, thiserror::Error)]
pub enum Unheard {
    /// It is no JSON, or a push that lacks a field.
    #[error("not understood: {0}")]
    Json(#[from] serde_json::Error),
    /// It is neither an answer nor a push nor a heartbeat.
    #[error("neither an answer nor a push")]
    Unknown,
}

/// Understands what a server said in a text message.
pub fn hear(text: &str) -> Result<Heard, Unheard> {
    if text == "pong" {
        return Ok(Heard::Pong);
    }
    let mut value: Value = serde_json::from_str(text)?;
    match (value["type"].as_str(), value["success"].as_bool()) {
        (Some("push_message"), _) => Ok(Heard::Push(Push::deserialize(value)?)),
        (Some("pong"), _) => Ok(Heard::Pong),
        (_, Some(success)) => Ok(Heard::Answer {
            success,
            message: value["message"].as_str().ok_or(Unheard::Unknown)?.to_owned(),
            data: value["data"].take(),
            op_id: value["op_id"].take(),
        }),
        _ => Err(Unheard::Unknown),
    }
}

/// What a server said, as far as a load generator looks: borrowed, and parsed once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Glimpse<'a> {
    /// A heartbeat's answer, in any of its three forms.
    Pong,
    /// The answer to a request.
    Answer {
        /// Whether it succeeded.
        success: bool,
        /// The JSON of `op_id`.
        op_id: &'a str,
        /// The JSON of `data`, `null` if there is none.
        data: &'a str,
        /// The JSON of `message`.
        message: &'a str,
    },
    /// A message of a user's or a visitor's conversation.
    Message {
        /// The conversation; 0 if the frame does not name it.
        conversation_id: u64,
        /// Its place in the conversation; 0 if the frame does not name it.
        seq: u64,
        /// 1 customer, 2 agent.
        sender_type: u8,
        /// The content as JSON has it between the quotes; escapes are left alone.
        content: &'a str,
    },
    /// The end of a conversation.
    Ended {
        /// The conversation; 0 if the frame does not name it.
        conversation_id: u64,
    },
    /// Extension: a conversation has another agent.
    Assigned {
        /// The conversation.
        conversation_id: u64,
        /// Its agent; 0 for none.
        kefu_id: u64,
    },
    /// A push that is known and not looked into.
    Other,
}

/// Everything a frame may have that [`glimpse`] looks at.
#[derive(Deserialize)]
struct Frame<'a> {
    #[serde(default)]
    r#type: Option<&'a str>,
    #[serde(default)]
    action: Option<&'a str>,
    success: Option<bool>,
    #[serde(borrow)]
    message: Option<&'a RawValue>,
    #[serde(borrow)]
    data: Option<&'a RawValue>,
    #[serde(borrow)]
    op_id: Option<&'a RawValue>,
    conversation_id: Option<u64>,
    seq: Option<u64>,
    sender_type: Option<u8>,
    #[serde(borrow)]
    kefu_id: Option<&'a RawValue>,
    #[serde(borrow)]
    content: Option<&'a RawValue>,
}

/// Looks at what a server said in a text message, as [`hear`] understands it, but without copying anything.
pub fn glimpse(text: &str) -> Result<Glimpse<'_>, Unheard> {
    if text == "pong" {
        return Ok(Glimpse::Pong);
    }
    let frame: Frame<'_> = serde_json::from_str(text)?;
    let conversation_id = frame.conversation_id.unwrap_or(0);
    match (frame.r#type, frame.action, frame.success) {
        (Some("pong"), ..) => Ok(Glimpse::Pong),
        (Some("push_message"), Some("kefu_message" | "kefu_visitor_message"), _) => Ok(Glimpse::Message {
            conversation_id,
            seq: frame.seq.unwrap_or(0),
            sender_type: frame.sender_type.ok_or(Unheard::Unknown)?,
            content: frame.content.map_or("", |content| unquoted(content.get())),
        }),
        (Some("push_message"), Some("kefu_message_end" | "kefu_visitor_conversation_end"), _) => {
            Ok(Glimpse::Ended { conversation_id })
        }
        (Some("push_message"), Some("kefu_message_assigned"), _) => {
            let kefu_id = frame.kefu_id.and_then(|id| unquoted(id.get()).parse().ok()).unwrap_or(0);
            Ok(Glimpse::Assigned { conversation_id, kefu_id })
        }
        (Some("push_message"), Some(_), _) => Ok(Glimpse::Other),
        (_, _, Some(success)) => match text_of(frame.message) {
            "\"pong\"" => Ok(Glimpse::Pong),
            message => Ok(Glimpse::Answer { success, op_id: text_of(frame.op_id), data: text_of(frame.data), message }),
        },
        _ => Err(Unheard::Unknown),
    }
}

fn text_of(value: Option<&RawValue>) -> &str {
    value.map_or("null", RawValue::get)
}

/// A JSON string without its quotes; anything else as it is.
fn unquoted(json: &str) -> &str {
    json.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(json)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MESSAGE: &str = include_str!("fixtures/push_message.json");

    /// Whatever guide 2 shows, both ways of listening make the same of it.
    #[test]
    fn a_glimpse_sees_what_hear_hears() {
        for text in [
            MESSAGE,
            include_str!("fixtures/push_visitor_message.json"),
            include_str!("fixtures/push_end.json"),
            include_str!("fixtures/push_visitor_end.json"),
            include_str!("fixtures/send_answer.json"),
            include_str!("fixtures/end_answer.json"),
            include_str!("fixtures/send_error_conversation_id_required.json"),
            "pong",
            r#"{"type":"pong"}"#,
        ] {
            let seen = glimpse(text).unwrap();
            match hear(text).unwrap() {
                Heard::Pong => assert_eq!(seen, Glimpse::Pong),
                Heard::Answer { success, op_id, data, .. } => {
                    let Glimpse::Answer { success: seen_success, op_id: seen_op, data: seen_data, .. } = seen else {
                        panic!("{seen:?}")
                    };
                    assert_eq!(seen_success, success);
                    assert_eq!(serde_json::from_str::<Value>(seen_op).unwrap(), op_id);
                    assert_eq!(serde_json::from_str::<Value>(seen_data).unwrap(), data);
                }
                Heard::Push(Push::Message { conversation_id, content, sender_type, seq, .. }) => assert_eq!(
                    seen,
                    Glimpse::Message { conversation_id, seq: seq.unwrap_or(0), sender_type, content: &content }
                ),
                Heard::Push(Push::VisitorMessage { content, sender_type, conversation_id, seq, .. }) => {
                    let (conversation_id, seq) = (conversation_id.unwrap_or(0), seq.unwrap_or(0));
                    assert_eq!(seen, Glimpse::Message { conversation_id, seq, sender_type, content: &content });
                }
                Heard::Push(Push::Ended { conversation_id, .. }) => {
                    assert_eq!(seen, Glimpse::Ended { conversation_id });
                }
                Heard::Push(_) => assert!(matches!(seen, Glimpse::Ended { .. } | Glimpse::Other), "{seen:?}"),
            }
        }
    }

    #[test]
    fn an_assignment_names_its_agent() {
        let text = r#"{"type":"push_message","action":"kefu_message_assigned","conversation_id":7,"kefu_id":3,"user_id":1,"visitor_id":null,"timestamp":1}"#;
        assert_eq!(glimpse(text).unwrap(), Glimpse::Assigned { conversation_id: 7, kefu_id: 3 });
    }
}
