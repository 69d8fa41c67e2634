//! `/api/v1/agents` against guide 1 (1.2), issue 3 and dialects.md: goldens, wrong types, limits, refusals;
//! `frames` tries the WebSocket, conversations and messages.

mod frames;

use std::borrow::Cow;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::{decode, encode};
use crate::dialect::{Rejection, Scratch};
use crate::model::*;

const CREATE: &str = include_str!("fixtures/create_request.json");

fn value(json: impl AsRef<[u8]>) -> Value {
    serde_json::from_slice(json.as_ref()).expect("JSON")
}

fn create(body: &str) -> Result<Command, Rejection> {
    decode::create(&mut body.as_bytes().to_vec(), &mut Scratch::default())
}

fn update(id: &str, body: &str) -> Result<Command, Rejection> {
    decode::update(id, &mut body.as_bytes().to_vec(), &mut Scratch::default())
}

fn created(body: &str) -> AgentDraft {
    match create(body) {
        Ok(Command::CreateAgent(draft)) => *draft,
        other => panic!("{body}: {other:?}"),
    }
}

/// The text and status that a rejected request is answered with.
fn rejected(result: Result<Command, Rejection>) -> (u16, String) {
    let reply = encode::rejected(&result.expect_err("rejected"));
    let body = value(reply.body);
    assert_eq!((&body["code"], &body["data"]), (&json!(reply.status), &json!(null)));
    (reply.status, body["message"].as_str().unwrap().to_owned())
}

fn agent() -> AgentId {
    AgentId::new(1).unwrap()
}

fn view() -> AgentView {
    AgentView {
        profile: AgentProfile {
            id: agent(),
            code: AgentCode::new("cs_01").unwrap(),
            name: "小李".to_owned(),
            avatar: Some("https://example.com/li.png".to_owned()),
            max_concurrent: 5,
            groups: vec![Group::default(), Group::new("vip").unwrap()],
            skills: vec!["english".to_owned()],
            accept: None,
            status: None,
        },
        status: AgentStatus::Online,
        accept: Accept::Auto,
        current_concurrent: 2,
    }
}

#[test]
fn a_whole_request_is_understood() {
    let draft = created(CREATE);
    assert_eq!((draft.id, draft.code), (Some(agent()), AgentCode::new("cs_01").ok()));
    let expected = AgentChange {
        name: Some("小李".to_owned()),
        avatar: Some(Some("https://example.com/li.png".to_owned())),
        max_concurrent: Some(5),
        groups: Some(vec![Group::default(), Group::new("vip").unwrap()]),
        skills: Some(vec!["english".to_owned()]),
        accept: Some(Some(Accept::Auto)),
        status: Some(AgentStatus::Online),
    };
    assert_eq!(draft.rest, expected);
    assert_eq!(update("1", CREATE), Ok(Command::UpdateAgent(AgentRef::Id(agent()), Box::new(expected))));
}

