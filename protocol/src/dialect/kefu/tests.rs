//! kefu against guide 2: every JSON example as a golden; `requests` tries the rest. Written from the guide and
//! dialects.md, not from the code.

mod requests;

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::wire::Action;
use crate::dialect::described::Described;
use crate::dialect::kefu::encode;
use crate::dialect::samples;
use crate::dialect::{Context, DialectKind, Intent, LoginRefusal, Scratch, Seat, Settings, dialect};
use crate::model::*;

/// Which way an example goes.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Direction {
    /// The form of all messages, with a comment in it: no JSON.
    Form,
    Request,
    Answer,
    Push,
    Rest,
}

use Direction::{Answer as Ans, Form, Push, Request, Rest};

/// Every different JSON example of guide 2: file, direction, section, text.
macro_rules! goldens {
    ($($name:literal, $direction:expr, $section:literal;)*) => {
        const GOLDENS: &[(&str, Direction, &str, &str)] =
            &[$(($name, $direction, $section, include_str!(concat!("fixtures/", $name)))),*];
    };
}

goldens! {
    "rest_conversation.json", Rest, "HTTP API接口 1";
    "rest_list.json", Rest, "HTTP API接口 2";
    "envelope_form.txt", Form, "WebSocket消息格式";
    "send_request.json", Request, "支持的Action 1";
    "send_answer.json", Ans, "支持的Action 1";
    "send_error_conversation_id_required.json", Ans, "支持的Action 1";
    "read_request.json", Request, "支持的Action 2";
    "read_answer.json", Ans, "支持的Action 2";
    "end_request.json", Request, "支持的Action 3";
    "end_answer.json", Ans, "支持的Action 3";
    "end_error_not_found.json", Ans, "支持的Action 3";
    "push_message.json", Push, "推送消息格式";
    "push_end.json", Push, "会话结束推送";
    "visitor_bind_request.json", Request, "游客Action 1";
    "visitor_bind_answer.json", Ans, "游客Action 1";
    "visitor_send_request.json", Request, "游客Action 2";
    "visitor_send_answer.json", Ans, "游客Action 2";
    "visitor_send_error_visitor_id_required.json", Ans, "游客Action 2";
    "visitor_end_request.json", Request, "游客Action 3";
    "visitor_end_answer.json", Ans, "游客Action 3";
    "push_visitor_message.json", Push, "游客消息推送";
    "push_visitor_end.json", Push, "游客消息推送";
}

/// The guide's "2025-01-01 10:00:00" at UTC+8. Its `timestamp`, 1704067200, is another moment, so a golden's
/// `timestamp` is set to this one before it is compared.
const TEN: Timestamp = Timestamp::from_millis(1_735_696_800_000);

fn golden(name: &str) -> &'static str {
    let found = GOLDENS.iter().find(|golden| golden.0.split('.').next() == Some(name));
    found.unwrap_or_else(|| panic!("no golden {name}")).3
}

fn value(json: impl AsRef<[u8]>) -> Value {
    let json = json.as_ref();
    serde_json::from_slice(json).unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(json)))
}

fn conversation() -> ConversationId {
    ConversationId::from_wire(1).unwrap()
}

fn message_id(id: u64) -> MessageId {
    MessageId::from_wire(id).unwrap()
}

fn agent() -> AgentId {
    AgentId::new(1).unwrap()
}

fn visitor() -> VisitorId {
    VisitorId::new("visitor_123456").unwrap()
}

fn user_scene() -> Scene {
    samples::user_scene(conversation(), agent())
}

fn visitor_scene() -> Scene {
    Scene {
        customer: Party::Visitor(visitor()),
        customer_number: CustomerNumber::from_wire((1 << 52) + 4096).unwrap(),
        ..user_scene()
    }
}

fn text(content: &str) -> Body {
    Body { kind: BodyKind::Text, content: content.to_owned(), file_url: None, metadata: None }
}

