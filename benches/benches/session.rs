//! Who somebody is and what they may (step 4): a token verified at login, and the question asked of each command.
#![allow(missing_docs)]

use std::hint::black_box;
use std::time::Duration;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use switchboard::auth::jwt::{Grant, Identity, Role, Signer, TokenError, Verifier};
use switchboard::auth::key::SigningKey;
use switchboard_domain::Session;
use switchboard_protocol::model::{
    Actor, AgentChoice, Body, BodyKind, Command, ConversationId, Draft, Party, Refusal, Seq, Target, Timestamp, UserId,
    VisitorId,
};

const NOW: Timestamp = Timestamp::from_millis(1_735_696_800_000);
const LEEWAY: Duration = Duration::from_secs(30);
const DAY: Duration = Duration::from_secs(24 * 3600);

fn key(byte: u8) -> SigningKey {
    SigningKey::from_secret(&[byte; 64]).expect("64 bytes are a secret")
}

fn token(role: Role, groups: Option<&[&str]>) -> String {
    let groups = groups.map(|groups| groups.iter().map(|group| (*group).to_owned()).collect());
    let max_concurrent = (role == Role::Agent).then_some(10);
    let name = Some("王小明".to_owned());
    let grant = Grant { role, id: 100, name, groups, skills: None, max_concurrent };
    Signer::new(&key(b'k')).sign(&grant, NOW, DAY).expect("such a token may be made")
}

fn tokens(c: &mut Criterion) {
    let mut group = c.benchmark_group("session/verify");
    group.throughput(Throughput::Elements(1));
    let verifier = Verifier::new(&key(b'k'), LEEWAY);
    let (user, agent) = (token(Role::User, None), token(Role::Agent, Some(&["sales", "default"])));
    assert!(matches!(verifier.verify(&user, NOW), Ok(Identity::User { id, .. }) if id.get() == 100));
    assert!(matches!(verifier.verify(&agent, NOW), Ok(Identity::Agent { .. })));
    for (name, token) in [("a user's token", &user), ("an agent's token with groups", &agent)] {
        group.bench_function(name, |b| b.iter(|| verifier.verify(black_box(token), NOW).is_ok()));
    }
    let stranger = Verifier::new(&key(b's'), LEEWAY);
    assert_eq!(stranger.verify(&user, NOW), Err(TokenError::Signature));
    group.bench_function("a token of another key", |b| b.iter(|| stranger.verify(black_box(&user), NOW).is_err()));
    group.finish();
}

fn send(target: Target) -> Command {
    let body = Body { kind: BodyKind::Text, content: "您好".to_owned(), file_url: None, metadata: None };
    Command::Send { target, draft: Draft { body, client_msg_id: None } }
}

fn commands(c: &mut Criterion) {
    let mut group = c.benchmark_group("session/may they");
    group.throughput(Throughput::Elements(1));
    let conversation = ConversationId::from_wire(4_096_123).expect("a possible id");
    let user = UserId::new(100).expect("a possible id");
    let [own, other] = ["visitor_123456", "visitor_654321"].map(|id| VisitorId::new(id).expect("a possible id"));
    let pair = |visitor: &VisitorId| Target::Pair { visitor: visitor.clone(), agent: AgentChoice::Auto };
    let bound = Session::Party(Party::Visitor(own.clone()));
    let cases = [
        ("a user sends", Session::Party(Party::User(user)), send(Target::Conversation(conversation))),
        ("a bound visitor sends", bound.clone(), send(pair(&own))),
        ("a bound visitor as another: refused", bound, send(pair(&other))),
        ("nobody syncs: refused", Session::default(), Command::Sync { conversation, after: Seq::ZERO, limit: 100 }),
    ];
    let expected = [
        Ok(Actor::User(user)),
        Ok(Actor::Visitor { id: own, bound: true }),
        Err(Refusal::OtherParty),
        Err(Refusal::LoginRequired),
    ];
    for ((name, session, command), expected) in cases.iter().zip(expected) {
        assert_eq!(session.actor(command), expected, "{name}");
        group.bench_function(*name, |b| b.iter(|| black_box(session).actor(black_box(command))));
    }
    group.finish();
}

criterion_group! {
    name = benches;
    config = switchboard_benches::quick();
    targets = tokens, commands
}
criterion_main!(benches);
