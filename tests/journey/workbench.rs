//! The agents' workbench (guide 4) with kefu's customers (guide 2) on the other side: one world, two dialects.

use std::sync::Barrier;

use serde_json::{Value, json};

use crate::harness::workbench::id_of;
use crate::harness::{Bench, Lost, Server, Setup, Tab, assert_like, stories, until};

stories!(
    a_user_is_picked_up_and_served,
    a_visitor_is_served,
    of_two_who_pick_one_wins,
    push_or_pull,
    colleagues_look_on,
    lists_by_every_condition,
    long_lists_and_histories_come_in_pages,
    tokens_where_they_are_required,
    who_exists,
    a_session_goes_to_another_group,
    a_kill_in_the_middle
);

/// An agent that the admin has made.
fn agent(server: &Server, id: u64, cs_id: &str, groups: &[&str]) {
    server.make_agent(id, json!({"cs_id": cs_id, "groups": groups}));
}

const WRONG_STATE: (u16, &str) = (400, "会话状态不正确");
const NONE: (u16, &str) = (404, "会话不存在");

#[track_caller]
fn refused(bench: &Bench, method: &str, path: &str, body: Option<&Value>, expected: (u16, &str)) {
    assert_eq!(bench.refused(method, path, body), (expected.0, expected.1.to_owned()), "{method} {path}");
}

fn a_user_is_picked_up_and_served(shards: u16) {
    let server = Setup::shards(shards).start();
    agent(&server, 7, "cs_001", &["default"]);
    let bench = Bench::open(&server);
    let (mut tab, mut ext) = (Tab::open(&server, "cs_001", ""), Tab::open(&server, "cs_001", "?ext=1"));
    let id = server.conversation_id(100);
    for tab in [&mut tab, &mut ext] {
        assert_like(&tab.told("new_pending_session", id), json!({"customerId": "100", "status": "pending"}));
    }
    let mut user = server.login("user", 100);
    user.say(id, "你好");
    tab.assert_quiet();
    let waiting = bench.session(id);
    assert_like(&waiting, json!({"customerId": "100", "status": "pending", "messageCount": 1, "lastMessage": "你好"}));
    assert!(waiting.get("manualCsId").is_none() && waiting.get("channelType").is_none(), "{waiting}");
    assert_eq!(bench.ids("?status=pending"), [id]);
    let message = format!("/api/sessions/{id}/message");
    refused(&bench, "POST", &message, Some(&json!({"content": "x"})), WRONG_STATE);

    assert_eq!(bench.accept(id, "cs_001").json(), json!({"code": 0, "message": "success"}));
    for tab in [&mut tab, &mut ext] {
        assert_like(&tab.told("session_accepted", id), json!({"manualCsId": "cs_001", "status": "manual"}));
        let unread = json!({"content": "你好", "senderType": "customer", "senderId": "100", "msgType": "text"});
        assert_like(&tab.told("new_message", id), unread);
    }
    assert_eq!(server.conversation(100)["kefu_id"], 7);
    assert_like(&bench.session(id), json!({"status": "manual", "manualCsId": "cs_001"}));
    refused(&bench, "POST", &format!("/api/sessions/{id}/accept"), Some(&json!({"csId": "cs_001"})), WRONG_STATE);

    let sent = bench.say(id, "您好,请问有什么可以帮助您的?");
    assert_like(&sent, json!({"sessionId": id.to_string(), "seq": 2}));
    let heard = user.push("kefu_message");
    assert_like(&heard, json!({"content": "您好,请问有什么可以帮助您的?", "sender_type": 2, "sender_id": 7}));
    tab.assert_quiet();
    assert_like(&ext.told("new_message", id), json!({"senderType": "manual", "senderId": "cs_001"}));
    user.say(id, "退款");
    for tab in [&mut tab, &mut ext] {
        assert_like(&tab.told("new_message", id), json!({"content": "退款", "senderType": "customer"}));
    }
    // A retry stores nothing new, and is answered as the first time.
    let retried = json!({"content": "好的", "client_msg_id": "c-1"});
    let first = bench.ok("POST", &message, Some(&retried));
    assert_eq!(bench.ok("POST", &message, Some(&retried)), first);
    ext.told("new_message", id);

    let close = format!("/api/sessions/{id}/close");
    assert_eq!(bench.close(id).json(), json!({"code": 0, "message": "success"}));
    assert_like(&user.push("kefu_message_end"), json!({"conversation_id": id, "operator_type": 2}));
    for tab in [&mut tab, &mut ext] {
        assert_like(&tab.told("session_closed", id), json!({"status": "closed", "customerId": "100"}));
    }
    assert_eq!(bench.ok("POST", &close, None), Value::Null, "twice is a success");
    refused(&bench, "POST", &message, Some(&json!({"content": "x"})), WRONG_STATE);
    assert_eq!(bench.contents(id), ["你好", "您好,请问有什么可以帮助您的?", "退款", "好的"]);
    let theirs = server.whole_list(("user", 100), id);
    let contents: Vec<_> = theirs.iter().map(|message| message["content"].as_str().unwrap()).collect();
    assert_eq!(contents, bench.contents(id), "one history from both sides");
    tab.assert_quiet();
    bench.validated();
}

