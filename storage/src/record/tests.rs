//! Old records open and today's program writes them byte for byte (`storage/golden/`); damaged ones are
//! told, never a panic. Must not know engines.

use switchboard_protocol::model::{BodyKind, CustomerProfile, IdentityKind, Revision, State};

use super::*;
use crate::conformance::samples;

const GOLDEN_V1: &str = include_str!("../../golden/v1.txt");
/// Records that came with customers of channels: version 2 of two kinds, version 1 of new ones.
const GOLDEN_CUSTOMERS: &str = include_str!("../../golden/customers.txt");

/// Version 3 of messages: what was edited or recalled.
const GOLDEN_REVISED: &str = include_str!("../../golden/revised.txt");

fn samples_v1() -> Vec<(&'static str, Message, Conversation, Option<AgentProfile>)> {
    let mut rich = samples::conversation(7, samples::visitor("访客_1"));
    rich.named = AgentId::new(5).ok();
    rich.agent = AgentId::new(6).ok();
    rich.group = Group::new("售后").unwrap();
    rich.state = State::Active;
    rich.last_seq = Seq::new(3);
    rich.last_message_at = Some(Timestamp::from_millis(1_700_000_000_003));
    (rich.customer_unread, rich.agent_unread, rich.returned) = (1, 2, true);
    let mut file = samples::message(&rich, 41, 3, Side::Agent);
    file.body = Body {
        kind: BodyKind::File,
        content: String::new(),
        file_url: Some("https://example.com/报价.pdf".into()),
        metadata: None,
    };
    file.read_at = Some(Timestamp::from_millis(1_700_000_000_009));
    let mut agent = samples::agent(6);
    agent.avatar = Some("https://example.com/6.png".into());
    agent.groups.push(Group::new("售后").unwrap());
    agent.skills = vec!["english".into(), "退款".into()];
    (agent.accept, agent.status) = (Some(Accept::Manual), Some(AgentStatus::Away));

    let plain = samples::conversation(8, samples::user(100));
    let text = samples::message(&plain, 42, 1, Side::Customer);
    vec![
        ("rich", file, rich, Some(agent)),
        ("plain", text, plain, Some(samples::agent(9))),
        (
            "gone",
            samples::message(&samples::conversation(9, samples::user(1)), 43, 9, Side::Customer),
            samples::conversation(9, samples::user(1)),
            None,
        ),
    ]
}

