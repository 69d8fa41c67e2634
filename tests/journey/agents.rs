//! Agents: the directory (guide 1, 1.2; issue 3, item 3) and the list a visitor may choose from.

use serde_json::{Value, json};

use crate::harness::{Server, Setup, assert_like, stories};

stories!(the_directory, what_is_refused, pages_by_cursor, whom_a_visitor_may_choose, first_seen_in_a_token);

fn admin(server: &Server, method: &str, path: &str, body: Option<Value>) -> (u16, Value) {
    let reply = server.request(method, path, Some(&server.token("admin", 1)), body.as_ref());
    let json = if reply.body.is_empty() { Value::Null } else { reply.json() };
    (reply.status, json)
}

fn the_directory(shards: u16) {
    let mut server = Setup::shards(shards).start();
    let body = json!({
        "id": 11, "cs_id": "CS-11", "name": "张三", "avatar": "https://x.example/11.png", "max_concurrent": 3,
        "groups": ["sales", "default"], "skills": ["zh"], "accept": "auto"
    });
    let (status, made) = admin(&server, "POST", "/api/v1/agents", Some(body.clone()));
    assert!(matches!(status, 200 | 201), "{status} {made}");
    assert_like(&made["data"], body.clone());
    assert_like(&made["data"], json!({"status": "offline", "current_concurrent": 0}));
    // Both names name it.
    for path in ["/api/v1/agents/11", "/api/v1/agents/CS-11"] {
        assert_like(&admin(&server, "GET", path, None).1["data"], body.clone());
    }
    let (status, changed) =
        admin(&server, "PUT", "/api/v1/agents/CS-11", Some(json!({"name": "李四", "avatar": null})));
    assert_eq!(status, 200, "{changed}");
    assert_like(
        &changed["data"],
        json!({"id": 11, "name": "李四", "avatar": null, "max_concurrent": 3, "skills": ["zh"]}),
    );
    // Without an id one is minted.
    let (_, minted) = admin(&server, "POST", "/api/v1/agents", Some(json!({"name": "somebody"})));
    assert_like(&minted["data"], json!({"id": "@id", "cs_id": "@text", "name": "somebody", "groups": ["default"]}));

    let agent = server.login("agent", 11);
    assert_like(&server.agent_view(11), json!({"status": "online", "name": "李四"}));
    drop(agent);
    server.kill();
    server.restart();
    assert_like(&server.agent_view(11), json!({"name": "李四", "cs_id": "CS-11", "max_concurrent": 3}));

    let (status, _) = admin(&server, "DELETE", "/api/v1/agents/11", None);
    assert!(matches!(status, 200 | 204), "{status}");
    assert_eq!(admin(&server, "GET", "/api/v1/agents/11", None).0, 404);
    assert_eq!(admin(&server, "DELETE", "/api/v1/agents/11", None).0, 404);
    // A deleted agent's old token makes nobody; the admin may make it anew.
    server.connect("ghost").refused("login", json!({"token": server.token("agent", 11)}));
    server.make_agent(11, json!({}));
    server.login("agent", 11);
}

fn what_is_refused(shards: u16) {
    let server = Setup::shards(shards).start();
    server.make_agent(1, json!({"cs_id": "one"}));
    assert_eq!(admin(&server, "POST", "/api/v1/agents", Some(json!({"id": 1}))).0, 409);
    assert_eq!(admin(&server, "POST", "/api/v1/agents", Some(json!({"id": 2, "cs_id": "one"}))).0, 409);
    for wrong in [
        json!({"id": 0}),
        json!({"id": -1}),
        json!({"id": "x"}),
        json!({"id": 1u64 << 52}),
        json!({"id": 3, "max_concurrent": "many"}),
        json!({"id": 3, "max_concurrent": -1}),
        json!({"id": 3, "groups": "sales"}),
        json!({"id": 3, "groups": []}),
        json!({"id": 3, "accept": "sometimes"}),
        json!({"id": 3, "name": 3}),
        json!({"id": 3, "cs_id": "x".repeat(65)}),
        json!([]),
    ] {
        let (status, body) = admin(&server, "POST", "/api/v1/agents", Some(wrong.clone()));
        assert_eq!(status, 400, "{wrong}: {body}");
        assert_eq!(body["code"], 400);
    }
    assert_eq!(admin(&server, "PUT", "/api/v1/agents/1", Some(json!({"status": "asleep"}))).0, 400);
    assert_eq!(admin(&server, "PUT", "/api/v1/agents/99", Some(json!({"name": "x"}))).0, 404);
    assert_eq!(admin(&server, "GET", "/api/v1/agents/nobody", None).0, 404);
    // Who has conversations is not deleted.
    let _agent = server.login("agent", 1);
    let id = server.conversation_id(100);
    assert_eq!(admin(&server, "DELETE", "/api/v1/agents/1", None).0, 409);
    server.login("user", 100).ok("kefu_message_end", json!({"conversation_id": id}));
    let (status, _) = admin(&server, "DELETE", "/api/v1/agents/1", None);
    assert!(matches!(status, 200 | 204), "{status}");
}

