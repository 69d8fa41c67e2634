//! Conversations that change hands, in whole cores over the reference storage: what a restart, a race with the desk, a
//! deleted agent or a recall must not undo. The mail waits until a test lets it go, so that races are forced.
#![allow(clippy::unwrap_used, reason = "a test")]

use std::collections::VecDeque;
use std::sync::Arc;

use switchboard_domain::desk::Defaults;
use switchboard_domain::{
    ConnectionId, Core, Effect, Input, Letter, Origin, Outcome, Placement, Request, Settings, ShardId, Start, Windows,
};
use switchboard_protocol::model::{
    Accept, Actor, AgentChange, AgentCode, AgentDraft, AgentId, AgentRef, Answer, Body, BodyKind, ClientMsgId, Command,
    Conversation, ConversationId, CustomerNumber, Draft, Event, Found, Group, MessageId, Noun, Party, PeerName, Read,
    Refusal, Revision, Sent, Side, State, Target, Timestamp, Transfer, UserId, VShard, Write, Written, limits,
};
use switchboard_storage::Tables;

const GRACE_MS: u64 = 600_000;

/// Some shards, storage that is done at once, and mail that waits.
struct World {
    now: u64,
    placement: Placement,
    cores: Vec<Core>,
    tables: Tables,
    mail: VecDeque<(ShardId, Letter)>,
    answers: Vec<(u32, Result<Answer, Refusal>)>,
    told: Vec<(ConnectionId, Arc<Event>)>,
    asked: u32,
}

impl World {
    fn new(shards: u16) -> Self {
        let mut world = Self {
            now: 1_700_000_000_000,
            placement: Placement::even(shards),
            cores: Vec::new(),
            tables: Tables::default(),
            mail: VecDeque::new(),
            answers: Vec::new(),
            told: Vec::new(),
            asked: 0,
        };
        world.boot();
        world
    }

    /// The process is killed and starts again, on what is stored.
    fn boot(&mut self) {
        (self.mail, self.cores) = (VecDeque::new(), Vec::new());
        let Found::Agents(agents) = self.tables.answer(&Read::Agents { after: None, limit: u32::MAX }) else {
            panic!()
        };
        let open = Read::OpenConversations { after: None, limit: u32::MAX };
        let Found::OpenConversations(open) = self.tables.answer(&open) else { panic!() };
        let all = (0..limits::VSHARDS).map(|index| VShard::new(index).unwrap()).collect();
        let Written::Leased(leases) = self.tables.apply(&Write::LeaseIds(all)) else { panic!() };
        let start = Start { agents, open, leases };
        for shard in (0..self.placement.shards()).map(ShardId) {
            let groups = vec![Group::default()];
            let agents = Defaults { max_concurrent: 10, groups, grace_millis: GRACE_MS };
            let settings = Settings { agents, windows: Windows::default(), deadline_millis: 10_000 };
            let mut core = Core::new(settings, shard, self.placement.clone());
            let mut effects = Vec::new();
            core.start(Timestamp::from_millis(self.now), &start, &mut effects);
            self.cores.push(core);
            self.run(shard, effects);
        }
        self.deliver();
    }

    fn handle(&mut self, shard: ShardId, input: Input) {
        let mut effects = Vec::new();
        self.cores[usize::from(shard.0)].handle(Timestamp::from_millis(self.now), input, &mut effects);
        self.run(shard, effects);
    }

    fn run(&mut self, shard: ShardId, effects: Vec<Effect>) {
        for effect in effects {
            match effect {
                Effect::Answer { origin, result } => self.answers.push((origin.reply, result)),
                Effect::Tell { to, event } => self.told.extend(to.into_iter().map(|to| (to, event.clone()))),
                Effect::Mail { to, letter } => self.mail.push_back((to, letter)),
                Effect::Write { ticket, write } => {
                    let outcome = Outcome::Written(self.tables.apply(&write));
                    self.handle(shard, Input::Stored { ticket, outcome });
                }
                Effect::Read { ticket, read } => {
                    let outcome = Outcome::Found(self.tables.answer(&read));
                    self.handle(shard, Input::Stored { ticket, outcome });
                }
                Effect::Arm { .. } | Effect::Expel { .. } => {}
            }
        }
    }

