//! The WebSocket (guide 1, section 2) and the REST of conversations and messages: every example of the guide as a golden,
//! then what it leaves open (dialects.md). Written from the guide, not from the code.

use std::borrow::Cow;
use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::value;
use crate::dialect::bytedesk::client::{self, Heard};
use crate::dialect::bytedesk::wire::Action;
use crate::dialect::bytedesk::{decode, encode};
use crate::dialect::described::Described;
use crate::dialect::samples;
use crate::dialect::{Context, DialectKind, Intent, Rejection, Scratch, Seat, Settings, dialect};
use crate::model::*;

/// The guide's frames, each as it stands there but for the comments.
const PING: &str = include_str!("../fixtures/ping.json");
const MESSAGE: &str = include_str!("../fixtures/message.json");
const EVENT: &str = include_str!("../fixtures/event.json");
/// The guide's `timestamp`.
const AT: Timestamp = Timestamp::from_millis(1_635_232_823_000);

fn decoded(text: &str, seat: Seat) -> (Intent, Vec<u8>) {
    let mut out = Vec::new();
    let mut text = text.as_bytes().to_vec();
    let intent = dialect(DialectKind::Bytedesk).decode(&mut text, seat, &mut Scratch::default(), &mut out);
    (intent, out)
}

fn command(text: &str, seat: Seat) -> (Command, Context, bool) {
    match decoded(text, seat) {
        (Intent::Command { command, context, extension }, out) if out.is_empty() => (command, context, extension),
        other => panic!("{text}: {other:?}"),
    }
}

fn answer(context: &Context, result: Result<&Answer, &Refusal>) -> Value {
    let mut out = Vec::new();
    dialect(DialectKind::Bytedesk).encode_answer(context, result, &Settings::default(), &mut out);
    value(out)
}

fn event(event: &Event, ext: bool) -> Option<Value> {
    samples::pushed(DialectKind::Bytedesk, Side::Customer, event, ext)
}

/// A golden with other values in `data`.
fn golden(text: &str, values: Value) -> Value {
    let mut golden = value(text);
    let Value::Object(values) = values else { panic!("fields are given") };
    for (name, value) in values {
        golden["data"][name] = value;
    }
    golden
}

fn conversation() -> ConversationId {
    ConversationId::from_wire(8192).unwrap()
}

fn message_id() -> MessageId {
    MessageId::from_wire(12_288).unwrap()
}

fn agent() -> AgentId {
    AgentId::new(1).unwrap()
}

fn number(number: u64) -> PeerName {
    PeerName::Number(CustomerNumber::from_wire(number).unwrap())
}

fn scene() -> Scene {
    samples::user_scene(conversation(), agent())
}

fn message() -> Message {
    Message {
        id: message_id(),
        conversation: conversation(),
        seq: Seq::new(7),
        sender: Sender { side: Side::Customer, number: 100 },
        body: Body { kind: BodyKind::Text, content: "消息内容".into(), file_url: None, metadata: None },
        created_at: AT,
        read_at: None,
        revised: None,
    }
}

fn sent() -> Answer {
    Answer::Sent(Sent { message: message_id(), conversation: conversation(), seq: Seq::new(7), created_at: AT })
}

#[test]
fn asyncapi_json_describes_every_action_answer_and_event() {
    let described = Described::new(include_str!("../asyncapi.json"));
    let asked: BTreeSet<_> = Action::ALL.into_iter().map(Action::name).collect();
    assert_eq!(described.words("receive", "action"), asked);
    let said = described.words("send", "action");
    assert!(Action::ALL.into_iter().all(|action| said.contains(action.name())), "an ack for each");
    described.assert_events(DialectKind::Bytedesk);
}

#[test]
fn the_guides_heartbeat() {
    for ping in [PING, r#"{"type":"ping"}"#] {
        let (intent, out) = decoded(ping, Seat::User);
        assert_eq!((intent, value(out)), (Intent::Answered, json!({"type": "pong"})));
    }
    assert_eq!(decoded("ping", Seat::Agent), (Intent::Answered, b"pong".to_vec()));
}

