//! Guide 1, by its client end in `switchboard-protocol`: users and agents, whose token is in the query of the upgrade. A
//! conversation is opened over HTTP before; acknowledgements come in the order of the requests of their conversation.

use serde::Deserialize;
use switchboard_protocol::dialect::bytedesk::client::{Glimpse, glimpse};

use super::{Abilities, Ask, Call, Entered, Heard, MessageId, Opened, Party, Sheet, Side, SyncPage, Synced, To, Wire};
use crate::settings::{PAYLOAD_MAX_BYTES, PingForm};

/// See the module.
pub(super) struct Bytedesk;

const SYNC_LIMIT: u32 = 100;
/// The guide's own; a client's time is not looked at.
const TIMESTAMP: u64 = 1_635_232_823;

impl Wire for Bytedesk {
    fn abilities(&self) -> &'static Abilities {
        &Abilities {
            desk: true,
            customers: true,
            picks: false,
            greets: false,
            unnumbered: &[Ask::Send, Ask::Read, Ask::End, Ask::Sync],
            issues: false,
            named_paths: true,
            content_max_bytes: PAYLOAD_MAX_BYTES,
        }
    }

    fn path(&self, party: &Party) -> String {
        format!("/ws?token={}&ext=1", party.token)
    }

    fn entrance(&self, _party: &Party, opens: bool, group: &str) -> Option<Call> {
        let body = Some(format!(r#"{{"group_id":"{group}"}}"#));
        opens.then(|| Call { path: "/api/v1/conversations".to_owned(), body, signed: true })
    }

    fn entered(&self, body: &[u8]) -> Option<Entered> {
        #[derive(Deserialize)]
        struct Body {
            data: Data,
        }
        #[derive(Deserialize)]
        struct Data {
            conversation_id: String,
            agent_id: Option<String>,
        }
        let Body { data } = serde_json::from_slice(body).ok()?;
        let agent = data.agent_id.map(|id| id.parse()).transpose().ok()?;
        Some(Entered::Opened(Opened { conversation: data.conversation_id.parse().ok()?, agent }))
    }

    fn ping(&self, form: PingForm, _size: usize, out: &mut Sheet) {
        match form {
            PingForm::Text | PingForm::Frame => out.body.extend_from_slice(b"ping"),
            PingForm::Json => out.body.extend_from_slice(br#"{"type":"ping"}"#),
        }
    }

    fn send(&self, from: &Party, conversation: u64, content: &str, op: u64, out: &mut Sheet) {
        let number = from.number;
        out.write(format_args!(
            r#"{{"type":"message","action":"send","data":{{"from":"{number}","to":"auto","content":"{content}","timestamp":{TIMESTAMP},"conversation_id":"{conversation}""#
        ));
        if out.ids {
            out.write(format_args!(r#","client_msg_id":"{}""#, MessageId(op, content)));
        }
        out.body.extend_from_slice(b"}}");
    }

    fn read(&self, _by: &Party, conversation: u64, _op: u64, out: &mut Sheet) {
        // Whatever is named, the reader's counter becomes 0.
        out.write(format_args!(
            r#"{{"type":"message","action":"read","data":{{"conversation_id":"{conversation}","message_ids":["1"]}}}}"#
        ));
    }

    fn end(&self, conversation: u64, _op: u64, out: &mut Sheet) {
        out.write(format_args!(r#"{{"type":"message","action":"end","data":{{"conversation_id":"{conversation}"}}}}"#));
    }

    fn sync(&self, conversation: u64, after_seq: u64, _op: u64, out: &mut Sheet) {
        out.write(format_args!(
            r#"{{"type":"message","action":"sync","data":{{"conversation_id":"{conversation}","after_seq":{after_seq},"limit":{SYNC_LIMIT}}}}}"#
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
            Glimpse::Ack { action, conversation_id, data } => {
                let to = To::Oldest { ask: asked_by(action), conversation: conversation_id.parse().ok() };
                Heard::Answer { to, success: true, data }
            }
            Glimpse::Error { action } => {
                let to = To::Oldest { ask: action.and_then(asked_by), conversation: None };
                Heard::Answer { to, success: false, data: text }
            }
            Glimpse::Event { action: "conversation_assigned", conversation_id, agent_id } => {
                // While nobody has it, the agent is called `auto`.
                let agent = agent_id.and_then(|id| id.parse().ok()).unwrap_or(0);
                Heard::Assigned { conversation: conversation_id.parse().ok()?, agent }
            }
            Glimpse::Event { action: "conversation_closed", conversation_id, .. } => {
                Heard::Ended { conversation: conversation_id.parse().ok()? }
            }
            Glimpse::Event { .. } => Heard::Other,
        })
    }
}

fn asked_by(action: &str) -> Option<Ask> {
    Some(match action {
        "send" => Ask::Send,
        "read" => Ask::Read,
        "end" => Ask::End,
        "sync" => Ask::Sync,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::Value;
    use switchboard_protocol::dialect::bytedesk::client;

    use super::super::Role;
    use super::super::tests::written;
    use super::*;

    fn of_client(text: String) -> Value {
        serde_json::from_str(&text).unwrap()
    }

    fn user() -> Party {
        Party { role: Role::User, number: 5, token: "a.b-c_d".to_owned() }
    }

    /// What is written here by hand for speed is what the client end of the guide says.
    #[test]
    fn requests_are_those_of_the_client_end() {
        let sent = of_client(client::send(("5", "auto"), "c", TIMESTAMP, Some("7"), None));
        assert_eq!(written(|out| Bytedesk.send(&user(), 7, "c", 9, out)), sent);
        let sent = of_client(client::send(("5", "auto"), "3.44.xx", TIMESTAMP, Some("7"), Some("9.3.44")));
        let with_id = written(|out| {
            out.ids = true;
            Bytedesk.send(&user(), 7, "3.44.xx", 9, out);
        });
        assert_eq!(with_id, sent);
        assert_eq!(written(|out| Bytedesk.read(&user(), 7, 9, out)), of_client(client::read("7", &["1"])));
        assert_eq!(written(|out| Bytedesk.end(7, 9, out)), of_client(client::about("end", "7")));
        assert_eq!(written(|out| Bytedesk.sync(7, 3, 9, out)), of_client(client::sync("7", 3, 100)));
        let mut out = Sheet::default();
        Bytedesk.ping(PingForm::Json, 0, &mut out);
        assert_eq!(out.body, client::ping().as_bytes());
        assert_eq!(Bytedesk.path(&user()), client::path("a.b-c_d") + "&ext=1");
    }

    #[test]
    fn a_conversation_is_opened_before_the_upgrade() {
        assert_eq!(Bytedesk.entrance(&user(), false, "sales"), None);
        let call = Bytedesk.entrance(&user(), true, "sales").unwrap();
        assert_eq!(
            (call.path.as_str(), call.body.as_deref()),
            ("/api/v1/conversations", Some(r#"{"group_id":"sales"}"#))
        );
        let opened = |agent: &str| {
            Bytedesk
                .entered(format!(r#"{{"code":200,"data":{{"conversation_id":"7","agent_id":{agent}}}}}"#).as_bytes())
        };
        assert_eq!(opened("\"3\""), Some(Entered::Opened(Opened { conversation: 7, agent: Some(3) })));
        assert_eq!(opened("null"), Some(Entered::Opened(Opened { conversation: 7, agent: None })));
        assert_eq!(Bytedesk.entered(br#"{"code":401,"message":"x","data":null}"#), None);
    }

    #[test]
    fn frames_are_heard() {
        let example = include_str!("../../../protocol/src/dialect/bytedesk/fixtures/message.json");
        assert!(matches!(glimpse(example), Some(Glimpse::Message { content: "消息内容", .. })), "{example}");
        let push = r#"{"type":"message","action":"send","data":{"from":"3","to":"5","content":"c","timestamp":1,"message_id":"9","conversation_id":"7","seq":2,"sender_type":"agent"}}"#;
        let heard = Heard::Message { conversation: 7, seq: 2, by: Side::Agent, content: "c" };
        assert_eq!(Bytedesk.hear(push), Some(heard));
        let ack =
            r#"{"type":"ack","action":"send","data":{"message_id":"1","conversation_id":"7","seq":3,"timestamp":1}}"#;
        let Some(Heard::Answer { to, success: true, .. }) = Bytedesk.hear(ack) else { panic!("no answer") };
        assert_eq!(to, To::Oldest { ask: Some(Ask::Send), conversation: Some(7) });
        let error = r#"{"type":"error","action":"send","code":403,"message":"x"}"#;
        let to = To::Oldest { ask: Some(Ask::Send), conversation: None };
        assert_eq!(Bytedesk.hear(error), Some(Heard::Answer { to, success: false, data: error }));
        let sync = r#"{"messages":[{"seq":2,"sender_type":"agent","content":"c"}],"next_seq":2,"complete":true}"#;
        let messages = vec![Synced { seq: 2, by: Side::Agent, content: "c".to_owned() }];
        assert_eq!(Bytedesk.synced(sync), Some(SyncPage { messages, next_seq: 2, complete: true }));
        for (text, expected) in [
            ("pong", Heard::Pong),
            (
                r#"{"type":"event","action":"conversation_assigned","data":{"conversation_id":"7","agent_id":"3"}}"#,
                Heard::Assigned { conversation: 7, agent: 3 },
            ),
            (
                r#"{"type":"event","action":"conversation_assigned","data":{"conversation_id":"7","agent_id":"auto"}}"#,
                Heard::Assigned { conversation: 7, agent: 0 },
            ),
            (
                r#"{"type":"event","action":"conversation_closed","data":{"conversation_id":"7"}}"#,
                Heard::Ended { conversation: 7 },
            ),
            (r#"{"type":"event","action":"status_change","data":{"agent_id":"3","status":"online"}}"#, Heard::Other),
        ] {
            assert_eq!(Bytedesk.hear(text), Some(expected), "{text}");
        }
        assert_eq!(Bytedesk.hear("{"), None);
    }
}
