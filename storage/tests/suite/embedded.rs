//! The embedded engine on a real disk: what is there after closing, after kill -9, and for a second process.
//! Must not know keys or records.

use std::collections::HashSet;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use switchboard_protocol::model::{Found, Message, Read, Seq, Side, VShard, Write, Written};
use switchboard_storage::conformance::{Caller, Inbox, samples};
use switchboard_storage::{Op, StoreError, open_embedded};

/// Names the directory in which the child process of the kill test writes.
const CHILD_DIR: &str = "SWITCHBOARD_STORAGE_CHILD_DIR";
/// Confirmed writes before a kill, at least.
const CONFIRMED_WRITES: usize = 400;
const KILLS: u64 = 3;

fn open(dir: &Path) -> Caller {
    Caller::open(|completions| open_embedded(dir, 0, completions).expect("the store opens"))
}

fn history(caller: &Caller, conversation: u64, from: u64) -> Vec<Message> {
    let read = Read::History {
        conversation: samples::conversation_id(conversation),
        from: Seq::new(from),
        to: Seq::new(from + 99),
    };
    match caller.read(read) {
        Found::History(messages) => messages,
        other => panic!("no history: {other:?}"),
    }
}

fn lease(caller: &Caller) -> std::ops::Range<u64> {
    match caller.write(Write::LeaseIds(vec![VShard::new(7).expect("below 4096")])) {
        Written::Leased(leased) => leased[0].1.clone(),
        other => panic!("no lease: {other:?}"),
    }
}

#[test]
fn everything_is_there_after_reopening_and_leases_go_on() {
    let dir = tempfile::tempdir().unwrap();
    let mut conversation = samples::conversation(1, samples::visitor("v"));
    let caller = open(dir.path());
    let (write, message) = samples::append(&mut conversation, 1, Side::Customer, Some("k"));
    caller.write(write);
    caller.write(Write::DeleteAgent(samples::agent_id(3)));
    let first = lease(&caller);
    caller.store.close();

    let caller = open(dir.path());
    assert_eq!(history(&caller, 1, 1), std::slice::from_ref(&message));
    let second = lease(&caller);
    assert!(second.start >= first.end, "{first:?} {second:?}");
    let sent = Read::Sent {
        conversation: conversation.id,
        sender: message.sender,
        client_msg_id: samples::client_msg_id("k"),
    };
    assert_eq!(caller.read(sent), Found::Sent(Some(samples::sent(&message))));
    let agents = caller.read(Read::Agents { after: None, limit: 9 });
    assert_eq!(agents, Found::Agents(vec![(samples::agent_id(3), None)]));
    let open = caller.read(Read::OpenConversations { after: None, limit: 9 });
    assert_eq!(open, Found::OpenConversations(vec![conversation.clone()]));
    let customer = caller.read(Read::Customer { party: samples::visitor("v"), newest: 9 });
    let expected = Found::Customer {
        number: Some(conversation.customer_number),
        channel: None,
        conversations: vec![conversation],
    };
    assert_eq!(customer, expected);
}

#[test]
fn a_second_opener_is_told_that_the_directory_is_in_use() {
    let dir = tempfile::tempdir().unwrap();
    let first = open(dir.path());
    let Err(error) = open_embedded(dir.path(), 0, Arc::new(Inbox::default())) else { panic!("opened twice") };
    assert!(matches!(error, StoreError::Locked { .. }), "{error}");
    assert!(error.to_string().contains("in use by another process"), "{error}");
    first.store.close();
    open(dir.path()).store.close();
}

#[test]
fn a_directory_that_cannot_be_used_is_told() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let Err(error) = open_embedded(&file.path().join("store"), 0, Arc::new(Inbox::default())) else {
        panic!("opened below a file")
    };
    assert!(matches!(error, StoreError::Io { .. }), "{error}");
}

