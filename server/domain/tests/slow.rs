//! Storage that cannot write, or for long does not say what became of a write: what is refused, who is told that nobody
//! knows yet, and that each is answered once.
#![allow(clippy::unwrap_used, reason = "a test")]

use std::collections::VecDeque;

use switchboard_domain::desk::Defaults;
use switchboard_domain::{
    ConnectionId, Core, Effect, Input, Origin, Outcome, Placement, Request, Settings, ShardId, Start, Timer, Windows,
};
use switchboard_protocol::model::{
    Accept, Actor, AgentDraft, AgentId, AgentStatus, Answer, Body, BodyKind, Channel, ClientMsgId, Command, Condition,
    ConversationId, CustomerCommand, CustomerDraft, Draft, Event, Fingerprint, Group, KeptAnswer, KeyAnswer,
    KeyCommand, KeyName, KeyScope, Party, Refusal, RequestKey, Revision, Sent, Side, State, Target, Timestamp, UserId,
    VShard, Why, Window, Write, limits,
};
use switchboard_storage::Tables;

const START_MS: u64 = 1_700_000_000_000;
const DEADLINE_MS: u64 = 10_000;
const SHARD: ShardId = ShardId(0);
const AGENT: u64 = 1;
const UNKNOWN: &str = "the outcome is not known yet; retry with the same client_msg_id";

/// One core; storage reads at once and writes when the test says.
struct World {
    core: Core,
    now: u64,
    tables: Tables,
    writes: VecDeque<(u32, Write)>,
    /// By the number of the request.
    answers: Vec<(u32, Result<Answer, Refusal>)>,
    told: Vec<(u32, Event)>,
    /// When the core is to look for what is overdue.
    look_at: Option<u64>,
    asked: u32,
}

fn user(id: u64) -> Actor {
    Actor::User(UserId::new(id).unwrap())
}

fn agent() -> AgentId {
    AgentId::new(AGENT).unwrap()
}

/// A device of each party: its slot is the user's id, or 1000 for the agent.
fn connection(slot: u32) -> ConnectionId {
    ConnectionId { slot, generation: 0 }
}

impl World {
    fn new() -> Self {
        let agents = Defaults { max_concurrent: 10, groups: vec![Group::default()], grace_millis: 30_000 };
        let settings = Settings { agents, windows: Windows::default(), deadline_millis: DEADLINE_MS };
        let leases = (0..4096).map(|index| (VShard::new(index).unwrap(), 1..limits::ID_LEASE_BLOCK_IDS)).collect();
        let mut world = Self {
            core: Core::new(settings, SHARD, Placement::even(1)),
            now: START_MS,
            tables: Tables::default(),
            writes: VecDeque::new(),
            answers: Vec::new(),
            told: Vec::new(),
            look_at: None,
            asked: 0,
        };
        let mut effects = Vec::new();
        let start = Start { leases, ..Start::default() };
        world.core.start(Timestamp::from_millis(world.now), &start, &mut effects);
        world.run(effects);
        world.arrive(Party::Agent(agent()), 1000);
        world.arrive(Party::User(UserId::new(7).unwrap()), 7);
        world.arrive(Party::User(UserId::new(8).unwrap()), 8);
        world.store_all();
        world
    }

    fn arrive(&mut self, party: Party, slot: u32) {
        let connection = connection(slot);
        self.handle(Input::Arrived { connection, party, accept: Accept::Auto, statuses: false, claims: None });
    }

    fn handle(&mut self, input: Input) {
        let mut effects = Vec::new();
        self.core.handle(Timestamp::from_millis(self.now), input, &mut effects);
        self.run(effects);
    }

    fn run(&mut self, effects: Vec<Effect>) {
        for effect in effects {
            match effect {
                Effect::Answer { origin, result } => self.answers.push((origin.reply, result)),
                Effect::Tell { to, event } => {
                    self.told.extend(to.into_iter().map(|to| (to.slot, (*event).clone())));
                }
                Effect::Write { ticket, write } => self.writes.push_back((ticket, write)),
                Effect::Read { ticket, read } => {
                    let outcome = Outcome::Found(self.tables.answer(&read));
                    self.handle(Input::Stored { ticket, outcome });
                }
                Effect::Arm { timer: Timer::Overdue, at } => {
                    assert_eq!(self.look_at, None, "one timer at most");
                    self.look_at = Some(at.as_millis());
                }
                Effect::Arm { .. } | Effect::Expel { .. } => {}
                Effect::Mail { .. } => panic!("there is one shard"),
            }
        }
    }

