//! JSON that is none, of the wrong type in every field, too deep or too long: an error in the dialect's own
//! form that names the field; the connection stays.

use serde_json::{Value, json};

use super::SLACK_KIB;
use crate::harness::{Peer, Server, Setup, assert_like};

/// Whether the connection still works.
#[track_caller]
fn stands(peer: &mut Peer) {
    peer.ok("ping", json!({}));
}

#[test]
fn text_that_is_no_action() {
    let server = Setup::shards(2).start();
    let mut nobody = server.connect("nobody");
    let mut user = server.login("user", 100);
    for text in [
        "",
        " ",
        "{",
        "}",
        "nonsense",
        "null",
        "true",
        "1",
        "\"text\"",
        "[]",
        "[{}]",
        "{}",
        "{\"action\":}",
        "{\"action\":null}",
        "{\"action\":1}",
        "{\"action\":[]}",
        "{\"action\":\"\"}",
        "{\"action\":\"kefu_message_send\",}",
        "{'action':'ping'}",
        "{\"action\":\"no_such_action\",\"data\":{}}",
        "{\"action\":\"kefu_message_send\"} trailing",
        "{\"type\":\"nothing\"}",
        "\u{feff}{\"action\":\"ping\"}",
        "{\"action\":\"ping\",\"op_id\":1e999999}x",
        "{\"action\":\"kefu_message_send\",\"data\":{\"content\":\"\\ud800\"}}",
    ] {
        for peer in [&mut nobody, &mut user] {
            peer.text(text);
            let answer = peer.hear_json();
            assert_eq!(answer["success"], false, "{text:?}: {answer}");
            assert_like(&answer, json!({"message": "@text"}));
            assert!(answer.get("op_id").is_some(), "{answer}");
        }
    }
    stands(&mut nobody);
    stands(&mut user);
}

#[test]
fn deep_and_long() {
    let server = Setup::shards(2).start();
    let before = server.resident_kib();
    let mut user = server.login("user", 100);
    for text in [
        "[".repeat(65_536),
        "{\"a\":".repeat(13_000),
        format!("{{\"action\":\"ping\",\"op_id\":{}{}}}", "[".repeat(10_000), "]".repeat(10_000)),
        format!("{{\"action\":\"ping\",\"op_id\":\"{}\"}}", "x".repeat(60_000)),
        format!("{{\"action\":\"{}\"}}", "x".repeat(60_000)),
    ] {
        user.text(&text);
        assert_eq!(user.hear_json()["success"], false, "{}", &text[..40]);
        stands(&mut user);
    }
    server.assert_healthy("64 KiB of [");
    // A megabyte is more than a message may have.
    let mut glutton = server.login("user", 100);
    let _ = glutton.try_text(&"[".repeat(1 << 20));
    let code = glutton.closed();
    assert!(matches!(code, Some(1009) | None), "{code:?}");
    server.assert_healthy("1 MB of [");
    server.assert_memory_back(before, SLACK_KIB);
}

/// Values that are right for no field of the kind.
fn wrong_for(field: &str) -> Vec<Value> {
    let text = [json!(7), json!(true), json!([]), json!({}), json!(1.5)];
    let integer = [json!("abc"), json!(""), json!(true), json!([1]), json!({}), json!(1.5)];
    match field {
        "token" | "content" | "file_url" | "client_msg_id" => text.to_vec(),
        "bind_key" | "visitor_id" => [json!(true), json!([]), json!({}), json!(""), json!("v".repeat(129))].to_vec(),
        "kefu_id" => [json!(true), json!([]), json!({}), json!(1.5)].to_vec(),
        "message_ids" => {
            [json!("1"), json!(1), json!(true), json!({}), json!(["x"]), json!([[1]]), json!([null]), json!([1.5])]
                .to_vec()
        }
        _ => integer.to_vec(),
    }
}

