//! Makes a [`Store`] of a blocking engine: one writer thread that commits in groups, and a few readers.
//! Must not know which engine it drives.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, TrySendError, bounded};
use switchboard_protocol::model::limits::{
    STORE_GROUP_WRITES, STORE_LOOK_MS, STORE_READ_GROUP_OPS, STORE_READ_QUEUE_OPS, STORE_READER_THREADS,
    STORE_WRITE_QUEUE_OPS,
};
use switchboard_protocol::model::{Found, Read, Write, Written};

use crate::figures::Counters;
use crate::{Completions, Condition, ConditionCell, Done, Full, Op, Store, StoreError, StoreFigures, Ticket};

/// What became of one write of a committed group: durable, or failed alone and changed nothing.
pub type Outcome = Result<Written, StoreError>;

/// An engine that blocks. `commit` is called by one thread at a time, `read` by several beside it.
pub trait Engine: Send + Sync + 'static {
    /// Applies the writes in order, each seeing those before it, and makes them durable together: when it
    /// returns `Ok` all are, one outcome for each. An error is fatal: nobody knows what is durable.
    fn commit(&self, writes: &[Write]) -> Result<Vec<Outcome>, StoreError>;
    /// Whether what is committed now could be made durable. Asked by the thread that commits, every `STORE_LOOK_MS`.
    fn condition(&self) -> Condition {
        Condition::Writable
    }
    /// Answers from what was committed.
    fn read(&self, read: &Read) -> Result<Found, StoreError>;
}

/// A blocking engine behind bounded queues.
pub struct Threaded {
    shared: Arc<Shared>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

struct Shared {
    /// `None` once closed or failed. Write-locked for that moment only, so `submit` only ever tries.
    queues: RwLock<Option<Queues>>,
    failed: AtomicBool,
    counters: Counters,
    condition: ConditionCell,
    completions: Arc<dyn Completions>,
}

struct Queues {
    writes: Sender<QueuedWrite>,
    reads: Sender<(Ticket, Read)>,
}

struct QueuedWrite {
    ticket: Ticket,
    write: Write,
    submitted: Instant,
}

impl Threaded {
    /// Starts the threads that own `engine`; it is dropped when the store is closed. Fails with `Io` if the
    /// system gives no threads.
    pub fn start<E: Engine>(engine: E, completions: Arc<dyn Completions>) -> Result<Self, StoreError> {
        let (writes, writes_in) = bounded(STORE_WRITE_QUEUE_OPS);
        let (reads, reads_in) = bounded(STORE_READ_QUEUE_OPS);
        let store = Self {
            shared: Arc::new(Shared {
                queues: RwLock::new(Some(Queues { writes, reads })),
                failed: AtomicBool::new(false),
                counters: Counters::default(),
                condition: ConditionCell::default(),
                completions,
            }),
            threads: Mutex::default(),
        };
        let engine = Arc::new(engine);
        store.shared.condition.set(engine.condition());
        for number in 0..STORE_READER_THREADS {
            let (shared, engine, reads_in) = (store.shared.clone(), engine.clone(), reads_in.clone());
            store.spawn(format!("store-read-{number}"), move || {
                answer_reads(&shared, &*engine, &reads_in);
            })?;
        }
        let shared = store.shared.clone();
        store.spawn("store-write".into(), move || commit_groups(&shared, &*engine, &writes_in))?;
        Ok(store)
    }

    fn spawn(&self, name: String, body: impl FnOnce() + Send + 'static) -> Result<(), StoreError> {
        let shared = self.shared.clone();
        let guarded = move || {
            let _guard = PanicGuard(shared);
            body();
        };
        let thread = std::thread::Builder::new()
            .name(name)
            .spawn(guarded)
            .map_err(|error| StoreError::io("starting a storage thread", error))?;
        self.threads.lock().unwrap_or_else(PoisonError::into_inner).push(thread);
        Ok(())
    }
}

impl Store for Threaded {
    fn submit(&self, ticket: Ticket, op: Op) -> Result<(), Full> {
        let refused = match self.shared.queues.try_read().as_deref() {
            Ok(Some(queues)) => queues.try_send(ticket, op),
            Ok(None) | Err(_) => Err(op),
        };
        refused.map_err(|op| {
            self.shared.counters.refused.fetch_add(1, Ordering::Relaxed);
            Full(op)
        })
    }

    fn close(&self) {
        self.shared.take_no_more();
        let threads = std::mem::take(&mut *self.threads.lock().unwrap_or_else(PoisonError::into_inner));
        for thread in threads {
            // A panic was already told as fatal by the thread's guard.
            let _ = thread.join();
        }
    }

    fn condition(&self) -> Condition {
        self.shared.condition.get()
    }