    /// The number of the request.
    fn ask(&mut self, actor: Actor, command: Command) -> u32 {
        self.asked += 1;
        let slot = match &actor {
            Actor::User(id) => u32::try_from(id.get()).unwrap(),
            Actor::Agent(_) => 1000,
            _ => 2000,
        };
        let origin = Origin { shard: SHARD, connection: connection(slot), reply: self.asked };
        self.handle(Input::Request(Request { origin, actor, command }));
        self.asked
    }

    /// Time goes by, with the looks that the core has asked for.
    fn pass(&mut self, millis: u64) {
        let until = self.now + millis;
        while let Some(at) = self.look_at.filter(|at| *at <= until) {
            self.now = at;
            self.look_at = None;
            self.handle(Input::Timer(Timer::Overdue));
        }
        self.now = until;
    }

    /// The write at a place in the line becomes durable.
    fn store(&mut self, at: usize) {
        let (ticket, write) = self.writes.remove(at).expect("a write is under way");
        let outcome = Outcome::Written(self.tables.apply(&write));
        self.handle(Input::Stored { ticket, outcome });
    }

    fn store_all(&mut self) {
        while !self.writes.is_empty() {
            self.store(0);
        }
    }

    /// All answers to a request so far.
    fn answers_to(&self, number: u32) -> Vec<Result<Answer, Refusal>> {
        self.answers.iter().filter(|(of, _)| *of == number).map(|(_, result)| result.clone()).collect()
    }

    #[track_caller]
    fn sent(&self, number: u32) -> Sent {
        match &self.answers_to(number)[..] {
            [Ok(Answer::Sent(sent))] => *sent,
            other => panic!("not sent: {other:?}"),
        }
    }

    #[track_caller]
    fn busy(&self, number: u32) -> &'static str {
        match self.answers_to(number)[..] {
            [Err(Refusal::Busy(why))] => why,
            ref other => panic!("not refused as busy, once: {other:?}"),
        }
    }

    /// Contents that a device was told, as pushes.
    fn heard(&self, slot: u32) -> Vec<String> {
        let messages = self.told.iter().filter_map(|(to, event)| match event {
            Event::Message { message, .. } if *to == slot => Some(message.body.content.clone()),
            _ => None,
        });
        messages.collect()
    }

    fn send(&mut self, actor: Actor, conversation: ConversationId, text: &str) -> u32 {
        let body = Body { kind: BodyKind::Text, content: text.into(), file_url: None, metadata: None };
        let draft = Draft { body, client_msg_id: Some(ClientMsgId::new(text).unwrap()) };
        self.ask(actor, Command::Send { target: Target::Conversation(conversation), draft })
    }

    /// A user's conversation, durable and with the agent.
    fn conversation(&mut self, id: u64) -> ConversationId {
        let asked = self.open(id);
        self.store_all();
        self.opened(asked)
    }

    fn open(&mut self, id: u64) -> u32 {
        self.ask(user(id), Command::Open { user: None, agent: None, group: None })
    }

    #[track_caller]
    fn opened(&self, asked: u32) -> ConversationId {
        match &self.answers_to(asked)[..] {
            [Ok(Answer::Conversation(header))] => header.id,
            other => panic!("not opened: {other:?}"),
        }
    }
}

#[test]
fn a_send_whose_outcome_is_not_known_is_answered_once_and_keeps_its_place() {
    let mut world = World::new();
    let id = world.conversation(7);
    let first = world.send(user(7), id, "a");
    world.pass(DEADLINE_MS - 1);
    assert!(world.answers_to(first).is_empty(), "not before the deadline");
    world.pass(1_001);
    assert_eq!(world.busy(first), UNKNOWN);
    // A later one waits behind it, and has its own time.
    let second = world.send(user(7), id, "b");
    world.pass(5_000);
    assert!(world.answers_to(second).is_empty());
    assert!(world.heard(1000).is_empty(), "nobody is told of what is not stored");

    world.store(0);
    assert_eq!(world.busy(first), UNKNOWN, "and not again");
    assert_eq!(world.heard(1000), ["a"]);
    assert_eq!(world.heard(7), ["a"], "its sender does not know it, and hears it like anybody");
    world.store(0);
    assert_eq!(world.sent(second).seq.get(), 2);
    assert_eq!(world.heard(7), ["a"], "this one it was answered");

    let again = world.send(user(7), id, "a");
    assert_eq!(world.sent(again).seq.get(), 1, "a retry is answered as the first time");
    assert!(world.writes.is_empty());
}

