//! Who stood still? A generator that did must say that its result is INVALID; a server that did is what a run is there
//! to show.

use std::time::Duration;

use rustix::process::Signal;

use super::generator::{Running, pause, signal, start};
use super::relay::{Fault, Relay};
use super::server::{Server, alone, beside_others};

const PAUSE: Duration = Duration::from_millis(700);

/// Three seconds of chat through a relay, which sees when the load begins.
struct Ground {
    relay: Relay,
    server: Server,
}

impl Ground {
    #[track_caller]
    fn new() -> Self {
        let server = Server::start();
        let relay = Relay::start(server.spawned().address(), Fault::Nothing);
        Self { relay, server }
    }

    #[track_caller]
    fn chat(&self, more: &[&str]) -> Running {
        let (url, pid) = (self.relay.url(), self.server.spawned().pid().to_string());
        let key_file = self.server.spawned().key_file();
        let mut arguments = vec!["chat", "--connections", "20", "--think", "0s"];
        arguments.extend(["--target", &url, "--key-file", key_file.to_str().unwrap(), "--server-pid", &pid]);
        arguments.extend(more);
        if !more.contains(&"--duration") {
            arguments.extend(["--duration", "3s"]);
        }
        let running = start(&arguments);
        // The load has begun with a warm-up of 300 ms.
        self.relay.wait_for_pushes(1);
        std::thread::sleep(Duration::from_millis(800));
        running
    }
}

/// Children of a process, as the kernel lists them: proc(5).
fn children_of(pid: u32) -> Vec<u32> {
    let path = format!("/proc/{pid}/task/{pid}/children");
    let children = std::fs::read_to_string(path).expect("the kernel lists children");
    children.split_whitespace().map(|child| child.parse().unwrap()).collect()
}

#[test]
fn a_generator_that_stood_still_is_invalid() {
    let _machine = alone();
    let ground = Ground::new();
    let running = ground.chat(&["--rate", "200", "--max-lag", "100ms"]);
    pause(running.pid(), PAUSE);
    let done = running.wait();
    assert_eq!((done.code, done.result.verdict.word()), (3, "INVALID"), "{}", done.told());
    assert!(done.result.verdict.reasons()[0].contains("the generator was late"), "{}", done.told());
    assert!(done.result.generator.lag.max_ns >= 650_000_000, "{:?}", done.result.generator.lag.max_ns);
}

/// Nothing was due in it, and yet what came was read too late.
#[test]
fn a_closed_loop_that_stood_still_is_invalid() {
    let _machine = alone();
    let ground = Ground::new();
    // 20 times that may one stall be: 300 ms.
    let running = ground.chat(&["--closed", "1", "--max-lag", "15ms"]);
    pause(running.pid(), PAUSE);
    let done = running.wait();
    assert_eq!((done.code, done.result.verdict.word()), (3, "INVALID"), "{}", done.told());
    assert!(done.result.verdict.reasons()[0].contains("the generator stood still"), "{}", done.told());
}

#[test]
fn one_of_several_generators_is_enough() {
    let _machine = alone();
    let ground = Ground::new();
    let running = ground.chat(&["--rate", "200", "--max-lag", "100ms", "--processes", "2"]);
    let workers = children_of(running.pid());
    assert_eq!(workers.len(), 2);
    pause(workers[1], PAUSE);
    let done = running.wait();
    assert_eq!((done.code, done.result.verdict.word()), (3, "INVALID"), "{}", done.told());
    assert!(done.result.verdict.reasons()[0].contains("the generator was late"), "{}", done.told());
}

#[test]
fn a_server_that_stood_still_is_a_finding() {
    let _machine = alone();
    let ground = Ground::new();
    let running = ground.chat(&["--rate", "200"]);
    pause(ground.server.spawned().pid(), Duration::from_millis(300));
    let done = running.wait();
    done.assert_kept();
    let accounts = &done.result.accounts;
    assert_eq!((accounts.pushed, accounts.missing), (accounts.sent, 0), "{}", done.told());
    for metric in ["answer", "push"] {
        let longest = done.result.latencies[metric].max_ns;
        assert!(longest >= 295_000_000, "{metric}: the pause of 300 ms is not seen: {longest} ns");
    }
}

/// Ctrl-C ends the load, not the result, which says how long it is of and is no proof of anything.
#[test]
fn a_run_that_is_stopped_tells_what_it_has() {
    let _machine = beside_others();
    let rate = ["--rate", "200", "--arrivals", "constant"];
    for processes in ["1", "2"] {
        let ground = Ground::new();
        let running = ground.chat(&[rate.as_slice(), &["--duration", "50s", "--processes", processes]].concat());
        signal(running.pid(), Signal::INT);
        let done = running.wait();
        let result = &done.result;
        assert_eq!((done.code, result.verdict.word()), (3, "INVALID"), "{}", done.told());
        assert!(result.verdict.reasons()[0].contains("it was stopped after"), "{}", done.told());
        assert!((0.05..20.0).contains(&result.measured_s), "{} s", result.measured_s);
        assert_eq!(result.accounts.pushed, result.accounts.sent, "{}", done.told());
        let rate = done.count("push") as f64 / result.measured_s;
        assert!((100.0..300.0).contains(&rate), "{rate} messages a second of 200: {}", done.told());
    }
}

/// Before the window there is nothing to tell, and nothing was kept.
#[test]
fn a_run_that_is_stopped_before_its_window_is_invalid() {
    let _machine = beside_others();
    let ground = Ground::new();
    let running = ground.chat(&["--rate", "200", "--warm-up", "60s"]);
    signal(running.pid(), Signal::INT);
    let done = running.wait();
    assert_eq!((done.code, done.result.verdict.word()), (3, "INVALID"), "{}", done.told());
    assert_eq!(done.count("push"), 0);
}
