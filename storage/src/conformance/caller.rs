//! A shard for suites and tests: submits and waits. Must not know engines.

use std::collections::HashMap;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use switchboard_protocol::model::{Found, Read, Write, Written};

use crate::{Completions, Done, Op, Store, StoreError, Ticket};

/// How long an answer may take before a suite fails.
const PATIENCE: Duration = Duration::from_secs(30);

/// Keeps what the store tells, for [`Caller`] and for tests.
#[derive(Debug, Default)]
pub struct Inbox {
    heard: Mutex<Heard>,
    changed: Condvar,
}

/// What was heard so far.
#[derive(Debug, Default)]
pub struct Heard {
    /// Answers not taken yet, by number.
    pub done: HashMap<u64, Done>,
    /// The numbers in the order of their answers.
    pub order: Vec<u64>,
    /// How often the shards were woken.
    pub wakes: u64,
    /// How often it was told that the condition is another.
    pub changes: u64,
    /// What was told as fatal.
    pub fatal: Vec<StoreError>,
}

impl Inbox {
    /// Looks at what was heard.
    pub fn look<T>(&self, look: impl FnOnce(&Heard) -> T) -> T {
        look(&self.heard.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Waits until `take` takes something; panics after 30 s.
    pub fn wait<T>(&self, mut take: impl FnMut(&mut Heard) -> Option<T>) -> T {
        let until = Instant::now() + PATIENCE;
        let mut heard = self.heard.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            if let Some(taken) = take(&mut heard) {
                return taken;
            }
            let left = until.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "the store gave no answer in 30 s: {heard:?}");
            (heard, _) = self.changed.wait_timeout(heard, left).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn hear(&self, hear: impl FnOnce(&mut Heard)) {
        hear(&mut self.heard.lock().unwrap_or_else(PoisonError::into_inner));
        self.changed.notify_all();
    }
}

impl Completions for Inbox {
    fn done(&self, ticket: Ticket, done: Done) {
        self.hear(|heard| {
            heard.order.push(ticket.number);
            heard.done.insert(ticket.number, done);
        });
    }

    fn condition_changed(&self) {
        self.hear(|heard| heard.changes += 1);
    }

    fn wake(&self) {
        self.hear(|heard| heard.wakes += 1);
    }

    fn fatal(&self, error: StoreError) {
        self.hear(|heard| heard.fatal.push(error));
    }
}

/// A store and its inbox, used one call at a time.
pub struct Caller {
    /// The store.
    pub store: Arc<dyn Store>,
    /// What it told.
    pub inbox: Arc<Inbox>,
    /// Whether the store lists what has expired, to be forgotten by whoever asks.
    pub swept: bool,
    next: Mutex<u64>,
}

impl Caller {
    /// Opens a store for itself.
    pub fn open(open: impl FnOnce(Arc<dyn Completions>) -> Arc<dyn Store>) -> Self {
        let inbox = Arc::new(Inbox::default());
        Self { store: open(inbox.clone()), inbox, swept: true, next: Mutex::new(0) }
    }

    /// Submits and gives the ticket's number.
    pub fn submit(&self, op: Op) -> u64 {
        let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
        *next += 1;
        let ticket = Ticket { shard: 0, number: *next };
        self.store.submit(ticket, op).expect("a suite never fills the queue");
        *next
    }

    /// Waits for an answer.
    pub fn wait(&self, number: u64) -> Done {
        self.inbox.wait(|heard| heard.done.remove(&number))
    }

    /// Writes and waits.
    pub fn write(&self, write: Write) -> Written {
        self.written(self.submit(Op::Write(write)))
    }

    /// Waits for a write.
    pub fn written(&self, number: u64) -> Written {
        match self.wait(number) {
            Done::Written(written) => written,
            other => panic!("expected a write to succeed: {other:?}"),
        }
    }

    /// Reads and waits.
    pub fn read(&self, read: Read) -> Found {
        match self.wait(self.submit(Op::Read(read))) {
            Done::Found(found) => found,
            other => panic!("expected a read to succeed: {other:?}"),
        }
    }
}