#[test]
fn a_retry_joins_what_is_still_under_way() {
    let mut world = World::new();
    let id = world.conversation(7);
    let first = world.send(user(7), id, "a");
    world.pass(DEADLINE_MS + 1_000);
    assert_eq!(world.busy(first), UNKNOWN);
    let again = world.send(user(7), id, "a");
    assert_eq!(world.writes.len(), 1, "nothing new is stored");
    world.pass(DEADLINE_MS / 2);
    assert!(world.answers_to(again).is_empty(), "it has the whole time again");
    world.pass(DEADLINE_MS);
    assert_eq!(world.busy(again), UNKNOWN);
    let third = world.send(user(7), id, "a");
    world.store_all();
    assert_eq!(world.sent(third).seq.get(), 1);
    assert_eq!((world.busy(first), world.busy(again)), (UNKNOWN, UNKNOWN));
    assert!(world.heard(7).is_empty(), "its answer tells it");
    assert_eq!(world.heard(1000), ["a"]);
}

#[test]
fn other_conversations_go_on_meanwhile() {
    let mut world = World::new();
    let (stuck, other) = (world.conversation(7), world.conversation(8));
    world.send(user(7), stuck, "a");
    world.pass(DEADLINE_MS * 3);
    let sent = world.send(user(8), other, "x");
    world.store(1);
    assert_eq!(world.sent(sent).seq.get(), 1);
    assert_eq!(world.heard(1000), ["x"]);
}

#[test]
fn marks_ends_and_what_waits_behind_them_are_answered_once() {
    let mut world = World::new();
    let id = world.conversation(7);
    let asked = world.send(user(7), id, "a");
    world.store_all();
    let message = world.sent(asked).message;
    let mark = Command::MarkRead { conversation: id, messages: vec![message], of: Side::Customer };
    let mark = world.ask(Actor::Agent(agent()), mark);
    let shown = world.open(7);
    let revise = Command::Revise { message, revision: Revision::Edit("b".into()) };
    let revise = world.ask(user(7), revise);
    let behind = world.send(user(7), id, "c");
    let end = world.ask(user(7), Command::End { conversation: id });
    world.pass(DEADLINE_MS + 1_000);
    for asked in [mark, shown, revise] {
        assert_eq!(world.busy(asked), "the outcome is not known yet; retry");
    }
    for asked in [behind, end] {
        assert_eq!(world.busy(asked), "storage is behind", "it was not begun, and is not done later");
    }
    world.store_all();
    let all: usize = [mark, shown, revise, behind, end].map(|asked| world.answers_to(asked).len()).iter().sum();
    assert_eq!(all, 5, "each once");
    assert!(matches!(world.told.last(), Some((7 | 1000, Event::Revised { .. }))), "{:?}", world.told.last());

    let end = world.ask(user(7), Command::End { conversation: id });
    world.pass(DEADLINE_MS + 1_000);
    assert_eq!(world.busy(end), "the outcome is not known yet; retry");
    world.store_all();
    let again = world.ask(user(7), Command::End { conversation: id });
    assert_eq!(world.answers_to(again), [Ok(Answer::Ended(id))]);
}

/// Writes about different things have no order: a crash must not find both open.
#[test]
fn a_new_conversation_waits_until_the_end_of_the_one_before_is_durable() {
    let mut world = World::new();
    let id = world.conversation(7);
    let end = world.ask(user(7), Command::End { conversation: id });
    let open = world.open(7);
    let late = world.open(7);
    let Some((_, Write::SaveConversation { conversation, .. })) = world.writes.front() else { panic!() };
    assert_eq!((world.writes.len(), conversation.state), (1, State::Closed));
    world.store(0);
    assert_eq!(world.answers_to(end), [Ok(Answer::Ended(id))]);
    world.store_all();
    assert_ne!(world.opened(open), id);
    assert_eq!(world.opened(late), world.opened(open));
}

#[test]
fn who_waits_behind_an_end_is_answered_too() {
    let mut world = World::new();
    let id = world.conversation(7);
    world.ask(user(7), Command::End { conversation: id });
    let open = world.open(7);
    world.pass(DEADLINE_MS + 1_000);
    assert_eq!(world.busy(open), "storage is behind");
    world.store_all();
    assert!(world.writes.is_empty(), "nothing was opened for it");
    assert_ne!(world.conversation(7), id);
}

