//! The records of customers (guide 3, "客户管理 API") and who may see them; tokens by REST and by the command line.

use serde_json::{Value, json};

use crate::harness::server::command;
use crate::harness::{Reply, Server, Setup, assert_like, stories};

stories!(
    customers_are_made_shown_and_changed,
    identities_are_unique,
    a_stale_update_is_refused,
    customers_are_listed_by_page,
    the_last_interaction_moves,
    only_agents_and_admins_may,
    all_ten_channels_enter,
    phone_sms_and_whatsapp_are_one,
    a_forgotten_identity_is_somebody_elses,
    too_many_tokens_from_one_address,
    signed_channels_believe_signatures_only,
    the_command_line_makes_uuid_tokens
);

struct Desk<'s> {
    server: &'s Server,
    token: String,
}

impl Desk<'_> {
    fn ask(&self, method: &str, path: &str, body: Option<Value>) -> Reply {
        self.server.request(method, &format!("/api/v1/customers{path}"), Some(&self.token), body.as_ref())
    }

    #[track_caller]
    fn ok(&self, method: &str, path: &str, body: Option<Value>) -> Value {
        let reply = self.ask(method, path, body);
        assert_eq!(reply.status, 200, "{method} {path}: {}", reply.text());
        assert_eq!(reply.json()["success"], true);
        reply.json()["data"].clone()
    }
}

/// As an agent with a UUID token.
fn desk(server: &Server) -> Desk<'_> {
    server.make_agent(1, json!({}));
    Desk { server, token: server.agent_uuid(1) }
}

fn guides_customer() -> Value {
    json!({"name": "李四", "primaryChannel": "WECHAT", "wechatOpenId": "oAbCd1234567890", "phone": "+8613900139000",
        "tags": ["潜在客户"], "notes": "对产品A感兴趣"})
}

fn customers_are_made_shown_and_changed(shards: u16) {
    let mut server = Setup::shards(shards).start();
    let made = {
        let desk = desk(&server);
        let made = desk.ok("POST", "", Some(guides_customer()));
        assert_like(&made, guides_customer());
        assert_like(&made, json!({"active": true, "id": "@text", "createdAt": "@text", "updatedAt": "@text"}));
        let path = format!("/{}", made["id"].as_str().unwrap());
        assert_eq!(desk.ok("GET", &path, None), made);
        let change = json!({"name": "李四（已购买）", "tags": ["VIP", "已购买"], "notes": "已购买产品A，满意度高"});
        let changed = desk.ok("PUT", &path, Some(change.clone()));
        assert_like(&changed, change);
        assert_eq!(changed["wechatOpenId"], "oAbCd1234567890", "what is not named stays");
        let gone = desk.ok("PUT", &path, Some(json!({"phone": null, "notes": null, "active": false})));
        assert!(gone.get("phone").is_none() && gone.get("notes").is_none() && gone["active"] == false);
        assert_eq!(desk.ok("GET", &path, None), gone);
        gone
    };
    server.kill();
    server.restart();
    let id = made["id"].as_str().unwrap();
    let shown = server.request("GET", &format!("/api/v1/customers/{id}"), Some(&server.token("admin", 1)), None);
    assert_eq!(shown.json()["data"], made, "after a crash");
    // Known by its identity: the channel's customer is this one, in its own name.
    let entered = server.try_enter("WECHAT", "oAbCd1234567890").json();
    assert_like(&entered["data"], json!({"customerId": id, "name": "李四（已购买）", "channel": "WECHAT"}));
}

fn identities_are_unique(shards: u16) {
    let server = Setup::shards(shards).start();
    let desk = desk(&server);
    let first = desk.ok("POST", "", Some(guides_customer()));
    let (web, _) = server.enter("WEB", "web_1");
    for body in [
        json!({"name": "x", "primaryChannel": "PHONE", "phone": "+8613900139000"}),
        json!({"name": "x", "primaryChannel": "WEB", "wechatOpenId": "oAbCd1234567890"}),
    ] {
        let reply = desk.ask("POST", "", Some(body));
        assert_eq!(reply.status, 409, "{}", reply.text());
        assert_like(&reply.json(), json!({"success": false, "data": {"customerId": first["id"]}}));
    }
    let reply = desk.ask("PUT", &format!("/{web}"), Some(json!({"phone": "+8613900139000"})));
    assert_eq!((reply.status, &reply.json()["data"]["field"]), (409, &json!("phone")));
    // Its own it may keep; what is given up is free.
    desk.ok("PUT", &format!("/{}", first["id"].as_str().unwrap()), Some(json!({"phone": "+8613900139001"})));
    let taken = desk.ok("PUT", &format!("/{web}"), Some(json!({"phone": "+8613900139000", "webId": "web_1"})));
    assert_eq!(taken["phone"], "+8613900139000");
    assert_eq!(desk.ok("GET", "", None)["totalElements"], 2, "what was refused made nobody");
}

