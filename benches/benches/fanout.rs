//! One event for many (step 10): said once in a dialect, and shared by all its listeners' outboxes; and what it would
//! cost to say it to each by itself. Sending is the target `outbox`.
#![allow(missing_docs)]

use std::hint::black_box;
use std::sync::Arc;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use switchboard::measured::{Outbox, Spares};
use switchboard_protocol::dialect::{DialectKind, Hearer, Settings, dialect};
use switchboard_protocol::frame::{Opcode, OpenFrame};
use switchboard_protocol::model::{
    AgentId, Body, BodyKind, ConversationId, CustomerNumber, Event, Message, MessageId, Party, Scene, Sender, Seq,
    Side, Timestamp, UserId,
};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const CONTENT: &str = "您好，请问我的订单什么时候发货？订单号是 20250101-0042，谢谢！";
const NOW: Timestamp = Timestamp::from_millis(1_735_696_800_000);
const LISTENERS: usize = 1_000;

fn event() -> Event {
    let conversation = ConversationId::from_wire(4_096_123).expect("a possible id");
    let message = Message {
        id: MessageId::from_wire(8_192_123).expect("a possible id"),
        conversation,
        seq: Seq::new(7),
        sender: Sender { side: Side::Customer, number: 100 },
        body: Body { kind: BodyKind::Text, content: CONTENT.into(), file_url: None, metadata: None },
        created_at: NOW,
        read_at: None,
        revised: None,
    };
    let scene = Scene {
        conversation,
        customer: Party::User(UserId::new(100).expect("a possible id")),
        channel: None,
        customer_number: CustomerNumber::from_wire(100).expect("a possible number"),
        agent: AgentId::new(50).ok(),
    };
    Event::Message { scene, message, author: None }
}

/// A frame with the event, as `server/src/shard/effects.rs` makes it.
fn encode(kind: DialectKind, event: &Event) -> Arc<Vec<u8>> {
    let mut out = Vec::with_capacity(512);
    let frame = OpenFrame::begin(&mut out);
    assert!(dialect(kind).encode_event(
        event,
        Hearer { side: Side::Agent, ext: false },
        &Settings::default(),
        &mut out
    ));
    frame.finish(&mut out, Opcode::Text);
    Arc::new(out)
}

fn fanout(c: &mut Criterion) {
    let mut group = c.benchmark_group("fanout");
    let event = event();
    for kind in DialectKind::ALL {
        let name = dialect(kind).name();
        let frame = encode(kind, &event);
        assert!(frame.ends_with(b"}") && frame.len() > CONTENT.len());
        group.throughput(Throughput::Elements(1));
        group.bench_function(format!("{name}: once, into a shared frame"), |b| {
            b.iter(|| encode(kind, black_box(&event)));
        });

        // Each outbox is emptied again, as sending does: a shared frame is counted up and down.
        let mut spares = Spares::default();
        let mut outboxes: Vec<Outbox> = (0..LISTENERS).map(|_| Outbox::default()).collect();
        group.throughput(Throughput::Elements(LISTENERS as u64));
        group.bench_function(format!("{name}: once, for {LISTENERS} listeners"), |b| {
            b.iter(|| {
                let frame = encode(kind, black_box(&event));
                outboxes.iter_mut().for_each(|outbox| outbox.share(frame.clone(), &mut spares));
                assert_eq!(outboxes.iter().map(Outbox::len).sum::<usize>(), LISTENERS * frame.len());
                outboxes.iter_mut().for_each(|outbox| *outbox = Outbox::default());
            });
        });
        group.bench_function(format!("{name}: for each of {LISTENERS} by itself"), |b| {
            b.iter(|| {
                outboxes.iter_mut().for_each(|outbox| outbox.share(encode(kind, black_box(&event)), &mut spares));
                outboxes.iter_mut().for_each(|outbox| *outbox = Outbox::default());
            });
        });
    }
    group.finish();
}

criterion_group! {
    name = benches;
    config = switchboard_benches::quick();
    targets = fanout
}
criterion_main!(benches);
