//! Whether a store can write, kept where shards look at it once a turn. Must not know why it cannot.

use std::sync::atomic::{AtomicU8, Ordering};

use switchboard_protocol::model::{Condition, Why};

/// A [`Condition`] as one word of memory.
#[derive(Debug, Default)]
pub struct ConditionCell(AtomicU8);

impl ConditionCell {
    /// What was set last; at first that it is writable.
    pub fn get(&self) -> Condition {
        match self.0.load(Ordering::Acquire) {
            DISK_FULL => Condition::Unwritable(Why::DiskFull),
            CLUSTER_AWAY => Condition::Unwritable(Why::ClusterAway),
            BEHIND => Condition::Unwritable(Why::Behind),
            _ => Condition::Writable,
        }
    }

    /// Sets it; whether it was another. Who changed it then calls `Completions::condition_changed`.
    pub fn set(&self, condition: Condition) -> bool {
        let code = match condition {
            Condition::Writable => WRITABLE,
            Condition::Unwritable(Why::DiskFull) => DISK_FULL,
            Condition::Unwritable(Why::ClusterAway) => CLUSTER_AWAY,
            Condition::Unwritable(Why::Behind) => BEHIND,
        };
        self.0.swap(code, Ordering::AcqRel) != code
    }
}

const WRITABLE: u8 = 0;
const DISK_FULL: u8 = 1;
const CLUSTER_AWAY: u8 = 2;
const BEHIND: u8 = 3;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_set_is_got_and_news_is_told_once() {
        let cell = ConditionCell::default();
        assert_eq!(cell.get(), Condition::Writable);
        assert!(!cell.set(Condition::Writable));
        for why in [Why::DiskFull, Why::ClusterAway, Why::Behind] {
            assert!(cell.set(Condition::Unwritable(why)));
            assert_eq!(cell.get(), Condition::Unwritable(why));
            assert!(!cell.set(Condition::Unwritable(why)));
        }
        assert!(cell.set(Condition::Writable));
    }
}
