//! What a durable message costs: the embedded engine on a real disk, behind its queue, with so many writes under way
//! at once. Each write is a message with its header and its dedup key, as a send with `client_msg_id` makes it.
#![allow(missing_docs)]

use std::sync::Arc;
use std::time::{Duration, Instant};

use criterion::{Criterion, SamplingMode, Throughput, criterion_group, criterion_main};
use crossbeam_channel::{Receiver, Sender, unbounded};
use switchboard_protocol::model::{Conversation, Found, Read, Side, Write, Written};
use switchboard_storage::conformance::samples;
use switchboard_storage::{Completions, Done, Embedded, Op, Store, StoreError, Threaded, Ticket};

/// Conversations that are written to in turn.
const CONVERSATIONS: u64 = 1_000;
const CONTENT_BYTES: usize = 200;

/// Hands what the store tells to the bench, one by one.
struct Told(Sender<Done>);

impl Completions for Told {
    fn done(&self, _: Ticket, done: Done) {
        // The bench may have ended.
        let _ = self.0.send(done);
    }

    fn condition_changed(&self) {}

    fn wake(&self) {}

    fn fatal(&self, error: StoreError) {
        panic!("the store failed: {error}");
    }
}

struct Bench {
    store: Threaded,
    told: Receiver<Done>,
    conversations: Vec<Conversation>,
    messages: u64,
    _dir: tempfile::TempDir,
}

impl Bench {
    /// An empty store in a directory beside the build, which lies on a disk where `/tmp` might not.
    fn new() -> Self {
        let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a directory");
        let (to, told) = unbounded();
        let engine = Embedded::open(dir.path()).expect("an empty store opens");
        let store = Threaded::start(engine, Arc::new(Told(to))).expect("threads start");
        let conversations = (1..=CONVERSATIONS).map(|id| samples::conversation(id, samples::user(id))).collect();
        Self { store, told, conversations, messages: 0, _dir: dir }
    }

    /// The next message of the next conversation.
    fn write(&mut self) -> Write {
        let conversation = &mut self.conversations[(self.messages % CONVERSATIONS) as usize];
        self.messages += 1;
        let id = format!("0190e3a0-7b1c-7cc2-{:016x}", self.messages);
        let (mut write, _) = samples::append(conversation, self.messages, Side::Customer, Some(&id));
        if let Write::Append { message, .. } = &mut write {
            message.body.content = "a".repeat(CONTENT_BYTES);
        }
        write
    }

    fn submit(&self, op: Op) {
        self.store.submit(Ticket { shard: 0, number: 0 }, op).expect("the queue has room");
    }

    fn wait(&self) {
        let done = self.told.recv().expect("the store lives");
        assert!(matches!(done, Done::Written(Written::Durable)), "{done:?}");
    }

    /// Time for so many writes, never more than `in_flight` of them under way.
    fn run(&mut self, writes: u64, in_flight: u64) -> Duration {
        let ready: Vec<_> = (0..writes).map(|_| self.write()).collect();
        let mut under_way = 0;
        let begin = Instant::now();
        for write in ready {
            if under_way == in_flight {
                self.wait();
                under_way -= 1;
            }
            self.submit(Op::Write(write));
            under_way += 1;
        }
        (0..under_way).for_each(|_| self.wait());
        begin.elapsed()
    }

    /// What was said to be durable is there.
    fn check(&mut self) {
        let expected = self.conversations[0].clone();
        self.submit(Op::Read(Read::Conversation(expected.id)));
        match self.told.recv().expect("the store lives") {
            Done::Found(Found::Conversation(Some(found))) => assert_eq!(*found, expected),
            other => panic!("the conversation is gone: {other:?}"),
        }
    }
}

fn commit(c: &mut Criterion) {
    let mut group = c.benchmark_group("commit");
    group.throughput(Throughput::Elements(1)).sampling_mode(SamplingMode::Flat);
    for in_flight in [1, 8, 32, 128] {
        let mut bench = Bench::new();
        bench.run(1_000, in_flight);
        bench.check();
        group.bench_function(format!("{in_flight} in flight"), |b| {
            b.iter_custom(|writes| {
                // Short runs would measure their beginning and end, when fewer are under way.
                let rounds = writes.max(20 * in_flight);
                bench.run(rounds, in_flight).mul_f64(writes as f64 / rounds as f64)
            });
        });
        bench.check();
        let figures = bench.store.figures();
        eprintln!("commit/{in_flight} in flight: {:.1} writes a sync", figures.writes as f64 / figures.groups as f64);
    }
    group.finish();
}

/// A group commit varies with the disk: longer than the rest, with fewer samples.
fn steady() -> Criterion {
    switchboard_benches::quick().sample_size(20).measurement_time(Duration::from_secs(2))
}

criterion_group! {
    name = benches;
    config = steady();
    targets = commit
}
criterion_main!(benches);
