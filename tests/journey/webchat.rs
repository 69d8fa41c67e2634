//! webchat (guide 3): customers and agents on `/ws/chat`, alone and with kefu on the other side.

use serde_json::{Value, json};

use crate::harness::{Bench, Server, Setup, Tab, assert_like, stories, until};

stories!(
    a_customer_talks_with_a_kefu_agent,
    a_webchat_agent_talks_with_a_kefu_user,
    a_webchat_agent_talks_with_a_visitor,
    a_workbench_serves_customers_of_channels,
    everybody_on_webchat,
    the_customers_other_devices,
    conversation_ids_are_not_to_be_guessed,
    the_first_message_waits_for_an_agent,
    a_first_message_may_name_a_group,
    a_retry_is_answered_as_the_first_time,
    an_ended_conversation_is_followed_by_another,
    a_retry_is_found_in_what_has_ended,
    a_visitors_retry_is_found_in_what_has_ended,
    extensions_are_for_those_who_asked,
    a_resuming_customer_gets_what_it_missed,
    everything_survives_a_crash,
    tokens_open_and_expire
);

/// The conversation in a kefu push, as webchat names it.
fn name_of(push: &Value) -> String {
    push["conversation_id"].as_u64().expect("a push names its conversation").to_string()
}

fn a_customer_talks_with_a_kefu_agent(shards: u16) {
    let server = Setup::shards(shards).start();
    let mut agent = server.login("agent", 1);
    for (channel, id) in [("WEB", "web_1"), ("WHATSAPP", "+8613800138000"), ("EMAIL", "a@example.com")] {
        let (customer, token) = server.enter(channel, id);
        let mut chat = server.chat(&token, id);
        chat.say("你好，我需要帮助");
        let push = agent.push("kefu_message");
        assert_like(&push, json!({"content": "你好，我需要帮助", "sender_type": 1, "seq": 1, "to_uid": 1}));
        assert!(push["from_uid"].as_u64().unwrap() >= 1 << 52, "a customer of a channel has a minted number");
        let conversation = push["conversation_id"].as_u64().unwrap();
        agent.say_as_agent(conversation, "您好，有什么可以帮您的吗？");
        let heard = chat.heard();
        let expected = json!({"channel": channel, "conversationId": conversation.to_string(), "senderId": "1",
            "content": "您好，有什么可以帮您的吗？", "seq": 2, "senderType": "agent", "customerId": customer});
        assert_like(&heard, expected);
        let time = heard["timestamp"].as_str().unwrap();
        assert!(time.ends_with('Z') && time.contains('T'), "RFC 3339 in UTC: {time}");
        chat.assert_quiet();
        // The conversation's id may be named from now on, and need not be.
        chat.say_in(&conversation.to_string(), "two");
        chat.say("three");
        for (content, seq) in [("two", 3), ("three", 4)] {
            assert_like(&agent.push("kefu_message"), json!({"content": content, "seq": seq}));
        }
        // kefu's history has all of it.
        let told: Vec<_> = server.whole_list(("agent", 1), conversation);
        assert_eq!(told.iter().map(|line| line["sender_type"].as_u64().unwrap()).collect::<Vec<_>>(), [1, 2, 1, 1]);
        agent.ok("kefu_message_end", json!({"conversation_id": conversation}));
        chat.assert_quiet();
    }
}

fn a_webchat_agent_talks_with_a_kefu_user(shards: u16) {
    let server = Setup::shards(shards).start();
    let mut agent = server.agent_chat(1);
    let mut screen = server.login("agent", 1);
    let id = server.conversation_id(100);
    let mut user = server.login("user", 100);
    user.say(id, "hello");
    let heard = agent.heard();
    let expected = json!({"channel": "APP", "conversationId": id.to_string(), "senderId": "100", "content": "hello"});
    assert_like(&heard, expected);
    agent.say_in(&id.to_string(), "您好");
    assert_like(&user.push("kefu_message"), json!({"content": "您好", "from_uid": 1, "sender_type": 2, "seq": 2}));
    // The same agent's kefu screen hears both.
    assert_like(&screen.push("kefu_message"), json!({"content": "hello"}));
    assert_like(&screen.push("kefu_message"), json!({"content": "您好"}));
    screen.say_as_agent(id, "from the other screen");
    user.push("kefu_message");
    agent.assert_quiet();
    // Metadata is kept whole and kefu is none the worse for it.
    agent.send(&json!({"conversationId": id.to_string(), "content": "x", "metadata": {"a": [1, {"b": null}]}}));
    assert_like(&user.push("kefu_message"), json!({"content": "x"}));
    agent.send(&json!({"type": "sync", "conversationId": id.to_string(), "after_seq": 3}));
    let synced = agent.heard();
    assert_eq!(synced["messages"][0]["metadata"], json!({"a": [1, {"b": null}]}), "{synced}");
}

