//! `/livez` and `/readyz`: where the process is in its life. Shared by all shards; no lock.

use std::sync::atomic::{AtomicU8, Ordering};

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

    /// Status and body of `/readyz`: 200 only while new connections are welcome.
    pub fn readyz(&self) -> (u16, &'static str) {
        match self.phase() {
            Phase::Starting => (503, "starting\n"),
            Phase::Ready => (200, "ok\n"),
            Phase::Draining => (503, "draining\n"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ready_only_between_start_and_drain() {
        let health = Health::new();
        assert_eq!(health.readyz(), (503, "starting\n"));
        health.ready();
        assert_eq!(health.readyz(), (200, "ok\n"));
        health.drain();
        health.ready();
        assert_eq!(health.readyz(), (503, "draining\n"));
        assert_eq!(health.livez().0, 200);
    }
}
