//! What the server costs, once a second: CPU time by the scheduler's clock (`/proc/PID/task/*/schedstat`), resident
//! memory, and `/metrics`. A thread of its own, so that a server that does not answer delays nobody. Knows nothing
//! of scenarios; what the CPU time is divided by is the run's business.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, mpsc};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::{http, metrics};
use crate::result::{ServerSample, ServerSide};

/// Between two samples.
const INTERVAL: Duration = Duration::from_secs(1);
/// What `/metrics` may take: it has to be over before the next sample.
const METRICS_PATIENCE: Duration = Duration::from_millis(800);
/// Up to here memory is counted page by page (`smaps_rollup`); above, that would hold the server's address space
/// locked for too long, and `VmRSS`, which is late by some pages a CPU, is near enough.
const ROLLUP_MAX_BYTES: u64 = 2 * 1024 * 1024 * 1024;

/// What is sampled.
#[derive(Clone, Debug)]
pub struct SampleTarget {
    /// The server's process, if it is on this host.
    pub pid: Option<u32>,
    /// Where `/metrics` is asked for.
    pub address: SocketAddr,
    /// For the `Host` header.
    pub host: String,
}

/// An end of the measured window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mark {
    /// It begins now.
    From,
    /// It ends now.
    Until,
}

/// CPU time of a process since its start, and its waits for a CPU, seconds.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct CpuTimes {
    /// By thread name; threads of one name together, those that ended included as long as they were seen.
    pub by_thread_s: BTreeMap<String, f64>,
    /// Ready to run while others had the CPU, by thread name.
    pub waited_by_thread_s: BTreeMap<String, f64>,
}

/// Samples until it is finished or dropped.
#[derive(Debug)]
pub struct Sampler {
    shared: Arc<Shared>,
    stop: Option<mpsc::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct Shared {
    target: SampleTarget,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    ledger: Ledger,
    samples: Vec<(Instant, ServerSample)>,
    from: Option<(Instant, Option<CpuTimes>)>,
    until: Option<(Instant, Option<CpuTimes>)>,
    version: Option<String>,
}

/// Times of every thread ever seen: what a thread used is not lost when it ends.
#[derive(Debug, Default)]
struct Ledger {
    /// By thread id: its name and times.
    threads: HashMap<u32, (String, Scheduled)>,
    /// Of earlier threads that had an id that was used again.
    ended: HashMap<String, Scheduled>,
}

/// What the scheduler knows of a thread since its start, nanoseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Scheduled {
    /// On a CPU.
    pub ran_ns: u64,
    /// Ready to run, and not on a CPU.
    pub waited_ns: u64,
}

impl Scheduled {
    /// Of the calling thread; `None` where the kernel does not keep count.
    pub fn of_this_thread() -> Option<Self> {
        Self::parse(&fs::read_to_string("/proc/thread-self/schedstat").ok()?)
    }

    /// The first two numbers of a schedstat (Documentation/scheduler/sched-stats.rst).
    fn parse(schedstat: &str) -> Option<Self> {
        let mut numbers = schedstat.split_ascii_whitespace().map(str::parse);
        Some(Self { ran_ns: numbers.next()?.ok()?, waited_ns: numbers.next()?.ok()? })
    }
}

impl CpuTimes {
    /// Of all threads.
    pub fn total_s(&self) -> f64 {
        self.by_thread_s.values().sum()
    }

    /// What was used since `earlier`; threads that used nothing are left out.
    pub fn since(&self, earlier: &Self) -> Self {
        let grown = |now: &BTreeMap<String, f64>, before: &BTreeMap<String, f64>| {
            let growth = now.iter().map(|(name, seconds)| {
                let before = before.get(name).copied().unwrap_or(0.0);
                (name.clone(), seconds - before)
            });
            growth.filter(|(_, seconds)| *seconds > 0.0).collect()
        };
        Self {
            by_thread_s: grown(&self.by_thread_s, &earlier.by_thread_s),
            waited_by_thread_s: grown(&self.waited_by_thread_s, &earlier.waited_by_thread_s),
        }
    }
}

