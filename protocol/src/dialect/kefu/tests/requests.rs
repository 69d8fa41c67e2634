//! Requests that are not the guide's examples: heartbeats, `op_id`, seats, wrong types, limits, extensions, refusals,
//! and properties over arbitrary input.

use std::borrow::Cow;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::dialect::Rejection;
use crate::dialect::kefu::{client, client::Heard, decode};
use crate::model::limits::{ID_END, JSON_DEPTH_MAX, OP_ID_MAX_BYTES, READ_IDS_MAX, URL_MAX_BYTES};

#[test]
fn heartbeats_are_answered_in_every_form_before_login_too() {
    for seat in [Seat::Nobody, Seat::User, Seat::Visitor, Seat::Agent] {
        assert_eq!(decoded("ping", seat), (Intent::Answered, b"pong".to_vec()));
        assert_eq!(decoded(r#"{"type":"ping"}"#, seat), (Intent::Answered, br#"{"type":"pong"}"#.to_vec()));
        let (_, out) = decoded(r#"{"action":"ping","op_id":5}"#, seat);
        assert_eq!(out, br#"{"success":true,"message":"pong","data":null,"op_id":5}"#);
    }
}

/// A ping without blanks is answered without parsing: with one blank it is parsed, and the answer must be the same.
#[test]
fn a_compact_ping_is_answered_as_a_parsed_one() {
    let ids = [
        "5",
        "0",
        "00",
        "07",
        "-1",
        "123456789012345",
        "1234567890123456",
        "\"a-B_9\"",
        "\"\"",
        "\"",
        "\"a\"b\"",
        "\"é\"",
        "",
    ];
    let inner = ids.map(|op_id| format!(r#""action":"ping","op_id":{op_id}"#));
    let others = [
        r#""action":"ping""#,
        r#""action":"ping","action":"login""#,
        r#""action":"ping","op_id":1,"op_id":2"#,
        r#""action":"ping","op_id":1,"action":"x""#,
        r#""action":"ping","op_id":"a","b":"c""#,
        r#""action":"ping"}"#,
        r#""action":"ping"{"#,
    ];
    for inner in inner.iter().map(String::as_str).chain(others) {
        let (compact, parsed) = (format!("{{{inner}}}"), format!("{{ {inner}}}"));
        assert_eq!(decoded(&compact, Seat::User), decoded(&parsed, Seat::User), "{inner}");
    }
}

#[test]
fn op_id_is_given_back_byte_by_byte() {
    let long = "9".repeat(300);
    let cases = [
        "null",
        "\"a\"",
        "\"\\u00e9\\n\"",
        "1",
        "-0",
        "1e400",
        "1.50",
        "true",
        "{\"b\":1,\"a\":[1, 2]}",
        "[]",
        "\"客服\"",
        "\"\"",
        "18446744073709551616",
        &long,
    ];
    for op_id in cases {
        for request in [
            format!(r#"{{"action":"ping","op_id":{op_id}}}"#),
            format!(r#"{{ "op_id" : {op_id} , "action":"ping" }}"#),
            format!(r#"{{"op_id":{op_id},"action":"nothing"}}"#),
        ] {
            let (_, out) = decoded(&request, Seat::Nobody);
            let out = String::from_utf8(out).unwrap();
            assert!(out.ends_with(&format!("\"op_id\":{op_id}}}")), "{request} -> {out}");
        }
        let send = format!(r#"{{"action":"kefu_message_end","data":{{"conversation_id":1}},"op_id":{op_id}}}"#);
        let (_, context, _) = command(&send, Seat::User);
        let mut out = Vec::new();
        encode::answer(&context, Ok(&Answer::Ended(conversation())), &Settings::default(), &mut out);
        assert!(String::from_utf8(out).unwrap().ends_with(&format!("\"op_id\":{op_id}}}")));
    }
    let (_, out) = decoded(r#"{"action":"ping"}"#, Seat::Nobody);
    assert_eq!(value(out)["op_id"], json!(null));
}

#[test]
fn an_op_id_that_is_none_is_refused() {
    for op_id in ["01", "1e", "nul", "{\"a\"}", "[1,]", "-", "'a'", "\"\\x\""] {
        assert_eq!(error(&format!(r#"{{"action":"ping","op_id":{op_id}}}"#), Seat::User), "Malformed JSON", "{op_id}");
    }
    let long = "a".repeat(OP_ID_MAX_BYTES);
    assert!(error(&json!({"action": "ping", "op_id": long}).to_string(), Seat::User).starts_with("op_id must be"));
}

#[test]
fn what_is_no_request_is_answered_and_costs_nothing() {
    let deep = "[".repeat(64 * 1024);
    let nested = format!("{{\"a\":{}{}}}", "[".repeat(JSON_DEPTH_MAX), "]".repeat(JSON_DEPTH_MAX));
    let cases = [
        ("", "Malformed JSON"),
        ("{", "Malformed JSON"),
        ("hello", "Malformed JSON"),
        ("{\"action\":\"ping\"}x", "Malformed JSON"),
        ("[]", "JSON must be an object"),
        ("\"ping\"", "JSON must be an object"),
        ("null", "JSON must be an object"),
        (&deep, "JSON is nested too deeply"),
        (&nested, "JSON is nested too deeply"),
        ("{}", "action is required"),
        ("{\"type\":\"x\"}", "action is required"),
        ("{\"action\":null}", "action is required"),
        ("{\"action\":1}", "action must be a string"),
        ("{\"action\":\"fly\"}", "Unknown action: fly"),
        ("{\"action\":\"kefu_message_end\",\"data\":[]}", "data must be an object"),
        ("{\"action\":\"kefu_message_end\",\"data\":\"x\"}", "data must be an object"),
        ("{\"action\":\"kefu_message_end\"}", "conversation_id is required"),
        ("{\"action\":\"kefu_message_end\",\"data\":null}", "conversation_id is required"),
    ];
    for (json, expected) in cases {
        assert_eq!(error(json, Seat::User), expected);
    }
}

const ALL_SEATS: [Seat; 4] = [Seat::Nobody, Seat::User, Seat::Visitor, Seat::Agent];

#[test]
fn actions_are_refused_to_those_who_may_not_use_them() {
    let actions = [
        ("kefu_message_send", [false, true, false, true]),
        ("kefu_message_read", [false, true, false, true]),
        ("kefu_message_end", [false, true, false, true]),
        ("kefu_message_sync", [false, true, true, true]),
        ("kefu_message_typing", [false, true, true, true]),
        ("kefu_message_visitor_bind_fd", [true, false, true, false]),
        ("kefu_message_visitor_send", [true, false, true, true]),
        ("kefu_message_visitor_end", [true, false, true, true]),
        ("login", [true, true, true, true]),
    ];
    for (action, allowed) in actions {
        for (seat, allowed) in ALL_SEATS.into_iter().zip(allowed) {
            let text = error(&json!({"action": action, "data": {}}).to_string(), seat);
            let expected = match (allowed, action.contains("visitor")) {
                (true, _) => "is required",
                (false, true) => "Visitor actions are not for a logged-in user",
                (false, false) => "Please login first",
            };
            assert!(text.ends_with(expected), "{action} {seat:?}: {text}");
        }
    }
}

/// A whole request of every action with every field it knows, and the seat it may be said from.
fn whole_requests() -> Vec<(&'static str, Seat, Value)> {
    vec![
        ("login", Seat::Nobody, json!({"token": "t"})),
        (
            "kefu_message_send",
            Seat::Agent,
            json!({"conversation_id": 1, "content": "x", "message_type": 2, "file_url": "http://f", "sender_type": 2,
                "client_msg_id": "c"}),
        ),
        ("kefu_message_read", Seat::User, json!({"conversation_id": 1, "message_ids": [1], "sender_type": 2})),
        ("kefu_message_end", Seat::User, json!({"conversation_id": 1})),
        ("kefu_message_visitor_bind_fd", Seat::Nobody, json!({"bind_key": "v"})),
        (
            "kefu_message_visitor_send",
            Seat::Nobody,
            json!({"visitor_id": "v", "kefu_id": "1", "content": "x", "sender_type": 1, "message_type": 1,
                "client_msg_id": "c"}),
        ),
        ("kefu_message_visitor_end", Seat::Nobody, json!({"visitor_id": "v", "kefu_id": "1", "sender_type": 1})),
        ("kefu_message_sync", Seat::User, json!({"conversation_id": 1, "after_seq": 0, "limit": 10})),
        ("kefu_message_typing", Seat::User, json!({"conversation_id": 1})),
    ]
}

#[test]
fn every_field_of_every_action_with_the_wrong_type_is_named() {
    let wrong = [json!(1.5), json!(true), json!({"a": 1}), json!([[]]), json!([1.5]), json!([{"a": 1}]), json!(["x"])];
    for (action, seat, data) in whole_requests() {
        let whole = json!({"action": action, "data": data}).to_string();
        assert!(
            matches!(decoded(&whole, seat).0, Intent::Login { .. } | Intent::Bind { .. } | Intent::Command { .. }),
            "{whole}"
        );
        for (field, good) in data.as_object().unwrap() {
            let mut wrong = wrong.to_vec();
            if field != "kefu_id" {
                wrong.push(if good.is_string() { json!(1) } else { json!("abc") });
            }
            for wrong in wrong {
                let mut data = data.clone();
                data[field] = wrong;
                let text = error(&json!({"action": action, "data": data}).to_string(), seat);
                assert!(text.starts_with(&format!("{field} must be ")), "{action} {field}: {text}");
            }
        }
    }
}

#[test]
fn every_required_field_is_asked_for() {
    let cases = [
        ("login", "token"),
        ("kefu_message_send", "conversation_id"),
        ("kefu_message_send", "file_url"),
        ("kefu_message_send", "sender_type"),
        ("kefu_message_read", "conversation_id"),
        ("kefu_message_read", "message_ids"),
        ("kefu_message_read", "sender_type"),
        ("kefu_message_end", "conversation_id"),
        ("kefu_message_visitor_bind_fd", "bind_key"),
        ("kefu_message_visitor_send", "visitor_id"),
        ("kefu_message_visitor_send", "kefu_id"),
        ("kefu_message_visitor_send", "content"),
        ("kefu_message_visitor_end", "visitor_id"),
        ("kefu_message_visitor_end", "kefu_id"),
        ("kefu_message_sync", "conversation_id"),
        ("kefu_message_typing", "conversation_id"),
    ];
    let requests = whole_requests();
    for (action, field) in cases {
        let (_, seat, data) = requests.iter().find(|request| request.0 == action).unwrap();
        let mut data = data.clone();
        let mut absences = vec![json!(null)];
        if data[field].is_string() {
            absences.push(json!(""));
        }
        for absent in absences {
            data[field] = absent;
            let text = error(&json!({"action": action, "data": data}).to_string(), *seat);
            assert_eq!(text, format!("{field} is required"), "{action}");
        }
    }
    let empty = r#"{"action":"kefu_message_send","data":{"conversation_id":1,"content":""}}"#;
    assert_eq!(error(empty, Seat::User), "content is required");
    let nothing = r#"{"action":"kefu_message_read","data":{"conversation_id":1,"message_ids":[],"sender_type":2}}"#;
    assert_eq!(error(nothing, Seat::User), "message_ids is required");
}

#[test]
fn an_integer_that_is_no_id_is_not_found() {
    for id in ["0", "-1", "1e30", "9007199254740992", "1152921504606846976", "\"0\"", "\"-7\""] {
        let end =
            format!(r#"{{"action":"kefu_message_end","data":{{"conversation_id":{id}}},"op_id":"unique_op_id"}}"#);
        assert_golden(&value(decoded(&end, Seat::User).1), "end_error_not_found", &[]);
        let send = format!(r#"{{"action":"kefu_message_send","data":{{"conversation_id":{id},"content":"x"}}}}"#);
        assert_eq!(error(&send, Seat::User), "Conversation not found or no permission");
    }
    let last = format!(r#"{{"action":"kefu_message_end","data":{{"conversation_id":"{}"}}}}"#, ID_END - 1);
    assert!(matches!(command(&last, Seat::User).0, Command::End { .. }));
    let read =
        r#"{"action":"kefu_message_read","data":{"conversation_id":"1","message_ids":["5",0,-1],"sender_type":1}}"#;
    let expected =
        Command::MarkRead { conversation: conversation(), messages: vec![message_id(5)], of: Side::Customer };
    assert_eq!(command(read, Seat::Agent).0, expected);
}

#[test]
fn agents_are_named_by_id_code_or_left_to_the_desk() {
    let named = |reference| Some(AgentChoice::Named(reference));
    let cases = [
        (json!("1"), named(AgentRef::Id(agent()))),
        (json!(1), named(AgentRef::Id(agent()))),
        (json!("0"), Some(AgentChoice::Auto)),
        (json!(0), Some(AgentChoice::Auto)),
        (json!("auto"), Some(AgentChoice::Auto)),
        (json!("cs_01"), named(AgentRef::Code(AgentCode::new("cs_01").unwrap()))),
        (json!("-1"), None),
        (json!(-1), None),
        (json!("4503599627370496"), None),
        (json!("a".repeat(65)), None),
    ];
    for (kefu_id, expected) in cases {
        let data = json!({"visitor_id": "visitor_123456", "kefu_id": kefu_id});
        let end = json!({"action": "kefu_message_visitor_end", "data": data}).to_string();
        match expected {
            Some(agent) => {
                let expected = Command::EndPair { visitor: visitor(), agent };
                assert_eq!(command(&end, Seat::Nobody).0, expected, "{end}");
            }
            None => assert_eq!(error(&end, Seat::Nobody), "kefu_id not found", "{end}"),
        }
    }
}

#[test]
fn sender_type_is_an_agents_word_and_not_a_users() {
    let send = |sender_type: u8| client::send(1, "x", with_sender(sender_type), &json!(1));
    assert!(matches!(command(&send(2), Seat::User).0, Command::Send { .. }), "a user's own is ignored");
    assert!(matches!(command(&send(9), Seat::User).0, Command::Send { .. }), "a user's own is ignored");
    assert!(matches!(command(&send(2), Seat::Agent).0, Command::Send { .. }));
    assert_eq!(error(&send(1), Seat::Agent), "sender_type must be 2 for an agent");
    let visitor_send = |sender_type| client::visitor_send("v", "1", "x", with_sender(sender_type), &json!(1));
    assert!(matches!(command(&visitor_send(2), Seat::Agent).0, Command::Send { .. }));
    assert!(matches!(command(&visitor_send(1), Seat::Visitor).0, Command::Send { .. }));
    assert_eq!(error(&visitor_send(2), Seat::Nobody), "sender_type must be 1 for a visitor");
    assert_eq!(error(&client::visitor_end("v", "1", None, &json!(1)), Seat::Agent), "sender_type is required");
}

fn with_sender(sender_type: u8) -> client::SendOptions<'static> {
    client::SendOptions { sender_type: Some(sender_type), ..Default::default() }
}

#[test]
fn limits_are_kept_and_named() {
    let over = [
        (Seat::Nobody, client::visitor_bind(&"客".repeat(129), &json!(1)), "bind_key must be 1 to 128"),
        (
            Seat::User,
            client::read(1, &(1..=READ_IDS_MAX as u64 + 1).collect::<Vec<_>>(), 2, &json!(1)),
            "message_ids must be a list of at most 1000",
        ),
        (Seat::User, send_with(&"c".repeat(65), None), "client_msg_id must be 1 to 64"),
        (Seat::User, send_with("", None), "client_msg_id must be 1 to 64"),
        (Seat::User, send_with("c", Some(&"u".repeat(URL_MAX_BYTES + 1))), "file_url must be at most 2048 bytes"),
        (Seat::User, client::sync(1, 0, 0, &json!(1)), "limit must be an integer of at least 1"),
    ];
    for (seat, request, expected) in over {
        assert!(error(&request, seat).starts_with(expected), "{expected}");
    }
    let picture = r#"{"action":"kefu_message_visitor_send","data":{"visitor_id":"v","kefu_id":"1","content":"x","message_type":2}}"#;
    assert!(error(picture, Seat::Nobody).contains("text messages only"));
}

fn send_with(client_msg_id: &str, file_url: Option<&str>) -> String {
    let options = client::SendOptions {
        message_type: file_url.map(|_| 2),
        client_msg_id: Some(client_msg_id),
        file_url,
        ..Default::default()
    };
    client::send(1, "x", options, &json!(1))
}

#[test]
fn an_extension_opts_in() {
    let (command_sent, _, extension) = command(&send_with("c1", None), Seat::User);
    assert!(extension);
    let Command::Send { draft, .. } = command_sent else { panic!() };
    assert_eq!(draft.client_msg_id, ClientMsgId::new("c1").ok());
    let (sync, _, extension) = command(&client::sync(1, 5, 1000, &json!(1)), Seat::Visitor);
    assert!(extension);
    assert_eq!(sync, Command::Sync { conversation: conversation(), after: Seq::new(5), limit: 100 });
    assert!(command(&client::typing(1, &json!(1)), Seat::User).2);
    assert!(!command(golden("send_request"), Seat::User).2);
}

#[test]
fn extension_pushes_go_only_to_those_who_opted_in() {
    let events = [
        Event::Assigned { former: None, scene: user_scene(), code: None, at: TEN },
        Event::Read { scene: user_scene(), of: Side::Agent, messages: vec![message_id(3)], at: TEN },
        Event::Typing { scene: visitor_scene(), by: Side::Agent, at: TEN },
        Event::Assigned { former: None, scene: visitor_scene(), code: None, at: TEN },
    ];
    let number = (1_u64 << 52) + 4096;
    let expected = [
        json!({"type": "push_message", "action": "kefu_message_assigned", "conversation_id": 1, "kefu_id": 1,
            "user_id": 100, "timestamp": TEN.as_secs()}),
        json!({"type": "push_message", "action": "kefu_message_read", "conversation_id": 1, "message_ids": [3],
            "sender_type": 2, "from_uid": 100, "to_uid": 1, "timestamp": TEN.as_secs()}),
        json!({"type": "push_message", "action": "kefu_message_typing", "conversation_id": 1,
            "visitor_id": "visitor_123456", "sender_type": 2, "from_uid": 1, "to_uid": number,
            "timestamp": TEN.as_secs()}),
        json!({"type": "push_message", "action": "kefu_message_assigned", "conversation_id": 1, "kefu_id": 1,
            "visitor_id": "visitor_123456", "timestamp": TEN.as_secs()}),
    ];
    for (event, expected) in events.iter().zip(expected) {
        assert_eq!(pushed(event, false), None);
        assert_eq!(pushed(event, true), Some(expected));
    }
}

#[test]
fn a_conversation_without_an_agent_is_told_of() {
    let alone = |scene: Scene| Scene { agent: None, ..scene };
    let question = message(5, Side::Customer, 100, "?");
    let event = Event::Message { scene: alone(user_scene()), message: question.clone(), author: None };
    assert_eq!(pushed(&event, false).unwrap()["to_uid"], json!(null));
    let event = Event::Message { scene: alone(visitor_scene()), message: question, author: None };
    assert_eq!(pushed(&event, false).unwrap()["kefu_id"], json!("0"));
    let event = Event::Ended { scene: alone(user_scene()), by: Side::Customer, at: TEN };
    assert_eq!(pushed(&event, false).unwrap()["to_uid"], json!([100]));
}

#[test]
fn a_sync_is_answered_with_what_was_missed_or_the_gap() {
    let sync = client::sync(1, 6, 10, &json!("s"));
    let messages = vec![message(9, Side::Customer, 100, "x")];
    let answer = Answer::Synced { messages, next_seq: Seq::new(7), complete: true };
    let got = answered(&sync, Seat::User, Ok(&answer));
    assert_eq!(got["data"]["messages"][0]["seq"], json!(7));
    assert_eq!((&got["data"]["next_seq"], &got["data"]["complete"]), (&json!(7), &json!(true)));
    let gap = answered(&sync, Seat::User, Err(&Refusal::Gap { newest: Seq::new(4) }));
    let expected = json!({"success": false, "message": "after_seq is beyond the newest message",
        "data": {"newest_seq": 4}, "op_id": "s"});
    assert_eq!(gap, expected);
}

#[test]
fn every_refusal_is_told_on_both_ways() {
    let cases = [
        (Refusal::NotFound(Noun::Conversation), 404),
        (Refusal::NotFound(Noun::Agent), 404),
        (Refusal::NotFound(Noun::Message), 404),
        (Refusal::Forbidden, 403),
        (Refusal::LoginRequired, 401),
        (Refusal::OtherParty, 403),
        (Refusal::Ended, 400),
        (Refusal::TextOnly, 400),
        (Refusal::Taken("cs_id"), 400),
        (Refusal::AgentHasConversations, 400),
        (Refusal::Gap { newest: Seq::ZERO }, 400),
        (Refusal::Busy("queue"), 429),
    ];
    for (refusal, status) in cases {
        let reply = encode::answered(Err(&refusal), &Settings::default());
        let body = value(&reply.body);
        assert_eq!((reply.status, &body["code"], &body["data"]), (status, &json!(status), &json!(null)));
        assert!(!body["message"].as_str().unwrap().is_empty());
        let got = answered(golden("send_request"), Seat::User, Err(&refusal));
        assert_eq!((&got["success"], &got["op_id"]), (&json!(false), &json!("unique_op_id")));
    }
}

fn listed(query: &'static str) -> Result<Command, Rejection> {
    decode::list(&move |name| {
        let pair = query.split('&').filter_map(|pair| pair.split_once('=')).find(|pair| pair.0 == name);
        pair.map(|pair| Cow::from(pair.1))
    })
}

#[test]
fn list_takes_the_guides_parameters_and_names_wrong_ones() {
    let history = |window| Ok(Command::History { conversation: conversation(), window });
    let page = |page, size| history(Window::Page { page, size });
    assert_eq!(listed("conversation_id=1"), page(1, 10));
    assert_eq!(listed("conversation_id=1&page=2&page_size=20"), page(2, 20));
    assert_eq!(listed("conversation_id=1&page_size=1000000000"), page(1, 100));
    assert_eq!(listed("conversation_id=1&page_size=99999999999999999999"), page(1, 100));
    assert_eq!(listed("conversation_id=1&page=99999999999999999999"), page(ID_END, 10));
    let after = history(Window::AfterSeq { seq: Seq::new(4), limit: 10 });
    assert_eq!(listed("conversation_id=1&after_seq=4"), after);
    let after = history(Window::AfterMessage { message: message_id(4), limit: 50 });
    assert_eq!(listed("conversation_id=1&after=4&page_size=50"), after);
    for (query, text, status) in [
        ("", "conversation_id is required", 400),
        ("conversation_id=abc", "conversation_id must be an integer", 400),
        ("conversation_id=1&page=0", "page must be an integer of at least 1", 400),
        ("conversation_id=1&page_size=0", "page_size must be an integer of at least 1", 400),
        ("conversation_id=1&page_size=-1", "page_size must be an integer of at least 1", 400),
        ("conversation_id=1&page=x", "page must be an integer of at least 1", 400),
        ("conversation_id=1&after_seq=x", "after_seq must be an integer of at least 0", 400),
        ("conversation_id=0", "Conversation not found or no permission", 404),
        ("conversation_id=1152921504606846976", "Conversation not found or no permission", 404),
    ] {
        let reply = encode::rejected(&listed(query).unwrap_err());
        let body = value(&reply.body);
        assert_eq!((reply.status, body["message"].as_str()), (status, Some(text)), "{query}");
    }
    assert_eq!(decode::get_conversation(&|_| None), Ok(Command::Open { user: None, agent: None, group: None }));
}

proptest! {
    #[test]
    fn decoding_never_panics_on_arbitrary_bytes(
        bytes in prop::collection::vec(any::<u8>(), 0..300), seat in prop::sample::select(&ALL_SEATS[..])
    ) {
        let (intent, out) = decoded_bytes(&bytes, seat);
        prop_assert!(!matches!(intent, Intent::Answered | Intent::Mistaken(_)) || !out.is_empty());
    }

    #[test]
    fn decoding_never_panics_on_bytes_that_look_like_json(
        text in r#"[\[\]{}:,"\\a-c0-9 .eE+\-]{0,60}"#, seat in prop::sample::select(&ALL_SEATS[..])
    ) {
        let request = format!(r#"{{"action":"ping","op_id":{text}}}"#);
        let (_, out) = decoded(&request, seat);
        let _: Box<serde_json::value::RawValue> = serde_json::from_slice(&out).expect("always JSON");
        decoded(&text, seat);
    }

    #[test]
    fn any_json_in_any_field_is_answered_or_understood(
        index in 0..9_usize, field in 0..6_usize, wrong in any_json(), seat in prop::sample::select(&ALL_SEATS[..])
    ) {
        let (action, _, mut data) = whole_requests().swap_remove(index);
        let name = data.as_object().unwrap().keys().cycle().nth(field).unwrap().clone();
        data[&name] = wrong.clone();
        let request = json!({"action": action, "data": data, "op_id": wrong}).to_string();
        let (intent, out) = decoded(&request, seat);
        prop_assert_ne!(&intent, &Intent::Answered);
        if matches!(intent, Intent::Mistaken(_)) {
            let answer = value(&out);
            prop_assert_eq!(&answer["success"], &json!(false));
            if !answer["message"].as_str().unwrap().starts_with("op_id") {
                prop_assert_eq!(&answer["op_id"], &wrong);
            }
        }
    }

    #[test]
    fn what_is_encoded_is_heard_the_same(
        content in any::<String>(), url in prop::option::of(any::<String>()), seq in 0..ID_END, secs in 0..4_000_000_000_u64,
        of_visitor in any::<bool>(), by_agent in any::<bool>()
    ) {
        let side = if by_agent { Side::Agent } else { Side::Customer };
        let mut said = message(123, side, 1, &content);
        said.body.file_url = url.clone();
        said.seq = Seq::new(seq);
        said.created_at = Timestamp::from_millis(secs * 1000);
        let scene = if of_visitor { visitor_scene() } else { user_scene() };
        let mut out = Vec::new();
        encode::event(&Event::Message { scene, message: said, author: None }, false, &Settings::default(), &mut out);
        let heard = client::hear(std::str::from_utf8(&out).unwrap()).unwrap();
        match heard {
            Heard::Push(client::Push::Message { content: got, file_url, seq: got_seq, timestamp, .. }) => {
                prop_assert_eq!((got, file_url, got_seq, timestamp), (content, url, Some(seq), secs));
            }
            Heard::Push(client::Push::VisitorMessage { content: got, seq: got_seq, timestamp, .. }) => {
                prop_assert_eq!((got, got_seq, timestamp), (content, Some(seq), secs));
            }
            other => prop_assert!(false, "{:?}", other),
        }
    }

    #[test]
    fn what_a_client_sends_is_what_is_understood(
        id in 1..ID_END, content in "(?s).{1,40}", client_msg_id in "[a-z]{1,64}", op_id in any_json()
    ) {
        let options = client::SendOptions { client_msg_id: Some(&client_msg_id), ..Default::default() };
        let request = client::send(id, &content, options, &op_id);
        let (got, context, extension) = command(&request, Seat::User);
        let draft = Draft { body: text(&content), client_msg_id: ClientMsgId::new(&client_msg_id).ok() };
        let target = Target::Conversation(ConversationId::from_wire(id).unwrap());
        prop_assert_eq!(got, Command::Send { target, draft });
        prop_assert!(extension);
        let mut out = Vec::new();
        encode::answer(&context, Ok(&Answer::Sent(sent())), &Settings::default(), &mut out);
        match client::hear(std::str::from_utf8(&out).unwrap()).unwrap() {
            Heard::Answer { success, op_id: got, .. } => prop_assert_eq!((success, got), (true, op_id)),
            other => prop_assert!(false, "{:?}", other),
        }
    }
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        // Eighths: the test's own parser does not round every last digit right.
        any::<i32>().prop_map(|eighths| Value::from(f64::from(eighths) / 8.0)),
        any::<String>().prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 12, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map("[a-z]{0,3}", inner, 0..4).prop_map(|map| json!(map)),
        ]
    })
}
