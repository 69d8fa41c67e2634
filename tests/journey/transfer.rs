//! Backup and moving house: everything is carried out into a file and into another store, and nobody who comes back to
//! the copy notices; kills, damage and whatever is there already.

use std::collections::HashSet;
use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::{Child, Output, Stdio};

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::harness::bytedesk::id_in;
use crate::harness::cql::{self, Keyspace};
use crate::harness::server::command;
use crate::harness::{Server, Setup, rest, stories, until};

stories!(nobody_notices);

/// A store that no server has: what the command line says of it.
struct House {
    flags: Vec<String>,
    variables: Vec<(String, String)>,
}

impl House {
    fn embedded(data_dir: &Path) -> Self {
        Self { flags: vec!["--data-dir".to_owned(), data_dir.display().to_string()], variables: Vec::new() }
    }

    fn cluster(keyspace: &Keyspace, data_dir: &Path) -> Self {
        Self { variables: keyspace.variables().into(), ..Self::embedded(data_dir) }
    }

    fn spawn(&self, arguments: &[&str], file: &Path, input: Stdio) -> Child {
        command()
            .args(arguments)
            .arg(file)
            .args(&self.flags)
            .envs(self.variables.iter().cloned())
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

/// From the embedded engine to a cluster, where people go on, and what was carried there comes back as it was.
#[test]
fn a_house_moves_to_a_cluster_and_back() {
    if !cql::is_there() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let mut server = Setup::shards(2).flag("--agent-grace", "3600s").flag("--engine", "embedded").start();
    let world = live(&server);
    assert!(server.terminate().success());
    server.restart();
    let before = seen(&server, &world);
    assert!(server.terminate().success());
    let file = folder.path().join("backup.jsonl");
    House::embedded(&server.data_dir()).ok(&EXPORT, &file);
    let lines = records(&file);
    let sorted = |mut lines: Vec<String>| {
        lines.sort_unstable();
        lines
    };

    let keyspace = Keyspace::lend();
    let cluster = House::cluster(&keyspace, &folder.path().join("cluster"));
    cluster.ok(&IMPORT, &file);
    // Another engine has another order.
    let there = cluster.lines(folder.path(), "there.jsonl");
    assert_eq!(sorted(there), sorted(lines.clone()));
    let back = House::embedded(&folder.path().join("back"));
    back.ok(&IMPORT, &folder.path().join("there.jsonl"));
    assert_eq!(back.lines(folder.path(), "back.jsonl"), lines, "there and back again");

    let mut copy = Setup::shards(1).flag("--agent-grace", "3600s").on(&keyspace).start();
    assert!(copy.terminate().success());
    fs::copy(server.data_dir().join("jwt.key"), copy.data_dir().join("jwt.key")).unwrap();
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
    use std::fmt::Write as _;
    let mut text = String::from("{\"switchboard_export\":1,\"made_at\":1,\"program\":\"made up\"}\n");
    for vshard in 0..4096 {
        writeln!(text, r#"{{"type":"lease","vshard":{vshard},"next":1000000}}"#).unwrap();
    }
    for number in 1..=conversations {
        let (id, last) = (number * 4096, number + 20);
        writeln!(
            text,
            r#"{{"type":"conversation","id":{id},"customer":{{"user":{number}}},"channel":null,"customer_number":{number},"named":null,"agent":null,"group":"default","state":"closed","last_seq":20,"last_message_at":{last},"customer_unread":0,"agent_unread":0,"created_at":{number},"updated_at":{last},"queued_at":{number},"returned":false}}"#
        )
        .unwrap();
        for seq in 1..=20 {
            let (message, at) = ((number * 20 + seq) * 4096, number + seq);
            writeln!(
                text,
                r#"{{"type":"message","conversation":{id},"seq":{seq},"id":{message},"side":"customer","number":{number},"kind":"text","content":"第 {seq} 条","file_url":null,"metadata":null,"created_at":{at},"read_at":null,"edited_at":null,"recalled_at":null}}"#
            )
            .unwrap();
        }
        for seq in 1..=20 {
            let (message, at) = ((number * 20 + seq) * 4096, number + seq);
            writeln!(
                text,
                r#"{{"type":"sent","conversation":{id},"side":"customer","number":{number},"client_msg_id":"c-{seq:02}","message":{message},"seq":{seq},"created_at":{at}}}"#
            )
            .unwrap();
        }
    }
    let messages = conversations * 20;
    let counts = json!({
        "leases": 4096, "agents": 0, "deleted_agents": 0, "customers": 0, "tokens": 0, "answers": 0,
        "conversations": conversations, "messages": messages, "sent": messages
    });
    fs::write(file, sealed(text, &counts)).expect("the file is written");
}

/// Lines with a last line that fits them.
fn sealed(mut text: String, counts: &Value) -> String {
    let sha256: String = Sha256::digest(&text).iter().map(|byte| format!("{byte:02x}")).collect();
    let lines = text.lines().count() + 1;
    text.push_str(&format!("{{\"type\":\"end\",\"counts\":{counts},\"lines\":{lines},\"sha256\":\"{sha256}\"}}\n"));
    text
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
    made_up(&file, 6000);
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
    kill_when(house.spawn(&EXPORT, &out, Stdio::null()), || note.exists());
    assert!(part.exists() && !out.exists());
    assert!(house.refused(&EXPORT, &out).contains("was interrupted"));
    // A torn line behind what was noted is cut off; and killed once more, before there is another note.
    let mut torn = fs::OpenOptions::new().append(true).open(&part).unwrap();
    torn.write_all(b"{\"type\":\"mess").unwrap();
    let torn = torn.metadata().unwrap().len();
    let noted: Value = serde_json::from_str(&fs::read_to_string(&note).unwrap()).unwrap();
    let noted = noted["bytes"].as_u64().unwrap();
    kill_when(house.spawn(&["export", "--resume", "--out"], &out, Stdio::null()), || {
        let bytes = fs::metadata(&part).map_or(0, |file| file.len());
        bytes > noted && bytes != torn
    });
    house.ok(&["export", "--resume", "--out"], &out);
    assert!(!part.exists() && !note.exists());
    assert!(records(&out) == records(&file), "all of it, once, in the order of the file");
}

#[test]
fn an_export_that_was_interrupted_is_not_mended_with_newer_data() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let (file, out, note) = (path("made.jsonl"), path("out.jsonl"), path("out.jsonl.export-note"));
    made_up(&file, 6000);
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

/// Prints the rates of the README: `SWITCHBOARD_BIN=target/release/switchboard cargo test -p switchboard-tests -- --ignored
/// --nocapture how_fast_a_house_moves`.
#[test]
#[ignore = "a measurement, of a release build"]
fn how_fast_a_house_moves() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("made.jsonl");
    made_up(&file, 10_000);
    for number in 1..=3 {
        let house = House::embedded(&folder.path().join(format!("house-{number}")));
        let out = folder.path().join(format!("out-{number}.jsonl"));
        for (arguments, file) in [(&IMPORT, &file), (&EXPORT, &out)] {
            let output = house.run(arguments, file);
            assert!(output.status.success(), "{}", said(&output));
            println!("{}", said(&output).lines().last().expect("it says how fast it was"));
        }
    }
}

/// A file-size limit stands for a full disk.
#[test]
fn a_full_disk_is_told_and_resumed_from() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let (file, out) = (path("made.jsonl"), path("out.jsonl"));
    made_up(&file, 6000);
    let house = House::embedded(&path("house"));
    // Once something is noted, no file may be longer than that.
    let limited = |arguments: &[&str], file: &Path, note: &Path, bytes: u32| {
        let child = house.spawn(arguments, file, Stdio::null());
        until("something to be noted", || note.exists().then_some(()));
        let limit = std::process::Command::new("prlimit")
            .args([format!("--fsize={bytes}"), "--pid".to_owned(), child.id().to_string()])
            .status();
        assert!(limit.is_ok_and(|status| status.success()), "prlimit (util-linux) sets the limit");
        let output = child.wait_with_output().expect("it ends");
        (output.status.code(), said(&output))
    };
    let (code, why) = limited(&IMPORT, &file, &path("made.jsonl.import-note"), 4096);
    assert_eq!(code, Some(74), "{why}");
    house.ok(&["import", "--resume", "--in"], &file);
    let (code, why) = limited(&EXPORT, &out, &path("out.jsonl.export-note"), 1 << 20);
    assert_eq!(code, Some(1), "{why}");
    assert!(why.contains("out.jsonl.part"), "{why}");
    assert!(!out.exists(), "it is not whole");
    house.ok(&["export", "--resume", "--out"], &out);
    assert!(records(&out) == records(&file));
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
        ("another id", whole.replacen("\"vshard\":9,", "\"vshard\":9999,", 1), "line 11 has a `vshard`".to_owned()),
        ("another word", whole.replacen("\"closed\"", "\"shut\"", 1), "line 4098 is no line of an export".to_owned()),
        ("a line too many", whole.clone() + "{}\n", "comes behind the last line".to_owned()),
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
    assert_eq!(records(&bad), records(&file));
    let nothing = House::embedded(&path("nothing"));
    assert!(nothing.refused(&EXPORT, &path("x.jsonl")).contains("there is no store"));
    assert!(!path("nothing").exists());
}

#[test]
fn a_merge_never_shortens_a_conversation() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let (file, short) = (path("made.jsonl"), path("other.jsonl"));
    made_up(&file, 3);
    let house = House::embedded(&path("house"));
    house.ok(&IMPORT, &file);
    let merge = ["import", "--merge", "--in"];
    for (from, to, wanted) in [
        ("{\"user\":2}", "{\"user\":9}", "whose id is another one's in the store"),
        ("\"last_seq\":20", "\"last_seq\":0", "has more messages in the store"),
    ] {
        let text = fs::read_to_string(&file).unwrap();
        let lines = text.lines().filter(|line| !line.contains("\"conversation\":8192,") && !line.contains("\"end\""));
        let header = |line: &str| if line.contains("\"id\":8192,") { line.replace(from, to) } else { line.to_owned() };
        let text: String = lines.map(|line| header(line) + "\n").collect();
        let counts = json!({
            "leases": 4096, "agents": 0, "deleted_agents": 0, "customers": 0, "tokens": 0, "answers": 0,
            "conversations": 3, "messages": 40, "sent": 40
        });
        fs::write(&short, sealed(text, &counts)).unwrap();
        let why = house.refused(&merge, &short);
        assert!(why.contains(wanted), "{why}");
    }
    house.ok(&merge, &file);
    assert_eq!(house.lines(folder.path(), "out.jsonl").len(), records(&file).len());
}