    /// All letters arrive, and what they lead to.
    fn deliver(&mut self) {
        while let Some((to, letter)) = self.mail.pop_front() {
            self.handle(to, Input::Letter(letter));
        }
    }

    /// Asks at a shard; what must cross to another waits.
    fn post(&mut self, shard: ShardId, actor: Actor, command: Command) -> u32 {
        self.asked += 1;
        let origin = Origin { shard, connection: ConnectionId { slot: 0, generation: 0 }, reply: self.asked };
        self.handle(shard, Input::Request(Request { origin, actor, command }));
        self.asked
    }

    fn answer(&mut self, reply: u32) -> Result<Answer, Refusal> {
        let at = self.answers.iter().position(|(to, _)| *to == reply).expect("it is answered");
        self.answers.remove(at).1
    }

    fn ask(&mut self, actor: Actor, command: Command) -> Result<Answer, Refusal> {
        let reply = self.post(ShardId(0), actor, command);
        self.deliver();
        self.answer(reply)
    }

    fn make(&mut self, number: u64, group: &str) {
        let rest = AgentChange { groups: Some(vec![Group::new(group).unwrap()]), ..AgentChange::default() };
        let draft = AgentDraft { id: Some(id_of(number)), code: None, rest, again: false };
        self.ask(Actor::Admin, Command::CreateAgent(Box::new(draft))).unwrap();
    }

    /// An agent's connection, whose slot is the agent's number.
    fn arrive(&mut self, number: u64) {
        let party = Party::Agent(id_of(number));
        let connection = ConnectionId { slot: number as u32, generation: 0 };
        let input = Input::Arrived { connection, accept: Accept::Auto, statuses: false, claims: None, party };
        self.handle(self.placement.home(&Party::Agent(id_of(number))), input);
        self.deliver();
    }

    fn send(&mut self, user: UserId, to: PeerName, id: &str) -> Result<Sent, Refusal> {
        match self.ask(Actor::User(user), send(to, id))? {
            Answer::Sent(sent) => Ok(sent),
            other => panic!("{other:?}"),
        }
    }

    fn header(&self, id: ConversationId) -> Conversation {
        let Found::Conversation(Some(header)) = self.tables.answer(&Read::Conversation(id)) else { panic!() };
        *header
    }

    /// The texts that an agent was pushed since this was asked last.
    fn heard(&mut self, number: u64) -> Vec<String> {
        let told = std::mem::take(&mut self.told);
        let own = told.iter().filter(|(to, _)| u64::from(to.slot) == number);
        own.filter_map(|(_, event)| match &**event {
            Event::Message { message, .. } => Some(message.body.content.clone()),
            _ => None,
        })
        .collect()
    }
}

fn id_of(number: u64) -> AgentId {
    AgentId::new(number).unwrap()
}

fn agent(number: u64) -> Actor {
    Actor::Agent(id_of(number))
}

/// A user at home on a shard.
fn user_of(world: &World, shard: ShardId) -> UserId {
    let mut users = (100..).map(|number| UserId::new(number).unwrap());
    users.find(|user| world.placement.home(&Party::User(*user)) == shard).unwrap()
}

fn number(number: u64) -> PeerName {
    PeerName::Number(CustomerNumber::from_wire(number).unwrap())
}

fn code(code: &str) -> PeerName {
    PeerName::Code(AgentCode::new(code).unwrap())
}

/// A send whose text is its client message id.
fn send(to: PeerName, id: &str) -> Command {
    let body = Body { kind: BodyKind::Text, content: id.into(), file_url: None, metadata: None };
    let draft = Draft { body, client_msg_id: Some(ClientMsgId::new(id).unwrap()) };
    Command::Send { target: Target::Peer { from: None, to, conversation: None }, draft }
}

fn to_agent(conversation: ConversationId, number: u64) -> Command {
    Command::Transfer { conversation, to: Transfer::Agent(AgentRef::Id(id_of(number))) }
}

fn to_group(conversation: ConversationId, group: &str) -> Command {
    Command::Transfer { conversation, to: Transfer::Group(Group::new(group).unwrap()) }
}

