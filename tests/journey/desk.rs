//! The desk: who gets which conversation and when (issue 3, item 4; dialects.md, "Decided where the guide
//! is silent").

use serde_json::{Value, json};

use crate::harness::{Peer, Server, Setup, assert_like, stories, until};

stories!(
    a_queue_is_first_in_first_out,
    a_freed_slot_takes_the_next_at_once,
    fewest_current_conversations_first,
    ties_go_to_the_lower_load,
    a_gone_agents_conversations_go_to_others,
    with_nobody_else_they_go_to_the_head_of_the_queue,
    a_short_absence_loses_nothing,
    away_and_busy_take_no_new_ones,
    the_desk_is_the_same_after_a_crash
);

/// A push of an assignment, as far as it is the same for users and agents.
fn assigned(conversation: u64, agent: u64, user: u64) -> Value {
    json!({
        "type": "push_message", "action": "kefu_message_assigned", "conversation_id": conversation,
        "kefu_id": agent, "user_id": user, "timestamp": "@secs"
    })
}

/// Ends a user's conversation.
fn end(server: &Server, user: u64, conversation: u64) {
    server.login("user", user).ok("kefu_message_end", json!({"conversation_id": conversation}));
}

/// The user's conversations wait, in this order.
fn waiting<const N: usize>(server: &Server, users: [u64; N]) -> [u64; N] {
    users.map(|user| {
        let conversation = server.conversation(user);
        assert_like(&conversation, json!({"kefu_id": null, "status": 1, "user_id": user}));
        conversation["id"].as_u64().unwrap()
    })
}

fn a_queue_is_first_in_first_out(shards: u16) {
    let server = Setup::shards(shards).start();
    server.make_agent(1, json!({"max_concurrent": 2}));
    let ids = waiting(&server, [101, 102, 103, 104]);
    let mut first = server.login_ext("user", 101);
    let mut plain = server.login("user", 102);
    let mut third = server.login_ext("user", 103);
    first.say(ids[0], "still waiting");
    first.say(ids[0], "hello?");

    let mut agent = server.login_ext("agent", 1);
    // Each is told when it is durable: two at once come in any order.
    let mut told = [agent.push("kefu_message_assigned"), agent.push("kefu_message_assigned")];
    told.sort_by_key(|push| push["user_id"].as_u64());
    assert_like(&told[0], assigned(ids[0], 1, 101));
    assert_like(&told[1], assigned(ids[1], 1, 102));
    assert_like(&first.push("kefu_message_assigned"), assigned(ids[0], 1, 101));
    for content in ["still waiting", "hello?"] {
        assert_like(
            &agent.push("kefu_message"),
            json!({"conversation_id": ids[0], "content": content, "sender_type": 1}),
        );
    }
    // The guide knows no such push: without `ext=1` nothing is heard. Beyond capacity nothing is assigned.
    plain.assert_quiet();
    third.assert_quiet();
    agent.assert_quiet();
    assert_eq!(server.conversation(102)["kefu_id"], 1);
    assert_eq!(server.conversation(103)["kefu_id"], Value::Null);
    assert_like(&server.agent_view(1), json!({"current_concurrent": 2, "max_concurrent": 2}));
    assert_eq!(server.metric("switchboard_desk_violations_total", ""), 0.0);
}

fn a_freed_slot_takes_the_next_at_once(shards: u16) {
    let server = Setup::shards(shards).start();
    server.make_agent(1, json!({"max_concurrent": 1}));
    let ids = waiting(&server, [101, 102, 103]);
    let mut users = [101, 102, 103].map(|user| server.login_ext("user", user));
    let mut agent = server.login_ext("agent", 1);
    for (turn, user) in users.iter_mut().enumerate() {
        let wanted = assigned(ids[turn], 1, 101 + turn as u64);
        assert_like(&agent.push("kefu_message_assigned"), wanted.clone());
        assert_like(&user.push("kefu_message_assigned"), wanted);
        agent.assert_quiet();
        user.ok("kefu_message_end", json!({"conversation_id": ids[turn]}));
        agent.push("kefu_message_end");
    }
    agent.assert_quiet();
    // One who joins while others wait goes to the end; more room takes the waiting at once.
    let busy = server.conversation(104);
    assert_eq!(busy["kefu_id"], 1);
    waiting(&server, [105, 106]);
    server.change_agent(1, &json!({"max_concurrent": 2}));
    until("a grown capacity used", || (server.conversation(105)["kefu_id"] == 1).then_some(()));
    assert_eq!(server.conversation(106)["kefu_id"], Value::Null);
}

