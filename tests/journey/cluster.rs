//! A cluster as the store, at the built binary: how the start refuses, who owns the store, a cluster that is away. What
//! any store must do is told by the other stories, which `SWITCHBOARD_TEST_ENGINE=scylla` runs on a cluster too.

use std::collections::BTreeSet;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use switchboard_storage::TrialCluster;

use crate::harness::cql::{self, Keyspace};
use crate::harness::server::command;
use crate::harness::{Peer, Server, Setup, until};

const USER: u64 = 100;

/// Sends; what was acknowledged is told.
fn send(peer: &mut Peer, conversation: u64, content: &str, told: &mut BTreeSet<String>) -> Value {
    let data = json!({"conversation_id": conversation, "content": content, "client_msg_id": content});
    let answer = peer.try_call("kefu_message_send", data).expect("the socket stays open");
    if answer["success"] == true {
        told.insert(content.to_owned());
    }
    answer
}

/// All that was told is there, once, and `seq` has no gaps.
fn assert_all_there(server: &Server, conversation: u64, told: &BTreeSet<String>) {
    let list = server.whole_list(("user", USER), conversation);
    let contents: Vec<_> = list.iter().map(|message| message["content"].as_str().unwrap().to_owned()).collect();
    let once: BTreeSet<_> = contents.iter().cloned().collect();
    assert_eq!(once.len(), contents.len(), "nothing twice: {contents:?}");
    assert!(told.is_subset(&once), "missing: {:?}", told.difference(&once).collect::<Vec<_>>());
    let answer = server
        .login("user", USER)
        .call("kefu_message_sync", json!({"conversation_id": conversation, "after_seq": 0, "limit": 100}));
    let seqs: Vec<_> =
        answer["data"]["messages"].as_array().expect("messages").iter().map(|m| m["seq"].as_u64()).collect();
    let dense: Vec<_> = (1..=seqs.len() as u64).map(Some).collect();
    assert_eq!(seqs, dense);
}

fn readyz(server: &Server) -> (u16, String) {
    let reply = server.get("/readyz", None);
    (reply.status, reply.text())
}

/// Starts a server that must not start, and gives what it said.
fn refused(keyspace: &Keyspace, timeout: &str) -> String {
    let dir = tempfile::tempdir().unwrap();
    let output = command()
        .envs(keyspace.variables())
        .env("SWITCHBOARD_SCYLLA_START_TIMEOUT", timeout)
        .args(["--listen", "127.0.0.1:0", "--engine", "scylla", "--shards", "1", "--data-dir"])
        .arg(dir.path())
        .stdin(Stdio::null())
        .output()
        .expect("the binary runs");
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    String::from_utf8(output.stderr).unwrap()
}

#[test]
fn without_a_schema_the_start_says_what_to_run() {
    if !cql::is_there() {
        return;
    }
    let said = refused(&Keyspace::unmade("no_such_keyspace"), "5s");
    assert!(said.contains("no keyspace no_such_keyspace") && said.contains("switchboard migrate"), "{said}");
    // A cluster that is not there: said again and again, then given up.
    let dir = tempfile::tempdir().unwrap();
    let began = Instant::now();
    let output = command()
        .env("SWITCHBOARD_SCYLLA_CONTACT_POINTS", "127.0.0.1:1")
        .env("SWITCHBOARD_SCYLLA_START_TIMEOUT", "4s")
        .args(["--listen", "127.0.0.1:0", "--engine", "scylla", "--data-dir"])
        .arg(dir.path())
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(began.elapsed() >= Duration::from_secs(4), "it waits for the cluster");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("trying again") && said.contains("127.0.0.1:1"), "{said}");
}

#[test]
fn a_second_server_waits_and_takes_over_after_an_orderly_end() {
    if !cql::is_there() {
        return;
    }
    let keyspace = Keyspace::lend();
    let mut first = Setup::shards(1).on(&keyspace).start();
    let id = first.conversation_id(USER);
    let mut told = BTreeSet::new();
    send(&mut first.login("user", USER), id, "one", &mut told);
    let said = refused(&keyspace, "1s");
    assert!(said.contains("owned by another server"), "{said}");
    assert_eq!(first.terminate().code(), Some(0));
    let began = Instant::now();
    let second = Setup::shards(2).on(&keyspace).start();
    assert!(began.elapsed() < Duration::from_secs(3), "given up in order, nobody waits for a lease");
    assert_all_there(&second, second.conversation_id(USER), &told);
}

