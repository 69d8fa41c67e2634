//! What the domain costs a message: from a command to the write it wants, and from that write's confirmation to the
//! answer and the push. Storage, frames and dialects are left out; making the command's text is part of it.
#![allow(missing_docs)]

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use switchboard_domain::desk::Defaults;
use switchboard_domain::{
    ConnectionId, Core, Effect, Input, Origin, Outcome, Placement, Request, Settings, ShardId, Start, Timer, Windows,
};
use switchboard_protocol::model::limits::VSHARDS;
use switchboard_protocol::model::{
    Accept, Actor, AgentCode, AgentId, AgentProfile, Answer, Body, BodyKind, ClientMsgId, Command, Conversation,
    ConversationId, CustomerNumber, Draft, Event, Found, Group, Party, Seq, State, Target, Timestamp, UserId, VShard,
    Written,
};

const CONTENT: &str = "您好，请问我的订单什么时候发货？订单号是 20250101-0042，谢谢！";
const NOW: Timestamp = Timestamp::from_millis(1_735_696_800_000);
const SHARD: ShardId = ShardId(0);
/// As many agents as share the conversations.
const AGENTS: u64 = 100;

fn user(number: u64) -> UserId {
    UserId::new(number).expect("a possible id")
}

fn agent(number: u64) -> AgentId {
    AgentId::new(number % AGENTS + 1).expect("a possible id")
}

/// The conversation of user `number`, with its agent.
fn conversation(number: u64) -> Conversation {
    let customer = Party::User(user(number));
    Conversation {
        id: ConversationId::mint(1 + number, customer.vshard()).expect("a possible id"),
        customer,
        channel: None,
        customer_number: CustomerNumber::of_user(user(number)),
        named: None,
        agent: Some(agent(number)),
        group: Group::default(),
        state: State::Active,
        last_seq: Seq::ZERO,
        last_message_at: None,
        customer_unread: 0,
        agent_unread: 0,
        created_at: NOW,
        updated_at: NOW,
        queued_at: NOW,
        returned: false,
    }
}

fn profile(number: u64) -> AgentProfile {
    let id = agent(number);
    AgentProfile {
        id,
        code: AgentCode::new(&id.to_string()).expect("digits are a code"),
        name: format!("客服 {id}"),
        avatar: None,
        max_concurrent: 10_000,
        groups: vec![Group::default()],
        skills: Vec::new(),
        accept: None,
        status: None,
    }
}

fn connection(slot: u64) -> ConnectionId {
    ConnectionId { slot: u32::try_from(slot).expect("a small slot"), generation: 0 }
}

/// A core whose users and agents are all connected, one device each.
struct World {
    core: Core,
    open: Vec<ConversationId>,
    effects: Vec<Effect>,
    sent: u64,
}

impl World {
    fn with_conversations(conversations: u64) -> Self {
        let headers: Vec<_> = (1..=conversations).map(conversation).collect();
        let defaults = Defaults { max_concurrent: 5, groups: vec![Group::default()], grace_millis: 30_000 };
        let open = headers.iter().map(|header| header.id).collect();
        let start = Start {
            agents: (0..AGENTS).map(|number| (agent(number), Some(profile(number)))).collect(),
            open: headers,
            // Enough for any bench: a lease that runs out would be measured too.
            leases: (0..VSHARDS).map(|index| (VShard::new(index).expect("below 4096"), 1 << 20..1 << 40)).collect(),
        };
        let core = Core::new(
            Settings { agents: defaults, windows: Windows::default(), deadline_millis: 10_000 },
            SHARD,
            Placement::even(1),
        );
        let mut world = Self { core, open, effects: Vec::new(), sent: 0 };
        world.core.start(NOW, &start, &mut world.effects);
        let users = (1..=conversations).map(|number| (number, Party::User(user(number))));
        let agents = (0..AGENTS).map(|number| (conversations + 1 + number, Party::Agent(agent(number))));
        for (slot, party) in users.chain(agents) {
            let arrived = Input::Arrived {
                connection: connection(slot),
                party,
                accept: Accept::Auto,
                statuses: false,
                claims: None,
            };
            world.core.handle(NOW, arrived, &mut world.effects);
        }
        world.effects.clear();
        world
    }

