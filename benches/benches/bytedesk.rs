//! bytedesk: a message in and out, and a heartbeat. What kefu's bench is for kefu. Must not know sockets.

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use switchboard_protocol::dialect::bytedesk::{Bytedesk, client};
use switchboard_protocol::dialect::{Dialect, Hearer, Intent, Scratch, Seat, Settings};
use switchboard_protocol::model::{
    AgentId, AgentStatus, Answer, Body, BodyKind, ConversationId, CustomerNumber, Event, Message, MessageId, Party,
    Scene, Sender, Sent, Seq, Side, Timestamp, UserId,
};

const CONTENT: &str = "您好，请问我的订单什么时候发货？订单号是 20250101-0042，谢谢！";
const NOW: Timestamp = Timestamp::from_millis(1_735_696_800_000);

fn message() -> Message {
    Message {
        id: MessageId::from_wire(8_192_123).expect("a possible id"),
        conversation: ConversationId::from_wire(4_096_123).expect("a possible id"),
        seq: Seq::new(7),
        sender: Sender { side: Side::Customer, number: 100 },
        body: Body { kind: BodyKind::Text, content: CONTENT.to_owned(), file_url: None, metadata: None },
        created_at: NOW,
        read_at: None,
        revised: None,
    }
}

fn scene() -> Scene {
    let user = UserId::new(100).expect("a possible id");
    Scene {
        conversation: message().conversation,
        customer: Party::User(user),
        channel: None,
        customer_number: CustomerNumber::of_user(user),
        agent: AgentId::new(50).ok(),
    }
}

fn bytedesk(c: &mut Criterion) {
    let mut group = c.benchmark_group("bytedesk");
    group.throughput(Throughput::Elements(1));
    let (mut scratch, mut out) = (Scratch::default(), Vec::new());
    for (name, text) in [
        ("decode ping", client::ping()),
        ("decode message", client::send(("100", "50"), CONTENT, 1_735_696_800, None, None)),
        ("decode message with ids", client::send(("100", "50"), CONTENT, 1, Some("4096123"), Some("client-1"))),
        ("decode status", client::status_change("50", "busy", 1_735_696_800)),
    ] {
        let mut bytes = Vec::new();
        group.bench_function(name, |b| {
            b.iter(|| {
                bytes.clear();
                bytes.extend_from_slice(text.as_bytes());
                out.clear();
                let intent = Bytedesk.decode(black_box(&mut bytes), Seat::Agent, &mut scratch, &mut out);
                assert!(matches!(intent, Intent::Command { .. } | Intent::Answered));
                intent
            });
        });
    }
    let settings = Settings::default();
    let hearer = Hearer { side: Side::Agent, ext: false };
    let agent = AgentId::new(50).expect("a possible id");
    for (name, event) in [
        ("push", Event::Message { scene: scene(), message: message(), author: None }),
        ("push status", Event::AgentStatus { agent, status: AgentStatus::Busy, at: NOW }),
    ] {
        group.bench_function(name, |b| {
            b.iter(|| {
                out.clear();
                assert!(Bytedesk.encode_event(black_box(&event), hearer, &settings, &mut out));
            });
        });
    }
    let mut ask = client::send(("100", "50"), CONTENT, 1, None, Some("client-1")).into_bytes();
    let intent = Bytedesk.decode(&mut ask, Seat::User, &mut scratch, &mut out);
    let Intent::Command { context, .. } = intent else { panic!("{intent:?}") };
    let Message { id, conversation, seq, created_at, .. } = message();
    let sent = Answer::Sent(Sent { message: id, conversation, seq, created_at });
    group.bench_function("ack", |b| {
        b.iter(|| {
            out.clear();
            Bytedesk.encode_answer(black_box(&context), Ok(black_box(&sent)), &settings, &mut out);
        });
    });
    group.finish();
}

criterion_group!(benches, bytedesk);
criterion_main!(benches);
