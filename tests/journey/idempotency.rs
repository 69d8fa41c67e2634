//! REST sends under an `Idempotency-Key`: the same answer again, whatever happened in between, and nothing twice.

use std::collections::HashSet;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Barrier, Mutex};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::harness::{Bench, PATIENCE, Reply, Server, Setup, Tab, rest, stories, until};

stories!(
    the_same_answer_again,
    of_many_at_once_one_is_carried_out,
    each_has_its_own_keys,
    agents_and_customers_are_made_once,
    users_and_agents_of_bytedesk,
    what_was_answered_survives_a_kill,
    nothing_is_sent_twice_over_kills,
    keys_are_forgotten_in_time,
    nothing_happens_twice_when_the_answer_is_gone
);

/// A request under a key.
fn under(address: SocketAddr, key: &str, request: &str, token: Option<&str>, body: &Value) -> Result<Reply, String> {
    let (method, path) = request.split_once(' ').expect("a method and a path");
    let bearer = token.map(|token| format!("Bearer {token}"));
    let mut headers = vec![("Idempotency-Key", key)];
    headers.extend(bearer.iter().map(|bearer| ("Authorization", bearer.as_str())));
    rest::try_with(address, method, path, &headers, &body.to_string())
}

#[track_caller]
fn answered(server: &Server, key: &str, request: &str, token: Option<&str>, body: &Value) -> (u16, Value) {
    let reply = under(server.address, key, request, token, body).unwrap_or_else(|why| panic!("{request}: {why}"));
    (reply.status, reply.json())
}

/// A session that agent 7 has accepted; how a message is posted into it.
fn manual(server: &Server, user: u64) -> (u64, String) {
    if server.get("/api/v1/agents/7", Some(("admin", 1))).status == 404 {
        server.make_agent(7, json!({"cs_id": "cs_001", "max_concurrent": 50}));
    }
    let id = server.conversation_id(user);
    let bench = Bench::open(server);
    until("the session is accepted", || (bench.accept(id, "cs_001").status == 200).then_some(()));
    (id, format!("POST /api/sessions/{id}/message"))
}

fn the_same_answer_again(shards: u16) {
    let server = Setup::shards(shards).start();
    server.make_agent(7, json!({"cs_id": "cs_001"}));
    let id = server.conversation_id(100);
    let (bench, send) = (Bench::open(&server), format!("POST /api/sessions/{id}/message"));
    let body = json!({"content": "您好"});
    // What was refused for good is the answer, too.
    let refused = answered(&server, "early", &send, None, &body);
    assert_eq!(refused, (400, json!({"code": 400, "message": "会话状态不正确"})));
    assert_eq!(bench.accept(id, "cs_001").status, 200);
    assert_eq!(answered(&server, "early", &send, None, &body), refused);

    let first = answered(&server, "k-1", &send, None, &body);
    assert_eq!((first.0, &first.1["code"]), (200, &json!(0)));
    assert_eq!(answered(&server, "k-1", &send, None, &body), first);
    assert_eq!(answered(&server, "\"k-1\"", &send, None, &body), first, "as a structured field writes it");
    for (other, body) in [
        (send.clone(), json!({"content": "再见"})),
        (format!("{send}?x=1"), body.clone()),
        (send.replace(&id.to_string(), "8193"), body.clone()),
    ] {
        let reused = answered(&server, "k-1", &other, None, &body);
        assert_eq!(reused, (422, json!({"code": 422, "message": "Idempotency-Key 已用于其他请求"})), "{other}");
    }
    assert_ne!(answered(&server, "k-2", &send, None, &body).1, first.1, "another key is another message");
    assert_eq!(bench.contents(id), ["您好", "您好"]);
    // Closing makes nothing: it is what it is, key or not.
    let close = format!("POST /api/sessions/{id}/close");
    assert_eq!(answered(&server, "k-1", &close, None, &json!({})).0, 200);
    assert_eq!(answered(&server, "k-1", &send, None, &body), first, "after the end as well");
}

