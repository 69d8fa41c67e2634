//! multichannel against guide 4: every example as a golden, then the rest. Written from the guide and dialects.md,
//! not from the code.

use std::borrow::Cow;
use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::client::{self, Heard};
use super::wire::Ask;
use super::{OPENAPI, decode, encode};
use crate::dialect::described::Described;
use crate::dialect::samples;
use crate::dialect::{Context, DialectKind, Intent, Mistake, Rejection, Reply, Scratch, Seat, Settings, dialect};
use crate::model::*;

/// The guide's "2026-02-24T10:00:00".
const TEN: Timestamp = Timestamp::from_millis(1_771_927_200_000);

fn golden(name: &str) -> Value {
    let text = match name {
        "accept_request" => include_str!("fixtures/accept_request.json"),
        "message_request" => include_str!("fixtures/message_request.json"),
        "error_invalid_status" => include_str!("fixtures/error_invalid_status.json"),
        "error_missing_cs_id" => include_str!("fixtures/error_missing_cs_id.json"),
        "error_missing_content" => include_str!("fixtures/error_missing_content.json"),
        "error_not_found" => include_str!("fixtures/error_not_found.json"),
        "success" => include_str!("fixtures/success.json"),
        "session_list" => include_str!("fixtures/session_list.json"),
        "bind_session_request" => include_str!("fixtures/bind_session_request.json"),
        "push_new_message" => include_str!("fixtures/push_new_message.json"),
        other => panic!("no golden {other}"),
    };
    serde_json::from_str(text).unwrap()
}

fn conversation() -> ConversationId {
    ConversationId::from_wire(8193).unwrap()
}

fn scene() -> Scene {
    samples::user_scene(conversation(), AgentId::new(7).unwrap())
}

fn message(side: Side, body: Body) -> Message {
    let number = match side {
        Side::Customer => 100,
        Side::Agent => 7,
    };
    Message {
        id: MessageId::from_wire(12_289).unwrap(),
        conversation: conversation(),
        seq: Seq::new(3),
        sender: Sender { side, number },
        body,
        created_at: TEN,
        read_at: None,
        revised: None,
    }
}

fn text(content: &str) -> Body {
    Body { kind: BodyKind::Text, content: content.to_owned(), file_url: None, metadata: None }
}

fn code(text: &str) -> AgentCode {
    AgentCode::new(text).unwrap()
}

fn header(state: State) -> Conversation {
    Conversation {
        id: conversation(),
        customer: scene().customer,
        channel: None,
        customer_number: scene().customer_number,
        named: None,
        agent: scene().agent,
        group: Group::default(),
        state,
        last_seq: Seq::new(3),
        last_message_at: Some(TEN),
        customer_unread: 0,
        agent_unread: 0,
        created_at: TEN,
        updated_at: TEN,
        queued_at: TEN,
        returned: false,
    }
}

fn view(state: State) -> ConversationView {
    let last_message = Some(message(Side::Customer, text("你好")));
    ConversationView { listed: Listed { conversation: header(state), last_message }, agent: Some(code("cs_001")) }
}

fn decoded(text: &str) -> (Intent, Vec<u8>) {
    let mut out = Vec::new();
    let mut text = text.as_bytes().to_vec();
    let dialect = dialect(DialectKind::Multichannel);
    let intent = dialect.decode(&mut text, Seat::Agent, &mut Scratch::default(), &mut out);
    (intent, out)
}

fn command(text: &str) -> (Command, Context, bool) {
    match decoded(text) {
        (Intent::Command { command, context, extension }, out) if out.is_empty() => (command, context, extension),
        other => panic!("no command: {other:?}"),
    }
}

fn pushed(event: &Event, ext: bool) -> Option<Value> {
    samples::pushed(DialectKind::Multichannel, Side::Agent, event, ext)
}

fn body(reply: &Reply) -> Value {
    let body: Value = serde_json::from_slice(&reply.body).unwrap();
    let code = if reply.status == 200 { 0 } else { reply.status };
    assert_eq!(body["code"], code, "the code of an error is its HTTP status");
    body
}

fn answered(result: Result<&Answer, &Refusal>) -> Reply {
    encode::answered(result, &Settings::default())
}

