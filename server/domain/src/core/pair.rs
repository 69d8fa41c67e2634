//! Conversations that are not named by their id: kefu's visitor mode names a visitor and an agent, a customer of webchat
//! or a user of bytedesk means its own, an agent of bytedesk names a customer. Their first send opens it. Storage is asked
//! about those that have no open conversation that fits, and whether a client message id was stored in one that has ended.
//! "Customer" is any of them here.

use std::collections::VecDeque;
use std::collections::hash_map::Entry;

use smallvec::SmallVec;
use switchboard_protocol::model::{
    Actor, AgentChoice, AgentId, AgentRef, Answer, Channel, Command, Conversation, ConversationId, CustomerNumber,
    Group, Noun, Party, Read, Refusal, Sender, Side, Target, Timestamp, limits,
};

use super::request::{NO_CONVERSATION, client_msg_id};
use super::stored::Then as After;
use super::{Core, Job};
use crate::conversation::{Known, Opening};
use crate::ids::Ids;
use crate::{DeskAsk, Origin, Request};

/// Requests of one customer (or to one) that wait for storage.
#[derive(Debug, Default)]
pub(super) struct PairSlot {
    waiting: VecDeque<(Request, Timestamp)>,
    known: Option<KnownCustomer>,
    /// Storage was asked for the first request's client message id in what has ended and knew none.
    new_to_storage: bool,
    /// The desk was asked about the agent that the first request names, and this shard knows what it knows.
    caught_up: bool,
    waits: Waits,
    /// A conversation of this customer ended since storage was asked: the answer may be from before.
    stale: bool,
}

impl PairSlot {
    /// Takes those who wait too long for an end to be durable.
    pub(super) fn give_up(&mut self, is_overdue: impl Fn(Timestamp) -> bool) -> Vec<Origin> {
        if self.waits != Waits::End {
            return Vec::new();
        }
        let mut overdue = Vec::new();
        self.waiting.retain(|(request, since)| {
            if is_overdue(*since) {
                overdue.push(request.origin);
            }
            !is_overdue(*since)
        });
        // What was known for the first of them.
        self.caught_up &= overdue.is_empty();
        overdue
    }
}

/// What the first request waits for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Waits {
    #[default]
    Nothing,
    Storage,
    /// Until this shard knows of agents what the desk knows: an agent's login may be answered before the
    /// desk's word of a new agent has come here.
    Desk,
    /// Until the end of a conversation of this customer is durable: till then storage may not know what was
    /// sent there.
    End,
}

/// What storage knows of a customer.
#[derive(Debug)]
pub(super) struct KnownCustomer {
    pub(super) number: Option<CustomerNumber>,
    /// Of a customer.
    pub(super) channel: Option<Channel>,
    /// Newest first.
    pub(super) conversations: Vec<Conversation>,
}

/// A conversation of a customer that has ended.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ended {
    id: ConversationId,
    agent: Option<AgentId>,
    named: Option<AgentId>,
    number: CustomerNumber,
}

impl Ended {
    /// Those of a customer that have, newest first.
    fn of(known: &KnownCustomer) -> Box<[Self]> {
        // One that is open there is open here too.
        let ended = known.conversations.iter().filter(|header| !header.is_open());
        ended
            .map(|header| Self {
                id: header.id,
                agent: header.agent,
                named: header.named,
                number: header.customer_number,
            })
            .collect()
    }
}

/// Whom a conversation must be with to fit a request.
#[derive(Clone, Copy, Debug)]
enum With {
    /// The visitor asked for this agent.
    Named(AgentId),
    /// The customer takes anybody.
    Anybody,
    /// The user takes anybody that its open conversation is with; if none is open it wants this agent.
    Wanted(AgentId),
    /// The same, but nobody is known by the name it gave.
    Unknown,
    /// This agent itself asks.
    Agent(AgentId),
}

