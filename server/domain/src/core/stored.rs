//! What follows when storage has done what it was asked.

use std::sync::Arc;

use switchboard_protocol::model::{
    AgentId, Answer, ConversationFilter, ConversationId, ConversationQuery, Event, Found, Message, Noun, Party, Read,
    Refusal, Scene, Sent, Seq, Side, Timestamp, VShard, Window, Written, limits,
};

use super::hands::Hands;
use super::pair::KnownCustomer;
use super::request::NO_CONVERSATION;
use super::{Core, Job, Slot, revise};
use crate::asker::Asker;
use crate::conversation::{self, Live};
use crate::{DeskAsk, Origin, Outcome, Request};

/// What follows a storage operation.
#[derive(Debug)]
pub(super) enum Then {
    /// A write of a conversation: the first of its `writes`.
    Conversation(ConversationId),
    /// A conversation was read that requests wait for.
    Loaded(ConversationId),
    /// A client message id was looked up; the send waits first in line.
    LookedUp(ConversationId),
    /// What a new agent has not read was read.
    Backlog { conversation: ConversationId, agent: AgentId, scene: Box<Scene> },
    /// A message was read whose conversation is to be found.
    Located(Box<Request>),
    /// A message was read that is to be revised.
    Message { conversation: ConversationId, request: Box<Request> },
    /// A message that is shown.
    MessageShown(Origin),
    /// A page of a history.
    History(Origin),
    /// The seq of a message was looked up, to page on after it.
    SeqOf { origin: Origin, conversation: ConversationId, limit: u32, newest: Seq, customer: Option<Party> },
    /// A part of a history that is told with names.
    Transcript { origin: Origin, conversation: ConversationId, customer: Box<Party>, next: Option<Window> },
    /// A page of conversations.
    Listed { origin: Origin, query: Box<ConversationQuery> },
    /// A conversation that is shown to this asker, if it sees it.
    Shown { origin: Origin, sight: Box<ConversationFilter> },
    /// A stretch for a resuming peer.
    Sync { origin: Origin, next_seq: Seq, complete: bool },
    /// Who a customer is.
    KnownCustomer(Party),
    /// Whether the send of one is a retry from before the end.
    CustomerLookedUp(Party),
    /// An agent's record is stored: answer who asked for it.
    Agent { origin: Origin, answer: Box<Answer> },
    /// An agent's record is stored that nobody asked for.
    AgentSaved,
    /// Ids are leased.
    Leased(VShard),
    /// About customers and tokens.
    Customers(Box<super::customers::Then>),
    /// About keys of requests.
    Keys(Box<super::keyed::Then>),
}