fn refused(result: Result<Command, Rejection>) -> Value {
    body(&encode::rejected(&result.expect_err("it must be refused")))
}

fn listing(pairs: &[(&str, &str)]) -> Result<Command, Rejection> {
    let find = |name: &str| pairs.iter().find(|(known, _)| *known == name).map(|(_, value)| Cow::from(*value));
    decode::list(&find)
}

fn list(pairs: &[(&str, &str)]) -> Result<ConversationQuery, Rejection> {
    listing(pairs).map(|command| match command {
        Command::ListConversations(query) => *query,
        other => panic!("no list: {other:?}"),
    })
}

fn bytes(json: &Value) -> Vec<u8> {
    json.to_string().into_bytes()
}

#[test]
fn the_guides_requests() {
    let accept = decode::accept("8193", &mut bytes(&golden("accept_request")), &mut Scratch::default()).unwrap();
    let agent = AgentRef::Code(code("cs_001"));
    assert_eq!(accept, Command::Accept { conversation: conversation(), agent });
    let send = decode::send("8193", &mut bytes(&golden("message_request")), &mut Scratch::default()).unwrap();
    let draft = Draft { body: text("您好,请问有什么可以帮助您的?"), client_msg_id: None };
    assert_eq!(send, Command::Send { target: Target::Conversation(conversation()), draft });
    assert_eq!(decode::show("8193").unwrap(), Command::ShowConversation(conversation()));
    assert_eq!(decode::close("8193").unwrap(), Command::End { conversation: conversation() });
    let mut bind = golden("bind_session_request");
    bind["sessionId"] = json!("8193");
    let (asked, _, extension) = command(&bind.to_string());
    assert_eq!((asked, extension), (Command::Watch(conversation()), false));
    assert_eq!(command(&client::bind_session("8193")).0, Command::Watch(conversation()));
}

#[test]
fn the_guides_answers() {
    assert_eq!(body(&answered(Ok(&Answer::Accepted(conversation())))), golden("success"));
    assert_eq!(body(&answered(Ok(&Answer::Ended(conversation())))), golden("success"));
    for refusal in [Refusal::WrongState, Refusal::Ended] {
        assert_eq!(body(&answered(Err(&refusal))), golden("error_invalid_status"));
    }
    assert_eq!(body(&answered(Err(&Refusal::NotFound(Noun::Conversation)))), golden("error_not_found"));
    let mut scratch = Scratch::default();
    for wrong in [json!({}), json!({"csId": ""}), json!({"csId": null})] {
        assert_eq!(refused(decode::accept("1", &mut bytes(&wrong), &mut scratch)), golden("error_missing_cs_id"));
    }
    for wrong in [json!({}), json!({"content": ""}), json!({"content": null})] {
        assert_eq!(refused(decode::send("1", &mut bytes(&wrong), &mut scratch)), golden("error_missing_content"));
    }
    // The example's fields are shown, and others of the schema beside them.
    let page = Answer::Conversations { conversations: vec![view(State::Active)], next: None };
    let shown = body(&answered(Ok(&page)));
    let example = golden("session_list");
    assert_eq!((&shown["code"], &shown["message"]), (&example["code"], &example["message"]));
    assert_eq!(shown["data"][0]["status"], example["data"][0]["status"]);
    assert_eq!(
        shown["data"][0],
        json!({"sessionId": "8193", "customerId": "100", "status": "manual", "manualCsId": "cs_001",
            "lastMessage": "你好", "lastMessageTime": "2026-02-24T10:00:00Z", "messageCount": 3,
            "createdAt": "2026-02-24T10:00:00Z", "updatedAt": "2026-02-24T10:00:00Z"})
    );
}

#[test]
fn the_guides_push() {
    let event = Event::Message { scene: scene(), message: message(Side::Customer, text("消息内容")), author: None };
    let mut expected = golden("push_new_message");
    expected["sessionId"] = json!("8193");
    expected["data"]["msgId"] = json!("12289");
    expected["data"]["senderId"] = json!("100");
    expected["data"]["createdAt"] = json!("2026-02-24T10:00:00Z");
    expected["data"]["seq"] = json!(3);
    assert_eq!(pushed(&event, false), Some(expected.clone()));
    let Some(Heard::NewMessage { session_id, data }) = client::heard(&expected.to_string()) else {
        panic!("not heard")
    };
    assert_eq!((session_id.as_str(), data.content.as_str(), data.seq), ("8193", "消息内容", Some(3)));
}

