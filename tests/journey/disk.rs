//! What a disk does to a server: it fills up, it fails to sync, and what is on it is damaged. Nothing that was acknowledged
//! is lost, and the server says what is wrong.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::{Value, json};

use crate::harness::mount::{SmallDisk, skipped};
use crate::harness::{Peer, Rng, Server, Setup, assert_like, stories, until};

stories!(
    a_disk_that_fills_up_is_noticed_and_the_server_lives,
    a_disk_that_is_full_before_anybody_looks_loses_nothing,
    a_sync_that_fails_ends_the_process,
    a_sync_that_takes_long_is_told_as_unknown_once,
    damage_to_the_journal_is_told_at_the_start,
);

const USER: u64 = 100;
const MIB: u64 = 1024 * 1024;

/// Somebody who sends, and what was acknowledged.
struct Writer {
    peer: Peer,
    conversation: u64,
    sent: u64,
    told: BTreeSet<String>,
}

impl Writer {
    fn of(server: &Server) -> Self {
        let conversation = server.conversation_id(USER);
        Self { peer: server.login("user", USER), conversation, sent: 0, told: BTreeSet::new() }
    }

    /// One more message of some KiB; the refusal if it was refused, `None` if the connection is gone.
    fn send(&mut self) -> Option<Result<(), String>> {
        self.sent += 1;
        let content = format!("#{} {}", self.sent, "x".repeat(2000));
        let data = json!({"conversation_id": self.conversation, "content": content});
        let answer = self.peer.try_call("kefu_message_send", data).ok()?;
        if answer["success"] == true {
            self.told.insert(content);
            return Some(Ok(()));
        }
        Some(Err(answer["message"].as_str().expect("a refusal says why").to_owned()))
    }

    #[track_caller]
    fn send_some(&mut self, count: u64) {
        for _ in 0..count {
            assert_eq!(self.send(), Some(Ok(())));
        }
    }

    /// All that was acknowledged is there, once, and nothing else but what may be.
    #[track_caller]
    fn check(&self, server: &Server, may_be_there: u64) {
        let stored: Vec<Value> = server.whole_list(("user", USER), self.conversation);
        let contents: Vec<&str> = stored.iter().map(|message| message["content"].as_str().unwrap()).collect();
        let once: BTreeSet<&str> = contents.iter().copied().collect();
        assert_eq!(once.len(), contents.len(), "stored twice");
        let missing = self.told.iter().find(|content| !once.contains(content.as_str()));
        assert_eq!(missing.map(|content| &content[..8]), None, "acknowledged and missing");
        let more = (once.len() - self.told.len()) as u64;
        assert!(more <= may_be_there, "{more} that were refused are there");
    }
}

fn a_disk_that_fills_up_is_noticed_and_the_server_lives(shards: u16) {
    let Some(disk) = SmallDisk::mount(128) else { return };
    let least = (16 * MIB).to_string();
    let mut server =
        Setup::shards(shards).env("SWITCHBOARD_STORAGE_MIN_FREE_BYTES", &least).data_in(disk.path()).start();
    let mut agent = server.login("agent", 1);
    let mut writer = Writer::of(&server);
    writer.send_some(50);
    assert_eq!(server.metric("switchboard_storage_writable", ""), 1.0);
    disk.fill_up_to(8 * MIB);
    let refusal = until("a send is refused", || writer.send().expect("the connection stays").err());
    assert_eq!(refusal, "Server is busy, please try again later (the disk is full)");
    let ready = server.get("/readyz", None);
    assert_eq!((ready.status, &*ready.text()), (503, "storage: the disk is full\n"));
    assert_eq!(server.metric("switchboard_storage_writable", ""), 0.0);
    for _ in 0..20 {
        assert!(writer.send().expect("the connection stays").is_err());
    }
    // Whoever is here stays, reads and is heard.
    writer.peer.ok("ping", Value::Null);
    agent.ok("ping", Value::Null);
    assert_eq!(server.list(("user", USER), writer.conversation, 1, 10).len(), 10);
    assert!(server.login("user", USER + 1).try_call("ping", Value::Null).is_ok());
    let open = server.get("/api/kefu/message/getConversation", Some(("user", USER + 1)));
    assert_eq!(open.status, 429, "{}", open.text());

    disk.remove_ballast();
    until("sends are taken again", || writer.send().expect("the connection stays").ok());
    assert_eq!(server.get("/readyz", None).status, 200);
    writer.send_some(50);
    assert_logged(&server, "the disk is full");
    assert_logged(&server, "the disk has room again");
    server.kill();
    server.restart();
    writer.check(&server, 0);
}

