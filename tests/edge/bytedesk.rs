//! Bad input on bytedesk's surfaces: each with the answer it gets; the connection stays, others are served.

use serde_json::{Value, json};

use crate::harness::rest::try_raw_body;
use crate::harness::{Server, Setup};

/// What is wrong with `data` of a send, field by field.
fn sends() -> Vec<(Value, u64, &'static str)> {
    let with = |name: &str, value: Value| {
        let mut data = json!({"from": "100", "to": "auto", "content": "x", "timestamp": 1});
        data[name] = value;
        data
    };
    vec![
        (json!({"from": "100", "content": "x"}), 400, "to is required"),
        (with("to", json!({})), 400, "to must be a party's id"),
        (with("to", json!("-1")), 400, "to must be a party's id"),
        (with("to", json!("nobody")), 404, "agent not found"),
        (with("to", json!("4503599627370497")), 404, "agent not found"),
        (with("from", json!("101")), 403, "from is not the party of the token"),
        (with("from", json!("cs_1")), 403, "from is not the party of the token"),
        (with("from", json!([])), 400, "from must be a party's id"),
        (with("content", json!("")), 400, "content is required"),
        (with("content", json!(5)), 400, "content must be a string"),
        (with("content", json!(null)), 400, "content is required"),
        (with("type", json!("video")), 400, "type must be"),
        (with("type", json!("image")), 400, "file_url is required"),
        (with("file_url", json!(5)), 400, "file_url must be a string"),
        (with("conversation_id", json!("xxx")), 404, "conversation not found"),
        (with("conversation_id", json!("0")), 404, "conversation not found"),
        (with("conversation_id", json!(4096)), 404, "conversation not found"),
        (with("conversation_id", json!({})), 400, "conversation_id must be"),
        (with("client_msg_id", json!("")), 400, "client_msg_id must be"),
        (with("client_msg_id", json!("x".repeat(65))), 400, "client_msg_id must be"),
        (with("client_msg_id", json!(7)), 400, "client_msg_id must be"),
    ]
}

