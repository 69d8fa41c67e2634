//! Backup and moving house: everything is carried out into a file and into another store, and nobody who comes back to
//! the copy notices; kills, damage and whatever is there already.

use std::collections::HashSet;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Output, Stdio};

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::harness::bytedesk::id_in;
use crate::harness::server::command;
use crate::harness::{Server, Setup, rest, stories, until};

stories!(nobody_notices);

/// A store that no server has: what the command line says of it.
struct House {
    flags: Vec<String>,
}

impl House {
    fn embedded(data_dir: &Path) -> Self {
        Self { flags: vec!["--data-dir".to_owned(), data_dir.display().to_string()] }
    }

    fn spawn(&self, arguments: &[&str], file: &Path, input: Stdio) -> Child {
        command()
            .args(arguments)
            .arg(file)
            .args(&self.flags)
            .stdin(input)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the binary runs")
    }

    fn run(&self, arguments: &[&str], file: &Path) -> Output {
        self.spawn(arguments, file, Stdio::null()).wait_with_output().expect("it ends")
    }

    /// A command that must succeed.
    #[track_caller]
    fn ok(&self, arguments: &[&str], file: &Path) {
        let output = self.run(arguments, file);
        assert!(output.status.success(), "{arguments:?}: {}", said(&output));
        assert!(said(&output).contains("done"), "{}", said(&output));
    }

    /// A command that must fail with exit code 1; what it says.
    #[track_caller]
    fn refused(&self, arguments: &[&str], file: &Path) -> String {
        let output = self.run(arguments, file);
        assert_eq!(output.status.code(), Some(1), "{arguments:?}: {}", said(&output));
        said(&output)
    }

    /// All that is in it.
    #[track_caller]
    fn lines(&self, folder: &Path, name: &str) -> Vec<String> {
        let file = folder.join(name);
        self.ok(&["export", "--out"], &file);
        records(&file)
    }
}

const EXPORT: [&str; 2] = ["export", "--out"];
const IMPORT: [&str; 2] = ["import", "--in"];

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// The lines between the first and the last, which say when it was made.
#[track_caller]
fn records(file: &Path) -> Vec<String> {
    let text = fs::read_to_string(file).expect("an export is text");
    let lines: Vec<_> = text.lines().map(str::to_owned).collect();
    lines[1..lines.len() - 1].to_vec()
}

/// What people remember of the world they left.
struct World {
    closed: u64,
    active: u64,
    waiting: u64,
    /// A send, and how it was answered.
    send: Value,
    sent: Value,
    customer: String,
    customers_ack: Value,
    uuid: String,
    keyed: (u16, String),
}

/// Everything there is: people of all kinds; talks that ended, go on and wait; messages read, edited and recalled.
fn live(server: &Server) -> World {
    let more = json!({"cs_id": "cs_001", "max_concurrent": 2, "skills": ["zh"], "avatar": "https://x.example/7.png"});
    server.make_agent(7, more);
    server.make_agent(8, json!({"groups": ["sales", "default"]}));
    let gone = server.request("DELETE", "/api/v1/agents/8", Some(&server.token("admin", 1)), None);
    assert!(matches!(gone.status, 200 | 204), "{}", gone.text());
    let mut agent = server.login("agent", 7);

    let closed = server.conversation_id(100);
    let mut user = server.login("user", 100);
    let send = json!({"conversation_id": closed, "content": "第一次", "client_msg_id": "c-1"});
    let sent = user.ok("kefu_message_send", send.clone());
    agent.say_as_agent(closed, "您好");
    let read = json!({"conversation_id": closed, "message_ids": [sent["message_id"]], "sender_type": 1});
    agent.ok("kefu_message_read", read);
    agent.ok("kefu_message_end", json!({"conversation_id": closed}));

    let mut page = server.connect("visitor");
    page.ok("kefu_message_visitor_bind_fd", json!({"bind_key": "访客_1"}));
    let hello = json!({"visitor_id": "访客_1", "kefu_id": "7", "content": "hi", "client_msg_id": "v-1"});
    page.ok("kefu_message_visitor_send", hello);
    page.ok("kefu_message_visitor_end", json!({"visitor_id": "访客_1", "kefu_id": "7"}));

    let mut desk = server.desk_user(101, "");
    let first = desk.say("auto", "uno");
    let active = id_in(&first, "conversation_id");
    desk.edit(id_in(&first, "message_id"), "one\n二");
    let second = desk.say_in(active, "dos");
    desk.recall(id_in(&second, "message_id"));
    for number in 0..230 {
        desk.say_in(active, &format!("第 {number} 条"));
    }

    let (_, customer) = server.enter("WEB", "one");
    server.enter("WECHAT", "oABCdef-_1");
    let mut chat = server.chat(&customer, "one");
    chat.send(&json!({"senderId": "x", "content": "before", "metadata": {"n": 1}, "client_msg_id": "m-0"}));
    chat.heard_where("an ack", |heard| heard["client_msg_id"] == "m-0");
    let customers_ack = chat.say_as(None, "hello", "m-1");

    let waiting = server.conversation_id(102);
    server.login("user", 102).say(waiting, "anybody?");
    assert_eq!(server.agent_view(7)["current_concurrent"], 2, "one talks to each, and user 102 waits");
    let keyed = make_customer(server);
    World { closed, active, waiting, send, sent, customer, customers_ack, uuid: server.agent_uuid(7), keyed }
}

