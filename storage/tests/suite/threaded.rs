//! Slow, failing and full: what `Threaded` promises whatever the engine does. Must not know an engine's inside.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, bounded, unbounded};
use switchboard_protocol::model::limits::{STORE_GROUP_WRITES, STORE_WRITE_QUEUE_OPS};
use switchboard_protocol::model::{Found, Read, Side, Write, Written};
use switchboard_storage::conformance::{Caller, samples};
use switchboard_storage::{
    Condition, ConditionCell, Done, Engine, Faults, Full, Op, Outcome, StoreError, Threaded, Ticket, Why, open_memory,
};

/// An engine whose commits begin and end when the test says so.
struct Gated {
    /// The sizes of groups whose commit has begun.
    began: Sender<usize>,
    /// A value lets one commit end: whether it succeeds. Disconnected: all succeed.
    end: Receiver<bool>,
    committed: Arc<AtomicUsize>,
}

impl Engine for Gated {
    fn commit(&self, writes: &[Write]) -> Result<Vec<Outcome>, StoreError> {
        let _ = self.began.send(writes.len());
        if !self.end.recv().unwrap_or(true) {
            return Err(StoreError::Engine("the disk is gone".into()));
        }
        self.committed.fetch_add(writes.len(), Ordering::SeqCst);
        Ok(writes.iter().map(|_| Ok(Written::Durable)).collect())
    }

    fn read(&self, _: &Read) -> Result<Found, StoreError> {
        Err(StoreError::Corrupt { what: "all of it".into() })
    }
}

/// Dropped in this order: a test that fails opens the gate before its store is closed.
struct Gate {
    end: Sender<bool>,
    began: Receiver<usize>,
    caller: Caller,
    committed: Arc<AtomicUsize>,
}

fn gated() -> Gate {
    let (began, began_out) = unbounded();
    let (end_in, end) = bounded(1000);
    let committed = Arc::new(AtomicUsize::new(0));
    let engine = Gated { began, end, committed: committed.clone() };
    Gate {
        caller: Caller::open(|completions| Arc::new(Threaded::start(engine, completions).expect("threads start"))),
        began: began_out,
        end: end_in,
        committed,
    }
}

fn began(gate: &Gate) -> usize {
    gate.began.recv_timeout(Duration::from_secs(30)).expect("a commit begins")
}

fn some_write() -> Op {
    Op::Write(Write::DeleteAgent(samples::agent_id(1)))
}

fn done_count(caller: &Caller) -> usize {
    caller.inbox.look(|heard| heard.order.len())
}

#[test]
fn nothing_is_done_before_its_commit_returned() {
    let gate = gated();
    let number = gate.caller.submit(some_write());
    assert_eq!(began(&gate), 1);
    std::thread::sleep(Duration::from_millis(50));
    assert_eq!(done_count(&gate.caller), 0);
    gate.end.send(true).unwrap();
    assert_eq!(gate.caller.written(number), Written::Durable);
}

/// Writes what it is given, and says what the test wants of its condition.
struct Moody(Arc<ConditionCell>);

impl Engine for Moody {
    fn commit(&self, writes: &[Write]) -> Result<Vec<Outcome>, StoreError> {
        Ok(writes.iter().map(|_| Ok(Written::Durable)).collect())
    }

    fn condition(&self) -> Condition {
        self.0.get()
    }

    fn read(&self, _: &Read) -> Result<Found, StoreError> {
        Err(StoreError::Corrupt { what: "all of it".into() })
    }
}

#[test]
fn a_change_of_the_condition_is_told_without_any_write_and_what_is_submitted_is_written_all_the_same() {
    let full = Condition::Unwritable(Why::DiskFull);
    let mood = Arc::new(ConditionCell::default());
    mood.set(full);
    let engine = Moody(mood.clone());
    let caller = Caller::open(|completions| Arc::new(Threaded::start(engine, completions).expect("threads start")));
    assert_eq!(caller.store.condition(), full, "from the beginning");
    assert_eq!(caller.write(Write::DeleteAgent(samples::agent_id(1))), Written::Durable);
    for (changes, condition) in [(1, Condition::Writable), (2, full)] {
        mood.set(condition);
        caller.inbox.wait(|heard| (heard.changes == changes).then_some(()));
        assert_eq!(caller.store.condition(), condition);
    }
}

#[test]
fn writes_that_come_during_a_commit_are_the_next_groups() {
    let gate = gated();
    gate.caller.submit(some_write());
    assert_eq!(began(&gate), 1);
    for _ in 0..STORE_GROUP_WRITES + 10 {
        gate.caller.submit(some_write());
    }
    assert_eq!(gate.caller.store.figures().write_queue_ops, STORE_GROUP_WRITES as u64 + 10);
    gate.end.send(true).unwrap();
    assert_eq!(began(&gate), STORE_GROUP_WRITES);
    gate.end.send(true).unwrap();
    assert_eq!(began(&gate), 10);
    gate.end.send(true).unwrap();
    gate.caller.inbox.wait(|heard| (heard.wakes == 3).then_some(()));

    let figures = gate.caller.store.figures();
    assert_eq!((figures.groups, figures.writes), (3, STORE_GROUP_WRITES as u64 + 11));
    assert_eq!((figures.durable.count(), figures.commit.count()), (figures.writes, 3));
}