#[test]
fn absent_fields_stay_and_null_clears_where_it_can() {
    assert_eq!(created("{}"), AgentDraft::default());
    assert_eq!(created(r#"{"unknown":[1],"name":null,"groups":null}"#), AgentDraft::default());
    let change = created(r#"{"avatar":null,"accept":null}"#).rest;
    assert_eq!((change.avatar, change.accept), (Some(None), Some(None)));
}

#[test]
fn answers_come_as_the_fixtures_stand() {
    let one = encode::answered(Ok(&Answer::Agent(Box::new(view()))));
    assert_eq!((one.status, value(one.body)), (200, value(include_str!("fixtures/agent_answer.json"))));
    let page = |more| value(encode::answered(Ok(&Answer::Agents { agents: vec![view()], more })).body);
    assert_eq!(page(true), value(include_str!("fixtures/list_answer.json")));
    assert_eq!(page(false)["data"]["next_cursor"], json!(null));
    let missing = encode::answered(Err(&Refusal::NotFound(Noun::Agent)));
    assert_eq!((missing.status, value(missing.body)), (404, value(include_str!("fixtures/error_answer.json"))));
    let deleted = encode::answered(Ok(&Answer::AgentDeleted));
    assert_eq!(value(deleted.body), json!({"code": 200, "message": "success", "data": null}));
}

#[test]
fn what_get_shows_may_be_sent_back() {
    let shown = value(include_str!("fixtures/agent_answer.json"))["data"].to_string();
    let Ok(Command::UpdateAgent(_, change)) = update("cs_01", &shown) else { panic!("refused") };
    assert_eq!((change.name.as_deref(), change.max_concurrent), (Some("小李"), Some(5)));
}

#[test]
fn every_field_of_the_wrong_type_is_named() {
    let whole = value(CREATE);
    for (field, good) in whole.as_object().unwrap() {
        let mut wrongs = vec![json!(true), json!({"a": 1}), json!([1]), json!([["x"]]), json!(-1.5)];
        wrongs.push(if good.is_string() { json!(1) } else { json!("abc") });
        for wrong in wrongs {
            let mut body = whole.clone();
            body[field] = wrong;
            let (status, text) = rejected(create(&body.to_string()));
            assert_eq!(status, 400);
            assert!(text.starts_with(&format!("{field} must be ")), "{field}: {text}");
        }
    }
}

#[test]
fn limits_are_kept_and_named() {
    let many: Vec<String> = (0..65).map(|number| format!("g{number}")).collect();
    for (field, wrong) in [
        ("id", json!(0)),
        ("id", json!(1_u64 << 52)),
        ("cs_id", json!("")),
        ("cs_id", json!("auto")),
        ("cs_id", json!("c".repeat(65))),
        ("name", json!("")),
        ("name", json!("n".repeat(129))),
        ("name", json!("a\nb")),
        ("avatar", json!("u".repeat(2049))),
        ("max_concurrent", json!(10_001)),
        ("max_concurrent", json!(1_u64 << 40)),
        ("groups", json!([])),
        ("groups", json!([""])),
        ("groups", json!(many)),
        ("skills", json!(many)),
        ("accept", json!("never")),
        ("status", json!("asleep")),
    ] {
        let (status, text) = rejected(create(&json!({ field: wrong }).to_string()));
        assert_eq!(status, 400);
        assert!(text.starts_with(&format!("{field} must be ")), "{field}: {text}");
    }
    assert_eq!(created(r#"{"max_concurrent":0}"#).rest.max_concurrent, Some(0));
}

#[test]
fn a_code_that_is_a_number_is_the_id() {
    let id = AgentId::new(1001).ok();
    assert_eq!(created(r#"{"cs_id":"1001"}"#).id, id);
    assert_eq!(created(r#"{"id":1001,"cs_id":"1001"}"#).id, id);
    for body in [r#"{"id":1,"cs_id":"1001"}"#, r#"{"cs_id":"01001"}"#, r#"{"cs_id":"0"}"#, r#"{"cs_id":"-5"}"#] {
        assert!(rejected(create(body)).1.starts_with("cs_id must be"), "{body}");
    }
}

#[test]
fn a_path_names_an_agent_by_id_or_code() {
    assert_eq!(decode::get("1"), Ok(Command::GetAgent(AgentRef::Id(agent()))));
    let code = AgentRef::Code(AgentCode::new("cs_01").unwrap());
    assert_eq!(decode::delete("cs_01"), Ok(Command::DeleteAgent(code)));
    for none in ["", "0", "-1", "4503599627370496", &"x".repeat(65)] {
        assert_eq!(rejected(decode::get(none)), (404, "agent not found".to_owned()), "{none}");
    }
}

fn listed(query: &'static str) -> Result<Command, Rejection> {
    decode::list(&move |name| {
        let pair = query.split('&').filter_map(|pair| pair.split_once('=')).find(|pair| pair.0 == name);
        pair.map(|pair| Cow::from(pair.1))
    })
}

#[test]
fn lists_page_by_cursor() {
    let page = |after, limit| Ok(Command::ListAgents { after, limit });
    assert_eq!(listed(""), page(None, 20));
    assert_eq!(listed("limit=1000000000000"), page(None, 100));
    assert_eq!(listed("cursor=1&limit=5"), page(Some(agent()), 5));
    assert_eq!(rejected(listed("limit=0")).1, "limit must be an integer of at least 1");
    assert_eq!(rejected(listed("limit=x")).1, "limit must be an integer of at least 1");
    assert_eq!(rejected(listed("cursor=x")).1, "cursor must be a next_cursor of this list");
}

#[test]
fn what_is_no_object_is_rejected() {
    assert_eq!(rejected(create("")), (400, "Malformed JSON".to_owned()));
    assert_eq!(rejected(create("[1]")), (400, "JSON must be an object".to_owned()));
    assert_eq!(rejected(create(&"[".repeat(65_536))), (400, "JSON is nested too deeply".to_owned()));
}

#[test]
fn every_refusal_has_its_status() {
    for (refusal, status) in [
        (Refusal::NotFound(Noun::Agent), 404),
        (Refusal::NotFound(Noun::Conversation), 404),
        (Refusal::NotFound(Noun::Message), 404),
        (Refusal::Forbidden, 403),
        (Refusal::OtherParty, 403),
        (Refusal::LoginRequired, 401),
        (Refusal::Ended, 409),
        (Refusal::TextOnly, 400),
        (Refusal::Taken("cs_id"), 409),
        (Refusal::AgentHasConversations, 409),
        (Refusal::Gap { newest: Seq::ZERO }, 409),
        (Refusal::Busy("desk"), 429),
    ] {
        let reply = encode::answered(Err(&refusal));
        assert_eq!((reply.status, &value(&reply.body)["code"]), (status, &json!(status)), "{refusal}");
    }
}

proptest! {
    #[test]
    fn decoding_never_panics(bytes in prop::collection::vec(any::<u8>(), 0..200), id in any::<String>()) {
        let mut scratch = Scratch::default();
        let _ = decode::create(&mut bytes.clone(), &mut scratch);
        let _ = decode::update(&id, &mut bytes.clone(), &mut scratch);
        let _ = decode::delete(&id);
        let query = String::from_utf8_lossy(&bytes).into_owned();
        let _ = decode::list(&|_| Some(Cow::from(query.as_str())));
    }
}