fn make_customer(server: &Server) -> (u16, String) {
    let body = json!({"name": "李四", "primaryChannel": "PHONE", "phone": "+8613900139000", "tags": ["VIP"]});
    let bearer = format!("Bearer {}", server.token("admin", 1));
    let headers = [("Idempotency-Key", "k-1"), ("Authorization", bearer.as_str())];
    let reply = rest::try_with(server.address, "POST", "/api/v1/customers", &headers, &body.to_string());
    let reply = reply.expect("an answer");
    (reply.status, reply.text())
}

/// What anybody sees of a world.
fn seen(server: &Server, world: &World) -> Vec<Value> {
    let get = |path: &str| {
        let reply = server.get(path, Some(("admin", 1)));
        assert_eq!(reply.status, 200, "{path}: {}", reply.text());
        reply.json()
    };
    let mut seen = vec![get("/api/v1/customers"), get("/api/sessions")];
    for (user, conversation) in [(100, world.closed), (101, world.active), (102, world.waiting)] {
        seen.extend(server.whole_list(("user", user), conversation));
        seen.push(get(&format!("/api/sessions/{conversation}")));
    }
    let mut agent = server.agent_view(7);
    agent.as_object_mut().expect("an agent").retain(|field, _| field != "status" && field != "presence");
    seen.push(agent);
    assert_eq!(server.get("/api/v1/agents/8", Some(("admin", 1))).status, 404);
    seen
}

fn nobody_notices(shards: u16) {
    let folder = tempfile::tempdir().unwrap();
    let mut server = Setup::shards(shards).flag("--agent-grace", "3600s").start();
    let world = live(&server);
    // As after a restart, with nobody connected.
    assert!(server.terminate().success());
    server.restart();
    let before = seen(&server, &world);
    let house = House::embedded(&server.data_dir());
    let file = folder.path().join("backup.jsonl");
    let locked = house.refused(&EXPORT, &file);
    assert!(locked.contains("in use by another process"), "{locked}");
    assert!(server.terminate().success());

    house.ok(&EXPORT, &file);
    let mode = std::os::unix::fs::PermissionsExt::mode(&fs::metadata(&file).unwrap().permissions());
    assert_eq!(mode & 0o777, 0o600, "only the operator may read it");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "nothing is left beside it");
    assert!(house.refused(&EXPORT, &file).contains("is there already"));
    let lines = records(&file);
    let types = ["lease", "agent", "deleted_agent", "customer", "token", "answer", "conversation", "message", "sent"];
    for kind in types {
        assert!(lines.iter().any(|line| line.starts_with(&format!("{{\"type\":\"{kind}\""))), "no {kind}");
    }
    // There and back again.
    let new = House::embedded(&folder.path().join("new"));
    new.ok(&IMPORT, &file);
    assert_eq!(new.lines(folder.path(), "again.jsonl"), lines);
    // A second time: not by accident, and it changes nothing.
    assert!(new.refused(&IMPORT, &file).contains("the store is not empty"));
    new.ok(&["import", "--merge", "--in"], &file);
    assert_eq!(new.lines(folder.path(), "merged.jsonl"), lines);

    // A server that nobody used has leases and nothing else.
    let mut copy = Setup::shards(3 - shards).flag("--agent-grace", "3600s").start();
    assert!(copy.terminate().success());
    fs::copy(server.data_dir().join("jwt.key"), copy.data_dir().join("jwt.key")).unwrap();
    House::embedded(&copy.data_dir()).ok(&IMPORT, &file);
    copy.restart();
    assert_eq!(seen(&copy, &world), before);
    comes_back(&copy, &world, &lines);
}