fn of_many_at_once_one_is_carried_out(shards: u16) {
    let server = Setup::shards(shards).start();
    let (id, send) = manual(&server, 100);
    let token = server.token("agent", 7);
    for round in 0..5 {
        let (key, body) = (format!("round-{round}"), json!({"content": format!("第{round}次")}));
        let (start, replies) = (Barrier::new(8), Mutex::new(Vec::new()));
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    start.wait();
                    let reply = under(server.address, &key, &send, Some(&token), &body).expect("an answer");
                    replies.lock().unwrap().push(reply);
                });
            }
        });
        let mut bodies = HashSet::new();
        for reply in replies.into_inner().unwrap() {
            match reply.status {
                200 => {
                    bodies.insert(reply.text());
                }
                409 => {
                    assert_eq!(reply.header("retry-after"), Some("1"));
                    assert_eq!(reply.json()["code"], 409, "{}", reply.text());
                }
                other => panic!("{other}: {}", reply.text()),
            }
        }
        assert_eq!(bodies.len(), 1, "one answer, given to whoever was not told to wait");
        let later = under(server.address, &key, &send, Some(&token), &body).unwrap();
        assert_eq!((later.status, bodies.contains(&later.text())), (200, true));
    }
    assert_eq!(Bench::open(&server).contents(id).len(), 5);
}

fn each_has_its_own_keys(shards: u16) {
    let server = Setup::shards(shards).start();
    let (id, send) = manual(&server, 100);
    let (agent, admin) = (server.token("agent", 7), server.token("admin", 1));
    let uuid = server.agent_uuid(7);
    let body = json!({"content": "x"});
    let first = answered(&server, "k", &send, Some(&agent), &body);
    assert_eq!(first.0, 200);
    assert_ne!(answered(&server, "k", &send, Some(&admin), &body).1, first.1, "an admin's key is another");
    // Without a token it is the open server's workbench, which shares the admins' keys.
    let shared = answered(&server, "k", &send, None, &body);
    assert_eq!(shared, answered(&server, "k", &send, Some(&admin), &body));
    // Whichever token it shows, it is the same agent.
    let create = json!({"name": "李四", "primaryChannel": "PHONE", "phone": "+8613900139000"});
    let made = answered(&server, "c", "POST /api/v1/customers", Some(&agent), &create);
    assert_eq!(answered(&server, "c", "POST /api/v1/customers", Some(&uuid), &create), made);
    assert_eq!(answered(&server, "c", "POST /api/v1/customers", Some(&admin), &create).0, 409, "taken, not kept");
    assert_eq!(Bench::open(&server).contents(id).len(), 2);
}

fn agents_and_customers_are_made_once(shards: u16) {
    let server = Setup::shards(shards).start();
    let admin = server.token("admin", 1);
    let count = |path: &str, list: &str| {
        let page = server.get(path, Some(("admin", 1))).json();
        page["data"][list].as_array().expect("a list").len()
    };
    let nameless = json!({"name": "小王"});
    let first = answered(&server, "a", "POST /api/v1/agents", Some(&admin), &nameless);
    assert_eq!(first.0, 200);
    assert_eq!(answered(&server, "a", "POST /api/v1/agents", Some(&admin), &nameless), first);
    let reused = answered(&server, "a", "POST /api/v1/agents", Some(&admin), &json!({"name": "小李"}));
    assert_eq!((reused.0, &reused.1["data"]), (422, &Value::Null));
    let named = json!({"id": 7, "cs_id": "wang"});
    let made = answered(&server, "b", "POST /api/v1/agents", Some(&admin), &named);
    assert_eq!(answered(&server, "b", "POST /api/v1/agents", Some(&admin), &named), made);
    let other = json!({"id": 7, "cs_id": "li"});
    assert_eq!(answered(&server, "d", "POST /api/v1/agents", Some(&admin), &other).0, 409, "a name that is taken");
    assert_eq!(count("/api/v1/agents", "items"), 2);
    let zhang = json!({"name": "张三", "primaryChannel": "WEB"});
    let first = answered(&server, "c", "POST /api/v1/customers", Some(&admin), &zhang);
    assert_eq!(first.0, 200);
    assert_eq!(answered(&server, "c", "POST /api/v1/customers", Some(&admin), &zhang), first);
    let reused = answered(&server, "c", "POST /api/v1/customers", Some(&admin), &json!({"name": "x"}));
    assert_eq!(reused.0, 400, "what is wrong is said before the key is looked at");
    assert_eq!(count("/api/v1/customers", "content"), 1);
}