impl With {
    fn fits(self, agent: Option<AgentId>, named: Option<AgentId>) -> bool {
        match self {
            Self::Named(wanted) => agent == Some(wanted) || named == Some(wanted),
            Self::Anybody | Self::Wanted(_) | Self::Unknown => true,
            Self::Agent(own) => agent == Some(own),
        }
    }

    /// Whether a send may have been stored in a conversation that has ended: an agent may have lost it before the end.
    fn may_have_written(self, ended: &Ended) -> bool {
        matches!(self, Self::Agent(_)) || self.fits(ended.agent, ended.named)
    }

    /// Who the sender was in conversations of a customer; it has one number in all of them.
    fn sender(self, ended: Option<&Ended>) -> Option<Sender> {
        match self {
            Self::Agent(agent) => Some(Sender { side: Side::Agent, number: agent.get() }),
            Self::Named(_) | Self::Anybody | Self::Wanted(_) | Self::Unknown => {
                ended.map(|ended| Sender { side: Side::Customer, number: ended.number.get() })
            }
        }
    }
}

impl Core {
    /// A send or end between a customer whose home this is and an agent.
    pub(super) fn pair_request(&mut self, customer: Party, request: Request) {
        let slot = self.pairs.entry(customer.clone()).or_default();
        if slot.waiting.len() >= limits::WAITING_MAX_REQUESTS {
            return self.hands.answer(request.origin, Err(Refusal::Busy("this visitor is behind")));
        }
        slot.waiting.push_back((request, self.hands.now));
        self.run_pairs(&customer);
    }

    /// Storage has told who a customer is.
    pub(super) fn customer_known(&mut self, customer: &Party, known: Option<KnownCustomer>) {
        let Some(slot) = self.pairs.get_mut(customer) else {
            return;
        };
        slot.waits = Waits::Nothing;
        let stale = std::mem::take(&mut slot.stale);
        match known {
            Some(known) if !stale => {
                self.ended.insert(customer.clone(), Ended::of(&known));
                slot.known = Some(known);
            }
            Some(_) => {}
            None => {
                slot.caught_up = false;
                if let Some((request, _)) = slot.waiting.pop_front() {
                    self.hands.answer(request.origin, Err(Refusal::Busy("storage is unavailable")));
                }
            }
        }
        self.run_pairs(customer);
    }

    /// Storage has told whether the first request is a retry from before the end.
    pub(super) fn customer_looked_up(&mut self, customer: &Party, seen: Option<Result<Answer, Refusal>>) {
        let Some(slot) = self.pairs.get_mut(customer) else {
            return;
        };
        slot.waits = Waits::Nothing;
        let stale = std::mem::take(&mut slot.stale);
        match seen {
            Some(result) => {
                slot.caught_up = false;
                if let Some((request, _)) = slot.waiting.pop_front() {
                    self.hands.answer(request.origin, result);
                }
            }
            None => slot.new_to_storage = !stale,
        }
        self.run_pairs(customer);
    }

    /// This shard knows of agents what the desk knew when it was asked.
    pub(super) fn caught_up_with_desk(&mut self, customer: &Party) {
        let Some(slot) = self.pairs.get_mut(customer).filter(|slot| slot.waits == Waits::Desk) else { return };
        slot.waits = Waits::Nothing;
        slot.caught_up = true;
        self.run_pairs(customer);
    }

    /// The end of a conversation of a customer is durable.
    pub(super) fn customer_ended(&mut self, customer: &Party) {
        if let Entry::Occupied(mut ends) = self.ending.entry(customer.clone()) {
            *ends.get_mut() -= 1;
            if *ends.get() == 0 {
                ends.remove();
            }
        }
        self.ended.remove(customer);
        let Some(slot) = self.pairs.get_mut(customer) else {
            return;
        };
        slot.known = None;
        match slot.waits {
            Waits::Nothing | Waits::Desk => {}
            Waits::Storage => slot.stale = true,
            Waits::End => slot.waits = Waits::Nothing,
        }
        self.run_pairs(customer);
    }

