//! The simulated deployment: cores, mail, storage and timers in simulated time, all chance from one seed.
//! It knows what an effect does, and nothing of what is right: `judge` and `calm` say that.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::ops::Range;

use switchboard_domain::desk::Defaults;
use switchboard_domain::{
    ConnectionId, Core, Effect, Input, Letter, Origin, Outcome, Placement, Request, Settings, ShardId, Start, Timer,
    Windows,
};
use switchboard_protocol::model::limits::VSHARDS;
use switchboard_protocol::model::{
    Accept, Actor, AgentId, Command, Condition, ConversationId, Found, Group, Party, Read, Timestamp, VShard, Why,
    Write, Written,
};
use switchboard_storage::Tables;

use super::judge::Judge;
use super::people::{Device, People};
use crate::harness::rng::Rng;

/// What a seed chooses once.
#[derive(Clone, Debug)]
pub struct Plan {
    pub shards: u16,
    pub mail_delay: Range<u64>,
    pub apply_delay: Range<u64>,
    pub confirm_delay: Range<u64>,
    pub read_delay: Range<u64>,
    pub grace_millis: u64,
    pub max_concurrent: u32,
    /// One read in so many cannot be answered; 0 for none.
    pub read_faults: u64,
    /// Ids in the first block of each virtual shard.
    pub first_ids: u64,
    /// How long anybody waits for a write.
    pub deadline_millis: u64,
    /// One write in so many takes long, and what is behind it with it; 0 for none.
    pub stalls: u64,
}

/// What is still to happen.
#[expect(clippy::large_enum_variant, reason = "a few are under way at once")]
enum Happening {
    Letter {
        to: ShardId,
        letter: Letter,
    },
    /// The first unapplied write of a lane takes effect.
    Apply(ShardId, Thing),
    /// Storage can write again.
    Back,
    Confirm {
        shard: ShardId,
        ticket: u32,
        write: Write,
        written: Written,
    },
    Answer {
        shard: ShardId,
        ticket: u32,
        read: Read,
    },
}

/// What writes are about: those of a shard about one thing are applied and confirmed in order, others in any.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Thing {
    Conversation(ConversationId),
    Agents,
    Counters(VShard),
}

/// Writes of one shard about one thing.
#[derive(Default)]
struct Lane {
    unapplied: VecDeque<(u32, Write)>,
    apply_at: u64,
    confirm_at: u64,
}

/// Who asked what.
#[derive(Clone, Debug)]
pub struct Asked {
    pub person: usize,
    pub origin: Origin,
    pub actor: Actor,
    pub command: Command,
    /// The newest durable seq of the conversation meant, when it was asked.
    pub durable: u64,
    /// When it was asked.
    pub at: u64,
    /// The asker was known as the customer of the conversation meant, when it was asked.
    pub own: bool,
}

/// Everything there is.
pub struct World {
    pub rng: Rng,
    pub plan: Plan,
    pub now: u64,
    pub placement: Placement,
    pub cores: Vec<Core>,
    pub tables: Tables,
    pub judge: Judge,
    pub people: People,
    pub asked: BTreeMap<u32, Asked>,
    /// The last lines of what happened, if they are wanted.
    pub trace: Option<VecDeque<String>>,
    lanes: BTreeMap<(ShardId, Thing), Lane>,
    /// Storage writes nothing before.
    away_until: u64,
    mail_at: BTreeMap<(ShardId, ShardId), u64>,
    events: BTreeMap<(u64, u64), Happening>,
    timers: BTreeSet<(u64, u8, u64)>,
    numbers: u64,
}

/// The beginning of time: any instant will do.
const EPOCH_MS: u64 = 1_800_000_000_000;
const TRACE_LINES: usize = 120;

impl World {
    pub fn new(seed: u64, traced: bool) -> Self {
        let mut rng = Rng::new(seed);
        let plan = Plan::choose(&mut rng);
        let mut world = Self {
            people: People::new(&mut rng),
            placement: Placement::even(plan.shards),
            rng,
            plan,
            now: EPOCH_MS,
            cores: Vec::new(),
            tables: Tables::default(),
            judge: Judge::default(),
            asked: BTreeMap::new(),
            trace: traced.then(VecDeque::new),
            lanes: BTreeMap::new(),
            away_until: 0,
            mail_at: BTreeMap::new(),
            events: BTreeMap::new(),
            timers: BTreeSet::new(),
            numbers: 0,
        };
        world.note(|world| format!("{:?}", world.plan));
        world.boot();
        world
    }

    pub fn time(&self) -> Timestamp {
        Timestamp::from_millis(self.now)
    }

