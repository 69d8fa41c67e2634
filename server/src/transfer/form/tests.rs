//! Every record comes back from its line; version 1 is read and written for ever (`server/golden/export-v1.jsonl`); what
//! is no line of it is refused.

use proptest::option::of as maybe;
use proptest::prelude::*;
use switchboard_protocol::model::{
    Accept, AgentCode, AgentStatus, Body, BodyKind, Channel, ClientMsgId, ConversationId, CustomerId, CustomerNumber,
    CustomerProfile, Fingerprint, Group, Identity, IdentityKind, KeyScope, MessageId, Party, RequestKey, Revised,
    Sender, Sent, Seq, Side, State, Timestamp, TokenHash, UserId, VisitorId,
};

use super::*;

const GOLDEN: &str = include_str!("../../../golden/export-v1.jsonl");

fn id() -> impl Strategy<Value = u64> {
    1u64..1 << 52
}

fn at() -> impl Strategy<Value = Timestamp> {
    any::<u64>().prop_map(Timestamp::from_millis)
}

fn agent_id() -> impl Strategy<Value = AgentId> {
    id().prop_map(|id| AgentId::new(id).unwrap())
}

fn conversation_id() -> impl Strategy<Value = ConversationId> {
    id().prop_map(|id| ConversationId::from_wire(id).unwrap())
}

fn message_id() -> impl Strategy<Value = MessageId> {
    id().prop_map(|id| MessageId::from_wire(id).unwrap())
}

fn number() -> impl Strategy<Value = CustomerNumber> {
    id().prop_map(|id| CustomerNumber::from_wire(id).unwrap())
}

/// Any characters but control characters: what ids take.
fn word() -> impl Strategy<Value = String> {
    "[^\\p{Cc}]{1,40}"
}

fn group() -> impl Strategy<Value = Group> {
    word().prop_map(|text| Group::new(&text).unwrap())
}

fn party() -> impl Strategy<Value = Party> {
    prop_oneof![
        id().prop_map(|id| Party::User(UserId::new(id).unwrap())),
        word().prop_map(|text| Party::Visitor(VisitorId::new(&text).unwrap())),
        any::<[u8; 16]>().prop_map(|bytes| Party::Customer(CustomerId::from_bytes(bytes))),
    ]
}

fn anybody() -> impl Strategy<Value = Party> {
    prop_oneof![party(), agent_id().prop_map(Party::Agent)]
}

fn channel() -> impl Strategy<Value = Channel> {
    prop::sample::select(Channel::ALL.to_vec())
}

fn sender() -> impl Strategy<Value = Sender> {
    (prop::sample::select(vec![Side::Customer, Side::Agent]), any::<u64>())
        .prop_map(|(side, number)| Sender { side, number })
}

fn agent() -> impl Strategy<Value = Record> {
    let accept = maybe(prop::sample::select(vec![Accept::Auto, Accept::Manual]));
    let all = [AgentStatus::Online, AgentStatus::Busy, AgentStatus::Away, AgentStatus::Offline];
    let texts = || prop::collection::vec(any::<String>(), 0..3);
    let groups = prop::collection::vec(group(), 1..4);
    let status = maybe(prop::sample::select(all.to_vec()));
    let words = (word(), any::<String>(), maybe(any::<String>()));
    (agent_id(), words, any::<u32>(), groups, texts(), accept, status).prop_map(
        |(id, (code, name, avatar), max_concurrent, groups, skills, accept, status)| {
            let code = AgentCode::new(&code).unwrap();
            Record::Agent(AgentProfile { id, code, name, avatar, max_concurrent, groups, skills, accept, status })
        },
    )
}

fn identities() -> impl Strategy<Value = Vec<Identity>> {
    let all = [
        (IdentityKind::WebId, "网页_1"),
        (IdentityKind::WechatOpenId, "oABCdef-_1"),
        (IdentityKind::Phone, "+8613800138000"),
        (IdentityKind::Email, "a.b@example.com"),
        (IdentityKind::LineUserId, "U12345678"),
        (IdentityKind::TelegramId, "12345"),
        (IdentityKind::FacebookId, "999"),
        (IdentityKind::AppUserId, "app\"user\\1"),
    ];
    prop::sample::subsequence(all.map(|(kind, value)| Identity::new(kind, value).unwrap()).to_vec(), 0..=all.len())
}

