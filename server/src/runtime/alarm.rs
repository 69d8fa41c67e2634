//! The one runtime timer of a shard: a timerfd in its readiness set, armed for the wheel's next deadline. Must
//! not know what is due; its only effect is that a wait ends.
#![allow(unsafe_code)]

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

/// A timer that ends the shard's wait. Register it with [`Readiness::watch_alarm`](super::Readiness::watch_alarm).
#[derive(Debug)]
pub struct Alarm {
    timerfd: OwnedFd,
    armed_for_ms: Option<u64>,
}

impl Alarm {
    /// An alarm that is not armed.
    pub fn new() -> io::Result<Self> {
        // SAFETY: timerfd_create takes no pointers; the result is checked before use.
        let raw = unsafe { libc::timerfd_create(libc::CLOCK_MONOTONIC, libc::TFD_CLOEXEC | libc::TFD_NONBLOCK) };
        if raw < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: `raw` is a fresh descriptor that nobody else owns.
        let timerfd = unsafe { OwnedFd::from_raw_fd(raw) };
        Ok(Self { timerfd, armed_for_ms: None })
    }

    /// Makes the wait end at `deadline_ms` at the latest; both values are [`Clock::now_ms`](super::Clock::now_ms).
    ///
    /// Costs a syscall only when nothing earlier is armed: a deadline that moved later leaves the alarm as it is, and
    /// the shard wakes once for nothing.
    pub fn arm(&mut self, deadline_ms: Option<u64>, now_ms: u64) -> io::Result<()> {
        let pending = self.armed_for_ms.filter(|armed| *armed > now_ms);
        let Some(deadline_ms) = deadline_ms else {
            self.armed_for_ms = pending;
            return Ok(());
        };
        if pending.is_some_and(|armed| armed <= deadline_ms) {
            return Ok(());
        }
        // Zero would disarm; a deadline of the past rings after a millisecond.
        let delay_ms = deadline_ms.saturating_sub(now_ms).max(1);
        self.set(delay_ms)?;
        self.armed_for_ms = Some(now_ms + delay_ms);
        Ok(())
    }

    fn set(&self, delay_ms: u64) -> io::Result<()> {
        // Both fields are within i64 for every u64 of milliseconds that fits a century; beyond it, a century will do.
        let delay_ms = i64::try_from(delay_ms).unwrap_or(i64::MAX).min(100 * 365 * 86_400_000);
        let zero = libc::timespec { tv_sec: 0, tv_nsec: 0 };
        let value = libc::timespec { tv_sec: delay_ms / 1000, tv_nsec: delay_ms % 1000 * 1_000_000 };
        let spec = libc::itimerspec { it_interval: zero, it_value: value };
        // SAFETY: `spec` is valid for the call; the old value is not asked for.
        let result =
            unsafe { libc::timerfd_settime(self.timerfd.as_raw_fd(), 0, &raw const spec, std::ptr::null_mut()) };
        if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
    }
}

impl AsFd for Alarm {
    /// The timerfd, to be watched edge-triggered: each expiry is an edge, so it is never read.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.timerfd.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arms_only_for_an_earlier_deadline() {
        let mut alarm = Alarm::new().unwrap();
        alarm.arm(Some(5_000), 1_000).unwrap();
        assert_eq!(alarm.armed_for_ms, Some(5_000));
        alarm.arm(Some(6_000), 1_000).unwrap();
        assert_eq!(alarm.armed_for_ms, Some(5_000), "later: left as it is");
        alarm.arm(Some(2_000), 1_000).unwrap();
        assert_eq!(alarm.armed_for_ms, Some(2_000), "earlier: armed anew");
        alarm.arm(Some(6_000), 2_000).unwrap();
        assert_eq!(alarm.armed_for_ms, Some(6_000), "the old one has rung");
        alarm.arm(None, 6_000).unwrap();
        assert_eq!(alarm.armed_for_ms, None);
        alarm.arm(Some(10), 6_000).unwrap();
        assert_eq!(alarm.armed_for_ms, Some(6_001), "the past rings at once");
    }
}