    pub fn note(&mut self, line: impl FnOnce(&Self) -> String) {
        if self.trace.is_none() {
            return;
        }
        let line = format!("{:>7} {}", self.now - EPOCH_MS, line(self));
        let Some(trace) = &mut self.trace else { return };
        if trace.len() == TRACE_LINES {
            trace.pop_front();
        }
        trace.push_back(line);
    }

    /// A number never given before.
    pub fn number(&mut self) -> u64 {
        self.numbers += 1;
        self.numbers
    }

    /// Somebody asks for something through a connection of `shard`.
    pub fn ask(&mut self, person: usize, shard: ShardId, connection: ConnectionId, actor: Actor, command: Command) {
        let reply = u32::try_from(self.number()).expect("a run is short");
        let origin = Origin { shard, connection, reply };
        let durable = self.judge.durable_of(&command);
        let own = self.judge.is_own(&actor, &command);
        let asked =
            Asked { person, origin, actor: actor.clone(), command: command.clone(), durable, at: self.now, own };
        self.asked.insert(reply, asked);
        self.handle(shard, Input::Request(Request { origin, actor, command }));
    }

    /// A new device of a party is here.
    pub fn arrive(&mut self, person: usize, party: Party) {
        let slot = u32::try_from(self.number()).expect("a run is short");
        let shard = self.placement.home(&party);
        // A device of an agent is now and then one that is offered conversations.
        let picks = matches!(party, Party::Agent(_)) && self.rng.one_in(4);
        let statuses = matches!(party, Party::Agent(_)) && self.rng.one_in(4);
        self.people.devices.insert(slot, Device { picks, statuses, ..Device::new(person, shard, party.clone()) });
        let connection = ConnectionId { slot, generation: 0 };
        self.handle(
            shard,
            Input::Arrived {
                connection,
                party,
                accept: if picks { Accept::Manual } else { Accept::Auto },
                statuses,
                claims: None,
            },
        );
    }

    /// A device is gone.
    pub fn leave(&mut self, slot: u32) {
        let Some(device) = self.people.devices.remove(&slot) else { return };
        let connection = ConnectionId { slot, generation: 0 };
        self.handle(device.shard, Input::Left { connection, party: device.party });
    }

    /// Lets time pass; what is due happens, in order.
    pub fn pass(&mut self, millis: u64) {
        let until = self.now + millis;
        while self.step(until) {}
        self.now = until;
    }

    /// Lets everything come to rest; grace periods pass too.
    pub fn rest(&mut self) {
        let mut steps = 0;
        while self.step(u64::MAX) {
            steps += 1;
            assert!(steps < 1_000_000, "nothing comes to rest");
        }
    }

    /// Storage can write nothing for a while, and says so.
    pub fn outage(&mut self) {
        if self.now < self.away_until {
            return;
        }
        let why = [Why::DiskFull, Why::ClusterAway, Why::Behind][self.rng.range(0, 3) as usize];
        let length = [50, 500, 3000][self.rng.range(0, 3) as usize];
        self.away_until = self.now + self.rng.range(1, length);
        self.note(|world| format!("AWAY for {}", world.away_until - world.now));
        self.judge.counts.outages += 1;
        self.later(self.away_until, Happening::Back);
        self.tell_condition(Condition::Unwritable(why));
    }

    fn tell_condition(&mut self, condition: Condition) {
        for shard in (0..self.plan.shards).map(ShardId) {
            self.handle(shard, Input::Storage(condition));
        }
    }

    /// Everything in memory is lost, and of the writes not confirmed a random part of each lane's.
    pub fn crash(&mut self) {
        let mut survived = 0;
        for (_, mut lane) in std::mem::take(&mut self.lanes) {
            let keep = self.rng.range(0, lane.unapplied.len() as u64 + 1);
            for (_, write) in lane.unapplied.drain(..keep as usize) {
                self.tables.apply(&write);
                survived += 1;
            }
        }
        self.away_until = 0;
        self.events.clear();
        self.timers.clear();
        self.mail_at.clear();
        self.asked.clear();
        self.people.crashed();
        self.now += self.rng.range(1, 500);
        self.plan.shards = u16::try_from(self.rng.range(1, 4)).expect("small");
        self.placement = Placement::even(self.plan.shards);
        self.note(|world| format!("CRASH, {survived} unconfirmed survive, {} shards", world.plan.shards));
        self.judge.crashed(&self.tables);
        self.boot();
    }