    fn figures(&self) -> StoreFigures {
        let mut figures = self.shared.counters.figures();
        if let Ok(Some(queues)) = self.shared.queues.try_read().as_deref() {
            figures.write_queue_ops = queues.writes.len() as u64;
            figures.read_queue_ops = queues.reads.len() as u64;
        }
        figures
    }
}

impl Drop for Threaded {
    fn drop(&mut self) {
        self.close();
    }
}

impl Queues {
    #[expect(clippy::result_large_err, reason = "as `Store::submit`")]
    fn try_send(&self, ticket: Ticket, op: Op) -> Result<(), Op> {
        match op {
            Op::Write(write) => {
                let queued = QueuedWrite { ticket, write, submitted: Instant::now() };
                self.writes.try_send(queued).map_err(|error| match error {
                    TrySendError::Full(queued) | TrySendError::Disconnected(queued) => Op::Write(queued.write),
                })
            }
            Op::Read(read) => self.reads.try_send((ticket, read)).map_err(|error| match error {
                TrySendError::Full((_, read)) | TrySendError::Disconnected((_, read)) => Op::Read(read),
            }),
        }
    }
}

impl Shared {
    /// Drops the senders: the threads finish what is queued and end.
    fn take_no_more(&self) {
        self.queues.write().unwrap_or_else(PoisonError::into_inner).take();
    }

    fn fail(&self, error: StoreError) {
        if !self.failed.swap(true, Ordering::AcqRel) {
            self.take_no_more();
            self.completions.fatal(error);
        }
    }

    fn has_failed(&self) -> bool {
        self.failed.load(Ordering::Acquire)
    }

    fn look_at(&self, engine: &impl Engine) {
        if self.condition.set(engine.condition()) {
            self.completions.condition_changed();
        }
    }

    fn failed_alone(&self, error: StoreError) -> Done {
        self.counters.failed.fetch_add(1, Ordering::Relaxed);
        tracing::error!(%error, "a storage operation failed");
        Done::Failed(error)
    }
}

/// Tells of a panic on a storage thread, which would otherwise leave askers waiting for ever.
struct PanicGuard(Arc<Shared>);

impl Drop for PanicGuard {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.fail(StoreError::Panicked);
        }
    }
}

/// The writer: drains what waits into a group, commits it by one sync, then acknowledges all of it. Beside that it looks
/// whether the engine can write, so that shards know before a write would fail.
fn commit_groups(shared: &Shared, engine: &impl Engine, queue: &Receiver<QueuedWrite>) {
    let mut askers = Vec::with_capacity(STORE_GROUP_WRITES);
    let mut writes = Vec::with_capacity(STORE_GROUP_WRITES);
    let mut look_at = Instant::now();
    loop {
        if Instant::now() >= look_at {
            look_at = Instant::now() + Duration::from_millis(STORE_LOOK_MS);
            shared.look_at(engine);
        }
        let first = match queue.recv_deadline(look_at) {
            Ok(first) => first,
            Err(RecvTimeoutError::Timeout) => continue,
            Err(RecvTimeoutError::Disconnected) => return,
        };
        for queued in std::iter::once(first).chain(queue.try_iter()).take(STORE_GROUP_WRITES) {
            askers.push((queued.ticket, queued.submitted));
            writes.push(queued.write);
        }
        if shared.has_failed() {
            return;
        }
        let began = Instant::now();
        let outcomes = match engine.commit(&writes) {
            Ok(outcomes) => outcomes,
            Err(error) => return shared.fail(error),
        };
        let now = Instant::now();
        assert_eq!(outcomes.len(), writes.len(), "an engine answers each write of a group");
        let counters = &shared.counters;
        counters.commit.record(now - began);
        counters.groups.fetch_add(1, Ordering::Relaxed);
        counters.writes.fetch_add(writes.len() as u64, Ordering::Relaxed);
        for ((ticket, submitted), outcome) in askers.drain(..).zip(outcomes) {
            counters.durable.record(now - submitted);
            let done = outcome.map_or_else(|error| shared.failed_alone(error), Done::Written);
            shared.completions.done(ticket, done);
        }
        writes.clear();
        shared.completions.wake();
    }
}

/// A reader: answers what waits, waking the shards after each little group.
fn answer_reads(shared: &Shared, engine: &impl Engine, queue: &Receiver<(Ticket, Read)>) {
    while let Ok(first) = queue.recv() {
        for (ticket, read) in std::iter::once(first).chain(queue.try_iter()).take(STORE_READ_GROUP_OPS) {
            let answer = engine.read(&read);
            if shared.has_failed() {
                return;
            }
            shared.counters.reads.fetch_add(1, Ordering::Relaxed);
            let done = answer.map_or_else(|error| shared.failed_alone(error), Done::Found);
            shared.completions.done(ticket, done);
        }
        shared.completions.wake();
    }
}