#[test]
fn the_other_pushes_of_the_guide() {
    let change = |kind: &str, status: &str| {
        json!({"type": kind, "sessionId": "8193",
            "data": {"customerId": "100", "status": status, "updatedAt": "2026-02-24T10:00:00Z"}})
    };
    let waiting = |elsewhere| {
        let scene = Scene { agent: None, ..scene() };
        Event::Waiting { former: AgentId::new(9).ok(), elsewhere, scene, group: Group::default(), at: TEN }
    };
    let mut expected = change("new_pending_session", "pending");
    expected["data"]["group"] = json!("default");
    assert_eq!(pushed(&waiting(false), false), Some(expected.clone()));
    assert_eq!(pushed(&waiting(true), false), None, "it is not new to one who cannot have it");
    assert_eq!(pushed(&waiting(true), true), Some(expected), "the group tells that it has left");
    let accepted = Event::Assigned { former: None, scene: scene(), code: Some(code("cs_001")), at: TEN };
    let mut expected = change("session_accepted", "manual");
    expected["data"]["manualCsId"] = json!("cs_001");
    assert_eq!(pushed(&accepted, false), Some(expected));
    let closed = Event::Ended { scene: scene(), by: Side::Customer, at: TEN };
    assert_eq!(pushed(&closed, false), Some(change("session_closed", "closed")));
}

#[test]
fn what_the_guide_does_not_show_needs_ext() {
    let own =
        Event::Message { scene: scene(), message: message(Side::Agent, text("在")), author: Some(code("cs_001")) };
    assert_eq!(pushed(&own, false), None, "an agent's own message");
    let shown = pushed(&own, true).unwrap();
    assert_eq!((&shown["data"]["senderType"], &shown["data"]["senderId"]), (&json!("manual"), &json!("cs_001")));
    let Event::Message { scene: own_scene, message: said, author } = own else { unreachable!() };
    let overheard = Event::Overheard { scene: own_scene, message: said, author };
    assert_eq!(pushed(&overheard, false), Some(shown), "another's message in a session that was bound");
    let marks = vec![MessageId::from_wire(5).unwrap()];
    for event in [
        Event::Typing { scene: scene(), by: Side::Customer, at: TEN },
        Event::Read { scene: scene(), of: Side::Agent, messages: marks, at: TEN },
    ] {
        assert_eq!(pushed(&event, false), None);
        assert!(pushed(&event, true).is_some());
    }
}

#[test]
fn a_list_is_asked_for() {
    let nothing = list(&[]).unwrap();
    assert_eq!(nothing, ConversationQuery { state: None, agent: None, platform: None, after: None, limit: 100 });
    let states =
        [("ai", State::Robot), ("pending", State::Pending), ("manual", State::Active), ("closed", State::Closed)];
    for (word, state) in states {
        assert_eq!(list(&[("status", word)]).unwrap().state, Some(state));
    }
    let all = list(&[("status", "manual"), ("csId", "客服 1"), ("channelType", "douyin"), ("limit", "7")]).unwrap();
    assert_eq!((all.limit, all.platform), (7, Some(Platform::Douyin)));
    assert_eq!(all.agent, Some(AgentRef::Code(code("客服 1"))));
    assert_eq!(list(&[("status", ""), ("csId", "")]).unwrap(), nothing, "an empty parameter is none");
    assert_eq!(list(&[("limit", "1000")]).unwrap().limit, 100);
    let long = "x".repeat(65);
    for (name, value) in [
        ("status", "active"),
        ("status", "AI"),
        ("channelType", "WECHAT"),
        ("channelType", "whatsapp"),
        ("csId", &long),
        ("csId", "a\nb"),
        ("limit", "0"),
        ("limit", "-1"),
        ("limit", "x"),
        ("cursor", "x"),
        ("cursor", "1-"),
        ("cursor", "1-0"),
        ("cursor", "1-x"),
    ] {
        let refusal = refused(listing(&[(name, value)]));
        assert_eq!(refusal["code"], 400);
        assert!(refusal["message"].as_str().unwrap().starts_with(name), "{name}={value}: {refusal}");
    }
    assert!(list(&[("csId", &"客".repeat(64))]).is_ok());
}

