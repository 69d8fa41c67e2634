//! Running it: first run, tokens, config errors, metrics and health, both shards at work, SIGTERM.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Output;

use serde_json::json;
use switchboard_protocol::model::{AgentId, Party, UserId, VisitorId};

use crate::harness::forge::claims_of;
use crate::harness::server::{command, make_token};
use crate::harness::{Server, Setup, assert_like, rest, stories, until};

stories!(
    the_first_run_says_how_to_begin,
    a_token_beside_a_running_server,
    sigterm_ends_in_order,
    health_and_metrics,
    the_same_port_after_a_kill
);

fn the_first_run_says_how_to_begin(shards: u16) {
    let mut server = Setup::shards(shards).start();
    let said = until("the lines of a first run", || {
        let printed = server.printed();
        (jwts(&printed).len() >= 3).then_some(printed)
    });
    assert!(said.contains(&format!("listening on http://{}", server.address)), "{said}");
    assert!(said.contains("curl"), "a curl line: {said}");
    assert!(said.contains("wscat") || said.contains("websocat"), "a WebSocket line: {said}");
    for role in ["user", "agent", "admin"] {
        let token = jwts(&said).into_iter().find(|token| claims_of(token)["role"] == role);
        let token = token.unwrap_or_else(|| panic!("no {role} token in:\n{said}"));
        let path = if role == "admin" { "/api/v1/agents" } else { "/api/kefu/message/getConversation" };
        let wanted = if role == "agent" { 403 } else { 200 };
        assert_eq!(server.request("GET", path, Some(&token), None).status, wanted, "the {role} token works");
        if role != "admin" {
            server.connect(role).ok("login", json!({"token": token}));
        }
    }
    let mode = fs::metadata(server.data_dir().join("jwt.key")).expect("the key's file").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    assert!(server.terminate().success());
    server.restart();
    assert!(jwts(&server.printed()).is_empty(), "tokens are printed on the first run only: {}", server.printed());
}

/// A server that nothing ever woke still hears the signal: a shard that is just going to sleep must not miss it.
#[test]
fn a_signal_right_after_the_start() {
    let mut server = Setup::shards(2).flag("--engine", "memory").start();
    for _ in 0..10 {
        server.signal_term();
        let status = server.wait();
        assert_eq!(status.code(), Some(0), "{status}");
        server.restart();
    }
}

/// A write that the disk refuses: nobody is told that it was stored, and the process ends and says why. What was
/// acknowledged before is there afterwards.
#[test]
fn a_disk_that_takes_no_more() {
    let mut server = Setup::shards(2).start();
    let id = server.conversation_id(100);
    let mut user = server.login("user", 100);
    user.say(id, "stored");
    let limit = ["--fsize=1", "--pid", &server.pid().to_string()];
    assert!(command_succeeds("prlimit", &limit), "prlimit (util-linux) sets the limit");
    let refused = user.try_call("kefu_message_send", json!({"conversation_id": id, "content": "lost"}));
    assert!(refused.is_err(), "answered: {refused:?}");
    assert_eq!(server.wait().code(), Some(74));
    assert!(server.log().contains("storage failed"), "{}", server.log());
    server.restart();
    let messages = server.list(("user", 100), id, 1, 10);
    assert_eq!(messages.iter().filter(|message| message["content"] == "stored").count(), 1, "{messages:?}");
}

fn command_succeeds(program: &str, arguments: &[&str]) -> bool {
    std::process::Command::new(program).args(arguments).status().is_ok_and(|status| status.success())
}

/// Everything in a text that looks like a JSON Web Token.
fn jwts(text: &str) -> Vec<String> {
    let words = text.split(|c: char| !(c.is_ascii_alphanumeric() || "-_.".contains(c)));
    let mut tokens: Vec<String> =
        words.filter(|word| word.starts_with("eyJ") && word.matches('.').count() == 2).map(str::to_owned).collect();
    tokens.sort();
    tokens.dedup();
    tokens
}

fn a_token_beside_a_running_server(shards: u16) {
    let server = Setup::shards(shards).start();
    let token = make_token(&server.data_dir(), "user", 4_503_599_627_370_495, "10m");
    server.connect("largest id").ok("login", json!({"token": token}));
    for (flag, value) in [("--id", "0"), ("--id", "4503599627370496"), ("--id", "x"), ("--role", "boss")] {
        let mut arguments = vec!["token", "--role", "user", "--id", "1"];
        let at = arguments.iter().position(|argument| *argument == flag).unwrap();
        arguments[at + 1] = value;
        let output = command().args(&arguments).arg("--data-dir").arg(server.data_dir()).output().unwrap();
        assert!(!output.status.success(), "{flag} {value}");
        assert!(output.stdout.is_empty() && !output.stderr.is_empty(), "{flag} {value}: {output:?}");
    }
    // A second server on the same data is refused in one clear line.
    let output = command().args(["--listen", "127.0.0.1:0", "--data-dir"]).arg(server.data_dir()).output().unwrap();
    assert!(!output.status.success());
    assert!(!output.stderr.is_empty());
    server.assert_healthy("a second server on its data");
}

