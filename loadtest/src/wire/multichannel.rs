//! Guide 4, by its client end in `switchboard-protocol`: agents' workbenches. They hear on the WebSocket, which its path
//! makes theirs, and pick and write over HTTP. The guide's client has no `ext=1`, so this one has none.

use std::fmt::Write as _;

use switchboard_protocol::dialect::multichannel::client::{Glimpse, glimpse};
use switchboard_protocol::model::limits::SESSION_CONTENT_MAX_CHARS;

use super::{Abilities, Heard, MessageId, Party, Sheet, Side, Wire};
use crate::settings::PingForm;

/// See the module.
pub(super) struct Multichannel;

impl Wire for Multichannel {
    fn abilities(&self) -> &'static Abilities {
        &Abilities {
            desk: true,
            customers: false,
            picks: true,
            greets: false,
            unnumbered: &[],
            issues: false,
            named_paths: true,
            content_max_bytes: SESSION_CONTENT_MAX_CHARS as u32,
        }
    }

    fn path(&self, party: &Party) -> String {
        format!("/ws/cs/{}?token={}", party.number, party.token)
    }

    fn ping(&self, form: PingForm, _size: usize, out: &mut Sheet) {
        match form {
            PingForm::Text | PingForm::Frame => out.body.extend_from_slice(b"ping"),
            PingForm::Json => out.body.extend_from_slice(br#"{"type":"ping"}"#),
        }
    }

    fn pick(&self, agent: &Party, conversation: u64, _op: u64, out: &mut Sheet) {
        say_to(conversation, "accept", out);
        out.write(format_args!(r#"{{"csId":"{}"}}"#, agent.number));
    }

    fn send(&self, _from: &Party, conversation: u64, content: &str, op: u64, out: &mut Sheet) {
        say_to(conversation, "message", out);
        out.write(format_args!(r#"{{"content":"{content}""#));
        if out.ids {
            out.write(format_args!(r#","client_msg_id":"{}""#, MessageId(op, content)));
        }
        out.body.push(b'}');
    }

    fn hear<'a>(&self, text: &'a str) -> Option<Heard<'a>> {
        Some(match glimpse(text)? {
            Glimpse::Pong => Heard::Pong,
            Glimpse::NewMessage { session_id, seq, by_customer, content } => {
                let by = if by_customer { Side::Customer } else { Side::Agent };
                Heard::Message { conversation: session_id.parse().ok()?, seq, by, content }
            }
            Glimpse::Accepted { session_id, cs_id } => {
                // An agent that has only an id has it for its code.
                let agent = cs_id.and_then(|code| code.parse().ok()).unwrap_or(0);
                Heard::Assigned { conversation: session_id.parse().ok()?, agent }
            }
            Glimpse::Closed { session_id } => Heard::Ended { conversation: session_id.parse().ok()? },
            Glimpse::Other => Heard::Other,
        })
    }
}

fn say_to(conversation: u64, what: &str, out: &mut Sheet) {
    write!(out.post, "/api/sessions/{conversation}/{what}").expect("a string takes everything");
}

#[cfg(test)]
mod tests {
    use serde_json::Value;
    use switchboard_protocol::dialect::multichannel::client;

    use super::super::Role;
    use super::*;

    fn agent() -> Party {
        Party { role: Role::Agent, number: 7, token: "a.b-c_d".to_owned() }
    }

    fn posted(write: impl FnOnce(&mut Sheet)) -> (String, Value) {
        let mut out = Sheet::default();
        write(&mut out);
        (out.post, serde_json::from_slice(&out.body).unwrap())
    }

    /// What is written here by hand for speed is what the client end of the guide says.
    #[test]
    fn requests_are_those_of_the_client_end() {
        let of_client = |text: String| serde_json::from_str::<Value>(&text).unwrap();
        let (path, body) = posted(|out| Multichannel.pick(&agent(), 8193, 9, out));
        assert_eq!((path.as_str(), body), ("/api/sessions/8193/accept", of_client(client::accept("7"))));
        let (path, body) = posted(|out| Multichannel.send(&agent(), 8193, "hello", 9, out));
        assert_eq!((path.as_str(), body), ("/api/sessions/8193/message", of_client(client::message("hello", None))));
        let (_, body) = posted(|out| {
            out.ids = true;
            Multichannel.send(&agent(), 8193, "3.44.xx", 9, out);
        });
        assert_eq!(body, of_client(client::message("3.44.xx", Some("9.3.44"))));
        let mut out = Sheet::default();
        Multichannel.ping(PingForm::Json, 0, &mut out);
        assert_eq!((out.post.as_str(), out.body.as_slice()), ("", client::ping().as_bytes()));
        assert_eq!(Multichannel.path(&agent()), client::path("7") + "?token=a.b-c_d");
    }

    /// The guide's example names its session in words; the ids of the server are decimal.
    #[test]
    fn pushes_are_heard() {
        let example = include_str!("../../../protocol/src/dialect/multichannel/fixtures/push_new_message.json");
        let example = example.replace("会话ID", "8193");
        let expected = Heard::Message { conversation: 8193, seq: 0, by: Side::Customer, content: "消息内容" };
        assert_eq!(Multichannel.hear(&example), Some(expected));
        for (text, expected) in [
            ("pong", Some(Heard::Pong)),
            (r#"{"type":"pong"}"#, Some(Heard::Pong)),
            (
                r#"{"type":"session_accepted","sessionId":"5","data":{"customerId":"1","status":"manual","manualCsId":"7"}}"#,
                Some(Heard::Assigned { conversation: 5, agent: 7 }),
            ),
            (r#"{"type":"session_closed","sessionId":"5"}"#, Some(Heard::Ended { conversation: 5 })),
            (r#"{"type":"new_pending_session","sessionId":"5","data":{}}"#, Some(Heard::Other)),
            (r#"{"type":"error","code":400,"message":"x"}"#, None),
            ("{", None),
        ] {
            assert_eq!(Multichannel.hear(text), expected, "{text}");
        }
    }
}