#[test]
fn the_next_page_is_linked_and_read_back() {
    let asked = list(&[("status", "closed"), ("csId", "客服 1"), ("channelType", "jd"), ("limit", "2")]).unwrap();
    let after = Some(ListPosition { created_at: TEN, conversation: conversation() });
    let next = ConversationQuery { after, ..asked };
    let page = Answer::Conversations { conversations: Vec::new(), next: Some(Box::new(next.clone())) };
    let link = answered(Ok(&page)).next.unwrap();
    let parsed = crate::http::Query::parse(link.strip_prefix('?').unwrap()).unwrap();
    let again = decode::list(&|name| parsed.get(name).map(Cow::from)).unwrap();
    assert_eq!(again, Command::ListConversations(Box::new(next)));
    let window = Window::Page { page: 2, size: 5 };
    let part = Answer::Transcript {
        conversation: conversation(),
        customer: scene().customer,
        lines: Vec::new(),
        next: Some(window),
    };
    let link = answered(Ok(&part)).next.unwrap();
    let parsed = crate::http::Query::parse(link.strip_prefix('?').unwrap()).unwrap();
    let again = decode::history("8193", &|name| parsed.get(name).map(Cow::from)).unwrap();
    assert_eq!(again, Command::Transcript { conversation: conversation(), window });
}

#[test]
fn session_ids_that_cannot_be() {
    let long = "1".repeat(65);
    for id in [long.as_str(), ""] {
        assert_eq!(refused(decode::show(id))["code"], 400, "{id}");
    }
    for id in ["session_001", "0", "-1", "1.5", "9007199254740992", "1".repeat(64).as_str(), " 1"] {
        assert_eq!(refused(decode::show(id)), golden("error_not_found"), "{id}");
        assert_eq!(refused(decode::close(id)), golden("error_not_found"), "{id}");
        assert_eq!(refused(decode::history(id, &|_| None)), golden("error_not_found"), "{id}");
    }
}

#[test]
fn bodies_that_are_wrong() {
    let mut scratch = Scratch::default();
    for wrong in ["", "{", "[]", "null", "1", "\"csId\""] {
        assert_eq!(refused(decode::accept("1", &mut wrong.as_bytes().to_vec(), &mut scratch))["code"], 400);
        assert_eq!(refused(decode::send("1", &mut wrong.as_bytes().to_vec(), &mut scratch))["code"], 400);
    }
    let deep = format!("{{\"csId\":{}{}}}", "[".repeat(100), "]".repeat(100));
    assert_eq!(refused(decode::accept("1", &mut deep.into_bytes(), &mut scratch))["code"], 400);
    for (field, wrong) in
        [("csId", json!({"csId": 7})), ("csId", json!({"csId": "x".repeat(65)})), ("csId", json!({"csId": []}))]
    {
        let message = refused(decode::accept("1", &mut bytes(&wrong), &mut scratch))["message"].clone();
        assert!(message.as_str().unwrap().starts_with(field), "{wrong}: {message}");
    }
    for (field, wrong) in [
        ("content", json!({"content": 7})),
        ("content", json!({"content": "字".repeat(4097)})),
        ("msgType", json!({"content": "x", "msgType": "event"})),
        ("msgType", json!({"content": "x", "msgType": 1})),
        ("content", json!({"content": "x".repeat(2049), "msgType": "image"})),
        ("client_msg_id", json!({"content": "x", "client_msg_id": ""})),
        ("client_msg_id", json!({"content": "x", "client_msg_id": "x".repeat(65)})),
    ] {
        let message = refused(decode::send("1", &mut bytes(&wrong), &mut scratch))["message"].clone();
        assert!(message.as_str().unwrap().starts_with(field), "{wrong}: {message}");
    }
    assert!(decode::send("1", &mut bytes(&json!({"content": "字".repeat(4096)})), &mut scratch).is_ok());
}

