//! The scenarios in each dialect against the real server, small and short: kept, and every message accounted for. What
//! a dialect has no words for is refused before anything is started.

use std::process::{Command, Stdio};

use super::generator::Done;
use super::scenarios::{assert_delivered, kept};

/// Dialects whose sockets a party's own token opens.
const DIALECTS: [&str; 4] = ["kefu", "multichannel", "webchat", "bytedesk"];

/// Dialects whose agents are given conversations; kefu's line is in `scenarios`.
const ASSIGNED: [&str; 2] = ["webchat", "bytedesk"];

/// What the harness says to settings that make no run.
#[track_caller]
fn refused(arguments: &[&str]) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_loadtest"));
    let done = command.arg("run").args(arguments).args(["--spawn", "--quiet"]).stdin(Stdio::null()).output();
    let done = done.expect("loadtest runs");
    assert_eq!(done.status.code(), Some(2), "{arguments:?}");
    String::from_utf8(done.stderr).expect("it says so in words")
}

/// Nobody who was cut off or lost: all that was said was answered.
#[track_caller]
fn assert_answered(done: &Done) {
    let accounts = &done.result.accounts;
    assert!(accounts.sent > 0 && accounts.sent == accounts.acknowledged, "{}", done.told());
}

#[test]
fn heartbeats() {
    for dialect in DIALECTS {
        for ping in ["text", "json", "frame"] {
            let arguments = ["--connections", "20", "--rate", "200", "--duration", "500ms"];
            let done = kept(&[["heartbeat", "--dialect", dialect, "--ping", ping].as_slice(), &arguments].concat());
            assert_answered(&done);
            assert_eq!((done.result.dialect.as_str(), done.counter("logins")), (dialect, 20));
        }
    }
}

#[test]
fn connections_come_and_go() {
    for dialect in DIALECTS {
        let arguments = ["--connections", "40", "--rate", "60", "--think", "50ms"];
        let done = kept(&[["connect", "--dialect", dialect].as_slice(), &arguments].concat());
        let come = done.counter("connections");
        assert!(come > 0 && done.counter("logins") == come, "{}", done.told());
    }
}

/// Customers write, agents answer.
#[test]
fn chats() {
    for (dialect, spoken) in
        [("kefu", "kefu"), ("multichannel", "kefu+multichannel"), ("webchat", "webchat"), ("bytedesk", "bytedesk")]
    {
        let arguments = ["--connections", "20", "--rate", "100", "--think", "50ms"];
        let done = kept(&[["chat", "--dialect", dialect].as_slice(), &arguments].concat());
        assert_delivered(&done, 1);
        assert_answered(&done);
        assert_eq!(done.result.dialect, spoken);
        // 1.8 s of a Poisson process, and agents answer.
        assert!((200..480).contains(&done.result.accounts.sent), "{}", done.told());
    }
}

/// Of a message with an id a retry would store nothing; none of them is taken for another's.
#[test]
fn messages_with_ids_are_all_stored() {
    for dialect in DIALECTS {
        let arguments = ["--connections", "20", "--rate", "100", "--think", "50ms", "--message-ids"];
        let done = kept(&[["chat", "--dialect", dialect].as_slice(), &arguments].concat());
        assert_delivered(&done, 1);
        assert_answered(&done);
    }
}

/// A customer of one dialect with two devices hears on both what an agent of another writes.
#[test]
fn devices_hear_the_other_dialects_agent() {
    for (dialect, agent_dialect) in
        [("webchat", "multichannel"), ("webchat", "kefu"), ("kefu", "webchat"), ("bytedesk", "kefu")]
    {
        let people = ["--connections", "20", "--devices", "2", "--rate", "100", "--think", "0s"];
        let spoken = ["chat", "--dialect", dialect, "--agent-dialect", agent_dialect];
        let done = kept(&[spoken.as_slice(), &people].concat());
        assert_delivered(&done, 2);
        assert_eq!(done.result.dialect, format!("{dialect}+{agent_dialect}"));
    }
}

#[test]
fn sides_may_differ_and_processes_share() {
    let people = ["--connections", "21", "--devices", "1", "--rate", "100", "--think", "50ms", "--processes", "2"];
    let done = kept(&[["chat", "--agent-dialect", "multichannel"].as_slice(), &people].concat());
    assert_delivered(&done, 1);
    assert_eq!(done.counter("logins"), 24);
}