/// Every field of every action with values of every wrong type.
#[test]
fn wrong_types_in_every_field() {
    let server = Setup::shards(2).start();
    let agent = server.login("agent", 1);
    let id = server.conversation_id(100);
    let mut visitor = server.connect("visitor");
    visitor.ok("kefu_message_visitor_bind_fd", json!({"bind_key": "v"}));
    let mut peers = [server.login("user", 100), agent, visitor, server.connect("nobody")];
    const USER: usize = 0;
    const AGENT: usize = 1;
    const VISITOR: usize = 2;
    const NOBODY: usize = 3;
    let send = json!({"conversation_id": id, "content": "x", "message_type": 1, "file_url": "u", "client_msg_id": "c"});
    let read = json!({"conversation_id": id, "message_ids": [1], "sender_type": 2});
    let sync = json!({"conversation_id": id, "after_seq": 0, "limit": 10});
    let tell = json!({"visitor_id": "v", "kefu_id": "1", "content": "x", "client_msg_id": "c"});
    let end = json!({"visitor_id": "v", "kefu_id": "1"});
    let mut agent_send = send.clone();
    agent_send["sender_type"] = json!(2);
    let mut count = 0;
    for (who, action, good) in [
        (USER, "kefu_message_send", send),
        (USER, "kefu_message_read", read),
        (USER, "kefu_message_end", json!({"conversation_id": id})),
        (USER, "kefu_message_sync", sync),
        (USER, "kefu_message_typing", json!({"conversation_id": id})),
        (AGENT, "kefu_message_send", agent_send),
        (VISITOR, "kefu_message_visitor_send", tell),
        (VISITOR, "kefu_message_visitor_end", end),
        (NOBODY, "kefu_message_visitor_bind_fd", json!({"bind_key": "w"})),
    ] {
        let who = &mut peers[who];
        let before = server.list(("user", 100), id, 1, 100).len();
        for field in good.as_object().unwrap().keys() {
            for wrong in wrong_for(field) {
                let mut data = good.clone();
                data[field] = wrong.clone();
                let why = who.refused(action, data);
                assert!(why.contains(field.as_str()), "{action} with {field}: {wrong} is answered: {why}");
                count += 1;
            }
        }
        for data in [json!(null), json!([]), json!("x"), json!(7), json!(true)] {
            who.refused(action, data);
        }
        assert_eq!(server.list(("user", 100), id, 1, 100).len(), before, "{action} stored something");
        stands(who);
    }
    assert!(count > 100);
    for wrong in wrong_for("token").into_iter().take(2) {
        assert!(peers[NOBODY].refused("login", json!({"token": wrong})).contains("token"));
    }
}

/// Integers that are no ids of ours name nothing; other text in an id's place is a wrong type.
#[test]
fn ids_that_are_no_ids() {
    let server = Setup::shards(2).start();
    let _agent = server.login("agent", 1);
    let mut user = server.login("user", 100);
    let id = server.conversation_id(100);
    for none in ["0", "-1", "1", "4096", "9007199254740991", "9007199254740992", "1152921504606846976", "1e400"] {
        for action in ["kefu_message_send", "kefu_message_end"] {
            user.text(&format!(
                r#"{{"action":"{action}","data":{{"conversation_id":{none},"content":"x"}},"op_id":1}}"#
            ));
            assert_like(&user.hear_json(), json!({"success": false, "message": "@text"}));
        }
    }
    // "ids may be decimal strings".
    user.ok("kefu_message_send", json!({"conversation_id": id.to_string(), "content": "by a string"}));
    // Message ids that are not of this conversation are passed over.
    let read = json!({"conversation_id": id, "message_ids": [1, 4096, 9_007_199_254_740_991_u64], "sender_type": 2});
    assert_eq!(user.ok("kefu_message_read", read)["updated_count"], 0);
    let many: Vec<u64> = (1..=1001).collect();
    user.refused("kefu_message_read", json!({"conversation_id": id, "message_ids": many, "sender_type": 2}));
    // A conversation's id is no message's id, nor the other way round.
    let sent = user.say(id, "x")["message_id"].clone();
    user.refused("kefu_message_send", json!({"conversation_id": sent.as_u64().unwrap() + (1 << 40), "content": "x"}));
    server.assert_healthy("ids that are no ids");
}

/// Contents that JSON, SQL, HTML or a terminal might stumble over come back as they were.
#[test]
fn strange_contents_survive() {
    let server: Server = Setup::shards(2).start();
    let mut agent = server.login("agent", 1);
    let id = server.conversation_id(100);
    let mut user = server.login("user", 100);
    for content in [
        "\u{0}\u{1}\u{1f}\u{7f}",
        "\"quotes\" \\ and / slashes",
        "'; DROP TABLE messages; --",
        "<script>alert(1)</script>",
        "𝄞 👩‍👩‍👧‍👦 é e\u{301} \u{202e}rtl",
        "\u{2028}\u{2029}\u{feff}",
        " leading and trailing ",
        "\n",
    ] {
        user.say(id, content);
        assert_eq!(agent.push("kefu_message")["content"], content);
        assert_eq!(server.list(("user", 100), id, 1, 1)[0]["content"], content);
    }
    for empty in [json!(""), json!(null)] {
        assert_eq!(
            user.refused("kefu_message_send", json!({"conversation_id": id, "content": empty})),
            "content is required"
        );
    }
}