fn customer() -> impl Strategy<Value = Record> {
    let texts = (any::<String>(), prop::collection::vec(any::<String>(), 0..3), maybe(any::<String>()));
    let times = (at(), at(), maybe(at()));
    (any::<[u8; 16]>(), number(), channel(), identities(), texts, any::<bool>(), times).prop_map(
        |(id, number, channel, identities, (name, tags, notes), active, (created_at, updated_at, last))| {
            let id = CustomerId::from_bytes(id);
            let profile =
                CustomerProfile { id, number, name, channel, identities, tags, notes, active, created_at, updated_at };
            Record::Customer(Box::new(CustomerView { profile, last_interaction_at: last }))
        },
    )
}

fn answer() -> impl Strategy<Value = Record> {
    let scope = prop_oneof![Just(KeyScope::Admins), anybody().prop_map(KeyScope::Party)];
    let kept = (any::<[u8; 32]>(), any::<u16>(), any::<Vec<u8>>(), at());
    (scope, "[!-~]{1,255}|\"[a-c]\"", kept).prop_map(|(scope, key, (print, status, body, expires_at))| {
        // The quotes around a key are no part of it; those within are.
        let key = RequestKey::new(&format!("\"{key}\"")).unwrap();
        let kept = KeptAnswer { fingerprint: Fingerprint(print), status, body: body.into(), expires_at };
        Record::Answer(KeyName { scope, key }, kept)
    })
}

fn conversation() -> impl Strategy<Value = Record> {
    let state = prop::sample::select(vec![State::Robot, State::Pending, State::Active, State::Closed]);
    let who = (party(), maybe(channel()), number(), maybe(agent_id()), maybe(agent_id()), group());
    let counts = (any::<u64>(), any::<u32>(), any::<u32>(), any::<bool>());
    let times = (maybe(at()), at(), at(), at());
    (conversation_id(), who, state, counts, times).prop_map(|(id, who, state, counts, times)| {
        let (customer, channel, customer_number, named, agent, group) = who;
        Record::Conversation(Box::new(Conversation {
            id,
            customer,
            channel,
            customer_number,
            named,
            agent,
            group,
            state,
            last_seq: Seq::new(counts.0),
            last_message_at: times.0,
            customer_unread: counts.1,
            agent_unread: counts.2,
            created_at: times.1,
            updated_at: times.2,
            queued_at: times.3,
            returned: counts.3,
        }))
    })
}

fn message() -> impl Strategy<Value = Record> {
    let kind = prop::sample::select(vec![BodyKind::Text, BodyKind::Image, BodyKind::File]);
    let body = (kind, any::<String>(), maybe(any::<String>()), maybe("\\{\"[a-z\n\t ]{0,9}\":[0-9]\\}"));
    let revised = maybe(prop_oneof![at().prop_map(Revised::Edited), at().prop_map(Revised::Recalled)]);
    (message_id(), conversation_id(), 1..=u64::MAX, sender(), body, (at(), maybe(at())), revised).prop_map(
        |(id, conversation, seq, sender, (kind, content, file_url, metadata), (created_at, read_at), revised)| {
            let body = Body { kind, content, file_url, metadata: metadata.map(Into::into) };
            Record::Message(Message {
                id,
                conversation,
                seq: Seq::new(seq),
                sender,
                body,
                created_at,
                read_at,
                revised,
            })
        },
    )
}

fn sent() -> impl Strategy<Value = Record> {
    (sender(), word(), message_id(), conversation_id(), 1..=u64::MAX, at()).prop_map(
        |(sender, client_msg_id, message, conversation, seq, created_at)| {
            let client_msg_id = ClientMsgId::new(&client_msg_id).unwrap();
            let sent = Sent { message, conversation, seq: Seq::new(seq), created_at };
            Record::Sent(SentKey { sender, client_msg_id, sent })
        },
    )
}

fn record() -> impl Strategy<Value = Record> {
    let lease =
        (0..4096u16, 1..=1u64 << 41).prop_map(|(vshard, next)| Record::Lease(VShard::new(vshard).unwrap(), next));
    let token = (any::<[u8; 32]>(), anybody(), at()).prop_map(|(hash, bearer, expires_at)| {
        Record::Token(StoredToken { hash: TokenHash(hash), bearer, expires_at })
    });
    prop_oneof![
        lease,
        agent(),
        agent_id().prop_map(Record::DeletedAgent),
        customer(),
        token,
        answer(),
        conversation(),
        message(),
        sent(),
    ]
}