impl Sampler {
    /// Begins at once.
    pub fn start(target: SampleTarget) -> Self {
        let shared = Arc::new(Shared { target, state: Mutex::default() });
        let (stop, stopped) = mpsc::channel();
        let thread = std::thread::Builder::new().name("sampler".to_owned()).spawn({
            let shared = Arc::clone(&shared);
            move || sample_until(&shared, &stopped)
        });
        // Without the thread there are no samples; marks are still read by who sets them.
        Self { shared, stop: Some(stop), thread: thread.ok() }
    }

    /// The measured window begins or ends now. Reads the CPU times on the calling thread, so that it is this moment.
    pub fn mark(&self, mark: Mark) {
        let mut state = self.shared.lock();
        let cpu = state.ledger.read(self.shared.target.pid);
        let reading = Some((Instant::now(), cpu));
        match mark {
            Mark::From => state.from = reading,
            Mark::Until => state.until = reading,
        }
    }

    /// CPU times of this moment; `None` if the process cannot be seen.
    pub fn read_cpu_now(&self) -> Option<CpuTimes> {
        self.shared.lock().ledger.read(self.shared.target.pid)
    }

    /// Resident memory of this moment, bytes; `None` if the process cannot be seen.
    pub fn read_rss_now(&self) -> Option<u64> {
        resident_bytes(self.shared.target.pid?)
    }

    /// The newest sample's metrics, summed over labels; empty if there were none.
    pub fn newest_metrics(&self) -> BTreeMap<String, f64> {
        self.shared.lock().samples.last().map(|(_, sample)| sample.metrics.clone()).unwrap_or_default()
    }

    /// The version that the server says, if it was heard.
    pub fn server_version(&self) -> Option<String> {
        self.shared.lock().version.clone()
    }

    /// Ends and tells. Without marks there is no CPU time of the window, and samples count from the first one.
    pub fn finish(mut self) -> ServerSide {
        self.end();
        let mut state = self.shared.lock();
        let samples = std::mem::take(&mut state.samples);
        let zero = state.from.as_ref().map(|(at, _)| *at).or_else(|| samples.first().map(|(at, _)| *at));
        let used = match (&state.from, &state.until) {
            (Some((_, Some(from))), Some((_, Some(until)))) => Some(until.since(from)),
            _ => None,
        };
        let samples = samples.into_iter().map(|(at, mut sample)| {
            sample.at_s = zero.map_or(0.0, |zero| seconds_between(zero, at));
            sample
        });
        let samples = samples.collect();
        let cpu_s = used.as_ref().map(CpuTimes::total_s);
        let used = used.unwrap_or_default();
        ServerSide {
            pid: self.shared.target.pid,
            samples,
            cpu_s,
            cpu_by_thread_s: used.by_thread_s,
            waited_by_thread_s: used.waited_by_thread_s,
            cpu_us_per_message: None,
        }
    }

    fn end(&mut self) {
        self.stop = None;
        if let Some(thread) = self.thread.take() {
            // A panic of the sampler shows as missing samples; what it saw is kept.
            let _ = thread.join();
        }
    }
}

