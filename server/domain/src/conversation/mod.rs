//! A conversation: what each state allows, one state per file, and what its owner keeps beside the header.
//!
//! The transitions are plain functions on the header; they decide nothing about who hears of them.

mod active;
mod closed;
mod dedup;
mod pending;

use std::collections::VecDeque;

use switchboard_protocol::model::{
    Actor, AgentId, Answer, Channel, Conversation, ConversationId, CustomerNumber, Group, Message, Noun, Party,
    Refusal, Scene, Sender, Seq, Side, State, Timestamp,
};

pub(crate) use active::{mark_read, recall, requeue, unassign};
pub(crate) use closed::close;
pub(crate) use dedup::{Dedup, Known};
pub(crate) use pending::{assign, open};

use crate::asker::Asker;
use crate::directory::Directory;
use crate::{ConnectionId, Origin, ShardId};

/// A conversation in memory, at its owner.
#[derive(Debug)]
pub(crate) struct Live {
    /// The header as decided; storage may be some writes behind.
    pub(crate) header: Conversation,
    /// Client message ids of recent sends.
    pub(crate) dedup: Dedup,
    /// What follows the writes under way, in order.
    pub(crate) writes: VecDeque<Then>,
    /// The newest seq storage has confirmed.
    pub(crate) durable_seq: Seq,
    /// Not in storage yet: the first write enters the indexes.
    pub(crate) fresh: bool,
    /// Who looks on; at most `WATCHERS_MAX_CONNECTIONS`.
    pub(crate) watchers: Vec<Watcher>,
}

/// A connection that hears a conversation's messages without being a party's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Watcher {
    pub(crate) shard: ShardId,
    pub(crate) connection: ConnectionId,
    pub(crate) agent: AgentId,
}

/// What follows when a write of a conversation is durable.
#[derive(Debug)]
pub(crate) enum Then {
    /// A message is stored: answer its senders, tell the others. `except` is told by its answer.
    Sent { message: Message, scene: Scene, waiting: Vec<Asker>, except: Option<Origin> },
    /// An assignment is stored: tell both sides and who gave it away, then what the agent has not read.
    Assigned { scene: Scene, at: Timestamp, former: Option<AgentId>, backlog: bool },
    /// It is stored that the conversation waits: offer it; tell who gave it away, and the customer if `told`.
    Waits { scene: Scene, group: Group, at: Timestamp, former: Option<AgentId>, left: Option<Group>, told: bool },
    /// A revision is stored: answer, tell both sides and who looks on.
    Revised { asker: Option<Asker>, scene: Scene },
    /// Marks are stored: answer the reader, tell the writer.
    Read { asker: Option<Asker>, scene: Scene, of: Side, at: Timestamp },
    /// The end is stored: answer, tell both sides, free the agent.
    Ended { asker: Option<Asker>, scene: Scene, by: Side, at: Timestamp },
    /// No write: an answer that shows what the writes before it made.
    Barrier { asker: Asker, answer: Answer },
}

impl Live {
    /// A conversation that was read from storage.
    pub(crate) fn stored(header: Conversation) -> Self {
        let durable_seq = header.last_seq;
        Self {
            header,
            dedup: Dedup::unknown(),
            writes: VecDeque::new(),
            durable_seq,
            fresh: false,
            watchers: Vec::new(),
        }
    }

    /// A conversation that begins now.
    pub(crate) fn new(header: Conversation) -> Self {
        let complete = Dedup::complete();
        Self {
            header,
            dedup: complete,
            writes: VecDeque::new(),
            durable_seq: Seq::ZERO,
            fresh: true,
            watchers: Vec::new(),
        }
    }

    /// It waits for an agent from `at` on, as the write that follows says; nobody gave it away.
    pub(crate) fn waits(&mut self, at: Timestamp) {
        let (scene, group) = (self.scene(), self.header.group.clone());
        self.writes.push_back(Then::Waits { scene, group, at, former: None, left: None, told: false });
    }

    /// The parties, as events show them.
    pub(crate) fn scene(&self) -> Scene {
        Scene {
            conversation: self.header.id,
            customer: self.header.customer.clone(),
            channel: self.header.channel,
            customer_number: self.header.customer_number,
            agent: self.header.agent,
        }
    }

    /// On which side an actor takes part: only the two parties do, and the workbench as the conversation's agent.
    pub(crate) fn side_of(&self, actor: &Actor, directory: &Directory) -> Result<Side, Refusal> {
        let side = match actor {
            Actor::User(id) => (self.header.customer == Party::User(*id)).then_some(Side::Customer),
            Actor::Visitor { id, .. } => {
                matches!(&self.header.customer, Party::Visitor(own) if own == id).then_some(Side::Customer)
            }
            Actor::Customer(id) => (self.header.customer == Party::Customer(*id)).then_some(Side::Customer),
            Actor::Agent(id) => (self.header.agent == Some(*id)).then_some(Side::Agent),
            Actor::Workbench(None) if self.header.agent.is_none() => return Err(Refusal::WrongState),
            Actor::Workbench(None) => Some(Side::Agent),
            Actor::Workbench(Some(own)) if self.header.agent == Some(*own) => Some(Side::Agent),
            Actor::Workbench(Some(_)) => {
                // What it sees, it is told the truth about.
                self.may_read(actor, directory)?;
                let another = self.header.agent.is_some();
                return Err(if another { Refusal::Forbidden } else { Refusal::WrongState });
            }
            Actor::Bearer(_) | Actor::Admin | Actor::Anonymous => None,
        };
        side.ok_or(Refusal::NotFound(Noun::Conversation))
    }

