//! Several generator processes: each runs its share and tells over its pipes; the first one's window is everybody's.
//!
//! A worker reads its settings as one line of JSON from standard input, writes [`Word`]s, one a line, to standard
//! output, and waits for a second line before it begins its load.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::CommandExt;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::{Interrupt, RunError, Tick, single};
use crate::merge::{Parts, merge};
use crate::result::{Load, RunResult};
use crate::settings::Settings;
use crate::target::sample::{Mark, Sampler};

/// What a worker says.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Word {
    /// All its clients are in place.
    Ready,
    /// A second has passed.
    Tick(Tick),
    /// It is done.
    Result(Box<RunResult>),
}

/// Why another generator process did not do its part.
#[derive(Debug, Error)]
pub enum WorkerError {
    /// It could not be started.
    #[error("a generator process could not be started: {0}")]
    Start(std::io::Error),
    /// It ended before its result; its own words are on standard error.
    #[error("generator process {0} ended without a result")]
    Ended(u32),
    /// It was not told, or told, what it should be.
    #[error("a generator process was not understood: {0}")]
    Protocol(#[from] serde_json::Error),
    /// Its pipes broke.
    #[error("a generator process's pipe broke: {0}")]
    Pipe(std::io::Error),
}

struct Worker {
    child: Child,
    input: ChildStdin,
    newest: Option<Tick>,
    ready: bool,
    result: Option<RunResult>,
}

impl Drop for Worker {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Has `settings.processes` processes generate, and merges what they measured.
pub(super) fn generate(
    settings: &Settings,
    sampler: &Sampler,
    stop: &Interrupt,
    progress: &mut dyn FnMut(&Tick),
) -> Result<RunResult, RunError> {
    let (tell, words) = mpsc::channel();
    let mut workers = Vec::new();
    for process in 0..settings.processes {
        workers.push(start(settings, process, &tell)?);
    }
    drop(tell);
    // The window's moments as the workers keep them: they all begin within microseconds of each other.
    let mut moments: Vec<(Instant, Mark)> = Vec::new();
    let (mut begun, mut interrupted) = (false, false);
    while workers.iter().any(|worker| worker.result.is_none()) {
        let next =
            moments.first().map_or(Duration::from_millis(100), |(at, _)| at.saturating_duration_since(Instant::now()));
        match words.recv_timeout(next.min(Duration::from_millis(100))) {
            Ok((process, Some(word))) => {
                heard(&mut workers, process, word, progress);
                if !begun && workers.iter().all(|worker| worker.ready) {
                    begun = true;
                    moments = begin(settings, &mut workers)?;
                }
            }
            Ok((process, None)) if workers[process as usize].result.is_none() => {
                return Err(WorkerError::Ended(process).into());
            }
            Ok((_, None)) | Err(mpsc::RecvTimeoutError::Timeout) => {}
            Err(mpsc::RecvTimeoutError::Disconnected) => break,
        }
        while moments.first().is_some_and(|(at, _)| *at <= Instant::now()) {
            let (_, mark) = moments.remove(0);
            sampler.mark(mark);
        }
        // Once: a second one would end them without a result.
        if stop.is_set() && !std::mem::replace(&mut interrupted, true) {
            for worker in &workers {
                interrupt(&worker.child);
            }
            // Their window ends now.
            moments.iter_mut().for_each(|(at, _)| *at = Instant::now().min(*at));
        }
    }
    let results: Vec<RunResult> = workers.iter_mut().filter_map(|worker| worker.result.take()).collect();
    // Each process tells its own share.
    let connections = results.iter().map(|result| result.load.connections).sum();
    let rate_per_s = results.iter().map(|result| result.load.rate_per_s).sum();
    let mut result = merge(results, Parts::Processes)?;
    result.load = Load { connections, rate_per_s, processes: settings.processes, ..result.load };
    Ok(result)
}

fn start(settings: &Settings, process: u32, tell: &mpsc::Sender<(u32, Option<Word>)>) -> Result<Worker, WorkerError> {
    let program = std::env::current_exe().map_err(WorkerError::Start)?;
    let mut child = Command::new(program)
        .arg("worker")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        // A terminal's Ctrl-C is for this process, which passes it on.
        .process_group(0)
        .spawn()
        .map_err(WorkerError::Start)?;
    let mut input = child.stdin.take().expect("it is piped");
    let output = child.stdout.take().expect("it is piped");
    let own = Settings { process, ..settings.clone() };
    let line = serde_json::to_string(&own)?;
    writeln!(input, "{line}").and_then(|()| input.flush()).map_err(WorkerError::Pipe)?;
    let tell = tell.clone();
    std::thread::spawn(move || {
        for line in BufReader::new(output).lines().map_while(Result::ok) {
            let Ok(word) = serde_json::from_str(&line) else { break };
            if tell.send((process, Some(word))).is_err() {
                return;
            }
        }
        // The receiver may be gone, too.
        let _ = tell.send((process, None));
    });
    Ok(Worker { child, input, newest: None, ready: false, result: None })
}

fn heard(workers: &mut [Worker], process: u32, word: Word, progress: &mut dyn FnMut(&Tick)) {
    let worker = &mut workers[process as usize];
    match word {
        Word::Ready => worker.ready = true,
        Word::Result(result) => worker.result = Some(*result),
        Word::Tick(tick) => {
            worker.newest = Some(tick);
            // One line a second: when the last of them has told its second.
            if process + 1 == workers.len() as u32 {
                progress(&sum(workers.iter().filter_map(|worker| worker.newest.as_ref())));
            }
        }
    }
}

/// All may begin; when their measured window begins and ends.
fn begin(settings: &Settings, workers: &mut [Worker]) -> Result<Vec<(Instant, Mark)>, WorkerError> {
    let now = Instant::now();
    for worker in workers {
        writeln!(worker.input).and_then(|()| worker.input.flush()).map_err(WorkerError::Pipe)?;
    }
    let from = now + settings.warm_up;
    Ok(vec![(from, Mark::From), (from + settings.measured(), Mark::Until)])
}

/// Counts are summed; of percentiles the worst is shown, since they cannot be added.
fn sum<'a>(ticks: impl Iterator<Item = &'a Tick>) -> Tick {
    ticks.fold(Tick::default(), |sum, tick| Tick {
        at_s: tick.at_s,
        phase: tick.phase.clone(),
        open: sum.open + tick.open,
        rate: sum.rate + tick.rate,
        p50_ns: sum.p50_ns.max(tick.p50_ns),
        p99_ns: sum.p99_ns.max(tick.p99_ns),
        max_ns: sum.max_ns.max(tick.max_ns),
        errors: sum.errors + tick.errors,
        lag_p99_ns: sum.lag_p99_ns.max(tick.lag_p99_ns),
    })
}

fn interrupt(child: &Child) {
    if let Some(pid) = i32::try_from(child.id()).ok().and_then(rustix::process::Pid::from_raw) {
        // It may have ended by itself.
        let _ = rustix::process::kill_process(pid, rustix::process::Signal::INT);
    }
}

/// What a worker process does: settings in, words out.
pub fn work() -> Result<(), RunError> {
    let mut line = String::new();
    std::io::stdin().read_line(&mut line).map_err(WorkerError::Pipe)?;
    let settings: Settings = serde_json::from_str(&line).map_err(WorkerError::Protocol)?;
    let told = Arc::new(AtomicBool::new(false));
    std::thread::spawn({
        let told = Arc::clone(&told);
        move || {
            let mut line = String::new();
            match std::io::stdin().read_line(&mut line) {
                // The parent is gone: nobody would hear the result.
                Ok(0) | Err(_) => std::process::exit(1),
                Ok(_) => told.store(true, Ordering::Release),
            }
        }
    });
    let mut ready = false;
    let may_begin = || {
        if !std::mem::replace(&mut ready, true) {
            say(&Word::Ready);
        }
        told.load(Ordering::Acquire)
    };
    let stop = Interrupt::watch()?;
    let result = single::generate(&settings, None, &stop, may_begin, &mut |tick| say(&Word::Tick(tick.clone())))?;
    say(&Word::Result(Box::new(result)));
    Ok(())
}

fn say(word: &Word) {
    let line = serde_json::to_string(word).expect("words are plain data");
    // A parent that is gone does not want to know.
    let _ = writeln!(std::io::stdout(), "{line}");
}
