//! What the desk costs: a conversation that finds an agent and ends, beside few and many agents; and a freed slot that
//! goes to the first of a long queue. Figures that grow with the number of agents or of those waiting would be a fault.
#![allow(missing_docs)]

use std::collections::VecDeque;
use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use switchboard_domain::desk::{Decision, Defaults, Desk, Waiting, Why};
use switchboard_protocol::model::{AgentCode, AgentId, AgentProfile, ConversationId, Group, Timestamp};

const MAX_CONCURRENT: u32 = 5;
const QUEUE: u64 = 10_000;

/// A desk in motion: time goes on by a millisecond a step, conversations are numbered.
struct Shift {
    desk: Desk,
    now_ms: u64,
    last: u64,
    /// Conversations with an agent, the longest served first.
    assigned: VecDeque<ConversationId>,
    decisions: Vec<Decision>,
}

impl Shift {
    /// A desk with so many agents online, all of one group.
    fn with_agents(agents: u64) -> Self {
        let defaults =
            Defaults { max_concurrent: MAX_CONCURRENT, groups: vec![Group::default()], grace_millis: 30_000 };
        let mut shift =
            Self { desk: Desk::new(defaults), now_ms: 0, last: 0, assigned: VecDeque::new(), decisions: Vec::new() };
        for number in 1..=agents {
            let now = shift.now();
            let profile = agent(number);
            shift.desk.restore_agent(now, profile.id, Some(profile.clone()));
            shift.desk.agent_up(now, profile.id, &mut shift.decisions);
        }
        assert_eq!(shift.desk.figures().agents_connected, agents);
        shift
    }

    fn now(&mut self) -> Timestamp {
        self.now_ms += 1;
        Timestamp::from_millis(self.now_ms)
    }

    /// A new conversation comes.
    fn place(&mut self) -> Decision {
        self.last += 1;
        let now = self.now();
        let waiting = Waiting {
            conversation: ConversationId::from_wire(self.last).expect("a possible id"),
            group: Group::default(),
            named: None,
            queued_at: now,
            returned: false,
        };
        let decision = self.desk.place(now, &waiting, now);
        if decision.agent.is_some() {
            self.assigned.push_back(decision.conversation);
        }
        decision
    }

    /// The longest served conversation ends; what the desk decides about its slot.
    fn release(&mut self) -> Option<Decision> {
        let now = self.now();
        let conversation = self.assigned.pop_front().expect("somebody is served");
        self.desk.release(now, conversation, &mut self.decisions);
        let decision = self.decisions.pop();
        self.assigned.extend(decision.map(|decision| decision.conversation));
        decision
    }
}

fn agent(number: u64) -> AgentProfile {
    let id = AgentId::new(number).expect("a possible id");
    AgentProfile {
        id,
        code: AgentCode::new(&id.to_string()).expect("digits are a code"),
        name: format!("客服 {id}"),
        avatar: None,
        max_concurrent: MAX_CONCURRENT,
        groups: vec![Group::default()],
        skills: Vec::new(),
        accept: None,
        status: None,
    }
}

fn assign_and_release(c: &mut Criterion) {
    let mut group = c.benchmark_group("desk/assign and release");
    group.throughput(Throughput::Elements(1));
    for agents in [100, 10_000] {
        let mut shift = Shift::with_agents(agents);
        // Everybody has two already.
        (0..2 * agents).for_each(|_| assert!(shift.place().agent.is_some()));
        assert_eq!(shift.place().why, Why::Fewest(2), "the load is even");
        shift.release();
        group.bench_function(format!("{agents} agents"), |b| {
            b.iter(|| {
                assert!(black_box(shift.place()).agent.is_some());
                assert_eq!(shift.release(), None);
            });
        });
        assert_eq!((shift.desk.figures().waiting, shift.desk.figures().violations), (0, 0));
    }
    group.finish();
}

fn freed_slot(c: &mut Criterion) {
    let mut group = c.benchmark_group("desk/freed slot and next in line");
    group.throughput(Throughput::Elements(1));
    for agents in [100, 10_000] {
        let mut shift = Shift::with_agents(agents);
        (0..agents * u64::from(MAX_CONCURRENT)).for_each(|_| assert!(shift.place().agent.is_some()));
        (0..QUEUE).for_each(|_| assert_eq!(shift.place().why, Why::NobodyFree));
        group.bench_function(format!("{agents} agents, {QUEUE} waiting"), |b| {
            b.iter(|| {
                assert_eq!(black_box(shift.release()).map(|decision| decision.why), Some(Why::FirstInLine));
                assert_eq!(shift.place().agent, None);
            });
        });
        assert_eq!((shift.desk.figures().waiting, shift.desk.figures().violations), (QUEUE, 0));
    }
    group.finish();
}

criterion_group! {
    name = benches;
    config = switchboard_benches::quick();
    targets = assign_and_release, freed_slot
}
criterion_main!(benches);