fn fewest_current_conversations_first(shards: u16) {
    let server = Setup::shards(shards).start();
    let _agents: Vec<Peer> = (1..=3).map(|id| server.login("agent", id)).collect();
    let load =
        || -> Vec<u64> { (1..=3).map(|id| server.agent_view(id)["current_concurrent"].as_u64().unwrap()).collect() };
    let mut held: Vec<(u64, u64, u64)> = Vec::new();
    for user in 200..212 {
        let before = load();
        let conversation = server.conversation(user);
        let agent = conversation["kefu_id"].as_u64().expect("somebody is free");
        assert_eq!(before[agent as usize - 1], *before.iter().min().unwrap(), "{before:?} -> {agent}");
        held.push((user, conversation["id"].as_u64().unwrap(), agent));
    }
    assert_eq!(load(), [4, 4, 4]);
    // Agent 2 gets free; the next ones are its.
    for (user, conversation, _) in held.iter().filter(|held| held.2 == 2).take(3) {
        end(&server, *user, *conversation);
    }
    assert_eq!(load(), [4, 1, 4]);
    for user in 300..303 {
        assert_eq!(server.conversation(user)["kefu_id"], 2);
    }
}

fn ties_go_to_the_lower_load(shards: u16) {
    let server = Setup::shards(shards).start();
    server.make_agent(1, json!({"max_concurrent": 4}));
    server.make_agent(2, json!({"max_concurrent": 8}));
    let _agents = [server.login("agent", 1), server.login("agent", 2)];
    let chosen: Vec<u64> = (100..102).map(|user| server.conversation(user)["kefu_id"].as_u64().unwrap()).collect();
    assert_ne!(chosen[0], chosen[1]);
    // Now one each: 1/4 against 1/8.
    assert_eq!(server.conversation(102)["kefu_id"], 2);
    assert_eq!(server.conversation(103)["kefu_id"], 1);
}

fn a_gone_agents_conversations_go_to_others(shards: u16) {
    let server = Setup::shards(shards).flag("--agent-grace", "1s").start();
    let first = server.login("agent", 1);
    let id = server.conversation_id(100);
    assert_eq!(server.conversation(100)["kefu_id"], 1);
    let mut user = server.login_ext("user", 100);
    user.say(id, "before");
    let mut second = server.login_ext("agent", 2);
    let mut second_plain = server.login("agent", 2);
    drop(first);
    assert_like(&user.push("kefu_message_assigned"), assigned(id, 2, 100));
    assert_like(&second.push("kefu_message_assigned"), assigned(id, 2, 100));
    assert_like(&second.push("kefu_message"), json!({"content": "before", "conversation_id": id}));
    assert_like(&second_plain.push("kefu_message"), json!({"content": "before", "conversation_id": id}));
    second_plain.say_as_agent(id, "I took over");
    assert_like(&user.push("kefu_message"), json!({"content": "I took over", "sender_id": 2}));
    // The first one comes back and is no party to it any more.
    let mut first = server.login("agent", 1);
    first.refused("kefu_message_send", json!({"conversation_id": id, "content": "hey", "sender_type": 2}));
    assert_eq!(server.agent_view(1)["current_concurrent"], 0);
}

