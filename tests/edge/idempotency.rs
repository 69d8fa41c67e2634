//! Bad `Idempotency-Key`s: each with the answer it gets, in the words of the dialect that was asked.

use serde_json::{Value, json};

use crate::harness::{Setup, rest};

#[test]
fn keys_that_are_none() {
    let server = Setup::shards(2).start();
    let admin = format!("Bearer {}", server.token("admin", 1));
    let wang = json!({"name": "小王"}).to_string();
    let zhang = json!({"name": "张三", "primaryChannel": "WEB"}).to_string();
    let long = "k".repeat(256);
    let quoted = format!("\"{long}\"");
    let calls = [
        ("/api/v1/agents", &wang, json!({"code": 400, "data": null})),
        ("/api/v1/customers", &zhang, json!({"success": false})),
        (
            "/api/v1/messages",
            &json!({"conversation_id": 4096, "to": "100", "content": "x"}).to_string(),
            json!({"code": 400}),
        ),
        ("/api/sessions/4096/message", &json!({"content": "x"}).to_string(), json!({"code": 400})),
    ];
    for (path, body, envelope) in &calls {
        for bad in ["", " ", "\"\"", "a b", "\"a b\"", "é", &long, &quoted] {
            let headers = [("Authorization", admin.as_str()), ("Idempotency-Key", bad)];
            refused(&rest::try_with(server.address, "POST", path, &headers, body).unwrap(), envelope, bad);
        }
        let headers = [("Authorization", admin.as_str()), ("Idempotency-Key", "a"), ("idempotency-key", "a")];
        refused(&rest::try_with(server.address, "POST", path, &headers, body).unwrap(), envelope, "two");
    }
    for path in ["/api/v1/agents", "/api/v1/customers"] {
        let page = server.get(path, Some(("admin", 1))).json();
        let made = page["data"]["items"].as_array().or(page["data"]["content"].as_array()).expect("a list");
        assert!(made.is_empty(), "nothing was made: {page}");
    }
    // Nobody's token is said before the key is looked at; where nothing is made, a key says nothing.
    let nobody = rest::try_with(server.address, "POST", "/api/v1/agents", &[("Idempotency-Key", "")], &wang).unwrap();
    assert_eq!(nobody.status, 401);
    let read = rest::try_with(server.address, "GET", "/livez", &[("Idempotency-Key", "a b")], "").unwrap();
    assert_eq!(read.status, 200);
    // The longest, and every character there is.
    let all: String = (0x21..=0x7e_u8).map(char::from).collect();
    for good in [&long[..255], &all] {
        let headers = [("Authorization", admin.as_str()), ("Idempotency-Key", good)];
        let reply = rest::try_with(server.address, "POST", "/api/v1/agents", &headers, &wang).unwrap();
        assert_eq!(reply.status, 200, "{good}: {}", reply.text());
    }
}

#[track_caller]
fn refused(reply: &crate::harness::Reply, envelope: &Value, key: &str) {
    assert_eq!(reply.status, 400, "{key:?}: {}", reply.text());
    let json = reply.json();
    for (name, value) in envelope.as_object().unwrap() {
        assert_eq!(json[name], *value, "{key:?}: {json}");
    }
    assert!(json["message"].as_str().unwrap().starts_with("Idempotency-Key"), "{json}");
}
