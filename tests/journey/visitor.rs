//! Visitors (guide 2, 游客对接): nobody logs in; a visitor names itself and an agent.

use serde_json::{Value, json};

use crate::harness::{Peer, Server, Setup, assert_like, stories, until};

stories!(
    a_visitor_and_an_agent_talk,
    the_desk_chooses,
    several_visitors,
    a_named_agent_is_waited_for,
    a_full_named_agent_is_waited_for,
    nobody_speaks_for_another_visitor,
    history_survives
);

fn bind(peer: &mut Peer, visitor: &str) {
    let answer = peer.call("kefu_message_visitor_bind_fd", json!({"bind_key": visitor}));
    assert_like(&answer, json!({"success": true, "message": "Bind key successfully", "data": null}));
}

fn bound(server: &Server, visitor: &str) -> Peer {
    let mut peer = server.connect(visitor);
    bind(&mut peer, visitor);
    peer
}

fn send(peer: &mut Peer, visitor: &str, agent: &str, content: &str) -> Value {
    let data = json!({"visitor_id": visitor, "kefu_id": agent, "content": content});
    let answer = peer.call("kefu_message_visitor_send", data);
    assert_like(
        &answer,
        json!({
            "success": true, "message": "Visitor message sent successfully",
            "data": {"message_id": "@id", "conversation_id": "@id", "created_at": "@time"}
        }),
    );
    answer["data"].clone()
}

fn a_visitor_and_an_agent_talk(shards: u16) {
    let server = Setup::shards(shards).start();
    let mut agent = server.login("agent", 1);
    let mut agent_too = server.login("agent", 1);
    let mut page = bound(&server, "visitor_123456");
    let mut other_tab = bound(&server, "visitor_123456");
    let sent = send(&mut page, "visitor_123456", "1", "你好，我需要帮助");
    let push = json!({
        "type": "push_message", "action": "kefu_visitor_message", "visitor_id": "visitor_123456", "kefu_id": "1",
        "message_id": sent["message_id"], "content": "你好，我需要帮助", "sender_type": 1,
        "created_at": sent["created_at"], "timestamp": "@secs"
    });
    for listener in [&mut agent, &mut agent_too, &mut other_tab] {
        assert_like(&listener.push("kefu_visitor_message"), push.clone());
    }
    page.assert_quiet();

    let reply = json!({
        "visitor_id": "visitor_123456", "kefu_id": "1", "content": "您好，有什么可以帮您的吗？", "sender_type": 2
    });
    let answer = agent.ok("kefu_message_visitor_send", reply);
    let push = json!({
        "type": "push_message", "action": "kefu_visitor_message", "visitor_id": "visitor_123456", "kefu_id": "1",
        "message_id": answer["message_id"], "content": "您好，有什么可以帮您的吗？", "sender_type": 2,
        "created_at": "@time", "timestamp": "@secs"
    });
    for listener in [&mut page, &mut other_tab, &mut agent_too] {
        let heard = listener.push("kefu_visitor_message");
        assert_like(&heard, push.clone());
        assert!(heard.get("message_type").is_none() && heard.get("file_url").is_none(), "the guide has neither");
    }

    let answer = page.call("kefu_message_visitor_end", json!({"visitor_id": "visitor_123456", "kefu_id": "1"}));
    let wanted = json!({"success": true, "message": "Visitor conversation ended successfully", "data": {}});
    assert_like(&answer, wanted);
    let push = json!({
        "type": "push_message", "action": "kefu_visitor_conversation_end", "visitor_id": "visitor_123456",
        "kefu_id": "1", "sender_type": 1, "timestamp": "@secs"
    });
    assert_like(&agent.push("kefu_visitor_conversation_end"), push.clone());
    assert_like(&other_tab.push("kefu_visitor_conversation_end"), push);
    page.assert_quiet();
    assert_eq!(server.agent_view(1)["current_concurrent"], 0);

    // The next message opens a new conversation; this time the agent ends it.
    let next = send(&mut page, "visitor_123456", "1", "one more thing");
    assert_ne!(next["conversation_id"], sent["conversation_id"]);
    let end = json!({"visitor_id": "visitor_123456", "kefu_id": "1", "sender_type": 2});
    agent.ok("kefu_message_visitor_end", end);
    assert_like(&page.push("kefu_visitor_conversation_end"), json!({"sender_type": 2, "kefu_id": "1"}));
    for (missing, data) in [
        ("visitor_id", json!({"kefu_id": "1", "content": "x"})),
        ("kefu_id", json!({"visitor_id": "visitor_123456", "content": "x"})),
        ("content", json!({"visitor_id": "visitor_123456", "kefu_id": "1"})),
    ] {
        assert_eq!(page.refused("kefu_message_visitor_send", data), format!("{missing} is required"));
    }
    assert_eq!(page.refused("kefu_message_visitor_bind_fd", json!({})), "bind_key is required");
}

