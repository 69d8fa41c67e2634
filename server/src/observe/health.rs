//! `/livez` and `/readyz`: where the process is in its life. Shared by all shards; no lock.

use std::borrow::Cow;
use std::sync::atomic::{AtomicU8, Ordering};

use switchboard_storage::Condition;

/// Where the process is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Phase {
    /// Storage is being opened, or the desk rebuilt.
    Starting,
    /// Serves.
    Ready,
    /// Was told to end: serves what it has, takes nothing new.
    Draining,
}

/// The phase, as one word of memory.
#[derive(Debug, Default)]
pub struct Health(AtomicU8);

impl Health {
    /// Starting.
    pub const fn new() -> Self {
        Self(AtomicU8::new(Phase::Starting as u8))
    }

    /// The phase now.
    pub fn phase(&self) -> Phase {
        match self.0.load(Ordering::Acquire) {
            0 => Phase::Starting,
            1 => Phase::Ready,
            _ => Phase::Draining,
        }
    }

    /// Serves from now on, unless it was told to end meanwhile.
    pub fn ready(&self) {
        let (from, to) = (Phase::Starting as u8, Phase::Ready as u8);
        // A failure is the other phases, which both stay.
        let _ = self.0.compare_exchange(from, to, Ordering::AcqRel, Ordering::Acquire);
    }

    /// Ends; there is no way back.
    pub fn drain(&self) {
        self.0.store(Phase::Draining as u8, Ordering::Release);
    }

    /// Status and body of `/livez`: 200 as long as the process answers at all.
    pub fn livez(&self) -> (u16, &'static str) {
        (200, "ok\n")
    }

    /// Status and body of `/readyz`: 200 only while new connections are welcome and storage takes what they send.
    pub fn readyz(&self, storage: Condition) -> (u16, Cow<'static, str>) {
        match (self.phase(), storage) {
            (Phase::Starting, _) => (503, "starting\n".into()),
            (Phase::Ready, Condition::Writable) => (200, "ok\n".into()),
            (Phase::Ready, Condition::Unwritable(why)) => (503, format!("storage: {}\n", why.text()).into()),
            (Phase::Draining, _) => (503, "draining\n".into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use switchboard_storage::Why;

    use super::*;

    #[test]
    fn ready_only_between_start_and_drain() {
        let health = Health::new();
        let full = Condition::Unwritable(Why::DiskFull);
        assert_eq!(health.readyz(Condition::Writable), (503, "starting\n".into()));
        health.ready();
        assert_eq!(health.readyz(Condition::Writable), (200, "ok\n".into()));
        assert_eq!(health.readyz(full), (503, "storage: the disk is full\n".into()));
        assert_eq!(health.readyz(Condition::Writable), (200, "ok\n".into()));
        health.drain();
        health.ready();
        assert_eq!(health.readyz(full), (503, "draining\n".into()));
        assert_eq!(health.livez().0, 200);
    }
}