impl Core {
    /// Goes on where storage was waited for.
    pub(super) fn stored(&mut self, ticket: u32, outcome: Outcome) {
        match self.hands.redeem(ticket) {
            Then::Conversation(id) => self.written(id, outcome),
            Then::Loaded(id) => self.loaded(id, outcome),
            Then::LookedUp(id) => self.looked_up(id, outcome),
            Then::Backlog { conversation, agent, scene } => self.caught_up(conversation, agent, &scene, outcome),
            Then::Located(request) => self.located(*request, outcome),
            Then::Message { conversation, request } => self.message_known(conversation, *request, outcome),
            Then::MessageShown(origin) => self.message_shown(origin, outcome),
            Then::History(origin) => {
                let result = history(outcome).map(Answer::History);
                self.hands.answer(origin, result);
            }
            Then::SeqOf { origin, conversation, limit, newest, customer } => {
                let result = self.seq_known(origin, conversation, (limit, newest), customer, outcome);
                if let Err(refusal) = result {
                    self.hands.answer(origin, Err(refusal));
                }
            }
            Then::Transcript { origin, conversation, customer, next } => {
                let result = history(outcome);
                let result = result.map(|messages| self.hands.transcript(conversation, *customer, messages, next));
                self.hands.answer(origin, result);
            }
            Then::Listed { origin, query } => self.listed(origin, *query, outcome),
            Then::Shown { origin, sight } => self.shown(origin, &sight, outcome),
            Then::Sync { origin, next_seq, complete } => {
                let result = history(outcome).map(|messages| synced(messages, next_seq, complete));
                self.hands.answer(origin, result);
            }
            Then::KnownCustomer(customer) => {
                let known = match outcome {
                    Outcome::Found(Found::Customer { number, channel, conversations }) => {
                        Some(KnownCustomer { number, channel, conversations })
                    }
                    Outcome::Found(_) | Outcome::Written(_) | Outcome::Unavailable => None,
                };
                self.customer_known(&customer, known);
            }
            Then::CustomerLookedUp(customer) => {
                let seen = match outcome {
                    Outcome::Found(Found::Sent(sent)) => sent.map(|sent| Ok(Answer::Sent(sent))),
                    Outcome::Found(_) | Outcome::Written(_) | Outcome::Unavailable => Some(Err(UNAVAILABLE)),
                };
                self.customer_looked_up(&customer, seen);
            }
            Then::Agent { origin, answer } => {
                let result = match outcome {
                    Outcome::Written(_) => Ok(*answer),
                    Outcome::Found(_) | Outcome::Unavailable => Err(UNAVAILABLE),
                };
                self.hands.answer(origin, result);
            }
            Then::AgentSaved => {}
            Then::Customers(then) => self.customers_stored(*then, outcome),
            Then::Keys(then) => self.keys_stored(*then, outcome),
            Then::Leased(vshard) => match outcome {
                Outcome::Written(Written::Leased(blocks)) => {
                    for (vshard, block) in blocks {
                        self.hands.ids.lease(vshard, block);
                    }
                }
                Outcome::Written(_) | Outcome::Found(_) | Outcome::Unavailable => self.hands.ids.lease_failed(vshard),
            },
        }
    }

    /// A write of a conversation is durable: whoever waited hears of it.
    fn written(&mut self, id: ConversationId, outcome: Outcome) {
        let slot = self.conversations.get_mut(&id).expect("a conversation with writes under way is not forgotten");
        let ended = slot.customer_to_end();
        match outcome {
            Outcome::Written(written) => slot.written(&mut self.hands, written),
            Outcome::Found(_) | Outcome::Unavailable => slot.not_written(&mut self.hands),
        }
        self.run(id);
        if let Some(customer) = ended {
            self.customer_ended(&customer);
        }
    }

    fn loaded(&mut self, id: ConversationId, outcome: Outcome) {
        let refusal = match outcome {
            Outcome::Found(Found::Conversation(Some(header))) => {
                let slot = self.conversations.get_mut(&id).expect("a held slot is not forgotten");
                slot.live = Some(Live::stored(*header));
                slot.held = false;
                return self.run(id);
            }
            Outcome::Found(Found::Conversation(None)) => NO_CONVERSATION,
            Outcome::Found(_) | Outcome::Written(_) | Outcome::Unavailable => UNAVAILABLE,
        };
        let slot = self.conversations.remove(&id).expect("a held slot is not forgotten");
        for job in slot.waiting {
            match job {
                Job::Request { request, .. } => self.hands.answer(request.origin, Err(refusal.clone())),
                Job::Tell(tell) => self.told_too_late(tell),
            }
        }
    }

    fn looked_up(&mut self, id: ConversationId, outcome: Outcome) {
        let slot = self.conversations.get_mut(&id).expect("a held slot is not forgotten");
        slot.held = false;
        let answer = match outcome {
            Outcome::Found(Found::Sent(None)) => None,
            Outcome::Found(Found::Sent(Some(sent))) => Some(Ok(Answer::Sent(sent))),
            Outcome::Found(_) | Outcome::Written(_) | Outcome::Unavailable => Some(Err(UNAVAILABLE)),
        };
        if let Some(result) = answer
            && let Some(Job::Request { request, .. }) = slot.waiting.pop_front()
        {
            self.hands.answer(request.origin, result);
        }
        self.run(id);
    }

    /// A new agent is told what it has not read, before anything newer.
    fn caught_up(&mut self, id: ConversationId, agent: AgentId, scene: &Scene, outcome: Outcome) {
        for message in history(outcome).unwrap_or_default() {
            let unread = message.read_at.is_none() && message.recalled_at().is_none();
            if message.sender.side == Side::Customer && unread {
                let event = Arc::new(Event::Message { scene: scene.clone(), message, author: None });
                self.hands.deliver(&Party::Agent(agent), &event, None);
            }
        }
        if let Some(slot) = self.conversations.get_mut(&id) {
            slot.held = false;
        }
        self.run(id);
    }