fn the_desk_chooses(shards: u16) {
    let server = Setup::shards(shards).start();
    let mut agents = [server.login("agent", 1), server.login("agent", 2)];
    for (visitor, choice) in [("va", "auto"), ("vb", "0")] {
        let mut page = bound(&server, visitor);
        let sent = send(&mut page, visitor, choice, "anybody there?");
        let again = send(&mut page, visitor, choice, "hello?");
        assert_eq!(sent["conversation_id"], again["conversation_id"], "auto means the open one");
    }
    let visitors: Vec<Value> = agents
        .iter_mut()
        .map(|agent| {
            let first = agent.push("kefu_visitor_message");
            assert_eq!(agent.push("kefu_visitor_message")["visitor_id"], first["visitor_id"]);
            first["visitor_id"].clone()
        })
        .collect();
    assert_ne!(visitors[0], visitors[1], "one visitor each: fewest current conversations");
    agents.iter_mut().for_each(Peer::assert_quiet);
}

fn several_visitors(shards: u16) {
    let server = Setup::shards(shards).start();
    let mut agent = server.login("agent", 1);
    let mut pages: Vec<(String, Peer)> =
        (0..8).map(|n| format!("visitor-{n}")).map(|name| (name.clone(), bound(&server, &name))).collect();
    for (name, page) in &mut pages {
        send(page, name, "1", &format!("I am {name}"));
    }
    for (name, page) in &mut pages {
        let heard = agent.push("kefu_visitor_message");
        assert_like(&heard, json!({"visitor_id": *name, "content": format!("I am {name}")}));
        let reply = json!({"visitor_id": *name, "kefu_id": "1", "content": format!("hello {name}"), "sender_type": 2});
        agent.ok("kefu_message_visitor_send", reply);
        assert_like(&page.push("kefu_visitor_message"), json!({"content": format!("hello {name}")}));
    }
    pages.iter_mut().for_each(|(_, page)| page.assert_quiet());
    assert_eq!(server.agent_view(1)["current_concurrent"], 8);
}

fn a_named_agent_is_waited_for(shards: u16) {
    let server = Setup::shards(shards).flag("--agent-grace", "3s").start();
    let mut page = bound(&server, "patient");
    let unknown = json!({"visitor_id": "patient", "kefu_id": "7", "content": "x"});
    page.refused("kefu_message_visitor_send", unknown);
    server.make_agent(7, json!({}));
    let mut other = server.login("agent", 8);
    send(&mut page, "patient", "7", "I want 7");
    other.assert_quiet();
    let mut seven = server.login("agent", 7);
    assert_like(&seven.push("kefu_visitor_message"), json!({"content": "I want 7", "kefu_id": "7"}));
    other.assert_quiet();

    // After the grace period anybody may have it.
    let mut hasty = bound(&server, "hasty");
    seven.leave();
    until("agent 7 offline", || (server.agent_view(7)["status"] == "offline").then_some(()));
    send(&mut hasty, "hasty", "7", "7 or whoever");
    assert_like(&other.push("kefu_visitor_message"), json!({}));
    until("both with agent 8", || (server.agent_view(8)["current_concurrent"] == 2).then_some(()));
}