fn sigterm_ends_in_order(shards: u16) {
    let mut server = Setup::shards(shards).start();
    let mut agent = server.login("agent", 1);
    let id = server.conversation_id(100);
    let mut users: Vec<_> = (0..20).map(|_| server.login("user", 100)).collect();
    let mut visitor = server.connect("visitor");
    visitor.ok("kefu_message_visitor_bind_fd", json!({"bind_key": "v"}));
    for (n, user) in users.iter_mut().enumerate() {
        user.say(id, &format!("message {n}"));
    }
    assert_eq!(server.get("/readyz", None).status, 200);
    let address = server.address;
    server.signal_term();
    for peer in users.iter_mut().chain([&mut agent, &mut visitor]) {
        assert_eq!(peer.closed(), Some(1012), "service restart (RFC 6455 registry)");
    }
    match rest::try_request(address, "GET", "/readyz", None, None) {
        Ok(reply) => assert_eq!(reply.status, 503),
        Err(_refused) => {}
    }
    let status = server.wait();
    assert_eq!(status.code(), Some(0), "{status}");
    server.restart();
    assert_eq!(server.list(("user", 100), id, 1, 100).len(), 20);
    assert_eq!(server.conversation_id(100), id);
}

fn health_and_metrics(shards: u16) {
    let server = Setup::shards(shards).start();
    assert_eq!(server.get("/livez", None).status, 200);
    assert_eq!(server.get("/readyz", None).status, 200);
    let messages = || server.metric("switchboard_messages_total", "");
    let before = messages();
    let mut agent = server.login("agent", 1);
    let id = server.conversation_id(100);
    let mut user = server.login("user", 100);
    for n in 0..5 {
        user.say(id, &format!("message {n}"));
        agent.push("kefu_message");
    }
    assert_eq!(messages() - before, 5.0);
    assert!(server.metric("switchboard_durable_latency_seconds_count", "") >= 5.0);
    assert!(server.metric("switchboard_logins_total", "") >= 2.0);
    assert_eq!(server.metric("switchboard_desk_violations_total", ""), 0.0);
    until("two connections counted", || (server.connections() >= 2).then_some(()));
    user.leave();
    agent.leave();
    until("none counted", || (server.connections() == 0).then_some(()));
    for word in ["message 3", &server.token("user", 100)] {
        assert!(!server.log().contains(word), "logs are without contents and tokens");
    }
}

fn the_same_port_after_a_kill(shards: u16) {
    let port = free_low_port();
    let mut server = Setup::shards(shards).listen(&format!("127.0.0.1:{port}")).start();
    assert_eq!(server.address.port(), port);
    for _ in 0..3 {
        let mut user = server.login("user", 100);
        server.kill();
        assert!(user.try_call("ping", json!({})).is_err());
        server.restart();
        assert_eq!(server.address.port(), port);
    }
}