fn a_webchat_agent_talks_with_a_visitor(shards: u16) {
    let server = Setup::shards(shards).start();
    let mut agent = server.agent_chat(1);
    let mut visitor = server.connect("visitor");
    visitor.ok("kefu_message_visitor_bind_fd", json!({"bind_key": "v1"}));
    let data = json!({"visitor_id": "v1", "kefu_id": "auto", "content": "hi"});
    let sent = visitor.ok("kefu_message_visitor_send", data);
    let heard = agent.heard();
    assert_like(&heard, json!({"channel": "WEB", "content": "hi", "conversationId": name_of(&sent)}));
    agent.say_in(heard["conversationId"].as_str().unwrap(), "hello visitor");
    assert_like(&visitor.push("kefu_visitor_message"), json!({"content": "hello visitor", "kefu_id": "1"}));
}

fn a_workbench_serves_customers_of_channels(shards: u16) {
    let server = Setup::shards(shards).start();
    server.make_agent(7, json!({"cs_id": "cs_001"}));
    let bench = Bench::open(&server);
    let mut tab = Tab::open(&server, "cs_001", "");
    let mut talk = |channel: &str, identity: &str, shown: Option<&str>| {
        let (customer, token) = server.enter(channel, identity);
        let mut chat = server.chat(&token, identity);
        let id = chat.say_as(None, "你好", "m-1")["conversationId"].as_str().unwrap().parse().unwrap();
        assert_like(&tab.told("new_pending_session", id), json!({"customerId": customer, "status": "pending"}));
        let session = bench.session(id);
        assert_eq!((session["customerId"].as_str(), session["channelType"].as_str()), (Some(&*customer), shown));
        assert_eq!(bench.accept(id, "cs_001").status, 200);
        tab.told("session_accepted", id);
        assert_like(&tab.told("new_message", id), json!({"content": "你好", "senderId": customer}));
        chat.heard_where("assigned", |frame| frame["type"] == "assigned");
        let sent = bench.say(id, "您好");
        let heard =
            json!({"content": "您好", "senderId": "7", "channel": channel, "messageId": sent["msgId"], "seq": 2});
        assert_like(&chat.heard(), heard);
        assert_eq!(bench.contents(id), ["你好", "您好"]);
        id
    };
    let wechat = talk("WECHAT", "oAbCd1234567890", Some("wechat"));
    let line = talk("LINE", "Uabcdef123456", None);
    let user = server.conversation_id(100);
    assert_eq!(bench.ids("?channelType=wechat"), [wechat]);
    assert_eq!(bench.ids("?channelType=wechat&status=manual&csId=cs_001"), [wechat]);
    for nobody in ["?channelType=douyin", "?channelType=jd", "?channelType=wechat&status=pending"] {
        assert!(bench.ids(nobody).is_empty(), "{nobody}");
    }
    assert_eq!(bench.ids(""), [user, line, wechat]);
    bench.validated();
}

fn everybody_on_webchat(shards: u16) {
    let server = Setup::shards(shards).start();
    let mut agent = server.agent_chat(1);
    let mut chats: Vec<_> = (0..6)
        .map(|number| {
            let id = format!("web_{number}");
            server.chat(&server.enter("WEB", &id).1, &id)
        })
        .collect();
    let mut names = Vec::new();
    for (number, chat) in chats.iter_mut().enumerate() {
        let metadata = json!({"orderId": "ORDER-12345", "n": number});
        chat.send(&json!({"senderId": "x", "content": format!("from {number}"), "metadata": metadata}));
        let heard = agent.heard();
        assert_like(&heard, json!({"content": format!("from {number}"), "metadata": metadata, "channel": "WEB"}));
        names.push(heard["conversationId"].as_str().unwrap().to_owned());
    }
    for (number, name) in names.iter().enumerate().rev() {
        agent.say_in(name, &format!("to {number}"));
    }
    for (number, chat) in chats.iter_mut().enumerate() {
        assert_like(&chat.heard(), json!({"content": format!("to {number}"), "conversationId": names[number]}));
        chat.assert_quiet();
    }
    agent.assert_quiet();
}