    fn seq_known(
        &mut self,
        origin: Origin,
        conversation: ConversationId,
        (limit, newest): (u32, Seq),
        customer: Option<Party>,
        outcome: Outcome,
    ) -> Result<(), Refusal> {
        let seq = match outcome {
            Outcome::Found(Found::Seq(Some(seq))) => seq,
            Outcome::Found(Found::Seq(None)) => return Err(Refusal::NotFound(Noun::Message)),
            Outcome::Found(_) | Outcome::Written(_) | Outcome::Unavailable => return Err(UNAVAILABLE),
        };
        let to = Seq::new(newest.get().min(seq.get() + u64::from(limit)));
        let then = match customer {
            None => Then::History(origin),
            Some(customer) => {
                let next = (to < newest).then_some(Window::AfterSeq { seq: to, limit });
                Then::Transcript { origin, conversation, customer: Box::new(customer), next }
            }
        };
        self.hands.read_history(then, conversation, seq.next(), to);
        Ok(())
    }
}

impl Slot {
    /// The customer whose end is the next write to be durable.
    fn customer_to_end(&self) -> Option<Party> {
        let live = self.live.as_ref()?;
        match (live.writes.front()?, &live.header.customer) {
            (conversation::Then::Ended { .. }, customer) => Some(customer.clone()),
            _ => None,
        }
    }

    /// A write failed alone and changed nothing. Only marks and revisions can, where a record is damaged; of any other
    /// write nobody knows what it left, and the process must not go on.
    fn not_written(&mut self, hands: &mut Hands) {
        let live = self.live.as_mut().expect("what was to be written is loaded");
        match live.writes.pop_front() {
            Some(conversation::Then::Read { asker, .. }) => hands.answer_asker(asker, Err(UNAVAILABLE)),
            Some(conversation::Then::Revised { asker, .. }) => {
                self.held = false;
                hands.answer_asker(asker, Err(UNAVAILABLE));
            }
            then => panic!("storage could not carry out a write that cannot fail alone: {then:?}"),
        }
        self.settle(hands);
    }

    fn written(&mut self, hands: &mut Hands, written: Written) {
        let live = self.live.as_mut().expect("what was written is loaded");
        let then = live.writes.pop_front().expect("each write has what follows it");
        match then {
            conversation::Then::Sent { message, scene, waiting, except } => {
                live.durable_seq = message.seq;
                sent(hands, message, scene, waiting, except, live);
            }
            conversation::Then::Assigned { scene, at, former, backlog } => {
                let agent = scene.agent.expect("an assignment has an agent");
                let code = hands.directory.code(agent);
                let event = Arc::new(Event::Assigned { scene: scene.clone(), code, former, at });
                hands.deliver(&scene.customer, &event, None);
                if let Some(former) = former {
                    hands.deliver(&Party::Agent(former), &event, None);
                }
                hands.deliver(&Party::Agent(agent), &event, None);
                hands.offer(&live.header.group, &event);
                if backlog {
                    let (conversation, to) = (live.header.id, live.durable_seq);
                    let from = Seq::new(to.get().saturating_sub(limits::BACKLOG_MAX_MESSAGES) + 1);
                    let then = Then::Backlog { conversation, agent, scene: Box::new(scene) };
                    hands.read(then, Read::History { conversation, from, to });
                }
            }
            conversation::Then::Waits { scene, group, at, former, left, told } => {
                let waiting = |elsewhere| {
                    Arc::new(Event::Waiting { scene: scene.clone(), group: group.clone(), former, elsewhere, at })
                };
                let event = waiting(false);
                if told {
                    hands.deliver(&scene.customer, &event, None);
                }
                if let Some(former) = former {
                    let elsewhere = !hands.directory.serves(former, &group);
                    hands.deliver(&Party::Agent(former), &waiting(elsewhere), None);
                }
                hands.offer(&group, &event);
                if let Some(left) = left {
                    hands.offer(&left, &waiting(true));
                }
            }
            conversation::Then::Revised { asker, scene } => {
                let Written::Revised(message) = written else { unreachable!("a revision tells what it made") };
                revise::revised(hands, *message, scene, asker, live);
                self.held = false;
            }
            conversation::Then::Read { asker, scene, of, at } => read(hands, written, asker, scene, of, at),
            conversation::Then::Ended { asker, scene, by, at } => {
                hands.answer_asker(asker, Ok(Answer::Ended(scene.conversation)));
                hands.ask_desk(DeskAsk::Released(scene.conversation));
                let event = tell_both(hands, Event::Ended { scene, by, at }, asker.map(|asker| asker.origin));
                hands.offer(&live.header.group, &event);
            }
            conversation::Then::Barrier { .. } => unreachable!("barriers are settled as they come first"),
        }
        self.settle(hands);
    }
}

