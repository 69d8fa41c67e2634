//! Who may do what: logins, roles, other people's conversations (guide 2, 权限验证; dialects.md).

use serde_json::{Value, json};

use crate::harness::server::make_token;
use crate::harness::{Server, Setup, assert_like, stories};

stories!(
    another_users_conversation_is_none,
    rest_needs_the_right_token,
    nothing_before_login,
    three_bad_logins_close,
    a_second_login,
    an_agent_acts_only_in_its_own
);

/// What a stranger hears: the same for a conversation of others and for one that does not exist.
fn another_users_conversation_is_none(shards: u16) {
    let server = Setup::shards(shards).start();
    let mut agent = server.login("agent", 1);
    let id = server.conversation_id(100);
    let mut owner = server.login("user", 100);
    let message = owner.say(id, "private")["message_id"].clone();
    agent.push("kefu_message");
    let none = id + 4096 * 1000;
    let mut stranger = server.login("user", 200);
    for (action, data) in [
        ("kefu_message_send", json!({"content": "x"})),
        ("kefu_message_read", json!({"message_ids": [message], "sender_type": 1})),
        ("kefu_message_end", json!({})),
        ("kefu_message_sync", json!({"after_seq": 0, "limit": 10})),
        ("kefu_message_typing", json!({})),
    ] {
        let mut heard = Vec::new();
        for conversation in [id, none] {
            let mut data = data.clone();
            data["conversation_id"] = json!(conversation);
            heard.push(stranger.refused(action, data));
        }
        assert_eq!(heard[0], heard[1], "{action}: what exists for others is not told apart from what does not");
        if action == "kefu_message_end" {
            assert_eq!(heard[0], "Failed to end conversation. Conversation not found or no permission.");
        }
    }
    let list = |conversation: u64| {
        let path = format!("/api/kefu/message/list?conversation_id={conversation}");
        let reply = server.get(&path, Some(("user", 200)));
        (reply.status, reply.json())
    };
    assert_eq!(list(id), list(none));
    assert_eq!(list(id).0, 404);
    assert_eq!(list(id).1["code"], 404);
    agent.assert_quiet();
    owner.assert_quiet();
    assert_eq!(server.list(("user", 100), id, 1, 10).len(), 1);
}

fn rest_needs_the_right_token(shards: u16) {
    let server = Setup::shards(shards).start();
    let open = "/api/kefu/message/getConversation";
    let status = |path: &str, token: Option<&str>| {
        let reply = server.request("GET", path, token, None);
        assert_eq!(reply.json()["code"], reply.status, "the code of an error is its status");
        reply.status
    };
    let agent = server.token("agent", 1);
    assert_eq!(status(open, None), 401);
    assert_eq!(status(open, Some("garbage")), 401);
    assert_eq!(status(open, Some(&agent)), 403);
    assert_eq!(status("/api/kefu/message/list?conversation_id=4096", None), 401);
    assert_eq!(status("/api/v1/agents", None), 401);
    assert_eq!(status("/api/v1/agents", Some(&server.token("user", 100))), 403);
    let reply = server.request("POST", "/api/v1/agents", Some(&server.token("user", 100)), Some(&json!({"id": 66})));
    assert_eq!(reply.status, 403);
    assert_eq!(server.request("POST", open, Some(&agent), None).status, 405);
    let unknown = server.get("/api/kefu/nothing", None);
    assert_eq!(unknown.status, 404);
    assert_eq!(unknown.header("content-type"), Some("application/problem+json"));
}

fn nothing_before_login(shards: u16) {
    let server = Setup::shards(shards).start();
    let _agent = server.login("agent", 1);
    let id = server.conversation_id(100);
    let mut nobody = server.connect("nobody");
    for action in ["kefu_message_send", "kefu_message_read", "kefu_message_end", "kefu_message_sync"] {
        let data = json!({
            "conversation_id": id, "content": "x", "message_ids": [1], "sender_type": 2, "after_seq": 0, "limit": 1
        });
        nobody.refused(action, data);
    }
    // The connection stands, and a login still makes it somebody's.
    nobody.ok("login", json!({"token": server.token("user", 100)}));
    nobody.say(id, "now I may");
}