/// Nobody watches, or it fills up faster than anybody looks: the tables cannot take what is in the journal.
fn a_disk_that_is_full_before_anybody_looks_loses_nothing(shards: u16) {
    let Some(disk) = SmallDisk::mount(64) else { return };
    let mut server = Setup::shards(shards).env("SWITCHBOARD_STORAGE_MIN_FREE_BYTES", "0").data_in(disk.path()).start();
    let mut writer = Writer::of(&server);
    writer.send_some(50);
    disk.fill_up_to(0);
    let mut refused = 0;
    while let Some(answer) = writer.send() {
        refused += u64::from(answer.is_err());
        assert!(writer.sent < 100_000, "the disk is full and nobody notices");
    }
    assert_eq!(refused, 0, "nothing is refused: the process ends");
    assert_eq!(server.wait().code(), Some(74));
    assert_logged(&server, "storage failed: a group of writes could not be made durable");
    // As a supervisor does.
    let _listening = server.spawn();
    assert!(matches!(server.wait().code(), Some(1 | 74)), "it says what is wrong, and does nothing");
    assert_logged(&server, "No space left on device");
    disk.remove_ballast();
    server.restart();
    // The last one was answered to nobody.
    writer.check(&server, 1);
    Writer::of(&server).send_some(10);
}

/// The kernel itself says that a sync failed, from a moment on: strace makes it.
fn a_sync_that_fails_ends_the_process(shards: u16) {
    let mut server = Setup::shards(shards).start();
    let mut writer = Writer::of(&server);
    writer.send_some(20);
    let Some(mut strace) = inject(server.pid(), "fdatasync:error=EIO") else { return };
    assert_eq!(writer.send(), None, "it was answered, and is not durable");
    // Looked at before it is waited for: strace holds its end.
    let _ = strace.wait();
    assert_eq!(server.wait().code(), Some(74));
    assert_logged(&server, "storage failed: a group of writes could not be made durable: Input/output error");
    server.restart();
    writer.check(&server, 1);
    Writer::of(&server).send_some(10);
}

/// Every sync takes longer than anybody waits: who sent is told that nobody knows, and everybody hears when it is known.
fn a_sync_that_takes_long_is_told_as_unknown_once(shards: u16) {
    let server = Setup::shards(shards).env("SWITCHBOARD_STORAGE_DEADLINE", "1s").start();
    let mut agent = server.login("agent", 1);
    let mut user = server.login("user", USER);
    let mut silent = server.login("user", USER + 1);
    let (id, other) = (server.conversation_id(USER), server.conversation_id(USER + 1));
    user.say(id, "before");
    agent.push("kefu_message");
    let Some(mut strace) = inject(server.pid(), "fdatasync:delay_enter=2500000") else { return };
    let again = json!({"conversation_id": id, "content": "slow", "client_msg_id": "slow-1"});
    let mut unknown = 0;
    let sent = until("a retry is answered", || {
        let answer = user.call("kefu_message_send", again.clone());
        if answer["success"] == true {
            return Some(answer["data"].clone());
        }
        let why = answer["message"].as_str().unwrap();
        assert!(why.contains("the outcome is not known yet; retry with the same client_msg_id"), "{why}");
        unknown += 1;
        None
    });
    assert!((1..=4).contains(&unknown), "told so {unknown} times");
    assert_eq!(sent["seq"], 2, "it kept its place");
    assert_like(&agent.push("kefu_message"), json!({"content": "slow", "message_id": sent["message_id"]}));
    user.assert_quiet();

    // Who does not ask again hears its own message, like anybody.
    let why = silent.refused("kefu_message_send", json!({"conversation_id": other, "content": "heard"}));
    assert!(why.contains("the outcome is not known yet"), "{why}");
    assert_like(&silent.push("kefu_message"), json!({"content": "heard", "conversation_id": other}));
    strace.kill().expect("it runs");
    let _ = strace.wait();
    user.say(id, "after");
    let contents: Vec<Value> = server.list(("user", USER), id, 1, 10).iter().map(|m| m["content"].clone()).collect();
    assert_eq!(contents, ["before", "slow", "after"]);
}

/// From now on strace changes a system call of a process; `None`, loudly, if it cannot.
fn inject(pid: u32, what: &str) -> Option<Child> {
    let call = what.split(':').next().expect("a call and what becomes of it");
    let spawned = Command::new("strace")
        .args(["-f", "-qq", "-e", &format!("trace={call}"), "-e", &format!("inject={what}"), "-p", &pid.to_string()])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    let Ok(mut strace) = spawned else {
        skipped("there is no strace: a failing and a slow sync were NOT tried");
        return None;
    };
    let traced = || {
        let tasks = fs::read_dir(format!("/proc/{pid}/task")).ok()?;
        let all = tasks.flatten().all(|task| {
            let status = fs::read_to_string(task.path().join("status")).unwrap_or_default();
            status.lines().any(|line| line.starts_with("TracerPid:") && !line.ends_with("\t0"))
        });
        all.then_some(true)
    };
    let holds = until("strace holds every thread, or has given up", || {
        if strace.try_wait().expect("a child can be asked").is_some() { Some(false) } else { traced() }
    });
    if !holds {
        skipped("strace may not attach here: a failing and a slow sync were NOT tried");
    }
    holds.then_some(strace)
}

