//! Counts what storage does, as plain numbers. Must not know how metrics are exposed.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

/// Buckets of a [`LatencyFigures`].
const BUCKETS: usize = 20;

/// Upper bounds of the latency buckets, in microseconds, each twice the one before: 16 us to 8.4 s.
pub const LATENCY_BUCKETS_MICROS: [u64; BUCKETS] = {
    let mut bounds = [16; BUCKETS];
    let mut at = 1;
    while at < BUCKETS {
        bounds[at] = bounds[at - 1] * 2;
        at += 1;
    }
    bounds
};

/// What a store has done since it was opened.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StoreFigures {
    /// Writes that wait for their group now.
    pub write_queue_ops: u64,
    /// Reads that wait for a thread now.
    pub read_queue_ops: u64,
    /// Groups made durable, each by one sync.
    pub groups: u64,
    /// Writes in those groups: divided by `groups`, the mean group.
    pub writes: u64,
    /// Reads answered.
    pub reads: u64,
    /// Operations handed back because a queue was full or the store closed.
    pub refused: u64,
    /// Operations that failed alone.
    pub failed: u64,
    /// From `submit` of a write until it was durable.
    pub durable: LatencyFigures,
    /// Of one group's commit, its sync included.
    pub commit: LatencyFigures,
}

/// A histogram of latencies.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LatencyFigures {
    /// How many fell at or below each of [`LATENCY_BUCKETS_MICROS`] and above the one before (not cumulative).
    pub buckets: [u64; BUCKETS],
    /// How many were longer than the last bound.
    pub longer: u64,
    /// The sum of all, in microseconds.
    pub sum_micros: u64,
}

impl LatencyFigures {
    /// How many were measured.
    pub fn count(&self) -> u64 {
        self.buckets.iter().sum::<u64>() + self.longer
    }
}

/// The counters behind [`StoreFigures`]; written by storage threads, read by anybody.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub groups: AtomicU64,
    pub writes: AtomicU64,
    pub reads: AtomicU64,
    pub refused: AtomicU64,
    pub failed: AtomicU64,
    pub durable: Latencies,
    pub commit: Latencies,
}

impl Counters {
    /// The totals; the queues' depths are the caller's to add.
    pub fn figures(&self) -> StoreFigures {
        StoreFigures {
            write_queue_ops: 0,
            read_queue_ops: 0,
            groups: self.groups.load(Relaxed),
            writes: self.writes.load(Relaxed),
            reads: self.reads.load(Relaxed),
            refused: self.refused.load(Relaxed),
            failed: self.failed.load(Relaxed),
            durable: self.durable.figures(),
            commit: self.commit.figures(),
        }
    }
}

/// A histogram that many threads may write.
#[derive(Debug, Default)]
pub(crate) struct Latencies {
    buckets: [AtomicU64; BUCKETS],
    longer: AtomicU64,
    sum_micros: AtomicU64,
}

impl Latencies {
    pub fn record(&self, latency: Duration) {
        let micros = u64::try_from(latency.as_micros()).unwrap_or(u64::MAX);
        let at = LATENCY_BUCKETS_MICROS.partition_point(|bound| *bound < micros);
        self.buckets.get(at).unwrap_or(&self.longer).fetch_add(1, Relaxed);
        self.sum_micros.fetch_add(micros, Relaxed);
    }

    fn figures(&self) -> LatencyFigures {
        LatencyFigures {
            buckets: std::array::from_fn(|at| self.buckets[at].load(Relaxed)),
            longer: self.longer.load(Relaxed),
            sum_micros: self.sum_micros.load(Relaxed),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_latency_falls_into_the_bucket_whose_bound_it_does_not_pass() {
        let latencies = Latencies::default();
        for micros in [0, 16, 17, 8_388_608, 8_388_609] {
            latencies.record(Duration::from_micros(micros));
        }
        let figures = latencies.figures();
        assert_eq!((figures.buckets[0], figures.buckets[1], figures.buckets[19], figures.longer), (2, 1, 1, 1));
        assert_eq!((figures.count(), figures.sum_micros), (5, 16_777_250));
    }
}