fn the_customers_other_devices(shards: u16) {
    let server = Setup::shards(shards).start();
    let mut agent = server.agent_chat(1);
    let (id, first) = server.enter("LINE", "Uabcdef123456");
    let (same, second) = server.enter("LINE", "Uabcdef123456");
    assert_eq!(id, same, "the same identity is the same customer");
    assert_ne!(first, second, "with a new token each time");
    let (mut one, mut plain, mut ext) =
        (server.chat(&first, "one"), server.chat(&second, "plain"), server.chat_ext(&first, "ext"));
    one.say("hello");
    // The guide's page would show it as the agent's.
    assert_like(
        &ext.heard_where("own message", |frame| frame["content"] == "hello"),
        json!({"content": "hello", "senderType": "customer", "customerId": id}),
    );
    let heard = agent.heard();
    agent.say_in(heard["conversationId"].as_str().unwrap(), "hi");
    for device in [&mut one, &mut plain] {
        assert_like(&device.heard(), json!({"content": "hi"}));
        device.assert_quiet();
    }
    ext.heard_where("the answer", |frame| frame["content"] == "hi");
}

fn conversation_ids_are_not_to_be_guessed(shards: u16) {
    let server = Setup::shards(shards).start();
    let mut agent = server.agent_chat(1);
    let users = server.conversation_id(100);
    let (mut one, mut two) =
        (server.chat(&server.enter("WEB", "one").1, "one"), server.chat(&server.enter("WEB", "two").1, "two"));
    // On a first message a name that is not its own is a guess, be it the guide's word or somebody's.
    one.say_in("session-123", "first");
    let first = agent.heard();
    assert_like(&first, json!({"content": "first", "seq": 1}));
    two.say_in(first["conversationId"].as_str().unwrap(), "mine?");
    let second = agent.heard();
    assert_like(&second, json!({"content": "mine?", "seq": 1}));
    assert_ne!(first["conversationId"], second["conversationId"]);
    // Later ones of others are not found, exactly as if there were none.
    let not_found = json!({"type": "error", "code": 404, "message": "Conversation not found"});
    let others = [first["conversationId"].as_str().unwrap().to_owned(), users.to_string(), "4503599627370495".into()];
    for name in others {
        two.say_in(&name, "guess");
        assert_eq!(two.heard(), not_found, "{name}");
        for kind in ["sync", "typing", "end"] {
            two.send(&json!({"type": kind, "conversationId": name}));
            assert_eq!(two.heard(), not_found, "{kind} {name}");
        }
    }
    agent.assert_quiet();
    one.assert_quiet();
    // An agent that has not got a conversation is told the same.
    let mut other = server.agent_chat(2);
    for name in [first["conversationId"].as_str().unwrap(), "4503599627370495", "session-123"] {
        other.say_in(name, "guess");
        assert_eq!(other.heard(), not_found, "{name}");
    }
    other.say("where?");
    assert_like(&other.heard(), json!({"type": "error", "code": 400, "message": "conversationId is required"}));
}

fn the_first_message_waits_for_an_agent(shards: u16) {
    let server = Setup::shards(shards).start();
    let mut chat = server.chat(&server.enter("TELEGRAM", "123456789").1, "customer");
    for content in ["one", "two"] {
        chat.say(content);
    }
    chat.assert_quiet();
    let mut agent = server.agent_chat(1);
    for (content, seq) in [("one", 1), ("two", 2)] {
        assert_like(&agent.heard(), json!({"content": content, "seq": seq, "channel": "TELEGRAM"}));
    }
}

