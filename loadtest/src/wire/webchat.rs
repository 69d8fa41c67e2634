//! Guide 3, by its client end in `switchboard-protocol`: customers of the channel WEB, whose tokens the server issues
//! before the upgrade, and agents with their JWT. A customer's first message opens its conversation.
//!
//! Every message has a `client_msg_id`: without one the guide answers a message by nothing, and what is not answered
//! cannot be accounted for. The server looks each of them up, which kefu's messages of this harness ask of it only with `--message-ids`.

use serde::Deserialize;
use switchboard_protocol::dialect::webchat::client::{Glimpse, glimpse};

use super::{
    Abilities, Ask, Call, Entered, Heard, MessageId, Opened, Party, Role, Sheet, Side, SyncPage, Synced, To, Wire,
};
use crate::settings::{PAYLOAD_MAX_BYTES, PingForm};

/// See the module.
pub(super) struct Webchat;

const SYNC_LIMIT: u32 = 100;

impl Wire for Webchat {
    fn abilities(&self) -> &'static Abilities {
        &Abilities {
            desk: true,
            customers: true,
            picks: false,
            greets: true,
            unnumbered: &[Ask::Read, Ask::Sync, Ask::End],
            issues: true,
            named_paths: true,
            content_max_bytes: PAYLOAD_MAX_BYTES,
        }
    }

    fn path(&self, party: &Party) -> String {
        format!("/ws/chat?ext=1&token={}", party.token)
    }

    fn entrance(&self, party: &Party, _opens: bool, _group: &str) -> Option<Call> {
        let number = party.number;
        let body = format!(r#"{{"name":"load {number}","channel":"WEB","channelId":"load-{number}"}}"#);
        let path = "/api/v1/public/customer-token".to_owned();
        (party.role == Role::User && party.token.is_empty()).then_some(Call { path, body: Some(body), signed: false })
    }

    fn entered(&self, body: &[u8]) -> Option<Entered> {
        #[derive(Deserialize)]
        struct Body {
            data: Data,
        }
        #[derive(Deserialize)]
        struct Data {
            token: String,
        }
        let Body { data } = serde_json::from_slice(body).ok()?;
        Some(Entered::Token(data.token))
    }

    fn ping(&self, form: PingForm, _size: usize, out: &mut Sheet) {
        match form {
            PingForm::Text | PingForm::Frame => out.body.extend_from_slice(b"ping"),
            PingForm::Json => out.body.extend_from_slice(br#"{"type":"ping"}"#),
        }
    }

    fn greet(&self, from: &Party, group: &str, content: &str, op: u64, out: &mut Sheet) {
        let (number, id) = (from.number, MessageId(op, content));
        out.write(format_args!(
            r#"{{"senderId":"{number}","content":"{content}","group":"{group}","client_msg_id":"{id}"}}"#
        ));
    }

    fn greeted(&self, data: &str) -> Option<Opened> {
        match glimpse(data)? {
            Glimpse::Ack { conversation_id, .. } => {
                Some(Opened { conversation: conversation_id.parse().ok()?, agent: None })
            }
            _ => None,
        }
    }

    fn send(&self, from: &Party, conversation: u64, content: &str, op: u64, out: &mut Sheet) {
        let (number, id) = (from.number, MessageId(op, content));
        out.write(format_args!(
            r#"{{"conversationId":"{conversation}","senderId":"{number}","content":"{content}","client_msg_id":"{id}"}}"#
        ));
    }

    fn read(&self, _by: &Party, conversation: u64, _op: u64, out: &mut Sheet) {
        // Whatever is named, the reader's counter becomes 0.
        out.write(format_args!(r#"{{"type":"read","conversationId":"{conversation}","messageIds":["1"]}}"#));
    }

    fn end(&self, conversation: u64, _op: u64, out: &mut Sheet) {
        out.write(format_args!(r#"{{"type":"end","conversationId":"{conversation}"}}"#));
    }

    fn sync(&self, conversation: u64, after_seq: u64, _op: u64, out: &mut Sheet) {
        out.write(format_args!(
            r#"{{"type":"sync","conversationId":"{conversation}","after_seq":{after_seq},"limit":{SYNC_LIMIT}}}"#
        ));
    }

    fn synced(&self, data: &str) -> Option<SyncPage> {
        #[derive(Deserialize)]
        struct Data {
            messages: Vec<Line>,
            next_seq: u64,
            complete: bool,
        }
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Line {
            seq: u64,
            sender_type: String,
            content: String,
        }
        let Data { messages, next_seq, complete } = serde_json::from_str(data).ok()?;
        let line = |line: Line| Synced { seq: line.seq, by: Side::of_word(&line.sender_type), content: line.content };
        Some(SyncPage { messages: messages.into_iter().map(line).collect(), next_seq, complete })
    }

    fn hear<'a>(&self, text: &'a str) -> Option<Heard<'a>> {
        Some(match glimpse(text)? {
            Glimpse::Pong => Heard::Pong,
            Glimpse::Message { conversation_id, seq, sender_type, content } => Heard::Message {
                conversation: conversation_id.parse().ok()?,
                seq,
                by: Side::of_word(sender_type),
                content,
            },
            Glimpse::Ack { client_msg_id, .. } => {
                Heard::Answer { to: asked_as(client_msg_id)?, success: true, data: text }
            }
            Glimpse::Error { client_msg_id } => {
                let oldest = To::Oldest { ask: None, conversation: None };
                Heard::Answer { to: client_msg_id.map_or(Some(oldest), asked_as)?, success: false, data: text }
            }
            Glimpse::Notice { kind: "sync", .. } => {
                Heard::Answer { to: To::Oldest { ask: Some(Ask::Sync), conversation: None }, success: true, data: text }
            }
            // Of the other side's marks the conversation is told.
            Glimpse::Notice { kind: "read", conversation_id: "", .. } => {
                Heard::Answer { to: To::Oldest { ask: Some(Ask::Read), conversation: None }, success: true, data: text }
            }
            Glimpse::Notice { kind: "end", conversation_id, .. } => {
                let to = To::Oldest { ask: Some(Ask::End), conversation: Some(conversation_id.parse().ok()?) };
                Heard::Answer { to, success: true, data: text }
            }
            Glimpse::Notice { kind: "assigned", conversation_id, agent_id } => {
                let agent = agent_id.map_or(Some(0), |id| id.parse().ok())?;
                Heard::Assigned { conversation: conversation_id.parse().ok()?, agent }
            }
            Glimpse::Notice { kind: "ended", conversation_id, .. } => {
                Heard::Ended { conversation: conversation_id.parse().ok()? }
            }
            Glimpse::Notice { .. } => Heard::Other,
        })
    }
}

fn asked_as(client_msg_id: &str) -> Option<To> {
    let (op, _) = client_msg_id.split_once('.')?;
    Some(To::Number(op.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};
    use switchboard_protocol::dialect::webchat::client;

    use super::super::tests::written;
    use super::*;

    fn of_client(text: String) -> Value {
        let mut value: Value = serde_json::from_str(&text).unwrap();
        // Shown and never believed.
        if !value["senderId"].is_null() {
            value["senderId"] = json!("5");
        }
        value
    }

    fn party(token: &str) -> Party {
        Party { role: Role::User, number: 5, token: token.to_owned() }
    }

    /// What is written here by hand for speed is what the client end of the guide says.
    #[test]
    fn requests_are_those_of_the_client_end() {
        let from = party("cust_1");
        let sent = written(|out| Webchat.send(&from, 7, "3.44.xx", 9, out));
        assert_eq!(sent, of_client(client::send(Some("7"), "3.44.xx", None, Some("9.3.44"))));
        let mut first = written(|out| Webchat.greet(&from, "sales", "0.44.xx", 9, out));
        assert_eq!(first.as_object_mut().unwrap().remove("group"), Some(json!("sales")));
        assert_eq!(first, of_client(client::send(None, "0.44.xx", None, Some("9.0.44"))));
        assert_eq!(written(|out| Webchat.read(&from, 7, 9, out)), of_client(client::read("7", &["1"])));
        assert_eq!(written(|out| Webchat.end(7, 9, out)), of_client(client::end("7")));
        assert_eq!(written(|out| Webchat.sync(7, 3, 9, out)), of_client(client::sync("7", 3, 100)));
    }

    #[test]
    fn a_customer_asks_for_its_token_once() {
        let call = Webchat.entrance(&party(""), true, "sales").unwrap();
        let body: Value = serde_json::from_str(call.body.as_deref().unwrap()).unwrap();
        let example = include_str!("../../../protocol/src/dialect/webchat/fixtures/token_request.json");
        let example: Value = serde_json::from_str(example).unwrap();
        let keys = |value: &Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
        assert_eq!((keys(&body), &body["channel"]), (keys(&example), &example["channel"]));
        let answer = include_str!("../../../protocol/src/dialect/webchat/fixtures/token_answer.json");
        let token = "cust_a1b2c3d4-e5f6-7890-abcd-ef1234567890";
        assert_eq!(Webchat.entered(answer.as_bytes()), Some(Entered::Token(token.to_owned())));
        assert_eq!(Webchat.entrance(&party(token), true, "sales"), None);
        assert_eq!(Webchat.path(&party(token)), format!("/ws/chat?ext=1&token={token}"));
        assert_eq!(Webchat.entrance(&Party { role: Role::Agent, ..party("") }, true, "sales"), None);
    }

    #[test]
    fn frames_are_heard() {
        let example = include_str!("../../../protocol/src/dialect/webchat/fixtures/server_message.json");
        let shown: Value = serde_json::from_str(example).unwrap();
        let id = shown["conversationId"].as_str().unwrap();
        let example = example.replace(id, "8193");
        let content = shown["content"].as_str().unwrap();
        let expected = Heard::Message { conversation: 8193, seq: 0, by: Side::Customer, content };
        assert_eq!(Webchat.hear(&example), Some(expected));
        let ack = r#"{"type":"ack","client_msg_id":"9.3.44","messageId":"1","conversationId":"7","seq":3}"#;
        assert_eq!(Webchat.hear(ack), Some(Heard::Answer { to: To::Number(9), success: true, data: ack }));
        assert_eq!(Webchat.greeted(ack), Some(Opened { conversation: 7, agent: None }));
        let error = r#"{"type":"error","code":409,"message":"x","client_msg_id":"9.3.44"}"#;
        assert_eq!(Webchat.hear(error), Some(Heard::Answer { to: To::Number(9), success: false, data: error }));
        let sync = r#"{"type":"sync","messages":[{"conversationId":"7","seq":2,"senderType":"agent","content":"c"}],"next_seq":2,"complete":true}"#;
        let to = To::Oldest { ask: Some(Ask::Sync), conversation: None };
        assert_eq!(Webchat.hear(sync), Some(Heard::Answer { to, success: true, data: sync }));
        let messages = vec![Synced { seq: 2, by: Side::Agent, content: "c".to_owned() }];
        assert_eq!(Webchat.synced(sync), Some(SyncPage { messages, next_seq: 2, complete: true }));
        let read = r#"{"type":"read","updated_count":1}"#;
        let to = To::Oldest { ask: Some(Ask::Read), conversation: None };
        assert_eq!(Webchat.hear(read), Some(Heard::Answer { to, success: true, data: read }));
        assert_eq!(Webchat.hear(r#"{"type":"read","conversationId":"7","by":"agent"}"#), Some(Heard::Other));
        let assigned = r#"{"type":"assigned","conversationId":"7","agentId":"3"}"#;
        assert_eq!(Webchat.hear(assigned), Some(Heard::Assigned { conversation: 7, agent: 3 }));
        assert_eq!(Webchat.hear(r#"{"type":"ended","conversationId":"7"}"#), Some(Heard::Ended { conversation: 7 }));
        assert_eq!(Webchat.hear(r#"{"type":"typing","conversationId":"7"}"#), Some(Heard::Other));
        assert_eq!(Webchat.hear("{"), None);
    }
}