fn a_full_named_agent_is_waited_for(shards: u16) {
    let server = Setup::shards(shards).start();
    server.make_agent(7, json!({"max_concurrent": 1}));
    let mut seven = server.login("agent", 7);
    let mut other = server.login("agent", 8);
    let mut first = bound(&server, "first");
    let mut second = bound(&server, "second");
    send(&mut first, "first", "7", "one");
    send(&mut second, "second", "7", "two");
    assert_like(&seven.push("kefu_visitor_message"), json!({"visitor_id": "first"}));
    seven.assert_quiet();
    other.assert_quiet();
    first.ok("kefu_message_visitor_end", json!({"visitor_id": "first", "kefu_id": "7"}));
    assert_like(&seven.push("kefu_visitor_message"), json!({"visitor_id": "second", "content": "two"}));
    other.assert_quiet();
}

fn nobody_speaks_for_another_visitor(shards: u16) {
    let server = Setup::shards(shards).start();
    let mut agent = server.login("agent", 1);
    let mut alice = bound(&server, "alice");
    let mut mallory = bound(&server, "mallory");
    let sent = send(&mut alice, "alice", "1", "secret");
    agent.push("kefu_visitor_message");
    let as_alice = json!({"visitor_id": "alice", "kefu_id": "1", "content": "it is me"});
    mallory.refused("kefu_message_visitor_send", as_alice.clone());
    mallory.refused("kefu_message_visitor_end", as_alice.clone());
    mallory.refused("kefu_message_visitor_bind_fd", json!({"bind_key": "alice"}));
    mallory.refused("kefu_message_sync", json!({"conversation_id": sent["conversation_id"], "after_seq": 0}));
    // A user is no visitor, and a visitor is no agent.
    server.login("user", 100).refused("kefu_message_visitor_send", as_alice.clone());
    let mut forged = as_alice.clone();
    forged["sender_type"] = json!(2);
    mallory.refused("kefu_message_visitor_send", forged.clone());
    server.connect("nobody").refused("kefu_message_visitor_send", forged);
    // Nor may a bound visitor become a user on the same connection, or send what is for users.
    mallory.refused("kefu_message_send", json!({"conversation_id": sent["conversation_id"], "content": "x"}));
    // An unbound connection may send, and hears nothing.
    let mut unbound = server.connect("unbound");
    send(&mut unbound, "carol", "1", "hello");
    agent.push("kefu_visitor_message");
    agent.ok(
        "kefu_message_visitor_send",
        json!({"visitor_id": "carol", "kefu_id": "1", "content": "hi", "sender_type": 2}),
    );
    unbound.assert_quiet();
    unbound.refused("kefu_message_sync", json!({"conversation_id": sent["conversation_id"], "after_seq": 0}));
    alice.assert_quiet();
    mallory.assert_quiet();
    // Text only.
    let picture = json!({"visitor_id": "alice", "kefu_id": "1", "content": "x", "message_type": 2, "file_url": "u"});
    alice.refused("kefu_message_visitor_send", picture);
}

fn history_survives(shards: u16) {
    let mut server = Setup::shards(shards).start();
    let mut agent = server.login("agent", 1);
    let mut page = bound(&server, "returning");
    let conversation = send(&mut page, "returning", "1", "no. 1")["conversation_id"].clone();
    for n in 2..=12 {
        send(&mut page, "returning", "1", &format!("no. {n}"));
    }
    for _ in 0..12 {
        agent.push("kefu_visitor_message");
    }
    server.kill();
    server.restart();
    let mut page = bound(&server, "returning");
    let data = page.ok("kefu_message_sync", json!({"conversation_id": conversation, "after_seq": 10, "limit": 100}));
    assert_like(
        &data,
        json!({"complete": true, "messages": [
            {"content": "no. 11", "seq": 11, "sender_type": 1, "id": "@id", "created_at": "@time"},
            {"content": "no. 12", "seq": 12}
        ]}),
    );
    let listed = server.list(("agent", 1), conversation.as_u64().unwrap(), 2, 10);
    let contents: Vec<&str> = listed.iter().map(|message| message["content"].as_str().unwrap()).collect();
    assert_eq!(contents, ["no. 1", "no. 2"], "visitors' conversations page like the others");
    assert_eq!(send(&mut page, "returning", "1", "no. 13")["conversation_id"], conversation, "still the open one");
}