fn a_stale_update_is_refused(shards: u16) {
    let server = Setup::shards(shards).start();
    let desk = desk(&server);
    let made = desk.ok("POST", "", Some(guides_customer()));
    let path = format!("/{}", made["id"].as_str().unwrap());
    let seen = made["updatedAt"].clone();
    let changed = desk.ok("PUT", &path, Some(json!({"notes": "1", "updatedAt": seen})));
    let stale = desk.ask("PUT", &path, Some(json!({"notes": "2", "updatedAt": seen})));
    assert_eq!((stale.status, &stale.json()["success"]), (409, &json!(false)), "{}", stale.text());
    assert_eq!(desk.ok("GET", &path, None), changed);
    // What was shown may be sent back as it stands; without `updatedAt` the last one wins.
    desk.ok("PUT", &path, Some(changed));
    assert_eq!(desk.ok("PUT", &path, Some(json!({"notes": "3"})))["notes"], "3");
    // Many at once, each of one state: exactly one wins.
    let seen = desk.ok("GET", &path, None)["updatedAt"].clone();
    let won: usize = std::thread::scope(|scope| {
        let tries: Vec<_> = (0..8)
            .map(|number| {
                let (desk, path, body) = (&desk, &path, json!({"notes": format!("try {number}"), "updatedAt": seen}));
                scope.spawn(move || usize::from(desk.ask("PUT", path, Some(body)).status == 200))
            })
            .collect();
        tries.into_iter().map(|tried| tried.join().unwrap()).sum()
    });
    assert_eq!(won, 1);
}

fn customers_are_listed_by_page(shards: u16) {
    let server = Setup::shards(shards).start();
    let desk = desk(&server);
    for number in 0..25 {
        let channel = if number % 2 == 0 { "WEB" } else { "APP" };
        let body = json!({"name": format!("客户 {}", number % 5), "primaryChannel": channel, "active": number != 3});
        desk.ok("POST", "", Some(body));
    }
    let first = desk.ok("GET", "", None);
    assert_like(&first, json!({"totalElements": 25, "totalPages": 2}));
    assert_eq!(first["content"].as_array().unwrap().len(), 20);
    assert_eq!(first["content"][3]["active"], false, "in the order they were made");
    assert_eq!(desk.ok("GET", "?page=1", None)["content"].as_array().unwrap().len(), 5);
    for (query, total) in [
        ("?channel=WEB", 13),
        ("?active=true", 24),
        ("?active=false", 1),
        ("?channel=APP&active=true", 11),
        ("?name=%E5%AE%A2%E6%88%B7%203", 5),
        ("?name=%E5%AE%A2%E6%88%B7%203&channel=APP&active=true", 2),
        ("?name=nobody", 0),
        ("?channel=SMS", 0),
    ] {
        let page = desk.ok("GET", query, None);
        assert_eq!(page["totalElements"], total, "{query}");
        assert_eq!(page["totalPages"], if total > 20 { 2 } else { u64::from(total > 0) }, "{query}");
    }
    let small = desk.ok("GET", "?size=7&page=3", None);
    assert_like(&small, json!({"totalElements": 25, "totalPages": 4}));
    assert_eq!(small["content"].as_array().unwrap().len(), 4);
    for query in ["?channel=web", "?active=1", "?page=-1", "?size=0"] {
        assert_eq!(desk.ask("GET", query, None).status, 400, "{query}");
    }
}

fn the_last_interaction_moves(shards: u16) {
    let server = Setup::shards(shards).start();
    let desk = desk(&server);
    let mut agent = server.login("agent", 1);
    let (id, token) = server.enter("WEB", "web_1");
    let path = format!("/{id}");
    assert!(desk.ok("GET", &path, None).get("lastInteractionAt").is_none(), "it has not written yet");
    let mut chat = server.chat(&token, "customer");
    chat.say("hello");
    let conversation = agent.push("kefu_message")["conversation_id"].as_u64().unwrap();
    let first = desk.ok("GET", &path, None)["lastInteractionAt"].clone();
    assert!(first.is_string());
    agent.say_as_agent(conversation, "hi");
    chat.heard();
    let shown = desk.ok("GET", &path, None);
    assert_eq!(shown["lastInteractionAt"], first, "an agent's message is no interaction");
    std::thread::sleep(std::time::Duration::from_millis(5));
    chat.say("again");
    agent.push("kefu_message");
    let after = desk.ok("GET", &path, None);
    assert_ne!(after["lastInteractionAt"], first);
    assert_eq!(after["updatedAt"], shown["updatedAt"], "the record itself did not change");
    assert_eq!(desk.ok("GET", "", None)["content"][0]["lastInteractionAt"], after["lastInteractionAt"]);
}