fn sent(hands: &mut Hands, message: Message, scene: Scene, waiting: Vec<Asker>, except: Option<Origin>, live: &Live) {
    let sent = Sent {
        message: message.id,
        conversation: message.conversation,
        seq: message.seq,
        created_at: message.created_at,
    };
    for asker in waiting {
        hands.answer(asker.origin, Ok(Answer::Sent(sent)));
    }
    let author = match message.sender.side {
        Side::Customer => None,
        Side::Agent => scene.agent.and_then(|agent| hands.directory.code(agent)),
    };
    if !live.watchers.is_empty() {
        let (scene, message, author) = (scene.clone(), message.clone(), author.clone());
        hands.tell_watchers(live, &Arc::new(Event::Overheard { scene, message, author }));
    }
    tell_both(hands, Event::Message { scene, message, author }, except);
}

fn read(hands: &mut Hands, written: Written, asker: Option<Asker>, scene: Scene, of: Side, at: Timestamp) {
    let messages = match written {
        Written::Marked(messages) => messages,
        Written::Durable | Written::Leased(_) | Written::Customer(_) | Written::Revised(_) => Vec::new(),
    };
    let changed = u32::try_from(messages.len()).unwrap_or(u32::MAX);
    hands.answer_asker(asker, Ok(Answer::Read { changed }));
    if changed > 0 {
        tell_both(hands, Event::Read { scene, of, messages, at }, asker.map(|asker| asker.origin));
    }
}

/// Tells all devices of both sides, but for the connection that gets the answer instead.
pub(super) fn tell_both(hands: &mut Hands, event: Event, except: Option<Origin>) -> Arc<Event> {
    let scene = event.scene().expect("what both sides are told happened in a conversation");
    let (customer, agent) = (scene.customer.clone(), scene.agent);
    let event = Arc::new(event);
    hands.deliver(&customer, &event, except);
    if let Some(agent) = agent {
        hands.deliver(&Party::Agent(agent), &event, except);
    }
    event
}

/// A stretch for a resuming peer, cut where it would fill an outbox: the peer asks on from `next_seq`.
fn synced(mut messages: Vec<Message>, next_seq: Seq, complete: bool) -> Answer {
    if !cut(&mut messages) {
        return Answer::Synced { messages, next_seq, complete };
    }
    let next_seq = messages.last().map_or(next_seq, |message| message.seq);
    Answer::Synced { messages, next_seq, complete: false }
}

/// Cuts a stretch where it would fill an outbox; whether it did.
pub(super) fn cut(messages: &mut Vec<Message>) -> bool {
    let mut bytes = 0;
    let fit = messages.iter().take_while(|message| {
        let body = &message.body;
        bytes += body.content.len()
            + body.file_url.as_ref().map_or(0, String::len)
            + body.metadata.as_ref().map_or(0, |metadata| metadata.len());
        bytes <= limits::SYNC_MAX_BYTES
    });
    let fit = fit.count().max(1);
    let all = messages.len();
    messages.truncate(fit);
    fit < all
}

fn history(outcome: Outcome) -> Result<Vec<Message>, Refusal> {
    match outcome {
        Outcome::Found(Found::History(messages)) => Ok(messages),
        Outcome::Found(_) | Outcome::Written(_) | Outcome::Unavailable => Err(UNAVAILABLE),
    }
}

pub(super) const UNAVAILABLE: Refusal = Refusal::Busy("storage is unavailable");