fn a_visitor_is_served(shards: u16) {
    let server = Setup::shards(shards).start();
    agent(&server, 7, "cs_001", &["default"]);
    let bench = Bench::open(&server);
    let mut tab = Tab::open(&server, "cs_001", "");
    let mut page = server.connect("visitor");
    page.ok("kefu_message_visitor_bind_fd", json!({"bind_key": "visitor_123456"}));
    let say = json!({"visitor_id": "visitor_123456", "kefu_id": "auto", "content": "在吗"});
    let id = page.ok("kefu_message_visitor_send", say.clone())["conversation_id"].as_u64().unwrap();
    assert_like(&tab.told("new_pending_session", id), json!({"customerId": "visitor_123456"}));
    assert_eq!(bench.accept(id, "cs_001").status, 200);
    tab.told("session_accepted", id);
    assert_like(&tab.told("new_message", id), json!({"content": "在吗", "senderId": "visitor_123456"}));
    bench.say(id, "在的");
    let heard = page.push("kefu_visitor_message");
    assert_like(&heard, json!({"content": "在的", "sender_type": 2, "kefu_id": "7"}));
    let image = json!({"content": "https://example.com/a.png", "msgType": "image"});
    let (status, _) = bench.refused("POST", &format!("/api/sessions/{id}/message"), Some(&image));
    assert_eq!(status, 400, "visitors' conversations are text");
    page.ok("kefu_message_visitor_end", json!({"visitor_id": "visitor_123456", "kefu_id": "7"}));
    tab.told("session_closed", id);
    assert_eq!(bench.contents(id), ["在吗", "在的"]);
    // It comes again, and nobody picks it: the workbench closes it.
    let again = page.ok("kefu_message_visitor_send", say)["conversation_id"].as_u64().unwrap();
    tab.told("new_pending_session", again);
    assert_eq!(bench.close(again).status, 200);
    assert_like(&page.push("kefu_visitor_conversation_end"), json!({"visitor_id": "visitor_123456"}));
    tab.told("session_closed", again);
    assert_like(&bench.session(again), json!({"status": "closed"}));
    bench.validated();
}

fn of_two_who_pick_one_wins(shards: u16) {
    let server = Setup::shards(shards).start();
    agent(&server, 7, "cs_a", &["default"]);
    agent(&server, 8, "cs_b", &["default"]);
    let mut tabs = [Tab::open(&server, "cs_a", ""), Tab::open(&server, "cs_b", "")];
    for user in 100..110 {
        let id = server.conversation_id(user);
        let start = Barrier::new(2);
        let pick = |cs_id: &'static str| {
            let (server, start) = (&server, &start);
            move || {
                let bench = Bench::open(server);
                start.wait();
                let reply = bench.accept(id, cs_id);
                bench.validated();
                (cs_id, reply.status, reply.json()["message"].clone())
            }
        };
        let both = std::thread::scope(|scope| {
            let (one, other) = (scope.spawn(pick("cs_a")), scope.spawn(pick("cs_b")));
            [one.join().unwrap(), other.join().unwrap()]
        });
        let (won, lost): (Vec<_>, Vec<_>) = both.iter().partition(|(_, status, _)| *status == 200);
        assert_eq!((won.len(), lost.len()), (1, 1), "{both:?}");
        assert_eq!((lost[0].1, &lost[0].2), (400, &json!("会话状态不正确")));
        assert_like(&Bench::open(&server).session(id), json!({"status": "manual", "manualCsId": won[0].0}));
        for tab in &mut tabs {
            tab.told("new_pending_session", id);
            assert_eq!(tab.told("session_accepted", id)["manualCsId"], won[0].0, "all of the group hear who has it");
        }
    }
    assert_eq!(server.metric("switchboard_desk_violations_total", ""), 0.0);
}