fn end(id: ConversationId) -> Command {
    Command::End { conversation: id }
}

#[test]
fn a_restart_keeps_what_was_given_to_a_group_away_from_the_agent_its_user_wanted() {
    for waited_ms in [0, 1000] {
        let mut world = World::new(1);
        for (number, group) in [(1, "default"), (2, "default"), (3, "sales")] {
            world.make(number, group);
        }
        let sent = world.send(UserId::new(100).unwrap(), number(2), "m1").unwrap();
        world.now += waited_ms;
        world.ask(Actor::Admin, to_group(sent.conversation, "sales")).unwrap();
        world.now += 1;
        world.boot();
        world.arrive(2);
        assert_eq!(world.header(sent.conversation).agent, None, "another group's now");
        world.arrive(3);
        assert_eq!(world.header(sent.conversation).agent, Some(id_of(3)));
    }
}

#[test]
fn a_restart_goes_on_waiting_for_the_agent_its_user_wanted() {
    let mut world = World::new(1);
    [1, 2].into_iter().for_each(|number| world.make(number, "default"));
    let sent = world.send(UserId::new(100).unwrap(), number(2), "m1").unwrap();
    world.now += 1000;
    world.boot();
    world.arrive(1);
    assert_eq!(world.header(sent.conversation).agent, None);
    world.arrive(2);
    assert_eq!(world.header(sent.conversation).agent, Some(id_of(2)));
}

#[test]
fn a_user_with_an_open_conversation_may_name_an_agent_that_is_not_there() {
    for home in [ShardId(0), ShardId(1)] {
        let mut world = World::new(2);
        let user = user_of(&world, home);
        for number in [1, 2] {
            world.make(number, "default");
            world.arrive(number);
        }
        let first = world.send(user, number(1), "m1").unwrap();
        let id = first.conversation;
        world.ask(agent(1), to_agent(id, 2)).unwrap();
        world.ask(Actor::Admin, Command::DeleteAgent(AgentRef::Id(id_of(1)))).unwrap();
        world.heard(2);
        let names = [number(1), number(999), code("nobody"), number(1 << 52)];
        for (at, to) in names.iter().enumerate() {
            let name = format!("to nobody {at}");
            assert_eq!(world.send(user, to.clone(), &name).unwrap().conversation, id);
            assert_eq!(world.heard(2), [name]);
            assert_eq!(world.send(user, to.clone(), "m1"), Ok(first), "a retry is answered as the first time");
        }
        world.ask(agent(2), end(id)).unwrap();
        for to in names {
            assert_eq!(world.send(user, to.clone(), "m1"), Ok(first), "after the end too");
            assert_eq!(world.send(user, to, "m2"), Err(Refusal::NotFound(Noun::Agent)), "none is opened");
        }
        assert_ne!(world.send(user, PeerName::Auto, "m3").unwrap().conversation, id);
    }
}

/// A conversation of a user whose owner is not the desk's shard, and two agents that are there; a third is of the group
/// `sales`.
fn apart() -> (World, ShardId, ConversationId) {
    let mut world = World::new(2);
    let owner = ShardId(1);
    assert_ne!(world.placement.desk(), owner);
    for (number, group) in [(1, "default"), (2, "default"), (3, "sales")] {
        world.make(number, group);
    }
    let sent = world.send(user_of(&world, owner), PeerName::Auto, "m1").unwrap();
    assert_eq!(world.header(sent.conversation).state, State::Pending);
    (world, owner, sent.conversation)
}

/// Two transfers reach the owner before the desk's word on the first: how the second ends.
fn at_once(first: (u64, Command), second: (u64, Command), held: bool) -> (Result<Answer, Refusal>, Conversation) {
    let (mut world, owner, id) = apart();
    let on = |command: Command| match command {
        Command::Transfer { to, .. } => Command::Transfer { conversation: id, to },
        Command::Accept { agent, .. } => Command::Accept { conversation: id, agent },
        other => other,
    };
    // They pick: nobody is given anything by the desk.
    for number in [1, 2, 3] {
        let change = AgentChange { accept: Some(Some(Accept::Manual)), ..AgentChange::default() };
        world.ask(Actor::Admin, Command::UpdateAgent(AgentRef::Id(id_of(number)), Box::new(change))).unwrap();
        world.arrive(number);
    }
    if held {
        world.ask(Actor::Admin, to_agent(id, 1)).unwrap();
    }
    let first = world.post(owner, agent(first.0), on(first.1));
    let second = world.post(owner, agent(second.0), on(second.1));
    world.deliver();
    world.answer(first).unwrap();
    (world.answer(second), world.header(id))
}

