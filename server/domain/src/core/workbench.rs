//! What only a workbench asks for: lists, transcripts with names, picking a waiting conversation, looking on; and
//! who is offered what begins to wait.
//!
//! A connection that is offered conversations is known to its shard; a shard that has any is known to all, so that
//! where there is none, an offer costs a look at an empty list.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use switchboard_protocol::model::{
    Accept, Actor, AgentId, AgentRef, Answer, Command, ConversationFilter, ConversationId, ConversationQuery,
    ConversationView, Event, Found, Group, Line, Listed, Message, Party, Read, Refusal, Seq, Side, State, Viewer,
    Window, limits,
};

use super::hands::Hands;
use super::request::NO_CONVERSATION;
use super::stored::{Then as After, UNAVAILABLE, cut};
use super::{Core, Slot};
use crate::conversation::{Live, Then, Watcher};
use crate::{ConnectionId, DeskAsk, Effect, Letter, Listeners, Origin, Outcome, Request, ShardId};

/// Who is offered conversations, and who looks on.
#[derive(Debug, Default)]
pub(super) struct Offers {
    /// The connections here that are offered conversations. In order, so that the same inputs have the same effects.
    picking: BTreeMap<AgentId, Listeners>,
    /// The shards that have such connections, ascending.
    shards: Vec<ShardId>,
    /// The conversations that connections here watch.
    watched: HashMap<ConnectionId, Vec<ConversationId>>,
}

impl Core {
    /// A connection of an agent is here: it may be the first, or change what the agent is.
    pub(super) fn agent_arrived(&mut self, agent: AgentId, connection: ConnectionId, first: bool, accept: Accept) {
        if accept == Accept::Manual {
            self.hands.offers.picking.entry(agent).or_default().push(connection);
            self.hands.tell_of_offers();
        } else if !first && self.hands.assigned_devices(agent) == 1 {
            self.hands.ask_desk(DeskAsk::AgentAccepts(agent, Accept::Auto));
        }
    }

    /// A connection of an agent is gone, but was not its last unless `last`.
    pub(super) fn agent_left(&mut self, agent: AgentId, connection: ConnectionId, last: bool) {
        let picked = self.hands.stop_picking(agent, Some(connection));
        if last {
            self.hands.ask_desk(DeskAsk::AgentDown(agent));
        } else if !picked && self.hands.offers.picking.contains_key(&agent) && self.hands.assigned_devices(agent) == 0 {
            self.hands.ask_desk(DeskAsk::AgentAccepts(agent, Accept::Manual));
        }
        for conversation in self.hands.offers.watched.remove(&connection).unwrap_or_default() {
            let shard = self.hands.shard;
            let letter = Letter::Unwatch { conversation, shard, connection };
            self.hands.send(self.hands.placement.owner(conversation), letter);
        }
    }

    /// Another shard has connections that are offered conversations, or has none any more.
    pub(super) fn offers_of(&mut self, shard: ShardId, any: bool) {
        let shards = &mut self.hands.offers.shards;
        match (shards.binary_search(&shard), any) {
            (Err(at), true) => shards.insert(at, shard),
            (Ok(at), false) => {
                shards.remove(at);
            }
            (Ok(_), true) | (Err(_), false) => {}
        }
    }

    /// A connection that looked on is gone.
    pub(super) fn unwatch(&mut self, conversation: ConversationId, shard: ShardId, connection: ConnectionId) {
        let live = self.conversations.get_mut(&conversation).and_then(|slot| slot.live.as_mut());
        if let Some(live) = live {
            live.watchers.retain(|watcher| (watcher.shard, watcher.connection) != (shard, connection));
        }
    }