fn line_of(record: &Record) -> Vec<u8> {
    let mut line = Vec::new();
    write_record(record, &mut line);
    assert_eq!(line.iter().filter(|byte| **byte == b'\n').count(), 1, "one line");
    assert_eq!(line.pop(), Some(b'\n'));
    line
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn every_record_comes_back(record in record()) {
        prop_assert_eq!(parse(&line_of(&record)), Ok(Parsed::Record(record)));
    }

    #[test]
    fn a_damaged_line_is_an_error_or_another_record_and_never_a_panic(
        record in record(), at in any::<prop::sample::Index>(), bit in 0..8u8
    ) {
        let mut line = line_of(&record);
        let whole = line.clone();
        let at = at.index(line.len());
        prop_assert!(parse(&line[..at]).is_err(), "a line that was cut");
        line[at] ^= 1 << bit;
        let _ = parse_header(&line);
        // What is read differently is written differently: a checksum finds it.
        if let Ok(Parsed::Record(other)) = parse(&line) {
            prop_assert!(other != record || line_of(&other) == whole);
        }
    }
}

/// Each line of the golden file is read, and written byte for byte as it was.
#[test]
fn version_1_is_read_and_written_for_ever() {
    let mut lines = GOLDEN.lines();
    let header = parse_header(lines.next().unwrap().as_bytes()).unwrap();
    assert_eq!(header, Header { switchboard_export: 1, made_at: 1_700_000_000_000, program: "0.1.0".to_owned() });
    let mut again = Vec::new();
    write_header(&header, &mut again);
    let mut counts = Counts::default();
    for (line, number) in lines.zip(2..) {
        match parse(line.as_bytes()).unwrap_or_else(|error| panic!("line {number} {error}: {line}")) {
            Parsed::Record(record) => {
                counts.add(&record);
                write_record(&record, &mut again);
            }
            Parsed::End(end) => {
                assert_eq!((end.counts, end.lines), (counts, number));
                write_end(end, &mut again);
            }
        }
    }
    assert_eq!(String::from_utf8(again).unwrap(), GOLDEN, "a form that was released changed: make it a new version");
    let each = [
        counts.leases,
        counts.agents,
        counts.deleted_agents,
        counts.customers,
        counts.tokens,
        counts.answers,
        counts.conversations,
        counts.messages,
        counts.sent,
    ];
    assert!(each.iter().all(|count| *count > 0), "the golden file has every type: {counts:?}");
}

#[test]
fn what_is_no_line_of_it_is_refused() {
    for (line, wanted) in [
        ("", "is no line of an export: EOF"),
        ("{", "is no line of an export: EOF"),
        ("[]", "is no line of an export"),
        (r#"{"type":"robot","id":1}"#, "unknown variant `robot`"),
        (r#"{"id":1}"#, "missing field `type`"),
        (r#"{"type":"deleted_agent","id":1,"name":"x"}"#, "unknown field `name`"),
        (r#"{"type":"deleted_agent"}"#, "missing field `id`"),
        (r#"{"type":"deleted_agent","id":0}"#, "has a `id` that is no valid one"),
        (r#"{"type":"deleted_agent","id":4503599627370496}"#, "has a `id`"),
        (r#"{"type":"lease","vshard":4096,"next":1}"#, "has a `vshard`"),
        (r#"{"type":"lease","vshard":1,"next":0}"#, "has a `next`"),
        (r#"{"type":"token","hash":"ab","bearer":{"user":1},"expires_at":1}"#, "has a `hash`"),
    ] {
        let error = parse(line.as_bytes()).unwrap_err().to_string();
        assert!(error.contains(wanted), "{line}: {error}");
    }
    let secret = parse(br#"{"type":"deleted_agent","id":"what somebody wrote"}"#).unwrap_err().to_string();
    assert!(!secret.contains("somebody"), "{secret}");
    for (line, wanted) in [
        ("", "is not the first line of an export"),
        (r#"{"type":"agent"}"#, "is not the first line of an export"),
        (r#"{"switchboard_export":2,"who":"knows"}"#, "version 2 of the form; this program reads version 1"),
        (r#"{"switchboard_export":1,"made_at":1,"program":"x","more":1}"#, "unknown field `more`"),
    ] {
        let error = parse_header(line.as_bytes()).unwrap_err().to_string();
        assert!(error.contains(wanted), "{line}: {error}");
    }
}
