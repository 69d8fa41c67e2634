//! Requests under a key in the core alone: one at a time, what was answered is given again, a crash forgets what was in
//! progress, what is over is swept. The races that a journey cannot force included.
#![allow(clippy::unwrap_used, reason = "a test")]

use switchboard_domain::desk::Defaults;
use switchboard_domain::{
    ConnectionId, Core, Effect, Input, Letter, Origin, Outcome, Placement, Request, Settings, ShardId, Start, Timer,
    Windows,
};
use switchboard_protocol::model::{
    Actor, AgentId, Answer, Command, Fingerprint, Found, Group, KeptAnswer, KeyAnswer, KeyCommand, KeyName, KeyScope,
    Party, Read, Refusal, RequestKey, Timestamp, UserId, Write, Written, limits,
};

const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);
const ONE: Fingerprint = Fingerprint([1; 32]);
const OTHER: Fingerprint = Fingerprint([2; 32]);

fn core(shard: u16, shards: u16) -> Core {
    let agents = Defaults { max_concurrent: 10, groups: vec![Group::default()], grace_millis: 30_000 };
    let mut core = Core::new(
        Settings { agents, windows: Windows::default(), deadline_millis: 10_000 },
        ShardId(shard),
        Placement::even(shards),
    );
    core.start(NOW, &Start::default(), &mut Vec::new());
    core
}

fn handle(core: &mut Core, input: Input) -> Vec<Effect> {
    let mut effects = Vec::new();
    core.handle(NOW, input, &mut effects);
    // Whoever waits too long for a write is another test's.
    effects.retain(|effect| !matches!(effect, Effect::Arm { timer: Timer::Overdue, .. }));
    effects
}

fn ask(core: &mut Core, actor: Actor, command: KeyCommand) -> Vec<Effect> {
    let connection = ConnectionId { slot: 0, generation: 0 };
    let origin = Origin { shard: ShardId(0), connection, reply: 9 };
    handle(core, Input::Request(Request { origin, actor, command: Command::Key(Box::new(command)) }))
}

fn begin(core: &mut Core, fingerprint: Fingerprint) -> Vec<Effect> {
    ask(core, Actor::Admin, KeyCommand::Begin { key: key(), fingerprint })
}

fn key() -> RequestKey {
    RequestKey::new("k-1").unwrap()
}

fn name() -> KeyName {
    KeyName { scope: KeyScope::Admins, key: key() }
}

fn kept(fingerprint: Fingerprint, expires_at: Timestamp) -> KeptAnswer {
    KeptAnswer { fingerprint, status: 200, body: b"{}".as_slice().into(), expires_at }
}

#[track_caller]
fn read(effects: &[Effect]) -> u32 {
    match effects {
        [Effect::Read { ticket, read: Read::KeptAnswer(asked) }] => {
            assert_eq!(**asked, name());
            *ticket
        }
        other => panic!("no read: {other:?}"),
    }
}

#[track_caller]
fn answer(effects: &[Effect]) -> Result<KeyAnswer, Refusal> {
    match effects {
        [Effect::Answer { result: Ok(Answer::Key(answer)), .. }] => Ok((**answer).clone()),
        [Effect::Answer { result: Err(refusal), .. }] => Err(refusal.clone()),
        other => panic!("no answer: {other:?}"),
    }
}

fn found(core: &mut Core, ticket: u32, kept: Option<KeptAnswer>) -> Vec<Effect> {
    let outcome = Outcome::Found(Found::KeptAnswer(kept.map(Box::new)));
    handle(core, Input::Stored { ticket, outcome })
}

#[test]
fn one_at_a_time_and_then_the_same_answer() {
    let mut core = core(0, 1);
    let ticket = read(&begin(&mut core, ONE));
    assert_eq!(answer(&begin(&mut core, ONE)), Err(Refusal::KeyInProgress), "while storage is asked");
    assert_eq!(answer(&found(&mut core, ticket, None)), Ok(KeyAnswer::Begun(name())));
    assert_eq!(answer(&begin(&mut core, ONE)), Err(Refusal::KeyInProgress), "while it is carried out");
    assert_eq!(answer(&begin(&mut core, OTHER)), Err(Refusal::KeyReused));

    let answered = kept(ONE, NOW.plus_millis(1));
    let finish = KeyCommand::Finish { name: name(), kept: Some(answered.clone()) };
    let effects = ask(&mut core, Actor::Anonymous, finish);
    let [Effect::Write { ticket, write: Write::KeepAnswer(written) }] = &effects[..] else { panic!("{effects:?}") };
    assert_eq!(**written, (name(), answered.clone()));
    assert_eq!(answer(&begin(&mut core, ONE)), Err(Refusal::KeyInProgress), "until it is durable");
    let effects = handle(&mut core, Input::Stored { ticket: *ticket, outcome: Outcome::Written(Written::Durable) });
    assert_eq!(answer(&effects), Ok(KeyAnswer::Finished));

    let ticket = read(&begin(&mut core, ONE));
    assert_eq!(answer(&found(&mut core, ticket, Some(answered.clone()))), Ok(KeyAnswer::Kept(answered.clone())));
    let ticket = read(&begin(&mut core, OTHER));
    assert_eq!(answer(&found(&mut core, ticket, Some(answered))), Err(Refusal::KeyReused));
}