    /// On which side an actor may end it: a workbench may end what has no agent too.
    pub(crate) fn ends_as(&self, actor: &Actor, directory: &Directory) -> Result<Side, Refusal> {
        match (actor, self.side_of(actor, directory)) {
            (Actor::Workbench(_), Err(Refusal::WrongState)) => Ok(Side::Agent),
            (_, side) => side,
        }
    }

    /// As whom an actor may have written here before: an agent that has lost the conversation may still
    /// ask what became of a send of its own.
    pub(crate) fn author(&self, actor: &Actor) -> Option<Sender> {
        match actor {
            Actor::Agent(id) | Actor::Workbench(Some(id)) => Some(Sender { side: Side::Agent, number: id.get() }),
            Actor::Workbench(None) => self.header.agent.map(|id| Sender { side: Side::Agent, number: id.get() }),
            Actor::User(_) | Actor::Visitor { .. } | Actor::Customer(_) => {
                let customer = actor.party().is_some_and(|party| party == self.header.customer);
                customer.then(|| Sender { side: Side::Customer, number: self.header.customer_number.get() })
            }
            Actor::Bearer(_) | Actor::Admin | Actor::Anonymous => None,
        }
    }

    /// Whether an actor may read the history: its parties (a visitor only once bound), the agents of its group
    /// (dialects.md, "Groups"), admins and the workbench.
    pub(crate) fn may_read(&self, actor: &Actor, directory: &Directory) -> Result<(), Refusal> {
        let may = match actor {
            Actor::Admin | Actor::Workbench(None) => true,
            Actor::Visitor { bound, .. } => *bound && actor.party().as_ref() == Some(&self.header.customer),
            Actor::User(_) | Actor::Customer(_) => actor.party().as_ref() == Some(&self.header.customer),
            Actor::Agent(id) | Actor::Workbench(Some(id)) => {
                self.header.agent == Some(*id) || directory.serves(*id, &self.header.group)
            }
            Actor::Bearer(_) | Actor::Anonymous => false,
        };
        if may { Ok(()) } else { Err(Refusal::NotFound(Noun::Conversation)) }
    }

    /// The sender of what an actor on `side` writes.
    pub(crate) fn sender(&self, side: Side) -> Sender {
        let number = match side {
            Side::Customer => self.header.customer_number.get(),
            Side::Agent => self.header.agent.expect("only the conversation's agent is on the agent's side").get(),
        };
        Sender { side, number }
    }

    /// Whether its owner may forget it: closed, and nothing under way.
    pub(crate) fn is_settled(&self) -> bool {
        !self.header.is_open() && self.writes.is_empty()
    }

    /// Joins those who wait for a message that is under way, by its seq; false if it is not.
    pub(crate) fn join(&mut self, seq: Seq, asker: Asker) -> bool {
        for then in &mut self.writes {
            if let Then::Sent { message, waiting, except, .. } = then
                && message.seq == seq
            {
                waiting.push(asker);
                // Who was answered that nobody knows yet would else hear its own message twice.
                except.get_or_insert(asker.origin);
                return true;
            }
        }
        false
    }
}

/// Takes a message into the header: the next seq, the times, the other side's counter.
pub(crate) fn append(header: &mut Conversation, side: Side, now: Timestamp) -> Seq {
    debug_assert!(header.is_open(), "a closed conversation takes no messages");
    header.last_seq = header.last_seq.next();
    header.last_message_at = Some(now);
    header.updated_at = now;
    match side {
        Side::Customer => header.agent_unread = header.agent_unread.saturating_add(1),
        Side::Agent => header.customer_unread = header.customer_unread.saturating_add(1),
    }
    header.last_seq
}

/// What a new conversation is made of.
pub(crate) struct Opening {
    pub(crate) id: ConversationId,
    pub(crate) customer: Party,
    pub(crate) channel: Option<Channel>,
    pub(crate) customer_number: CustomerNumber,
    pub(crate) named: Option<AgentId>,
    pub(crate) group: Group,
}

/// Whether the state allows a message to be sent.
pub(crate) fn takes_messages(state: State) -> Result<(), Refusal> {
    match state {
        State::Robot | State::Pending | State::Active => Ok(()),
        State::Closed => Err(Refusal::Ended),
    }
}
