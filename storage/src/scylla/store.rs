//! The store as shards see it: operations cross to the storage thread and their outcomes come back, and nobody blocks.
//! Must not know what an operation does.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::thread::JoinHandle;
use std::time::Instant;

use switchboard_protocol::model::limits::{STORE_READ_QUEUE_OPS, STORE_WRITE_QUEUE_OPS};
use tokio::sync::Notify;
use tokio::sync::mpsc::UnboundedSender;

use crate::condition::ConditionCell;
use crate::figures::Counters;
use crate::{Completions, Condition, Full, Op, Store, StoreError, StoreFigures, Ticket};

/// An operation on its way to the storage thread.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) ticket: Ticket,
    pub(super) op: Op,
    pub(super) submitted: Instant,
}

/// What shards and the storage thread share.
pub(super) struct Shared {
    pub(super) counters: Counters,
    pub(super) completions: Arc<dyn Completions>,
    /// Writes and reads that were taken and are not finished.
    writes: AtomicUsize,
    reads: AtomicUsize,
    condition: ConditionCell,
    failed: AtomicBool,
    /// Something was told, or the last operation is finished.
    pub(super) wanted: Notify,
}

impl Shared {
    pub(super) fn new(completions: Arc<dyn Completions>) -> Arc<Self> {
        Arc::new(Self {
            counters: Counters::default(),
            completions,
            writes: AtomicUsize::new(0),
            reads: AtomicUsize::new(0),
            condition: ConditionCell::default(),
            failed: AtomicBool::new(false),
            wanted: Notify::new(),
        })
    }

    /// Counts an operation in, unless there are as many as there may be.
    fn take(&self, op: &Op) -> bool {
        let (count, most) = match op {
            Op::Write(_) => (&self.writes, STORE_WRITE_QUEUE_OPS),
            Op::Read(_) => (&self.reads, STORE_READ_QUEUE_OPS),
        };
        let room = |under_way: usize| (under_way < most).then_some(under_way + 1);
        count.fetch_update(Ordering::AcqRel, Ordering::Acquire, room).is_ok()
    }

    /// An operation is finished.
    pub(super) fn finished(&self, write: bool) {
        let count = if write { &self.writes } else { &self.reads };
        count.fetch_sub(1, Ordering::AcqRel);
    }

    /// Whether nothing is under way.
    pub(super) fn idle(&self) -> bool {
        self.writes.load(Ordering::Acquire) == 0 && self.reads.load(Ordering::Acquire) == 0
    }

    /// Whether so many writes wait that new ones had better not come.
    pub(super) fn is_behind(&self) -> bool {
        self.writes.load(Ordering::Acquire) > STORE_WRITE_QUEUE_OPS / 4 * 3
    }

    /// Whether the cluster carries statements out, as of now.
    pub(super) fn is(&self, condition: Condition) {
        if self.condition.set(condition) {
            self.completions.condition_changed();
        }
    }

    /// Tells, once, that the process must end.
    pub(super) fn fail(&self, error: StoreError) {
        if !self.failed.swap(true, Ordering::AcqRel) {
            self.completions.fatal(error);
        }
    }

    pub(super) fn has_failed(&self) -> bool {
        self.failed.load(Ordering::Acquire)
    }
}

/// A CQL cluster as a store.
pub(super) struct Scylla {
    shared: Arc<Shared>,
    /// `None` once closed. Write-locked for that moment only, so `submit` only ever tries.
    queue: RwLock<Option<UnboundedSender<Asked>>>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Scylla {
    pub(super) fn new(shared: Arc<Shared>, queue: UnboundedSender<Asked>, thread: JoinHandle<()>) -> Self {
        Self { shared, queue: RwLock::new(Some(queue)), thread: Mutex::new(Some(thread)) }
    }

    #[expect(clippy::result_large_err, reason = "as `Store::submit`")]
    fn send(&self, ticket: Ticket, op: Op) -> Result<(), Op> {
        let queue = self.queue.try_read();
        let Ok(Some(queue)) = queue.as_deref() else { return Err(op) };
        if self.shared.has_failed() || !self.shared.take(&op) {
            return Err(op);
        }
        // Not bounded by itself: what is under way is.
        queue.send(Asked { ticket, op, submitted: Instant::now() }).map_err(|refused| {
            self.shared.finished(matches!(refused.0.op, Op::Write(_)));
            refused.0.op
        })
    }
}

impl Store for Scylla {
    fn submit(&self, ticket: Ticket, op: Op) -> Result<(), Full> {
        self.send(ticket, op).map_err(|op| {
            self.shared.counters.refused.fetch_add(1, Ordering::Relaxed);
            Full(op)
        })
    }

    fn close(&self) {
        self.queue.write().unwrap_or_else(PoisonError::into_inner).take();
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = thread {
            // A panic was already told as fatal by the thread's guard.
            let _ = thread.join();
        }
    }

    fn condition(&self) -> Condition {
        self.shared.condition.get()
    }

    fn figures(&self) -> StoreFigures {
        StoreFigures {
            write_queue_ops: self.shared.writes.load(Ordering::Relaxed) as u64,
            read_queue_ops: self.shared.reads.load(Ordering::Relaxed) as u64,
            ..self.shared.counters.figures()
        }
    }
}

impl Drop for Scylla {
    fn drop(&mut self) {
        self.close();
    }
}