#[test]
fn what_was_not_done_may_be_tried_again() {
    let mut core = core(0, 1);
    let ticket = read(&begin(&mut core, ONE));
    found(&mut core, ticket, None);
    let finish = KeyCommand::Finish { name: name(), kept: None };
    assert_eq!(answer(&ask(&mut core, Actor::Anonymous, finish)), Ok(KeyAnswer::Finished));
    // Another request may have the key now, too.
    let ticket = read(&begin(&mut core, OTHER));
    assert_eq!(answer(&found(&mut core, ticket, None)), Ok(KeyAnswer::Begun(name())));
}

#[test]
fn a_question_that_storage_cannot_answer_leaves_the_key_free() {
    let mut core = core(0, 1);
    let ticket = read(&begin(&mut core, ONE));
    let effects = handle(&mut core, Input::Stored { ticket, outcome: Outcome::Unavailable });
    assert!(matches!(answer(&effects), Err(Refusal::Busy(_))));
    read(&begin(&mut core, ONE));
}

#[test]
fn an_expired_answer_is_none() {
    let mut core = core(0, 1);
    let ticket = read(&begin(&mut core, OTHER));
    assert_eq!(answer(&found(&mut core, ticket, Some(kept(ONE, NOW)))), Ok(KeyAnswer::Begun(name())));
}

#[test]
fn keys_belong_to_the_party_and_live_at_its_home() {
    let mut core = core(0, 4);
    let command = || KeyCommand::Begin { key: key(), fingerprint: ONE };
    let (mut here, mut elsewhere) = (0, 0);
    for id in 1..40 {
        let party = Party::User(UserId::new(id).unwrap());
        match &ask(&mut core, Actor::User(UserId::new(id).unwrap()), command())[..] {
            [Effect::Read { read: Read::KeptAnswer(asked), .. }] => {
                assert_eq!((Placement::even(4).home(&party), &asked.scope), (ShardId(0), &KeyScope::Party(party)));
                here += 1;
            }
            [Effect::Mail { to, letter: Letter::Request(_) }] => {
                assert_eq!(Placement::even(4).home(&party), *to);
                elsewhere += 1;
            }
            other => panic!("{other:?}"),
        }
    }
    assert!(here > 0 && elsewhere > 0);
    // An agent is the same by its token and at its workbench.
    let agent = AgentId::new((1..).find(|id| home_of(*id) == ShardId(0)).unwrap()).unwrap();
    assert_eq!(ask(&mut core, Actor::Agent(agent), command()).len(), 1);
    assert_eq!(answer(&ask(&mut core, Actor::Workbench(Some(agent)), command())), Err(Refusal::KeyInProgress));
    assert_eq!(answer(&ask(&mut core, Actor::Anonymous, command())), Err(Refusal::LoginRequired));
}

fn home_of(agent: u64) -> ShardId {
    Placement::even(4).home(&Party::Agent(AgentId::new(agent).unwrap()))
}

#[test]
fn expired_answers_are_swept_until_none_is_left_and_then_each_minute() {
    let mut core = core(0, 1);
    let armed = |effects: &[Effect]| {
        matches!(effects, [Effect::Arm { timer: Timer::AnswerSweep, at }]
            if *at == NOW.plus_millis(limits::TOKEN_SWEEP_MS))
    };
    let sweep = |core: &mut Core, effects: Vec<Effect>, count: usize| {
        let [Effect::Read { ticket, read: Read::ExpiredAnswers { before, limit } }] = &effects[..] else {
            panic!("{effects:?}")
        };
        assert_eq!((*before, *limit), (NOW, limits::TOKEN_SWEEP_TOKENS));
        let names = vec![(NOW, name()); count];
        let outcome = Outcome::Found(Found::ExpiredAnswers(names.clone()));
        let effects = handle(core, Input::Stored { ticket: *ticket, outcome });
        if count == 0 {
            return effects;
        }
        let [Effect::Write { ticket, write }] = &effects[..] else { panic!("{effects:?}") };
        assert_eq!(*write, Write::ForgetAnswers(names));
        handle(core, Input::Stored { ticket: *ticket, outcome: Outcome::Written(Written::Durable) })
    };
    let effects = handle(&mut core, Input::Timer(Timer::AnswerSweep));
    let effects = sweep(&mut core, effects, limits::TOKEN_SWEEP_TOKENS as usize);
    assert!(armed(&sweep(&mut core, effects, 1)));
    let effects = handle(&mut core, Input::Timer(Timer::AnswerSweep));
    assert!(armed(&sweep(&mut core, effects, 0)));
}
