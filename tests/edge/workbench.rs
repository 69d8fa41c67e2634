//! Bad input to the workbench (guide 4): each call and each message with the answer it gets.

use serde_json::{Value, json};

use crate::harness::{Bench, Server, Setup, Tab, rest};

/// A server with a session that waits.
fn server() -> (Server, u64) {
    let server = Setup::shards(2).start();
    server.make_agent(7, json!({"cs_id": "cs_001"}));
    let id = server.conversation_id(100);
    (server, id)
}

#[test]
fn calls_that_are_wrong() {
    let (server, id) = server();
    let bench = Bench::open(&server);
    let long = "x".repeat(65);
    let path = |rest: &str| format!("/api/sessions/{id}{rest}");
    let none = id + 4096 * 1000;
    let cases: Vec<(&str, String, Option<Value>, u16, &str)> = vec![
        ("GET", "/api/sessions?status=active".into(), None, 400, "status"),
        ("GET", "/api/sessions?status=PENDING".into(), None, 400, "status"),
        ("GET", "/api/sessions?channelType=line".into(), None, 400, "channelType"),
        ("GET", format!("/api/sessions?csId={long}"), None, 400, "csId"),
        ("GET", "/api/sessions?limit=0".into(), None, 400, "limit"),
        ("GET", "/api/sessions?limit=x".into(), None, 400, "limit"),
        ("GET", "/api/sessions?cursor=x".into(), None, 400, "cursor"),
        ("GET", format!("/api/sessions/{none}"), None, 404, "会话不存在"),
        ("GET", "/api/sessions/session_001".into(), None, 404, "会话不存在"),
        ("GET", format!("/api/sessions/{long}"), None, 400, "sessionId"),
        ("GET", format!("/api/sessions/{none}/history"), None, 404, "会话不存在"),
        ("GET", path("/history?limit=-1"), None, 400, "limit"),
        ("GET", path("/history?page=0"), None, 400, "page"),
        ("GET", path("/history?after_seq=x"), None, 400, "after_seq"),
        ("GET", path("/history?after_seq=7"), None, 400, "after_seq"),
        ("POST", path("/accept"), None, 400, "Malformed JSON"),
        ("POST", path("/accept"), Some(json!([])), 400, "JSON must be an object"),
        ("POST", path("/accept"), Some(json!({})), 400, "客服ID不能为空"),
        ("POST", path("/accept"), Some(json!({"csId": ""})), 400, "客服ID不能为空"),
        ("POST", path("/accept"), Some(json!({"csId": 7})), 400, "csId"),
        ("POST", path("/accept"), Some(json!({"csId": long})), 400, "csId"),
        ("POST", path("/accept"), Some(json!({"csId": "nobody"})), 404, "客服不存在"),
        ("POST", format!("/api/sessions/{none}/accept"), Some(json!({"csId": "cs_001"})), 404, "会话不存在"),
        ("POST", path("/message"), None, 400, "Malformed JSON"),
        ("POST", path("/message"), Some(json!({})), 400, "消息内容不能为空"),
        ("POST", path("/message"), Some(json!({"content": null})), 400, "消息内容不能为空"),
        ("POST", path("/message"), Some(json!({"content": {}})), 400, "content"),
        ("POST", path("/message"), Some(json!({"content": "字".repeat(4097)})), 400, "content"),
        ("POST", path("/message"), Some(json!({"content": "x", "msgType": "event"})), 400, "msgType"),
        ("POST", path("/message"), Some(json!({"content": "x", "client_msg_id": ""})), 400, "client_msg_id"),
        ("POST", path("/message"), Some(json!({"content": "x"})), 400, "会话状态不正确"),
        ("POST", format!("/api/sessions/{none}/message"), Some(json!({"content": "x"})), 404, "会话不存在"),
        ("POST", format!("/api/sessions/{none}/close"), None, 404, "会话不存在"),
    ];
    for (method, path, body, status, text) in cases {
        let refusal = bench.refused(method, &path, body.as_ref());
        assert_eq!(refusal.0, status, "{method} {path} {body:?}: {refusal:?}");
        assert!(refusal.1.starts_with(text), "{method} {path} {body:?}: {refusal:?}");
    }
    // A token that is given is looked at, on an open server too.
    let reply = rest::try_request(server.address, "GET", "/api/sessions", Some("nonsense"), None).unwrap();
    assert_eq!(reply.status, 401);
    // What is left to platforms is not here yet.
    for path in ["/wecom/callback", "/channel/wechat/callback"] {
        assert_eq!(server.get(path, None).status, 404);
    }
    assert_eq!(bench.session(id)["messageCount"], 0, "nothing of it was stored");
    bench.validated();
    server.assert_healthy("calls that are wrong");
}

