//! Peers that take without giving: readers that never read, sockets by the thousand, senders without end.

use std::time::{Duration, Instant};

use serde_json::json;

use super::SLACK_KIB;
use crate::harness::raw::{FIN, PING, TEXT, masked};
use crate::harness::{Lost, PATIENCE, Raw, Setup, assert_like, until};

/// A device that never reads is closed when its outbox is full; the other device, the sender and the
/// memory do not suffer, and the slow one resumes by seq.
#[test]
fn a_reader_that_never_reads() {
    let server = Setup::shards(2).env("SWITCHBOARD_OUTBOX_MAX_BYTES", "262144").start();
    let mut agent = server.login("agent", 1);
    let mut other_device = server.login("agent", 1);
    let id = server.conversation_id(100);
    let mut user = server.login("user", 100);
    // The sleeper logs in by hand and then never reads.
    let mut sleeper = Raw::upgraded(server.address, "/ws");
    let login = json!({"action": "login", "data": {"token": server.token("agent", 1)}, "op_id": 1});
    sleeper.send(&masked(FIN | TEXT, login.to_string().as_bytes()));
    sleeper.frame().expect("logged in");
    let closed = || server.metric("switchboard_closes_total", "") >= 1.0;
    let memory = server.resident_kib();
    let content = "长".repeat(10_000);
    let began = Instant::now();
    let mut sent = 0;
    while !closed() {
        for _ in 0..20 {
            user.say(id, &content);
            sent += 1;
            assert_eq!(agent.push("kefu_message")["content"].as_str().map(str::len), Some(content.len()));
            other_device.push("kefu_message");
        }
        assert!(began.elapsed() < Duration::from_secs(120), "{sent} messages of 30 KB and never closed");
    }
    let grown = server.resident_kib().saturating_sub(memory);
    assert!(grown < 64 * 1024, "{grown} KiB more while {sent} messages of 30 KB were pushed");
    server.assert_healthy("a reader that never reads");
    // Awake again: it reads what was in flight, finds the connection closed, and resumes.
    while sleeper.frame().is_some_and(|(opcode, _)| opcode == TEXT) {}
    let mut back = server.login("agent", 1);
    let missed = back.ok("kefu_message_sync", json!({"conversation_id": id, "after_seq": sent - 1, "limit": 100}));
    assert_like(&missed, json!({"complete": true, "messages": [{"seq": sent}]}));
    user.say(id, "still here");
    assert_eq!(agent.push("kefu_message")["content"], "still here");
}