fn users_and_agents_of_bytedesk(shards: u16) {
    let server = Setup::shards(shards).start();
    let (user, other) = (server.token("user", 100), server.token("user", 101));
    let (open, send) = ("POST /api/v1/conversations", "POST /api/v1/messages");
    let mut agent = server.login("agent", 1);
    let opened = answered(&server, "k-1", open, Some(&user), &json!({}));
    assert_eq!(opened.0, 200, "{}", opened.1);
    assert_eq!(answered(&server, "k-1", open, Some(&user), &json!({})), opened);
    let hello = json!({"to": "auto", "content": "你好"});
    assert_eq!(answered(&server, "k-1", send, Some(&user), &hello).0, 422, "a key is for one request");
    let sent = answered(&server, "k-2", send, Some(&user), &hello);
    assert_eq!(sent.0, 200, "{}", sent.1);
    assert_eq!(answered(&server, "k-2", send, Some(&user), &hello), sent);
    assert_ne!(answered(&server, "k-2", send, Some(&other), &hello).1, sent.1, "another user's is another");
    let id = opened.1["data"]["conversation_id"].as_str().expect("an id").parse().expect("an integer");
    assert_eq!(agent.push("kefu_message")["content"], "你好");
    let answer = json!({"conversation_id": id, "to": "100", "content": "您好"});
    let theirs = server.token("agent", 1);
    let told = answered(&server, "k-1", send, Some(&theirs), &answer);
    assert_eq!(told.0, 200, "{}", told.1);
    assert_eq!(answered(&server, "k-1", send, Some(&theirs), &answer), told);
    let list = server.whole_list(("user", 100), id);
    assert_eq!(list.iter().map(|message| message["content"].as_str().unwrap()).collect::<Vec<_>>(), ["你好", "您好"]);
}

fn what_was_answered_survives_a_kill(shards: u16) {
    let mut server = Setup::shards(shards).start();
    let (id, send) = manual(&server, 100);
    let (admin, body) = (server.token("admin", 1), json!({"content": "您好"}));
    let sent = answered(&server, "k", &send, Some(&admin), &body);
    let made = answered(&server, "a", "POST /api/v1/agents", Some(&admin), &json!({}));
    server.kill();
    server.restart();
    assert_eq!(answered(&server, "k", &send, Some(&admin), &body), sent);
    assert_eq!(answered(&server, "a", "POST /api/v1/agents", Some(&admin), &json!({})), made);
    assert_eq!(answered(&server, "k", &send, Some(&admin), &json!({"content": "x"})).0, 422);
    assert_eq!(Bench::open(&server).contents(id), ["您好"]);
}

