//! Random operations in groups of random size, compared with `Tables`. Repeatable: seeded. Must not know
//! engines.

use switchboard_protocol::model::{
    Conversation, ConversationFilter, Found, ListPosition, Read, Revision, Sender, Seq, Side, State, Timestamp, Write,
};

use super::{Caller, any_message, samples};
use crate::memory::split_mix_64;
use crate::{Op, Tables};

const SEEDS: u64 = 8;
const GROUPS: usize = 40;
const CONVERSATIONS: u64 = 12;
const MESSAGES: u64 = 400;

/// All seeds run in the one store, each with its own reference over its own ids.
pub(super) fn agrees_with_tables(caller: &Caller) {
    let mut tables = Tables::default();
    for seed in 0..SEEDS {
        let mut world = World::new(seed);
        for group in 0..GROUPS {
            let mut submitted = Vec::new();
            for _ in 0..=world.below(40) {
                let write = world.write();
                submitted.push((caller.submit(Op::Write(write.clone())), write));
            }
            for (number, write) in submitted {
                let expected = tables.apply(&write);
                assert_eq!(caller.written(number), expected, "seed {seed}, group {group}: {write:?}");
            }
            for _ in 0..10 {
                let read = world.read();
                let expected: Found = tables.answer(&read);
                assert_eq!(caller.read(read.clone()), expected, "seed {seed}, group {group}: {read:?}");
            }
        }
    }
}

pub(super) struct World {
    random: u64,
    base: u64,
    conversations: Vec<Conversation>,
    next_message: u64,
}

impl World {
    pub(super) fn new(seed: u64) -> Self {
        let base = seed * 10_000;
        let conversations = (1..=CONVERSATIONS)
            .map(|id| {
                // Three parties with several conversations each.
                let party = match id % 3 {
                    0 => samples::user(base + 1),
                    1 => samples::user(base + 2),
                    _ => samples::visitor(&format!("v{base}")),
                };
                let mut conversation = samples::conversation(base + id, party.clone());
                conversation.customer_number = samples::conversation(base + 2, party).customer_number;
                conversation
            })
            .collect();
        Self { random: seed, base, conversations, next_message: base + 1 }
    }

    fn below(&mut self, end: u64) -> u64 {
        split_mix_64(&mut self.random) % end
    }

    fn side(&mut self) -> Side {
        if self.below(2) == 0 { Side::Customer } else { Side::Agent }
    }

    fn conversation(&mut self) -> usize {
        self.below(CONVERSATIONS) as usize
    }

    pub(super) fn write(&mut self) -> Write {
        let (at, side) = (self.conversation(), self.side());
        match self.below(11) {
            0..=4 => {
                let id = self.next_message;
                self.next_message += 1;
                let key = (self.below(2) == 0).then(|| format!("k{}", self.random % 50));
                samples::append(&mut self.conversations[at], id, side, key.as_deref()).0
            }
            5 => {
                let agent = samples::agent_id(self.base + 1 + self.below(3));
                let conversation = &mut self.conversations[at];
                if conversation.is_open() && self.random.is_multiple_of(2) {
                    (conversation.agent, conversation.state) = (Some(agent), State::Active);
                } else if conversation.is_open() {
                    (conversation.agent, conversation.state) = (None, State::Pending);
                }
                // Once closed, closed for good; `opens` comes with the first write only.
                if conversation.last_seq != Seq::ZERO && self.random.is_multiple_of(3) {
                    conversation.state = State::Closed;
                }
                Write::SaveConversation {
                    opens: conversation.last_seq == Seq::ZERO,
                    conversation: conversation.clone(),
                }
            }
            6..=7 => Write::MarkRead {
                messages: (0..self.below(20)).map(|_| self.message()).collect(),
                of: side,
                at: Timestamp::from_millis(self.random % 1_000_000),
                conversation: self.conversations[at].clone(),
            },
            8 => {
                let mut agent = samples::agent(self.base + 1 + self.below(9));
                agent.max_concurrent = (self.random % 100) as u32;
                Write::SaveAgent(agent)
            }
            9 if self.conversations[at].last_seq != Seq::ZERO => Write::Revise {
                seq: Seq::new(1 + self.below(self.conversations[at].last_seq.get())),
                revision: if self.below(3) == 0 {
                    Revision::Recall
                } else {
                    Revision::Edit(format!("e{}", self.random))
                },
                at: Timestamp::from_millis(self.random % 1_000_000),
                conversation: self.conversations[at].clone(),
            },
            _ => Write::DeleteAgent(samples::agent_id(self.base + 1 + self.below(9))),
        }
    }

    fn message(&mut self) -> switchboard_protocol::model::MessageId {
        any_message(self.base + self.below(MESSAGES))
    }

    pub(super) fn read(&mut self) -> Read {
        let at = self.conversation();
        let conversation = self.conversations[at].id;
        match self.below(10) {
            0 => Read::Conversation(conversation),
            8 => Read::Message(self.message()),
            1 => Read::History { conversation, from: Seq::new(self.below(60)), to: Seq::new(self.below(90)) },
            2 => Read::SeqOf { conversation, message: self.message() },
            3 => Read::Sent {
                conversation,
                sender: Sender { side: Side::Agent, number: 1 },
                client_msg_id: samples::client_msg_id(&format!("k{}", self.below(50))),
            },
            9 => Read::SentInAny {
                conversations: self
                    .conversations
                    .iter()
                    .skip(at)
                    .chain(&self.conversations[..at])
                    .map(|header| header.id)
                    .collect(),
                sender: Sender { side: Side::Agent, number: 1 },
                client_msg_id: samples::client_msg_id(&format!("k{}", self.below(50))),
            },
            4 => Read::Customer { party: self.conversations[at].customer.clone(), newest: self.below(6) as u32 },
            5 => Read::OpenConversations {
                after: (self.below(2) == 0).then_some(conversation),
                limit: self.below(20) as u32,
            },
            6 => Read::Listed(conversation),
            7 => {
                // Of this world's own agents, so that other seeds are not in it.
                let agent = samples::agent_id(self.base + 1 + self.below(3));
                let states = [None, Some(State::Pending), Some(State::Active), Some(State::Closed)];
                let at = ListPosition::of(&self.conversations[at]);
                let filter = ConversationFilter {
                    state: states[self.below(4) as usize],
                    agent: Some(agent),
                    ..ConversationFilter::default()
                };
                let after = (self.below(2) == 0).then_some(at);
                Read::Conversations { filter, after, limit: 1 + self.below(6) as u32 }
            }
            _ => Read::Agents {
                after: (self.below(2) == 0).then(|| samples::agent_id(self.base + 1 + self.random % 9)),
                limit: self.below(20) as u32,
            },
        }
    }
}
