//! Coming back: retries that store nothing twice, and resuming by seq (dialects.md, extensions).

use serde_json::{Value, json};

use crate::harness::{Setup, assert_like, stories};

stories!(
    a_retry_stores_nothing_new,
    sync_tells_what_was_missed,
    receipts_only_for_who_asked,
    typing_only_for_who_asked
);

fn a_retry_stores_nothing_new(shards: u16) {
    let mut server = Setup::shards(shards).start();
    let mut agent = server.login("agent", 1);
    let id = server.conversation_id(100);
    let mut user = server.login("user", 100);
    let send = json!({"conversation_id": id, "content": "once", "client_msg_id": "c-1"});
    let first = user.ok("kefu_message_send", send.clone());
    assert_eq!(user.ok("kefu_message_send", send.clone()), first, "as the first time");
    // The same op_id is no such id: clients count it from 1 after each page load.
    for _ in 0..2 {
        user.text(
            &json!({"action": "kefu_message_send", "data": {"conversation_id": id, "content": "op"}, "op_id": "1"})
                .to_string(),
        );
        assert_like(&user.hear_json(), json!({"success": true, "op_id": "1"}));
    }
    // Another sender's same id is another message.
    let mut theirs = send.clone();
    theirs["sender_type"] = json!(2);
    let other = agent.ok("kefu_message_send", theirs);
    assert_ne!(other["message_id"], first["message_id"]);
    let contents = |server: &crate::harness::Server| -> Vec<Value> {
        server.list(("user", 100), id, 1, 100).iter().map(|message| message["content"].clone()).collect()
    };
    assert_eq!(contents(&server), ["once", "op", "op", "once"]);
    for _ in 0..3 {
        agent.push("kefu_message");
    }
    agent.assert_quiet();

    server.kill();
    server.restart();
    let mut user = server.login("user", 100);
    assert_eq!(user.ok("kefu_message_send", send.clone()), first, "after a crash");
    user.ok("kefu_message_end", json!({"conversation_id": id}));
    assert_eq!(user.ok("kefu_message_send", send), first, "after the end");
    let fresh = json!({"conversation_id": id, "content": "new", "client_msg_id": "c-2"});
    user.refused("kefu_message_send", fresh);
    assert_eq!(contents(&server).len(), 4);

    for wrong in [json!(""), json!("x".repeat(65)), json!(7), json!({})] {
        let data = json!({"conversation_id": id, "content": "x", "client_msg_id": wrong});
        let why = user.refused("kefu_message_send", data);
        assert!(why.contains("client_msg_id"), "the field is named: {why}");
    }

    let mut page = server.connect("visitor");
    server.make_agent(5, json!({}));
    let send = json!({"visitor_id": "v", "kefu_id": "5", "content": "once", "client_msg_id": "c-1"});
    let first = page.ok("kefu_message_visitor_send", send.clone());
    assert_eq!(page.ok("kefu_message_visitor_send", send), first, "visitors too");
}

fn sync_tells_what_was_missed(shards: u16) {
    let server = Setup::shards(shards).start();
    let mut agent = server.login("agent", 1);
    let id = server.conversation_id(100);
    let mut user = server.login("user", 100);
    for n in 1..=7 {
        user.say(id, &format!("no. {n}"));
    }
    let mut sync = |after: u64, limit: u64| {
        agent.ok("kefu_message_sync", json!({"conversation_id": id, "after_seq": after, "limit": limit}))
    };
    let numbers = |data: &Value| -> Vec<u64> {
        let messages = data["messages"].as_array().expect("messages");
        messages.iter().map(|message| message["seq"].as_u64().expect("a seq")).collect()
    };
    let data = sync(0, 3);
    assert_eq!(numbers(&data), [1, 2, 3]);
    assert_like(
        &data["messages"][0],
        json!({
            "id": "@id", "conversation_id": id, "sender_id": 100, "sender_type": 1, "content": "no. 1",
            "message_type": 1, "file_url": null, "is_read": 0, "read_at": null, "created_at": "@time",
            "updated_at": "@time", "seq": 1
        }),
    );
    assert_eq!(data["complete"], false);
    // Following `next_seq` brings everything once.
    let data = sync(data["next_seq"].as_u64().unwrap(), 3);
    assert_eq!(numbers(&data), [4, 5, 6]);
    let data = sync(data["next_seq"].as_u64().unwrap(), 3);
    assert_eq!((numbers(&data), &data["complete"]), (vec![7], &json!(true)));
    let next = data["next_seq"].as_u64().unwrap();
    let data = sync(next, 3);
    assert_eq!((numbers(&data), &data["complete"]), (vec![], &json!(true)));

    // What lies beyond the newest cannot be: an explicit gap.
    let gap = agent.call("kefu_message_sync", json!({"conversation_id": id, "after_seq": 8, "limit": 3}));
    assert_like(&gap, json!({"success": false, "message": "@text", "data": {"newest_seq": 7}}));

    // The same over REST.
    let path = format!("/api/kefu/message/list?conversation_id={id}&after_seq=5&page_size=100");
    let listed = server.get(&path, Some(("user", 100))).json();
    assert_like(&listed, json!({"code": 200, "data": [{"content": "no. 6"}, {"content": "no. 7"}]}));
}

fn receipts_only_for_who_asked(shards: u16) {
    let server = Setup::shards(shards).start();
    let mut agent = server.login_ext("agent", 1);
    let mut agent_plain = server.login("agent", 1);
    let id = server.conversation_id(100);
    let mut user = server.login("user", 100);
    let sent = agent.say_as_agent(id, "read me");
    agent_plain.push("kefu_message");
    user.push("kefu_message");
    let read = json!({"conversation_id": id, "message_ids": [sent["message_id"]], "sender_type": 2});
    user.ok("kefu_message_read", read);
    let push = json!({
        "type": "push_message", "action": "kefu_message_read", "conversation_id": id,
        "message_ids": [sent["message_id"]], "timestamp": "@secs"
    });
    assert_like(&agent.push("kefu_message_read"), push);
    agent_plain.assert_quiet();
}

fn typing_only_for_who_asked(shards: u16) {
    let server = Setup::shards(shards).start();
    let mut agent = server.login_ext("agent", 1);
    let mut agent_plain = server.login("agent", 1);
    let id = server.conversation_id(100);
    let mut user = server.login("user", 100);
    user.ok("kefu_message_typing", json!({"conversation_id": id}));
    assert_like(
        &agent.push("kefu_message_typing"),
        json!({"type": "push_message", "conversation_id": id, "timestamp": "@secs"}),
    );
    agent_plain.assert_quiet();
    // The user's connection used an extension itself: from now on it hears them.
    agent.ok("kefu_message_typing", json!({"conversation_id": id}));
    user.push("kefu_message_typing");
    assert_eq!(server.list(("user", 100), id, 1, 10).len(), 0, "typing is no message");
}