#[test]
fn the_guides_message_both_ways() {
    // As it stands there, `from` and `to` are words: codes, which only an agent has.
    let (Command::Send { target, draft }, context, extension) = command(MESSAGE, Seat::Agent) else {
        panic!("no send")
    };
    let code = |text: &str| PeerName::Code(AgentCode::new(text).unwrap());
    assert_eq!(target, Target::Peer { from: Some(code("user_id")), to: code("agent_id"), conversation: None });
    assert_eq!((&*draft.body.content, draft.client_msg_id, extension), ("消息内容", None, false));
    let ack = json!({
        "type": "ack", "action": "send",
        "data": {"message_id": "12288", "conversation_id": "8192", "seq": 7, "timestamp": 1635232823}
    });
    assert_eq!(answer(&context, Ok(&sent())), ack);
    let told = event(&Event::Message { scene: scene(), message: message(), author: None }, false);
    let ids = json!({
        "from": "100", "to": "1", "message_id": "12288", "conversation_id": "8192", "seq": 7, "sender_type": "customer", "type": "text"
    });
    assert_eq!(told, Some(golden(MESSAGE, ids)));
}

#[test]
fn a_users_message_and_its_extensions() {
    let text = client::send(("100", "auto"), "hello", 1, Some("8192"), Some("a-1"));
    let (Command::Send { target, draft }, context, extension) = command(&text, Seat::User) else { panic!("no send") };
    let from = Some(number(100));
    assert_eq!(target, Target::Peer { from, to: PeerName::Auto, conversation: Some(conversation()) });
    assert_eq!((draft.client_msg_id.as_ref().map(ClientMsgId::as_str), extension), (Some("a-1"), true));
    assert_eq!(answer(&context, Ok(&sent()))["data"]["client_msg_id"], "a-1");
    let refused = answer(&context, Err(&Refusal::OtherParty));
    let text = "from is not the party of the token";
    let error = json!({"type": "error", "action": "send", "code": 403, "message": text, "client_msg_id": "a-1"});
    assert_eq!(refused, error);
    // A usual id needs no allocation.
    let usual = client::send(("100", "1"), "hello", 1, None, Some("m-1234567890"));
    let (_, context, _) = command(&usual, Seat::User);
    assert_eq!(format!("{context:?}").matches("heap").count(), 0);
    let picture = r#"{"type":"message","action":"send","data":{"to":1,"type":"image","file_url":"https://a/b.png"}}"#;
    let (Command::Send { draft, .. }, ..) = command(picture, Seat::User) else { panic!("no send") };
    assert_eq!((draft.body.kind, draft.body.file_url.as_deref()), (BodyKind::Image, Some("https://a/b.png")));
}

#[test]
fn the_guides_event_both_ways() {
    let (asked, context, extension) = command(EVENT, Seat::Agent);
    assert_eq!((asked, extension), (Command::SetStatus(AgentStatus::Online), false));
    let at = AT;
    let status = AgentStatus::Online;
    let told = event(&Event::AgentStatus { agent: agent(), status, at }, false);
    assert_eq!(told, Some(golden(EVENT, json!({"agent_id": "1"}))));
    let ack = answer(&context, Ok(&Answer::AgentStatus { agent: agent(), status, at }));
    assert_eq!((&ack["type"], &ack["action"]), (&json!("ack"), &json!("status_change")));
    assert_eq!(ack["data"], golden(EVENT, json!({"agent_id": "1"}))["data"]);
}