    /// A list, or one conversation as it is stored: for workbenches, agents and admins.
    pub(super) fn list_request(&mut self, request: Request) {
        let Request { origin, actor, command } = request;
        let sight = match self.hands.sight(&actor) {
            Ok(sight) => sight,
            Err(refusal) => return self.hands.answer(origin, Err(refusal)),
        };
        match command {
            Command::ListConversations(query) => {
                let agent = query.agent.as_ref().map(|name| self.hands.directory.find(name).map(|profile| profile.id));
                let agent = match agent {
                    None => None,
                    Some(Some(agent)) => Some(agent),
                    // Of an agent that nobody knows there are none.
                    Some(None) => {
                        let none = Answer::Conversations { conversations: Vec::new(), next: None };
                        return self.hands.answer(origin, Ok(none));
                    }
                };
                let filter = ConversationFilter { state: query.state, agent, platform: query.platform, ..sight };
                let read = Read::Conversations { filter, after: query.after, limit: query.limit };
                self.hands.read(After::Listed { origin, query }, read);
            }
            Command::ShowConversation(id) => {
                self.hands.read(After::Shown { origin, sight: Box::new(sight) }, Read::Listed(id));
            }
            other => unreachable!("no list: {other:?}"),
        }
    }

    /// A page of a list was read.
    pub(super) fn listed(&mut self, origin: Origin, query: ConversationQuery, outcome: Outcome) {
        let result = match outcome {
            Outcome::Found(Found::Conversations { page, next }) => {
                let conversations = page.into_iter().map(|listed| self.hands.view(listed)).collect();
                let next = next.map(|after| Box::new(ConversationQuery { after: Some(after), ..query }));
                Ok(Answer::Conversations { conversations, next })
            }
            Outcome::Found(_) | Outcome::Written(_) | Outcome::Unavailable => Err(UNAVAILABLE),
        };
        self.hands.answer(origin, result);
    }

    /// A conversation was read.
    pub(super) fn shown(&mut self, origin: Origin, sight: &ConversationFilter, outcome: Outcome) {
        let result = match outcome {
            Outcome::Found(Found::Listed(listed)) => listed
                .filter(|listed| sight.admits(&listed.conversation))
                .map(|listed| Answer::Shown(Box::new(self.hands.view(*listed))))
                .ok_or(NO_CONVERSATION),
            Outcome::Found(_) | Outcome::Written(_) | Outcome::Unavailable => Err(UNAVAILABLE),
        };
        self.hands.answer(origin, result);
    }
}

impl Slot {
    /// An agent picks the conversation, if it waits: the desk decides, because another may pick it too.
    pub(super) fn accept(
        &mut self,
        hands: &mut Hands,
        origin: Origin,
        actor: &Actor,
        agent: AgentRef,
    ) -> Result<(), Refusal> {
        let live = self.live.as_ref().expect("a slot that is not held is loaded");
        live.may_read(actor, &hands.directory)?;
        match actor {
            Actor::Workbench(None) | Actor::Admin => {}
            Actor::Workbench(Some(own)) | Actor::Agent(own) => {
                if hands.directory.find(&agent).is_none_or(|named| named.id != *own) {
                    return Err(Refusal::Forbidden);
                }
            }
            Actor::User(_) | Actor::Visitor { .. } | Actor::Customer(_) | Actor::Bearer(_) | Actor::Anonymous => {
                return Err(Refusal::Forbidden);
            }
        }
        if live.header.state != State::Pending {
            return Err(Refusal::WrongState);
        }
        hands.ask_desk(DeskAsk::Accept { conversation: live.header.id, agent, origin });
        Ok(())
    }

    /// The desk has decided about a pick. The answer waits until the assignment is durable.
    pub(super) fn accepted(&mut self, hands: &mut Hands, result: Result<AgentId, Refusal>, origin: Origin) {
        let open = self.live.as_ref().is_some_and(|live| live.header.is_open());
        match result {
            Err(refusal) => hands.answer(origin, Err(refusal)),
            // It was ended while the desk was asked, and the desk will hear of that.
            Ok(_) if !open => hands.answer(origin, Err(Refusal::WrongState)),
            Ok(agent) => {
                self.assigned(hands, Some(agent), None);
                let live = self.live.as_mut().expect("just looked at");
                let answer = Answer::Accepted(live.header.id);
                live.writes.push_back(Then::Barrier { asker: hands.asker(origin), answer });
                self.settle(hands);
            }
        }
    }