#[test]
fn messages_that_are_wrong() {
    let (server, id) = server();
    let mut tab = Tab::open(&server, "cs_001", "");
    let none = (id + 4096 * 1000).to_string();
    let deep = "[".repeat(60_000);
    for (text, code) in [
        ("", 400),
        ("{", 400),
        ("[]", 400),
        ("null", 400),
        ("{}", 400),
        (&deep, 400),
        (r#"{"type":1}"#, 400),
        (r#"{"type":"nothing"}"#, 400),
        (r#"{"action":"kefu_message_send"}"#, 400),
        (r#"{"type":"bind_session"}"#, 400),
        (r#"{"type":"bind_session","sessionId":null}"#, 400),
        (r#"{"type":"bind_session","sessionId":true}"#, 400),
        (r#"{"type":"bind_session","sessionId":"会话ID"}"#, 404),
        (&json!({"type": "bind_session", "sessionId": "x".repeat(65)}).to_string(), 400),
        (&json!({"type": "bind_session", "sessionId": none}).to_string(), 404),
        (&json!({"type": "sync", "sessionId": none}).to_string(), 404),
        (&json!({"type": "sync", "sessionId": id.to_string(), "after_seq": "x"}).to_string(), 400),
        (&json!({"type": "sync", "sessionId": id.to_string(), "after_seq": 9}).to_string(), 400),
        (&json!({"type": "typing", "sessionId": id.to_string()}).to_string(), 404),
    ] {
        tab.text(text);
        let answer = tab.hear();
        assert_eq!((&answer["type"], &answer["code"]), (&json!("error"), &json!(code)), "{text:.80}: {answer}");
        assert!(!answer["message"].as_str().unwrap().is_empty());
    }
    tab.text("ping");
    assert_eq!(tab.hear_text(), "pong");
    tab.bind(id);
    for text in [r#"{"type":"ping"}"#, r#"{ "type": "ping" }"#] {
        tab.text(text);
        assert_eq!(tab.hear(), json!({"type": "pong"}));
    }
    tab.binary();
    assert_eq!(tab.closed(), Some(1003));
    server.assert_healthy("messages that are wrong");
}

#[test]
fn a_page_of_somewhere_else_may_not_use_an_open_workbench() {
    let (server, id) = server();
    let ask = |origin: &str| {
        let head = format!("POST /api/sessions/{id}/close HTTP/1.1\r\nHost: {}\r\n{origin}", server.address);
        let mut raw = crate::harness::Raw::connect(server.address);
        raw.send(format!("{head}Content-Length: 0\r\nConnection: close\r\n\r\n").as_bytes());
        raw.reply().expect("an answer").status
    };
    assert_eq!(ask("Origin: http://evil.example\r\n"), 403);
    assert_eq!(Bench::open(&server).session(id)["status"], "pending");
    assert_eq!(ask("Origin: http://localhost:3000\r\n"), 200);
    assert_eq!(Bench::open(&server).session(id)["status"], "closed");
}

#[test]
fn what_is_bound_is_bounded() {
    let (server, _) = server();
    let mut tab = Tab::open(&server, "cs_001", "");
    let mut codes = Vec::new();
    for number in 1..=101_u64 {
        tab.send(&json!({"type": "bind_session", "sessionId": (number * 4096).to_string()}));
        codes.push(tab.hear()["code"].as_u64().unwrap());
    }
    assert_eq!(codes[..100], [404; 100]);
    assert_eq!(codes[100], 500, "one connection watches at most a hundred");
}