#[test]
fn one_message_reaches_all() {
    for dialect in ["multichannel", "webchat", "bytedesk"] {
        for fan in ["devices", "screens"] {
            let arguments = ["--fan", fan, "--connections", "30", "--rate", "20"];
            let done = kept(&[["fanout", "--dialect", dialect].as_slice(), &arguments].concat());
            assert_delivered(&done, 30);
            assert_eq!((done.count("first"), done.count("last")), (done.count("answer"), done.count("answer")));
        }
    }
}

#[test]
fn a_storm_brings_all_back() {
    for dialect in ["multichannel", "webchat", "bytedesk"] {
        let done = kept(&["reconnect", "--dialect", dialect, "--connections", "50", "--duration", "2s"]);
        let storms = done.counter("storms");
        assert!(storms >= 1 && done.count("resume") == 50 * storms, "{}", done.told());
        assert_delivered(&done, 1);
    }
}

#[test]
fn stalled_readers_and_everything_at_once() {
    for dialect in ["multichannel", "webchat", "bytedesk"] {
        let done = kept(&["slow", "--dialect", dialect, "--connections", "100", "--rate", "100"]);
        assert_eq!(done.counter("stalled"), 1);
        let done = kept(&["mixed", "--dialect", dialect, "--connections", "30", "--rate", "200"]);
        assert!(done.count("push") > 20 && done.count("answer") > done.count("push"), "{}", done.told());
    }
}

/// In webchat a customer arrives with its first message.
#[test]
fn the_line_is_kept() {
    for dialect in ASSIGNED {
        let arguments = ["--rate", "30", "--agents", "2", "--capacity", "3", "--think", "500ms", "--drain", "20s"];
        let done = kept(&[["queue", "--dialect", dialect, "--connections", "100"].as_slice(), &arguments].concat());
        assert_eq!(done.counter("assigned"), done.result.accounts.sent, "{}", done.told());
        assert_eq!(done.counter("no_place_free") + done.counter("overtaken"), 0, "{}", done.told());
        assert!(done.result.figures["line_longest_customers"] >= 5.0, "nobody waited: {}", done.told());
        assert_eq!(done.result.figures["still_waiting_customers"], 0.0);
    }
}

/// Said in a line that names what would do, and nothing is started.
#[test]
fn what_a_dialect_has_no_words_for_is_refused() {
    for (arguments, words) in [
        (["queue", "--dialect", "multichannel"].as_slice(), "pick theirs: give another --agent-dialect"),
        (&["chat", "--dialect", "echo"], "has no desk"),
        (&["chat", "--agent-dialect", "echo"], "nobody is an agent there"),
        (&["chat", "--dialect", "multichannel", "--payload", "4097"], "4096 bytes of one message"),
        (&["heartbeat", "--dialect", "multichannel", "--path", "/ws"], "each has its own path"),
        (&["chat", "--dialect", "smoke-signals"], "multichannel"),
    ] {
        let told = refused(arguments);
        assert!(told.contains(words), "{arguments:?}: {told}");
    }
}

/// A server that does not take its agents' tokens: no agent gets in, and the run says why.
#[test]
fn agents_without_a_good_token_are_refused_at_the_upgrade() {
    let directory = tempfile::tempdir().unwrap();
    let tokens = directory.path().join("tokens");
    std::fs::write(&tokens, "user 5 aa.bb.cc\nagent 9 dd.ee.ff\n").unwrap();
    let server = super::server::Server::start();
    let _machine = super::server::beside_others();
    let url = server.spawned().url();
    let tokens = tokens.to_str().unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_loadtest"))
        .args(["run", "connect", "--dialect", "multichannel", "--connections", "1", "--rate", "50", "--warm-up", "0s"])
        .args(["--duration", "200ms", "--drain", "0s", "--max-lag", "400ms", "--quiet", "--target", &url])
        .args(["--tokens", tokens, "--out"])
        .arg(directory.path().join("out"))
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&output.stdout);
    assert_ne!(output.status.code(), Some(0), "{told}");
    let result = switchboard_loadtest::report::files::load(&directory.path().join("out/result.json")).unwrap();
    assert!(result.counters["refused_upgrades"] > 0, "{:?}", result.counters);
}