fn only_agents_and_admins_may(shards: u16) {
    let server = Setup::shards(shards).start();
    let (id, customers) = server.enter("WEB", "web_1");
    server.make_agent(1, json!({}));
    let path = format!("/api/v1/customers/{id}");
    let token_path = format!("{path}/token");
    let calls = [
        ("GET", "/api/v1/customers", None),
        ("POST", "/api/v1/customers", Some(guides_customer())),
        ("GET", &*path, None),
        ("PUT", &*path, Some(json!({"notes": "x"}))),
        ("POST", &*token_path, None),
    ];
    let unknown = "a1b2c3d4-e5f6-7890-abcd-ef1234567890";
    for (token, status) in [
        (None, 401),
        (Some("x".to_owned()), 401),
        (Some(unknown.to_owned()), 401),
        (Some(format!("cust_{unknown}")), 401),
        (Some(customers.clone()), 403),
        (Some(server.token("user", 100)), 403),
        (Some(server.token("admin", 1)), 200),
        (Some(server.token("agent", 7)), 200),
        (Some(server.agent_uuid(1)), 200),
    ] {
        for (method, path, body) in &calls {
            let reply = server.request(method, path, token.as_deref(), body.as_ref());
            let expected = if status == 200 && *method == "POST" && body.is_some() { [200, 409] } else { [status; 2] };
            assert!(expected.contains(&reply.status), "{method} {path} {token:?}: {}", reply.text());
            assert_eq!(reply.json()["success"], reply.status == 200);
        }
    }
    // Agents' tokens are the admin's to give.
    for (token, status) in [(customers, 403), (server.agent_uuid(1), 403), (server.token("agent", 1), 403)] {
        let reply = server.request("POST", "/api/v1/agents/1/token", Some(&token), None);
        assert_eq!(reply.status, status, "{}", reply.text());
    }
    let nobody = server.request("POST", "/api/v1/agents/99/token", Some(&server.token("admin", 1)), None);
    assert_eq!(nobody.status, 404);
    // A token by an agent opens the customer's own door.
    let given = server.request("POST", &token_path, Some(&server.agent_uuid(1)), None).json();
    assert_like(&given["data"], json!({"customerId": id, "channel": "WEB", "name": "客户 web_1"}));
    server.chat(given["data"]["token"].as_str().unwrap(), "customer").assert_quiet();
    let missing = server.get("/api/v1/customers/550e8400-e29b-41d4-a716-446655440000", Some(("admin", 1)));
    assert_eq!(missing.status, 404);
}

fn all_ten_channels_enter(shards: u16) {
    let server = Setup::shards(shards).start();
    let good = [
        ("WEB", "web_user_12345"),
        ("WECHAT", "oAbCd1234567890"),
        ("WHATSAPP", "+8613800138000"),
        ("LINE", "Uabcdef123456"),
        ("TELEGRAM", "123456789"),
        ("FACEBOOK", "1234567890123456"),
        ("EMAIL", "user@example.com"),
        ("PHONE", "+8613800138001"),
        ("SMS", "+8613800138002"),
        ("APP", "app_user_uuid"),
    ];
    let mut ids = Vec::new();
    for (channel, id) in good {
        let data = server.try_enter(channel, id).json()["data"].clone();
        assert_like(&data, json!({"channel": channel, "name": format!("客户 {id}"), "customerId": "@text"}));
        ids.push(server.enter(channel, id).0);
        assert_eq!(data["customerId"], *ids.last().unwrap());
    }
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 10);
    for (channel, id) in [("EMAIL", "user"), ("PHONE", "138"), ("TELEGRAM", "abc"), ("WEB", ""), ("FAX", "1")] {
        let reply = server.try_enter(channel, id);
        let field = if channel == "FAX" { "channel must be one of WEB" } else { "channelId" };
        let text = reply.json()["message"].as_str().unwrap_or_default().to_owned();
        assert!(reply.status == 400 && text.contains(field), "{channel} {id}: {} {text}", reply.status);
    }
    // At once from many sides: one customer.
    let mut ids: Vec<String> = std::thread::scope(|scope| {
        let tries: Vec<_> = (0..8).map(|_| scope.spawn(|| server.enter("WEB", "all_at_once").0)).collect();
        tries.into_iter().map(|tried| tried.join().unwrap()).collect()
    });
    ids.dedup();
    assert_eq!(ids.len(), 1, "{ids:?}");
}

fn phone_sms_and_whatsapp_are_one(shards: u16) {
    let server = Setup::shards(shards).start();
    let ids = ["PHONE", "SMS", "WHATSAPP"].map(|channel| server.enter(channel, "+8613800138000").0);
    assert!(ids.iter().all(|id| *id == ids[0]), "{ids:?}");
    // The channel that is shown is the one it came by first.
    let (_, token) = server.enter("WHATSAPP", "+8613800138000");
    let mut agent = server.agent_chat(1);
    server.chat(&token, "customer").say("hello");
    assert_like(&agent.heard(), json!({"channel": "PHONE", "customerId": ids[0]}));
}