fn three_bad_logins_close(shards: u16) {
    let server = Setup::shards(shards).start();
    let mut peer = server.connect("guesser");
    assert_eq!(peer.refused("login", json!({})), "token is required");
    for token in ["garbage", "a.b.c", &server.token("user", 100)[1..]] {
        peer.refused("login", json!({"token": token}));
    }
    assert!(peer.closed().is_some(), "closed with a code");
    // Two mistakes are forgiven.
    let mut peer = server.connect("clumsy");
    peer.refused("login", json!({"token": "x"}));
    peer.refused("login", json!({"token": "y"}));
    peer.ok("login", json!({"token": server.token("user", 100)}));
    // An admin's token is nobody's who talks; an expired one is refused (leeway is 30 s by default).
    server.connect("admin").refused("login", json!({"token": server.token("admin", 1)}));
    assert_eq!(claimed_exp_minus_now(&server), 3600);
}

/// `--ttl` says how long a token is valid.
fn claimed_exp_minus_now(server: &Server) -> u64 {
    let token = make_token(&server.data_dir(), "user", 5, "1h");
    let claims = crate::harness::forge::claims_of(&token);
    assert_like(&claims, json!({"role": "user"}));
    let left = claims["exp"].as_u64().expect("exp is a number") - crate::harness::pattern::now_secs();
    if left.abs_diff(3600) <= 30 { 3600 } else { left }
}

fn a_second_login(shards: u16) {
    let server = Setup::shards(shards).start();
    let mut agent = server.login("agent", 1);
    let id = server.conversation_id(100);
    let mut user = server.login("user", 100);
    // The same party again: fine. Anybody else: refused, and the connection stays whose it was.
    user.ok("login", json!({"token": server.token("user", 100)}));
    user.refused("login", json!({"token": server.token("user", 200)}));
    user.refused("login", json!({"token": server.token("agent", 100)}));
    user.say(id, "still me");
    assert_like(&agent.push("kefu_message"), json!({"sender_id": 100}));
    agent.say_as_agent(id, "once, please");
    user.push("kefu_message");
    user.assert_quiet();
    // A bound visitor does not become a user, nor a second visitor; binding again as itself is fine.
    let mut page = server.connect("visitor");
    page.ok("kefu_message_visitor_bind_fd", json!({"bind_key": "v1"}));
    page.ok("kefu_message_visitor_bind_fd", json!({"bind_key": "v1"}));
    page.refused("kefu_message_visitor_bind_fd", json!({"bind_key": "v2"}));
    page.refused("login", json!({"token": server.token("user", 100)}));
}

fn an_agent_acts_only_in_its_own(shards: u16) {
    let server = Setup::shards(shards).start();
    let mut one = server.login("agent", 1);
    let id = server.conversation_id(100);
    let mut two = server.login("agent", 2);
    let mut user = server.login("user", 100);
    let send = json!({"conversation_id": id, "content": "x", "sender_type": 2});
    two.refused("kefu_message_send", send.clone());
    two.refused("kefu_message_end", json!({"conversation_id": id}));
    two.refused("kefu_message_read", json!({"conversation_id": id, "message_ids": [1], "sender_type": 1}));
    one.ok("kefu_message_send", send);
    user.push("kefu_message");
    // An agent says sender_type 2; a user's own sender_type is ignored.
    one.refused("kefu_message_send", json!({"conversation_id": id, "content": "x"}));
    one.refused("kefu_message_send", json!({"conversation_id": id, "content": "x", "sender_type": 1}));
    user.ok("kefu_message_send", json!({"conversation_id": id, "content": "mine", "sender_type": 2}));
    assert_like(&one.push("kefu_message"), json!({"sender_type": 1, "sender_id": 100, "content": "mine"}));
    // The same integer as user and agent: two parties.
    let mut namesake = server.login("user", 1);
    namesake.refused("kefu_message_send", json!({"conversation_id": id, "content": "x"}));
    let mine: Value = server.conversation(1);
    assert_like(&mine, json!({"user_id": 1}));
    assert_eq!(
        user.refused("kefu_message_read", json!({"conversation_id": id, "sender_type": 2})),
        "message_ids is required"
    );
    user.refused("kefu_message_read", json!({"conversation_id": id, "message_ids": [], "sender_type": 2}));
    assert_eq!(
        user.refused("kefu_message_read", json!({"conversation_id": id, "message_ids": [1]})),
        "sender_type is required"
    );
}
