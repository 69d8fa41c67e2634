//! Every scenario once, small and short, against the real server: kept, and its accounts add up.

use super::generator::{Done, run};
use super::server::beside_others;

/// Against a server that the run itself starts.
#[track_caller]
pub fn kept(arguments: &[&str]) -> Done {
    let _machine = beside_others();
    let mut all = arguments.to_vec();
    all.extend(["--spawn", "--shards", "1", "--engine", "memory"]);
    if !arguments.contains(&"--duration") {
        all.extend(["--duration", "1500ms"]);
    }
    let done = run(&all);
    done.assert_kept();
    assert!(done.result.faults.is_empty() && done.counter("lost") == 0, "{}", done.told());
    assert!(done.result.server.as_ref().is_some_and(|server| server.cpu_s.is_some()), "the server was not seen");
    done
}

/// Every message came to its listeners, once each.
#[track_caller]
pub fn assert_delivered(done: &Done, listeners: u64) {
    let accounts = &done.result.accounts;
    assert!(accounts.sent > 0, "{}", done.told());
    assert_eq!(accounts.due, accounts.sent * listeners, "{}", done.told());
    assert_eq!(accounts.pushed, accounts.due, "{}", done.told());
}

#[test]
fn heartbeat_each_ping_is_answered() {
    let done = kept(&["heartbeat", "--connections", "40", "--idle", "10", "--rate", "200", "--ping", "json"]);
    // 1.8 s of a Poisson process; its deviation is 19.
    assert!((260..460).contains(&done.result.accounts.sent), "{}", done.told());
    assert_eq!(done.counter("logins"), 40);
}

/// Of a crowd the memory of a socket is told; of a few it would be the allocator's mood.
#[test]
fn heartbeat_tells_what_a_socket_takes() {
    let done = kept(&["heartbeat", "--connections", "1000", "--rate", "100"]);
    assert_eq!(done.counter("logins"), 1000);
    assert!(done.result.figures.contains_key("socket_slope_bytes"), "{}", done.told());
}

#[test]
fn chat_is_heard_on_the_other_side() {
    let done = kept(&["chat", "--connections", "20", "--rate", "100", "--think", "50ms"]);
    assert_delivered(&done, 1);
    // 1.8 s of a Poisson process, and agents answer.
    assert!((200..480).contains(&done.result.accounts.sent), "{}", done.told());
}

/// A customer's other device hears what the customer writes, as the agent does.
#[test]
fn chat_is_heard_on_every_device() {
    let done = kept(&["chat", "--connections", "20", "--devices", "2", "--rate", "100", "--think", "0s"]);
    assert_delivered(&done, 2);
}

#[test]
fn fanout_reaches_all_devices() {
    let done = kept(&["fanout", "--connections", "30", "--rate", "20"]);
    assert_delivered(&done, 30);
    assert_eq!((done.count("first"), done.count("last")), (done.count("answer"), done.count("answer")));
    assert_eq!(done.count("push"), 30 * done.count("answer"));
}

#[test]
fn fanout_reaches_all_screens() {
    let done = kept(&["fanout", "--fan", "screens", "--connections", "30", "--rate", "20"]);
    assert_delivered(&done, 30);
    assert_eq!((done.count("first"), done.count("last")), (done.count("answer"), done.count("answer")));
    assert_eq!(done.count("push"), 30 * done.count("answer"));
}

/// Two agents of three take 6 customers at once, who stay for half a second: 12 a second; 30 come.
#[test]
fn queue_keeps_the_line_and_the_capacity() {
    let arguments = ["--rate", "30", "--agents", "2", "--capacity", "3", "--think", "500ms", "--drain", "20s"];
    let done = kept(&[["queue", "--connections", "100"].as_slice(), &arguments].concat());
    assert_eq!(done.counter("assigned"), done.result.accounts.sent, "{}", done.told());
    assert_eq!(done.counter("no_place_free") + done.counter("overtaken"), 0, "{}", done.told());
    assert!(done.result.figures["line_longest_customers"] >= 5.0, "nobody waited: {}", done.told());
    assert_eq!(done.result.figures["still_waiting_customers"], 0.0);
    assert!(done.count("refill") > 0, "{}", done.told());
    assert!(done.result.latencies["wait"].max_ns >= 100_000_000, "{}", done.told());
}

