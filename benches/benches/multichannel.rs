//! What multichannel costs: a message or call understood, a push and a list said. Requests are those that the
//! dialect's own client builds from guide 4. Must not know frames.
#![allow(missing_docs)]

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use serde_json::{Value, json};
use switchboard_protocol::dialect::multichannel::{Multichannel, client, decode, encode};
use switchboard_protocol::dialect::{Dialect, Hearer, Intent, Scratch, Seat, Settings};
use switchboard_protocol::model::{
    AgentCode, AgentId, Answer, Body, BodyKind, Conversation, ConversationId, ConversationView, CustomerNumber, Event,
    Group, Listed, Message, MessageId, Party, Scene, Sender, Seq, Side, State, Timestamp, UserId,
};

const HEARER: Hearer = Hearer { side: Side::Agent, ext: false };
const CONTENT: &str = "您好，请问我的订单什么时候发货？订单号是 20250101-0042，谢谢！";
const NOW: Timestamp = Timestamp::from_millis(1_735_696_800_000);
const PAGE_CONVERSATIONS: u64 = 20;

fn id(number: u64) -> ConversationId {
    ConversationId::from_wire(4_096_123 + number * 4096).expect("a possible id")
}

fn message(number: u64) -> Message {
    Message {
        id: MessageId::from_wire(8_192_123 + number * 4096).expect("a possible id"),
        conversation: id(number),
        seq: Seq::new(7),
        sender: Sender { side: Side::Customer, number: 100 },
        body: Body { kind: BodyKind::Text, content: CONTENT.into(), file_url: None, metadata: None },
        created_at: NOW,
        read_at: None,
        revised: None,
    }
}

fn listed(number: u64) -> ConversationView {
    let user = UserId::new(100).expect("a possible id");
    let conversation = Conversation {
        id: id(number),
        customer: Party::User(user),
        channel: None,
        customer_number: CustomerNumber::of_user(user),
        named: None,
        agent: Some(AgentId::new(7).expect("a possible id")),
        group: Group::default(),
        state: State::Active,
        last_seq: Seq::new(7),
        last_message_at: Some(NOW),
        customer_unread: 0,
        agent_unread: 1,
        created_at: NOW,
        updated_at: NOW,
        queued_at: NOW,
        returned: false,
    };
    let listed = Listed { conversation, last_message: Some(message(number)) };
    ConversationView { listed, agent: AgentCode::new("cs_001").ok() }
}

fn decoding(c: &mut Criterion) {
    let mut group = c.benchmark_group("multichannel/decode");
    let (mut text, mut scratch, mut out) = (Vec::new(), Scratch::default(), Vec::new());
    for (name, request) in [("ping", client::ping()), ("bind_session", client::bind_session(&id(1).to_string()))] {
        group.throughput(Throughput::Bytes(request.len() as u64));
        group.bench_function(name, |b| {
            b.iter(|| {
                text.clear();
                text.extend_from_slice(request.as_bytes());
                out.clear();
                let intent = Multichannel.decode(&mut text, Seat::Agent, &mut scratch, &mut out);
                assert!(matches!(intent, Intent::Answered | Intent::Command { .. }));
                black_box(intent)
            });
        });
    }
    let (session, body) = (id(1).to_string(), client::message(CONTENT, None));
    group.throughput(Throughput::Bytes(body.len() as u64));
    group.bench_function("message", |b| {
        b.iter(|| {
            text.clear();
            text.extend_from_slice(body.as_bytes());
            decode::send(black_box(&session), &mut text, &mut scratch).expect("a good body")
        });
    });
    group.finish();
}

fn encoding(c: &mut Criterion) {
    let mut group = c.benchmark_group("multichannel/encode");
    let (settings, mut out) = (Settings::default(), Vec::new());
    let conversation = listed(1).listed.conversation;
    let scene = Scene {
        conversation: conversation.id,
        customer: conversation.customer,
        channel: None,
        customer_number: conversation.customer_number,
        agent: conversation.agent,
    };
    let event = Event::Message { scene, message: message(1), author: None };
    assert!(Multichannel.encode_event(&event, HEARER, &settings, &mut out));
    let said: Value = serde_json::from_slice(&out).expect("a push is JSON");
    assert_eq!((&said["type"], &said["data"]["content"]), (&json!("new_message"), &json!(CONTENT)));
    group.throughput(Throughput::Elements(1));
    group.bench_function("new_message", |b| {
        b.iter(|| {
            out.clear();
            Multichannel.encode_event(black_box(&event), HEARER, &settings, &mut out)
        });
    });
    let conversations = (1..=PAGE_CONVERSATIONS).map(listed).collect();
    let page = Answer::Conversations { conversations, next: None };
    let reply = encode::answered(Ok(&page), &settings);
    group.throughput(Throughput::Bytes(reply.body.len() as u64));
    group.bench_function("list, a page of 20", |b| b.iter(|| encode::answered(Ok(black_box(&page)), &settings)));
    group.finish();
}

criterion_group! {
    name = benches;
    config = switchboard_benches::quick();
    targets = decoding, encoding
}
criterion_main!(benches);
