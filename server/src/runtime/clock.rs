//! The shard's two clocks, read once a turn. Must not be read by the domain: the shard hands values in.

use std::sync::OnceLock;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use switchboard_protocol::model::Timestamp;

/// Wall time for records and monotonic time for deadlines, both as they were when the turn began.
///
/// The monotonic zero is one per process, so a deadline keeps its meaning when a connection moves to
/// another shard.
#[derive(Clone, Debug)]
pub struct Clock {
    wall: Timestamp,
    now_ms: u64,
}

impl Clock {
    /// A clock that has been read once.
    pub fn new() -> Self {
        let mut clock = Self { wall: Timestamp::from_millis(0), now_ms: 0 };
        clock.turn();
        clock
    }

    /// Reads both clocks; everything in the turn that begins sees these values.
    ///
    /// Wall time never runs backwards within a shard, so records do not go back in time when the machine's clock
    /// is corrected.
    pub fn turn(&mut self) {
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let wall_ms = u64::try_from(since_epoch.as_millis()).unwrap_or(u64::MAX);
        self.wall = self.wall.max(Timestamp::from_millis(wall_ms));
        self.now_ms = monotonic_ms();
    }

    /// Wall time of this turn, for records.
    pub fn wall(&self) -> Timestamp {
        self.wall
    }

    /// Monotonic milliseconds of this turn since the process first asked, for deadlines.
    pub fn now_ms(&self) -> u64 {
        self.now_ms
    }
}

impl Default for Clock {
    fn default() -> Self {
        Self::new()
    }
}

fn monotonic_ms() -> u64 {
    static ZERO: OnceLock<Instant> = OnceLock::new();
    let zero = *ZERO.get_or_init(Instant::now);
    u64::try_from(zero.elapsed().as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn values_stand_still_within_a_turn_and_agree_between_shards() {
        let mut here = Clock::new();
        let before = (here.wall(), here.now_ms());
        std::thread::sleep(Duration::from_millis(15));
        assert_eq!((here.wall(), here.now_ms()), before);
        here.turn();
        assert!(here.now_ms() >= before.1 + 15);
        assert!(here.wall() > before.0);
        let there = std::thread::spawn(|| Clock::new().now_ms()).join().unwrap();
        assert!(there >= here.now_ms(), "one zero for the process: {there} < {}", here.now_ms());
    }
}