    /// As `server/src/boot.rs` does it.
    fn boot(&mut self) {
        let mut start = Start::default();
        if let Found::Agents(agents) = self.tables.answer(&Read::Agents { after: None, limit: u32::MAX }) {
            start.agents = agents;
        }
        start.open = self.stored_open();
        let all = (0..VSHARDS).map(|index| VShard::new(index).expect("below 4096")).collect();
        if let Written::Leased(leases) = self.tables.apply(&Write::LeaseIds(all)) {
            let few = self.plan.first_ids;
            start.leases = leases.into_iter().map(|(vshard, block)| (vshard, block.start..block.start + few)).collect();
        }
        let group = |name: &str| Group::new(name).expect("a valid name");
        let agents = Defaults {
            max_concurrent: self.plan.max_concurrent,
            groups: vec![group("default")],
            grace_millis: self.plan.grace_millis,
        };
        self.cores.clear();
        for shard in (0..self.plan.shards).map(ShardId) {
            let mut core = Core::new(
                Settings {
                    agents: agents.clone(),
                    windows: Windows::default(),
                    deadline_millis: self.plan.deadline_millis,
                },
                shard,
                self.placement.clone(),
            );
            let mut effects = Vec::new();
            core.start(self.time(), &start, &mut effects);
            self.cores.push(core);
            self.run(shard, effects);
        }
    }

    pub fn stored_open(&self) -> Vec<switchboard_protocol::model::Conversation> {
        match self.tables.answer(&Read::OpenConversations { after: None, limit: u32::MAX }) {
            Found::OpenConversations(open) => open,
            other => unreachable!("the wrong answer: {other:?}"),
        }
    }

    fn handle(&mut self, shard: ShardId, input: Input) {
        self.note(|_| format!("{} <- {input:?}", shard.0));
        let mut effects = Vec::new();
        self.cores[usize::from(shard.0)].handle(Timestamp::from_millis(self.now), input, &mut effects);
        self.run(shard, effects);
    }

    /// The next thing that is due by `until`, if any.
    fn step(&mut self, until: u64) -> bool {
        let event = self.events.first_key_value().map(|((at, _), _)| *at);
        let timer = self.timers.first().map(|(at, ..)| *at);
        let next = event.into_iter().chain(timer).min();
        let Some(at) = next.filter(|at| *at <= until) else { return false };
        self.now = self.now.max(at);
        if timer == Some(at) {
            let (_, kind, id) = self.timers.pop_first().expect("just seen");
            let desk = self.placement.desk();
            let (shard, timer) = match kind {
                0 => (desk, Timer::AgentGrace(AgentId::new(id).expect("was one"))),
                1 => (desk, Timer::NamedGrace(ConversationId::from_wire(id).expect("was one"))),
                _ => (ShardId(u16::try_from(id).expect("was one")), Timer::Overdue),
            };
            self.handle(shard, Input::Timer(timer));
            return true;
        }
        let (_, happening) = self.events.pop_first().expect("just seen");
        match happening {
            Happening::Letter { to, letter } => self.handle(to, Input::Letter(letter)),
            Happening::Apply(shard, thing) if self.now < self.away_until => {
                let at = self.away_until + between(&mut self.rng, &self.plan.apply_delay);
                self.later(at, Happening::Apply(shard, thing));
            }
            Happening::Apply(shard, thing) => self.apply(shard, thing),
            Happening::Back => self.tell_condition(Condition::Writable),
            Happening::Confirm { shard, ticket, write, written } => {
                self.judge.confirmed(&write, &self.tables, &mut self.people, self.plan.read_faults == 0);
                self.handle(shard, Input::Stored { ticket, outcome: Outcome::Written(written) });
            }
            Happening::Answer { shard, ticket, read } => {
                let fails = self.plan.read_faults > 0 && self.rng.one_in(self.plan.read_faults);
                let outcome = if fails { Outcome::Unavailable } else { Outcome::Found(self.tables.answer(&read)) };
                self.handle(shard, Input::Stored { ticket, outcome });
            }
        }
        true
    }

    fn apply(&mut self, shard: ShardId, thing: Thing) {
        let delay = between(&mut self.rng, &self.plan.confirm_delay);
        let lane = self.lanes.get_mut(&(shard, thing)).expect("something is to be applied there");
        let (ticket, write) = lane.unapplied.pop_front().expect("one apply for each write");
        let written = self.tables.apply(&write);
        lane.confirm_at = lane.confirm_at.max(self.now + delay);
        let at = lane.confirm_at;
        self.later(at, Happening::Confirm { shard, ticket, write, written });
    }

    fn write(&mut self, shard: ShardId, ticket: u32, write: Write) {
        let stalls = self.plan.stalls > 0 && self.rng.one_in(self.plan.stalls);
        let stall = if stalls { self.rng.range(0, 4 * self.plan.deadline_millis) } else { 0 };
        let delay = between(&mut self.rng, &self.plan.apply_delay) + stall;
        let thing = thing_of(&write);
        let lane = self.lanes.entry((shard, thing)).or_default();
        lane.unapplied.push_back((ticket, write));
        lane.apply_at = lane.apply_at.max(self.now + delay);
        let at = lane.apply_at;
        self.later(at, Happening::Apply(shard, thing));
    }