fn message(id: u64, side: Side, number: u64, content: &str) -> Message {
    Message {
        id: message_id(id),
        conversation: conversation(),
        seq: Seq::new(7),
        sender: Sender { side, number },
        body: text(content),
        created_at: TEN,
        read_at: None,
        revised: None,
    }
}

fn sent() -> Sent {
    Sent { message: message_id(123), conversation: conversation(), seq: Seq::new(7), created_at: TEN }
}

fn decoded(json: &str, seat: Seat) -> (Intent, Vec<u8>) {
    decoded_bytes(json.as_bytes(), seat)
}

fn decoded_bytes(json: &[u8], seat: Seat) -> (Intent, Vec<u8>) {
    let mut out = Vec::new();
    let mut text = json.to_vec();
    let intent = dialect(DialectKind::Kefu).decode(&mut text, seat, &mut Scratch::default(), &mut out);
    (intent, out)
}

fn command(json: &str, seat: Seat) -> (Command, Context, bool) {
    match decoded(json, seat) {
        (Intent::Command { command, context, extension }, out) if out.is_empty() => (command, context, extension),
        (other, out) => panic!("{json}: {other:?} {}", String::from_utf8_lossy(&out)),
    }
}

/// The text of the error that a request is answered with at once.
fn error(json: &str, seat: Seat) -> String {
    let (intent, out) = decoded(json, seat);
    assert!(matches!(intent, Intent::Mistaken(_)), "{json}: {intent:?}");
    let answer = value(&out);
    assert_eq!(answer["success"], json!(false), "{answer}");
    assert!(answer.as_object().unwrap().contains_key("op_id"), "{answer}");
    answer["message"].as_str().unwrap().to_owned()
}

fn answered(json: &str, seat: Seat, result: Result<&Answer, &Refusal>) -> Value {
    let (_, context, _) = command(json, seat);
    let mut out = Vec::new();
    dialect(DialectKind::Kefu).encode_answer(&context, result, &Settings::default(), &mut out);
    value(&out)
}

fn pushed(event: &Event, ext: bool) -> Option<Value> {
    samples::pushed(DialectKind::Kefu, Side::Customer, event, ext)
}

/// Equal field by field, but for these named extensions, each of which must be there.
fn assert_golden(got: &Value, name: &str, extras: &[&str]) {
    let mut expected = value(golden(name));
    if let Some(timestamp) = expected.get_mut("timestamp") {
        *timestamp = json!(TEN.as_secs());
    }
    let mut got = got.clone();
    remove_extras(&mut got, extras, name);
    assert_eq!(got, expected, "{name}");
}

fn remove_extras(value: &mut Value, extras: &[&str], name: &str) {
    for extra in extras {
        let (path, field) = extra.rsplit_once('/').unwrap_or(("", extra));
        let removed = value.pointer_mut(path).and_then(|at| at.as_object_mut()).and_then(|at| at.remove(field));
        assert!(removed.is_some(), "{name}: no extension {extra}");
    }
}

#[test]
fn every_json_block_of_the_guide_has_a_golden_and_every_golden_is_a_block() {
    let guide = include_str!("fixtures/guide.md");
    let blocks: Vec<&str> =
        guide.split("```json\n").skip(1).map(|rest| rest.split("\n```").next().unwrap().trim_end()).collect();
    assert_eq!(blocks.len(), 43, "the guide has 43 blocks");
    for block in &blocks {
        assert!(GOLDENS.iter().any(|golden| golden.3.trim_end() == *block), "no golden for\n{block}");
    }
    for (name, direction, section, text) in GOLDENS {
        assert!(blocks.contains(&text.trim_end()), "{name} is in no block");
        let sections = guide.lines().filter(|line| line.starts_with("## "));
        let section = section.trim_end_matches(|last: char| last.is_ascii_digit() || last == ' ');
        assert!(sections.into_iter().any(|line| line.contains(section)), "{name}: no section {section}");
        assert_eq!(serde_json::from_str::<Value>(text).is_ok(), *direction != Form, "{name}");
    }
}