/// Everybody comes back to the copy and goes on.
fn comes_back(copy: &Server, world: &World, lines: &[String]) {
    let mut user = copy.login("user", 100);
    assert_eq!(user.ok("kefu_message_send", world.send.clone()), world.sent, "as the first time");
    assert_eq!(make_customer(copy), world.keyed);
    let mut chat = copy.chat(&world.customer, "one");
    assert_eq!(chat.say_as(None, "hello", "m-1"), world.customers_ack);
    assert!(copy.try_chat(&world.uuid, "", "agent 7").is_ok(), "an old token opens");

    let minted: HashSet<u64> = lines
        .iter()
        .map(|line| serde_json::from_str::<Value>(line).expect("JSON"))
        .filter(|line| line["type"] == "conversation" || line["type"] == "message")
        .map(|line| line["id"].as_u64().expect("an id"))
        .collect();
    for number in [100, 101, 102, 200, 201] {
        let id = copy.conversation_id(number);
        let said = copy.login("user", number).say(id, "later");
        let message = said["message_id"].as_u64().expect("an id");
        assert!(!minted.contains(&message), "message {message} was minted before");
        let known = number == 101 || number == 102;
        assert_eq!(minted.contains(&id), known, "user {number} has conversation {id}");
    }
    let history = copy.whole_list(("user", 101), world.active);
    let ids: Vec<_> = history.iter().map(|message| message["id"].as_u64().expect("an id")).collect();
    assert!(ids.is_sorted() && ids.len() == 233, "{} messages", ids.len());
}

/// An export of so many conversations of 20 messages, as a program that is not ours may write it.
fn made_up(file: &Path, conversations: u64) {
    let mut text = String::new();
    let mut counts =
        json!({"leases": 4096, "agents": 0, "deleted_agents": 0, "customers": 0, "tokens": 0, "answers": 0});
    let mut line = |value: Value| {
        text.push_str(&value.to_string());
        text.push('\n');
    };
    line(json!({"switchboard_export": 1, "made_at": 1, "program": "made up"}));
    (0..4096).for_each(|vshard| line(json!({"type": "lease", "vshard": vshard, "next": 1_000_000})));
    for number in 1..=conversations {
        let (id, user) = (number * 4096, json!({"user": number}));
        line(json!({
            "type": "conversation", "id": id, "customer": user, "channel": null, "customer_number": number,
            "named": null, "agent": null, "group": "default", "state": "closed", "last_seq": 20,
            "last_message_at": number + 20, "customer_unread": 0, "agent_unread": 0, "created_at": number,
            "updated_at": number + 20, "queued_at": number, "returned": false
        }));
        for seq in 1..=20 {
            line(json!({
                "type": "message", "conversation": id, "seq": seq, "id": (number * 20 + seq) * 4096,
                "side": "customer", "number": number, "kind": "text", "content": format!("第 {seq} 条"),
                "file_url": null, "metadata": null, "created_at": number + seq, "read_at": null, "edited_at": null,
                "recalled_at": null
            }));
        }
        for seq in 1..=20 {
            line(json!({
                "type": "sent", "conversation": id, "side": "customer", "number": number,
                "client_msg_id": format!("c-{seq:02}"), "message": (number * 20 + seq) * 4096, "seq": seq,
                "created_at": number + seq
            }));
        }
    }
    for (name, count) in [("conversations", 1), ("messages", 20), ("sent", 20)] {
        counts[name] = json!(conversations * count);
    }
    let sha256: String = Sha256::digest(&text).iter().map(|byte| format!("{byte:02x}")).collect();
    let lines = text.lines().count() + 1;
    // The last line is known by its beginning.
    text.push_str(&format!("{{\"type\":\"end\",\"counts\":{counts},\"lines\":{lines},\"sha256\":\"{sha256}\"}}\n"));
    fs::write(file, text).expect("the file is written");
}

