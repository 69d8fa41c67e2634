//! webchat: a message in and out, with and without metadata. What kefu's bench is for kefu. Must not know sockets.

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use serde_json::json;
use switchboard_protocol::dialect::webchat::{Webchat, client};
use switchboard_protocol::dialect::{Dialect, Hearer, Intent, Scratch, Seat, Settings};
use switchboard_protocol::model::{
    AgentId, Answer, Body, BodyKind, Channel, ConversationId, CustomerId, CustomerNumber, Event, Message, MessageId,
    Party, Scene, Sender, Sent, Seq, Side, Timestamp,
};

const CONTENT: &str = "您好，请问我的订单什么时候发货？订单号是 20250101-0042，谢谢！";
const NOW: Timestamp = Timestamp::from_millis(1_735_696_800_000);

fn event(metadata: Option<&str>) -> Event {
    let conversation = ConversationId::from_wire(4_096_123).expect("a possible id");
    let customer_number = CustomerNumber::from_wire((1 << 52) + 4096).expect("a possible number");
    let content = CONTENT.to_owned();
    Event::Message {
        scene: Scene {
            conversation,
            customer: Party::Customer(CustomerId::from_bytes([7; 16])),
            channel: Some(Channel::Web),
            customer_number,
            agent: AgentId::new(50).ok(),
        },
        message: Message {
            id: MessageId::from_wire(8_192_123).expect("a possible id"),
            conversation,
            seq: Seq::new(7),
            sender: Sender { side: Side::Customer, number: customer_number.get() },
            body: Body { kind: BodyKind::Text, content, file_url: None, metadata: metadata.map(Into::into) },
            created_at: NOW,
            read_at: None,
            revised: None,
        },
        author: None,
    }
}

fn webchat(c: &mut Criterion) {
    let mut group = c.benchmark_group("webchat");
    group.throughput(Throughput::Elements(1));
    let (mut scratch, mut out) = (Scratch::default(), Vec::new());
    let metadata = json!({"orderId": "ORDER-12345", "orderStatus": "pending"});
    for (name, text) in [
        ("decode ping", "ping".to_owned()),
        ("decode message", client::send(None, CONTENT, None, None)),
        ("decode message with metadata", client::send(Some("4096123"), CONTENT, Some(&metadata), None)),
    ] {
        let mut bytes = Vec::new();
        group.bench_function(name, |b| {
            b.iter(|| {
                bytes.clear();
                bytes.extend_from_slice(text.as_bytes());
                out.clear();
                let intent = Webchat.decode(black_box(&mut bytes), Seat::Customer, &mut scratch, &mut out);
                assert!(matches!(intent, Intent::Command { .. } | Intent::Answered));
                intent
            });
        });
    }
    let settings = Settings::default();
    let hearer = Hearer { side: Side::Agent, ext: false };
    for (name, event) in [
        ("push", event(None)),
        ("push with metadata", event(Some(r#"{"orderId":"ORDER-12345","orderStatus":"pending"}"#))),
    ] {
        group.bench_function(name, |b| {
            b.iter(|| {
                out.clear();
                assert!(Webchat.encode_event(black_box(&event), hearer, &settings, &mut out));
            });
        });
    }
    let mut ack = client::send(None, CONTENT, None, Some("client-1")).into_bytes();
    let intent = Webchat.decode(&mut ack, Seat::Customer, &mut scratch, &mut out);
    let Intent::Command { context, .. } = intent else { panic!("{intent:?}") };
    let Event::Message { message, .. } = event(None) else { unreachable!("made above") };
    let Message { id, conversation, seq, created_at, .. } = message;
    let sent = Answer::Sent(Sent { message: id, conversation, seq, created_at });
    group.bench_function("ack", |b| {
        b.iter(|| {
            out.clear();
            Webchat.encode_answer(black_box(&context), Ok(black_box(&sent)), &settings, &mut out);
        });
    });
    group.finish();
}

criterion_group!(benches, webchat);
criterion_main!(benches);