#[test]
fn the_right_to_give_away_is_looked_at_where_it_is_decided() {
    let any = ConversationId::from_wire(1).unwrap();
    let late = |first, second, held| {
        let (second, header) = at_once(first, second, held);
        assert_eq!(second.unwrap_err(), Refusal::WrongState);
        header
    };
    let header = late((1, to_agent(any, 1)), (2, to_agent(any, 2)), false);
    assert_eq!(header.agent, Some(id_of(1)), "of two that take it one has it");
    let header = late((1, to_agent(any, 2)), (1, to_agent(any, 3)), true);
    assert_eq!(header.agent, Some(id_of(2)), "what was given away is not given away again");
    let pick = Command::Accept { conversation: any, agent: AgentRef::Id(id_of(1)) };
    let header = late((1, pick), (2, to_agent(any, 2)), false);
    assert_eq!(header.agent, Some(id_of(1)), "who picked it keeps it");
    let header = late((1, to_group(any, "sales")), (2, to_group(any, "default")), false);
    assert_eq!(header.group.as_str(), "sales", "another group's is not theirs any more");
    let (second, header) = at_once((1, to_agent(any, 2)), (1, to_agent(any, 2)), true);
    assert!(second.is_ok(), "the same again changes nothing");
    assert_eq!(header.agent, Some(id_of(2)));
}

#[test]
fn who_is_given_a_conversation_hears_what_nobody_has_read_whatever_the_counter_says() {
    let mut world = World::new(1);
    for number in [1, 2] {
        world.make(number, "default");
        world.arrive(number);
    }
    let user = UserId::new(100).unwrap();
    let sent = |world: &mut World, id: &str| world.send(user, number(1), id).unwrap();
    let (first, second) = (sent(&mut world, "m1"), sent(&mut world, "m2"));
    let id = first.conversation;
    let read = |messages: Vec<MessageId>| Command::MarkRead { conversation: id, messages, of: Side::Customer };
    world.ask(agent(1), read(vec![first.message])).unwrap();
    sent(&mut world, "m3");
    let recall = Command::Revise { message: second.message, revision: Revision::Recall };
    world.ask(Actor::User(user), recall).unwrap();
    world.heard(2);
    world.ask(agent(1), to_agent(id, 2)).unwrap();
    assert_eq!(world.heard(2), ["m3"]);
}

#[test]
fn an_agents_retry_is_known_after_it_lost_the_conversation() {
    for restarted in [false, true] {
        let mut world = World::new(1);
        for number in [1, 2] {
            world.make(number, "default");
            world.arrive(number);
        }
        let user = UserId::new(100).unwrap();
        let id = world.send(user, number(1), "m1").unwrap().conversation;
        let first = world.ask(agent(1), send(number(100), "a1")).unwrap();
        world.ask(agent(1), to_agent(id, 2)).unwrap();
        if restarted {
            world.boot();
            [1, 2].into_iter().for_each(|number| world.arrive(number));
        }
        assert_eq!(world.ask(agent(1), send(number(100), "a1")), Ok(first.clone()), "while another has it");
        assert!(world.ask(agent(1), send(number(100), "a2")).is_err(), "it is not its own any more");
        world.ask(agent(2), end(id)).unwrap();
        assert_eq!(world.ask(agent(1), send(number(100), "a1")), Ok(first.clone()), "after the end");
        let next = world.send(user, number(1), "m2").unwrap().conversation;
        assert_eq!(world.header(next).agent, Some(id_of(1)));
        assert_eq!(world.ask(agent(1), send(number(100), "a1")), Ok(first), "not stored again in the next");
    }
}
