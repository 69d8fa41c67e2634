//! Who takes part: users, visitors and agents with their devices, and an admin; what each does next is
//! chance. A client is taken to be sane: it repeats what was not answered before it goes on.

use std::collections::{BTreeMap, BTreeSet};

use switchboard_domain::ShardId;
use switchboard_protocol::model::{
    AgentChoice, AgentId, AgentRef, Answer, ClientMsgId, Command, ConversationId, CustomerId, Party, Refusal, Seq,
    Target, UserId, VisitorId,
};

use super::world::Asked;
use crate::harness::rng::Rng;

/// Client message ids that begin so may be stored again, in another conversation: their sender does not
/// wait for one answer before the next send, and names no conversation.
pub const LOOSE: char = 'l';

pub fn is_loose(id: &ClientMsgId) -> bool {
    id.as_str().starts_with(LOOSE)
}

/// The admin's number among the people.
pub const ADMIN: usize = usize::MAX;

/// A device of a party, as its home shard knows it.
pub struct Device {
    pub person: usize,
    pub shard: ShardId,
    pub party: Party,
    /// It is offered conversations.
    pub picks: bool,
    /// It hears of agents' statuses.
    pub statuses: bool,
    /// The last seq it was told of each conversation.
    pub told: BTreeMap<ConversationId, Seq>,
    /// What it has, told or answered.
    pub got: BTreeSet<(ConversationId, Seq)>,
    /// What it must have when all is at rest.
    pub owed: BTreeSet<(ConversationId, Seq)>,
}

impl Device {
    pub fn new(person: usize, shard: ShardId, party: Party) -> Self {
        Self {
            person,
            shard,
            party,
            picks: false,
            statuses: false,
            told: BTreeMap::new(),
            got: BTreeSet::new(),
            owed: BTreeSet::new(),
        }
    }
}

/// Somebody.
pub struct Person {
    pub party: Party,
    /// What it sent under an id of its own, to repeat it.
    pub sends: Vec<Command>,
    /// Visitors and customers send one after the other; this one is not answered yet.
    pub pending: Option<Command>,
    /// Whom a visitor asks for (a customer: anybody); `None`: another one each time.
    pub choice: Option<AgentChoice>,
}

pub struct People {
    pub all: Vec<Person>,
    pub devices: BTreeMap<u32, Device>,
    /// May have more conversations than its maximum: that was lowered, or a crash lost what freed it.
    pub over: BTreeSet<AgentId>,
}

impl People {
    pub fn new(rng: &mut Rng) -> Self {
        let agents = rng.range(1, 6);
        let mut all = Vec::new();
        for id in 1..=agents {
            all.push(Person::new(Party::Agent(AgentId::new(id).expect("small"))));
        }
        for id in 1..=rng.range(2, 8) {
            all.push(Person::new(Party::User(UserId::new(id).expect("small"))));
        }
        for id in 1..=rng.range(1, 6) {
            let mut visitor = Person::new(Party::Visitor(VisitorId::new(&format!("v{id}")).expect("short")));
            visitor.choice = match rng.range(0, 3) {
                0 => None,
                1 => Some(AgentChoice::Auto),
                _ => Some(named(rng.range(1, agents + 1))),
            };
            all.push(visitor);
        }
        for id in 1..=rng.range(1, 4) {
            let id = CustomerId::from_bytes(u128::from(id).to_be_bytes());
            let mut customer = Person::new(Party::Customer(id));
            customer.choice = Some(AgentChoice::Auto);
            all.push(customer);
        }
        Self { all, devices: BTreeMap::new(), over: BTreeSet::new() }
    }

    pub fn agents(&self) -> Vec<AgentId> {
        let agents = self.all.iter().filter_map(|person| match person.party {
            Party::Agent(id) => Some(id),
            Party::User(_) | Party::Visitor(_) | Party::Customer(_) => None,
        });
        agents.collect()
    }

    /// The slots of a person's devices.
    pub fn devices_of(&self, person: usize) -> Vec<u32> {
        self.devices.iter().filter(|(_, device)| device.person == person).map(|(slot, _)| *slot).collect()
    }

    pub fn is_connected(&self, party: &Party) -> bool {
        self.devices.values().any(|device| device.party == *party)
    }

    pub fn owe(&mut self, party: &Party, conversation: ConversationId, seq: Seq) {
        for device in self.devices.values_mut().filter(|device| device.party == *party) {
            device.owed.insert((conversation, seq));
        }
    }

    /// Everybody hears the answer to what it asked.
    pub fn answered(&mut self, asked: &Asked, result: &Result<Answer, Refusal>) {
        if let Ok(Answer::Sent(sent)) = result
            && let Some(device) = self.devices.get_mut(&asked.origin.connection.slot)
        {
            device.got.insert((sent.conversation, sent.seq));
        }
        if asked.person == ADMIN {
            return;
        }
        let person = &mut self.all[asked.person];
        if person.pending.as_ref() == Some(&asked.command) && !matches!(result, Err(Refusal::Busy(_))) {
            person.pending = None;
        }
    }

    /// Nobody's device is connected any more.
    pub fn crashed(&mut self) {
        self.devices.clear();
        self.over = self.agents().into_iter().collect();
    }
}

impl Person {
    fn new(party: Party) -> Self {
        Self { party, sends: Vec::new(), pending: None, choice: None }
    }

    pub fn visitor(&self) -> Option<VisitorId> {
        match &self.party {
            Party::Visitor(id) => Some(id.clone()),
            Party::User(_) | Party::Agent(_) | Party::Customer(_) => None,
        }
    }
}

pub fn named(agent: u64) -> AgentChoice {
    AgentChoice::Named(AgentRef::Id(AgentId::new(agent).expect("small")))
}

/// The conversation between a visitor and an agent.
pub fn pair(visitor: VisitorId, agent: AgentChoice) -> Target {
    Target::Pair { visitor, agent }
}
