//! bytedesk (guide 1, sections 1.2 and 2): users and agents on its WebSocket and REST, with each other and with kefu's.

use serde_json::{Value, json};

use crate::harness::bytedesk::id_in;
use crate::harness::{Setup, assert_like, stories, until};

stories!(
    a_user_and_an_agent_talk,
    a_user_talks_with_a_kefu_agent,
    an_agent_serves_a_kefu_user_and_a_visitor,
    one_path_for_two_dialects,
    a_retry_stores_nothing_new,
    statuses_are_told_to_who_watches,
    edits_and_recalls_are_told_in_every_dialect,
    edits_and_recalls_have_their_rights_and_times,
    a_recalled_message_is_not_unread,
    a_transfer_to_an_agent,
    a_transfer_to_a_group,
    lists_page_and_keep_to_their_own,
    extensions_are_for_those_who_asked,
    a_deleted_agents_token_opens_nothing,
    an_opaque_token_is_an_agent_at_its_desk,
    a_kill_after_each_change
);

fn a_user_and_an_agent_talk(shards: u16) {
    let server = Setup::shards(shards).start();
    let mut agent = server.desk_agent(1, "");
    let mut user = server.desk_user(100, "");
    let mut second = server.desk_user(100, "");
    let ack = user.say("1", "你好");
    let id = id_in(&ack, "conversation_id");
    assert_like(&ack, json!({"message_id": ack["message_id"], "seq": 1, "timestamp": ack["timestamp"]}));
    let expected = json!({
        "from": "100", "to": "1", "content": "你好", "timestamp": ack["timestamp"], "message_id": ack["message_id"],
        "conversation_id": ack["conversation_id"], "seq": 1, "sender_type": "customer", "type": "text"
    });
    assert_eq!(agent.heard(), json!({"type": "message", "action": "send", "data": expected}));
    assert_like(&second.message(), expected);
    // The agent answers as the guide shows it: to the user, without naming the conversation.
    agent.say("100", "您好");
    let answer = json!({"from": "1", "to": "100", "content": "您好", "seq": 2, "sender_type": "agent"});
    assert_like(&user.message(), answer.clone());
    assert_like(&second.message(), answer);
    agent.say_in(id, "还有什么问题吗");
    assert_eq!(user.message()["content"], "还有什么问题吗");
    second.message();
    let contents: Vec<_> = user.history(id).iter().map(|message| message["content"].clone()).collect();
    assert_eq!(contents, ["你好", "您好", "还有什么问题吗"]);
    assert_like(&agent.conversation(id), json!({"customer_id": "100", "agent_id": "1", "status": "active"}));
    agent.end(id);
    for quiet in [&mut user, &mut second, &mut agent] {
        quiet.assert_quiet();
    }
    assert_eq!(user.conversation(id)["status"], "closed");
    // The next message opens another.
    assert_ne!(id_in(&user.say("auto", "再问一下"), "conversation_id"), id);
    assert_like(&agent.message(), json!({"content": "再问一下", "seq": 1}));
}

fn a_user_talks_with_a_kefu_agent(shards: u16) {
    let server = Setup::shards(shards).start();
    let mut agent = server.login("agent", 1);
    let mut user = server.desk_user(100, "");
    let id = id_in(&user.say("auto", "hello"), "conversation_id");
    assert_like(&agent.push("kefu_message"), json!({"content": "hello", "conversation_id": id, "from_uid": 100}));
    agent.say_as_agent(id, "hi");
    assert_like(&user.message(), json!({"from": "1", "to": "100", "content": "hi", "conversation_id": id.to_string()}));
    let listed = server.whole_list(("user", 100), id);
    assert_eq!(listed.iter().map(|message| &message["content"]).collect::<Vec<_>>(), ["hello", "hi"]);
}