fn a_first_message_may_name_a_group(shards: u16) {
    let server = Setup::shards(shards).start();
    server.make_agent(1, json!({}));
    server.make_agent(2, json!({"groups": ["sales"]}));
    let (mut others, mut sales) = (server.agent_chat(1), server.agent_chat(2));
    let mut chat = server.chat(&server.enter("WEB", "one").1, "one");
    chat.send(&json!({"content": "what does it cost?", "group": "sales"}));
    let heard = sales.heard();
    assert_like(&heard, json!({"content": "what does it cost?", "seq": 1}));
    // Later it says nothing: the conversation stays where it is; so does one that is named.
    chat.send(&json!({"content": "hello?", "group": "default"}));
    let name = &heard["conversationId"];
    assert_like(&sales.heard(), json!({"content": "hello?", "seq": 2, "conversationId": name}));
    others.assert_quiet();
    // It is no opt-in: the guide's page hears nothing new by naming one.
    sales.send(&json!({"type": "typing", "conversationId": name}));
    chat.assert_quiet();
    sales.send(&json!({"type": "end", "conversationId": name}));
    sales.heard_where("the end", |frame| frame["type"] == "end");
    chat.say("another");
    assert_like(&others.heard(), json!({"content": "another", "seq": 1}));
}

fn a_retry_is_answered_as_the_first_time(shards: u16) {
    let server = Setup::shards(shards).start();
    let mut agent = server.agent_chat(1);
    let (_, token) = server.enter("WEB", "one");
    let mut chat = server.chat(&token, "one");
    let first = chat.say_as(None, "hello", "m-1");
    assert_like(&first, json!({"type": "ack", "client_msg_id": "m-1", "seq": 1, "messageId": "@text"}));
    assert_eq!(chat.say_as(None, "hello", "m-1"), first);
    let conversation = first["conversationId"].as_str().unwrap().to_owned();
    let mut again = server.chat(&token, "again");
    assert_eq!(again.say_as(Some(&conversation), "hello", "m-1"), first);
    agent.heard();
    agent.assert_quiet();
    // After the end as well.
    agent.send(&json!({"type": "end", "conversationId": conversation}));
    assert_like(&agent.heard(), json!({"type": "end", "conversationId": conversation}));
    assert_eq!(again.say_as(None, "hello", "m-1"), first);
}

fn an_ended_conversation_is_followed_by_another(shards: u16) {
    let server = Setup::shards(shards).start();
    let mut agent = server.login("agent", 1);
    let token = server.enter("WEB", "one").1;
    let (mut chat, mut other) = (server.chat(&token, "one"), server.chat(&token, "another device"));
    let ack = other.say_as(None, "first", "m-1");
    let first = agent.push("kefu_message")["conversation_id"].as_u64().unwrap();
    agent.ok("kefu_message_end", json!({"conversation_id": first}));
    // The guide's clients are not told of an end, and go on naming what they know.
    let mut second = None;
    for (content, seq) in [("second", 1), ("third", 2), ("fourth", 3)] {
        chat.say_in(&first.to_string(), content);
        let push = agent.push("kefu_message");
        assert_like(&push, json!({"content": content, "seq": seq}));
        let id = push["conversation_id"].as_u64().unwrap();
        assert!(id != first && *second.get_or_insert(id) == id, "one follows: {push}");
        chat.assert_quiet();
    }
    // What was stored in the one it names is answered as the first time; what was not is the new one's.
    let second = second.unwrap();
    assert_eq!(other.say_as(Some(&first.to_string()), "first", "m-1"), ack);
    let fifth = other.say_as(Some(&first.to_string()), "fifth", "m-5");
    assert_like(&fifth, json!({"conversationId": second.to_string(), "seq": 4}));
    assert_like(&agent.push("kefu_message"), json!({"content": "fifth", "seq": 4, "conversation_id": second}));
    assert_eq!(other.say_as(Some(&first.to_string()), "fifth", "m-5"), fifth);
    assert_eq!(server.whole_list(("agent", 1), first).len(), 1);
    assert_eq!(server.whole_list(("agent", 1), second).len(), 4);
    // To somebody else an ended one is not there, as any other.
    let mut stranger = server.chat(&server.enter("WEB", "two").1, "two");
    stranger.say("mine");
    agent.push("kefu_message");
    stranger.say_in(&first.to_string(), "guess");
    assert_eq!(stranger.heard(), json!({"type": "error", "code": 404, "message": "Conversation not found"}));
}