    fn later(&mut self, at: u64, happening: Happening) {
        let number = self.number();
        self.events.insert((at, number), happening);
    }

    fn run(&mut self, shard: ShardId, effects: Vec<Effect>) {
        for effect in effects {
            self.note(|_| format!("{} -> {effect:?}", shard.0));
            match effect {
                Effect::Answer { origin, result } => {
                    assert_eq!(origin.shard, shard, "an answer at the wrong shard");
                    let asked = self.asked.remove(&origin.reply).expect("an answer nobody waits for, or a second one");
                    (self.judge.now, self.judge.deadline_millis) = (self.now, self.plan.deadline_millis);
                    self.judge.answered(&asked, &result);
                    self.people.answered(&asked, &result);
                }
                Effect::Tell { to, event } => {
                    assert!(!to.is_empty(), "nobody is told");
                    for connection in to {
                        let device = self.people.devices.get_mut(&connection.slot).expect("a device that is gone");
                        assert_eq!(device.shard, shard, "told at the wrong shard");
                        self.judge.told(device, &event);
                    }
                }
                Effect::Mail { to, letter } => {
                    let delay = between(&mut self.rng, &self.plan.mail_delay);
                    let at = self.mail_at.entry((shard, to)).or_default();
                    *at = (*at).max(self.now + delay);
                    let at = *at;
                    self.later(at, Happening::Letter { to, letter });
                }
                Effect::Write { ticket, write } => {
                    self.judge.wrote(shard, &self.placement, &write);
                    self.write(shard, ticket, write);
                }
                Effect::Read { ticket, read } => {
                    let at = self.now + between(&mut self.rng, &self.plan.read_delay);
                    self.later(at, Happening::Answer { shard, ticket, read });
                }
                Effect::Arm { timer, at } => {
                    let desks = !matches!(timer, Timer::Overdue);
                    assert!(!desks || shard == self.placement.desk(), "only the desk has this timer");
                    self.timers.insert(match timer {
                        Timer::Overdue => (at.as_millis(), 2, u64::from(shard.0)),
                        Timer::AgentGrace(agent) => (at.as_millis(), 0, agent.get()),
                        Timer::NamedGrace(conversation) => (at.as_millis(), 1, conversation.get()),
                        // There are no tokens in this world, and no keys.
                        Timer::TokenSweep | Timer::AnswerSweep => continue,
                    });
                }
                Effect::Expel { connections } => {
                    for connection in connections {
                        self.leave(connection.slot);
                    }
                }
            }
        }
    }
}

impl Plan {
    fn choose(rng: &mut Rng) -> Self {
        let upto = |rng: &mut Rng| [1, 3, 20, 200][rng.range(0, 4) as usize];
        Self {
            shards: u16::try_from(rng.range(1, 4)).expect("small"),
            mail_delay: 0..upto(rng),
            apply_delay: 0..upto(rng),
            confirm_delay: 0..upto(rng),
            read_delay: 0..upto(rng),
            grace_millis: [20, 300, 3000][rng.range(0, 3) as usize],
            max_concurrent: u32::try_from(rng.range(1, 4)).expect("small"),
            read_faults: if rng.one_in(4) { 30 } else { 0 },
            first_ids: rng.range(2, 200),
            deadline_millis: [300, 1000, 10_000][rng.range(0, 3) as usize],
            stalls: [0, 20, 200][rng.range(0, 3) as usize],
        }
    }
}

fn thing_of(write: &Write) -> Thing {
    match write {
        Write::Append { conversation, .. }
        | Write::SaveConversation { conversation, .. }
        | Write::MarkRead { conversation, .. }
        | Write::Revise { conversation, .. } => Thing::Conversation(conversation.id),
        Write::SaveAgent(_) | Write::DeleteAgent(_) => Thing::Agents,
        Write::LeaseIds(vshards) => Thing::Counters(vshards[0]),
        Write::CreateCustomer(_)
        | Write::UpdateCustomer { .. }
        | Write::SaveToken { .. }
        | Write::RemoveTokens(_)
        | Write::KeepAnswer(_)
        | Write::ForgetAnswers(_)
        | Write::Restore(_) => unreachable!("there are no records, tokens, keys and imports in this world"),
    }
}

fn between(rng: &mut Rng, range: &Range<u64>) -> u64 {
    rng.range(range.start, range.end)
}
