//! The main job: a user and an agent talk (guide 2, sections HTTP API, WebSocket and push). Every answer and
//! push is compared with the guide's example.

use serde_json::{Value, json};

use crate::harness::pattern::time_at_utc8;
use crate::harness::{Server, Setup, assert_like, stories};

stories!(
    user_and_agent_talk,
    read_marks_and_counters,
    the_end_and_a_new_beginning,
    pages,
    pictures_and_files,
    op_id_comes_back_as_it_came,
    every_form_of_ping,
    many_users_and_agents
);

/// A server with agent 1 on one connection and the open conversation of user 100.
fn opened(shards: u16) -> (Server, crate::harness::Peer, u64) {
    let server = Setup::shards(shards).start();
    let agent = server.login("agent", 1);
    let conversation = server.conversation_id(100);
    (server, agent, conversation)
}

fn user_and_agent_talk(shards: u16) {
    let server = Setup::shards(shards).start();
    let mut desk = server.login("agent", 1);
    let mut desk_too = server.login("agent", 1);
    let reply = server.get("/api/kefu/message/getConversation", Some(("user", 100)));
    assert_eq!(reply.status, 200);
    assert_like(
        &reply.json(),
        json!({"code": 200, "data": {
            "id": "@id", "kefu_id": 1, "user_id": 100, "status": 1, "last_message_at": null,
            "unread_count": 0, "kefu_unread_count": 0, "created_at": "@time", "updated_at": "@time"
        }}),
    );
    let id = reply.json()["data"]["id"].as_u64().unwrap();
    assert_eq!(server.conversation_id(100), id, "an open conversation is used again");

    let mut phone = server.login("user", 100);
    let mut tablet = server.login("user", 100);
    let sent = phone.say(id, "你好");
    assert_like(&sent, json!({"message_id": "@id", "created_at": "@time"}));
    let from_user = json!({
        "type": "push_message", "action": "kefu_message", "conversation_id": id, "message_id": sent["message_id"],
        "sender_id": 100, "sender_type": 1, "from_uid": 100, "to_uid": 1, "content": "你好", "message_type": 1,
        "file_url": null, "created_at": sent["created_at"], "timestamp": "@secs"
    });
    for listener in [&mut desk, &mut desk_too, &mut tablet] {
        let push = listener.push("kefu_message");
        assert_like(&push, from_user.clone());
        assert_eq!(push["created_at"], time_at_utc8(push["timestamp"].as_u64().unwrap()), "kefu's zone is UTC+8");
    }
    phone.assert_quiet();

    let answered = desk.say_as_agent(id, "您好，有什么可以帮您的吗？");
    assert!(answered["message_id"].as_u64() > sent["message_id"].as_u64(), "ids ascend in a conversation");
    let from_agent = json!({
        "type": "push_message", "action": "kefu_message", "conversation_id": id, "message_id": answered["message_id"],
        "sender_id": 1, "sender_type": 2, "from_uid": 1, "to_uid": 100, "content": "您好，有什么可以帮您的吗？",
        "message_type": 1, "file_url": null, "created_at": answered["created_at"], "timestamp": "@secs"
    });
    for listener in [&mut phone, &mut tablet, &mut desk_too] {
        assert_like(&listener.push("kefu_message"), from_agent.clone());
    }
    desk.assert_quiet();

    let message = |sent: &Value, sender: u64, side: u64, content: &str| {
        json!({
            "id": sent["message_id"], "conversation_id": id, "sender_id": sender, "sender_type": side,
            "content": content, "message_type": 1, "file_url": null, "is_read": 0, "read_at": null,
            "created_at": sent["created_at"], "updated_at": "@time"
        })
    };
    let wanted = json!([message(&sent, 100, 1, "你好"), message(&answered, 1, 2, "您好，有什么可以帮您的吗？")]);
    for who in [("user", 100), ("agent", 1)] {
        assert_like(&Value::Array(server.list(who, id, 1, 20)), wanted.clone());
    }
}