fn with_nobody_else_they_go_to_the_head_of_the_queue(shards: u16) {
    let server = Setup::shards(shards).flag("--agent-grace", "1s").start();
    server.make_agent(1, json!({"max_concurrent": 1}));
    server.make_agent(2, json!({"max_concurrent": 1}));
    let first = server.login("agent", 1);
    let served = server.conversation_id(100);
    assert_eq!(server.conversation(100)["kefu_id"], 1);
    let [waits] = waiting(&server, [101]);
    drop(first);
    until("the conversation back in the queue", || server.conversation(100)["kefu_id"].is_null().then_some(()));
    let mut second = server.login_ext("agent", 2);
    assert_like(&second.push("kefu_message_assigned"), assigned(served, 2, 100));
    second.assert_quiet();
    end(&server, 100, served);
    assert_like(&second.push("kefu_message_assigned"), assigned(waits, 2, 101));
}

fn a_short_absence_loses_nothing(shards: u16) {
    let server = Setup::shards(shards).start();
    let agent = server.login("agent", 1);
    let id = server.conversation_id(100);
    let mut user = server.login_ext("user", 100);
    drop(agent);
    until("agent 1 offline", || (server.agent_view(1)["status"] == "offline").then_some(()));
    let _other = server.login("agent", 2);
    user.say(id, "are you there?");
    assert_eq!(server.conversation(100)["kefu_id"], 1, "within the grace period it stays");
    let mut agent = server.login("agent", 1);
    let missed = agent.ok("kefu_message_sync", json!({"conversation_id": id, "after_seq": 0, "limit": 10}));
    assert_like(&missed, json!({"complete": true, "messages": [{"content": "are you there?"}]}));
    agent.say_as_agent(id, "back again");
    assert_like(&user.push("kefu_message"), json!({"content": "back again"}));
    user.assert_quiet();
}

fn away_and_busy_take_no_new_ones(shards: u16) {
    let server = Setup::shards(shards).start();
    let mut agent = server.login_ext("agent", 1);
    let held = server.conversation_id(100);
    assert_like(&agent.push("kefu_message_assigned"), assigned(held, 1, 100));
    for status in ["away", "busy"] {
        server.change_agent(1, &json!({"status": status}));
        assert_eq!(server.agent_view(1)["status"], status);
        let user = if status == "away" { 101 } else { 102 };
        let [waits] = waiting(&server, [user]);
        agent.assert_quiet();
        assert_eq!(server.conversation(100)["kefu_id"], 1, "what it has stays with it");
        server.change_agent(1, &json!({"status": "online"}));
        assert_like(&agent.push("kefu_message_assigned"), assigned(waits, 1, user));
    }
    agent.say_as_agent(held, "here");
}

fn the_desk_is_the_same_after_a_crash(shards: u16) {
    let mut server = Setup::shards(shards).flag("--agent-grace", "600s").start();
    server.make_agent(1, json!({"max_concurrent": 1}));
    server.make_agent(2, json!({"max_concurrent": 1, "cs_id": "anna"}));
    let agent = server.login("agent", 1);
    let held = server.conversation_id(100);
    assert_eq!(server.conversation(100)["kefu_id"], 1);
    let waits = waiting(&server, [103, 102, 101]);
    server.kill();
    drop(agent);
    server.restart();
    assert_like(&server.conversation(100), json!({"id": held, "kefu_id": 1}));
    assert_like(&server.agent_view(2), json!({"id": 2, "cs_id": "anna", "max_concurrent": 1, "name": "agent 2"}));
    assert_like(&server.agent_view(1), json!({"current_concurrent": 1, "status": "offline"}));
    let mut second = server.login_ext("agent", 2);
    for (turn, user) in [103, 102, 101].into_iter().enumerate() {
        assert_like(&second.push("kefu_message_assigned"), assigned(waits[turn], 2, user));
        end(&server, user, waits[turn]);
        second.push("kefu_message_end");
    }
    let mut first = server.login("agent", 1);
    first.say_as_agent(held, "I still have it");
    second.assert_quiet();
}