fn pages_by_cursor(shards: u16) {
    let server = Setup::shards(shards).start();
    for id in (1..=7).rev() {
        server.make_agent(id * 10, json!({}));
    }
    let mut seen = Vec::new();
    let mut path = "/api/v1/agents?limit=3".to_owned();
    loop {
        let (status, page) = admin(&server, "GET", &path, None);
        assert_eq!(status, 200, "{page}");
        let items = page["data"]["items"].as_array().expect("items");
        assert!(items.len() <= 3);
        seen.extend(items.iter().map(|agent| agent["id"].as_u64().unwrap()));
        match &page["data"]["next_cursor"] {
            Value::Null => break,
            Value::String(cursor) => path = format!("/api/v1/agents?limit=3&cursor={cursor}"),
            cursor => path = format!("/api/v1/agents?limit=3&cursor={cursor}"),
        }
    }
    assert_eq!(seen, [10, 20, 30, 40, 50, 60, 70]);
}

fn whom_a_visitor_may_choose(shards: u16) {
    let server = Setup::shards(shards).start();
    server.make_agent(1, json!({"max_concurrent": 1, "avatar": "https://x.example/1.png"}));
    server.make_agent(2, json!({"accept": "manual"}));
    server.make_agent(3, json!({}));
    let available = || -> Vec<(u64, bool)> {
        let reply = server.get("/api/kefu/agents/available", None);
        assert_eq!(reply.status, 200, "no token is needed");
        let agents = reply.json()["data"].as_array().expect("a list").clone();
        agents.iter().map(|a| (a["id"].as_u64().unwrap(), a["available"].as_bool().unwrap())).collect()
    };
    let is = |id: u64| available().contains(&(id, true));
    assert!(!is(1) && !is(2) && !is(3), "nobody is online");
    let _agents = [1, 2, 3].map(|id| server.login("agent", id));
    assert!(is(1) && is(3) && !is(2), "a manual one is not offered: {:?}", available());
    let shown = server.get("/api/kefu/agents/available", None).json();
    let first = shown["data"].as_array().unwrap().iter().find(|agent| agent["id"] == 1).expect("agent 1").clone();
    assert_like(&first, json!({"id": 1, "name": "agent 1", "avatar": "https://x.example/1.png", "available": true}));
    let mut page = server.connect("visitor");
    page.ok("kefu_message_visitor_send", json!({"visitor_id": "v", "kefu_id": "1", "content": "x"}));
    assert!(!is(1), "full");
    server.change_agent(3, &json!({"status": "away"}));
    assert!(!is(3), "away");
}

/// An agent first seen in a valid token is made on the spot, with what its claims say.
fn first_seen_in_a_token(shards: u16) {
    use crate::harness::{forge, pattern::now_secs};
    let server = Setup::shards(shards).start();
    let claims = json!({
        "sub": 21, "role": "agent", "exp": now_secs() + 600, "name": "王五", "groups": ["vip"], "skills": ["en"],
        "max_concurrent": 2
    });
    let mut agent = server.connect("agent 21");
    agent.ok("login", json!({"token": forge::hs256(&server.secret(), &claims)}));
    assert_like(
        &server.agent_view(21),
        json!({"id": 21, "name": "王五", "groups": ["vip"], "skills": ["en"], "max_concurrent": 2, "status": "online"}),
    );
}
