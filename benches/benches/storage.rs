//! What a question costs storage (step 7): pages, syncs, headers and retries read from the embedded engine; and the way
//! there and back, which is that of writes too: from `submit` over the queue and a storage thread to the completion.
//! What a write costs the disk is the target `commit`.
#![allow(missing_docs)]

use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

use criterion::{Criterion, SamplingMode, Throughput, criterion_group, criterion_main};
use crossbeam_channel::{Receiver, Sender, unbounded};
use switchboard_protocol::model::{
    ConversationFilter, ConversationId, Found, Read, Sender as By, Seq, Side, State, Write, Written,
};
use switchboard_storage::conformance::samples;
use switchboard_storage::{
    Completions, Done, Embedded, Engine, Faults, Memory, Op, Store, StoreError, Threaded, Ticket,
};

/// Conversations that are asked about in turn, and the messages of each.
const CONVERSATIONS: u64 = 500;
const MESSAGES: u64 = 200;
const CONTENT_BYTES: usize = 200;

fn client_msg_id(number: u64) -> String {
    format!("0190e3a0-7b1c-7cc2-{number:016x}")
}

/// Fills an engine; the reads below find what is expected of this.
fn fill(engine: &Embedded) {
    for id in 1..=CONVERSATIONS {
        let mut conversation = samples::conversation(id, samples::user(id));
        let writes: Vec<_> = (0..MESSAGES)
            .map(|n| {
                let number = id * MESSAGES + n;
                let client = client_msg_id(number);
                let (mut write, _) = samples::append(&mut conversation, number, Side::Customer, Some(&client));
                if let Write::Append { message, .. } = &mut write {
                    message.body.content = "a".repeat(CONTENT_BYTES);
                }
                write
            })
            .collect();
        engine.commit(&writes).expect("the disk works");
    }
}

fn id(turn: u64) -> ConversationId {
    samples::conversation_id(1 + turn % CONVERSATIONS)
}

/// How much an answer holds.
fn rows(found: &Found) -> usize {
    match found {
        Found::History(messages) => messages.len(),
        Found::Customer { conversations, .. } | Found::OpenConversations(conversations) => conversations.len(),
        Found::Conversation(found) => usize::from(found.is_some()),
        Found::Sent(found) => usize::from(found.is_some()),
        Found::Message(found) => usize::from(found.is_some()),
        Found::Seq(found) => usize::from(found.is_some()),
        Found::Agents(agents) => agents.len(),
        Found::Customers { customers, .. } => customers.len(),
        Found::CustomerRecord(found) => usize::from(found.is_some()),
        Found::Token(found) => usize::from(found.is_some()),
        Found::ExpiredTokens(tokens) => tokens.len(),
        Found::KeptAnswer(found) => usize::from(found.is_some()),
        Found::ExpiredAnswers(names) => names.len(),
        Found::Conversations { page, .. } => page.len(),
        Found::Listed(found) => usize::from(found.is_some()),
        Found::Scanned(_) => unreachable!("no bench scans"),
    }
}

fn reads(c: &mut Criterion) {
    let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a directory");
    let engine = Embedded::open(dir.path()).expect("an empty store opens");
    fill(&engine);
    let history = |turn, from, to| Read::History { conversation: id(turn), from: Seq::new(from), to: Seq::new(to) };
    let sent = |turn: u64, known: bool| {
        let number = (1 + turn % CONVERSATIONS) * MESSAGES + if known { 7 } else { 1 << 40 };
        let sender = By { side: Side::Customer, number: 1 + turn % CONVERSATIONS };
        let client_msg_id = samples::client_msg_id(&client_msg_id(number));
        Read::Sent { conversation: id(turn), sender, client_msg_id }
    };
    type Case<'a> = (&'a str, usize, &'a dyn Fn(u64) -> Read);
    let list = |state| {
        let filter = ConversationFilter { state, ..ConversationFilter::default() };
        Read::Conversations { filter, after: None, limit: 100 }
    };
    let cases: [Case<'_>; 8] = [
        ("a page of 20", 20, &|turn| history(turn, MESSAGES - 19, MESSAGES)),
        ("a sync of 100", 100, &|turn| history(turn, 51, 150)),
        ("a header", 1, &|turn| Read::Conversation(id(turn))),
        ("a customer's newest 10", 1, &|turn| Read::Customer {
            party: samples::user(1 + turn % CONVERSATIONS),
            newest: 10,
        }),
        ("a client_msg_id that is known", 1, &|turn| sent(turn, true)),
        ("a client_msg_id that is new", 0, &|turn| sent(turn, false)),
        ("the newest 100 conversations", 100, &|_| list(None)),
        ("the newest 100 that wait", 100, &|_| list(Some(State::Pending))),
    ];
    let mut group = c.benchmark_group("storage/read");
    for (name, expected, read) in cases {
        assert_eq!(rows(&engine.read(&read(3)).expect("the disk works")), expected, "{name}");
        group.throughput(Throughput::Elements(1));
        let mut turn = 0;
        group.bench_function(name, |b| {
            b.iter(|| {
                turn += 1;
                engine.read(black_box(&read(turn)))
            });
        });
    }
    group.finish();
}

/// Hands what the store tells to the bench.
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

/// Time for so many operations that cost the engine next to nothing, never more than `in_flight` under way.
fn hand_over(store: &Threaded, told: &Receiver<Done>, op: &Op, count: u64, in_flight: u64) -> Duration {
    let ops: Vec<_> = (0..count).map(|_| op.clone()).collect();
    let mut under_way = 0;
    let begin = Instant::now();
    for op in ops {
        if under_way == in_flight {
            told.recv().expect("the store lives");
            under_way -= 1;
        }
        store.submit(Ticket { shard: 0, number: 0 }, op).expect("the queue has room");
        under_way += 1;
    }
    (0..under_way).for_each(|_| drop(told.recv().expect("the store lives")));
    begin.elapsed()
}

fn hand_off(c: &mut Criterion) {
    let (to, told) = unbounded();
    let store = Threaded::start(Memory::new(Faults::default()), Arc::new(Told(to))).expect("threads start");
    let conversation = samples::conversation(1, samples::user(1));
    let write = Op::Write(Write::SaveConversation { conversation, opens: false });
    let read = Op::Read(Read::Conversation(samples::conversation_id(1)));
    hand_over(&store, &told, &write, 1, 1);
    store.submit(Ticket { shard: 0, number: 0 }, read.clone()).expect("the queue has room");
    let found = told.recv().expect("the store lives");
    assert!(matches!(found, Done::Found(Found::Conversation(Some(_)))), "{found:?}");
    store.submit(Ticket { shard: 0, number: 0 }, write.clone()).expect("the queue has room");
    let written = told.recv().expect("the store lives");
    assert!(matches!(written, Done::Written(Written::Durable)), "{written:?}");

    let mut group = c.benchmark_group("storage/submit to completion");
    group.throughput(Throughput::Elements(1)).sampling_mode(SamplingMode::Flat).sample_size(20);
    for (name, op) in [("write", &write), ("read", &read)] {
        for in_flight in [1, 128] {
            group.bench_function(format!("{name}, {in_flight} in flight"), |b| {
                b.iter_custom(|count| {
                    // Short runs would measure their beginning and end.
                    let rounds = count.max(20 * in_flight);
                    hand_over(&store, &told, op, rounds, in_flight).mul_f64(count as f64 / rounds as f64)
                });
            });
        }
    }
    group.finish();
}

criterion_group! {
    name = benches;
    config = switchboard_benches::quick();
    targets = reads, hand_off
}
criterion_main!(benches);
