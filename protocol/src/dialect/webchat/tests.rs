//! webchat against guide 3: every example as a golden, then what dialects.md adds. Written from the guide and
//! dialects.md, not from the code. (The guide lost characters in its source; the fixtures fill them by their meaning.)

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::client::{self, Heard};
use super::wire::Kind;
use super::{decode, encode};
use crate::dialect::described::Described;
use crate::dialect::samples;
use crate::dialect::{DialectKind, FieldError, Hearer, Intent, Mistake, Rejection, Scratch, Seat, Settings, dialect};
use crate::model::*;

/// The guide's "2024-01-15T10:30:00Z".
const AT: Timestamp = Timestamp::from_millis(1_705_314_600_000);

fn value(json: impl AsRef<[u8]>) -> Value {
    let json = json.as_ref();
    serde_json::from_slice(json).unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(json)))
}

/// Every field of the golden is there and equal, but for ids, which the guide shows as words.
fn assert_golden(actual: &Value, golden: &Value, ids: &[&str]) {
    for (name, wanted) in golden.as_object().unwrap() {
        let found = &actual[name];
        assert!(!found.is_null(), "{name} is missing in {actual}");
        assert_eq!(std::mem::discriminant(found), std::mem::discriminant(wanted), "{name}: {found}");
        if !ids.contains(&name.as_str()) {
            assert_eq!(found, wanted, "{name}");
        }
    }
}

fn decoded(text: &str, seat: Seat) -> (Intent, String) {
    let mut out = Vec::new();
    let mut text = text.as_bytes().to_vec();
    let intent = dialect(DialectKind::Webchat).decode(&mut text, seat, &mut Scratch::default(), &mut out);
    (intent, String::from_utf8(out).unwrap())
}

fn draft(text: &str, seat: Seat) -> (Target, Draft) {
    match decoded(text, seat) {
        (Intent::Command { command: Command::Send { target, draft }, .. }, said) if said.is_empty() => (target, draft),
        other => panic!("{text}: {other:?}"),
    }
}

fn customer_id() -> CustomerId {
    CustomerId::parse("550e8400-e29b-41d4-a716-446655440000").unwrap()
}

fn scene() -> Scene {
    Scene {
        conversation: ConversationId::from_wire(4097).unwrap(),
        customer: Party::Customer(customer_id()),
        channel: Some(Channel::Web),
        customer_number: CustomerNumber::from_wire((1 << 52) + 4096).unwrap(),
        agent: AgentId::new(1).ok(),
    }
}

fn said(side: Side, content: &str, metadata: Option<&str>) -> Event {
    let number = scene().number(side).unwrap();
    let body =
        Body { kind: BodyKind::Text, content: content.into(), file_url: None, metadata: metadata.map(Into::into) };
    let message = Message {
        id: MessageId::from_wire(8193).unwrap(),
        conversation: scene().conversation,
        seq: Seq::new(2),
        sender: Sender { side, number },
        body,
        created_at: AT,
        read_at: None,
        revised: None,
    };
    Event::Message { scene: scene(), message, author: None }
}

fn pushed(event: &Event, side: Side, ext: bool) -> Option<Value> {
    samples::pushed(DialectKind::Webchat, side, event, ext)
}

#[test]
fn the_guides_messages_are_understood() {
    for (name, content, metadata) in [
        (include_str!("fixtures/first_message.json"), "你好，我需要帮助", None),
        (include_str!("fixtures/client_message.json"), "消息内容", Some(json!({"type": "text", "attachments": []}))),
        (include_str!("fixtures/text_message.json"), "我想咨询产品价格", None),
        (
            include_str!("fixtures/metadata_message.json"),
            "这是我的订单号",
            Some(json!({"orderId": "ORDER-12345", "orderStatus": "pending"})),
        ),
    ] {
        let (target, draft) = draft(name, Seat::Customer);
        // "session-123" is no id of ours: the customer's guess.
        assert_eq!(target, Target::Own { agent: None, named: None, group: None });
        assert_eq!((draft.body.kind, draft.body.content.as_str()), (BodyKind::Text, content));
        assert_eq!(draft.body.metadata.map(|metadata| value(metadata.as_bytes())), metadata);
        assert_eq!(draft.client_msg_id, None);
    }
}