fn an_agent_serves_a_kefu_user_and_a_visitor(shards: u16) {
    let server = Setup::shards(shards).start();
    let mut agent = server.desk_agent(1, "");
    let id = server.conversation_id(100);
    let mut user = server.login("user", 100);
    user.say(id, "hello");
    assert_like(&agent.message(), json!({"from": "100", "to": "1", "conversation_id": id.to_string()}));
    agent.say("100", "hi");
    assert_like(&user.push("kefu_message"), json!({"content": "hi", "sender_id": 1}));
    let mut visitor = server.connect("a visitor");
    visitor.ok("kefu_message_visitor_bind_fd", json!({"bind_key": "visitor_1"}));
    visitor.ok("kefu_message_visitor_send", json!({"visitor_id": "visitor_1", "kefu_id": "1", "content": "anyone?"}));
    let heard = agent.message();
    assert_eq!(heard["content"], "anyone?");
    // A visitor is answered at the number it is shown by, as the guide's client would.
    agent.say(heard["from"].as_str().expect("a number"), "yes");
    assert_like(&visitor.push("kefu_visitor_message"), json!({"content": "yes", "kefu_id": "1"}));
}

fn one_path_for_two_dialects(shards: u16) {
    let server = Setup::shards(shards).start();
    let mut kefu = server.connect("kefu");
    assert_eq!(kefu.call("ping", json!({}))["message"], "pong");
    let mut desk = server.desk_user(100, "");
    desk.text("ping");
    assert_eq!(desk.hear_text(), "pong");
    desk.send(&json!({"type": "ping"}));
    assert_eq!(desk.heard(), json!({"type": "pong"}));
    assert!(server.desk("admin", 1, "").is_err(), "an admin is nobody's party");
    let (_, customer) = server.enter("WEB", "web_1");
    for token in ["", "xxx", customer.as_str()] {
        let refused = crate::harness::Peer::connect(server.address, &format!("/ws?token={token}"), "refused");
        match refused {
            Err(crate::harness::Lost::Broken(why)) => assert!(why.contains("401"), "{token}: {why}"),
            Err(other) => panic!("{token}: {other:?}"),
            Ok(_) => panic!("{token}: let in"),
        }
    }
    // An agent's opaque token opens this path as well.
    server.make_agent(7, json!({}));
    let token = server.agent_uuid(7);
    let mut agent = crate::harness::Peer::connect(server.address, &format!("/ws?token={token}"), "agent 7").unwrap();
    agent.text(r#"{"type":"event","action":"status_change","data":{"status":"busy"}}"#);
    assert_like(&agent.hear_json(), json!({"type": "ack", "data": {"agent_id": "7", "status": "busy"}}));
}

fn a_retry_stores_nothing_new(shards: u16) {
    let mut server = Setup::shards(shards).start();
    let mut agent = server.desk_agent(1, "");
    let mut user = server.desk_user(100, "");
    let send = |to: &str, from: &str, key: &str| json!({"from": from, "to": to, "content": "once", "timestamp": 1, "client_msg_id": key});
    let first = user.ok("message", "send", send("auto", "100", "a"));
    assert_eq!(first["client_msg_id"], "a");
    assert_eq!(user.ok("message", "send", send("auto", "100", "a")), first);
    let id = id_in(&first, "conversation_id");
    agent.message();
    let answer = agent.ok("message", "send", send("100", "1", "b"));
    // By REST too, after the end, and after a crash: as the first time.
    agent.end(id);
    let rest = |data: Value| json!({"message_id": data["message_id"], "seq": data["seq"]});
    let again = user.rest_ok("POST", "/api/v1/messages", Some(&send("auto", "100", "a")));
    assert_eq!(rest(again), rest(first.clone()));
    assert_eq!(agent.ok("message", "send", send("100", "1", "b"))["message_id"], answer["message_id"]);
    server.kill();
    server.restart();
    let mut user = server.desk_user(100, "");
    assert_eq!(user.ok("message", "send", send("auto", "100", "a")), first);
    assert_eq!(user.history(id).len(), 2);
}

fn statuses_are_told_to_who_watches(shards: u16) {
    let server = Setup::shards(shards).start();
    server.make_agent(3, json!({"groups": ["other"]}));
    let mut agent = server.desk_agent(1, "");
    let mut stranger = server.desk_agent(3, "");
    let mut user = server.desk_user(100, "");
    let mut nobodys = server.desk_user(200, "");
    user.say("1", "hello");
    agent.message();
    // A colleague comes, is told of, and sets its own status.
    let mut colleague = server.desk_agent(2, "");
    assert_like(&agent.event("status_change"), json!({"agent_id": "2", "status": "online"}));
    let data = json!({"agent_id": "1", "status": "busy", "timestamp": 1635232823});
    let ack = agent.ok("event", "status_change", data);
    assert_like(&ack, json!({"agent_id": "1", "status": "busy"}));
    let told = json!({"type": "event", "action": "status_change", "data": ack});
    colleague.heard_where("the status", |frame| *frame == told);
    assert_eq!(user.heard(), told);
    assert_eq!(server.agent_view(1)["status"], "busy");
    // The same again is no news, and neither the agent's own connection nor strangers hear any of it.
    agent.ok("event", "status_change", json!({"status": "busy"}));
    for quiet in [&mut agent, &mut colleague, &mut user, &mut nobodys, &mut stranger] {
        quiet.assert_quiet();
    }
    let (code, _) = user.refused("event", "status_change", json!({"status": "busy"}));
    assert_eq!(code, 403);
    // One who is deleted is offline, and that is told once.
    server.admin("DELETE", "/api/v1/agents/2", None);
    assert_like(&agent.event("status_change"), json!({"agent_id": "2", "status": "offline"}));
    for quiet in [&mut agent, &mut user, &mut stranger] {
        quiet.assert_quiet();
    }
    drop(agent);
    assert_like(&user.event("status_change"), json!({"agent_id": "1", "status": "offline"}));
}

fn edits_and_recalls_are_told_in_every_dialect(shards: u16) {
    let server = Setup::shards(shards).start();
    let mut kefu = server.login_ext("agent", 1);
    let mut plain = server.login("agent", 1);
    let mut agent = server.desk_agent(1, "");
    let mut chat = server.agent_chat(1);
    let mut user = server.desk_user(100, "");
    let mut other = server.desk_user(100, "");
    let ack = user.say("1", "hallo");
    let (id, message) = (id_in(&ack, "conversation_id"), id_in(&ack, "message_id"));
    kefu.push("kefu_message");
    plain.push("kefu_message");
    chat.heard();
    let edited = user.edit(message, "hello");
    assert_like(&edited, json!({"message_id": message.to_string(), "content": "hello", "seq": 1, "recalled_at": null}));
    assert!(edited["edited_at"].is_u64(), "{edited}");
    let told =
        json!({"message_id": message.to_string(), "conversation_id": id.to_string(), "content": "hello", "seq": 1});
    for peer in [&mut agent, &mut user, &mut other] {
        assert_like(&peer.event("message_edited"), told.clone());
    }
    assert_like(&kefu.push("kefu_message_edited"), json!({"message_id": message, "content": "hello", "seq": 1}));
    let recalled = user.recall(message);
    assert_like(&recalled, json!({"content": "", "seq": 1, "edited_at": null}));
    for peer in [&mut agent, &mut user, &mut other] {
        let told = peer.event("message_recalled");
        assert_eq!(told["message_id"], message.to_string());
        assert!(told.get("content").is_none(), "{told}");
    }
    let push = kefu.push("kefu_message_recalled");
    assert!(push["message_id"] == message && push.get("content").is_none(), "{push}");
    plain.assert_quiet();
    chat.assert_quiet();
    // A second recall changes nothing and is no news; its place in every list stays.
    assert_eq!(user.recall(message), recalled);
    user.assert_quiet();
    user.say("1", "second");
    let listed = server.whole_list(("agent", 1), id);
    assert_like(&listed[0], json!({"content": "", "message_type": 1, "seq": 1, "file_url": null}));
    assert!(listed[0]["recalled_at"].is_string() && listed[1].get("recalled_at").is_none(), "{listed:?}");
    assert_eq!(agent.history(id)[0], recalled);
    let reply = user.rest("PUT", &format!("/api/v1/messages/{message}"), Some(&json!({"content": "x"})));
    assert_eq!((reply.status, reply.json()["message"].as_str()), (409, Some("the message was recalled")));
}

fn edits_and_recalls_have_their_rights_and_times(shards: u16) {
    let server = Setup::shards(shards)
        .env("SWITCHBOARD_MESSAGE_EDIT_WINDOW", "0s")
        .env("SWITCHBOARD_MESSAGE_RECALL_WINDOW", "0s")
        .start();
    server.make_agent(2, json!({"groups": ["other"]}));
    let mut agent = server.desk_agent(1, "");
    let stranger = server.desk_agent(2, "");
    let mut user = server.desk_user(100, "");
    let another = server.desk_user(200, "");
    let message = id_in(&user.say("1", "hello"), "message_id");
    agent.message();
    std::thread::sleep(std::time::Duration::from_millis(5));
    let path = format!("/api/v1/messages/{message}");
    let body = json!({"content": "x"});
    for (peer, expected) in [(&agent, 403), (&stranger, 404), (&another, 404), (&user, 409)] {
        assert_eq!(peer.rest("PUT", &path, Some(&body)).status, expected, "PUT by {}", peer.id());
        assert_eq!(peer.rest("DELETE", &path, None).status, expected, "DELETE by {}", peer.id());
    }
    assert_eq!(stranger.rest("GET", &path, None).status, 404);
    assert_eq!(agent.rest_ok("GET", &path, None)["content"], "hello");
    for path in ["/api/v1/messages/1", "/api/v1/messages/xxx", "/api/v1/messages/0"] {
        assert_eq!(user.rest("GET", path, None).status, 404, "{path}");
        assert_eq!(user.rest("DELETE", path, None).status, 404, "{path}");
    }
    // An admin may recall at any time, but not edit what nobody may any more.
    assert_eq!(server.request_as(("admin", 1), "PUT", &path, Some(&body)).status, 409);
    server.admin("DELETE", &path, None);
    assert_eq!(user.event("message_recalled")["message_id"], message.to_string());
}

fn a_recalled_message_is_not_unread(shards: u16) {
    let server = Setup::shards(shards).start();
    let mut user = server.desk_user(100, "");
    let first = user.say("auto", "one");
    let id = id_in(&first, "conversation_id");
    let second = user.say("auto", "two");
    assert_eq!(user.conversation(id)["agent_unread_count"], 2);
    user.recall(id_in(&first, "message_id"));
    assert_eq!(user.conversation(id)["agent_unread_count"], 1);
    // Whoever gets it is told of what is left.
    let mut agent = server.desk_agent(1, "");
    assert_like(&agent.message(), json!({"content": "two", "seq": 2}));
    let ids = json!({"conversation_id": id.to_string(), "message_ids": [second["message_id"]]});
    assert_eq!(agent.ok("message", "read", ids)["updated_count"], 1);
    user.recall(id_in(&second, "message_id"));
    assert_eq!(user.conversation(id)["agent_unread_count"], 0);
}

fn a_transfer_to_an_agent(shards: u16) {
    let server = Setup::shards(shards).start();
    for id in [1, 2] {
        server.make_agent(id, json!({"max_concurrent": 1, "cs_id": format!("cs_{id}")}));
    }
    let mut one = server.login_ext("agent", 1);
    let id = server.conversation_id(100);
    let mut user = server.desk_user(100, "&ext=1");
    user.say("auto", "hello");
    one.push("kefu_message");
    let path = format!("/api/v1/conversations/{id}");
    let refused = |who: (&str, u64), to: Value| {
        let reply = server.request_as(who, "PUT", &path, Some(&to));
        (reply.status, reply.json()["message"].as_str().unwrap().to_owned())
    };
    assert_eq!(refused(("agent", 1), json!({"agent_id": 2})), (409, "the agent is offline".into()));
    assert_eq!(refused(("agent", 1), json!({"agent_id": "nobody"})), (404, "agent not found".into()));
    let mut two = server.desk_agent(2, "&ext=1");
    // Agent 2 is full with another's conversation.
    let full = server.conversation_id(200);
    assert_eq!(refused(("agent", 1), json!({"agent_id": "cs_2"})), (409, "the agent has no room".into()));
    assert_eq!(refused(("agent", 2), json!({"agent_id": 2})).0, 403, "a colleague may not take it");
    assert_eq!(refused(("user", 100), json!({"agent_id": 2})).0, 403);
    assert_eq!(refused(("user", 300), json!({"agent_id": 2})).0, 404);
    two.end(full);
    // Somebody waits for a slot of agent 1.
    let waiting = server.conversation_id(300);
    until("it waits for nobody", || (two.conversation(waiting)["agent_id"] == "2").then_some(()));
    two.end(waiting);
    let next = server.conversation_id(400);
    until("agent 2 has it", || (two.conversation(next)["agent_id"] == "2").then_some(()));
    two.end(next);
    let moved = server.request_as(("agent", 1), "PUT", &path, Some(&json!({"agent_id": "cs_2"})));
    assert_like(&moved.json()["data"], json!({"agent_id": "2", "status": "active", "group_id": "default"}));
    assert_like(&one.push("kefu_message_assigned"), json!({"kefu_id": 1}));
    assert_like(&one.push("kefu_message_assigned"), json!({"conversation_id": id, "kefu_id": 2}));
    let name = id.to_string();
    two.heard_where("the assignment", |frame| frame["data"]["conversation_id"] == name);
    assert_like(&two.message(), json!({"content": "hello", "from": "100", "to": "2"}));
    user.heard_where("the assignment", |frame| {
        frame["action"] == "conversation_assigned" && frame["data"]["agent_id"] == "2"
    });
    two.say("100", "now it is me");
    assert_eq!(user.message()["content"], "now it is me");
    one.refused("kefu_message_send", json!({"conversation_id": id, "content": "x", "sender_type": 2}));
    // The slot of agent 1 is free again.
    let freed = server.conversation_id(500);
    assert_eq!(server.conversation(500)["kefu_id"], 1);
    assert_ne!(freed, id);
}

fn a_transfer_to_a_group(shards: u16) {
    let server = Setup::shards(shards).start();
    server.make_agent(1, json!({"max_concurrent": 1}));
    server.make_agent(2, json!({"groups": ["sales"], "max_concurrent": 1}));
    let mut one = server.desk_agent(1, "&ext=1");
    let mut user = server.desk_user(100, "&ext=1");
    let id = id_in(&user.say("auto", "how much?"), "conversation_id");
    one.message();
    let waiting = server.conversation_id(200);
    assert_eq!(server.conversation(200)["kefu_id"], json!(null), "agent 1 is full");
    let moved = one.transfer(id, &json!({"group_id": "sales"}));
    assert_like(&moved, json!({"agent_id": null, "status": "pending", "group_id": "sales"}));
    // Told to both sides, and the slot is the next one's.
    let told = json!({"conversation_id": id.to_string(), "agent_id": "auto", "group_id": "sales"});
    assert_like(&user.event("conversation_waiting"), told.clone());
    let name = id.to_string();
    one.heard_where("both", |frame| frame["data"]["conversation_id"] == name && frame["data"]["group_id"] == "sales");
    until("the next in line has the slot", || (one.conversation(waiting)["agent_id"] == "1").then_some(()));
    let mut two = server.desk_agent(2, "");
    assert_like(&two.message(), json!({"content": "how much?", "from": "100"}));
    assert_like(&user.event("conversation_assigned"), json!({"agent_id": "2"}));
    assert_eq!(one.rest("GET", &format!("/api/v1/conversations/{id}"), None).status, 404, "another group's now");
    assert_eq!(server.metric("switchboard_desk_violations_total", ""), 0.0);
}

fn lists_page_and_keep_to_their_own(shards: u16) {
    let server = Setup::shards(shards).start();
    server.make_agent(2, json!({"groups": ["other"]}));
    let agent = server.desk_agent(1, "");
    let other = server.desk_agent(2, "");
    let mut user = server.desk_user(100, "");
    let mut ids = Vec::new();
    for round in 0..5 {
        let id = id_in(&user.say("auto", &format!("round {round}")), "conversation_id");
        ids.push(id.to_string());
        if round < 4 {
            user.rest_ok("DELETE", &format!("/api/v1/conversations/{id}"), None);
        }
    }
    let another = server.conversation_id(200).to_string();
    ids.reverse();
    let pages = |peer: &crate::harness::bytedesk::Desk, query: &str| {
        let (mut all, mut cursor) = (Vec::new(), String::new());
        loop {
            let page = peer.rest_ok("GET", &format!("/api/v1/conversations?limit=2{query}{cursor}"), None);
            let items = page["items"].as_array().expect("a list");
            assert!(items.len() <= 2);
            all.extend(items.iter().map(|item| item["conversation_id"].as_str().expect("an id").to_owned()));
            match page["next_cursor"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => return all,
            }
        }
    };
    assert_eq!(pages(&user, ""), ids);
    assert_eq!(pages(&user, "&status=closed"), ids[1..]);
    let all: Vec<_> = [&another].into_iter().chain(&ids).cloned().collect();
    assert_eq!(pages(&agent, ""), all);
    assert_eq!(pages(&agent, "&agent_id=1&status=active"), [another.clone(), ids[0].clone()]);
    assert!(pages(&other, "").is_empty());
    assert_eq!(other.rest("GET", &format!("/api/v1/conversations/{}", ids[0]), None).status, 404);
    assert_eq!(user.rest("GET", &format!("/api/v1/conversations/{another}"), None).status, 404);
    assert_eq!(user.rest("DELETE", &format!("/api/v1/conversations/{another}"), None).status, 404);
    assert_eq!(server.admin("GET", "/api/v1/conversations?limit=100", None)["items"].as_array().map(Vec::len), Some(6));
    // An admin opens one for a user, and sends as its agent.
    let opened = server.admin("POST", "/api/v1/conversations", Some(&json!({"user_id": 300, "agent_id": "1"})));
    assert_like(&opened, json!({"customer_id": "300", "agent_id": "1", "status": "active"}));
    let message = json!({"conversation_id": opened["conversation_id"], "content": "from the office"});
    server.admin("POST", "/api/v1/messages", Some(&message));
    let reply = server.request_as(("admin", 1), "POST", "/api/v1/conversations", Some(&json!({})));
    assert_eq!((reply.status, reply.json()["message"].as_str()), (400, Some("user_id is required")));
    // Histories: the newest page first, ascending within; then older ones, or from a seq on.
    for number in 1..=6 {
        user.say("auto", &format!("{number}"));
    }
    let id = &ids[0];
    let page = |query: &str| {
        let page = user.rest_ok("GET", &format!("/api/v1/messages?conversation_id={id}&limit=3{query}"), None);
        let seqs: Vec<_> = page["items"].as_array().unwrap().iter().map(|item| item["seq"].as_u64().unwrap()).collect();
        (seqs, page["next_cursor"].as_str().map(str::to_owned))
    };
    let (seqs, next) = page("");
    assert_eq!(seqs, [5, 6, 7]);
    let (seqs, next) = page(&format!("&cursor={}", next.unwrap()));
    assert_eq!(seqs, [2, 3, 4]);
    assert_eq!(page(&format!("&cursor={}", next.unwrap())), (vec![1], None));
    let (seqs, next) = page("&after_seq=2");
    assert_eq!(seqs, [3, 4, 5]);
    assert_eq!(page(&format!("&cursor={}", next.unwrap())), (vec![6, 7], None));
}

fn extensions_are_for_those_who_asked(shards: u16) {
    let server = Setup::shards(shards).start();
    let mut agent = server.desk_agent(1, "&ext=1");
    let mut user = server.desk_user(100, "");
    let id = id_in(&user.say("1", "one"), "conversation_id");
    agent.message();
    agent.ok("message", "typing", json!({"conversation_id": id.to_string()}));
    user.assert_quiet();
    let data = json!({"conversation_id": id.to_string(), "after_seq": 0});
    let synced = user.ok("message", "sync", data);
    assert_like(&synced, json!({"next_seq": 1, "complete": true, "conversation_id": id.to_string()}));
    assert_like(&synced["messages"][0], json!({"content": "one", "from": "100", "sender_type": "customer", "seq": 1}));
    // By that it has asked for them.
    agent.ok("message", "typing", json!({"conversation_id": id.to_string()}));
    assert_like(&user.event("typing"), json!({"by": "agent", "agent_id": "1"}));
    let (code, _) = user.refused("message", "sync", json!({"conversation_id": id.to_string(), "after_seq": 9}));
    assert_eq!(code, 409);
    agent.end(id);
    assert_like(&user.event("conversation_closed"), json!({"by": "agent", "conversation_id": id.to_string()}));
}

fn a_deleted_agents_token_opens_nothing(shards: u16) {
    let server = Setup::shards(shards).start();
    let mut agent = server.desk_agent(1, "");
    let mut user = server.desk_user(100, "");
    let id = id_in(&user.say("1", "hello"), "conversation_id");
    let message = id_in(&agent.say_in(id, "您好"), "message_id");
    agent.end(id);
    let tokens = [server.token("agent", 1), server.agent_uuid(1)];
    let edit = json!({"content": "changed"});
    let calls = [
        ("GET", "/api/v1/conversations".to_owned(), None),
        ("GET", format!("/api/v1/conversations/{id}/messages"), None),
        ("GET", "/api/v1/customers".to_owned(), None),
        ("PUT", format!("/api/v1/messages/{message}"), Some(&edit)),
        ("DELETE", format!("/api/v1/messages/{message}"), None),
    ];
    for token in &tokens {
        assert_eq!(server.request("GET", &calls[0].1, Some(token), None).status, 200);
    }
    server.admin("DELETE", "/api/v1/agents/1", None);
    for token in &tokens {
        for (method, path, body) in &calls {
            until("the token is refused", || {
                (server.request(method, path, Some(token), *body).status == 401).then_some(())
            });
        }
    }
    assert_eq!(server.request("GET", "/api/sessions", Some(&tokens[0]), None).status, 401);
    let contents: Vec<_> = user.history(id).iter().map(|message| message["content"].clone()).collect();
    assert_eq!(contents, ["hello", "您好"]);
    // Made anew, it is there again.
    server.make_agent(1, json!({}));
    until("it is let in", || (server.request("GET", &calls[0].1, Some(&tokens[0]), None).status == 200).then_some(()));
}

fn an_opaque_token_is_an_agent_at_its_desk(shards: u16) {
    let server = Setup::shards(shards).start();
    server.make_agent(1, json!({}));
    server.make_agent(2, json!({"max_concurrent": 1}));
    let mut colleague = server.desk_agent(2, "");
    let theirs = id_in(&server.desk_user(200, "").say("2", "hello"), "conversation_id");
    colleague.message();
    for (user, token) in [(100, server.token("agent", 1)), (101, server.agent_uuid(1))] {
        let waiting = id_in(&server.desk_user(user, "").say("auto", "anybody?"), "conversation_id");
        // It sees them and is told the truth: one is a colleague's, the other it may end for its group.
        let body = json!({"conversation_id": theirs.to_string(), "content": "hi"});
        assert_eq!(server.request("POST", "/api/v1/messages", Some(&token), Some(&body)).status, 403);
        let ended = server.request("DELETE", &format!("/api/v1/conversations/{waiting}"), Some(&token), None);
        assert_eq!(ended.status, 200, "{}", ended.text());
    }
    colleague.assert_quiet();
}

fn a_kill_after_each_change(shards: u16) {
    let mut server = Setup::shards(shards).start();
    server.make_agent(2, json!({}));
    let mut user = server.desk_user(100, "");
    let agent = server.desk_agent(2, "");
    let ack = user.say("2", "one");
    let id = id_in(&ack, "conversation_id");
    let second = id_in(&user.say("auto", "two"), "message_id");
    let edited = user.edit(id_in(&ack, "message_id"), "uno");
    server.kill();
    server.restart();
    let user = server.desk_user(100, "");
    assert_eq!(user.history(id)[0], edited);
    let recalled = user.recall(second);
    drop(agent);
    server.kill();
    server.restart();
    let user = {
        drop(user);
        server.desk_user(100, "")
    };
    assert_eq!(user.history(id), [edited.clone(), recalled.clone()]);
    let agent = server.desk_agent(2, "");
    until("agent 2 has it still", || (agent.conversation(id)["agent_id"] == "2").then_some(()));
    agent.transfer(id, &json!({"group_id": "night"}));
    server.kill();
    server.restart();
    server.make_agent(3, json!({"groups": ["night"]}));
    let _night = server.desk_agent(3, "");
    let user = {
        drop(user);
        server.desk_user(100, "")
    };
    until("the night has it", || (user.conversation(id)["agent_id"] == "3").then_some(()));
    assert_like(&user.conversation(id), json!({"group_id": "night", "status": "active", "last_seq": 2}));
    assert_eq!(user.history(id), [edited, recalled]);
}
