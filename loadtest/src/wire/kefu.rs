//! Guide 2, by its client end in `switchboard-protocol`.

use serde::Deserialize;
use switchboard_protocol::dialect::kefu::client::{Glimpse, glimpse};

use super::{Abilities, Call, Entered, Heard, MessageId, Opened, Party, Sheet, Side, SyncPage, Synced, To, Wire};
use crate::settings::{PAYLOAD_MAX_BYTES, PingForm};

/// See the module.
pub(super) struct Kefu;

const SYNC_LIMIT: u32 = 100;

impl Wire for Kefu {
    fn abilities(&self) -> &'static Abilities {
        &Abilities {
            desk: true,
            customers: true,
            picks: false,
            greets: false,
            unnumbered: &[],
            issues: false,
            named_paths: false,
            content_max_bytes: PAYLOAD_MAX_BYTES,
        }
    }

    fn path(&self, _party: &Party) -> String {
        "/ws?ext=1".to_owned()
    }

    fn entrance(&self, _party: &Party, opens: bool, group: &str) -> Option<Call> {
        let path = format!("/api/kefu/message/getConversation?group={group}");
        opens.then_some(Call { path, body: None, signed: true })
    }

    fn entered(&self, body: &[u8]) -> Option<Entered> {
        #[derive(Deserialize)]
        struct Body {
            data: Data,
        }
        #[derive(Deserialize)]
        struct Data {
            id: u64,
            kefu_id: Option<u64>,
        }
        let Body { data } = serde_json::from_slice(body).ok()?;
        Some(Entered::Opened(Opened { conversation: data.id, agent: data.kefu_id }))
    }

    fn login(&self, token: &str, op: u64, out: &mut Sheet) {
        out.write(format_args!(r#"{{"action":"login","data":{{"token":"{token}"}},"op_id":{op}}}"#));
    }

    fn ping(&self, form: PingForm, _size: usize, out: &mut Sheet) {
        match form {
            PingForm::Text | PingForm::Frame => out.body.extend_from_slice(b"ping"),
            PingForm::Json => out.body.extend_from_slice(br#"{"action":"ping"}"#),
        }
    }

    fn send(&self, from: &Party, conversation: u64, content: &str, op: u64, out: &mut Sheet) {
        let sender = sender_type(from.role.side());
        out.write(format_args!(
            r#"{{"action":"kefu_message_send","data":{{"conversation_id":{conversation},"content":"{content}","sender_type":{sender}"#
        ));
        if out.ids {
            out.write(format_args!(r#","client_msg_id":"{}""#, MessageId(op, content)));
        }
        out.write(format_args!(r#"}},"op_id":{op}}}"#));
    }

    fn read(&self, by: &Party, conversation: u64, op: u64, out: &mut Sheet) {
        // Whatever is named, the reader's counter becomes 0.
        let written_by = 3 - sender_type(by.role.side());
        out.write(format_args!(
            r#"{{"action":"kefu_message_read","data":{{"conversation_id":{conversation},"message_ids":[1],"sender_type":{written_by}}},"op_id":{op}}}"#
        ));
    }

    fn end(&self, conversation: u64, op: u64, out: &mut Sheet) {
        out.write(format_args!(
            r#"{{"action":"kefu_message_end","data":{{"conversation_id":{conversation}}},"op_id":{op}}}"#
        ));
    }

    fn sync(&self, conversation: u64, after_seq: u64, op: u64, out: &mut Sheet) {
        out.write(format_args!(
            r#"{{"action":"kefu_message_sync","data":{{"conversation_id":{conversation},"after_seq":{after_seq},"limit":{SYNC_LIMIT}}},"op_id":{op}}}"#
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
            sender_type: u8,
            content: String,
        }
        let Data { messages, next_seq, complete } = serde_json::from_str(data).ok()?;
        let line = |line: Line| Synced { seq: line.seq, by: side(line.sender_type), content: line.content };
        Some(SyncPage { messages: messages.into_iter().map(line).collect(), next_seq, complete })
    }

    fn hear<'a>(&self, text: &'a str) -> Option<Heard<'a>> {
        Some(match glimpse(text).ok()? {
            Glimpse::Pong => Heard::Pong,
            Glimpse::Answer { success, op_id, data, message: _ } => {
                Heard::Answer { to: To::Number(op_id.parse().ok()?), success, data }
            }
            Glimpse::Message { conversation_id, seq, sender_type, content } => {
                Heard::Message { conversation: conversation_id, seq, by: side(sender_type), content }
            }
            Glimpse::Ended { conversation_id } => Heard::Ended { conversation: conversation_id },
            Glimpse::Assigned { conversation_id, kefu_id } => {
                Heard::Assigned { conversation: conversation_id, agent: kefu_id }
            }
            Glimpse::Other => Heard::Other,
        })
    }
}

const fn sender_type(side: Side) -> u8 {
    match side {
        Side::Customer => 1,
        Side::Agent => 2,
    }
}

const fn side(sender_type: u8) -> Side {
    if sender_type == 2 { Side::Agent } else { Side::Customer }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};
    use switchboard_protocol::dialect::kefu::client::{self, SendOptions};

    use super::super::Role;
    use super::super::tests::written;
    use super::*;

    fn of_client(text: String) -> Value {
        serde_json::from_str(&text).unwrap()
    }

    /// What is written here by hand for speed is what the client end of the guide says.
    #[test]
    fn requests_are_those_of_the_client_end() {
        let op = json!(9);
        let agent = Party { role: Role::Agent, number: 3, token: "t".to_owned() };
        assert_eq!(written(|out| Kefu.login("t", 9, out)), of_client(client::login("t", &op)));
        let options = SendOptions { sender_type: Some(2), ..SendOptions::default() };
        assert_eq!(written(|out| Kefu.send(&agent, 7, "c", 9, out)), of_client(client::send(7, "c", options, &op)));
        let with_id = written(|out| {
            out.ids = true;
            Kefu.send(&agent, 7, "3.44.xx", 9, out);
        });
        let options = SendOptions { client_msg_id: Some("9.3.44"), sender_type: Some(2), ..SendOptions::default() };
        assert_eq!(with_id, of_client(client::send(7, "3.44.xx", options, &op)));
        assert_eq!(written(|out| Kefu.read(&agent, 7, 9, out)), of_client(client::read(7, &[1], 1, &op)));
        assert_eq!(written(|out| Kefu.end(7, 9, out)), of_client(client::end(7, &op)));
        assert_eq!(written(|out| Kefu.sync(7, 3, 9, out)), of_client(client::sync(7, 3, 100, &op)));
    }

    #[test]
    fn an_opening_names_conversation_and_agent() {
        let entered = |text: &str| Kefu.entered(text.as_bytes());
        let body = include_str!("../../../protocol/src/dialect/kefu/fixtures/rest_conversation.json");
        assert!(entered(body).is_some());
        assert_eq!(
            entered(r#"{"code":200,"data":{"id":5,"kefu_id":null}}"#),
            Some(Entered::Opened(Opened { conversation: 5, agent: None }))
        );
        assert_eq!(entered(r#"{"code":401,"data":null,"message":"x"}"#), None);
    }
}