/// A free port below the range of outgoing connections, so that nobody takes it between two starts.
pub fn free_low_port() -> u16 {
    let start = 17_000 + (std::process::id() % 12_000) as u16;
    static NEXT: std::sync::atomic::AtomicU16 = std::sync::atomic::AtomicU16::new(0);
    loop {
        let port = start + NEXT.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        if std::net::TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}

/// An id of the wanted kind whose party lives on a shard of two: the placement is `vshard mod shards`.
fn on_shard<I: Copy>(shard: u16, ids: impl Iterator<Item = I>, party: impl Fn(I) -> Party) -> I {
    let mut ids = ids;
    ids.find(|id| party(*id).vshard().index() % 2 == shard).expect("half of all ids")
}

/// Every pairing of two shards: the agent and the user (or visitor) live where the test says, which the
/// metrics confirm.
#[test]
fn the_parties_live_on_different_shards() {
    let user = |id: u64| Party::User(UserId::new(id).unwrap());
    let agent = |id: u64| Party::Agent(AgentId::new(id).unwrap());
    let visitor = |n: u64| Party::Visitor(VisitorId::new(&format!("visitor-{n}")).unwrap());
    for (agent_shard, customer_shard) in [(0, 0), (0, 1), (1, 0), (1, 1)] {
        let server = Setup::shards(2).start();
        let agent_id = on_shard(agent_shard, 1..1000, agent);
        let user_id = on_shard(customer_shard, 1000..2000, user);
        let visitor_name = format!("visitor-{}", on_shard(customer_shard, 1..1000, visitor));
        // The connection that asks counts, on whichever shard it landed: ask until it landed on the other.
        let on = |shard: u16| server.metric("switchboard_connections", &format!("shard=\"{shard}\""));
        let mut desks: Vec<_> = (0..3).map(|_| server.login("agent", agent_id)).collect();
        until("three on the agent's shard", || (on(agent_shard) == 3.0).then_some(()));
        until("none on the other", || (on(1 - agent_shard) == 0.0).then_some(()));
        let mut phones: Vec<_> = (0..4).map(|_| server.login("user", user_id)).collect();
        let both = if agent_shard == customer_shard { 7.0 } else { 4.0 };
        until("four more on the user's shard", || (on(customer_shard) == both).then_some(()));
        let mut page = server.connect("visitor");
        page.ok("kefu_message_visitor_bind_fd", json!({"bind_key": visitor_name}));
        until("one more on the visitor's shard", || (on(customer_shard) == both + 1.0).then_some(()));
        talk_across(&server, user_id, &mut desks, &mut phones);
        let data = json!({"visitor_id": visitor_name, "kefu_id": agent_id.to_string(), "content": "hello"});
        page.ok("kefu_message_visitor_send", data);
        for desk in &mut desks {
            assert_like(&desk.push("kefu_visitor_message"), json!({"visitor_id": visitor_name}));
        }
    }
}

fn talk_across(server: &Server, user: u64, desks: &mut [crate::harness::Peer], phones: &mut [crate::harness::Peer]) {
    let id = server.conversation_id(user);
    for round in 0..10 {
        let phone = round % phones.len();
        phones[phone].say(id, &format!("question {round}"));
        for desk in desks.iter_mut() {
            assert_like(&desk.push("kefu_message"), json!({"content": format!("question {round}")}));
        }
        for (n, other) in phones.iter_mut().enumerate() {
            if n != phone {
                assert_like(&other.push("kefu_message"), json!({"content": format!("question {round}")}));
            }
        }
        desks[0].say_as_agent(id, &format!("answer {round}"));
        for listener in phones.iter_mut().chain(&mut desks[1..]) {
            assert_like(&listener.push("kefu_message"), json!({"content": format!("answer {round}")}));
        }
    }
    let read = json!({"conversation_id": id, "message_ids": [server.list(("user", user), id, 1, 1)[0]["id"]], "sender_type": 2});
    phones[0].ok("kefu_message_read", read);
    assert_like(&server.conversation(user), json!({"unread_count": 0, "kefu_unread_count": 10}));
    phones[0].ok("kefu_message_end", json!({"conversation_id": id}));
    for listener in desks.iter_mut().chain(&mut phones[1..]) {
        listener.push("kefu_message_end");
    }
}

fn check_config(text: &str) -> Output {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("switchboard.toml");
    fs::write(&file, text).unwrap();
    command().arg("check-config").arg(&file).output().unwrap()
}

#[test]
fn config_errors_name_the_key() {
    let good = check_config("listen = \"127.0.0.1:8080\"\nagent_grace = \"45s\"\nshards = 2\n");
    assert!(good.status.success(), "{}", String::from_utf8_lossy(&good.stderr));
    for (text, named) in [
        ("lisen = \"127.0.0.1:8080\"\n", "listen"),
        ("agent_grase = \"45s\"\n", "agent_grace"),
        ("shards = \"many\"\n", "shards"),
        ("shards = 0\n", "shards"),
        ("agent_grace = \"soon\"\n", "agent_grace"),
        ("listen = \"nowhere\"\n", "listen"),
        ("engine = \"paper\"\n", "engine"),
        ("shards = [\n", ""),
    ] {
        let output = check_config(text);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success(), "{text} was taken");
        assert!(said.contains(named) && !said.trim().is_empty(), "{text}: {said}");
        assert!(!said.contains("panicked"), "{said}");
    }
    let output = command().env("SWITCHBOARD_LISEN", "x").args(["--data-dir", "/nonexistent"]).output().unwrap();
    assert!(!output.status.success());
    assert!(String::from_utf8_lossy(&output.stderr).contains("SWITCHBOARD_LISTEN"));
}

#[test]
fn flag_before_variable_before_file() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("switchboard.toml");
    fs::write(&file, "listen = \"127.0.0.1:9\"\nkefu.time_zone = \"+00:00\"\n").unwrap();
    // The harness gives `--listen` as a flag; the variable and the file say otherwise.
    let server = Setup::shards(1)
        .env("SWITCHBOARD_LISTEN", "127.0.0.1:7")
        .env("SWITCHBOARD_KEFU_TIME_ZONE", "-03:00")
        .flag("--config", file.to_str().unwrap())
        .start();
    assert!(server.address.port() > 1024);
    let mut user = server.login("user", 100);
    let sent = user.say(server.conversation_id(100), "what time is it?");
    let now = crate::harness::pattern::now_secs();
    let wanted: Vec<String> = (0..30).map(|ago| crate::harness::pattern::time_at_utc8(now - ago - 11 * 3600)).collect();
    let shown = sent["created_at"].as_str().unwrap().to_owned();
    assert!(wanted.contains(&shown), "UTC-3 by the variable: {shown}");
}

#[test]
fn the_memory_engine_works_and_forgets() {
    let mut server = Setup::shards(1).flag("--engine", "memory").start();
    let id = server.conversation_id(100);
    server.login("user", 100).say(id, "soon forgotten");
    assert_eq!(server.list(("user", 100), id, 1, 10).len(), 1);
    assert!(server.terminate().success());
    server.restart();
    let path = format!("/api/kefu/message/list?conversation_id={id}");
    assert_eq!(server.get(&path, Some(("user", 100))).status, 404);
}
