//! Customers of channels and opaque tokens in the core alone: what is asked of storage and what follows from its word,
//! the races that a journey cannot force included.
#![allow(clippy::unwrap_used, reason = "a test")]

use switchboard_domain::desk::Defaults;
use switchboard_domain::{
    ConnectionId, Core, Effect, Input, Origin, Outcome, Placement, Request, Settings, ShardId, Start, Timer, Windows,
};
use switchboard_protocol::model::{
    Actor, Answer, Bearer, Channel, Command, CustomerAnswer, CustomerChange, CustomerCommand, CustomerId,
    CustomerNumber, CustomerProfile, CustomerView, CustomerWritten, Found, Group, Identity, IdentityKind, NewToken,
    Party, Read, Refusal, Timestamp, TokenHash, TokenSecret, VShard, Write, Written, limits,
};

const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);
const HASH: TokenHash = TokenHash([7; 32]);

/// One shard that owns everything, with ids to mint; its first timers.
fn started() -> (Core, Vec<Effect>) {
    let agents = Defaults { max_concurrent: 10, groups: vec![Group::default()], grace_millis: 30_000 };
    let mut core = Core::new(
        Settings { agents, windows: Windows::default(), deadline_millis: 10_000 },
        ShardId(0),
        Placement::even(1),
    );
    let leases = (0..4096).map(|index| (VShard::new(index).unwrap(), 1..limits::ID_LEASE_BLOCK_IDS)).collect();
    let mut effects = Vec::new();
    core.start(NOW, &Start { leases, ..Start::default() }, &mut effects);
    effects.retain(|effect| !matches!(effect, Effect::Arm { timer: Timer::AnswerSweep, .. }));
    (core, effects)
}

fn handle(core: &mut Core, input: Input) -> Vec<Effect> {
    let mut effects = Vec::new();
    core.handle(NOW, input, &mut effects);
    // Whoever waits too long for a write is another test's.
    effects.retain(|effect| !matches!(effect, Effect::Arm { timer: Timer::Overdue, .. }));
    effects
}

fn ask(core: &mut Core, actor: Actor, command: Command) -> Vec<Effect> {
    let connection = ConnectionId { slot: 0, generation: 0 };
    let origin = Origin { shard: ShardId(0), connection, reply: 9 };
    handle(core, Input::Request(Request { origin, actor, command }))
}

#[track_caller]
fn read(effects: &[Effect]) -> (u32, Read) {
    match effects {
        [Effect::Read { ticket, read }] => (*ticket, read.clone()),
        other => panic!("no read: {other:?}"),
    }
}

#[track_caller]
fn write(effects: &[Effect]) -> (u32, Write) {
    match effects {
        [Effect::Write { ticket, write }] => (*ticket, write.clone()),
        other => panic!("no write: {other:?}"),
    }
}

#[track_caller]
fn answer(effects: &[Effect]) -> Result<Answer, Refusal> {
    match effects {
        [Effect::Answer { result, .. }] => result.clone(),
        other => panic!("no answer: {other:?}"),
    }
}

fn found(core: &mut Core, ticket: u32, found: Found) -> Vec<Effect> {
    handle(core, Input::Stored { ticket, outcome: Outcome::Found(found) })
}

fn written(core: &mut Core, ticket: u32, written: Written) -> Vec<Effect> {
    handle(core, Input::Stored { ticket, outcome: Outcome::Written(written) })
}

fn phone() -> Identity {
    Identity::new(IdentityKind::Phone, "+8613800138000").unwrap()
}

fn bearer(workbench: bool) -> Actor {
    Actor::Bearer(Box::new(Bearer { hash: HASH, workbench }))
}

fn token() -> NewToken {
    NewToken { secret: TokenSecret(1), hash: HASH, expires_at: NOW.plus_millis(1000) }
}

