//! Each fault put in on purpose must be reported as exactly that, and nothing else.

use std::time::Duration;

use hdrhistogram::Histogram;
use switchboard_loadtest::measure::histogram_of;

use super::generator::{Done, run};
use super::relay::{Fault, Relay};
use super::server::{Server, alone, beside_others};

/// Customers write 200 messages a second, evenly, two seconds and the warm-up long, to two agents.
const CHAT: [&str; 15] = [
    "chat",
    "--connections",
    "20",
    "--capacity",
    "10",
    "--rate",
    "200",
    "--arrivals",
    "constant",
    "--think",
    "0s",
    "--duration",
    "2s",
    "--payload",
    "64",
];
/// What that comes to: (0.3 s + 2 s) * 200/s.
const MESSAGES: u64 = 460;
/// A push in the middle of it.
const MIDDLE: u64 = 200;

#[track_caller]
fn chat_with(fault: Fault, more: &[&str]) -> Done {
    let server = Server::start();
    let relay = Relay::start(server.spawned().address(), fault);
    let key_file = server.spawned().key_file();
    let (url, pid) = (relay.url(), server.spawned().pid().to_string());
    let mut arguments = CHAT.to_vec();
    arguments.extend(["--target", &url, "--key-file", key_file.to_str().unwrap(), "--server-pid", &pid]);
    arguments.extend(more);
    let done = run(&arguments);
    assert!(relay.pushes() > 0, "the relay recognised no push");
    done
}

/// Sent, acknowledged, due and pushed; then missing, doubled and out of order.
fn accounts(done: &Done) -> ([u64; 4], [u64; 3]) {
    let accounts = &done.result.accounts;
    (
        [accounts.sent, accounts.acknowledged, accounts.due, accounts.pushed],
        [accounts.missing, accounts.doubled, accounts.out_of_order],
    )
}

/// The schedule is even: its length says how many messages there are.
#[track_caller]
fn assert_all_sent(done: &Done) -> u64 {
    let sent = done.result.accounts.sent;
    assert!(sent.abs_diff(MESSAGES) <= 1, "{}", done.told());
    sent
}

#[test]
fn no_fault_is_no_fault() {
    let _machine = beside_others();
    let done = chat_with(Fault::Nothing, &["--slo", "share(refused)<1%"]);
    done.assert_kept();
    let sent = assert_all_sent(&done);
    assert_eq!(accounts(&done), ([sent; 4], [0; 3]), "{}", done.told());
    assert_eq!(done.counter("lost"), 0);
}

#[test]
fn a_dropped_push_is_missing() {
    let _machine = beside_others();
    let done = chat_with(Fault::DropPush(MIDDLE), &[]);
    done.assert_broken_by("deliveries missing: 1");
    let sent = assert_all_sent(&done);
    assert_eq!(accounts(&done), ([sent, sent, sent, sent - 1], [1, 0, 0]), "{}", done.told());
}

#[test]
fn a_push_that_comes_twice_is_doubled() {
    let _machine = beside_others();
    let done = chat_with(Fault::DoublePush(MIDDLE), &[]);
    done.assert_broken_by("deliveries that came twice: 1");
    let sent = assert_all_sent(&done);
    assert_eq!(accounts(&done), ([sent; 4], [0, 1, 0]), "{}", done.told());
}

#[test]
fn pushes_of_one_conversation_that_change_places_are_out_of_order() {
    let _machine = beside_others();
    let done = chat_with(Fault::SwapPush(MIDDLE), &[]);
    done.assert_broken_by("deliveries out of order: 1");
    let sent = assert_all_sent(&done);
    assert_eq!(accounts(&done), ([sent; 4], [0, 0, 1]), "{}", done.told());
}

/// Order is promised within a conversation, not between them.
#[test]
fn pushes_of_two_conversations_may_change_places() {
    let _machine = beside_others();
    let done = chat_with(Fault::SwapConversations(MIDDLE), &[]);
    done.assert_kept();
    let sent = assert_all_sent(&done);
    assert_eq!(accounts(&done), ([sent; 4], [0; 3]), "{}", done.told());
}

#[test]
fn a_swallowed_answer_is_unanswered() {
    let _machine = beside_others();
    let done = chat_with(Fault::SwallowAnswer(MIDDLE), &[]);
    done.assert_broken_by("messages never answered: 1");
    let sent = assert_all_sent(&done);
    assert_eq!(done.result.accounts.unanswered, 1);
    // The push came all the same; due is what was acknowledged.
    assert_eq!(accounts(&done), ([sent, sent - 1, sent - 1, sent], [0; 3]), "{}", done.told());
}

