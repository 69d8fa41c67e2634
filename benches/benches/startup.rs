//! From the start of the built server to the line that says that it listens, with a large store: 1,000,000 messages in
//! 100,000 open conversations, half of them with agents. After an orderly end, and after kill -9 of who wrote them, when
//! the journal is replayed. Not criterion's: a start is measured a few times, and printed as a line of a table.
//!
//! `cargo build --release -p switchboard` first, or name a binary in `SWITCHBOARD_BIN`.
#![allow(missing_docs)]

use std::io::{BufRead, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use switchboard_protocol::model::limits::STORE_GROUP_WRITES;
use switchboard_protocol::model::{ConversationId, Side, State, Write};
use switchboard_storage::conformance::samples;
use switchboard_storage::{Embedded, Engine};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Names the directory that this program fills, when it is its own child.
const FILL_DIR: &str = "SWITCHBOARD_STARTUP_FILL";
/// How many conversations it is to make.
const FILL_CONVERSATIONS: &str = "SWITCHBOARD_STARTUP_CONVERSATIONS";
const CONVERSATIONS: u64 = 100_000;
const MESSAGES_EACH: u64 = 10;
const AGENTS: u64 = 1_000;
const ORDERLY_STARTS: usize = 5;
const KILLED_STARTS: usize = 3;

fn main() {
    if let Some(dir) = std::env::var_os(FILL_DIR) {
        let conversations = std::env::var(FILL_CONVERSATIONS).expect("the parent says how many");
        return fill(Path::new(&dir), conversations.parse().expect("a number"));
    }
    let words: Vec<String> = std::env::args().skip(1).collect();
    let filters: Vec<&String> = words.iter().filter(|word| !word.starts_with('-')).collect();
    if !filters.is_empty() && !filters.iter().any(|filter| "startup".contains(filter.as_str())) {
        return;
    }
    let test = words.iter().any(|word| word == "--test");
    let conversations = if test { 100 } else { CONVERSATIONS };
    let Some(binary) = binary() else {
        println!("startup: no server's binary; build it: cargo build --release -p switchboard");
        return;
    };
    let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a directory");
    let killed = dir.path().join("killed");
    std::fs::create_dir(&killed).expect("the directory is new");
    let began = Instant::now();
    fill_and_kill(&killed.join("store"), conversations);
    println!(
        "startup: {} messages in {conversations} open conversations written in {:.1} s, {} MiB",
        conversations * MESSAGES_EACH,
        began.elapsed().as_secs_f64(),
        used_mib(&killed),
    );
    let mut after_kill = Vec::new();
    let mut data_dir = killed.clone();
    for round in 0..KILLED_STARTS {
        data_dir = dir.path().join(format!("round-{round}"));
        run("cp", &["-a", "--sparse=always", text(&killed), text(&data_dir)]);
        after_kill.push(start_and_end(&binary, &data_dir));
    }
    let orderly: Vec<Started> = (0..ORDERLY_STARTS).map(|_| start_and_end(&binary, &data_dir)).collect();
    print("after kill -9", &after_kill);
    print("after an orderly end", &orderly);
}

/// A start as it was.
struct Started {
    took: Duration,
    resident_mib: u64,
}

fn print(what: &str, starts: &[Started]) {
    let mut took: Vec<Duration> = starts.iter().map(|start| start.took).collect();
    took.sort_unstable();
    let (least, median, most) = (took[0], took[took.len() / 2], took[took.len() - 1]);
    let resident_mib = starts.iter().map(|start| start.resident_mib).max().expect("there was a start");
    println!(
        "startup: {what}: listening after {:.2} ({:.2} to {:.2}) s, {resident_mib} MiB resident",
        median.as_secs_f64(),
        least.as_secs_f64(),
        most.as_secs_f64(),
    );
}

fn binary() -> Option<PathBuf> {
    let named = std::env::var_os("SWITCHBOARD_BIN").map(PathBuf::from);
    let own = std::env::current_exe().expect("this program has a name");
    let beside = own.parent()?.parent()?.join("switchboard");
    named.or(Some(beside)).filter(|path| path.is_file())
}

/// Starts the server, waits for the line, and ends it as a supervisor does.
fn start_and_end(binary: &Path, data_dir: &Path) -> Started {
    let began = Instant::now();
    let mut server = Command::new(binary)
        .args(["--listen", "127.0.0.1:0", "--shards", "2", "--data-dir", text(data_dir)])
        // The server refuses variables that it does not know.
        .env_remove("SWITCHBOARD_BIN")
        .env("SWITCHBOARD_LOG_LEVEL", "error")
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit())
        .spawn()
        .expect("the server's binary runs");
    let mut first = String::new();
    let out = server.stdout.take().expect("it is piped");
    BufReader::new(out).read_line(&mut first).expect("it says something");
    assert!(first.starts_with("listening on "), "it does not start: {first}");
    let took = began.elapsed();
    let resident_mib = resident_mib(&server);
    run("kill", &["-TERM", &server.id().to_string()]);
    assert!(server.wait().expect("it ends").success(), "it ends in order");
    Started { took, resident_mib }
}