fn push_or_pull(shards: u16) {
    let server = Setup::shards(shards).start();
    agent(&server, 7, "cs_001", &["default"]);
    let bench = Bench::open(&server);
    let mut tab = Tab::open(&server, "cs_001", "");
    let accept = |wanted: &str| until(wanted, || (server.agent_view(7)["accept"] == wanted).then_some(()));
    accept("manual");
    let first = server.conversation_id(100);
    tab.told("new_pending_session", first);
    assert_like(&bench.session(first), json!({"status": "pending"}));
    // Another connection makes it one that is assigned to, and what waits is its own at once.
    let app = server.login("agent", 7);
    tab.told("session_accepted", first);
    accept("auto");
    let second = server.conversation_id(101);
    tab.told("session_accepted", second);
    assert_eq!(bench.ids("?csId=cs_001&status=manual"), [second, first]);
    app.leave();
    accept("manual");
    let third = server.conversation_id(102);
    tab.told("new_pending_session", third);
    // `accept` on the agent goes before both.
    server.change_agent(7, &json!({"accept": "auto"}));
    tab.told("session_accepted", third);
    // Not more than it has room for, and not outside its groups.
    server.change_agent(7, &json!({"accept": "manual", "max_concurrent": 3}));
    let fourth = server.conversation_id(103);
    tab.told("new_pending_session", fourth);
    let path = format!("/api/sessions/{fourth}/accept");
    refused(&bench, "POST", &path, Some(&json!({"csId": "cs_001"})), (400, "客服接待数已达上限"));
    agent(&server, 8, "cs_vip", &["vip"]);
    refused(&bench, "POST", &path, Some(&json!({"csId": "cs_vip"})), (400, "客服不属于该会话的分组"));
    refused(&bench, "POST", &path, Some(&json!({"csId": "nobody"})), (404, "客服不存在"));
    assert_eq!(bench.close(first).status, 200);
    tab.told("session_closed", first);
    assert_eq!(bench.accept(fourth, "7").status, 200, "the id names the agent too");
    tab.told("session_accepted", fourth);
    assert_eq!(server.metric("switchboard_desk_violations_total", ""), 0.0);
    bench.validated();
}

fn colleagues_look_on(shards: u16) {
    let server = Setup::shards(shards).start();
    for (id, cs_id, group) in [(7, "cs_a", "default"), (8, "cs_b", "default"), (9, "cs_vip", "vip")] {
        agent(&server, id, cs_id, &[group]);
    }
    let bench = Bench::open(&server);
    let mut own = Tab::open(&server, "cs_a", "");
    let mut colleague = Tab::open(&server, "cs_b", "");
    let mut stranger = Tab::open(&server, "cs_vip", "");
    let id = server.conversation_id(100);
    let mut user = server.login_ext("user", 100);
    colleague.told("new_pending_session", id);
    colleague.bind(id);
    user.say(id, "一");
    assert_like(&colleague.told("new_message", id), json!({"content": "一"}));
    assert_eq!(bench.accept(id, "cs_a").status, 200);
    colleague.told("session_accepted", id);
    own.told("new_pending_session", id);
    own.told("session_accepted", id);
    own.told("new_message", id);
    own.bind(id);
    user.say(id, "二");
    bench.say(id, "三");
    assert_like(&colleague.told("new_message", id), json!({"content": "二", "senderType": "customer"}));
    assert_like(&colleague.told("new_message", id), json!({"content": "三", "senderId": "cs_a"}));
    assert_like(&own.told("new_message", id), json!({"content": "二"}));
    own.assert_quiet();
    // Another group neither hears nor binds.
    stranger.send(&json!({"type": "bind_session", "sessionId": id.to_string()}));
    assert_like(&stranger.hear(), json!({"type": "error", "code": 404, "message": "会话不存在"}));
    stranger.assert_quiet();
    // Extensions: typing both ways, and what came after a seq.
    own.send(&json!({"type": "typing", "sessionId": id.to_string()}));
    assert_like(&user.push("kefu_message_typing"), json!({"sender_type": 2}));
    user.ok("kefu_message_typing", json!({"conversation_id": id}));
    assert_like(&own.told("typing", id), json!({"senderType": "customer"}));
    own.send(&json!({"type": "sync", "sessionId": id.to_string(), "after_seq": 1, "limit": 1}));
    let part = own.told("sync", id);
    assert_like(&part, json!({"messages": [{"content": "二", "seq": 2}], "nextSeq": 2, "complete": false}));
    own.send(&json!({"type": "sync", "sessionId": id.to_string(), "after_seq": 2}));
    assert_like(&own.told("sync", id), json!({"messages": [{"content": "三", "senderId": "cs_a"}], "complete": true}));
    own.send(&json!({"type": "sync", "sessionId": id.to_string(), "after_seq": 4}));
    assert_like(&own.hear(), json!({"type": "error", "code": 400}));
    colleague.leave();
    user.say(id, "四");
    assert_like(&own.told("new_message", id), json!({"content": "四"}));
    assert_eq!(bench.close(id).status, 200);
    own.told("session_closed", id);
    stranger.assert_quiet();
    bench.validated();
}

