//! A visitor may name an agent whose login has just been answered, though the desk's word of the agent has
//! not reached the visitor's home: the home asks the desk before it says that there is no such agent.
#![allow(clippy::unwrap_used, reason = "a test")]

use switchboard_domain::desk::Defaults;
use switchboard_domain::{
    ConnectionId, Core, DeskAsk, Effect, Input, Letter, Origin, Placement, Request, Settings, ShardId, Windows,
};
use switchboard_protocol::model::{
    Accept, Actor, AgentChoice, AgentId, AgentRef, Body, BodyKind, Command, Draft, Group, Noun, Party, Read, Refusal,
    Target, Timestamp, VisitorId,
};

const NOW: Timestamp = Timestamp::from_millis(1_000);
const DESK: ShardId = ShardId(0);
const HOME: ShardId = ShardId(1);

fn core(shard: ShardId, placement: &Placement) -> Core {
    let agents = Defaults { max_concurrent: 10, groups: vec![Group::default()], grace_millis: 30_000 };
    Core::new(Settings { agents, windows: Windows::default(), deadline_millis: 10_000 }, shard, placement.clone())
}

fn handle(core: &mut Core, input: Input) -> Vec<Effect> {
    let mut effects = Vec::new();
    core.handle(NOW, input, &mut effects);
    effects
}

/// The letters to a shard, in order.
fn letters(effects: Vec<Effect>, shard: ShardId) -> Vec<Letter> {
    let letters = effects.into_iter().filter_map(|effect| match effect {
        Effect::Mail { to, letter } if to == shard => Some(letter),
        _ => None,
    });
    letters.collect()
}

/// A visitor at home on `HOME`, and its send to an agent.
fn send(placement: &Placement, agent: AgentId) -> Request {
    let names = (0..).map(|n| VisitorId::new(&format!("visitor_{n}")).unwrap());
    let visitor = names.into_iter().find(|name| placement.home(&Party::Visitor(name.clone())) == HOME).unwrap();
    let body = Body { kind: BodyKind::Text, content: "你好".into(), file_url: None, metadata: None };
    Request {
        origin: Origin { shard: HOME, connection: ConnectionId { slot: 0, generation: 0 }, reply: 7 },
        actor: Actor::Visitor { id: visitor.clone(), bound: false },
        command: Command::Send {
            target: Target::Pair { visitor, agent: AgentChoice::Named(AgentRef::Id(agent)) },
            draft: Draft { body, client_msg_id: None },
        },
    }
}

#[test]
fn the_desk_is_asked_about_an_agent_that_is_not_known_yet() {
    let placement = Placement::even(2);
    let (mut desk, mut home) = (core(DESK, &placement), core(HOME, &placement));
    let agent = AgentId::new(1).unwrap();
    let up = Letter::ToDesk(DeskAsk::AgentUp { agent, accept: Accept::Auto, claims: None });
    let on_the_way = letters(handle(&mut desk, Input::Letter(up)), HOME);
    let mut asked = letters(handle(&mut home, Input::Request(send(&placement, agent))), DESK);
    assert!(matches!(asked[..], [Letter::ToDesk(DeskAsk::CatchUp(_))]), "{asked:?}");
    let answer = letters(handle(&mut desk, Input::Letter(asked.remove(0))), HOME);
    let mut effects = Vec::new();
    for letter in on_the_way.into_iter().chain(answer) {
        effects.extend(handle(&mut home, Input::Letter(letter)));
    }
    assert!(matches!(effects[..], [Effect::Read { read: Read::Customer { .. }, .. }]), "{effects:?}");
}

#[test]
fn an_agent_that_the_desk_does_not_know_either_is_refused_once() {
    let placement = Placement::even(2);
    let (mut desk, mut home) = (core(DESK, &placement), core(HOME, &placement));
    let request = send(&placement, AgentId::new(1).unwrap());
    let mut asked = letters(handle(&mut home, Input::Request(request)), DESK);
    let mut answer = letters(handle(&mut desk, Input::Letter(asked.remove(0))), HOME);
    let effects = handle(&mut home, Input::Letter(answer.remove(0)));
    let [Effect::Answer { origin, result }] = &effects[..] else { panic!("{effects:?}") };
    assert_eq!((origin.reply, result), (7, &Err(Refusal::NotFound(Noun::Agent))));
}
