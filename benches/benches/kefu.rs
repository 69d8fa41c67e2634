//! What kefu costs: a request understood, an answer, a push and a page of a history said. Requests are those that the
//! dialect's own client builds from guide 2. Must not know frames.
#![allow(missing_docs)]

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use serde_json::{Value, json};
use switchboard_protocol::dialect::kefu::{Kefu, client, encode};
use switchboard_protocol::dialect::{Context, Dialect, Hearer, Intent, Scratch, Seat, Settings};
use switchboard_protocol::model::{
    AgentId, Answer, Body, BodyKind, ConversationId, CustomerNumber, Event, Message, MessageId, Party, Scene, Sender,
    Sent, Seq, Side, Timestamp, UserId, VisitorId,
};

const CONTENT: &str = "您好，请问我的订单什么时候发货？订单号是 20250101-0042，谢谢！";
/// 2025-01-01 10:00:00 at UTC+8.
const NOW: Timestamp = Timestamp::from_millis(1_735_696_800_000);
const PAGE_MESSAGES: u64 = 20;
const HEARER: Hearer = Hearer { side: Side::Agent, ext: false };

fn op_id() -> Value {
    json!("unique_op_id_1735696800")
}

fn conversation() -> ConversationId {
    ConversationId::from_wire(4_096_123).expect("a possible id")
}

fn message(seq: u64) -> Message {
    Message {
        id: MessageId::from_wire(8_192_123 + seq * 4096).expect("a possible id"),
        conversation: conversation(),
        seq: Seq::new(seq),
        sender: Sender { side: Side::Customer, number: 100 },
        body: Body { kind: BodyKind::Text, content: CONTENT.into(), file_url: None, metadata: None },
        created_at: NOW,
        read_at: seq.is_multiple_of(2).then_some(NOW),
        revised: None,
    }
}

fn push(customer: Party, number: u64) -> Event {
    let customer_number = CustomerNumber::from_wire(number).expect("a possible number");
    let agent = Some(AgentId::new(50).expect("a possible id"));
    Event::Message {
        scene: Scene { conversation: conversation(), customer, channel: None, customer_number, agent },
        message: message(7),
        author: None,
    }
}

/// One request decoded. Parsing destroys its input, so each time it is copied first, as a socket's read would put it
/// there; that copy is part of the figure.
fn understand(request: &str, seat: Seat, text: &mut Vec<u8>, scratch: &mut Scratch, out: &mut Vec<u8>) -> Intent {
    text.clear();
    text.extend_from_slice(request.as_bytes());
    out.clear();
    Kefu.decode(text, seat, scratch, out)
}

fn decode(c: &mut Criterion) {
    let mut group = c.benchmark_group("kefu/decode");
    let (mut text, mut scratch, mut out) = (Vec::new(), Scratch::default(), Vec::new());
    let plain = client::SendOptions::default();
    let retryable = client::SendOptions { client_msg_id: Some("0190e3a0-7b1c-7cc2-9a55-3f1f0c0f7a10"), ..plain };
    let of_agent = client::SendOptions { sender_type: Some(2), ..plain };
    let ids: Vec<u64> = (1..=20).map(|n| 8_192_123 + n * 4096).collect();
    let requests = [
        ("ping", client::ping(&op_id()), Seat::User),
        ("send", client::send(conversation().get(), CONTENT, plain, &op_id()), Seat::User),
        ("send with client_msg_id", client::send(conversation().get(), CONTENT, retryable, &op_id()), Seat::User),
        ("send of an agent", client::send(conversation().get(), CONTENT, of_agent, &op_id()), Seat::Agent),
        ("read of 20 messages", client::read(conversation().get(), &ids, 2, &op_id()), Seat::User),
        ("visitor_send", client::visitor_send("visitor_123456", "50", CONTENT, plain, &op_id()), Seat::Visitor),
    ];
    for (name, request, seat) in &requests {
        let intent = understand(request, *seat, &mut text, &mut scratch, &mut out);
        match name {
            &"ping" => assert!(intent == Intent::Answered && out.starts_with(br#"{"success":true,"message":"pong""#)),
            _ => assert!(matches!(intent, Intent::Command { .. }) && out.is_empty(), "{name}: {intent:?}"),
        }
        group.throughput(Throughput::Bytes(request.len() as u64));
        group.bench_function(*name, |b| {
            b.iter(|| understand(black_box(request), *seat, &mut text, &mut scratch, &mut out));
        });
    }
    group.finish();
}

/// The context that answering a plain send needs.
fn context_of_send() -> Context {
    let request = client::send(conversation().get(), CONTENT, client::SendOptions::default(), &op_id());
    match understand(&request, Seat::User, &mut Vec::new(), &mut Scratch::default(), &mut Vec::new()) {
        Intent::Command { context, .. } => context,
        other => panic!("a send is a command: {other:?}"),
    }
}

fn answers(c: &mut Criterion) {
    let mut group = c.benchmark_group("kefu/encode");
    let (settings, mut out) = (Settings::default(), Vec::new());
    group.throughput(Throughput::Elements(1));

    let Message { id, conversation, seq, created_at, .. } = message(7);
    let (context, sent) = (context_of_send(), Answer::Sent(Sent { message: id, conversation, seq, created_at }));
    Kefu.encode_answer(&context, Ok(&sent), &settings, &mut out);
    let said: Value = serde_json::from_slice(&out).expect("an answer is JSON");
    assert_eq!((&said["op_id"], &said["data"]["message_id"]), (&op_id(), &json!(id.get())));
    group.bench_function("answer to a send", |b| {
        b.iter(|| {
            out.clear();
            Kefu.encode_answer(black_box(&context), Ok(black_box(&sent)), &settings, &mut out);
        });
    });

    let user = Party::User(UserId::new(100).expect("a possible id"));
    let visitor = Party::Visitor(VisitorId::new("visitor_123456").expect("a possible id"));
    for (name, event) in [("push to a user", push(user, 100)), ("push to a visitor", push(visitor, (1 << 52) + 4096))] {
        out.clear();
        assert!(Kefu.encode_event(&event, HEARER, &settings, &mut out));
        let said: Value = serde_json::from_slice(&out).expect("a push is JSON");
        assert_eq!((&said["content"], &said["message_id"]), (&json!(CONTENT), &json!(id.get())));
        group.bench_function(name, |b| {
            b.iter(|| {
                out.clear();
                Kefu.encode_event(black_box(&event), HEARER, &settings, &mut out)
            });
        });
    }

    let page = Answer::History((1..=PAGE_MESSAGES).map(message).collect());
    let reply = encode::answered(Ok(&page), &settings);
    let said: Value = serde_json::from_slice(&reply.body).expect("a page is JSON");
    assert_eq!((reply.status, said["data"].as_array().map(Vec::len)), (200, Some(PAGE_MESSAGES as usize)));
    group.throughput(Throughput::Bytes(reply.body.len() as u64));
    group.bench_function("list, a page of 20", |b| b.iter(|| encode::answered(Ok(black_box(&page)), &settings)));
    group.finish();
}

criterion_group! {
    name = benches;
    config = switchboard_benches::quick();
    targets = decode, answers
}
criterion_main!(benches);