impl Drop for Sampler {
    fn drop(&mut self) {
        self.end();
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// The lock is never held while the server is asked.
    fn sample(&self) {
        let at = Instant::now();
        let rss_bytes = self.target.pid.and_then(resident_bytes);
        let cpu = self.lock().ledger.read(self.target.pid);
        let reply = http::get(self.target.address, &self.target.host, "/metrics", METRICS_PATIENCE);
        let text = reply.ok().filter(|reply| reply.status == 200).map(|reply| reply.body).unwrap_or_default();
        let sample = ServerSample {
            at_s: 0.0,
            cpu_s: cpu.as_ref().map(CpuTimes::total_s),
            rss_bytes,
            metrics: metrics::parse(&text),
        };
        let mut state = self.lock();
        state.version = state.version.take().or_else(|| metrics::version(&text));
        state.samples.push((at, sample));
    }
}

impl Ledger {
    fn read(&mut self, pid: Option<u32>) -> Option<CpuTimes> {
        let tasks = fs::read_dir(PathBuf::from(format!("/proc/{}/task", pid?))).ok()?;
        for task in tasks.flatten() {
            let Some(id) = task.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
            let read = |file: &str| fs::read_to_string(task.path().join(file)).ok();
            // A thread may end in between.
            let times = read("schedstat").and_then(|text| Scheduled::parse(&text));
            let Some((name, times)) = read("comm").zip(times) else { continue };
            self.saw(id, name.trim_end().to_owned(), times);
        }
        Some(self.sums())
    }

    fn saw(&mut self, id: u32, name: String, times: Scheduled) {
        if let Some((earlier_name, earlier)) = self.threads.insert(id, (name, times))
            && earlier.ran_ns > times.ran_ns
        {
            let ended = self.ended.entry(earlier_name).or_default();
            ended.ran_ns += earlier.ran_ns;
            ended.waited_ns += earlier.waited_ns;
        }
    }

    fn sums(&self) -> CpuTimes {
        let running = self.threads.values().map(|(name, times)| (name, times));
        let all: Vec<(&String, &Scheduled)> = running.chain(&self.ended).collect();
        let sum = |of: fn(&Scheduled) -> u64| {
            let mut sums: BTreeMap<String, u64> = BTreeMap::new();
            for (name, times) in &all {
                *sums.entry((*name).clone()).or_default() += of(times);
            }
            sums.into_iter().map(|(name, nanos)| (name, nanos as f64 / 1e9)).collect()
        };
        CpuTimes { by_thread_s: sum(|times| times.ran_ns), waited_by_thread_s: sum(|times| times.waited_ns) }
    }
}

fn sample_until(shared: &Shared, stopped: &mpsc::Receiver<()>) {
    let mut due = Instant::now();
    loop {
        shared.sample();
        let now = Instant::now();
        // Seconds that were missed are left out, not made up for.
        while due <= now {
            due += INTERVAL;
        }
        match stopped.recv_timeout(due - now) {
            Err(mpsc::RecvTimeoutError::Timeout) => {}
            Ok(()) | Err(mpsc::RecvTimeoutError::Disconnected) => return,
        }
    }
}

fn resident_bytes(pid: u32) -> Option<u64> {
    let late = kib_of(&fs::read_to_string(format!("/proc/{pid}/status")).ok()?, "VmRSS:")?;
    if late > ROLLUP_MAX_BYTES {
        return Some(late);
    }
    let exact = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).ok();
    Some(exact.and_then(|text| kib_of(&text, "Rss:")).unwrap_or(late))
}

fn kib_of(text: &str, name: &str) -> Option<u64> {
    let rest = text.lines().find_map(|line| line.strip_prefix(name))?;
    Some(rest.split_ascii_whitespace().next()?.parse::<u64>().ok()? * 1024)
}