fn enter() -> Command {
    let command =
        CustomerCommand::Enter { channel: Channel::Sms, identity: phone(), name: "张三".into(), token: token() };
    Command::Customers(Box::new(command))
}

fn view(id: CustomerId) -> CustomerView {
    let profile = CustomerProfile {
        id,
        number: CustomerNumber::from_wire(1 << 52).unwrap(),
        name: "李四".into(),
        channel: Channel::Phone,
        identities: vec![phone()],
        tags: vec![],
        notes: None,
        active: true,
        created_at: NOW,
        updated_at: NOW,
    };
    CustomerView { profile, last_interaction_at: None }
}

fn created(effects: &[Effect]) -> (u32, CustomerProfile) {
    match write(effects) {
        (ticket, Write::CreateCustomer(profile)) => (ticket, *profile),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_new_customer_is_durable_before_its_token_is_told() {
    let (mut core, _) = started();
    let (ticket, asked) = read(&ask(&mut core, Actor::Anonymous, enter()));
    assert_eq!(asked, Read::CustomerByIdentity(phone()));
    let (ticket, profile) = created(&found(&mut core, ticket, Found::CustomerRecord(None)));
    assert_eq!((profile.id, profile.channel), (CustomerId::of_identity(&phone()), Channel::Sms));
    assert!(profile.number.get() > 1 << 52);
    let saved = Written::Customer(CustomerWritten::Saved);
    let (ticket, saved) = write(&written(&mut core, ticket, saved));
    let (bearer, expires_at) = (Party::Customer(profile.id), token().expires_at);
    assert_eq!(saved, Write::SaveToken { hash: HASH, bearer, expires_at });
    let told = answer(&written(&mut core, ticket, Written::Durable)).unwrap();
    let entered =
        CustomerAnswer::Entered { id: profile.id, name: "张三".into(), channel: Channel::Sms, token: token() };
    assert_eq!(told, Answer::Customers(Box::new(entered)));
}

#[test]
fn who_loses_the_race_for_an_identity_is_the_same_customer() {
    let (mut core, _) = started();
    let (ticket, _) = read(&ask(&mut core, Actor::Anonymous, enter()));
    let (ticket, _) = created(&found(&mut core, ticket, Found::CustomerRecord(None)));
    let other = CustomerId::from_bytes([3; 16]);
    let taken = Written::Customer(CustomerWritten::Taken { kind: IdentityKind::Phone, by: other });
    let (ticket, asked) = read(&written(&mut core, ticket, taken));
    assert_eq!(asked, Read::CustomerByIdentity(phone()));
    let known = Found::CustomerRecord(Some(Box::new(view(other))));
    let (_, saved) = write(&found(&mut core, ticket, known));
    assert!(matches!(saved, Write::SaveToken { bearer, .. } if bearer == Party::Customer(other)));
}

#[test]
fn an_identity_whose_first_customer_gave_it_up_makes_another() {
    let (mut core, _) = started();
    let (ticket, _) = read(&ask(&mut core, Actor::Anonymous, enter()));
    let (ticket, first) = created(&found(&mut core, ticket, Found::CustomerRecord(None)));
    let (ticket, _) = read(&written(&mut core, ticket, Written::Customer(CustomerWritten::Stale)));
    let (_, second) = created(&found(&mut core, ticket, Found::CustomerRecord(None)));
    assert_ne!(first.id, second.id);
    assert_eq!(second.identities, [phone()]);
}

#[test]
fn an_update_of_no_certain_state_is_tried_again() {
    let (mut core, _) = started();
    let customer = CustomerId::from_bytes([3; 16]);
    for seen in [None, Some(NOW)] {
        let change = CustomerChange { notes: Some(Some("x".into())), ..CustomerChange::default() };
        let command = CustomerCommand::Update { customer, change, seen };
        let (ticket, _) = read(&ask(&mut core, Actor::Admin, Command::Customers(Box::new(command))));
        let record = Found::CustomerRecord(Some(Box::new(view(customer))));
        let (ticket, update) = write(&found(&mut core, ticket, record));
        assert!(matches!(&update, Write::UpdateCustomer { profile, seen } if *seen == NOW && profile.updated_at > NOW));
        let effects = written(&mut core, ticket, Written::Customer(CustomerWritten::Stale));
        match seen {
            None => assert_eq!(read(&effects).1, Read::CustomerById(customer)),
            Some(_) => assert_eq!(answer(&effects), Err(Refusal::Stale)),
        }
    }
}

#[test]
fn a_token_is_its_bearer_until_it_expires() {
    let (mut core, _) = started();
    let customer = CustomerId::from_bytes([3; 16]);
    let (ticket, asked) = read(&ask(&mut core, bearer(false), Command::Identify));
    assert_eq!(asked, Read::Token(HASH));
    let good = Found::Token(Some((Party::Customer(customer), NOW.plus_millis(1))));
    assert_eq!(answer(&found(&mut core, ticket, good)), Ok(Answer::Bearer(Party::Customer(customer))));

    let (ticket, _) = read(&ask(&mut core, bearer(false), Command::Identify));
    assert_eq!(answer(&found(&mut core, ticket, Found::Token(None))), Err(Refusal::LoginRequired));

    // An expired one is removed as it is met.
    let (ticket, _) = read(&ask(&mut core, bearer(false), Command::Identify));
    let effects = found(&mut core, ticket, Found::Token(Some((Party::Customer(customer), NOW))));
    assert_eq!(write(&effects[..1]).1, Write::RemoveTokens(vec![(HASH, NOW)]));
    assert_eq!(answer(&effects[1..]), Err(Refusal::LoginRequired));
    let (ticket, _) = write(&effects[..1]);
    assert!(written(&mut core, ticket, Written::Durable).is_empty());

    let (ticket, _) = read(&ask(&mut core, bearer(false), Command::Identify));
    let effects = handle(&mut core, Input::Stored { ticket, outcome: Outcome::Unavailable });
    assert!(matches!(answer(&effects), Err(Refusal::Busy(_))), "that says nothing about the token");
}

#[test]
fn expired_tokens_are_swept_until_none_is_left_and_then_each_minute() {
    let (mut core, effects) = started();
    let armed = |effects: &[Effect]| {
        matches!(effects, [Effect::Arm { timer: Timer::TokenSweep, at }]
            if *at == NOW.plus_millis(limits::TOKEN_SWEEP_MS))
    };
    assert!(armed(&effects), "{effects:?}");
    let (ticket, asked) = read(&handle(&mut core, Input::Timer(Timer::TokenSweep)));
    assert_eq!(asked, Read::ExpiredTokens { before: NOW, limit: limits::TOKEN_SWEEP_TOKENS });
    let many = vec![(HASH, NOW); limits::TOKEN_SWEEP_TOKENS as usize];
    let (ticket, removed) = write(&found(&mut core, ticket, Found::ExpiredTokens(many.clone())));
    assert_eq!(removed, Write::RemoveTokens(many.clone()));
    let (ticket, _) = read(&written(&mut core, ticket, Written::Durable));
    let (ticket, _) = write(&found(&mut core, ticket, Found::ExpiredTokens(vec![(HASH, NOW)])));
    assert!(armed(&written(&mut core, ticket, Written::Durable)));
    let (ticket, _) = read(&handle(&mut core, Input::Timer(Timer::TokenSweep)));
    assert!(armed(&found(&mut core, ticket, Found::ExpiredTokens(vec![]))));
    // What could not be removed is not asked for again at once.
    let (ticket, _) = read(&handle(&mut core, Input::Timer(Timer::TokenSweep)));
    let (ticket, _) = write(&found(&mut core, ticket, Found::ExpiredTokens(many)));
    assert!(armed(&handle(&mut core, Input::Stored { ticket, outcome: Outcome::Unavailable })));
}