/// kill -9 while messages are written; then bits are turned over and files cut, at random places. Either the start says
/// which file is damaged and where, or nothing that was acknowledged is missing but for what was written last.
/// `SWITCHBOARD_DAMAGE_SEED` repeats a run.
fn damage_to_the_journal_is_told_at_the_start(shards: u16) {
    let seed = std::env::var("SWITCHBOARD_DAMAGE_SEED").map_or(u64::from(shards), |text| text.parse().unwrap());
    let mut rng = Rng::new(seed);
    let mut server = Setup::shards(shards).start();
    let mut writer = Writer::of(&server);
    writer.send_some(40);
    // The next ones are on their way when the process ends.
    for _ in 0..5 {
        let data = json!({"conversation_id": writer.conversation, "content": "on its way"});
        writer.peer.try_post("kefu_message_send", data).unwrap();
    }
    server.kill();
    let whole = Whole::keep(&server.data_dir().join("store"));
    let (first, second) = (whole.store.join("group-journal/0.log"), whole.store.join("group-journal/1.log"));
    let used = used_bytes(&first);

    turn_a_bit(&first, 60, &mut rng);
    assert_refused(&mut server, "0.log at byte 0: group 1 is missing or damaged");
    whole.put_back();
    let kept = rng.range(0, fs::metadata(&second).unwrap().len());
    fs::OpenOptions::new().write(true).open(&second).unwrap().set_len(kept).unwrap();
    assert_refused(&mut server, &format!("1.log has {kept} bytes instead of"));

    for _ in 0..6 {
        whole.put_back();
        let at = rng.range(0, used);
        turn_a_bit(&first, at, &mut rng);
        match server.spawn().recv_timeout(Duration::from_secs(20)) {
            Err(_) => {
                assert_eq!(server.wait().code(), Some(1), "seed {seed}, byte {at}");
                println!("seed {seed}, byte {at}: refused");
                assert_logged(&server, "missing or damaged");
            }
            Ok(address) => {
                server.address = address.parse().unwrap();
                // Padding, or the last group: which was a message that was acknowledged, or one behind it.
                let there = server.whole_list(("user", USER), writer.conversation).len();
                assert!(there + 1 >= writer.told.len(), "seed {seed}: a bit of byte {at} cost messages, silently");
                server.kill();
            }
        }
    }
    whole.put_back();
    server.restart();
    writer.check(&server, 5);
}

/// A store as it was, to be damaged again and again.
struct Whole {
    store: PathBuf,
    kept: PathBuf,
}

impl Whole {
    fn keep(store: &Path) -> Self {
        let kept = store.with_file_name("kept");
        copy(store, &kept);
        Self { store: store.to_owned(), kept }
    }

    fn put_back(&self) {
        fs::remove_dir_all(&self.store).unwrap();
        copy(&self.kept, &self.store);
    }
}

/// Most of the tables' journal is a hole.
fn copy(from: &Path, to: &Path) {
    let copied = Command::new("cp").args(["-a", "--sparse=always"]).args([from, to]).status();
    assert!(copied.is_ok_and(|status| status.success()), "cp copies {}", from.display());
}

/// Up to the last byte that is not zero.
fn used_bytes(file: &Path) -> u64 {
    fs::read(file).unwrap().iter().rposition(|byte| *byte != 0).expect("something was written") as u64 + 1
}

fn turn_a_bit(file: &Path, at: u64, rng: &mut Rng) {
    let mut bytes = fs::read(file).unwrap();
    bytes[usize::try_from(at).unwrap()] ^= 1 << rng.range(0, 8);
    fs::write(file, bytes).unwrap();
}

#[track_caller]
fn assert_refused(server: &mut Server, said: &str) {
    let _listening = server.spawn();
    assert_eq!(server.wait().code(), Some(1));
    assert_logged(server, said);
    assert_logged(server, "from a backup");
}

/// It is in the log, whatever lines it was broken into; what was written last may come a moment after the end.
#[track_caller]
fn assert_logged(server: &Server, said: &str) {
    until(said, || {
        let log = server.log().replace('│', " ");
        log.split_whitespace().collect::<Vec<_>>().join(" ").contains(said).then_some(())
    });
}