#[test]
fn reconnect_brings_all_back_with_what_they_missed() {
    let done = kept(&["reconnect", "--connections", "50", "--duration", "2s"]);
    let storms = done.counter("storms");
    assert!(storms >= 1, "{}", done.told());
    assert_eq!(done.count("resume"), 50 * storms, "{}", done.told());
    assert_eq!(done.count("last"), storms);
    assert_delivered(&done, 1);
}

/// A storm is of all sockets, whichever process holds them, and is counted once.
#[test]
fn a_storm_of_two_processes_is_one_storm() {
    let people = ["--connections", "50", "--agents", "2", "--capacity", "25"];
    let done = kept(&[&["reconnect", "--processes", "2", "--duration", "2s"], people.as_slice()].concat());
    assert_eq!(done.counter("storms"), 1, "{}", done.told());
    assert_eq!((done.count("resume"), done.count("last")), (50, 2), "{}", done.told());
    assert_delivered(&done, 1);
}

/// Of those that read, nobody misses anything.
#[test]
fn slow_readers_cost_the_others_nothing() {
    let done = kept(&["slow", "--connections", "100", "--rate", "100"]);
    assert_eq!(done.counter("stalled"), 1);
    let accounts = &done.result.accounts;
    assert!(accounts.due > 0 && accounts.due < accounts.sent && accounts.pushed >= accounts.due, "{}", done.told());
    assert!(done.result.figures["push_p99_stalled_us"] > 0.0, "{}", done.told());
}

#[test]
fn mixed_does_everything() {
    let mix = "ping=3,customer=2,agent=2,read=1,sync=1,reconnect=1";
    for scenario in ["mixed", "soak"] {
        let done = kept(&[scenario, "--connections", "30", "--rate", "200", "--mix", mix]);
        assert!(done.counter("reconnects") > 10, "{}", done.told());
        assert!(done.count("push") > 20 && done.count("answer") > done.count("push"), "{}", done.told());
    }
}

#[test]
fn connect_comes_and_goes() {
    let done = kept(&["connect", "--connections", "40", "--rate", "60", "--think", "50ms"]);
    let come = done.counter("connections");
    // 1.8 s of a Poisson process.
    assert!((60..160).contains(&come), "{}", done.told());
    assert_eq!((done.counter("opened"), done.counter("logins"), done.counter("no_place_free")), (come, come, 0));
    // A connection at the window's edge may begin before it and log in within it.
    assert!(done.count("connect").abs_diff(done.count("login")) <= 3, "{}", done.told());
}

#[test]
fn several_processes_are_one_run() {
    let arguments = ["--rate", "200", "--arrivals", "constant", "--think", "0s", "--processes", "2"];
    let done = kept(&[["chat", "--connections", "21"].as_slice(), &arguments].concat());
    assert_delivered(&done, 1);
    let load = &done.result.load;
    assert_eq!((load.connections, load.rate_per_s, load.processes), (21 + 3, 200.0, 2), "{load:?}");
    // 1.8 s of an even schedule, shared.
    assert!(done.result.accounts.sent.abs_diff(360) <= 2, "{}", done.told());
    assert_eq!(done.counter("logins"), 24);
}

#[test]
fn sockets_are_spread_over_source_addresses() {
    let done = kept(&["chat", "--connections", "20", "--rate", "100", "--source-addrs", "127.0.0.2-127.0.0.5"]);
    assert_delivered(&done, 1);
}

#[test]
fn a_bare_web_socket_echoes() {
    let arguments = ["--connections", "30", "--rate", "200", "--ping", "frame"];
    let done = kept(&[["heartbeat", "--dialect", "echo", "--path", "/ws/echo"].as_slice(), &arguments].concat());
    assert!((260..460).contains(&done.result.accounts.sent), "{}", done.told());
}

#[test]
fn a_closed_loop_has_no_schedule() {
    for scenario in ["heartbeat", "chat"] {
        let arguments = ["--connections", "10", "--closed", "2", "--think", "0s", "--duration", "500ms"];
        let done = kept(&[[scenario].as_slice(), &arguments].concat());
        assert_eq!((done.result.load.rate_per_s, done.result.load.closed_window), (0.0, Some(2)));
        assert!(done.result.accounts.sent > 100, "{}", done.told());
        assert_eq!(done.result.accounts.missing, 0);
    }
}