/// Whoever sends tries each message until it is answered, while the process is killed again and again.
fn nothing_is_sent_twice_over_kills(shards: u16) {
    let mut server = Setup::shards(shards).start();
    let (id, send) = manual(&server, 100);
    let (admin, over) = (server.token("admin", 1), AtomicBool::new(false));
    let address = Mutex::new(server.address);
    let told = std::thread::scope(|scope| {
        let sender = scope.spawn(|| {
            let mut told = Vec::new();
            while !over.load(Ordering::Relaxed) {
                let body = json!({"content": format!("第{}条", told.len())});
                let key = format!("k-{}", told.len());
                let deadline = Instant::now() + PATIENCE;
                let reply = loop {
                    assert!(Instant::now() < deadline, "nobody answers");
                    let at = *address.lock().unwrap();
                    match under(at, &key, &send, Some(&admin), &body) {
                        Ok(reply) if reply.status == 200 => break reply,
                        Ok(reply) => assert!([409, 503].contains(&reply.status), "{}", reply.text()),
                        Err(_) => std::thread::sleep(Duration::from_millis(2)),
                    }
                };
                let message = reply.json()["data"]["msgId"].as_str().expect("an id").to_owned();
                told.push((message, body["content"].as_str().expect("a text").to_owned()));
            }
            told
        });
        for _ in 0..4 {
            std::thread::sleep(Duration::from_millis(150));
            server.kill();
            server.restart();
            *address.lock().unwrap() = server.address;
        }
        over.store(true, Ordering::Relaxed);
        sender.join().expect("the sender's story")
    });
    assert!(told.len() > 10, "only {} were sent", told.len());
    let list = format!("/api/kefu/message/list?conversation_id={id}&page_size=100&after_seq=");
    let mut stored = Vec::new();
    loop {
        let page = server.get(&format!("{list}{}", stored.len()), Some(("admin", 1))).json();
        let page = page["data"].as_array().expect("a list").clone();
        if page.is_empty() {
            break;
        }
        stored.extend(
            page.iter().map(|message| (message["id"].to_string(), message["content"].as_str().unwrap().to_owned())),
        );
    }
    assert_eq!(stored, told, "each once, in order, as it was answered");
}

/// What a crash between the deed and its answer leaves behind: the deed is there, no answer is kept.
fn nothing_happens_twice_when_the_answer_is_gone(shards: u16) {
    let server = Setup::shards(shards).env("SWITCHBOARD_IDEMPOTENCY_TTL", "1s").start();
    let (id, send) = manual(&server, 100);
    let admin = server.token("admin", 1);
    let requests = [
        (send.as_str(), json!({"content": "您好"})),
        ("POST /api/v1/messages", json!({"conversation_id": id.to_string(), "to": "100", "content": "在吗"})),
        ("POST /api/v1/agents", json!({"name": "小李", "groups": ["vip"]})),
        ("POST /api/v1/agents", json!({"id": 9, "cs_id": "zhao", "name": "小赵"})),
        ("POST /api/v1/agents", json!({"cs_id": "qian"})),
        ("POST /api/v1/customers", json!({"name": "张三", "primaryChannel": "PHONE", "phone": "+8613800138000"})),
    ];
    let all = || {
        let answer = |(at, (request, body)): (usize, &(&str, Value))| {
            answered(&server, &format!("k-{at}"), request, Some(&admin), body)
        };
        requests.iter().enumerate().map(answer).collect::<Vec<_>>()
    };
    let first = all();
    assert!(first.iter().all(|(status, _)| *status == 200), "{first:?}");
    std::thread::sleep(Duration::from_millis(1100));
    assert_eq!(all(), first);
    assert_eq!(Bench::open(&server).contents(id), ["您好", "在吗"]);
}

fn keys_are_forgotten_in_time(shards: u16) {
    let server = Setup::shards(shards).env("SWITCHBOARD_IDEMPOTENCY_TTL", "1s").start();
    let (id, send) = manual(&server, 100);
    let mut tab = Tab::open(&server, "cs_001", "?ext=1");
    assert_eq!(answered(&server, "k", &send, None, &json!({"content": "一"})).0, 200);
    tab.told("new_message", id);
    until("the key is free", || {
        std::thread::sleep(Duration::from_millis(100));
        (answered(&server, "k", &send, None, &json!({"content": "二"})).0 == 200).then_some(())
    });
    assert_eq!(Bench::open(&server).contents(id), ["一", "二"]);
}