#[test]
fn an_answer_that_comes_twice_is_doubled() {
    let _machine = beside_others();
    let done = chat_with(Fault::DoubleAnswer(MIDDLE), &[]);
    assert_eq!((done.code, done.result.verdict.word()), (1, "BROKEN"), "{}", done.told());
    let sent = assert_all_sent(&done);
    assert_eq!(accounts(&done), ([sent; 4], [0, 1, 0]), "{}", done.told());
    assert!(done.result.faults[0].contains("an answer to nothing that was asked"), "{}", done.told());
}

#[test]
fn a_connection_that_is_cut_is_told() {
    let _machine = beside_others();
    let done = chat_with(Fault::Cut(MIDDLE), &[]);
    assert_eq!((done.code, done.result.verdict.word()), (1, "BROKEN"), "{}", done.told());
    assert_eq!(done.counter("lost"), 1, "{}", done.told());
    assert!(done.result.faults[0].contains("a connection was lost"), "{}", done.told());
}

/// Messages a second of the stall's run: so many that their distribution shows.
const STALLED_RATE: u64 = 400;
const STALL: Duration = Duration::from_millis(200);
const STALLED: [&str; 8] = ["--rate", "400", "--connections", "10", "--capacity", "5", "--duration", "3s"];

#[track_caller]
fn stalled(more: &[&str]) -> Done {
    let server = Server::start();
    let relay = Relay::start(server.spawned().address(), Fault::Hold(600, STALL));
    let key_file = server.spawned().key_file();
    let mut arguments = vec!["chat", "--arrivals", "constant", "--think", "0s"];
    arguments.extend(STALLED);
    let (url, pid) = (relay.url(), server.spawned().pid().to_string());
    arguments.extend(["--target", &url, "--key-file", key_file.to_str().unwrap(), "--server-pid", &pid]);
    arguments.extend(more);
    run(&arguments)
}

/// Values above so many milliseconds.
fn above(histogram: &Histogram<u64>, ms: u64) -> u64 {
    histogram.len() - histogram.count_between(0, ms * 1_000_000)
}

/// A server that stands still for 200 ms keeps 400/s * 0.2 s = 80 messages waiting, each from its own due time to the
/// end of the stall: 0 to 200 ms, evenly. So 60 wait for more than 50 ms, 40 for more than 100 ms, 20 for more than
/// 150 ms. Ten conversations that each wait for their answer before they go on would show ten.
#[test]
fn a_stall_is_felt_by_all_that_were_due_in_it() {
    let _machine = alone();
    // Of a machine that others use a quiet moment is waited for; what must be there is asserted each time.
    let mut quiet = false;
    for _ in 0..3 {
        let done = stalled(&[]);
        done.assert_kept();
        let sent = done.result.accounts.sent;
        assert_eq!(accounts(&done), ([sent; 4], [0; 3]), "{}", done.told());
        let push = histogram_of(&done.result.latencies["push"]).expect("a histogram");
        assert!(push.len().abs_diff(3 * STALLED_RATE) <= 1, "{} of a window of 3 s: {}", push.len(), done.told());
        assert!(push.max() >= 195_000_000, "the stall is not seen: {} ns", push.max());
        let waited = [50, 100, 150].map(|ms| (above(&push, ms), STALLED_RATE * (200 - ms) / 1000));
        for (waited, due) in waited {
            assert!(waited + 3 >= due, "of those that were due in the stall some are not told of: {waited} of {due}");
        }
        quiet = waited.iter().all(|(waited, due)| *waited <= due + due / 2) && push.max() < 450_000_000;
        let p99_ms = push.value_at_quantile(0.99) as f64 / 1e6;
        // 1 % of 1,200 are the 12 that waited longest: all but 30 ms of the stall.
        quiet &= (150.0..300.0).contains(&p99_ms);
        if quiet {
            break;
        }
    }
    assert!(quiet, "a stall of 200 ms is told as more than that");
}

/// The objective that a stall breaks, and the reason names it; another one is kept.
#[test]
fn a_stall_breaks_an_objective() {
    let _machine = alone();
    let done = stalled(&["--slo", "p99(push)<50ms", "--slo", "p99(push)<10s"]);
    assert_eq!((done.code, done.result.verdict.word()), (1, "BROKEN"), "{}", done.told());
    let reasons = done.result.verdict.reasons();
    assert!(reasons.len() == 1 && reasons[0].starts_with("p99(push)<50ms is broken"), "{reasons:?}");
    assert_eq!(done.result.slos.iter().map(|slo| slo.kept).collect::<Vec<_>>(), [false, true]);
}