#[test]
fn other_events_are_for_those_who_asked_but_for_edits_and_recalls() {
    let scene = scene();
    let at = AT;
    let mut edited = message();
    edited.revise(&Revision::Edit("new".into()), at);
    let told = event(&Event::Revised { scene: scene.clone(), message: edited }, false).expect("told to all");
    assert_eq!(told["action"], "message_edited");
    assert_eq!((&told["data"]["content"], &told["data"]["message_id"]), (&json!("new"), &json!("12288")));
    let mut recalled = message();
    recalled.revise(&Revision::Recall, at);
    let told = event(&Event::Revised { scene: scene.clone(), message: recalled }, false).expect("told to all");
    assert_eq!((&told["action"], told["data"].get("content")), (&json!("message_recalled"), None));
    let group = Group::default();
    let by = Side::Agent;
    for (told, action) in [
        (Event::Assigned { scene: scene.clone(), code: None, former: None, at }, "conversation_assigned"),
        (Event::Waiting { scene: scene.clone(), group, former: None, elsewhere: false, at }, "conversation_waiting"),
        (Event::Ended { scene: scene.clone(), by, at }, "conversation_closed"),
        (Event::Read { scene: scene.clone(), of: by, messages: vec![message_id()], at }, "message_read"),
        (Event::Typing { scene: scene.clone(), by, at }, "typing"),
    ] {
        assert_eq!(event(&told, false), None, "{action}");
        let told = event(&told, true).expect("told with ext");
        assert_eq!((&told["type"], &told["action"]), (&json!("event"), &json!(action)));
        assert_eq!(told["data"]["conversation_id"], "8192");
    }
    assert_eq!(event(&Event::Overheard { scene, message: message(), author: None }, true), None);
}

#[test]
fn extensions_of_the_socket() {
    let (asked, context, extension) = command(&client::sync("8192", 3, 50), Seat::User);
    assert_eq!(asked, Command::Sync { conversation: conversation(), after: Seq::new(3), limit: 50 });
    assert!(extension);
    let synced = Answer::Synced { messages: vec![message()], next_seq: Seq::new(7), complete: true };
    let ack = answer(&context, Ok(&synced));
    assert_eq!((&ack["data"]["conversation_id"], &ack["data"]["next_seq"]), (&json!("8192"), &json!(7)));
    assert_eq!(ack["data"]["messages"][0]["from"], "100");
    let refused = answer(&context, Err(&Refusal::Gap { newest: Seq::new(2) }));
    assert_eq!((&refused["code"], &refused["newest_seq"]), (&json!(409), &json!(2)));
    let (asked, context, _) = command(&client::read("8192", &["12288"]), Seat::Agent);
    let of = Side::Customer;
    assert_eq!(asked, Command::MarkRead { conversation: conversation(), messages: vec![message_id()], of });
    let ack = answer(&context, Ok(&Answer::Read { changed: 1 }));
    assert_eq!(ack["data"], json!({"conversation_id": "8192", "updated_count": 1}));
    let (asked, context, _) = command(&client::about("end", "8192"), Seat::User);
    assert_eq!(asked, Command::End { conversation: conversation() });
    let ack = answer(&context, Ok(&Answer::Ended(conversation())));
    assert_eq!(ack["data"], json!({"conversation_id": "8192", "status": "closed"}));
    let (asked, ..) = command(&client::about("typing", "8192"), Seat::User);
    assert_eq!(asked, Command::Typing { conversation: conversation() });
}

#[test]
fn the_client_understands_what_is_said() {
    let mut out = Vec::new();
    let said = Event::Message { scene: scene(), message: message(), author: None };
    assert!(encode::event(&said, false, &mut out));
    let Some(Heard::Message(heard)) = client::heard(std::str::from_utf8(&out).unwrap()) else { panic!("no message") };
    assert_eq!((&*heard.from, &*heard.to, &*heard.content, heard.seq), ("100", "1", "消息内容", Some(7)));
    assert_eq!(client::heard("pong"), Some(Heard::Pong));
    assert_eq!(client::heard("{}"), None);
}

fn lookup<'q>(pairs: &'q [(&'q str, &'q str)], name: &str) -> Option<Cow<'q, str>> {
    pairs.iter().find(|(known, _)| *known == name).map(|(_, value)| Cow::Borrowed(*value))
}

