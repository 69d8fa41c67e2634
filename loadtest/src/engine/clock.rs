//! The one clock: CLOCK_MONOTONIC, which all processes of a host share, so a time stamp in a message means the same to
//! whoever hears it.

use rustix::time::{ClockId, clock_gettime};

use crate::measure::Nanos;

/// Now, nanoseconds since the host's start.
pub fn now() -> Nanos {
    let time = clock_gettime(ClockId::Monotonic);
    let (seconds, nanos) = (u64::try_from(time.tv_sec), u64::try_from(time.tv_nsec));
    seconds.unwrap_or(0) * 1_000_000_000 + nanos.unwrap_or(0)
}

/// CPU time of this process so far, nanoseconds.
pub fn cpu() -> Nanos {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    let (seconds, nanos) = (u64::try_from(time.tv_sec), u64::try_from(time.tv_nsec));
    seconds.unwrap_or(0) * 1_000_000_000 + nanos.unwrap_or(0)
}

/// Has the kernel wake this thread when it asked to be woken, not up to 50 us later (prctl(2), PR_SET_TIMERSLACK).
pub fn be_punctual() {
    if let Some(slack) = std::num::NonZeroU64::new(1) {
        // Without it the lag is a little larger, and is measured.
        let _ = rustix::thread::set_current_timer_slack(Some(slack));
    }
}