fn read_marks_and_counters(shards: u16) {
    let (server, mut agent, id) = opened(shards);
    let mut user = server.login("user", 100);
    let mine: Vec<Value> = ["a", "b", "c"].iter().map(|text| user.say(id, text)["message_id"].clone()).collect();
    let theirs: Vec<Value> = ["x", "y"].iter().map(|text| agent.say_as_agent(id, text)["message_id"].clone()).collect();
    assert_like(
        &server.conversation(100),
        json!({"unread_count": 2, "kefu_unread_count": 3, "last_message_at": "@time"}),
    );

    // Naming the other side's and one's own messages alike: only those of `sender_type` are marked.
    let ids: Vec<Value> = theirs.iter().chain(&mine).cloned().collect();
    let read = json!({"conversation_id": id, "message_ids": ids, "sender_type": 2});
    let answer = user.call("kefu_message_read", read.clone());
    assert_like(&answer, json!({"success": true, "message": "Messages marked as read", "data": {"updated_count": 2}}));
    assert_like(&user.ok("kefu_message_read", read), json!({"updated_count": 0}));
    assert_like(&server.conversation(100), json!({"unread_count": 0, "kefu_unread_count": 3}));

    let read = json!({"conversation_id": id, "message_ids": [mine[0]], "sender_type": 1});
    assert_like(&agent.ok("kefu_message_read", read), json!({"updated_count": 1}));
    // "标记已读后，会话的 unread_count 会自动清零", even when only some are named.
    assert_like(&server.conversation(100), json!({"unread_count": 0, "kefu_unread_count": 0}));

    let marks: Vec<(Value, bool)> = server
        .list(("user", 100), id, 1, 20)
        .iter()
        .map(|message| (message["is_read"].clone(), message["read_at"].is_string()))
        .collect();
    let (yes, no) = ((json!(1), true), (json!(0), false));
    assert_eq!(marks, [yes.clone(), no.clone(), no, yes.clone(), yes]);
    user.push("kefu_message");
    user.push("kefu_message");
    user.assert_quiet();
}

fn the_end_and_a_new_beginning(shards: u16) {
    let (server, mut agent, id) = opened(shards);
    let mut user = server.login("user", 100);
    let mut other_device = server.login("user", 100);
    user.say(id, "bye");
    agent.push("kefu_message");
    other_device.push("kefu_message");
    assert_eq!(server.agent_view(1)["current_concurrent"], 1);
    let answer = user.call("kefu_message_end", json!({"conversation_id": id}));
    assert_like(
        &answer,
        json!({"success": true, "message": "Conversation ended successfully", "data": {"conversation_id": id}}),
    );
    let push = json!({
        "type": "push_message", "action": "kefu_message_end", "conversation_id": id, "operator_id": 100,
        "operator_type": 1, "from_uid": 100, "to_uid": [100, 1], "timestamp": "@secs"
    });
    assert_like(&agent.push("kefu_message_end"), push.clone());
    assert_like(&other_device.push("kefu_message_end"), push);
    user.assert_quiet();
    assert_eq!(server.agent_view(1)["current_concurrent"], 0, "the slot is free again");

    // Ending what has ended succeeds and tells nobody; sending into it is refused.
    assert_like(&user.ok("kefu_message_end", json!({"conversation_id": id})), json!({"conversation_id": id}));
    user.refused("kefu_message_send", json!({"conversation_id": id, "content": "too late"}));
    agent.refused("kefu_message_send", json!({"conversation_id": id, "content": "too late", "sender_type": 2}));
    agent.assert_quiet();

    let next = server.conversation_id(100);
    assert_ne!(next, id, "a new conversation after the end");
    assert_eq!(server.list(("user", 100), id, 1, 10).len(), 1, "the old one is still there to read");
    assert_eq!(server.list(("user", 100), next, 1, 10).len(), 0);

    // An agent may end as well.
    agent.ok("kefu_message_end", json!({"conversation_id": next}));
    let push = json!({"operator_id": 1, "operator_type": 2, "from_uid": 1, "to_uid": [100, 1]});
    assert_like(&user.push("kefu_message_end"), push);
}