/// A server that was stopped for longer than its lease finds another in its place, and ends without a word.
#[test]
fn a_stale_owner_writes_nothing() {
    if !cql::is_there() {
        return;
    }
    let keyspace = Keyspace::lend();
    let mut stale = Setup::shards(1).on(&keyspace).start();
    let id = stale.conversation_id(USER);
    let mut told = BTreeSet::new();
    let mut writer = stale.login("user", USER);
    for number in 0..20 {
        send(&mut writer, id, &format!("before {number}"), &mut told);
    }
    // Some are on their way when it stops.
    let ops: Vec<_> = (0..20)
        .filter_map(|n| {
            writer.try_post("kefu_message_send", json!({"conversation_id": id, "content": format!("during {n}")})).ok()
        })
        .collect();
    signal(&stale, "STOP");
    let owner = Setup::shards(1).on(&keyspace).start();
    let mut user = owner.login("user", USER);
    for number in 0..20 {
        let answer = send(&mut user, id, &format!("after {number}"), &mut told);
        assert_eq!(answer["success"], true, "{answer}");
    }
    signal(&stale, "CONT");
    assert_eq!(stale.wait().code(), Some(74));
    assert!(stale.log().contains("another server has taken the store over"), "{}", stale.log());
    for op in ops {
        if let Ok(answer) = writer.try_answer(op)
            && answer["success"] == true
        {
            told.insert(format!("during {op}"));
        }
    }
    // Which of those on their way were acknowledged before it stopped is known by their content only.
    told.retain(|content| !content.starts_with("during"));
    assert_all_there(&owner, id, &told);
}

#[test]
fn a_cluster_that_is_away_for_a_while_costs_nothing_that_was_acknowledged() {
    const CLUSTER: &str = "away";
    let Some(keyspace) = Keyspace::alone(CLUSTER) else { return };
    let server = Setup::shards(2).on(&keyspace).env("SWITCHBOARD_STORAGE_DEADLINE", "2s").start();
    let id = server.conversation_id(USER);
    let (mut user, mut told) = (server.login("user", USER), BTreeSet::new());
    assert_eq!(send(&mut user, id, "before", &mut told)["success"], true);
    let away_since = Instant::now();
    TrialCluster::control(CLUSTER, &["pause", "--node", "1"]);
    let answer = send(&mut user, id, "into nothing", &mut told);
    assert_eq!(answer["success"], false, "it is told that nobody knows: {answer}");
    assert!(answer["message"].as_str().unwrap().contains("not known"), "{answer}");
    until("/readyz says why", || {
        let (status, text) = readyz(&server);
        (status == 503 && text.contains("storage")).then_some(())
    });
    let began = Instant::now();
    let answer = send(&mut user, id, "refused", &mut told);
    assert_eq!(answer["success"], false);
    assert!(began.elapsed() < Duration::from_secs(1), "refused at the door: {answer}");
    // It holds its connections no longer either.
    TrialCluster::control(CLUSTER, &["kill", "--all"]);
    while away_since.elapsed() < Duration::from_secs(30) {
        std::thread::sleep(Duration::from_secs(1));
        user.ok("ping", json!({}));
    }
    TrialCluster::control(CLUSTER, &["start-node", "--node", "1"]);
    until("the server is ready again", || (readyz(&server).0 == 200).then_some(()));
    // Retries are answered as the first time, or stored now.
    for content in ["into nothing", "refused", "later"] {
        until("a send succeeds", || (send(&mut user, id, content, &mut told)["success"] == true).then_some(()));
    }
    assert_eq!(told.len(), 4);
    assert_all_there(&server, id, &told);
    drop(server);
    TrialCluster::control(CLUSTER, &["stop", "--purge"]);
}

fn signal(server: &Server, signal: &str) {
    let kill = Command::new("sh").args(["-c", &format!("kill -{signal} {}", server.pid())]).status();
    assert!(kill.expect("sh runs").success());
}