    /// The next user in turn sends one message; the effects up to the one that waits for storage.
    fn send(&mut self, client_msg_id: Option<ClientMsgId>) {
        let number = self.sent % self.open.len() as u64;
        self.sent += 1;
        let body = Body { kind: BodyKind::Text, content: CONTENT.to_owned(), file_url: None, metadata: None };
        let target = Target::Conversation(self.open[number as usize]);
        let request = Request {
            origin: Origin { shard: SHARD, connection: connection(number + 1), reply: 0 },
            actor: Actor::User(user(number + 1)),
            command: Command::Send { target, draft: Draft { body, client_msg_id } },
        };
        self.effects.clear();
        self.core.handle(NOW, Input::Request(request), black_box(&mut self.effects));
        self.forget_timer();
    }

    /// Storage does what the last effect asked.
    fn store(&mut self) {
        let (ticket, outcome) = match self.effects.pop() {
            Some(Effect::Write { ticket, .. }) => (ticket, Outcome::Written(Written::Durable)),
            Some(Effect::Read { ticket, .. }) => (ticket, Outcome::Found(Found::Sent(None))),
            other => panic!("storage is asked: {other:?}"),
        };
        assert!(self.effects.is_empty(), "nobody hears of what is not stored");
        self.core.handle(NOW, Input::Stored { ticket, outcome }, black_box(&mut self.effects));
        self.forget_timer();
    }

    /// By the first write only: the timer never comes here.
    fn forget_timer(&mut self) {
        if let Some(Effect::Arm { timer: Timer::Overdue, .. }) = self.effects.last() {
            self.effects.pop();
        }
    }

    /// The sender was answered, the agent and nobody else was told.
    fn check(&self) {
        self.check_told(1);
    }

    /// The sender was answered, and so many devices were told.
    fn check_told(&self, devices: usize) {
        let [Effect::Answer { result: Ok(Answer::Sent(sent)), .. }, Effect::Tell { to, event }] = &self.effects[..]
        else {
            panic!("not what a message leads to: {:?}", self.effects)
        };
        let Event::Message { message, .. } = &**event else { panic!("not a message: {event:?}") };
        assert_eq!((to.len(), message.id, &*message.body.content), (devices, sent.message, CONTENT));
    }
}

fn next_id(sent: u64) -> Option<ClientMsgId> {
    Some(ClientMsgId::new(&format!("0190e3a0-7b1c-7cc2-{sent:016x}")).expect("a possible id"))
}

fn message(c: &mut Criterion) {
    let mut group = c.benchmark_group("core/message");
    group.throughput(Throughput::Elements(1));
    for conversations in [1, 1_000, 100_000] {
        let mut world = World::with_conversations(conversations);
        world.send(None);
        world.store();
        world.check();
        group.bench_function(format!("{conversations} conversations in turn"), |b| {
            b.iter(|| {
                world.send(None);
                world.store();
            });
        });
        world.check();
    }

    // A conversation that was read from storage, or that has seen more ids than it remembers: storage is asked first.
    let mut world = World::with_conversations(1_000);
    world.send(next_id(0));
    assert!(matches!(world.effects[..], [Effect::Read { .. }]), "only storage knows whether it is a retry");
    world.store();
    world.store();
    world.check();
    group.bench_function("1000 conversations, client_msg_id asked of storage", |b| {
        b.iter(|| {
            let id = next_id(world.sent);
            world.send(id);
            world.store();
            world.store();
        });
    });
    world.check();
    group.finish();
}

/// A message to an agent with many devices: the whole of it, most of which is who must hear.
fn listeners(c: &mut Criterion) {
    const DEVICES: usize = 1_000;
    let mut world = World::with_conversations(1);
    let party = Party::Agent(agent(1));
    for slot in 1..DEVICES as u64 {
        let arrived = Input::Arrived {
            connection: connection(1_000_000 + slot),
            party: party.clone(),
            accept: Accept::Auto,
            statuses: false,
            claims: None,
        };
        world.core.handle(NOW, arrived, &mut world.effects);
    }
    let mut group = c.benchmark_group("core/listeners");
    group.throughput(Throughput::Elements(DEVICES as u64));
    group.bench_function(format!("a message, {DEVICES} devices hear"), |b| {
        b.iter(|| {
            world.send(None);
            world.store();
        });
    });
    world.check_told(DEVICES);
    group.finish();
}

criterion_group! {
    name = benches;
    config = switchboard_benches::quick();
    targets = message, listeners
}
criterion_main!(benches);