#[test]
fn requests_of_the_guide_are_understood() {
    let (send, _, extension) = command(golden("send_request"), Seat::User);
    let draft = Draft { body: text("你好"), client_msg_id: None };
    assert_eq!(send, Command::Send { target: Target::Conversation(conversation()), draft });
    assert!(!extension);

    let (read, ..) = command(golden("read_request"), Seat::User);
    let messages = vec![message_id(1), message_id(2), message_id(3)];
    assert_eq!(read, Command::MarkRead { conversation: conversation(), messages, of: Side::Agent });

    let (end, ..) = command(golden("end_request"), Seat::User);
    assert_eq!(end, Command::End { conversation: conversation() });

    let named = AgentChoice::Named(AgentRef::Id(agent()));
    let pair = Target::Pair { visitor: visitor(), agent: named };
    for seat in [Seat::Nobody, Seat::Visitor] {
        match decoded(golden("visitor_bind_request"), seat) {
            (Intent::Bind { visitor: bound, .. }, _) => assert_eq!(bound, visitor()),
            other => panic!("{other:?}"),
        }
        let (send, ..) = command(golden("visitor_send_request"), seat);
        let draft = Draft { body: text("你好，我需要帮助"), client_msg_id: None };
        assert_eq!(send, Command::Send { target: pair.clone(), draft });
        let (end, ..) = command(golden("visitor_end_request"), seat);
        let Target::Pair { visitor, agent } = pair.clone() else { unreachable!("made above") };
        assert_eq!(end, Command::EndPair { visitor, agent });
    }
}