fn a_retry_is_found_in_what_has_ended(shards: u16) {
    let mut server = Setup::shards(shards).start();
    let (mut agent, mut screen) = (server.agent_chat(1), server.login("agent", 1));
    let token = server.enter("WEB", "one").1;
    let (mut one, mut two) = (server.chat(&token, "one"), server.chat(&token, "two"));
    let first = one.say_as(None, "hello", "m-1");
    let mut conversation = agent.heard()["conversationId"].as_str().unwrap().to_owned();
    // One has ended and another is open; two have ended; none is open.
    for content in ["x", "y"] {
        screen.ok("kefu_message_end", json!({"conversation_id": conversation.parse::<u64>().unwrap()}));
        two.say(content);
        let heard = agent.heard();
        assert_like(&heard, json!({"content": content, "seq": 1}));
        conversation = heard["conversationId"].as_str().unwrap().to_owned();
        assert_eq!(one.say_as(None, "hello", "m-1"), first);
        // What is new goes where it belongs.
        let id = format!("m-{content}");
        let new = one.say_as(None, "new", &id);
        assert_like(&new, json!({"conversationId": conversation, "seq": 2}));
        assert_like(&agent.heard(), json!({"content": "new", "conversationId": conversation}));
        assert_eq!(one.say_as(None, "new", &id), new);
    }
    agent.assert_quiet();
    server.kill();
    drop((agent, screen, one, two));
    server.restart();
    let (mut agent, mut screen) = (server.agent_chat(1), server.login("agent", 1));
    let mut one = server.chat(&token, "one");
    assert_eq!(one.say_as(None, "hello", "m-1"), first, "one is open, and nothing of it is in memory");
    screen.ok("kefu_message_end", json!({"conversation_id": conversation.parse::<u64>().unwrap()}));
    assert_eq!(one.say_as(None, "hello", "m-1"), first, "it was not the newest");
    agent.assert_quiet();
}

fn a_visitors_retry_is_found_in_what_has_ended(shards: u16) {
    let server = Setup::shards(shards).start();
    let mut agent = server.login("agent", 1);
    let mut visitor = server.connect("visitor");
    let data = |content: &str, id: Option<&str>| {
        let mut data = json!({"visitor_id": "v1", "kefu_id": "1", "content": content});
        if let Some(id) = id {
            data["client_msg_id"] = json!(id);
        }
        data
    };
    let first = visitor.ok("kefu_message_visitor_send", data("hello", Some("m-1")));
    let conversation = agent.push("kefu_visitor_message")["conversation_id"].as_u64().unwrap();
    agent.ok("kefu_message_end", json!({"conversation_id": conversation}));
    visitor.ok("kefu_message_visitor_send", data("x", None));
    assert_like(&agent.push("kefu_visitor_message"), json!({"content": "x", "seq": 1}));
    let again = visitor.ok("kefu_message_visitor_send", data("hello", Some("m-1")));
    assert_eq!(again["message_id"], first["message_id"]);
    assert_eq!(server.whole_list(("agent", 1), conversation).len(), 1);
    visitor.ok("kefu_message_visitor_send", data("y", None));
    assert_like(&agent.push("kefu_visitor_message"), json!({"content": "y", "seq": 2}));
}

fn extensions_are_for_those_who_asked(shards: u16) {
    let server = Setup::shards(shards).start();
    let (_, token) = server.enter("WEB", "one");
    let (mut plain, mut ext) = (server.chat(&token, "plain"), server.chat_ext(&token, "ext"));
    plain.say("hello");
    ext.heard_where("own message", |frame| frame["content"] == "hello");
    let mut agent = server.login("agent", 1);
    let assigned = ext.heard_where("assigned", |frame| frame["type"] == "assigned");
    assert_eq!(assigned["agentId"], "1");
    let push = agent.push("kefu_message");
    let id = push["conversation_id"].as_u64().unwrap();
    agent.ok("kefu_message_typing", json!({"conversation_id": id}));
    assert_like(&ext.heard(), json!({"type": "typing", "by": "agent", "conversationId": id.to_string()}));
    let read = json!({"conversation_id": id, "message_ids": [push["message_id"]], "sender_type": 1});
    agent.ok("kefu_message_read", read);
    assert_like(&ext.heard(), json!({"type": "read", "by": "agent", "messageIds": [push["message_id"].to_string()]}));
    ext.send(&json!({"type": "typing", "conversationId": id.to_string()}));
    ext.assert_quiet();
    assert_like(&agent.push("kefu_message_typing"), json!({"conversation_id": id, "sender_type": 1}));
    agent.ok("kefu_message_end", json!({"conversation_id": id}));
    assert_like(&ext.heard(), json!({"type": "ended", "by": "agent"}));
    plain.assert_quiet();
}