    fn run_pairs(&mut self, customer: &Party) {
        while let Some(slot) = self.pairs.get_mut(customer) {
            if slot.waits != Waits::Nothing {
                return;
            }
            let Some((request, since)) = slot.waiting.pop_front() else {
                self.pairs.remove(customer);
                if !self.open.contains_key(customer) {
                    self.ended.remove(customer);
                }
                return;
            };
            let new_to_storage = std::mem::take(&mut slot.new_to_storage);
            let caught_up = std::mem::take(&mut slot.caught_up);
            match self.pair_step(customer, &request, new_to_storage, caught_up) {
                Ok(Step::Go(id)) => self.enqueue(id, Job::Request { request, since, new_to_storage: false }),
                Ok(Step::Other(id)) => self.request(about(request, id)),
                Ok(Step::Answered(answer)) => self.hands.answer(request.origin, Ok(answer)),
                Ok(Step::Wait(waits)) => {
                    let slot = self.pairs.get_mut(customer).expect("its requests are being run");
                    slot.waits = waits;
                    slot.caught_up = caught_up;
                    slot.waiting.push_front((request, since));
                }
                Err(refusal) => self.hands.answer(request.origin, Err(refusal)),
            }
        }
    }

    fn pair_step(
        &mut self,
        customer: &Party,
        request: &Request,
        new_to_storage: bool,
        caught_up: bool,
    ) -> Result<Step, Refusal> {
        let with = match self.with_whom(request) {
            Err(Refusal::NotFound(Noun::Agent)) if !caught_up => {
                self.hands.ask_desk(DeskAsk::CatchUp(customer.clone()));
                return Ok(Step::Wait(Waits::Desk));
            }
            with => with?,
        };
        let open = self.open_pair(customer, with);
        if let (With::Unknown, None, false) = (with, open, caught_up) {
            self.hands.ask_desk(DeskAsk::CatchUp(customer.clone()));
            return Ok(Step::Wait(Waits::Desk));
        }
        let lost = self.lost_by(customer, with, open, request);
        if let Some((id, _)) = lost.iter().find(|(_, known)| matches!(known, Known::Seen(_))) {
            return Ok(Step::Go(*id));
        }
        let named = open.and_then(|open| named_other(&request.command, open));
        if let (Some(open), None) = (open, named)
            && (new_to_storage || lost.is_empty() && !self.may_be_of_an_ended(customer, open, request))
        {
            return Ok(Step::Go(open));
        }
        if self.ending.contains_key(customer) {
            return Ok(Step::Wait(Waits::End));
        }
        let slot = self.pairs.get(customer).expect("its requests are being run");
        let known = slot.known.as_ref().map(|known| (known.number, known.channel));
        let all = self.ended.get(customer).filter(|_| known.is_some() || open.is_some());
        let Some(all) = all else {
            let read = Read::Customer { party: customer.clone(), newest: limits::VISITOR_CONVERSATIONS_SEEN };
            self.hands.read(After::KnownCustomer(customer.clone()), read);
            return Ok(Step::Wait(Waits::Storage));
        };
        if let Some(other) = named
            && all.iter().all(|ended| ended.id != other)
        {
            return Ok(Step::Other(other));
        }
        let newest = all.iter().find(|ended| with.fits(ended.agent, ended.named)).copied();
        if let (false, Some(sender), Some(id)) =
            (new_to_storage, with.sender(newest.as_ref()), client_msg_id(&request.command))
        {
            let ended = all.iter().filter(|ended| with.may_have_written(ended)).map(|ended| ended.id);
            let conversations: Vec<_> = lost.iter().map(|(id, _)| *id).chain(ended).collect();
            if !conversations.is_empty() {
                let read = Read::SentInAny { conversations, sender, client_msg_id: id.clone() };
                self.hands.read(After::CustomerLookedUp(customer.clone()), read);
                return Ok(Step::Wait(Waits::Storage));
            }
        }
        if let Some(open) = open {
            return Ok(Step::Go(open));
        }
        if matches!(request.command, Command::EndPair { .. }) {
            return newest.map(|ended| Step::Answered(Answer::Ended(ended.id))).ok_or(NO_CONVERSATION);
        }
        let known = known.expect("asked for above where none is open");
        self.open_as_wanted(customer, known, with, newest.as_ref(), &request.command).map(Step::Go)
    }