#[test]
fn the_servers_message_is_the_guides() {
    let golden = value(include_str!("fixtures/server_message.json"));
    let frame = pushed(&said(Side::Agent, "客服回复内容", None), Side::Customer, false).unwrap();
    assert_golden(&frame, &golden, &["conversationId", "senderId"]);
    assert_eq!((&frame["conversationId"], &frame["senderId"]), (&json!("4097"), &json!("1")));
    assert_eq!((&frame["messageId"], &frame["seq"]), (&json!("8193"), &json!(2)));
    assert!(frame.get("type").is_none() && frame.get("metadata").is_none());
}

#[test]
fn metadata_goes_whole() {
    // Numbers that no parser keeps, order, blanks and doubles stay as they came.
    let raw = r#"{ "b":1.50,"a":[12345678901234567890123,{"x":"\u00e9"}],"b":2 }"#;
    let (_, draft) = draft(&format!(r#"{{"content":"x","metadata":{raw},"senderId":"s"}}"#), Seat::Customer);
    assert_eq!(draft.body.metadata.as_deref(), Some(raw));
    let mut out = Vec::new();
    let event = said(Side::Customer, "x", Some(raw));
    let hearer = Hearer { side: Side::Agent, ext: false };
    dialect(DialectKind::Webchat).encode_event(&event, hearer, &Settings::default(), &mut out);
    let text = String::from_utf8(out).unwrap();
    assert!(text.ends_with(&format!(r#","metadata":{raw}}}"#)), "{text}");
    assert!(matches!(client::hear(&text), Ok(Heard::Message(_))));
}

#[test]
fn what_a_guides_client_would_show_wrongly_is_not_told() {
    let (own, others) = (said(Side::Customer, "x", None), said(Side::Agent, "x", None));
    let told = |event: &Event, side, ext| pushed(event, side, ext).is_some();
    assert_eq!([told(&own, Side::Customer, false), told(&own, Side::Customer, true)], [false, true]);
    assert_eq!([told(&others, Side::Agent, false), told(&others, Side::Agent, true)], [false, true]);
    assert_eq!([told(&own, Side::Agent, false), told(&others, Side::Customer, false)], [true, true]);
    let notices = [
        ("assigned", Event::Assigned { former: None, scene: scene(), code: None, at: AT }),
        ("ended", Event::Ended { scene: scene(), by: Side::Agent, at: AT }),
        ("typing", Event::Typing { scene: scene(), by: Side::Agent, at: AT }),
        (
            "read",
            Event::Read {
                scene: scene(),
                of: Side::Customer,
                messages: vec![MessageId::from_wire(8193).unwrap()],
                at: AT,
            },
        ),
    ];
    for (name, event) in notices {
        assert_eq!(pushed(&event, Side::Customer, false), None, "{name}");
        let frame = pushed(&event, Side::Customer, true).unwrap();
        assert_eq!((&frame["type"], &frame["conversationId"]), (&json!(name), &json!("4097")));
        assert_eq!(frame["timestamp"], json!("2024-01-15T10:30:00Z"));
        assert_eq!(frame.get("by").is_some(), name != "assigned");
    }
    // What others say is for workbenches, with or without the opt-in.
    let Event::Message { scene: own, message, author } = said(Side::Customer, "x", None) else { unreachable!() };
    let overheard = Event::Overheard { scene: own, message, author };
    assert_eq!([true, false].map(|ext| pushed(&overheard, Side::Agent, ext)), [None, None]);
    // A conversation that was given to a group is nobody's for a while.
    let alone = Scene { agent: None, ..scene() };
    let waiting = Event::Waiting { former: None, elsewhere: false, scene: alone, group: Group::default(), at: AT };
    assert_eq!(pushed(&waiting, Side::Customer, false), None);
    let frame = pushed(&waiting, Side::Customer, true).unwrap();
    assert_eq!((&frame["type"], frame.get("agentId")), (&json!("assigned"), None));
}

/// Extensions: a frame of its own, and fields in a sync.
#[test]
fn edits_and_recalls_are_for_those_who_asked() {
    let Event::Message { scene, mut message, .. } = said(Side::Agent, "x", None) else { unreachable!() };
    message.revise(&Revision::Edit("y".into()), AT);
    let edited = Event::Revised { scene: scene.clone(), message: message.clone() };
    assert_eq!(pushed(&edited, Side::Customer, false), None);
    let frame = pushed(&edited, Side::Customer, true).unwrap();
    assert_eq!((&frame["type"], &frame["content"]), (&json!("edited"), &json!("y")));
    message.revise(&Revision::Recall, AT);
    let frame = pushed(&Event::Revised { scene, message }, Side::Customer, true).unwrap();
    assert_eq!((&frame["type"], frame.get("content")), (&json!("recalled"), None));
}

#[test]
fn users_and_visitors_have_channels_too() {
    let user = Scene { customer: Party::User(UserId::new(7).unwrap()), channel: None, ..scene() };
    let visitor = Scene { customer: Party::Visitor(VisitorId::new("v").unwrap()), channel: None, ..scene() };
    assert_eq!([user.channel(), visitor.channel(), scene().channel()], [Channel::App, Channel::Web, Channel::Web]);
}

#[test]
fn a_picture_shows_where_it_lies() {
    let Event::Message { scene, mut message, .. } = said(Side::Agent, "", None) else { unreachable!() };
    message.body.kind = BodyKind::Image;
    message.body.file_url = Some("https://example.com/a.png".into());
    let frame = pushed(&Event::Message { scene, message, author: None }, Side::Customer, false).unwrap();
    assert_eq!((&frame["content"], &frame["messageType"]), (&json!("https://example.com/a.png"), &json!("image")));
}

#[test]
fn a_first_message_may_name_a_group() {
    let (target, _) = draft(r#"{"content":"x","group":"sales"}"#, Seat::Customer);
    assert_eq!(target, Target::Own { agent: None, named: None, group: Group::new("sales").ok() });
    for (text, group) in [(r#"{"content":"x","group":""}"#, None), (r#"{"content":"x","group":null}"#, None)] {
        assert_eq!(draft(text, Seat::Customer).0, Target::Own { agent: None, named: None, group });
    }
    // Of an agent it says nothing: its conversations are there already.
    let (target, _) = draft(r#"{"conversationId":"4097","content":"x","group":"sales"}"#, Seat::Agent);
    assert_eq!(target, Target::Conversation(ConversationId::from_wire(4097).unwrap()));
}

#[test]
fn agents_name_the_conversation() {
    let (target, _) = draft(r#"{"conversationId":"4097","content":"x"}"#, Seat::Agent);
    assert_eq!(target, Target::Conversation(ConversationId::from_wire(4097).unwrap()));
    let (target, _) = draft(r#"{"conversationId":"4097","content":"x"}"#, Seat::Customer);
    assert_eq!(target, Target::Own { agent: None, named: ConversationId::from_wire(4097).ok(), group: None });
    for (text, code, field) in [
        (r#"{"content":"x"}"#, 400, "conversationId is required"),
        (r#"{"conversationId":"session-123","content":"x"}"#, 404, "Conversation not found"),
    ] {
        let (intent, said) = decoded(text, Seat::Agent);
        assert_eq!(intent, Intent::Mistaken(Mistake::Field));
        assert_eq!(value(said), json!({"type": "error", "code": code, "message": field}));
    }
}

#[test]
fn wrong_fields_are_named_and_the_rest_is_not_asked() {
    let long = format!(r#"{{"content":"x","metadata":{{"a":"{}"}}}}"#, "x".repeat(17_000));
    for (text, what) in [
        ("{", "Malformed JSON"),
        ("[]", "JSON must be an object"),
        (r#"{"content":"x","metadata":}"#, "Malformed JSON"),
        (r#"{"content":"x","metadata":[1]}"#, "metadata must be a JSON object of at most 16384 bytes"),
        (r#"{"content":"x","metadata":"x"}"#, "metadata must be a JSON object of at most 16384 bytes"),
        (&long, "metadata must be a JSON object of at most 16384 bytes"),
        ("{}", "content is required"),
        (r#"{"content":""}"#, "content is required"),
        (r#"{"content":5}"#, "content must be a string"),
        (r#"{"content":"x","group":5}"#, "group must be a string"),
        (r#"{"content":"x","group":"a\u0001"}"#, "group must be 1 to 64 characters, none of them control characters"),
        (r#"{"content":"x","senderId":5}"#, "senderId must be a string of at most 256 characters"),
        (r#"{"content":"x","conversationId":[]}"#, "conversationId must be a string"),
        (r#"{"content":"x","type":"shout"}"#, "Unknown type: shout"),
        (r#"{"content":"x","type":5}"#, "type must be a string"),
        (r#"{"type":"sync"}"#, "conversationId is required"),
        (r#"{"type":"sync","conversation":"4097","after_seq":-1}"#, "after_seq must be an integer of at least 0"),
        (r#"{"type":"sync","conversation":"4097","limit":0}"#, "limit must be an integer of at least 1"),
    ] {
        let (intent, said) = decoded(text, Seat::Customer);
        assert!(matches!(intent, Intent::Mistaken(_)), "{text}");
        assert_eq!(value(said), json!({"type": "error", "code": 400, "message": what}), "{text}");
    }
    let (_, said) = decoded(r#"{"content":"","client_msg_id":"m 1"}"#, Seat::Customer);
    assert_eq!(value(said)["client_msg_id"], "m 1", "so that the sender knows which");
    for seat in [Seat::Nobody, Seat::User, Seat::Visitor] {
        assert_eq!(value(decoded(r#"{"content":"x"}"#, seat).1)["code"], 401);
    }
}

/// Metadata goes to others as it came: what any parser of JSON may stumble on does not come in.
#[test]
fn metadata_is_what_every_parser_reads() {
    for raw in
        [r#"{"a":1e999}"#, r#"{"a":-1e999}"#, r#"{"a":"\ud800"}"#, r#"{"\udc00":1}"#, r#"{"a":[{"b":"\udbffx"}]}"#]
    {
        let (intent, said) = decoded(&format!(r#"{{"content":"x","metadata":{raw}}}"#), Seat::Customer);
        assert_eq!(intent, Intent::Mistaken(Mistake::Json), "{raw}");
        assert_eq!(value(said), json!({"type": "error", "code": 400, "message": "Malformed JSON"}), "{raw}");
    }
    for raw in [r#"{"a":12345678901234567890123456789}"#, r#"{"a":1e300}"#, r#"{"a":"\ud83d\ude00"}"#] {
        let (_, draft) = draft(&format!(r#"{{"content":"x","metadata":{raw}}}"#), Seat::Customer);
        assert_eq!(draft.body.metadata.as_deref(), Some(raw));
    }
}

#[test]
fn complaints_about_metadata_name_the_message() {
    for raw in
        [r#"{"a":1e999}"#, r#"{"a":tru}"#, "[1]", r#""x""#, "12", &format!(r#"{{"a":"{}"}}"#, "x".repeat(17_000))]
    {
        for text in [
            format!(r#"{{"content":"x","metadata":{raw},"client_msg_id":"m 1"}}"#),
            format!(r#"{{"client_msg_id":"m 1","content":"x","metadata":{raw}}}"#),
        ] {
            let (intent, said) = decoded(&text, Seat::Customer);
            assert!(matches!(intent, Intent::Mistaken(_)), "{text}");
            let said = value(said);
            assert_eq!((&said["client_msg_id"], &said["code"]), (&json!("m 1"), &json!(400)), "{text}");
        }
    }
}

#[test]
fn heartbeats_are_answered() {
    for (ping, pong) in [("ping", "pong"), (r#"{"type":"ping"}"#, r#"{"type":"pong"}"#)] {
        assert_eq!(decoded(ping, Seat::Customer), (Intent::Answered, pong.to_owned()));
        assert_eq!(client::hear(pong).unwrap(), Heard::Pong);
    }
}

fn answered(text: &str, result: Result<&Answer, &Refusal>) -> String {
    let (intent, _) = decoded(text, Seat::Customer);
    let Intent::Command { context, extension, .. } = intent else { panic!("{intent:?}") };
    assert_eq!(extension, text.contains("client_msg_id") || text.contains("type"));
    let mut out = Vec::new();
    dialect(DialectKind::Webchat).encode_answer(&context, result, &Settings::default(), &mut out);
    String::from_utf8(out).unwrap()
}

#[test]
fn only_a_client_msg_id_is_acknowledged() {
    let sent = Answer::Sent(Sent {
        message: MessageId::from_wire(8193).unwrap(),
        conversation: scene().conversation,
        seq: Seq::new(2),
        created_at: AT,
    });
    assert_eq!(answered(&client::send(None, "x", None, None), Ok(&sent)), "");
    let ack = answered(&client::send(None, "x", None, Some("客户-1")), Ok(&sent));
    let expected = json!({"type": "ack", "client_msg_id": "客户-1", "messageId": "8193", "conversationId": "4097",
        "seq": 2, "timestamp": "2024-01-15T10:30:00Z"});
    assert_eq!(value(ack), expected);
    let refused = answered(&client::send(None, "x", None, None), Err(&Refusal::Ended));
    assert_eq!(value(refused), json!({"type": "error", "code": 409, "message": "The conversation has ended"}));
    let not_found = Refusal::NotFound(Noun::Conversation);
    assert_eq!(value(answered(&client::end("4097"), Err(&not_found)))["code"], 404);
    assert_eq!(answered(&client::typing("4097"), Ok(&Answer::Typing)), "");
    let ended = answered(&client::end("4097"), Ok(&Answer::Ended(scene().conversation)));
    assert_eq!(value(ended), json!({"type": "end", "conversationId": "4097"}));
}

#[test]
fn a_read_marks_what_the_other_side_wrote() {
    for (seat, of) in [(Seat::Customer, Side::Agent), (Seat::Agent, Side::Customer)] {
        let (intent, _) = decoded(&client::read("4097", &["8193"]), seat);
        let Intent::Command { command, extension: true, .. } = intent else { panic!("{intent:?}") };
        let messages = vec![MessageId::from_wire(8193).unwrap()];
        assert_eq!(command, Command::MarkRead { conversation: scene().conversation, messages, of });
    }
    let (intent, out) = decoded(&client::read("4097", &[]), Seat::Customer);
    assert_eq!(intent, Intent::Mistaken(Mistake::Field));
    assert_eq!(value(out), json!({"type": "error", "code": 400, "message": "messageIds is required"}));
    let marked = answered(&client::read("4097", &["8193"]), Ok(&Answer::Read { changed: 1 }));
    assert_eq!(value(marked), json!({"type": "read", "updatedCount": 1}));
}

#[test]
fn a_sync_brings_messages_and_what_to_ask_next() {
    let Event::Message { message, .. } = said(Side::Agent, "回复", Some(r#"{"a":1}"#)) else { unreachable!() };
    let text = client::sync("4097", 0, 10);
    let found = Answer::Synced { messages: vec![message.clone(), message], next_seq: Seq::new(3), complete: false };
    let frame = value(answered(&text, Ok(&found)));
    assert_eq!((&frame["type"], &frame["next_seq"], &frame["complete"]), (&json!("sync"), &json!(3), &json!(false)));
    assert_eq!(frame["messages"].as_array().unwrap().len(), 2);
    assert_eq!(
        (&frame["messages"][1]["content"], &frame["messages"][1]["metadata"]),
        (&json!("回复"), &json!({"a": 1}))
    );
    let nothing = Answer::Synced { messages: vec![], next_seq: Seq::new(3), complete: true };
    assert_eq!(value(answered(&text, Ok(&nothing)))["messages"], json!([]));
    let gap = value(answered(&text, Err(&Refusal::Gap { newest: Seq::new(2) })));
    assert_eq!((&gap["code"], &gap["newest_seq"]), (&json!(409), &json!(2)));
}

fn profile() -> CustomerProfile {
    let identity = |kind, value| Identity::new(kind, value).unwrap();
    CustomerProfile {
        id: customer_id(),
        number: scene().customer_number,
        name: "张三".into(),
        channel: Channel::Web,
        identities: vec![
            identity(IdentityKind::Phone, "+8613800138000"),
            identity(IdentityKind::Email, "zhangsan@example.com"),
        ],
        tags: vec!["VIP".into(), "已购买".into()],
        notes: None,
        active: true,
        created_at: AT,
        updated_at: AT.plus_millis(7),
    }
}

fn rest(answer: CustomerAnswer) -> Value {
    let reply = encode::answered(Ok(&Answer::Customers(Box::new(answer))));
    assert_eq!(reply.status, 200);
    value(reply.body)
}

#[test]
fn a_customers_token_is_asked_for_and_given_as_the_guide_shows() {
    let mut body = include_bytes!("fixtures/token_request.json").to_vec();
    let entrance = decode::enter(&mut body, &mut Scratch::default()).unwrap();
    assert_eq!((entrance.name.as_str(), entrance.channel), ("张三", Channel::Web));
    assert_eq!((entrance.identity.kind(), entrance.identity.value()), (IdentityKind::WebId, "web_user_123456"));
    let golden = value(include_str!("fixtures/token_answer.json"));
    let token = NewToken {
        secret: TokenSecret(0xa1b2_c3d4_e5f6_7890_abcd_ef12_3456_7890),
        hash: TokenHash([0; 32]),
        expires_at: AT,
    };
    let entered = CustomerAnswer::Entered { id: customer_id(), name: "张三".into(), channel: Channel::Web, token };
    let answer = rest(entered);
    assert_eq!(answer["success"], golden["success"]);
    assert_golden(&answer["data"], &golden["data"], &[]);
    assert_eq!(
        value(encode::answered(Ok(&Answer::AgentToken(Box::new(token)))).body)["data"]["token"],
        "a1b2c3d4-e5f6-7890-abcd-ef1234567890"
    );
}

#[test]
fn a_page_of_customers_is_the_guides() {
    let golden = value(include_str!("fixtures/customers_answer.json"));
    let view = CustomerView { profile: profile(), last_interaction_at: Some(AT) };
    let answer = rest(CustomerAnswer::Page { customers: vec![view], total: 100, size: 20 });
    assert_golden(&answer["data"]["content"][0], &golden["data"]["content"][0], &["id"]);
    assert_eq!(answer["data"]["totalElements"], golden["data"]["totalElements"]);
    assert_eq!(answer["data"]["totalPages"], golden["data"]["totalPages"]);
    assert_eq!(answer["data"]["content"][0]["updatedAt"], "2024-01-15T10:30:00.007Z");
}

fn customers(command: Result<Command, Rejection>) -> CustomerCommand {
    match command {
        Ok(Command::Customers(command)) => *command,
        other => panic!("{other:?}"),
    }
}

#[test]
fn customers_are_made_and_changed_as_the_guide_shows() {
    let scratch = &mut Scratch::default();
    let made = customers(decode::create(&mut include_bytes!("fixtures/create_request.json").to_vec(), scratch));
    let CustomerCommand::Create(draft) = made else { panic!("{made:?}") };
    assert_eq!((draft.name.as_str(), draft.channel, draft.active), ("李四", Channel::Wechat, true));
    assert_eq!(draft.notes.as_deref(), Some("对产品A感兴趣"));
    let known: Vec<_> = draft.identities.iter().map(|identity| (identity.kind(), identity.value())).collect();
    let expected = [(IdentityKind::WechatOpenId, "oAbCd1234567890"), (IdentityKind::Phone, "+8613900139000")];
    assert_eq!(known, expected);

    let id = customer_id().to_string();
    let mut body = include_bytes!("fixtures/update_request.json").to_vec();
    let CustomerCommand::Update { customer, change, seen } = customers(decode::update(&id, &mut body, scratch)) else {
        panic!("no update")
    };
    assert_eq!((customer, seen), (customer_id(), None));
    assert_eq!(change.tags, Some(vec!["VIP".to_owned(), "已购买".to_owned()]));
    assert_eq!((change.active, change.identities), (None, vec![]));

    // What `GET` shows may be sent back, and says which state was seen.
    let shown = rest(CustomerAnswer::Shown(CustomerView { profile: profile(), last_interaction_at: Some(AT) }));
    let mut body = shown["data"].to_string().into_bytes();
    let CustomerCommand::Update { change, seen, .. } = customers(decode::update(&id, &mut body, scratch)) else {
        panic!("no update")
    };
    assert_eq!(seen, Some(profile().updated_at));
    let unchanged = profile().changed(change, AT);
    assert_eq!(CustomerProfile { updated_at: profile().updated_at, ..unchanged }, profile());

    let mut body = br#"{"phone":null,"notes":null,"email":""}"#.to_vec();
    let CustomerCommand::Update { change, .. } = customers(decode::update(&id, &mut body, scratch)) else {
        panic!("no update")
    };
    assert_eq!(change.identities, [(IdentityKind::Phone, None), (IdentityKind::Email, None)]);
    assert_eq!(change.notes, Some(None));
}

#[test]
fn wrong_requests_name_the_field() {
    let scratch = &mut Scratch::default();
    let field = |result: Result<(), Rejection>| match result {
        Err(Rejection::Field(FieldError { field, .. })) => field,
        other => panic!("{other:?}"),
    };
    for (body, wrong) in [
        (r#"{"channel":"WEB","channelId":"x"}"#, "name"),
        (r#"{"name":"x","channelId":"x"}"#, "channel"),
        (r#"{"name":"x","channel":"web","channelId":"x"}"#, "channel"),
        (r#"{"name":"x","channel":"FAX","channelId":"x"}"#, "channel"),
        (r#"{"name":"x","channel":"WEB"}"#, "channelId"),
        (r#"{"name":"x","channel":"EMAIL","channelId":"x"}"#, "channelId"),
        (r#"{"name":"x","channel":"WHATSAPP","channelId":"13800138000"}"#, "channelId"),
        (r#"{"name":"x\n","channel":"WEB","channelId":"x"}"#, "name"),
        (r#"{"name":5,"channel":"WEB","channelId":"x"}"#, "name"),
        (r#"{"name":"x","channel":"WEB","channelId":"x","signature":1}"#, "signature"),
    ] {
        assert_eq!(field(decode::enter(&mut body.as_bytes().to_vec(), scratch).map(drop)), wrong, "{body}");
    }
    for (body, wrong) in [
        (r#"{"name":"x"}"#, "primaryChannel"),
        (r#"{"primaryChannel":"WEB"}"#, "name"),
        (r#"{"name":"x","primaryChannel":"WEB","email":"x"}"#, "email"),
        (r#"{"name":"x","primaryChannel":"WEB","tags":"x"}"#, "tags"),
        (r#"{"name":"x","primaryChannel":"WEB","tags":[""]}"#, "tags"),
        (r#"{"name":"x","primaryChannel":"WEB","active":"yes"}"#, "active"),
    ] {
        assert_eq!(field(decode::create(&mut body.as_bytes().to_vec(), scratch).map(drop)), wrong, "{body}");
    }
    let id = customer_id().to_string();
    let mut body = br#"{"updatedAt":"yesterday"}"#.to_vec();
    assert_eq!(field(decode::update(&id, &mut body, scratch).map(drop)), "updatedAt");
    assert_eq!(decode::get("4097"), Err(Rejection::Refused(Refusal::NotFound(Noun::Customer))));
    let query = |pairs: &'static [(&'static str, &'static str)]| {
        decode::list(&|name| pairs.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).into()))
    };
    for (name, bad) in [("channel", "web"), ("active", "1"), ("page", "-1"), ("size", "0"), ("size", "x")] {
        let pairs: &'static [(&str, &str)] = Box::leak(vec![(name, bad)].into_boxed_slice());
        assert_eq!(field(query(pairs).map(drop)), name, "{name}={bad}");
    }
    let CustomerCommand::List(found) = customers(query(&[("name", "张三"), ("channel", "WEB"), ("active", "true")]))
    else {
        panic!("no list")
    };
    let expected =
        CustomerQuery {
            name: Some("张三".into()), channel: Some(Channel::Web), active: Some(true), page: 0, size: 20
        };
    assert_eq!(found, expected);
    let CustomerCommand::List(found) = customers(query(&[("page", "99999999999999999999"), ("size", "1000")])) else {
        panic!("no list")
    };
    assert_eq!((found.page, found.size), (1 << 53, 100));
}

#[test]
fn refusals_have_the_envelope_and_their_status() {
    let taken = Refusal::TakenBy { field: "phone", by: customer_id() };
    let reply = encode::answered(Err(&taken));
    let body = value(reply.body);
    assert_eq!((reply.status, &body["success"]), (409, &json!(false)));
    assert_eq!(body["data"], json!({"field": "phone", "customerId": customer_id().to_string()}));
    for (refusal, status) in [
        (Refusal::NotFound(Noun::Customer), 404),
        (Refusal::Stale, 409),
        (Refusal::Forbidden, 403),
        (Refusal::LoginRequired, 401),
        (Refusal::Busy("x"), 429),
    ] {
        let reply = encode::answered(Err(&refusal));
        let body = value(reply.body);
        assert_eq!((reply.status, &body["success"]), (status, &json!(false)));
        assert!(body["message"].as_str().is_some_and(|text| !text.is_empty()) && body.get("data").is_none());
    }
}

#[test]
fn asyncapi_json_describes_every_type_and_event() {
    let described = Described::new(include_str!("asyncapi.json"));
    let types: BTreeSet<_> = Kind::ALL.into_iter().map(Kind::name).chain(["ping"]).collect();
    assert_eq!(described.words("receive", "type"), types);
    described.assert_events(DialectKind::Webchat);
}
