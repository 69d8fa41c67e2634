//! Starts one pinned glommio executor a shard and waits for them. Must not know what a shard does.

use std::collections::BTreeSet;
use std::future::Future;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::Duration;

use glommio::{LocalExecutor, LocalExecutorBuilder, Placement};
use thiserror::Error;

/// Entries of each ring. A shard keeps one poll in it, whatever the number of its sockets; a deep ring would only
/// lock memory (ops/decisions/0005-timerfd-and-epoll-under-glommio.md).
const RING_DEPTH_ENTRIES: usize = 256;
/// What is tried when the kernel or the memlock limit refuses the above.
const RING_DEPTH_FALLBACK_ENTRIES: [usize; 1] = [128];
/// glommio registers 10 MiB by default for file IO, which shards do not do.
const IO_MEMORY_BYTES: usize = 64 * 1024;
/// Never, in effect. When glommio 0.9 finds its preempt timer expired before it has run anything
/// (`LocalExecutor::run_task_queues`), it goes to sleep over a task that is ready to run, and nothing wakes it: with
/// 1 ms that happened within some thousand wake-ups of a shard. Nothing here needs the timer: a shard sees mail and
/// sockets in its own turn and does no other IO through glommio.
const PREEMPT_TIMER: Duration = Duration::from_secs(365 * 86_400);

/// Where a shard runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ShardSeat {
    /// 0-based number of the shard.
    pub shard: usize,
    /// How many there are.
    pub shards: usize,
    /// The CPU it is pinned to, if it is.
    pub cpu: Option<usize>,
}

/// What did not come out as wished, and works nevertheless. For the caller to log.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum StartWarning {
    /// Shards share CPUs, so none is pinned.
    #[error("{shards} shards on {cpus} CPUs: no shard is pinned to a CPU")]
    MoreShardsThanCpus {
        /// Shards asked for.
        shards: usize,
        /// CPUs this process may use.
        cpus: usize,
    },
    /// The list of usable CPUs could not be read.
    #[error("the CPUs of this process are unknown: no shard is pinned to a CPU")]
    CpusUnknown,
    /// The rings are smaller than wished.
    #[error("shard-{shard}: ring of {entries} entries instead of {RING_DEPTH_ENTRIES}; raise `ulimit -l`")]
    SmallRing {
        /// The shard.
        shard: usize,
        /// Entries it got.
        entries: usize,
    },
}

/// Why the shards did not start. None of them runs then.
#[derive(Debug, Error)]
pub enum StartError {
    /// The operating system gave no thread.
    #[error("no thread for shard-{shard}")]
    Thread {
        /// The shard.
        shard: usize,
        /// The cause.
        source: io::Error,
    },
    /// glommio could not be set up: io_uring is missing or forbidden, or the memlock limit is below 512 KiB.
    #[error(
        "shard-{shard}: io_uring could not be set up ({reason}); it needs Linux 5.8, io_uring allowed, `ulimit -l` of 512 or more"
    )]
    Executor {
        /// The shard.
        shard: usize,
        /// glommio's words.
        reason: String,
    },
}

/// Running shards.
#[derive(Debug)]
pub struct Shards {
    threads: Vec<JoinHandle<()>>,
    warnings: Vec<StartWarning>,
}

impl Shards {
    /// Starts one shard for each of `mains` on a thread `shard-N` of its own; returns when all executors exist.
    ///
    /// A panic in a shard ends the process (with 134, by abort): no shard goes on without another, and
    /// what was acknowledged is in storage.
    pub fn start<G, F>(mains: Vec<G>) -> Result<Self, StartError>
    where
        G: FnOnce(ShardSeat) -> F + Send + 'static,
        F: Future<Output = ()> + 'static,
    {
        let shards = mains.len();
        let (cpus, mut warnings) = seats(shards, usable_cpus());
        let (report, reports) = mpsc::channel();
        let mut threads = Vec::with_capacity(shards);
        let mut starts = Vec::with_capacity(shards);
        for (shard, main) in mains.into_iter().enumerate() {
            let seat = ShardSeat { shard, shards, cpu: cpus.get(shard).copied() };
            let (start, started) = mpsc::channel();
            let report = report.clone();
            let thread = std::thread::Builder::new()
                .name(format!("shard-{shard}"))
                .spawn(move || run(seat, main, &report, &started))
                .map_err(|source| StartError::Thread { shard, source })?;
            threads.push(thread);
            starts.push(start);
        }
        drop(report);
        // An early return drops `starts`, and a shard that is not told to start ends quietly.
        for made in reports.iter().take(shards) {
            let (shard, entries) = made?;
            if entries < RING_DEPTH_ENTRIES {
                warnings.push(StartWarning::SmallRing { shard, entries });
            }
        }
        for start in starts {
            start.send(()).expect("every shard has reported and waits for this");
        }
        Ok(Self { threads, warnings })
    }