#[test]
fn the_content_of_an_image_is_its_url() {
    let url = "https://example.com/a.png";
    let sent = decode::send("8193", &mut bytes(&json!({"content": url, "msgType": "image"})), &mut Scratch::default());
    let Command::Send { draft, .. } = sent.unwrap() else { panic!("no send") };
    let image = Body { kind: BodyKind::Image, content: String::new(), file_url: Some(url.to_owned()), metadata: None };
    assert_eq!(draft.body, image);
    let captioned = Body { content: "看".to_owned(), ..image.clone() };
    let lines = [image, captioned].map(|body| Line { message: message(Side::Agent, body), author: None });
    let (customer, lines) = (scene().customer, lines.to_vec());
    let part = Answer::Transcript { conversation: conversation(), customer, lines, next: None };
    let shown = body(&answered(Ok(&part)));
    let line = json!({"msgId": "12289", "sessionId": "8193", "senderType": "manual", "senderId": "7", "content": url,
        "msgType": "image", "createdAt": "2026-02-24T10:00:00Z", "seq": 3});
    assert_eq!(shown["data"][0], line);
    assert_eq!((&shown["data"][1]["content"], &shown["data"][1]["caption"]), (&json!(url), &json!("看")));
}

#[test]
fn a_customers_id_fits_the_schema() {
    let short = Party::Visitor(VisitorId::new(&"v".repeat(64)).unwrap());
    let long = Party::Visitor(VisitorId::new(&"v".repeat(65)).unwrap());
    for (customer, expected) in [(short, "v".repeat(64)), (long, "100".to_owned())] {
        let mut view = view(State::Pending);
        view.listed.conversation.customer = customer;
        assert_eq!(body(&answered(Ok(&Answer::Shown(Box::new(view)))))["data"]["customerId"], json!(expected));
    }
    let mut view = view(State::Closed);
    view.agent = None;
    view.listed.last_message = Some(message(Side::Agent, text(&"字".repeat(5000))));
    let shown = body(&answered(Ok(&Answer::Shown(Box::new(view)))));
    assert_eq!(shown["data"]["manualCsId"], "7", "an agent that was deleted");
    assert_eq!(shown["data"]["lastMessage"].as_str().unwrap().chars().count(), 4096);
}