#[test]
fn a_failed_commit_is_fatal_once_and_nothing_of_it_is_done() {
    let gate = gated();
    let first = gate.caller.submit(some_write());
    began(&gate);
    for _ in 0..5 {
        gate.caller.submit(some_write());
    }
    gate.end.send(true).unwrap();
    assert_eq!(gate.caller.written(first), Written::Durable);
    assert_eq!(began(&gate), 5);
    gate.caller.submit(some_write());
    gate.end.send(false).unwrap();
    gate.caller.inbox.wait(|heard| (!heard.fatal.is_empty()).then_some(()));
    // Would let what waits be committed, if anybody still tried.
    drop(gate.end);

    let ticket = Ticket { shard: 3, number: 99 };
    let Err(Full(op)) = gate.caller.store.submit(ticket, some_write()) else { panic!("a failed store takes nothing") };
    assert_eq!(op, some_write());
    let read = Op::Read(Read::Conversation(samples::conversation_id(1)));
    assert!(gate.caller.store.submit(ticket, read).is_err(), "nor answers it from what may not be durable");
    gate.caller.store.close();
    assert_eq!(done_count(&gate.caller), 1, "neither the failing group nor what waited behind it");
    assert_eq!(gate.committed.load(Ordering::SeqCst), 1);
    gate.caller.inbox.look(|heard| {
        assert_eq!(heard.fatal.len(), 1);
        assert!(heard.fatal[0].is_fatal());
    });
}

#[test]
fn a_full_queue_gives_the_op_back_and_loses_nothing_it_took() {
    let gate = gated();
    gate.caller.submit(some_write());
    began(&gate);
    for _ in 0..STORE_WRITE_QUEUE_OPS {
        gate.caller.submit(some_write());
    }
    let ticket = Ticket { shard: 0, number: u64::MAX };
    let Err(Full(op)) = gate.caller.store.submit(ticket, some_write()) else { panic!("the queue is full") };
    assert_eq!(op, some_write());
    assert_eq!(gate.caller.store.figures().refused, 1);
    drop(gate.end);
    gate.caller.store.close();
    assert_eq!(done_count(&gate.caller), STORE_WRITE_QUEUE_OPS + 1, "close finishes what was taken");
}

#[test]
fn close_drains_and_then_takes_nothing() {
    let gate = gated();
    for _ in 0..300 {
        gate.caller.submit(some_write());
    }
    drop(gate.end);
    gate.caller.store.close();
    assert_eq!(done_count(&gate.caller), 300);
    assert_eq!(gate.committed.load(Ordering::SeqCst), 300);
    let ticket = Ticket { shard: 0, number: 301 };
    assert!(gate.caller.store.submit(ticket, some_write()).is_err());
    gate.caller.store.close();
}

#[test]
fn a_failed_read_fails_alone() {
    let gate = gated();
    let number = gate.caller.submit(Op::Read(Read::Conversation(samples::conversation_id(1))));
    assert!(matches!(gate.caller.wait(number), Done::Failed(StoreError::Corrupt { .. })));
    gate.end.send(true).unwrap();
    let number = gate.caller.submit(some_write());
    assert_eq!(gate.caller.written(number), Written::Durable);
    let figures = gate.caller.store.figures();
    assert_eq!((figures.failed, figures.reads), (1, 1));
}

#[test]
fn a_panicking_engine_is_fatal() {
    struct Panics;
    impl Engine for Panics {
        fn commit(&self, _: &[Write]) -> Result<Vec<Outcome>, StoreError> {
            panic!("on purpose")
        }
        fn read(&self, _: &Read) -> Result<Found, StoreError> {
            panic!("on purpose")
        }
    }
    let caller = Caller::open(|completions| Arc::new(Threaded::start(Panics, completions).unwrap()));
    caller.submit(some_write());
    caller.inbox.wait(|heard| matches!(heard.fatal[..], [StoreError::Panicked]).then_some(()));
    caller.store.close();
}

#[test]
fn the_memory_engine_fails_when_asked_to() {
    let faults = Faults {
        seed: 5,
        commit_delay: Duration::from_millis(20)..Duration::from_millis(21),
        fail_after_writes: Some(3),
        ..Faults::default()
    };
    let caller = Caller::open(|completions| open_memory(faults, completions).unwrap());
    let mut conversation = samples::conversation(1, samples::user(1));
    let mut confirmed = 0;
    for id in 1..=3 {
        caller.write(samples::append(&mut conversation, id, Side::Customer, None).0);
        confirmed += 1;
    }
    caller.submit(Op::Write(samples::append(&mut conversation, 4, Side::Customer, None).0));
    caller.inbox.wait(|heard| (!heard.fatal.is_empty()).then_some(()));
    assert_eq!(done_count(&caller), confirmed);
    let figures = caller.store.figures();
    assert!(figures.durable.sum_micros >= 60_000, "three commits of 20 ms each: {figures:?}");
}