/// The records of two exports, whatever the order of their fields.
fn values(file: &Path) -> Vec<Value> {
    records(file).iter().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

/// Kills a command as soon as `there` says so; it must not have ended by then.
#[track_caller]
fn kill_when(mut child: Child, mut there: impl FnMut() -> bool) {
    until("something to be on its way", || there().then_some(()));
    assert!(child.try_wait().unwrap().is_none(), "it was too quick to be killed");
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn a_kill_costs_only_what_was_not_noted() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let (file, out) = (path("made.jsonl"), path("out.jsonl"));
    made_up(&file, 4000);
    let house = House::embedded(&path("house"));

    assert!(house.refused(&["import", "--resume", "--in"], &file).contains("no import of this file was interrupted"));
    let note = path("made.jsonl.import-note");
    kill_when(house.spawn(&IMPORT, &file, Stdio::null()), || {
        let noted = fs::read_to_string(&note).unwrap_or_default();
        serde_json::from_str::<Value>(&noted).is_ok_and(|note| note["mark"]["counts"]["messages"].as_u64() > Some(0))
    });
    assert!(house.refused(&IMPORT, &file).contains("--resume goes on"));
    let other = House::embedded(&path("other"));
    assert!(other.refused(&["import", "--resume", "--in"], &file).contains("into another store"));
    house.ok(&["import", "--resume", "--in"], &file);
    assert!(!note.exists());

    let (part, note) = (path("out.jsonl.part"), path("out.jsonl.export-note"));
    for arguments in [&EXPORT[..], &["export", "--resume", "--out"]] {
        let before = fs::read_to_string(&note).unwrap_or_default();
        kill_when(house.spawn(arguments, &out, Stdio::null()), || {
            fs::read_to_string(&note).is_ok_and(|now| now != before)
        });
        assert!(part.exists() && !out.exists());
        assert!(house.refused(&EXPORT, &out).contains("was interrupted"));
    }
    house.ok(&["export", "--resume", "--out"], &out);
    assert!(!part.exists() && !note.exists());
    assert_eq!(values(&out), values(&file), "all of it, once, in the order of the file");
    let last = fs::read_to_string(&out).unwrap();
    assert_eq!(last.lines().count(), fs::read_to_string(&file).unwrap().lines().count());
}

#[test]
fn an_export_that_was_interrupted_is_not_mended_with_newer_data() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let (file, out, note) = (path("made.jsonl"), path("out.jsonl"), path("out.jsonl.export-note"));
    made_up(&file, 4000);
    let mut server = Setup::shards(1).start();
    assert!(server.terminate().success());
    let house = House::embedded(&server.data_dir());
    house.ok(&IMPORT, &file);
    kill_when(house.spawn(&EXPORT, &out, Stdio::null()), || note.exists());
    server.restart();
    assert!(server.terminate().success());
    let why = house.refused(&["export", "--resume", "--out"], &out);
    assert!(why.contains("was written to since"), "{why}");
}