fn lists_by_every_condition(shards: u16) {
    let server = Setup::shards(shards).start();
    agent(&server, 7, "cs_a", &["default"]);
    agent(&server, 8, "cs_b", &["default"]);
    let bench = Bench::open(&server);
    assert!(bench.ids("").is_empty());
    let ids: Vec<_> = (100..105).map(|user| server.conversation_id(user)).collect();
    for (at, cs_id) in [(0, "cs_a"), (1, "cs_a"), (2, "cs_b")] {
        assert_eq!(bench.accept(ids[at], cs_id).status, 200);
    }
    for at in [1, 4] {
        assert_eq!(bench.close(ids[at]).status, 200);
    }
    // Opened in the same millisecond they may be listed in either order.
    let set = |query: &str| {
        let mut found: Vec<_> =
            bench.ids(query).iter().map(|id| ids.iter().position(|own| own == id).unwrap()).collect();
        found.sort_unstable();
        found
    };
    for (query, expected) in [
        ("", vec![0, 1, 2, 3, 4]),
        ("?status=pending", vec![3]),
        ("?status=manual", vec![0, 2]),
        ("?status=closed", vec![1, 4]),
        ("?status=ai", vec![]),
        ("?csId=cs_a", vec![0, 1]),
        ("?csId=7", vec![0, 1]),
        ("?csId=nobody", vec![]),
        ("?csId=cs_a&status=manual", vec![0]),
        ("?csId=cs_b&status=closed", vec![]),
        ("?channelType=wechat", vec![]),
        ("?channelType=jd&status=manual&csId=cs_a", vec![]),
        ("?status=&csId=", vec![0, 1, 2, 3, 4]),
    ] {
        assert_eq!(set(query), expected, "{query}");
    }
    let listed = bench.ok("GET", "/api/sessions?csId=cs_b", None)[0].clone();
    assert_eq!(listed, bench.session(ids[2]), "a list shows what the detail shows");
    bench.validated();
}

fn long_lists_and_histories_come_in_pages(shards: u16) {
    let server = Setup::shards(shards).start();
    agent(&server, 7, "cs_a", &["default"]);
    let bench = Bench::open(&server);
    let all: Vec<_> = (100..107).map(|user| server.conversation_id(user)).collect();
    let pages = |first: &str| {
        let (path, _) = first.split_once('?').unwrap();
        let (mut asked, mut entries) = (first.to_owned(), Vec::new());
        loop {
            let reply = bench.call("GET", &asked, None);
            assert_eq!(reply.status, 200, "{}", reply.text());
            entries.push(reply.json()["data"].as_array().unwrap().clone());
            let Some(link) = reply.header("link") else { return entries };
            let next = link.strip_prefix('<').and_then(|link| link.strip_suffix(">; rel=\"next\"")).unwrap();
            asked = format!("{path}{next}");
        }
    };
    let listed = pages("/api/sessions?limit=3&status=pending");
    assert_eq!(listed.iter().map(Vec::len).collect::<Vec<_>>(), [3, 3, 1]);
    let mut ids: Vec<_> = listed.iter().flatten().map(id_of).collect();
    let newest_first =
        listed.concat().windows(2).all(|two| two[0]["createdAt"].as_str() >= two[1]["createdAt"].as_str());
    assert!(newest_first, "{listed:?}");
    ids.sort_unstable();
    let mut expected = all.clone();
    expected.sort_unstable();
    assert_eq!(ids, expected, "each once");
    assert_eq!(pages("/api/sessions?limit=7").len(), 1, "a full page that is the last has no next");

    let mut user = server.login("user", 100);
    for number in 1..=5 {
        user.say(all[0], &format!("{number}"));
    }
    let history = |query: &str| {
        let pages = pages(&format!("/api/sessions/{}/history?{query}", all[0]));
        let text = |page: &Vec<Value>| page.iter().map(|line| line["content"].as_str().unwrap()).collect::<String>();
        pages.iter().map(text).collect::<Vec<_>>()
    };
    assert_eq!(history(""), ["12345"], "in order");
    assert_eq!(history("limit=2"), ["45", "23", "1"], "the newest first, each page in order");
    assert_eq!(history("after_seq=1&limit=2"), ["23", "45"]);
    assert_eq!(history("after_seq=5"), [""]);
    bench.validated();
}