#[test]
fn the_login_of_the_guide_is_understood_and_answered() {
    let (intent, _) = decoded(r#"{"action":"login","data":{"token":"your_user_token"}}"#, Seat::Nobody);
    let Intent::Login { token, context } = intent else { panic!("{intent:?}") };
    assert_eq!(token, "your_user_token");
    let kefu = dialect(DialectKind::Kefu);
    let mut out = Vec::new();
    kefu.encode_login(&context, Ok(&Party::User(UserId::new(100).unwrap())), &mut out);
    let expected = json!({"success": true, "message": "Login successfully", "data": {"uid": 100}, "op_id": null});
    assert_eq!(value(&out), expected);
    out.clear();
    kefu.encode_login(&context, Err(LoginRefusal::Expired), &mut out);
    assert_eq!(value(&out), json!({"success": false, "message": "Token expired", "op_id": null}));
}

#[test]
fn answers_of_the_guide_come_as_they_stand() {
    let user = |name, answer: &Answer| answered(golden(name), Seat::User, Ok(answer));
    let sent = Answer::Sent(sent());
    assert_golden(&user("send_request", &sent), "send_answer", &["/data/conversation_id", "/data/seq"]);
    assert_golden(&user("read_request", &Answer::Read { changed: 3 }), "read_answer", &[]);
    assert_golden(&user("end_request", &Answer::Ended(conversation())), "end_answer", &[]);
    let extras = ["/data/conversation_id", "/data/seq", "/data/created_at"];
    let visitor_send = answered(golden("visitor_send_request"), Seat::Nobody, Ok(&sent));
    assert_golden(&visitor_send, "visitor_send_answer", &extras);
    let visitor_end = answered(golden("visitor_end_request"), Seat::Nobody, Ok(&Answer::Ended(conversation())));
    assert_golden(&visitor_end, "visitor_end_answer", &[]);

    let (intent, _) = decoded(golden("visitor_bind_request"), Seat::Nobody);
    let Intent::Bind { context, .. } = intent else { panic!("{intent:?}") };
    let mut out = Vec::new();
    dialect(DialectKind::Kefu).encode_bound(&context, Ok(()), &mut out);
    assert_golden(&value(&out), "visitor_bind_answer", &[]);
}

#[test]
fn errors_of_the_guide_come_as_they_stand() {
    for refusal in [Refusal::NotFound(Noun::Conversation), Refusal::Forbidden] {
        let end = answered(golden("end_request"), Seat::User, Err(&refusal));
        assert_golden(&end, "end_error_not_found", &[]);
    }
    let without = |name, field| {
        let mut request = value(golden(name));
        request["data"].as_object_mut().unwrap().remove(field);
        request.to_string()
    };
    let (_, out) = decoded(&without("send_request", "conversation_id"), Seat::User);
    assert_golden(&value(out), "send_error_conversation_id_required", &[]);
    let (_, out) = decoded(&without("visitor_send_request", "visitor_id"), Seat::Nobody);
    assert_golden(&value(out), "visitor_send_error_visitor_id_required", &[]);
}

#[test]
fn pushes_of_the_guide_come_as_they_stand() {
    let answer = message(123, Side::Agent, 1, "您好，有什么可以帮您的吗？");
    let event = Event::Message { scene: user_scene(), message: answer.clone(), author: None };
    assert_golden(&pushed(&event, false).unwrap(), "push_message", &["seq"]);
    let event = Event::Message { scene: visitor_scene(), message: answer, author: None };
    assert_golden(&pushed(&event, false).unwrap(), "push_visitor_message", &["conversation_id", "seq"]);
    let event = Event::Ended { scene: user_scene(), by: Side::Customer, at: TEN };
    assert_golden(&pushed(&event, false).unwrap(), "push_end", &[]);
    let event = Event::Ended { scene: visitor_scene(), by: Side::Customer, at: TEN };
    assert_golden(&pushed(&event, false).unwrap(), "push_visitor_end", &["conversation_id"]);
}

#[test]
fn rest_answers_of_the_guide_come_as_they_stand() {
    let opened = Conversation {
        id: conversation(),
        customer: user_scene().customer,
        channel: None,
        customer_number: user_scene().customer_number,
        named: None,
        agent: Some(agent()),
        group: Group::default(),
        state: State::Active,
        last_seq: Seq::ZERO,
        last_message_at: None,
        customer_unread: 0,
        agent_unread: 0,
        created_at: TEN,
        updated_at: TEN,
        queued_at: TEN,
        returned: false,
    };
    let settings = Settings::default();
    let reply = encode::answered(Ok(&Answer::Conversation(Box::new(opened.clone()))), &settings);
    assert_eq!(reply.status, 200);
    assert_golden(&value(reply.body), "rest_conversation", &[]);

    let question = message(1, Side::Customer, 100, "你好");
    let mut answer = message(2, Side::Agent, 1, "您好，有什么可以帮您的吗？");
    answer.created_at = TEN.plus_millis(120_000);
    answer.read_at = Some(TEN.plus_millis(300_000));
    let reply = encode::answered(Ok(&Answer::History(vec![question, answer])), &settings);
    assert_golden(&value(reply.body), "rest_list", &["/data/0/seq", "/data/1/seq"]);

    let waiting = Conversation { agent: None, state: State::Pending, agent_unread: 2, ..opened.clone() };
    let body = value(encode::answered(Ok(&Answer::Conversation(Box::new(waiting))), &settings).body);
    assert_eq!(
        (&body["data"]["kefu_id"], &body["data"]["status"], &body["data"]["kefu_unread_count"]),
        (&json!(null), &json!(1), &json!(2))
    );
    let ended = Conversation { state: State::Closed, last_message_at: Some(TEN), ..opened };
    let body = value(encode::answered(Ok(&Answer::Conversation(Box::new(ended))), &settings).body);
    let data = &body["data"];
    assert_eq!((&data["status"], &data["last_message_at"]), (&json!(2), &json!("2025-01-01 10:00:00")));
}

#[test]
fn asyncapi_json_describes_every_action_answer_and_event() {
    let described = Described::new(include_str!("asyncapi.json"));
    let actions: BTreeSet<_> = Action::ALL.into_iter().map(Action::name).collect();
    assert_eq!(described.words("receive", "action"), actions);
    let texts = described.words("send", "message");
    for action in Action::ALL {
        assert!(texts.contains(action.success()), "the success of {}", action.name());
    }
    described.assert_events(DialectKind::Kefu);
}