    /// A connection of an agent that sees the conversation looks on from now.
    pub(super) fn watch(&mut self, hands: &mut Hands, origin: Origin, actor: &Actor) -> Result<(), Refusal> {
        let live = self.live.as_mut().expect("a slot that is not held is loaded");
        live.may_read(actor, &hands.directory)?;
        let Actor::Agent(agent) = actor else { return Err(Refusal::Forbidden) };
        let watcher = Watcher { shard: origin.shard, connection: origin.connection, agent: *agent };
        if !live.watchers.contains(&watcher) {
            if live.watchers.len() >= limits::WATCHERS_MAX_CONNECTIONS {
                return Err(Refusal::Busy("too many look on"));
            }
            live.watchers.push(watcher);
        }
        hands.answer(origin, Ok(Answer::Watched(live.header.id)));
        Ok(())
    }
}

impl Hands {
    /// Offers something to the agents of a group, on whatever shard they are; the conversation's own agent hears it
    /// as a party.
    pub(super) fn offer(&mut self, group: &Group, event: &Arc<Event>) {
        for at in 0..self.offers.shards.len() {
            let shard = self.offers.shards[at];
            self.send(shard, Letter::Offer { group: group.clone(), event: event.clone() });
        }
    }

    /// Tells the connections here that are offered conversations, of the agents of a group.
    pub(super) fn tell_offered(&mut self, group: &Group, event: &Arc<Event>) {
        // Who has it, and who gave it away, hear as parties.
        let own = event.scene().and_then(|scene| scene.agent);
        let former = match &**event {
            Event::Waiting { former, .. } | Event::Assigned { former, .. } => *former,
            Event::Message { .. }
            | Event::Overheard { .. }
            | Event::Ended { .. }
            | Event::Read { .. }
            | Event::Typing { .. }
            | Event::Revised { .. }
            | Event::AgentStatus { .. } => None,
        };
        let others = self.offers.picking.iter().filter(|(agent, _)| Some(**agent) != own && Some(**agent) != former);
        // Who serves both groups is told once, of the new one.
        let gone_to = match &**event {
            Event::Waiting { elsewhere: true, group, .. } => Some(group),
            _ => None,
        };
        let to: Listeners = others
            .filter(|(agent, _)| self.directory.serves(**agent, group))
            .filter(|(agent, _)| gone_to.is_none_or(|group| !self.directory.serves(**agent, group)))
            .flat_map(|(_, connections)| connections.iter().copied())
            .collect();
        if !to.is_empty() {
            self.out.push(Effect::Tell { to, event: event.clone() });
        }
    }

    /// Tells those who look on, but for the conversation's own agent, which hears as a party.
    pub(super) fn tell_watchers(&mut self, live: &Live, event: &Arc<Event>) {
        for Watcher { shard, connection, agent } in &live.watchers {
            let own = live.header.agent == Some(*agent);
            if !own && self.directory.serves(*agent, &live.header.group) {
                self.send(*shard, Letter::Whisper { connection: *connection, event: event.clone() });
            }
        }
    }

    /// An agent that was deleted is offered nothing.
    pub(super) fn stop_offering_to(&mut self, agent: AgentId) {
        self.stop_picking(agent, None);
    }

    /// Notes that a connection here watches a conversation, so that its owner hears when it is gone.
    pub(super) fn note_watched(
        &mut self,
        connection: ConnectionId,
        conversation: ConversationId,
    ) -> Result<(), Refusal> {
        let watched = self.offers.watched.entry(connection).or_default();
        if watched.contains(&conversation) {
            return Ok(());
        }
        if watched.len() >= limits::WATCHED_MAX_CONVERSATIONS {
            return Err(Refusal::Busy("this connection watches too many conversations"));
        }
        watched.push(conversation);
        Ok(())
    }

