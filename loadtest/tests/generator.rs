//! The built `loadtest`, run as a planner runs it: arguments in, exit code and `result.json` out.

use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use switchboard_loadtest::report::files::load;
use switchboard_loadtest::result::RunResult;
use tempfile::TempDir;

use super::server;

/// How long a run may take that is due to end within a few seconds.
const PATIENCE: Duration = Duration::from_secs(90);

/// A run under way; ended if dropped.
pub struct Running {
    child: Child,
    out: TempDir,
}

/// A finished run.
pub struct Done {
    /// The exit code.
    pub code: i32,
    /// What it left behind.
    pub result: RunResult,
}

/// Starts `loadtest run` with these arguments and those that every test has. The generator may be as late as a
/// machine that others use makes it: tests of its lag say another `--max-lag` in `arguments`.
#[track_caller]
pub fn start(arguments: &[&str]) -> Running {
    let out = tempfile::tempdir().expect("a directory for the test");
    let mut command = Command::new(env!("CARGO_BIN_EXE_loadtest"));
    command.arg("run").args(arguments).args(["--seed", "7", "--quiet", "--out"]).arg(out.path());
    for (flag, value) in [("--ramp", "200ms"), ("--warm-up", "300ms"), ("--drain", "2s"), ("--max-lag", "400ms")] {
        if !arguments.contains(&flag) {
            command.args([flag, value]);
        }
    }
    command.env("SWITCHBOARD_BIN", server::binary()).stdin(Stdio::null()).stdout(Stdio::null());
    Running { child: command.spawn().expect("loadtest runs"), out }
}

/// The whole run.
#[track_caller]
pub fn run(arguments: &[&str]) -> Done {
    start(arguments).wait()
}

impl Running {
    /// Its process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Waits for its end and reads its result.
    #[track_caller]
    pub fn wait(mut self) -> Done {
        let status = self.ended();
        let path = self.out.path().join("result.json");
        let result = load(&path).unwrap_or_else(|why| panic!("{status}, and no result: {why}"));
        Done { code: status.code().expect("it ends by itself"), result }
    }

    #[track_caller]
    fn ended(&mut self) -> ExitStatus {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait().expect("a child can be waited for") {
                return status;
            }
            assert!(Instant::now() < deadline, "the run did not end within {PATIENCE:?}");
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // After `wait` there is nothing left to end.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Sends a signal to a process of the test.
#[track_caller]
pub fn signal(pid: u32, signal: Signal) {
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw).expect("a process id");
    kill_process(pid, signal).expect("the process runs");
}

/// Stops a process for so long, as a scheduler or a hypervisor might.
#[track_caller]
pub fn pause(pid: u32, pause: Duration) {
    signal(pid, Signal::STOP);
    std::thread::sleep(pause);
    signal(pid, Signal::CONT);
}

impl Done {
    /// The verdict's word and its reasons, and all counts, for a failing test to show.
    pub fn told(&self) -> String {
        let result = &self.result;
        format!(
            "exit {}, {:?}\n{:?}\ncounters {:?}\nfaults {:?}\nfigures {:?}",
            self.code, result.verdict, result.accounts, result.counters, result.faults, result.figures
        )
    }

    /// It kept everything, and every message was answered.
    #[track_caller]
    pub fn assert_kept(&self) -> &Self {
        assert_eq!((self.code, self.result.verdict.word()), (0, "KEPT"), "{}", self.told());
        let accounts = &self.result.accounts;
        assert_eq!((accounts.refused, accounts.unanswered), (0, 0), "{}", self.told());
        assert_eq!(accounts.sent, accounts.acknowledged + self.counter("cut_off"), "{}", self.told());
        self
    }

    /// It is broken for exactly this reason.
    #[track_caller]
    pub fn assert_broken_by(&self, reason: &str) -> &Self {
        assert_eq!((self.code, self.result.verdict.word()), (1, "BROKEN"), "{}", self.told());
        assert_eq!(self.result.verdict.reasons(), [reason], "{}", self.told());
        self
    }

    /// A counter; 0 if there is none.
    pub fn counter(&self, name: &str) -> u64 {
        self.result.counters.get(name).copied().unwrap_or(0)
    }

    /// Values of a metric in the measured window.
    pub fn count(&self, metric: &str) -> u64 {
        self.result.latencies.get(metric).map_or(0, |latency| latency.count)
    }
}