fn tokens_where_they_are_required(shards: u16) {
    let server = Setup::shards(shards).env("SWITCHBOARD_AUTH_REQUIRED", "true").start();
    agent(&server, 7, "cs_a", &["default"]);
    agent(&server, 8, "cs_b", &["default"]);
    agent(&server, 9, "cs_vip", &["vip"]);
    let (nobody, admin) = (Bench::open(&server), Bench::of(&server, "admin", 1));
    let [one, other, vip] = [7, 8, 9].map(|id| Bench::of(&server, "agent", id));
    let id = server.conversation_id(100);
    let path = format!("/api/sessions/{id}");
    for (method, rest) in
        [("GET", ""), ("GET", "/history"), ("POST", "/accept"), ("POST", "/message"), ("POST", "/close")]
    {
        assert_eq!(nobody.refused(method, &format!("{path}{rest}"), None).0, 401, "{method} {rest}");
    }
    assert_eq!(nobody.refused("GET", "/api/sessions", None).0, 401);
    assert_eq!(Bench::of(&server, "user", 100).refused("GET", &path, None).0, 403);
    // An agent sees its own and its groups'; what it does not see is not there.
    assert_eq!((one.ids(""), other.ids(""), vip.ids(""), admin.ids("")), (vec![id], vec![id], vec![], vec![id]));
    refused(&vip, "GET", &path, None, NONE);
    refused(&vip, "GET", &format!("{path}/history"), None, NONE);
    refused(&vip, "POST", &format!("{path}/close"), None, NONE);
    refused(&vip, "POST", &format!("{path}/accept"), Some(&json!({"csId": "cs_vip"})), NONE);
    assert_eq!(other.refused("POST", &format!("{path}/accept"), Some(&json!({"csId": "cs_a"}))).0, 403);
    assert_eq!(one.accept(id, "cs_a").status, 200);
    let say = json!({"content": "x"});
    assert_eq!(other.refused("POST", &format!("{path}/message"), Some(&say)).0, 403, "a colleague's");
    assert_eq!(other.refused("POST", &format!("{path}/close"), None).0, 403, "a colleague's");
    assert_eq!(other.session(id)["manualCsId"], "cs_a");
    one.say(id, "以自己的名义");
    admin.say(id, "以客服的名义");
    assert_eq!(other.contents(id), ["以自己的名义", "以客服的名义"]);

    let token = |role: &str, id: u64| format!("?token={}", server.token(role, id));
    for (cs_id, query, status) in [
        ("cs_a", String::new(), "401"),
        ("cs_a", "?token=nonsense".to_owned(), "401"),
        ("cs_a", token("agent", 8), "403"),
        ("cs_a", token("user", 7), "403"),
        ("cs_a", token("admin", 1), "403"),
        ("nobody", token("agent", 7), "403"),
    ] {
        match Tab::try_open(&server, cs_id, &query) {
            Err(Lost::Broken(why)) => assert!(why.contains(status), "{cs_id}{query}: {why}"),
            Err(other) => panic!("{other:?}"),
            Ok(_) => panic!("{cs_id}{query} was let in"),
        }
    }
    let mut tab = Tab::open(&server, "cs_a", &token("agent", 7));
    let mut made = Tab::open(&server, "77", &token("agent", 77));
    let next = server.conversation_id(101);
    tab.told("new_pending_session", next);
    made.told("new_pending_session", next);
    for bench in [nobody, admin, one, other, vip] {
        bench.validated();
    }
}