    /// What did not come out as wished.
    pub fn warnings(&self) -> &[StartWarning] {
        &self.warnings
    }

    /// Waits until every shard's future has ended.
    pub fn join(self) {
        for thread in self.threads {
            thread.join().expect("a shard that panics ends the process");
        }
    }
}

type Report = Result<(usize, usize), StartError>;

fn run<G, F>(seat: ShardSeat, main: G, report: &mpsc::Sender<Report>, started: &mpsc::Receiver<()>)
where
    G: FnOnce(ShardSeat) -> F,
    F: Future<Output = ()> + 'static,
{
    let shard = seat.shard;
    let executor = match executor(seat.cpu) {
        Ok((executor, entries)) => {
            // The starter is gone only when another shard failed; then `started` says so.
            let _ = report.send(Ok((shard, entries)));
            executor
        }
        Err(error) => {
            let _ = report.send(Err(StartError::Executor { shard, reason: error.to_string() }));
            return;
        }
    };
    if started.recv().is_err() {
        return;
    }
    if catch_unwind(AssertUnwindSafe(|| executor.run(main(seat)))).is_err() {
        // The panic's own message is on standard error already.
        eprintln!("shard-{shard} panicked: the process ends, so that no other shard goes on without it");
        std::process::abort();
    }
}

fn executor(cpu: Option<usize>) -> Result<(LocalExecutor, usize), glommio::GlommioError<()>> {
    let make = |entries| {
        LocalExecutorBuilder::new(cpu.map_or(Placement::Unbound, Placement::Fixed))
            .ring_depth(entries)
            .io_memory(IO_MEMORY_BYTES)
            .preempt_timer(PREEMPT_TIMER)
            .make()
    };
    let mut made = make(RING_DEPTH_ENTRIES).map(|executor| (executor, RING_DEPTH_ENTRIES));
    for entries in RING_DEPTH_FALLBACK_ENTRIES {
        if made.is_err() {
            made = make(entries).map(|executor| (executor, entries));
        }
    }
    made
}

/// The CPUs to pin to, one a shard, or none at all and why.
fn seats(shards: usize, usable: Option<BTreeSet<usize>>) -> (Vec<usize>, Vec<StartWarning>) {
    match usable {
        None => (Vec::new(), vec![StartWarning::CpusUnknown]),
        Some(usable) if usable.len() < shards => {
            (Vec::new(), vec![StartWarning::MoreShardsThanCpus { shards, cpus: usable.len() }])
        }
        Some(usable) => (usable.into_iter().take(shards).collect(), Vec::new()),
    }
}

/// What `taskset` or a cpuset leaves to this process (proc(5), `Cpus_allowed_list`).
fn usable_cpus() -> Option<BTreeSet<usize>> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    parse_cpu_list(status.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:"))?)
}

/// `0-3,8,10-11` as cpuset(7), "List format", defines it.
fn parse_cpu_list(list: &str) -> Option<BTreeSet<usize>> {
    let mut cpus = BTreeSet::new();
    for range in list.trim().split(',') {
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        cpus.extend(first.parse::<usize>().ok()?..=last.parse().ok()?);
    }
    Some(cpus)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cpu_lists() {
        assert_eq!(parse_cpu_list("\t0-3,8,10-11\n"), Some([0, 1, 2, 3, 8, 10, 11].into()));
        assert_eq!(parse_cpu_list("0"), Some([0].into()));
        assert_eq!(parse_cpu_list("a-b"), None);
        assert_eq!(parse_cpu_list(""), None);
    }

    #[test]
    fn pins_only_when_there_is_a_cpu_for_each() {
        assert_eq!(seats(2, Some([1, 4, 5].into())), (vec![1, 4], vec![]));
        let warning = StartWarning::MoreShardsThanCpus { shards: 3, cpus: 2 };
        assert_eq!(seats(3, Some([0, 1].into())), (vec![], vec![warning]));
        assert_eq!(seats(1, None), (vec![], vec![StartWarning::CpusUnknown]));
    }
}