/// Somebody who asks without end and never reads the answers is closed after a while; until then it costs
/// others nothing, and never much memory.
#[test]
fn an_asker_that_never_reads() {
    let server = Setup::shards(2).start();
    let before = server.resident_kib();
    let mut asker = Raw::upgraded(server.address, "/ws");
    asker.stream().set_write_timeout(Some(Duration::from_secs(1))).unwrap();
    let ask = masked(FIN | TEXT, format!(r#"{{"action":"ping","op_id":"{}"}}"#, "x".repeat(900)).as_bytes()).repeat(64);
    let began = Instant::now();
    let mut checked = 0;
    while asker.send(&ask) || began.elapsed() < Duration::from_secs(2) {
        assert!(began.elapsed() < PATIENCE, "still taken from after {PATIENCE:?}");
        if began.elapsed().as_secs() > checked {
            checked = began.elapsed().as_secs();
            server.assert_healthy("an asker that never reads, for some seconds");
            let now = server.resident_kib();
            assert!(now < before + SLACK_KIB, "{before} KiB before, {now} KiB now");
        }
    }
    server.assert_healthy("an asker that never reads");
    drop(asker);
    server.assert_memory_back(before, SLACK_KIB);
}

/// Two shards' sweeps, the desk's looks for expired tokens and answers, and the deadline of the request that asks for the figure.
const DEADLINES_OF_NOBODY: f64 = 5.0;

/// Connections that come and go leave nothing behind, no deadline either, however far away it was.
#[test]
fn come_and_go() {
    let server = Setup::shards(2).env("SWITCHBOARD_HEAD_TIMEOUT", "10m").start();
    let visit = |n: u64| match n % 5 {
        0 => server.login("user", 100 + n % 7).leave(),
        1 => drop(server.login("user", 100 + n % 7)),
        2 => drop(Raw::upgraded(server.address, "/ws")),
        3 => drop(Raw::connect(server.address)),
        _ => {
            let mut raw = Raw::connect(server.address);
            raw.send(b"GET /livez HT");
        }
    };
    (0..200).for_each(visit);
    until("all gone", || (server.connections() == 0).then_some(()));
    let (files, memory) = (server.open_files(), server.resident_kib());
    (0..2000).for_each(visit);
    until("all descriptors given back", || (server.open_files() <= files + 2).then_some(()));
    let deadlines = || server.metric("switchboard_deadlines", "");
    until("no deadline of a connection that is gone", || (deadlines() <= DEADLINES_OF_NOBODY).then_some(()));
    server.assert_memory_back(memory, 8 * 1024);
    server.assert_healthy("2,000 visits");
}

/// A thousand idle sockets do not slow one busy pair.
#[test]
fn many_idle_sockets() {
    let server = Setup::shards(2).env("SWITCHBOARD_HEAD_TIMEOUT", "10m").start();
    let idle: Vec<Raw> = (0..1000).map(|_| Raw::upgraded(server.address, "/ws")).collect();
    until("all counted", || (server.connections() >= 1000).then_some(()));
    let deadlines = || server.metric("switchboard_deadlines", "");
    until("no deadline of an idle WebSocket", || (deadlines() <= DEADLINES_OF_NOBODY).then_some(()));
    let mut agent = server.login("agent", 1);
    let id = server.conversation_id(100);
    let mut user = server.login("user", 100);
    let began = Instant::now();
    for n in 0..50 {
        user.say(id, &format!("message {n}"));
        agent.push("kefu_message");
    }
    assert!(began.elapsed() < Duration::from_secs(10), "{:?} for 50 messages", began.elapsed());
    drop(idle);
    until("all gone", || (server.connections() <= 2).then_some(()));
}

/// An idle connection is one entry of a table (architecture.md, invariant 8): no buffer, no task.
#[test]
fn idle_is_free() {
    const FEW: usize = 1000;
    const MANY: usize = 3000;
    /// Far below any buffer, above what an allocator's pages blur. (The entry itself: `shard::table`'s tests.)
    const EACH_KIB: u64 = 4;
    let server = Setup::shards(2).start();
    let mut idle: Vec<Raw> = (0..FEW).map(|_| Raw::upgraded(server.address, "/ws")).collect();
    let before = server.resident_kib();
    idle.extend((FEW..MANY).map(|_| Raw::upgraded(server.address, "/ws")));
    until("all counted", || (server.connections() >= MANY as u64).then_some(()));
    let grown = server.resident_kib().saturating_sub(before);
    assert!(grown < (MANY - FEW) as u64 * EACH_KIB, "{grown} KiB more for {} idle connections", MANY - FEW);
}

/// A peer that answers no ping is closed; one that does stays.
#[test]
fn dead_peers_are_found() {
    let server = Setup::shards(2).env("SWITCHBOARD_PING_INTERVAL", "1s").env("SWITCHBOARD_PONG_TIMEOUT", "1s").start();
    let mut alive = server.login("user", 100);
    let over = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        // The library answers pings while it reads.
        let reader = scope.spawn(|| {
            while !over.load(std::sync::atomic::Ordering::SeqCst) {
                let heard = alive.try_push(Duration::from_millis(50));
                assert_eq!(heard, Err(Lost::Silent), "a living peer stays");
            }
            alive.ok("ping", json!({}));
        });
        let mut dead = Raw::upgraded(server.address, "/ws");
        let began = Instant::now();
        let mut pinged = false;
        // A raw peer answers nothing by itself.
        while let Some((opcode, _)) = dead.frame() {
            pinged |= opcode == PING;
        }
        assert!(pinged, "it was pinged first");
        assert!(began.elapsed() >= Duration::from_millis(900));
        std::thread::sleep(Duration::from_secs(2));
        over.store(true, std::sync::atomic::Ordering::SeqCst);
        reader.join().expect("a living peer stays");
    });
}