/// Journeys restart servers often: opening must stay well below a second.
#[test]
fn opening_is_quick() {
    let dir = tempfile::tempdir().unwrap();
    let mut conversation = samples::conversation(1, samples::user(1));
    for round in 0..3 {
        let began = Instant::now();
        let caller = open(dir.path());
        let took = began.elapsed();
        println!("open {round}: {took:?}");
        assert!(took < Duration::from_secs(1), "opening took {took:?}");
        for id in 1..=2000 {
            caller.submit(Op::Write(samples::append(&mut conversation, round * 2000 + id, Side::Customer, None).0));
        }
        caller.store.close();
    }
}

/// Writes until it is killed, from several conversations, and prints what was confirmed.
#[test]
#[ignore = "the child process of confirmed_writes_survive_kill_nine"]
fn child_that_writes() {
    let Ok(dir) = std::env::var(CHILD_DIR) else { return };
    let caller = open(Path::new(&dir));
    let leased = lease(&caller);
    println!("\nleased {} {}", leased.start, leased.end);
    let mut conversations: Vec<_> =
        (0..8).map(|at| samples::conversation(leased.start + at, samples::user(1 + at))).collect();
    let mut id = leased.start;
    loop {
        let mut submitted = Vec::new();
        for conversation in &mut conversations {
            for side in [Side::Customer, Side::Agent] {
                let key = format!("k{id}");
                let (write, message) = samples::append(conversation, id, side, Some(&key));
                submitted.push((caller.submit(Op::Write(write)), message));
                id += 1;
            }
        }
        for (number, message) in submitted {
            assert_eq!(caller.written(number), Written::Durable);
            println!("confirmed {} {} {}", message.conversation, message.seq.get(), message.id);
        }
    }
}

#[test]
fn confirmed_writes_survive_kill_nine() {
    let dir = tempfile::tempdir().unwrap();
    let mut confirmed = Vec::new();
    let mut leases = HashSet::new();
    for kill in 0..KILLS {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "embedded::child_that_writes", "--ignored", "--nocapture"])
            .env(CHILD_DIR, dir.path())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let enough = confirmed.len() + CONFIRMED_WRITES + kill as usize * 37;
        while confirmed.len() < enough {
            hear(&lines.next().expect("the child writes on").unwrap(), &mut confirmed, &mut leases);
        }
        child.kill().unwrap();
        // What it told before it died counts too; a torn last line does not.
        for line in lines.map_while(Result::ok) {
            hear(&line, &mut confirmed, &mut leases);
        }
        child.wait().unwrap();

        let caller = open(dir.path());
        for (conversation, seq, id) in &confirmed {
            check_whole(&caller, *conversation, *seq, *id);
        }
        assert_eq!(leases.len() as u64, kill + 1, "each child leased its own block");
        caller.store.close();
    }
}

fn hear(line: &str, confirmed: &mut Vec<(u64, u64, u64)>, leases: &mut HashSet<u64>) {
    let words: Vec<&str> = line.split(' ').collect();
    match words[..] {
        ["confirmed", conversation, seq, id] if !id.is_empty() => {
            let number = |word: &str| word.parse().expect("the child prints numbers");
            confirmed.push((number(conversation), number(seq), number(id)));
        }
        ["leased", start, _] => {
            assert!(leases.insert(start.parse().expect("the child prints numbers")), "leased twice: {line}")
        }
        _ => {}
    }
}

/// The message, its header, its place and its dedup key: all of an append or nothing.
fn check_whole(caller: &Caller, conversation: u64, seq: u64, id: u64) {
    let messages = history(caller, conversation, seq);
    let message = messages.first().expect("a confirmed message is there");
    assert_eq!((message.seq.get(), message.id.get()), (seq, id));
    let header = caller.read(Read::Conversation(message.conversation));
    let Found::Conversation(Some(header)) = header else { panic!("no header: {header:?}") };
    assert!(header.last_seq.get() >= seq);
    let place = caller.read(Read::SeqOf { conversation: message.conversation, message: message.id });
    assert_eq!(place, Found::Seq(Some(message.seq)));
    let sent = caller.read(Read::Sent {
        conversation: message.conversation,
        sender: message.sender,
        client_msg_id: samples::client_msg_id(&format!("k{id}")),
    });
    assert_eq!(sent, Found::Sent(Some(samples::sent(message))));
}
