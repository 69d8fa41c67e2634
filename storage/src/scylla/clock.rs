//! Timestamps of writes: microseconds of the wall clock, never twice the same and never backwards, from one owner of the
//! store to the next. So the last write wins that was decided last, whatever order replicas hear them in, and a write of
//! a former owner that arrives late is older than any of its successor's. Must not know what is written.

use std::cell::Cell;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustix::time::{ClockId, clock_gettime};

/// Gives timestamps.
#[derive(Debug)]
pub(super) struct Timestamps {
    last: Cell<i64>,
    /// The greatest that may be given before the store's ownership is renewed.
    limit: Cell<i64>,
}

impl Timestamps {
    /// A clock whose first timestamp is above `floor`.
    pub(super) const fn above(floor: i64) -> Self {
        Self { last: Cell::new(floor), limit: Cell::new(i64::MAX) }
    }

    /// The next timestamp. A wall clock that has jumped beyond what was promised is not followed.
    pub(super) fn next(&self) -> i64 {
        let now = wall_micros();
        let next = self.last.get() + 1;
        let next = if now > self.limit.get() { next } else { next.max(now) };
        self.last.set(next);
        next
    }

    /// What may be promised as the greatest timestamp of the next `span`.
    pub(super) fn promise(&self, span: Duration) -> i64 {
        let span = i64::try_from(span.as_micros()).unwrap_or(i64::MAX);
        self.last.get().max(wall_micros()).saturating_add(span)
    }

    /// The promise has been written down.
    pub(super) fn promised(&self, limit: i64) {
        self.limit.set(limit);
    }

    /// The last one given.
    pub(super) fn last(&self) -> i64 {
        self.last.get()
    }
}

fn wall_micros() -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(now.as_micros()).unwrap_or(i64::MAX)
}

/// Time that also passes while the process is stopped and while the machine sleeps: what a lease is counted in.
pub(super) fn boottime() -> Duration {
    let now = clock_gettime(ClockId::Boottime);
    Duration::new(now.tv_sec.unsigned_abs(), u32::try_from(now.tv_nsec).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timestamps_ascend_from_above_the_floor() {
        let floor = wall_micros() + 60_000_000;
        let clock = Timestamps::above(floor);
        assert_eq!((clock.next(), clock.next()), (floor + 1, floor + 2));
        let clock = Timestamps::above(0);
        let (first, second) = (clock.next(), clock.next());
        assert!(first > 1_700_000_000_000_000 && second > first);
    }

    #[test]
    fn a_clock_that_jumps_beyond_the_promise_is_not_followed() {
        let clock = Timestamps::above(7);
        clock.promised(1_000);
        assert_eq!((clock.next(), clock.next()), (8, 9));
        assert!(clock.promise(Duration::from_secs(1)) > wall_micros());
    }
}