fn seconds_between(zero: Instant, at: Instant) -> f64 {
    if at >= zero { (at - zero).as_secs_f64() } else { -(zero - at).as_secs_f64() }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::*;

    #[test]
    fn files_of_proc_are_read() {
        let times = |ran_ns, waited_ns| Some(Scheduled { ran_ns, waited_ns });
        assert_eq!(Scheduled::parse("1234567 89 10\n"), times(1_234_567, 89));
        assert_eq!((Scheduled::parse(""), Scheduled::parse("7")), (None, None));
        assert!(Scheduled::of_this_thread().is_some());
        assert_eq!(kib_of("Name: x\nVmRSS:\t    5120 kB\n", "VmRSS:"), Some(5120 * 1024));
        assert!(resident_bytes(std::process::id()).unwrap() > 100_000);
    }

    #[test]
    fn what_an_ended_thread_used_is_kept() {
        let mut ledger = Ledger::default();
        let times =
            |ran_ms: u64, waited_ms: u64| Scheduled { ran_ns: ran_ms * 1_000_000, waited_ns: waited_ms * 1_000_000 };
        ledger.saw(7, "shard".to_owned(), times(2_000, 500));
        ledger.saw(8, "shard".to_owned(), times(1_000, 0));
        let earlier = ledger.sums();
        // The id 7 was given to a new thread.
        ledger.saw(7, "storage".to_owned(), times(500, 0));
        ledger.saw(8, "shard".to_owned(), times(1_250, 125));
        let now = ledger.sums();
        assert_eq!(now.by_thread_s, BTreeMap::from([("shard".to_owned(), 3.25), ("storage".to_owned(), 0.5)]));
        let used = now.since(&earlier);
        assert_eq!(used.by_thread_s, BTreeMap::from([("shard".to_owned(), 0.25), ("storage".to_owned(), 0.5)]));
        assert!((used.total_s() - 0.75).abs() < 1e-9);
        // Who waited for nothing is left out; what the ended one had waited is not forgotten.
        assert_eq!(now.waited_by_thread_s["shard"], 0.625);
        assert_eq!(used.waited_by_thread_s, BTreeMap::from([("shard".to_owned(), 0.125)]));
    }

    #[test]
    fn cpu_time_of_the_window_is_by_thread() {
        let address = http::stand_in::serve(|path| {
            (path == "/metrics").then(|| {
                "switchboard_messages_total 3\nswitchboard_build_info{version=\"9.9.9\"} 1\n# EOF\n".to_owned()
            })
        });
        let target = SampleTarget { pid: Some(std::process::id()), address, host: "localhost".to_owned() };
        let sampler = Sampler::start(target);
        sampler.mark(Mark::From);
        let stop = Arc::new(AtomicBool::new(false));
        let busy = std::thread::Builder::new().name("busy-one".to_owned()).spawn({
            let stop = Arc::clone(&stop);
            move || while !stop.load(Ordering::Relaxed) {}
        });
        let used = || sampler.read_cpu_now().and_then(|cpu| cpu.by_thread_s.get("busy-one").copied()).unwrap_or(0.0);
        let deadline = Instant::now() + Duration::from_secs(20);
        while (used() < 0.02 || sampler.newest_metrics().is_empty()) && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(5));
        }
        stop.store(true, Ordering::Relaxed);
        busy.unwrap().join().unwrap();
        sampler.mark(Mark::Until);
        assert_eq!(sampler.server_version().as_deref(), Some("9.9.9"));
        let side = sampler.finish();
        assert_eq!(side.pid, Some(std::process::id()));
        let first = side.samples.first().unwrap();
        assert_eq!(first.metrics.get("switchboard_messages_total"), Some(&3.0));
        assert!(first.rss_bytes.unwrap() > 0 && first.cpu_s.is_some());
        // The thread is gone by the second mark; what it had used when last looked at is counted.
        assert!(side.cpu_by_thread_s["busy-one"] >= 0.02);
        assert!(side.cpu_s.unwrap() >= side.cpu_by_thread_s["busy-one"]);
    }

    #[test]
    fn a_server_that_cannot_be_seen_has_no_figures() {
        let address = http::stand_in::serve(|_| None);
        let sampler = Sampler::start(SampleTarget { pid: None, address, host: "localhost".to_owned() });
        sampler.mark(Mark::From);
        sampler.mark(Mark::Until);
        let started = Instant::now();
        let side = sampler.finish();
        assert!(started.elapsed() < Duration::from_secs(5), "a silent server delays nobody");
        assert_eq!((side.cpu_s, side.pid), (None, None));
        assert!(side.samples.iter().all(|sample| sample.metrics.is_empty()));
    }
}