fn a_forgotten_identity_is_somebody_elses(shards: u16) {
    let server = Setup::shards(shards).start();
    let desk = desk(&server);
    let (first, _) = server.enter("PHONE", "+8613800138000");
    desk.ok("PUT", &format!("/{first}"), Some(json!({"phone": "+8613800138001"})));
    let (second, _) = server.enter("PHONE", "+8613800138000");
    assert_ne!(first, second, "whoever has the number now is another customer");
    assert_eq!(server.enter("PHONE", "+8613800138000").0, second);
    assert_eq!(server.enter("PHONE", "+8613800138001").0, first);
}

fn too_many_tokens_from_one_address(shards: u16) {
    let server = Setup::shards(shards).env("SWITCHBOARD_WEBCHAT_TOKEN_RATE_PER_MINUTE", "5").start();
    for number in 0..5 {
        server.enter("WEB", &format!("web_{number}"));
    }
    let reply = server.try_enter("WEB", "web_5");
    assert_eq!(reply.status, 429, "{}", reply.text());
    assert_eq!(reply.json()["success"], false);
    let wait: u64 = reply.header("Retry-After").expect("when to try again").parse().unwrap();
    assert!((1..=12).contains(&wait), "{wait}");
    server.assert_healthy("too many tokens");
}

fn signed_channels_believe_signatures_only(shards: u16) {
    let server = Setup::shards(shards)
        .env("SWITCHBOARD_WEBCHAT_IDENTITY", "WEB=signed,APP=signed")
        .env("SWITCHBOARD_WEBCHAT_SIGNING_KEY", "a key of the integrator, 32 bytes")
        .start();
    // printf 'WEB\nweb_user_123456' | openssl dgst -sha256 -hmac 'a key of the integrator, 32 bytes'
    let signature = "ddcbe687772e9b5da9723a2d7632b3557580fdd1b31ebe0848ec6fcdb346332a";
    let by = |channel: &str, id: &str, signature: Option<&str>| {
        let mut body = json!({"name": "张三", "channel": channel, "channelId": id});
        if let Some(signature) = signature {
            body["signature"] = json!(signature);
        }
        server.request("POST", "/api/v1/public/customer-token", None, Some(&body))
    };
    let ask = |id: &str, signature: Option<&str>| by("WEB", id, signature).status;
    let entered = by("WEB", "web_user_123456", Some(signature));
    assert_eq!(entered.status, 200);
    server.chat(entered.json()["data"]["token"].as_str().unwrap(), "signed").assert_quiet();
    assert_eq!(ask("web_user_123456", Some(&signature.to_uppercase())), 200, "hex is hex");
    for (id, signature) in [
        ("web_user_123456", None),
        ("web_user_123456", Some("")),
        ("web_user_123456", Some(&signature[1..])),
        ("web_user_123457", Some(signature)),
    ] {
        assert_eq!(ask(id, signature), 401, "{id} {signature:?}");
    }
    // What is signed for one channel says nothing on another.
    assert_eq!(by("APP", "web_user_123456", Some(signature)).status, 401);
    let apps = "87c7da3b835770cab69a07d7022111ab66d031c93f18273e8801cd4392e28404";
    assert_eq!(by("APP", "web_user_123456", Some(apps)).status, 200);
    server.enter("LINE", "Uopenasever12");
}

fn the_command_line_makes_uuid_tokens(shards: u16) {
    let server = Setup::shards(shards).start();
    server.make_agent(1, json!({}));
    let run = |more: &[&str]| {
        let mut command = command();
        command.args(["token", "--kind", "uuid", "--data-dir"]).arg(server.data_dir()).args(more);
        command.output().expect("the binary runs")
    };
    let url = format!("http://{}", server.address);
    let output = run(&["--role", "agent", "--id", "1", "--server", &url]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let token = String::from_utf8(output.stdout).unwrap().trim().to_owned();
    assert_eq!(token.len(), 36);
    server.chat(&token, "agent").assert_quiet();
    for (more, says) in [
        (vec!["--role", "agent", "--id", "1"], "--server"),
        (vec!["--role", "user", "--id", "1", "--server", &url], "--role agent"),
        (vec!["--role", "agent", "--id", "99", "--server", &url], "404"),
        (vec!["--role", "agent", "--id", "1", "--server", "http://127.0.0.1:1"], "127.0.0.1:1"),
        (vec!["--role", "agent", "--id", "1", "--server", "https://x"], "http://"),
    ] {
        let output = run(&more);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success() && said.contains(says), "{more:?}: {said}");
    }
}