    /// The conversation that a first send opens.
    fn open_as_wanted(
        &mut self,
        customer: &Party,
        known: (Option<CustomerNumber>, Option<Channel>),
        with: With,
        ended: Option<&Ended>,
        command: &Command,
    ) -> Result<ConversationId, Refusal> {
        match with {
            With::Agent(_) => Err(if ended.is_some() { Refusal::Ended } else { NO_CONVERSATION }),
            With::Named(agent) | With::Wanted(agent) => {
                let profile = self.hands.directory.find(&AgentRef::Id(agent));
                let of_agent = profile.and_then(|profile| profile.groups.first().cloned());
                let group = named_group(command).or(of_agent);
                self.open_for_customer(customer, known, Some(agent), group)
            }
            With::Anybody => self.open_for_customer(customer, known, None, named_group(command)),
            With::Unknown => Err(Refusal::NotFound(Noun::Agent)),
        }
    }

    /// The open conversations of a customer beside the one meant in which an agent may have sent this before: they were
    /// its own then.
    fn lost_by(&self, customer: &Party, with: With, meant: Option<ConversationId>, request: &Request) -> Lost {
        let (With::Agent(agent), Some(id)) = (with, client_msg_id(&request.command)) else { return Lost::new() };
        let sender = Sender { side: Side::Agent, number: agent.get() };
        let others = self.open.get(customer).into_iter().flatten().filter(|id| Some(**id) != meant);
        let known = others.filter_map(|other| {
            let live = self.conversations.get(other)?.live.as_ref()?;
            Some((*other, live.dedup.look_up(sender, id)))
        });
        known.filter(|(_, known)| *known != Known::New).collect()
    }

    /// Whether a send may be a retry of what was stored before its open conversation began.
    fn may_be_of_an_ended(&self, customer: &Party, open: ConversationId, request: &Request) -> bool {
        let Some(id) = client_msg_id(&request.command) else { return false };
        if self.ended.get(customer).is_some_and(|ended| ended.is_empty()) {
            return false;
        }
        let live = self.conversations.get(&open).and_then(|slot| slot.live.as_ref());
        !live.is_some_and(|live| {
            let sender = live.author(&request.actor);
            sender.is_some_and(|sender| matches!(live.dedup.look_up(sender, id), Known::Seen(_)))
        })
    }

    fn with_whom(&self, request: &Request) -> Result<With, Refusal> {
        if let Command::Send { target: Target::Own { agent, .. }, .. } | Command::Open { agent, .. } = &request.command
        {
            let Some(name) = agent else { return Ok(With::Anybody) };
            let wanted = self.hands.directory.find(name);
            return Ok(wanted.map_or(With::Unknown, |wanted| With::Wanted(wanted.id)));
        }
        if let Command::Send { target: Target::Peer { .. }, .. } = &request.command {
            return match &request.actor {
                Actor::Agent(own) | Actor::Workbench(Some(own)) => Ok(With::Agent(*own)),
                Actor::User(_)
                | Actor::Visitor { .. }
                | Actor::Customer(_)
                | Actor::Workbench(None)
                | Actor::Bearer(_)
                | Actor::Admin
                | Actor::Anonymous => Err(NO_CONVERSATION),
            };
        }
        let (Command::Send { target: Target::Pair { agent, .. }, .. } | Command::EndPair { agent, .. }) =
            &request.command
        else {
            unreachable!("only pairs are kept here")
        };
        let named = match agent {
            AgentChoice::Auto => None,
            AgentChoice::Named(name) => Some(self.hands.directory.find(name).ok_or(Refusal::NotFound(Noun::Agent))?.id),
        };
        match (&request.actor, named) {
            (Actor::Visitor { .. }, Some(agent)) => Ok(With::Named(agent)),
            (Actor::Visitor { .. }, None) => Ok(With::Anybody),
            (Actor::Agent(own), None) => Ok(With::Agent(*own)),
            (Actor::Agent(own), Some(named)) if *own == named => Ok(With::Agent(*own)),
            (
                Actor::Agent(_)
                | Actor::User(_)
                | Actor::Customer(_)
                | Actor::Workbench(_)
                | Actor::Bearer(_)
                | Actor::Admin
                | Actor::Anonymous,
                _,
            ) => Err(NO_CONVERSATION),
        }
    }