fn resident_mib(server: &Child) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", server.id())).expect("it runs");
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).expect("a process has a VmRSS");
    line.split_whitespace().nth(1).and_then(|kib| kib.parse::<u64>().ok()).expect("a number of KiB") / 1024
}

/// This program as its own child fills a store, and is killed when it has.
fn fill_and_kill(store: &Path, conversations: u64) {
    let mut child = Command::new(std::env::current_exe().expect("this program has a name"))
        .env(FILL_DIR, store)
        .env(FILL_CONVERSATIONS, conversations.to_string())
        .stdout(Stdio::piped())
        .spawn()
        .expect("this program runs");
    let mut line = String::new();
    let out = child.stdout.take().expect("it is piped");
    BufReader::new(out).read_line(&mut line).expect("it says something");
    assert_eq!(line, "filled\n");
    child.kill().expect("it runs");
    let _ = child.wait();
}

fn fill(dir: &Path, conversations: u64) {
    let engine = Embedded::open(dir).expect("an empty store opens");
    let agents: Vec<Write> = (1..=AGENTS).map(|id| Write::SaveAgent(samples::agent(id))).collect();
    agents.chunks(STORE_GROUP_WRITES).for_each(|group| commit(&engine, group));
    let mut headers: Vec<_> = (1..=conversations).map(conversation).collect();
    let mut group = Vec::with_capacity(STORE_GROUP_WRITES);
    let mut message = 0;
    for _ in 0..MESSAGES_EACH {
        for header in &mut headers {
            message += 1;
            let (write, _) = samples::append(header, message, Side::Customer, None);
            group.push(write);
            if group.len() == STORE_GROUP_WRITES {
                commit(&engine, &group);
                group.clear();
            }
        }
    }
    commit(&engine, &group);
    println!("filled");
    std::io::stdout().flush().expect("the parent reads");
    std::thread::sleep(Duration::from_secs(3600));
}

/// A user's, at its owner; every other one has an agent.
fn conversation(number: u64) -> switchboard_protocol::model::Conversation {
    let user = samples::user(number);
    let id = ConversationId::mint(number, user.vshard()).expect("small");
    let mut header = samples::conversation(id.get(), user);
    if number.is_multiple_of(2) {
        header.agent = Some(samples::agent_id(1 + number % AGENTS));
        header.state = State::Active;
    }
    header
}

fn commit(engine: &Embedded, group: &[Write]) {
    let outcomes = engine.commit(group).expect("the disk takes it");
    assert!(outcomes.iter().all(Result::is_ok), "a write failed");
}

fn used_mib(dir: &Path) -> u64 {
    let output = Command::new("du").args(["-sm", text(dir)]).output().expect("du runs");
    let said = String::from_utf8(output.stdout).expect("a number and a name");
    said.split_whitespace().next().and_then(|number| number.parse().ok()).expect("a number")
}

fn run(program: &str, arguments: &[&str]) {
    assert!(Command::new(program).args(arguments).status().is_ok_and(|status| status.success()), "{program} fails");
}

fn text(path: &Path) -> &str {
    path.to_str().expect("a name in UTF-8")
}