fn customer_samples() -> (Message, Conversation, CustomerProfile) {
    let mut conversation = samples::conversation(9, Party::Customer(samples::customer_id(7)));
    conversation.agent = AgentId::new(6).ok();
    conversation.state = State::Active;
    let mut message = samples::message(&conversation, 44, 2, Side::Customer);
    message.body.metadata = Some(r#"{"orderId":"ORDER-12345"}"#.into());
    let mut profile = samples::customer(7);
    profile.identities.push(samples::identity(IdentityKind::Phone, "+8613800138000"));
    profile.identities.sort_unstable();
    (profile.tags, profile.notes, profile.active) = (vec!["VIP".into()], Some("满意度高".into()), false);
    (message, conversation, profile)
}

fn today_of_customers() -> String {
    let mut lines = String::new();
    let mut bytes = Vec::new();
    let mut line = |kind: &str, fill: &dyn Fn(&mut Vec<u8>)| {
        fill(&mut bytes);
        let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        lines.push_str(&format!("{kind} {hex}\n"));
    };
    let (message, conversation, profile) = customer_samples();
    let at = Timestamp::from_millis(1_700_000_000_003);
    line("message", &|out| write_message(&message, out));
    line("conversation", &|out| write_conversation(&conversation, out));
    line("profile", &|out| write_profile(&profile, 5, out));
    line("owner", &|out| write_owner(profile.id, out));
    line("block", &|out| write_block(Block { all: 3, active: 2 }, out));
    line("interaction", &|out| write_interaction(at, out));
    for bearer in [samples::user(1), samples::visitor("v"), Party::Agent(samples::agent_id(2)), conversation.customer] {
        line("token", &|out| write_token(&bearer, at, out));
    }
    lines
}

#[test]
fn todays_program_writes_the_golden_bytes_of_customers() {
    assert_eq!(today_of_customers(), GOLDEN_CUSTOMERS, "a stored shape changed: make it a new version instead");
}

#[test]
fn golden_records_of_customers_still_open() {
    let (message, conversation, profile) = customer_samples();
    let at = Timestamp::from_millis(1_700_000_000_003);
    let mut bearers = Vec::new();
    for line in GOLDEN_CUSTOMERS.lines() {
        let (kind, hex) = line.split_once(' ').unwrap();
        let bytes = from_hex(hex);
        match kind {
            "message" => assert_eq!(read_message(conversation.id, message.seq, &bytes).unwrap(), message),
            "conversation" => assert_eq!(read_conversation(conversation.id, &bytes).unwrap(), conversation),
            "profile" => assert_eq!(read_profile(profile.id, &bytes).unwrap(), (profile.clone(), 5)),
            "owner" => assert_eq!(read_owner(&bytes).unwrap(), profile.id),
            "block" => assert_eq!(read_block(&bytes).unwrap(), Block { all: 3, active: 2 }),
            "interaction" => assert_eq!(read_interaction(&bytes).unwrap(), at),
            "token" => {
                let (bearer, expires_at) = read_token(&bytes).unwrap();
                assert_eq!(expires_at, at);
                bearers.push(bearer);
            }
            other => panic!("no such kind of record: {other}"),
        }
    }
    let expected = [samples::user(1), samples::visitor("v"), Party::Agent(samples::agent_id(2)), conversation.customer];
    assert_eq!(bearers, expected);
}

/// Messages that were edited or recalled, with metadata and without.
fn revised_samples() -> Vec<Message> {
    let (mut with_metadata, _, _) = customer_samples();
    let mut plain = samples::message(&samples::conversation(8, samples::user(100)), 45, 1, Side::Customer);
    plain.read_at = Some(Timestamp::from_millis(1_700_000_000_008));
    with_metadata.revise(&Revision::Edit("改".into()), Timestamp::from_millis(1_700_000_000_010));
    let mut edited = plain.clone();
    edited.revise(&Revision::Edit("edited".into()), Timestamp::from_millis(1_700_000_000_011));
    plain.revise(&Revision::Recall, Timestamp::from_millis(1_700_000_000_012));
    vec![with_metadata, edited, plain]
}

#[test]
fn golden_records_of_revised_messages_are_written_and_open() {
    let mut bytes = Vec::new();
    let mut today = String::new();
    for message in &revised_samples() {
        write_message(message, &mut bytes);
        let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        today.push_str(&format!("message {hex}\n"));
    }
    assert_eq!(today, GOLDEN_REVISED, "a stored shape changed: make it a new version instead");
    for (line, message) in GOLDEN_REVISED.lines().zip(revised_samples()) {
        let (_, hex) = line.split_once(' ').unwrap();
        assert_eq!(read_message(message.conversation, message.seq, &from_hex(hex)).unwrap(), message);
    }
}

fn today() -> String {
    let mut lines = String::new();
    let mut bytes = Vec::new();
    let mut line = |kind: &str, name: &str, fill: &dyn Fn(&mut Vec<u8>)| {
        fill(&mut bytes);
        let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        lines.push_str(&format!("{kind} {name} {hex}\n"));
    };
    for (name, message, conversation, agent) in &samples_v1() {
        line("message", name, &|out| write_message(message, out));
        line("conversation", name, &|out| write_conversation(conversation, out));
        line("place", name, &|out| write_place(conversation.id, message.seq, out));
        line("sent", name, &|out| write_sent(Sent::of(message), out));
        line("customer", name, &|out| write_customer(conversation.customer_number, out));
        line("agent", name, &|out| write_agent(agent.as_ref(), out));
        line("lease", name, &|out| write_lease(message.id.get(), out));
    }
    lines
}

#[test]
fn todays_program_writes_the_golden_bytes() {
    let today = today();
    for (written, golden) in today.lines().zip(GOLDEN_V1.lines()) {
        assert_eq!(written, golden, "a stored shape changed: make it a new version instead");
    }
    assert_eq!(today, GOLDEN_V1, "all of today's records:\n{today}");
}

#[test]
fn golden_records_of_version_1_still_open() {
    let samples = samples_v1();
    for line in GOLDEN_V1.lines() {
        let mut words = line.split(' ');
        let (kind, name, hex) = (words.next().unwrap(), words.next().unwrap(), words.next().unwrap());
        let bytes = from_hex(hex);
        let (_, message, conversation, agent) = samples.iter().find(|sample| sample.0 == name).unwrap();
        match kind {
            "message" => assert_eq!(&read_message(conversation.id, message.seq, &bytes).unwrap(), message),
            "conversation" => assert_eq!(&read_conversation(conversation.id, &bytes).unwrap(), conversation),
            "place" => assert_eq!(read_place(&bytes).unwrap(), (conversation.id, message.seq)),
            "sent" => assert_eq!(read_sent(conversation.id, &bytes).unwrap(), samples::sent(message)),
            "customer" => assert_eq!(read_customer(&bytes).unwrap(), conversation.customer_number),
            "agent" => assert_eq!(
                &read_agent(AgentId::new(if name == "rich" { 6 } else { 9 }).unwrap(), &bytes).unwrap(),
                agent
            ),
            "lease" => assert_eq!(read_lease(&bytes).unwrap(), message.id.get()),
            other => panic!("no such kind of record: {other}"),
        }
    }
    assert_eq!(GOLDEN_V1.lines().count(), 21);
}

#[test]
fn a_version_from_the_future_is_told() {
    let error = read_lease(&[VERSION + 1, 0, 0, 0, 0, 0, 0, 0, 0]).unwrap_err();
    assert_eq!(error.to_string(), "stored data is damaged: a lease of ids has version 2, this program knows up to 1");
}

/// Whatever a disk does to a record, reading it ends in a value or in `Corrupt`.
#[test]
fn damaged_records_never_panic() {
    let mut random = 7;
    for line in GOLDEN_V1.lines().chain(GOLDEN_CUSTOMERS.lines()).chain(GOLDEN_REVISED.lines()) {
        let golden = from_hex(line.rsplit(' ').next().unwrap());
        for _ in 0..300 {
            let mut bytes = golden.clone();
            let at = crate::memory::split_mix_64(&mut random) as usize % bytes.len();
            bytes[at] ^= crate::memory::split_mix_64(&mut random) as u8;
            if crate::memory::split_mix_64(&mut random).is_multiple_of(4) {
                bytes.truncate(at);
            }
            let id = ConversationId::from_wire(1).unwrap();
            let _ = read_message(id, Seq::new(1), &bytes);
            let _ = read_conversation(id, &bytes);
            let _ = read_place(&bytes);
            let _ = read_sent(id, &bytes);
            let _ = read_customer(&bytes);
            let _ = read_agent(AgentId::new(1).unwrap(), &bytes);
            let _ = read_lease(&bytes);
            let _ = read_profile(samples::customer_id(1), &bytes);
            let _ = read_owner(&bytes);
            let _ = read_block(&bytes);
            let _ = read_interaction(&bytes);
            let _ = read_token(&bytes);
        }
    }
    assert!(matches!(read_lease(&[]), Err(StoreError::Corrupt { .. })));
    assert!(matches!(read_lease(&[VERSION, 1]), Err(StoreError::Corrupt { .. })));
}

fn from_hex(hex: &str) -> Vec<u8> {
    let byte = |at: usize| u8::from_str_radix(&hex[at..at + 2], 16).unwrap();
    (0..hex.len()).step_by(2).map(byte).collect()
}