#[test]
fn agents_customers_and_keys_have_the_same_deadline() {
    let mut world = World::new();
    let rest = switchboard_protocol::model::AgentChange::default();
    let draft = AgentDraft { id: Some(AgentId::new(5).unwrap()), code: None, rest, again: true };
    let made = world.ask(Actor::Admin, Command::CreateAgent(Box::new(draft.clone())));
    let customer = CustomerDraft {
        id: None,
        name: "王".into(),
        channel: Channel::Web,
        identities: Vec::new(),
        tags: Vec::new(),
        notes: None,
        active: true,
    };
    let customer = Command::Customers(Box::new(CustomerCommand::Create(customer)));
    let customer = world.ask(Actor::Admin, customer);
    let name = KeyName { scope: KeyScope::Admins, key: RequestKey::new("k").unwrap() };
    let begin = KeyCommand::Begin { key: name.key.clone(), fingerprint: Fingerprint([1; 32]) };
    world.ask(Actor::Admin, Command::Key(Box::new(begin.clone())));
    let kept = KeptAnswer {
        fingerprint: Fingerprint([1; 32]),
        status: 200,
        body: b"{}".as_slice().into(),
        expires_at: Timestamp::from_millis(START_MS * 2),
    };
    let finish = KeyCommand::Finish { name, kept: Some(kept.clone()) };
    let finish = world.ask(Actor::Anonymous, Command::Key(Box::new(finish)));
    world.pass(DEADLINE_MS + 1_000);
    for asked in [made, customer, finish] {
        assert_eq!(world.busy(asked), "the outcome is not known yet; retry");
    }
    let early = world.ask(Actor::Admin, Command::Key(Box::new(begin.clone())));
    assert_eq!(world.answers_to(early), [Err(Refusal::KeyInProgress)], "it may be durable any time");
    world.store_all();
    for asked in [made, customer, finish] {
        assert_eq!(world.answers_to(asked).len(), 1);
    }
    let begun = world.ask(Actor::Admin, Command::Key(Box::new(begin)));
    assert_eq!(world.answers_to(begun), [Ok(Answer::Key(Box::new(KeyAnswer::Kept(kept))))]);
    let again = world.ask(Actor::Admin, Command::CreateAgent(Box::new(draft)));
    world.store_all();
    assert!(matches!(world.answers_to(again)[..], [Ok(Answer::Agent(_))]), "it is there");
}

#[test]
fn there_is_a_timer_only_while_something_is_under_way() {
    let mut world = World::new();
    world.pass(10_000);
    assert_eq!(world.look_at, None);
    let id = world.conversation(7);
    world.send(user(7), id, "a");
    assert!(world.look_at.is_some());
    world.pass(60_000);
    assert!(world.look_at.is_some(), "as long as it is not known");
    world.store_all();
    world.pass(10_000);
    assert_eq!(world.look_at, None);
}

#[test]
fn while_storage_cannot_write_what_would_write_is_refused_with_the_cause() {
    let mut world = World::new();
    let id = world.conversation(7);
    let accepted = world.send(user(7), id, "a");
    world.handle(Input::Storage(Condition::Unwritable(Why::DiskFull)));
    let message = switchboard_protocol::model::MessageId::from_wire(1).unwrap();
    let begin = KeyCommand::Begin { key: RequestKey::new("k").unwrap(), fingerprint: Fingerprint([1; 32]) };
    let before = world.writes.len();
    let refused = [
        world.send(user(7), id, "b"),
        world.open(8),
        world.ask(user(7), Command::End { conversation: id }),
        world.ask(user(7), Command::MarkRead { conversation: id, messages: Vec::new(), of: Side::Agent }),
        world.ask(user(7), Command::Revise { message, revision: Revision::Recall }),
        world.ask(Actor::Agent(agent()), Command::SetStatus(AgentStatus::Busy)),
        world.ask(Actor::Admin, Command::Key(Box::new(begin))),
    ];
    for asked in refused {
        assert_eq!(world.busy(asked), "the disk is full");
    }
    let window = Window::Page { page: 1, size: 10 };
    let reads = [
        world.ask(user(7), Command::History { conversation: id, window }),
        world.ask(user(7), Command::Typing { conversation: id }),
        world.ask(Actor::Admin, Command::ListAgents { after: None, limit: 10 }),
    ];
    for asked in reads {
        assert!(matches!(world.answers_to(asked)[..], [Ok(_)]), "{:?}", world.answers_to(asked));
    }
    assert_eq!(world.writes.len(), before, "nothing was written for those");
    // What the core decides itself is written like what was accepted.
    world.handle(Input::Arrived {
        connection: connection(1001),
        party: Party::Agent(AgentId::new(2).unwrap()),
        accept: Accept::Auto,
        statuses: false,
        claims: None,
    });
    assert!(matches!(world.writes.back(), Some((_, Write::SaveAgent(_)))), "{:?}", world.writes.back());
    world.store_all();
    assert_eq!(world.sent(accepted).seq.get(), 1);

    world.handle(Input::Storage(Condition::Writable));
    let sent = world.send(user(7), id, "b");
    world.store_all();
    assert_eq!(world.sent(sent).seq.get(), 2, "nothing of the refused one is left");
}