fn pages(shards: u16) {
    let (server, _agent, id) = opened(shards);
    let mut user = server.login("user", 100);
    let posts: Vec<u64> = (1..=105)
        .map(|n| {
            let data = json!({"conversation_id": id, "content": format!("no. {n}")});
            user.try_post("kefu_message_send", data).unwrap()
        })
        .collect();
    for post in posts {
        assert_eq!(user.try_answer(post).unwrap()["success"], true);
    }
    let page = |page: u64, size: u64| -> Vec<u64> {
        let number = |message: &Value| message["content"].as_str().unwrap()[4..].parse().unwrap();
        server.list(("user", 100), id, page, size).iter().map(number).collect()
    };
    assert_eq!(page(1, 10), (96..=105).collect::<Vec<_>>(), "the newest page, the newest message last");
    assert_eq!(page(2, 10), (86..=95).collect::<Vec<_>>());
    assert_eq!(page(11, 10), (1..=5).collect::<Vec<_>>(), "the oldest page has the rest");
    assert_eq!(page(12, 10), Vec::<u64>::new());
    assert_eq!(page(1, 1), [105]);
    assert_eq!(page(1, 1_000_000_000), (6..=105).collect::<Vec<_>>(), "at most 100 a page");
    assert_eq!(page(9_007_199_254_740_991, 100), Vec::<u64>::new());
    let default = server.get(&format!("/api/kefu/message/list?conversation_id={id}"), Some(("user", 100)));
    assert_eq!(default.json()["data"].as_array().unwrap().len(), 10, "page 1 of 10 unless asked otherwise");
}

fn pictures_and_files(shards: u16) {
    let (server, mut agent, id) = opened(shards);
    let mut user = server.login("user", 100);
    for (kind, caption) in [(2, Some("a picture")), (3, Some("a file")), (2, None), (3, Some(""))] {
        let url = format!("https://files.example/{kind}.bin?看=1");
        let mut data = json!({"conversation_id": id, "message_type": kind, "file_url": url});
        if let Some(caption) = caption {
            data["content"] = json!(caption);
        }
        let sent = user.ok("kefu_message_send", data);
        let push = json!({"message_id": sent["message_id"], "message_type": kind, "file_url": url});
        assert_like(&agent.push("kefu_message"), push);
        let listed = server.list(("user", 100), id, 1, 1).remove(0);
        assert_like(&listed, json!({"id": sent["message_id"], "message_type": kind, "file_url": url}));
    }
    for kind in [2, 3] {
        let no_url = json!({"conversation_id": id, "message_type": kind, "content": "no url", "file_url": null});
        assert_eq!(user.refused("kefu_message_send", no_url), "file_url is required");
    }
    let text =
        json!({"conversation_id": id, "message_type": 1, "content": "with a link", "file_url": "https://x.example/"});
    user.ok("kefu_message_send", text);
    assert_like(&agent.push("kefu_message"), json!({"content": "with a link", "file_url": "https://x.example/"}));
    assert_eq!(user.refused("kefu_message_send", json!({"conversation_id": id})), "content is required");
    assert_eq!(user.refused("kefu_message_send", json!({"content": "where to?"})), "conversation_id is required");
    user.refused("kefu_message_send", json!({"conversation_id": id, "content": "x", "message_type": 4}));
}