    /// The newest open conversation that fits; one the agent has now before one it was only named for.
    fn open_pair(&self, customer: &Party, with: With) -> Option<ConversationId> {
        let open = self.open.get(customer)?;
        let headers = || {
            let slots = open.iter().rev().filter_map(|id| self.conversations.get(id));
            let headers = slots.filter_map(|slot| slot.live.as_ref()).map(|live| &live.header);
            headers.filter(|header| with.fits(header.agent, header.named))
        };
        let exact = headers().find(|header| match with {
            With::Named(agent) | With::Agent(agent) => header.agent == Some(agent),
            With::Anybody | With::Wanted(_) | With::Unknown => true,
        });
        exact.or_else(|| headers().next()).map(|header| header.id)
    }

    fn open_for_customer(
        &mut self,
        customer: &Party,
        (number, channel): (Option<CustomerNumber>, Option<Channel>),
        named: Option<AgentId>,
        group: Option<Group>,
    ) -> Result<ConversationId, Refusal> {
        // An open conversation may have brought the customer its number, and storage does not know yet.
        let open = self.open.get(customer).and_then(|open| open.first()).and_then(|id| self.conversations.get(id));
        let open = open.and_then(|slot| slot.live.as_ref()).map(|live| live.header.customer_number);
        let customer_number = match (open.or(number), customer) {
            (Some(number), _) => number,
            (None, Party::User(user)) => CustomerNumber::of_user(*user),
            (None, Party::Visitor(_) | Party::Customer(_) | Party::Agent(_)) => {
                self.hands.mint(customer.vshard(), Ids::visitor)?
            }
        };
        if let Some(PairSlot { known: Some(known), .. }) = self.pairs.get_mut(customer) {
            known.number = Some(customer_number);
        }
        let group = group.unwrap_or_default();
        let id = self.mint_conversation(customer)?;
        let customer = customer.clone();
        self.open_conversation(Opening { id, customer, channel, customer_number, named, group });
        Ok(id)
    }
}

/// Open conversations, and what they know of a client message id.
type Lost = SmallVec<[(ConversationId, Known); 1]>;

/// What to do with a request of a pair.
enum Step {
    /// It belongs to this open conversation.
    Go(ConversationId),
    /// A customer who has an open conversation means another one, none of its own that ended lately.
    Other(ConversationId),
    /// It is answered already by what was.
    Answered(Answer),
    /// Something must be known or done first.
    Wait(Waits),
}

/// The conversation that a customer means, if it is another than its open one.
fn named_other(command: &Command, open: ConversationId) -> Option<ConversationId> {
    match command {
        Command::Send { target: Target::Own { named, .. }, .. } => named.filter(|named| *named != open),
        _ => None,
    }
}

/// The group that a customer names for the conversation its message opens.
fn named_group(command: &Command) -> Option<Group> {
    match command {
        Command::Send { target: Target::Own { group, .. }, .. } | Command::Open { group, .. } => group.clone(),
        _ => None,
    }
}

/// The same request about a conversation that is named by its id.
fn about(request: Request, id: ConversationId) -> Request {
    let target = Target::Conversation(id);
    let command = match request.command {
        Command::Send { draft, .. } => Command::Send { target, draft },
        other => other,
    };
    Request { command, ..request }
}