fn rejected(result: Result<Command, Rejection>) -> (u16, String) {
    let reply = encode::rejected(&result.expect_err("rejected"));
    (reply.status, value(reply.body)["message"].as_str().unwrap().to_owned())
}

#[test]
fn conversations_by_rest() {
    let open = |body: &str| decode::open(&mut body.as_bytes().to_vec(), &mut Scratch::default());
    let Ok(Command::Open { user, agent, group }) = open(r#"{"user_id":100,"agent_id":"cs_1","group_id":"vip"}"#) else {
        panic!("no open")
    };
    assert_eq!(user, UserId::new(100).ok());
    assert_eq!(agent, Some(AgentRef::Code(AgentCode::new("cs_1").unwrap())));
    assert_eq!(group.as_ref().map(Group::as_str), Some("vip"));
    let change =
        |body: &str| decode::change_conversation("8192", &mut body.as_bytes().to_vec(), &mut Scratch::default());
    assert_eq!(change(r#"{"status":"closed"}"#), Ok(Command::End { conversation: conversation() }));
    let to = Transfer::Agent(AgentRef::Id(agent_of(2)));
    assert_eq!(change(r#"{"agent_id":2}"#), Ok(Command::Transfer { conversation: conversation(), to }));
    let to = Transfer::Group(Group::new("vip").unwrap());
    assert_eq!(change(r#"{"group_id":"vip"}"#), Ok(Command::Transfer { conversation: conversation(), to }));
    assert_eq!(rejected(change(r#"{"status":"pending"}"#)), (400, "status must be \"closed\"".to_owned()));
    assert_eq!(rejected(decode::show_conversation("xxx")), (404, "conversation not found".to_owned()));
    let pairs = [("status", "active"), ("agent_id", "1"), ("limit", "500"), ("cursor", "5-8192")];
    let Ok(Command::ListConversations(asked)) = decode::conversations(&|name| lookup(&pairs, name)) else {
        panic!("no list")
    };
    assert_eq!((asked.state, asked.limit), (Some(State::Active), 100));
    assert_eq!(asked.after.map(|at| (at.created_at.as_millis(), at.conversation)), Some((5, conversation())));
}

fn agent_of(id: u64) -> AgentId {
    AgentId::new(id).unwrap()
}

#[test]
fn messages_by_rest() {
    let edit = decode::edit_message("12288", &mut br#"{"content":"new"}"#.to_vec(), &mut Scratch::default());
    let revision = Revision::Edit("new".into());
    assert_eq!(edit, Ok(Command::Revise { message: message_id(), revision }));
    let recall = decode::recall_message("12288");
    assert_eq!(recall, Ok(Command::Revise { message: message_id(), revision: Revision::Recall }));
    assert_eq!(rejected(decode::show_message("-1")), (404, "message not found".to_owned()));
    let window = |pairs: &[(&str, &str)]| match decode::messages("8192", &|name| lookup(pairs, name)) {
        Ok(Command::Transcript { window, .. }) => window,
        other => panic!("{other:?}"),
    };
    let (seq, limit) = (Seq::new(5), 3);
    assert_eq!(window(&[("limit", "3"), ("cursor", "before-5")]), Window::BeforeSeq { seq, limit });
    assert_eq!(window(&[("limit", "3"), ("after_seq", "5")]), Window::AfterSeq { seq, limit });
    let lines = vec![Line { message: message(), author: None }];
    let customer = scene().customer;
    let next = Some(Window::BeforeSeq { seq: Seq::new(7), limit });
    let reply = encode::answered(Ok(&Answer::Transcript { conversation: conversation(), customer, lines, next }));
    let data = &value(reply.body)["data"];
    assert_eq!(data["next_cursor"], "before-7");
    let shown = json!({
        "message_id": "12288", "conversation_id": "8192", "seq": 7, "from": "100", "sender_type": "customer",
        "type": "text", "content": "消息内容", "timestamp": 1635232823, "read_at": null, "edited_at": null,
        "recalled_at": null
    });
    assert_eq!(data["items"][0], shown);
}
