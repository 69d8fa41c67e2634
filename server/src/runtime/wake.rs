//! The bell of a shard: how another thread ends its wait. Must not know what the news is; whoever rings has
//! put it into a queue before.
//!
//! The flag says "awake": while it is set the shard looks into its queues before it sleeps, so a ring costs
//! one atomic exchange and no syscall. Only a ring at a sleeping shard writes to the eventfd.
#![allow(unsafe_code)]

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// The shard's end: owned by its readiness set, which says when it goes to sleep.
#[derive(Debug)]
pub struct Wake(Arc<Bell>);

/// A sender's end: clone one for each thread that has news for the shard.
#[derive(Clone, Debug)]
pub struct Waker(Arc<Bell>);

/// The flag has a cache line for itself: every sender writes to it.
#[derive(Debug)]
#[repr(align(128))]
struct Bell {
    awake: AtomicBool,
    eventfd: OwnedFd,
}

impl Wake {
    /// A bell whose shard is awake. Fails with the kernel's error when no eventfd can be made.
    pub fn new() -> io::Result<Self> {
        // SAFETY: eventfd takes no pointers; the result is checked before use.
        let raw = unsafe { libc::eventfd(0, libc::EFD_CLOEXEC | libc::EFD_NONBLOCK) };
        if raw < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: `raw` is a fresh descriptor that nobody else owns.
        let eventfd = unsafe { OwnedFd::from_raw_fd(raw) };
        Ok(Self(Arc::new(Bell { awake: AtomicBool::new(true), eventfd })))
    }

    /// An end for a sender.
    pub fn waker(&self) -> Waker {
        Waker(Arc::clone(&self.0))
    }

    /// Says that the shard is about to sleep. The caller must look into its queues once more after this
    /// and before it parks: news put there by a ring that found the shard awake is visible by then.
    pub fn fall_asleep(&self) {
        // An exchange, not a store: it reads what the last ring wrote, so it synchronizes with that ring and
        // sees the news pushed before it. A ring that comes later finds `false` and writes to the eventfd.
        self.0.awake.swap(false, Ordering::AcqRel);
    }

    /// Says that the shard runs. Again an exchange, so that the chain of exchanges is never cut.
    pub fn stay_awake(&self) {
        self.0.awake.swap(true, Ordering::AcqRel);
    }
}

impl AsFd for Wake {
    /// The eventfd, to be watched edge-triggered: each write is an edge, so it is never read.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.eventfd.as_fd()
    }
}

impl Waker {
    /// Makes the shard look into its queues: push the news first, then ring.
    pub fn ring(&self) {
        if !self.0.awake.swap(true, Ordering::AcqRel) {
            let one: u64 = 1;
            // SAFETY: the pointer and length name the eight bytes of `one`, which outlives the call. The write
            // can only fail when the counter is at its end (2^64 - 2 rings), and then the edge is there already.
            unsafe { libc::write(self.0.eventfd.as_raw_fd(), (&raw const one).cast(), size_of::<u64>()) };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crossbeam_channel::bounded;

    fn sleep_until_rung(wake: &Wake) -> bool {
        let mut poll = libc::pollfd { fd: wake.as_fd().as_raw_fd(), events: libc::POLLIN, revents: 0 };
        // SAFETY: `poll` is one valid pollfd and the count says so.
        let ready = unsafe { libc::poll(&raw mut poll, 1, 5_000) };
        let mut count = 0_u64;
        // SAFETY: eight bytes of `count` are writable.
        unsafe { libc::read(wake.as_fd().as_raw_fd(), (&raw mut count).cast(), size_of::<u64>()) };
        ready == 1
    }

    #[test]
    fn a_ring_at_an_awake_shard_makes_no_syscall() {
        let wake = Wake::new().unwrap();
        wake.waker().ring();
        let mut poll = libc::pollfd { fd: wake.as_fd().as_raw_fd(), events: libc::POLLIN, revents: 0 };
        // SAFETY: as above.
        assert_eq!(unsafe { libc::poll(&raw mut poll, 1, 0) }, 0, "nothing was written");
        wake.fall_asleep();
        wake.waker().ring();
        assert!(sleep_until_rung(&wake));
    }

    /// Would hang (and fail after 5 s) if a ring could be lost between the last look and the sleep.
    #[test]
    fn no_ring_is_lost_under_stress() {
        const EACH: u64 = 100_000;
        let wake = Wake::new().unwrap();
        let (to, inbox) = bounded(64);
        let senders: Vec<_> = (0..3)
            .map(|_| {
                let (to, waker) = (to.clone(), wake.waker());
                std::thread::spawn(move || {
                    for n in 0..EACH {
                        to.send(n).unwrap();
                        waker.ring();
                    }
                })
            })
            .collect();
        let (mut seen, mut slept) = (0, 0);
        while seen < 3 * EACH {
            seen += inbox.try_iter().count() as u64;
            wake.fall_asleep();
            if inbox.is_empty() && seen < 3 * EACH {
                assert!(sleep_until_rung(&wake), "lost a ring after {seen} messages");
                slept += 1;
            }
            wake.stay_awake();
        }
        for sender in senders {
            sender.join().unwrap();
        }
        assert!(slept > 0, "the test never slept, so it showed nothing");
    }
}