fn op_id_comes_back_as_it_came(shards: u16) {
    let (server, _agent, id) = opened(shards);
    let mut user = server.login("user", 100);
    let forms = [
        r#""unique_op_id""#,
        r#""""#,
        r#""\"q\" 你好 \\ \u0007""#,
        "0",
        "-7",
        "1.5",
        "12345678901234567890123",
        "true",
        "null",
        "[]",
        r#"[1,{"a":null},"x"]"#,
        r#"{"nested":{"deep":[1,2,3]}}"#,
    ];
    for form in forms {
        for action in [
            format!(
                r#"{{"action":"kefu_message_send","data":{{"conversation_id":{id},"content":"x"}},"op_id":{form}}}"#
            ),
            format!(r#"{{"op_id":{form},"action":"kefu_message_send","data":{{"conversation_id":{id}}}}}"#),
            format!(r#"{{"op_id":{form},"action":"no_such_action"}}"#),
            format!(r#"{{"op_id":{form},"action":"ping"}}"#),
        ] {
            user.text(&action);
            let said = user.hear();
            assert!(said.contains(&format!(r#""op_id":{form}"#)), "asked {action}, answered {said}");
        }
    }
    user.text(&format!(r#"{{"action":"kefu_message_send","data":{{"conversation_id":{id},"content":"x"}}}}"#));
    assert_like(&user.hear_json(), json!({"success": true, "op_id": null}));
}

fn every_form_of_ping(shards: u16) {
    let server = Setup::shards(shards).start();
    let mut peer = server.connect("nobody");
    for round in 0..2 {
        peer.text("ping");
        assert_eq!(peer.hear(), "pong");
        peer.text(r#"{"type":"ping"}"#);
        assert_eq!(peer.hear_json(), json!({"type": "pong"}));
        peer.text(r#"{"action":"ping","op_id":"p"}"#);
        assert_like(&peer.hear_json(), json!({"success": true, "message": "pong", "data": null, "op_id": "p"}));
        peer.ping_frame(b"");
        peer.ping_frame(&[0xff; 125]);
        if round == 0 {
            let token = server.token("user", 100);
            assert_like(&peer.ok("login", json!({"token": token})), json!({"uid": 100}));
        }
    }
}

/// Twelve users and three agents at once: everybody hears all of its own conversation in order, and
/// nothing of another's.
fn many_users_and_agents(shards: u16) {
    let server = Setup::shards(shards).start();
    let mut agents: Vec<_> = (1..=3).map(|id| server.login("agent", id)).collect();
    let mut users: Vec<_> = (100..112)
        .map(|id| {
            let conversation = server.conversation(id);
            (server.login("user", id), conversation["id"].as_u64().unwrap(), conversation["kefu_id"].as_u64().unwrap())
        })
        .collect();
    for round in 0..5 {
        let posts: Vec<u64> = users
            .iter_mut()
            .map(|(user, id, _)| {
                let data = json!({"conversation_id": *id, "content": format!("{id}/{round}")});
                user.try_post("kefu_message_send", data).unwrap()
            })
            .collect();
        for ((user, ..), post) in users.iter_mut().zip(posts) {
            assert_eq!(user.try_answer(post).unwrap()["success"], true);
        }
    }
    for (user, id, agent) in &mut users {
        let agent = &mut agents[*agent as usize - 1];
        agent.say_as_agent(*id, &format!("{id}/answer"));
        assert_like(&user.push("kefu_message"), json!({"content": format!("{id}/answer"), "conversation_id": *id}));
        user.assert_quiet();
    }
    for (number, agent) in agents.iter_mut().enumerate() {
        let mine: Vec<u64> = users.iter().filter(|user| user.2 == number as u64 + 1).map(|user| user.1).collect();
        assert_eq!(mine.len(), 4, "twelve users among three agents");
        let mut heard = std::collections::HashMap::new();
        for _ in 0..mine.len() * 5 {
            let push = agent.push("kefu_message");
            let id = push["conversation_id"].as_u64().unwrap();
            assert!(mine.contains(&id), "a stranger's message: {push}");
            let round = heard.entry(id).or_insert(0);
            assert_eq!(push["content"], format!("{id}/{round}"), "in order");
            *round += 1;
        }
        agent.assert_quiet();
    }
}