#[test]
fn bad_messages() {
    let server = Setup::shards(2).start();
    let mut user = server.desk_user(100, "");
    let deep = format!("{{\"type\":{}1{}}}", "[".repeat(40), "]".repeat(40));
    let about = |action: &str, data: Value| json!({"type": "message", "action": action, "data": data}).to_string();
    let mut table: Vec<(String, u64, &str)> = vec![
        ("{".into(), 400, "Malformed JSON"),
        ("[]".into(), 400, "JSON must be an object"),
        (deep, 400, "JSON is nested too deeply"),
        ("{}".into(), 400, "type is required"),
        (r#"{"type":1}"#.into(), 400, "type must be a string"),
        (r#"{"type":"login"}"#.into(), 400, "type must be"),
        (r#"{"type":"message"}"#.into(), 400, "action is required"),
        (r#"{"type":"message","action":"shout"}"#.into(), 400, "action must be"),
        (r#"{"type":"event","action":"send"}"#.into(), 400, "action must be"),
        (r#"{"type":"message","action":"send","data":5}"#.into(), 400, "data must be an object"),
        (r#"{"type":"event","action":"status_change","data":{"status":"asleep"}}"#.into(), 400, "status must be"),
        (r#"{"type":"event","action":"status_change","data":{"status":"busy"}}"#.into(), 403, "not allowed"),
        (about("sync", json!({})), 400, "conversation_id is required"),
        (about("sync", json!({"conversation_id": 4096, "after_seq": -1})), 400, "after_seq must be"),
        (about("sync", json!({"conversation_id": 4096, "limit": 0})), 400, "limit must be"),
        (about("sync", json!({"conversation_id": 4096})), 404, "conversation not found"),
        (about("read", json!({"conversation_id": 4096})), 400, "message_ids is required"),
        (about("read", json!({"conversation_id": 4096, "message_ids": ["a"]})), 400, "message_ids must be"),
        (about("typing", json!({"conversation_id": "4096"})), 404, "conversation not found"),
        (about("end", json!({"conversation_id": "4096"})), 404, "conversation not found"),
    ];
    table.extend(sends().into_iter().map(|(data, code, what)| (about("send", data), code, what)));
    for (text, code, what) in table {
        user.text(&text);
        let heard = user.heard();
        let said = heard["message"].as_str().unwrap_or_default();
        let is_error = heard["type"] == "error" && heard["code"] == code;
        assert!(is_error && said.starts_with(what), "{}: {heard}", text.chars().take(120).collect::<String>());
    }
    user.assert_quiet();
    server.assert_healthy("bad messages");
}

#[test]
fn bad_requests() {
    let server = Setup::shards(2).start();
    let id = server.conversation_id(100);
    let conversation = format!("/api/v1/conversations/{id}");
    let conversation = conversation.as_str();
    let (user, admin) = (server.token("user", 100), server.token("admin", 1));
    let table: Vec<(&str, &str, String, &str, u64, &str)> = vec![
        ("GET", "/api/v1/conversations?limit=0", String::new(), &user, 400, "limit must be"),
        ("GET", "/api/v1/conversations?limit=x", String::new(), &user, 400, "limit must be"),
        ("GET", "/api/v1/conversations?cursor=x", String::new(), &user, 400, "cursor must be"),
        ("GET", "/api/v1/conversations?status=gone", String::new(), &user, 400, "status must be"),
        ("GET", "/api/v1/messages", String::new(), &user, 400, "conversation_id is required"),
        ("GET", "/api/v1/messages?conversation_id=xxx", String::new(), &user, 404, "conversation not found"),
        ("GET", "/api/v1/messages/xxx", String::new(), &user, 404, "message not found"),
        ("GET", "/api/v1/conversations/xxx", String::new(), &user, 404, "conversation not found"),
        ("POST", "/api/v1/conversations", "{".into(), &user, 400, "Malformed JSON"),
        ("POST", "/api/v1/conversations", "[]".into(), &user, 400, "JSON must be an object"),
        ("POST", "/api/v1/conversations", r#"{"user_id":"x"}"#.into(), &user, 400, "user_id must be"),
        ("POST", "/api/v1/conversations", r#"{"user_id":101}"#.into(), &user, 403, "not allowed"),
        ("POST", "/api/v1/conversations", r#"{"agent_id":{}}"#.into(), &user, 400, "agent_id must be"),
        ("POST", "/api/v1/conversations", r#"{"group_id":5}"#.into(), &user, 400, "group_id must be"),
        ("POST", "/api/v1/conversations", "{}".into(), &admin, 400, "user_id is required"),
        ("PUT", conversation, "{}".into(), &user, 400, "status is required"),
        ("PUT", conversation, r#"{"status":"active"}"#.into(), &user, 400, "status must be \"closed\""),
        ("PUT", conversation, r#"{"status":"closed","agent_id":1}"#.into(), &user, 400, "status must be the only"),
        ("PUT", conversation, r#"{"agent_id":1,"group_id":"a"}"#.into(), &admin, 400, "agent_id must be the only"),
        ("PUT", conversation, r#"{"agent_id":1}"#.into(), &admin, 404, "agent not found"),
        ("PUT", conversation, r#"{"group_id":"a"}"#.into(), &user, 403, "not allowed"),
        ("PUT", "/api/v1/messages/4096", "{}".into(), &user, 400, "content is required"),
        ("PUT", "/api/v1/messages/4096", r#"{"content":"x"}"#.into(), &user, 404, "message not found"),
        ("DELETE", "/api/v1/messages/4096", String::new(), &user, 404, "message not found"),
        ("POST", "/api/v1/messages", r#"{"content":"x"}"#.into(), &user, 400, "to is required"),
    ];
    for (method, path, body, token, status, what) in &table {
        answered(&server, (method, path, body), Some(token), (*status, what));
    }
    for (method, path) in [("GET", "/api/v1/conversations"), ("DELETE", conversation), ("GET", "/api/v1/messages/1")] {
        answered(&server, (method, path, ""), None, (401, "a token is required"));
        answered(&server, (method, path, ""), Some("xxx"), (401, ""));
    }
    server.assert_healthy("bad requests");
}

#[track_caller]
fn answered(server: &Server, (method, path, body): (&str, &str, &str), token: Option<&str>, expected: (u64, &str)) {
    let reply = try_raw_body(server.address, method, path, token, body).expect("an answer");
    let json = reply.json();
    let said = json["message"].as_str().unwrap_or_default();
    assert_eq!(
        (u64::from(reply.status), &json["code"]),
        (expected.0, &json!(expected.0)),
        "{method} {path} {body}: {json}"
    );
    assert!(said.starts_with(expected.1), "{method} {path} {body}: {json}");
}