fn who_exists(shards: u16) {
    let server = Setup::shards(shards).start();
    let upgrade = |cs_id: &str, query: &str| match Tab::try_open(&server, cs_id, query) {
        Err(Lost::Broken(why)) => why,
        Err(other) => format!("{other:?}"),
        Ok(_) => "let in".to_owned(),
    };
    assert!(upgrade("cs_001", "").contains("404"), "nobody has made it");
    assert!(upgrade(&"x".repeat(65), "").contains("400"));
    assert!(upgrade("cs_001", "?token=nonsense").contains("401"), "a token that is given is looked at");
    agent(&server, 7, "客服/1", &["default"]);
    let tab = Tab::try_open(&server, "%E5%AE%A2%E6%9C%8D%2F1", "");
    assert!(tab.is_ok(), "a code may be any text");
    // One who is deleted is put out.
    agent(&server, 8, "cs_002", &["default"]);
    let mut tab = Tab::open(&server, "cs_002", "");
    let deleted = server.request("DELETE", "/api/v1/agents/8", Some(&server.token("admin", 1)), None);
    assert_eq!(deleted.status, 200, "{}", deleted.text());
    assert_eq!(tab.closed(), Some(1008));
    assert!(upgrade("cs_002", "").contains("404"));
}

fn a_session_goes_to_another_group(shards: u16) {
    let server = Setup::shards(shards).start();
    agent(&server, 7, "cs_001", &["default"]);
    agent(&server, 8, "cs_002", &["vip"]);
    agent(&server, 9, "cs_003", &["default", "vip"]);
    let (mut old, mut old_ext) = (Tab::open(&server, "cs_001", ""), Tab::open(&server, "cs_001", "?ext=1"));
    let (mut new, mut new_ext) = (Tab::open(&server, "cs_002", ""), Tab::open(&server, "cs_002", "?ext=1"));
    let mut both = Tab::open(&server, "cs_003", "?ext=1");
    let id = server.conversation_id(100);
    for tab in [&mut old, &mut old_ext, &mut both] {
        tab.told("new_pending_session", id);
    }
    let give = |group: &str| {
        let path = format!("/api/v1/conversations/{id}");
        server.admin("PUT", &path, Some(&json!({"group_id": group})));
    };
    // It waits: it is new to one group, and who asked for more than the guide shows hears that it left the other.
    give("vip");
    for tab in [&mut new, &mut new_ext, &mut both, &mut old_ext] {
        assert_eq!(tab.told("new_pending_session", id)["group"], "vip");
    }
    for tab in [&mut old, &mut old_ext, &mut new, &mut new_ext, &mut both] {
        tab.assert_quiet();
    }
    // An agent has it and gives it to a group that it does not serve.
    assert_eq!(Bench::open(&server).accept(id, "cs_002").status, 200);
    for tab in [&mut new, &mut new_ext, &mut both] {
        tab.told("session_accepted", id);
    }
    give("default");
    for tab in [&mut old, &mut old_ext, &mut both, &mut new_ext] {
        assert_eq!(tab.told("new_pending_session", id)["group"], "default");
    }
    for tab in [&mut old, &mut old_ext, &mut new, &mut new_ext, &mut both] {
        tab.assert_quiet();
    }
}

fn a_kill_in_the_middle(shards: u16) {
    let mut server = Setup::shards(shards).start();
    agent(&server, 7, "cs_001", &["default"]);
    let bench = Bench::open(&server);
    let (id, waiting) = (server.conversation_id(100), server.conversation_id(101));
    let mut user = server.login("user", 100);
    user.say(id, "一");
    assert_eq!(bench.accept(id, "cs_001").status, 200);
    bench.say(id, "二");
    let before = (bench.session(id), bench.ids("?status=pending"), bench.ids(""));
    bench.validated();
    server.kill();
    server.restart();
    let bench = Bench::open(&server);
    assert_eq!((bench.session(id), bench.ids("?status=pending"), bench.ids("")), before);
    let mut tab = Tab::open(&server, "cs_001", "");
    let mut user = server.login("user", 100);
    user.say(id, "三");
    assert_like(&tab.told("new_message", id), json!({"content": "三", "seq": 3}));
    bench.say(id, "四");
    assert_like(&user.push("kefu_message"), json!({"content": "四"}));
    assert_eq!(bench.contents(id), ["一", "二", "三", "四"]);
    assert_eq!(bench.accept(waiting, "cs_001").status, 200, "what waited waits on");
    tab.told("session_accepted", waiting);
    assert_eq!(bench.close(id).status, 200);
    tab.told("session_closed", id);
    let ended = (bench.session(id), bench.ids("?status=closed"));
    bench.validated();
    server.kill();
    server.restart();
    let bench = Bench::open(&server);
    assert_eq!((bench.session(id), bench.ids("?status=closed")), ended);
    assert_eq!(bench.ids("?status=manual&csId=cs_001"), [waiting]);
    bench.validated();
}