#[test]
fn what_is_damaged_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let (file, bad) = (path("made.jsonl"), path("bad.jsonl"));
    made_up(&file, 30);
    let whole = fs::read_to_string(&file).unwrap();
    let lines: Vec<&str> = whole.lines().collect();
    let house = House::embedded(&path("house"));
    let without = |at: usize| [&lines[..at], &lines[at + 1..]].concat().join("\n") + "\n";
    let last = lines.len();
    for (what, text, wanted) in [
        ("cut in a line", whole[..whole.len() / 2].to_owned(), "without the last line".to_owned()),
        ("cut between lines", lines[..last - 1].join("\n") + "\n", "without the last line".to_owned()),
        ("the last line feed is gone", whole.trim_end().to_owned(), "without the last line".to_owned()),
        ("nothing", String::new(), "without the last line".to_owned()),
        ("another content", whole.replacen("第 7 条", "第 8 条", 1), "checksum".to_owned()),
        ("another id", whole.replacen("\"vshard\":9}", "\"vshard\":9999}", 1), "line 11 has a `vshard`".to_owned()),
        ("another word", whole.replacen("\"closed\"", "\"shut\"", 1), "line 4098 is no line of an export".to_owned()),
        ("a line too many", whole.clone() + "{}\n", "checksum".to_owned()),
        ("a lease less", without(5), "checksum".to_owned()),
        (
            "a later version",
            whole.replacen("export\":1", "export\":2", 1),
            "line 1 says that this is version 2".to_owned(),
        ),
        ("something else", "id,name\n1,x\n".to_owned(), "line 1 is not the first line of an export".to_owned()),
    ] {
        assert_ne!(text, whole, "{what}");
        fs::write(&bad, text).unwrap();
        let why = house.refused(&IMPORT, &bad);
        assert!(why.contains(&wanted), "{what}: {why}");
        assert!(!path("house").exists(), "{what}: nothing was touched");
    }
    // Through a pipe all is believed up to the fault, and what is whole goes through.
    let pipe = |house: &House, text: String| {
        let mut child = house.spawn(&IMPORT, Path::new("-"), Stdio::piped());
        let mut input = child.stdin.take().unwrap();
        let writer = std::thread::spawn(move || {
            let _ = input.write_all(text.as_bytes());
        });
        let output = child.wait_with_output().unwrap();
        writer.join().unwrap();
        (output.status.success(), said(&output))
    };
    let (done, why) = pipe(&house, without(4100));
    assert!(!done && why.contains("line 4101 is a message that is not behind its conversation"), "{why}");
    let (done, why) = pipe(&house, whole.clone());
    assert!(done, "only ids were leased before the fault: {why}");
    let output = house.run(&EXPORT, Path::new("-"));
    assert!(output.status.success(), "{}", said(&output));
    fs::write(&bad, output.stdout).unwrap();
    assert_eq!(values(&bad), values(&file));
    let nothing = House::embedded(&path("nothing"));
    assert!(nothing.refused(&EXPORT, &path("x.jsonl")).contains("there is no store"));
    assert!(!path("nothing").exists());
}

#[test]
fn a_merge_never_shortens_a_conversation() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let (file, short): (PathBuf, PathBuf) = (path("made.jsonl"), path("other.jsonl"));
    made_up(&file, 3);
    let house = House::embedded(&path("house"));
    house.ok(&IMPORT, &file);
    let merge = ["import", "--merge", "--in"];
    for (from, to, wanted) in [
        ("{\"user\":2}", "{\"user\":9}", "whose id is another one's in the store"),
        ("\"last_seq\":20", "\"last_seq\":0", "has more messages in the store"),
    ] {
        let text = fs::read_to_string(&file).unwrap();
        let other: Vec<String> =
            text.lines().filter(|line| !line.contains("\"conversation\":8192")).map(str::to_owned).collect();
        let changed: Vec<String> = other
            .iter()
            .map(|line| if line.contains("\"id\":8192,") { line.replace(from, to) } else { line.clone() })
            .collect();
        seal(&short, &changed, json!({"messages": 40, "sent": 40}));
        let why = house.refused(&merge, &short);
        assert!(why.contains(wanted), "{why}");
    }
    house.ok(&merge, &file);
    assert_eq!(house.lines(folder.path(), "out.jsonl").len(), records(&file).len());
}

/// Writes lines with a last line that fits them; `counts` are those that changed.
fn seal(file: &Path, lines: &[String], counts: Value) {
    let body = lines[..lines.len() - 1].join("\n") + "\n";
    let mut end: Value = serde_json::from_str(lines.last().expect("a last line")).unwrap();
    for (name, count) in counts.as_object().expect("counts") {
        end["counts"][name] = count.clone();
    }
    let sha256: String = Sha256::digest(&body).iter().map(|byte| format!("{byte:02x}")).collect();
    let (counts, number) = (&end["counts"], lines.len());
    let end = format!("{{\"type\":\"end\",\"counts\":{counts},\"lines\":{number},\"sha256\":\"{sha256}\"}}\n");
    fs::write(file, body + &end).unwrap();
}