    /// Part of a history with the names of those who wrote; a stretch for a resuming peer is cut where it would fill
    /// an outbox.
    pub(super) fn transcript(
        &self,
        conversation: ConversationId,
        customer: Party,
        mut messages: Vec<Message>,
        mut next: Option<Window>,
    ) -> Answer {
        if let Some(Window::BeforeSeq { limit, .. }) = next {
            // The newest are what was asked for.
            messages.reverse();
            cut(&mut messages);
            messages.reverse();
            let first = messages.first().map(|message| message.seq).filter(|first| first.get() > 1);
            next = first.map(|seq| Window::BeforeSeq { seq, limit });
        } else if cut(&mut messages)
            && let Some(last) = messages.last()
        {
            next = Some(Window::AfterSeq { seq: last.seq, limit: limits::PAGE_MAX });
        }
        let lines = messages.into_iter().map(|message| {
            let author = match message.sender.side {
                Side::Customer => None,
                Side::Agent => AgentId::new(message.sender.number).ok().and_then(|agent| self.directory.code(agent)),
            };
            Line { message, author }
        });
        Answer::Transcript { conversation, customer, lines: lines.collect(), next }
    }

    /// Asks storage for a stretch of a history; of an empty one it knows the answer.
    pub(super) fn read_history(&mut self, then: After, conversation: ConversationId, from: Seq, to: Seq) {
        match then {
            After::History(origin) if from > to => self.answer(origin, Ok(Answer::History(Vec::new()))),
            After::Transcript { origin, customer, next, .. } if from > to => {
                let answer = self.transcript(conversation, *customer, Vec::new(), next);
                self.answer(origin, Ok(answer));
            }
            then => self.read(then, Read::History { conversation, from, to }),
        }
    }

    /// What an actor sees of all conversations: a customer its own, an agent its own and its groups', others all.
    fn sight(&self, actor: &Actor) -> Result<ConversationFilter, Refusal> {
        let all = ConversationFilter::default();
        match actor {
            Actor::Workbench(None) | Actor::Admin => Ok(all),
            Actor::Workbench(Some(agent)) | Actor::Agent(agent) => {
                let profile = self.directory.find(&AgentRef::Id(*agent));
                let groups = profile.map(|profile| profile.groups.clone()).unwrap_or_default();
                Ok(ConversationFilter { viewer: Some(Viewer { agent: *agent, groups }), ..all })
            }
            Actor::User(_) | Actor::Customer(_) | Actor::Visitor { bound: true, .. } => {
                Ok(ConversationFilter { customer: actor.party(), ..all })
            }
            Actor::Visitor { bound: false, .. } | Actor::Bearer(_) | Actor::Anonymous => Err(Refusal::Forbidden),
        }
    }

    fn view(&self, listed: Listed) -> ConversationView {
        let agent = listed.conversation.agent.and_then(|agent| self.directory.code(agent));
        ConversationView { listed, agent }
    }

    /// How many of an agent's devices take what is assigned.
    fn assigned_devices(&self, agent: AgentId) -> usize {
        let all = self.devices.count(&Party::Agent(agent));
        all - self.offers.picking.get(&agent).map_or(0, |picking| picking.len()).min(all)
    }

    /// Takes a connection, or all of an agent's, out of those that are offered conversations; whether any was.
    fn stop_picking(&mut self, agent: AgentId, connection: Option<ConnectionId>) -> bool {
        let Some(picking) = self.offers.picking.get_mut(&agent) else { return false };
        let before = picking.len();
        picking.retain(|known| connection.is_some_and(|gone| *known != gone));
        let any = picking.len() < before;
        if picking.is_empty() {
            self.offers.picking.remove(&agent);
            self.tell_of_offers();
        }
        any
    }

    /// Tells all shards whether this one has connections that are offered conversations, if that is news.
    fn tell_of_offers(&mut self) {
        let any = !self.offers.picking.is_empty();
        if any == self.offers.shards.contains(&self.shard) {
            return;
        }
        let shard = self.shard;
        for to in (0..self.placement.shards()).map(ShardId) {
            self.send(to, Letter::Offered { shard, any });
        }
    }
}