#[test]
fn heartbeats() {
    for (asked, told) in [
        ("ping", "pong"),
        (r#"{"type":"ping"}"#, r#"{"type":"pong"}"#),
        (r#"{ "type" : "ping", "at": 1 }"#, r#"{"type":"pong"}"#),
    ] {
        assert_eq!(decoded(asked), (Intent::Answered, told.as_bytes().to_vec()), "{asked}");
        assert_eq!(client::heard(told), Some(Heard::Pong));
    }
    assert_eq!(decoded(&client::ping()).0, Intent::Answered);
}

#[test]
fn messages_that_are_wrong_are_answered_as_errors() {
    for (asked, mistake, code) in [
        ("", Mistake::Json, 400),
        ("{", Mistake::Json, 400),
        ("[]", Mistake::Json, 400),
        ("{}", Mistake::Field, 400),
        (r#"{"type":7}"#, Mistake::Field, 400),
        (r#"{"type":"send"}"#, Mistake::Field, 400),
        (r#"{"action":"ping"}"#, Mistake::Field, 400),
        (r#"{"type":"bind_session"}"#, Mistake::Field, 400),
        (r#"{"type":"bind_session","sessionId":""}"#, Mistake::Field, 400),
        (r#"{"type":"bind_session","sessionId":[]}"#, Mistake::Field, 400),
        (r#"{"type":"bind_session","sessionId":"会话ID"}"#, Mistake::Field, 404),
        (r#"{"type":"bind_session","sessionId":0}"#, Mistake::Field, 404),
        (r#"{"type":"sync","sessionId":"1","after_seq":-1}"#, Mistake::Field, 400),
        (r#"{"type":"sync","sessionId":"1","limit":0}"#, Mistake::Field, 400),
    ] {
        let (intent, out) = decoded(asked);
        assert_eq!(intent, Intent::Mistaken(mistake), "{asked}");
        let answer: Value = serde_json::from_slice(&out).unwrap();
        assert_eq!((&answer["type"], &answer["code"]), (&json!("error"), &json!(code)), "{asked}: {answer}");
        assert!(!answer["message"].as_str().unwrap().is_empty());
    }
}

#[test]
fn extensions_of_the_socket() {
    let (asked, context, extension) = command(&client::sync("8193", 5, 500));
    let window = Window::AfterSeq { seq: Seq::new(5), limit: 100 };
    assert_eq!((asked, extension), (Command::Transcript { conversation: conversation(), window }, true));
    let said = |result: Result<&Answer, &Refusal>| {
        let mut out = Vec::new();
        dialect(DialectKind::Multichannel).encode_answer(&context, result, &Settings::default(), &mut out);
        serde_json::from_slice::<Value>(&out).unwrap()
    };
    let mut part =
        Answer::Transcript { conversation: conversation(), customer: scene().customer, lines: Vec::new(), next: None };
    let nothing = json!({"messages": [], "nextSeq": 5, "complete": true});
    assert_eq!(said(Ok(&part)), json!({"type": "sync", "sessionId": "8193", "data": nothing}));
    if let Answer::Transcript { lines, next, .. } = &mut part {
        lines.push(Line { message: message(Side::Customer, text("?")), author: None });
        *next = Some(Window::AfterSeq { seq: Seq::new(3), limit: 100 });
    }
    assert_eq!((&said(Ok(&part))["data"]["nextSeq"], &said(Ok(&part))["data"]["complete"]), (&json!(3), &json!(false)));
    assert_eq!(said(Err(&Refusal::Gap { newest: Seq::new(2) }))["code"], 400);
    let (asked, context, extension) = command(&client::typing("8193"));
    assert_eq!((asked, extension), (Command::Typing { conversation: conversation() }, true));
    let mut out = Vec::new();
    dialect(DialectKind::Multichannel).encode_answer(&context, Ok(&Answer::Typing), &Settings::default(), &mut out);
    assert!(out.is_empty(), "typing is told, not answered");
    let (asked, context, extension) = command(&client::read("8193", &["12289"]));
    let messages = vec![MessageId::from_wire(12289).unwrap()];
    assert_eq!(
        (asked, extension),
        (Command::MarkRead { conversation: conversation(), messages, of: Side::Customer }, true)
    );
    let mut out = Vec::new();
    let marked = Answer::Read { changed: 1 };
    dialect(DialectKind::Multichannel).encode_answer(&context, Ok(&marked), &Settings::default(), &mut out);
    let marked: Value = serde_json::from_slice(&out).unwrap();
    assert_eq!(marked, json!({"type": "read", "sessionId": "8193", "data": {"updatedCount": 1}}));
    let mut out = Vec::new();
    encode::joined(Ok(()), &mut out);
    assert!(out.is_empty(), "the guide shows no greeting");
}

#[test]
fn every_refusal_has_a_code_of_this_dialect() {
    for refusal in [
        Refusal::NotFound(Noun::Agent),
        Refusal::NotFound(Noun::Message),
        Refusal::Forbidden,
        Refusal::LoginRequired,
        Refusal::OtherParty,
        Refusal::NotInGroup,
        Refusal::NoRoom,
        Refusal::TextOnly,
        Refusal::Taken("id"),
        Refusal::AgentHasConversations,
        Refusal::Gap { newest: Seq::new(1) },
        Refusal::Busy("storage is behind"),
    ] {
        let reply = answered(Err(&refusal));
        assert!([400, 401, 403, 404, 500].contains(&reply.status), "{refusal:?}");
        assert!(!body(&reply)["message"].as_str().unwrap().is_empty());
    }
}

/// The indentation is ours, the text is the guide's.
#[test]
fn the_openapi_document_is_the_guides() {
    for line in ["openapi: 3.0.3", "  /api/sessions/{sessionId}/accept:", "    SessionInfo:", "  path: /ws/cs/{csId}"] {
        assert!(OPENAPI.lines().any(|known| known == line), "{line}");
    }
    assert_eq!(OPENAPI.matches("operationId:").count(), 9);
}

#[test]
fn asyncapi_json_describes_every_type_and_event() {
    let described = Described::new(include_str!("asyncapi.json"));
    let types: BTreeSet<_> = Ask::ALL.into_iter().map(Ask::name).collect();
    assert_eq!(described.words("receive", "type"), types);
    described.assert_events(DialectKind::Multichannel);
}