fn a_resuming_customer_gets_what_it_missed(shards: u16) {
    let server = Setup::shards(shards).start();
    let mut agent = server.login("agent", 1);
    let (_, token) = server.enter("FACEBOOK", "1234567890123456");
    let mut chat = server.chat(&token, "one");
    chat.say("hello");
    let id = agent.push("kefu_message")["conversation_id"].as_u64().unwrap();
    drop(chat);
    for number in 0..5 {
        agent.say_as_agent(id, &format!("answer {number}"));
    }
    let mut chat = server.chat(&token, "back");
    chat.send(&json!({"type": "sync", "conversation": id.to_string(), "after_seq": 1, "limit": 3}));
    let synced = chat.heard();
    assert_like(&synced, json!({"type": "sync", "next_seq": 4, "complete": false}));
    let told: Vec<_> = synced["messages"].as_array().unwrap().iter().map(|message| &message["content"]).collect();
    assert_eq!(told, ["answer 0", "answer 1", "answer 2"]);
    chat.send(&json!({"type": "sync", "conversation": id.to_string(), "after_seq": 99}));
    assert_like(&chat.heard(), json!({"type": "error", "code": 409, "newest_seq": 6}));
}

fn everything_survives_a_crash(shards: u16) {
    let mut server = Setup::shards(shards).start();
    let mut agent = server.agent_chat(1);
    let uuid = server.agent_uuid(1);
    let (customer, token) = server.enter("WECHAT", "oAbCd1234567890");
    let mut chat = server.chat(&token, "customer");
    chat.send(&json!({"senderId": "x", "content": "before", "metadata": {"n": 1}, "client_msg_id": "m-1"}));
    let ack = chat.heard_where("an ack", |heard| heard["type"] == "ack");
    let heard = agent.heard();
    let conversation = heard["conversationId"].as_str().unwrap().to_owned();
    server.kill();
    drop((agent, chat));
    server.restart();
    // Tokens, the customer, the conversation, its channel, its agent and the metadata are there.
    let mut agent = server.chat(&uuid, "agent");
    let mut chat = server.chat(&token, "customer");
    assert_eq!(chat.say_as(None, "before", "m-1"), ack, "the retry of what was acknowledged");
    chat.say("after");
    let expected = json!({"content": "after", "seq": 2, "conversationId": conversation, "channel": "WECHAT",
        "customerId": customer});
    assert_like(&agent.heard(), expected);
    agent.send(&json!({"type": "sync", "conversationId": conversation}));
    let synced = agent.heard();
    assert_eq!(synced["messages"][0]["metadata"], json!({"n": 1}), "{synced}");
    assert_eq!(server.enter("WECHAT", "oAbCd1234567890").0, customer);
    agent.say_in(&conversation, "still here");
    assert_like(&chat.heard(), json!({"content": "still here"}));
}

fn refused_upgrade(server: &Server, token: &str) -> bool {
    match server.try_chat(token, "", "nobody") {
        Ok(_) => false,
        Err(lost) => {
            assert!(format!("{lost:?}").contains("401"), "{token}: {lost:?}");
            true
        }
    }
}

fn tokens_open_and_expire(shards: u16) {
    let server = Setup::shards(shards).env("SWITCHBOARD_WEBCHAT_TOKEN_TTL", "5s").start();
    server.make_agent(1, json!({}));
    let agents = server.agent_uuid(1);
    let (_, customers) = server.enter("APP", "app_user_uuid");
    assert!(customers.starts_with("cust_") && customers.len() == 41 && agents.len() == 36);
    let mut open = server.chat(&customers, "customer");
    server.chat(&agents, "agent").assert_quiet();
    let unknown = "cust_a1b2c3d4-e5f6-7890-abcd-ef1234567890";
    for token in [unknown, &unknown[5..], &customers[5..], &format!("cust_{agents}"), "", "x", "a.b.c"] {
        assert!(refused_upgrade(&server, token), "{token}");
    }
    assert!(refused_upgrade(&server, &server.token("user", 100)), "a user's JWT is none of webchat's");
    until("the tokens expired", || server.try_chat(&customers, "", "late").is_err().then_some(()));
    assert!(refused_upgrade(&server, &customers));
    until("the agent's too", || server.try_chat(&agents, "", "late").is_err().then_some(()));
    // Who is in stays in, and a new token opens again.
    open.assert_quiet();
    server.chat(&server.enter("APP", "app_user_uuid").1, "again").assert_quiet();
}
